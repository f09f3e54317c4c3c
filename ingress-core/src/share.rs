//! A store that several processes keep alike: one of them watches, all of them serve.
//!
//! A hub that is given such sources doesn't start lanes. For each kind it hands whoever shares the store a [`Watcher`], which is all
//! that the hub would have watched with: the sources, the scope, the policies, and what the cluster's lanes and calls have in common.
//! What comes back is the store, which is the hub's from then on, and the work that keeps it current, which the hub owns.
//!
//! How processes agree on who watches, and how changes get from one to the other, is not this crate's affair: `ingress-cache` has
//! a way over Redis.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::task::JoinSet;

use crate::key::{ClusterId, LaneScope, ObjectKey, Scope};
use crate::kind::Kind;
use crate::source::ClusterInfo;
use crate::status::LaneId;
use crate::store::Store;
use crate::watch::aggregate::{Aggregator, Feed, Plan};
use crate::watch::lane::LanePolicy;

pub use crate::watch::aggregate::Known;

/// Keeps stores of a kind alike in several processes.
pub trait Share<K: Kind>: Send + Sync + 'static {
    /// Gives the store that takes the place of the one that this watcher would feed, and what keeps it current for as long as it
    /// runs: for ever, unless it is dropped.
    fn share(self: Arc<Self>, watcher: Watcher<K>) -> (Store<K>, BoxFuture<'static, ()>);
}

/// How a hub watches a kind by itself.
pub struct Watcher<K> {
    feeds: Vec<Feed<K>>,
    plan: Plan,
    policy: Arc<LanePolicy>,
    history: usize,
}

impl<K> std::fmt::Debug for Watcher<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

/// A watch of some lanes. Dropping it ends them.
#[derive(Debug)]
pub struct Watching<K> {
    store: Store<K>,
    _task: JoinSet<()>,
}

impl<K> Watching<K> {
    /// What the lanes tell. Its positions are its own.
    #[must_use]
    pub fn store(&self) -> &Store<K> {
        &self.store
    }
}

impl<K: Kind> Watcher<K> {
    pub(crate) fn new(feeds: Vec<Feed<K>>, plan: Plan, policy: Arc<LanePolicy>, history: usize) -> Self {
        Self { feeds, plan, policy, history }
    }

    /// The clusters that the kind is watched in.
    #[must_use]
    pub fn clusters(&self) -> Vec<ClusterInfo> {
        self.feeds.iter().map(|feed| feed.endpoint.info().clone()).collect()
    }

    /// The lanes that a watch begins with: one for each cluster, or one for each namespace that the scope names.
    #[must_use]
    pub fn lanes(&self) -> BTreeSet<LaneId> {
        let scopes = self.plan.first_scopes();
        let lane = |feed: &Feed<K>, scope: &LaneScope| {
            LaneId::new(feed.endpoint.info().id.clone(), &K::resource(), scope.clone())
        };
        self.feeds.iter().flat_map(|feed| scopes.iter().map(move |scope| lane(feed, scope))).collect()
    }

    /// What of the clusters is watched. Of a cluster-scoped kind it names objects.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        match &self.plan {
            Plan::ClusterWide(scope) | Plan::Namespaced(scope, _) => scope,
        }
    }

    /// How many changes a store is to hold for readers to resume from.
    #[must_use]
    pub fn history(&self) -> usize {
        self.history
    }

    /// Whether a cluster gave a sign of life when it was last asked for one. `true` before the first answer, and for clusters that are
    /// none of this hub's.
    #[must_use]
    pub fn reaches(&self, cluster: &ClusterId) -> bool {
        let feed = self.feeds.iter().find(|feed| feed.endpoint.info().id == *cluster);
        feed.is_none_or(|feed| feed.endpoint.outlook().borrow().outage.is_none())
    }

    /// Counts the objects of a cluster: there were so many, and now there are so many.
    pub fn count(&self, cluster: &ClusterId, before: usize, after: usize) {
        if let Some(feed) = self.feeds.iter().find(|feed| feed.endpoint.info().id == *cluster) {
            feed.counters().objects(before, after);
        }
    }

    /// Watches some of the [lanes](Self::lanes), beginning with what is known of them: what differs from that becomes a change. Must be
    /// called within a tokio runtime.
    #[must_use]
    pub fn watch(&self, lanes: &BTreeSet<LaneId>, known: Option<Known<K>>) -> Watching<K> {
        let (writer, store) = Store::new(rand::random(), self.history);
        let mut aggregator =
            Aggregator::new(writer, self.feeds.clone(), self.plan.clone(), self.policy.clone())
                .only(lanes)
                .uncounted();
        if let Some(known) = known {
            aggregator.take_over(known);
        }
        let mut task = JoinSet::new();
        task.spawn(aggregator.published().run().boxed());
        Watching { store, _task: task }
    }
}

impl<K> Known<K> {
    /// Nothing, as known at a time.
    #[must_use]
    pub fn new(at: jiff::Timestamp) -> Self {
        Self { objects: Vec::new(), lanes: Vec::new(), at }
    }

    /// The objects and lanes of a snapshot that satisfy conditions, as known at a time.
    pub fn of(
        snapshot: &crate::Snapshot<K>,
        objects: impl Fn(&ObjectKey) -> bool,
        lanes: impl Fn(&LaneId) -> bool,
        at: jiff::Timestamp,
    ) -> Self {
        let object = |(key, object): (&ObjectKey, &Arc<K>)| (key.clone(), object.clone());
        Self {
            objects: snapshot.iter().filter(|(key, _)| objects(key)).map(object).collect(),
            lanes: snapshot.lanes().filter(|lane| lanes(&lane.id)).map(|lane| (**lane).clone()).collect(),
            at,
        }
    }
}

#[cfg(test)]
mod tests;
