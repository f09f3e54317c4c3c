//! Memory over a shared cache: most hits need no round trip, and yet every replica soon sees what another one wrote.
//!
//! The shared cache announces what changed in it ([`Announces`]), and what is announced is dropped from memory. A copy that was on its way
//! into memory at that moment is dropped as well: what changed while it was read is marked, and what is marked isn't kept.
//!
//! # Bounded staleness
//!
//! While announcements are heard, memory is behind by as long as one takes. When they are no longer heard, everything in memory is
//! dropped, and until they are, what is kept in memory is kept for [`DEAF`] at most. A dead connection looks like a quiet one
//! for a while ([`Announces::unheard`]). So a value that was replaced or removed in the shared cache is seen for no longer than the
//! longer of both, and the shared cache's own bound: that is [`staleness`](Cache::staleness).
//!
//! While the shared cache can't be asked, a value is kept in memory only, under that bound; and a removal is remembered here, and not told to
//! it: what it had, it has until its time is over.

use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;

use self::listener::Listener;
use crate::announce::Announces;
use crate::cache::{Cache, Entry, Key, Lookup, Stored};
use crate::memory::MemoryCache;
use crate::place::Place;

mod listener;
#[cfg(test)]
mod tests;

/// For how long a value is kept in memory while announcements are not heard.
pub const DEAF: Duration = Duration::from_secs(5);

/// Memory over a shared cache. See the [module](self).
pub struct Tiered<C> {
    memory: Arc<MemoryCache>,
    shared: Arc<C>,
    marks: Arc<Marks>,
    /// The listener, which ends with this.
    _tasks: JoinSet<()>,
}

impl<C: fmt::Debug> fmt::Debug for Tiered<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiered")
            .field("memory", &self.memory)
            .field("shared", &self.shared)
            .finish_non_exhaustive()
    }
}

impl<C: Cache + Announces> Tiered<C> {
    /// Puts memory over a shared cache, and begins to listen to it. It has to be called within tokio's runtime.
    #[must_use]
    pub fn new(memory: MemoryCache, shared: Arc<C>) -> Self {
        let (memory, marks) = (Arc::new(memory), Arc::<Marks>::default());
        let listener =
            Listener { memory: memory.clone(), marks: marks.clone(), announcements: shared.subscribe() };
        let mut tasks = JoinSet::new();
        tasks.spawn(listener.run());
        Self { memory, shared, marks, _tasks: tasks }
    }

    /// The memory, for its counters.
    #[must_use]
    pub fn memory(&self) -> &MemoryCache {
        &self.memory
    }

    /// The shared cache, for its counters.
    #[must_use]
    pub fn shared(&self) -> &Arc<C> {
        &self.shared
    }

    /// Keeps a copy in memory, unless its key was marked since; no longer than [`DEAF`] if what changes may go unheard.
    async fn copy(&self, key: &Key, entry: Entry, since: Mark, bounded: bool) -> Stored {
        let longest = if bounded { DEAF } else { Duration::MAX };
        if self.marks.of(key.path()) != since {
            return Stored::Outdated;
        }
        let stored = self.memory.put_for(key, entry, longest).await;
        // It may have been dropped between the look at the mark and the copy.
        if self.marks.of(key.path()) != since {
            self.memory.forget(key.path()).await;
        }
        stored
    }
}

#[async_trait]
impl<C: Cache + Announces> Cache for Tiered<C> {
    async fn get(&self, key: &Key) -> Lookup {
        let (deaf, since) = (self.marks.is_deaf(), self.marks.of(key.path()));
        let copy = self.memory.get(key).await;
        // Unheard, somebody may have loaded anew what is stale here.
        if let Lookup::Found(entry) = &copy
            && (!deaf || entry.is_fresh(self.memory.clock().now_ms()))
        {
            return copy;
        }
        match self.shared.get(key).await {
            Lookup::Found(entry) => {
                self.copy(key, entry.clone(), since, deaf).await;
                Lookup::Found(entry)
            }
            Lookup::Missing => Lookup::Missing,
            Lookup::Unavailable if matches!(copy, Lookup::Found(_)) => copy,
            Lookup::Unavailable => Lookup::Unavailable,
        }
    }

    async fn put(&self, key: &Key, entry: Entry) -> Stored {
        let (deaf, since) = (self.marks.is_deaf(), self.marks.of(key.path()));
        match self.shared.put(key, entry.clone()).await {
            Stored::Kept => {
                self.copy(key, entry, since, deaf).await;
                Stored::Kept
            }
            Stored::Refused => self.copy(key, entry, since, true).await,
            Stored::Outdated => {
                self.memory.forget(key.path()).await;
                Stored::Outdated
            }
        }
    }

    async fn remove(&self, key: &Key) {
        self.marks.mark(key.path());
        self.memory.remove(key).await;
        self.shared.remove(key).await;
        // Who read it from the shared cache meanwhile may have copied what is removed now.
        self.marks.mark(key.path());
        self.memory.forget_value(key.path()).await;
    }

    fn staleness(&self) -> Duration {
        DEAF.max(self.shared.unheard()).saturating_add(self.shared.staleness())
    }

    fn places(&self) -> Vec<Place> {
        let mut places = self.memory.places();
        places.append(&mut self.shared.places());
        places
    }
}

/// Which keys changed, as counters that many keys share: enough to tell that something may have changed, which costs a copy in memory at worst.
struct Marks {
    of_keys: Box<[AtomicU64]>,
    of_all: AtomicU64,
    listening: AtomicBool,
    hasher: std::hash::RandomState,
}

/// What the counters of a key were at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark(u64, u64);

impl Default for Marks {
    fn default() -> Self {
        Self {
            of_keys: (0..Self::COUNTERS).map(|_| AtomicU64::new(0)).collect(),
            of_all: AtomicU64::new(0),
            listening: AtomicBool::new(false),
            hasher: std::hash::RandomState::new(),
        }
    }
}

impl Marks {
    const COUNTERS: u64 = 1024;

    fn counter(&self, path: &str) -> &AtomicU64 {
        let at = usize::try_from(self.hasher.hash_one(path) % Self::COUNTERS).unwrap_or_default();
        self.of_keys.get(at).unwrap_or(&self.of_all)
    }

    fn of(&self, path: &str) -> Mark {
        Mark(self.counter(path).load(Ordering::SeqCst), self.of_all.load(Ordering::SeqCst))
    }

    fn mark(&self, path: &str) {
        self.counter(path).fetch_add(1, Ordering::SeqCst);
    }

    fn mark_all(&self) {
        self.of_all.fetch_add(1, Ordering::SeqCst);
    }

    fn is_deaf(&self) -> bool {
        !self.listening.load(Ordering::SeqCst)
    }

    fn listen(&self, listening: bool) {
        self.listening.store(listening, Ordering::SeqCst);
    }
}
