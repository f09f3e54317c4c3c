import type { Item } from '../api/wire';
import { backendText } from '../format/backend';
import { hostLink, tlsCovers } from '../format/hosts';
import type { Row } from '../store/row';

/** What a cell shows of a list: the first few, and how many more there are. */
export interface Clipped<T> {
  shown: T[];
  more: number;
}

export function clip<T>(all: readonly T[], lines: number): Clipped<T> {
  const shown = all.slice(0, lines);
  return { shown, more: all.length - shown.length };
}

export interface HostLine {
  text: string;
  /** `null` for what is no single address: a wildcard, or a rule for every host. */
  href: string | null;
}

export function hostLines(item: Item): HostLine[] {
  const lines = item.hosts.map((host) => ({ text: host, href: hostLink(host, item.tls) }));
  if (item.rules.some((rule) => rule.host === null)) {
    lines.push({ text: 'any host', href: null });
  }
  return lines;
}

export interface PathLine {
  path: string;
  backend: string;
}

/** Every distinct path and where it leads, the default backend last. */
export function pathLines(item: Item): PathLine[] {
  const lines = new Map<string, PathLine>();
  for (const rule of item.rules) {
    for (const { path, backend } of rule.paths) {
      const line = { path: path ?? 'any path', backend: backendText(backend) };
      lines.set(`${line.path}\n${line.backend}`, line);
    }
  }
  const all = [...lines.values()];
  if (item.defaultBackend !== null) {
    all.push({ path: 'otherwise', backend: backendText(item.defaultBackend) });
  }
  return all;
}

export interface TlsSummary {
  /** The secrets' names; an entry that names none uses the controller's own certificate. */
  secrets: string[];
  /** Hosts of the rules that no TLS entry covers. Empty also when there is no TLS at all: then `secrets` is empty, too. */
  uncovered: string[];
}

export function tlsSummary(item: Item): TlsSummary {
  const secrets = [...new Set(item.tls.map((entry) => entry.secretName ?? 'default certificate'))];
  const uncovered = item.tls.length === 0 ? [] : item.hosts.filter((host) => !tlsCovers(item.tls, host));
  return { secrets, uncovered };
}

/** How long a changed row is highlighted. The animation in the row's style takes as long. */
export const PULSE = 1600;

/**
 * How a row that changed lately is highlighted. Two names for the same animation take turns, because a browser does not
 * start one again that is still called the same.
 */
export function pulseOf(row: Row, now: number): string | null {
  if (row.change === null || now - row.change.at >= PULSE) {
    return null;
  }
  return `${row.change.kind}-${row.change.at % 2 === 0 ? 'even' : 'odd'}`;
}
