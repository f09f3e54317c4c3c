import type { Finding, NotKnown, ObjectName, Route, Verdict } from '../api/wire';
import { formatNumber, plural } from './count';
import type { Tone } from './status';

/** All verdicts, the worst first, as the server orders them. */
export const VERDICTS: readonly Verdict[] = ['broken', 'degraded', 'unknown', 'ok'];

export function isVerdict(text: string): text is Verdict {
  return (VERDICTS as readonly string[]).includes(text);
}

const TONES: Record<Verdict, Tone> = { ok: 'ok', degraded: 'warn', unknown: 'unknown', broken: 'bad' };

/** A verdict that this page does not know is not known to be fine. */
export function verdictTone(verdict: Verdict): Tone {
  return (TONES as Partial<Record<string, Tone>>)[verdict] ?? 'unknown';
}

export function verdictText(route: Pick<Route, 'verdict' | 'fault'>): string {
  switch (route.verdict) {
    case 'ok':
      return 'works, by all that is looked at';
    case 'degraded':
      return 'works, with a weakness';
    case 'broken':
      return route.fault === null ? 'broken' : `stops at the ${route.fault}`;
    case 'unknown':
    default:
      return 'not known whether it works';
  }
}

/** What is said of all routes of an ingress: how many have which verdict. */
export type Tally = Readonly<Record<Verdict, number>>;

/** The worst that is said of any; `null` where nothing is. */
export function worstOf(tally: Tally | null): Verdict | null {
  return tally === null ? null : (VERDICTS.find((verdict) => tally[verdict] > 0) ?? null);
}

function total(tally: Tally): number {
  return VERDICTS.reduce((sum, verdict) => sum + tally[verdict], 0);
}

/** The worst verdict, and of how many routes, where not all have it. */
export function tallyText(tally: Tally): string {
  const worst = worstOf(tally);
  if (worst === null) {
    return 'no routes';
  }
  const all = total(tally);
  return tally[worst] === all ? worst : `${formatNumber(tally[worst])} of ${formatNumber(all)} ${worst}`;
}

export function tallyTitle(tally: Tally): string {
  const parts = VERDICTS.filter((verdict) => tally[verdict] > 0).map(
    (verdict) => `${formatNumber(tally[verdict])} ${verdict}`,
  );
  return parts.length === 0 ? 'It makes no routes.' : `${plural(total(tally), 'route')}: ${parts.join(', ')}`;
}

export function routeText(route: Pick<Route, 'host' | 'path' | 'method'>): string {
  const method = route.method === null ? '' : `${route.method} `;
  const path = route.path.text === '' ? ' any path' : route.path.text;
  return `${method}${route.host ?? 'any host'}${path}`;
}

export function findingTone(finding: Pick<Finding, 'severity'>): Tone {
  switch (finding.severity) {
    case 'critical':
      return 'bad';
    case 'warning':
      return 'warn';
    case 'info':
    default:
      return 'unknown';
  }
}

export function objectText(object: ObjectName): string {
  return object.namespace === null
    ? `${object.kind} ${object.name}`
    : `${object.kind} ${object.namespace}/${object.name}`;
}

const WHYS: Partial<Record<string, string>> = {
  not_watched: 'this server does not watch the kind',
  out_of_scope: 'this server does not watch that namespace',
  not_installed: 'the cluster has no such kind',
  denied: 'this server may not read it',
  forbidden: 'you may not read it',
  not_read: 'it was not read yet',
  offline: 'only a running cluster would have it',
  unknowable: 'no object of the cluster says it',
};

export function notKnownText(unknown: NotKnown): string {
  const name = unknown.name === null ? unknown.kind : `${unknown.kind} ${unknown.name}`;
  return `${name}: ${WHYS[unknown.why] ?? unknown.why}`;
}
