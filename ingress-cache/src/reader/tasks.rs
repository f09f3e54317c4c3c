//! What a reader does behind the scenes. It owns these tasks: they end with it.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cache::Key;

/// How many values may be loaded behind the scenes at once; what is beyond that is loaded for a later reader.
const MOST_REFRESHES: usize = 256;

/// How many tasks there may be in all; beyond that, turns end by themselves instead of being given back.
const MOST_TASKS: usize = 4096;

/// After a value couldn't be loaded anew, it isn't tried behind the scenes again before this.
const REST: Duration = Duration::from_secs(1);

/// The tasks of a reader.
#[derive(Default)]
pub(super) struct Tasks {
    running: Mutex<JoinSet<()>>,
    /// What is being loaded behind the scenes, or rests after that failed.
    refreshing: Arc<Mutex<HashSet<Key>>>,
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").field("running", &lock(&self.running).len()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tasks {
    /// Runs a task, unless there are too many, or no runtime to run it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut running = lock(&self.running);
        while running.try_join_next().is_some() {}
        if running.len() < MOST_TASKS {
            running.spawn_on(task, &runtime);
        }
    }

    /// Loads a key, unless that is being done or failed a moment ago. The future tells whether it could be loaded.
    pub(super) fn refresh<F, Fut>(&self, key: &Key, load: F)
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = bool> + Send + 'static,
    {
        {
            let mut refreshing = lock(&self.refreshing);
            if refreshing.len() >= MOST_REFRESHES || !refreshing.insert(key.clone()) {
                return;
            }
        }
        let refreshing = Refreshing { all: self.refreshing.clone(), key: key.clone() };
        let load = load();
        self.spawn(async move {
            let _refreshing = refreshing;
            if !load.await {
                sleep(REST).await;
            }
        });
    }
}

/// Takes a key off the list, however its task ends.
struct Refreshing {
    all: Arc<Mutex<HashSet<Key>>>,
    key: Key,
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.key);
    }
}
