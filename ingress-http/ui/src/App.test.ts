// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FORBIDDEN, item, lane } from './test/fixtures';
import { INFO, Page } from './test/page';

describe('the page', () => {
  let page: Page;

  beforeEach(() => {
    history.replaceState(null, '', location.pathname);
    page = new Page();
  });
  afterEach(async () => {
    await page.close();
  });

  async function show(...names: string[]): Promise<void> {
    await page.server.stream.open();
    await page.server.stream.event('lane', lane('shop'));
    const items = names.map((name) => item(name));
    await page.server.stream.event('snapshot', { revision: 'e:1', items, done: true }, 'e:1');
  }

  function names(): string[] {
    return page.all('.row .name').map((cell) => cell.textContent.trim());
  }

  it('never shows an unknown as none', async () => {
    expect(page.text).toContain('Connecting to the server…');
    await page.server.stream.open();
    expect(page.text).toContain('Reading ingresses…');
    await page.server.stream.event('lane', lane('shop', { state: 'connecting' }));
    await page.server.stream.event('snapshot', { revision: 'e:1', items: [], done: true }, 'e:1');
    expect(page.text).toContain('Waiting for the cluster…');
    expect(page.text).toContain('Number not known');
    await page.server.stream.event('lane', lane('shop'));
    expect(page.text).toContain('There are no ingresses');
    expect(page.text).toContain('0 ingresses');
  });

  it('shows ingresses as they come, change and go', async () => {
    await show('cart', 'mail');
    expect(names()).toEqual(['cart', 'mail']);
    expect(page.one('[role=grid]').getAttribute('aria-rowcount')).toBe('3');
    expect(page.all('.row').map((row) => row.getAttribute('aria-rowindex'))).toEqual(['2', '3']);
    await page.server.stream.event('added', item('login'), 'e:2');
    await page.server.stream.event('modified', item('cart', { ingressClassName: 'traefik' }), 'e:3');
    const { id, namespace, name, uid } = item('mail');
    await page.server.stream.event('deleted', { id, namespace, name, uid }, 'e:4');
    expect(names()).toEqual(['cart', 'login']);
    expect(page.one('.row .class').textContent).toContain('traefik');
    expect(page.text).toContain('2 ingresses');
  });

  it('marks rows that are not current, and says why the page is not', async () => {
    await show('cart');
    expect(page.all('.mark')).toEqual([]);
    await page.server.stream.event('lane', lane('shop', { state: 'reconnecting', staleSince: '2026-11-21T09:00:00Z' }));
    expect(page.one('.mark').textContent).toBe('stale');
    expect(page.text).toContain('Stale since');
    await page.server.stream.break();
    expect(page.text).toContain('Reconnecting since');
    expect(page.text).toContain('Nothing below is updated meanwhile.');
    expect(page.one('[role=grid]').classList.contains('outdated')).toBe(true);
    expect(names()).toEqual(['cart']);
  });

  it('explains a refusal and how to end it', async () => {
    await page.server.stream.open();
    await page.server.stream.event('lane', lane('shop', { state: 'denied', error: FORBIDDEN }));
    await page.server.stream.event('snapshot', { revision: 'e:1', items: [], done: true }, 'e:1');
    expect(page.text).toContain('The cluster does not allow reading its ingresses');
    expect(page.text).toContain('Forbidden not allowed');
    expect(page.one('pre').textContent).toContain('networking.k8s.io');
  });

  it('starts over when the server sends nonsense', async () => {
    await show('cart');
    await page.server.stream.send('event: added\ndata: {"id":\n\n');
    expect(page.text).toContain('something that this page does not understand');
    expect(names()).toEqual(['cart']);
  });

  it('searches from anywhere with a slash, and clears with Escape', async () => {
    await show('cart', 'mail');
    page.press('/', document.body);
    const search = page.one('input[type=search]') as HTMLInputElement;
    expect(document.activeElement).toBe(search);
    search.value = 'mail';
    search.dispatchEvent(new Event('input', { bubbles: true }));
    expect(names()).toEqual(['mail']);
    expect(page.text).toContain('1 of 2 ingresses');
    page.press('Escape', search);
    expect(names()).toEqual(['cart', 'mail']);
  });

  it('sorts by its headers', async () => {
    await show('cart', 'mail');
    const header = page.one('.header .name');
    expect(header.getAttribute('aria-sort')).toBe('none');
    header.querySelector('button')?.click();
    header.querySelector('button')?.click();
    expect(names()).toEqual(['mail', 'cart']);
    expect(header.getAttribute('aria-sort')).toBe('descending');
  });

  it('is walked with the keys, and opens details that stay when the object goes', async () => {
    await show('cart', 'mail');
    const grid = page.one('[role=grid]');
    grid.focus();
    page.press('ArrowDown', grid);
    page.press('ArrowDown', grid);
    page.press('ArrowUp', grid);
    expect(grid.getAttribute('aria-activedescendant')).toBe(page.one('.row.active').id);
    page.press('Enter', grid);
    expect(location.hash).toBe('#open=prod/shop/cart');
    expect(page.one('[role=dialog]').textContent).toContain('http://cart.example.com/');
    const details = page.one('.details details') as HTMLDetailsElement;
    details.open = true;
    details.dispatchEvent(new Event('toggle'));
    await page.settle();
    await page.settle();
    expect(page.one('[role=dialog] pre').textContent).toContain('kind: Ingress');
    const { id, namespace, name, uid } = item('cart');
    await page.server.stream.event('deleted', { id, namespace, name, uid }, 'e:2');
    expect(page.one('[role=dialog]').textContent).toContain('Deleted at');
    page.press('Escape', page.one('[role=dialog]'));
    expect(page.all('[role=dialog]')).toEqual([]);
    expect(document.activeElement).toBe(page.one('[role=grid]'));
  });

  it('links hosts without handing over where the reader comes from', async () => {
    await show('cart');
    const link = page.one('.row a');
    expect(link.getAttribute('href')).toBe('http://cart.example.com/');
    expect(link.getAttribute('target')).toBe('_blank');
    expect(link.getAttribute('rel')).toBe('noopener noreferrer');
  });

  it('keeps the lanes behind a button', async () => {
    await show('cart');
    await page.server.stream.event('lane', lane('mail', { state: 'denied', error: FORBIDDEN, failures: 2 }));
    page.one('.status .trigger').click();
    expect(page.all('.lanes li').map((line) => line.querySelector('.scope')?.textContent)).toEqual(['mail', 'shop']);
    expect(page.text).toContain('2 failures in a row');
    page.press('Escape', page.one('.status .trigger'));
    expect(page.all('.lanes')).toEqual([]);
  });

  it('says whose cluster it is, and that a demo is one', async () => {
    await show('cart');
    await page.settle();
    expect(page.text).toContain('prod from $KUBECONFIG');
    expect(page.text).not.toContain('Demo');
    await page.close();
    page = new Page({ '/api/info': () => new Response(JSON.stringify({ ...INFO, demo: true })) });
    await page.server.stream.open();
    await page.settle();
    expect(page.text).toContain('Demo: simulated cluster');
  });
});
