import type { TlsEntry } from '../api/wire';

/** Whether a TLS or rule host covers a hostname: equal, or a wildcard for exactly its first label. */
export function hostCovers(pattern: string, host: string): boolean {
  if (pattern === host) {
    return true;
  }
  if (!pattern.startsWith('*.')) {
    return false;
  }
  const dot = host.indexOf('.');
  return dot > 0 && host.slice(dot + 1) === pattern.slice(2);
}

/**
 * Whether TLS covers a host. An entry without hosts stands for whatever the controller serves by default, so it leaves
 * nothing uncovered.
 */
export function tlsCovers(tls: readonly TlsEntry[], host: string): boolean {
  return tls.some((entry) => entry.hosts.length === 0 || entry.hosts.some((pattern) => hostCovers(pattern, host)));
}

const HOSTNAME = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i;

/**
 * Where a host's link leads, or `null` for what has no single address: a wildcard, or something that is no hostname
 * and must not end up in a URL.
 */
export function hostLink(host: string, tls: readonly TlsEntry[]): string | null {
  if (!HOSTNAME.test(host)) {
    return null;
  }
  return `${tlsCovers(tls, host) ? 'https' : 'http'}://${host}/`;
}
