//! The one writer of a store.

use std::sync::Arc;

use rand::RngExt as _;

use super::{Batch, Change, Position, Shared, Snapshot, range_of};
use crate::key::{ClusterId, Namespace, ObjectKey};
use crate::kind::Kind;
use crate::status::{LaneId, LaneStatus};

/// Changes a store. What it does becomes visible to readers, all at once, with [`publish`](Writer::publish).
///
/// Dropping the writer ends every subscription, after what was published has been read.
pub struct Writer<K> {
    shared: Arc<Shared<K>>,
    next: Snapshot<K>,
    changes: Vec<Change<K>>,
}

impl<K> std::fmt::Debug for Writer<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer")
            .field("position", &self.next.position)
            .field("unpublished", &self.changes.len())
            .finish_non_exhaustive()
    }
}

/// Where the numbers of a batch come from.
#[derive(Clone, Copy)]
enum Numbered {
    /// From this process.
    Here,
    /// From outside, up to this one.
    Outside(u64),
    /// From outside, which went to this one unseen.
    Jump(u64),
}

impl<K: Kind> Writer<K> {
    pub(super) fn new(shared: Arc<Shared<K>>, next: Snapshot<K>) -> Self {
        Self { shared, next, changes: Vec::new() }
    }

    /// The state with everything done so far, published or not.
    #[must_use]
    pub fn state(&self) -> &Snapshot<K> {
        &self.next
    }

    /// Sets an object; nothing changes when it equals what is there. Whether it was not there before.
    pub fn apply(&mut self, key: ObjectKey, object: K) -> bool {
        let Some(key) = self.differs(key, &object) else { return false };
        self.set(key, Arc::new(object))
    }

    /// The same for an object that another store may hold as well.
    pub fn apply_shared(&mut self, key: ObjectKey, object: Arc<K>) -> bool {
        let Some(key) = self.differs(key, &object) else { return false };
        self.set(key, object)
    }

    /// `None` when the object equals what is there; else the key that is there already, so that changes of an object share one.
    fn differs(&self, key: ObjectKey, object: &K) -> Option<ObjectKey> {
        match self.next.objects.get_key_value(&key) {
            Some((_, old)) if **old == *object => None,
            Some((known, _)) => Some(known.clone()),
            None => Some(key),
        }
    }

    fn set(&mut self, key: ObjectKey, new: Arc<K>) -> bool {
        let old = self.next.objects.insert(key.clone(), new.clone());
        let added = old.is_none();
        self.changes.push(match old {
            Some(old) => Change::Modified { key, old, new },
            None => Change::Added(key, new),
        });
        added
    }

    /// Removes an object. Whether it was there.
    pub fn delete(&mut self, key: &ObjectKey) -> bool {
        let Some(old) = self.next.objects.remove(key) else { return false };
        self.changes.push(Change::Deleted(key.clone(), old));
        true
    }

    /// Makes the objects of a cluster, or of one namespace in it, exactly these; only real differences become changes.
    pub fn replace(
        &mut self,
        cluster: &ClusterId,
        namespace: Option<&Namespace>,
        objects: Vec<(ObjectKey, K)>,
    ) {
        let wanted: std::collections::HashSet<&ObjectKey> = objects.iter().map(|(key, _)| key).collect();
        let gone: Vec<ObjectKey> = range_of(&self.next.objects, cluster, namespace)
            .map(|(key, _)| key)
            .filter(|key| !wanted.contains(key))
            .cloned()
            .collect();
        // Deletions first: an object that moved to another name is then never seen twice.
        for key in &gone {
            self.delete(key);
        }
        for (key, object) in objects {
            self.apply(key, object);
        }
    }

    /// Sets a lane's status.
    pub fn set_lane(&mut self, status: LaneStatus) {
        let status = Arc::new(status);
        self.next.lanes.insert(status.id.clone(), status.clone());
        self.changes.push(Change::Lane(status));
    }

    /// Removes a lane, if it is there. Its objects stay.
    pub fn remove_lane(&mut self, id: &LaneId) {
        if self.next.lanes.remove(id).is_some() {
            self.changes.push(Change::LaneRemoved(id.clone()));
        }
    }

    /// Makes everything done since the last time visible, as one batch: with the next numbers, or, in a
    /// [shared](super::Store::shared) store, with some of those that are left to each process.
    pub fn publish(&mut self) {
        let (now, count) = (self.next.position, self.changes.len() as u64);
        if count == 0 {
            return;
        }
        let Shared { room, .. } = *self.shared;
        let mut first = now.seq + 1;
        if room > 0 {
            let numbered = self.shared.lock().numbered;
            if now.seq == numbered {
                // Two processes that say different things of their lanes must not call them the same.
                first += rand::rng().random_range(0..room.div_ceil(4));
            }
            // When there is no number left, the last ones are given again: what everybody shares must not be overtaken.
            first = first.min((numbered + room).saturating_sub(count)).max(numbered + 1);
        }
        self.push(Position::new(now.epoch, first), Numbered::Here);
    }

    /// Makes everything done since the last time visible as one batch, whose first change has this position in the history that
    /// several processes share. A number that is not beyond the last one is taken as a [jump](Self::publish_jump). With nothing done,
    /// the position moves all the same.
    pub fn publish_as(&mut self, first: Position) {
        let now = self.next.position;
        let last = (first.seq + self.changes.len() as u64).saturating_sub(1);
        if first.epoch != now.epoch || first.seq <= now.seq {
            self.publish_jump(Position::new(first.epoch, last.max(first.seq)));
        } else if self.changes.is_empty() {
            self.next.position = first;
            let mut state = self.shared.lock();
            (state.snapshot.position, state.numbered) = (first, first.seq);
        } else {
            self.push(first, Numbered::Outside(last));
        }
    }

    /// How many changes wait to be published.
    #[must_use]
    pub fn unpublished(&self) -> usize {
        self.changes.len()
    }

    /// Makes everything done since the last time visible as one batch that ends at a position of the shared history: the way there
    /// was not seen, only where it led. Nobody can resume from before it.
    pub fn publish_jump(&mut self, to: Position) {
        let count = self.changes.len() as u64;
        if count > 0 {
            let first = (to.seq + 1).saturating_sub(count);
            self.push(Position::new(to.epoch, first), Numbered::Jump(to.seq));
            return;
        }
        self.next.position = to;
        let mut state = self.shared.lock();
        state.snapshot.position = to;
        (state.floor, state.numbered) = (to.seq, to.seq);
    }

    fn push(&mut self, first: Position, numbered: Numbered) {
        let mut changes = std::mem::take(&mut self.changes);
        changes.shrink_to_fit();
        let count = changes.len();
        let first_ordinal = self.next.ordinal + 1;
        let batch = Arc::new(Batch { epoch: first.epoch, first_seq: first.seq, first_ordinal, changes });
        self.next.position = Position::new(first.epoch, batch.last_seq());
        self.next.ordinal = batch.last_ordinal();
        self.shared.changes.count(&batch.changes);
        let mut dropped = Vec::new();
        let mut state = self.shared.lock();
        state.ring.push_back(batch);
        state.ring_changes += count;
        while state.ring_changes > self.shared.history && state.ring.len() > 1 {
            if let Some(oldest) = state.ring.pop_front() {
                state.ring_changes -= oldest.changes.len();
                if oldest.epoch == first.epoch {
                    state.floor = state.floor.max(oldest.last_seq());
                }
                dropped.push(oldest);
            }
        }
        match numbered {
            Numbered::Here => {}
            Numbered::Outside(last) => state.numbered = last,
            Numbered::Jump(to) => (state.floor, state.numbered) = (to, to),
        }
        let old = std::mem::replace(&mut state.snapshot, self.next.clone());
        drop(state);
        // Freed outside the lock: an old snapshot may be the last owner of many nodes.
        drop((old, dropped));
        self.shared.latest.send_replace(Some(self.next.ordinal));
    }
}

impl<K> Drop for Writer<K> {
    fn drop(&mut self) {
        self.shared.latest.send_replace(None);
    }
}
