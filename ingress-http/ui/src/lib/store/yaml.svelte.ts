import { ApiError, type ApiClient } from '../api/client';
import type { Item } from '../api/wire';

export type YamlState =
  | { type: 'idle' }
  | { type: 'loading' }
  | { type: 'loaded'; yaml: string; at: number; resourceVersion: string }
  | { type: 'failed'; message: string };

/** Reads one object's YAML on demand. A later request, or leaving, cancels an earlier one. */
export class YamlLoader {
  state: YamlState = $state.raw({ type: 'idle' });
  readonly #client: ApiClient;
  #abort: AbortController | null = null;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  async load(item: Item): Promise<void> {
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
        this.state = { type: 'failed', message: error instanceof ApiError ? error.message : 'It could not be read.' };
      }
    }
  }

  cancel(): void {
    this.#abort?.abort();
    this.#abort = null;
  }
}

/** The version that was read. It may be newer than the row that asked for it. */
export function resourceVersionOf(yaml: string): string | null {
  return /^ {2}resourceVersion: ["']?(\d+)["']?\s*$/m.exec(yaml)?.[1] ?? null;
}
