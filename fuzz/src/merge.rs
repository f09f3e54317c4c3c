//! The store, under any order of writing, publishing, reading, falling behind and resuming.
//!
//! The oracle keeps every change that was ever published, in one list, and the state as an ordered map. From those follows
//! exactly what each reader must be given next; readers compare change by change, so a gap, a repetition, a change that
//! doesn't fit, a needless reset, or a snapshot that moves is found where it happens.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use ingress_core::store::Store;
use ingress_core::{
    Change, ClusterId, Deltas, Kind, LaneId, LaneScope, LaneStatus, Namespace, NamespaceRecord, ObjectKey,
    Position, ResumeError, Snapshot, Update, Writer,
};

const EPOCH: u64 = 7;
const CLUSTERS: [&str; 2] = ["c", "c-2"];
// In this order `a` is a prefix of its neighbour, and the one without a namespace comes first.
const NAMESPACES: [Option<&str>; 3] = [None, Some("a"), Some("a-b")];
const NAMES: [&str; 3] = ["x", "x.y", "z"];

/// Runs one case: a program in text. The first byte is how many changes the ring holds; then come
/// operations of one letter, with operands of one character each, of which only the value modulo some number counts.
pub fn check(data: &[u8]) {
    let mut program = data.iter().copied();
    let Some(history) = program.next() else { return };
    let mut world = World::new(usize::from(history % 16));
    while let Some(operation) = program.next() {
        if world.run(operation, &mut program).is_none() {
            break;
        }
    }
    world.finish();
}

/// One change, as the oracle notes it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Note {
    Added(ObjectKey, u8),
    Modified(ObjectKey, u8, u8),
    Deleted(ObjectKey, u8),
    Lane(LaneId),
    LaneRemoved(LaneId),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    objects: BTreeMap<ObjectKey, u8>,
    lanes: BTreeMap<LaneId, ()>,
}

impl State {
    fn fold(&mut self, note: &Note) {
        match note.clone() {
            Note::Added(key, new) => assert_eq!(self.objects.insert(key, new), None),
            Note::Modified(key, old, new) => assert_eq!(self.objects.insert(key, new), Some(old)),
            Note::Deleted(key, old) => assert_eq!(self.objects.remove(&key), Some(old)),
            Note::Lane(id) => drop(self.lanes.insert(id, ())),
            Note::LaneRemoved(id) => assert_eq!(self.lanes.remove(&id), Some(())),
        }
    }

    fn check(&self, snapshot: &Snapshot<NamespaceRecord>) {
        let shown =
            |(key, object): (&ObjectKey, &std::sync::Arc<NamespaceRecord>)| (key.clone(), revision(object));
        let all: Vec<_> = self.objects.clone().into_iter().collect();
        assert!(snapshot.iter().map(shown).eq(all.iter().cloned()), "{snapshot:?} instead of {self:?}");
        assert_eq!((snapshot.len(), snapshot.is_empty()), (all.len(), all.is_empty()));
        assert!(snapshot.lanes().map(|lane| &lane.id).eq(self.lanes.keys()));
        for name in CLUSTERS {
            let cluster = cluster(name);
            let mine = |key: &ObjectKey| *key.cluster() == cluster;
            let expected = all.iter().filter(|(key, _)| mine(key)).cloned();
            assert!(snapshot.range(&cluster, None).map(shown).eq(expected));
            for namespace in NAMESPACES.into_iter().flatten() {
                let part =
                    all.iter().filter(|(key, _)| mine(key) && key.namespace() == Some(namespace)).cloned();
                assert!(snapshot.range(&cluster, Some(&named(namespace))).map(shown).eq(part));
            }
        }
        for (key, revision_then) in &self.objects {
            assert_eq!(snapshot.get(key).map(|object| revision(object)), Some(*revision_then));
        }
    }
}

/// A cursor, and how far it has read.
struct Reader {
    deltas: Deltas<NamespaceRecord>,
    seq: usize,
    state: State,
}

struct World {
    writer: Option<Writer<NamespaceRecord>>,
    store: Store<NamespaceRecord>,
    history: usize,
    /// With everything done so far, published or not.
    next: State,
    pending: Vec<Note>,
    /// What readers see.
    published: State,
    /// All that was ever published; a change's number is its place, counted from one.
    log: Vec<Note>,
    /// How long the log was after each publication.
    ends: Vec<usize>,
    readers: Vec<Reader>,
    kept: Vec<(Snapshot<NamespaceRecord>, State, usize)>,
}

impl World {
    fn new(history: usize) -> Self {
        let (writer, store) = Store::new(EPOCH, history);
        let mut world = Self {
            writer: Some(writer),
            store,
            history: history.max(1),
            next: State::default(),
            pending: Vec::new(),
            published: State::default(),
            log: Vec::new(),
            ends: Vec::new(),
            readers: Vec::new(),
            kept: Vec::new(),
        };
        world.subscribe();
        world
    }

    /// One operation; `None` where the program ends.
    fn run(&mut self, operation: u8, operands: &mut impl Iterator<Item = u8>) -> Option<()> {
        match operation {
            b'a' => {
                let (key, revision) = (key(operands.next()?), operands.next()? % 4);
                let added = self.writer.as_mut()?.apply(key.clone(), object(&key, revision));
                assert_eq!(added, self.apply(key, revision));
            }
            b'd' => {
                let key = key(operands.next()?);
                let deleted = self.writer.as_mut()?.delete(&key);
                assert_eq!(deleted, self.delete(&key));
            }
            b'r' => {
                let (scope, count) = (operands.next()?, operands.next()? % 6);
                let objects: Option<Vec<_>> =
                    (0..count).map(|_| Some((operands.next()?, operands.next()? % 4))).collect();
                self.replace(scope, &objects?)?;
            }
            b'l' => {
                let id = lane(operands.next()?);
                self.writer.as_mut()?.set_lane(LaneStatus::new(id.clone(), "Namespace"));
                self.note(Note::Lane(id));
            }
            b'x' => {
                let id = lane(operands.next()?);
                self.writer.as_mut()?.remove_lane(&id);
                if self.next.lanes.contains_key(&id) {
                    self.note(Note::LaneRemoved(id));
                }
            }
            b'p' => self.publish()?,
            b's' => self.subscribe(),
            b'u' => {
                let reader = self.reader(operands.next()?);
                let (seq, state) = (self.readers[reader].seq, self.readers[reader].state.clone());
                self.resume(EPOCH, seq, state);
            }
            b'v' => {
                let (epoch, back) = (operands.next()?, usize::from(operands.next()?));
                let epoch = if epoch == b'!' { EPOCH + 1 } else { EPOCH };
                let seq = (self.log.len() + 2).saturating_sub(back % 32);
                let mut state = State::default();
                self.log.iter().take(seq).for_each(|note| state.fold(note));
                self.resume(epoch, seq, state);
            }
            b'n' => {
                let reader = self.reader(operands.next()?);
                self.read(reader, false);
            }
            b'w' => {
                let reader = self.reader(operands.next()?);
                self.read(reader, true);
            }
            b'R' => {
                let reader = self.reader(operands.next()?);
                while self.read(reader, false) {}
            }
            b'k' => self.kept.push((self.store.snapshot(), self.published.clone(), self.log.len())),
            _ => {}
        }
        let writer = self.writer.as_ref()?;
        assert_eq!(writer.state().len(), self.next.objects.len());
        assert_eq!(writer.state().position(), self.position());
        Some(())
    }

    fn position(&self) -> Position {
        Position::new(EPOCH, self.log.len() as u64)
    }

    fn reader(&self, operand: u8) -> usize {
        usize::from(operand) % self.readers.len()
    }

    fn note(&mut self, note: Note) {
        self.next.fold(&note);
        self.pending.push(note);
    }

    fn apply(&mut self, key: ObjectKey, revision: u8) -> bool {
        match self.next.objects.get(&key).copied() {
            Some(old) if old == revision => false,
            Some(old) => {
                self.note(Note::Modified(key, old, revision));
                false
            }
            None => {
                self.note(Note::Added(key, revision));
                true
            }
        }
    }

    fn delete(&mut self, key: &ObjectKey) -> bool {
        let Some(old) = self.next.objects.get(key).copied() else { return false };
        self.note(Note::Deleted(key.clone(), old));
        true
    }

    /// A list takes the place of what was known of its scope: deletions first, by key, then what differs.
    fn replace(&mut self, scope: u8, objects: &[(u8, u8)]) -> Option<()> {
        let cluster = cluster(CLUSTERS[usize::from(scope % 2)]);
        let namespace = NAMESPACES[usize::from(scope / 2 % 3)];
        let in_scope = |key: &ObjectKey| {
            *key.cluster() == cluster && (namespace.is_none() || key.namespace() == namespace)
        };
        let mut listed = Vec::new();
        for (pick, revision) in objects {
            let picked = key(*pick);
            let key = ObjectKey::new(cluster.clone(), namespace.or(picked.namespace()), picked.name());
            listed.push((key, *revision));
        }
        let records = listed.iter().map(|(key, revision)| (key.clone(), object(key, *revision))).collect();
        self.writer.as_mut()?.replace(&cluster, namespace.map(named).as_ref(), records);
        let gone: Vec<ObjectKey> = self.next.objects.keys().filter(|key| in_scope(key)).cloned().collect();
        for key in gone.into_iter().filter(|key| listed.iter().all(|(listed, _)| listed != key)) {
            self.delete(&key);
        }
        for (key, revision) in listed {
            self.apply(key, revision);
        }
        Some(())
    }

    fn publish(&mut self) -> Option<()> {
        self.published.check(&self.store.snapshot());
        self.writer.as_mut()?.publish();
        if !self.pending.is_empty() {
            self.log.append(&mut self.pending);
            self.ends.push(self.log.len());
        }
        self.published = self.next.clone();
        let snapshot = self.store.snapshot();
        assert_eq!(snapshot.position(), self.position());
        self.published.check(&snapshot);
        Some(())
    }

    fn subscribe(&mut self) {
        let (snapshot, deltas) = self.store.subscribe();
        assert_eq!(snapshot.position(), self.position());
        self.published.check(&snapshot);
        if self.readers.len() < 32 {
            self.readers.push(Reader { deltas, seq: self.log.len(), state: self.published.clone() });
        }
    }

    /// How much of the log came before the oldest change that the ring holds: as many of the last publications as fit, and
    /// always the last one.
    fn forgotten(&self) -> usize {
        let begins = [0].into_iter().chain(self.ends.iter().copied()).take(self.ends.len());
        let mut begins: Vec<usize> = begins.collect();
        let newest = begins.pop().unwrap_or_default();
        begins.into_iter().find(|begin| self.log.len() - begin <= self.history).unwrap_or(newest)
    }

    fn resume(&mut self, epoch: u64, seq: usize, state: State) {
        let expected = match () {
            () if epoch != EPOCH => Err(ResumeError::EpochChanged),
            () if seq > self.log.len() => Err(ResumeError::Unknown),
            () if seq < self.forgotten() => Err(ResumeError::Expired),
            () => Ok(()),
        };
        let resumed = self.store.resume(Position::new(epoch, seq as u64));
        assert_eq!(resumed.as_ref().map(|_| ()).map_err(|error| *error), expected, "from {seq}");
        if let Ok((snapshot, deltas)) = resumed {
            self.published.check(&snapshot);
            if self.readers.len() < 32 {
                self.readers.push(Reader { deltas, seq, state });
            }
        }
    }

    /// Reads one update; whether there was one.
    fn read(&mut self, at: usize, waiting: bool) -> bool {
        let (forgotten, now) = (self.forgotten(), self.log.len());
        let reader = &mut self.readers[at];
        let update = if waiting {
            // Ready at once, or there is nothing; that the writer is gone is told only after the rest was read.
            match reader.deltas.next().now_or_never() {
                Some(None) => {
                    assert!(self.writer.is_none() && reader.seq == now, "the end comes last");
                    None
                }
                update => update.flatten(),
            }
        } else {
            reader.deltas.try_next()
        };
        match update {
            None => {
                assert_eq!(reader.seq, now, "nothing is held back");
                assert_eq!(reader.state, self.published);
                false
            }
            Some(Update::Reset(snapshot)) => {
                assert!(reader.seq < forgotten, "a reset is only for who fell behind");
                assert_eq!(snapshot.position(), Position::new(EPOCH, now as u64));
                self.published.check(&snapshot);
                reader.seq = now;
                reader.state = self.published.clone();
                true
            }
            Some(Update::Changes(batch)) => {
                assert!(reader.seq >= forgotten, "who fell behind is told so");
                let end =
                    self.ends.iter().copied().find(|end| *end > reader.seq).expect("there is something new");
                let positions: Vec<u64> = batch.iter().map(|(position, _)| position.seq).collect();
                assert!(
                    positions.into_iter().eq(reader.seq as u64 + 1..=end as u64),
                    "no gap, nothing twice"
                );
                assert_eq!((batch.epoch, batch.last_seq()), (EPOCH, end as u64));
                let notes: Vec<Note> = batch.changes.iter().map(noted).collect();
                assert_eq!(notes, self.log[reader.seq..end]);
                notes.iter().for_each(|note| reader.state.fold(note));
                reader.seq = end;
                true
            }
            Some(other) => unreachable!("{other:?} is no update that readers know"),
        }
    }

    /// In the end every reader has the writer's state, then hears that the writer is gone, and old snapshots are what they were.
    fn finish(mut self) {
        self.publish();
        self.writer = None;
        for at in 0..self.readers.len() {
            while self.read(at, true) {}
            assert_eq!(self.readers[at].state, self.published);
            assert!(matches!(self.readers[at].deltas.next().now_or_never(), Some(None)));
        }
        for (snapshot, state, seq) in &self.kept {
            assert_eq!(snapshot.position().seq, *seq as u64);
            state.check(snapshot);
        }
    }
}

fn noted(change: &Change<NamespaceRecord>) -> Note {
    match change {
        Change::Added(key, new) => Note::Added(key.clone(), revision(new)),
        Change::Modified { key, old, new } => Note::Modified(key.clone(), revision(old), revision(new)),
        Change::Deleted(key, old) => Note::Deleted(key.clone(), revision(old)),
        Change::Lane(status) => Note::Lane(status.id.clone()),
        Change::LaneRemoved(id) => Note::LaneRemoved(id.clone()),
        other => unreachable!("{other:?} is no change that readers know"),
    }
}

fn cluster(name: &str) -> ClusterId {
    ClusterId::new(name).expect("a cluster's name")
}

fn named(namespace: &str) -> Namespace {
    Namespace::new(namespace).expect("a namespace's name")
}

fn key(operand: u8) -> ObjectKey {
    let pick = usize::from(operand);
    let (name, namespace, of) = (NAMES[pick % 3], NAMESPACES[pick / 3 % 3], CLUSTERS[pick / 9 % 2]);
    ObjectKey::new(cluster(of), namespace, name)
}

fn lane(operand: u8) -> LaneId {
    let pick = usize::from(operand);
    let scope = NAMESPACES[pick / 2 % 3].map_or(LaneScope::Cluster, |name| LaneScope::Namespace(named(name)));
    LaneId::new(cluster(CLUSTERS[pick % 2]), &NamespaceRecord::resource(), scope)
}

fn object(key: &ObjectKey, revision: u8) -> NamespaceRecord {
    let json = format!(r#"{{"metadata":{{"name":"{}","resourceVersion":"{revision}"}}}}"#, key.name());
    NamespaceRecord::decode_json(&mut serde_json::Deserializer::from_str(&json)).expect("an object")
}

fn revision(object: &NamespaceRecord) -> u8 {
    object.resource_version().parse().expect("a revision of `object`")
}
