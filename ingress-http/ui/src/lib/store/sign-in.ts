import type { SignIn, Way, Why } from './session.svelte';

/** Whether it makes sense to try to sign in now. */
export function mayTry(attempt: SignIn, now: number): boolean {
  switch (attempt.type) {
    case 'idle':
      return true;
    case 'busy':
      return false;
    case 'failed':
      return attempt.notBefore === null || now >= attempt.notBefore;
  }
}

const REASONS: Record<Why, string | null> = {
  missing: null,
  expired: 'Your session is over. You get back to where you were.',
  'signed-out': 'You are signed out.',
  unknown: 'Nobody can tell at the moment who you are. If you were signed in, there is nothing to do but wait.',
};

const WAYS: Record<Way, string> = {
  bearer: 'What is here is shown to people who have a token that this server or its cluster knows.',
  oidc: 'What is here is shown to people who are signed in. This leads to where you sign in, and back.',
  elsewhere:
    'This server has nobody sign in: the proxy in front of it has to, and did not say who you are. Load the page again, or ask whoever runs it.',
};

export function describeSignIn(way: Way, why: Why): { title: string; paragraphs: string[] } {
  const reason = REASONS[why];
  const title = why === 'unknown' ? 'It is not known who you are' : way === 'elsewhere' ? 'Not signed in' : 'Sign in';
  return { title, paragraphs: reason === null ? [WAYS[way]] : [reason, WAYS[way]] };
}

const KEY = 'ingress-address';

/** Filters live in the part of the address that no server is told, so they would not survive the way through others. */
export function rememberAddress(): void {
  try {
    sessionStorage.setItem(KEY, location.hash);
  } catch {
    // A browser that keeps nothing: the filters are lost, and that is all.
  }
}

/** Goes on with the filters from before signing in, once. */
export function recallAddress(): void {
  try {
    const hash = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    if (hash !== null && location.hash === '') {
      history.replaceState(null, '', location.pathname + location.search + hash);
    }
  } catch {
    // As above.
  }
}
