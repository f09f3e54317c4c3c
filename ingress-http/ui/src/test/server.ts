import { vi } from 'vitest';

const encoder = new TextEncoder();

/** One answered request for the stream: the test is the server. */
export class FakeStream {
  readonly headers: Headers;
  readonly signal: AbortSignal | null;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  readonly #settle: { resolve: (response: Response) => void; reject: (error: unknown) => void };

  constructor(init: RequestInit, settle: { resolve: (response: Response) => void; reject: (error: unknown) => void }) {
    this.headers = new Headers(init.headers);
    this.signal = init.signal ?? null;
    this.#settle = settle;
    this.signal?.addEventListener('abort', () => {
      settle.reject(new DOMException('aborted', 'AbortError'));
    });
  }

  async open(): Promise<void> {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    this.#settle.resolve(new Response(body, { headers: { 'content-type': 'text/event-stream' } }));
    await turn();
  }

  async answer(response: Response): Promise<void> {
    this.#settle.resolve(response);
    await turn();
  }

  async fail(): Promise<void> {
    this.#settle.reject(new TypeError('Failed to fetch'));
    await turn();
  }

  async send(text: string): Promise<void> {
    this.#controller?.enqueue(encoder.encode(text));
    await turn();
  }

  async event(name: string, data: unknown, id?: string): Promise<void> {
    await this.send(`event: ${name}\n${id === undefined ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`);
  }

  async close(): Promise<void> {
    this.#controller?.close();
    await turn();
  }

  async break(): Promise<void> {
    this.#controller?.error(new TypeError('network error'));
    await turn();
  }
}

/** One request other than for the stream. */
export interface FakeRequest {
  method: string;
  url: string;
  headers: Headers;
}

export type Answers = Record<string, (request: FakeRequest) => Response>;

/**
 * A `fetch` whose requests for the stream wait for the test; other requests are answered from `answers`, by method and
 * path or by path alone, and with 404 where there is nothing for them.
 */
export class FakeServer {
  readonly streams: FakeStream[] = [];
  /** The requests for the stream of routes; there are none unless the server judges routes. */
  readonly routeStreams: FakeStream[] = [];
  readonly requests: FakeRequest[] = [];
  readonly fetch: typeof fetch;

  constructor(answers: Answers = {}, judgesRoutes = false) {
    this.fetch = (input, init = {}) => {
      const url = new URL(input instanceof Request ? input.url : input);
      const streams = url.pathname.endsWith('/api/ingresses/stream')
        ? this.streams
        : judgesRoutes && url.pathname.endsWith('/api/routes/stream')
          ? this.routeStreams
          : null;
      if (streams === null) {
        const request = { method: init.method ?? 'GET', url: url.href, headers: new Headers(init.headers) };
        this.requests.push(request);
        const answer = answers[`${request.method} ${url.pathname}`] ?? answers[url.pathname];
        return Promise.resolve(answer?.(request) ?? new Response('{}', { status: 404 }));
      }
      return new Promise((resolve, reject) => {
        streams.push(new FakeStream(init, { resolve, reject }));
      });
    };
  }

  /** The latest request for the stream. */
  get stream(): FakeStream {
    return latest(this.streams);
  }

  get routeStream(): FakeStream {
    return latest(this.routeStreams);
  }
}

function latest(streams: readonly FakeStream[]): FakeStream {
  const last = streams.at(-1);
  if (last === undefined) {
    throw new Error('nobody has asked for the stream');
  }
  return last;
}

/** Lets promises and the stream's machinery run, whether or not timers are faked. */
async function turn(): Promise<void> {
  for (let i = 0; i < 20; i += 1) {
    await (vi.isFakeTimers() ? vi.advanceTimersByTimeAsync(0) : new Promise((done) => setTimeout(done, 0)));
  }
}
