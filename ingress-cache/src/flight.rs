//! One load where many ask.
//!
//! Equal loads that are asked for while the first is under way share its answer, good or bad; then it is forgotten. No task runs for it:
//! whoever waits drives the load on; when one of them goes away another takes over, and when all are gone the load is dropped. So a
//! load costs nobody anything that nobody waits for, and no caller's end is another one's failure.
//!
//! That is within a process. Among replicas there are [`Turns`].

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};

use crate::cache::Key;

mod memory_turns;
pub mod turns;

pub use self::memory_turns::MemoryTurns;
pub use self::turns::{Turn, Turns};

type Landing<V> = Shared<BoxFuture<'static, V>>;

/// The loads under way; no more than there are callers.
pub struct Flights<V>(Arc<Mutex<State<V>>>);

struct State<V> {
    /// Who waits holds the load, so that it ends with the last of them.
    flights: HashMap<Key, Flight<V>>,
    /// Tells a load from an earlier one of the same key.
    number: u64,
}

struct Flight<V> {
    number: u64,
    landing: WeakShared<BoxFuture<'static, V>>,
}

/// A place in a load that is under way. Waiting for it drives the load on.
pub struct Seat<V> {
    landing: Landing<V>,
    joined: bool,
}

impl<V> fmt::Debug for Flights<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("under_way", &lock(&self.0).flights.len()).finish()
    }
}

impl<V> fmt::Debug for Seat<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").field("joined", &self.joined).finish_non_exhaustive()
    }
}

impl<V> Default for Flights<V> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { flights: HashMap::new(), number: 0 })))
    }
}

impl<V> Clone for Flights<V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

fn lock<V>(state: &Mutex<State<V>>) -> MutexGuard<'_, State<V>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<V: Clone + Send + Sync + 'static> Flights<V> {
    /// Takes a seat in the load of this key: in the one under way, else in one that begins with `load`.
    pub fn board<F, Fut>(&self, key: &Key, load: F) -> Seat<V>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
    {
        let mut state = lock(&self.0);
        if let Some(landing) = state.under_way(key) {
            return Seat { landing, joined: true };
        }
        Seat { landing: self.begin(&mut state, key, load), joined: false }
    }

    /// Lets nobody join the load of this key any more: who asks from now on begins another one. Who has a seat keeps it.
    pub fn close(&self, key: &Key) {
        lock(&self.0).flights.remove(key);
    }

    /// How many loads are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        lock(&self.0).flights.len()
    }

    fn begin<F, Fut>(&self, state: &mut State<V>, key: &Key, load: F) -> Landing<V>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
    {
        state.number += 1;
        let number = state.number;
        let landed = Landed { flights: self.0.clone(), key: key.clone(), number };
        let load = load();
        let landing = async move {
            // Ended with the load, whether it is answered or dropped, and before anybody hears the answer.
            let _landed = landed;
            load.await
        };
        let landing = landing.boxed().shared();
        if let Some(weak) = landing.downgrade() {
            state.flights.insert(key.clone(), Flight { number, landing: weak });
        }
        landing
    }
}

impl<V> State<V> {
    fn under_way(&self, key: &Key) -> Option<Landing<V>> {
        self.flights.get(key).and_then(|flight| flight.landing.upgrade())
    }
}

impl<V: Clone> Seat<V> {
    /// Whether somebody else had begun the load.
    #[must_use]
    pub fn joined(&self) -> bool {
        self.joined
    }

    /// The answer.
    ///
    /// # Cancel safety
    ///
    /// Whoever waits may go away: the others get their answer. A load that nobody waits for any more is dropped.
    pub async fn land(self) -> V {
        self.landing.await
    }
}

/// Takes a load off the list when it ends.
struct Landed<V> {
    flights: Arc<Mutex<State<V>>>,
    key: Key,
    number: u64,
}

impl<V> Drop for Landed<V> {
    fn drop(&mut self) {
        let mut state = lock(&self.flights);
        // After the last who waited went, or the load was closed, another may have begun.
        if state.flights.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            state.flights.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests;
