//! Redis or Valkey, as everything here speaks to it: one server, Sentinels or a Cluster behind one handle.
//!
//! [`Redis`] is a small pool of connections that any number of commands share (the `redis` crate pipelines them; `fred`, the other
//! candidate, has had no release for 20 months, with known faults in failover). It never fails to be made: it connects when it is first asked,
//! and again whenever a connection is lost. Each command has a deadline, connecting included, and all are behind a circuit breaker, so
//! that Redis which is down or slow costs those who ask next to nothing. What is wrong shows in [`Redis::status`].
//!
//! It costs one task per connection, and for each command a lock that nobody holds for long.
//!
//! An ACL user needs `~PREFIX:* &PREFIX:* +@read +@write +@scripting +@pubsub +@connection +time`; with Sentinel `+role` as well, and in a Cluster
//! `+cluster|slots +cluster|info`.
//!
//! What this can't give: a master that was paused, and replaced meanwhile, takes writes of those who are still connected to it until it learns that
//! it was replaced. Whoever can't have that needs a fence in what is written, or `min-replicas-to-write`.

mod address;
mod announcer;
pub mod cache;
mod config;
mod core;
mod dedicated;
mod fault;
mod gate;
mod keys;
mod script;
mod slot;
mod status;
pub mod turns;
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::redis::{Cmd, FromRedisValue, Pipeline};
use ingress_core::resilience::breaker::{BreakerState, Outcome};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use self::core::Core;
use self::slot::{Live, Slot};
use self::wire::Job;

pub use cache::RedisCache;
pub use config::{InvalidRedisConfig, RedisConfig};
pub use dedicated::Dedicated;
pub use fault::{FaultKind, RedisFault};
pub use script::Script;
pub use status::{RedisState, RedisStatus};
pub use turns::RedisTurns;

/// A handle to Redis; clones are the same one. Dropping the last ends its connections.
///
/// It belongs to the Tokio runtime in which it is first asked.
#[derive(Clone)]
pub struct Redis {
    core: Arc<Core>,
    keepers: Arc<Mutex<JoinSet<()>>>,
    next: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("place", &self.core.config().place()).finish_non_exhaustive()
    }
}

impl Redis {
    /// Makes a handle. Nothing is sent before somebody asks for something, so whether the server is there doesn't matter yet.
    #[must_use]
    pub fn connect(config: RedisConfig) -> Self {
        Self { core: Arc::new(Core::new(config)), keepers: Arc::default(), next: Arc::default() }
    }

    /// A key of this prefix: `PREFIX:REST`.
    #[must_use]
    pub fn key(&self, rest: &str) -> String {
        format!("{}:{rest}", self.prefix())
    }

    /// What every key begins with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.core.config().prefix
    }

    /// Where it is, in a form to show people.
    #[must_use]
    pub fn place(&self) -> String {
        self.core.config().place()
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> RedisStatus {
        self.core.tally.status(self.core.gate.state())
    }

    /// Sends a command and waits for its answer, no longer than the configured timeout.
    ///
    /// # Errors
    ///
    /// When there is no answer in time, or an unwelcome one; or at once while Redis isn't asked. A command without an answer may have been
    /// carried out all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer; the command may be carried out.
    pub async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisFault> {
        self.run(Job::Command(command)).await
    }

    /// Sends several commands at once and waits for all their answers. In a Cluster, all their keys have to be in one slot.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query); one that fails fails them all, although the others are carried out.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answers; the commands may be carried out.
    pub async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, RedisFault> {
        self.run(Job::Pipeline(pipeline)).await
    }

    /// Runs a script with these keys and arguments. In a Cluster, all keys have to be in one slot.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer; the script may be run.
    pub async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[&[u8]],
    ) -> Result<T, RedisFault> {
        self.run(Job::Script(script, keys, args)).await
    }

    /// Makes a connection of one's own, for commands that block. The breaker has no say in it.
    ///
    /// # Errors
    ///
    /// When it can't be made within the time for connecting.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the connection.
    pub async fn dedicated(&self) -> Result<Dedicated, RedisFault> {
        let wire = self.core.connect(None, dedicated::LONGEST).await;
        let wire = wire.inspect_err(|fault| self.core.tally.remember(fault))?;
        Ok(Dedicated::new(wire, Arc::clone(&self.core)))
    }

    async fn run<T: FromRedisValue>(&self, job: Job<'_>) -> Result<T, RedisFault> {
        let core = &self.core;
        core.tally.command();
        let pass = core.gate.enter().inspect_err(|fault| core.tally.fault(fault))?;
        let deadline = Instant::now() + core.config().timeout;
        let result = self.carry(job, deadline).await;
        let fault = result.as_ref().err();
        let failed = fault.is_some_and(|fault| fault.kind().counts_against_server());
        match pass.record(if failed { Outcome::Failure } else { Outcome::Success }) {
            Some(BreakerState::Open) => core.tally.turn(RedisState::Down),
            Some(BreakerState::Closed) => core.tally.turn(RedisState::Up),
            _ => {}
        }
        if let Some(fault) = fault {
            core.tally.fault(fault);
        }
        result
    }

    async fn carry<T: FromRedisValue>(&self, job: Job<'_>, deadline: Instant) -> Result<T, RedisFault> {
        let (slot, live) = self.pick();
        let Some(slot) = slot else { return Err(RedisFault::new(FaultKind::Unreachable)) };
        let live = match live {
            Some(live) => live,
            None => match timeout_at(deadline, slot.live()).await {
                Ok(live) => live?,
                Err(_) => return Err(RedisFault::with(FaultKind::Unreachable, "there is no connection yet")),
            },
        };
        let mut wire = live.wire.clone();
        let result = match timeout_at(deadline, wire.run(job)).await {
            Ok(result) => result.map_err(|error| RedisFault::of(&error)),
            Err(_) => Err(RedisFault::new(FaultKind::Timeout)),
        };
        live.judge(&self.core, slot, result.as_ref().err().map(RedisFault::kind));
        result
    }

    /// The next connection that is up, or the next one.
    fn pick(&self) -> (Option<&Slot>, Option<Live>) {
        let slots = self.core.slots();
        let first = self.next.fetch_add(1, Ordering::Relaxed) % slots.len().max(1);
        for at in (first..slots.len()).chain(0..first) {
            let Some(slot) = slots.get(at) else { continue };
            if slot.begins() {
                self.start(at);
            }
            if let Some(live) = slot.now() {
                return (Some(slot), Some(live));
            }
        }
        (slots.get(first), None)
    }

    fn start(&self, at: usize) {
        let mut keepers = self.keepers.lock().unwrap_or_else(PoisonError::into_inner);
        keepers.spawn(slot::keep(Arc::clone(&self.core), at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpListener;

    async fn ask(redis: &Redis) -> FaultKind {
        let begun = Instant::now();
        let fault = redis.query::<()>(&::redis::cmd("PING")).await.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(1), "it took {:?}", begun.elapsed());
        fault.kind()
    }

    #[tokio::test]
    async fn nobody_waits_for_what_is_not_there() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        drop(listener);
        let redis = Redis::connect(RedisConfig::from_url(&url).unwrap());
        assert_eq!(redis.status().state, RedisState::Idle);
        assert_eq!(ask(&redis).await, FaultKind::Unreachable);
        for _ in 0..20 {
            ask(&redis).await;
        }
        assert_eq!(ask(&redis).await, FaultKind::Open);
        let status = redis.status();
        assert_eq!((status.state, status.connections), (RedisState::Down, 0));
        assert_eq!(status.trouble(Duration::ZERO), Some(FaultKind::Unreachable));
        assert_eq!(redis.dedicated().await.unwrap_err().kind(), FaultKind::Unreachable);
    }

    #[tokio::test]
    async fn what_takes_connections_and_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let config = RedisConfig::from_url(&url).unwrap().timeout(Duration::from_millis(5)).unwrap();
        let redis = Redis::connect(config);
        for _ in 0..20 {
            ask(&redis).await;
        }
        assert_eq!(ask(&redis).await, FaultKind::Open);
    }
}
