//! Questions to a cluster that requests cause: no more than it can bear, and the same one not twice at a time.
//!
//! A viewer costs the cluster nothing, because all share one watch. A few questions have to be asked for a request all the same,
//! such as for an object as it is right now. A thousand people who open the same link, or one who asks as fast as they can,
//! must not become a load on the API server. So equal questions that come while the first is under way share its answer, and
//! the questions that are left have a pace, common to everything that asks the same cluster.
//!
//! An answer, good or bad, goes to those who waited for it and is then forgotten: how long it may be believed is not decided
//! here. No task runs for it either. Whoever waits drives the question on; when one of them goes away another takes over, and
//! when all are gone the question is dropped.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use ingress_core::{ClusterId, SourceError};

pub(crate) use self::budget::Budgets;

mod budget;
#[cfg(test)]
mod tests;

type Answer<V> = BoxFuture<'static, Result<V, SourceError>>;

/// One kind of question; clones ask the same ones: `K` says what is asked, and names the cluster; `V` is the answer, which is cloned for each who waits.
pub(crate) struct Upstream<K, V> {
    budgets: Arc<Budgets>,
    flights: Arc<Flights<K, V>>,
}

/// The questions under way; no more than there are requests.
struct Flights<K, V>(Mutex<State<K, V>>);

struct State<K, V> {
    /// Who waits holds the question, so that it ends with the last of them.
    flights: HashMap<K, Flight<V>>,
    /// Tells a question from an earlier one with the same key.
    number: u64,
}

struct Flight<V> {
    number: u64,
    answer: WeakShared<Answer<V>>,
}

impl<K, V> Clone for Upstream<K, V> {
    fn clone(&self) -> Self {
        Self { budgets: self.budgets.clone(), flights: self.flights.clone() }
    }
}

impl<K, V> fmt::Debug for Upstream<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("budgets", &self.budgets).finish_non_exhaustive()
    }
}

impl<K, V> Flights<K, V> {
    fn state(&self) -> MutexGuard<'_, State<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, V> Upstream<K, V>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Questions that keep to these budgets.
    pub(crate) fn new(budgets: Arc<Budgets>) -> Self {
        let state = State { flights: HashMap::new(), number: 0 };
        Self { budgets, flights: Arc::new(Flights(Mutex::new(state))) }
    }

    /// The answer to a question: that of an equal one that is under way, else of `ask`, once it is this one's turn.
    ///
    /// # Errors
    ///
    /// Whatever `ask` failed with, the same for all who waited; or, when the cluster's budget is used up for longer than anybody
    /// should wait, that of too many requests, with when to ask again.
    ///
    /// # Cancel safety
    ///
    /// Whoever waits may go away: the others get their answer. A question that nobody waits for any more is dropped.
    pub(crate) async fn call<F, Fut>(&self, cluster: &ClusterId, key: K, ask: F) -> Result<V, SourceError>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, SourceError>> + Send + 'static,
    {
        let shared = self.join_or_begin(cluster, key, ask);
        shared.await
    }

    /// Counts an answer that was shared before it came here.
    pub(crate) fn shared(&self) {
        self.budgets.counters().deduplicated.one();
    }

    fn join_or_begin<F, Fut>(&self, cluster: &ClusterId, key: K, ask: F) -> Shared<Answer<V>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<V, SourceError>> + Send + 'static,
    {
        let mut state = self.flights.state();
        if let Some(shared) = state.flights.get(&key).and_then(|flight| flight.answer.upgrade()) {
            drop(state);
            self.budgets.counters().deduplicated.one();
            return shared;
        }
        state.number += 1;
        let number = state.number;
        let landing = Landing { flights: self.flights.clone(), key: key.clone(), number };
        let budget = self.budgets.of(cluster);
        let shared = async move {
            // Ended with the question, whether it is answered or dropped, and before anybody hears the answer.
            let _landing = landing;
            budget.turn().await?;
            ask().await
        };
        let shared = shared.boxed().shared();
        if let Some(answer) = shared.downgrade() {
            state.flights.insert(key, Flight { number, answer });
        }
        shared
    }

    #[cfg(test)]
    fn under_way(&self) -> usize {
        self.flights.state().flights.len()
    }
}

/// Takes a question off the list when it ends.
struct Landing<K: Hash + Eq, V> {
    flights: Arc<Flights<K, V>>,
    key: K,
    number: u64,
}

impl<K: Hash + Eq, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let mut state = self.flights.state();
        // After the last who waited went, another may have begun to ask the same.
        if state.flights.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            state.flights.remove(&self.key);
        }
    }
}
