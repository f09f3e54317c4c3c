//! What two states of an inventory differ in, for somebody who may read part of it.
//!
//! Tables share what did not change, so finding out costs what did, in all of the cluster; what may not be read is passed over, but for the names
//! of the objects: whether those may be read is asked when somebody comes to judge them.

use imbl::ordmap::DiffItem;

use super::{Held, Inventory, Knowledge, MayRead, Table, Touched, every_kind};
use crate::clock::Timestamp;
use crate::key::ClusterId;
use crate::status::LaneId;

impl Inventory {
    /// Notes what this state has otherwise than one before. Whether anything differs that may be read.
    pub(crate) fn since(&self, before: &Self, may_read: &dyn MayRead, touched: &mut Touched) -> bool {
        let mut differs = false;
        macro_rules! compare {
            ($kind:ident) => {
                let (old, new) =
                    (<crate::kind::$kind as Held>::table(before), <crate::kind::$kind as Held>::table(self));
                differs |= objects::<crate::kind::$kind>(old, new, may_read, touched);
                differs |= lanes::<crate::kind::$kind>(old, new, may_read, touched);
            };
        }
        every_kind!(compare);
        differs
    }

    /// Since when some of what somebody may read of a cluster is stale; `None` while all of it is current.
    #[must_use]
    pub fn stale_since_for(&self, cluster: &ClusterId, may_read: &dyn MayRead) -> Option<Timestamp> {
        let mut oldest: Option<Timestamp> = None;
        macro_rules! look {
            ($kind:ident) => {
                for (id, knowledge) in &<crate::kind::$kind as Held>::table(self).lanes {
                    if let (true, Knowledge::Stale(since)) = (id.cluster == *cluster, knowledge) {
                        if shows::<crate::kind::$kind>(id, may_read) {
                            oldest = Some(oldest.map_or(*since, |known| known.min(*since)));
                        }
                    }
                }
            };
        }
        every_kind!(look);
        oldest
    }
}

fn objects<K: Held>(
    before: &Table<K>,
    now: &Table<K>,
    may_read: &dyn MayRead,
    touched: &mut Touched,
) -> bool {
    let mut differs = false;
    for item in before.objects.diff(&now.objects) {
        let (key, old, new) = match item {
            DiffItem::Add(key, new) => (key, None, Some(&**new)),
            DiffItem::Update { old: (_, old), new: (key, new) } => (key, Some(&**old), Some(&**new)),
            DiffItem::Remove(key, old) => (key, Some(&**old), None),
        };
        if old.zip(new).is_some_and(|(old, new)| old.equivalent(new)) {
            continue;
        }
        if may_read.may_read(key.cluster(), K::NAME, key.namespace()) {
            touched.object::<K>(key, old, new);
            differs = true;
        } else {
            touched.mention::<K>(key);
        }
    }
    differs
}

/// A lane of a whole cluster tells everybody of its state: that is what makes what they see current. One of a namespace tells those of it who may
/// read what it feeds; whether there are any at all says only what is watched.
fn lanes<K: Held>(before: &Table<K>, now: &Table<K>, may_read: &dyn MayRead, touched: &mut Touched) -> bool {
    let mut differs = false;
    for item in before.lanes.diff(&now.lanes) {
        let (id, old, new) = match item {
            DiffItem::Add(id, new) => (id, None, Some(*new)),
            DiffItem::Update { old: (_, old), new: (id, new) } => (id, Some(*old), Some(*new)),
            DiffItem::Remove(id, old) => (id, Some(*old), None),
        };
        let begins = |table: &Table<K>| !table.lanes.keys().any(|lane| lane.cluster == id.cluster);
        if !shows::<K>(id, may_read) && begins(before) == begins(now) {
            continue;
        }
        differs = true;
        if old.map(Knowledge::unknown) != new.map(Knowledge::unknown) {
            touched.lane::<K>(&id.cluster);
        }
    }
    differs
}

fn shows<K: Held>(lane: &LaneId, may_read: &dyn MayRead) -> bool {
    let namespace = lane.scope.namespace();
    namespace.is_none_or(|name| may_read.may_read(&lane.cluster, K::NAME, Some(name.as_str())))
}
