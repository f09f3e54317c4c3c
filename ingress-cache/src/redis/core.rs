//! What all clones of a handle share.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::config::{RedisConfig, Topology};
use super::fault::{FaultKind, RedisFault};
use super::gate::Gate;
use super::slot::Slot;
use super::status::Tally;
use super::wire::{Connector, Pushes, Wire};

/// The pool, its breaker and its counters.
pub(super) struct Core {
    connector: Connector,
    slots: Box<[Slot]>,
    pub(super) gate: Gate,
    pub(super) tally: Tally,
    epoch: Instant,
}

impl Core {
    pub(super) fn new(config: RedisConfig) -> Self {
        Self {
            slots: (0..config.connections).map(|_| Slot::new()).collect(),
            connector: Connector::new(config),
            gate: Gate::new(),
            tally: Tally::new(),
            epoch: Instant::now(),
        }
    }

    pub(super) fn config(&self) -> &RedisConfig {
        self.connector.config()
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.config().topology, Topology::Cluster(_))
    }

    pub(super) fn slot(&self, at: usize) -> Option<&Slot> {
        self.slots.get(at)
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Milliseconds since this began, never 0.
    pub(super) fn millis(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    /// Makes a connection, in bounded time.
    pub(super) async fn connect(&self, pushes: Option<Pushes>, answer: Duration) -> Result<Wire, RedisFault> {
        let connecting = self.connector.connect(pushes, answer);
        match timeout(self.connector.patience(), Box::pin(connecting)).await {
            Ok(result) => result.map_err(|error| RedisFault::of(&error)),
            Err(_) => Err(RedisFault::with(FaultKind::Unreachable, "connecting took too long")),
        }
    }

    /// Makes a connection to be told of changes by, in bounded time; in a Cluster, to one of its nodes.
    pub(super) async fn listen(&self, pushes: Pushes) -> Result<Wire, RedisFault> {
        match timeout(self.connector.patience(), Box::pin(self.connector.listen(pushes))).await {
            Ok(result) => result.map_err(|error| RedisFault::of(&error)),
            Err(_) => Err(RedisFault::with(FaultKind::Unreachable, "connecting took too long")),
        }
    }
}
