//! What can go wrong with an election.

use std::error::Error as StdError;
use std::fmt;

/// An error of an election: one opaque type, told apart by [`kind`](ElectionError::kind).
#[derive(Debug)]
pub struct ElectionError {
    kind: ElectionErrorKind,
    cause: Option<Box<dyn StdError + Send + Sync>>,
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElectionErrorKind {
    /// No answer, or none in time. Trying again may help.
    Unavailable,
    /// This replica may not do that: permissions are missing.
    Denied,
    /// What lies there makes no sense, or no such term can be.
    Malformed,
}

impl ElectionError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: ElectionErrorKind) -> Self {
        Self { kind, cause: None }
    }

    /// The same with its cause, for [`source`](StdError::source).
    #[must_use]
    pub fn with_cause(self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ElectionErrorKind {
        self.kind
    }
}

impl fmt::Display for ElectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ElectionErrorKind::Unavailable => "the election can't be reached",
            ElectionErrorKind::Denied => "taking part in the election is not allowed",
            ElectionErrorKind::Malformed => "the election's state makes no sense",
        })
    }
}

impl StdError for ElectionError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
