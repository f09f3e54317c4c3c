//! What somebody may see, decided.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ingress_core::{ClusterId, LaneId, Namespace, ObjectKey};

/// The namespaces of which somebody may see the ingresses. Cloning is cheap; equal grants hash equally, so that what is encoded for
/// one viewer serves all who may see the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Grants {
    /// Everything.
    All,
    /// What is named here, and nothing else.
    Some(Arc<BTreeMap<ClusterId, Granted>>),
}

/// What somebody may see of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Granted {
    /// All namespaces, also those to come.
    Everywhere,
    /// These namespaces.
    In(BTreeSet<Namespace>),
}

/// How much of a lane somebody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaneSight {
    /// All of it: everything that it feeds may be seen.
    Full,
    /// Its state, but nothing that depends on the objects which it feeds.
    StateOnly,
    /// Nothing.
    Hidden,
}

impl Grants {
    /// What is granted by cluster; all clusters whole is everything.
    pub(crate) fn new(clusters: &[ClusterId], granted: BTreeMap<ClusterId, Granted>) -> Self {
        let is_whole = |cluster| granted.get(cluster) == Some(&Granted::Everywhere);
        if !clusters.is_empty() && clusters.iter().all(is_whole) {
            Self::All
        } else {
            Self::Some(Arc::new(granted))
        }
    }

    /// Whether there is nothing that may not be seen.
    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether nothing may be seen.
    pub(crate) fn is_none(&self) -> bool {
        let is_none = |granted: &Granted| matches!(granted, Granted::In(names) if names.is_empty());
        matches!(self, Self::Some(granted) if granted.values().all(is_none))
    }

    /// Whether all of a cluster may be seen.
    pub(crate) fn covers(&self, cluster: &ClusterId) -> bool {
        match self {
            Self::All => true,
            Self::Some(granted) => granted.get(cluster) == Some(&Granted::Everywhere),
        }
    }

    /// Whether a namespace of a cluster may be seen.
    pub(crate) fn sees(&self, cluster: &ClusterId, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(granted) => match granted.get(cluster) {
                Some(Granted::Everywhere) => true,
                Some(Granted::In(namespaces)) => namespaces.contains(namespace),
                None => false,
            },
        }
    }

    /// Whether an object may be seen.
    pub(crate) fn sees_object(&self, key: &ObjectKey) -> bool {
        self.is_all() || self.sees(key.cluster(), key.namespace().unwrap_or_default())
    }

    /// How much of a lane may be seen. A lane of a whole cluster tells of its state to everybody: that is what makes what they see
    /// current or stale.
    pub(crate) fn lane(&self, lane: &LaneId) -> LaneSight {
        match lane.scope.namespace() {
            Some(namespace) if self.sees(&lane.cluster, namespace.as_str()) => LaneSight::Full,
            Some(_) => LaneSight::Hidden,
            None if self.covers(&lane.cluster) => LaneSight::Full,
            None => LaneSight::StateOnly,
        }
    }

    /// The namespaces of a cluster that may be seen; `None` means all.
    pub(crate) fn namespaces(&self, cluster: &ClusterId) -> Option<&BTreeSet<Namespace>> {
        static NONE: BTreeSet<Namespace> = BTreeSet::new();
        match self {
            Self::All => None,
            Self::Some(granted) => match granted.get(cluster) {
                Some(Granted::Everywhere) => None,
                Some(Granted::In(namespaces)) => Some(namespaces),
                None => Some(&NONE),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use ingress_core::LaneState;

    use super::*;
    use crate::fixture::{cluster, grants, key, lane};

    #[test]
    fn what_is_not_granted_is_not_seen() {
        let grants = grants(&[("a", &["shop", "pay"]), ("b", &["*"])]);
        assert!(!grants.is_all() && grants.covers(&cluster("b")) && !grants.covers(&cluster("a")));
        for (key, seen) in [
            (key("a", "shop", "x"), true),
            (key("a", "sho", "x"), false),
            (key("a", "shopp", "x"), false),
            (key("b", "any", "x"), true),
            (key("c", "shop", "x"), false),
        ] {
            assert_eq!(grants.sees_object(&key), seen, "{key}");
        }
        assert!(grants.namespaces(&cluster("c")).unwrap().is_empty());
    }

    #[test]
    fn a_lane_tells_as_much_as_its_objects_may_be_seen() {
        let grants = grants(&[("a", &["shop"]), ("b", &["*"])]);
        for (cluster, scope, sight) in [
            ("a", "shop", LaneSight::Full),
            ("a", "pay", LaneSight::Hidden),
            ("a", "*", LaneSight::StateOnly),
            ("b", "*", LaneSight::Full),
            ("c", "*", LaneSight::StateOnly),
        ] {
            assert_eq!(grants.lane(&lane(cluster, scope, LaneState::Live).id), sight, "{cluster}/{scope}");
        }
    }

    #[test]
    fn every_cluster_whole_is_everything() {
        let clusters = [cluster("a"), cluster("b")];
        let whole = |name| (cluster(name), Granted::Everywhere);
        assert!(Grants::new(&clusters, BTreeMap::from([whole("a"), whole("b")])).is_all());
        assert!(!Grants::new(&clusters, BTreeMap::from([whole("a")])).is_all());
        assert!(!Grants::new(&[], BTreeMap::new()).is_all());
    }
}
