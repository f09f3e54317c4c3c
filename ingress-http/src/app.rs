//! What every handler works with.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use ingress_core::ClusterId;
use ingress_core::resilience::breaker::BreakerState;
use ingress_core::source::Origin;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::Gate;
use crate::metrics::http_side::HttpCounters;
use crate::shutdown::Shutdown;
use crate::stream::{Feed, Feeds};
use crate::view::{Guard, Lens, View};
use crate::wire::BreakerOf;

/// The router's state; cloned per request.
#[derive(Debug, Clone)]
pub(crate) struct App {
    guard: Guard,
    options: Options,
    shutdown: Shutdown,
    streams: Arc<Semaphore>,
    feeds: Arc<Feeds>,
    counters: Arc<HttpCounters>,
    #[cfg(feature = "server")]
    server_stats: Option<crate::server::ServerStats>,
}

/// What can be configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// How often a stream says that it is alive.
    pub(crate) heartbeat: Duration,
    /// How long a client is told to wait before it reconnects.
    pub(crate) retry: Duration,
    /// How many streams there may be at a time.
    pub(crate) max_streams: usize,
    /// How many bytes of changes may wait for one viewer.
    pub(crate) max_backlog: usize,
}

impl App {
    pub(crate) fn new(guard: Guard, options: Options, shutdown: Shutdown) -> Self {
        let streams = Arc::new(Semaphore::new(options.max_streams));
        Self {
            guard,
            options,
            shutdown,
            streams,
            feeds: Arc::default(),
            counters: Arc::default(),
            #[cfg(feature = "server")]
            server_stats: None,
        }
    }

    #[cfg(feature = "server")]
    pub(crate) fn with_server_stats(mut self, stats: Option<crate::server::ServerStats>) -> Self {
        self.server_stats = stats;
        self
    }

    /// What the server counts that serves the router, where that is ours.
    #[cfg(feature = "server")]
    pub(crate) fn server_stats(&self) -> Option<&crate::server::ServerStats> {
        self.server_stats.as_ref()
    }

    /// The engine, and who may see what of it.
    pub(crate) fn guard(&self) -> &Guard {
        &self.guard
    }

    pub(crate) fn options(&self) -> Options {
        self.options
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Where requests say who sent them.
    pub(crate) fn gate(&self) -> &Gate {
        self.guard.gate()
    }

    /// What all who look through a lens share.
    pub(crate) fn feed_of(&self, view: &View, lens: Lens) -> Arc<Feed> {
        self.feeds.of(lens, |lens| {
            Feed::new(lens, view.clusters(), self.is_demo(), self.breaker_of())
                .with_backlog(self.options.max_backlog)
        })
    }

    /// The same for a list, which is over before the next one may be asked for.
    pub(crate) fn feed_of_list(&self, view: &View, lens: Lens) -> Arc<Feed> {
        let feed = self.feed_of(view, lens);
        self.feeds.remember(&feed);
        feed
    }

    /// Lets go of what was held for somebody who did not come. Called by whatever comes regularly: heartbeats and probes.
    pub(crate) fn tidy(&self) {
        self.feeds.tidy();
    }

    /// A place for one more stream, given back when it is dropped; `None` when all are taken.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.streams.clone().try_acquire_owned().ok()
    }

    /// How many of these places are taken.
    pub(crate) fn viewers(&self) -> usize {
        self.options.max_streams.saturating_sub(self.streams.available_permits())
    }

    /// Where requests and streams are counted.
    pub(crate) fn counters(&self) -> &Arc<HttpCounters> {
        &self.counters
    }

    /// Whether any of what is shown is simulated.
    pub(crate) fn is_demo(&self) -> bool {
        self.guard.clusters().iter().any(|status| status.info.origin == Origin::Demo)
    }

    /// Whether a cluster is a simulated one.
    pub(crate) fn is_demo_cluster(&self, cluster: &ClusterId) -> bool {
        self.guard
            .clusters()
            .iter()
            .any(|status| status.info.id == *cluster && status.info.origin == Origin::Demo)
    }

    /// The origins, beside this host's own, whose pages may ask.
    pub(crate) fn allowed_origins(&self) -> &[HeaderValue] {
        &[]
    }

    /// Tells the state of each cluster's circuit breaker whenever it is asked.
    pub(crate) fn breaker_of(&self) -> BreakerOf {
        let guard = self.guard.clone();
        Arc::new(move |cluster| {
            let known = guard.clusters().into_iter().find(|status| status.info.id == *cluster);
            known.map_or(BreakerState::Closed, |status| status.breaker)
        })
    }
}
