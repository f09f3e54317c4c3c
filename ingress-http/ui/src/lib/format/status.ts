import type { ConnectionState } from '../api/connection';
import type { Lane } from '../api/wire';
import type { HealthState } from '../store/health';
import { firstError, type LaneSummary } from '../store/lanes';
import { formatClock, formatDuration } from './age';
import { formatNumber, plural } from './count';

/** How good a piece of news is. `unknown` is a tone of its own, so that what is not known never looks fine. */
export type Tone = 'ok' | 'warn' | 'bad' | 'unknown';

export interface Status {
  tone: Tone;
  text: string;
}

export function connectionStatus(connection: ConnectionState, now: number): Status {
  switch (connection.phase) {
    case 'connecting':
      return { tone: 'unknown', text: 'Connecting…' };
    case 'connected':
      return { tone: 'ok', text: 'Connected' };
    case 'lost': {
      const since = `since ${formatClock(connection.since, now)}`;
      switch (connection.failure.kind) {
        case 'unreachable':
          return { tone: 'bad', text: `Server unreachable ${since}` };
        case 'refused':
          return { tone: 'bad', text: `Refused ${since}` };
        case 'silent':
        case 'ended':
          return { tone: 'warn', text: `Reconnecting ${since}` };
      }
    }
  }
}

/** When the next attempt comes, for a connection that is lost. */
export function retryText(retryAt: number | null, now: number): string {
  if (retryAt === null) {
    return 'trying now';
  }
  const wait = Math.ceil((retryAt - now) / 1000);
  return wait <= 0 ? 'trying now' : `next attempt in ${formatDuration(wait * 1000)}`;
}

/** The state of all lanes in a few words. While this page itself has no connection, the words are from before, and say so. */
export function lanesStatus(summary: LaneSummary, connection: ConnectionState, now: number): Status {
  if (summary.total === 0) {
    return { tone: 'unknown', text: 'Feeds not known yet' };
  }
  const status = lanesAsTold(summary, now);
  return connection.phase === 'connected' ? status : { tone: 'unknown', text: `Last known: ${status.text}` };
}

function lanesAsTold(summary: LaneSummary, now: number): Status {
  const { total, live, stale, denied, waiting } = summary;
  if (live === total) {
    return { tone: 'ok', text: `${everything(summary)} live` };
  }
  const error = firstError(waiting);
  const parts = [
    {
      lanes: stale,
      what: summary.staleSince === null ? 'stale' : `stale since ${formatClock(summary.staleSince, now)}`,
    },
    { lanes: denied, what: 'denied' },
    { lanes: waiting, what: error === null ? 'not read yet' : `not read yet (${error.reason})` },
  ].filter((part) => part.lanes.length > 0);
  const tone =
    denied.length === total ? 'bad' : stale.length + denied.length > 0 || error !== null ? 'warn' : 'unknown';
  const [first, ...others] = parts;
  if (first === undefined || others.length > 0) {
    const each = parts.map((part) => `${formatNumber(part.lanes.length)} ${part.what}`);
    return { tone, text: `${feeds(summary)}: ${each.join(', ')}` };
  }
  const { lanes, what } = first;
  const text =
    lanes.length === total
      ? what.charAt(0).toUpperCase() + what.slice(1)
      : `${formatNumber(lanes.length)} of ${feeds(summary)} ${what}`;
  return { tone, text };
}

function everything(summary: LaneSummary): string {
  if (summary.total > 1) {
    return `All ${feeds(summary)}`;
  }
  return summary.perNamespace ? 'Namespace' : 'All namespaces';
}

/** What the lanes are, to somebody who does not know of lanes: namespaces, where each has one of its own. */
function feeds(summary: LaneSummary): string {
  return summary.perNamespace ? plural(summary.total, 'namespace') : plural(summary.total, 'feed');
}

/** How many objects a lane holds; of a lane that was never read, nothing is known. */
export function objectsText(lane: Lane): string {
  return lane.lastSync === null && lane.objects === 0 ? 'objects not known' : plural(lane.objects, 'object');
}

const STATE_STATUS: Record<Lane['state'], Status> = {
  live: { tone: 'ok', text: 'live' },
  connecting: { tone: 'unknown', text: 'connecting' },
  syncing: { tone: 'unknown', text: 'reading' },
  reconnecting: { tone: 'warn', text: 'reconnecting' },
  denied: { tone: 'bad', text: 'denied' },
};

export function laneStatus(lane: Lane): Status {
  return STATE_STATUS[lane.state];
}

/** How many ingresses there are, as far as that may be claimed. */
export function countText(input: {
  ready: boolean;
  known: number;
  matching: number;
  filtering: boolean;
  current: boolean;
}): string {
  if (!input.ready || (input.known === 0 && !input.current)) {
    return 'Number not known';
  }
  const known = plural(input.known, 'ingress', 'ingresses');
  if (input.filtering) {
    return `${formatNumber(input.matching)} of ${known}${input.current ? '' : ' known'}`;
  }
  return input.current ? known : `${known} known`;
}

/** What the server says of the cluster's API server. */
export function healthStatus(state: HealthState): Status {
  switch (state.type) {
    case 'unknown':
      return { tone: 'unknown', text: 'Cluster API server: not asked yet' };
    case 'failed':
      return { tone: 'unknown', text: `Cluster API server: not known. ${state.message}` };
    case 'known': {
      const { status, latency, error } = state.health.checks.kubernetes;
      if (status === 'up') {
        return {
          tone: 'ok',
          text: `Cluster API server: up${latency === null ? '' : `, answers in ${latency.toFixed(0)} ms`}`,
        };
      }
      const why = error ? ` (${error.reason}: ${error.message})` : '';
      return { tone: 'bad', text: `Cluster API server: down${why}` };
    }
  }
}
