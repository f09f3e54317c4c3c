//! Who may see what: the one place that decides.
//!
//! The hub is locked away in a [`Guard`]. What does not tell of objects (which clusters there are, whether they answer) it gives to
//! anybody; everything else goes through a [`View`], which is made of whoever asks, and shows nothing that they may not see. A
//! handler that wants objects has no other way to them, so that one written later can't forget to ask.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::request::Parts;
use ingress_core::stats::Stats;
use ingress_core::{
    ClusterId, ClusterStatus, ErrorKind, Hub, Ingress, LaneStatus, NamespaceRecord, ObjectKey, Position,
    Scope, Snapshot, SourceError, Store,
};

use crate::app::App;
use crate::filter::Filter;
use crate::problem::Problem;

mod grants;
mod horizon;
mod lens;
mod pass;
mod seal;

pub(crate) use grants::{Granted, Grants, LaneSight};
use horizon::Horizons;
pub(crate) use lens::{Event, Lens};
pub(crate) use pass::{Pass, Verdict};
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
    veil: Arc<Veil>,
}

/// What keeps positions from telling too much.
#[derive(Debug)]
pub(crate) struct Veil {
    seal: Seal,
    horizons: Horizons,
}

impl Veil {
    pub(crate) fn new() -> Self {
        Self { seal: Seal::new(), horizons: Horizons::default() }
    }
}

impl Guard {
    pub(crate) fn new(hub: Hub) -> Self {
        Self { inner: Arc::new(Inner { hub, veil: Arc::new(Veil::new()) }) }
    }

    /// The clusters, which anybody may know.
    pub(crate) fn clusters(&self) -> Vec<ClusterStatus> {
        self.inner.hub.clusters()
    }

    /// Whether the first sync is done.
    pub(crate) fn is_ready(&self) -> bool {
        self.inner.hub.is_ready()
    }

    /// What the engine did so far: numbers that tell of everything.
    pub(crate) fn stats(&self) -> Stats {
        self.inner.hub.stats()
    }

    /// What somebody who may see all of it sees.
    pub(crate) fn view_of_all(&self) -> View {
        View { guard: self.clone(), grants: Grants::All, namespaces: Listed::All }
    }
}

/// What one viewer may see.
#[derive(Debug, Clone)]
pub(crate) struct View {
    guard: Guard,
    /// Of the ingresses.
    grants: Grants,
    /// Of the namespaces themselves.
    namespaces: Listed,
}

/// The clusters whose namespaces somebody may list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listed {
    All,
    Of(Arc<BTreeSet<ClusterId>>),
}

impl Listed {
    fn sees(&self, cluster: &ClusterId) -> bool {
        match self {
            Self::All => true,
            Self::Of(clusters) => clusters.contains(cluster),
        }
    }
}

impl View {
    /// What is watched, as far as this viewer may know it.
    pub(crate) fn scope(&self) -> Scope {
        let hub = &self.guard.inner.hub;
        match hub.scope() {
            Scope::Namespaces(names) if !self.grants.is_all() => {
                let clusters = self.clusters();
                let seen = |name: &str| clusters.iter().any(|cluster| self.grants.sees(cluster, name));
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
        Lens::new(filter, self.grants.clone(), self.guard.inner.veil.clone())
    }

    /// The ingresses now.
    pub(crate) fn ingresses(&self) -> Shown {
        let snapshot = self.guard.inner.hub.ingresses().snapshot();
        let clusters = self.clusters();
        let position = self.guard.inner.veil.horizons.of(&self.grants, &clusters, &snapshot);
        Shown { snapshot, clusters, position }
    }

    /// The namespaces now, as far as this viewer may list them.
    pub(crate) fn namespaces(&self) -> ShownNamespaces {
        ShownNamespaces {
            snapshot: self.guard.inner.hub.namespaces().snapshot(),
            listed: self.namespaces.clone(),
        }
    }

    /// The store that a stream follows through a lens, which decides what of it is shown.
    pub(crate) fn followed(&self) -> &Store<Ingress> {
        self.guard.inner.hub.ingresses()
    }

    /// A stream's leave to go on with this view.
    pub(crate) fn pass(&self) -> Pass {
        Pass {}
    }

    /// Whether an object may be read at all: it lies in what is watched, and in what may be seen.
    pub(crate) fn may_read(&self, key: &ObjectKey) -> bool {
        let in_scope = self.guard.inner.hub.scope().contains(key.namespace().unwrap_or_default());
        in_scope && self.grants.sees_object(key)
    }

    /// Reads one ingress as it is in its cluster now, whole, as JSON; one that may not be read is none that exists.
    pub(crate) async fn ingress_object(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        if !self.may_read(key) {
            return Err(SourceError::new(ErrorKind::NotFound, format!("no ingress {key} is known")));
        }
        self.guard.inner.hub.ingress_object(key).await
    }
}

/// The ingresses at one moment, for one viewer.
#[derive(Debug)]
pub(crate) struct Shown {
    snapshot: Snapshot<Ingress>,
    clusters: Vec<ClusterId>,
    position: Position,
}

impl Shown {
    /// What a lens shows, ordered by key.
    pub(crate) fn select<'a>(
        &'a self,
        lens: &'a Lens,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a Arc<Ingress>)> {
        lens.select(&self.snapshot, &self.clusters)
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

    /// Since when the viewer's view is as it is.
    pub(crate) fn position(&self) -> Position {
        self.position
    }
}

/// The namespaces at one moment, for one viewer.
#[derive(Debug)]
pub(crate) struct ShownNamespaces {
    snapshot: Snapshot<NamespaceRecord>,
    listed: Listed,
}

impl ShownNamespaces {
    /// The namespaces that may be listed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Arc<NamespaceRecord>)> {
        self.snapshot.iter().filter(|(key, _)| self.listed.sees(key.cluster()))
    }

    /// The lanes that list them.
    pub(crate) fn lanes(&self) -> impl Iterator<Item = &Arc<LaneStatus>> {
        self.snapshot.lanes().filter(|status| self.listed.sees(&status.id.cluster))
    }
}

#[cfg(test)]
impl ShownNamespaces {
    /// All of a snapshot.
    pub(crate) fn of(snapshot: Snapshot<NamespaceRecord>) -> Self {
        Self { snapshot, listed: Listed::All }
    }
}

#[cfg(test)]
impl Shown {
    /// What is shown of a snapshot of these clusters.
    pub(crate) fn of(snapshot: Snapshot<Ingress>, clusters: Vec<ClusterId>) -> Self {
        let position = snapshot.position();
        Self { snapshot, clusters, position }
    }
}

#[cfg(test)]
impl View {
    /// What somebody with these grants sees.
    pub(crate) fn granted(guard: &Guard, grants: Grants) -> Self {
        Self { guard: guard.clone(), grants, namespaces: Listed::All }
    }
}

impl FromRequestParts<App> for View {
    type Rejection = Problem;

    async fn from_request_parts(_parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(app.guard().view_of_all())
    }
}
