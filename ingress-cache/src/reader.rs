//! What programs use: ask for a value, and say how to load it.
//!
//! A [`Cached`] puts together what a look-up needs: a cache, the policy of one use, the loads under way, and, where replicas share the
//! cache, turns to load. It answers from the cache while it may, loads once where many ask, and serves what is stale where
//! the policy says so. What is wrong with the cache or with the turns is never an error: then it loads, as without them.
//!
//! A fresh hit costs a look-up and a few counters. A miss costs the load, and with turns three round trips to whoever gives them.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use ingress_core::SourceError;

use crate::cache::{Cache, Entry, Key, Lookup, Use};
use crate::clock::Clock;
use crate::flight::{Flights, Turns};
use crate::policy::{Age, Policy};
use crate::stats::{ReadCounters, ReadStats};
use crate::status::{Came, Status};

use self::load::{Loaded, Loader};
use self::tasks::Tasks;

mod load;
mod tasks;
#[cfg(test)]
mod tests;

/// Reads values of one use through a cache. A clone reads through the same one, and shares loads and counters.
///
/// Values are told to everybody who asks for their key, so a key has to name who may see the value: the viewer class, if not all see
/// the same.
pub struct Cached<E = SourceError> {
    inner: Arc<Inner<E>>,
    /// What loads behind the scenes, and ends with the last clone.
    tasks: Arc<Tasks>,
}

struct Inner<E> {
    of: Use,
    policy: Policy,
    cache: Arc<dyn Cache>,
    turns: Option<Arc<dyn Turns>>,
    clock: Clock,
    flights: Flights<Result<Loaded, E>>,
    counters: ReadCounters,
}

/// A value, and how it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The value; `None` if its origin says that there is none.
    pub value: Option<Bytes>,
    /// How it came.
    pub status: Status,
}

impl<E> Clone for Cached<E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), tasks: self.tasks.clone() }
    }
}

impl<E> fmt::Debug for Cached<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("of", &self.inner.of)
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}

/// What a [`Cached`] is made of.
pub struct CachedBuilder {
    of: Use,
    policy: Policy,
    cache: Arc<dyn Cache>,
    turns: Option<Arc<dyn Turns>>,
    clock: Clock,
}

impl fmt::Debug for CachedBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedBuilder").field("of", &self.of).finish_non_exhaustive()
    }
}

impl CachedBuilder {
    /// Whose turn it is to load, among replicas. Without it each replica loads for itself.
    #[must_use]
    pub fn turns(self, turns: Arc<dyn Turns>) -> Self {
        Self { turns: Some(turns), ..self }
    }

    /// Which clock says how old values are: the system's, unless another one is given.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// A reader whose loads fail with `E`, which all who waited for a load are given a clone of.
    #[must_use]
    pub fn build<E>(self) -> Cached<E> {
        let Self { of, policy, cache, turns, clock } = self;
        let (flights, counters) = (Flights::default(), ReadCounters::default());
        Cached {
            inner: Arc::new(Inner { of, policy, cache, turns, clock, flights, counters }),
            tasks: Arc::default(),
        }
    }
}

impl Cached {
    /// A reader for one use, with its policy, through this cache.
    #[must_use]
    pub fn builder(of: Use, policy: Policy, cache: Arc<dyn Cache>) -> CachedBuilder {
        CachedBuilder { of, policy, cache, turns: None, clock: Clock::wall() }
    }
}

impl<E: Clone + Send + Sync + 'static> Cached<E> {
    /// A key of this use, of text that may be read by whoever reads the cache.
    #[must_use]
    pub fn key(&self, text: &str) -> Key {
        Key::new(self.inner.of, text)
    }

    /// A key of this use, of parts that nobody is to read.
    #[must_use]
    pub fn hashed_key<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> Key {
        Key::hashed(self.inner.of, parts)
    }

    /// The value of a key: from the cache while it may be served, else from `load`, or from an equal load that is under way here or
    /// in another replica. `None` is a value too: there is none.
    ///
    /// # Errors
    ///
    /// What `load` failed with, if the policy allows nothing stale, or there is nothing. It goes to all who waited, and is
    /// not remembered.
    ///
    /// # Cancel safety
    ///
    /// Whoever waits may go away: the others get their answer. A load that nobody waits for any more is dropped.
    pub async fn get_or_load<F, Fut>(&self, key: &Key, load: F) -> Result<Answer, E>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Bytes>, E>> + Send + 'static,
    {
        let inner = &self.inner;
        let (came, last_resort) = match inner.cache.get(key).await {
            Lookup::Found(entry) => {
                let now_ms = inner.clock.now_ms();
                match inner.policy.age(&entry, now_ms) {
                    Age::Fresh => return Ok(inner.found(entry, now_ms, Came::Hit, false)),
                    Age::Revalidate => {
                        self.refresh(key, load);
                        return Ok(inner.found(entry, now_ms, Came::Stale, false));
                    }
                    Age::LastResort => (Came::Reloaded, Some(entry)),
                    Age::Gone => (Came::Missed, None),
                }
            }
            Lookup::Missing => (Came::Missed, None),
            Lookup::Unavailable => (Came::Unavailable, None),
        };
        let seat = inner.flights.board(key, || self.loader(key, last_resort.is_some()).run(load));
        let joined = seat.joined();
        let error = match seat.land().await {
            Ok(loaded) => return Ok(inner.loaded(loaded, came, joined)),
            Err(error) => error,
        };
        // While it was tried, what there was may have become too old for this as well.
        let now_ms = inner.clock.now_ms();
        match last_resort.filter(|entry| inner.policy.age(entry, now_ms) != Age::Gone) {
            Some(entry) => Ok(inner.found(entry, now_ms, Came::StaleIfError, joined)),
            None => Err(error),
        }
    }

    /// Forgets a key: whoever asks from now on, here or in another replica within the cache's [staleness](Cache::staleness), has a value
    /// that began to be loaded after this.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the value or none.
    pub async fn invalidate(&self, key: &Key) {
        self.inner.counters.invalidations.one();
        self.inner.flights.close(key);
        self.inner.cache.remove(key).await;
        // Who asked meanwhile may have begun before the removal, with a version that it refuses.
        self.inner.flights.close(key);
    }

    /// What was asked and answered so far.
    #[must_use]
    pub fn stats(&self) -> ReadStats {
        self.inner.counters.read()
    }

    /// The use whose values these are.
    #[must_use]
    pub fn of(&self) -> Use {
        self.inner.of
    }

    fn refresh<F, Fut>(&self, key: &Key, load: F)
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<Bytes>, E>> + Send + 'static,
    {
        self.tasks.refresh(key, || {
            let seat = self.inner.flights.board(key, || self.loader(key, true).run(load));
            async move { seat.land().await.is_ok() }
        });
    }

    fn loader(&self, key: &Key, replaces: bool) -> Loader<E> {
        Loader { inner: self.inner.clone(), tasks: Arc::downgrade(&self.tasks), key: key.clone(), replaces }
    }
}

impl<E> Inner<E> {
    fn found(&self, entry: Entry, now_ms: i64, came: Came, collapsed: bool) -> Answer {
        match came {
            Came::Hit => self.counters.hits.one(),
            Came::Stale => self.counters.stale.one(),
            _ => self.counters.stale_if_error.one(),
        }
        let ttl = entry.fresh_until_ms.saturating_sub(now_ms).div_euclid(1000);
        self.answer(entry.value, Status { came, ttl: Some(ttl), stored: false, collapsed })
    }

    fn loaded(&self, loaded: Loaded, came: Came, joined: bool) -> Answer {
        self.counters.misses.one();
        if came == Came::Unavailable {
            self.counters.unavailable.one();
        }
        if joined {
            self.counters.collapsed.one();
        }
        let Loaded { value, stored, by_another } = loaded;
        self.answer(value, Status { came, ttl: None, stored, collapsed: joined || by_another })
    }

    fn answer(&self, value: Option<Bytes>, status: Status) -> Answer {
        self.counters.bytes.add(value.as_ref().map_or(0, |value| value.len() as u64));
        Answer { value, status }
    }
}
