//! A cache in this process.
//!
//! [`moka`] does the work: concurrent look-ups, and a bound on weight that keeps what is asked for often (TinyLFU). This adds what the
//! [`Cache`] trait asks for: times that come with the value, versions, and removals that are remembered.
//!
//! A hit costs well under a microsecond, most of it moka's, and copies no value. A value weighs its bytes, its key's, and 200 for
//! bookkeeping. What is due is dropped from memory a little later than it stops being found, and what is idle up to an eighth of that
//! time sooner.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use moka::Expiry;
use moka::future::Cache as Moka;
use moka::notification::RemovalCause;
use moka::ops::compute::{CompResult, Op};

use crate::cache::{Cache, Entry, Key, Lookup, Stored, Use, Version};
use crate::clock::{self, Clock};
use crate::place::Place;
use crate::policy::Policy;
use crate::stats::{CacheStats, Tally, weight};

/// What an entry weighs beside its key and value: the two maps' nodes, the queues' and the timers'.
const BOOKKEEPING: usize = 200;

/// moka's timers reach no further than they must; a policy allows a year for each of its times.
const LONGEST: Duration = Duration::from_secs(3 * 366 * 24 * 3600);

/// A cache in this process, bounded by weight. See the [module](self).
pub struct MemoryCache {
    slots: Moka<Key, Slot>,
    tally: Arc<Tally>,
    clock: Clock,
    total: u64,
}

/// An entry, and until when it is kept: a value until it is gone or a shorter bound is over, a removal for longer than it was ever good.
#[derive(Debug, Clone)]
struct Slot {
    entry: Entry,
    kept_until_ms: i64,
}

impl fmt::Debug for MemoryCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryCache").field("weight", &self.weight()).finish_non_exhaustive()
    }
}

impl MemoryCache {
    /// An empty cache with the [total](Policy::total) weight and the [idle](Policy::idle) time of this policy, on this clock.
    #[must_use]
    pub fn new(policy: &Policy, clock: Clock) -> Self {
        let tally = Arc::<Tally>::default();
        let evicted = tally.clone();
        let slots = Moka::builder()
            .max_capacity(policy.total())
            .weigher(slot_weight)
            .expire_after(Until { idle: policy.idle(), clock })
            .eviction_listener(move |key: Arc<Key>, _, cause| {
                if cause == RemovalCause::Size {
                    evicted.of(key.of()).evictions.one();
                }
            })
            .build();
        Self { slots, tally, clock, total: policy.total() }
    }

    /// What was done, for each use that this cache was asked for.
    #[must_use]
    pub fn stats(&self) -> Vec<(Use, CacheStats)> {
        self.tally.read()
    }

    /// What all entries weigh together, in bytes, as of a moment ago.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.slots.weighted_size()
    }

    /// How many entries there are, as of a moment ago; removals that are remembered are among them.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.slots.entry_count()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Keeps a value as [`put`](Cache::put) does, but no longer than this.
    pub(crate) async fn put_for(&self, key: &Key, entry: Entry, longest: Duration) -> Stored {
        let counters = self.tally.of(key.of());
        let now_ms = self.clock.now_ms();
        let bytes = weight(&entry);
        let kept_until_ms = clock::after(now_ms, entry.kept_for(now_ms).min(longest));
        let slot = Slot { entry, kept_until_ms };
        if slot.entry.is_gone(now_ms) || u64::from(slot_weight(key, &slot)) > self.total {
            return counters.put(Stored::Refused, bytes);
        }
        let version = slot.entry.version;
        let result = self
            .slots
            .entry_by_ref(key)
            .and_compute_with(|present| {
                let newer = present.is_some_and(|present| present.value().refuses(version, now_ms));
                std::future::ready(if newer { Op::Nop } else { Op::Put(slot) })
            })
            .await;
        let stored = match result {
            CompResult::Inserted(_) | CompResult::ReplacedWith(_) => Stored::Kept,
            CompResult::Unchanged(_) | CompResult::StillNone(_) | CompResult::Removed(_) => Stored::Outdated,
        };
        counters.put(stored, bytes)
    }

    /// Drops what is kept of a key, by its [path](Key::path), and remembers nothing of it.
    pub(crate) async fn forget(&self, path: &str) {
        self.slots.invalidate(path).await;
    }

    /// Drops the value of a key, by its [path](Key::path); that one was removed stays known.
    pub(crate) async fn forget_value(&self, path: &str) {
        let now_ms = self.clock.now_ms();
        if self.slots.get(path).await.is_some_and(|slot| !slot.entry.is_gone(now_ms)) {
            self.forget(path).await;
        }
    }

    /// Drops everything.
    pub(crate) fn forget_everything(&self) {
        self.slots.invalidate_all();
    }
}

fn slot_weight(key: &Key, slot: &Slot) -> u32 {
    let value = slot.entry.value.as_ref().map_or(0, bytes::Bytes::len);
    u32::try_from(value.saturating_add(key.path().len()).saturating_add(BOOKKEEPING)).unwrap_or(u32::MAX)
}

impl Slot {
    fn refuses(&self, version: Version, now_ms: i64) -> bool {
        now_ms < self.kept_until_ms && version < self.entry.version
    }
}

#[async_trait]
impl Cache for MemoryCache {
    async fn get(&self, key: &Key) -> Lookup {
        let now_ms = self.clock.now_ms();
        let found = self.slots.get(key.path()).await;
        let found = found.filter(|slot| now_ms < slot.kept_until_ms && !slot.entry.is_gone(now_ms));
        let lookup = found.map_or(Lookup::Missing, |slot| Lookup::Found(slot.entry));
        self.tally.of(key.of()).looked_up(lookup)
    }

    async fn put(&self, key: &Key, entry: Entry) -> Stored {
        self.put_for(key, entry, Duration::MAX).await
    }

    async fn remove(&self, key: &Key) {
        self.tally.of(key.of()).removals.one();
        let now_ms = self.clock.now_ms();
        let version = self.clock.version();
        self.slots
            .entry_by_ref(key)
            .and_upsert_with(|present| {
                let version = present.map_or(version, |present| version.max(present.value().entry.version));
                let entry = Entry::removed(version);
                let kept_until_ms = clock::after(now_ms, entry.kept_for(now_ms));
                std::future::ready(Slot { entry, kept_until_ms })
            })
            .await;
    }

    fn staleness(&self) -> Duration {
        Duration::ZERO
    }

    fn places(&self) -> Vec<Place> {
        vec![Place::always("memory", self.stats())]
    }
}

/// When moka drops what nobody may find any more, and what nobody asks for.
struct Until {
    idle: Option<Duration>,
    clock: Clock,
}

impl Until {
    fn left(&self, slot: &Slot) -> Option<Duration> {
        let now_ms = self.clock.now_ms();
        let kept = clock::until(now_ms, slot.kept_until_ms).min(LONGEST);
        // A removal is remembered for its time, whether anybody asks or not.
        let idle = self.idle.filter(|_| !slot.entry.is_gone(now_ms));
        Some(idle.map_or(kept, |idle| idle.min(kept)))
    }
}

impl Expiry<Key, Slot> for Until {
    fn expire_after_create(&self, _: &Key, slot: &Slot, _: Instant) -> Option<Duration> {
        self.left(slot)
    }

    fn expire_after_update(&self, _: &Key, slot: &Slot, _: Instant, _: Option<Duration>) -> Option<Duration> {
        self.left(slot)
    }

    fn expire_after_read(
        &self,
        _: &Key,
        slot: &Slot,
        _: Instant,
        left: Option<Duration>,
        _: Instant,
    ) -> Option<Duration> {
        let Some(idle) = self.idle else { return left };
        // Moving a timer costs more than the look-up, so it is moved when that is worth an eighth of the idle time.
        if left.is_some_and(|left| left > idle - idle / 8) { left } else { self.left(slot) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::sleep;

    use super::*;
    use crate::contract;

    const OF: Use = Use::new("test");
    const SECOND: Duration = Duration::from_secs(1);

    fn value(clock: Clock, text: &'static str) -> Entry {
        Entry::new(Some(Bytes::from_static(text.as_bytes())), clock.version(), clock.now_ms(), SECOND, SECOND)
    }

    fn small() -> Policy {
        Policy::builder(SECOND).heaviest(1000).total(5000).build().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn it_keeps_to_what_every_cache_does() {
        let clock = Clock::tokio();
        let factory = || async { MemoryCache::new(&Policy::INGRESS_DETAIL, clock) };
        assert_eq!(contract::suite(clock, factory).await, 21);
    }

    #[tokio::test(start_paused = true)]
    async fn hits_misses_and_bytes_are_counted() {
        let clock = Clock::tokio();
        let memory = MemoryCache::new(&small(), clock);
        let key = Key::new(OF, "a");
        assert_eq!(memory.get(&key).await, Lookup::Missing);
        let entry = value(clock, "four");
        assert_eq!(memory.put(&key, entry.clone()).await, Stored::Kept);
        assert_eq!(memory.get(&key).await, Lookup::Found(entry));
        memory.remove(&key).await;
        assert_eq!(memory.get(&key).await, Lookup::Missing);
        let expected = CacheStats {
            hits: 1,
            misses: 2,
            stores: 1,
            removals: 1,
            bytes_read: 4,
            bytes_written: 4,
            ..CacheStats::default()
        };
        assert_eq!(memory.stats(), [(OF, expected)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_bound_than_the_values_own_holds() {
        let clock = Clock::tokio();
        let memory = MemoryCache::new(&small(), clock);
        let key = Key::new(OF, "a");
        memory.put_for(&key, value(clock, "x"), SECOND / 10).await;
        sleep(SECOND / 20).await;
        assert!(matches!(memory.get(&key).await, Lookup::Found(_)));
        sleep(SECOND / 20).await;
        assert_eq!(memory.get(&key).await, Lookup::Missing);
        assert_eq!(
            memory.put(&key, Entry { version: Version::from_micros(1), ..value(clock, "x") }).await,
            Stored::Kept,
            "its version is forgotten with it"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn weight_is_bounded_and_evictions_are_counted() {
        let clock = Clock::tokio();
        let memory = MemoryCache::new(&small(), clock);
        for number in 0..100 {
            memory.put(&Key::new(OF, &number.to_string()), value(clock, "x")).await;
        }
        memory.slots.run_pending_tasks().await;
        assert!(memory.weight() <= 5000, "{}", memory.weight());
        let [(_, stats)] = memory.stats()[..] else { panic!("one use") };
        assert_eq!(stats.evictions + memory.len(), 100);
        let heavy = Entry { value: Some(vec![0; 5000].into()), ..value(clock, "") };
        assert_eq!(memory.put(&Key::new(OF, "heavy"), heavy).await, Stored::Refused);
    }

    fn lasting(clock: Clock) -> Entry {
        Entry::new(None, clock.version(), clock.now_ms(), SECOND * 100, SECOND)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_keeps_a_value_but_not_beyond_its_time() {
        let clock = Clock::tokio();
        let until = Until { idle: Some(SECOND * 40), clock };
        let slot = |entry: Entry| Slot {
            kept_until_ms: clock::after(clock.now_ms(), entry.kept_for(clock.now_ms())),
            entry,
        };
        let (key, moment) = (Key::new(OF, "a"), tokio::time::Instant::now().into_std());
        let kept = slot(lasting(clock));
        let read = |slot: &Slot| {
            until.expire_after_read(&key, slot, moment, Some(SECOND), moment).unwrap().as_secs()
        };
        assert_eq!(until.expire_after_create(&key, &kept, moment), Some(SECOND * 40));
        assert_eq!(read(&kept), 40);
        let moved = Some(SECOND * 36);
        assert_eq!(
            until.expire_after_read(&key, &kept, moment, moved, moment),
            moved,
            "it was moved a moment ago"
        );
        sleep(SECOND * 90).await;
        assert_eq!(read(&kept), 11);
        assert_eq!(read(&slot(Entry::removed(clock.version()))), 30);
        let busy = Until { idle: None, clock };
        assert_eq!(
            busy.expire_after_read(&key, &kept, moment, Some(SECOND), moment),
            Some(SECOND),
            "as it was"
        );
    }

    #[tokio::test]
    async fn what_nobody_asks_for_goes_and_a_removal_stays() {
        let policy = small().change().idle(SECOND / 20).build().unwrap();
        let clock = Clock::wall();
        let memory = MemoryCache::new(&policy, clock);
        let [idle, removed] = ["idle", "removed"].map(|text| Key::new(OF, text));
        let early = lasting(clock);
        memory.put(&idle, lasting(clock)).await;
        memory.put(&removed, lasting(clock)).await;
        memory.remove(&removed).await;
        // moka's timers know no paused time.
        sleep(SECOND / 5).await;
        assert_eq!(memory.get(&idle).await, Lookup::Missing);
        assert_eq!(memory.put(&removed, early).await, Stored::Outdated);
    }
}
