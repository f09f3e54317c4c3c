//! What is known of routes, as far as somebody may read what they are judged by.
//!
//! A diagnosis reads many kinds: services, pods, certificates and more. Who may read all of them everywhere is shown the judgements that the engine
//! keeps. For anybody else, routes are judged by what *they* may read ([`PartialRoutes`]), once for all who may read the same.
//! [`View::routes`] is the only way to either, and what they were judged by is only read through [`ShownRoutes::reader`], so that no handler can
//! tell too much.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ingress_core::clock::Timestamp;
use ingress_core::diagnose::{Assessed, Verdict};
use ingress_core::inventory::{self, Inventory, Reader, Refusal};
use ingress_core::kind::{GrpcRoute, HttpRoute};
use ingress_core::route::RouteId;
use ingress_core::route::matcher::Matcher;
use ingress_core::routes::{PartialRoutes, RouteChange, RouteSnapshot, Routes};
use ingress_core::stats::RouteStats;
use ingress_core::{ClusterId, Ingress, Position, SourceError};
use tokio::time::Instant;

use super::reads::{Answers, Reads};
use super::{Guard, Mark, View};
use crate::problem::{Problem, ProblemType};

/// For how many different people, by what they may read, judgements are kept at most.
const PARTS: usize = 64;
/// How long they are kept after somebody asked for them last.
const KEPT: Duration = Duration::from_secs(120);
/// How often it is judged at most to find out what there is to be asked: each time leads a step further, from routes to services to pods.
const ROUNDS: usize = 8;

/// What a process keeps to answer questions about routes.
#[derive(Debug)]
pub(super) struct RouteDesk {
    /// Revisions of routes are counted by each process for itself, so that they say nothing without it.
    epoch: u64,
    matching: Arc<Matching>,
    parts: Mutex<HashMap<Arc<Answers>, Arc<Part>>>,
    tally: Mutex<(RouteSnapshot, Tally)>,
}

impl Default for RouteDesk {
    fn default() -> Self {
        Self {
            epoch: rand::random(),
            matching: Arc::default(),
            parts: Mutex::default(),
            tally: Mutex::default(),
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All routes by host, as they were when somebody last asked.
#[derive(Debug, Default)]
struct Matching(Mutex<Option<(RouteSnapshot, Matcher)>>);

impl Matching {
    /// What finds these routes by request. What differs from the last time is all that it costs.
    fn of(&self, now: &RouteSnapshot) -> Matcher {
        let mut held = locked(&self.0);
        let (known, mut matcher) = held.take().unwrap_or_default();
        for change in now.since(&known) {
            follow(&mut matcher, &change);
        }
        *held = Some((now.without_inventory(), matcher.clone()));
        matcher
    }

    /// Lets go of a state that is over: it would hold every route that was replaced since.
    fn tidy(&self, revision: u64) {
        locked(&self.0).take_if(|(known, _)| known.revision() != revision);
    }
}

fn follow(matcher: &mut Matcher, change: &RouteChange) {
    match change {
        RouteChange::Added(new) => matcher.insert(Arc::new(new.route.clone())),
        // It may only have been judged otherwise.
        RouteChange::Modified { old, new } if old.route == new.route => {}
        RouteChange::Modified { old, new } => {
            matcher.remove(&old.route);
            matcher.insert(Arc::new(new.route.clone()));
        }
        RouteChange::Removed(old) => matcher.remove(&old.route),
        _ => {}
    }
}

/// The routes for those who may read the same.
#[derive(Debug)]
struct Part {
    // Held while it is judged: whoever comes meanwhile waits for the same judgement, and goes on with it when the first one gives up.
    state: tokio::sync::Mutex<PartState>,
    matching: Arc<Matching>,
    used: Mutex<Instant>,
}

#[derive(Debug)]
struct PartState {
    routes: PartialRoutes,
    /// Of the state with so many moves. Nothing but chance, so that it tells of nothing that may not be read, not even by being counted.
    mark: (u64, Mark),
}

fn by_chance() -> Mark {
    Mark::Sealed(rand::random())
}

impl Part {
    fn new(routes: PartialRoutes) -> Self {
        let state = PartState { routes, mark: (0, by_chance()) };
        Self {
            state: tokio::sync::Mutex::new(state),
            matching: Arc::default(),
            used: Mutex::new(Instant::now()),
        }
    }

    /// The routes as somebody sees them in a state, its mark, and what was looked for and may not be read.
    async fn look(&self, now: &RouteSnapshot) -> (RouteSnapshot, Mark, BTreeSet<Refusal>) {
        *locked(&self.used) = Instant::now();
        let mut state = self.state.lock().await;
        let PartState { routes, mark } = &mut *state;
        routes.follow(now).await;
        if mark.0 != routes.moves() {
            *mark = (routes.moves(), by_chance());
        }
        (routes.snapshot(), mark.1, routes.refused().clone())
    }
}

/// How many routes there are, by verdict, and what was found in them, by code.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) verdicts: BTreeMap<&'static str, u64>,
    pub(crate) codes: BTreeMap<&'static str, u64>,
}

impl Tally {
    fn follow(&mut self, change: &RouteChange) {
        let (gone, new) = match change {
            RouteChange::Added(new) => (None, Some(new)),
            RouteChange::Modified { old, new } => (Some(old), Some(new)),
            RouteChange::Removed(old) => (Some(old), None),
            _ => (None, None),
        };
        if let Some(Assessed { diagnosis, .. }) = gone.map(|gone| &**gone) {
            take(&mut self.verdicts, Verdict::as_str(diagnosis.verdict));
            diagnosis.findings.iter().for_each(|finding| take(&mut self.codes, finding.code));
        }
        if let Some(Assessed { diagnosis, .. }) = new.map(|new| &**new) {
            *self.verdicts.entry(Verdict::as_str(diagnosis.verdict)).or_default() += 1;
            diagnosis.findings.iter().for_each(|finding| *self.codes.entry(finding.code).or_default() += 1);
        }
    }
}

fn take(counts: &mut BTreeMap<&'static str, u64>, of: &'static str) {
    if let Some(count) = counts.get_mut(of) {
        *count = count.saturating_sub(1);
    }
}

/// What is counted of routes.
#[derive(Debug)]
pub(crate) struct RouteTotals {
    pub(crate) tally: Tally,
    pub(crate) stats: RouteStats,
    /// For how many different people, by what they may read, judgements are kept.
    pub(crate) parts: usize,
}

impl RouteDesk {
    fn part(&self, answers: &Arc<Answers>, routes: &Routes) -> Arc<Part> {
        let mut parts = locked(&self.parts);
        if let Some(part) = parts.get(answers) {
            return part.clone();
        }
        if parts.len() >= PARTS {
            let oldest = parts.iter().min_by_key(|(_, part)| *locked(&part.used));
            if let Some(oldest) = oldest.map(|(answers, _)| answers.clone()) {
                parts.remove(&oldest);
            }
        }
        let part = Arc::new(Part::new(routes.partial(answers.clone())));
        parts.insert(answers.clone(), part.clone());
        part
    }

    /// Lets go of what nobody asked for lately.
    fn tidy(&self, routes: &Routes) {
        self.matching.tidy(routes.snapshot().revision());
        locked(&self.parts).retain(|_, part| locked(&part.used).elapsed() <= KEPT);
    }
}

impl Guard {
    /// Lets go of what nobody asked for lately.
    pub(crate) fn tidy(&self) {
        if let Some(routes) = self.inner.hub.routes() {
            self.inner.desk.tidy(routes);
        }
    }

    /// What is counted of routes, for whoever may see what tells of everything; `None` where nobody watches them.
    pub(crate) fn route_totals(&self) -> Option<RouteTotals> {
        let (routes, desk) = (self.inner.hub.routes()?, &self.inner.desk);
        let mut tally = locked(&desk.tally);
        let now = routes.snapshot();
        for change in now.since(&tally.0) {
            tally.1.follow(&change);
        }
        tally.0 = now.without_inventory();
        let (tally, parts) = (tally.1.clone(), locked(&desk.parts).len());
        Some(RouteTotals { tally, stats: routes.stats(), parts })
    }
}

impl View {
    /// The routes now.
    ///
    /// # Errors
    ///
    /// 404 where nobody watches routes, 503 when nobody can tell what may be read.
    ///
    /// # Cancel safety
    ///
    /// What was found out and judged so far is kept for the next call.
    pub(crate) async fn routes(&self) -> Result<ShownRoutes, Problem> {
        self.routes_and(|_| BTreeSet::new()).await
    }

    /// The same for an answer that looks for more than the judgements do. `look` says what of that may not be read as far as is known.
    ///
    /// # Errors
    ///
    /// As [`routes`](Self::routes).
    ///
    /// # Cancel safety
    ///
    /// As [`routes`](Self::routes).
    pub(crate) async fn routes_and(
        &self,
        look: impl Fn(&ShownRoutes) -> BTreeSet<Refusal>,
    ) -> Result<ShownRoutes, Problem> {
        let routes = self.watched_routes()?;
        let (hub, desk) = (&self.guard.inner.hub, &self.guard.inner.desk);
        let mut wanted = None;
        let mut known = self.guard.inner.access.may_read(hub, &self.user, None).await;
        for round in 1.. {
            let Reads::Some(answers) = &known.reads else { break };
            let part = desk.part(answers, routes);
            let (snapshot, mark, mut refused) = part.look(&routes.snapshot()).await;
            let shown = ShownRoutes {
                snapshot,
                mark,
                clusters: self.clusters(),
                reads: known.reads.clone(),
                unknown: known.unknown.clone(),
                matching: part.matching.clone(),
                due: Some(known.due),
            };
            refused.extend(look(&shown));
            let settled = refused.iter().all(|refusal| known.has(refusal));
            if settled || round == ROUNDS || wanted.as_ref() == Some(&refused) {
                let error = known.unknown.values().next().filter(|_| answers.is_empty());
                return error.map_or(Ok(shown), |error| Err(super::unknown(error)));
            }
            known = self.guard.inner.access.may_read(hub, &self.user, Some(&refused)).await;
            wanted = Some(refused);
        }
        let snapshot = routes.snapshot();
        Ok(ShownRoutes {
            mark: Mark::Plain(Position::new(desk.epoch, snapshot.revision())),
            snapshot,
            clusters: self.clusters(),
            reads: Reads::All,
            unknown: known.unknown,
            matching: desk.matching.clone(),
            due: self.guard.inner.access.asks().then_some(known.due),
        })
    }

    /// The engine's handle on routes, to wait for what changes.
    pub(crate) fn watched_routes(&self) -> Result<&Routes, Problem> {
        let detail = "this program does not watch what routes depend on; `HubBuilder::routes` has it do so";
        self.guard.inner.hub.routes().ok_or_else(|| Problem::new(ProblemType::NotFound, detail))
    }
}

/// The routes at one moment, for one viewer.
#[derive(Debug, Clone)]
pub(crate) struct ShownRoutes {
    snapshot: RouteSnapshot,
    mark: Mark,
    clusters: Vec<ClusterId>,
    reads: Reads,
    unknown: Arc<BTreeMap<ClusterId, SourceError>>,
    matching: Arc<Matching>,
    due: Option<Instant>,
}

impl ShownRoutes {
    /// All of them, ordered by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Assessed>> {
        self.snapshot.iter()
    }

    /// One of them.
    pub(crate) fn get(&self, id: RouteId) -> Option<&Arc<Assessed>> {
        self.snapshot.get(id)
    }

    /// What finds them by request.
    pub(crate) fn matcher(&self) -> Matcher {
        self.matching.of(&self.snapshot)
    }

    /// The routes alone, to be compared with those of another moment.
    pub(crate) fn bare(&self) -> RouteSnapshot {
        self.snapshot.without_inventory()
    }

    /// Reads what they were judged by, as far as this viewer may.
    pub(crate) fn reader<'a>(&'a self, cluster: &'a ClusterId, now: Timestamp) -> Reader<'a> {
        let inventory: &Inventory = self.snapshot.inventory();
        match &self.reads {
            Reads::All => Reader::new(inventory, cluster, now),
            Reads::Some(answers) => Reader::through(inventory, cluster, now, &**answers),
        }
    }

    /// Since when some of what is known of a cluster is stale; `None` while all of it is current.
    pub(crate) fn stale_since(&self, cluster: &ClusterId) -> Option<Timestamp> {
        match &self.reads {
            Reads::All => self.snapshot.inventory().stale_since(cluster),
            Reads::Some(answers) => self.snapshot.inventory().stale_since_for(cluster, &**answers),
        }
    }

    /// Why there may be other routes.
    pub(crate) fn gaps(&self, now: Timestamp) -> Vec<Gap> {
        self.gaps_of(None, now)
    }

    /// Why there may be other routes in a namespace.
    pub(crate) fn gaps_in(&self, namespace: &str, now: Timestamp) -> Vec<Gap> {
        self.gaps_of(Some(namespace), now)
    }

    fn gaps_of(&self, namespace: Option<&str>, now: Timestamp) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for cluster in &self.clusters {
            if self.unknown.contains_key(cluster) {
                gaps.push(Gap { cluster: cluster.clone(), what: None });
                continue;
            }
            let reader = self.reader(cluster, now);
            let kinds = [
                reader.unknown::<Ingress>(namespace),
                reader.unknown::<HttpRoute>(namespace),
                reader.unknown::<GrpcRoute>(namespace),
            ];
            // A kind that the cluster doesn't have makes no routes.
            let kinds = kinds.into_iter().flatten().filter(|gap| gap.why != inventory::Why::NotInstalled);
            gaps.extend(kinds.map(|unknown| Gap { cluster: cluster.clone(), what: Some(unknown) }));
        }
        gaps
    }

    /// Whether it is not known what may be read of a cluster.
    pub(crate) fn is_withheld(&self, cluster: &ClusterId) -> bool {
        self.unknown.contains_key(cluster)
    }

    /// The clusters, in order.
    pub(crate) fn clusters(&self) -> &[ClusterId] {
        &self.clusters
    }

    /// Which state this is. Everything that an answer tells of routes is the same as long as this is.
    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// Which viewers are shown the same.
    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// When to find out again what may be read; `None` means never.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether they were judged for this viewer and those who may read the same, not for everybody.
    pub(crate) fn is_part(&self) -> bool {
        self.reads != Reads::All
    }
}

/// Why there may be more in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) cluster: ClusterId,
    /// What is not known; `None` where it is not known what may be read.
    pub(crate) what: Option<inventory::Unknown>,
}
