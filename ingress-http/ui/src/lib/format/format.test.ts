import { describe, expect, it } from 'vitest';
import { FORBIDDEN, lane, laneSummary, partial } from '../../test/fixtures';
import type { ConnectionState, Failure } from '../api/connection';
import type { PartialEntry } from '../api/wire';
import type { LaneSummary } from '../store/lanes';
import { sightOf } from '../store/sight';
import { formatAge, formatDuration } from './age';
import { backendText } from './backend';
import { plural } from './count';
import { hostCovers, hostLink, tlsCovers } from './hosts';
import {
  connectionStatus,
  countText,
  healthStatus,
  lanesStatus,
  laneFacts,
  retryText,
  waitText,
  type Status,
} from './status';
import { userText } from './user';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

describe('formatDuration', () => {
  it.each([
    [-5000, '0s'],
    [999, '0s'],
    [119_999, '119s'],
    [2 * MINUTE, '2m'],
    [9 * MINUTE + 5000, '9m5s'],
    [10 * MINUTE, '10m'],
    [3 * HOUR - 1, '179m'],
    [3 * HOUR + 7 * MINUTE, '3h7m'],
    [8 * HOUR, '8h'],
    [2 * DAY - 1, '47h'],
    [2 * DAY + 3 * HOUR, '2d3h'],
    [8 * DAY, '8d'],
    [729 * DAY, '729d'],
    [730 * DAY, '2y'],
    [800 * DAY, '2y70d'],
    [8 * 365 * DAY, '8y'],
  ])('%d ms is %s', (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
  });

  it('has a dash for what is no time', () => {
    expect(formatAge(null, 0)).toBe('–');
    expect(formatAge('yesterday', 0)).toBe('–');
    expect(formatAge('1970-01-01T00:00:00Z', 5000)).toBe('5s');
  });
});

describe('hosts', () => {
  const tls = [{ hosts: ['shop.example.com', '*.apps.example.com'], secretName: 'a' }];

  it('are covered by themselves, or by a wildcard for one label', () => {
    expect(hostCovers('a.example.com', 'a.example.com')).toBe(true);
    expect(hostCovers('*.example.com', 'a.example.com')).toBe(true);
    expect(hostCovers('*.example.com', '*.example.com')).toBe(true);
    expect(hostCovers('*.example.com', 'a.b.example.com')).toBe(false);
    expect(hostCovers('*.example.com', 'example.com')).toBe(false);
    expect(hostCovers('*.example.com', '.example.com')).toBe(false);
  });

  it('link over TLS where it covers them', () => {
    expect(hostLink('shop.example.com', tls)).toBe('https://shop.example.com/');
    expect(hostLink('x.apps.example.com', tls)).toBe('https://x.apps.example.com/');
    expect(hostLink('other.example.com', tls)).toBe('http://other.example.com/');
  });

  it('do not link where there is no single address', () => {
    for (const host of ['*.example.com', '', 'a b', 'evil/x', 'user@host', 'a:80', '-a']) {
      expect(hostLink(host, tls)).toBeNull();
    }
  });

  it('are all covered by a TLS entry without hosts', () => {
    expect(tlsCovers([{ hosts: [], secretName: null }], 'anything.example.com')).toBe(true);
    expect(tlsCovers([], 'anything.example.com')).toBe(false);
  });
});

describe('backendText', () => {
  it('reads like kubectl', () => {
    expect(backendText({ service: { name: 'cart', port: { name: 'http' } } })).toBe('cart:http');
    expect(backendText({ service: { name: 'cart', port: { number: 80 } } })).toBe('cart:80');
    expect(backendText({ service: { name: 'cart' } })).toBe('cart');
    expect(backendText({ resource: { kind: 'Bucket', name: 'static' } })).toBe('Bucket/static');
    expect(backendText(null)).toBe('none');
  });
});

describe('status', () => {
  const lost = (kind: Failure['kind']) =>
    ({ phase: 'lost', since: 0, failure: { kind, message: '' }, attempt: 1, retryAt: null, asked: false }) as const;
  const connected = { phase: 'connected', since: 0 } as const;
  const lanes = (summary: LaneSummary, connection: ConnectionState, partial: PartialEntry[] = []): Status =>
    lanesStatus({ summary, connection, sight: sightOf(partial) }, 0);

  it('of a connection is good only while there is one', () => {
    expect(connectionStatus(connected, 0)).toEqual({ tone: 'ok', text: 'Connected' });
    expect(connectionStatus({ phase: 'connecting', since: 0 }, 0).tone).toBe('unknown');
    expect(connectionStatus(lost('unreachable'), 0)).toMatchObject({ tone: 'bad' });
    expect(connectionStatus(lost('unreachable'), 0).text).toMatch(/^Server unreachable since /);
    expect(connectionStatus(lost('ended'), 0).text).toMatch(/^Reconnecting since /);
    expect(connectionStatus(lost('unauthenticated'), 0).text).toMatch(/^Not signed in since /);
    expect(connectionStatus(lost('access-unknown'), 0)).toMatchObject({ tone: 'unknown' });
  });

  it('counts down to the next attempt', () => {
    expect(retryText(4500, 1000)).toBe('next attempt in 4s');
    expect(retryText(500, 1000)).toBe('trying now');
    expect(retryText(null, 1000)).toBe('trying now');
    expect(waitText(4500, false, 1000)).toBe('next attempt in 4s');
    expect(waitText(4500, true, 1000)).toBe('the server asks to wait, next attempt in 4s');
    expect(waitText(500, true, 1000)).toBe('trying now');
  });

  it('of lanes is good only when all are live and the page is connected', () => {
    expect(lanes(laneSummary({ total: 0, live: 0 }), connected).tone).toBe('unknown');
    expect(lanes(laneSummary(), connected)).toEqual({ tone: 'ok', text: 'Namespace live' });
    const wide = laneSummary({ perNamespace: false });
    expect(lanes(wide, connected)).toEqual({ tone: 'ok', text: 'All namespaces live' });
    const all = laneSummary({ total: 20, live: 20 });
    expect(lanes(all, connected)).toEqual({ tone: 'ok', text: 'All 20 namespaces live' });
    expect(lanes(all, lost('silent'))).toEqual({
      tone: 'unknown',
      text: 'Last known: All 20 namespaces live',
    });
  });

  it('of lanes tells what is not live, and how much', () => {
    const some = laneSummary({
      total: 20,
      live: 16,
      stale: [lane('a'), lane('b')],
      denied: [lane('c')],
      waiting: [lane('d')],
    });
    expect(lanes(some, connected)).toEqual({
      tone: 'warn',
      text: '20 namespaces: 2 stale, 1 denied, 1 not read yet',
    });
    const one = laneSummary({ live: 0, perNamespace: false, stale: [lane(null)], staleSince: 0 });
    expect(lanes(one, connected).text).toMatch(/^Stale since /);
    const denied = laneSummary({ total: 20, live: 19, denied: [lane('a')] });
    expect(lanes(denied, connected)).toEqual({ tone: 'warn', text: '1 of 20 namespaces denied' });
    const waiting = laneSummary({ live: 0, waiting: [lane('a', { error: FORBIDDEN })] });
    expect(lanes(waiting, connected)).toEqual({ tone: 'warn', text: 'Not read yet (Forbidden)' });
    const none = laneSummary({ total: 2, live: 0, denied: [lane('a'), lane('b')] });
    expect(lanes(none, connected)).toEqual({ tone: 'bad', text: 'Denied' });
  });

  it('of lanes is never good while it is not known what may be seen', () => {
    const summary = laneSummary({ total: 20, live: 20 });
    const text = 'All 20 namespaces live, others not known';
    expect(lanes(summary, connected, [partial('unknown')])).toEqual({ tone: 'unknown', text });
    const sight = { type: 'failed', message: '', retryAt: null } as const;
    expect(lanesStatus({ summary, connection: connected, sight }, 0)).toEqual({ tone: 'unknown', text });
    const none = laneSummary({ total: 0, live: 0 });
    expect(lanes(none, connected, [partial('unknown')])).toEqual({ tone: 'unknown', text: 'Access not known' });
  });

  it('of a restricted view claims no more than there is in it', () => {
    const wide = laneSummary({ perNamespace: false });
    expect(lanes(wide, connected, [partial('restricted')])).toEqual({ tone: 'ok', text: 'All that you may see live' });
    const none = laneSummary({ total: 0, live: 0 });
    expect(lanes(none, connected, [partial('restricted')])).toEqual({
      tone: 'unknown',
      text: 'No feed that you may see',
    });
  });

  it('of a lane that was never read claims no number', () => {
    expect(laneFacts(lane('a', { objects: 0, lastSync: null }))).toEqual([{ text: 'objects not known' }]);
    expect(laneFacts(lane('a', { objects: 0 }))).toEqual([{ text: '0 objects' }]);
    expect(laneFacts(lane('a', { malformed: 2 })).map((fact) => fact.text)).toEqual(['1 object', '2 unreadable']);
  });

  it('of a lane that is not all to be seen shows no number, and none is no zero', () => {
    const facts = laneFacts(lane(null, { objects: null, malformed: null, lastContact: null }));
    expect(facts.map((fact) => fact.text)).toEqual(['— objects', '— unreadable']);
    expect(facts.every((fact) => fact.title?.includes('may not see all of it'))).toBe(true);
  });

  it('of the cluster keeps unknown and down apart', () => {
    expect(healthStatus({ type: 'unknown' }).tone).toBe('unknown');
    expect(healthStatus({ type: 'failed', message: 'No.', at: 0, retryAt: null }).tone).toBe('unknown');
    const down = { status: 'down', latency: null } as const;
    const health = { status: 'unhealthy', timestamp: '', checks: { kubernetes: down } } as const;
    expect(healthStatus({ type: 'known', health, at: 0 })).toEqual({ tone: 'bad', text: 'Cluster API server: down' });
  });
});

describe('userText', () => {
  it('is short for service accounts, and what it is for everybody else', () => {
    expect(userText('system:serviceaccount:monitoring:viewer')).toBe('monitoring/viewer');
    for (const name of ['jane@example.com', 'system:anonymous', 'system:serviceaccount:odd', '']) {
      expect(userText(name)).toBe(name);
    }
  });
});

describe('countText', () => {
  const input = { ready: true, known: 1200, matching: 7, filtering: false, current: true, restricted: false };

  it('counts what is known, and says when that may not be all', () => {
    expect(countText(input)).toBe('1,200 ingresses');
    expect(countText({ ...input, known: 1 })).toBe('1 ingress');
    expect(countText({ ...input, current: false })).toBe('1,200 ingresses known');
    expect(countText({ ...input, filtering: true })).toBe('7 of 1,200 ingresses');
    expect(countText({ ...input, known: 0, restricted: true })).toBe('0 ingresses you may see');
    expect(countText({ ...input, filtering: true, restricted: true })).toBe('7 of 1,200 ingresses you may see');
  });

  it('never counts nothing as none', () => {
    expect(countText({ ...input, ready: false, known: 0 })).toBe('Number not known');
    expect(countText({ ...input, known: 0, current: false })).toBe('Number not known');
    expect(countText({ ...input, known: 0 })).toBe('0 ingresses');
    expect(countText({ ...input, known: 0, matching: 0, filtering: true })).toBe('0 ingresses');
  });

  it('uses the singular for one only', () => {
    expect([0, 1, 2].map((count) => plural(count, 'host'))).toEqual(['0 hosts', '1 host', '2 hosts']);
  });
});
