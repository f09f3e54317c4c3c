import type { ApiClient } from '../api/client';
import { Connection, type ConnectionEnv, type ConnectionState } from '../api/connection';
import type { SseMessage } from '../api/sse';
import { routeEvent } from '../api/wire';
import { sentence } from '../format/sentence';
import type { Tally } from '../format/verdict';
import { NOBODY, Verdicts, type Touched } from './verdicts';

export type Judging =
  /** Whether the server judges routes is not known yet. */
  | { type: 'asking' }
  /** It does, and has not told all of them yet. */
  | { type: 'reading' }
  /** The server watches ingresses alone. */
  | { type: 'unwatched' }
  /** Nothing is known, and this is why. */
  | { type: 'failed'; message: string }
  /**
   * `lost`: since when, and why, what is shown is not told of any more. `staleSince`: since when the server itself judges by what is not
   * confirmed current.
   */
  | { type: 'known'; lost: { since: number; message: string } | null; staleSince: string | null };

export interface VerdictWatchEnv extends ConnectionEnv {
  /** How far the server's clock is ahead of this machine's. */
  clockOffset: () => number;
  /** What came, to be given back to `opened` and `take` in its order when there is time for it. */
  deliver: (what: SseMessage | 'opened') => void;
  /** The state is of another type. */
  changed: () => void;
}

/** How long a page that nobody looks at goes on being told: a browser has few connections to one server. */
export const UNSEEN = 30_000;

/** The verdicts of the routes of all ingresses, told by a stream of their own for as long as somebody looks at the page. */
export class VerdictWatch {
  #state: Judging = $state.raw({ type: 'asking' });
  readonly #connection: Connection;
  #verdicts = new Verdicts();
  #link: ConnectionState = { phase: 'connecting', since: 0 };
  #isWanted = false;
  #isRunning = false;
  #unseen: ReturnType<typeof setTimeout> | null = null;
  /** Since when it has not been told anything because nobody looked. */
  #restedAt: number | null = null;
  readonly #env: VerdictWatchEnv;

  constructor(client: ApiClient, env: VerdictWatchEnv) {
    this.#env = env;
    this.#connection = new Connection(
      client.routeStreamUrl,
      {
        state: (state) => {
          this.#linked(state);
        },
        opened: () => {
          env.deliver('opened');
        },
        message: env.deliver,
        heartbeat: () => undefined,
        // Who may see what is told by the stream of ingresses.
        barred: () => undefined,
      },
      env,
    );
  }

  get state(): Judging {
    return this.#state;
  }

  of(ingress: string): Tally | null {
    return this.#verdicts.of(ingress);
  }

  /** Asks, now, unless it does already or nobody looks. A server that judged no routes may have been replaced by one that does. */
  start(): void {
    this.#isWanted = true;
    this.look();
  }

  /** Somebody begins to look at the page, or ceases to. */
  look(): void {
    this.#clearUnseen();
    if (document.visibilityState === 'hidden') {
      this.#unseen = setTimeout(() => {
        this.#unseen = null;
        this.#rest();
      }, UNSEEN);
    } else if (this.#isRunning) {
      // After this machine slept, timers have not run.
      this.#connection.checkSilence();
      this.#connection.retryNow();
    } else if (this.#isWanted) {
      this.#isRunning = true;
      this.#connection.start();
    }
  }

  retryNow(): void {
    this.#connection.retryNow();
  }

  /** Asks no more, and knows nothing any more. */
  stop(): void {
    this.#end({ type: 'asking' });
  }

  opened(): void {
    this.#verdicts.opened();
  }

  take(message: SseMessage): Touched {
    try {
      const event = routeEvent(message.event, JSON.parse(message.data));
      if (event === null) {
        return NOBODY;
      }
      const touched = this.#verdicts.apply(event);
      // Nothing else changes how well verdicts are known, and all rows show that.
      if (event.type === 'stale' || touched.type === 'all') {
        this.#tell();
      }
      return touched;
    } catch {
      this.#connection.startOver('The server sent something that this page does not understand.');
      return NOBODY;
    }
  }

  #end(state: Judging): void {
    this.#isWanted = false;
    this.#clearUnseen();
    this.#rest();
    this.#connection.forgetPlace();
    this.#verdicts = new Verdicts();
    this.#setState(state);
  }

  #clearUnseen(): void {
    if (this.#unseen !== null) {
      clearTimeout(this.#unseen);
      this.#unseen = null;
    }
  }

  #rest(): void {
    if (this.#isRunning) {
      this.#isRunning = false;
      this.#restedAt ??= this.#env.now();
      this.#connection.stop();
    }
  }

  #linked(state: ConnectionState): void {
    this.#link = state;
    if (state.phase === 'connected') {
      this.#restedAt = null;
    }
    if (state.phase === 'lost' && state.failure.absent === true) {
      this.#end({ type: 'unwatched' });
    } else {
      this.#tell();
    }
  }

  #tell(): void {
    const lost = this.#lost();
    if (this.#verdicts.ready) {
      const staleSince = Object.values(this.#verdicts.staleSince).sort()[0] ?? null;
      this.#setState({ type: 'known', lost, staleSince });
    } else if (this.#link.phase === 'connected') {
      this.#setState({ type: 'reading' });
    } else if (this.#link.phase === 'lost' && lost !== null) {
      this.#setState({ type: 'failed', message: lost.message });
    } else if (this.#state.type !== 'unwatched') {
      this.#setState({ type: 'asking' });
    }
  }

  #setState(state: Judging): void {
    const isAnother = state.type !== this.#state.type;
    this.#state = state;
    if (isAnother) {
      this.#env.changed();
    }
  }

  #lost(): { since: number; message: string } | null {
    const link = this.#link;
    const offset = this.#env.clockOffset();
    if (link.phase === 'lost') {
      return { since: (this.#restedAt ?? link.since) + offset, message: sentence(link.failure.message) };
    }
    // What was told before nobody looked may not be so any more.
    return link.phase === 'connecting' && this.#restedAt !== null
      ? { since: this.#restedAt + offset, message: 'They are being read again.' }
      : null;
  }
}
