//! What can go wrong with the log.

use std::fmt;

use crate::redis::{FaultKind, RedisFault};

/// An error of the log: one opaque type, told apart by [`kind`](LogFault::kind).
#[derive(Debug, Clone)]
pub struct LogFault {
    kind: LogFaultKind,
    cause: Option<RedisFault>,
}

/// What kind of thing went wrong, and what it means to a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFaultKind {
    /// Somebody else writes for this shard, or did so later. Whoever is sure that the shard is theirs has their term
    /// [raised](crate::fleet::Election::raise) above this one; everybody else stops.
    Fenced {
        /// The term of whoever writes for the shard now.
        current: u64,
    },
    /// The log is another incarnation: open it again, and write a whole snapshot.
    EpochChanged,
    /// The shard's last entry is not what this writer wrote last. Open again and compare: a higher number there means that an append
    /// happened whose answer was lost; anything else that the log lost entries ([`Log::start_anew`](super::Log::start_anew)).
    RolledBack {
        /// The number of the shard's last entry there, if it has any.
        stored: Option<u64>,
    },
    /// The snapshot that was to be changed is not there any more: write a whole one.
    NoSnapshot,
    /// More bytes at once than the log takes.
    TooLarge,
    /// What lies in Redis is not what was written there.
    Broken,
    /// Redis, and what it has. Whether anything happened is not known.
    Redis(FaultKind),
}

impl LogFault {
    pub(super) fn new(kind: LogFaultKind) -> Self {
        Self { kind, cause: None }
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> LogFaultKind {
        self.kind
    }
}

impl From<RedisFault> for LogFault {
    fn from(fault: RedisFault) -> Self {
        Self { kind: LogFaultKind::Redis(fault.kind()), cause: Some(fault) }
    }
}

impl fmt::Display for LogFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            LogFaultKind::Fenced { current } => write!(f, "another term ({current}) writes for this shard"),
            LogFaultKind::EpochChanged => f.write_str("the log was begun anew"),
            LogFaultKind::RolledBack { stored: Some(seq) } => {
                write!(f, "the log's last entry of this shard is {seq}, which is not what was written last")
            }
            LogFaultKind::RolledBack { stored: None } => {
                f.write_str("the log has lost what was written last")
            }
            LogFaultKind::NoSnapshot => f.write_str("the snapshot is gone"),
            LogFaultKind::TooLarge => f.write_str("too large for the log"),
            LogFaultKind::Broken => f.write_str("what lies in Redis is not what was written there"),
            LogFaultKind::Redis(_) => f.write_str("the log can't be reached"),
        }
    }
}

impl std::error::Error for LogFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}
