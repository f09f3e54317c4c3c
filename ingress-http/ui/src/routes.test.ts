// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { diagnosisOf } from '../dev/routes';
import type { Route } from './lib/api/wire';
import { item, lane, problem, route } from './test/fixtures';
import { Page } from './test/page';
import type { Answers } from './test/server';

function list(...items: Route[]): Response {
  return Response.json({ items, staleSince: {} });
}

describe('the routes of an ingress', () => {
  let page: Page;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    history.replaceState(null, '', `${location.pathname}#open=prod/shop/cart`);
  });
  afterEach(async () => {
    await page.close();
    vi.useRealTimers();
  });

  async function open(answers: Answers): Promise<void> {
    page = new Page(answers);
    await page.server.stream.open();
    await page.server.stream.event('lane', lane('shop'));
    await page.server.stream.event('snapshot', { revision: 'e:1', items: [item('cart')], done: true }, 'e:1');
    await vi.advanceTimersByTimeAsync(0);
  }

  function verdicts(): string[] {
    return page.all('.route summary').map((summary) => summary.textContent.replace(/\s+/g, ' ').trim());
  }

  it('are not known where nobody judges them', async () => {
    let asked = 0;
    await open({
      '/api/routes': () => {
        asked += 1;
        return problem(404, 'not-found', 'routes are not watched');
      },
    });
    expect(page.text).toContain('Not known: this server watches ingresses alone.');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toBe(1);
  });

  it('say whether they work, the worst first, and never another ingress’s', async () => {
    await open({
      '/api/routes': () => list(route('cart', 'ok'), route('cart', 'broken', '/pay'), route('cart-old', 'broken')),
    });
    expect(verdicts()).toEqual([
      'cart.example.com/pay stops at the backend',
      'cart.example.com/ works, by all that is looked at',
    ]);
  });

  it('say why when they are unfolded, and again when that changes', async () => {
    let now = route('cart', 'broken');
    await open({
      '/api/routes': () => list(now),
      '/api/routes/cart-/diagnosis': () => Response.json(diagnosisOf(now)),
    });
    const details = page.one('.route') as HTMLDetailsElement;
    details.open = true;
    details.dispatchEvent(new Event('toggle'));
    await vi.advanceTimersByTimeAsync(0);
    expect(page.one('.route').textContent).toContain('There is no Service cart in namespace shop.');
    expect(page.one('.route .command').textContent).toBe('kubectl -n shop get ingress cart -o yaml');
    now = route('cart', 'unknown');
    await vi.advanceTimersByTimeAsync(5_000);
    expect(verdicts()).toEqual(['cart.example.com/ not known whether it works']);
    expect(page.one('.route').textContent).toContain('Service cart: this server may not read it');
    expect(page.all('.route .finding')).toEqual([]);
  });

  it('stay readable while they can’t be confirmed, and say so', async () => {
    let fails = false;
    await open({
      '/api/routes': () =>
        fails ? problem(503, 'access-unknown', 'nobody can tell what you may see') : list(route('cart', 'ok')),
    });
    fails = true;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(verdicts()).toHaveLength(1);
    expect(page.text).toContain('Nobody can tell what you may see.');
    fails = false;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(page.text).not.toContain('Nobody can tell');
  });

  it('are refused in words', async () => {
    await open({ '/api/routes': () => problem(403, 'forbidden', 'routes are for those who may see everything') });
    expect(page.text).toContain('Routes are for those who may see everything.');
  });

  it('are not asked for any more once the details are closed', async () => {
    let asked = 0;
    await open({
      '/api/routes': () => {
        asked += 1;
        return list(route('cart', 'ok'));
      },
    });
    page.press('Escape', page.one('[role=dialog]'));
    const before = asked;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(asked).toBe(before);
  });
});
