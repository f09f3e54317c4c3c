import { ApiError, type ApiClient } from '../api/client';
import type { Info } from '../api/wire';
import type { HealthState } from './health';
import { ASKING, sightOf, type Sight } from './sight';

/** When to ask again for what could not be had, if the server does not say when. */
const RETRY = 10_000;
/** Clocks this close to the server's are left alone. */
const CLOCK_TOLERANCE = 2_000;

export interface SurroundingsEnv {
  /** Whether there is a stream: without one, the next one asks for everything again. */
  isConnected: () => boolean;
  /** Whether somebody has to sign in first, so that there is no sense in asking. */
  isClosed: () => boolean;
}

/**
 * What stands around the table and does not come with the stream: which clusters these are, whether they are well, and
 * how much of them this viewer sees.
 */
export class Surroundings {
  info: Info | null = $state.raw(null);
  health: HealthState = $state.raw({ type: 'unknown' });
  sight: Sight = $state.raw(ASKING);
  /** How far the server's clock is ahead of this machine's, in milliseconds. */
  clockOffset = 0;

  readonly #client: ApiClient;
  readonly #env: SurroundingsEnv;
  /** Whose surroundings these are: an answer to a question of before is dropped. */
  #generation = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #healthNotBefore = 0;
  #healthAbort: AbortController | null = null;

  constructor(client: ApiClient, env: SurroundingsEnv) {
    this.#client = client;
    this.#env = env;
  }

  /** Now, on the server's clock, which everything that is shown goes by. */
  serverTime(): number {
    return Date.now() + this.clockOffset;
  }

  forget(): void {
    this.stop();
    this.#generation += 1;
    this.info = null;
    this.sight = ASKING;
    this.health = { type: 'unknown' };
  }

  stop(): void {
    this.#healthAbort?.abort();
    this.#plan(null);
  }

  /** Asks for everything but the health. What is known stays until there is an answer. */
  async load(): Promise<void> {
    this.#plan(null);
    const generation = this.#generation;
    const waits = await Promise.all([this.#loadInfo(), this.#loadSight()]);
    const wait = Math.max(...waits);
    if (wait > 0 && generation === this.#generation && this.#env.isConnected()) {
      this.#plan(wait);
    }
  }

  async loadHealth(): Promise<void> {
    if (document.visibilityState !== 'visible' || this.#env.isClosed() || Date.now() < this.#healthNotBefore) {
      return;
    }
    this.#healthAbort?.abort();
    const abort = new AbortController();
    this.#healthAbort = abort;
    let health: HealthState;
    try {
      health = { type: 'known', health: await this.#client.health(abort.signal), at: this.serverTime() };
    } catch (error) {
      const message = error instanceof ApiError ? error.message : 'The answer about its health makes no sense.';
      const wait = error instanceof ApiError ? error.retryAfter : null;
      const at = this.serverTime();
      this.#healthNotBefore = Date.now() + (wait ?? 0);
      health = { type: 'failed', message, at, retryAt: wait === null ? null : at + wait };
    }
    if (!abort.signal.aborted) {
      this.health = health;
    }
  }

  #plan(wait: number | null): void {
    if (this.#timer !== null) {
      clearTimeout(this.#timer);
      this.#timer = null;
    }
    if (wait !== null) {
      this.#timer = setTimeout(() => {
        void this.load();
      }, wait);
    }
  }

  /** Returns how long to wait before asking again, in milliseconds; 0 when there is no need to. */
  async #loadInfo(): Promise<number> {
    const generation = this.#generation;
    const asked = Date.now();
    try {
      const info = await this.#client.info();
      if (generation === this.#generation) {
        this.info = info;
        const offset = Date.parse(info.timestamp) - (asked + Date.now()) / 2;
        this.clockOffset = Math.abs(offset) > CLOCK_TOLERANCE ? offset : 0;
      }
      return 0;
    } catch (error) {
      // What is known of the cluster stays as it is; the connection's state is always in view.
      return waitAfter(error);
    }
  }

  async #loadSight(): Promise<number> {
    const generation = this.#generation;
    try {
      const partial = await this.#client.partial();
      if (generation === this.#generation) {
        this.sight = sightOf(partial);
      }
      return 0;
    } catch (error) {
      const wait = waitAfter(error);
      if (generation === this.#generation) {
        const message = error instanceof ApiError ? error.message : 'The answer makes no sense.';
        this.sight = { type: 'failed', message, retryAt: this.serverTime() + wait };
      }
      return wait;
    }
  }
}

function waitAfter(error: unknown): number {
  return (error instanceof ApiError ? error.retryAfter : null) ?? RETRY;
}
