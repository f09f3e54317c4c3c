import type { Item, Lane, StreamEvent, Verdict } from '../api/wire';
import { worstOf, type Tally } from '../format/verdict';
import { Row, type Change } from './row';

/** Everything the stream has told so far. */
export interface Feed {
  /** What is shown. Until `ready` it is empty because nothing is known, not because nothing is there. */
  rows: Map<string, Row>;
  ready: boolean;
  /** A snapshot that is still arriving; it replaces `rows` in one step once it is complete. */
  pending: Map<string, Row> | null;
  lanes: Map<string, Lane>;
  /** Lanes from before the current connection that it has not told of again. */
  unconfirmed: Set<string>;
  /** How many of `rows` there are per namespace and per class (`''` for none). */
  namespaces: Map<string, number>;
  classes: Map<string, number>;
  /** And per worst verdict of their routes. */
  verdicts: Map<Verdict, number>;
  /** What is said of an ingress's routes, by its id. */
  tallyOf: (id: string) => Tally | null;
}

/** What an event changed, so that whoever derives something from the feed need not look at all of it. */
export type Effect =
  | { type: 'none' }
  | { type: 'row'; before: Row | null; after: Row | null }
  | { type: 'rows' }
  | { type: 'lanes' }
  | { type: 'progress' };

const NONE: Effect = { type: 'none' };

function nothingSaid(): null {
  return null;
}

export function newFeed(tallyOf: (id: string) => Tally | null = nothingSaid): Feed {
  return {
    rows: new Map(),
    ready: false,
    pending: null,
    lanes: new Map(),
    unconfirmed: new Set(),
    namespaces: new Map(),
    classes: new Map(),
    verdicts: new Map(),
    tallyOf,
  };
}

/**
 * A (re)connection begins. The server sends every lane again before anything else, so lanes that it does not mention
 * are gone; a snapshot that was cut off will be sent again from its start.
 */
export function connectionOpened(feed: Feed): void {
  feed.pending = null;
  feed.unconfirmed = new Set(feed.lanes.keys());
}

/**
 * The lanes of this connection have all been told. Called by the first thing that follows them: any other event, or a
 * heartbeat.
 */
export function lanesConfirmed(feed: Feed): Effect {
  if (feed.unconfirmed.size === 0) {
    return NONE;
  }
  for (const id of feed.unconfirmed) {
    feed.lanes.delete(id);
  }
  feed.unconfirmed.clear();
  return { type: 'lanes' };
}

/**
 * Applies one event. It changes the feed it is given instead of copying it, since copying ten thousand entries for every
 * change would be the most expensive thing on the page; apart from that it is pure: no clock, no DOM, no randomness.
 */
export function applyEvent(feed: Feed, event: StreamEvent, now: number): Effect {
  switch (event.type) {
    case 'lane':
      feed.unconfirmed.delete(event.lane.id);
      feed.lanes.set(event.lane.id, event.lane);
      return { type: 'lanes' };
    case 'laneRemoved':
      feed.unconfirmed.delete(event.id);
      return feed.lanes.delete(event.id) ? { type: 'lanes' } : NONE;
    case 'snapshot':
      return applySnapshot(feed, event.chunk.items, event.chunk.done);
    case 'added':
    case 'modified':
      return put(feed, event.item, { kind: event.type, at: now });
    case 'deleted':
      return remove(feed, event.deleted.id);
    case 'reset':
      // What is shown stays until the new snapshot is complete: a reset is no reason to show an empty table.
      feed.pending = new Map();
      feed.unconfirmed = new Set(feed.lanes.keys());
      return { type: 'progress' };
    case 'end':
      return NONE;
  }
}

function applySnapshot(feed: Feed, items: readonly Item[], done: boolean): Effect {
  feed.pending ??= new Map();
  for (const item of items) {
    feed.pending.set(item.id, new Row(item, null, feed.tallyOf(item.id)));
  }
  if (!done) {
    return { type: 'progress' };
  }
  feed.rows = feed.pending;
  feed.pending = null;
  feed.ready = true;
  countAll(feed);
  return { type: 'rows' };
}

/** What is said of the routes of an ingress may have changed. */
export function retally(feed: Feed, id: string, now: number): Effect {
  const tally = feed.tallyOf(id);
  const waiting = feed.pending?.get(id);
  if (waiting !== undefined) {
    feed.pending?.set(id, new Row(waiting.item, waiting.change, tally));
  }
  const before = feed.rows.get(id);
  if (before === undefined) {
    return waiting === undefined ? NONE : { type: 'progress' };
  }
  const change = worstOf(before.tally) === worstOf(tally) ? before.change : ({ kind: 'modified', at: now } as const);
  const after = new Row(before.item, change, tally);
  feed.rows.set(id, after);
  count(feed, before, -1);
  count(feed, after, 1);
  return { type: 'row', before, after };
}

/** The same of all ingresses. Nothing of it is news of a single one. */
export function retallyAll(feed: Feed): Effect {
  for (const rows of [feed.rows, feed.pending ?? new Map<string, Row>()]) {
    for (const [id, row] of rows) {
      rows.set(id, new Row(row.item, row.change, feed.tallyOf(id)));
    }
  }
  countAll(feed);
  return { type: 'rows' };
}

function put(feed: Feed, item: Item, change: Change): Effect {
  const after = new Row(item, change, feed.tallyOf(item.id));
  if (feed.pending !== null) {
    feed.pending.set(item.id, after);
    return { type: 'progress' };
  }
  const before = feed.rows.get(item.id) ?? null;
  if (before !== null) {
    count(feed, before, -1);
  }
  feed.rows.set(item.id, after);
  count(feed, after, 1);
  return { type: 'row', before, after };
}

function remove(feed: Feed, id: string): Effect {
  if (feed.pending !== null) {
    feed.pending.delete(id);
    return { type: 'progress' };
  }
  const before = feed.rows.get(id);
  if (before === undefined) {
    return NONE;
  }
  feed.rows.delete(id);
  count(feed, before, -1);
  return { type: 'row', before, after: null };
}

function countAll(feed: Feed): void {
  feed.namespaces = new Map();
  feed.classes = new Map();
  feed.verdicts = new Map();
  for (const row of feed.rows.values()) {
    count(feed, row, 1);
  }
}

function count(feed: Feed, row: Row, by: 1 | -1): void {
  bump(feed.namespaces, row.item.namespace, by);
  bump(feed.classes, row.item.ingressClassName ?? '', by);
  const verdict = worstOf(row.tally);
  if (verdict !== null) {
    bump(feed.verdicts, verdict, by);
  }
}

function bump<K>(counts: Map<K, number>, key: K, by: number): void {
  const next = (counts.get(key) ?? 0) + by;
  if (next === 0) {
    counts.delete(key);
  } else {
    counts.set(key, next);
  }
}
