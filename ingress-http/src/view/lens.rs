//! A filter, and what its viewer may see of what matches it.
//!
//! The list and the stream look through the same lens, so that what one shows, the other follows. Equal lenses hash equally: what is
//! worked out for one viewer serves everybody who asks the same and may see the same.

use std::collections::BTreeSet;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use ingress_core::{
    Change, ClusterId, Ingress, LaneId, LaneStatus, Namespace, ObjectKey, Position, Snapshot,
};

use super::Veil;
use super::grants::{Grants, LaneSight};
use super::seal::{Mark, Of};
use crate::cursor::fingerprint;
use crate::filter::Filter;

/// What one viewer asked for, and may see.
#[derive(Debug, Clone)]
pub(crate) struct Lens {
    filter: Filter,
    grants: Grants,
    /// Of the grants: a position that was told to somebody who could see something else is one of no run, so that nobody goes on from
    /// what they can't see any more, or could not see then.
    salt: u64,
    veil: Arc<Veil>,
}

impl PartialEq for Lens {
    fn eq(&self, other: &Self) -> bool {
        self.filter == other.filter && self.grants == other.grants
    }
}

impl Eq for Lens {}

impl Hash for Lens {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.filter.hash(state);
        self.grants.hash(state);
    }
}

/// A change as one lens shows it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event<'a> {
    Added(&'a ObjectKey, &'a Ingress),
    Modified(&'a ObjectKey, &'a Ingress),
    /// With the object as it was last shown.
    Deleted(&'a ObjectKey, &'a Ingress),
    Lane(&'a LaneStatus, LaneSight),
    LaneRemoved(&'a LaneId),
}

impl Lens {
    pub(crate) fn new(filter: Filter, grants: Grants, veil: Arc<Veil>) -> Self {
        let salt = fingerprint(&grants);
        Self { filter, grants, salt, veil }
    }

    pub(crate) fn filter(&self) -> &Filter {
        &self.filter
    }

    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether everything may be seen: then a position tells nothing that is not known anyway.
    pub(crate) fn sees_all(&self) -> bool {
        self.grants.is_all()
    }

    /// Whether an ingress is shown.
    pub(crate) fn shows(&self, key: &ObjectKey, ingress: &Ingress) -> bool {
        self.grants.sees_object(key) && self.filter.matches(ingress)
    }

    /// How much of a lane is shown.
    pub(crate) fn lane(&self, lane: &LaneId) -> LaneSight {
        if self.filter.concerns_lane(lane) { self.grants.lane(lane) } else { LaneSight::Hidden }
    }

    /// The lanes of a snapshot that are shown, each with how much of it.
    pub(crate) fn lanes<'a>(
        &'a self,
        snapshot: &'a Snapshot<Ingress>,
    ) -> impl Iterator<Item = (&'a Arc<LaneStatus>, LaneSight)> {
        snapshot
            .lanes()
            .map(|status| (status, self.lane(&status.id)))
            .filter(|(_, sight)| *sight != LaneSight::Hidden)
    }

    /// The position of a change that is shown, as this viewer may know it.
    pub(crate) fn mark(&self, position: Position) -> Mark {
        self.told(position, Of::Change)
    }

    /// Since when what may be seen is as it is in a snapshot, as this viewer may know it; `clusters` are those of the snapshot, in order.
    pub(crate) fn since(&self, snapshot: &Snapshot<Ingress>, clusters: &[ClusterId]) -> Mark {
        self.told(self.veil.horizons.of(&self.grants, clusters, snapshot), Of::State)
    }

    fn told(&self, position: Position, of: Of) -> Mark {
        if self.sees_all() { Mark::Plain(position) } else { self.veil.seal.seal(position, of, self.salt) }
    }

    /// The position that a viewer gives back in a run of this epoch; `None` for what this viewer can't have been given, here or by a replica
    /// that shares the key.
    pub(crate) fn position(&self, text: &str, epoch: u64) -> Option<Position> {
        if self.sees_all() { text.parse().ok() } else { self.veil.seal.open(text, self.salt, epoch) }
    }

    /// Everything that is shown, ordered by key; `clusters` are those of the snapshot, in order. Only the ranges of namespaces that
    /// were asked for and may be seen are walked, so that what may not be seen costs no time.
    pub(crate) fn select<'a>(
        &'a self,
        snapshot: &'a Snapshot<Ingress>,
        clusters: &'a [ClusterId],
    ) -> Box<dyn Iterator<Item = (&'a ObjectKey, &'a Arc<Ingress>)> + 'a> {
        if self.sees_all() && self.filter.namespaces().is_none() {
            return Box::new(snapshot.iter().filter(|(_, ingress)| self.filter.matches(ingress)));
        }
        let in_cluster = move |cluster: &'a ClusterId| -> Box<dyn Iterator<Item = _> + 'a> {
            match both(self.filter.namespaces(), self.grants.namespaces(cluster)) {
                None => Box::new(snapshot.range(cluster, None)),
                Some(names) => Box::new(names.flat_map(move |name| snapshot.range(cluster, Some(name)))),
            }
        };
        let shown = clusters.iter().flat_map(in_cluster);
        Box::new(shown.filter(|(_, ingress)| self.filter.matches(ingress)))
    }

    /// What a change means to whoever looks through this. An object that begins to match was never shown, so it is added; one that
    /// ceases to is gone. `None` when nothing that is shown changed.
    pub(crate) fn project<'a>(&self, change: &'a Change<Ingress>) -> Option<Event<'a>> {
        match change {
            Change::Added(key, new) => self.shows(key, new).then_some(Event::Added(key, new)),
            Change::Modified { key, old, new } => self.difference(key, Some(old), Some(new)),
            Change::Deleted(key, old) => self.shows(key, old).then_some(Event::Deleted(key, old)),
            Change::Lane(status) => match self.lane(&status.id) {
                LaneSight::Hidden => None,
                sight => Some(Event::Lane(status, sight)),
            },
            Change::LaneRemoved(lane) => {
                (self.lane(lane) != LaneSight::Hidden).then_some(Event::LaneRemoved(lane))
            }
            _ => None,
        }
    }

    /// What it means that an object was this and is that, whatever lay in between.
    pub(crate) fn difference<'a>(
        &self,
        key: &'a ObjectKey,
        old: Option<&'a Arc<Ingress>>,
        new: Option<&'a Arc<Ingress>>,
    ) -> Option<Event<'a>> {
        let shown = |ingress: Option<&'a Arc<Ingress>>| ingress.filter(|ingress| self.shows(key, ingress));
        match (shown(old), shown(new)) {
            (Some(_), Some(new)) => Some(Event::Modified(key, new)),
            (None, Some(new)) => Some(Event::Added(key, new)),
            (Some(old), None) => Some(Event::Deleted(key, old)),
            (None, None) => None,
        }
    }
}

/// What lies in both of two sets, each of which is everything when there is none.
fn both<'a>(
    one: Option<&'a BTreeSet<Namespace>>,
    other: Option<&'a BTreeSet<Namespace>>,
) -> Option<Box<dyn Iterator<Item = &'a Namespace> + 'a>> {
    match (one, other) {
        (None, None) => None,
        (Some(only), None) | (None, Some(only)) => Some(Box::new(only.iter())),
        (Some(one), Some(other)) => Some(Box::new(one.intersection(other))),
    }
}

#[cfg(test)]
mod tests {
    use ingress_core::Store;

    use super::*;
    use crate::fixture::{cluster, grants, key, lens_of, simple};

    #[test]
    fn what_was_not_asked_for_or_may_not_be_seen_is_not_walked() {
        let (mut writer, store) = Store::new(1, 16);
        for (cluster, namespace, name) in
            [("a", "one", "x"), ("a", "two", "x"), ("a", "two", "y"), ("a", "two-b", "x"), ("b", "two", "x")]
        {
            writer.apply(key(cluster, namespace, name), simple(namespace, name, 1, "nginx", "h.example.com"));
        }
        writer.publish();
        let (snapshot, clusters) = (store.snapshot(), [cluster("a"), cluster("b")]);
        let shown = |query: &str, grants: &Grants| {
            let lens = lens_of(query, grants.clone());
            lens.select(&snapshot, &clusters).map(|(key, _)| key.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(shown("namespace=two", &Grants::All), ["a/two/x", "a/two/y", "b/two/x"]);
        assert_eq!(shown("namespaces=two-b,one", &Grants::All), ["a/one/x", "a/two-b/x"]);
        assert_eq!(shown("", &Grants::All).len(), 5);
        let some = grants(&[("a", &["two", "none"]), ("b", &["*"])]);
        assert_eq!(shown("", &some), ["a/two/x", "a/two/y", "b/two/x"]);
        assert_eq!(shown("namespaces=one,two-b", &some), Vec::<String>::new());
        assert_eq!(shown("namespace=two&search=y", &some), ["a/two/y"]);
        assert_eq!(shown("", &grants(&[])), Vec::<String>::new());
    }
}
