//! Who may see what: the one place that decides.
//!
//! The hub is locked away in a [`Guard`]. What does not tell of objects (which clusters there are, whether they answer) it gives to
//! anybody; everything else goes through a [`View`], which is made of whoever asks, and shows nothing that they may not see. A
//! handler that wants objects has no other way to them, so that one written later can't forget to ask.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::request::Parts;
use ingress_cache::stats::ReadStats;
use ingress_cache::{Place, Status, Use, uses};
use ingress_core::access::UserInfo;
use ingress_core::stats::Stats;
use ingress_core::{
    ClusterId, ClusterStatus, ErrorKind, Hub, Ingress, LaneStatus, NamespaceRecord, ObjectKey, Scope,
    Snapshot, SourceError, Store, Stuck,
};

use tokio::time::Instant;

use crate::app::App;
use crate::auth::{Admitted, Gate, who_asks};
use crate::caches::{Caching, Objects};
use crate::filter::Filter;
use crate::problem::{Problem, ProblemType};
use crate::shared_key::SharedKey;
use crate::stream::{Feed, Segments};
use crate::upstream::{Budgets, Upstream};

mod access;
mod grants;
mod horizon;
mod lens;
mod pass;
mod reads;
mod routes;
mod seal;

use access::{Access, Sight};
pub use access::{Authorization, Authorizer, DEFAULT_ACCESS_HOLD, DEFAULT_ACCESS_MAX_AGE};
pub(crate) use grants::LaneSight;
#[cfg(test)]
pub(crate) use grants::{Granted, Grants};
use horizon::Horizons;
pub(crate) use lens::{Event, Lens};
pub(crate) use pass::{Pass, Verdict};
pub(crate) use reads::Reads;
use routes::RouteDesk;
pub(crate) use routes::{Gap, RouteTotals, ShownRoutes};
pub(crate) use seal::Mark;
use seal::Seal;

/// The engine, out of the handlers' reach. Cloning is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    hub: Hub,
    gate: Gate,
    access: Access,
    veil: Arc<Veil>,
    /// What requests ask clusters for.
    objects: Objects,
    /// What questions about routes are answered with.
    desk: RouteDesk,
}

/// What keeps positions from telling too much.
#[derive(Debug)]
pub(crate) struct Veil {
    seal: Seal,
    horizons: Horizons,
}

impl Veil {
    pub(crate) fn new(key: &SharedKey) -> Self {
        Self { seal: Seal::new(key), horizons: Horizons::default() }
    }
}

#[cfg(test)]
impl Guard {
    /// One that lets everybody in, and shows them everything.
    pub(crate) fn open(hub: Hub) -> Self {
        let budgets = Budgets::new(crate::DEFAULT_UPSTREAM_RATE_LIMIT, Arc::default());
        let gate = Gate::new(None, crate::auth::CookieKey::random());
        let (key, caching) = (SharedKey::random(), Caching::memory());
        Self::new(hub, gate, Authorization::all(), &key, &caching, Arc::new(budgets))
    }
}

impl Guard {
    pub(crate) fn new(
        hub: Hub,
        gate: Gate,
        authorization: Authorization,
        key: &SharedKey,
        caching: &Caching,
        budgets: Arc<Budgets>,
    ) -> Self {
        let reviews = caching.reviews(uses::ACCESS_REVIEWS, authorization.longest(), key);
        let access = Access::new(authorization, Upstream::new(budgets.clone()), reviews);
        let (veil, objects) = (Arc::new(Veil::new(key)), Objects::new(caching, Upstream::new(budgets)));
        Self { inner: Arc::new(Inner { hub, gate, access, veil, objects, desk: RouteDesk::default() }) }
    }

    /// Where requests say who sent them.
    pub(crate) fn gate(&self) -> &Gate {
        &self.inner.gate
    }

    /// The clusters, which anybody may know.
    pub(crate) fn clusters(&self) -> Vec<ClusterStatus> {
        self.inner.hub.clusters()
    }

    /// The places where caches keep what they keep, and how these are doing.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.inner.objects.places()
    }

    /// What was read through caches, for each use.
    pub(crate) fn reads(&self) -> Vec<(Use, ReadStats)> {
        let Inner { objects, access, gate, .. } = &*self.inner;
        [objects.stats(), access.reads()].into_iter().chain(gate.reads()).collect()
    }

    /// What is wrong with the engine itself, if it does not work.
    pub(crate) fn stuck(&self) -> Option<Stuck> {
        self.inner.hub.stuck()
    }

    /// Whether the first sync is done.
    pub(crate) fn is_ready(&self) -> bool {
        self.inner.hub.is_ready()
    }

    /// What the engine did so far, for whoever may see what tells of everything.
    pub(crate) async fn stats(&self, user: Option<&Admitted>) -> Result<Stats, Problem> {
        let Admitted(user) = user.ok_or_else(nobody)?;
        match self.inner.access.may_scrape(&self.inner.hub, user).await {
            Ok(true) => Ok(self.inner.hub.stats()),
            Ok(false) => Err(Problem::new(ProblemType::Forbidden, "you may not `get` the path /metrics")),
            Err(error) => Err(unknown(&error)),
        }
    }

    /// What whoever sent a request may see. Who that is, the request brings along when it came through the gate; else it is found out.
    async fn look(&self, request: &Parts) -> Result<View, Problem> {
        let user = match request.extensions.get::<Admitted>() {
            Some(Admitted(user)) => user.clone(),
            None => self.gate().who(request).await?,
        };
        let sight = self.inner.access.of(&self.inner.hub, &user).await;
        Ok(View { guard: self.clone(), user, sight, request: None })
    }
}

fn nobody() -> Problem {
    Problem::new(ProblemType::Unauthenticated, "nobody said who sent this request")
}

fn unknown(error: &SourceError) -> Problem {
    Problem::access_unknown(format!("the cluster does not say what you may see: {}", error.kind().as_str()))
}

/// What one viewer may see.
#[derive(Debug, Clone)]
pub(crate) struct View {
    guard: Guard,
    user: Arc<UserInfo>,
    sight: Sight,
    /// What of the request tells who asked; `None` where that never changes what they see.
    request: Option<Arc<Parts>>,
}

impl View {
    /// What is watched, as far as this viewer may know it.
    pub(crate) fn scope(&self) -> Scope {
        let hub = &self.guard.inner.hub;
        match hub.scope() {
            Scope::Namespaces(names) if !self.sight.grants.is_all() => {
                let clusters = self.clusters();
                let seen = |name: &str| clusters.iter().any(|cluster| self.sight.grants.sees(cluster, name));
                Scope::Namespaces(names.iter().filter(|name| seen(name.as_str())).cloned().collect())
            }
            scope => scope.clone(),
        }
    }

    /// The clusters, in the order of their names, which is that of the store's keys.
    pub(crate) fn clusters(&self) -> Vec<ClusterId> {
        let mut clusters: Vec<_> = self.guard.clusters().into_iter().map(|status| status.info.id).collect();
        clusters.sort_unstable();
        clusters
    }

    /// A filter, together with what may be seen of what matches it.
    pub(crate) fn lens(&self, filter: Filter) -> Lens {
        Lens::new(filter, self.sight.grants.clone(), self.guard.inner.veil.clone())
    }

    /// The ingresses now.
    pub(crate) fn ingresses(&self) -> Shown {
        let snapshot = self.guard.inner.hub.ingresses().snapshot();
        let clusters = self.clusters();
        Shown { snapshot, clusters, unknown: self.sight.unknown.clone() }
    }

    /// The namespaces now, as far as this viewer may list them.
    pub(crate) fn namespaces(&self) -> ShownNamespaces {
        ShownNamespaces {
            snapshot: self.guard.inner.hub.namespaces().snapshot(),
            listed: self.sight.listed.clone(),
        }
    }

    /// The store that a stream follows through a lens, which decides what of it is shown.
    pub(crate) fn followed(&self) -> &Store<Ingress> {
        self.guard.inner.hub.ingresses()
    }

    /// A stream's leave to go on with this view.
    pub(crate) fn pass(&self) -> Pass {
        match &self.request {
            None => Pass::unlimited(),
            Some(request) => {
                let view = Self { request: None, ..self.clone() };
                Pass::new(self.guard.clone(), request.clone(), view, self.sight.due)
            }
        }
    }

    /// When to look again.
    fn due(&self) -> Instant {
        self.sight.due
    }

    /// Whether streams through both show the same, to the same person.
    fn shows_the_same(&self, other: &Self) -> bool {
        self.sight.grants == other.sight.grants && self.user == other.user
    }

    /// Why nothing may be seen, when that is because nobody can tell.
    fn unknown(&self) -> Option<Problem> {
        let (_, error) = self.sight.unknown.first_key_value()?;
        self.sight.grants.is_none().then(|| unknown(error))
    }

    /// Whether an object may be read at all: it lies in what is watched, and in what may be seen.
    pub(crate) fn may_read(&self, key: &ObjectKey) -> bool {
        let in_scope = self.guard.inner.hub.scope().contains(key.namespace().unwrap_or_default());
        in_scope && self.sight.grants.sees_object(key)
    }

    /// Reads one ingress as it is in its cluster, whole, as JSON, and how it came, where a cache had a part in it: it is as new as the record
    /// of it that is shown. One that may not be read is none that exists. Requests for the same one at the same time share the answer.
    pub(crate) async fn ingress_object(
        &self,
        key: &ObjectKey,
    ) -> Result<(Bytes, Option<Status>), SourceError> {
        if !self.may_read(key) {
            return Err(SourceError::new(ErrorKind::NotFound, format!("no ingress {key} is known")));
        }
        let Inner { hub, objects, .. } = &*self.guard.inner;
        let known = hub.ingresses().snapshot().get(key).cloned();
        let (hub, wanted) = (hub.clone(), key.clone());
        let read = move || async move { hub.ingress_object(&wanted).await };
        objects.get(key, known.as_deref(), read).await
    }
}

/// The ingresses at one moment, for one viewer.
#[derive(Debug)]
pub(crate) struct Shown {
    snapshot: Snapshot<Ingress>,
    clusters: Vec<ClusterId>,
    unknown: Arc<BTreeMap<ClusterId, SourceError>>,
}

impl Shown {
    /// What a lens shows, ordered by key.
    pub(crate) fn select<'a>(
        &'a self,
        lens: &'a Lens,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a Arc<Ingress>)> {
        lens.select(&self.snapshot, &self.clusters)
    }

    /// What a feed's lens shows, as it lends it.
    pub(crate) fn segments(&self, feed: &Feed) -> Arc<Segments> {
        feed.segments(&self.snapshot)
    }

    /// One object, if a lens shows it.
    pub(crate) fn get(&self, key: &ObjectKey, lens: &Lens) -> Option<&Arc<Ingress>> {
        self.snapshot.get(key).filter(|ingress| lens.shows(key, ingress))
    }

    /// The lanes that a lens shows, each with how much of it.
    pub(crate) fn lanes<'a>(&'a self, lens: &'a Lens) -> impl Iterator<Item = (&'a LaneStatus, LaneSight)> {
        lens.lanes(&self.snapshot).map(|(status, sight)| (&**status, sight))
    }

    /// The clusters, in order.
    pub(crate) fn clusters(&self) -> &[ClusterId] {
        &self.clusters
    }

    /// Why it is not known what may be seen of a cluster, if it is not.
    pub(crate) fn unknown(&self, cluster: &ClusterId) -> Option<&SourceError> {
        self.unknown.get(cluster)
    }

    /// Since when what the viewer of a lens may see is as it is. That can cost a walk over all of it: worth asking once, and not at all where it is not told.
    pub(crate) fn since(&self, lens: &Lens) -> Mark {
        lens.since(&self.snapshot, &self.clusters)
    }
}

/// The namespaces at one moment, for one viewer.
#[derive(Debug)]
pub(crate) struct ShownNamespaces {
    snapshot: Snapshot<NamespaceRecord>,
    listed: Arc<BTreeSet<ClusterId>>,
}

impl ShownNamespaces {
    /// The namespaces that may be listed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Arc<NamespaceRecord>)> {
        self.snapshot.iter().filter(|(key, _)| self.listed.contains(key.cluster()))
    }

    /// The lanes that list them.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = &Arc<LaneStatus>> {
        self.snapshot.lanes().filter(|status| self.listed.contains(&status.id.cluster))
    }
}

#[cfg(test)]
impl ShownNamespaces {
    /// All of a snapshot.
    pub(crate) fn of(snapshot: Snapshot<NamespaceRecord>) -> Self {
        let listed = snapshot.lanes().map(|status| status.id.cluster.clone()).collect();
        Self { snapshot, listed: Arc::new(listed) }
    }
}

#[cfg(test)]
impl Shown {
    /// What is shown of a snapshot of these clusters.
    pub(crate) fn of(snapshot: Snapshot<Ingress>, clusters: Vec<ClusterId>) -> Self {
        Self { snapshot, clusters, unknown: Arc::default() }
    }
}

#[cfg(test)]
impl View {
    /// What somebody with these grants sees.
    pub(crate) fn granted(guard: &Guard, grants: Grants) -> Self {
        let due = Instant::now() + std::time::Duration::from_secs(3600);
        let sight = Sight { grants, listed: Arc::default(), unknown: Arc::default(), due };
        Self { guard: guard.clone(), user: Arc::default(), sight, request: None }
    }
}

impl FromRequestParts<App> for View {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let guard = app.guard();
        // A route that is not behind the gate shows nobody anything.
        if parts.extensions.get::<Admitted>().is_none() {
            return Err(nobody());
        }
        let mut view = guard.look(parts).await?;
        if let Some(problem) = view.unknown() {
            return Err(problem);
        }
        if guard.gate().scheme().is_some() || !guard.inner.access.sees_all() {
            view.request = Some(Arc::new(who_asks(parts)));
        }
        Ok(view)
    }
}
