//! A connection of one's own, for commands that wait.
//!
//! `XREAD BLOCK` holds up everything that is sent after it, so it must not be sent over a connection that others use.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, FromRedisValue, Pipeline};
use tokio::time::timeout;

use super::core::Core;
use super::fault::{FaultKind, RedisFault};
use super::wire::{Job, Wire};

/// The longest that a command over such a connection may block, in a Cluster.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// A connection that nobody else uses. It isn't made anew by itself: after a fault other than `Denied`, `Full` and `Other`, drop it and ask
/// for another one, after a pause.
pub struct Dedicated {
    wire: Wire,
    core: Arc<Core>,
}

impl std::fmt::Debug for Dedicated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dedicated").field("place", &self.core.config().place()).finish_non_exhaustive()
    }
}

impl Dedicated {
    pub(super) fn new(wire: Wire, core: Arc<Core>) -> Self {
        Self { wire, core }
    }

    /// Sends a command and waits for its answer for so long. With a command that blocks, `within` has to be longer than it blocks, by
    /// what an answer takes (a second, say); in a Cluster, nothing may block for longer than 60 s.
    ///
    /// # Errors
    ///
    /// When there is no answer in time, or an unwelcome one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer and leaves a command that blocks behind, which the next one waits for: drop the connection
    /// as well.
    pub async fn query<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
        within: Duration,
    ) -> Result<T, RedisFault> {
        self.run(Job::Command(command), within).await
    }

    /// Sends several commands at once and waits for all their answers for so long.
    ///
    /// # Errors
    ///
    /// When there is no answer in time, or an unwelcome one.
    ///
    /// # Cancel safety
    ///
    /// As with [`query`](Self::query).
    pub async fn pipeline<T: FromRedisValue>(
        &mut self,
        pipeline: &Pipeline,
        within: Duration,
    ) -> Result<T, RedisFault> {
        self.run(Job::Pipeline(pipeline), within).await
    }

    async fn run<T: FromRedisValue>(&mut self, job: Job<'_>, within: Duration) -> Result<T, RedisFault> {
        self.core.tally.command();
        let result = match timeout(within, self.wire.run(job)).await {
            Ok(result) => result.map_err(|error| RedisFault::of(&error)),
            Err(_) => Err(RedisFault::new(FaultKind::Timeout)),
        };
        if let Err(fault) = &result {
            self.core.tally.fault(fault);
        }
        result
    }
}
