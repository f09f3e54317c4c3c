//! One writer, many readers: a snapshot that costs O(1), and every change since, numbered.
//!
//! The state is a persistent map (`imbl::OrdMap`, a B-tree that shares structure): a snapshot clones two pointers,
//! whatever the number of objects, and stays as it was while the writer goes on. Changes are published in batches into
//! one bounded ring that all readers share; a reader is a cursor into it, so that ten thousand of them cost the writer
//! nothing, and one that stalls slows nobody. A reader that falls behind the ring is told so and handed a fresh snapshot.
//!
//! Every change has a [`Position`], `epoch:seq`. The epoch names one run of the writer; within it, `seq` counts every
//! change without a gap. [`Store::subscribe`] takes snapshot and cursor in one step; [`Store::resume`] goes on from a
//! position if the ring still holds all that came after it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use imbl::OrdMap;
use tokio::sync::watch;

use crate::key::{ClusterId, Namespace, ObjectKey};
use crate::kind::Kind;
use crate::stats::{ChangeCounters, StoreStats};
use crate::status::{LaneId, LaneStatus};

mod writer;
pub use writer::Writer;

/// How many changes the ring holds for readers to resume from or catch up with, unless configured otherwise.
pub const DEFAULT_HISTORY: usize = 8192;

/// A point in a store's history: `epoch:seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Position {
    /// Names one run of the writer.
    pub epoch: u64,
    /// Counts the changes of that run.
    pub seq: u64,
}

impl Position {
    /// A point of a run.
    #[must_use]
    pub fn new(epoch: u64, seq: u64) -> Self {
        Self { epoch, seq }
    }
}

/// `epoch:seq`, the epoch in hexadecimal.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{}", self.epoch, self.seq)
    }
}

/// Text that is not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a revision: expected epoch:seq")]
#[non_exhaustive]
pub struct InvalidPosition;

impl std::str::FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let (epoch, seq) = text.split_once(':').ok_or(InvalidPosition)?;
        // Only what Display writes: `from_str_radix` alone would also take a sign.
        if !epoch.bytes().all(|b| b.is_ascii_hexdigit()) || !seq.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidPosition);
        }
        let epoch = u64::from_str_radix(epoch, 16).map_err(|_| InvalidPosition)?;
        let seq = seq.parse().map_err(|_| InvalidPosition)?;
        Ok(Self { epoch, seq })
    }
}

/// One change of a store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Change<K> {
    /// An object that was not there.
    Added(ObjectKey, Arc<K>),
    /// An object that differs from what it was.
    Modified {
        /// Which object.
        key: ObjectKey,
        /// What it was.
        old: Arc<K>,
        /// What it is.
        new: Arc<K>,
    },
    /// An object that is gone, as it last was.
    Deleted(ObjectKey, Arc<K>),
    /// A lane's state changed, or a lane began.
    Lane(Arc<LaneStatus>),
    /// A lane ended; its objects, where no other lane feeds them, were deleted before.
    LaneRemoved(LaneId),
}

/// Changes that became visible in one step.
#[derive(Debug)]
#[non_exhaustive]
pub struct Batch<K> {
    /// The run.
    pub epoch: u64,
    /// The number of the first change; the others follow without a gap.
    pub first_seq: u64,
    /// The changes, in order; never empty.
    pub changes: Vec<Change<K>>,
}

impl<K> Batch<K> {
    /// The number of the last change.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.first_seq + (self.changes.len() as u64).saturating_sub(1)
    }

    /// Each change with its position.
    pub fn iter(&self) -> impl Iterator<Item = (Position, &Change<K>)> {
        (self.first_seq..).zip(&self.changes).map(|(seq, change)| (Position::new(self.epoch, seq), change))
    }
}

/// The whole state at one position. Cloning it copies nothing.
#[derive(Debug, Clone)]
pub struct Snapshot<K> {
    position: Position,
    objects: OrdMap<ObjectKey, Arc<K>>,
    lanes: OrdMap<LaneId, Arc<LaneStatus>>,
}

impl<K> Snapshot<K> {
    /// The position that this is the state at.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// One object.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<&Arc<K>> {
        self.objects.get(key)
    }

    /// All objects, ordered by cluster, namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Arc<K>)> {
        self.objects.iter()
    }

    /// All objects after a key, in order; finding the place costs a look-up.
    pub fn after(&self, key: &ObjectKey) -> impl Iterator<Item = (&ObjectKey, &Arc<K>)> {
        self.objects
            .range::<_, ObjectKey>((std::ops::Bound::Excluded(key.clone()), std::ops::Bound::Unbounded))
    }

    /// The objects of a cluster, or of one namespace in it, in order.
    pub fn range<'a>(
        &'a self,
        cluster: &'a ClusterId,
        namespace: Option<&'a Namespace>,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a Arc<K>)> {
        range_of(&self.objects, cluster, namespace)
    }

    /// The lanes that feed the store, ordered by cluster, kind and scope.
    pub fn lanes(&self) -> impl Iterator<Item = &Arc<LaneStatus>> {
        self.lanes.values()
    }

    /// One lane.
    #[must_use]
    pub fn lane(&self, id: &LaneId) -> Option<&Arc<LaneStatus>> {
        self.lanes.get(id)
    }

    /// Whether the first sync is done: every lane had an outcome, and at least one was synced. It stays so through outages,
    /// but not when a lane begins: until that had an outcome, its objects are missing.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        let mut synced = false;
        for lane in self.lanes() {
            if lane.last_sync.is_none() && lane.failures == 0 {
                return false;
            }
            synced |= lane.last_sync.is_some();
        }
        synced
    }
}

fn range_of<'a, V>(
    objects: &'a OrdMap<ObjectKey, V>,
    cluster: &'a ClusterId,
    namespace: Option<&'a Namespace>,
) -> impl Iterator<Item = (&'a ObjectKey, &'a V)> {
    let from = ObjectKey::first_of(cluster.clone(), namespace);
    let bounds = (std::ops::Bound::Included(from), std::ops::Bound::Unbounded);
    objects.range::<_, ObjectKey>(bounds).take_while(move |(key, _)| {
        key.cluster() == cluster
            && namespace.is_none_or(|namespace| key.namespace() == Some(namespace.as_str()))
    })
}

/// A reader's handle on a store. Cloning it is cheap; all clones see the same state.
pub struct Store<K> {
    shared: Arc<Shared<K>>,
}

impl<K> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<K> fmt::Debug for Store<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("position", &self.shared.lock().snapshot.position)
            .finish_non_exhaustive()
    }
}

struct Shared<K> {
    state: Mutex<State<K>>,
    // Tells readers that there is something new. It carries the number of the last change; `None` once the writer is gone.
    latest: watch::Sender<Option<u64>>,
    history: usize,
    changes: ChangeCounters,
}

struct State<K> {
    snapshot: Snapshot<K>,
    ring: VecDeque<Arc<Batch<K>>>,
    ring_changes: usize,
}

impl<K> Shared<K> {
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // The lock is held for pointer moves only, none of which can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a position can't be resumed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// It is of another run of the writer.
    #[error("the revision is of another run")]
    EpochChanged,
    /// Some of what came after it is no longer held.
    #[error("the revision is too old to resume from")]
    Expired,
    /// It lies in the future of this run.
    #[error("the revision was never given out")]
    Unknown,
}

impl<K: Kind> Store<K> {
    /// A new, empty store and its only writer. `epoch` must differ between runs; `history` bounds the ring (at least 1).
    #[must_use]
    pub fn new(epoch: u64, history: usize) -> (Writer<K>, Self) {
        let snapshot =
            Snapshot { position: Position::new(epoch, 0), objects: OrdMap::new(), lanes: OrdMap::new() };
        let shared = Arc::new(Shared {
            state: Mutex::new(State { snapshot: snapshot.clone(), ring: VecDeque::new(), ring_changes: 0 }),
            latest: watch::Sender::new(Some(0)),
            history: history.max(1),
            changes: ChangeCounters::default(),
        });
        (Writer::new(shared.clone(), snapshot), Self { shared })
    }

    /// The state now. O(1), whatever its size.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<K> {
        self.shared.lock().snapshot.clone()
    }

    /// The state now, and every change after it: one step, so there is no gap and no duplicate.
    #[must_use]
    pub fn subscribe(&self) -> (Snapshot<K>, Deltas<K>) {
        let latest = self.shared.latest.subscribe();
        let snapshot = self.snapshot();
        let deltas = Deltas { shared: self.shared.clone(), seq: snapshot.position.seq, latest };
        (snapshot, deltas)
    }

    /// Every change after a position, and the state now for what is not a change (lanes, counts): the deltas begin at
    /// the position, not at the snapshot.
    ///
    /// # Errors
    ///
    /// When the position is of another run, was never given out, or is older than the ring.
    pub fn resume(&self, position: Position) -> Result<(Snapshot<K>, Deltas<K>), ResumeError> {
        let latest = self.shared.latest.subscribe();
        let state = self.shared.lock();
        let now = state.snapshot.position;
        if position.epoch != now.epoch {
            return Err(ResumeError::EpochChanged);
        }
        if position.seq > now.seq {
            return Err(ResumeError::Unknown);
        }
        let oldest = state.ring.front().map_or(now.seq + 1, |batch| batch.first_seq);
        if position.seq + 1 < oldest {
            return Err(ResumeError::Expired);
        }
        let snapshot = state.snapshot.clone();
        drop(state);
        Ok((snapshot, Deltas { shared: self.shared.clone(), seq: position.seq, latest }))
    }

    /// What was published so far, and which lanes feed the store. Costs as much as there are lanes.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let snapshot = self.snapshot();
        StoreStats {
            kind: K::resource().kind,
            position: snapshot.position,
            changes: self.shared.changes.read(),
            lanes: snapshot.lanes.values().cloned().collect(),
        }
    }

    /// Notices every publication; carries the number of the last change, `None` once the writer is gone.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<u64>> {
        self.shared.latest.subscribe()
    }

    /// Waits for the first sync ([`Snapshot::is_synced`]), and returns the state; `None` if the writer ends first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn synced(&self) -> Option<Snapshot<K>> {
        self.wait_for(Snapshot::is_synced).await
    }

    /// Waits until the state satisfies a condition, and returns that state; `None` if the writer ends first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn wait_for(&self, mut satisfied: impl FnMut(&Snapshot<K>) -> bool) -> Option<Snapshot<K>> {
        let mut latest = self.shared.latest.subscribe();
        loop {
            let ended = latest.borrow_and_update().is_none();
            let snapshot = self.snapshot();
            if satisfied(&snapshot) {
                return Some(snapshot);
            }
            if ended || latest.changed().await.is_err() {
                return None;
            }
        }
    }
}

/// What a reader receives.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Update<K> {
    /// Changes, the next ones in order.
    Changes(Arc<Batch<K>>),
    /// The reader fell behind the ring: forget everything and start from this state.
    Reset(Snapshot<K>),
}

/// A reader's cursor: every change after a position.
pub struct Deltas<K> {
    shared: Arc<Shared<K>>,
    seq: u64,
    latest: watch::Receiver<Option<u64>>,
}

impl<K> fmt::Debug for Deltas<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deltas").field("seq", &self.seq).finish_non_exhaustive()
    }
}

impl<K: Kind> Deltas<K> {
    /// The next changes, or a reset when this reader fell behind; `None` once the writer is gone and all was read.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is taken until the future is ready.
    pub async fn next(&mut self) -> Option<Update<K>> {
        loop {
            let ended = self.latest.borrow_and_update().is_none();
            if let Some(update) = self.try_next() {
                return Some(update);
            }
            if ended || self.latest.changed().await.is_err() {
                return None;
            }
        }
    }

    /// How many changes there are after the last one that was read; 0 for a reader that is up to date.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.shared.lock().snapshot.position.seq.saturating_sub(self.seq)
    }

    /// The next changes, if there are any now.
    pub fn try_next(&mut self) -> Option<Update<K>> {
        let state = self.shared.lock();
        let now = state.snapshot.position;
        if self.seq >= now.seq {
            return None;
        }
        // Most readers wait for the newest batch.
        let newest = state.ring.back().filter(|batch| batch.first_seq <= self.seq + 1);
        let next = newest.or_else(|| {
            let at = state.ring.partition_point(|batch| batch.last_seq() <= self.seq);
            state.ring.get(at)
        });
        match next {
            Some(batch) if batch.first_seq <= self.seq + 1 => {
                let batch = batch.clone();
                drop(state);
                let seq = std::mem::replace(&mut self.seq, batch.last_seq());
                Some(Update::Changes(cut(batch, seq)))
            }
            _ => {
                let snapshot = state.snapshot.clone();
                drop(state);
                self.seq = now.seq;
                Some(Update::Reset(snapshot))
            }
        }
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl futures::Stream<Item = Update<K>> {
        futures::stream::unfold(self, async |mut deltas| deltas.next().await.map(|update| (update, deltas)))
    }
}

/// The part of a batch after `seq`; the batch itself unless a reader resumed inside it.
fn cut<K: Clone>(batch: Arc<Batch<K>>, seq: u64) -> Arc<Batch<K>> {
    if batch.first_seq > seq {
        return batch;
    }
    let seen = usize::try_from(seq + 1 - batch.first_seq).unwrap_or(usize::MAX);
    let changes = batch.changes.get(seen..).unwrap_or_default().to_vec();
    Arc::new(Batch { epoch: batch.epoch, first_seq: seq + 1, changes })
}

#[cfg(test)]
mod tests;
