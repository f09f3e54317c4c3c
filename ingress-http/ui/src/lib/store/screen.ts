import type { ConnectionState, Failure } from '../api/connection';
import type { Lane, LaneError } from '../api/wire';
import { firstError, type LaneSummary } from './lanes';

/** What stands in the place of the table when there are no rows to show, and why. */
export type Screen =
  | { type: 'table' }
  /** Nothing is known yet, and nothing is wrong so far. */
  | { type: 'loading'; stage: 'connecting' | 'reading'; received: number }
  /** Nothing is known, and this page's server is the reason. */
  | { type: 'server-lost'; failure: Failure; since: number; retryAt: number | null }
  /** Nothing is known, since the cluster has not answered. */
  | { type: 'cluster-waiting'; lanes: readonly Lane[]; error: LaneError | null }
  /** The cluster refuses all of it. */
  | { type: 'denied'; lanes: readonly Lane[]; error: LaneError | null }
  /** The server watches nothing that it would tell of. */
  | { type: 'no-lanes' }
  /** Known to be empty. */
  | { type: 'empty' }
  /** Nothing found so far, but part of the view is not known. */
  | { type: 'empty-partial' }
  /** Nothing among what is known. `partial`: not everything is. */
  | { type: 'no-match'; partial: boolean };

export interface ScreenInput {
  connection: ConnectionState;
  ready: boolean;
  received: number;
  lanes: LaneSummary;
  /** Rows known, before any filter. */
  known: number;
  /** Rows that match the filter. */
  matching: number;
}

/** The one place that decides what may be claimed. It never says "none" before it is known. */
export function screenOf(input: ScreenInput): Screen {
  const { connection, ready, lanes } = input;
  if (input.matching > 0) {
    return { type: 'table' };
  }
  if (connection.phase === 'lost' && input.known === 0) {
    const { failure, since, retryAt } = connection;
    return { type: 'server-lost', failure, since, retryAt };
  }
  if (!ready) {
    const stage = connection.phase === 'connected' ? 'reading' : 'connecting';
    return { type: 'loading', stage, received: input.received };
  }
  if (input.known > 0) {
    return { type: 'no-match', partial: !isCurrent(connection, lanes) };
  }
  if (lanes.total === 0) {
    return { type: 'no-lanes' };
  }
  if (lanes.denied.length === lanes.total) {
    return { type: 'denied', lanes: lanes.denied, error: firstError(lanes.denied) };
  }
  if (lanes.live === lanes.total) {
    return { type: 'empty' };
  }
  if (lanes.live > 0) {
    return { type: 'empty-partial' };
  }
  const unread = [...lanes.waiting, ...lanes.stale, ...lanes.denied];
  return { type: 'cluster-waiting', lanes: unread, error: firstError(unread) };
}

/** Whether everything in view is known as it is now: that takes this page's connection and every lane. */
export function isCurrent(connection: ConnectionState, lanes: LaneSummary): boolean {
  return connection.phase === 'connected' && lanes.total > 0 && lanes.live === lanes.total;
}
