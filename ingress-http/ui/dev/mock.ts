// A stand-in for the server, for working on the page alone: `npm run dev`, or `npm run build && npx vite preview`.
// MOCK_COUNT, MOCK_NAMESPACES and MOCK_RATE (changes per second) size it, MOCK_AUTH says how people sign in; GET /mock/<scenario>
// switches what it plays.

import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Plugin } from 'vite';
import type { Item, Lane, PartialEntry, Route } from '../src/lib/api/wire';
import { FakeCluster } from './cluster.ts';
import { diagnosisOf, routesOf } from './routes.ts';
import { People, WAYS, problem, type Way } from './people.ts';

const SCENARIOS = [
  'live',
  'stale',
  'denied-some',
  'denied-all',
  'waiting',
  'empty',
  'unauthorized',
  // What may be seen: some namespaces of a lane that feeds all, nothing at all, not known of one cluster, not known at all.
  'restricted',
  'restricted-all',
  'unknown-some',
  'unknown-all',
  // Everything is answered with 429.
  'limited',
] as const;
type Scenario = (typeof SCENARIOS)[number];

/** The policy that the real server sends, so that a violation shows up here first. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** How many namespaces somebody sees who does not see all. */
const VISIBLE = 3;
const CHUNK = 500;
const HEARTBEAT = 15_000;

export function mockApi(): Plugin {
  const server = new MockServer(
    Number(process.env['MOCK_COUNT'] ?? 2000),
    Number(process.env['MOCK_NAMESPACES'] ?? 20),
    Number(process.env['MOCK_RATE'] ?? 4),
    WAYS.find((way) => way === process.env['MOCK_AUTH']) ?? 'none',
  );
  const handle = (request: IncomingMessage, response: ServerResponse, next: () => void): void => {
    if (!server.answer(request, response)) {
      next();
    }
  };
  return {
    name: 'mock-api',
    configureServer(vite) {
      vite.middlewares.use(handle);
    },
    configurePreviewServer(vite) {
      vite.middlewares.use((request, response, next) => {
        response.setHeader('content-security-policy', CONTENT_SECURITY_POLICY);
        handle(request, response, next);
      });
    },
  };
}

class MockServer {
  readonly #cluster: FakeCluster;
  readonly #people: People;
  readonly #clients = new Set<ServerResponse>();
  readonly #routeClients = new Set<ServerResponse>();
  readonly #started = Date.now();
  #scenario: Scenario = 'live';
  #since = new Date();
  #sequence = 0;

  constructor(count: number, namespaces: number, rate: number, way: Way) {
    this.#cluster = new FakeCluster(count, namespaces);
    this.#people = new People(way);
    if (rate > 0) {
      // Timers are too coarse for one per change at high rates, so each tick makes up for what is due.
      let made = 0;
      const from = Date.now();
      setInterval(() => {
        const due = Math.floor(((Date.now() - from) / 1000) * rate);
        for (; made < due; made += 1) {
          this.#change();
        }
      }, 20).unref();
    }
    setInterval(() => {
      for (const client of [...this.#clients, ...this.#routeClients]) {
        client.write(': heartbeat\n\n');
      }
    }, HEARTBEAT).unref();
  }

  answer(request: IncomingMessage, response: ServerResponse): boolean {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    if (path.startsWith('/auth/')) {
      this.#people.answer(path, request, response);
    } else if (path.startsWith('/api/') && !this.#people.isKnown(request)) {
      response.setHeader('www-authenticate', 'Bearer realm="ingress"');
      problem(response, 401, 'unauthenticated', 'a bearer token is needed, or the cookie that is given for one');
    } else if (path.startsWith('/api/') && this.#scenario === 'limited') {
      problem(response, 429, 'too-many-requests', 'you ask too often', 8);
    } else if (path.startsWith('/api/') && path !== '/api/health' && this.#scenario === 'unknown-all') {
      problem(response, 503, 'access-unknown', 'the cluster does not say what you may see: Unreachable', 5);
    } else if (path === '/api/ingresses/stream') {
      this.#stream(response, this.#clients);
      this.#begin(response);
    } else if (path === '/api/ingresses') {
      this.#json(response, { items: [], total: this.#items().length, partial: this.#partial() });
    } else if (path === '/api/info') {
      this.#json(response, {
        version: '0.0.0-dev',
        clusters: [{ cluster: 'demo', origin: 'demo', detail: 'made up while developing', server: null }],
        scope: { namespaces: null },
        timestamp: new Date().toISOString(),
        demo: true,
      });
    } else if (path === '/api/health') {
      const down = this.#scenario === 'stale' || this.#scenario === 'waiting';
      const error = { class: 'transient', reason: 'Unreachable', message: 'connection refused' };
      const kubernetes = down ? { status: 'down', latency: null, error } : { status: 'up', latency: 3.2 };
      response.statusCode = down ? 503 : 200;
      this.#json(response, {
        status: down ? 'unhealthy' : 'healthy',
        timestamp: new Date().toISOString(),
        checks: { kubernetes },
      });
    } else if (/^\/api\/ingresses\/[^/]+\/[^/]+\/yaml$/.test(path)) {
      this.#yaml(path, response);
    } else if (path === '/api/routes/stream') {
      this.#stream(response, this.#routeClients);
      this.#beginRoutes(response);
    } else if (path.startsWith('/api/routes')) {
      this.#routes(path, new URL(request.url ?? '/', 'http://mock').searchParams, response);
    } else if (path.startsWith('/mock/')) {
      this.#play(path.slice('/mock/'.length), response);
    } else {
      return false;
    }
    return true;
  }

  #play(name: string, response: ServerResponse): void {
    const way = WAYS.find((known) => name === `auth-${known}`);
    if (way !== undefined || name === 'expire') {
      this.#people.way = way ?? this.#people.way;
      this.#people.endSessions();
      this.#end('unauthenticated');
      response.end(`${name}\n`);
      return;
    }
    const scenario = SCENARIOS.find((known) => known === name);
    if (scenario === undefined) {
      response.statusCode = 404;
      response.end(`one of ${[...SCENARIOS, ...WAYS.map((known) => `auth-${known}`), 'expire'].join(', ')}\n`);
      return;
    }
    const before = this.#scenario;
    this.#scenario = scenario;
    this.#since = new Date();
    if (scenario === 'unknown-all') {
      this.#end('access-unknown');
    } else if (scenario === 'limited') {
      this.#end('shutdown');
    }
    for (const lane of this.#lanes()) {
      this.#write(event('lane', lane));
    }
    if (hasRows(before) !== hasRows(scenario) || mayChange(before) || mayChange(scenario)) {
      const reason = mayChange(before) || mayChange(scenario) ? 'access-changed' : 'lagged';
      this.#write(`id:\n${event('reset', { reason })}`);
      for (const client of this.#clients) {
        this.#begin(client);
      }
    }
    for (const client of this.#routeClients) {
      client.write(event('reset', { reason: 'resume-expired' }));
      this.#beginRoutes(client);
    }
    response.end(`${scenario}\n`);
  }

  #json(response: ServerResponse, body: unknown): void {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
  }

  /** Every third ingress lacks its service, every seventh is not known to have one. */
  #routes(path: string, query: URLSearchParams, response: ServerResponse): void {
    const [, , , id] = path.split('/');
    const { items: routes, staleSince } = this.#judged();
    if (id === undefined) {
      const items = routes.filter((route) => route.name.includes(query.get('search') ?? ''));
      this.#json(response, { items, staleSince });
      return;
    }
    const route = routes.find((each) => each.id === id);
    if (route === undefined) {
      problem(response, 404, 'not-found', 'There is no such route.');
      return;
    }
    this.#json(response, diagnosisOf(route));
  }

  #yaml(path: string, response: ServerResponse): void {
    const [, , , namespace, name] = path.split('/');
    const item = this.#cluster.items.find((each) => each.namespace === namespace && each.name === name);
    if (item === undefined) {
      problem(response, 404, 'not-found', 'There is no such ingress.');
      return;
    }
    response.setHeader('content-type', 'application/yaml');
    response.end(
      `apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: ${item.name}\n  namespace: ${item.namespace}\n  resourceVersion: "${item.resourceVersion}"\n  uid: ${item.uid}\nspec:\n  ingressClassName: ${item.ingressClassName ?? 'null'}\n  rules:\n${item.rules.map((rule) => `    - host: ${rule.host ?? '""'}\n`).join('')}`,
    );
  }

  #judged(): { items: Route[]; staleSince: Record<string, string> } {
    const staleSince: Record<string, string> = this.#scenario === 'stale' ? { demo: this.#since.toISOString() } : {};
    return { items: this.#items().flatMap((item, at) => routesOf(item, at)), staleSince };
  }

  /** Opens a stream, for whoever writes to these clients; what it begins with comes next. */
  #stream(response: ServerResponse, clients: Set<ServerResponse>): void {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write('retry: 1000\n\n');
    clients.add(response);
    response.on('close', () => {
      clients.delete(response);
    });
  }

  /** Verdicts, which change with the scenario alone. */
  #beginRoutes(response: ServerResponse): void {
    const { items, staleSince } = this.#judged();
    response.write(event('stale', { staleSince, unknown: [] }));
    response.write(event('snapshot', { revision: this.#revision(), items, done: true }, this.#revision()));
  }

  #begin(response: ServerResponse): void {
    for (const lane of this.#lanes()) {
      response.write(event('lane', lane));
    }
    const items = this.#items();
    for (let from = 0; ; from += CHUNK) {
      const done = from + CHUNK >= items.length;
      const chunk = { revision: this.#revision(), items: items.slice(from, from + CHUNK), done };
      response.write(event('snapshot', chunk, done ? this.#revision() : null));
      if (done) {
        return;
      }
    }
  }

  #change(): void {
    const change = this.#cluster.change();
    if (!this.#sees(change.item)) {
      return;
    }
    this.#sequence += 1;
    const { id, namespace, name, uid } = change.item;
    const data: Item | { id: string } = change.type === 'deleted' ? { id, namespace, name, uid } : change.item;
    this.#write(event(change.type, data, this.#revision()));
  }

  #write(text: string): void {
    for (const client of this.#clients) {
      client.write(text);
    }
  }

  /** Ends all streams, for a reason. */
  #end(reason: string): void {
    for (const client of [...this.#clients, ...this.#routeClients]) {
      client.end(event('end', { reason }));
    }
    this.#clients.clear();
    this.#routeClients.clear();
  }

  #items(): Item[] {
    return this.#cluster.items.filter((item) => this.#sees(item));
  }

  #sees(item: Item): boolean {
    return (
      hasRows(this.#scenario) &&
      (this.#scenario !== 'restricted' || this.#cluster.namespaces.indexOf(item.namespace) < VISIBLE)
    );
  }

  #partial(): PartialEntry[] {
    const entry = { cluster: 'demo', namespace: null, staleSince: null };
    if (this.#scenario === 'restricted' || this.#scenario === 'restricted-all') {
      const message = 'you may not list the ingresses of all namespaces: those of the others are left out';
      return [{ ...entry, state: 'restricted', reason: 'Forbidden', message }];
    }
    if (this.#scenario === 'unknown-some') {
      const message = 'the cluster does not say what you may see of it, so nothing of it is shown';
      return [{ ...entry, cluster: 'edge', state: 'unknown', reason: 'Unreachable', message }];
    }
    return [];
  }

  #revision(): string {
    if (mayChange(this.#scenario)) {
      // As restricted viewers get them: nothing can be read from them.
      return createHash('sha256')
        .update(`${String(this.#started)}:${String(this.#sequence)}`)
        .digest('hex')
        .slice(0, 32);
    }
    return `${this.#started.toString(16)}:${String(this.#sequence)}`;
  }

  #lanes(): Lane[] {
    if (this.#scenario === 'restricted') {
      return [{ ...this.#lane(null, 0), objects: null, malformed: null, lastContact: null }];
    }
    if (this.#scenario === 'restricted-all' || this.#scenario === 'unknown-all') {
      return [];
    }
    return this.#cluster.namespaces.map((namespace, index) => this.#lane(namespace, index));
  }

  #lane(namespace: string | null, index: number): Lane {
    const since = this.#since.toISOString();
    const lane: Lane = {
      id: `demo/ingresses/${namespace ?? '*'}`,
      cluster: 'demo',
      kind: 'Ingress',
      namespace,
      state: 'live',
      since,
      lastSync: since,
      lastContact: since,
      staleSince: null,
      failures: 0,
      retryAt: null,
      objects: this.#cluster.items.filter((item) => item.namespace === namespace).length,
      relists: 0,
      malformed: 0,
      breaker: 'closed',
      error: null,
    };
    const unreachable = { class: 'transient', reason: 'Unreachable', message: 'connection refused' };
    const message = `ingresses.networking.k8s.io is forbidden: User "viewer" cannot list resource "ingresses" in API group "networking.k8s.io" in the namespace "${namespace ?? ''}"`;
    const forbidden = { class: 'permanent', reason: 'Forbidden', message };
    const retryAt = new Date(Date.now() + 9_000).toISOString();
    switch (this.#scenario) {
      case 'live':
      case 'empty':
      case 'restricted':
      case 'restricted-all':
      case 'unknown-some':
      case 'unknown-all':
      case 'limited':
        return lane;
      case 'stale':
        return index % 5 === 0
          ? { ...lane, state: 'reconnecting', staleSince: since, failures: 3, retryAt, error: unreachable }
          : lane;
      case 'denied-some':
        return index % 4 === 1 ? { ...lane, state: 'denied', staleSince: since, failures: 1, error: forbidden } : lane;
      case 'denied-all':
        return { ...lane, state: 'denied', objects: 0, lastSync: null, error: forbidden };
      case 'unauthorized': {
        const error = { class: 'permanent', reason: 'Unauthorized', message: 'the credentials are not accepted' };
        return { ...lane, state: 'denied', objects: 0, lastSync: null, error };
      }
      case 'waiting':
        return { ...lane, state: 'connecting', objects: 0, lastSync: null, failures: 2, retryAt, error: unreachable };
    }
  }
}

function hasRows(scenario: Scenario): boolean {
  return ['live', 'stale', 'denied-some', 'restricted', 'unknown-some', 'limited'].includes(scenario);
}

/** Whether a scenario is about what may be seen. */
function mayChange(scenario: Scenario): boolean {
  return scenario === 'restricted' || scenario === 'restricted-all' || scenario === 'unknown-some';
}

function event(name: string, data: unknown, id: string | null = null): string {
  return `event: ${name}\n${id === null ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
}
