import { describe, expect, it } from 'vitest';
import { FORBIDDEN, item, lane } from '../../test/fixtures';
import { LaneIndex, freshnessOf, lanesWorstFirst, summariseLanes } from './lanes';

const STALE = '2026-11-21T08:59:58Z';

describe('summariseLanes', () => {
  it('sorts lanes into live, denied, stale and never read', () => {
    const summary = summariseLanes([
      lane('a'),
      lane('b', { state: 'denied', error: FORBIDDEN }),
      lane('c', { state: 'reconnecting', staleSince: '2026-11-21T09:10:00Z' }),
      lane('d', { state: 'syncing', staleSince: STALE }),
      lane('e', { state: 'connecting' }),
      lane(null, { kind: 'Namespace', id: 'prod/namespaces/*', state: 'denied' }),
    ]);
    expect(summary).toMatchObject({ total: 5, live: 1, perNamespace: true, staleSince: Date.parse(STALE) });
    const ids = [summary.denied, summary.stale, summary.waiting].map((lanes) => lanes.map((each) => each.namespace));
    expect(ids).toEqual([['b'], ['c', 'd'], ['e']]);
  });

  it('knows nothing without lanes', () => {
    expect(summariseLanes([])).toMatchObject({ total: 0, live: 0 });
    expect(summariseLanes([lane(null)]).perNamespace).toBe(false);
  });
});

describe('LaneIndex', () => {
  it('prefers the lane of the namespace over that of the cluster', () => {
    const index = new LaneIndex([
      lane(null),
      lane('shop', { state: 'denied' }),
      lane(null, { kind: 'Namespace', id: 'prod/namespaces/*' }),
    ]);
    expect(index.laneOf(item('a'))?.namespace).toBe('shop');
    expect(index.laneOf(item('a', { namespace: 'mail' }))?.namespace).toBeNull();
    expect(index.laneOf({ cluster: 'other', namespace: 'shop' })).toBeNull();
  });
});

describe('freshnessOf', () => {
  it('vouches for a row only while its lane is live', () => {
    expect(freshnessOf(null)).toBe('unknown');
    expect(freshnessOf(lane('a'))).toBe('live');
    expect(freshnessOf(lane('a', { state: 'denied' }))).toBe('denied');
    for (const state of ['connecting', 'syncing', 'reconnecting'] as const) {
      expect(freshnessOf(lane('a', { state }))).toBe('stale');
    }
  });
});

describe('lanesWorstFirst', () => {
  it('begins with what needs a look', () => {
    const lanes = [lane('b'), lane('a'), lane('c', { state: 'reconnecting' }), lane('d', { state: 'denied' })];
    expect(lanesWorstFirst(lanes).map((each) => each.namespace)).toEqual(['d', 'c', 'a', 'b']);
  });
});
