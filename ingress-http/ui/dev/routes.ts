// Routes of the made-up ingresses, with verdicts of all kinds.

import type { Diagnosis, Item, Route, Step, Verdict } from '../src/lib/api/wire';

export function routesOf(item: Item, at: number): Route[] {
  const verdict: Verdict = at % 3 === 0 ? 'broken' : at % 7 === 0 ? 'unknown' : at % 5 === 0 ? 'degraded' : 'ok';
  return item.rules.flatMap((rule, nth) =>
    rule.paths.map((path, place) => ({
      id: `${item.namespace}.${item.name}.${String(nth)}.${String(place)}`,
      cluster: item.cluster,
      kind: 'Ingress',
      namespace: item.namespace,
      name: item.name,
      host: rule.host,
      path: { text: path.path ?? '', type: path.path === null ? 'Any' : path.pathType },
      method: null,
      verdict,
      fault: verdict === 'broken' ? 'backend' : null,
    })),
  );
}

export function diagnosisOf(route: Route): Diagnosis {
  const service = { kind: 'Service', namespace: route.namespace, name: route.name };
  const step = (kind: string, state: Verdict, change: Partial<Step> = {}): Step => ({
    kind,
    backend: kind === 'backend' || kind === 'endpoints' ? 0 : null,
    object: null,
    state,
    evidence: [],
    findings: [],
    unknown: [],
    ...change,
  });
  const before = [
    step('entry', 'ok', { evidence: ['Class traefik belongs to the controller traefik.io/ingress-controller.'] }),
    step('address', 'ok', { evidence: ['Published under 203.0.113.7.'] }),
  ];
  const unreachable = step('endpoints', 'unknown', { evidence: ['Not looked at: it depends on a step that failed.'] });
  switch (route.verdict) {
    case 'broken':
      return {
        verdict: 'broken',
        steps: [...before, step('backend', 'broken', { object: service, findings: [0] }), unreachable],
        findings: [
          {
            code: 'ING004',
            severity: 'critical',
            object: { kind: 'Ingress', namespace: route.namespace, name: route.name },
            field: 'spec.rules[0].http.paths[0].backend.service.name',
            cause: `There is no Service ${route.name} in namespace ${route.namespace ?? ''}.`,
            action: 'Create the Service, or correct the name; a backend has to be in the same namespace.',
            command: `kubectl -n ${route.namespace ?? ''} get ingress ${route.name} -o yaml`,
          },
        ],
      };
    case 'unknown': {
      const unknown = [{ kind: 'Service', namespace: route.namespace, name: route.name, why: 'denied' }];
      return { verdict: 'unknown', steps: [...before, step('backend', 'unknown', { unknown })], findings: [] };
    }
    case 'ok':
    case 'degraded':
      return {
        verdict: route.verdict,
        steps: [...before, step('backend', route.verdict, { object: service, evidence: ['It has port 80 (http).'] })],
        findings: [],
      };
  }
}
