//! Look-ups that know three answers, and note what they were asked.
//!
//! Somebody who may read part of a cluster reads through [`MayRead`]: what they may not read is as if nobody had looked, whether it is there or not.
//! So whatever is worked out with such a reader tells them nothing that they couldn't have found out by themselves.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Dependencies, Dependency, Held, Inventory, Knowledge, Past, Tag, Unknown, Why};
use crate::clock::Timestamp;
use crate::key::{ClusterId, Namespace, ObjectKey};

/// The answer to a look-up.
#[derive(Debug)]
#[non_exhaustive]
pub enum Lookup<'a, K> {
    /// There is such an object.
    Found(&'a Arc<K>),
    /// There is none: the kind is known there, completely.
    Missing,
    /// Nobody can say.
    Unknown(Unknown),
}

impl<'a, K> Lookup<'a, K> {
    /// The object, when it was found.
    #[must_use]
    pub fn found(self) -> Option<&'a Arc<K>> {
        match self {
            Self::Found(object) => Some(object),
            Self::Missing | Self::Unknown(_) => None,
        }
    }
}

/// All objects that were asked for, as far as they are known.
#[derive(Debug)]
#[non_exhaustive]
pub struct Many<'a, K> {
    /// Those that are known, ordered by namespace and name.
    pub objects: Vec<&'a Arc<K>>,
    /// Why there may be others; `None` when these are all.
    pub unknown: Option<Unknown>,
}

/// Says what somebody may read. Must always say the same: what changes is another one.
pub trait MayRead: fmt::Debug + Send + Sync {
    /// Whether they may list a kind, such as `Pod`, in a namespace; `None` means in all namespaces, or that the kind has none.
    fn may_read(&self, cluster: &ClusterId, kind: &'static str, namespace: Option<&str>) -> bool;
}

/// A kind that was looked for in a place where it may not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Refusal {
    /// The cluster.
    pub cluster: ClusterId,
    /// The kind, such as `Pod`.
    pub kind: &'static str,
    /// The namespace; `None` means all of them, or that the kind has none.
    pub namespace: Option<String>,
}

/// Reads an [`Inventory`] for one judgement about one cluster.
#[derive(Debug)]
pub struct Reader<'a> {
    inventory: &'a Inventory,
    cluster: &'a ClusterId,
    now: Timestamp,
    may_read: Option<&'a dyn MayRead>,
    /// What was asked for and withheld since somebody last took it.
    withheld: RefCell<Vec<Unknown>>,
    refused: RefCell<BTreeSet<Refusal>>,
    dependencies: RefCell<Dependencies>,
    until: Cell<Option<Timestamp>>,
}

#[expect(private_bounds, reason = "what can be held is a closed set")]
impl<'a> Reader<'a> {
    /// A reader that has noted nothing yet.
    #[must_use]
    pub fn new(inventory: &'a Inventory, cluster: &'a ClusterId, now: Timestamp) -> Self {
        Self {
            inventory,
            cluster,
            now,
            may_read: None,
            withheld: RefCell::default(),
            refused: RefCell::default(),
            dependencies: RefCell::default(),
            until: Cell::new(None),
        }
    }

    /// A reader for somebody who may read part of it.
    #[must_use]
    pub fn through(
        inventory: &'a Inventory,
        cluster: &'a ClusterId,
        now: Timestamp,
        may_read: &'a dyn MayRead,
    ) -> Self {
        Self { may_read: Some(may_read), ..Self::new(inventory, cluster, now) }
    }

    /// The cluster that is judged.
    #[must_use]
    pub fn cluster(&self) -> &'a ClusterId {
        self.cluster
    }

    /// The time of the judgement. Whether a moment has come is for [`has_come`](Self::has_come) to say, which notes it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether that moment has come. If not, the judgement holds until then only.
    #[must_use]
    pub fn has_come(&self, moment: Timestamp) -> bool {
        if moment <= self.now {
            return true;
        }
        self.until.set(Some(self.until.get().map_or(moment, |until| until.min(moment))));
        false
    }

    /// One object by its name.
    #[must_use]
    pub fn get<K: Held>(&self, namespace: Option<&str>, name: &str) -> Lookup<'a, K> {
        let key = ObjectKey::new(self.cluster.clone(), namespace, name);
        self.note(Dependency::object::<K>(&key));
        let unknown = self.unknown_of::<K>(namespace, Some(name));
        let found = K::table(self.inventory).objects.get(&key).filter(|_| self.shows::<K>(&key));
        match (found, unknown) {
            (Some(object), _) => Lookup::Found(object),
            (None, None) => Lookup::Missing,
            (None, Some(unknown)) => Lookup::Unknown(unknown),
        }
    }

    /// What an object was for others before it changed, if that was seen and is remembered ([`Indexed::face`](super::Indexed::face)).
    #[must_use]
    pub fn before<K: Held>(&self, namespace: Option<&str>, name: &str) -> Option<&'a Past> {
        let key = ObjectKey::new(self.cluster.clone(), namespace, name);
        self.note(Dependency::object::<K>(&key));
        if self.withholds::<K>(namespace).is_some() {
            return None;
        }
        K::table(self.inventory).history.get(&key)
    }

    /// All objects with a tag, in one namespace or, for kinds whose tags are the cluster's, in all of it.
    #[must_use]
    pub fn tagged<K: Held>(&self, namespace: Option<&str>, tag: Tag) -> Many<'a, K> {
        let namespace = namespace.filter(|_| K::SCOPED && !tag.is_wide());
        self.note(Dependency::tag::<K>(self.cluster, namespace, &tag));
        let table = K::table(self.inventory);
        let place = (ObjectKey::new(self.cluster.clone(), namespace, ""), tag);
        let keys = table.tags.get(&place).into_iter().flatten();
        let keys = keys.filter(|key| self.shows::<K>(key));
        Many {
            objects: keys.filter_map(|key| table.objects.get(key)).collect(),
            unknown: self.unknown::<K>(namespace),
        }
    }

    /// Whether any object has a tag. Costs the same however many have it, and holds however many more come or go.
    #[must_use]
    pub fn has_tagged<K: Held>(&self, namespace: Option<&str>, tag: Tag) -> bool {
        let namespace = namespace.filter(|_| K::SCOPED && !tag.is_wide());
        let place = (ObjectKey::new(self.cluster.clone(), namespace, ""), tag);
        self.note(match self.may_read {
            None => Dependency::presence::<K>(&place),
            // Of those that there are, another may be the first that may be read.
            Some(_) => Dependency::tag::<K>(self.cluster, namespace, &place.1),
        });
        let mut keys = K::table(self.inventory).tags.get(&place).into_iter().flatten();
        // Whoever sees one needn't see all; that there is none is only said of all.
        keys.any(|key| self.shows::<K>(key)) || {
            drop(self.unknown::<K>(namespace));
            false
        }
    }

    /// All objects of a namespace. A change of any of them touches the judgement: for kinds of which there are few.
    #[must_use]
    pub fn in_namespace<K: Held>(&self, namespace: &str) -> Many<'a, K> {
        self.note(Dependency::namespace::<K>(self.cluster, namespace));
        let name = Namespace::new(namespace).ok();
        let range = name.iter().flat_map(|name| self.range::<K>(Some(name)));
        Many { objects: range.collect(), unknown: self.unknown::<K>(Some(namespace)) }
    }

    /// All objects of the cluster. A change of any of them touches the judgement: for kinds of which there are few.
    #[must_use]
    pub fn all<K: Held>(&self) -> Many<'a, K> {
        self.note(Dependency::all::<K>(self.cluster));
        Many { objects: self.range::<K>(None).collect(), unknown: self.unknown::<K>(None) }
    }

    fn range<K: Held>(&self, namespace: Option<&Namespace>) -> impl Iterator<Item = &'a Arc<K>> {
        let from = ObjectKey::first_of(self.cluster.clone(), namespace);
        let namespace = namespace.cloned();
        let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Unbounded);
        let objects = K::table(self.inventory).objects.range::<_, ObjectKey>(bounds);
        let cluster = self.cluster;
        let within = move |key: &ObjectKey| {
            key.cluster() == cluster
                && namespace.as_ref().is_none_or(|namespace| key.namespace() == Some(namespace.as_str()))
        };
        let objects = objects.take_while(move |(key, _)| within(key));
        objects.filter(|(key, _)| self.shows::<K>(key)).map(|(_, object)| object)
    }

    /// Why the kind is not known completely there; `None` when it is.
    #[must_use]
    pub fn unknown<K: Held>(&self, namespace: Option<&str>) -> Option<Unknown> {
        self.unknown_of::<K>(namespace, None)
    }

    fn unknown_of<K: Held>(&self, namespace: Option<&str>, name: Option<&str>) -> Option<Unknown> {
        self.note(Dependency::lane::<K>(self.cluster));
        let known = || K::table(self.inventory).knowledge(self.cluster, namespace).unknown();
        let why = self.withholds::<K>(namespace).or_else(known)?;
        let (namespace, name) = (namespace.map(str::to_owned), name.map(str::to_owned));
        let unknown = Unknown { kind: K::NAME, namespace, name, why };
        if why == Why::Forbidden {
            self.withheld.borrow_mut().push(unknown.clone());
        }
        Some(unknown)
    }

    /// Why nothing is told of a kind there, whatever is known of it.
    fn withholds<K: Held>(&self, namespace: Option<&str>) -> Option<Why> {
        let may_read = self.may_read?;
        // Of a kind that the cluster doesn't have, there is nothing to be kept from anybody, nor to be asked.
        let whole = K::table(self.inventory).knowledge(self.cluster, None);
        if let Knowledge::None(why @ (Why::NotInstalled | Why::NotWatched | Why::Offline)) = whole {
            return Some(why);
        }
        if may_read.may_read(self.cluster, K::NAME, namespace) {
            return None;
        }
        let (cluster, namespace) = (self.cluster.clone(), namespace.map(str::to_owned));
        self.refused.borrow_mut().insert(Refusal { cluster, kind: K::NAME, namespace });
        Some(Why::Forbidden)
    }

    fn shows<K: Held>(&self, key: &ObjectKey) -> bool {
        self.withholds::<K>(key.namespace()).is_none()
    }

    /// What was asked for since this was last called, and may not be read by whom it is asked for.
    pub(crate) fn take_withheld(&self) -> Vec<Unknown> {
        self.withheld.take()
    }

    /// What may not be read of all that was looked at so far.
    #[must_use]
    pub fn refused(&self) -> BTreeSet<Refusal> {
        self.refused.borrow().clone()
    }

    /// Whether anything is known of a kind in any part of the cluster: where not, looking for its objects would find none. Costs one
    /// dependency, whatever is then not looked for.
    #[must_use]
    pub fn has_any<K: Held>(&self) -> bool {
        self.note(Dependency::lane::<K>(self.cluster));
        let lanes = &K::table(self.inventory).lanes;
        lanes.iter().any(|(id, known)| id.cluster == *self.cluster && known.unknown().is_none())
    }

    fn note(&self, dependency: Dependency) {
        self.dependencies.borrow_mut().add(dependency);
    }

    /// Until when the same objects give the same judgement; `None` means for good.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        self.until.get()
    }

    /// On what the judgement depends.
    pub(crate) fn into_dependencies(self) -> Dependencies {
        self.dependencies.into_inner()
    }
}
