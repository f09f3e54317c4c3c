// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { UNSEEN } from './lib/store/verdict-watch.svelte';
import { item, lane, problem, route } from './test/fixtures';
import { Page } from './test/page';

describe('verdicts in the list', () => {
  let page: Page;

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    history.replaceState(null, '', location.pathname);
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await page.close();
    vi.useRealTimers();
  });

  async function open(judgesRoutes = true): Promise<void> {
    page = new Page({}, judgesRoutes);
    await page.server.stream.open();
    await page.server.stream.event('lane', lane('shop'));
    const items = [item('cart'), item('mail'), item('pay')];
    await page.server.stream.event('snapshot', { revision: 'e:1', items, done: true }, 'e:1');
    await vi.advanceTimersByTimeAsync(0);
  }

  async function judge(): Promise<void> {
    const stream = page.server.routeStream;
    await stream.open();
    await stream.event('stale', { staleSince: {}, unknown: [] });
    const items = [route('cart', 'ok'), route('cart', 'broken', '/pay'), route('pay', 'ok')];
    await stream.event('snapshot', { revision: 'r:1', items, done: true }, 'r:1');
    await vi.advanceTimersByTimeAsync(600);
  }

  function cells(): string[] {
    return page.all('.row .cell.verdict').map((cell) => cell.textContent.trim());
  }

  function look(state: 'visible' | 'hidden'): void {
    vi.spyOn(document, 'visibilityState', 'get').mockReturnValue(state);
    document.dispatchEvent(new Event('visibilitychange'));
  }

  /** By the address, as Back and Forward do. */
  function choose(verdict: string): void {
    history.replaceState(null, '', `${location.pathname}#verdict=${verdict}`);
    window.dispatchEvent(new Event('hashchange'));
  }

  it('are told as they change, and never for what nobody judged', async () => {
    await open();
    await judge();
    expect(cells()).toEqual(['1 of 2 broken', 'not known', 'ok']);
    expect(page.one('[role=grid]').getAttribute('aria-colcount')).toBe('9');
    await page.server.routeStream.event('verdict', { id: 'cart-pay', cluster: 'prod', verdict: 'ok', was: 'broken' });
    await vi.advanceTimersByTimeAsync(0);
    expect(cells()).toEqual(['ok', 'not known', 'ok']);
    expect(page.all('.row.modified-even, .row.modified-odd')).toHaveLength(1);
  });

  it('choose rows, also those that come to have one', async () => {
    await open();
    await judge();
    choose('broken');
    expect(cells()).toEqual(['1 of 2 broken']);
    await page.server.routeStream.event('verdict', { id: 'pay-', cluster: 'prod', verdict: 'broken', was: 'ok' });
    await vi.advanceTimersByTimeAsync(600);
    expect(cells()).toEqual(['1 of 2 broken', 'broken']);
    expect(page.one('select[aria-label=Verdict]').textContent).toContain('broken (2)');
  });

  it('never read as “none is broken” before they are known', async () => {
    history.replaceState(null, '', `${location.pathname}#verdict=broken`);
    await open();
    expect(page.text).toContain('Reading verdicts…');
    await page.server.routeStream.answer(problem(503, 'access-unknown', 'nobody can tell what you may see'));
    expect(page.text).toContain('Whether routes work is not known');
    expect(page.text).toContain('Nobody can tell what you may see.');
    await vi.advanceTimersByTimeAsync(2_000);
    await judge();
    expect(cells()).toEqual(['1 of 2 broken']);
  });

  it('stay readable while they are not told of, and say since when', async () => {
    await open();
    await judge();
    await page.server.routeStream.break();
    expect(cells()).toEqual(['1 of 2 broken', 'not known', 'ok']);
    expect(page.text).toContain('Verdicts are not told of any more: The connection to the server broke.');
    expect(page.all('.grid.unconfirmed')).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2_000);
    await page.server.routeStream.open();
    expect(page.server.routeStream.headers.get('last-event-id')).toBe('r:1');
    expect(page.text).not.toContain('Verdicts are not told');
    await page.server.routeStream.event('stale', { staleSince: { prod: '2026-11-21T09:00:00Z' }, unknown: [] });
    await vi.advanceTimersByTimeAsync(0);
    expect(page.text).toContain('Something that routes are judged by is not confirmed current.');
  });

  it('are not asked for while nobody looks', async () => {
    await open();
    await judge();
    look('hidden');
    await vi.advanceTimersByTimeAsync(UNSEEN - 1);
    expect(page.server.routeStream.signal?.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(page.server.routeStream.signal?.aborted).toBe(true);
    expect(page.server.stream.signal?.aborted).toBe(false);
    look('visible');
    expect(page.server.routeStreams).toHaveLength(2);
    // Until they are told again, they are from before.
    expect(page.text).toContain('Verdicts are not told of any more: They are being read again.');
    await page.server.routeStream.open();
    expect(page.text).not.toContain('Verdicts are not told');
    look('hidden');
    look('visible');
    await vi.advanceTimersByTimeAsync(UNSEEN);
    expect(page.server.routeStreams).toHaveLength(2);
    // Whoever looks again does not wait.
    await page.server.routeStream.break();
    look('hidden');
    look('visible');
    expect(page.server.routeStreams).toHaveLength(3);
  });

  it('make no column where nobody judges, and then choose nothing', async () => {
    history.replaceState(null, '', `${location.pathname}#verdict=broken`);
    await open(false);
    expect(page.all('.row')).toHaveLength(3);
    expect(cells()).toEqual([]);
    expect(page.all('select[aria-label=Verdict]')).toEqual([]);
    expect(page.text).toContain('This server judges no routes, so rows are not chosen by their verdict.');
  });
});
