//! What every handler works with.

use std::sync::Arc;
#[cfg(any(feature = "fleet", feature = "server"))]
use std::sync::OnceLock;
use std::time::Duration;

use http::{Extensions, HeaderValue};
use ingress_core::ClusterId;
use ingress_core::resilience::breaker::BreakerState;
use ingress_core::source::Origin;

use crate::auth::Entrance;
use crate::limit::place::{Capacity, Full, Place, Places};
use crate::limit::{Limits, RateLimit, Rates};
use crate::metrics::http_side::HttpCounters;
use crate::problem::{Problem, ProblemType};
use crate::protect::Protection;
use crate::routes::filter::Filter as RouteFilter;
use crate::shutdown::Shutdown;
use crate::stream::routes::{RouteFeed, RouteFeeds};
use crate::stream::{Feed, Feeds};
use crate::view::{Guard, Lens, Reads, View};
use crate::wire::BreakerOf;

/// When to ask again for a stream while there are too many: streams last for hours, so there is no hurry.
const FULL_HOUSE: Duration = Duration::from_secs(10);

/// The router's state; cloned per request, and held by each stream.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    guard: Guard,
    entrance: Entrance,
    options: Options,
    shutdown: Shutdown,
    protection: Arc<Protection>,
    limits: Arc<Limits>,
    places: Arc<Places>,
    feeds: Feeds,
    route_feeds: RouteFeeds,
    counters: Arc<HttpCounters>,
    #[cfg(feature = "server")]
    server_stats: OnceLock<crate::server::ServerStats>,
    #[cfg(feature = "fleet")]
    fleet: OnceLock<ingress_cache::fleet::Fleet>,
}

/// What can be configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// How often a stream says that it is alive.
    pub(crate) heartbeat: Duration,
    /// How long a client is told to wait before it reconnects.
    pub(crate) retry: Duration,
    /// How many streams there may be at a time.
    pub(crate) streams: Capacity,
    /// How many bytes of changes may wait for one viewer.
    pub(crate) max_backlog: usize,
    /// How often each client may ask.
    pub(crate) rates: Rates,
    /// How often each cluster is asked because of requests.
    pub(crate) upstream: RateLimit,
}

impl App {
    pub(crate) fn new(
        guard: Guard,
        counters: Arc<HttpCounters>,
        options: Options,
        protection: Protection,
        shutdown: Shutdown,
    ) -> Self {
        let limits = Arc::new(Limits::new(options.rates, counters.clone()));
        Self(Arc::new(Inner {
            entrance: Entrance::new(guard.gate().clone(), limits.clone()),
            guard,
            options,
            shutdown,
            protection: Arc::new(protection),
            limits,
            places: Arc::new(Places::new(options.streams)),
            feeds: Feeds::default(),
            route_feeds: RouteFeeds::default(),
            counters,
            #[cfg(feature = "server")]
            server_stats: OnceLock::new(),
            #[cfg(feature = "fleet")]
            fleet: OnceLock::new(),
        }))
    }

    #[cfg(feature = "server")]
    pub(crate) fn with_server_stats(self, stats: Option<crate::server::ServerStats>) -> Self {
        if let Some(stats) = stats {
            // Nobody else has it yet, so there can be no other.
            self.0.server_stats.get_or_init(|| stats);
        }
        self
    }

    /// What the server counts that serves the router, where that is ours.
    #[cfg(feature = "server")]
    pub(crate) fn server_stats(&self) -> Option<&crate::server::ServerStats> {
        self.0.server_stats.get()
    }

    #[cfg(feature = "fleet")]
    pub(crate) fn with_fleet(self, fleet: Option<ingress_cache::fleet::Fleet>) -> Self {
        if let Some(fleet) = fleet {
            self.0.fleet.get_or_init(|| fleet);
        }
        self
    }

    /// The fleet that the process is a replica of, if it is one.
    #[cfg(feature = "fleet")]
    pub(crate) fn fleet(&self) -> Option<&ingress_cache::fleet::Fleet> {
        self.0.fleet.get()
    }

    /// The engine, and who may see what of it.
    pub(crate) fn guard(&self) -> &Guard {
        &self.0.guard
    }

    pub(crate) fn options(&self) -> Options {
        self.0.options
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    /// Where requests say who sent them.
    pub(crate) fn entrance(&self) -> &Entrance {
        &self.0.entrance
    }

    /// What all who look through a lens share.
    pub(crate) fn feed_of(&self, view: &View, lens: Lens) -> Arc<Feed> {
        self.0.feeds.of(lens, |lens| {
            Feed::new(lens, view.clusters(), self.is_demo(), self.breaker_of())
                .with_backlog(self.0.options.max_backlog)
        })
    }

    /// The same for a list, which is over before the next one may be asked for.
    pub(crate) fn feed_of_list(&self, view: &View, lens: Lens) -> Arc<Feed> {
        let feed = self.feed_of(view, lens);
        self.0.feeds.remember(&feed);
        feed
    }

    /// What all who look at routes with this filter and may read the same share.
    pub(crate) fn route_feed_of(&self, filter: RouteFilter, reads: &Reads) -> Arc<RouteFeed> {
        self.0.route_feeds.of(filter, reads, self.is_demo())
    }

    /// Lets go of what was held for somebody who did not come. Called by whatever comes regularly: heartbeats and probes.
    pub(crate) fn tidy(&self) {
        self.0.feeds.tidy();
        self.0.guard.tidy();
    }

    /// How requests are received.
    pub(crate) fn protection(&self) -> &Arc<Protection> {
        &self.0.protection
    }

    /// How often each client may ask.
    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.0.limits
    }

    /// A place for one more stream of whoever asks, given back when it is dropped.
    ///
    /// # Errors
    ///
    /// 503 when all are taken, or all of this user or address.
    pub(crate) fn place(&self, extensions: &Extensions) -> Result<Place, Problem> {
        self.0.places.take(extensions).map_err(|full| {
            self.0.counters.streams.refused(full);
            let whose = match full {
                Full::Process => "",
                Full::User => " for you",
                Full::Address => " for your address",
            };
            let detail = format!(
                "{} streams are open{whose}, as many as are served at a time",
                self.0.places.capacity(full)
            );
            Problem::new(ProblemType::TooManyStreams, detail).retry_after(FULL_HOUSE)
        })
    }

    /// How many of these places are taken.
    pub(crate) fn viewers(&self) -> usize {
        self.0.places.taken()
    }

    /// Where requests and streams are counted.
    pub(crate) fn counters(&self) -> &Arc<HttpCounters> {
        &self.0.counters
    }

    /// Whether any of what is shown is simulated.
    pub(crate) fn is_demo(&self) -> bool {
        self.0.guard.clusters().iter().any(|status| status.info.origin == Origin::Demo)
    }

    /// Whether a cluster is a simulated one.
    pub(crate) fn is_demo_cluster(&self, cluster: &ClusterId) -> bool {
        self.0
            .guard
            .clusters()
            .iter()
            .any(|status| status.info.id == *cluster && status.info.origin == Origin::Demo)
    }

    /// The origins, beside this host's own, whose pages may ask.
    pub(crate) fn allowed_origins(&self) -> &[HeaderValue] {
        self.0.protection.origins.all()
    }

    /// Tells the state of each cluster's circuit breaker whenever it is asked.
    pub(crate) fn breaker_of(&self) -> BreakerOf {
        let guard = self.0.guard.clone();
        Arc::new(move |cluster| {
            let known = guard.clusters().into_iter().find(|status| status.info.id == *cluster);
            known.map_or(BreakerState::Closed, |status| status.breaker)
        })
    }
}
