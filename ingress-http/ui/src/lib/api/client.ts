import type { Diagnosis, Health, Info, PartialEntry, Problem, RouteList, Session } from './wire';

/** An answer other than success, in words that can be shown. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(
    message: string,
    readonly status: number | null,
    readonly problem: Problem | null = null,
    /** How long the server asks to wait before it is asked again, in milliseconds. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }

  /** Which kind of problem it is, as docs/http-api.md names them. */
  get kind(): string | null {
    return this.problem?.type.split('#').at(-1) ?? null;
  }
}

function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'title' in value && 'status' in value && 'type' in value;
}

/** `Retry-After` in milliseconds, when it is a number of seconds; bounded, so that no header can park the page. */
function retryAfterOf(response: Response): number | null {
  const header = response.headers.get('retry-after');
  return header !== null && /^\d+$/.test(header) ? Math.min(Number(header), 300) * 1000 : null;
}

/** Turns a failed answer into an error that carries the server's own explanation when it gave one. */
export async function errorOf(response: Response): Promise<ApiError> {
  const retryAfter = retryAfterOf(response);
  try {
    const body: unknown = await response.json();
    if (isProblem(body)) {
      return new ApiError(body.detail ?? body.title, response.status, body, retryAfter);
    }
  } catch {
    // Not JSON: a proxy's error page, say. The status alone has to do.
  }
  const words = response.statusText === '' ? '' : ` (${response.statusText})`;
  return new ApiError(`The server answered ${String(response.status)}${words}.`, response.status, null, retryAfter);
}

/** The plain, short-lived requests of the page; the stream has its own connection. */
export class ApiClient {
  /** Called when a request is answered that nobody knows who sent it. */
  onUnauthenticated: () => void = () => undefined;
  readonly #base: string;
  readonly #fetch: typeof fetch;

  constructor(base: string, fetchImpl: typeof fetch) {
    this.#base = base;
    this.#fetch = fetchImpl;
  }

  get streamUrl(): string {
    return new URL('api/ingresses/stream', this.#base).href;
  }

  /** The stream of the routes that ingresses make, with their verdicts. */
  get routeStreamUrl(): string {
    return new URL('api/routes/stream?kind=Ingress', this.#base).href;
  }

  /** The address of the object's YAML, for the request below and for a link. */
  yamlUrl(item: { cluster: string; namespace: string; name: string }): string {
    const path = `api/ingresses/${encodeURIComponent(item.namespace)}/${encodeURIComponent(item.name)}/yaml`;
    const url = new URL(path, this.#base);
    url.searchParams.set('cluster', item.cluster);
    return url.href;
  }

  /** Where the browser goes to sign in with an identity provider, and comes back from to `returnTo`. */
  loginUrl(returnTo: string): string {
    const url = new URL('auth/login', this.#base);
    url.searchParams.set('return', returnTo);
    return url.href;
  }

  async info(): Promise<Info> {
    return (await this.#json('api/info')) as Info;
  }

  /** What the view does not hold. It stands in every list, so the shortest one is asked for. */
  async partial(): Promise<PartialEntry[]> {
    const { partial } = (await this.#json('api/ingresses?limit=1')) as { partial?: PartialEntry[] };
    return partial ?? [];
  }

  async session(): Promise<Session> {
    // Answered to everybody. Where something in between answers 401 here, too, asking again would not end.
    const response = await this.#ask('auth/session', {});
    if (!response.ok) {
      throw await errorOf(response);
    }
    const session = (await response.json()) as Partial<Session>;
    return { authentication: session.authentication ?? 'none', user: session.user ?? null };
  }

  /** Trades a token for a cookie that no script can read. The token goes nowhere else. */
  async signIn(token: string): Promise<void> {
    await this.#send('POST', 'auth/session', { authorization: `Bearer ${token}` });
  }

  /** Where the provider signs people out, too, if it does. */
  async signOut(): Promise<string | null> {
    const response = await this.#send('DELETE', 'auth/session', {});
    if (response.status !== 200) {
      return null;
    }
    const { endSession } = (await response.json()) as { endSession?: string };
    return endSession !== undefined && /^https?:\/\//.test(endSession) ? endSession : null;
  }

  /** Health is an answer in both its outcomes, so a 503 with a body is not an error. */
  async health(signal?: AbortSignal): Promise<Health> {
    const response = await this.#get('api/health', signal);
    if (!response.ok && response.status !== 503) {
      throw await errorOf(response);
    }
    const body = (await response.clone().json()) as { status?: unknown; checks?: unknown };
    if (body.status === undefined || body.checks === undefined) {
      throw await errorOf(response);
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

  /** The routes that an ingress makes, each with its verdict; `null` where the server does not judge routes. */
  async routesOf(
    item: { cluster: string; namespace: string; name: string },
    signal?: AbortSignal,
  ): Promise<RouteList | null> {
    const query = new URLSearchParams({ kind: 'Ingress', namespace: item.namespace, search: item.name });
    try {
      const list = (await this.#json(`api/routes?${query.toString()}`, signal)) as RouteList;
      // The search also finds what only mentions the name.
      const items = list.items.filter((route) => route.name === item.name && route.cluster === item.cluster);
      return { ...list, items };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) {
        return null;
      }
      throw error;
    }
  }

  async diagnosis(id: string, signal?: AbortSignal): Promise<Diagnosis> {
    return (await this.#json(`api/routes/${encodeURIComponent(id)}/diagnosis`, signal)) as Diagnosis;
  }

  async #json(path: string, signal?: AbortSignal): Promise<unknown> {
    const response = await this.#get(path, signal);
    if (!response.ok) {
      throw await errorOf(response);
    }
    return response.json();
  }

  async #get(path: string, signal?: AbortSignal): Promise<Response> {
    const response = await this.#ask(path, { signal: signal ?? null });
    if (response.status === 401) {
      this.onUnauthenticated();
    }
    return response;
  }

  async #send(method: string, path: string, headers: Record<string, string>): Promise<Response> {
    const response = await this.#ask(path, { method, headers });
    if (!response.ok) {
      throw await errorOf(response);
    }
    return response;
  }

  async #ask(path: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(new URL(path, this.#base), { cache: 'no-store', ...init });
    } catch (cause) {
      if (init.signal?.aborted === true) {
        throw cause;
      }
      throw new ApiError('The server cannot be reached.', null);
    }
  }
}
