//! Which shard an object or a lane belongs to.
//!
//! A cluster that is watched whole can't be cut: it is one shard. One of which namespaces are watched by name is cut into as many as the fleet is
//! configured for, each namespace in one of them. So a key has one shard, and one lane at most writes it.

use std::collections::BTreeSet;

use ingress_core::share::Watcher;
use ingress_core::{ClusterId, Kind, LaneId, LaneScope, Namespace, ObjectKey};

use super::shard::Shard;

/// How one kind's clusters are cut into shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    buckets: u16,
    lanes: BTreeSet<LaneId>,
    shards: BTreeSet<Shard>,
}

impl Cut {
    /// The cut of what a watcher would watch, into at most so many buckets.
    pub(super) fn of<K: Kind>(watcher: &Watcher<K>, buckets: u16) -> Self {
        let lanes = watcher.lanes();
        let whole = lanes.iter().any(|lane| lane.scope == LaneScope::Cluster);
        let clusters = watcher.clusters().into_iter().map(|info| info.id);
        Self::new(&clusters.collect(), if whole { 1 } else { buckets.max(1) }, lanes)
    }

    fn new(clusters: &BTreeSet<ClusterId>, buckets: u16, lanes: BTreeSet<LaneId>) -> Self {
        let shards = clusters.iter().flat_map(|cluster| Shard::all(cluster, buckets)).collect();
        Self { buckets, lanes, shards }
    }

    /// All shards there are.
    pub(super) fn shards(&self) -> &BTreeSet<Shard> {
        &self.shards
    }

    /// The lanes to begin with, of all shards.
    pub(super) fn lanes(&self) -> &BTreeSet<LaneId> {
        &self.lanes
    }

    /// The lanes of one shard.
    pub(super) fn lanes_of(&self, shard: &Shard) -> BTreeSet<LaneId> {
        self.lanes.iter().filter(|lane| self.lane_is_of(lane, shard)).cloned().collect()
    }

    /// Whether a lane is one of a shard's.
    pub(super) fn lane_is_of(&self, lane: &LaneId, shard: &Shard) -> bool {
        self.is_of(&lane.cluster, lane.scope.namespace().map(Namespace::as_str), shard)
    }

    /// Whether an object is one of a shard's.
    pub(super) fn key_is_of(&self, key: &ObjectKey, shard: &Shard) -> bool {
        self.is_of(key.cluster(), key.namespace(), shard)
    }

    fn is_of(&self, cluster: &ClusterId, namespace: Option<&str>, shard: &Shard) -> bool {
        cluster == shard.cluster() && Shard::bucket_of(namespace, self.buckets) == shard.bucket()
    }
}

#[cfg(test)]
impl Cut {
    /// The cut of a cluster `c`, of which these namespaces are watched, into so many buckets.
    pub(super) fn of_namespaces(names: &[&str], buckets: u16) -> Self {
        use ingress_core::Ingress;
        let cluster = ClusterId::sanitized("c");
        let lane = |name: &&str| {
            let scope = LaneScope::Namespace(Namespace::new(name).unwrap());
            LaneId::new(cluster.clone(), &Ingress::resource(), scope)
        };
        let lanes = names.iter().map(lane).collect();
        Self::new(&BTreeSet::from([cluster]), buckets, lanes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_and_every_key_is_of_one_shard() {
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        let cut = Cut::of_namespaces(&names, 4);
        assert_eq!(cut.shards().len(), 4);
        let lanes: usize = cut.shards().iter().map(|shard| cut.lanes_of(shard).len()).sum();
        assert_eq!(lanes, names.len());
        for name in names {
            let key = ObjectKey::new(ClusterId::sanitized("c"), Some(name), "x");
            let of: Vec<&Shard> = cut.shards().iter().filter(|shard| cut.key_is_of(&key, shard)).collect();
            assert_eq!(of.len(), 1);
            assert!(cut.lanes_of(of[0]).iter().any(|lane| lane.scope.namespace().unwrap().as_str() == name));
        }
        let elsewhere = ObjectKey::new(ClusterId::sanitized("d"), Some("a"), "x");
        assert!(!cut.shards().iter().any(|shard| cut.key_is_of(&elsewhere, shard)));
    }
}
