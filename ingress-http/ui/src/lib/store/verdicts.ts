import type { Route, RouteEvent, Verdict } from '../api/wire';
import { isVerdict, type Tally } from '../format/verdict';

/** Whose verdicts changed: those of these ingresses, by their ids, or, possibly, everybody's. */
export type Touched = { type: 'some'; ids: readonly string[] } | { type: 'all' };

export const NOBODY: Touched = { type: 'some', ids: [] };

interface Judged {
  ingress: string;
  verdict: Verdict;
}

/** What the stream of routes has told so far, as far as the table shows it: how many routes of each ingress have which verdict. */
export class Verdicts {
  /** Until then nothing is known, whatever the maps hold. */
  ready = false;
  /** The clusters whose routes are judged by what is not confirmed current, and since when. */
  staleSince: Readonly<Record<string, string>> = {};
  #routes = new Map<string, Judged>();
  #tallies = new Map<string, Record<Verdict, number>>();
  /** A snapshot that is still arriving; it replaces what is known in one step once it is complete. */
  #pending: Map<string, Judged> | null = null;

  /** What is said of the routes of an ingress; `null` where nothing is. */
  of(ingress: string): Tally | null {
    return this.ready ? (this.#tallies.get(ingress) ?? null) : null;
  }

  /** A connection begins: a snapshot that was cut off will be sent again from its start. */
  opened(): void {
    this.#pending = null;
  }

  apply(event: RouteEvent): Touched {
    switch (event.type) {
      case 'stale':
        this.staleSince = event.staleSince;
        return NOBODY;
      case 'snapshot':
        return this.#snapshot(event.items, event.done);
      case 'put':
        return this.#set(event.route.id, judgedOf(event.route));
      case 'verdict': {
        const before = (this.#pending ?? this.#routes).get(event.id);
        return before === undefined
          ? NOBODY
          : this.#set(event.id, { ingress: before.ingress, verdict: known(event.verdict) });
      }
      case 'removed':
        return this.#set(event.id, null);
      case 'reset':
        // What is shown stays until the new snapshot is complete.
        this.#pending = new Map();
        return NOBODY;
      case 'end':
        return NOBODY;
    }
  }

  #snapshot(items: readonly Route[], done: boolean): Touched {
    this.#pending ??= new Map();
    for (const route of items) {
      this.#pending.set(route.id, judgedOf(route));
    }
    if (!done) {
      return NOBODY;
    }
    this.#routes = this.#pending;
    this.#pending = null;
    this.#tallies = new Map();
    for (const judged of this.#routes.values()) {
      this.#count(judged, 1);
    }
    this.ready = true;
    return { type: 'all' };
  }

  #set(id: string, judged: Judged | null): Touched {
    if (this.#pending !== null) {
      if (judged === null) {
        this.#pending.delete(id);
      } else {
        this.#pending.set(id, judged);
      }
      return NOBODY;
    }
    const before = this.#routes.get(id);
    if (before?.ingress === judged?.ingress && before?.verdict === judged?.verdict) {
      return NOBODY;
    }
    if (before !== undefined) {
      this.#count(before, -1);
    }
    if (judged === null) {
      this.#routes.delete(id);
    } else {
      this.#routes.set(id, judged);
      this.#count(judged, 1);
    }
    const ids = [before?.ingress, judged?.ingress].filter((ingress) => ingress !== undefined);
    return { type: 'some', ids: [...new Set(ids)] };
  }

  /** Tallies are not changed after they were handed out, so that a row goes on saying what it said. */
  #count({ ingress, verdict }: Judged, by: 1 | -1): void {
    const tally = { ...(this.#tallies.get(ingress) ?? { broken: 0, degraded: 0, unknown: 0, ok: 0 }) };
    tally[verdict] += by;
    if (Object.values(tally).every((count) => count === 0)) {
      this.#tallies.delete(ingress);
    } else {
      this.#tallies.set(ingress, tally);
    }
  }
}

function judgedOf(route: Route): Judged {
  return { ingress: `${route.cluster}/${route.namespace ?? ''}/${route.name}`, verdict: known(route.verdict) };
}

/** A verdict that this page does not know is not known to be fine. */
function known(verdict: string): Verdict {
  return isVerdict(verdict) ? verdict : 'unknown';
}
