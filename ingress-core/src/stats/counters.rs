//! The atomics behind the numbers.

use std::borrow::Cow;
use std::future::Future;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tracing::{Instrument as _, Span};

use super::{CallOutcome, ChangeCounts, ClusterStats, KindStats, RouteStats, Verb};
use crate::endpoint::{Probe, no_answer};
use crate::error::{ErrorKind, SourceError};
use crate::kind::Resource;
use crate::question;
use crate::resilience::breaker::BreakerState;
use crate::source::ClusterInfo;
use crate::store::Change;

/// Counts up. No count depends on another one, so no order between them is asked for.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What judging routes costs.
#[derive(Debug, Default)]
pub(crate) struct RouteCounters {
    rounds: Count,
    judged: Count,
    nanoseconds: Count,
}

impl RouteCounters {
    /// Some objects are about to be judged.
    pub(crate) fn round(&self) {
        self.rounds.one();
    }

    /// So many of them were, and it took so long.
    pub(crate) fn judged(&self, objects: usize, time: Duration) {
        self.judged.add(objects as u64);
        self.nanoseconds.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn read(&self) -> RouteStats {
        let took = Duration::from_nanos(self.nanoseconds.get());
        RouteStats { rounds: self.rounds.get(), judged: self.judged.get(), took }
    }
}

/// One count for each kind of error.
#[derive(Debug, Default)]
struct ByError([Count; ErrorKind::ALL.len()]);

impl ByError {
    fn one(&self, kind: ErrorKind) {
        if let Some(count) = self.0.get(kind as usize) {
            count.one();
        }
    }

    /// What happened at all.
    fn read(&self) -> impl Iterator<Item = (ErrorKind, u64)> {
        ErrorKind::ALL.into_iter().zip(&self.0).map(|(kind, count)| (kind, count.get())).filter(|it| it.1 > 0)
    }
}

/// How questions of one sort ended.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    ok: Count,
    failed: ByError,
    canceled: Count,
}

/// Counts a question as cancelled when its future is dropped before the answer.
struct Asked<'a> {
    unanswered: Option<&'a Outcomes>,
    span: Span,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(outcomes) = self.unanswered {
            outcomes.canceled.one();
            question::ended::<()>(&self.span, None);
        }
    }
}

impl Outcomes {
    /// Waits for an answer, no longer than this, and counts how the question ended; its span ends with it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question, and counts it so.
    pub(crate) async fn ask<T>(
        &self,
        within: Duration,
        span: Span,
        question: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let mut asked = Asked { unanswered: Some(self), span: span.clone() };
        let answer =
            timeout(within, question.instrument(span)).await.unwrap_or_else(|_| Err(no_answer(within)));
        asked.unanswered = None;
        question::ended(&asked.span, Some(&answer));
        match &answer {
            Ok(_) => self.ok.one(),
            Err(error) => self.failed.one(error.kind()),
        }
        answer
    }

    fn read(&self) -> impl Iterator<Item = (CallOutcome, u64)> {
        let failed = self.failed.read().map(|(kind, count)| (CallOutcome::Failed(kind), count));
        let canceled = (CallOutcome::Canceled, self.canceled.get());
        [(CallOutcome::Ok, self.ok.get())]
            .into_iter()
            .chain(failed)
            .chain(Some(canceled).filter(|(_, count)| *count > 0))
    }
}

/// What is counted of one kind in one cluster. Its lanes share it, so that it outlives each of them.
#[derive(Debug, Default)]
pub(crate) struct KindCounters {
    kind: Cow<'static, str>,
    objects: AtomicU64,
    relists: Count,
    malformed: Count,
    failures: ByError,
    pub(crate) list: Outcomes,
    pub(crate) watch: Outcomes,
    pub(crate) get: Outcomes,
}

impl KindCounters {
    /// There were so many objects, and now there are so many: of any part of them.
    pub(crate) fn objects(&self, before: usize, after: usize) {
        // Wrapping, as the atomic's own addition does: less is more of the complement.
        self.objects.fetch_add((after as u64).wrapping_sub(before as u64), Ordering::Relaxed);
    }

    pub(crate) fn relist(&self) {
        self.relists.one();
    }

    /// A lane's attempt or watch failed.
    pub(crate) fn failed(&self, error: &SourceError) {
        self.failures.one(error.kind());
        if error.kind() == ErrorKind::Malformed {
            self.malformed.one();
        }
    }

    fn read(&self) -> KindStats {
        let verbs = [(Verb::List, &self.list), (Verb::Watch, &self.watch), (Verb::Get, &self.get)];
        let calls = verbs
            .into_iter()
            .flat_map(|(verb, outcomes)| outcomes.read().map(move |(outcome, count)| (verb, outcome, count)));
        KindStats {
            kind: self.kind.clone(),
            objects: self.objects.load(Ordering::Relaxed),
            relists: self.relists.get(),
            malformed: self.malformed.get(),
            failures: self.failures.read().collect(),
            calls: calls.collect(),
        }
    }
}

/// What is counted of one cluster.
#[derive(Debug, Default)]
pub(crate) struct EndpointCounters {
    pub(crate) probes: Outcomes,
    pub(crate) token_reviews: Outcomes,
    pub(crate) access_reviews: Outcomes,
    pub(crate) retries: Count,
    pub(crate) refused: Count,
    /// The breaker's state, so that reading it takes no lock that lanes take.
    breaker: AtomicU8,
    entered: [Count; BREAKER_STATES.len()],
    /// Locked when a hub starts and by whoever reads; lanes hold what they count in.
    kinds: Mutex<Vec<Arc<KindCounters>>>,
}

/// In the order of their declaration; the first is how a breaker begins.
const BREAKER_STATES: [BreakerState; 3] = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];

impl EndpointCounters {
    /// The counters of a kind. Kinds of several API groups that share a name share them, too.
    pub(crate) fn kind(&self, resource: &Resource) -> Arc<KindCounters> {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kinds.iter().find(|known| known.kind == resource.kind) {
            return known.clone();
        }
        let new = Arc::new(KindCounters { kind: resource.kind.clone(), ..KindCounters::default() });
        kinds.push(new.clone());
        new
    }

    /// The breaker entered a state.
    pub(crate) fn entered(&self, state: BreakerState) {
        if let Some(count) = self.entered.get(state as usize) {
            count.one();
        }
        self.breaker.store(state as u8, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, info: ClusterInfo, probe: Option<Probe>) -> ClusterStats {
        let kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = usize::from(self.breaker.load(Ordering::Relaxed));
        let mut breaker_entered = BREAKER_STATES.map(|state| (state, 0));
        for ((_, total), count) in breaker_entered.iter_mut().zip(&self.entered) {
            *total = count.get();
        }
        ClusterStats {
            info,
            breaker: BREAKER_STATES.get(state).copied().unwrap_or(BreakerState::Closed),
            breaker_entered,
            breaker_refused: self.refused.get(),
            retries: self.retries.get(),
            probe,
            probes: self.probes.read().collect(),
            token_reviews: self.token_reviews.read().collect(),
            access_reviews: self.access_reviews.read().collect(),
            kinds: kinds.iter().map(|kind| kind.read()).collect(),
        }
    }
}

/// What is counted of one store.
#[derive(Debug, Default)]
pub(crate) struct ChangeCounters {
    added: Count,
    modified: Count,
    deleted: Count,
    lanes: Count,
    lanes_removed: Count,
}

impl ChangeCounters {
    pub(crate) fn count<K>(&self, changes: &[Change<K>]) {
        let mut counts = ChangeCounts::default();
        for change in changes {
            *match change {
                Change::Added(..) => &mut counts.added,
                Change::Modified { .. } => &mut counts.modified,
                Change::Deleted(..) => &mut counts.deleted,
                Change::Lane(_) => &mut counts.lanes,
                Change::LaneRemoved(_) => &mut counts.lanes_removed,
            } += 1;
        }
        self.added.add(counts.added);
        self.modified.add(counts.modified);
        self.deleted.add(counts.deleted);
        self.lanes.add(counts.lanes);
        self.lanes_removed.add(counts.lanes_removed);
    }

    pub(crate) fn read(&self) -> ChangeCounts {
        ChangeCounts {
            added: self.added.get(),
            modified: self.modified.get(),
            deleted: self.deleted.get(),
            lanes: self.lanes.get(),
            lanes_removed: self.lanes_removed.get(),
        }
    }
}

#[cfg(test)]
mod tests;
