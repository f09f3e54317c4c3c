import type { ConnectionState } from '../api/connection';
import type { Lane } from '../api/wire';
import { isRestricted, isSightClear, type Sight } from '../store/sight';
import type { HealthState } from '../store/health';
import { firstError, type LaneSummary } from '../store/lanes';
import { formatClock, formatDuration } from './age';
import { formatNumber, plural } from './count';
import { sentence } from './sentence';

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
        case 'unauthenticated':
          return { tone: 'bad', text: `Not signed in ${since}` };
        case 'access-unknown':
          return { tone: 'unknown', text: `Access not known ${since}` };
        case 'silent':
        case 'ended':
          return { tone: 'warn', text: `Reconnecting ${since}` };
      }
    }
  }
}

const TRYING = 'trying now';

/** When the next attempt comes, for a connection that is lost. */
export function retryText(retryAt: number | null, now: number): string {
  if (retryAt === null) {
    return TRYING;
  }
  const wait = Math.ceil((retryAt - now) / 1000);
  return wait <= 0 ? TRYING : `next attempt in ${formatDuration(wait * 1000)}`;
}

/** What of a lost connection there is to wait for: `asked` when it is the server that wants to be left alone until then. */
export function waitText(retryAt: number | null, asked: boolean, now: number): string {
  const text = retryText(retryAt, now);
  return asked && text !== TRYING ? `the server asks to wait, ${text}` : text;
}

/**
 * The state of all lanes in a few words. While this page itself has no connection, the words are from before, and say so;
 * while it is not known whether there are more lanes that might be seen, they never read as fine.
 */
export function lanesStatus(
  input: { summary: LaneSummary; sight: Sight; connection: ConnectionState },
  now: number,
): Status {
  const { summary, sight, connection } = input;
  if (summary.total === 0) {
    const isNothing = connection.phase === 'connected' && sight.type === 'known';
    if (isNothing && sight.unknown.length > 0) {
      return { tone: 'unknown', text: 'Access not known' };
    }
    return isNothing && sight.restricted.length > 0
      ? { tone: 'unknown', text: 'No feed that you may see' }
      : { tone: 'unknown', text: 'Feeds not known yet' };
  }
  const whole = lanesAsTold(summary, now);
  // A restricted view never holds everything that its lanes feed.
  const told = whole.tone === 'ok' && isRestricted(sight) ? { ...whole, text: 'All that you may see live' } : whole;
  const hidesSome = told.tone === 'ok' && !isSightClear(sight) && sight.type !== 'asking';
  const status: Status = hidesSome ? { tone: 'unknown', text: `${told.text}, others not known` } : told;
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

/** What a lane holds. Of one that was never read, nothing is known; of one that is not all to be seen, nothing is told. */
export function laneFacts(lane: Lane): Fact[] {
  const { objects, malformed } = lane;
  const facts = [
    objects === null ? untold('objects') : told(lane.lastSync === null && objects === 0 ? null : objects, 'object'),
  ];
  if (malformed === null) {
    facts.push(untold('unreadable'));
  } else if (malformed > 0) {
    facts.push({
      text: `${formatNumber(malformed)} unreadable`,
      title: 'Objects that the cluster sent in a form that makes no sense.',
    });
  }
  return facts;
}

/** A number of a lane, in words. */
export interface Fact {
  text: string;
  title?: string;
}

function told(count: number | null, what: string): Fact {
  return { text: count === null ? `${what}s not known` : plural(count, what) };
}

function untold(what: string): Fact {
  return { text: `— ${what}`, title: 'Not known: this counts everything, and you may not see all of it.' };
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
  restricted: boolean;
}): string {
  if (!input.ready || (input.known === 0 && !input.current)) {
    return 'Number not known';
  }
  const known = plural(input.known, 'ingress', 'ingresses');
  const text = input.filtering && input.known > 0 ? `${formatNumber(input.matching)} of ${known}` : known;
  if (!input.current) {
    return `${text} known`;
  }
  return input.restricted ? `${text} you may see` : text;
}

/** What the server says of the cluster's API server. */
export function healthStatus(state: HealthState): Status {
  switch (state.type) {
    case 'unknown':
      return { tone: 'unknown', text: 'Cluster API server: not asked yet' };
    case 'failed':
      return { tone: 'unknown', text: `Cluster API server: not known. ${sentence(state.message)}` };
    case 'known': {
      const { status, latency, error } = state.health.checks.kubernetes;
      if (status === 'up') {
        return {
          tone: 'ok',
          text: `Cluster API server: up${latency === null ? '' : `, answers in ${latency.toFixed(0)} ms`}`,
        };
      }
      if (status === 'unknown') {
        return { tone: 'unknown', text: 'Cluster API server: has not answered yet' };
      }
      const why = error ? ` (${error.reason}: ${error.message})` : '';
      return { tone: 'bad', text: `Cluster API server: down${why}` };
    }
  }
}
