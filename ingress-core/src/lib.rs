//! Knows, live and correctly, which ingresses a Kubernetes cluster has: an engine to embed.
//!
//! Data flows one way:
//!
//! ```text
//! Kubernetes API / demo / your own source     source
//!         │  bytes: JSON lines                wire
//!         ▼
//! decode only what is kept  ──►  record       kind
//!         ▼
//! classify · backoff · retry · breaker        classify, resilience
//!         ▼
//! lane: one per cluster × kind × scope        watch::lane
//!         ▼
//! aggregator: merges lanes, epoch:seq         watch::aggregate
//!         ▼
//! store: snapshot + deltas in one step        store
//! ```
//!
//! Nothing below calls upward, and a slow reader never slows a lane.

pub mod access;
pub mod classify;
pub mod clock;
pub mod diagnose;
mod endpoint;
mod error;
mod hub;
pub mod inventory;
pub mod keep;
mod key;
pub mod kind;
#[cfg(feature = "files")]
pub mod manifest;
mod question;
pub mod resilience;
pub mod route;
pub mod routes;
pub mod share;
pub mod source;
pub mod stats;
mod status;
pub mod store;
pub mod stored;
mod watch;
pub mod wire;

pub use classify::Class;
pub use error::{ErrorKind, SourceError};
pub use hub::{ClusterStatus, Hub, HubBuilder, InvalidWatch, Probe, RouteSource, Stuck};
pub use key::{ClusterId, InvalidName, LaneScope, Namespace, ObjectKey, Revision, Scope};
#[cfg(feature = "kube")]
pub use kind::Typed;
pub use kind::{Ingress, Kind, NamespaceRecord, Resource};
#[cfg(feature = "demo")]
pub use source::demo::DemoSource;
#[cfg(feature = "files")]
pub use source::files::FilesSource;
#[cfg(feature = "kube")]
pub use source::kube::KubeSource;
pub use source::{Cluster, ClusterInfo, Origin, ResourceSource, Source, Tombstone, WatchEvent, WatchRequest};
pub use status::{LaneId, LaneState, LaneStatus};
pub use store::{Batch, Change, Deltas, Position, ResumeError, Snapshot, Store, Update, Writer};
