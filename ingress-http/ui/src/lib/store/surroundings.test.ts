// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { partial, problem } from '../../test/fixtures';
import { FakeServer, type Answers } from '../../test/server';
import { ApiClient } from '../api/client';
import { Surroundings } from './surroundings.svelte';

const INFO = { version: '1', clusters: [], scope: { namespaces: null }, timestamp: new Date(1_000_000).toISOString() };
const HEALTH = { status: 'healthy', timestamp: '', checks: { kubernetes: { status: 'up', latency: 1 } } };

function begin(answers: Answers): { server: FakeServer; around: Surroundings; asked: (path: string) => number } {
  const server = new FakeServer({
    '/api/info': () => Response.json(INFO),
    '/api/health': () => Response.json(HEALTH),
    '/api/ingresses': () => Response.json({ partial: [] }),
    ...answers,
  });
  const client = new ApiClient('http://server/', server.fetch);
  const around = new Surroundings(client, { isConnected: () => true, isClosed: () => false });
  const asked = (path: string): number => server.requests.filter(({ url }) => new URL(url).pathname === path).length;
  return { server, around, asked };
}

describe('Surroundings', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('knows what the view leaves out, from the shortest list', async () => {
    const { server, around } = begin({
      '/api/ingresses': () => Response.json({ partial: [partial('restricted'), partial('unknown')] }),
    });
    expect(around.sight).toEqual({ type: 'asking' });
    await around.load();
    expect(around.sight).toMatchObject({ type: 'known', restricted: [{}], unknown: [{}] });
    expect(server.requests.map(({ url }) => url)).toContain('http://server/api/ingresses?limit=1');
  });

  it('asks again when the server said that it may, and not before', async () => {
    const limited = () => problem(429, 'too-many-requests', 'you ask too often', { 'retry-after': '7' });
    const answers: Answers = { '/api/ingresses': limited };
    const { around, asked } = begin(answers);
    await around.load();
    expect(around.sight).toEqual({ type: 'failed', message: 'you ask too often', retryAt: 1_007_000 });
    await vi.advanceTimersByTimeAsync(6_900);
    expect(asked('/api/ingresses')).toBe(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked('/api/ingresses')).toBe(2);
    around.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked('/api/ingresses')).toBe(2);
  });

  it('leaves health alone for as long as it is asked to', async () => {
    const { around, asked } = begin({
      '/api/health': () => problem(503, 'access-unknown', 'nobody can tell', { 'retry-after': '25' }),
    });
    await around.loadHealth();
    expect(around.health).toMatchObject({ type: 'failed', message: 'nobody can tell', retryAt: 1_025_000 });
    await vi.advanceTimersByTimeAsync(20_000);
    await around.loadHealth();
    expect(asked('/api/health')).toBe(1);
    await vi.advanceTimersByTimeAsync(6_000);
    await around.loadHealth();
    expect(asked('/api/health')).toBe(2);
  });

  it('drops what was asked for somebody who is gone', async () => {
    const { around } = begin({});
    const loading = Promise.all([around.load(), around.loadHealth()]);
    around.forget();
    await loading;
    expect([around.info, around.sight.type, around.health.type]).toEqual([null, 'asking', 'unknown']);
  });
});
