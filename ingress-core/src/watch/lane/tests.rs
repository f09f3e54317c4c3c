use super::*;
use crate::key::{ClusterId, LaneScope};
use crate::kind::NamespaceRecord;
use crate::resilience::backoff::Jitter;
use crate::resilience::breaker::BreakerPolicy;
use crate::resilience::retry::RetryPolicy;
use crate::source::scripted::{Feed, Handle, ScriptedSource, Watch, cluster, pair};
use crate::source::{ClusterInfo, Origin};
use crate::watch::doubt::LISTEN;
use tokio::task::JoinSet;

fn object(name: &str, revision: &str) -> NamespaceRecord {
    let json = format!(r#"{{"metadata":{{"name":"{name}","resourceVersion":"{revision}"}}}}"#);
    NamespaceRecord::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap()
}

fn exact(initial: u64, factor: f64, cap: u64) -> BackoffPolicy {
    BackoffPolicy::new(Duration::from_secs(initial), factor, Duration::from_secs(cap), Jitter::None).unwrap()
}

struct Bench {
    script: Handle<NamespaceRecord>,
    told: mpsc::Receiver<LaneMessage<NamespaceRecord>>,
    endpoint: Arc<Endpoint>,
    last: Option<LaneStatus>,
    _tasks: JoinSet<()>,
}

/// A lane over a script, with waits that can be told apart: 1, 2, 4, 8 s after failures, 100 s after refusals; it never
/// doubts what it hears.
fn bench() -> Bench {
    bench_that_doubts_after(1000)
}

fn bench_that_doubts_after(seconds: u64) -> Bench {
    let (source, script): (ScriptedSource<NamespaceRecord>, _) = pair();
    let id = ClusterId::new("c").unwrap();
    let (scripted, _handle) = cluster(ClusterInfo::new(id.clone(), Origin::Custom));
    let endpoint = Endpoint::new(Arc::new(scripted), BreakerPolicy::default(), RetryPolicy::default());
    let policy = LanePolicy {
        backoff: exact(1, 2.0, 8),
        denied: exact(100, 1.0, 100),
        doubt: Duration::from_secs(seconds),
        ..LanePolicy::default()
    };
    let (out, told) = mpsc::channel(64);
    let lane = Lane {
        status: LaneStatus::new(
            LaneId::new(id, &NamespaceRecord::resource(), LaneScope::Cluster),
            "Namespace",
        ),
        run: 1,
        source: Arc::new(source),
        endpoint: endpoint.clone(),
        counters: endpoint.counters().kind(&NamespaceRecord::resource()),
        policy: Arc::new(policy),
        out,
    };
    let mut tasks = JoinSet::new();
    tasks.spawn(lane.run());
    Bench { script, told, endpoint, last: None, _tasks: tasks }
}

impl Bench {
    async fn asked(&mut self) -> Watch<NamespaceRecord> {
        self.script.next_watch().await.unwrap()
    }

    /// The next message of the lane.
    async fn hear(&mut self) -> LaneMessage<NamespaceRecord> {
        let message = self.told.recv().await.unwrap();
        if let Some(status) = &message.status {
            self.last = Some(status.clone());
        }
        message
    }

    async fn hears_state(&mut self, state: LaneState) -> LaneStatus {
        loop {
            if let Some(status) = self.hear().await.status
                && status.state == state
            {
                return status;
            }
        }
    }

    /// Accepts the next watch, which must be a list, and makes the lane live.
    async fn live(&mut self, revision: &str) -> Feed<NamespaceRecord> {
        let watch = self.asked().await;
        assert_eq!(watch.request().resume, None);
        let feed = watch.accept();
        feed.listed([object("a", "1")], revision).await;
        self.hears_state(LaneState::Live).await;
        feed
    }

    /// How long the lane waits until it asks again, and what for.
    async fn asks_after(&mut self) -> (u64, Watch<NamespaceRecord>) {
        let begun = Instant::now();
        let watch = self.asked().await;
        (begun.elapsed().as_secs(), watch)
    }
}

fn failure(kind: ErrorKind) -> SourceError {
    SourceError::new(kind, "scripted")
}

fn resumed(watch: &Watch<NamespaceRecord>) -> Option<&str> {
    watch.request().resume.as_ref().map(Revision::as_str)
}

#[tokio::test(start_paused = true)]
async fn a_list_is_handed_over_in_one_piece_when_it_is_complete() {
    let mut bench = bench();
    let feed = bench.asked().await.accept();
    feed.send(vec![WatchEvent::Listed(object("a", "1"))]).await;
    feed.send(vec![
        WatchEvent::Listed(object("b", "2")),
        WatchEvent::Synced(Revision::new("5")),
        WatchEvent::Applied(object("c", "6")),
    ])
    .await;
    let syncing = bench.hear().await;
    assert_eq!(syncing.status.unwrap().state, LaneState::Syncing);
    assert!(syncing.state.is_none());
    let live = bench.hear().await;
    assert_eq!(live.state.unwrap().len(), 2);
    assert_eq!(live.changes, [WatchEvent::Applied(object("c", "6"))]);
    let status = live.status.unwrap();
    assert_eq!((status.state, status.relists, status.stale_since), (LaneState::Live, 0, None));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_half_way_leaves_nothing_behind() {
    let mut bench = bench();
    let feed = bench.asked().await.accept();
    feed.send(vec![WatchEvent::Listed(object("ghost", "1"))]).await;
    feed.fail(failure(ErrorKind::Disconnected)).await;
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (1, None));
    let feed = watch.accept();
    feed.listed([], "5").await;
    loop {
        if let Some(state) = bench.hear().await.state {
            assert!(state.is_empty(), "the ghost is not in it");
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_is_resumed_at_once_from_the_last_event_and_stays_live() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    feed.send(vec![WatchEvent::Bookmark(Revision::new("7"))]).await;
    feed.deleted(None, "a", "9").await;
    drop(feed);
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (0, Some("9")));
    let _feed = watch.accept();
    let deletion = bench.hear().await;
    assert_eq!(deletion.changes.len(), 1, "the bookmark is not passed on");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(bench.told.try_recv().is_err(), "nothing was to be told");
}

#[tokio::test(start_paused = true)]
async fn a_resume_that_hangs_is_admitted_after_a_second() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    feed.applied(object("a", "6")).await;
    drop(feed);
    let hanging = bench.asked().await;
    let begun = Instant::now();
    let status = bench.hears_state(LaneState::Reconnecting).await;
    assert_eq!(begun.elapsed().as_secs(), 1);
    assert!(status.stale_since.is_some());
    let _feed = hanging.accept();
    assert_eq!(bench.hears_state(LaneState::Live).await.stale_since, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_as_soon_as_it_begins_is_a_failure() {
    let mut bench = bench();
    drop(bench.live("5").await);
    let mut waits = Vec::new();
    for _ in 0..4 {
        let (waited, watch) = bench.asks_after().await;
        waits.push(waited);
        drop(watch.accept());
    }
    assert_eq!(waits, [1, 2, 4, 8]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_revision_is_listed_anew_at_once_and_counted() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    feed.fail(failure(ErrorKind::Expired)).await;
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (0, None));
    watch.accept().listed([object("b", "9")], "9").await;
    assert_eq!(bench.hears_state(LaneState::Reconnecting).await.failures, 1);
    assert_eq!(bench.hears_state(LaneState::Live).await.relists, 1);
}

#[tokio::test(start_paused = true)]
async fn an_expired_revision_refused_at_the_start_is_listed_anew_too() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    feed.applied(object("a", "6")).await;
    drop(feed);
    bench.asked().await.refuse(SourceError::from_status(410, "too old", None));
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (0, None));
}

#[tokio::test(start_paused = true)]
async fn backoff_grows_and_is_not_reset_by_attempts_that_never_synced() {
    let mut bench = bench();
    let mut waits = Vec::new();
    bench.asked().await.refuse(failure(ErrorKind::Unreachable));
    for _ in 0..5 {
        let (waited, watch) = bench.asks_after().await;
        waits.push(waited);
        // It answers, and breaks before the state is complete.
        let feed = watch.accept();
        feed.send(vec![WatchEvent::Listed(object("a", "1"))]).await;
        feed.fail(failure(ErrorKind::Disconnected)).await;
    }
    assert_eq!(waits, [1, 2, 4, 8, 8]);
}

#[tokio::test(start_paused = true)]
async fn backoff_is_reset_only_after_a_stable_period() {
    let mut bench = bench();
    for expected in [1, 2] {
        let feed = bench.live("5").await;
        feed.fail(failure(ErrorKind::Expired)).await;
        bench.hears_state(LaneState::Reconnecting).await;
        assert_eq!(bench.last.as_ref().unwrap().failures, expected, "synced, but not for long");
    }
    let feed = bench.live("5").await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    feed.fail(failure(ErrorKind::Expired)).await;
    assert_eq!(bench.hears_state(LaneState::Reconnecting).await.failures, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_live_for_a_while_waits_no_longer_than_that() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    feed.fail(failure(ErrorKind::Disconnected)).await;
    for _ in 0..3 {
        bench.asked().await.refuse(failure(ErrorKind::Unreachable));
    }
    // The next wait would be 8 s.
    let feed = bench.asked().await.accept();
    bench.hears_state(LaneState::Live).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    feed.fail(failure(ErrorKind::Disconnected)).await;
    assert_eq!(bench.asks_after().await.0, 2);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_and_nothing_is_listed_again() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    feed.fail(SourceError::from_status(429, "slow down", Some(Duration::from_secs(40)))).await;
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (40, Some("5")));
    watch.refuse(SourceError::from_status(429, "never again", Some(Duration::MAX)));
    assert_eq!(bench.asks_after().await.0, 600);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_shown_and_asked_about_rarely() {
    let mut bench = bench();
    bench.asked().await.refuse(SourceError::from_status(401, "who are you", None));
    let status = bench.hears_state(LaneState::Denied).await;
    assert_eq!(status.error.unwrap().kind(), ErrorKind::Unauthorized);
    assert!(status.retry_at.is_some());
    let (waited, watch) = bench.asks_after().await;
    assert_eq!(waited, 100);
    watch.accept().listed([], "1").await;
    assert_eq!(bench.hears_state(LaneState::Live).await.error.map(|error| error.kind()), None);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_not_installed_is_looked_for_soon_and_read_anew() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    feed.fail(failure(ErrorKind::NotFound)).await;
    let status = bench.hears_state(LaneState::Denied).await;
    assert_eq!(status.error.unwrap().kind(), ErrorKind::NotFound);
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (30, None));
    watch.accept().listed([], "9").await;
    bench.hears_state(LaneState::Live).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_lane_asks_again_when_an_outage_is_over() {
    let mut bench = bench();
    bench.asked().await.refuse(SourceError::from_status(403, "no", None));
    bench.hears_state(LaneState::Denied).await;
    bench.endpoint.outage_began(failure(ErrorKind::Unreachable));
    bench.endpoint.outage_ended();
    assert_eq!(bench.asks_after().await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn after_a_403_the_resume_point_is_forgotten_after_a_401_it_is_kept() {
    for (status, expected) in [(403, None), (401, Some("5"))] {
        let mut bench = bench();
        let feed = bench.live("5").await;
        feed.fail(SourceError::from_status(status, "no", None)).await;
        let (_, watch) = bench.asks_after().await;
        assert_eq!(resumed(&watch), expected, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_lane_believes_in_a_resumed_watch_only_when_it_is_not_refused_at_once() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    feed.fail(failure(ErrorKind::Disconnected)).await;
    let feed = bench.asked().await.accept();
    feed.fail(failure(ErrorKind::Expired)).await;
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (0, None));
    let mut states = Vec::new();
    while let Ok(message) = bench.told.try_recv() {
        states.extend(message.status.map(|status| status.state));
    }
    assert_eq!(states, [LaneState::Reconnecting, LaneState::Reconnecting], "never live in between");
    let feed = watch.accept();
    feed.listed([], "9").await;
    bench.hears_state(LaneState::Live).await;
    feed.fail(failure(ErrorKind::Disconnected)).await;
    let _feed = bench.asked().await.accept();
    let begun = Instant::now();
    bench.hears_state(LaneState::Live).await;
    assert_eq!(begun.elapsed(), SETTLING);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_not_believed_before_the_server_is_ready() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    bench.endpoint.outage_began(failure(ErrorKind::Unreachable));
    feed.fail(failure(ErrorKind::Disconnected)).await;
    bench.asked().await.refuse(SourceError::from_status(403, "RBAC: role not found", None));
    let (waited, watch) = bench.asks_after().await;
    assert_eq!(waited, 2, "it is asked again soon");
    while let Ok(message) = bench.told.try_recv() {
        assert!(message.status.is_none_or(|status| status.state == LaneState::Reconnecting));
    }
    bench.endpoint.outage_ended();
    watch.refuse(SourceError::from_status(403, "no", None));
    bench.hears_state(LaneState::Denied).await;
}

#[tokio::test(start_paused = true)]
async fn silence_is_noticed() {
    let mut bench = bench();
    let _feed = bench.live("5").await;
    let begun = Instant::now();
    let status = bench.hears_state(LaneState::Reconnecting).await;
    assert_eq!(begun.elapsed().as_secs(), 90);
    assert_eq!(status.error.unwrap().kind(), ErrorKind::Timeout);
    let (_, watch) = bench.asks_after().await;
    assert_eq!(resumed(&watch), Some("5"));
}

#[tokio::test(start_paused = true)]
async fn a_resume_point_of_which_nothing_is_ever_heard_is_given_up() {
    let mut bench = bench();
    let _silent = bench.live("500").await;
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (90 + 1, Some("500")));
    let _silent = watch.accept();
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (90 + 1, None));
    let feed = watch.accept();
    feed.listed([object("a", "3")], "7").await;
    bench.hears_state(LaneState::Live).await;
    tokio::time::sleep(Duration::from_secs(80)).await;
    feed.send(vec![WatchEvent::Bookmark(Revision::new("8"))]).await;
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (90 + 1, Some("8")), "it had spoken");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_died_alone_is_found_by_asking_over_another() {
    let mut bench = bench_that_doubts_after(20);
    let dead = bench.live("5").await;
    let (waited, second) = bench.asks_after().await;
    assert_eq!((waited, resumed(&second)), (20, Some("5")));
    let told = second.accept();
    told.send(vec![WatchEvent::Bookmark(Revision::new("6"))]).await;
    told.applied(object("b", "7")).await;
    let status = bench.hears_state(LaneState::Reconnecting).await;
    assert_eq!(status.error.unwrap().kind(), ErrorKind::Disconnected);
    assert!(dead.is_closed() && told.is_closed());
    let (_, watch) = bench.asks_after().await;
    assert_eq!(resumed(&watch), Some("5"));
    watch.accept().applied(object("b", "7")).await;
    assert_eq!(bench.hears_state(LaneState::Live).await.stale_since, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_had_nothing_to_say_is_left_alone() {
    let mut bench = bench_that_doubts_after(20);
    let feed = bench.live("5").await;
    let begun = Instant::now();
    for expected in [20, 40] {
        let second = bench.asked().await.accept();
        assert_eq!(begun.elapsed().as_secs(), expected);
        second.send(vec![WatchEvent::Bookmark(Revision::new("6"))]).await;
        tokio::time::sleep(LISTEN * 2).await;
        assert!(second.is_closed(), "it was listened to for a second");
    }
    feed.send(vec![WatchEvent::Bookmark(Revision::new("6"))]).await;
    // A refusal, an expired revision or no answer says nothing against the watch either.
    bench.asked().await.refuse(failure(ErrorKind::Expired));
    let _hanging = bench.asked().await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(bench.told.try_recv().is_err(), "it was live all along");
    assert!(!feed.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_says_it_a_moment_later_is_not_dead() {
    let mut bench = bench_that_doubts_after(20);
    let feed = bench.live("5").await;
    let told = bench.asked().await.accept();
    told.applied(object("b", "7")).await;
    tokio::time::sleep(LISTEN / 2).await;
    feed.applied(object("b", "7")).await;
    assert_eq!(bench.hear().await.changes.len(), 1);
    tokio::time::sleep(LISTEN * 4).await;
    assert!(bench.told.try_recv().is_err(), "it stayed live");
}

#[tokio::test(start_paused = true)]
async fn a_wait_after_a_server_error_ends_with_the_outage() {
    let mut bench = bench();
    for _ in 0..4 {
        bench.asked().await.refuse(failure(ErrorKind::ServerError));
    }
    bench.endpoint.outage_ended();
    assert_eq!(bench.asks_after().await.0, 0, "instead of 8 s");
}

#[tokio::test(start_paused = true)]
async fn answers_that_make_no_sense_are_counted() {
    let mut bench = bench();
    bench.asked().await.refuse(failure(ErrorKind::Malformed));
    let feed = bench.live("5").await;
    feed.fail(failure(ErrorKind::Malformed)).await;
    assert_eq!(bench.hears_state(LaneState::Reconnecting).await.malformed, 2);
    bench.asked().await.refuse(failure(ErrorKind::Unreachable));
    assert_eq!(bench.hears_state(LaneState::Reconnecting).await.malformed, 2);
}

#[tokio::test(start_paused = true)]
async fn bookmarks_keep_a_quiet_watch_alive() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    for revision in 6..16 {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(feed.send(vec![WatchEvent::Bookmark(Revision::new(&revision.to_string()))]).await);
    }
    assert!(bench.told.try_recv().is_err(), "it stayed live");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up() {
    let mut bench = bench();
    let _hanging = bench.asked().await;
    let (waited, _) = bench.asks_after().await;
    assert_eq!(waited, 15 + 1);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_breaks_the_contract_is_told_so_and_listed_anew() {
    let mut bench = bench();
    let feed = bench.asked().await.accept();
    feed.applied(object("a", "1")).await;
    let status = bench.hears_state(LaneState::Connecting).await;
    assert_eq!(status.error.unwrap().kind(), ErrorKind::Malformed);
    let feed = bench.live("5").await;
    feed.send(vec![WatchEvent::Listed(object("b", "6"))]).await;
    bench.hears_state(LaneState::Reconnecting).await;
    let (_, watch) = bench.asks_after().await;
    assert_eq!(resumed(&watch), None);
}

#[tokio::test(start_paused = true)]
async fn more_objects_than_the_bound_is_a_visible_failure() {
    let mut bench = bench();
    let feed = bench.asked().await.accept();
    let bound = LanePolicy::default().max_objects;
    let one = object("a", "1");
    feed.send((0..=bound).map(|_| WatchEvent::Listed(one.clone())).collect()).await;
    let error = bench.hears_state(LaneState::Connecting).await.error.unwrap();
    assert!(error.message().contains("500000 objects"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_waits_for_the_endpoint_goes_on_when_it_is_back() {
    let mut bench = bench();
    for _ in 0..5 {
        bench.asked().await.refuse(failure(ErrorKind::Unreachable));
    }
    // Eight seconds to wait; the endpoint recovers after one.
    let endpoint = bench.endpoint.clone();
    let begun = Instant::now();
    let recover = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        endpoint.outage_ended();
    };
    let (watch, ()) = tokio::join!(bench.script.next_watch(), recover);
    assert!(watch.is_some());
    assert!(begun.elapsed() < Duration::from_millis(1600), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_ended_while_an_attempt_hung_is_not_missed() {
    let mut bench = bench();
    for _ in 0..4 {
        bench.asked().await.refuse(failure(ErrorKind::Unreachable));
    }
    let hanging = bench.asked().await;
    bench.endpoint.outage_ended();
    hanging.refuse(failure(ErrorKind::Timeout));
    assert_eq!(bench.asks_after().await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_swallows_everything_is_noticed_with_the_endpoint_and_the_watch_is_resumed_after() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    bench.endpoint.outage_began(failure(ErrorKind::Timeout));
    let begun = Instant::now();
    let status = bench.hears_state(LaneState::Reconnecting).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(status.stale_since.is_some());
    bench.endpoint.outage_ended();
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (0, Some("5")));
    assert!(feed.is_closed());
    let _feed = watch.accept();
    assert_eq!(bench.hears_state(LaneState::Live).await.stale_since, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_speaks_during_an_outage_of_the_probe_is_live() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    bench.endpoint.outage_began(failure(ErrorKind::ServerError));
    bench.hears_state(LaneState::Reconnecting).await;
    feed.applied(object("a", "6")).await;
    let message = bench.hear().await;
    assert_eq!(message.changes.len(), 1);
    assert_eq!(message.status.unwrap().state, LaneState::Live);
}

#[tokio::test(start_paused = true)]
async fn after_many_failures_an_expired_revision_is_still_listed_anew_at_once() {
    let mut bench = bench();
    let feed = bench.live("5").await;
    feed.fail(failure(ErrorKind::Disconnected)).await;
    for _ in 0..3 {
        bench.asked().await.refuse(failure(ErrorKind::Unreachable));
    }
    bench.asked().await.refuse(failure(ErrorKind::Expired));
    let (waited, watch) = bench.asks_after().await;
    assert_eq!((waited, resumed(&watch)), (0, None));
    watch.refuse(failure(ErrorKind::Expired));
    assert_eq!(bench.asks_after().await.0, 8, "one after the other is trouble");
}

#[tokio::test(start_paused = true)]
async fn a_lane_ends_with_whoever_listens() {
    let Bench { script: mut handle, told, _tasks: mut tasks, .. } = bench();
    let feed = handle.next_watch().await.unwrap().accept();
    drop(told);
    feed.listed([], "1").await;
    tasks.join_next().await.unwrap().unwrap();
}
