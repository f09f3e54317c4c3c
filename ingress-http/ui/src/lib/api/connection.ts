import { errorOf } from './client';
import { SseParser, type SseMessage } from './sse';

/** Why there is no connection. */
export interface Failure {
  /**
   * `unreachable`: nothing answered. `refused`: the server answered, but not with a stream. `silent`: not even a
   * heartbeat came any more. `ended`: the stream ended, because the server is stopping or something in between cut it.
   */
  kind: 'unreachable' | 'refused' | 'silent' | 'ended';
  message: string;
}

export type ConnectionState =
  /** The first attempt is under way: nothing is wrong yet. */
  | { phase: 'connecting'; since: number }
  | { phase: 'connected'; since: number }
  /** Lost at `since`. `retryAt` is `null` while an attempt is under way. */
  | { phase: 'lost'; since: number; failure: Failure; attempt: number; retryAt: number | null };

export interface ConnectionHandlers {
  state: (state: ConnectionState) => void;
  /** A stream begins; everything that follows belongs to it. */
  opened: () => void;
  message: (message: SseMessage) => void;
  /** A comment came: the server is alive, and everything sent before it has arrived. */
  heartbeat: () => void;
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

  /** Ends a wait early: the person asks for it, the network is back, or the page is looked at again. */
  retryNow(): void {
    if (this.#retryTimer !== null) {
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
    let outcome: { failure: Failure; retryAfter: number | null };
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
      this.#lose(outcome.failure, outcome.retryAfter);
    }
  }

  async #read(signal: AbortSignal): Promise<{ failure: Failure; retryAfter: number | null }> {
    const headers: Record<string, string> = { accept: 'text/event-stream' };
    if (this.#lastEventId !== '') {
      headers['last-event-id'] = this.#lastEventId;
    }
    const response = await this.#env.fetch(this.#url, { headers, cache: 'no-store', signal });
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
    if (!response.ok || !isStream || response.body === null) {
      const message = response.ok
        ? 'Something other than the stream answered at its address.'
        : (await errorOf(response)).message;
      return { failure: { kind: 'refused', message }, retryAfter: retryAfterOf(response) };
    }
    let ending = 'The server ended the stream.';
    const parser = new SseParser({
      message: (message) => {
        if (message.event === 'end') {
          ending = 'The server is stopping or restarting.';
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
    }
    return { failure: { kind: 'ended', message: ending }, retryAfter: null };
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
    this.#setState({ phase: 'lost', since, failure, attempt: this.#failures, retryAt: now + wait });
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

/** `Retry-After` in milliseconds, when it is a number of seconds; bounded, so that no header can park the page. */
function retryAfterOf(response: Response): number | null {
  const header = response.headers.get('retry-after');
  return header !== null && /^\d+$/.test(header) ? Math.min(Number(header), 300) * 1000 : null;
}
