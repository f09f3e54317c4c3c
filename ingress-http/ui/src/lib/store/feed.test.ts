import { describe, expect, it } from 'vitest';
import { item, lane } from '../../test/fixtures';
import type { Item, StreamEvent } from '../api/wire';
import { applyEvent, connectionOpened, lanesConfirmed, newFeed, type Feed } from './feed';

const NOW = 5_000;

function apply(feed: Feed, ...events: StreamEvent[]): void {
  for (const event of events) {
    applyEvent(feed, event, NOW);
  }
}

function snapshot(items: Item[], done: boolean): StreamEvent {
  return { type: 'snapshot', chunk: { revision: 'e:1', items, done } };
}

function names(feed: Feed): string[] {
  return [...feed.rows.values()].map((row) => row.item.name).sort();
}

function ready(...items: Item[]): Feed {
  const feed = newFeed();
  apply(feed, snapshot(items, true));
  return feed;
}

describe('applyEvent', () => {
  it('knows nothing before the snapshot is complete', () => {
    const feed = newFeed();
    expect(applyEvent(feed, snapshot([item('a')], false), NOW)).toEqual({ type: 'progress' });
    expect(feed.ready).toBe(false);
    expect(feed.rows.size).toBe(0);
    expect(feed.pending?.size).toBe(1);
    expect(applyEvent(feed, snapshot([item('b')], true), NOW)).toEqual({ type: 'rows' });
    expect(feed.ready).toBe(true);
    expect(names(feed)).toEqual(['a', 'b']);
    expect(feed.pending).toBeNull();
  });

  it('takes an empty snapshot for a complete one', () => {
    const feed = ready();
    expect(feed.ready).toBe(true);
    expect(feed.rows.size).toBe(0);
  });

  it('adds, replaces and deletes, and says which row that was', () => {
    const feed = ready(item('a'));
    const before = feed.rows.get('prod/shop/a');
    const modified = applyEvent(feed, { type: 'modified', item: item('a', { resourceVersion: '2' }) }, NOW);
    expect(modified).toMatchObject({ type: 'row', before, after: { change: { kind: 'modified', at: NOW } } });
    expect(applyEvent(feed, { type: 'added', item: item('b') }, NOW)).toMatchObject({ type: 'row', before: null });
    const { id, namespace, name, uid } = item('a');
    const deleted: StreamEvent = { type: 'deleted', deleted: { id, namespace, name, uid } };
    expect(applyEvent(feed, deleted, NOW)).toMatchObject({ type: 'row', after: null });
    expect(applyEvent(feed, deleted, NOW)).toEqual({ type: 'none' });
    expect(names(feed)).toEqual(['b']);
  });

  it('keeps what is shown through a reset, and swaps it in one step', () => {
    const feed = ready(item('old'), item('kept'));
    apply(feed, { type: 'reset', reason: 'lagged' });
    expect(names(feed)).toEqual(['kept', 'old']);
    apply(feed, snapshot([item('kept')], false));
    expect(names(feed)).toEqual(['kept', 'old']);
    apply(feed, snapshot([item('new')], true));
    expect(names(feed)).toEqual(['kept', 'new']);
  });

  it('applies changes to the snapshot that is on its way', () => {
    const feed = ready(item('a'), item('b'));
    apply(feed, { type: 'reset', reason: 'lagged' }, snapshot([item('a'), item('b')], false));
    const { id, namespace, name, uid } = item('a');
    apply(feed, { type: 'deleted', deleted: { id, namespace, name, uid } }, { type: 'added', item: item('c') });
    expect(names(feed)).toEqual(['a', 'b']);
    apply(feed, snapshot([], true));
    expect(names(feed)).toEqual(['b', 'c']);
  });

  it('counts per namespace and class', () => {
    const feed = ready(item('a'), item('b', { namespace: 'mail' }), item('c', { ingressClassName: null }));
    expect(Object.fromEntries(feed.namespaces)).toEqual({ shop: 2, mail: 1 });
    expect(Object.fromEntries(feed.classes)).toEqual({ nginx: 2, '': 1 });
    apply(feed, { type: 'modified', item: item('a', { ingressClassName: 'traefik' }) });
    const { id, uid } = item('b', { namespace: 'mail' });
    apply(feed, { type: 'deleted', deleted: { id, namespace: 'mail', name: 'b', uid } });
    expect(Object.fromEntries(feed.namespaces)).toEqual({ shop: 2 });
    expect(Object.fromEntries(feed.classes)).toEqual({ traefik: 1, '': 1 });
  });

  it('keeps the latest state of each lane until it is removed', () => {
    const feed = newFeed();
    apply(feed, { type: 'lane', lane: lane('shop') }, { type: 'lane', lane: lane('shop', { state: 'reconnecting' }) });
    expect([...feed.lanes.values()].map((each) => each.state)).toEqual(['reconnecting']);
    const removed: StreamEvent = { type: 'laneRemoved', id: 'prod/ingresses/shop' };
    expect(applyEvent(feed, removed, NOW)).toEqual({ type: 'lanes' });
    expect(applyEvent(feed, removed, NOW)).toEqual({ type: 'none' });
    expect(feed.lanes.size).toBe(0);
  });

  it('does nothing at the end of a stream: the connection sees to it', () => {
    const feed = ready(item('a'));
    expect(applyEvent(feed, { type: 'end', reason: 'shutdown' }, NOW)).toEqual({ type: 'none' });
    expect(names(feed)).toEqual(['a']);
  });
});

describe('a new connection', () => {
  it('goes on from what is known when the server resumes', () => {
    const feed = ready(item('a'));
    connectionOpened(feed);
    apply(feed, { type: 'added', item: item('b') });
    expect(names(feed)).toEqual(['a', 'b']);
  });

  it('forgets a snapshot that was cut off', () => {
    const feed = ready(item('a'));
    apply(feed, { type: 'reset', reason: 'epoch-changed' }, snapshot([item('x')], false));
    connectionOpened(feed);
    apply(feed, { type: 'reset', reason: 'epoch-changed' }, snapshot([item('b')], true));
    expect(names(feed)).toEqual(['b']);
  });

  it('drops the lanes that the server does not tell of again', () => {
    const feed = newFeed();
    apply(feed, { type: 'lane', lane: lane('gone') }, { type: 'lane', lane: lane('shop') });
    connectionOpened(feed);
    expect(feed.lanes.size).toBe(2);
    apply(feed, { type: 'lane', lane: lane('shop') }, { type: 'lane', lane: lane('new') });
    expect(lanesConfirmed(feed)).toEqual({ type: 'lanes' });
    expect([...feed.lanes.keys()]).toEqual(['prod/ingresses/shop', 'prod/ingresses/new']);
    expect(lanesConfirmed(feed)).toEqual({ type: 'none' });
  });
});
