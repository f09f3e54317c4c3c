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
//!
//! # Positions that several processes share
//!
//! A store that several processes keep alike ([`Store::shared`]) is numbered from outside, so that a reader can go on at another of
//! them. Its `seq` still ascends, but has gaps: room between what is numbered for everybody and what a process has to say for itself
//! alone, of its lanes. Readers inside the process don't notice: what counts for them is the ordinal, which never jumps.

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
    /// The ordinal of the first change: it counts all changes of this process's store without a gap, whatever their positions.
    pub first_ordinal: u64,
    /// The changes, in order; never empty.
    pub changes: Vec<Change<K>>,
}

impl<K> Batch<K> {
    /// The number of the last change.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.first_seq + (self.changes.len() as u64).saturating_sub(1)
    }

    /// The ordinal of the last change.
    #[must_use]
    pub fn last_ordinal(&self) -> u64 {
        self.first_ordinal + (self.changes.len() as u64).saturating_sub(1)
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
    ordinal: u64,
    objects: OrdMap<ObjectKey, Arc<K>>,
    lanes: OrdMap<LaneId, Arc<LaneStatus>>,
}

impl<K> Snapshot<K> {
    /// The position that this is the state at.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The [ordinal](Batch::first_ordinal) of the last change; 0 before the first.
    #[must_use]
    pub fn ordinal(&self) -> u64 {
        self.ordinal
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
    // Tells readers that there is something new. It carries the ordinal of the last change; `None` once the writer is gone.
    latest: watch::Sender<Option<u64>>,
    history: usize,
    // How many numbers lie between those that all processes share; 0 for a store of this process alone.
    room: u64,
    changes: ChangeCounters,
}

struct State<K> {
    snapshot: Snapshot<K>,
    ring: VecDeque<Arc<Batch<K>>>,
    ring_changes: usize,
    // The number before the oldest batch that can be resumed from: what came before is not held, or was never told one by one.
    floor: u64,
    // The last number that all processes share.
    numbered: u64,
}

impl<K> Shared<K> {
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // The lock is held for pointer moves only, none of which can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far a process may be behind what a reader knows from another: in numbers, as multiples of the room between them.
const AHEAD: u64 = 1 << 16;

impl<K> State<K> {
    /// The ordinal of the last change that a reader at this position knows, and up to where it knows what is yet to come.
    fn find(&self, position: Position, room: u64) -> Result<(u64, Option<Position>), ResumeError> {
        let now = self.snapshot.position;
        if position.epoch != now.epoch {
            return Err(ResumeError::EpochChanged);
        }
        if position.seq < self.floor {
            return Err(ResumeError::Expired);
        }
        let ahead = position.seq.saturating_sub(now.seq);
        if ahead > 0 {
            let own = position.seq < self.numbered.saturating_add(room);
            return match () {
                // Another process has said more of its own lanes than this one: that is nothing to wait for.
                () if own => Ok((self.snapshot.ordinal, None)),
                () if ahead <= room.saturating_mul(AHEAD) => Ok((self.snapshot.ordinal, Some(position))),
                () => Err(ResumeError::Unknown),
            };
        }
        // Batches of runs before this one lie below the floor, and so before all that can be asked for.
        let after = |batch: &&Arc<Batch<K>>| batch.epoch == now.epoch && batch.last_seq() > position.seq;
        let Some(batch) = self.ring.iter().rev().take_while(after).last() else {
            return Ok((self.snapshot.ordinal, None));
        };
        let seen = (position.seq + 1).saturating_sub(batch.first_seq);
        Ok(((batch.first_ordinal + seen).saturating_sub(1), None))
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
        Self::with_room(epoch, history, 0)
    }

    /// The same for a store whose positions several processes share: what they share is published with
    /// [`Writer::publish_as`] and [`Writer::publish_jump`], and between any two such batches there are `room` numbers (at least 1)
    /// for what each of them publishes for itself.
    #[must_use]
    pub fn shared(epoch: u64, history: usize, room: u64) -> (Writer<K>, Self) {
        Self::with_room(epoch, history, room.max(1))
    }

    fn with_room(epoch: u64, history: usize, room: u64) -> (Writer<K>, Self) {
        let snapshot = Snapshot {
            position: Position::new(epoch, 0),
            ordinal: 0,
            objects: OrdMap::new(),
            lanes: OrdMap::new(),
        };
        let state = State {
            snapshot: snapshot.clone(),
            ring: VecDeque::new(),
            ring_changes: 0,
            floor: 0,
            numbered: 0,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            latest: watch::Sender::new(Some(0)),
            history: history.max(1),
            room,
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
        let deltas = self.deltas(snapshot.ordinal, None, latest);
        (snapshot, deltas)
    }

    /// Every change after a position, and the state now for what is not a change (lanes, counts): the deltas begin at
    /// the position, not at the snapshot.
    ///
    /// A position of a [shared](Self::shared) store that this process has yet to reach is gone on from, too: what comes up to it is
    /// left out, since the reader knows it.
    ///
    /// # Errors
    ///
    /// When the position is of another run, was never given out, or is older than the ring.
    pub fn resume(&self, position: Position) -> Result<(Snapshot<K>, Deltas<K>), ResumeError> {
        let latest = self.shared.latest.subscribe();
        let state = self.shared.lock();
        let (ordinal, known) = state.find(position, self.shared.room)?;
        let snapshot = state.snapshot.clone();
        drop(state);
        Ok((snapshot, self.deltas(ordinal, known, latest)))
    }

    fn deltas(
        &self,
        ordinal: u64,
        known: Option<Position>,
        latest: watch::Receiver<Option<u64>>,
    ) -> Deltas<K> {
        Deltas { shared: self.shared.clone(), ordinal, known, latest }
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

    /// Notices every publication; carries the ordinal of the last change, `None` once the writer is gone.
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
    /// Changes were left out that the reader knows from another process. What this one's lanes say it can't know: they are as in this
    /// snapshot, whose objects are not meant.
    Lanes(Snapshot<K>),
}

/// A reader's cursor: every change after a position.
pub struct Deltas<K> {
    shared: Arc<Shared<K>>,
    /// Of the last change that was read.
    ordinal: u64,
    /// Up to where the reader knows what this process has yet to reach.
    known: Option<Position>,
    latest: watch::Receiver<Option<u64>>,
}

impl<K> fmt::Debug for Deltas<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deltas").field("ordinal", &self.ordinal).finish_non_exhaustive()
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
        self.shared.lock().snapshot.ordinal.saturating_sub(self.ordinal)
    }

    /// The next changes, if there are any now.
    pub fn try_next(&mut self) -> Option<Update<K>> {
        loop {
            let update = self.take()?;
            let Some(known) = self.known else { return Some(update) };
            if let Some(update) = self.unknown(update, known) {
                return Some(update);
            }
        }
    }

    fn take(&mut self) -> Option<Update<K>> {
        let state = self.shared.lock();
        let now = state.snapshot.ordinal;
        if self.ordinal >= now {
            return None;
        }
        // Most readers wait for the newest batch.
        let newest = state.ring.back().filter(|batch| batch.first_ordinal <= self.ordinal + 1);
        let next = newest.or_else(|| {
            let at = state.ring.partition_point(|batch| batch.last_ordinal() <= self.ordinal);
            state.ring.get(at)
        });
        match next {
            Some(batch) if batch.first_ordinal <= self.ordinal + 1 => {
                let batch = batch.clone();
                drop(state);
                let ordinal = std::mem::replace(&mut self.ordinal, batch.last_ordinal());
                Some(Update::Changes(cut(batch, ordinal)))
            }
            _ => {
                let snapshot = state.snapshot.clone();
                drop(state);
                self.ordinal = now;
                Some(Update::Reset(snapshot))
            }
        }
    }

    /// What of an update the reader does not know from elsewhere.
    fn unknown(&mut self, update: Update<K>, known: Position) -> Option<Update<K>> {
        let Update::Changes(batch) = update else {
            self.known = None;
            return Some(update);
        };
        let state = self.shared.lock();
        if batch.epoch != known.epoch || (known.seq < state.floor && known.seq < batch.last_seq()) {
            // What it knew is of a run that is over, or lies on a way that was not seen here.
            self.known = None;
            let snapshot = state.snapshot.clone();
            drop(state);
            self.ordinal = snapshot.ordinal;
            return Some(Update::Reset(snapshot));
        }
        drop(state);
        if batch.last_seq() <= known.seq {
            let reached = batch.last_seq() == known.seq;
            if reached {
                self.known = None;
            }
            let of_lanes = |change: &Change<K>| matches!(change, Change::Lane(_) | Change::LaneRemoved(_));
            let told = reached || batch.changes.iter().any(of_lanes);
            return told.then(|| Update::Lanes(self.shared.lock().snapshot.clone()));
        }
        self.known = None;
        let seen = (known.seq + 1).saturating_sub(batch.first_seq);
        Some(Update::Changes(cut(batch.clone(), (batch.first_ordinal + seen).saturating_sub(1))))
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl futures::Stream<Item = Update<K>> {
        futures::stream::unfold(self, async |mut deltas| deltas.next().await.map(|update| (update, deltas)))
    }
}

/// The part of a batch after an ordinal; the batch itself unless a reader resumed inside it.
fn cut<K: Clone>(batch: Arc<Batch<K>>, ordinal: u64) -> Arc<Batch<K>> {
    if batch.first_ordinal > ordinal {
        return batch;
    }
    let seen = ordinal + 1 - batch.first_ordinal;
    let changes =
        batch.changes.get(usize::try_from(seen).unwrap_or(usize::MAX)..).unwrap_or_default().to_vec();
    Arc::new(Batch {
        epoch: batch.epoch,
        first_seq: batch.first_seq + seen,
        first_ordinal: ordinal + 1,
        changes,
    })
}

#[cfg(test)]
mod tests;
