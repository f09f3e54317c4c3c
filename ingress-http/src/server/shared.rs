//! What the parts of one connection share: its socket, its requests, the bodies of its answers, and the task that drives them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::life::Life;
use super::options::Limits;
use super::stats::{ServerStats, Timeout};

pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) stats: ServerStats,
    /// Never held across anything that waits; all who take it run in the connection's task.
    life: Mutex<Life>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    pub(super) fn new(limits: Limits, stats: ServerStats) -> Arc<Self> {
        Arc::new(Self { limits, stats, life: Mutex::new(Life::new(Instant::now())) })
    }

    pub(super) fn life(&self) -> MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn timed_out(&self, kind: Timeout) {
        self.stats.timed_out(kind);
    }

    /// A request that is being answered for as long as what this returns lives.
    pub(super) fn requested(self: &Arc<Self>, is_http2: bool) -> Busy {
        self.life().requested(is_http2);
        Busy(self.clone())
    }
}

#[derive(Debug)]
pub(super) struct Busy(Arc<Shared>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.life().answered(Instant::now());
    }
}
