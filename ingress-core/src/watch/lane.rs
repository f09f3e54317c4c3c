//! One lane: the state machine that keeps one scope of one kind of one cluster current, for ever.
//!
//! ```text
//!            ┌──────────── source answers ───────────┐
//!  Connect ──┤ without a resume point                 ▼
//!     ▲      └─► Initial ── state complete ────────► Live ──┐
//!     │             │ fails                    fails │      │ ends: resume at once
//!     │             ▼                                ▼      │
//!     └────────── Wait ◄─────────────────────────────┘ ◄────┘
//! ```
//!
//! What was read of the current state is handed over in one piece when it is complete, and the aggregator makes only the
//! real differences visible; so a relist never flickers, and one that breaks half way leaves nothing behind. A lane that
//! lost its watch resumes from the last revision it saw, deletions included; only when that has expired does it list
//! again. Backoff is forgotten in proportion to how long the lane was live, never on a mere connect: it waits no longer than
//! things went well before. Every wait has a deadline: a peer that goes silent is noticed by [`LanePolicy::silence`], and
//! sooner when the endpoint's prober finds nobody there: the lane then stops calling itself live, and resumes its watch once
//! the outage is over. A connection that died alone, without a word, looks like a watch that has nothing to say: so a lane
//! that hears nothing for [`LanePolicy::doubt`] asks over another one whether there was something to hear.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tracing::Span;

use crate::classify::Class;
use crate::clock::{wall_after, wall_now};
use crate::endpoint::{Endpoint, Outlook};
use crate::error::{ErrorKind, SourceError};
use crate::key::Revision;
use crate::kind::Kind;
use crate::question::Question;
use crate::resilience::backoff::BackoffPolicy;
use crate::source::{ResourceSource, WatchEvent, WatchRequest, WatchStream};
use crate::stats::{KindCounters, Outcomes};
use crate::status::{Gauges, LaneId, LaneState, LaneStatus};
use crate::watch::doubt::{answer, missed};

/// How a lane behaves in trouble.
#[derive(Debug, Clone)]
pub(crate) struct LanePolicy {
    /// Pauses between attempts.
    pub(crate) backoff: BackoffPolicy,
    /// Pauses after a refusal.
    pub(crate) denied: BackoffPolicy,
    /// How long the source may take to begin its answer.
    pub(crate) answer_within: Duration,
    /// How long a watch may say nothing before it counts as dead. The API server sends a bookmark about once a minute.
    pub(crate) silence: Duration,
    /// How long a watch may say nothing before its lane asks elsewhere whether there was something to say.
    pub(crate) doubt: Duration,
    /// How long a lane must be live before its failures are forgotten whatever their number.
    pub(crate) stable_after: Duration,
    /// How long a watch that ended in order may take to be resumed before the lane stops calling itself live.
    pub(crate) grace: Duration,
    /// How many objects one lane may feed.
    pub(crate) max_objects: usize,
    /// How many lanes one kind may have.
    pub(crate) max_lanes: usize,
}

impl Default for LanePolicy {
    fn default() -> Self {
        Self {
            backoff: BackoffPolicy::lanes(),
            denied: BackoffPolicy::denied(),
            answer_within: Duration::from_secs(15),
            silence: Duration::from_secs(90),
            doubt: Duration::from_secs(20),
            stable_after: Duration::from_secs(30),
            grace: Duration::from_secs(1),
            max_objects: 500_000,
            max_lanes: 2_000,
        }
    }
}

impl LanePolicy {
    /// How long a watch may say nothing before something is done about it.
    fn patience(&self) -> Duration {
        self.doubt.min(self.silence)
    }
}

/// What a lane tells the aggregator. Data and status of one message become visible together.
#[derive(Debug)]
pub(crate) struct LaneMessage<K> {
    pub(crate) lane: LaneId,
    /// Which start of this lane it is from: what an ended lane still had on its way is dropped.
    pub(crate) run: u64,
    /// The complete state of the lane's scope, to replace what is known of it.
    pub(crate) state: Option<Vec<K>>,
    /// Changes after that.
    pub(crate) changes: Vec<WatchEvent<K>>,
    pub(crate) status: Option<LaneStatus>,
}

pub(crate) struct Lane<K> {
    pub(crate) status: LaneStatus,
    pub(crate) run: u64,
    pub(crate) source: Arc<dyn ResourceSource<K>>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) counters: Arc<KindCounters>,
    pub(crate) policy: Arc<LanePolicy>,
    pub(crate) out: mpsc::Sender<LaneMessage<K>>,
}

enum State<K> {
    Connect,
    Initial { stream: WatchStream<K>, turn: Turn },
    Live { stream: WatchStream<K> },
    Wait { pause: Pause },
}

/// What ends a pause.
enum Pause {
    /// Time alone.
    Until(Duration),
    /// Time, or the end of the endpoint's outage.
    UntilOrRecovery(Duration),
}

/// A lane's turn to read its whole state. It lapses after a while: a source that stalls must not keep the others of its
/// cluster waiting.
struct Turn(Option<(OwnedSemaphorePermit, Instant)>);

const TURN: Duration = Duration::from_secs(5);

/// The longest `Retry-After` that a lane obeys: whoever asks for more is mistaken, and must not silence it for ever.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(600);

/// How long a lane waits at most until it looks again for a kind that isn't installed. Who installs it looks on, unlike whoever grants a
/// permission, and a cluster that has no such kind says so at next to no cost.
const ABSENT: Duration = Duration::from_secs(30);

/// How long a resumed watch must not be refused before a lane that was lost calls itself live again.
const SETTLING: Duration = Duration::from_millis(300);

impl Turn {
    async fn hold<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = std::pin::pin!(future);
        if let Some((_, until)) = &self.0 {
            tokio::select! {
                output = &mut future => return output,
                () = sleep_until(*until) => {}
            }
            self.0 = None;
        }
        future.await
    }
}

/// The aggregator is gone, and so is the reason to go on.
struct Stopped;

type Step<T> = Result<T, Stopped>;

impl<K: Kind> Lane<K> {
    /// Runs until the aggregator is gone.
    pub(crate) async fn run(self) {
        let rng = SmallRng::from_rng(&mut rand::rng());
        let outlook = self.endpoint.outlook();
        let mut runner = Runner {
            lane: self,
            rng,
            resume: None,
            live_since: None,
            refusals: 0,
            silences: 0,
            expired: false,
            outlook,
            recoveries: 0,
        };
        let mut state = State::Connect;
        loop {
            let step = match state {
                State::Connect => runner.connect().await,
                State::Initial { stream, turn } => runner.initial(stream, turn).await,
                State::Live { stream } => runner.live(stream).await,
                State::Wait { pause } => runner.wait(pause).await,
            };
            match step {
                Ok(next) => state = next,
                Err(Stopped) => return,
            }
        }
    }
}

struct Runner<K> {
    lane: Lane<K>,
    rng: SmallRng,
    resume: Option<Revision>,
    live_since: Option<Instant>,
    /// Refusals in a row.
    refusals: u32,
    /// Watches in a row that said nothing for as long as they may.
    silences: u32,
    /// Whether the last failure was an expired revision.
    expired: bool,
    outlook: watch::Receiver<Outlook>,
    /// How many outages of the endpoint had ended when the last attempt began.
    recoveries: u64,
}

impl<K: Kind> Runner<K> {
    async fn connect(&mut self) -> Step<State<K>> {
        self.recoveries = self.outlook.borrow().recoveries;
        let scope = self.lane.status.id.scope.clone();
        let Some(revision) = self.resume.clone() else {
            // Closed only together with the endpoint, which this lane holds: then there is simply no turn to wait for.
            let permit = self.lane.endpoint.syncs().acquire_owned().await.ok();
            let mut turn = Turn(permit.map(|permit| (permit, Instant::now() + TURN)));
            let Lane { source, policy, status, counters, .. } = &self.lane;
            let request = WatchRequest::new(scope);
            let span = Question::new(&status.id.cluster, "list", &status.kind)
                .within(&status.id.scope)
                .relist(status.last_sync.is_some())
                .span();
            let asked = ask(&**source, request, policy.answer_within, span, &counters.list, &status.gauges);
            return match turn.hold(asked).await {
                Ok(stream) => {
                    self.enter(LaneState::Syncing).await?;
                    Ok(State::Initial { stream, turn })
                }
                Err(error) => self.fail(error).await,
            };
        };
        let source = self.lane.source.clone();
        let within = self.lane.policy.answer_within;
        let gauges = self.lane.status.gauges.clone();
        let counters = self.lane.counters.clone();
        let request = WatchRequest::resuming(scope, revision);
        let status = &self.lane.status;
        let span = Question::new(&status.id.cluster, "watch", &status.kind).within(&status.id.scope).span();
        let mut asked = std::pin::pin!(ask(&*source, request, within, span, &counters.watch, &gauges));
        let answer = tokio::select! {
            answer = &mut asked => answer,
            () = sleep(self.lane.policy.grace), if self.lane.status.is_live() => {
                self.enter(LaneState::Reconnecting).await?;
                asked.await
            }
        };
        match answer {
            Ok(stream) => Ok(State::Live { stream }),
            Err(error) => self.fail(error).await,
        }
    }

    async fn initial(&mut self, mut stream: WatchStream<K>, mut turn: Turn) -> Step<State<K>> {
        let mut listed = Vec::new();
        loop {
            let deadline = Instant::now() + self.lane.policy.silence;
            let batch = match turn.hold(next(&mut stream, deadline, &self.lane)).await {
                Ok(Some(batch)) => batch,
                Ok(None) => {
                    let message = "the watch ended before the current state was complete";
                    return self.fail(SourceError::new(ErrorKind::Disconnected, message)).await;
                }
                Err(error) => return self.fail(error).await,
            };
            let mut events = batch.into_iter();
            while let Some(event) = events.next() {
                match event {
                    WatchEvent::Listed(object) => listed.push(object),
                    WatchEvent::Synced(revision) => {
                        drop(turn);
                        return self.synced(stream, listed, revision, events.collect()).await;
                    }
                    _ => {
                        return self
                            .fail(out_of_order("a change before the current state was complete"))
                            .await;
                    }
                }
            }
            if listed.len() > self.lane.policy.max_objects {
                let bound = self.lane.policy.max_objects;
                let message = format!("more than {bound} objects, the bound of one lane");
                return self.fail(SourceError::new(ErrorKind::Malformed, message)).await;
            }
        }
    }

    async fn synced(
        &mut self,
        stream: WatchStream<K>,
        listed: Vec<K>,
        revision: Revision,
        more: Vec<WatchEvent<K>>,
    ) -> Step<State<K>> {
        self.resume = Some(revision);
        if self.lane.status.last_sync.is_some() {
            self.lane.status.relists += 1;
            self.lane.counters.relist();
        }
        self.become_live();
        let result = self.follow(&more);
        self.send(Some(listed), more, true).await?;
        match result {
            Ok(()) => Ok(State::Live { stream }),
            Err(error) => self.fail(error).await,
        }
    }

    async fn live(&mut self, mut stream: WatchStream<K>) -> Step<State<K>> {
        let begun = Instant::now();
        let mut heard = false;
        let mut last_heard = begun;
        let mut quiet = std::pin::pin!(sleep_until(begun + self.lane.policy.patience()));
        let mut doubt: Option<BoxFuture<'static, bool>> = None;
        // The API server accepts every resume point, and says in the stream that one has expired. So a lane that was lost
        // believes in its watch when an event comes, or nothing against it for a moment.
        let mut settled = (!self.lane.status.is_live()).then(|| begun + SETTLING);
        loop {
            let next = tokio::select! {
                next = stream.next() => next,
                () = &mut quiet => {
                    let (now, policy) = (Instant::now(), &self.lane.policy);
                    let silent = now - last_heard;
                    if silent >= policy.silence {
                        // An API server whose history was set back accepts a resume point that is yet to come, and says
                        // nothing until then. So the second silent watch in a row is the last one from there.
                        self.silences = if heard { 1 } else { self.silences.saturating_add(1) };
                        if self.silences > 1 {
                            self.resume = None;
                        }
                        return self.fail(silence(policy)).await;
                    }
                    if silent >= policy.doubt && doubt.is_none() && self.lane.status.is_live() {
                        doubt = self.doubt();
                    }
                    // One timer that is set anew when it fires costs a busy watch nothing.
                    let again = if silent < policy.doubt { last_heard } else { now } + policy.patience();
                    quiet.as_mut().reset(again.min(last_heard + policy.silence));
                    continue;
                }
                missed = answer(&mut doubt) => {
                    doubt = None;
                    if missed {
                        let message = "the watch said nothing of what happened: its connection is dead";
                        return self.fail(SourceError::new(ErrorKind::Disconnected, message)).await;
                    }
                    continue;
                }
                () = sleep_until(settled.unwrap_or(begun)), if settled.is_some() => {
                    settled = None;
                    self.become_live();
                    self.send(None, Vec::new(), true).await?;
                    continue;
                }
                told = turned(&mut self.outlook, self.recoveries, self.lane.status.is_live()) => match told {
                    Some(error) => {
                        self.lane.status.error = Some(error);
                        self.enter(LaneState::Reconnecting).await?;
                        continue;
                    }
                    // Whether this connection survived the outage is more than anybody knows.
                    None => return Ok(State::Connect),
                },
            };
            match next {
                Some(Ok(mut batch)) => {
                    heard = true;
                    last_heard = Instant::now();
                    doubt = None;
                    self.lane.status.gauges.contact();
                    let back = !self.lane.status.is_live();
                    if back {
                        settled = None;
                        self.become_live();
                    }
                    if let Err(error) = self.follow(&batch) {
                        return self.fail(error).await;
                    }
                    batch.retain(|event| !matches!(event, WatchEvent::Bookmark(_)));
                    if back || !batch.is_empty() {
                        self.send(None, batch, back).await?;
                    }
                }
                // The API server ends every watch after a while; one that ends at once, again and again, is in trouble.
                None if heard || begun.elapsed() > self.lane.policy.grace => return Ok(State::Connect),
                None => {
                    let message = "the watch ended as soon as it had begun";
                    return self.fail(SourceError::new(ErrorKind::Disconnected, message)).await;
                }
                Some(Err(error)) => return self.fail(error).await,
            }
        }
    }

    /// Asks, over another connection, whether there is something that the watch did not say.
    fn doubt(&self) -> Option<BoxFuture<'static, bool>> {
        let request = WatchRequest::resuming(self.lane.status.id.scope.clone(), self.resume.clone()?);
        let (source, endpoint) = (self.lane.source.clone(), self.lane.endpoint.clone());
        let (counters, within) = (self.lane.counters.clone(), self.lane.policy.answer_within);
        Some(Box::pin(async move {
            missed(&*source, &endpoint, request, within, &counters.watch).await.is_some()
        }))
    }

    /// Keeps the resume point: the revision of the last event.
    fn follow(&mut self, batch: &[WatchEvent<K>]) -> Result<(), SourceError> {
        if batch.iter().any(|event| matches!(event, WatchEvent::Listed(_) | WatchEvent::Synced(_))) {
            return Err(out_of_order("a list after the current state was complete"));
        }
        match batch.last() {
            Some(WatchEvent::Applied(object)) => self.resume = Some(Revision::new(object.resource_version())),
            Some(WatchEvent::Deleted(gone)) => self.resume = Some(gone.revision.clone()),
            Some(WatchEvent::Bookmark(revision)) => self.resume = Some(revision.clone()),
            Some(WatchEvent::Listed(_) | WatchEvent::Synced(_)) | None => {}
        }
        Ok(())
    }

    async fn fail(&mut self, error: SourceError) -> Step<State<K>> {
        self.lane.endpoint.observe(Err(&error));
        self.lane.counters.failed(&error);
        if let Some(since) = self.live_since.take() {
            let (policy, well) = (&self.lane.policy, since.elapsed());
            let failures = self.lane.status.failures;
            self.lane.status.failures =
                if well >= policy.stable_after { 0 } else { policy.backoff.remembered(failures, well) };
        }
        self.lane.status.failures = self.lane.status.failures.saturating_add(1);
        if error.kind() == ErrorKind::Malformed {
            self.lane.status.malformed += 1;
        }
        let failures = self.lane.status.failures;
        let backoff = self.lane.policy.backoff.wait(failures, &mut self.rng);
        // An API server that is starting refuses, until it has read who may do what, much that it will allow; and it is not
        // ready before that. What it says until then is not believed.
        let believed = error.class() != Class::Permanent || self.outlook.borrow().outage.is_none();
        let class =
            if believed { error.class() } else { Class::Transient { throttled: false, retry_after: None } };
        self.refusals = if class == Class::Permanent { self.refusals.saturating_add(1) } else { 0 };
        let expired_again = std::mem::replace(&mut self.expired, class == Class::Expired) && failures > 1;
        let pause = match class {
            // What was refused may be allowed by a server that has started anew.
            Class::Permanent => {
                let mut denied = self.lane.policy.denied;
                if error.kind() == ErrorKind::NotFound {
                    denied = denied.at_most(ABSENT);
                }
                Pause::UntilOrRecovery(denied.wait(self.refusals, &mut self.rng))
            }
            // An API server that was restarted knows no history: what was lost with it is read anew at once, also after
            // many failed attempts. Only revisions that expire one after the other are trouble.
            Class::Expired if !expired_again => Pause::Until(Duration::ZERO),
            Class::Expired | Class::Malformed => Pause::Until(backoff),
            Class::Transient { retry_after, .. } => match (retry_after, error.kind()) {
                (Some(asked), _) => Pause::Until(asked.min(LONGEST_RETRY_AFTER).max(backoff)),
                (None, ErrorKind::TooManyRequests) => Pause::Until(backoff),
                (None, _) => Pause::UntilOrRecovery(backoff),
            },
        };
        // Whoever was refused doesn't know what happened meanwhile under another lane's watch; and what was expired or
        // made no sense can't be resumed. A kind that was gone comes back without its objects, and may tell nobody of their end.
        if matches!(class, Class::Expired | Class::Malformed)
            || matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::NotFound)
        {
            self.resume = None;
        }
        self.report(&error, &pause);
        self.lane.status.error = Some(error);
        let state = match class {
            Class::Permanent => LaneState::Denied,
            _ if self.lane.status.last_sync.is_some() => LaneState::Reconnecting,
            _ => LaneState::Connecting,
        };
        let (Pause::Until(wait) | Pause::UntilOrRecovery(wait)) = &pause;
        self.lane.status.retry_at = Some(wall_after(*wait));
        self.enter(state).await?;
        Ok(State::Wait { pause })
    }

    fn report(&self, error: &SourceError, pause: &Pause) {
        let (Pause::Until(wait) | Pause::UntilOrRecovery(wait)) = pause;
        let lane = &self.lane.status.id;
        let kind = error.kind().as_str();
        // The first failure of a row is news; the rest of the row is not.
        if self.lane.status.failures == 1 {
            tracing::warn!(%lane, kind, %error, retry_in = ?wait, "lane lost");
        } else {
            tracing::debug!(%lane, kind, %error, failures = self.lane.status.failures, retry_in = ?wait, "lane");
        }
    }

    async fn wait(&mut self, pause: Pause) -> Step<State<K>> {
        match pause {
            Pause::Until(wait) => sleep(wait).await,
            Pause::UntilOrRecovery(wait) => {
                tokio::select! {
                    () = sleep(wait) => {}
                    // Also one that ended while the attempt was still hanging.
                    None = turned(&mut self.outlook, self.recoveries, false) => {
                        // All lanes of the cluster wake up together; spread them.
                        let spread = self.rng.random_range(0..500);
                        sleep(Duration::from_millis(spread)).await;
                    }
                }
            }
        }
        self.lane.status.retry_at = None;
        Ok(State::Connect)
    }

    fn become_live(&mut self) {
        self.lane.endpoint.observe(Ok(()));
        self.refusals = 0;
        let now = wall_now();
        let status = &mut self.lane.status;
        status.state = LaneState::Live;
        status.since = now;
        status.last_sync = Some(now);
        status.stale_since = None;
        status.retry_at = None;
        status.error = None;
        self.live_since = Some(Instant::now());
        tracing::debug!(lane = %self.lane.status.id, "lane live");
    }

    /// Enters a state other than live, and tells.
    async fn enter(&mut self, state: LaneState) -> Step<()> {
        let now = wall_now();
        let status = &mut self.lane.status;
        if status.state != state {
            status.state = state;
            status.since = now;
        }
        if status.last_sync.is_some() && status.stale_since.is_none() {
            status.stale_since = Some(now);
        }
        self.send(None, Vec::new(), true).await
    }

    async fn send(&mut self, state: Option<Vec<K>>, changes: Vec<WatchEvent<K>>, status: bool) -> Step<()> {
        let message = LaneMessage {
            lane: self.lane.status.id.clone(),
            run: self.lane.run,
            state,
            changes,
            status: status.then(|| self.lane.status.clone()),
        };
        self.lane.out.send(message).await.map_err(|_| Stopped)
    }
}

async fn next<K: Kind>(
    stream: &mut WatchStream<K>,
    deadline: Instant,
    lane: &Lane<K>,
) -> Result<Option<Vec<WatchEvent<K>>>, SourceError> {
    match timeout_at(deadline, stream.next()).await {
        Ok(Some(Ok(batch))) => {
            lane.status.gauges.contact();
            Ok(Some(batch))
        }
        Ok(Some(Err(error))) => Err(error),
        Ok(None) => Ok(None),
        Err(_) => Err(silence(&lane.policy)),
    }
}

fn silence(policy: &LanePolicy) -> SourceError {
    let message = format!("the watch was silent for {} s", policy.silence.as_secs());
    SourceError::new(ErrorKind::Timeout, message)
}

/// Resolves when the endpoint's outlook concerns a lane that believes its watch to be up: with the error when an outage
/// begins (once: while it is live), with `None` when one has ended since its attempt began.
async fn turned(outlook: &mut watch::Receiver<Outlook>, recoveries: u64, live: bool) -> Option<SourceError> {
    let concerns = |now: &Outlook| now.recoveries > recoveries || (live && now.outage.is_some());
    let told = outlook
        .wait_for(concerns)
        .await
        .map(|now| if now.recoveries > recoveries { None } else { now.outage.clone() });
    match told {
        Ok(told) => told,
        // The lane holds the endpoint, so it never ends first.
        Err(_) => std::future::pending().await,
    }
}

async fn ask<K: Kind>(
    source: &dyn ResourceSource<K>,
    request: WatchRequest,
    within: Duration,
    span: Span,
    outcomes: &Outcomes,
    gauges: &Gauges,
) -> Result<WatchStream<K>, SourceError> {
    let stream = outcomes.ask(within, span, source.watch(request)).await?;
    gauges.contact();
    Ok(stream)
}

fn out_of_order(what: &str) -> SourceError {
    SourceError::new(ErrorKind::Malformed, format!("the source broke its contract: {what}"))
}

#[cfg(test)]
mod tests;
