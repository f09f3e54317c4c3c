//! Streams as their connections see them: heartbeats, permissions that change, and ends.

use std::time::Duration;

use futures::FutureExt as _;
use ingress_core::Hub;
use ingress_core::source::{ClusterInfo, Origin, scripted};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::*;
use crate::app::Options;
use crate::coding::Coding;
use crate::fixture::grants;
use crate::protect::Protection;
use crate::shutdown::Shutdown;
use crate::view::{Grants, Guard, Verdict};

/// A router of another hub: what the streams here follow is the test's own store.
fn app(shutdown: &Shutdown) -> App {
    let (source, _) = scripted::cluster(ClusterInfo::new(cluster("c"), Origin::Argument));
    let options = Options {
        heartbeat: Duration::from_secs(15),
        retry: Duration::from_secs(2),
        max_backlog: 1 << 20,
        ..Options::default()
    };
    let guard = Guard::open(Hub::builder(source).start());
    App::new(guard, Arc::default(), options, Protection::default(), shutdown.clone())
}

/// A stream, and whoever decides about its viewer.
fn supervised(store: &Store<Ingress>, query: &str, app: &App) -> (Events<Viewer>, mpsc::Sender<Verdict>) {
    let (decide, verdicts) = mpsc::channel(10);
    let viewer = viewer(store, query, Start::Fresh);
    let place = app.place(&Extensions::new()).unwrap();
    let events = Events::new(viewer, Form::Events, app.clone(), Asking::scripted(verdicts), place);
    (events, decide)
}

fn events(store: &Store<Ingress>, query: &str, shutdown: &Shutdown) -> Events<Viewer> {
    supervised(store, query, &app(shutdown)).0
}

async fn next(events: &mut Events<Viewer>) -> Vec<Block> {
    let mut bytes = events.next().await.unwrap().unwrap().into_plain().to_vec();
    while let Some(more) = events.next().now_or_never() {
        let Some(more) = more else { break };
        bytes.extend(more.unwrap().into_plain());
    }
    parse(&bytes)
}

#[tokio::test(start_paused = true)]
async fn heartbeats_come_on_time_and_carry_the_resume_point() {
    let (mut writer, store) = store(100);
    let mut events = events(&store, "namespace=n", &Shutdown::new());
    let begun = Instant::now();
    let first = next(&mut events).await;
    let retry: u64 = first[0].retry.as_ref().unwrap().parse().unwrap();
    assert!((1000..=3000).contains(&retry), "{retry}");
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
        let bytes = events.next().await.unwrap().unwrap().into_plain();
        assert!(bytes.len() < 80 * 1024, "{} bytes at once", bytes.len());
        seen += parse(&bytes).len();
        pieces += 1;
    }
    assert!(pieces > 10);
}

#[tokio::test(start_paused = true)]
async fn who_may_see_something_else_begins_anew() {
    let (mut writer, store) = store(1000);
    for namespace in ["pay", "shop"] {
        writer.set_lane(lane("c", namespace, LaneState::Live));
        put(&mut writer, namespace, "a", 1, "nginx");
        put(&mut writer, namespace, "b", 1, "other");
    }
    writer.publish();
    let app = app(&Shutdown::new());
    let (mut events, decide) = supervised(&store, "class=nginx", &app);
    assert_eq!(script(&next(&mut events).await)[3..], ["snapshot id=e:6 2 true"]);
    let seen_by = |grants| Verdict::Changed(View::granted(app.guard(), grants));
    decide.send(seen_by(grants(&[("c", &["shop"])]))).await.unwrap();
    // What happens at the same time is shown as it may be seen now.
    put(&mut writer, "pay", "a", 2, "nginx");
    put(&mut writer, "shop", "a", 2, "nginx");
    writer.publish();
    let told = next(&mut events).await;
    let told: Vec<String> =
        script(&told).iter().map(|line| line.split(" id=").next().unwrap().to_owned()).collect();
    assert_eq!(told, ["reset", "lane c/ingresses/shop live", "snapshot"]);
    put(&mut writer, "pay", "a", 3, "nginx");
    writer.publish();
    assert!(events.next().now_or_never().is_none(), "nothing of what may not be seen");
    decide.send(seen_by(Grants::All)).await.unwrap();
    let told = next(&mut events).await;
    assert_eq!(script(&told)[0], "reset id= access-changed");
    assert_eq!(script(&told)[3..], ["snapshot id=e:9 2 true"]);
}

#[tokio::test(start_paused = true)]
async fn a_busy_stream_ends_when_its_viewer_is_no_longer_known() {
    let (mut writer, store) = store(50_000);
    let (mut events, decide) = supervised(&store, "", &app(&Shutdown::new()));
    for number in 0..5000 {
        put(&mut writer, "n", &format!("x{number}"), 1, "nginx");
    }
    next(&mut events).await;
    writer.publish();
    events.next().await.unwrap().unwrap();
    decide.send(Verdict::Over("session-over")).await.unwrap();
    let rest = next(&mut events).await;
    assert!(rest.len() < 1000, "{} events more", rest.len());
    assert_eq!(script(&rest).last().unwrap(), "end session-over");
    assert_eq!(events.over(), Some("session-over"));
    assert!(events.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_connection_is_counted_until_it_is_taken_or_dropped() {
    let (mut writer, store) = store(50_000);
    for number in 0..300 {
        put(&mut writer, "n", &format!("x{number}"), 1, "nginx");
    }
    writer.publish();
    let app = app(&Shutdown::new());
    let queued = || app.counters().streams.queued.get();
    let (mut one, _one) = supervised(&store, "", &app);
    let (mut other, _other) = supervised(&store, "", &app);
    one.next().await.unwrap().unwrap();
    other.next().await.unwrap().unwrap();
    assert!(queued() > 20_000, "{}", queued());
    while one.next().now_or_never().is_some() {}
    assert!(queued() > 10_000, "{}", queued());
    drop(other);
    assert_eq!(queued(), 0);
}

#[tokio::test(start_paused = true)]
async fn clients_are_told_waits_of_their_own() {
    let (_writer, store) = store(10);
    let app = app(&Shutdown::new());
    let mut waits = BTreeSet::new();
    for _ in 0..10 {
        let (mut events, decide) = supervised(&store, "", &app);
        decide.send(Verdict::Over("session-over")).await.unwrap();
        for block in next(&mut events).await {
            waits.insert(block.retry.unwrap().parse::<u64>().unwrap());
        }
    }
    assert!(waits.len() > 5 && waits.iter().all(|wait| (1000..=3000).contains(wait)), "{waits:?}");
}

#[tokio::test]
async fn a_stream_that_waits_is_small() {
    // Ten thousand of them are kept; what a connection takes beside is not this crate's.
    let (mut writer, store) = store(1000);
    (0..300).for_each(|number| put(&mut writer, "n", &format!("x{number}"), 1, "nginx"));
    writer.publish();
    let (mut events, _decide) = supervised(&store, "", &app(&Shutdown::new()));
    next(&mut events).await;
    assert_eq!(events.held(), 0, "what was sent is not held");
    let body = events.into_body(Coding::Brotli);
    assert!(size_of_val(&body) <= 2048, "{}", size_of_val(&body));
}
