import type { Item, Lane } from '../lib/api/wire';
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

export const FORBIDDEN = { class: 'permanent', reason: 'Forbidden', message: 'not allowed' };

export function laneSummary(change: Partial<LaneSummary> = {}): LaneSummary {
  return { total: 1, live: 1, perNamespace: true, denied: [], stale: [], waiting: [], staleSince: null, ...change };
}
