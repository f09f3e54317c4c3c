use std::collections::BTreeSet;
use std::sync::Arc;

use ingress_core::{Ingress, LaneState, Position, Store, Writer};
use serde_json::{Value, json};

use super::frames::Frames;
use super::*;
use crate::coding::Chunk;
use crate::fixture::{closed, cluster, key, lane, lens, simple};
use crate::view::Mark;

mod convergence;
mod ends;

const EPOCH: u64 = 0xe;

fn store(history: usize) -> (Writer<Ingress>, Store<Ingress>) {
    Store::new(EPOCH, history)
}

fn feed(query: &str, demo: bool) -> Arc<Feed> {
    Arc::new(Feed::new(lens(query), vec![cluster("c")], demo, closed()))
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
    std::iter::from_fn(|| frames.take()).flat_map(Chunk::into_plain).collect()
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
            parts.into_iter().max_by_key(Chunk::len).map(|part| part.into_plain().as_ptr())
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
    assert_eq!(viewer.untold(), Some(Mark::Plain(Position::new(EPOCH, 11))));
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
    let expected = ["lane c/ingresses/n live", "comment resumed", "added id=e:5 c/n/b"];
    assert_eq!(script(&drain(&mut viewer)), expected);
    writer.set_lane(lane("c", "n", LaneState::Reconnecting));
    writer.publish();
    assert_eq!(script(&drain(&mut viewer)), ["lane id=e:6 c/ingresses/n reconnecting"]);
}

#[test]
fn lanes_that_ended_meanwhile_are_told_of() {
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
        "laneRemoved c/ingresses/brief",
        "laneRemoved id=e:7 c/ingresses/known",
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
        start(&lens(""), EPOCH, &headers, since)
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

#[test]
fn who_is_behind_is_told_the_last_states_in_the_order_of_the_last_changes() {
    let (mut writer, store) = store(1000);
    put(&mut writer, "n", "stays", 1, "nginx");
    put(&mut writer, "n", "goes", 1, "nginx");
    put(&mut writer, "n", "leaves", 1, "nginx");
    writer.set_lane(lane("c", "n", LaneState::Live));
    writer.publish();
    let feed = feed("class=nginx", false);
    let mut viewers = [(); 2].map(|()| Viewer::new(&store, feed.clone(), Start::Fresh));
    viewers.iter_mut().for_each(|viewer| drop(drain(viewer)));
    for version in 2..80 {
        put(&mut writer, "n", "stays", version, "nginx");
        writer.publish();
    }
    writer.set_lane(lane("c", "n", LaneState::Denied));
    writer.delete(&key("c", "n", "goes"));
    put(&mut writer, "n", "brief", 1, "nginx");
    writer.delete(&key("c", "n", "brief"));
    put(&mut writer, "n", "again", 1, "nginx");
    writer.set_lane(lane("c", "n", LaneState::Live));
    put(&mut writer, "n", "leaves", 2, "other");
    writer.publish();
    let expected = [
        "modified c/n/stays",
        "deleted c/n/goes",
        "added c/n/again",
        "lane c/ingresses/n live",
        "deleted id=e:89 c/n/leaves",
    ];
    let told = viewers.each_mut().map(|viewer| {
        let mut frames = Frames::default();
        while viewer.advance(&mut frames).unwrap() {}
        let lent = frames.take().unwrap().into_plain();
        let blocks = parse(&lent);
        assert_eq!(blocks[0].data.as_ref().unwrap()["resourceVersion"], "79");
        (lent.as_ptr(), script(&blocks))
    });
    assert_eq!(told[0].1, expected);
    assert_eq!(told[0].0, told[1].0, "encoded once");
    assert_eq!(viewers[0].untold(), None);
    // One that is a little behind is told everything.
    for version in 80..90 {
        put(&mut writer, "n", "stays", version, "nginx");
        writer.publish();
    }
    assert_eq!(drain(&mut viewers[0]).len(), 10);
}

#[test]
fn a_run_of_nothing_gives_its_id_with_the_next_heartbeat() {
    let (mut writer, store) = store(1000);
    let mut viewer = viewer(&store, "class=nginx", Start::Fresh);
    drain(&mut viewer);
    for version in 0..100 {
        put(&mut writer, "n", "a", version, "other");
        writer.publish();
    }
    assert_eq!(drain(&mut viewer), []);
    assert_eq!(viewer.untold(), Some(Mark::Plain(Position::new(EPOCH, 100))));
}

#[test]
fn a_slow_reader_drops_the_rest_of_a_batch_for_what_became_of_it() {
    let (mut writer, store) = store(50_000);
    let mut viewer = viewer(&store, "", Start::Fresh);
    drain(&mut viewer);
    for number in 0..1000 {
        put(&mut writer, "n", &format!("x{number:04}"), 1, "nginx");
    }
    writer.publish();
    let mut frames = Frames::default();
    assert!(viewer.advance(&mut frames).unwrap() && viewer.advance(&mut frames).unwrap());
    let first = parse(&all(&mut frames)).len();
    assert!(first > 0 && first < 1000, "{first}");
    for number in 0..1000 {
        writer.delete(&key("c", "n", &format!("x{number:04}")));
    }
    writer.publish();
    let rest = drain(&mut viewer);
    assert_eq!(rest.len(), first, "what was shown is deleted, the rest never was");
    assert!(rest.iter().all(|block| block.event.as_deref() == Some("deleted")));
}

#[test]
fn more_than_may_wait_for_a_viewer_is_told_anew() {
    let (mut writer, store) = store(50_000);
    let feed = Arc::new(Feed::new(lens(""), vec![cluster("c")], false, closed()).with_backlog(100_000));
    let mut slow = Viewer::new(&store, feed.clone(), Start::Fresh);
    drain(&mut slow);
    let mut write = |count| {
        for number in 0..count {
            put(&mut writer, "n", &format!("x{number:04}"), count, "nginx");
            writer.publish();
        }
    };
    write(100);
    assert_eq!(drain(&mut slow).len(), 100);
    write(1000);
    let told = drain(&mut slow);
    assert_eq!(script(&told)[0], "reset id= lagged");
    assert_eq!(chunks(&told, "e:1100").iter().sum::<usize>(), 1000);
    let mut resumed = Viewer::new(&store, feed, Start::Resume(Position::new(EPOCH, 100)));
    assert!(script(&drain(&mut resumed)).contains(&"reset id= lagged".to_owned()));
}

#[test]
fn messages_say_the_same_as_events() {
    let (mut writer, store) = store(1000);
    writer.set_lane(lane("c", "n", LaneState::Live));
    put(&mut writer, "n", "a", 1, "nginx");
    writer.publish();
    let feed = feed("", true);
    let mut viewers = [(); 2].map(|()| Viewer::new(&store, feed.clone(), Start::Unresumable));
    let told = |viewers: &mut [Viewer; 2]| {
        let [events, messages] = viewers;
        let events = drain(events).into_iter().map(|block| (block.event, block.id, block.data));
        let mut frames = Frames::new(Form::Messages);
        while messages.advance(&mut frames).unwrap() {}
        let text = String::from_utf8(all(&mut frames)).unwrap();
        let messages = text.lines().map(|line| {
            let message: Value = serde_json::from_str(line).unwrap();
            let field = |name| message[name].as_str().map(str::to_owned);
            (field("event"), field("id"), Some(message["data"].clone()))
        });
        assert_eq!(messages.collect::<Vec<_>>(), events.collect::<Vec<_>>());
    };
    told(&mut viewers);
    put(&mut writer, "n", "a", 2, "nginx");
    writer.publish();
    told(&mut viewers);
    for version in 3..100 {
        put(&mut writer, "n", "a", version, "nginx");
        writer.publish();
    }
    told(&mut viewers);
}
