//! The pace of questions to each cluster.
//!
//! Those who come too fast wait for their turn, in the order in which they came, but not for long: a person waits two seconds for
//! a page and then loads it again, which only makes it worse. So whoever could not get a turn in that time is refused, most of
//! them at once, since it is known how many turns there will be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use ingress_core::{ClusterId, SourceError};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::limit::RateLimit;
use crate::limit::clock::TokioClock;
use crate::metrics::http_side::UpstreamCounters;

/// How long a question waits for its turn at most.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(2);

/// When to ask again after that.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// No more than this many wait for one cluster, however fast it may be asked.
const MAX_WAITING: usize = 1_000;

/// The budgets of all clusters, each of the same size.
#[derive(Debug)]
pub(crate) struct Budgets {
    rate: RateLimit,
    /// As many as there are clusters in view, since only those are ever asked.
    clusters: Mutex<HashMap<ClusterId, Arc<Budget>>>,
    counters: Arc<UpstreamCounters>,
}

impl Budgets {
    pub(crate) fn new(rate: RateLimit, counters: Arc<UpstreamCounters>) -> Self {
        Self { rate, clusters: Mutex::default(), counters }
    }

    pub(super) fn of(&self, cluster: &ClusterId) -> Arc<Budget> {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(budget) = clusters.get(cluster) {
            return budget.clone();
        }
        let budget = Arc::new(Budget::new(self.rate, self.counters.clone()));
        clusters.insert(cluster.clone(), budget.clone());
        budget
    }

    pub(super) fn counters(&self) -> &UpstreamCounters {
        &self.counters
    }
}

/// What one cluster may be asked.
#[derive(Debug)]
pub(super) struct Budget {
    rate: RateLimit,
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
    clock: TokioClock,
    /// Whose turn it is: those who wait stand in line for it.
    turn: Semaphore,
    waiting: Semaphore,
    counters: Arc<UpstreamCounters>,
}

impl Budget {
    fn new(rate: RateLimit, counters: Arc<UpstreamCounters>) -> Self {
        let clock = TokioClock::new();
        // As many as will have had their turn in time, and one.
        let in_time = MAX_WAIT.as_nanos() / rate.interval().as_nanos().max(1) + 1;
        let waiting = usize::try_from(in_time).unwrap_or(MAX_WAITING).min(MAX_WAITING);
        Self {
            rate,
            limiter: RateLimiter::direct_with_clock(rate.quota(), clock),
            clock,
            turn: Semaphore::new(1),
            waiting: Semaphore::new(waiting),
            counters,
        }
    }

    /// Waits until the cluster may be asked once more.
    ///
    /// # Cancel safety
    ///
    /// Safe: whoever goes away leaves the line.
    pub(super) async fn turn(&self) -> Result<(), SourceError> {
        if let Ok(_turn) = self.turn.try_acquire()
            && self.limiter.check().is_ok()
        {
            return Ok(());
        }
        let Ok(_place) = self.waiting.try_acquire() else { return Err(self.refusal()) };
        self.counters.paced.one();
        timeout(MAX_WAIT, self.in_line()).await.map_err(|_| self.refusal())
    }

    async fn in_line(&self) {
        // It is never closed, so there is no error to tell of.
        let _turn = self.turn.acquire().await;
        while let Err(early) = self.limiter.check() {
            sleep(early.wait_time_from(self.clock.now())).await;
        }
    }

    fn refusal(&self) -> SourceError {
        self.counters.refused.one();
        let message = format!("too many requests need to ask the cluster: it is asked {}", self.rate);
        SourceError::from_status(429, message, Some(ASK_AGAIN))
    }
}
