import { ApiError, type ApiClient } from '../api/client';
import type { Item } from '../api/wire';
import { sentence } from '../format/sentence';

export type YamlState =
  | { type: 'idle' }
  | { type: 'loading' }
  | { type: 'loaded'; yaml: string; at: number; resourceVersion: string }
  /** `notBefore`: the server asks to wait until then. */
  | { type: 'failed'; message: string; notBefore: number | null };

/** Reads one object's YAML on demand. A later request, or leaving, cancels an earlier one. */
export class YamlLoader {
  state: YamlState = $state.raw({ type: 'idle' });
  readonly #client: ApiClient;
  #abort: AbortController | null = null;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** `now` tells the time that countdowns go by, in milliseconds. */
  async load(item: Item, now: () => number): Promise<void> {
    this.cancel();
    const abort = new AbortController();
    this.#abort = abort;
    this.state = { type: 'loading' };
    try {
      const yaml = await this.#client.yaml(item, abort.signal);
      this.state = {
        type: 'loaded',
        yaml,
        at: Date.now(),
        resourceVersion: resourceVersionOf(yaml) ?? item.resourceVersion,
      };
    } catch (error) {
      if (!abort.signal.aborted) {
        this.state = failed(error, now());
      }
    }
  }

  cancel(): void {
    this.#abort?.abort();
    this.#abort = null;
  }
}

function failed(error: unknown, now: number): YamlState {
  if (!(error instanceof ApiError)) {
    return { type: 'failed', message: 'It could not be read.', notBefore: null };
  }
  const notBefore = error.retryAfter === null ? null : now + error.retryAfter;
  return { type: 'failed', message: sentence(error.message), notBefore };
}

/** The version that was read. It may be newer than the row that asked for it. */
export function resourceVersionOf(yaml: string): string | null {
  return /^ {2}resourceVersion: ["']?(\d+)["']?\s*$/m.exec(yaml)?.[1] ?? null;
}
