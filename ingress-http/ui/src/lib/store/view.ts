import { VERDICTS, worstOf } from '../format/verdict';
import type { Query, Sort, SortKey } from './query';
import type { Row } from './row';

export type Predicate = (row: Row) => boolean;
export type Order = (a: Row, b: Row) => number;

/** Whether a row matches the filters of a query: all words of the search, one of the namespaces, the class. */
export function predicate(query: Query): Predicate {
  const words = query.search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  const namespaces = query.namespaces.length === 0 ? null : new Set(query.namespaces);
  const { ingressClass, verdict } = query;
  return (row) =>
    (namespaces === null || namespaces.has(row.item.namespace)) &&
    (ingressClass === null || (row.item.ingressClassName ?? '') === ingressClass) &&
    (verdict === null || worstOf(row.tally) === verdict) &&
    words.every((word) => row.haystack.includes(word));
}

const TEXT_KEYS: Record<Exclude<SortKey, 'age' | 'verdict'>, (row: Row) => string> = {
  namespace: (row) => row.item.namespace,
  name: (row) => row.item.name,
  class: (row) => row.item.ingressClassName ?? '',
  host: (row) => row.item.hosts[0] ?? '',
  backend: (row) => row.firstBackend,
  tls: (row) => row.item.tls[0]?.secretName ?? '',
  address: (row) => row.item.addresses[0] ?? '',
};

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A total order: ties by namespace, name and id, so that no two rows are equal and none jumps about. */
export function order(sort: Sort): Order {
  const primary = primaryOrder(sort.key);
  const sign = sort.descending ? -1 : 1;
  return (a, b) =>
    sign * primary(a, b) ||
    compareText(a.item.namespace, b.item.namespace) ||
    compareText(a.item.name, b.item.name) ||
    compareText(a.id, b.id);
}

function primaryOrder(key: SortKey): Order {
  if (key === 'age') {
    // The youngest first, as an ascending age has it: that is the latest creation time.
    return (a, b) => b.created - a.created;
  }
  if (key === 'verdict') {
    return (a, b) => severity(a) - severity(b);
  }
  const text = TEXT_KEYS[key];
  return (a, b) => {
    const left = text(a);
    const right = text(b);
    // What has no value comes last, whichever the column: an empty cell is never what a sort is for.
    if (left === '' || right === '') {
      return Number(left === '') - Number(right === '');
    }
    return compareText(left, right);
  };
}

/** The worst first; last, whatever nothing is said of. */
function severity(row: Row): number {
  const worst = worstOf(row.tally);
  return worst === null ? VERDICTS.length : VERDICTS.indexOf(worst);
}

/**
 * The rows of a view at one moment. The array behind it is not copied, and it goes on changing; so it is not handed out
 * itself, lest somebody take the same array for the same rows.
 */
export class Shown {
  readonly count: number;
  readonly #rows: readonly Row[];

  constructor(rows: readonly Row[]) {
    this.#rows = rows;
    this.count = rows.length;
  }

  at(index: number): Row | null {
    return this.#rows[index] ?? null;
  }

  slice(start: number, end: number): Row[] {
    return this.#rows.slice(start, end);
  }
}

/**
 * The filtered, sorted rows of a query, kept up to date change by change.
 *
 * Filtering and sorting ten thousand rows takes some ten milliseconds, which is fine when somebody types and far too
 * much sixty times a second; a change of one row therefore only moves that row, found by binary search.
 */
export class View {
  #rows: Row[] = [];
  #matches: Predicate;
  #order: Order;

  constructor(query: Query) {
    this.#matches = predicate(query);
    this.#order = order(query.sort);
  }

  get rows(): readonly Row[] {
    return this.#rows;
  }

  setQuery(query: Query, all: Iterable<Row>): void {
    this.#matches = predicate(query);
    this.#order = order(query.sort);
    this.rebuild(all);
  }

  rebuild(all: Iterable<Row>): void {
    const rows: Row[] = [];
    for (const row of all) {
      if (this.#matches(row)) {
        rows.push(row);
      }
    }
    this.#rows = rows.sort(this.#order);
  }

  /** Puts `after` in the place of `before`; `null` for a row that was not there before, or is not any more. */
  replace(before: Row | null, after: Row | null): void {
    const from = before === null ? -1 : this.indexOf(before);
    const next = after !== null && this.#matches(after) ? after : null;
    if (from >= 0 && next !== null && before !== null && this.#order(before, next) === 0) {
      this.#rows[from] = next;
      return;
    }
    if (from >= 0) {
      this.#rows.splice(from, 1);
    }
    if (next !== null) {
      this.#rows.splice(this.#lowerBound(next), 0, next);
    }
  }

  /** Where a row is shown, or -1. */
  indexOf(row: Row): number {
    const index = this.#lowerBound(row);
    return this.#rows[index]?.id === row.id ? index : -1;
  }

  #lowerBound(row: Row): number {
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const at = this.#rows[middle];
      if (at !== undefined && this.#order(at, row) < 0) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}
