//! What went wrong between this process and a source.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::classify::{Class, classify};

/// An error of a source: one opaque type, told apart by [`kind`](SourceError::kind).
///
/// Cloning is cheap: one error is shown in a lane's status, in a log and in an answer. Its message never holds
/// credentials.
#[derive(Clone)]
pub struct SourceError(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    status: Option<u16>,
    retry_after: Option<Duration>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No connection: refused, reset, no route, no such host, or TLS failed.
    Unreachable,
    /// No answer in time.
    Timeout,
    /// A stream broke in the middle.
    Disconnected,
    /// HTTP 429: the server asks to slow down.
    TooManyRequests,
    /// HTTP 5xx.
    ServerError,
    /// HTTP 401: the credentials are not accepted.
    Unauthorized,
    /// HTTP 403: the credentials don't allow this.
    Forbidden,
    /// HTTP 404: no such object, or the cluster does not know the kind.
    NotFound,
    /// HTTP 410, as a status or inside a stream: the revision is too old to go on from.
    Expired,
    /// Another 4xx: the request itself is refused.
    Rejected,
    /// The answer cannot be understood, or is larger than its bound.
    Malformed,
    /// This process is not configured well enough to ask: credentials that can't be read, say.
    Configuration,
    /// Not asked at all: the circuit breaker is open.
    BreakerOpen,
}

impl ErrorKind {
    /// All kinds, in the order of their declaration.
    pub(crate) const ALL: [Self; 13] = [
        Self::Unreachable,
        Self::Timeout,
        Self::Disconnected,
        Self::TooManyRequests,
        Self::ServerError,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Expired,
        Self::Rejected,
        Self::Malformed,
        Self::Configuration,
        Self::BreakerOpen,
    ];

    /// The kind's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "Unreachable",
            Self::Timeout => "Timeout",
            Self::Disconnected => "Disconnected",
            Self::TooManyRequests => "TooManyRequests",
            Self::ServerError => "ServerError",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "NotFound",
            Self::Expired => "Expired",
            Self::Rejected => "Rejected",
            Self::Malformed => "Malformed",
            Self::Configuration => "Configuration",
            Self::BreakerOpen => "BreakerOpen",
        }
    }

    /// The kind that an HTTP status means; `None` for statuses below 400.
    #[must_use]
    pub fn of_status(status: u16) -> Option<Self> {
        match status {
            ..400 => None,
            401 => Some(Self::Unauthorized),
            403 => Some(Self::Forbidden),
            404 => Some(Self::NotFound),
            408 | 504 => Some(Self::Timeout),
            410 => Some(Self::Expired),
            429 => Some(Self::TooManyRequests),
            400..500 => Some(Self::Rejected),
            500.. => Some(Self::ServerError),
        }
    }
}

impl SourceError {
    /// An error of this kind; the message is shown to people.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), status: None, retry_after: None, cause: None }))
    }

    /// An error that an HTTP status means.
    ///
    /// A status below 400 is no error and reads as [`ErrorKind::Malformed`]: an answer that makes no sense.
    #[must_use]
    pub fn from_status(status: u16, message: impl Into<String>, retry_after: Option<Duration>) -> Self {
        let kind = ErrorKind::of_status(status).unwrap_or(ErrorKind::Malformed);
        Self(Arc::new(Inner {
            kind,
            message: message.into(),
            status: Some(status),
            retry_after,
            cause: None,
        }))
    }

    /// The same error with how long to wait before asking again.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        Self(Arc::new(Inner {
            kind: self.0.kind,
            message: self.0.message.clone(),
            status: self.0.status,
            retry_after: Some(wait),
            cause: None,
        }))
    }

    /// The same error with its cause, for [`source`](std::error::Error::source).
    #[must_use]
    pub fn with_cause(self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(Arc::new(Inner {
            kind: self.0.kind,
            message: self.0.message.clone(),
            status: self.0.status,
            retry_after: self.0.retry_after,
            cause: Some(cause.into()),
        }))
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        classify(self)
    }

    /// The message, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The HTTP status, where there was one.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// How long the server asked to wait (RFC 9110, `Retry-After`), where it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Debug for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceError")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("status", &self.0.status)
            .field("retry_after", &self.0.retry_after)
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}
