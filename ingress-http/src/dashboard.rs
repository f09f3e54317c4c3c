//! The router, and what can be configured about it.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::handler::Handler;
use axum::http::{HeaderValue, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use ingress_cache::{Cache, Turns};
use ingress_core::Hub;
use tokio::sync::Semaphore;
use tower::util::option_layer;

use crate::app::{App, Options};
use crate::auth::{Authenticator, CookieKey, Gate, authenticate, session};
use crate::caches::Caching;
use crate::client::TrustedProxies;
use crate::limit::place::Capacity;
use crate::limit::{Limited, RateLimit, Rates, limit};
use crate::metrics::http_side::{HttpCounters, Measured, Route, measure};
use crate::problem::{Problem, ProblemType};
use crate::protect::{Hosts, Origins, Protection, Received, receive};
use crate::shared_key::SharedKey;
use crate::shutdown::Shutdown;
use crate::upstream::Budgets;
use crate::view::{Authorization, Guard};
use crate::{health, info, list, metrics, namespaces, object, openapi, respond, routes, stream};

/// How often a stream says that it is alive, unless configured otherwise.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client is told to wait before it reconnects, unless configured otherwise.
pub const DEFAULT_RETRY: Duration = Duration::from_secs(2);
/// How many streams there may be at a time, unless configured otherwise.
pub const DEFAULT_MAX_STREAMS: usize = 10_000;
/// How many bytes of changes may wait for one viewer, unless configured otherwise: 4 MiB.
pub const DEFAULT_MAX_BACKLOG: usize = 4 << 20;
/// How many streams each user may have open, unless configured otherwise.
pub const DEFAULT_MAX_STREAMS_PER_USER: usize = 100;
/// How many streams each address may have open, unless configured otherwise: many, since a whole office may have one address.
pub const DEFAULT_MAX_STREAMS_PER_ADDRESS: usize = 1_000;
/// How often each client may ask, unless configured otherwise: 100 times at once, and 10 times per second.
pub const DEFAULT_RATE_LIMIT: RateLimit = RateLimit::of(100, 10.0);
/// How often each client may open a stream, unless configured otherwise: 20 times at once, and twice per second.
pub const DEFAULT_STREAM_RATE_LIMIT: RateLimit = RateLimit::of(20, 2.0);
/// How often each cluster is asked because of requests, unless configured otherwise: 1,000 times at once, and 200 times per second.
/// Somebody who may list in a few namespaces only costs a question for each.
pub const DEFAULT_UPSTREAM_RATE_LIMIT: RateLimit = RateLimit::of(1_000, 200.0);

// Proxies cut connections that are silent for a minute, and the page takes 40 s of silence for a dead one.
const HEARTBEATS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(30);
const RETRIES: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(60);

/// A hub, served over HTTP: REST, server-sent events, health and, with the feature `ui`, the page.
///
/// [`into_router`](Self::into_router) gives an [`axum::Router`] that works wherever it is nested.
#[derive(Debug, Clone)]
pub struct Dashboard {
    app: App,
}

/// Configures a [`Dashboard`].
#[derive(Clone)]
pub struct DashboardBuilder {
    hub: Hub,
    options: Options,
    authenticator: Option<Arc<dyn Authenticator>>,
    authorization: Authorization,
    cookie_key: Option<CookieKey>,
    shared_key: Option<SharedKey>,
    caching: Option<Caching>,
    #[cfg(feature = "server")]
    server_stats: Option<crate::server::ServerStats>,
    #[cfg(feature = "fleet")]
    fleet: Option<ingress_cache::fleet::Fleet>,
    protection: Protection,
}

impl fmt::Debug for DashboardBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DashboardBuilder")
            .field("options", &self.options)
            .field("authorization", &self.authorization)
            .field("protection", &self.protection)
            .finish_non_exhaustive()
    }
}

/// An option outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidOption {
    message: String,
}

impl InvalidOption {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// A duration, if it is within its bounds.
    pub(crate) fn within(
        name: &'static str,
        value: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Result<Duration, Self> {
        if bounds.contains(&value) {
            return Ok(value);
        }
        Err(Self::new(format!("{name} must be {:?} to {:?}", bounds.start(), bounds.end())))
    }
}

impl fmt::Display for InvalidOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidOption {}

impl DashboardBuilder {
    /// Sets how often a stream says that it is alive; 1 s to 30 s, [`DEFAULT_HEARTBEAT`] unless set.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn heartbeat(mut self, period: Duration) -> Result<Self, InvalidOption> {
        self.options.heartbeat = InvalidOption::within("heartbeat", period, HEARTBEATS)?;
        Ok(self)
    }

    /// Sets how long a client is told to wait before it reconnects; 100 ms to 60 s, [`DEFAULT_RETRY`] unless set. Each is told a wait of
    /// its own, up to half of it less or more, so that thousands don't come back in the same second.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn retry(mut self, wait: Duration) -> Result<Self, InvalidOption> {
        self.options.retry = InvalidOption::within("retry", wait, RETRIES)?;
        Ok(self)
    }

    /// Sets how many streams there may be at a time, over all clients; [`DEFAULT_MAX_STREAMS`] unless set. One more is answered
    /// 503, with a `Retry-After`: better than to serve all of them badly. Each costs a socket and some tens of kilobytes.
    #[must_use]
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.options.streams.process = streams.min(Semaphore::MAX_PERMITS);
        self
    }

    /// Sets how many streams one authenticated user may have open; [`DEFAULT_MAX_STREAMS_PER_USER`] unless set.
    #[must_use]
    pub fn max_streams_per_user(mut self, streams: usize) -> Self {
        self.options.streams.per_user = streams;
        self
    }

    /// Sets how many streams one address may have open, whoever opens them; [`DEFAULT_MAX_STREAMS_PER_ADDRESS`] unless set. For
    /// IPv6, a /64 network counts as one address.
    #[must_use]
    pub fn max_streams_per_address(mut self, streams: usize) -> Self {
        self.options.streams.per_address = streams;
        self
    }

    /// Sets how often one client may ask, or with `None` that there is no limit; [`DEFAULT_RATE_LIMIT`] unless set. One more is
    /// answered 429. Requests of the API, those for the page's files, and failed authentications are counted apart; `/livez`,
    /// `/readyz` and `/metrics` are never limited.
    #[must_use]
    pub fn rate_limit(mut self, limit: impl Into<Option<RateLimit>>) -> Self {
        self.options.rates.requests = limit.into();
        self
    }

    /// The same for opening streams; [`DEFAULT_STREAM_RATE_LIMIT`] unless set.
    #[must_use]
    pub fn stream_rate_limit(mut self, limit: impl Into<Option<RateLimit>>) -> Self {
        self.options.rates.streams = limit.into();
        self
    }

    /// Sets how often each cluster is asked for what requests need (an object as YAML, what somebody may see), over all clients;
    /// [`DEFAULT_UPSTREAM_RATE_LIMIT`] unless set. What comes too fast waits for up to 2 s and is then answered 503.
    #[must_use]
    pub fn upstream_rate_limit(mut self, limit: RateLimit) -> Self {
        self.options.upstream = limit;
        self
    }

    /// Sets which proxies are believed when they tell who sent a request (`Forwarded`, `X-Forwarded-For`), whether by TLS
    /// (`X-Forwarded-Proto`), and its id (`X-Request-Id`); none unless set.
    ///
    /// List only proxies that append to these headers, and that alone can reach this server under their addresses.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.protection.proxies = proxies;
        self
    }

    /// Sets for which hosts requests are answered, by their `Host`; any other is answered 421. All unless set. A host that listens on
    /// loopback should set it, against DNS rebinding.
    #[must_use]
    pub fn hosts(mut self, hosts: Hosts) -> Self {
        self.protection.hosts = Some(hosts);
        self
    }

    /// Sets which other origins' scripts may read the answers (CORS); none unless set.
    #[must_use]
    pub fn allow_origins(mut self, origins: Origins) -> Self {
        self.protection.origins = origins;
        self
    }

    /// Sets who finds out who sends a request; nobody, unless set: then everybody is let in, as `system:anonymous`.
    ///
    /// The page's own files, `/livez`, `/readyz` and `/auth/session` are answered to everybody; nothing of a cluster is in them.
    #[must_use]
    pub fn authentication(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Sets what people may see; everything, unless set.
    #[must_use]
    pub fn authorization(mut self, authorization: Authorization) -> Self {
        self.authorization = authorization;
        self
    }

    /// Sets the key that session cookies are encrypted with; a random one, unless set.
    #[must_use]
    pub fn cookie_key(mut self, key: CookieKey) -> Self {
        self.cookie_key = Some(key);
        self
    }

    /// Sets a secret that all replicas of a fleet have; a random one, unless set. With the same secret, and stores that they share,
    /// a stream goes on at another replica also for those who may see a part only, to whom positions are told sealed.
    #[must_use]
    pub fn shared_key(mut self, key: SharedKey) -> Self {
        self.shared_key = Some(key);
        self
    }

    /// Sets where is kept what was asked of clusters: whole objects, and what people may do. This process's memory, unless set; one that replicas
    /// share has each question asked once for all of them. It goes by the system's clock.
    ///
    /// What is kept of people is sealed with the [shared key](Self::shared_key), and found by those alone who have it. A cache that is slow or
    /// down fails no request.
    #[must_use]
    pub fn cache(mut self, cache: Arc<dyn Cache>) -> Self {
        let turns = self.caching.and_then(|caching| caching.turns);
        self.caching = Some(Caching { turns, ..Caching::of(cache) });
        self
    }

    /// Sets who says which replica reads an object from its cluster while the others wait for it; each reads for itself, unless set.
    /// It is of use with a [cache](Self::cache) that they share.
    #[must_use]
    pub fn cache_turns(mut self, turns: Arc<dyn Turns>) -> Self {
        let caching = self.caching.unwrap_or_else(Caching::memory);
        self.caching = Some(Caching { turns: Some(turns), ..caching });
        self
    }

    /// Sets how many bytes of changes may wait for one viewer; [`DEFAULT_MAX_BACKLOG`] unless set. What is pending for a viewer that reads
    /// slowly is folded to the last state of each object; if that is more than this, in memory, the viewer is told to start anew, with
    /// `reset` for the reason `lagged`.
    #[must_use]
    pub fn max_backlog(mut self, bytes: usize) -> Self {
        self.options.max_backlog = bytes;
        self
    }

    /// Has `/metrics` tell what a [`Server`](crate::server::Server) counts, too: the one that was given the same counters.
    #[cfg(feature = "server")]
    #[must_use]
    pub fn server_stats(mut self, stats: crate::server::ServerStats) -> Self {
        self.server_stats = Some(stats);
        self
    }

    /// Has `/api/health` and `/metrics` tell of the fleet that the hub is a replica of, too.
    #[cfg(feature = "fleet")]
    #[must_use]
    pub fn fleet(mut self, fleet: ingress_cache::fleet::Fleet) -> Self {
        self.fleet = Some(fleet);
        self
    }

    /// The dashboard.
    #[must_use]
    pub fn build(self) -> Dashboard {
        let key = self.cookie_key.unwrap_or_else(CookieKey::random);
        let counters = Arc::<HttpCounters>::default();
        // All that asks a cluster for a request's sake shares these.
        let budgets = Arc::new(Budgets::new(self.options.upstream, counters.upstream.clone()));
        let shared = self.shared_key.unwrap_or_else(SharedKey::random);
        let gate = Gate::new(self.authenticator, key);
        let caching = self.caching.unwrap_or_else(Caching::memory);
        let guard = Guard::new(self.hub, gate, self.authorization, &shared, &caching, budgets);
        let app = App::new(guard, counters, self.options, self.protection, Shutdown::new());
        #[cfg(feature = "server")]
        let app = app.with_server_stats(self.server_stats);
        #[cfg(feature = "fleet")]
        let app = app.with_fleet(self.fleet);
        Dashboard { app }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heartbeat: DEFAULT_HEARTBEAT,
            retry: DEFAULT_RETRY,
            streams: Capacity {
                process: DEFAULT_MAX_STREAMS,
                per_user: DEFAULT_MAX_STREAMS_PER_USER,
                per_address: DEFAULT_MAX_STREAMS_PER_ADDRESS,
            },
            max_backlog: DEFAULT_MAX_BACKLOG,
            rates: Rates { requests: Some(DEFAULT_RATE_LIMIT), streams: Some(DEFAULT_STREAM_RATE_LIMIT) },
            upstream: DEFAULT_UPSTREAM_RATE_LIMIT,
        }
    }
}

impl Dashboard {
    /// Serves a hub with the default options.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self::builder(hub).build()
    }

    /// Begins to configure how a hub is served.
    #[must_use]
    pub fn builder(hub: Hub) -> DashboardBuilder {
        DashboardBuilder {
            hub,
            options: Options::default(),
            protection: Protection::default(),
            authenticator: None,
            authorization: Authorization::all(),
            cookie_key: None,
            shared_key: None,
            caching: None,
            #[cfg(feature = "server")]
            server_stats: None,
            #[cfg(feature = "fleet")]
            fleet: None,
        }
    }

    /// The switch that ends all streams, for a graceful shutdown: without it, the server would wait for them for ever.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.app.shutdown().clone()
    }

    /// The router. Paths are relative to wherever it is nested: `host.nest("/routes", router)` serves `/routes/api/…`.
    ///
    /// It answers every path below, unknown ones with a problem document. axum's `nest` leaves `/routes/`, with the slash,
    /// to the host; `host.nest_service("/routes", router)` serves that, too.
    pub fn into_router(self) -> Router {
        // From the outside in: counted, received, let in from another origin, authenticated, limited. What refuses is thereby counted,
        // too, and has all headers; another origin's preflight asks nobody who they are; and the limit is kept by user.
        let measured = |route| middleware::from_fn_with_state(self.measured(route), measure);
        let received = |route| middleware::from_fn_with_state(self.received(route), receive);
        let limited = |route| middleware::from_fn_with_state(self.limited(route), limit);
        let origins = option_layer(self.app.protection().origins.layer());
        let gate = middleware::from_fn_with_state(self.app.entrance().clone(), authenticate);
        // A method that is not allowed is answered, and counted, at its route.
        let finish = |router: Router<App>, route: Route, methods: MethodRouter<App>| {
            let methods: MethodRouter<App> = methods.layer(origins.clone()).layer(received(route));
            router.route(route.template(), methods.layer(measured(route)))
        };
        // For everybody: nothing in these is of a cluster.
        let open = |router: Router<App>, route: Route, methods: MethodRouter<App>| {
            finish(router, route, methods.fallback(move || method_not_allowed(route)).layer(limited(route)))
        };
        let serve = |router: Router<App>, route: Route, methods: MethodRouter<App>| {
            let methods: MethodRouter<App> =
                methods.fallback(move || method_not_allowed(route)).layer(limited(route));
            finish(router, route, methods.layer(gate.clone()))
        };
        let router = Router::new();
        let router = serve(router, Route::Ingresses, get(list::list));
        let router = serve(router, Route::Stream, get(stream::events));
        let router = serve(router, Route::Socket, get(stream::socket));
        let router = serve(router, Route::Object, get(object::object));
        let router = serve(router, Route::ObjectYaml, get(object::object_yaml));
        let router = serve(router, Route::Namespaces, get(namespaces::namespaces));
        let router = serve(router, Route::Routes, get(routes::list::list));
        let router = serve(router, Route::RoutesStream, get(stream::routes::events));
        let router = serve(router, Route::Assessed, get(routes::one::route));
        let router = serve(router, Route::Diagnosis, get(routes::one::diagnosis));
        let router = serve(router, Route::Match, get(routes::matching::matching));
        let router = serve(router, Route::Topology, get(routes::topology::topology));
        let router = serve(router, Route::Checks, get(routes::checks::checks));
        let router = serve(router, Route::Certificates, get(routes::certificates::certificates));
        let router = serve(router, Route::Health, get(health::health));
        let router = serve(router, Route::Info, get(info::info));
        let router = open(router, Route::Livez, get(health::livez));
        let router = open(router, Route::Readyz, get(health::readyz));
        let router = serve(router, Route::Metrics, get(metrics::metrics));
        let session = get(session::show).post(session::begin).delete(session::end);
        let router = open(router, Route::Session, session);
        #[cfg(feature = "oidc")]
        let router = open(router, Route::Login, get(crate::auth::oidc::login));
        #[cfg(feature = "oidc")]
        let router = open(router, Route::Callback, get(crate::auth::oidc::callback));
        let router = open(router, Route::OpenApi, get(openapi::openapi));
        #[cfg(feature = "ui")]
        let router = router.merge(
            crate::page::router()
                .method_not_allowed_fallback(|| method_not_allowed(Route::Page))
                .layer(limited(Route::Page))
                .layer(origins.clone())
                .layer(received(Route::Page))
                .layer(measured(Route::Page)),
        );
        let unknown = not_found
            .layer(limited(Route::Other))
            .layer(origins.clone())
            .layer(received(Route::Other))
            .layer(measured(Route::Other));
        router.fallback(unknown).with_state(self.app)
    }

    fn measured(&self, route: Route) -> Measured {
        Measured::new(self.app.counters().clone(), route)
    }

    fn received(&self, route: Route) -> Received {
        Received::new(self.app.protection().clone(), route)
    }

    fn limited(&self, route: Route) -> Limited {
        Limited::new(self.app.limits().clone(), route)
    }
}

async fn method_not_allowed(route: Route) -> Response {
    if route == Route::Session {
        let detail = "only GET, HEAD, POST and DELETE are answered here";
        let problem = Problem::new(ProblemType::MethodNotAllowed, detail);
        let methods = HeaderValue::from_static("GET, HEAD, POST, DELETE");
        return respond::with_header(problem.into_response(), header::ALLOW, methods);
    }
    let detail = "only GET and HEAD are answered: nothing here writes";
    Problem::new(ProblemType::MethodNotAllowed, detail).into_response()
}

async fn not_found(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(ProblemType::NotFound, format!("there is nothing at {path}"))
}
