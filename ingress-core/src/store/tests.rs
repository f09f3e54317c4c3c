use std::collections::BTreeMap;

use super::*;
use crate::key::LaneScope;
use crate::kind::NamespaceRecord;
use proptest::prelude::*;

mod roaming;

fn cluster() -> ClusterId {
    ClusterId::new("c").unwrap()
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(cluster(), None, name)
}

fn object(name: &str, revision: u64) -> NamespaceRecord {
    let json = format!(r#"{{"metadata":{{"name":"{name}","resourceVersion":"{revision}"}}}}"#);
    NamespaceRecord::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap()
}

type Model = BTreeMap<ObjectKey, Arc<NamespaceRecord>>;

fn model(snapshot: &Snapshot<NamespaceRecord>) -> Model {
    snapshot.iter().map(|(key, object)| (key.clone(), object.clone())).collect()
}

/// A reader who distrusts: every change must fit what it knows, and positions must have no gap.
struct Reader {
    deltas: Deltas<NamespaceRecord>,
    model: Model,
    seq: u64,
    resets: usize,
}

impl Reader {
    fn new(store: &Store<NamespaceRecord>) -> Self {
        let (snapshot, deltas) = store.subscribe();
        Self { deltas, model: model(&snapshot), seq: snapshot.position().seq, resets: 0 }
    }

    fn read_all(&mut self) {
        while let Some(update) = self.deltas.try_next() {
            match update {
                Update::Reset(snapshot) => {
                    self.model = model(&snapshot);
                    self.seq = snapshot.position().seq;
                    self.resets += 1;
                }
                Update::Lanes(_) => panic!("nobody else told it anything"),
                Update::Changes(batch) => {
                    for (position, change) in batch.iter() {
                        assert_eq!(position.seq, self.seq + 1, "no gap and no duplicate");
                        self.seq = position.seq;
                        self.fold(change);
                    }
                }
            }
        }
    }

    fn fold(&mut self, change: &Change<NamespaceRecord>) {
        match change {
            Change::Added(key, new) => assert!(self.model.insert(key.clone(), new.clone()).is_none()),
            Change::Modified { key, old, new } => {
                assert_ne!(old, new, "only real differences");
                assert_eq!(self.model.insert(key.clone(), new.clone()).as_ref(), Some(old));
            }
            Change::Deleted(key, old) => assert_eq!(self.model.remove(key).as_ref(), Some(old)),
            Change::Lane(_) | Change::LaneRemoved(_) => {}
        }
    }
}

#[derive(Debug, Clone)]
enum Op {
    Apply(u8, u8),
    Delete(u8),
    Replace(Vec<(u8, u8)>),
    Publish,
    Subscribe,
    Resume(u8),
    Read(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let name = 0..6_u8;
    prop_oneof![
        4 => (name.clone(), 0..4_u8).prop_map(|(name, revision)| Op::Apply(name, revision)),
        2 => name.clone().prop_map(Op::Delete),
        1 => proptest::collection::vec((name, 0..4_u8), 0..6).prop_map(Op::Replace),
        4 => Just(Op::Publish),
        1 => Just(Op::Subscribe),
        1 => any::<u8>().prop_map(Op::Resume),
        2 => any::<u8>().prop_map(Op::Read),
    ]
}

proptest! {
    /// Whatever the writer does, whenever readers join, resume, read or fall behind: each ends with the writer's state, by
    /// changes that fit, without a gap.
    #[test]
    fn every_reader_converges(ops in proptest::collection::vec(op(), 1..120), history in 1..12_usize) {
        let (mut writer, store) = Store::new(7, history);
        let mut naive = BTreeMap::new();
        let mut readers = vec![Reader::new(&store)];
        for op in ops {
            match op {
                Op::Apply(name, revision) => {
                    let name = format!("n{name}");
                    let added = writer.apply(key(&name), object(&name, revision.into()));
                    prop_assert_eq!(added, naive.insert(name, revision).is_none());
                }
                Op::Delete(name) => {
                    let name = format!("n{name}");
                    prop_assert_eq!(writer.delete(&key(&name)), naive.remove(&name).is_some());
                }
                Op::Replace(objects) => {
                    naive = objects.iter().map(|(name, revision)| (format!("n{name}"), *revision)).collect();
                    let objects = naive.iter().map(|(name, revision)| (key(name), object(name, (*revision).into())));
                    writer.replace(&cluster(), None, objects.collect());
                }
                Op::Publish => writer.publish(),
                Op::Subscribe => readers.push(Reader::new(&store)),
                Op::Resume(pick) => {
                    let old = &readers[usize::from(pick) % readers.len()];
                    if let Ok((_, deltas)) = store.resume(Position::new(7, old.seq)) {
                        let resumed = Reader { deltas, model: old.model.clone(), seq: old.seq, resets: 0 };
                        readers.push(resumed);
                    }
                }
                Op::Read(pick) => {
                    let at = usize::from(pick) % readers.len();
                    readers[at].read_all();
                }
            }
        }
        writer.publish();
        let expected: BTreeMap<String, String> =
            naive.into_iter().map(|(name, revision)| (name, revision.to_string())).collect();
        for reader in &mut readers {
            reader.read_all();
            let seen: BTreeMap<String, String> = reader
                .model
                .iter()
                .map(|(key, object)| (key.name().to_owned(), object.resource_version().to_owned()))
                .collect();
            prop_assert_eq!(&seen, &expected);
        }
    }
}

#[test]
fn a_reader_that_falls_behind_is_told_and_handed_the_state() {
    let (mut writer, store) = Store::new(1, 4);
    let mut slow = Reader::new(&store);
    for revision in 0..10 {
        writer.apply(key("a"), object("a", revision));
        writer.publish();
    }
    slow.read_all();
    assert_eq!((slow.resets, slow.model.len(), slow.seq), (1, 1, 10));
}

#[test]
fn a_reader_knows_how_far_it_is_behind() {
    let (mut writer, store) = Store::new(1, 10);
    let (_, mut deltas) = store.subscribe();
    assert_eq!(deltas.pending(), 0);
    for batch in [2_u64, 3] {
        for name in 0..batch {
            writer.apply(key(&name.to_string()), object("x", batch));
        }
        writer.publish();
    }
    assert_eq!(deltas.pending(), 5);
    assert!(deltas.try_next().is_some());
    assert_eq!(deltas.pending(), 3);
    assert!(deltas.try_next().is_some());
    assert_eq!(deltas.pending(), 0);
}

#[test]
fn resuming_says_why_it_can_not() {
    let (mut writer, store) = Store::new(1, 4);
    for revision in 0..10 {
        writer.apply(key("a"), object("a", revision));
        writer.publish();
    }
    let resume = |epoch, seq| store.resume(Position::new(epoch, seq)).map(drop);
    assert_eq!(resume(2, 10), Err(ResumeError::EpochChanged));
    assert_eq!(resume(1, 11), Err(ResumeError::Unknown));
    assert_eq!(resume(1, 5), Err(ResumeError::Expired));
    assert_eq!(resume(1, 6), Ok(()));
    assert_eq!(resume(1, 10), Ok(()));
}

#[test]
fn a_position_inside_a_batch_can_be_resumed_from() {
    let (mut writer, store) = Store::new(1, 100);
    for name in ["a", "b", "c"] {
        writer.apply(key(name), object(name, 1));
    }
    writer.publish();
    let (_, mut deltas) = store.resume(Position::new(1, 2)).unwrap();
    let Some(Update::Changes(batch)) = deltas.try_next() else { panic!("changes") };
    assert_eq!((batch.first_seq, batch.changes.len()), (3, 1));
    assert!(deltas.try_next().is_none());
}

#[test]
fn a_walk_goes_on_after_a_key_whether_it_is_there_or_not() {
    let (mut writer, _store) = Store::new(1, 100);
    for name in ["a", "c", "e"] {
        writer.apply(key(name), object(name, 1));
    }
    let after = |name: &str| -> Vec<String> {
        writer.state().after(&key(name)).map(|(key, _)| key.name().to_owned()).collect()
    };
    assert_eq!([after("a"), after("b"), after("e")], [vec!["c", "e"], vec!["c", "e"], vec![]]);
}

#[test]
fn nothing_is_visible_before_it_is_published_and_then_all_at_once() {
    let (mut writer, store) = Store::new(1, 100);
    writer.apply(key("a"), object("a", 1));
    writer.set_lane(LaneStatus::new(
        LaneId::new(cluster(), &NamespaceRecord::resource(), LaneScope::Cluster),
        "Namespace",
    ));
    assert!(store.snapshot().is_empty());
    writer.publish();
    let snapshot = store.snapshot();
    assert_eq!((snapshot.len(), snapshot.lanes().count(), snapshot.position().seq), (1, 1, 2));
    writer.publish();
    assert_eq!(store.snapshot().position().seq, 2, "nothing to publish, nothing to number");
}

#[tokio::test]
async fn the_stream_ends_with_its_writer_after_all_was_read() {
    let (mut writer, store) = Store::new(1, 100);
    let (_, mut deltas) = store.subscribe();
    writer.apply(key("a"), object("a", 1));
    writer.publish();
    drop(writer);
    assert!(matches!(deltas.next().await, Some(Update::Changes(_))));
    assert!(deltas.next().await.is_none());
    assert!(store.wait_for(|snapshot| snapshot.len() == 2).await.is_none());
}

#[test]
fn positions_read_as_they_are_written() {
    let position = Position::new(0xdead_beef, 42);
    assert_eq!(position.to_string(), "deadbeef:42");
    assert_eq!("deadbeef:42".parse(), Ok(position));
    for bad in ["", ":", "1", "x:1", "1:x", "+1:1", "1:+1", "1:-1", "1:99999999999999999999999", " 1:1"] {
        assert_eq!(bad.parse::<Position>(), Err(InvalidPosition), "{bad}");
    }
}
