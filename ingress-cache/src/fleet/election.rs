//! Who holds a shard: one at a time, for a term.
//!
//! Two implementations: a lock in Redis ([`RedisElection`]), and a Lease in Kubernetes ([`LeaseElection`]). Both give every term an
//! epoch, which grows with each change of holder: the [log](mod@super::log) refuses writers of an older one, so it does no harm when a holder that
//! was paused believes in its term for a moment too long.
//!
//! Holders know by themselves when their term is over, without asking anybody: it is counted from before the request was sent that got
//! it, and a tenth shorter than what others grant. So it ends here before it ends there.

mod error;
#[cfg(feature = "kube")]
mod kube;
mod lease;
mod redis;
mod ttl;

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::shard::Shard;

pub use error::{ElectionError, ElectionErrorKind};
pub use lease::{LeaseElection, LeaseRecord, LeaseStore, Written};
pub use redis::RedisElection;
pub use ttl::{InvalidTtl, Ttl};

/// The right to watch a shard, until it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Term {
    /// The shard.
    pub shard: Shard,
    /// Grows with each change of holder. The log's fence goes by it.
    pub epoch: u64,
    /// When it is over unless it is renewed before.
    pub valid_until: Instant,
}

impl Term {
    /// A term, for implementations: `asked` is when the request was sent that got it.
    #[must_use]
    pub fn new(shard: Shard, epoch: u64, asked: Instant, ttl: Ttl) -> Self {
        Self { shard, epoch, valid_until: asked + ttl.trusted() }
    }

    /// Whether it is not over yet.
    #[must_use]
    pub fn is_valid(&self, now: Instant) -> bool {
        now < self.valid_until
    }
}

/// Decides who holds a shard.
#[async_trait]
pub trait Election: Send + Sync + 'static {
    /// Acquires the shard, or renews the term that one has; `None` when it is somebody else's.
    ///
    /// # Errors
    ///
    /// When there is no answer. The term may have been renewed or acquired all the same, which the next campaign finds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it acquired or not.
    async fn campaign(&self, shard: &Shard) -> Result<Option<Term>, ElectionError>;

    /// Looks who holds it, where taking over depends on for how long one has been looking. Whoever is next in line calls it about as often as a
    /// holder renews.
    ///
    /// # Errors
    ///
    /// When there is no answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the look.
    async fn observe(&self, shard: &Shard) -> Result<(), ElectionError>;

    /// Begins a later term of one's own, above `above`: the log has seen that one, although the lock counts less (it was deleted, and
    /// counts anew). `None` when it is not one's own.
    ///
    /// # Errors
    ///
    /// When there is no answer, or no such term can be.
    ///
    /// # Cancel safety
    ///
    /// As [`campaign`](Self::campaign).
    async fn raise(&self, term: &Term, above: u64) -> Result<Option<Term>, ElectionError>;

    /// Lets go of one's own term, and of nobody else's.
    ///
    /// # Errors
    ///
    /// When there is no answer; the term ends by itself then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it held or not.
    async fn resign(&self, term: &Term) -> Result<(), ElectionError>;

    /// For how long a term is granted.
    fn ttl(&self) -> Ttl;

    /// How long to wait between two campaigns for a shard that somebody else has.
    fn pace(&self) -> Duration;
}
