use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ingress_core::{Ingress, LaneState, Store, Writer};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{closed, cluster, filter, key, lane, simple};
use crate::limit::place::Places;
use crate::shutdown::Shutdown;

const EPOCH: u64 = 0xe;

fn store(history: usize) -> (Writer<Ingress>, Store<Ingress>) {
    Store::new(EPOCH, history)
}

fn feed(query: &str, demo: bool) -> Arc<Feed> {
    Arc::new(Feed::new(filter(query), vec![cluster("c")], demo, closed()))
}

fn viewer(store: &Store<Ingress>, query: &str, start: Start) -> Viewer {
    Viewer::new(store, feed(query, false), start)
}

fn put(writer: &mut Writer<Ingress>, namespace: &str, name: &str, version: u64, class: &str) {
    writer.apply(key("c", namespace, name), simple(namespace, name, version, class, "h.example.com"));
}

/// One block of the stream.
#[derive(Debug, Clone, Default, PartialEq)]
struct Block {
    event: Option<String>,
    id: Option<String>,
    data: Option<Value>,
    comment: Option<String>,
    retry: Option<String>,
}

fn parse(bytes: &[u8]) -> Vec<Block> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.is_empty() || text.ends_with("\n\n"), "cut in the middle of a block: {text:?}");
    let blocks = text.split_terminator("\n\n").map(|block| {
        let mut parsed = Block::default();
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap();
            let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "event" => parsed.event = Some(value),
                "id" => parsed.id = Some(value),
                "data" => parsed.data = Some(serde_json::from_str(&value).unwrap()),
                "retry" => parsed.retry = Some(value),
                "" => parsed.comment = Some(value),
                other => panic!("unknown field {other}"),
            }
        }
        parsed
    });
    blocks.collect()
}

fn all(frames: &mut Frames) -> Vec<u8> {
    std::iter::from_fn(|| frames.take()).flatten().collect()
}

/// Everything that can be written without waiting.
fn drain(viewer: &mut Viewer) -> Vec<Block> {
    let mut frames = Frames::default();
    while viewer.advance(&mut frames).unwrap() {}
    parse(&all(&mut frames))
}

/// Each event as `name id=… what`.
fn script(blocks: &[Block]) -> Vec<String> {
    blocks
        .iter()
        .map(|block| {
            let Some(event) = &block.event else {
                return format!("comment {}", block.comment.clone().unwrap_or_default());
            };
            let data = block.data.clone().unwrap_or_default();
            let what = match event.as_str() {
                "snapshot" => format!("{} {}", data["items"].as_array().unwrap().len(), data["done"]),
                "lane" => format!("{} {}", data["id"].as_str().unwrap(), data["state"].as_str().unwrap()),
                "reset" | "end" => data["reason"].as_str().unwrap().to_owned(),
                _ => data["id"].as_str().unwrap().to_owned(),
            };
            let id = block.id.as_ref().map(|id| format!(" id={id}")).unwrap_or_default();
            format!("{event}{id} {what}")
        })
        .collect()
}

#[test]
fn a_fresh_client_gets_lanes_snapshot_changes() {
    let (mut writer, store) = store(100);
    writer.set_lane(lane("c", "shop", LaneState::Live));
    writer.set_lane(lane("c", "*", LaneState::Denied));
    put(&mut writer, "shop", "a", 1, "nginx");
    writer.publish();
    let mut viewer = viewer(&store, "", Start::Fresh);
    let expected = ["lane c/ingresses/* denied", "lane c/ingresses/shop live", "snapshot id=e:3 1 true"];
    assert_eq!(script(&drain(&mut viewer)), expected);

    put(&mut writer, "shop", "a", 2, "nginx");
    put(&mut writer, "shop", "b", 3, "nginx");
    writer.delete(&key("c", "shop", "a"));
    writer.set_lane(lane("c", "shop", LaneState::Reconnecting));
    writer.remove_lane(&lane("c", "*", LaneState::Denied).id);
    writer.publish();
    let blocks = drain(&mut viewer);
    let expected = [
        "modified id=e:4 c/shop/a",
        "added id=e:5 c/shop/b",
        "deleted id=e:6 c/shop/a",
        "lane id=e:7 c/ingresses/shop reconnecting",
        "laneRemoved id=e:8 c/ingresses/*",
    ];
    assert_eq!(script(&blocks), expected);
    let deleted = json!({"id": "c/shop/a", "namespace": "shop", "name": "a", "uid": "uid-a"});
    assert_eq!(blocks[2].data, Some(deleted));
    assert_eq!(drain(&mut viewer), []);
}

/// How many items each chunk of a snapshot has, of which the last, and only the last, says that it is, with the id.
fn chunks(blocks: &[Block], id: &str) -> Vec<usize> {
    let chunks: Vec<&Block> =
        blocks.iter().filter(|block| block.event.as_deref() == Some("snapshot")).collect();
    for (at, chunk) in (1..).zip(&chunks) {
        let last = at == chunks.len();
        assert_eq!(chunk.data.as_ref().unwrap()["done"], last);
        assert_eq!(chunk.id.as_deref(), last.then_some(id));
        assert_eq!(chunk.data.as_ref().unwrap()["revision"], id);
    }
    chunks.iter().map(|chunk| chunk.data.as_ref().unwrap()["items"].as_array().unwrap().len()).collect()
}

#[test]
fn a_large_snapshot_comes_in_chunks() {
    let (mut writer, store) = store(5000);
    for number in 0..1200 {
        put(&mut writer, if number % 2 == 0 { "even" } else { "odd" }, &format!("x{number:04}"), 1, "nginx");
    }
    writer.publish();
    // What happens meanwhile is no part of the snapshot and comes after it.
    let mut everything = viewer(&store, "", Start::Fresh);
    let mut frames = Frames::default();
    assert!(everything.advance(&mut frames).unwrap() && everything.advance(&mut frames).unwrap());
    put(&mut writer, "even", "x0000", 2, "nginx");
    writer.publish();
    while everything.advance(&mut frames).unwrap() {}
    let blocks = parse(&all(&mut frames));
    let sizes = chunks(&blocks, "e:1200");
    assert!(sizes.len() > 2 && sizes.iter().all(|size| (1..=500).contains(size)), "{sizes:?}");
    assert_eq!(script(&blocks)[sizes.len()..], ["modified id=e:1201 c/even/x0000"]);
    let ids: BTreeSet<String> = blocks
        .iter()
        .filter_map(|block| block.data.as_ref()?["items"].as_array().cloned())
        .flatten()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((ids.len(), sizes.iter().sum()), (1200, 1200));

    let even = drain(&mut viewer(&store, "namespace=even", Start::Fresh));
    assert_eq!(chunks(&even, "e:1201").iter().sum::<usize>(), 600);
    let mut none = viewer(&store, "class=other", Start::Fresh);
    assert_eq!(script(&drain(&mut none)), ["snapshot id=e:1201 0 true"]);
}

#[test]
fn viewers_of_one_filter_are_lent_the_same_bytes() {
    let (mut writer, store) = store(5000);
    for number in 0..300 {
        put(&mut writer, "n", &format!("x{number:04}"), 1, "nginx");
    }
    writer.publish();
    let feed = feed("class=nginx", false);
    let mut viewers = [(); 3].map(|()| Viewer::new(&store, feed.clone(), Start::Fresh));
    let lent = |viewers: &mut [Viewer; 3]| {
        viewers.each_mut().map(|viewer| {
            let mut frames = Frames::default();
            while viewer.advance(&mut frames).unwrap() {}
            let parts: Vec<_> = std::iter::from_fn(|| frames.take()).collect();
            parts.iter().max_by_key(|part| part.len()).map(|part| part.as_ptr())
        })
    };
    let [one, other, third] = lent(&mut viewers);
    assert!(one.is_some() && one == other && other == third, "a snapshot");
    put(&mut writer, "n", "x0001", 2, "nginx");
    writer.publish();
    let [one, other, third] = lent(&mut viewers);
    assert!(one.is_some() && one == other && other == third, "a change");
}

#[test]
fn a_filter_adds_and_removes() {
    let (mut writer, store) = store(100);
    put(&mut writer, "n", "in", 1, "nginx");
    put(&mut writer, "n", "out", 1, "other");
    writer.set_lane(lane("c", "n", LaneState::Live));
    writer.set_lane(lane("c", "m", LaneState::Live));
    writer.publish();
    let mut viewer = viewer(&store, "class=nginx&namespace=n", Start::Fresh);
    assert_eq!(script(&drain(&mut viewer)), ["lane c/ingresses/n live", "snapshot id=e:4 1 true"]);
    put(&mut writer, "n", "in", 2, "other");
    put(&mut writer, "n", "out", 2, "nginx");
    put(&mut writer, "n", "out", 3, "nginx");
    put(&mut writer, "n", "in", 3, "third");
    put(&mut writer, "m", "elsewhere", 1, "nginx");
    writer.delete(&key("c", "n", "in"));
    writer.set_lane(lane("c", "m", LaneState::Denied));
    writer.publish();
    let expected = ["deleted id=e:5 c/n/in", "added id=e:6 c/n/out", "modified id=e:7 c/n/out"];
    assert_eq!(script(&drain(&mut viewer)), expected);
    // The rest was not shown, but the client may go on from after it.
    assert_eq!(viewer.untold(), Some(Position::new(EPOCH, 11)));
    assert_eq!(viewer.untold(), None);
}

#[test]
fn a_client_resumes_where_it_was() {
    let (mut writer, store) = store(100);
    writer.set_lane(lane("c", "n", LaneState::Connecting));
    put(&mut writer, "n", "a", 1, "nginx");
    writer.publish();
    writer.set_lane(lane("c", "n", LaneState::Syncing));
    put(&mut writer, "n", "b", 1, "nginx");
    writer.set_lane(lane("c", "n", LaneState::Live));
    writer.publish();
    let mut viewer = viewer(&store, "", Start::Resume(Position::new(EPOCH, 2)));
    // The lane is told of once, as it is now: replaying its past would take it back in time.
    let expected = ["lane c/ingresses/n live", "comment resumed", "added id=e:4 c/n/b"];
    assert_eq!(script(&drain(&mut viewer)), expected);
    writer.set_lane(lane("c", "n", LaneState::Reconnecting));
    writer.publish();
    assert_eq!(script(&drain(&mut viewer)), ["lane id=e:6 c/ingresses/n reconnecting"]);
}

#[test]
fn lanes_that_ended_meanwhile_are_replayed() {
    let (mut writer, store) = store(100);
    writer.set_lane(lane("c", "*", LaneState::Live));
    writer.set_lane(lane("c", "known", LaneState::Live));
    writer.publish();
    writer.set_lane(lane("c", "brief", LaneState::Connecting));
    writer.remove_lane(&lane("c", "brief", LaneState::Live).id);
    writer.remove_lane(&lane("c", "known", LaneState::Live).id);
    writer.remove_lane(&lane("c", "*", LaneState::Live).id);
    writer.set_lane(lane("c", "*", LaneState::Connecting));
    writer.publish();
    let mut viewer = viewer(&store, "", Start::Resume(Position::new(EPOCH, 2)));
    let expected = [
        "lane c/ingresses/* connecting",
        "comment resumed",
        "lane id=e:3 c/ingresses/brief connecting",
        "laneRemoved id=e:4 c/ingresses/brief",
        "laneRemoved id=e:5 c/ingresses/known",
    ];
    assert_eq!(script(&drain(&mut viewer)), expected);
}

#[test]
fn what_cannot_be_resumed_is_reset() {
    let (mut writer, store) = store(2);
    for version in 1..10 {
        put(&mut writer, "n", "a", version, "nginx");
        writer.publish();
    }
    let cases = [
        (Start::Resume(Position::new(EPOCH, 1)), "reset id= resume-expired"),
        (Start::Resume(Position::new(EPOCH, 99)), "reset id= resume-expired"),
        (Start::Resume(Position::new(1, 9)), "reset id= epoch-changed"),
        (Start::Unresumable, "reset id= resume-expired"),
    ];
    for (start, reset) in cases {
        let blocks = drain(&mut viewer(&store, "", start));
        assert_eq!(script(&blocks), [reset, "snapshot id=e:9 1 true"], "{start:?}");
    }
}

#[test]
fn a_client_that_falls_behind_is_reset() {
    let (mut writer, store) = store(4);
    writer.set_lane(lane("c", "n", LaneState::Live));
    put(&mut writer, "n", "a", 1, "nginx");
    writer.publish();
    let mut viewer = viewer(&store, "", Start::Fresh);
    drain(&mut viewer);
    for version in 2..20 {
        put(&mut writer, "n", "a", version, "nginx");
        writer.publish();
    }
    let expected = ["reset id= lagged", "lane c/ingresses/n live", "snapshot id=e:20 1 true"];
    assert_eq!(script(&drain(&mut viewer)), expected);
    assert_eq!(viewer.untold(), None);
}

#[test]
fn simulated_data_says_so() {
    let (_writer, store) = store(4);
    let mut viewer = Viewer::new(&store, feed("", true), Start::Fresh);
    assert_eq!(drain(&mut viewer)[0].data.as_ref().unwrap()["demo"], true);
}

#[test]
fn the_resume_point_is_read_from_header_and_parameter() {
    let start_of = |header: Option<&'static str>, since: Option<&str>| {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(LAST_EVENT_ID, HeaderValue::from_static(value));
        }
        start(&headers, since)
    };
    let resume = |seq| Start::Resume(Position::new(EPOCH, seq));
    assert_eq!(start_of(None, None).unwrap(), Start::Fresh);
    assert_eq!(start_of(Some(""), None).unwrap(), Start::Fresh);
    assert_eq!(start_of(None, Some("e:7")).unwrap(), resume(7));
    assert_eq!(start_of(Some("e:9"), Some("e:7")).unwrap(), resume(9));
    assert_eq!(start_of(Some("nonsense"), Some("e:7")).unwrap(), Start::Unresumable);
    for bad in ["", "7", "e:", "x:7", "e:-7"] {
        assert_eq!(start_of(None, Some(bad)).unwrap_err().named(), Some("since"), "{bad}");
    }
}

fn events(store: &Store<Ingress>, query: &str, shutdown: &Shutdown) -> Events {
    let options =
        Options { heartbeat: Duration::from_secs(15), retry: Duration::from_secs(2), ..Options::default() };
    let place = Places::new(options.streams).take(&Extensions::new()).ok().unwrap();
    Events::new(viewer(store, query, Start::Fresh), options, shutdown.signal(), place, Arc::default())
}

async fn next(events: &mut Events) -> Vec<Block> {
    let mut bytes = events.next().await.unwrap().unwrap().to_vec();
    while !events.frames.is_empty() {
        bytes.extend(events.next().await.unwrap().unwrap());
    }
    parse(&bytes)
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_on_time_and_carry_the_resume_point() {
    let (mut writer, store) = store(100);
    let mut events = events(&store, "namespace=n", &Shutdown::new());
    let begun = Instant::now();
    let first = next(&mut events).await;
    assert_eq!(first[0].retry.as_deref(), Some("2000"));
    assert_eq!(script(&first[1..]), ["snapshot id=e:0 0 true"]);

    let beat = next(&mut events).await;
    assert_eq!((begun.elapsed().as_secs(), beat[0].comment.as_deref()), (15, Some("heartbeat")));
    assert_eq!((beat.len(), &beat[0].id, &beat[0].data), (1, &None, &None));

    put(&mut writer, "elsewhere", "a", 1, "nginx");
    writer.publish();
    let beat = next(&mut events).await;
    assert_eq!((begun.elapsed().as_secs(), beat[0].id.as_deref(), &beat[0].data), (30, Some("e:1"), &None));

    // A busy stream has heartbeats, too.
    for round in 0..4 {
        tokio::time::advance(Duration::from_secs(5)).await;
        put(&mut writer, "n", "a", round, "nginx");
        writer.publish();
        let blocks = next(&mut events).await;
        let beats = blocks.iter().filter(|block| block.comment.is_some()).count();
        assert_eq!(beats, usize::from(round == 2), "after {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_stream() {
    let (_writer, store) = store(100);
    let shutdown = Shutdown::new();
    let mut events = events(&store, "", &shutdown);
    next(&mut events).await;
    let begun = Instant::now();
    let (last, ()) = tokio::join!(next(&mut events), async { shutdown.begin() });
    assert_eq!(script(&last), ["end shutdown"]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(events.next().await.is_none() && events.next().await.is_none());

    let mut late = self::events(&store, "", &shutdown);
    let blocks = next(&mut late).await;
    assert_eq!((blocks[0].retry.is_some(), script(&blocks[1..])), (true, vec!["end shutdown".to_owned()]));
    assert!(late.next().await.is_none());
}

#[tokio::test]
async fn the_end_of_the_hub_ends_the_stream() {
    let (writer, store) = store(100);
    let mut events = events(&store, "", &Shutdown::new());
    next(&mut events).await;
    drop(writer);
    assert_eq!(script(&next(&mut events).await), ["end shutdown"]);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_large_batch_is_not_held_as_bytes() {
    let (mut writer, store) = store(50_000);
    let mut events = events(&store, "", &Shutdown::new());
    next(&mut events).await;
    for number in 0..5000 {
        put(&mut writer, "n", &format!("x{number}"), 1, "nginx");
    }
    writer.publish();
    let (mut seen, mut pieces) = (0, 0);
    while seen < 5000 {
        let bytes = events.next().await.unwrap().unwrap();
        assert!(bytes.len() < 80 * 1024, "{} bytes at once", bytes.len());
        seen += parse(&bytes).len();
        pieces += 1;
    }
    assert!(pieces > 10);
}

/// What a client makes of the stream.
#[derive(Debug, Default)]
struct Client {
    shown: BTreeMap<String, Value>,
    snapshot: BTreeMap<String, Value>,
    lanes: BTreeMap<String, Value>,
    last_id: Option<String>,
    complete: bool,
}

impl Client {
    fn apply(&mut self, blocks: Vec<Block>) {
        for block in blocks {
            if let Some(id) = block.id {
                self.last_id = Some(id).filter(|id| !id.is_empty());
            }
            let (Some(event), Some(data)) = (block.event, block.data) else { continue };
            let id = data["id"].as_str().unwrap_or_default().to_owned();
            match event.as_str() {
                "reset" => *self = Self::default(),
                "lane" => {
                    self.lanes.insert(id, data);
                }
                "laneRemoved" => assert!(self.lanes.remove(&id).is_some(), "{id} was never there"),
                "snapshot" => {
                    assert!(!self.complete, "a snapshot without a reset");
                    for item in data["items"].as_array().unwrap() {
                        let old = self.snapshot.insert(item["id"].as_str().unwrap().to_owned(), item.clone());
                        assert!(old.is_none());
                    }
                    if data["done"] == true {
                        self.shown = std::mem::take(&mut self.snapshot);
                        self.complete = true;
                    }
                }
                "added" => assert!(self.complete && self.shown.insert(id, data).is_none()),
                "modified" => assert!(self.complete && self.shown.insert(id, data).is_some()),
                "deleted" => assert!(self.complete && self.shown.remove(&id).is_some()),
                other => panic!("{other}"),
            }
        }
    }

    fn ids(&self) -> Vec<(String, String)> {
        let version = |item: &Value| item["resourceVersion"].as_str().unwrap().to_owned();
        self.shown.iter().map(|(id, item)| (id.clone(), version(item))).collect()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Put {
        namespace: u8,
        name: u8,
        class: u8,
    },
    Delete {
        namespace: u8,
        name: u8,
    },
    Lane {
        namespace: u8,
        live: bool,
    },
    LaneRemoved {
        namespace: u8,
    },
    Publish,
    /// The client reads this many pieces.
    Read(usize),
    /// The client loses the connection and comes back with its last id.
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u8, 0..4_u8, 0..2_u8).prop_map(|(namespace, name, class)| Step::Put { namespace, name, class }),
        3 => (0..3_u8, 0..4_u8).prop_map(|(namespace, name)| Step::Delete { namespace, name }),
        1 => (0..3_u8, any::<bool>()).prop_map(|(namespace, live)| Step::Lane { namespace, live }),
        1 => (0..3_u8).prop_map(|namespace| Step::LaneRemoved { namespace }),
        4 => Just(Step::Publish),
        3 => (1..4_usize).prop_map(Step::Read),
        1 => Just(Step::Reconnect),
    ]
}

proptest! {
    /// Whatever happens, and however slowly a client reads, in the end it shows what the list shows.
    #[test]
    fn a_client_converges_on_the_filtered_list(
        steps in proptest::collection::vec(step(), 1..60),
        query in prop_oneof![
            Just(""), Just("namespace=n1"), Just("class=c0"), Just("class=c1&namespaces=n0,n2"), Just("search=x1")
        ],
        history in prop_oneof![Just(3_usize), Just(10), Just(1000)],
    ) {
        let (mut writer, store) = store(history);
        let mut viewer = viewer(&store, query, Start::Fresh);
        let mut client = Client::default();
        for (version, step) in (1_u64..).zip(steps) {
            match step {
                Step::Put { namespace, name, class } => {
                    let (namespace, name) = (format!("n{namespace}"), format!("x{name}"));
                    put(&mut writer, &namespace, &name, version, &format!("c{class}"));
                }
                Step::Delete { namespace, name } => {
                    writer.delete(&key("c", &format!("n{namespace}"), &format!("x{name}")));
                }
                Step::Lane { namespace, live } => {
                    let state = if live { LaneState::Live } else { LaneState::Denied };
                    writer.set_lane(lane("c", &format!("n{namespace}"), state));
                }
                Step::LaneRemoved { namespace } => {
                    writer.remove_lane(&lane("c", &format!("n{namespace}"), LaneState::Live).id);
                }
                Step::Publish => writer.publish(),
                Step::Read(pieces) => {
                    let mut frames = Frames::default();
                    for _ in 0..pieces {
                        viewer.advance(&mut frames).unwrap();
                    }
                    if let Some(position) = viewer.untold() {
                        frames.heartbeat(Some(position));
                    }
                    client.apply(parse(&all(&mut frames)));
                }
                Step::Reconnect => {
                    let start = match &client.last_id {
                        None => {
                            client = Client::default();
                            Start::Fresh
                        }
                        Some(id) => Start::Resume(id.parse().unwrap()),
                    };
                    viewer = self::viewer(&store, query, start);
                }
            }
        }
        writer.publish();
        client.apply(drain(&mut viewer));
        let (snapshot, filter) = (store.snapshot(), filter(query));
        let expected: Vec<_> = snapshot
            .iter()
            .filter(|(_, ingress)| filter.matches(ingress))
            .map(|(key, ingress)| (key.to_string(), version_of(ingress)))
            .collect();
        prop_assert_eq!(client.ids(), expected);
        let lanes: Vec<_> = snapshot
            .lanes()
            .filter(|lane| filter.concerns_lane(&lane.id))
            .map(|lane| (lane.id.to_string(), lane.state.as_str().to_owned()))
            .collect();
        let told: Vec<_> = client
            .lanes
            .iter()
            .map(|(id, lane)| (id.clone(), lane["state"].as_str().unwrap().to_owned()))
            .collect();
        prop_assert_eq!(told, lanes);
    }
}

fn version_of(ingress: &Ingress) -> String {
    use ingress_core::Kind as _;
    ingress.resource_version().to_owned()
}
