import type { Lane, LaneError, LaneState } from '../api/wire';
import { toMillis } from '../format/age';

/** What the page says of the lanes that feed the table, from one look at all of them. */
export interface LaneSummary {
  /** How many lanes feed ingresses. Zero means that nothing is known, not that all is well. */
  total: number;
  live: number;
  /** Whether every lane feeds just one namespace. */
  perNamespace: boolean;
  denied: Lane[];
  /** Known before, not confirmed current now. */
  stale: Lane[];
  /** Never read so far. */
  waiting: Lane[];
  /** Since when the longest outdated of the stale lanes is so. */
  staleSince: number | null;
}

export type Freshness = 'live' | 'stale' | 'denied' | 'unknown';

const WORST_FIRST: Record<LaneState, number> = { denied: 0, reconnecting: 1, connecting: 2, syncing: 3, live: 4 };

export function isIngressLane(lane: Lane): boolean {
  return lane.kind === 'Ingress';
}

export function summariseLanes(lanes: Iterable<Lane>): LaneSummary {
  const summary: LaneSummary = {
    total: 0,
    live: 0,
    perNamespace: true,
    denied: [],
    stale: [],
    waiting: [],
    staleSince: null,
  };
  for (const lane of lanes) {
    if (!isIngressLane(lane)) {
      continue;
    }
    summary.total += 1;
    summary.perNamespace &&= lane.namespace !== null;
    if (lane.state === 'live') {
      summary.live += 1;
    } else if (lane.state === 'denied') {
      summary.denied.push(lane);
    } else if (lane.staleSince !== null) {
      summary.stale.push(lane);
      const since = toMillis(lane.staleSince);
      if (since !== null && (summary.staleSince === null || since < summary.staleSince)) {
        summary.staleSince = since;
      }
    } else {
      summary.waiting.push(lane);
    }
  }
  return summary;
}

export function clustersOf(lanes: readonly { cluster: string }[]): Set<string> {
  return new Set(lanes.map((lane) => lane.cluster));
}

/** Lanes in the order in which somebody looks for trouble: the worst first, then by cluster, kind and namespace. */
export function lanesWorstFirst(lanes: Iterable<Lane>): Lane[] {
  return [...lanes].sort(
    (a, b) => WORST_FIRST[a.state] - WORST_FIRST[b.state] || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  );
}

/** Which lane feeds which namespace. */
export class LaneIndex {
  readonly #byScope = new Map<string, Lane>();

  constructor(lanes: Iterable<Lane>) {
    for (const lane of lanes) {
      if (isIngressLane(lane)) {
        this.#byScope.set(scopeKey(lane.cluster, lane.namespace), lane);
      }
    }
  }

  laneOf(item: { cluster: string; namespace: string }): Lane | null {
    return (
      this.#byScope.get(scopeKey(item.cluster, item.namespace)) ??
      this.#byScope.get(scopeKey(item.cluster, null)) ??
      null
    );
  }
}

function scopeKey(cluster: string, namespace: string | null): string {
  return `${cluster}\n${namespace ?? '*'}`;
}

/** How far a row of this lane can be trusted. A row that no lane vouches for is unknown, never live. */
export function freshnessOf(lane: Lane | null): Freshness {
  switch (lane?.state) {
    case 'live':
      return 'live';
    case 'denied':
      return 'denied';
    case 'connecting':
    case 'syncing':
    case 'reconnecting':
      return 'stale';
    case undefined:
      return 'unknown';
  }
}

export function scopeText(lane: { namespace: string | null }): string {
  return lane.namespace ?? 'all namespaces';
}

/** How a row that is not current is marked. */
export function freshnessText(freshness: Freshness): { text: string; title: string } | null {
  switch (freshness) {
    case 'live':
      return null;
    case 'stale':
      return { text: 'stale', title: 'The feed of this namespace is interrupted; this may have changed meanwhile.' };
    case 'denied':
      return { text: 'denied', title: 'The cluster no longer allows reading this namespace; this is from before.' };
    case 'unknown':
      return { text: 'unconfirmed', title: 'No feed vouches for this row at the moment.' };
  }
}

export function firstError(lanes: readonly Lane[]): LaneError | null {
  return lanes.find((lane) => lane.error !== null)?.error ?? null;
}
