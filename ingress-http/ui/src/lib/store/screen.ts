import type { ConnectionState, Failure } from '../api/connection';
import type { Lane, LaneError, PartialEntry } from '../api/wire';
import { firstError, type LaneSummary } from './lanes';
import type { Judging } from './verdict-watch.svelte';
import { isRestricted, isSightClear, type Sight } from './sight';

/** What stands in the place of the table when there are no rows to show, and why. */
export type Screen =
  | { type: 'table' }
  /** Nothing is known yet, and nothing is wrong so far. */
  | { type: 'loading'; stage: 'connecting' | 'reading'; received: number }
  /** Nothing is known, and this page's server is the reason. */
  | { type: 'server-lost'; failure: Failure; since: number; retryAt: number | null; asked: boolean }
  /** Nothing is known, since the cluster has not answered. */
  | { type: 'cluster-waiting'; lanes: readonly Lane[]; error: LaneError | null }
  /** The cluster refuses all of it. */
  | { type: 'denied'; lanes: readonly Lane[]; error: LaneError | null }
  /** The server watches nothing that it would tell of. */
  | { type: 'no-lanes' }
  /** Nobody can tell what this viewer may see. */
  | { type: 'access-unknown'; unknown: readonly PartialEntry[] }
  /** Known to be empty, as far as this viewer may see. `all`: they may see nothing at all. */
  | { type: 'restricted'; restricted: readonly PartialEntry[]; all: boolean }
  /** Known to be empty. */
  | { type: 'empty' }
  /** Nothing found so far, but part of the view is not known. */
  | { type: 'empty-partial' }
  /** Asked for by a verdict, while no verdict is known; `message`: why not, unless they are about to come. */
  | { type: 'unjudged'; message: string | null }
  /** Nothing among what is known. `partial`: not everything is. `restricted`: there may be more that others see. */
  | { type: 'no-match'; partial: boolean; restricted: boolean };

export interface ScreenInput {
  connection: ConnectionState;
  ready: boolean;
  received: number;
  lanes: LaneSummary;
  sight: Sight;
  /** Rows known, before any filter. */
  known: number;
  /** Rows that match the filter. */
  matching: number;
  /** How well verdicts are known, where rows are asked for by one. */
  judging: Judging | null;
}

/** The one place that decides what may be claimed. It never says "none" before it is known. */
export function screenOf(input: ScreenInput): Screen {
  const { connection, ready, lanes, sight } = input;
  if (input.matching > 0) {
    return { type: 'table' };
  }
  if (connection.phase === 'lost' && input.known === 0) {
    const { failure, since, retryAt, asked } = connection;
    return { type: 'server-lost', failure, since, retryAt, asked };
  }
  if (!ready) {
    const stage = connection.phase === 'connected' ? 'reading' : 'connecting';
    return { type: 'loading', stage, received: input.received };
  }
  if (input.known > 0) {
    const { judging } = input;
    if (judging !== null && judging.type !== 'known' && judging.type !== 'unwatched') {
      return { type: 'unjudged', message: judging.type === 'failed' ? judging.message : null };
    }
    const partial = !isCurrent(connection, lanes, sight) || !isJudgementCurrent(judging);
    return { type: 'no-match', partial, restricted: isRestricted(sight) };
  }
  if (sight.type === 'asking') {
    return { type: 'loading', stage: 'reading', received: input.received };
  }
  if (sight.type === 'known' && sight.unknown.length > 0 && lanes.live === lanes.total) {
    return { type: 'access-unknown', unknown: sight.unknown };
  }
  if (lanes.total === 0) {
    return sight.type === 'known' && sight.restricted.length > 0
      ? { type: 'restricted', restricted: sight.restricted, all: true }
      : { type: 'no-lanes' };
  }
  if (lanes.denied.length === lanes.total) {
    return { type: 'denied', lanes: lanes.denied, error: firstError(lanes.denied) };
  }
  if (lanes.live === lanes.total && sight.type === 'known') {
    const { restricted } = sight;
    return restricted.length > 0 ? { type: 'restricted', restricted, all: false } : { type: 'empty' };
  }
  if (lanes.live > 0) {
    return { type: 'empty-partial' };
  }
  const unread = [...lanes.waiting, ...lanes.stale, ...lanes.denied];
  return { type: 'cluster-waiting', lanes: unread, error: firstError(unread) };
}

/** Whether what is said of routes is so now; where nobody asks for it, nothing of it is missing. */
export function isJudgementCurrent(judging: Judging | null): boolean {
  return (
    judging === null ||
    judging.type === 'unwatched' ||
    (judging.type === 'known' && judging.lost === null && judging.staleSince === null)
  );
}

/**
 * Whether everything that may be seen is known as it is now: that takes this page's connection, every lane, and to know
 * what may be seen.
 */
export function isCurrent(connection: ConnectionState, lanes: LaneSummary, sight: Sight): boolean {
  const areLive = lanes.live === lanes.total && (lanes.total > 0 || isRestricted(sight));
  return connection.phase === 'connected' && areLive && isSightClear(sight);
}
