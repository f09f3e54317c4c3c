import { errorOf, type ApiError } from './client';
import { SseParser, type SseMessage } from './sse';

/** Why there is no connection. */
export interface Failure {
  /**
   * `unreachable`: nothing answered. `refused`: the server answered, but not with a stream. `silent`: not even a
   * heartbeat came any more. `ended`: the stream ended, because the server is stopping or something in between cut it.
   * The two others: see `Bar`.
   */
  kind: 'unreachable' | 'refused' | 'silent' | 'ended' | Bar;
  message: string;
  /** There is no such stream (404). */
  absent?: boolean;
}

/**
 * Why the server shows nothing. `unauthenticated`: it does not, or no longer, know who asks. `access-unknown`: nobody can
 * tell at the moment what they may see.
 */
export type Bar = 'unauthenticated' | 'access-unknown';

export type ConnectionState =
  /** The first attempt is under way: nothing is wrong yet. */
  | { phase: 'connecting'; since: number }
  | { phase: 'connected'; since: number }
  /** Lost at `since`. `retryAt` is `null` while an attempt is under way; `asked`: the server asked to wait until then. */
  | { phase: 'lost'; since: number; failure: Failure; attempt: number; retryAt: number | null; asked: boolean };

export interface ConnectionHandlers {
  state: (state: ConnectionState) => void;
  /** A stream begins; everything that follows belongs to it. */
  opened: () => void;
  message: (message: SseMessage) => void;
  /** A comment came: the server is alive, and everything sent before it has arrived. */
  heartbeat: () => void;
  /** The server shows nothing. The next attempt is planned all the same; whoever knows better stops it. */
  barred: (why: Bar) => void;
}

/** What the connection needs of the world; tests bring their own. */
export interface ConnectionEnv {
  fetch: typeof fetch;
  now: () => number;
  random: () => number;
}

/** The server promises a heartbeat every 15 s. Two may be late before the connection counts as dead. */
export const SILENCE_LIMIT = 40_000;
const SILENCE_CHECK = 5_000;
/** The waiting time before the first retry, unless the server's `retry:` says otherwise. */
const INITIAL_BACKOFF = 1_000;
const MAX_BACKOFF = 30_000;
/** A connection that lasted this long was a good one: the next loss starts from the shortest wait again. */
const STABLE_AFTER = 10_000;

interface Outcome {
  failure: Failure;
  retryAfter: number | null;
}

/**
 * One endless subscription to the stream: reads it, notices when it dies, and connects again from where it was, with a
 * capped, jittered backoff so that the pages of a whole team do not all come back at the same moment.
 */
export class Connection {
  readonly #url: string;
  readonly #handlers: ConnectionHandlers;
  readonly #env: ConnectionEnv;
  #abort: AbortController | null = null;
  #retryTimer: ReturnType<typeof setTimeout> | null = null;
  #silenceTimer: ReturnType<typeof setInterval> | null = null;
  #state: ConnectionState;
  #lastEventId = '';
  #backoff = INITIAL_BACKOFF;
  #failures = 0;
  #lastByte = 0;

  constructor(url: string, handlers: ConnectionHandlers, env: ConnectionEnv) {
    this.#url = url;
    this.#handlers = handlers;
    this.#env = env;
    this.#state = { phase: 'connecting', since: env.now() };
  }

  start(): void {
    if (this.#abort === null && this.#retryTimer === null) {
      this.#attempt();
    }
  }

  stop(): void {
    this.#clearTimers();
    this.#abort?.abort();
    this.#abort = null;
  }

  /** What was shown is not to be shown any more, so there is nothing to go on from. */
  forgetPlace(): void {
    this.#lastEventId = '';
  }

  /** Begins anew, as if nothing had been before: with everything, and for whoever is signed in now. */
  restart(): void {
    this.stop();
    this.#lastEventId = '';
    this.#failures = 0;
    this.#setState({ phase: 'connecting', since: this.#env.now() });
    this.#attempt();
  }

  /**
   * Ends a wait early: the person asks for it, the network is back, or the page is looked at again. Not one that the
   * server has asked for.
   */
  retryNow(): void {
    if (this.#retryTimer !== null && !(this.#state.phase === 'lost' && this.#state.asked)) {
      this.#clearTimers();
      this.#attempt();
    }
  }

  /** Looks for silence at once: after a laptop slept, its timers have not run. */
  checkSilence(): void {
    if (this.#silenceTimer !== null && this.#env.now() - this.#lastByte > SILENCE_LIMIT) {
      this.#abort?.abort();
      this.#lose({ kind: 'silent', message: 'The server has sent nothing for too long, not even a heartbeat.' });
    }
  }

  /** What came makes no sense. Nothing after it can be trusted, so everything is read again from the start. */
  startOver(message: string): void {
    if (this.#abort !== null) {
      this.#abort.abort();
      this.#lastEventId = '';
      this.#lose({ kind: 'refused', message });
    }
  }

  #attempt(): void {
    const abort = new AbortController();
    this.#abort = abort;
    if (this.#state.phase === 'lost') {
      this.#setState({ ...this.#state, retryAt: null });
    } else {
      this.#setState({ phase: 'connecting', since: this.#state.since });
    }
    this.#lastByte = this.#env.now();
    // Also while the answer is awaited: a connection attempt can hang as silently as a connection.
    this.#silenceTimer = setInterval(() => {
      this.checkSilence();
    }, SILENCE_CHECK);
    void this.#run(abort.signal);
  }

  /** Never rejects. Whatever happens after an abort is nobody's business any more: the aborting side has told the state. */
  async #run(signal: AbortSignal): Promise<void> {
    let outcome: Outcome;
    try {
      outcome = await this.#read(signal);
    } catch {
      const connected = this.#state.phase === 'connected';
      outcome = {
        failure: connected
          ? { kind: 'ended', message: 'The connection to the server broke.' }
          : { kind: 'unreachable', message: 'The server cannot be reached.' },
        retryAfter: null,
      };
    }
    if (!signal.aborted) {
      const { failure, retryAfter } = outcome;
      const { kind } = failure;
      const isBarred = kind === 'unauthenticated' || kind === 'access-unknown';
      this.#lose(failure, retryAfter);
      if (isBarred) {
        this.#handlers.barred(kind);
      }
    }
  }

  async #read(signal: AbortSignal): Promise<Outcome> {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (this.#lastEventId !== '') {
      headers['last-event-id'] = this.#lastEventId;
    }
    const response = await this.#env.fetch(this.#url, { headers, cache: 'no-store', signal });
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
    if (!response.ok || !isStream || response.body === null) {
      if (!response.ok) {
        return refusal(await errorOf(response));
      }
      const message = 'Something other than the stream answered at its address.';
      return { failure: { kind: 'refused', message }, retryAfter: null };
    }
    let ending = null as Failure | null;
    const parser = new SseParser({
      message: (message) => {
        if (message.event === 'end') {
          ending = endingOf(message.data);
        }
        this.#handlers.message(message);
      },
      id: (id) => {
        this.#lastEventId = id;
      },
      retry: (milliseconds) => {
        this.#backoff = Math.min(Math.max(milliseconds, 100), MAX_BACKOFF);
      },
      comment: () => {
        this.#handlers.heartbeat();
      },
    });
    this.#setState({ phase: 'connected', since: this.#env.now() });
    this.#handlers.opened();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (signal.aborted || done) {
        break;
      }
      this.#lastByte = this.#env.now();
      parser.push(value);
      if (ending !== null) {
        // Whatever comes after the last event is not the server's.
        void reader.cancel().catch(() => undefined);
        break;
      }
    }
    return { failure: ending ?? { kind: 'ended', message: 'The server ended the stream.' }, retryAfter: null };
  }

  #lose(failure: Failure, retryAfter: number | null = null): void {
    this.#clearTimers();
    this.#abort = null;
    const now = this.#env.now();
    const since = this.#state.phase === 'connected' ? this.#lastByte : this.#state.since;
    if (this.#state.phase === 'connected' && now - this.#state.since >= STABLE_AFTER) {
      this.#failures = 0;
    }
    const ceiling = Math.min(this.#backoff * 2 ** this.#failures, MAX_BACKOFF);
    // Between half of the ceiling and all of it: enough jitter to spread pages out, and never an immediate retry.
    const wait = Math.max(ceiling * (0.5 + this.#env.random() / 2), retryAfter ?? 0);
    this.#failures = Math.min(this.#failures + 1, 16);
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      this.#attempt();
    }, wait);
    this.#setState({
      phase: 'lost',
      since,
      failure,
      attempt: this.#failures,
      retryAt: now + wait,
      asked: retryAfter !== null,
    });
  }

  #setState(state: ConnectionState): void {
    this.#state = state;
    this.#handlers.state(state);
  }

  #clearTimers(): void {
    if (this.#retryTimer !== null) {
      clearTimeout(this.#retryTimer);
      this.#retryTimer = null;
    }
    if (this.#silenceTimer !== null) {
      clearInterval(this.#silenceTimer);
      this.#silenceTimer = null;
    }
  }
}

/** What an answer other than the stream says. */
function refusal(error: ApiError): Outcome {
  const { message, retryAfter } = error;
  if (error.status === 401) {
    return { failure: { kind: 'unauthenticated', message }, retryAfter };
  }
  const kind = error.kind === 'access-unknown' ? 'access-unknown' : 'refused';
  return { failure: { kind, message, absent: error.status === 404 }, retryAfter };
}

/** Why the server ended the stream, as its last event says. A reason that this page does not know is an end like any other. */
function endingOf(data: string): Failure {
  let reason: unknown = null;
  try {
    reason = (JSON.parse(data) as { reason?: unknown }).reason;
  } catch {
    // What an event holds is judged where events are applied.
  }
  switch (reason) {
    case 'unauthenticated':
      return { kind: reason, message: 'The server no longer knows who you are.' };
    case 'access-unknown':
      return { kind: reason, message: 'Nobody can tell at the moment what you may see.' };
    case 'shutdown':
      return { kind: 'ended', message: 'The server is stopping or restarting.' };
    default:
      return { kind: 'ended', message: 'The server ended the stream.' };
  }
}
