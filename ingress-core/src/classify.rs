//! From an error to what to do about it.
//!
//! Four classes, decided from typed errors alone, never from the text of a message:
//!
//! | class | errors | a call | a lane | circuit breaker |
//! |---|---|---|---|---|
//! | transient | unreachable, timeout, disconnected, 5xx | retries | reconnects with backoff | counts a failure |
//! | transient, throttled | 429 | retries, not before `Retry-After` | the same | does not count |
//! | permanent | 401, 403, 404, other 4xx, configuration | returns at once | asks again rarely | does not count |
//! | expired | 410, as a status or in a stream | returns at once | lists again | does not count |
//! | malformed | undecodable or oversized answer | returns at once | lists again with backoff | does not count |

use std::time::Duration;

use crate::error::{ErrorKind, SourceError};

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// It may go away by itself: try again, later.
    Transient {
        /// Whether the server asked to slow down (429). It paces; it does not count against the endpoint.
        throttled: bool,
        /// How long the server asked to wait, where it did.
        retry_after: Option<Duration>,
    },
    /// It stays until somebody changes something: a permission, a token, a name.
    Permanent,
    /// The revision is too old: read the current state anew.
    Expired,
    /// The answer makes no sense: read the current state anew, but slowly.
    Malformed,
}

impl Class {
    /// The class's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient { .. } => "transient",
            Self::Permanent => "permanent",
            Self::Expired => "expired",
            Self::Malformed => "malformed",
        }
    }

    /// Whether a circuit breaker counts it as a failure of the endpoint.
    #[must_use]
    pub fn counts_against_endpoint(self) -> bool {
        matches!(self, Self::Transient { throttled: false, .. })
    }
}

/// Classifies an error by its kind.
#[must_use]
pub fn classify(error: &SourceError) -> Class {
    let retry_after = error.retry_after();
    match error.kind() {
        ErrorKind::Unreachable
        | ErrorKind::Timeout
        | ErrorKind::Disconnected
        | ErrorKind::ServerError
        | ErrorKind::BreakerOpen => Class::Transient { throttled: false, retry_after },
        ErrorKind::TooManyRequests => Class::Transient { throttled: true, retry_after },
        ErrorKind::Unauthorized
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::Rejected
        | ErrorKind::Configuration => Class::Permanent,
        ErrorKind::Expired => Class::Expired,
        ErrorKind::Malformed => Class::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_class() {
        let class = |status| SourceError::from_status(status, "", None).class();
        for status in [500, 502, 503, 504, 599, 408] {
            assert!(class(status).counts_against_endpoint(), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 409, 422] {
            assert_eq!(class(status), Class::Permanent, "{status}");
        }
        assert_eq!(class(410), Class::Expired);
        assert_eq!(class(429), Class::Transient { throttled: true, retry_after: None });
        assert!(!class(429).counts_against_endpoint());
        assert_eq!(class(200), Class::Malformed);
    }

    #[test]
    fn a_wait_that_the_server_asked_for_is_kept() {
        let wait = Some(Duration::from_secs(7));
        for status in [429, 503] {
            let Class::Transient { retry_after, .. } = SourceError::from_status(status, "", wait).class()
            else {
                panic!("{status} is transient");
            };
            assert_eq!(retry_after, wait);
        }
    }
}
