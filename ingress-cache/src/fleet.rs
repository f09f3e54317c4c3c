//! A fleet: replicas that share what they know through Redis, so that each cluster is watched once however many replicas serve it.
//!
//! ```text
//! members: who is alive          shard::preferred: who should watch what
//!        └────────────┬────────────────┘
//!                   seats: what this replica does about it
//!                     │ campaigns, renews, resigns
//!                 election: a lock with a term (Redis, or a Kubernetes Lease)
//!                     │ term
//!   holder ──► log: numbered entries, and a snapshot per shard ──► every replica
//! ```
//!
//! Election alone can't keep two from writing: whoever is paused, or can't reach the lock, believes to hold it for a while. So every
//! write carries its term, and the [log](mod@log) refuses whatever is older than what it has seen. Election decides who watches; the log decides
//! whose word counts.

mod config;
mod cut;
pub mod election;
mod follower;
pub(crate) mod frame;
mod lanes;
mod load;
pub mod log;
pub mod members;
mod publisher;
pub mod seats;
pub mod shard;
mod source;
mod status;

pub use config::{FleetConfig, InvalidFleet};
pub use election::{Election, ElectionError, ElectionErrorKind, LeaseElection, RedisElection, Term, Ttl};
pub use log::{Log, LogFault, LogFaultKind};
pub use members::{Member, Members};
pub use seats::{Seats, SeatsConfig};
pub use shard::{FleetName, InvalidFleetName, MemberId, Shard};
pub use source::{Fleet, FleetSource, FleetStatus};
pub use status::{KindStatus, Mode};
