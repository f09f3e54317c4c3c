import type { Item, Rule } from '../src/lib/api/wire';

const TEAMS = ['shop', 'billing', 'search', 'identity', 'media', 'maps', 'chat', 'mail', 'docs', 'build'];
const STAGES = ['prod', 'staging', 'dev', 'canary'];
const APPS = [
  'cart',
  'checkout',
  'catalog',
  'login',
  'gateway',
  'images',
  'invoices',
  'ledger',
  'feed',
  'admin',
  'tiles',
];
const PATHS = ['/', '/api', '/api/v2/orders', '/static', '/healthz', '/ws', '/internal/metrics/export'];
const CLASSES = ['nginx', 'nginx', 'nginx', 'traefik', 'haproxy', null];

export interface FakeChange {
  type: 'added' | 'modified' | 'deleted';
  item: Item;
}

/** A made-up cluster: the same for the same numbers, and a little different after every `change`. */
export class FakeCluster {
  readonly namespaces: readonly string[];
  readonly items: Item[] = [];
  #seed = 42;
  #version = 1000;
  #made = 0;

  constructor(count: number, namespaces: number) {
    this.namespaces = Array.from(
      { length: namespaces },
      (_, index) => `${at(TEAMS, index)}-${at(STAGES, Math.floor(index / TEAMS.length))}`,
    );
    for (let index = 0; index < count; index += 1) {
      this.items.push(this.#make(index));
    }
  }

  change(): FakeChange {
    const dice = this.#random(100);
    if (dice < 8 || this.items.length === 0) {
      const item = { ...this.#make(this.#made), creationTimestamp: new Date().toISOString() };
      this.items.push(item);
      return { type: 'added', item };
    }
    const index = this.#random(this.items.length);
    const before = at(this.items, index);
    if (dice < 16) {
      this.items.splice(index, 1);
      return { type: 'deleted', item: before };
    }
    this.#version += 1;
    const item: Item = { ...before, resourceVersion: String(this.#version), addresses: [this.#address()] };
    this.items[index] = item;
    return { type: 'modified', item };
  }

  #make(index: number): Item {
    this.#made = index + 1;
    const namespace = at(this.namespaces, index);
    const app = at(APPS, this.#random(APPS.length));
    const name = `${app}-${index.toString(36)}`;
    const hosts = Array.from({ length: 1 + (this.#random(5) === 0 ? 3 : this.#random(2)) }, (_, number) =>
      index % 97 === 5 && number === 0
        ? `*.${namespace}.example.com`
        : `${name}${number === 0 ? '' : `-${String(number)}`}.${namespace}.example.com`,
    );
    const rules: Rule[] = hosts.map((host) => ({
      host: index % 211 === 7 ? null : host,
      paths: Array.from({ length: 1 + this.#random(3) }, () => ({
        path: at(PATHS, this.#random(PATHS.length)),
        pathType: 'Prefix',
        backend: { service: { name: app, port: this.#random(2) === 0 ? { name: 'http' } : { number: 8080 } } },
      })),
    }));
    const tls = this.#random(10) < 7;
    return {
      id: `demo/${namespace}/${name}`,
      cluster: 'demo',
      namespace,
      name,
      uid: `00000000-0000-4000-8000-${index.toString(16).padStart(12, '0')}`,
      resourceVersion: String(this.#version),
      creationTimestamp: new Date(Date.now() - this.#random(400 * 86_400) * 1000).toISOString(),
      ingressClassName: at(CLASSES, this.#random(CLASSES.length)),
      hosts: rules.flatMap((rule) => (rule.host === null ? [] : [rule.host])),
      rules,
      defaultBackend: index % 53 === 3 ? { service: { name: 'fallback', port: { number: 80 } } } : null,
      tls: tls ? [{ hosts: this.#random(6) === 0 ? hosts.slice(0, 1) : hosts, secretName: `${name}-tls` }] : [],
      addresses: this.#random(12) === 0 ? [] : [this.#address()],
      labels: { 'app.kubernetes.io/name': app, 'app.kubernetes.io/part-of': namespace },
      annotations: { 'nginx.ingress.kubernetes.io/proxy-body-size': '8m' },
    };
  }

  #address(): string {
    return `203.0.113.${String(1 + this.#random(250))}`;
  }

  /** A whole number below `limit`, from a small linear congruential generator. */
  #random(limit: number): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#seed / 2 ** 32) * limit);
  }
}

/** The element at an index, counted around. */
function at<T>(list: readonly T[], index: number): T {
  return list[index % list.length] as T;
}
