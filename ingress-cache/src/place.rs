//! How the places are doing in which a cache keeps its values: for health, metrics and people.

use ingress_core::clock::Timestamp;

use crate::cache::Use;
use crate::stats::CacheStats;

/// How a place is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlaceState {
    /// Nobody asked it yet.
    Idle,
    /// It answers.
    Up,
    /// It answers, and not everything went well lately: it is slow, full, takes no writes, or refuses something.
    Degraded,
    /// It can't be reached, or isn't asked since it failed too often.
    Down,
}

impl PlaceState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Idle, Self::Up, Self::Degraded, Self::Down];

    /// Its name, as it stands in health and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }
}

/// What went wrong last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlaceFault {
    /// Its sort: a word, of which a place has only so many.
    pub kind: &'static str,
    /// For people. It holds no secret, and nothing that was asked.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// A place, as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// What it is: `memory` or `redis`; a cache of one's own may say something else.
    pub kind: &'static str,
    /// How it is doing.
    pub state: PlaceState,
    /// Since when it can or can't be reached; `None` where that never changes.
    pub since: Option<Timestamp>,
    /// What went wrong last, if anything ever did.
    pub fault: Option<PlaceFault>,
    /// How many commands were sent to it; 0 where nothing is sent.
    pub commands: u64,
    /// How many of them ended with each sort of fault.
    pub faults: Vec<(&'static str, u64)>,
    /// What it did, for each use that it was asked for.
    pub stats: Vec<(Use, CacheStats)>,
}

impl Place {
    /// A place that is always there, such as this process's memory.
    #[must_use]
    pub fn always(kind: &'static str, stats: Vec<(Use, CacheStats)>) -> Self {
        Self { kind, state: PlaceState::Up, since: None, fault: None, commands: 0, faults: Vec::new(), stats }
    }
}
