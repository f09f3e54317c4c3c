import type { Health, Info, Problem } from './wire';

/** An answer other than success, in words that can be shown. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    message: string,
    readonly status: number | null,
    readonly problem: Problem | null = null,
  ) {
    super(message);
  }
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'title' in value && 'status' in value;
}

/** Turns a failed answer into an error that carries the server's own explanation when it gave one. */
export async function errorOf(response: Response): Promise<ApiError> {
  try {
    const body: unknown = await response.json();
    if (isProblem(body)) {
      return new ApiError(body.detail ?? body.title, response.status, body);
    }
  } catch {
    // Not JSON: a proxy's error page, say. The status alone has to do.
  }
  const words = response.statusText === '' ? '' : ` (${response.statusText})`;
  return new ApiError(`The server answered ${String(response.status)}${words}.`, response.status);
}

/** The plain, short-lived requests of the page; the stream has its own connection. */
export class ApiClient {
  readonly #base: string;
  readonly #fetch: typeof fetch;

  constructor(base: string, fetchImpl: typeof fetch) {
    this.#base = base;
    this.#fetch = fetchImpl;
  }

  get streamUrl(): string {
    return new URL('api/ingresses/stream', this.#base).href;
  }

  /** The address of the object's YAML, for the request below and for a link. */
  yamlUrl(item: { cluster: string; namespace: string; name: string }): string {
    const path = `api/ingresses/${encodeURIComponent(item.namespace)}/${encodeURIComponent(item.name)}/yaml`;
    const url = new URL(path, this.#base);
    url.searchParams.set('cluster', item.cluster);
    return url.href;
  }

  async info(): Promise<Info> {
    const response = await this.#get('api/info');
    if (!response.ok) {
      throw await errorOf(response);
    }
    return (await response.json()) as Info;
  }

  /** Health is an answer in both its outcomes, so a 503 with a body is not an error. */
  async health(signal?: AbortSignal): Promise<Health> {
    const response = await this.#get('api/health', signal);
    if (!response.ok && response.status !== 503) {
      throw await errorOf(response);
    }
    const body = (await response.json()) as Partial<Health>;
    if (body.status === undefined || body.checks === undefined) {
      throw new ApiError(`The server answered ${String(response.status)}.`, response.status);
    }
    return body as Health;
  }

  async yaml(item: { cluster: string; namespace: string; name: string }, signal?: AbortSignal): Promise<string> {
    const response = await this.#get(this.yamlUrl(item), signal);
    if (!response.ok) {
      throw await errorOf(response);
    }
    return response.text();
  }

  async #get(path: string, signal?: AbortSignal): Promise<Response> {
    try {
      return await this.#fetch(new URL(path, this.#base), { cache: 'no-store', signal: signal ?? null });
    } catch (cause) {
      if (signal?.aborted === true) {
        throw cause;
      }
      throw new ApiError('The server cannot be reached.', null);
    }
  }
}
