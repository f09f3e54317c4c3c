use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join_all;
use futures::poll;
use tokio::time::sleep;

use super::*;
use crate::cache::{Stored, Version};
use crate::flight::{MemoryTurns, Turn};
use crate::memory::MemoryCache;

const OF: Use = Use::new("test");
const SECOND: Duration = Duration::from_secs(1);

/// An origin that takes a second, and counts.
#[derive(Clone, Default)]
struct Origin {
    calls: Arc<AtomicUsize>,
}

impl Origin {
    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// A call whose answer is its number.
    fn call(&self) -> impl Future<Output = Result<Option<Bytes>, &'static str>> + Send + use<> {
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        async move {
            sleep(SECOND).await;
            Ok(Some(number.to_string().into()))
        }
    }

    fn fail(&self) -> impl Future<Output = Result<Option<Bytes>, &'static str>> + Send + use<> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        async {
            sleep(SECOND).await;
            Err("refused")
        }
    }
}

fn policy() -> Policy {
    let plain = Policy::builder(SECOND * 10).jitter(0.0).negative_ttl(SECOND * 2);
    plain.stale_while_revalidate(SECOND * 5).stale_if_error(SECOND * 20).build().unwrap()
}

struct Stage {
    cache: Arc<MemoryCache>,
    clock: Clock,
    origin: Origin,
}

impl Stage {
    fn set() -> Self {
        let clock = Clock::tokio();
        Self { cache: Arc::new(MemoryCache::new(&policy(), clock)), clock, origin: Origin::default() }
    }

    fn reader(&self) -> Cached<&'static str> {
        Cached::builder(OF, policy(), self.cache.clone()).clock(self.clock).build()
    }

    /// Readers in so many replicas, which share the cache and the turns.
    fn replicas(&self, count: usize) -> Vec<Cached<&'static str>> {
        let turns = Arc::new(MemoryTurns::new(self.clock));
        let replica = || {
            Cached::builder(OF, policy(), self.cache.clone()).clock(self.clock).turns(turns.clone()).build()
        };
        (0..count).map(|_| replica()).collect()
    }

    async fn ask(&self, reader: &Cached<&'static str>) -> (String, String) {
        let origin = self.origin.clone();
        told(reader.get_or_load(&reader.key("a"), move || origin.call()).await.unwrap())
    }

    async fn ask_in_vain(&self, reader: &Cached<&'static str>) -> Result<(String, String), &'static str> {
        let origin = self.origin.clone();
        reader.get_or_load(&reader.key("a"), move || origin.fail()).await.map(told)
    }
}

fn told(answer: Answer) -> (String, String) {
    let value =
        answer.value.map_or_else(|| "none".to_owned(), |value| String::from_utf8(value.to_vec()).unwrap());
    (value, answer.status.to_string())
}

fn says(value: &str, status: &str) -> (String, String) {
    (value.to_owned(), format!("ingress; {status}"))
}

#[tokio::test(start_paused = true)]
async fn a_value_is_loaded_then_fresh_then_stale_then_gone() {
    let stage = Stage::set();
    let reader = stage.reader();
    assert_eq!(stage.ask(&reader).await, says("0", "fwd=uri-miss; stored"));
    assert_eq!(stage.ask(&reader).await, says("0", "hit; ttl=9"), "it is as old as the question");
    sleep(SECOND * 9).await;
    assert_eq!(stage.ask(&reader).await, says("0", "hit; ttl=0; detail=stale-while-revalidate"));
    assert_eq!(stage.ask(&reader).await, says("0", "hit; ttl=0; detail=stale-while-revalidate"));
    sleep(SECOND * 2).await;
    assert_eq!(stage.ask(&reader).await, says("1", "hit; ttl=8"));
    assert_eq!(stage.origin.calls(), 2, "it was loaded anew once");
    sleep(SECOND * 14).await;
    assert_eq!(stage.ask(&reader).await, says("2", "fwd=stale; stored"));
    sleep(SECOND * 40).await;
    assert_eq!(stage.ask(&reader).await, says("3", "fwd=uri-miss; stored"));
    let stats = reader.stats();
    assert_eq!((stats.hits, stats.stale, stats.misses, stats.loads, stats.stores), (2, 2, 3, 4, 4));
    assert_eq!(stats.bytes, 7);
}

#[tokio::test(start_paused = true)]
async fn what_is_stale_is_better_than_an_error_for_a_while() {
    let stage = Stage::set();
    let reader = stage.reader();
    assert_eq!(stage.ask_in_vain(&reader).await, Err("refused"));
    stage.ask(&reader).await;
    sleep(SECOND * 16).await;
    let stale = says("1", "fwd=stale; ttl=-8; detail=stale-if-error");
    assert_eq!(stage.ask_in_vain(&reader).await, Ok(stale));
    sleep(SECOND * 11).await;
    assert_eq!(stage.ask_in_vain(&reader).await, Err("refused"), "it became too old while it was tried");
    let stats = reader.stats();
    assert_eq!((stats.stale_if_error, stats.failures, stats.loads), (1, 3, 4));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_loaded_anew_is_left_in_peace_for_a_second() {
    let stage = Stage::set();
    let reader = stage.reader();
    stage.ask(&reader).await;
    sleep(SECOND * 10).await;
    for _ in 0..30 {
        stage.ask_in_vain(&reader).await.unwrap();
        sleep(SECOND / 10).await;
    }
    assert_eq!(stage.origin.calls(), 3, "each try takes a second and rests for one");
}

#[tokio::test(start_paused = true)]
async fn that_there_is_none_is_known_for_a_shorter_while() {
    let stage = Stage::set();
    let reader = stage.reader();
    let none = || async { Ok(None) };
    let key = reader.key("a");
    assert_eq!(told(reader.get_or_load(&key, none).await.unwrap()), says("none", "fwd=uri-miss; stored"));
    assert_eq!(stage.ask(&reader).await, says("none", "hit; ttl=2"));
    sleep(SECOND * 8).await;
    assert_eq!(stage.ask(&reader).await, says("0", "fwd=stale; stored"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_takes_what_was_kept_along() {
    let stage = Stage::set();
    let unknown = Policy::builder(SECOND).jitter(0.0).stale_if_error(SECOND * 100).build().unwrap();
    let reader = Cached::builder(OF, unknown, stage.cache.clone()).clock(stage.clock).build();
    stage.ask(&reader).await;
    sleep(SECOND).await;
    let gone = reader.get_or_load(&reader.key("a"), || async { Ok(None) }).await.unwrap();
    assert_eq!(told(gone), says("none", "fwd=stale"));
    assert_eq!(stage.ask_in_vain(&reader).await, Err("refused"), "it comes back");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_who_ask_in_four_replicas_are_one_call() {
    let stage = Stage::set();
    let replicas = stage.replicas(4);
    let asked = (0..1000).map(|number| stage.ask(&replicas[number % 4]));
    let answers = join_all(asked).await;
    assert!(answers.iter().all(|(value, _)| value == "0"));
    assert_eq!(stage.origin.calls(), 1);
    let alone = answers.iter().filter(|(_, status)| *status == "ingress; fwd=uri-miss; stored");
    assert_eq!(alone.count(), 1, "all others shared it");
    let stats: Vec<_> = replicas.iter().map(Cached::stats).collect();
    assert_eq!(stats.iter().map(|stats| stats.from_others).sum::<u64>(), 3);
    assert_eq!(stats.iter().map(|stats| stats.collapsed).sum::<u64>(), 996);
}

#[tokio::test(start_paused = true)]
async fn another_replica_takes_over_from_one_that_is_killed() {
    let stage = Stage::set();
    let replicas = stage.replicas(2);
    let mut killed = Box::pin(stage.ask(&replicas[0]));
    assert!(poll!(&mut killed).is_pending());
    // It does nothing any more, and gives nothing back.
    std::mem::forget(killed);
    let waits = stage.ask(&replicas[1]);
    let begun = tokio::time::Instant::now();
    assert_eq!(waits.await, says("1", "fwd=uri-miss; stored"));
    let waited = begun.elapsed();
    assert!(waited >= SECOND * 6 && waited < SECOND * 6 + SECOND / 10, "{waited:?}: the turn, and the load");
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_gives_the_turn_back() {
    let stage = Stage::set();
    let replicas = stage.replicas(2);
    let mut gone = Box::pin(stage.ask(&replicas[0]));
    assert!(poll!(&mut gone).is_pending());
    drop(gone);
    let begun = tokio::time::Instant::now();
    assert_eq!(stage.ask(&replicas[1]).await, says("1", "fwd=uri-miss; stored"));
    assert!(begun.elapsed() < SECOND * 2, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_had_the_turn_for_too_long_overwrites_nothing() {
    let stage = Stage::set();
    let replicas = stage.replicas(2);
    let key = replicas[0].key("a");
    let slow = replicas[0].get_or_load(&key, || async {
        sleep(SECOND * 7).await;
        Ok(Some("old".into()))
    });
    let (slow, fast) = tokio::join!(slow, stage.ask(&replicas[1]));
    assert_eq!(told(slow.unwrap()), says("old", "fwd=uri-miss"));
    assert_eq!(fast, says("0", "fwd=uri-miss; stored"));
    assert_eq!(stage.ask(&replicas[0]).await.0, "0");
    assert_eq!(replicas[0].stats().outdated, 1);
}

/// Gives no turns, or gives them all to somebody who is never done.
struct Stingy(Turn);

#[async_trait]
impl Turns for Stingy {
    async fn take(&self, _: &Key, _: Duration) -> Turn {
        self.0
    }

    async fn release(&self, _: &Key, _: Version) {}
}

#[tokio::test(start_paused = true)]
async fn without_a_turn_one_loads_all_the_same_at_once_or_in_time() {
    for (turn, expected) in [(Turn::Unavailable, SECOND), (Turn::Others, SECOND * 9)] {
        let stage = Stage::set();
        let reader = Cached::builder(OF, policy(), stage.cache.clone()).clock(stage.clock);
        let reader = reader.turns(Arc::new(Stingy(turn))).build();
        let begun = tokio::time::Instant::now();
        assert_eq!(stage.ask(&reader).await, says("0", "fwd=uri-miss; stored"));
        let took = begun.elapsed();
        assert!(took >= expected && took < expected + SECOND / 10, "{took:?} with {turn:?}");
        assert_eq!(reader.stats().without_turn, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_invalidated_is_not_brought_back_by_who_began_before() {
    let stage = Stage::set();
    let reader = stage.reader();
    let key = reader.key("a");
    let mut early = pin!(stage.ask(&reader));
    assert!(poll!(&mut early).is_pending());
    sleep(SECOND / 2).await;
    reader.invalidate(&key).await;
    let (early, late) = tokio::join!(early, stage.ask(&reader));
    assert_eq!(early, says("0", "fwd=uri-miss"), "its answer goes to who asked, and no further");
    assert_eq!(late, says("1", "fwd=uri-miss; stored"));
    assert_eq!(stage.ask(&reader).await, says("1", "hit; ttl=9"));
    reader.invalidate(&key).await;
    sleep(SECOND / 100).await;
    assert_eq!(stage.ask(&reader).await, says("2", "fwd=uri-miss; stored"));
    assert_eq!(reader.stats().invalidations, 2);
}

/// A cache that can't be asked.
struct Down;

#[async_trait]
impl Cache for Down {
    async fn get(&self, _: &Key) -> Lookup {
        Lookup::Unavailable
    }

    async fn put(&self, _: &Key, _: Entry) -> Stored {
        Stored::Refused
    }

    async fn remove(&self, _: &Key) {}

    fn staleness(&self) -> Duration {
        Duration::ZERO
    }
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_down_fails_nobody() {
    let stage = Stage::set();
    let reader = Cached::builder(OF, policy(), Arc::new(Down)).clock(stage.clock).build();
    assert_eq!(stage.ask(&reader).await, says("0", "fwd=uri-miss; detail=cache-unavailable"));
    let answers = tokio::join!(stage.ask(&reader), stage.ask(&reader));
    assert_eq!(answers.1, says("1", "fwd=uri-miss; collapsed; detail=cache-unavailable"));
    let stats = reader.stats();
    assert_eq!((stats.unavailable, stats.refused, stats.collapsed), (3, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn what_runs_behind_the_scenes_ends_with_the_reader() {
    let stage = Stage::set();
    let reader = stage.reader();
    stage.ask(&reader).await;
    sleep(SECOND * 10).await;
    let (held, dropped) = tokio::sync::oneshot::channel::<()>();
    let key = reader.key("a");
    let stale = reader.get_or_load(&key, move || async move {
        let _held = held;
        std::future::pending().await
    });
    assert_eq!(stale.await.unwrap().status.came, Came::Stale);
    tokio::task::yield_now().await;
    drop(reader);
    assert!(dropped.await.is_err());
}
