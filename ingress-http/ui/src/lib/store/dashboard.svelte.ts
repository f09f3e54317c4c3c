import type { ApiClient } from '../api/client';
import { Connection, type ConnectionState } from '../api/connection';
import type { SseMessage } from '../api/sse';
import { streamEvent, type Info, type Lane } from '../api/wire';
import { facetsOf, namespaceFacets, verdictFacets, type Facet } from './facets';
import { applyEvent, connectionOpened, lanesConfirmed, newFeed, retally, retallyAll, type Effect } from './feed';
import type { HealthState } from './health';
import { LaneIndex, summariseLanes } from './lanes';
import { queryFromHash, queryToHash, type Query } from './query';
import { FrameQueue, type QueueEnv } from './queue';
import type { Row } from './row';
import { screenOf } from './screen';
import { SessionStore } from './session.svelte';
import type { Sight } from './sight';
import { Surroundings } from './surroundings.svelte';
import { VerdictWatch, type Judging } from './verdict-watch.svelte';
import type { Touched } from './verdicts';
import { Shown, View } from './view';

/** What the connection layer hands over, in the order in which it happened. */
type Input =
  | { type: 'opened' }
  | { type: 'heartbeat' }
  | { type: 'message'; message: SseMessage }
  | { type: 'verdicts'; what: SseMessage | 'opened' };

/** Counts per namespace and class change all the time, and nobody reads them sixty times a second. */
const FACET_INTERVAL = 500;
const HEALTH_INTERVAL = 10_000;
const ADDRESS_DELAY = 250;

/** The object whose details are open. A row that went away while it was looked at stays readable. */
export type OpenObject =
  { type: 'present'; row: Row } | { type: 'deleted'; row: Row; at: number } | { type: 'missing'; id: string };

export interface DashboardEnv {
  client: ApiClient;
  fetch: typeof fetch;
  queue: QueueEnv;
}

/**
 * The one store of the page: everything that components show comes from here, and everything they cause goes through
 * its methods. The feed and the view are plain objects; what Svelte watches are the few values that `#flush` sets once
 * per frame.
 */
export class Dashboard {
  connection: ConnectionState = $state.raw({ phase: 'connecting', since: Date.now() });
  /** How many times this viewer's permissions changed while they looked. */
  accessChanges = $state.raw(0);
  query: Query = $state.raw(queryFromHash(location.hash));
  /** The filtered, sorted rows: a new object for every frame that changed them. */
  shown: Shown = $state.raw(new Shown([]));
  known = $state.raw(0);
  ready = $state.raw(false);
  received = $state.raw(0);
  lanes: readonly Lane[] = $state.raw([]);
  namespaceFacets: readonly Facet[] = $state.raw([]);
  classFacets: readonly Facet[] = $state.raw([]);
  /** How many ingresses have which verdict, by the worst of their routes. */
  verdictFacets: readonly Facet[] = $state.raw([]);
  openObject: OpenObject | null = $state.raw(null);
  /** Ticks every second, on the server's clock, so that ages do not depend on how this machine's clock is set. */
  now = $state.raw(Date.now());

  get info(): Info | null {
    return this.#surroundings.info;
  }

  get health(): HealthState {
    return this.#surroundings.health;
  }

  get sight(): Sight {
    return this.#surroundings.sight;
  }

  /** Whether, and how well, it is known if routes work. */
  get judging(): Judging {
    return this.#verdicts.state;
  }

  /** Whether there are verdicts to tell of, now or soon. */
  get isJudged(): boolean {
    return this.judging.type !== 'asking' && this.judging.type !== 'unwatched';
  }

  readonly laneSummary = $derived(summariseLanes(this.lanes));
  readonly laneIndex = $derived(new LaneIndex(this.lanes));
  readonly screen = $derived(
    screenOf({
      connection: this.connection,
      ready: this.ready,
      received: this.received,
      lanes: this.laneSummary,
      sight: this.sight,
      known: this.known,
      matching: this.shown.count,
      judging: this.query.verdict === null ? null : this.judging,
    }),
  );
  readonly isDemo = $derived(
    this.info !== null && (this.info.demo === true || this.info.clusters.some((cluster) => cluster.origin === 'demo')),
  );
  readonly manyClusters = $derived((this.info?.clusters.length ?? 1) > 1);

  readonly client: ApiClient;
  readonly session: SessionStore;
  readonly #surroundings: Surroundings;
  readonly #connection: Connection;
  readonly #queue: FrameQueue<Input>;
  readonly #verdicts: VerdictWatch;
  #feed = newFeed((id) => this.#verdicts.of(id));
  readonly #view: View;
  #lanesChanged = false;
  #rowsChanged = false;
  #facetsAt = 0;
  #facetsTimer: ReturnType<typeof setTimeout> | null = null;
  #addressTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(env: DashboardEnv) {
    this.client = env.client;
    this.session = new SessionStore(env.client, {
      now: () => this.#surroundings.serverTime(),
      changed: () => {
        // A stream that goes on knows best whom it is for, and ends when it is not.
        if (this.connection.phase !== 'connected') {
          this.#connection.forgetPlace();
          this.#verdicts.stop();
          this.#forget();
        }
      },
      locked: () => {
        this.#connection.stop();
        this.#verdicts.stop();
        this.#forget();
      },
      unlocked: () => {
        this.#connection.restart();
        void this.#surroundings.loadHealth();
      },
      leave: (url) => {
        location.assign(url);
      },
    });
    this.#surroundings = new Surroundings(env.client, {
      isConnected: () => this.connection.phase === 'connected',
      isClosed: () => this.session.gate.type === 'closed',
    });
    this.client.onUnauthenticated = () => {
      void this.session.barred('unauthenticated');
    };
    const connectionEnv = { fetch: env.fetch, now: () => Date.now(), random: () => Math.random() };
    this.#view = new View(this.query);
    this.#queue = new FrameQueue<Input>(
      (input) => {
        this.#take(input);
      },
      () => {
        this.#flush();
      },
      env.queue,
    );
    this.#connection = new Connection(
      env.client.streamUrl,
      {
        state: (state) => {
          this.connection = shifted(state, this.#surroundings.clockOffset);
        },
        opened: () => {
          this.#queue.push({ type: 'opened' });
          void this.session.entered();
          void this.#surroundings.load();
          this.#verdicts.start();
        },
        message: (message) => {
          this.#queue.push({ type: 'message', message });
        },
        heartbeat: () => {
          this.#queue.push({ type: 'heartbeat' });
        },
        barred: (why) => {
          void this.session.barred(why);
        },
      },
      connectionEnv,
    );
    this.#verdicts = new VerdictWatch(env.client, {
      ...connectionEnv,
      clockOffset: () => this.#surroundings.clockOffset,
      deliver: (what) => {
        this.#queue.push({ type: 'verdicts', what });
      },
      changed: () => {
        retallyAll(this.#feed);
        // It sorts all rows, and where nobody judges, chooses none by their verdict.
        this.#setQuery(this.query);
      },
    });
  }

  /** Connects, and returns what ends everything that this started. */
  start(): () => void {
    const abort = new AbortController();
    const { signal } = abort;
    const tick = setInterval(() => {
      this.now = this.#surroundings.serverTime();
    }, 1000);
    const poll = setInterval(() => {
      void this.#surroundings.loadHealth();
    }, HEALTH_INTERVAL);
    document.addEventListener(
      'visibilitychange',
      () => {
        this.#verdicts.look();
        if (document.visibilityState === 'visible') {
          this.#connection.checkSilence();
          this.#connection.retryNow();
          void this.session.lookAgain();
          void this.#surroundings.loadHealth();
        }
      },
      { signal },
    );
    window.addEventListener(
      'online',
      () => {
        this.retryNow();
      },
      { signal },
    );
    const readAddress = (): void => {
      this.#setQuery(queryFromHash(location.hash));
    };
    window.addEventListener('hashchange', readAddress, { signal });
    this.#connection.start();
    void this.#surroundings.loadHealth();
    return () => {
      abort.abort();
      this.#surroundings.stop();
      clearInterval(tick);
      clearInterval(poll);
      this.#connection.stop();
      this.#verdicts.stop();
      this.#queue.clear();
      for (const timer of [this.#facetsTimer, this.#addressTimer]) {
        if (timer !== null) {
          clearTimeout(timer);
        }
      }
    };
  }

  retryNow(): void {
    this.#connection.retryNow();
    this.#verdicts.retryNow();
  }

  /** Changes filters or order. The address follows a little later, since browsers limit how often it may change. */
  updateQuery(change: Partial<Omit<Query, 'open'>>): void {
    this.#setQuery({ ...this.query, ...change });
    if (this.#addressTimer !== null) {
      clearTimeout(this.#addressTimer);
    }
    this.#addressTimer = setTimeout(() => {
      this.#writeAddress('replace');
    }, ADDRESS_DELAY);
  }

  /** Opens or closes the details. An entry of the history of its own, so that Back closes them. */
  open(id: string | null): void {
    if (id !== this.query.open) {
      this.#setQuery({ ...this.query, open: id });
      this.#writeAddress(id === null ? 'replace' : 'push');
    }
  }

  indexOf(row: Row): number {
    return this.#view.indexOf(row);
  }

  rowOf(id: string): Row | null {
    return this.#feed.rows.get(id) ?? null;
  }

  #setQuery(query: Query): void {
    this.query = query;
    // Where nobody judges, no row has a verdict to be filtered by; a notice says so.
    const asked = this.judging.type === 'unwatched' ? { ...query, verdict: null } : query;
    this.#view.setQuery(asked, this.#feed.rows.values());
    this.#publishRows();
  }

  #writeAddress(how: 'push' | 'replace'): void {
    const hash = queryToHash(this.query);
    const address = hash === '' ? location.pathname + location.search : hash;
    if (how === 'push') {
      history.pushState(null, '', address);
    } else {
      history.replaceState(null, '', address);
    }
  }

  #take(input: Input): void {
    switch (input.type) {
      case 'opened':
        connectionOpened(this.#feed);
        return;
      case 'heartbeat':
        this.#note(lanesConfirmed(this.#feed));
        return;
      case 'message':
        this.#takeMessage(input.message);
        return;
      case 'verdicts':
        if (input.what === 'opened') {
          this.#verdicts.opened();
        } else {
          this.#takeTouched(this.#verdicts.take(input.what));
        }
    }
  }

  #takeTouched(touched: Touched): void {
    if (touched.type === 'all') {
      this.#note(retallyAll(this.#feed));
      return;
    }
    const now = Date.now();
    for (const id of touched.ids) {
      this.#note(retally(this.#feed, id, now));
    }
  }

  #takeMessage(message: SseMessage): void {
    try {
      const event = streamEvent(message.event, JSON.parse(message.data));
      if (event === null) {
        return;
      }
      if (event.type === 'reset' && event.reason === 'access-changed') {
        this.accessChanges += 1;
        void this.#surroundings.load();
      }
      if (event.type !== 'lane' && event.type !== 'reset') {
        this.#note(lanesConfirmed(this.#feed));
      }
      this.#note(applyEvent(this.#feed, event, Date.now()));
    } catch {
      this.#queue.clear();
      this.#connection.startOver('The server sent something that this page does not understand.');
    }
  }

  #note(effect: Effect): void {
    switch (effect.type) {
      case 'none':
      case 'progress':
        return;
      case 'lanes':
        this.#lanesChanged = true;
        return;
      case 'row':
        this.#view.replace(effect.before, effect.after);
        this.#rowsChanged = true;
        return;
      case 'rows':
        this.#view.rebuild(this.#feed.rows.values());
        this.#rowsChanged = true;
    }
  }

  #flush(): void {
    if (this.#lanesChanged) {
      this.#lanesChanged = false;
      this.lanes = [...this.#feed.lanes.values()];
      this.#publishFacetsSoon();
    }
    if (this.#rowsChanged) {
      this.#rowsChanged = false;
      this.#publishRows();
      this.#publishFacetsSoon();
    }
    this.received = this.#feed.pending?.size ?? 0;
    this.ready = this.#feed.ready;
  }

  #publishRows(): void {
    this.shown = new Shown(this.#view.rows);
    this.known = this.#feed.rows.size;
    this.#publishOpen();
  }

  #publishOpen(): void {
    const id = this.query.open;
    if (id === null) {
      this.openObject = null;
      return;
    }
    const row = this.#feed.rows.get(id);
    const before = this.openObject;
    if (row !== undefined) {
      if (before?.type !== 'present' || before.row !== row) {
        this.openObject = { type: 'present', row };
      }
    } else if (before?.type === 'present' && before.row.id === id) {
      this.openObject = { type: 'deleted', row: before.row, at: this.now };
    } else if (before?.type !== 'deleted' || before.row.id !== id) {
      this.openObject = { type: 'missing', id };
    }
  }

  #publishFacetsSoon(): void {
    if (this.#facetsTimer === null) {
      const wait = Math.max(0, this.#facetsAt + FACET_INTERVAL - Date.now());
      this.#facetsTimer = setTimeout(() => {
        this.#facetsTimer = null;
        this.#facetsAt = Date.now();
        this.#publishFacets();
      }, wait);
    }
  }

  #publishFacets(): void {
    this.namespaceFacets = namespaceFacets(this.#feed);
    this.classFacets = facetsOf(this.#feed.classes);
    this.verdictFacets = verdictFacets(this.#feed.verdicts);
  }

  /** Knows nothing any more but what the person is looking for. */
  #forget(): void {
    this.#queue.clear();
    this.#feed = newFeed((id) => this.#verdicts.of(id));
    this.#view.rebuild([]);
    this.#lanesChanged = this.#rowsChanged = false;
    this.lanes = [];
    this.openObject = null;
    this.ready = false;
    this.received = 0;
    this.#surroundings.forget();
    this.accessChanges = 0;
    this.#publishRows();
    this.#publishFacets();
  }
}

/** The same on the server's clock, which everything that is shown goes by. */
function shifted(state: ConnectionState, offset: number): ConnectionState {
  const since = state.since + offset;
  return state.phase === 'lost'
    ? { ...state, since, retryAt: state.retryAt === null ? null : state.retryAt + offset }
    : { ...state, since };
}
