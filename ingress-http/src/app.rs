//! What every handler works with.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Extensions;
use ingress_core::resilience::breaker::BreakerState;
use ingress_core::source::Origin;
use ingress_core::{ClusterId, Hub, ObjectKey, SourceError};

use crate::limit::place::{Capacity, Full, Place, Places};
use crate::limit::{Limits, RateLimit, Rates};
use crate::metrics::http_side::HttpCounters;
use crate::problem::{Problem, ProblemType};
use crate::protect::Protection;
use crate::shutdown::Shutdown;
use crate::stream::Feeds;
use crate::upstream::{Budgets, Upstream};
use crate::wire::BreakerOf;

/// When to ask again for a stream while there are too many: streams last for hours, so there is no hurry.
const FULL_HOUSE: Duration = Duration::from_secs(10);

/// The router's state; cloned per request.
#[derive(Debug, Clone)]
pub(crate) struct App {
    hub: Hub,
    options: Options,
    shutdown: Shutdown,
    protection: Arc<Protection>,
    limits: Arc<Limits>,
    places: Arc<Places>,
    objects: Arc<Upstream<ObjectKey, Bytes>>,
    feeds: Arc<Feeds>,
    counters: Arc<HttpCounters>,
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
    /// How often each client may ask.
    pub(crate) rates: Rates,
    /// How often each cluster is asked because of requests.
    pub(crate) upstream: RateLimit,
}

impl App {
    pub(crate) fn new(hub: Hub, options: Options, protection: Protection, shutdown: Shutdown) -> Self {
        let counters = Arc::<HttpCounters>::default();
        // All that asks a cluster for a request's sake shares these.
        let budgets = Arc::new(Budgets::new(options.upstream, counters.upstream.clone()));
        Self {
            hub,
            options,
            shutdown,
            protection: Arc::new(protection),
            limits: Arc::new(Limits::new(options.rates, counters.clone())),
            places: Arc::new(Places::new(options.streams)),
            objects: Arc::new(Upstream::new(budgets)),
            feeds: Arc::default(),
            counters,
        }
    }

    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    pub(crate) fn options(&self) -> Options {
        self.options
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// What streams share.
    pub(crate) fn feeds(&self) -> &Feeds {
        &self.feeds
    }

    /// How requests are received.
    pub(crate) fn protection(&self) -> &Arc<Protection> {
        &self.protection
    }

    /// How often each client may ask.
    pub(crate) fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// A place for one more stream of whoever asks, given back when it is dropped.
    ///
    /// # Errors
    ///
    /// 503 when all are taken, or all of this user or address.
    pub(crate) fn place(&self, extensions: &Extensions) -> Result<Place, Problem> {
        self.places.take(extensions).map_err(|full| {
            self.counters.streams.refused(full);
            let whose = match full {
                Full::Process => "",
                Full::User => " for you",
                Full::Address => " for your address",
            };
            let detail = format!(
                "{} streams are open{whose}, as many as are served at a time",
                self.places.capacity(full)
            );
            Problem::new(ProblemType::TooManyStreams, detail).retry_after(FULL_HOUSE)
        })
    }

    /// An object as the cluster has it now. Requests for the same one at the same time share the answer.
    pub(crate) async fn object(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        let (hub, wanted) = (self.hub.clone(), key.clone());
        let ask = move || async move { hub.ingress_object(&wanted).await };
        self.objects.call(key.cluster(), key.clone(), ask).await
    }

    /// How many of these places are taken.
    pub(crate) fn viewers(&self) -> usize {
        self.places.taken()
    }

    /// Where requests and streams are counted.
    pub(crate) fn counters(&self) -> &Arc<HttpCounters> {
        &self.counters
    }

    /// The clusters in view, in the order of their names, which is that of the store's keys.
    pub(crate) fn clusters(&self) -> Vec<ClusterId> {
        let mut clusters: Vec<_> = self.hub.clusters().into_iter().map(|status| status.info.id).collect();
        clusters.sort_unstable();
        clusters
    }

    /// Whether any of what is shown is simulated.
    pub(crate) fn is_demo(&self) -> bool {
        self.hub.clusters().iter().any(|status| status.info.origin == Origin::Demo)
    }

    /// Whether a cluster is a simulated one.
    pub(crate) fn is_demo_cluster(&self, cluster: &ClusterId) -> bool {
        self.hub
            .clusters()
            .iter()
            .any(|status| status.info.id == *cluster && status.info.origin == Origin::Demo)
    }

    /// Tells the state of each cluster's circuit breaker whenever it is asked.
    pub(crate) fn breaker_of(&self) -> BreakerOf {
        let hub = self.hub.clone();
        Arc::new(move |cluster| {
            let known = hub.clusters().into_iter().find(|status| status.info.id == *cluster);
            known.map_or(BreakerState::Closed, |status| status.breaker)
        })
    }
}
