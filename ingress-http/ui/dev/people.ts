import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Session } from '../src/lib/api/wire';

export const WAYS = ['none', 'bearer', 'oidc', 'elsewhere'] as const;
export type Way = (typeof WAYS)[number];

/** The one token that is known, and whose it is. */
const TOKEN = 'open-sesame';
const USER = 'system:serviceaccount:monitoring:ingress-viewer';
const COOKIE = 'mock-session';
/** How many wrong tokens there may be before somebody has to wait. */
const PATIENCE = 5;

/** Who asks the made-up API, and the three ways to sign in to it. */
export class People {
  way: Way;
  /** Changes when all sessions end. */
  #key = 1;
  #wrong = 0;

  constructor(way: Way) {
    this.way = way;
  }

  isKnown(request: IncomingMessage): boolean {
    return this.way === 'none' || (request.headers.cookie ?? '').includes(`${COOKIE}=${String(this.#key)}`);
  }

  endSessions(): void {
    this.#key += 1;
    this.#wrong = 0;
  }

  /** Answers what lies below `auth/`. */
  answer(path: string, request: IncomingMessage, response: ServerResponse): void {
    if (path === '/auth/login' && this.way === 'oidc') {
      const to = new URL(request.url ?? '/', 'http://mock').searchParams.get('return') ?? '/';
      this.#remember(response);
      // As a real provider does: through a page of its own, on which the fragment of the address is lost.
      response.setHeader('content-type', 'text/html');
      response.end(`<h1>Made-up identity provider</h1><a href="${encodeURI(to)}">Go back signed in</a>`);
    } else if (path !== '/auth/session') {
      problem(response, 404, 'not-found', `there is nothing at ${path}`);
    } else if (request.method === 'POST') {
      this.#signIn(request, response);
    } else if (request.method === 'DELETE') {
      response.setHeader('set-cookie', `${COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`);
      response.statusCode = 204;
      response.end();
    } else {
      const user = this.way !== 'none' && this.isKnown(request) ? USER : null;
      const session: Session = { authentication: this.way, user };
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(session));
    }
  }

  #signIn(request: IncomingMessage, response: ServerResponse): void {
    if (this.way !== 'bearer') {
      problem(response, 404, 'not-found', 'nobody signs in here with a token');
    } else if (this.#wrong >= PATIENCE) {
      this.#wrong = 0;
      problem(response, 429, 'too-many-requests', 'too many tokens that are not known', 10);
    } else if (request.headers.authorization === `Bearer ${TOKEN}`) {
      this.#remember(response);
      response.statusCode = 204;
      response.end();
    } else {
      this.#wrong += 1;
      problem(response, 401, 'unauthenticated', `the token is not known (it is ${TOKEN})`);
    }
  }

  #remember(response: ServerResponse): void {
    response.setHeader('set-cookie', `${COOKIE}=${String(this.#key)}; Path=/; HttpOnly; SameSite=Strict`);
  }
}

/** A problem document, with how many seconds to wait before asking again. */
export function problem(
  response: ServerResponse,
  status: number,
  name: string,
  detail: string,
  retryAfter: number | null = null,
): void {
  response.statusCode = status;
  response.setHeader('content-type', 'application/problem+json');
  if (retryAfter !== null) {
    response.setHeader('retry-after', retryAfter);
  }
  response.end(JSON.stringify({ type: `https://mock/#${name}`, title: name, status, detail }));
}
