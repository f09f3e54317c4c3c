//! A reader that goes from process to process: each has a store of its own, fed with one numbered history.

use super::*;
use crate::status::LaneStatus;

const ROOM: u64 = 16;

/// An object's name, and its version after this; none when it is gone.
type Step = (u8, Option<u64>);

/// What happened, as a log would hold it: each entry has the position of its first change.
#[derive(Debug, Default)]
struct History {
    entries: Vec<(Position, Vec<Step>)>,
    last: u64,
    versions: u64,
    epoch: u64,
    there: BTreeMap<u8, u64>,
}

impl History {
    fn happen(&mut self, names: &[u8]) {
        let first = Position::new(self.epoch, self.last + ROOM);
        let mut changes = Vec::new();
        for name in names {
            self.versions += 1;
            let gone = self.versions.is_multiple_of(3) && self.there.remove(name).is_some();
            if !gone {
                self.there.insert(*name, self.versions);
            }
            changes.push((*name, (!gone).then_some(self.versions)));
        }
        self.last = first.seq + changes.len() as u64 - 1;
        self.entries.push((first, changes));
    }

    /// All is lost, and begins anew with the state as it is.
    fn begin_anew(&mut self) {
        self.epoch += 1;
        self.last += 1000;
        self.entries.push((Position::new(self.epoch, self.last), Vec::new()));
    }
}

struct Replica {
    writer: Writer<NamespaceRecord>,
    store: Store<NamespaceRecord>,
    at: usize,
}

impl Replica {
    fn new() -> Self {
        let (writer, store) = Store::shared(0, 40, ROOM);
        Self { writer, store, at: 0 }
    }

    fn advance(&mut self, history: &History) {
        let Some((first, changes)) = history.entries.get(self.at) else { return };
        self.at += 1;
        for (name, version) in changes {
            let name = format!("n{name}");
            match version {
                Some(version) => {
                    self.writer.apply(key(&name), object(&name, *version));
                }
                None => assert!(self.writer.delete(&key(&name))),
            }
        }
        if changes.is_empty() { self.writer.publish_jump(*first) } else { self.writer.publish_as(*first) }
    }

    /// It sees only where the history led.
    fn jump(&mut self, history: &History) {
        let mut state = BTreeMap::new();
        for (name, version) in history.entries.iter().flat_map(|(_, changes)| changes) {
            match version {
                Some(version) => state.insert(*name, *version),
                None => state.remove(name),
            };
        }
        let objects = state.iter().map(|(name, version)| {
            let name = format!("n{name}");
            (key(&name), object(&name, *version))
        });
        self.writer.replace(&cluster(), None, objects.collect());
        self.at = history.entries.len();
        self.writer.publish_jump(Position::new(history.epoch, history.last));
    }

    fn say_something(&mut self) {
        let id = LaneId::new(cluster(), &NamespaceRecord::resource(), LaneScope::Cluster);
        self.writer.set_lane(LaneStatus::new(id, "Namespace"));
        self.writer.publish();
    }
}

/// Knows nothing but what it was told, and where.
struct Roamer {
    deltas: Deltas<NamespaceRecord>,
    model: BTreeMap<ObjectKey, u64>,
    position: Position,
    resets: usize,
}

fn versions(snapshot: &Snapshot<NamespaceRecord>) -> BTreeMap<ObjectKey, u64> {
    let version = |object: &NamespaceRecord| object.resource_version().parse().unwrap();
    snapshot.iter().map(|(key, object)| (key.clone(), version(object))).collect()
}

impl Roamer {
    fn new(replica: &Replica) -> Self {
        let (snapshot, deltas) = replica.store.subscribe();
        Self { deltas, model: versions(&snapshot), position: snapshot.position(), resets: 0 }
    }

    fn start_from(&mut self, snapshot: &Snapshot<NamespaceRecord>) {
        (self.model, self.position) = (versions(snapshot), snapshot.position());
        self.resets += 1;
    }

    fn go_to(&mut self, replica: &Replica) {
        match replica.store.resume(self.position) {
            Ok((_, deltas)) => self.deltas = deltas,
            Err(_) => {
                let (snapshot, deltas) = replica.store.subscribe();
                self.deltas = deltas;
                self.start_from(&snapshot);
            }
        }
    }

    fn read(&mut self) {
        while let Some(update) = self.deltas.try_next() {
            let batch = match update {
                Update::Changes(batch) => batch,
                Update::Reset(snapshot) => {
                    self.start_from(&snapshot);
                    continue;
                }
                Update::Lanes(_) => continue,
            };
            for (position, change) in batch.iter() {
                assert!(
                    position.epoch != self.position.epoch || position.seq + ROOM > self.position.seq,
                    "positions ascend, but for what processes say for themselves"
                );
                self.position = position;
                match change {
                    Change::Added(key, new) | Change::Modified { key, new, .. } => {
                        let version = new.resource_version().parse().unwrap();
                        let old = self.model.insert(key.clone(), version);
                        assert!(old.is_none_or(|old| old < version), "{key} went from {old:?} to {version}");
                    }
                    Change::Deleted(key, _) => {
                        assert!(self.model.remove(key).is_some(), "{key} was not there");
                    }
                    Change::Lane(_) | Change::LaneRemoved(_) => {}
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Happen(Vec<u8>),
    Anew,
    Advance(u8),
    Jump(u8),
    Say(u8),
    Read,
    Go(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => proptest::collection::vec(0..6_u8, 1..5).prop_map(Op::Happen),
        1 => Just(Op::Anew),
        8 => (0..3_u8).prop_map(Op::Advance),
        1 => (0..3_u8).prop_map(Op::Jump),
        2 => (0..3_u8).prop_map(Op::Say),
        5 => Just(Op::Read),
        4 => (0..3_u8).prop_map(Op::Go),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_that_roams_converges_and_is_never_taken_back(ops in proptest::collection::vec(op(), 1..150)) {
        let mut history = History { epoch: 7, last: 1000, ..History::default() };
        let mut replicas = [Replica::new(), Replica::new(), Replica::new()];
        let mut roamer = Roamer::new(&replicas[0]);
        for op in ops {
            match op {
                Op::Happen(names) => history.happen(&names),
                Op::Anew => history.begin_anew(),
                Op::Advance(at) => replicas[usize::from(at)].advance(&history),
                Op::Jump(at) => replicas[usize::from(at)].jump(&history),
                Op::Say(at) => replicas[usize::from(at)].say_something(),
                Op::Read => roamer.read(),
                Op::Go(at) => roamer.go_to(&replicas[usize::from(at)]),
            }
        }
        for replica in &mut replicas {
            while replica.at < history.entries.len() {
                replica.advance(&history);
            }
        }
        roamer.read();
        for replica in &replicas {
            roamer.go_to(replica);
            roamer.read();
            let seen: BTreeMap<_, _> =
                roamer.model.iter().map(|(key, version)| (key.name().to_owned(), *version)).collect();
            let expected: BTreeMap<_, _> =
                history.there.iter().map(|(name, version)| (format!("n{name}"), *version)).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}

#[test]
fn going_to_a_process_that_follows_well_is_no_reset() {
    let mut history = History { epoch: 7, last: 1000, ..History::default() };
    let (mut one, mut other) = (Replica::new(), Replica::new());
    history.happen(&[1, 2, 3]);
    one.jump(&history);
    other.jump(&history);
    let mut roamer = Roamer::new(&one);
    history.happen(&[1, 2]);
    history.happen(&[4]);
    one.advance(&history);
    one.advance(&history);
    one.say_something();
    roamer.read();
    roamer.go_to(&other);
    roamer.read();
    history.happen(&[5]);
    for _ in 0..3 {
        other.advance(&history);
        roamer.read();
    }
    assert_eq!(roamer.resets, 0, "it waits until the other has come as far");
    assert_eq!(roamer.position.seq, history.last);
    assert_eq!(roamer.model.len(), history.there.len());
}

#[test]
fn what_a_process_says_for_itself_never_reaches_the_next_shared_number() {
    let mut history = History { epoch: 7, last: 1000, ..History::default() };
    history.happen(&[1]);
    let mut replica = Replica::new();
    replica.jump(&history);
    for _ in 0..100 {
        replica.say_something();
    }
    assert!(replica.store.snapshot().position().seq < history.last + ROOM);
    history.happen(&[2]);
    replica.advance(&history);
    assert_eq!(replica.store.snapshot().position(), Position::new(7, history.last));
}

#[test]
fn who_waits_for_a_process_hears_of_its_lanes() {
    let mut history = History { epoch: 7, last: 1000, ..History::default() };
    history.happen(&[1]);
    let (mut ahead, mut behind) = (Replica::new(), Replica::new());
    ahead.jump(&history);
    behind.jump(&history);
    history.happen(&[2]);
    ahead.advance(&history);
    let mut roamer = Roamer::new(&ahead);
    roamer.go_to(&behind);
    behind.say_something();
    assert!(matches!(roamer.deltas.try_next(), Some(Update::Lanes(_))), "while it waits");
    assert!(roamer.deltas.try_next().is_none());
    behind.advance(&history);
    assert!(matches!(roamer.deltas.try_next(), Some(Update::Lanes(_))), "when the process has come as far");
    behind.say_something();
    assert!(matches!(roamer.deltas.try_next(), Some(Update::Changes(_))), "and from then on as everybody");
}
