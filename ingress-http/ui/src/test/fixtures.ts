import type { Item, Lane, PartialEntry, Route, Verdict } from '../lib/api/wire';
import type { LaneSummary } from '../lib/store/lanes';

/** An ingress with one host and one path, and whatever a test says of it. */
export function item(name: string, change: Partial<Item> = {}): Item {
  const namespace = change.namespace ?? 'shop';
  const host = `${name}.example.com`;
  return {
    id: `prod/${namespace}/${name}`,
    cluster: 'prod',
    namespace,
    name,
    uid: `uid-${name}`,
    resourceVersion: '1',
    creationTimestamp: '2026-03-01T10:00:00Z',
    ingressClassName: 'nginx',
    hosts: [host],
    rules: [
      {
        host,
        paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name, port: { name: 'http' } } } }],
      },
    ],
    defaultBackend: null,
    tls: [],
    addresses: ['203.0.113.7'],
    labels: {},
    annotations: {},
    ...change,
  };
}

/** A route of the ingress of that name. */
export function route(name: string, verdict: Verdict, path = '/'): Route {
  return {
    id: `${name}${path}`.replaceAll('/', '-'),
    cluster: 'prod',
    kind: 'Ingress',
    namespace: 'shop',
    name,
    host: `${name}.example.com`,
    path: { text: path, type: 'Prefix' },
    method: null,
    verdict,
    fault: verdict === 'broken' ? 'backend' : null,
  };
}

export function lane(namespace: string | null, change: Partial<Lane> = {}): Lane {
  return {
    id: `prod/ingresses/${namespace ?? '*'}`,
    cluster: 'prod',
    kind: 'Ingress',
    namespace,
    state: 'live',
    since: '2026-11-21T09:00:00Z',
    lastSync: '2026-11-21T09:00:00Z',
    lastContact: '2026-11-21T09:00:00Z',
    staleSince: null,
    failures: 0,
    retryAt: null,
    objects: 1,
    relists: 0,
    malformed: 0,
    breaker: 'closed',
    error: null,
    ...change,
  };
}

/** What a view does not hold, because it may not be seen (`restricted`) or nobody can tell whether it may (`unknown`). */
export function partial(state: 'restricted' | 'unknown', namespace: string | null = null): PartialEntry {
  const what = namespace === null ? 'all namespaces: those of the others are left out' : 'this namespace';
  return state === 'restricted'
    ? {
        cluster: 'prod',
        namespace,
        state,
        reason: 'Forbidden',
        message: `you may not list the ingresses of ${what}`,
        staleSince: null,
      }
    : {
        cluster: 'prod',
        namespace: null,
        state,
        reason: 'Unreachable',
        message: 'the cluster does not say what you may see of it, so nothing of it is shown',
        staleSince: null,
      };
}

/** A problem document as an answer. */
export function problem(status: number, name: string, detail: string, headers: Record<string, string> = {}): Response {
  const type = `https://docs.rs/ingress-http/latest/ingress_http/problem/index.html#${name}`;
  const body = JSON.stringify({ type, title: name, status, detail });
  return new Response(body, { status, headers: { 'content-type': 'application/problem+json', ...headers } });
}

export const FORBIDDEN = { class: 'permanent', reason: 'Forbidden', message: 'not allowed' };

export function laneSummary(change: Partial<LaneSummary> = {}): LaneSummary {
  return { total: 1, live: 1, perNamespace: true, denied: [], stale: [], waiting: [], staleSince: null, ...change };
}
