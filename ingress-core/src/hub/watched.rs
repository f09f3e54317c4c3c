//! The kinds that a hub watches: what starts each, and the other kinds before they have started.
//!
//! A hub does not know the types of the kinds that its builder was given. It holds their sources, and later their stores,
//! behind [`Any`], by the kind's [`TypeId`](std::any::TypeId); only whoever names the kind gets at them.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::task::{AbortHandle, JoinSet};

use super::ClusterEntry;
use crate::keep::{self, Keep};
use crate::key::{ClusterId, Scope};
use crate::kind::{Kind, NamespaceRecord};
use crate::share::{Share, Watcher};
use crate::source::ResourceSource;
use crate::stats::StoreStats;
use crate::store::Store;
use crate::watch::aggregate::{Aggregator, Feed, Plan, Recalling};
use crate::watch::lane::LanePolicy;

/// What all stores of a hub that starts have in common.
pub(super) struct Stores<'a> {
    pub(super) clusters: &'a [ClusterEntry],
    pub(super) scope: &'a Scope,
    pub(super) epoch: u64,
    pub(super) history: usize,
    pub(super) policy: Arc<LanePolicy>,
    pub(super) keep: Option<&'a Arc<dyn Keep>>,
    pub(super) recalling: Recalling,
    pub(super) last: Vec<LastSave>,
    pub(super) tasks: &'a mut JoinSet<()>,
    pub(super) running: &'a mut Vec<AbortHandle>,
}

impl Stores<'_> {
    /// Starts to keep a store of a kind current. Its futures are boxed, so that tokio's tasks are not compiled anew for each kind.
    pub(super) fn start<K: Kind>(&mut self, feeds: Vec<Feed<K>>, plan: Plan) -> Store<K> {
        if let Some(share) = shared_by(&feeds) {
            let watcher = Watcher::new(feeds, plan, self.policy.clone(), self.history);
            let (store, work) = share.share(watcher);
            self.running.push(self.tasks.spawn(work));
            return store;
        }
        let (writer, store) = Store::new(self.epoch, self.history);
        let mut aggregator = Aggregator::new(writer, feeds, plan, self.policy.clone());
        if let Some(keep) = self.keep.filter(|_| !K::STORED.is_empty()) {
            let recall = Box::pin(keep::recall(keep.clone()));
            aggregator = aggregator.recalling(recall, self.recalling.clone());
            self.running.push(self.tasks.spawn(keep::run(keep.clone(), store.clone()).boxed()));
            let (keep, store) = (keep.clone(), store.clone());
            self.last.push(LastSave(Box::new(move || Box::pin(keep::last(keep, store)))));
        }
        self.running.push(self.tasks.spawn(aggregator.run().boxed()));
        store
    }
}

/// Who keeps the store for all of these sources, if it is the same for all.
fn shared_by<K: Kind>(feeds: &[Feed<K>]) -> Option<Arc<dyn Share<K>>> {
    let mut shares = feeds.iter().map(|feed| feed.source.shared_by());
    let first = shares.next()??;
    let same = |share: Option<Arc<dyn Share<K>>>| share.is_some_and(|share| Arc::ptr_eq(&share, &first));
    if shares.all(same) {
        return Some(first);
    }
    tracing::warn!(kind = %K::resource().kind, "not all sources of this hub share one store; watching all by itself");
    None
}

/// How long the last save may take.
pub(super) const LAST_SAVE: Duration = Duration::from_secs(2);

/// Saves a store a last time.
pub(super) struct LastSave(pub(super) Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>);

impl std::fmt::Debug for LastSave {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastSave")
    }
}

/// The sources of a kind, whichever it is.
pub(super) trait Watched: Any + Send + Sync {
    /// Starts to watch; what comes back is the kind's store.
    fn start(
        self: Box<Self>,
        stores: &mut Stores<'_>,
        namespaces: &Store<NamespaceRecord>,
    ) -> Box<dyn AnyStore>;
}

/// The store of a kind, whichever it is.
pub(super) trait AnyStore: Any + Send + Sync + std::fmt::Debug {
    /// What it counts.
    fn stats(&self) -> StoreStats;
}

impl<K: Kind> AnyStore for Store<K> {
    fn stats(&self) -> StoreStats {
        Self::stats(self)
    }
}

/// The sources of one kind, at most one for each cluster.
pub(super) struct Sources<K>(Vec<(ClusterId, Arc<dyn ResourceSource<K>>)>);

impl<K: Kind> Sources<K> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds the source of a cluster. Whether there was none.
    pub(super) fn add(&mut self, cluster: &ClusterId, source: impl ResourceSource<K>) -> bool {
        let first = self.0.iter().all(|(known, _)| known != cluster);
        if first {
            self.0.push((cluster.clone(), Arc::new(source)));
        }
        first
    }
}

impl<K: Kind> Watched for Sources<K> {
    fn start(
        self: Box<Self>,
        stores: &mut Stores<'_>,
        namespaces: &Store<NamespaceRecord>,
    ) -> Box<dyn AnyStore> {
        let feed = |(cluster, source)| {
            let entry = stores.clusters.iter().find(|entry| entry.endpoint.info().id == cluster)?;
            Some(Feed::new(entry.endpoint.clone(), source))
        };
        let feeds = self.0.into_iter().filter_map(feed).collect();
        let plan = if K::resource().namespaced {
            Plan::Namespaced(stores.scope.clone(), namespaces.clone())
        } else {
            // The scope is one of namespaces; that of the hub would be taken for names of objects.
            Plan::ClusterWide(Scope::All)
        };
        Box::new(stores.start(feeds, plan))
    }
}
