import { ApiError, type ApiClient } from '../api/client';
import type { Bar } from '../api/connection';
import type { Session } from '../api/wire';
import { sentence } from '../format/sentence';

/** How people say who they are. */
export type Way = 'bearer' | 'oidc' | 'elsewhere';

/** Why somebody has to sign in. `unknown`: nobody can tell at the moment who they are, which may pass by itself. */
export type Why = 'missing' | 'expired' | 'signed-out' | 'unknown';

export type Gate = { type: 'open' } | { type: 'closed'; way: Way; why: Why };

export type SignIn =
  | { type: 'idle' }
  | { type: 'busy' }
  /** `notBefore`: the server asks to wait until then. */
  | { type: 'failed'; message: string; notBefore: number | null };

export interface SessionHooks {
  /** The time that countdowns are told by, in milliseconds. */
  now: () => number;
  /** Nothing may be shown any more, and nothing need be asked for. */
  locked: () => void;
  /** Somebody is signed in: everything may be asked for again. */
  unlocked: () => void;
}

const OPEN: Gate = { type: 'open' };

/**
 * Who uses the page, and whether they have to sign in first.
 *
 * The token that somebody signs in with is handed through to the one request that trades it for a cookie, and is in no
 * field of anything here: what a page does not hold, no script on it can read.
 */
export class SessionStore {
  /** `null` until the server has told. */
  session: Session | null = $state.raw(null);
  gate: Gate = $state.raw(OPEN);
  signingIn: SignIn = $state.raw({ type: 'idle' });
  /** Why somebody who wanted to be signed out is not. */
  signOutProblem: string | null = $state.raw(null);

  readonly #client: ApiClient;
  readonly #hooks: SessionHooks;
  /** Counts the questions, so that of two under way the later one's answer wins. */
  #asked = 0;

  constructor(client: ApiClient, hooks: SessionHooks) {
    this.#client = client;
    this.#hooks = hooks;
  }

  /** Somebody whose session the page could end. Whoever is signed in elsewhere is signed out there. */
  get canSignOut(): boolean {
    const way = this.session?.authentication;
    return way === 'bearer' || way === 'oidc';
  }

  /** The server lets this page in. */
  async entered(): Promise<void> {
    this.gate = OPEN;
    await this.#ask();
  }

  /**
   * The server shows nothing. Whether somebody has to sign in, only the session tells: a 401 may also come from
   * something in between, and then the page goes on trying.
   */
  async barred(bar: Bar): Promise<void> {
    const wasKnown = this.session !== null && this.session.user !== null;
    const session = await this.#ask();
    const way = session === null ? null : wayOf(session);
    if (session === null || session.user !== null || way === null) {
      return;
    }
    if (bar === 'access-unknown') {
      this.gate = { type: 'closed', way, why: 'unknown' };
      return;
    }
    this.#close(way, wasKnown ? 'expired' : 'missing');
    this.#hooks.locked();
  }

  /** The page is looked at again: somebody may have signed in meanwhile, in another tab or elsewhere. */
  async lookAgain(): Promise<void> {
    const session = this.gate.type === 'closed' ? await this.#ask() : null;
    if (session !== null && session.user !== null) {
      this.#open();
    }
  }

  /** Takes a token as it was pasted. */
  async signIn(pasted: string): Promise<void> {
    if (this.signingIn.type === 'busy') {
      return;
    }
    const token = pasted.trim().replace(/^bearer\s+/i, '');
    // Headers hold nothing else, and a browser would refuse to send it with words that help nobody.
    if (!/^[\x21-\x7e]+$/.test(token)) {
      const message =
        token === '' ? 'Paste a token first.' : 'This is no token: it has spaces, line ends or other characters in it.';
      this.signingIn = { type: 'failed', message, notBefore: null };
      return;
    }
    this.signingIn = { type: 'busy' };
    try {
      await this.#client.signIn(token);
    } catch (error) {
      this.signingIn = failed(error, this.#hooks.now());
      return;
    }
    const session = await this.#ask();
    if (session !== null && session.user === null) {
      const message = 'The token is accepted, but the browser does not keep the cookie that was given for it.';
      this.signingIn = { type: 'failed', message, notBefore: null };
      return;
    }
    this.#open();
  }

  async signOut(): Promise<void> {
    const way = this.session === null ? null : wayOf(this.session);
    this.signOutProblem = null;
    try {
      await this.#client.signOut();
    } catch (error) {
      this.signOutProblem = `You are still signed in. ${sentence(messageOf(error))}`;
      return;
    }
    this.#hooks.locked();
    const session = await this.#ask();
    if (session !== null && session.user !== null) {
      this.signOutProblem = 'You are still signed in: not by this page, but by something in front of it.';
      this.#hooks.unlocked();
      return;
    }
    this.#close(way ?? 'elsewhere', 'signed-out');
  }

  #open(): void {
    this.gate = OPEN;
    this.signOutProblem = null;
    this.signingIn = { type: 'idle' };
    this.#hooks.unlocked();
  }

  #close(way: Way, why: Why): void {
    // The reason that somebody reads stays: a second refusal of the same page is no news.
    if (this.gate.type === 'open' || this.gate.why === 'unknown') {
      this.gate = { type: 'closed', way, why };
    }
    if (this.session !== null) {
      this.session = { ...this.session, user: null };
    }
  }

  /** Who it is now; `null` if that can't be found out, or was asked for again meanwhile. */
  async #ask(): Promise<Session | null> {
    this.#asked += 1;
    const asked = this.#asked;
    try {
      const session = await this.#client.session();
      if (asked !== this.#asked) {
        return null;
      }
      this.session = session;
      return session;
    } catch {
      return null;
    }
  }
}

/** How somebody signs in; `null` where nobody does. A way that this page does not know is none that it could offer. */
function wayOf(session: Session): Way | null {
  switch (session.authentication) {
    case 'none':
      return null;
    case 'bearer':
    case 'oidc':
      return session.authentication;
    default:
      return 'elsewhere';
  }
}

function failed(error: unknown, now: number): SignIn {
  if (!(error instanceof ApiError)) {
    return { type: 'failed', message: 'Signing in failed.', notBefore: null };
  }
  const notBefore = error.retryAfter === null ? null : now + error.retryAfter;
  const message = error.status === 401 ? `This token is not accepted: ${error.message}` : sentence(error.message);
  return { type: 'failed', message, notBefore };
}

function messageOf(error: unknown): string {
  return error instanceof ApiError ? error.message : 'The answer makes no sense.';
}
