//! What a fleet knows of a kind, read from Redis: snapshots of shards, and what the log says after them.
//!
//! Followers load everything, publishers the shard that they take over. It costs one reading of the snapshots (megabytes, over a connection of
//! its own) and a few hundred entries at most: writers renew their snapshots long before the log forgets what came after.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ingress_core::stored::{InvalidStored, Statement, StatementReader};
use ingress_core::{Kind, LaneId, LaneStatus, ObjectKey};
use tokio::time::sleep;

use super::log::{Entry, Log, LogFault, LogFaultKind, Meta, Snapshot, Tail, Tailed};
use super::shard::Shard;

/// How often reading is tried again at once when the log moved on too fast.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(50);

/// Everything that is known of some shards, as of one number.
#[derive(Debug)]
pub(super) struct Loaded<K> {
    /// The log's end and its shards, as they were when reading began.
    pub(super) meta: Meta,
    /// The shards of which there is a snapshot.
    pub(super) shards: BTreeMap<Shard, Known<K>>,
    /// Reads on from there.
    pub(super) tail: Tail,
}

/// Everything that is known of one shard.
#[derive(Debug)]
pub(super) struct Known<K> {
    pub(super) objects: BTreeMap<ObjectKey, Arc<K>>,
    pub(super) lanes: BTreeMap<LaneId, LaneStatus>,
    /// Everything up to here is in it.
    pos: u64,
    /// The log's end when the snapshot was read: it is the one that any entry up to here tells to read.
    pub(super) read_at: u64,
}

/// Why nothing could be loaded.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("{0}")]
    Log(#[from] LogFault),
    #[error("what lies in the log is {0}")]
    Stored(#[from] InvalidStored),
    #[error("the log moves on faster than it can be read")]
    Moved,
}

impl<K: Kind> Known<K> {
    fn of(snapshot: &Snapshot) -> Result<Self, InvalidStored> {
        let (pos, read_at) = (snapshot.pos, snapshot.place.seq);
        let mut known = Self { objects: BTreeMap::new(), lanes: BTreeMap::new(), pos, read_at };
        for (_, segment) in &snapshot.segments {
            known.apply(segment)?;
        }
        Ok(known)
    }

    fn apply(&mut self, statements: &Bytes) -> Result<(), InvalidStored> {
        let mut reader = StatementReader::new(statements);
        while let Some(statement) = reader.read::<K>()? {
            match statement {
                Statement::Applied(key, object) => {
                    self.objects.insert(key, Arc::new(object));
                }
                Statement::Deleted(key) => {
                    self.objects.remove(&key);
                }
                Statement::Lane(status) => {
                    self.lanes.insert(status.id.clone(), status);
                }
                Statement::LaneRemoved(id) => {
                    self.lanes.remove(&id);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// How far to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// As far as snapshots go: the entries after that are for the reader, who wants to know each of them.
    Snapshots,
    /// To the log's end.
    End,
}

/// Loads the shards that are wanted; `None` where there is no log yet.
pub(super) async fn load<K: Kind>(
    log: &Log,
    until: Until,
    wanted: impl Fn(&Shard) -> bool,
) -> Result<Option<Loaded<K>>, LoadError> {
    for _ in 0..TRIES {
        match attempt(log, until, &wanted).await {
            Err(LoadError::Moved) => sleep(PAUSE).await,
            other => return other,
        }
    }
    Err(LoadError::Moved)
}

async fn attempt<K: Kind>(
    log: &Log,
    until: Until,
    wanted: &impl Fn(&Shard) -> bool,
) -> Result<Option<Loaded<K>>, LoadError> {
    let Some(meta) = log.meta().await? else { return Ok(None) };
    let names: Vec<Shard> = meta.shards.keys().filter(|shard| wanted(shard)).cloned().collect();
    let snapshots = match log.read_snapshots(&names).await {
        Err(fault) if fault.kind() == LogFaultKind::EpochChanged => return Err(LoadError::Moved),
        other => other?,
    };
    let mut anchors = vec![meta.place];
    let mut shards = BTreeMap::new();
    let mut start = meta.place.seq;
    let mut end = if until == Until::End { meta.place.seq } else { 0 };
    for (shard, snapshot) in names.into_iter().zip(snapshots) {
        let Some(snapshot) = snapshot else { continue };
        if snapshot.place.epoch != meta.place.epoch {
            return Err(LoadError::Moved);
        }
        anchors.push(snapshot.place);
        let last = meta.shards.get(&shard).and_then(|shard| shard.last);
        if last.is_some_and(|last| last > snapshot.pos) {
            start = start.min(snapshot.pos);
        }
        // Snapshots are read one after the other; what one has that came later, all have to have.
        end = end.max(snapshot.pos);
        shards.insert(shard, Known::of(&snapshot)?);
    }
    if start < meta.trimmed {
        return Err(LoadError::Moved);
    }
    // Where nothing came after any snapshot, all is as it was at the end.
    end = end.max(start);
    let mut tail = log.tail(meta.place.epoch, start, anchors);
    while tail.seq() < end {
        match tail.next().await? {
            Tailed::Entries(entries) => {
                for entry in entries {
                    follow(&mut shards, &entry)?;
                }
            }
            Tailed::Idle | Tailed::Lost(_) => return Err(LoadError::Moved),
        }
    }
    Ok(Some(Loaded { meta, shards, tail }))
}

fn follow<K: Kind>(shards: &mut BTreeMap<Shard, Known<K>>, entry: &Entry) -> Result<(), LoadError> {
    let Some(known) = shards.get_mut(&entry.shard).filter(|known| entry.last > known.pos) else {
        return Ok(());
    };
    known.pos = entry.last;
    match &entry.data {
        Some(statements) => Ok(known.apply(statements)?),
        None if entry.last <= known.read_at => Ok(()),
        None => Err(LoadError::Moved),
    }
}

impl<K> Loaded<K> {
    /// Takes what is known of one shard; nothing, where there is no snapshot of it.
    pub(super) fn take(mut self, shard: &Shard) -> Option<Known<K>> {
        self.shards.remove(shard)
    }
}

#[cfg(test)]
impl<K> Known<K> {
    /// Exactly these.
    pub(super) fn of_parts(
        objects: BTreeMap<ObjectKey, Arc<K>>,
        lanes: BTreeMap<LaneId, LaneStatus>,
    ) -> Self {
        Self { objects, lanes, pos: 0, read_at: 0 }
    }
}
