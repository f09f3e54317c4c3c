// What the server sends, exactly as docs/http-api.md describes it. The only place that knows these names.

export interface ServicePort {
  name?: string;
  number?: number;
}

export interface Backend {
  service?: { name: string; port?: ServicePort | null };
  resource?: { apiGroup?: string | null; kind: string; name: string };
}

export interface RulePath {
  path: string | null;
  pathType: string;
  backend: Backend;
}

export interface Rule {
  host: string | null;
  paths: RulePath[];
}

export interface TlsEntry {
  hosts: string[];
  secretName: string | null;
}

export interface Item {
  id: string;
  cluster: string;
  namespace: string;
  name: string;
  uid: string;
  resourceVersion: string;
  creationTimestamp: string | null;
  ingressClassName: string | null;
  hosts: string[];
  rules: Rule[];
  defaultBackend: Backend | null;
  tls: TlsEntry[];
  addresses: string[];
  labels: Record<string, string>;
  annotations: Record<string, string>;
  annotationsTruncated?: boolean;
}

export type LaneState = 'connecting' | 'syncing' | 'live' | 'reconnecting' | 'denied';

export interface LaneError {
  class: string;
  reason: string;
  message: string;
}

export interface Lane {
  id: string;
  cluster: string;
  kind: string;
  namespace: string | null;
  state: LaneState;
  since: string;
  lastSync: string | null;
  /** This, `objects` and `malformed` are `null` for somebody who may not see everything that the lane feeds. */
  lastContact: string | null;
  staleSince: string | null;
  failures: number;
  retryAt: string | null;
  objects: number | null;
  relists: number;
  malformed: number | null;
  breaker: string;
  error: LaneError | null;
}

export interface SnapshotChunk {
  revision: string;
  items: Item[];
  done: boolean;
}

export interface Deleted {
  id: string;
  namespace: string;
  name: string;
  uid: string;
}

/** One event of `api/ingresses/stream`. */
export type StreamEvent =
  | { type: 'lane'; lane: Lane }
  | { type: 'laneRemoved'; id: string }
  | { type: 'snapshot'; chunk: SnapshotChunk }
  | { type: 'added'; item: Item }
  | { type: 'modified'; item: Item }
  | { type: 'deleted'; deleted: Deleted }
  | { type: 'reset'; reason: string }
  | { type: 'end'; reason: string };

export interface ClusterInfo {
  cluster: string;
  origin: string;
  detail: string | null;
  server: string | null;
}

export interface Info {
  version: string;
  clusters: ClusterInfo[];
  scope: { namespaces: string[] | null };
  timestamp: string;
  demo?: boolean;
}

/** PARTIAL: something that an answer does not hold, or does not know to be current. */
export interface PartialEntry {
  cluster: string;
  namespace: string | null;
  /** A lane's state; `restricted` for what this viewer may not see, `unknown` where nobody can tell what they may. */
  state: string;
  reason: string | null;
  message: string | null;
  staleSince: string | null;
}

/** `unknown` is a verdict of its own: nothing seen is wrong, but not all that matters was seen. */
export type Verdict = 'ok' | 'degraded' | 'unknown' | 'broken';

export interface ObjectName {
  kind: string;
  namespace: string | null;
  name: string;
}

/** ROUTE, as far as this page shows it: one host with one path, and whether requests get through. */
export interface Route extends ObjectName {
  id: string;
  cluster: string;
  host: string | null;
  path: { text: string; type: string };
  method: string | null;
  verdict: Verdict;
  /** The step at which requests stop. */
  fault: string | null;
}

/** One event of `api/routes/stream`. */
export type RouteEvent =
  | { type: 'stale'; staleSince: Record<string, string> }
  | { type: 'snapshot'; items: readonly Route[]; done: boolean }
  | { type: 'put'; route: Route }
  | { type: 'verdict'; id: string; verdict: Verdict }
  | { type: 'removed'; id: string }
  | { type: 'reset' }
  | { type: 'end' };

export interface RouteList {
  items: Route[];
  staleSince: Record<string, string>;
}

export interface Finding {
  code: string;
  severity: 'critical' | 'warning' | 'info';
  object: ObjectName;
  field: string | null;
  cause: string;
  action: string;
  command: string;
}

export interface NotKnown {
  kind: string;
  namespace: string | null;
  name: string | null;
  why: string;
}

export interface Step {
  kind: string;
  /** Of which backend; `null` for what all have in common. */
  backend: number | null;
  object: ObjectName | null;
  state: Verdict;
  evidence: string[];
  /** Places in the diagnosis' findings. */
  findings: number[];
  unknown: NotKnown[];
}

export interface Diagnosis {
  verdict: Verdict;
  steps: Step[];
  findings: Finding[];
}

/** `auth/session`: how people say who they are, and who this page's person is. */
export interface Session {
  /** `none`, `bearer`, `oidc` or `elsewhere`. */
  authentication: string;
  user: string | null;
}

export interface Health {
  status: 'healthy' | 'unhealthy' | 'unknown';
  timestamp: string;
  checks: { kubernetes: { status: 'up' | 'down' | 'unknown'; latency: number | null; error?: LaneError | null } };
}

/** An RFC 9457 problem document. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  parameter?: string;
}

/**
 * Gives the event its type by its name. Unknown names are `null`: the interface may grow within a major version, and a
 * page that is older than its server must go on working.
 */
export function streamEvent(name: string, data: unknown): StreamEvent | null {
  switch (name) {
    case 'lane':
      return { type: 'lane', lane: data as Lane };
    case 'laneRemoved':
      return { type: 'laneRemoved', id: (data as { id: string }).id };
    case 'snapshot':
      return { type: 'snapshot', chunk: data as SnapshotChunk };
    case 'added':
    case 'modified':
      return { type: name, item: data as Item };
    case 'deleted':
      return { type: 'deleted', deleted: data as Deleted };
    case 'reset':
    case 'end':
      return { type: name, reason: (data as { reason: string }).reason };
    default:
      return null;
  }
}

/** The same of `api/routes/stream`. */
export function routeEvent(name: string, data: unknown): RouteEvent | null {
  switch (name) {
    case 'stale':
      return { type: name, staleSince: (data as { staleSince: Record<string, string> }).staleSince };
    case 'snapshot': {
      const { items, done } = data as { items: Route[]; done: boolean };
      return { type: name, items, done };
    }
    case 'added':
    case 'modified':
      return { type: 'put', route: data as Route };
    case 'verdict': {
      const { id, verdict } = data as { id: string; verdict: Verdict };
      return { type: name, id, verdict };
    }
    case 'removed':
      return { type: name, id: (data as { id: string }).id };
    case 'reset':
    case 'end':
      return { type: name };
    default:
      return null;
  }
}
