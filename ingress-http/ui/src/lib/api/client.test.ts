import { describe, expect, it } from 'vitest';
import { problem } from '../../test/fixtures';
import { apiBase } from './base';
import { ApiClient, ApiError, errorOf } from './client';

describe('apiBase', () => {
  it('is the folder above the bundle, whatever the address of the page', () => {
    const script = 'https://host/platform/routes/assets/index-1.js';
    expect(apiBase(script, 'https://host/platform/routes', true)).toBe('https://host/platform/routes/');
    expect(apiBase('https://host/assets/index-1.js', 'https://host/?x#y', true)).toBe('https://host/');
  });

  it('is the page while there is no bundle', () => {
    expect(apiBase('http://dev/src/main.ts', 'http://dev/#q=x', false)).toBe('http://dev/');
  });
});

describe('ApiClient', () => {
  const item = { cluster: 'team/prod', namespace: 'shop', name: 'cart' };

  it('asks below its base', () => {
    const client = new ApiClient('http://host/routes/', fetch);
    expect(client.streamUrl).toBe('http://host/routes/api/ingresses/stream');
    expect(client.yamlUrl(item)).toBe('http://host/routes/api/ingresses/shop/cart/yaml?cluster=team%2Fprod');
  });

  it('takes an unhealthy answer for an answer', async () => {
    const health = { status: 'unhealthy', timestamp: '', checks: { kubernetes: { status: 'down', latency: null } } };
    const client = new ApiClient('http://host/', () =>
      Promise.resolve(new Response(JSON.stringify(health), { status: 503 })),
    );
    expect(await client.health()).toEqual(health);
  });

  it('does not take a problem for health', async () => {
    const answer = problem(503, 'access-unknown', 'Nobody can tell.', { 'retry-after': '5' });
    const client = new ApiClient('http://host/', () => Promise.resolve(answer));
    await expect(client.health()).rejects.toMatchObject({
      message: 'Nobody can tell.',
      kind: 'access-unknown',
      retryAfter: 5000,
    });
  });

  it('says so when nobody knows who it asks for, but not of signing in itself', async () => {
    let times = 0;
    const client = new ApiClient('http://host/', () =>
      Promise.resolve(problem(401, 'unauthenticated', 'Who are you?')),
    );
    client.onUnauthenticated = () => {
      times += 1;
    };
    await expect(client.info()).rejects.toMatchObject({ status: 401, message: 'Who are you?' });
    expect(times).toBe(1);
    await expect(client.signIn('t')).rejects.toMatchObject({ status: 401 });
    await expect(client.session()).rejects.toMatchObject({ status: 401 });
    expect(times).toBe(1);
  });

  it('leads to where people sign in and back to where they were', () => {
    const client = new ApiClient('http://host/routes/', fetch);
    expect(client.loginUrl('/routes/?a=b&c')).toBe('http://host/routes/auth/login?return=%2Froutes%2F%3Fa%3Db%26c');
  });

  it('says that the server cannot be reached', async () => {
    const client = new ApiClient('http://host/', () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(client.yaml(item)).rejects.toEqual(new ApiError('The server cannot be reached.', null));
  });
});

describe('errorOf', () => {
  it('prefers the detail of a problem document', async () => {
    const body = JSON.stringify({ type: '', title: 'Not found', status: 404, detail: 'There is no such ingress.' });
    expect((await errorOf(new Response(body, { status: 404 }))).message).toBe('There is no such ingress.');
  });

  it('makes do with the status', async () => {
    const response = new Response('<html>', { status: 502, statusText: 'Bad Gateway' });
    expect((await errorOf(response)).message).toBe('The server answered 502 (Bad Gateway).');
  });
});
