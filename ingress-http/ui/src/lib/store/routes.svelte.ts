import { ApiError, type ApiClient } from '../api/client';
import type { Diagnosis, Item, Route } from '../api/wire';
import { sentence } from '../format/sentence';

export type RoutesState =
  | { type: 'asking' }
  /** The server watches ingresses alone. */
  | { type: 'unwatched' }
  | { type: 'failed'; message: string }
  /** `message`: why what is shown could not be confirmed since `at`. */
  | { type: 'known'; routes: readonly Route[]; staleSince: string | null; at: number; message: string | null };

/** Why a route has its verdict: not asked for (`undefined`), the answer, or why there is none. */
export type Explained = { type: 'diagnosis'; diagnosis: Diagnosis } | { type: 'failed'; message: string };

const INTERVAL = 5_000;

/**
 * Whether the routes of one ingress work, asked for again and again while somebody looks at it. Diagnoses are long, so
 * only those of routes that are unfolded are read.
 */
export class RouteWatch {
  state: RoutesState = $state.raw({ type: 'asking' });
  explained: Readonly<Partial<Record<string, Explained>>> = $state.raw({});
  readonly #client: ApiClient;
  readonly #item: Pick<Item, 'cluster' | 'namespace' | 'name'>;
  #unfolded: readonly string[] = [];
  #abort = new AbortController();
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(client: ApiClient, item: Pick<Item, 'cluster' | 'namespace' | 'name'>) {
    this.#client = client;
    this.#item = item;
  }

  /** Asks now and every few seconds, until `stop`. `now` tells the time that the page goes by. */
  async start(now: () => number): Promise<void> {
    const { signal } = this.#abort;
    await this.#ask(now, signal);
    // A server that judges no routes does not begin to while it runs.
    if (!signal.aborted && this.state.type !== 'unwatched') {
      this.#timer = setTimeout(() => {
        void this.start(now);
      }, INTERVAL);
    }
  }

  stop(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
  }

  async unfold(id: string): Promise<void> {
    this.#unfolded = [...this.#unfolded, id];
    await this.#explain(id, this.#abort.signal);
  }

  fold(id: string): void {
    this.#unfolded = this.#unfolded.filter((each) => each !== id);
  }

  async #ask(now: () => number, signal: AbortSignal): Promise<void> {
    try {
      const list = await this.#client.routesOf(this.#item, signal);
      if (signal.aborted) {
        return;
      }
      if (list === null) {
        this.state = { type: 'unwatched' };
        return;
      }
      const staleSince = list.staleSince[this.#item.cluster] ?? null;
      this.state = { type: 'known', routes: list.items, staleSince, at: now(), message: null };
    } catch (error) {
      if (!signal.aborted) {
        const message = messageOf(error);
        this.state = this.state.type === 'known' ? { ...this.state, message } : { type: 'failed', message };
      }
      return;
    }
    await Promise.all(this.#unfolded.map((id) => this.#explain(id, signal)));
  }

  async #explain(id: string, signal: AbortSignal): Promise<void> {
    let explained: Explained;
    try {
      explained = { type: 'diagnosis', diagnosis: await this.#client.diagnosis(id, signal) };
    } catch (error) {
      explained = { type: 'failed', message: messageOf(error) };
    }
    if (!signal.aborted) {
      this.explained = { ...this.explained, [id]: explained };
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof ApiError ? sentence(error.message) : 'It could not be read.';
}
