//! One load: by turn among replicas, and into the cache.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::Inner;
use super::tasks::Tasks;
use crate::cache::{Key, Lookup, Stored, Version};
use crate::flight::{Turn, Turns};
use crate::policy::Age;

/// How often one looks whether another replica is done: at first, and at last. What is loaded fast is seen soon, and what takes
/// seconds costs the shared cache forty questions a second.
const LOOK_FIRST: Duration = Duration::from_millis(2);
const LOOK_LAST: Duration = Duration::from_millis(50);

/// What came of a load.
#[derive(Debug, Clone)]
pub(super) struct Loaded {
    pub(super) value: Option<Bytes>,
    pub(super) stored: bool,
    pub(super) by_another: bool,
}

/// Loads one value.
pub(super) struct Loader<E> {
    pub(super) inner: Arc<Inner<E>>,
    pub(super) tasks: Weak<Tasks>,
    pub(super) key: Key,
    /// Whether there is an older value, which must not outlive the knowledge that it is no more.
    pub(super) replaces: bool,
}

/// How a load may begin.
enum Leave {
    /// By turn: nobody else loads.
    Turn(Held),
    /// Without one.
    None,
    /// There is no need: another replica was faster.
    Done(Option<Bytes>),
}

impl<E: Clone + Send + Sync + 'static> Loader<E> {
    /// The value, loaded when it is this replica's turn, or by whoever's turn it was.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the load, and gives the turn back.
    pub(super) async fn run<F, Fut>(self, load: F) -> Result<Loaded, E>
    where
        F: FnOnce() -> Fut + Send,
        Fut: Future<Output = Result<Option<Bytes>, E>> + Send,
    {
        let counters = &self.inner.counters;
        let held = match self.leave().await {
            Leave::Turn(held) => Some(held),
            Leave::None => None,
            Leave::Done(value) => {
                counters.from_others.one();
                return Ok(Loaded { value, stored: false, by_another: true });
            }
        };
        // What changes at the origin while it answers may be missing from the answer, so it is as old as the question.
        let begun_ms = self.inner.clock.now_ms();
        let version = held.as_ref().map_or_else(|| self.inner.clock.version(), |held| held.version);
        counters.loads.one();
        match load().await {
            Ok(value) => {
                let stored = self.store(value.clone(), version, begun_ms).await;
                Ok(Loaded { value, stored, by_another: false })
            }
            Err(error) => {
                counters.failures.one();
                Err(error)
            }
        }
    }

    async fn leave(&self) -> Leave {
        let Inner { turns, policy, counters, .. } = &*self.inner;
        let Some(turns) = turns else { return Leave::None };
        let begun = Instant::now();
        let mut look = LOOK_FIRST;
        loop {
            let turn = turns.take(&self.key, policy.turn()).await;
            let held = match turn {
                Turn::Mine(version) => Some(self.hold(turns, version)),
                Turn::Others => None,
                Turn::Unavailable => {
                    counters.without_turn.one();
                    return Leave::None;
                }
            };
            // Whoever had the turn before may have loaded it since this one looked.
            if let Some(value) = self.look().await {
                return Leave::Done(value);
            }
            if let Some(held) = held {
                return Leave::Turn(held);
            }
            let left = policy.patience().saturating_sub(begun.elapsed());
            if left.is_zero() {
                counters.without_turn.one();
                return Leave::None;
            }
            sleep(look.min(left)).await;
            look = (look * 2).min(LOOK_LAST);
        }
    }

    async fn look(&self) -> Option<Option<Bytes>> {
        let Lookup::Found(entry) = self.inner.cache.get(&self.key).await else { return None };
        let fresh = self.inner.policy.age(&entry, self.inner.clock.now_ms()) == Age::Fresh;
        fresh.then_some(entry.value)
    }

    fn hold(&self, turns: &Arc<dyn Turns>, version: Version) -> Held {
        Held { turns: turns.clone(), tasks: self.tasks.clone(), key: self.key.clone(), version }
    }

    async fn store(&self, value: Option<Bytes>, version: Version, begun_ms: i64) -> bool {
        let Inner { policy, cache, counters, .. } = &*self.inner;
        let entry = policy.entry(value, version, begun_ms, &mut rand::rng());
        if let Some(entry) = entry {
            return counters.put(cache.put(&self.key, entry).await) == Stored::Kept;
        }
        counters.put(Stored::Refused);
        if self.replaces {
            cache.remove(&self.key).await;
        }
        false
    }
}

/// A turn, given back when this is dropped.
struct Held {
    turns: Arc<dyn Turns>,
    tasks: Weak<Tasks>,
    key: Key,
    version: Version,
}

impl Drop for Held {
    fn drop(&mut self) {
        // Nobody is left to give it back when the reader is gone: then it ends by itself.
        let Some(tasks) = self.tasks.upgrade() else { return };
        let (turns, key, version) = (self.turns.clone(), self.key.clone(), self.version);
        tasks.spawn(async move { turns.release(&key, version).await });
    }
}
