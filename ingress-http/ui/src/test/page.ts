import { flushSync, mount, unmount } from 'svelte';
import App from '../App.svelte';
import { ApiClient } from '../lib/api/client';
import type { Info } from '../lib/api/wire';
import { Dashboard } from '../lib/store/dashboard.svelte';
import { FakeServer, type Answers } from './server';

export const INFO: Info = {
  version: '1.0.0',
  clusters: [{ cluster: 'prod', origin: 'KUBECONFIG', detail: null, server: null }],
  scope: { namespaces: null },
  timestamp: new Date().toISOString(),
};

/** The whole page, with the test as its server. Frames are immediate. */
export class Page {
  readonly server: FakeServer;
  readonly #dashboard: Dashboard;
  readonly #stop: () => void;
  readonly #app: Record<string, unknown>;

  constructor(answers: Answers = {}, judgesRoutes = false) {
    const known: Answers = {
      '/api/info': () => new Response(JSON.stringify(INFO)),
      '/api/ingresses': () => new Response('{"partial":[]}'),
      '/auth/session': () => new Response('{"authentication":"none","user":null}'),
      '/api/health': () => new Response('{}', { status: 404 }),
      '/api/ingresses/shop/cart/yaml': () => new Response('kind: Ingress\nmetadata:\n  resourceVersion: "1"\n'),
      ...answers,
    };
    this.server = new FakeServer(known, judgesRoutes);
    const dashboard = new Dashboard({
      client: new ApiClient('http://localhost/', this.server.fetch),
      fetch: this.server.fetch,
      queue: {
        now: () => 0,
        schedule: (callback) => {
          queueMicrotask(callback);
        },
      },
    });
    this.#dashboard = dashboard;
    this.#stop = dashboard.start();
    this.#app = mount(App, { target: document.body, props: { dashboard } });
    flushSync();
  }

  get text(): string {
    flushSync();
    return document.body.textContent.replace(/\s+/g, ' ');
  }

  /** Everything that the page's stores tell. */
  get state(): string {
    const { connection, info, health, sight, query, session } = this.#dashboard;
    return JSON.stringify([connection, info, health, sight, query, session.session, session.gate, session.signingIn]);
  }

  all(selector: string): HTMLElement[] {
    flushSync();
    return [...document.querySelectorAll<HTMLElement>(selector)];
  }

  one(selector: string): HTMLElement {
    const [first] = this.all(selector);
    if (first === undefined) {
      throw new Error(`there is no ${selector}`);
    }
    return first;
  }

  press(key: string, target: HTMLElement): void {
    target.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
    flushSync();
  }

  /** Types into a field as somebody would. */
  type(text: string, field: HTMLInputElement): void {
    field.focus();
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    flushSync();
  }

  async settle(): Promise<void> {
    await new Promise((done) => setTimeout(done, 0));
    flushSync();
  }

  async close(): Promise<void> {
    this.#stop();
    await unmount(this.#app);
  }
}
