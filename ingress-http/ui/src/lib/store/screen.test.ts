import { describe, expect, it } from 'vitest';
import { FORBIDDEN, lane, laneSummary, partial } from '../../test/fixtures';
import type { ConnectionState } from '../api/connection';
import { noticesOf, type Notice } from './notices';
import { screenOf, type Screen, type ScreenInput } from './screen';
import { describeScreen } from './screen-text';
import { sightOf, type Sight } from './sight';

const CONNECTED: ConnectionState = { phase: 'connected', since: 0 };
const LOST: ConnectionState = {
  phase: 'lost',
  since: 1000,
  failure: { kind: 'unreachable', message: 'The server cannot be reached.' },
  attempt: 1,
  retryAt: 2000,
  asked: false,
};
const DENIED = lane('shop', { state: 'denied', error: FORBIDDEN });
const WAITING = lane('shop', { state: 'connecting' });

function screen(change: Partial<ScreenInput>): Screen {
  return screenOf({
    connection: CONNECTED,
    ready: true,
    received: 0,
    lanes: laneSummary(),
    sight: sightOf([]),
    known: 0,
    matching: 0,
    judging: null,
    ...change,
  });
}

describe('screenOf', () => {
  it('shows the table whenever there are rows', () => {
    expect(screen({ known: 5, matching: 1, connection: LOST }).type).toBe('table');
  });

  it('claims nothing before the snapshot is complete', () => {
    expect(screen({ ready: false, connection: { phase: 'connecting', since: 0 } })).toMatchObject({
      type: 'loading',
      stage: 'connecting',
    });
    expect(screen({ ready: false, received: 500 })).toEqual({ type: 'loading', stage: 'reading', received: 500 });
    expect(screen({ ready: false, connection: LOST }).type).toBe('server-lost');
  });

  it('says "none" only when every lane is live', () => {
    expect(screen({}).type).toBe('empty');
    expect(screen({ lanes: laneSummary({ total: 2, waiting: [WAITING] }) }).type).toBe('empty-partial');
    expect(screen({ lanes: laneSummary({ live: 0, waiting: [WAITING] }) }).type).toBe('cluster-waiting');
    expect(screen({ lanes: laneSummary({ total: 0, live: 0 }) }).type).toBe('no-lanes');
    expect(screen({ connection: LOST }).type).toBe('server-lost');
  });

  it('tells of a refusal when everything is refused', () => {
    expect(screen({ lanes: laneSummary({ live: 0, denied: [DENIED] }) })).toMatchObject({
      type: 'denied',
      error: FORBIDDEN,
    });
    expect(screen({ lanes: laneSummary({ total: 2, denied: [DENIED] }) }).type).toBe('empty-partial');
  });

  it('tells a filter that matches nothing from what is not known', () => {
    expect(screen({ known: 5 })).toEqual({ type: 'no-match', partial: false, restricted: false });
    expect(screen({ known: 5, lanes: laneSummary({ total: 2 }) })).toEqual({
      type: 'no-match',
      partial: true,
      restricted: false,
    });
    expect(screen({ known: 5, connection: LOST })).toEqual({ type: 'no-match', partial: true, restricted: false });
  });
});

describe('describeScreen', () => {
  function describeAs(change: Partial<ScreenInput>): ReturnType<typeof describeScreen> {
    const which = screen(change);
    if (which.type === 'table') {
      throw new Error('there is a table');
    }
    return describeScreen(which, 0);
  }

  it('names the RBAC rule that would fix a refusal', () => {
    const text = describeAs({ lanes: laneSummary({ live: 0, denied: [DENIED] }) });
    expect(text.rbac).toContain('resources: ["ingresses"]');
    expect(text.rbac).toContain('verbs: ["get", "list", "watch"]');
    expect(text.reason).toEqual(FORBIDDEN);
  });

  it('does not suggest a role to somebody whose token is not accepted', () => {
    const error = { class: 'permanent', reason: 'Unauthorized', message: 'no' };
    const text = describeAs({ lanes: laneSummary({ live: 0, denied: [{ ...DENIED, error }] }) });
    expect(text.title).toBe('The cluster rejects the credentials');
    expect(text.rbac).toBeNull();
  });

  it('is good news only for a cluster that is known to be empty', () => {
    expect(describeAs({}).tone).toBe('ok');
    for (const lanes of [laneSummary({ total: 0, live: 0 }), laneSummary({ live: 0, waiting: [WAITING] })]) {
      expect(describeAs({ lanes }).tone).toBe('unknown');
    }
  });
});

describe('what may be seen', () => {
  const restricted = sightOf([partial('restricted')]);
  const unknown = sightOf([partial('unknown')]);
  const nothing = laneSummary({ total: 0, live: 0 });

  it('is no empty cluster', () => {
    expect(screen({ sight: { type: 'asking' } })).toMatchObject({ type: 'loading', stage: 'reading' });
    expect(screen({ sight: { type: 'failed', message: '', retryAt: null } }).type).toBe('empty-partial');
    expect(screen({ sight: restricted })).toMatchObject({ type: 'restricted', all: false });
    expect(screen({ sight: restricted, lanes: nothing })).toMatchObject({ type: 'restricted', all: true });
    expect(screen({ sight: unknown }).type).toBe('access-unknown');
    expect(screen({ sight: unknown, lanes: nothing }).type).toBe('access-unknown');
    expect(screen({ known: 5, sight: restricted })).toEqual({ type: 'no-match', partial: false, restricted: true });
    expect(screen({ known: 5, sight: unknown })).toEqual({ type: 'no-match', partial: true, restricted: false });
  });

  it('is told calmly when it is restricted, and never as fine when it is not known', () => {
    const tone = (sight: Sight): unknown => {
      const which = screen({ sight });
      return which.type === 'table' ? null : describeScreen(which, 0).tone;
    };
    expect(tone(restricted)).toBeNull();
    expect(tone(unknown)).toBe('unknown');
    const [calm] = notices({ connection: CONNECTED, lanes: laneSummary(), known: 3, sight: restricted });
    expect(calm).toMatchObject({ tone: 'info', dismissible: true });
    expect(calm?.text).toBe(
      'You may not list the ingresses of all namespaces of prod; only those that you may see are shown.',
    );
    const [open] = notices({ connection: CONNECTED, lanes: laneSummary(), known: 3, sight: unknown });
    expect(open).toMatchObject({ tone: 'unknown', dismissible: false });
    expect(open?.text).toContain('not known at the moment what you may see of prod (Unreachable)');
  });

  it('is told of when it could not be asked for, unless the connection is the reason', () => {
    const sight = { type: 'failed', message: 'you ask too often', retryAt: null } as const;
    const [notice] = notices({ connection: CONNECTED, lanes: laneSummary(), known: 3, sight });
    expect(notice).toMatchObject({ tone: 'unknown', dismissible: false });
    expect(notice?.text).toContain('You ask too often.');
    const told = notices({ connection: LOST, lanes: laneSummary(), known: 3, sight });
    expect(told.map(({ key }) => key)).toEqual(['connection']);
  });

  it('names the namespaces that were asked for and may not be seen', () => {
    const sight = sightOf(['a', 'b', 'c', 'd'].map((name) => partial('restricted', name)));
    const [notice] = notices({ connection: CONNECTED, lanes: laneSummary(), known: 3, sight });
    expect(notice?.text).toBe('You may not list the ingresses in a, b, c and 1 more.');
  });

  it('is told once when it changes, whether or not there are rows', () => {
    for (const known of [0, 3]) {
      const told = notices({ connection: CONNECTED, lanes: laneSummary(), known, accessChanges: 1 });
      expect(told).toMatchObject([{ tone: 'info', dismissible: true }]);
    }
  });
});

function notices(
  change: Partial<Parameters<typeof noticesOf>[0]> &
    Pick<Parameters<typeof noticesOf>[0], 'connection' | 'lanes' | 'known'>,
): Notice[] {
  return noticesOf({
    sight: sightOf([]),
    accessChanges: 0,
    signOutProblem: null,
    judging: { type: 'unwatched' },
    verdict: null,
    ...change,
  });
}

describe('noticesOf', () => {
  it('leaves the talking to the screen while there are no rows', () => {
    expect(notices({ connection: LOST, lanes: laneSummary({ live: 0, denied: [DENIED] }), known: 0 })).toEqual([]);
  });

  it('says since when rows are not updated', () => {
    const [notice] = notices({ connection: LOST, lanes: laneSummary(), known: 3 });
    expect(notice).toMatchObject({ tone: 'bad', since: 1000, dismissible: false });
  });

  it('names some of the namespaces that are denied', () => {
    const denied = ['a', 'b', 'c', 'd', 'e'].map((name) => lane(name, { state: 'denied', error: FORBIDDEN }));
    const [notice] = notices({ connection: CONNECTED, lanes: laneSummary({ total: 9, denied }), known: 3 });
    expect(notice?.text).toBe(
      'The cluster does not let this server read ingresses in a, b, c and 2 more namespaces (Forbidden: not allowed).',
    );
    expect(notice?.dismissible).toBe(true);
  });

  it('has nothing to add when all is well', () => {
    expect(notices({ connection: CONNECTED, lanes: laneSummary(), known: 3 })).toEqual([]);
  });
});
