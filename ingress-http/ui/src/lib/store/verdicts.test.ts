import { describe, expect, it } from 'vitest';
import { route } from '../../test/fixtures';
import type { RouteEvent, Verdict } from '../api/wire';
import { Verdicts } from './verdicts';

const CART = 'prod/shop/cart';
const PAY = 'prod/shop/pay';

function told(...events: RouteEvent[]): Verdicts {
  const verdicts = new Verdicts();
  for (const event of events) {
    verdicts.apply(event);
  }
  return verdicts;
}

const SNAPSHOT: RouteEvent = {
  type: 'snapshot',
  items: [route('cart', 'ok'), route('cart', 'broken', '/pay'), route('pay', 'ok')],
  done: true,
};

describe('Verdicts', () => {
  it('say nothing before the snapshot is complete', () => {
    const verdicts = told({ type: 'snapshot', items: [route('cart', 'ok')], done: false });
    expect([verdicts.ready, verdicts.of(CART)]).toEqual([false, null]);
    expect(verdicts.apply(SNAPSHOT)).toEqual({ type: 'all' });
    expect(verdicts.of(CART)).toEqual({ broken: 1, degraded: 0, unknown: 0, ok: 1 });
    expect(verdicts.of('prod/shop/other')).toBeNull();
  });

  it('follow what changes, and name whose', () => {
    const verdicts = told(SNAPSHOT);
    const before = verdicts.of(CART);
    expect(verdicts.apply({ type: 'verdict', id: 'cart-pay', verdict: 'degraded' })).toEqual({
      type: 'some',
      ids: [CART],
    });
    expect(verdicts.of(CART)).toEqual({ broken: 0, degraded: 1, unknown: 0, ok: 1 });
    // What was handed out goes on saying what it said.
    expect(before).toEqual({ broken: 1, degraded: 0, unknown: 0, ok: 1 });
    verdicts.apply({ type: 'put', route: route('cart', 'unknown', '/new') });
    expect(verdicts.of(CART)).toEqual({ broken: 0, degraded: 1, unknown: 1, ok: 1 });
    verdicts.apply({ type: 'removed', id: 'pay-' });
    expect(verdicts.of(PAY)).toBeNull();
    expect(verdicts.apply({ type: 'removed', id: 'pay-' })).toEqual({ type: 'some', ids: [] });
    expect(verdicts.apply({ type: 'verdict', id: 'never-told', verdict: 'ok' })).toEqual({ type: 'some', ids: [] });
  });

  it('go on saying what is known while all is told anew', () => {
    const verdicts = told(SNAPSHOT, { type: 'reset' }, { type: 'snapshot', items: [route('cart', 'ok')], done: false });
    expect(verdicts.of(PAY)).not.toBeNull();
    verdicts.apply({ type: 'put', route: route('cart', 'broken', '/late') });
    verdicts.apply({ type: 'snapshot', items: [], done: true });
    expect(verdicts.of(CART)).toEqual({ broken: 1, degraded: 0, unknown: 0, ok: 1 });
    expect(verdicts.of(PAY)).toBeNull();
  });

  it('forget a snapshot that was cut off', () => {
    const verdicts = told({ type: 'snapshot', items: [route('pay', 'broken')], done: false });
    verdicts.opened();
    verdicts.apply({ type: 'snapshot', items: [route('cart', 'ok')], done: true });
    expect([verdicts.of(PAY), verdicts.of(CART)?.ok]).toEqual([null, 1]);
  });

  it('take a verdict that this page does not know for none', () => {
    const verdicts = told(SNAPSHOT, { type: 'verdict', id: 'pay-', verdict: 'splendid' as Verdict });
    expect(verdicts.of(PAY)).toEqual({ broken: 0, degraded: 0, unknown: 1, ok: 0 });
  });
});
