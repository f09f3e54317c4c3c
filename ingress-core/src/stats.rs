//! What the engine did so far, in numbers: for metrics, whatever collects them.
//!
//! Counters belong to what lasts as long as the hub (a cluster's endpoint, a kind of it, a store), never to a lane: lanes come
//! and go, and what one counted is not taken back when it ends. They are plain atomics that are only ever added to, so
//! counting costs a lane nothing that it would notice. Reading them ([`Hub::stats`](crate::Hub::stats)) takes no lock that is
//! held for longer than the copy of a pointer, and costs as much as there are clusters, kinds and lanes, whatever the number of
//! objects. Values are read one after the other, so those of one reading may be a moment apart.
//!
//! Questions are counted at the seam to the source, as the engine sees them, so that every source counts alike: a source that
//! reads a list in pages, or tries again by itself, was asked once.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Probe;
use crate::error::ErrorKind;
use crate::resilience::breaker::BreakerState;
use crate::source::ClusterInfo;
use crate::status::LaneStatus;
use crate::store::Position;

mod counters;
pub(crate) use counters::{ChangeCounters, EndpointCounters, KindCounters, Outcomes, RouteCounters};

/// Everything that a hub counts.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Stats {
    /// Each cluster, in the order in which their sources were given.
    pub clusters: Vec<ClusterStats>,
    /// Each store: ingresses, namespaces, then the other kinds by name.
    pub stores: Vec<StoreStats>,
}

/// What is counted of one cluster.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClusterStats {
    /// Which cluster, and how it was found.
    pub info: ClusterInfo,
    /// The state of its circuit breaker.
    pub breaker: BreakerState,
    /// How often the breaker entered each of its states; it began closed.
    pub breaker_entered: [(BreakerState, u64); 3],
    /// Calls that the open breaker refused.
    pub breaker_refused: u64,
    /// How often a call was tried again.
    pub retries: u64,
    /// The last sign of life, or its absence; `None` before the first answer.
    pub probe: Option<Probe>,
    /// How probes were answered.
    pub probes: Vec<(CallOutcome, u64)>,
    /// How questions whose token one is were answered.
    pub token_reviews: Vec<(CallOutcome, u64)>,
    /// How questions whether somebody may do something were answered.
    pub access_reviews: Vec<(CallOutcome, u64)>,
    /// Each kind that is watched there.
    pub kinds: Vec<KindStats>,
}

/// What is counted of one kind in one cluster, over all lanes there ever were.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KindStats {
    /// The kind, as in `kind` of a manifest.
    pub kind: Cow<'static, str>,
    /// How many objects are known now.
    pub objects: u64,
    /// How often a lane read the whole state again after its first time.
    pub relists: u64,
    /// Answers that made no sense: undecodable, above a bound, or against the source's contract.
    pub malformed: u64,
    /// How often a lane's attempt or watch failed, by why; only what happened.
    pub failures: Vec<(ErrorKind, u64)>,
    /// How questions to the source were answered. Those that went well are always there, others once they happened.
    pub calls: Vec<(Verb, CallOutcome, u64)>,
}

/// What is counted of one store.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoreStats {
    /// The kind, as in `kind` of a manifest.
    pub kind: Cow<'static, str>,
    /// The position of the last change.
    pub position: Position,
    /// How many changes were published.
    pub changes: ChangeCounts,
    /// The lanes that feed it now.
    pub lanes: Vec<Arc<LaneStatus>>,
}

/// How many changes a store published, by what they were. Their sum is the `seq` of its position, unless several processes share it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChangeCounts {
    /// Objects that were not there.
    pub added: u64,
    /// Objects that differ from what they were.
    pub modified: u64,
    /// Objects that are gone.
    pub deleted: u64,
    /// States of lanes.
    pub lanes: u64,
    /// Lanes that ended.
    pub lanes_removed: u64,
}

/// What judging routes cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteStats {
    /// How often something was judged: all that changed within a moment counts once.
    pub rounds: u64,
    /// How many objects that make routes were judged, each time that one was.
    pub judged: u64,
    /// How long that took, all together.
    pub took: Duration,
}

/// What a source is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// The current state, and its changes after that.
    List,
    /// The changes after a resume point.
    Watch,
    /// One object.
    Get,
}

impl Verb {
    /// The verb's name, as Kubernetes has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Watch => "watch",
            Self::Get => "get",
        }
    }
}

/// How a question to a source ended. For lists and watches: how they began; what breaks later is a failure of the lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallOutcome {
    /// With an answer.
    Ok,
    /// With an error.
    Failed(ErrorKind),
    /// Not at all: whoever asked went away first.
    Canceled,
}

impl CallOutcome {
    /// The outcome's name: `OK`, `Canceled`, or that of the [`ErrorKind`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Failed(kind) => kind.as_str(),
            Self::Canceled => "Canceled",
        }
    }
}
