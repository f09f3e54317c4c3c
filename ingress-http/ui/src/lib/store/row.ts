import type { Item } from '../api/wire';
import { toMillis } from '../format/age';
import { backendName, backendText } from '../format/backend';
import type { Tally } from '../format/verdict';

export interface Change {
  kind: 'added' | 'modified';
  /** When the page learned of it, on the page's clock. */
  at: number;
}

/**
 * An ingress as the table holds it. Never changed after it was made: a newer state of the object is a new row, which is
 * what lets the view find the old one by its old sort key.
 */
export class Row {
  readonly item: Item;
  readonly change: Change | null;
  /** What is said of its routes; `null` while nobody said anything. */
  readonly tally: Tally | null;
  #haystack: string | null = null;
  #created: number | null = null;
  #firstBackend: string | null = null;

  constructor(item: Item, change: Change | null = null, tally: Tally | null = null) {
    this.item = item;
    this.change = change;
    this.tally = tally;
  }

  get id(): string {
    return this.item.id;
  }

  /** What a search looks at, in lower case. Made on first use: most rows are never searched. */
  get haystack(): string {
    this.#haystack ??= haystackOf(this.item);
    return this.#haystack;
  }

  /** When it was created, for sorting; kept, since a sort asks a row some fifteen times. */
  get created(): number {
    this.#created ??= toMillis(this.item.creationTimestamp) ?? 0;
    return this.#created;
  }

  /** The first path and its backend, for sorting. */
  get firstBackend(): string {
    this.#firstBackend ??= firstBackendOf(this.item);
    return this.#firstBackend;
  }
}

/** The same fields that the API's `search` parameter looks at; the line breaks keep a word from matching across two of them. */
function haystackOf(item: Item): string {
  const parts = [item.name, item.namespace, ...item.hosts, backendName(item.defaultBackend)];
  for (const rule of item.rules) {
    for (const path of rule.paths) {
      parts.push(path.path ?? '', backendName(path.backend));
    }
  }
  return parts.join('\n').toLowerCase();
}

function firstBackendOf(item: Item): string {
  const first = item.rules.find((rule) => rule.paths.length > 0)?.paths[0];
  if (first !== undefined) {
    return `${first.path ?? ''} ${backendText(first.backend)}`;
  }
  return item.defaultBackend === null ? '' : backendText(item.defaultBackend);
}
