//! One cluster's endpoint, as all its lanes and calls share it: is it there, how fast, and may it be asked.
//!
//! A prober asks for a sign of life every [`ProbePolicy::up`], and every [`ProbePolicy::down`] while there is none. So an
//! outage costs the API server one small request a second, whatever the number of lanes, and all lanes know within a second
//! that it is over: those that wait for nothing else reconnect then, spread by jitter, instead of each finding out alone.
//! Lanes also learn from it that an outage began: a network that swallows everything breaks no connection, and a watch on
//! it would look quiet for as long as a watch may be quiet.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep};
use tracing::Span;

use crate::classify::Class;
use crate::clock::{Timestamp, wall_now};
use crate::error::{ErrorKind, SourceError};
use crate::question::Question;
use crate::resilience::breaker::{Breaker, BreakerPolicy, BreakerState, Outcome, Permit, Transition};
use crate::resilience::retry::RetryPolicy;
use crate::source::{CALL_TIMEOUT, Cluster, ClusterInfo};
use crate::stats::{ClusterStats, EndpointCounters, Outcomes};

/// How many lanes of one cluster read their whole state at the same time.
const CONCURRENT_SYNCS: usize = 16;

/// One sign of life, or its absence.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Probe {
    /// When the answer came.
    pub at: Timestamp,
    /// How long it took.
    pub latency: Duration,
    /// Whether it was one. A cluster that refuses the credentials is an error here.
    pub result: Result<(), SourceError>,
}

/// What the prober makes of its answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outlook {
    /// Set while there is no sign of life: why not.
    pub(crate) outage: Option<SourceError>,
    /// Counts the outages that ended.
    pub(crate) recoveries: u64,
}

/// How often a cluster is asked for a sign of life.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProbePolicy {
    up: Duration,
    down: Duration,
    answer_within: Duration,
}

impl Default for ProbePolicy {
    fn default() -> Self {
        Self {
            up: Duration::from_secs(10),
            down: Duration::from_secs(1),
            answer_within: Duration::from_secs(3),
        }
    }
}

pub(crate) struct Endpoint {
    cluster: Arc<dyn Cluster>,
    info: ClusterInfo,
    breaker: Mutex<Breaker>,
    probe: watch::Sender<Option<Probe>>,
    outlook: watch::Sender<Outlook>,
    suspicion: Notify,
    syncs: Arc<Semaphore>,
    doubts: Arc<Semaphore>,
    retry: RetryPolicy,
    counters: EndpointCounters,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("info", &self.info).finish_non_exhaustive()
    }
}

/// Gives a permit back as abandoned when the call's future is dropped half way.
struct Attempt<'a> {
    endpoint: &'a Endpoint,
    permit: Option<Permit>,
}

impl Attempt<'_> {
    fn finish(mut self, outcome: Outcome) {
        if let Some(permit) = self.permit.take() {
            self.endpoint.record(permit, outcome);
        }
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.endpoint.record(permit, Outcome::Abandoned);
        }
    }
}

impl Endpoint {
    pub(crate) fn new(cluster: Arc<dyn Cluster>, breaker: BreakerPolicy, retry: RetryPolicy) -> Arc<Self> {
        Arc::new(Self {
            info: cluster.info(),
            cluster,
            breaker: Mutex::new(Breaker::new(breaker)),
            probe: watch::Sender::new(None),
            outlook: watch::Sender::default(),
            suspicion: Notify::new(),
            syncs: Arc::new(Semaphore::new(CONCURRENT_SYNCS)),
            doubts: Arc::new(Semaphore::new(1)),
            retry,
            counters: EndpointCounters::default(),
        })
    }

    pub(crate) fn info(&self) -> &ClusterInfo {
        &self.info
    }

    /// Where what happens at this endpoint is counted.
    pub(crate) fn counters(&self) -> &EndpointCounters {
        &self.counters
    }

    pub(crate) fn stats(&self) -> ClusterStats {
        self.counters.read(self.info.clone(), self.last_probe())
    }

    pub(crate) fn last_probe(&self) -> Option<Probe> {
        self.probe.borrow().clone()
    }

    pub(crate) fn breaker_state(&self) -> BreakerState {
        self.with_breaker(|breaker| (breaker.state(), None))
    }

    pub(crate) fn syncs(&self) -> Arc<Semaphore> {
        self.syncs.clone()
    }

    /// Turns to ask whether a quiet watch missed something.
    pub(crate) fn doubts(&self) -> Arc<Semaphore> {
        self.doubts.clone()
    }

    /// Fires whenever an outage begins or ends.
    pub(crate) fn outlook(&self) -> watch::Receiver<Outlook> {
        self.outlook.subscribe()
    }

    /// Takes note of how a lane's attempt went.
    pub(crate) fn observe(&self, result: Result<(), &SourceError>) {
        self.with_breaker(|breaker| ((), breaker.observe(outcome_of(result), Instant::now())));
        if let Err(error) = result
            && matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Disconnected)
        {
            self.suspicion.notify_one();
        }
    }

    /// Makes a call that somebody waits for: behind the breaker, within [`CALL_TIMEOUT`], tried again as the policy says;
    /// each attempt is counted, and has a span.
    pub(crate) async fn call<T, F>(
        &self,
        question: Question<'_>,
        outcomes: &Outcomes,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, SourceError>
    where
        F: Future<Output = Result<T, SourceError>>,
    {
        let mut attempt = 1;
        loop {
            let permit = self
                .with_breaker(|breaker| breaker.acquire(Instant::now()))
                .map_err(|wait| self.breaker_open(wait))?;
            if attempt > 1 {
                self.counters.retries.one();
            }
            let guard = Attempt { endpoint: self, permit: Some(permit) };
            let result = outcomes.ask(CALL_TIMEOUT, question.resent(attempt - 1).span(), ask()).await;
            guard.finish(outcome_of(result.as_ref().map(|_| ())));
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let Some(wait) = self.retry.next(attempt, error.class(), &mut rand::rng()) else {
                return Err(error);
            };
            sleep(wait).await;
            attempt += 1;
        }
    }

    /// Probes for ever.
    pub(crate) async fn run_prober(self: Arc<Self>, policy: ProbePolicy) {
        let mut down = false;
        let mut judge = Judge::default();
        loop {
            let asked = Instant::now();
            // One every second would be all that a trace shows of an outage; what it begins and ends is logged.
            let result =
                self.counters.probes.ask(policy.answer_within, Span::none(), self.cluster.probe()).await;
            let (result, failure) = judge.judge(result, down);
            let failed = failure.is_some();
            self.probe.send_replace(Some(Probe { at: wall_now(), latency: asked.elapsed(), result }));
            if !failed {
                self.with_breaker(|breaker| ((), breaker.observe(Outcome::Success, Instant::now())));
            }
            match failure {
                Some(error) if !down => self.outage_began(error),
                None if down => self.outage_ended(),
                _ => {}
            }
            down = failed;
            let interval = if down { policy.down } else { policy.up };
            let pause = sleep(interval.mul_f64(rand::rng().random_range(0.8..1.2)));
            if down {
                pause.await;
            } else {
                tokio::select! {
                    () = pause => {}
                    () = self.suspicion.notified() => {}
                }
            }
        }
    }

    pub(crate) fn outage_began(&self, error: SourceError) {
        tracing::warn!(cluster = %self.info.id, kind = error.kind().as_str(), %error, "no sign of life");
        self.outlook.send_modify(|outlook| outlook.outage = Some(error));
    }

    pub(crate) fn outage_ended(&self) {
        tracing::info!(cluster = %self.info.id, "the cluster answers again");
        self.outlook.send_modify(|outlook| {
            outlook.outage = None;
            outlook.recoveries += 1;
        });
    }

    fn record(&self, permit: Permit, outcome: Outcome) {
        self.with_breaker(|breaker| ((), breaker.record(permit, outcome, Instant::now())));
    }

    fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker) -> (T, Option<Transition>)) -> T {
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let (value, transition) = act(&mut breaker);
        if let Some(Transition { to, .. }) = transition {
            self.counters.entered(to);
        }
        drop(breaker);
        if let Some(Transition { from, to }) = transition {
            tracing::warn!(cluster = %self.info.id, from = from.as_str(), to = to.as_str(), "circuit breaker");
        }
        value
    }

    fn breaker_open(&self, wait: Duration) -> SourceError {
        self.counters.refused.one();
        let message = format!("cluster {} is failing; not asked again before it recovers", self.info.id);
        SourceError::new(ErrorKind::BreakerOpen, message).with_retry_after(wait)
    }
}

/// How many refusals in a row are believed of a cluster that was down.
const REFUSALS: u32 = 10;

/// Makes of a probe's answer what is shown, and whether it is an outage.
#[derive(Debug, Default)]
struct Judge {
    /// Whether the cluster ever answered that it is ready.
    welcomed: bool,
    refusals: u32,
}

impl Judge {
    /// A cluster may keep its health to itself (403, 404), and is there all the same. But one that has just started refuses,
    /// until it has read who may do what, what it answered before: that is not its recovery yet.
    fn judge(
        &mut self,
        result: Result<(), SourceError>,
        down: bool,
    ) -> (Result<(), SourceError>, Option<SourceError>) {
        let Err(error) = result else {
            *self = Self { welcomed: true, refusals: 0 };
            return (Ok(()), None);
        };
        if error.class() != Class::Permanent {
            self.refusals = 0;
            let failure = error.class().counts_against_endpoint().then(|| error.clone());
            return (Err(error), failure);
        }
        self.refusals = self.refusals.saturating_add(1);
        if down && self.welcomed && self.refusals < REFUSALS {
            return (Err(error.clone()), Some(error));
        }
        match error.kind() {
            ErrorKind::Forbidden | ErrorKind::NotFound => (Ok(()), None),
            _ => (Err(error), None),
        }
    }
}

fn outcome_of(result: Result<(), &SourceError>) -> Outcome {
    match result.map_err(SourceError::class) {
        Err(class) if Class::counts_against_endpoint(class) => Outcome::Failure,
        _ => Outcome::Success,
    }
}

pub(crate) fn no_answer(within: Duration) -> SourceError {
    SourceError::new(ErrorKind::Timeout, format!("no answer within {} s", within.as_secs()))
}

#[cfg(test)]
mod tests;
