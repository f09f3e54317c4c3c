//! On what a judgement depends, and what a change touches.
//!
//! Both are sets of hashes: a change concerns a judgement when the two share one. Two dependencies that happen to have the same hash
//! cost a judgement that was not needed, never one that is missing.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use super::{Held, Place, Tag, place};
use crate::clock::Timestamp;
use crate::key::{ClusterId, ObjectKey};

/// One thing that a judgement depends on, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Dependency(u64);

// What tells kinds of dependencies apart.
const OBJECT: u8 = 0;
const TAG: u8 = 1;
const NAMESPACE: u8 = 2;
const ALL: u8 = 3;
const LANE: u8 = 4;
const PRESENCE: u8 = 5;

impl Dependency {
    fn of<K: Held>(sort: u8, what: impl Hash) -> Self {
        // Without a random seed: nobody chooses names so that they collide here, and if somebody did, it would cost them judgements
        // of their own routes.
        Self(BuildHasherDefault::<DefaultHasher>::default().hash_one((K::NUMBER, sort, what)))
    }

    pub(super) fn object<K: Held>(key: &ObjectKey) -> Self {
        Self::of::<K>(OBJECT, key)
    }

    pub(super) fn tag<K: Held>(cluster: &ClusterId, namespace: Option<&str>, tag: &Tag) -> Self {
        Self::of::<K>(TAG, (cluster, namespace.unwrap_or_default(), tag))
    }

    /// On whether anything has a tag there.
    pub(super) fn presence<K: Held>((at, tag): &Place) -> Self {
        Self::of::<K>(PRESENCE, (at.cluster(), at.namespace().unwrap_or_default(), tag))
    }

    pub(super) fn namespace<K: Held>(cluster: &ClusterId, namespace: &str) -> Self {
        Self::of::<K>(NAMESPACE, (cluster, namespace))
    }

    pub(super) fn all<K: Held>(cluster: &ClusterId) -> Self {
        Self::of::<K>(ALL, cluster)
    }

    pub(super) fn lane<K: Held>(cluster: &ClusterId) -> Self {
        Self::of::<K>(LANE, cluster)
    }
}

/// On what a judgement depends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Dependencies(BTreeSet<Dependency>);

impl Dependencies {
    pub(super) fn add(&mut self, dependency: Dependency) {
        self.0.insert(dependency);
    }

    pub(crate) fn has(&self, dependency: Dependency) -> bool {
        self.0.contains(&dependency)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Dependency> {
        self.0.iter().copied()
    }
}

/// What changes touched so far.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    now: Option<Timestamp>,
    dependencies: BTreeSet<Dependency>,
    objects: BTreeSet<(u8, ObjectKey)>,
}

impl Touched {
    /// Says when the changes that come now were seen.
    pub(crate) fn at(&mut self, now: Timestamp) {
        self.now = Some(now);
    }

    /// When the changes that come now were seen; `None` where nobody said so.
    pub(super) fn now(&self) -> Option<Timestamp> {
        self.now
    }

    pub(super) fn object<K: Held>(&mut self, key: &ObjectKey, old: Option<&K>, new: Option<&K>) {
        let (cluster, dependencies) = (key.cluster(), &mut self.dependencies);
        dependencies.insert(Dependency::object::<K>(key));
        dependencies.insert(Dependency::all::<K>(cluster));
        if let Some(namespace) = key.namespace() {
            dependencies.insert(Dependency::namespace::<K>(cluster, namespace));
        }
        for object in [old, new].into_iter().flatten() {
            object.tags(&mut |tag| {
                let (at, tag) = place(key, K::SCOPED, tag);
                dependencies.insert(Dependency::tag::<K>(at.cluster(), at.namespace(), &tag));
            });
        }
        self.objects.insert((K::NUMBER, key.clone()));
    }

    /// Something may have a tag there that nothing had, or nothing any more.
    pub(super) fn presence<K: Held>(&mut self, place: &Place) {
        self.dependencies.insert(Dependency::presence::<K>(place));
    }

    /// An object changed of which nothing else may be told.
    pub(super) fn mention<K: Held>(&mut self, key: &ObjectKey) {
        self.objects.insert((K::NUMBER, key.clone()));
    }

    pub(super) fn lane<K: Held>(&mut self, cluster: &ClusterId) {
        self.dependencies.insert(Dependency::lane::<K>(cluster));
    }

    /// What was touched.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = Dependency> {
        self.dependencies.iter().copied()
    }

    /// The objects that changed, with the number of their kind.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &(u8, ObjectKey)> {
        self.objects.iter()
    }
}
