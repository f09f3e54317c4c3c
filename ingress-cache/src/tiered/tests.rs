use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use tokio::sync::{broadcast, oneshot, watch};
use tokio::time::sleep;

use super::*;
use crate::announce::{Announcements, Invalidation};
use crate::cache::Use;
use crate::clock::Clock;
use crate::contract;
use crate::policy::Policy;

const SECOND: Duration = Duration::from_secs(1);

fn key(text: &str) -> Key {
    Key::new(Use::new("test"), text)
}

/// A shared cache that can be stopped in the middle of a look-up, go down, and lose its voice.
struct Shared {
    kept: MemoryCache,
    changed: broadcast::Sender<Invalidation>,
    listening: watch::Sender<bool>,
    down: AtomicBool,
    looked_up: AtomicUsize,
    /// Whoever looks something up next has its answer, and goes on with it when this comes.
    hold: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Shared {
    fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            kept: MemoryCache::new(&Policy::INGRESS_DETAIL, clock),
            changed: broadcast::Sender::new(8),
            listening: watch::Sender::new(true),
            down: AtomicBool::new(false),
            looked_up: AtomicUsize::new(0),
            hold: Mutex::new(None),
        })
    }

    fn looked_up(&self) -> usize {
        self.looked_up.load(Ordering::Relaxed)
    }

    fn tell(&self, path: &str) {
        let _listeners = self.changed.send(Invalidation::Key(path.into()));
    }
}

#[async_trait]
impl Cache for Shared {
    async fn get(&self, key: &Key) -> Lookup {
        self.looked_up.fetch_add(1, Ordering::Relaxed);
        if self.down.load(Ordering::Relaxed) {
            return Lookup::Unavailable;
        }
        let lookup = self.kept.get(key).await;
        let hold = self.hold.lock().unwrap().take();
        if let Some(hold) = hold {
            hold.await.unwrap();
        }
        lookup
    }

    async fn put(&self, key: &Key, entry: Entry) -> Stored {
        if self.down.load(Ordering::Relaxed) {
            return Stored::Refused;
        }
        let stored = self.kept.put(key, entry).await;
        self.tell(key.path());
        stored
    }

    async fn remove(&self, key: &Key) {
        if !self.down.load(Ordering::Relaxed) {
            self.kept.remove(key).await;
            self.tell(key.path());
        }
    }

    fn staleness(&self) -> Duration {
        SECOND
    }
}

impl Announces for Shared {
    fn subscribe(&self) -> Announcements {
        Announcements::new(self.changed.subscribe(), self.listening.subscribe())
    }

    fn unheard(&self) -> Duration {
        SECOND * 7
    }
}

struct Stage {
    clock: Clock,
    shared: Arc<Shared>,
}

impl Stage {
    fn set() -> Self {
        let clock = Clock::tokio();
        Self { clock, shared: Shared::new(clock) }
    }

    fn memory(&self) -> MemoryCache {
        MemoryCache::new(&Policy::INGRESS_DETAIL, self.clock)
    }

    async fn replica(&self) -> Tiered<Shared> {
        let tiered = Tiered::new(self.memory(), self.shared.clone());
        settle().await;
        tiered
    }

    fn entry(&self, text: &'static str) -> Entry {
        Entry::new(
            Some(Bytes::from_static(text.as_bytes())),
            self.clock.version(),
            self.clock.now_ms(),
            SECOND * 60,
            SECOND,
        )
    }
}

/// Lets what was announced be heard.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

async fn look(cache: &impl Cache) -> String {
    match cache.get(&key("a")).await {
        Lookup::Found(entry) => String::from_utf8(entry.value.unwrap().to_vec()).unwrap(),
        Lookup::Missing => "missing".to_owned(),
        Lookup::Unavailable => "unavailable".to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn it_keeps_to_what_every_cache_does_heard_or_not() {
    for listening in [true, false] {
        let clock = Clock::tokio();
        let factory = || async {
            let stage = Stage { clock, shared: Shared::new(clock) };
            stage.shared.listening.send_replace(listening);
            stage.replica().await
        };
        assert_eq!(contract::suite(clock, factory).await, 21);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_look_needs_no_round_trip() {
    let stage = Stage::set();
    let (one, other) = (stage.replica().await, stage.replica().await);
    assert_eq!(one.put(&key("a"), stage.entry("x")).await, Stored::Kept);
    settle().await;
    for _ in 0..5 {
        assert_eq!(look(&other).await, "x");
        assert_eq!(look(&one).await, "x");
    }
    assert_eq!(stage.shared.looked_up(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_one_replica_writes_or_removes_the_other_one_sees() {
    let stage = Stage::set();
    let (one, other) = (stage.replica().await, stage.replica().await);
    one.put(&key("a"), stage.entry("x")).await;
    settle().await;
    assert_eq!(look(&other).await, "x");
    one.put(&key("a"), stage.entry("y")).await;
    settle().await;
    assert_eq!(look(&other).await, "y");
    other.remove(&key("a")).await;
    settle().await;
    assert_eq!((look(&one).await, look(&other).await), ("missing".into(), "missing".into()));
}

#[tokio::test(start_paused = true)]
async fn what_changes_while_it_is_read_is_not_kept() {
    let stage = Stage::set();
    let (one, other) = (stage.replica().await, Arc::new(stage.replica().await));
    one.put(&key("a"), stage.entry("old")).await;
    settle().await;
    let (go, hold) = oneshot::channel();
    *stage.shared.hold.lock().unwrap() = Some(hold);
    let mut tasks = JoinSet::new();
    let reader = other.clone();
    tasks.spawn(async move { look(&*reader).await });
    settle().await;
    one.put(&key("a"), stage.entry("new")).await;
    settle().await;
    go.send(()).unwrap();
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), "old", "it was read before");
    assert_eq!(look(&*other).await, "new");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_on_its_way_does_not_survive_its_removal() {
    let stage = Stage::set();
    let one = Arc::new(stage.replica().await);
    let late = stage.entry("late");
    settle().await;
    one.remove(&key("a")).await;
    assert_eq!(one.put(&key("a"), late.clone()).await, Stored::Outdated);
    assert_eq!(look(&*one).await, "missing");
    stage.shared.down.store(true, Ordering::Relaxed);
    one.remove(&key("a")).await;
    assert_eq!(one.put(&key("a"), late).await, Stored::Outdated, "memory remembers it alone");
    assert_eq!(one.put(&key("a"), stage.entry("new")).await, Stored::Kept);
}

#[tokio::test(start_paused = true)]
async fn who_hears_nothing_drops_everything_and_believes_nothing_for_long() {
    let stage = Stage::set();
    let one = stage.replica().await;
    one.put(&key("a"), stage.entry("x")).await;
    settle().await;
    look(&one).await;
    let before = stage.shared.looked_up();
    stage.shared.listening.send(false).unwrap();
    settle().await;
    assert_eq!(look(&one).await, "x");
    assert_eq!(stage.shared.looked_up(), before + 1, "it was asked for again");
    // Another replica writes, and nobody is told.
    stage.shared.kept.put(&key("a"), stage.entry("y")).await;
    sleep(DEAF - SECOND).await;
    assert_eq!(look(&one).await, "x");
    sleep(SECOND).await;
    assert_eq!(look(&one).await, "y");
    stage.shared.kept.put(&key("a"), stage.entry("z")).await;
    stage.shared.listening.send(true).unwrap();
    settle().await;
    assert_eq!(look(&one).await, "z", "what was missed is not believed");
    sleep(DEAF * 2).await;
    let before = stage.shared.looked_up();
    assert_eq!(look(&one).await, "z");
    assert_eq!(stage.shared.looked_up(), before, "and then it is kept again");
}

#[tokio::test(start_paused = true)]
async fn who_falls_behind_drops_everything() {
    let stage = Stage::set();
    let one = stage.replica().await;
    stage.shared.kept.put(&key("a"), stage.entry("x")).await;
    look(&one).await;
    stage.shared.kept.put(&key("a"), stage.entry("y")).await;
    for number in 0..100 {
        stage.shared.tell(&number.to_string());
    }
    settle().await;
    assert_eq!(look(&one).await, "y");
    stage.shared.kept.put(&key("a"), stage.entry("z")).await;
    stage.shared.changed.send(Invalidation::Everything).unwrap();
    settle().await;
    assert_eq!(look(&one).await, "z");
}

#[tokio::test(start_paused = true)]
async fn without_the_shared_cache_memory_goes_on_under_its_bound() {
    let stage = Stage::set();
    let one = stage.replica().await;
    stage.shared.down.store(true, Ordering::Relaxed);
    assert_eq!(look(&one).await, "unavailable");
    assert_eq!(one.put(&key("a"), stage.entry("x")).await, Stored::Kept);
    assert_eq!(look(&one).await, "x");
    sleep(DEAF).await;
    assert_eq!(look(&one).await, "unavailable");
    assert_eq!(one.staleness(), SECOND * 8);
}

#[tokio::test(start_paused = true)]
async fn who_hears_nothing_looks_whether_what_is_stale_was_loaded_anew() {
    let stage = Stage::set();
    stage.shared.listening.send_replace(false);
    let one = stage.replica().await;
    let stale = |text: &'static str| Entry { fresh_until_ms: stage.clock.now_ms(), ..stage.entry(text) };
    one.put(&key("a"), stale("x")).await;
    stage.shared.kept.put(&key("a"), stage.entry("y")).await;
    assert_eq!(look(&one).await, "y");
    one.put(&key("a"), stale("z")).await;
    stage.shared.down.store(true, Ordering::Relaxed);
    assert_eq!(look(&one).await, "z", "better than nothing");
}
