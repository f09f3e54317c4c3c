//! The publisher: the watch of a shard that this replica holds, written into the fleet's log.
//!
//! It begins with what the fleet knows: a watch that starts from there makes only the real differences visible, so a change of holder
//! looks to readers like nothing at all. From then on every change is written as it comes, encoded once for all replicas, and a snapshot of what
//! changed now and then, so that the log need not reach far back.
//!
//! Whatever goes wrong with writing (Redis restarted, failed over, flushed; a reply lost) is mended in one way: open the log again, read what
//! it has of the shard, and write what differs. The watch goes on meanwhile; the API server is asked nothing anew. When the term is over,
//! so is everything.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use ingress_core::clock::wall_now;
use ingress_core::share::{Known, Watcher, Watching};
use ingress_core::stored::StatementWriter;
use ingress_core::{Batch, Change, Deltas, Kind, ObjectKey, Snapshot, Store, Update};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep};

use super::cut::Cut;
use super::load::{self, LoadError, Until, load};
use super::log::{Log, LogFault, LogFaultKind, Segments, Writing};
use super::seats::Held;
use super::shard::Shard;
use super::status::KindGauge;

/// How many bytes and changes one entry holds at most; a larger change is an entry of its own.
const ENTRY_BYTES: usize = 128 << 10;
const ENTRY_CHANGES: usize = 512;
/// How often a sign of life is given.
const BEAT: Duration = Duration::from_secs(1);
/// How many bytes of it are gauges of lanes at most.
const NOTE: usize = 32 << 10;
/// When a snapshot is written again: after so long, so many entries or so many bytes, whichever comes first.
const SNAPSHOT_AFTER: Duration = Duration::from_secs(30);
const SNAPSHOT_ENTRIES: u32 = 2048;
const SNAPSHOT_BYTES: usize = 16 << 20;
/// How many segments of objects a snapshot has.
const SEGMENTS: u32 = 256;
/// The segment of the lanes.
const LANES: u32 = SEGMENTS;

/// Asks for a later term: see [`Seats::raise`](super::seats::Seats::raise).
pub(super) trait Raise: Send + Sync + 'static {
    /// Has the term of a shard raised above a number; whether that went well.
    fn raise(self: Arc<Self>, shard: Shard, above: u64) -> BoxFuture<'static, bool>;
}

/// Writes what a watch of one shard tells into the fleet's log, for as long as the shard is held.
pub(super) struct FleetPublisher<K> {
    pub(super) log: Log,
    pub(super) cut: Cut,
    pub(super) shard: Shard,
    pub(super) held: watch::Receiver<Held>,
    pub(super) seats: Arc<dyn Raise>,
    pub(super) watcher: Arc<Watcher<K>>,
    pub(super) gauge: Arc<KindGauge>,
}

/// Why writing ended.
#[derive(Debug)]
enum End {
    /// The term is over.
    Over,
    /// Somebody wrote with a later term.
    Fenced(u64),
    /// The log is another, or has lost something: open it again.
    Again,
    /// Redis has trouble.
    Fault(String),
}

impl From<LogFault> for End {
    fn from(fault: LogFault) -> Self {
        match fault.kind() {
            LogFaultKind::Fenced { current } => Self::Fenced(current),
            LogFaultKind::EpochChanged | LogFaultKind::RolledBack { .. } | LogFaultKind::NoSnapshot => {
                Self::Again
            }
            _ => Self::Fault(fault.to_string()),
        }
    }
}

impl From<LoadError> for End {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Log(fault) => fault.into(),
            error => Self::Fault(error.to_string()),
        }
    }
}

/// What was written since the last snapshot.
struct Dirt {
    /// Segments that are other than in the snapshot; `None` when all may be.
    segments: Option<BTreeSet<u32>>,
    since: Option<Instant>,
    entries: u32,
    bytes: usize,
}

impl Dirt {
    fn none() -> Self {
        Self { segments: Some(BTreeSet::new()), since: None, entries: 0, bytes: 0 }
    }

    fn all() -> Self {
        Self { segments: None, since: Some(Instant::now()), entries: 0, bytes: 0 }
    }

    fn is_due(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= SNAPSHOT_AFTER)
            || self.entries >= SNAPSHOT_ENTRIES
            || self.bytes >= SNAPSHOT_BYTES
    }
}

impl<K: Kind> FleetPublisher<K> {
    /// Writes until the shard is no longer held.
    pub(super) async fn run(self) {
        let mut watching = None;
        let mut pause = Duration::from_millis(50);
        loop {
            let begun = Instant::now();
            let Err(end) = self.publish(&mut watching).await;
            tracing::debug!(shard = %self.shard, kind = %K::resource().kind, ?end, "no longer publishing");
            if begun.elapsed() > Duration::from_secs(5) {
                pause = Duration::from_millis(50);
            }
            match end {
                End::Over => return,
                End::Fenced(above) => {
                    self.seats.clone().raise(self.shard.clone(), above).await;
                }
                End::Again => {}
                End::Fault(message) => self.gauge.failed(&message),
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    fn term(&self) -> Result<u64, End> {
        let held = self.held.borrow();
        held.get(&self.shard)
            .filter(|term| term.is_valid(Instant::now()))
            .map(|term| term.epoch)
            .ok_or(End::Over)
    }

    async fn publish(&self, watching: &mut Option<Watching<K>>) -> Result<std::convert::Infallible, End> {
        let opened = self.log.open(&self.shard, self.term()?).await?;
        self.log.beat(&opened.writing, &[]).await?;
        let fleet = load::<K>(&self.log, Until::End, |shard| *shard == self.shard).await?;
        let fleet = fleet.and_then(|all| all.take(&self.shard));
        let watching = &*watching.get_or_insert_with(|| self.watch(fleet.as_ref()));
        let (snapshot, deltas) = watching.store().subscribe();
        let mut session = Session {
            of: self,
            seq: opened.seq,
            writing: opened.writing,
            out: StatementWriter::new(),
            dirt: Dirt::all(),
            deltas,
            seen: snapshot.ordinal(),
        };
        match fleet.filter(|_| opened.has_snapshot) {
            Some(fleet) => {
                tracing::info!(shard = %self.shard, kind = %K::resource().kind, "goes on watching for the fleet");
                for difference in differences(&fleet, &snapshot) {
                    difference.write(&mut session.out);
                    session.append_if_full().await?;
                }
                session.append().await?;
            }
            None => {
                tracing::info!(shard = %self.shard, kind = %K::resource().kind, "begins to watch for the fleet");
                session.write_snapshot(&snapshot).await?;
                self.log.announce_anew(&mut session.writing).await?;
            }
        }
        session.run(watching.store()).await
    }

    fn watch(&self, fleet: Option<&load::Known<K>>) -> Watching<K> {
        let known = fleet.map(|fleet| {
            let mut known = Known::new(wall_now());
            known.objects = fleet.objects.iter().map(|(key, object)| (key.clone(), object.clone())).collect();
            known.lanes = fleet.lanes.values().cloned().collect();
            known
        });
        self.watcher.watch(&self.cut.lanes_of(&self.shard), known)
    }
}

/// Writing, from one opening of the log to the next.
struct Session<'a, K> {
    of: &'a FleetPublisher<K>,
    /// Where the log stood when it was opened.
    seq: u64,
    writing: Writing,
    /// What is to be appended next.
    out: StatementWriter,
    dirt: Dirt,
    deltas: Deltas<K>,
    /// The ordinal of the last change that was taken from the watch.
    seen: u64,
}

impl<K: Kind> Session<'_, K> {
    async fn run(mut self, store: &Store<K>) -> Result<std::convert::Infallible, End> {
        let mut beats = interval(BEAT);
        loop {
            let update = tokio::select! {
                biased;
                _ = beats.tick() => None,
                update = self.deltas.next() => Some(update),
            };
            self.of.term()?;
            match update {
                Some(Some(Update::Changes(batch))) => {
                    self.take(&batch).await?;
                    // What came meanwhile goes into the same entry.
                    self.catch_up(u64::MAX).await?;
                    self.append().await?;
                }
                // Nothing tells what it missed, but what differs now does.
                Some(Some(_)) => return Err(End::Again),
                Some(None) => return Err(End::Over),
                None => self.of.log.beat(&self.writing, &note(&store.snapshot())).await?,
            }
            if self.dirt.is_due() {
                // What is not appended must not be in a snapshot.
                let snapshot = store.snapshot();
                self.catch_up(snapshot.ordinal()).await?;
                self.append().await?;
                self.write_snapshot(&snapshot).await?;
            }
        }
    }

    /// Takes what the watch has told up to an ordinal.
    async fn catch_up(&mut self, ordinal: u64) -> Result<(), End> {
        while self.seen < ordinal {
            match self.deltas.try_next() {
                None => return Ok(()),
                Some(Update::Changes(batch)) => self.take(&batch).await?,
                Some(_) => return Err(End::Again),
            }
        }
        Ok(())
    }

    async fn take(&mut self, batch: &Batch<K>) -> Result<(), End> {
        for change in &batch.changes {
            self.out.change(change);
            if let Some(segments) = &mut self.dirt.segments {
                segments.insert(segment_of(change));
            }
            self.append_if_full().await?;
        }
        self.seen = batch.last_ordinal();
        Ok(())
    }

    async fn append_if_full(&mut self) -> Result<(), End> {
        let full = self.out.len() >= ENTRY_BYTES || self.out.count() >= ENTRY_CHANGES;
        if full { self.append().await } else { Ok(()) }
    }

    /// Appends what was taken, if anything was.
    async fn append(&mut self) -> Result<(), End> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.of.term()?;
        let count = u32::try_from(self.out.count()).unwrap_or(u32::MAX);
        let entry = self.out.take();
        self.of.log.append(&mut self.writing, count, &entry).await?;
        self.of.gauge.published(count.into());
        self.dirt.since.get_or_insert_with(Instant::now);
        self.dirt.entries += 1;
        self.dirt.bytes += entry.len();
        Ok(())
    }

    /// Writes what changed since the last snapshot. This one has to be as of the last change that was appended.
    async fn write_snapshot(&mut self, snapshot: &Snapshot<K>) -> Result<(), End> {
        self.of.term()?;
        let (of, wanted) = (snapshot.clone(), self.dirt.segments.clone());
        let encoded = tokio::task::spawn_blocking(move || segments(&of, wanted.as_ref())).await;
        let encoded = encoded.map_err(|error| End::Fault(error.to_string()))?;
        let segments = match &self.dirt.segments {
            None => Segments::Whole(encoded),
            Some(wanted) => {
                let there: HashSet<u32> = encoded.iter().map(|(id, _)| *id).collect();
                let gone = wanted.iter().copied().filter(|id| !there.contains(id)).collect();
                Segments::Changes { changed: encoded, gone }
            }
        };
        let pos = self.writing.last.unwrap_or(self.seq);
        self.of.log.write_snapshot(&self.writing, pos, &segments).await?;
        self.dirt = Dirt::none();
        Ok(())
    }
}

/// Something that is to be said so that the fleet knows what the watch knows.
enum Difference<'a, K> {
    Applied(&'a ObjectKey, &'a K),
    Deleted(&'a ObjectKey),
    Lane(&'a ingress_core::LaneStatus),
    LaneRemoved(&'a ingress_core::LaneId),
}

impl<K: Kind> Difference<'_, K> {
    fn write(&self, out: &mut StatementWriter) {
        match self {
            Self::Applied(key, object) => out.applied(key, *object),
            Self::Deleted(key) => out.deleted(key),
            Self::Lane(status) => out.lane(status),
            Self::LaneRemoved(id) => out.lane_removed(id),
        }
    }
}

/// What of a watch the fleet does not know. Lanes are told in any case: there are few, and each has just begun.
fn differences<'a, K: Kind>(
    fleet: &'a load::Known<K>,
    watch: &'a Snapshot<K>,
) -> impl Iterator<Item = Difference<'a, K>> {
    let gone = fleet.objects.keys().filter(|key| watch.get(key).is_none()).map(Difference::Deleted);
    let changed = watch
        .iter()
        .filter(|(key, object)| fleet.objects.get(key).is_none_or(|known| known != *object))
        .map(|(key, object)| Difference::Applied(key, &**object));
    let ended = fleet.lanes.keys().filter(|id| watch.lane(id).is_none()).map(Difference::LaneRemoved);
    let lanes = watch.lanes().map(|status| Difference::Lane(status));
    gone.chain(changed).chain(ended).chain(lanes)
}

fn segment_of<K>(change: &Change<K>) -> u32 {
    match change {
        Change::Added(key, _) | Change::Modified { key, .. } | Change::Deleted(key, _) => segment_of_key(key),
        _ => LANES,
    }
}

fn segment_of_key(key: &ObjectKey) -> u32 {
    let hash = Sha256::new()
        .chain_update(key.namespace().unwrap_or_default())
        .chain_update([0])
        .chain_update(key.name())
        .finalize();
    hash.iter().take(4).fold(0, |bits, byte| bits << 8 | u32::from(*byte)) % SEGMENTS
}

/// The segments of a snapshot that are wanted and not empty.
fn segments<K: Kind>(snapshot: &Snapshot<K>, wanted: Option<&BTreeSet<u32>>) -> Vec<(u32, Bytes)> {
    let is_wanted = |id: u32| wanted.is_none_or(|wanted| wanted.contains(&id));
    let mut segments: BTreeMap<u32, StatementWriter> = BTreeMap::new();
    for (key, object) in snapshot.iter() {
        let id = segment_of_key(key);
        if is_wanted(id) {
            segments.entry(id).or_default().applied(key, &**object);
        }
    }
    if is_wanted(LANES) {
        let lanes = segments.entry(LANES).or_default();
        snapshot.lanes().for_each(|status| lanes.lane(status));
    }
    segments.into_iter().map(|(id, mut segment)| (id, segment.take().into())).collect()
}

/// What lanes show when asked, for replicas that don't have them.
fn note<K: Kind>(snapshot: &Snapshot<K>) -> Vec<u8> {
    let mut note = StatementWriter::new();
    for status in snapshot.lanes() {
        if note.len() >= NOTE {
            break;
        }
        note.lane(status);
    }
    note.take()
}

#[cfg(test)]
mod tests {
    use ingress_core::stored::{Statement, StatementReader};
    use ingress_core::{ClusterId, Ingress, LaneId, LaneScope, LaneStatus};

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(ClusterId::sanitized("c"), Some("shop"), name)
    }

    fn ingress(name: &str, version: &str) -> Ingress {
        let json =
            format!(r#"{{"metadata":{{"namespace":"shop","name":"{name}","resourceVersion":"{version}"}}}}"#);
        let known = ingress_core::wire::json::decode_event::<Ingress>(
            format!(r#"{{"type":"ADDED","object":{json}}}"#).as_bytes(),
        );
        let Ok(ingress_core::WatchEvent::Applied(ingress)) = known else { panic!("{known:?}") };
        ingress
    }

    fn snapshot(objects: &[(&str, &str)]) -> Snapshot<Ingress> {
        let (mut writer, store) = Store::new(1, 10);
        for (name, version) in objects {
            writer.apply(key(name), ingress(name, version));
        }
        let id = LaneId::new(ClusterId::sanitized("c"), &Ingress::resource(), LaneScope::Cluster);
        writer.set_lane(LaneStatus::new(id, "Ingress"));
        writer.publish();
        store.snapshot()
    }

    fn read(bytes: &[u8]) -> Vec<String> {
        let said = |statement: Statement<Ingress>| match statement {
            Statement::Applied(key, object) => format!("{}@{}", key.name(), object.resource_version()),
            Statement::Deleted(key) => format!("-{}", key.name()),
            Statement::Lane(status) => status.id.to_string(),
            Statement::LaneRemoved(id) => format!("-{id}"),
            other => format!("{other:?}"),
        };
        StatementReader::new(bytes).all::<Ingress>().unwrap().into_iter().map(said).collect()
    }

    #[test]
    fn segments_hold_everything_once_and_only_those_that_are_wanted() {
        let names: Vec<String> = (0..600).map(|number| format!("n{number}")).collect();
        let objects: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        let snapshot = snapshot(&objects);
        let all = segments(&snapshot, None);
        let mut said: Vec<String> = all.iter().flat_map(|(_, bytes)| read(bytes)).collect();
        said.sort();
        let mut expected: Vec<String> = names.iter().map(|name| format!("{name}@1")).collect();
        expected.push("c/ingresses/*".to_owned());
        expected.sort();
        assert_eq!(said, expected);

        let wanted = BTreeSet::from([segment_of_key(&key("n7"))]);
        let some = segments(&snapshot, Some(&wanted));
        assert_eq!(some.len(), 1);
        assert!(
            read(&some[0].1).contains(&"n7@1".to_owned())
                && !read(&some[0].1).iter().any(|said| said.contains('/'))
        );
    }

    #[test]
    fn what_differs_takes_the_fleet_to_what_the_watch_knows() {
        let lane = |plural: &'static str| {
            let mut id = LaneId::new(ClusterId::sanitized("c"), &Ingress::resource(), LaneScope::Cluster);
            id.plural = plural.into();
            (id.clone(), LaneStatus::new(id, "Ingress"))
        };
        let object = |name, version| (key(name), Arc::new(ingress(name, version)));
        let fleet = load::Known::of_parts(
            [object("same", "1"), object("changed", "1"), object("gone", "1")].into(),
            [lane("ingresses"), lane("ended")].into(),
        );
        let watch = snapshot(&[("same", "1"), ("changed", "2"), ("new", "3")]);
        let mut out = StatementWriter::new();
        for difference in differences(&fleet, &watch) {
            difference.write(&mut out);
        }
        assert_eq!(read(&out.take()), ["-gone", "changed@2", "new@3", "-c/ended/*", "c/ingresses/*"]);
    }

    #[test]
    fn a_note_is_short_however_many_lanes_there_are() {
        let (mut writer, store) = Store::<Ingress>::new(1, 10);
        for number in 0..2000 {
            let namespace = ingress_core::Namespace::new(format!("namespace-{number}")).unwrap();
            let id =
                LaneId::new(ClusterId::sanitized("c"), &Ingress::resource(), LaneScope::Namespace(namespace));
            writer.set_lane(LaneStatus::new(id, "Ingress"));
        }
        writer.publish();
        let note = note(&store.snapshot());
        assert!(note.len() < NOTE + 1024 && read(&note).len() > 100);
    }
}
