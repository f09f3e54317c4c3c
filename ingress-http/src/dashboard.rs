//! The router, and what can be configured about it.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use axum::Router;
use axum::http::Uri;
use axum::routing::get;
use ingress_core::Hub;
use tokio::sync::Semaphore;

use crate::app::{App, Options};
use crate::problem::{Problem, ProblemType};
use crate::shutdown::Shutdown;
use crate::{health, info, list, namespaces, object, stream};

/// How often a stream says that it is alive, unless configured otherwise.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(15);
/// How long a client is told to wait before it reconnects, unless configured otherwise.
pub const DEFAULT_RETRY: Duration = Duration::from_secs(2);
/// How many streams there may be at a time, unless configured otherwise.
pub const DEFAULT_MAX_STREAMS: usize = 10_000;

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
}

impl fmt::Debug for DashboardBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DashboardBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}

/// An option outside its bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidOption {
    name: &'static str,
    bounds: RangeInclusive<Duration>,
}

impl fmt::Display for InvalidOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} must be {:?} to {:?}", self.name, self.bounds.start(), self.bounds.end())
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
        self.options.heartbeat = within("heartbeat", period, HEARTBEATS)?;
        Ok(self)
    }

    /// Sets how long a client is told to wait before it reconnects; 100 ms to 60 s, [`DEFAULT_RETRY`] unless set.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn retry(mut self, wait: Duration) -> Result<Self, InvalidOption> {
        self.options.retry = within("retry", wait, RETRIES)?;
        Ok(self)
    }

    /// Sets how many streams there may be at a time, over all clients; [`DEFAULT_MAX_STREAMS`] unless set. One more is answered
    /// 503, with a `Retry-After`: better than to serve all of them badly. Each costs a socket and some tens of kilobytes.
    #[must_use]
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.options.max_streams = streams.min(Semaphore::MAX_PERMITS);
        self
    }

    /// The dashboard.
    #[must_use]
    pub fn build(self) -> Dashboard {
        Dashboard { app: App::new(self.hub, self.options, Shutdown::new()) }
    }
}

fn within(
    name: &'static str,
    value: Duration,
    bounds: RangeInclusive<Duration>,
) -> Result<Duration, InvalidOption> {
    if bounds.contains(&value) { Ok(value) } else { Err(InvalidOption { name, bounds }) }
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
        let options =
            Options { heartbeat: DEFAULT_HEARTBEAT, retry: DEFAULT_RETRY, max_streams: DEFAULT_MAX_STREAMS };
        DashboardBuilder { hub, options }
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
        let router = Router::new()
            .route("/api/ingresses", get(list::list))
            .route("/api/ingresses/stream", get(stream::events))
            .route("/api/ingresses/{namespace}/{name}", get(object::object))
            .route("/api/ingresses/{namespace}/{name}/yaml", get(object::object_yaml))
            .route("/api/namespaces", get(namespaces::namespaces))
            .route("/api/health", get(health::health))
            .route("/api/info", get(info::info))
            .route("/livez", get(health::livez))
            .route("/readyz", get(health::readyz));
        #[cfg(feature = "ui")]
        let router = router.merge(crate::page::router());
        router.method_not_allowed_fallback(method_not_allowed).fallback(not_found).with_state(self.app)
    }
}

async fn method_not_allowed() -> Problem {
    Problem::new(ProblemType::MethodNotAllowed, "only GET and HEAD are answered: nothing here writes")
}

async fn not_found(uri: Uri) -> Problem {
    let path: String = uri.path().chars().take(200).collect();
    Problem::new(ProblemType::NotFound, format!("there is nothing at {path}"))
}
