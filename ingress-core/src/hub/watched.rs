//! The kinds that a hub watches: what starts each, and the other kinds before they have started.
//!
//! A hub does not know the types of the kinds that its builder was given. It holds their sources, and later their stores,
//! behind [`Any`], by the kind's [`TypeId`](std::any::TypeId); only whoever names the kind gets at them.

use std::any::Any;
use std::sync::Arc;

use tokio::task::{AbortHandle, JoinSet};

use super::ClusterEntry;
use crate::key::{ClusterId, Scope};
use crate::kind::{Kind, NamespaceRecord};
use crate::source::ResourceSource;
use crate::stats::StoreStats;
use crate::store::Store;
use crate::watch::aggregate::{Aggregator, Feed, Plan};
use crate::watch::lane::LanePolicy;

/// What all stores of a hub that starts have in common.
pub(super) struct Stores<'a> {
    pub(super) clusters: &'a [ClusterEntry],
    pub(super) scope: &'a Scope,
    pub(super) epoch: u64,
    pub(super) history: usize,
    pub(super) policy: Arc<LanePolicy>,
    pub(super) tasks: &'a mut JoinSet<()>,
    pub(super) running: &'a mut Vec<AbortHandle>,
}

impl Stores<'_> {
    /// Starts to keep a store of a kind current.
    pub(super) fn start<K: Kind>(&mut self, feeds: Vec<Feed<K>>, plan: Plan) -> Store<K> {
        let (writer, store) = Store::new(self.epoch, self.history);
        let task = self.tasks.spawn(Aggregator::new(writer, feeds, plan, self.policy.clone()).run());
        self.running.push(task);
        store
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
