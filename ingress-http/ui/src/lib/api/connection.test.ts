import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { problem } from '../../test/fixtures';
import { FakeServer } from '../../test/server';
import { Connection, SILENCE_LIMIT, type ConnectionState } from './connection';

const URL_ = 'http://server/api/ingresses/stream';

interface Harness {
  server: FakeServer;
  connection: Connection;
  seen: string[];
  state: () => ConnectionState;
}

function start(random = 1): Harness {
  const server = new FakeServer();
  const seen: string[] = [];
  let state: ConnectionState | null = null;
  const connection = new Connection(
    URL_,
    {
      state: (next) => {
        state = next;
      },
      opened: () => seen.push('opened'),
      message: (message) => seen.push(`${message.event} ${message.data}`),
      heartbeat: () => seen.push('heartbeat'),
      barred: (why) => seen.push(`barred ${why}`),
    },
    { fetch: server.fetch, now: () => Date.now(), random: () => random },
  );
  connection.start();
  return {
    server,
    connection,
    seen,
    state: () => {
      if (state === null) {
        throw new Error('no state yet');
      }
      return state;
    },
  };
}

describe('Connection', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 1_000_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('passes on what the stream holds', async () => {
    const { server, seen, state } = start();
    expect(state()).toEqual({ phase: 'connecting', since: 1_000_000 });
    await server.stream.open();
    expect(state().phase).toBe('connected');
    await server.stream.send(': heartbeat\n\n');
    await server.stream.event('added', 1, 'e:1');
    expect(seen).toEqual(['opened', 'heartbeat', 'added 1']);
    expect(server.stream.headers.get('last-event-id')).toBeNull();
  });

  it('connects again from where it was', async () => {
    const { server, state } = start();
    await server.stream.open();
    await server.stream.event('added', 1, 'e:41');
    await vi.advanceTimersByTimeAsync(20_000);
    await server.stream.event('added', 2, 'e:42');
    const last = Date.now();
    await vi.advanceTimersByTimeAsync(3_000);
    await server.stream.break();
    expect(state()).toMatchObject({ phase: 'lost', since: last, failure: { kind: 'ended' }, retryAt: last + 4_000 });
    await vi.advanceTimersByTimeAsync(999);
    expect(server.streams).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(server.streams).toHaveLength(2);
    expect(server.stream.headers.get('last-event-id')).toBe('e:42');
    expect(state()).toMatchObject({ phase: 'lost', since: last, retryAt: null });
    await server.stream.open();
    expect(state().phase).toBe('connected');
  });

  it('resumes from the id of a heartbeat, and from the start after a reset', async () => {
    const { server } = start();
    await server.stream.open();
    await server.stream.event('added', 1, 'e:41');
    await server.stream.send(': heartbeat\nid: e:50\n\nid: e:51\n');
    await server.stream.break();
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.stream.headers.get('last-event-id')).toBe('e:50');
    await server.stream.open();
    await server.stream.send('id:\nevent: reset\ndata: {}\n\n');
    await server.stream.break();
    await vi.advanceTimersByTimeAsync(2000);
    expect(server.stream.headers.get('last-event-id')).toBeNull();
  });

  it('waits longer each time, up to a cap, and with jitter', async () => {
    const { server, state } = start(0);
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      await server.stream.fail();
      const now = state();
      if (now.phase !== 'lost' || now.retryAt === null) {
        throw new Error('the connection is not waiting');
      }
      expect(now.since).toBe(1_000_000);
      expect(now.failure.kind).toBe('unreachable');
      waits.push(now.retryAt - Date.now());
      await vi.advanceTimersByTimeAsync(now.retryAt - Date.now());
    }
    // Without any luck in the jitter, half of 1, 2, 4, … 30 s.
    expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
  });

  it('starts from the shortest wait again after a connection that lasted', async () => {
    const { server, state } = start();
    await server.stream.fail();
    await vi.advanceTimersByTimeAsync(1000);
    await server.stream.fail();
    await vi.advanceTimersByTimeAsync(2000);
    await server.stream.open();
    await vi.advanceTimersByTimeAsync(1000);
    await server.stream.close();
    expect(state()).toMatchObject({ retryAt: Date.now() + 4000 });
    await vi.advanceTimersByTimeAsync(4000);
    await server.stream.open();
    await vi.advanceTimersByTimeAsync(10_000);
    await server.stream.close();
    expect(state()).toMatchObject({ retryAt: Date.now() + 1000 });
  });

  it('waits as long as the server asks for', async () => {
    const { server, state } = start();
    await server.stream.open();
    await server.stream.send('retry: 5000\n\n');
    await server.stream.event('end', { reason: 'shutdown' });
    expect(state()).toMatchObject({
      failure: { kind: 'ended', message: 'The server is stopping or restarting.' },
      retryAt: Date.now() + 5000,
    });
  });

  it('tells a refusal in the words of the server and honours Retry-After', async () => {
    const { server, state } = start();
    const problem = {
      type: 'about:blank#x',
      title: 'Too many',
      status: 503,
      detail: 'Too many clients are connected.',
    };
    await server.stream.answer(
      new Response(JSON.stringify(problem), { status: 503, headers: { 'retry-after': '12' } }),
    );
    expect(state()).toMatchObject({
      failure: { kind: 'refused', message: 'Too many clients are connected.' },
      retryAt: Date.now() + 12_000,
      asked: true,
    });
  });

  it('lets nobody cut short a wait that the server asks for', async () => {
    const { server, connection } = start();
    await server.stream.answer(problem(429, 'too-many-requests', 'Too often.', { 'retry-after': '7' }));
    connection.retryNow();
    await vi.advanceTimersByTimeAsync(6_900);
    expect(server.streams).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(server.streams).toHaveLength(2);
  });

  it.each([
    ['unauthenticated', problem(401, 'unauthenticated', 'Who are you?')],
    ['access-unknown', problem(503, 'access-unknown', 'Nobody can tell.', { 'retry-after': '5' })],
  ])('says when it is not let in: %s', async (kind, answer) => {
    const { server, seen, state } = start();
    await server.stream.answer(answer);
    expect(state()).toMatchObject({ phase: 'lost', failure: { kind } });
    expect(seen).toEqual([`barred ${kind}`]);
  });

  it.each(['unauthenticated', 'access-unknown'])('says when it is shown out: %s', async (reason) => {
    const { server, connection, seen, state } = start();
    await server.stream.open();
    await server.stream.event('added', 1, 'e:41');
    // The connection itself may well stay open.
    await server.stream.event('end', { reason });
    expect(state()).toMatchObject({ phase: 'lost', failure: { kind: reason } });
    expect(seen.at(-1)).toBe(`barred ${reason}`);
    connection.forgetPlace();
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.stream.headers.get('last-event-id')).toBeNull();
  });

  it('begins anew for somebody else', async () => {
    const { server, connection, state } = start();
    await server.stream.open();
    await server.stream.event('added', 1, 'e:41');
    connection.restart();
    expect(state().phase).toBe('connecting');
    expect(server.streams).toHaveLength(2);
    expect(server.streams[0]?.signal?.aborted).toBe(true);
    expect(server.stream.headers.get('last-event-id')).toBeNull();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(server.streams).toHaveLength(2);
  });

  it('does not take a sign-in page for the stream', async () => {
    const { server, state } = start();
    await server.stream.answer(new Response('<html>', { headers: { 'content-type': 'text/html' } }));
    expect(state()).toMatchObject({ phase: 'lost', failure: { kind: 'refused' } });
  });

  it('notices silence, and that heartbeats are not silence', async () => {
    const { server, state } = start();
    await server.stream.open();
    for (let beat = 0; beat < 4; beat += 1) {
      await vi.advanceTimersByTimeAsync(15_000);
      await server.stream.send(': heartbeat\n\n');
    }
    expect(state().phase).toBe('connected');
    const last = Date.now();
    await vi.advanceTimersByTimeAsync(SILENCE_LIMIT + 5_000);
    expect(state()).toMatchObject({ phase: 'lost', since: last, failure: { kind: 'silent' } });
    expect(server.streams[0]?.signal?.aborted).toBe(true);
  });

  it('gives up an attempt that hangs', async () => {
    const { server, state } = start();
    await vi.advanceTimersByTimeAsync(SILENCE_LIMIT + 5_000);
    expect(state()).toMatchObject({ phase: 'lost', failure: { kind: 'silent' } });
    expect(server.streams[0]?.signal?.aborted).toBe(true);
  });

  it('tries at once when asked to, and only while it waits', async () => {
    const { server, connection } = start();
    await server.stream.fail();
    connection.retryNow();
    expect(server.streams).toHaveLength(2);
    connection.retryNow();
    expect(server.streams).toHaveLength(2);
  });

  it('reads everything again after something that makes no sense', async () => {
    const { server, connection, state } = start();
    await server.stream.open();
    await server.stream.event('added', 1, 'e:1');
    connection.startOver('No sense.');
    expect(state()).toMatchObject({ phase: 'lost', failure: { kind: 'refused', message: 'No sense.' } });
    await vi.advanceTimersByTimeAsync(1000);
    expect(server.stream.headers.get('last-event-id')).toBeNull();
  });

  it('is silent after it was stopped', async () => {
    const { server, connection, seen, state } = start();
    await server.stream.open();
    connection.stop();
    await server.stream.event('added', 1);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(seen).toEqual(['opened']);
    expect(state().phase).toBe('connected');
    expect(server.streams).toHaveLength(1);
  });
});
