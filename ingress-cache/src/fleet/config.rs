//! What a fleet is told.

use std::time::Duration;

use super::election::Ttl;
use super::follower::Patience;
use super::log::LogBounds;
use super::seats::SeatsConfig;
use super::shard::{FleetName, InvalidFleetName, MAX_BUCKETS, MemberId};

/// A setting that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {bounds}")]
pub struct InvalidFleet {
    field: &'static str,
    bounds: &'static str,
}

/// What a fleet is told.
#[derive(Debug, Clone)]
pub struct FleetConfig {
    pub(super) name: FleetName,
    pub(super) me: MemberId,
    pub(super) buckets: u16,
    pub(super) patience: Patience,
    pub(super) bounds: LogBounds,
    pub(super) seats: SeatsConfig,
    pub(super) ttl: Ttl,
}

impl FleetConfig {
    /// A replica of a fleet. All replicas of one name, below one prefix of one Redis, that watch the same of the same clusters share one state.
    /// The replica's own name is for people: it may be the same for all.
    ///
    /// # Errors
    ///
    /// When one of the names is not 1 to 64 letters, digits, `-`, `_` and `.`.
    pub fn new(fleet: &str, replica: &str) -> Result<Self, InvalidFleetName> {
        Ok(Self {
            name: FleetName::new(fleet)?,
            me: MemberId::of_run(replica)?,
            buckets: 1,
            patience: Patience {
                lost: Duration::from_secs(15),
                start: Duration::from_secs(5),
                spread: Duration::from_secs(5),
            },
            bounds: LogBounds::default(),
            seats: SeatsConfig::default(),
            ttl: Ttl::default(),
        })
    }

    /// Sets into how many shards a cluster is cut of which namespaces are watched by name; 1 unless told otherwise, 1,024 at most. Shards are
    /// spread over the replicas. A cluster that is watched whole is one watch, and so one shard.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn shards_per_cluster(mut self, shards: u16) -> Result<Self, InvalidFleet> {
        if !(1..=MAX_BUCKETS).contains(&shards) {
            return Err(InvalidFleet { field: "shards_per_cluster", bounds: "1 to 1024" });
        }
        self.buckets = shards;
        Ok(self)
    }

    /// Sets how long the fleet may be of no use (Redis gone, or nobody who watches) before this replica watches by itself; 15 s unless told
    /// otherwise, 1 s to an hour. Replicas that lose patience together begin over the 5 s after that.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn watch_alone_after(mut self, time: Duration) -> Result<Self, InvalidFleet> {
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&time) {
            return Err(InvalidFleet { field: "watch_alone_after", bounds: "1 s to 1 h" });
        }
        self.patience.lost = time;
        self.patience.start = time.min(Duration::from_secs(5));
        Ok(self)
    }

    /// Sets how far back the log reaches.
    #[must_use]
    pub fn log_bounds(mut self, bounds: LogBounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Sets how patient replicas are with each other.
    #[must_use]
    pub fn seats(mut self, seats: SeatsConfig) -> Self {
        self.seats = seats;
        self
    }

    /// Sets for how long who watches may be silent before somebody else may.
    #[must_use]
    pub fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = ttl;
        self
    }

    /// The fleet's name.
    #[must_use]
    pub fn name(&self) -> &FleetName {
        &self.name
    }

    /// The replica's name, with what tells its runs apart.
    #[must_use]
    pub fn me(&self) -> &MemberId {
        &self.me
    }

    /// For how long who watches may be silent before somebody else may.
    #[must_use]
    pub fn term(&self) -> Ttl {
        self.ttl
    }
}
