// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PartialEntry } from './lib/api/wire';
import { recallAddress } from './lib/store/sign-in';
import { item, lane, partial, problem } from './test/fixtures';
import { Page } from './test/page';
import type { Answers } from './test/server';

const TOKEN = 's3cret.token-of_jane';

/** The part of a server that knows people: who has the token `TOKEN` is jane. */
class Sessions {
  user: string | null = null;
  authentication = 'bearer';
  /** Whether the browser keeps cookies. */
  keeps = true;
  refusal: (() => Response) | null = null;
  partial: PartialEntry[] = [];

  readonly answers: Answers = {
    'GET /auth/session': () => Response.json({ authentication: this.authentication, user: this.user }),
    'POST /auth/session': ({ headers }) => {
      if (this.refusal !== null) {
        return this.refusal();
      }
      if (headers.get('authorization') !== `Bearer ${TOKEN}`) {
        return problem(401, 'unauthenticated', 'the token is not known');
      }
      this.user = this.keeps ? 'jane@example.com' : null;
      return new Response(null, { status: 204 });
    },
    'DELETE /auth/session': () => {
      if (this.refusal !== null) {
        return this.refusal();
      }
      this.user = null;
      return new Response(null, { status: 204 });
    },
    '/api/ingresses': () => Response.json({ partial: this.partial }),
  };
}

describe('signing in', () => {
  let sessions: Sessions;
  let page: Page;

  function begin(hash = ''): void {
    history.replaceState(null, '', location.pathname + hash);
    page = new Page(sessions.answers);
  }

  beforeEach(() => {
    sessions = new Sessions();
    sessionStorage.clear();
    localStorage.clear();
  });
  afterEach(async () => {
    await page.close();
  });

  const refused = (): Response => problem(401, 'unauthenticated', 'a bearer token is needed');

  function field(): HTMLInputElement {
    return page.one('input[type=password]') as HTMLInputElement;
  }

  async function submit(text: string): Promise<void> {
    page.type(text, field());
    (page.one('form') as HTMLFormElement).requestSubmit();
    for (let i = 0; i < 5; i += 1) {
      await page.settle();
    }
  }

  async function show(...names: string[]): Promise<void> {
    await page.server.stream.open();
    await page.server.stream.event('lane', lane('shop'));
    const items = names.map((name) => item(name));
    await page.server.stream.event('snapshot', { revision: 'e:1', items, done: true }, 'e:1');
  }

  function names(): string[] {
    return page.all('.row .name').map((cell) => cell.textContent.trim());
  }

  it('asks for a token where one is needed, and goes on where the person was', async () => {
    begin('#q=mail');
    await page.server.stream.answer(refused());
    expect(page.one('h2').textContent).toBe('Sign in');
    expect(document.activeElement).toBe(field());
    expect(page.one('label').getAttribute('for')).toBe(field().id);
    expect(field().getAttribute('autocomplete')).toBe('off');
    expect(field().hasAttribute('name')).toBe(false);
    const asked = page.server.streams.length;
    await submit(`  Bearer ${TOKEN}\n`);
    expect(page.server.streams).toHaveLength(asked + 1);
    expect(page.server.stream.headers.get('authorization')).toBeNull();
    await show('cart', 'mail');
    expect(names()).toEqual(['mail']);
    expect(location.hash).toBe('#q=mail');
    expect(page.one('.account').textContent).toContain('jane@example.com');
    expect(document.activeElement).toBe(page.one('main'));
  });

  it('keeps the token nowhere', async () => {
    begin();
    await page.server.stream.answer(refused());
    await submit(TOKEN);
    await show('cart');
    const carried = page.server.requests.filter((request) =>
      [...request.headers.values()].some((v) => v.includes(TOKEN)),
    );
    expect(carried.map(({ method, url }) => `${method} ${url}`)).toEqual(['POST http://localhost/auth/session']);
    const addresses = [...page.server.requests.map(({ url }) => url), location.href];
    expect(addresses.join()).not.toContain(TOKEN);
    const kept = [document.documentElement.outerHTML, JSON.stringify(sessionStorage), JSON.stringify(localStorage)];
    expect([...kept, document.cookie, page.state].join()).not.toContain(TOKEN);
  });

  it('says that a token is wrong, in words, and takes another', async () => {
    begin();
    await page.server.stream.answer(refused());
    await submit('wrong');
    expect(page.one('[role=alert]').textContent).toBe('This token is not accepted: the token is not known');
    expect(field().getAttribute('aria-invalid')).toBe('true');
    expect(field().getAttribute('aria-describedby')).toContain(page.one('[role=alert]').id);
    expect(field().value).toBe('');
    expect(document.activeElement).toBe(field());
    await submit('two words');
    expect(page.one('[role=alert]').textContent).toContain('This is no token');
    await submit('');
    expect(page.one('[role=alert]').textContent).toBe('Paste a token first.');
    const posts = page.server.requests.filter(({ method }) => method === 'POST');
    expect(posts).toHaveLength(1);
    await submit(TOKEN);
    expect(page.all('form')).toEqual([]);
  });

  it('waits as long as the server asks for', async () => {
    begin();
    await page.server.stream.answer(refused());
    sessions.refusal = () => problem(429, 'too-many-requests', 'too many attempts to sign in', { 'retry-after': '30' });
    await submit(TOKEN);
    expect(page.one('[role=alert]').textContent).toBe('Too many attempts to sign in.');
    expect(page.text).toMatch(/The server asks to wait (31|30|29)s/);
    sessions.refusal = null;
    await submit(TOKEN);
    expect(sessions.user).toBeNull();
    expect(page.one('form button').getAttribute('aria-disabled')).toBe('true');
  });

  it('says when the browser keeps no cookie', async () => {
    begin();
    await page.server.stream.answer(refused());
    sessions.keeps = false;
    await submit(TOKEN);
    expect(page.one('[role=alert]').textContent).toContain('does not keep the cookie');
  });

  it('stops asking for what it does not get', async () => {
    begin();
    await page.server.stream.answer(refused());
    const asked = page.server.requests.length;
    document.dispatchEvent(new Event('visibilitychange'));
    window.dispatchEvent(new Event('online'));
    await page.settle();
    expect(page.server.streams).toHaveLength(1);
    const since = page.server.requests.slice(asked).map(({ url }) => new URL(url).pathname);
    expect(since).toEqual(['/auth/session']);
  });

  it('notices that somebody signed in in another tab', async () => {
    begin();
    await page.server.stream.answer(refused());
    sessions.user = 'jane@example.com';
    document.dispatchEvent(new Event('visibilitychange'));
    await page.settle();
    await show('cart');
    expect(names()).toEqual(['cart']);
  });

  it('shows nothing any more when the session is over, and goes on after signing in', async () => {
    sessions.user = 'jane@example.com';
    begin('#q=cart&open=prod/shop/cart');
    await show('cart', 'mail');
    await page.settle();
    expect(page.text).toContain('prod from $KUBECONFIG');
    sessions.user = null;
    await page.server.stream.event('end', { reason: 'unauthenticated' });
    expect(page.text).toContain('Your session is over.');
    for (const gone of ['cart', 'prod', 'jane', 'live']) {
      expect(page.text).not.toContain(gone);
    }
    const streams = page.server.streams.length;
    await submit(TOKEN);
    expect(page.server.streams).toHaveLength(streams + 1);
    expect(page.server.stream.headers.get('last-event-id')).toBeNull();
    await show('cart', 'mail');
    expect(names()).toEqual(['cart']);
    expect(location.hash).toBe('#q=cart&open=prod/shop/cart');
    expect(page.one('[role=dialog] h2').textContent).toBe('cart');
  });

  it('leads to signing in when a request other than the stream is refused', async () => {
    sessions.user = 'jane@example.com';
    begin();
    await show('cart');
    sessions.user = null;
    sessions.answers['/api/health'] = refused;
    await page.close();
    page = new Page(sessions.answers);
    await page.settle();
    await page.settle();
    expect(page.all('form')).toHaveLength(1);
    expect(page.server.stream.signal?.aborted).toBe(true);
  });

  it('goes on trying where a 401 is not about signing in', async () => {
    sessions.authentication = 'none';
    begin();
    await page.server.stream.answer(refused());
    expect(page.all('form')).toEqual([]);
    expect(page.text).toContain('No connection to the server');
    expect(page.text).toContain('A bearer token is needed.');
  });

  it('signs out, and shows nothing any more', async () => {
    sessions.user = 'jane@example.com';
    begin();
    await show('cart');
    await page.settle();
    page.one('.account button').click();
    for (let i = 0; i < 5; i += 1) {
      await page.settle();
    }
    expect(page.server.stream.signal?.aborted).toBe(true);
    expect(page.text).toContain('You are signed out.');
    expect(page.text).not.toContain('cart');
    expect(page.all('.account')).toEqual([]);
  });

  it('says when it could not sign somebody out', async () => {
    sessions.user = 'jane@example.com';
    begin();
    await show('cart');
    await page.settle();
    sessions.refusal = () => problem(500, 'internal', 'it broke');
    page.one('.account button').click();
    await page.settle();
    await page.settle();
    expect(page.text).toContain('You are still signed in. It broke.');
    expect(names()).toEqual(['cart']);
  });

  it('has nothing of it where nobody signs in', async () => {
    sessions.authentication = 'none';
    sessions.user = 'system:anonymous';
    begin();
    await show('cart');
    await page.settle();
    expect(page.all('.account')).toEqual([]);
  });

  it('leads to the identity provider, and brings the filters back', async () => {
    sessions.authentication = 'oidc';
    begin('#q=cart');
    await page.server.stream.answer(refused());
    const link = page.one('main a');
    const href = new URL(link.getAttribute('href') ?? '');
    expect(href.pathname).toBe('/auth/login');
    expect(href.searchParams.get('return')).toBe(location.pathname + location.search);
    link.addEventListener('click', (event) => {
      event.preventDefault();
    });
    link.click();
    history.replaceState(null, '', location.pathname);
    recallAddress();
    expect(location.hash).toBe('#q=cart');
    history.replaceState(null, '', location.pathname);
    recallAddress();
    expect(location.hash).toBe('');
  });

  it('says that the proxy has to sign people in, and signs nobody out there', async () => {
    sessions.authentication = 'elsewhere';
    begin();
    await page.server.stream.answer(refused());
    expect(page.text).toContain('the proxy in front of it has to');
    sessions.user = 'jane@example.com';
    document.dispatchEvent(new Event('visibilitychange'));
    await page.settle();
    await show('cart');
    await page.settle();
    expect(page.one('.account').textContent).toContain('jane@example.com');
    expect(page.all('.account button')).toEqual([]);
  });

  describe('what may be seen', () => {
    beforeEach(() => {
      sessions.user = 'jane@example.com';
    });

    it('is told calmly where it is restricted', async () => {
      sessions.partial = [partial('restricted')];
      begin();
      await page.server.stream.open();
      await page.server.stream.event('lane', lane(null, { objects: null, malformed: null, lastContact: null }));
      const revision = 'c0ffee00c0ffee00c0ffee00c0ffee00';
      await page.server.stream.event('snapshot', { revision, items: [item('cart')], done: true }, revision);
      await page.settle();
      expect(page.one('.notice').classList.contains('info')).toBe(true);
      expect(page.text).toContain('You may not list the ingresses of all namespaces of prod');
      expect(page.text).toContain('1 ingress you may see');
      page.one('.status .trigger').click();
      expect(page.one('.lanes').textContent).toContain('— objects');
      expect(page.one('.lanes').textContent).not.toContain('0 objects');
      expect(page.one('.lanes').textContent).toContain('not shown to you');
      await page.server.stream.break();
      await new Promise((done) => setTimeout(done, 1100));
      expect(page.server.stream.headers.get('last-event-id')).toBe(revision);
    });

    it('is not taken for an empty cluster', async () => {
      sessions.partial = [partial('restricted')];
      begin();
      await page.server.stream.open();
      await page.server.stream.event('snapshot', { revision: 'e:1', items: [], done: true }, 'e:1');
      await page.settle();
      expect(page.text).toContain('There is nothing here that you may see');
      expect(page.text).not.toContain('There are no ingresses');
    });

    it('is never fine while it is not known', async () => {
      sessions.partial = [partial('unknown')];
      begin();
      await show('cart');
      await page.settle();
      expect(page.one('.notice').classList.contains('unknown')).toBe(true);
      expect(page.one('.status .trigger').textContent).toContain('others not known');
      expect(page.text).toContain('1 ingress known');
      sessions.partial = [];
      await page.server.stream.event('reset', { reason: 'access-changed' });
      await page.settle();
      expect(page.text).toContain('What you may see has changed');
      expect(page.text).not.toContain('not known');
    });

    it('is told once when it changes', async () => {
      begin();
      await show('cart', 'mail');
      await page.server.stream.send('id:\nevent: reset\ndata: {"reason":"access-changed"}\n\n');
      await page.server.stream.event('lane', lane('shop'));
      await page.server.stream.event('snapshot', { revision: 'e:2', items: [item('cart')], done: true }, 'e:2');
      expect(names()).toEqual(['cart']);
      expect(page.all('.notice')).toHaveLength(1);
      page.one('.notice button').click();
      await page.server.stream.event('reset', { reason: 'lagged' });
      expect(page.all('.notice')).toEqual([]);
    });

    it('is waited for when nobody can tell, without showing what is from before', async () => {
      begin();
      await show('cart');
      await page.server.stream.event('end', { reason: 'access-unknown' });
      await page.settle();
      expect(page.text).toContain('It is not known what you may see');
      expect(names()).toEqual([]);
      expect(page.all('form')).toEqual([]);
    });

    it('leads to signing in when nobody can tell who it is, and goes on by itself', async () => {
      begin();
      await show('cart');
      sessions.user = null;
      await page.server.stream.event('end', { reason: 'access-unknown' });
      await page.settle();
      expect(page.one('h2').textContent).toBe('It is not known who you are');
      expect(page.all('form')).toHaveLength(1);
      await new Promise((done) => setTimeout(done, 1100));
      sessions.user = 'jane@example.com';
      await show('cart');
      expect(page.all('form')).toEqual([]);
      expect(names()).toEqual(['cart']);
    });
  });
});
