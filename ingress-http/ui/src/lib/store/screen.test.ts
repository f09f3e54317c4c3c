import { describe, expect, it } from 'vitest';
import { FORBIDDEN, lane, laneSummary } from '../../test/fixtures';
import type { ConnectionState } from '../api/connection';
import { noticesOf } from './notices';
import { screenOf, type Screen, type ScreenInput } from './screen';
import { describeScreen } from './screen-text';

const CONNECTED: ConnectionState = { phase: 'connected', since: 0 };
const LOST: ConnectionState = {
  phase: 'lost',
  since: 1000,
  failure: { kind: 'unreachable', message: 'The server cannot be reached.' },
  attempt: 1,
  retryAt: 2000,
};
const DENIED = lane('shop', { state: 'denied', error: FORBIDDEN });
const WAITING = lane('shop', { state: 'connecting' });

function screen(change: Partial<ScreenInput>): Screen {
  return screenOf({
    connection: CONNECTED,
    ready: true,
    received: 0,
    lanes: laneSummary(),
    known: 0,
    matching: 0,
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
    expect(screen({ known: 5 })).toEqual({ type: 'no-match', partial: false });
    expect(screen({ known: 5, lanes: laneSummary({ total: 2 }) })).toEqual({ type: 'no-match', partial: true });
    expect(screen({ known: 5, connection: LOST })).toEqual({ type: 'no-match', partial: true });
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

describe('noticesOf', () => {
  it('leaves the talking to the screen while there are no rows', () => {
    expect(noticesOf({ connection: LOST, lanes: laneSummary({ live: 0, denied: [DENIED] }), known: 0 })).toEqual([]);
  });

  it('says since when rows are not updated', () => {
    const [notice] = noticesOf({ connection: LOST, lanes: laneSummary(), known: 3 });
    expect(notice).toMatchObject({ tone: 'bad', since: 1000, dismissible: false });
  });

  it('names some of the namespaces that are denied', () => {
    const denied = ['a', 'b', 'c', 'd', 'e'].map((name) => lane(name, { state: 'denied', error: FORBIDDEN }));
    const [notice] = noticesOf({ connection: CONNECTED, lanes: laneSummary({ total: 9, denied }), known: 3 });
    expect(notice?.text).toBe(
      'The cluster does not let this server read ingresses in a, b, c and 2 more namespaces (Forbidden: not allowed).',
    );
    expect(notice?.dismissible).toBe(true);
  });

  it('has nothing to add when all is well', () => {
    expect(noticesOf({ connection: CONNECTED, lanes: laneSummary(), known: 3 })).toEqual([]);
  });
});
