//! Errors, as RFC 9457 problem documents (`application/problem+json`).
//!
//! A document is `{"type", "title", "status", "detail", "parameter"?, "requestId"?}`. Its `type` is a link to one of the headings below;
//! programs compare the part after `#`. `detail` is for people and never holds tokens, certificates or stack traces.
//!
//! # bad-parameter
//!
//! Status 400. A parameter of the query is unknown or given twice, or its value makes no sense; `parameter` names it.
//!
//! # unauthenticated
//!
//! Status 401. The request does not say who sent it, or what it says is not true; `WWW-Authenticate` tells how to.
//!
//! # forbidden
//!
//! Status 403. Whoever sent the request may not see this.
//!
//! # not-found
//!
//! Status 404. There is no such object, or no such path.
//!
//! # method-not-allowed
//!
//! Status 405. Only GET and HEAD are answered, since nothing here writes, but for `/auth/session`; `Allow` says which.
//!
//! # not-acceptable
//!
//! Status 406. The request's `Accept` names neither JSON nor YAML, or its `Accept-Encoding` takes nothing, not even the plain answer.
//!
//! # upgrade-required
//!
//! Status 426. The path is a WebSocket's, and the request is no handshake.
//!
//! # content-too-large
//!
//! Status 413. The request has a body that is too large; no path reads one.
//!
//! # uri-too-long
//!
//! Status 414. The path and query together are too long.
//!
//! # misdirected-request
//!
//! Status 421. The request's `Host` is none of those that this process answers for.
//!
//! # too-many-requests
//!
//! Status 429. The client asks too often. `Retry-After` tells when to ask again, `RateLimit` and `RateLimit-Policy` what is allowed.
//!
//! # headers-too-large
//!
//! Status 431. The request's headers are too many or too large.
//!
//! # cluster-forbidden
//!
//! Status 403. The cluster refuses this process the object: its 403, passed on.
//!
//! # internal
//!
//! Status 500. A defect of this library.
//!
//! # cluster-error
//!
//! Status 502. The cluster answered with something unusable, refuses this process's credentials (its 401), or failed (5xx).
//!
//! # cluster-unavailable
//!
//! Status 503. The cluster cannot be reached or asks to slow down, its circuit breaker is open, or requests need to ask it more often
//! than it may be asked. `Retry-After` tells when to ask again, where that is known.
//!
//! # access-unknown
//!
//! Status 503. Nobody can tell at the moment who sent the request, or what they may see, so they are shown nothing. `Retry-After`
//! tells when to ask again.
//!
//! # too-many-streams
//!
//! Status 503. As many streams are open as this process serves, in all, to one user or to one address. `Retry-After` tells when to ask again.
//!
//! # cluster-timeout
//!
//! Status 504. The cluster did not answer in time.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use ingress_core::{ErrorKind, SourceError};
use serde::Serialize;

use crate::auth::ASK_AGAIN;
use crate::respond;

const BASE: &str = "https://docs.rs/ingress-http/latest/ingress_http/problem/index.html#";

/// What a problem document says went wrong; the module describes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemType {
    /// [`bad-parameter`](self#bad-parameter)
    BadParameter,
    /// [`unauthenticated`](self#unauthenticated)
    Unauthenticated,
    /// [`forbidden`](self#forbidden)
    Forbidden,
    /// [`not-found`](self#not-found)
    NotFound,
    /// [`method-not-allowed`](self#method-not-allowed)
    MethodNotAllowed,
    /// [`not-acceptable`](self#not-acceptable)
    NotAcceptable,
    /// [`upgrade-required`](self#upgrade-required)
    UpgradeRequired,
    /// [`content-too-large`](self#content-too-large)
    ContentTooLarge,
    /// [`uri-too-long`](self#uri-too-long)
    UriTooLong,
    /// [`misdirected-request`](self#misdirected-request)
    MisdirectedRequest,
    /// [`too-many-requests`](self#too-many-requests)
    TooManyRequests,
    /// [`headers-too-large`](self#headers-too-large)
    HeadersTooLarge,
    /// [`cluster-forbidden`](self#cluster-forbidden)
    ClusterForbidden,
    /// [`internal`](self#internal)
    Internal,
    /// [`cluster-error`](self#cluster-error)
    ClusterError,
    /// [`cluster-unavailable`](self#cluster-unavailable)
    ClusterUnavailable,
    /// [`access-unknown`](self#access-unknown)
    AccessUnknown,
    /// [`too-many-streams`](self#too-many-streams)
    TooManyStreams,
    /// [`cluster-timeout`](self#cluster-timeout)
    ClusterTimeout,
}

impl ProblemType {
    /// The part of `type` after `#`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BadParameter => "bad-parameter",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::NotAcceptable => "not-acceptable",
            Self::UpgradeRequired => "upgrade-required",
            Self::ContentTooLarge => "content-too-large",
            Self::UriTooLong => "uri-too-long",
            Self::MisdirectedRequest => "misdirected-request",
            Self::TooManyRequests => "too-many-requests",
            Self::HeadersTooLarge => "headers-too-large",
            Self::ClusterForbidden => "cluster-forbidden",
            Self::Internal => "internal",
            Self::ClusterError => "cluster-error",
            Self::ClusterUnavailable => "cluster-unavailable",
            Self::AccessUnknown => "access-unknown",
            Self::TooManyStreams => "too-many-streams",
            Self::ClusterTimeout => "cluster-timeout",
        }
    }

    /// `type`, in full.
    #[must_use]
    pub fn uri(self) -> String {
        format!("{BASE}{}", self.name())
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::BadParameter => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden | Self::ClusterForbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::NotAcceptable => 406,
            Self::UpgradeRequired => 426,
            Self::ContentTooLarge => 413,
            Self::UriTooLong => 414,
            Self::MisdirectedRequest => 421,
            Self::TooManyRequests => 429,
            Self::HeadersTooLarge => 431,
            Self::Internal => 500,
            Self::ClusterError => 502,
            Self::ClusterUnavailable | Self::AccessUnknown | Self::TooManyStreams => 503,
            Self::ClusterTimeout => 504,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::BadParameter => "A parameter cannot be understood",
            Self::Unauthenticated => "Not authenticated",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::MethodNotAllowed => "Method not allowed",
            Self::NotAcceptable => "Not acceptable",
            Self::UpgradeRequired => "Upgrade required",
            Self::ContentTooLarge => "Content too large",
            Self::UriTooLong => "URI too long",
            Self::MisdirectedRequest => "Misdirected request",
            Self::TooManyRequests => "Too many requests",
            Self::HeadersTooLarge => "Headers too large",
            Self::ClusterForbidden => "The cluster refuses access",
            Self::Internal => "Internal error",
            Self::ClusterError => "The cluster's answer is unusable",
            Self::ClusterUnavailable => "The cluster is unavailable",
            Self::AccessUnknown => "Access unknown",
            Self::TooManyStreams => "Too many streams",
            Self::ClusterTimeout => "The cluster did not answer in time",
        }
    }

    // An error's kind alone decides, so that no wording of a server can move an answer to another status.
    fn of_cluster_error(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::NotFound => Self::NotFound,
            ErrorKind::Forbidden => Self::ClusterForbidden,
            ErrorKind::Timeout => Self::ClusterTimeout,
            ErrorKind::Unreachable
            | ErrorKind::Disconnected
            | ErrorKind::TooManyRequests
            | ErrorKind::BreakerOpen => Self::ClusterUnavailable,
            _ => Self::ClusterError,
        }
    }
}

/// One problem, on its way to the client.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    kind: ProblemType,
    detail: String,
    parameter: Option<String>,
    retry_after: Option<Duration>,
    challenge: Option<HeaderValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Problem {
    pub(crate) fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), parameter: None, retry_after: None, challenge: None }
    }

    /// A parameter that cannot be understood, and why.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        // What a stranger typed is shown back, but not at any length.
        let name = name.chars().take(80).collect();
        Self { parameter: Some(name), ..Self::new(ProblemType::BadParameter, detail) }
    }

    /// Nobody can tell who asks, or what they may see, and why.
    pub(crate) fn access_unknown(detail: impl Into<String>) -> Self {
        Self::new(ProblemType::AccessUnknown, detail).retry_after(ASK_AGAIN)
    }

    /// The same, with when to ask again.
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same, with what a client should say who it is.
    pub(crate) fn challenge(mut self, value: HeaderValue) -> Self {
        self.challenge = Some(value);
        self
    }

    /// What went wrong.
    pub(crate) fn kind(&self) -> ProblemType {
        self.kind
    }

    #[cfg(test)]
    pub(crate) fn named(&self) -> Option<&str> {
        self.parameter.as_deref()
    }

    #[cfg(test)]
    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<&SourceError> for Problem {
    fn from(error: &SourceError) -> Self {
        Self {
            kind: ProblemType::of_cluster_error(error.kind()),
            detail: error.message().to_owned(),
            parameter: None,
            retry_after: error.retry_after(),
            challenge: None,
        }
    }
}

impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        tracing::error!(%error, "an answer could not be serialised");
        Self::new(ProblemType::Internal, "the answer could not be serialised")
    }
}

impl Problem {
    fn document(&self, request_id: Option<&str>) -> Vec<u8> {
        let document = Document {
            r#type: self.kind.uri(),
            title: self.kind.title(),
            status: self.kind.status(),
            detail: &self.detail,
            parameter: self.parameter.as_deref(),
            request_id,
        };
        // A struct of strings and a number: should it ever fail, the status still says what there is to say.
        serde_json::to_vec(&document).unwrap_or_default()
    }
}

/// Tells, in a problem document, which request it was about. Who finds a problem does not know that, so it is written once more here.
pub(crate) fn attach_request_id(response: &mut Response, id: &impl ToString) {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = Body::from(problem.document(Some(&id.to_string())));
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.document(None);
        let status = StatusCode::from_u16(self.kind.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            respond::answer(status, HeaderValue::from_static("application/problem+json"), body);
        let headers = response.headers_mut();
        if self.kind == ProblemType::MethodNotAllowed {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        if let Some(value) = self.challenge.clone().filter(|_| self.kind == ProblemType::Unauthenticated) {
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        if let Some(wait) = self.retry_after {
            // Whole seconds, rounded up: asking a moment too early would only be refused again.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cluster_errors_are_told_apart() {
        let cases = [
            (ErrorKind::NotFound, 404),
            (ErrorKind::Forbidden, 403),
            (ErrorKind::Unauthorized, 502),
            (ErrorKind::ServerError, 502),
            (ErrorKind::Malformed, 502),
            (ErrorKind::Rejected, 502),
            (ErrorKind::Configuration, 502),
            (ErrorKind::Expired, 502),
            (ErrorKind::Unreachable, 503),
            (ErrorKind::Disconnected, 503),
            (ErrorKind::TooManyRequests, 503),
            (ErrorKind::BreakerOpen, 503),
            (ErrorKind::Timeout, 504),
        ];
        for (kind, status) in cases {
            let response = Problem::from(&SourceError::new(kind, "why")).into_response();
            assert_eq!(response.status().as_u16(), status, "{kind:?}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
        }
    }

    #[test]
    fn a_wait_is_rounded_up_to_seconds() {
        let error = SourceError::from_status(429, "slow down", Some(Duration::from_millis(1500)));
        assert_eq!(Problem::from(&error).into_response().headers()["retry-after"], "2");
        assert!(
            !Problem::new(ProblemType::NotFound, "").into_response().headers().contains_key("retry-after")
        );
    }

    #[test]
    fn causes_do_not_leak() {
        let error =
            SourceError::new(ErrorKind::Unreachable, "connection refused").with_cause("Bearer secret");
        assert_eq!(Problem::from(&error).detail, "connection refused");
    }

    #[test]
    fn every_type_links_to_its_heading() {
        let documented = include_str!("problem.rs");
        for kind in [
            ProblemType::BadParameter,
            ProblemType::NotFound,
            ProblemType::MethodNotAllowed,
            ProblemType::NotAcceptable,
            ProblemType::UpgradeRequired,
            ProblemType::ContentTooLarge,
            ProblemType::UriTooLong,
            ProblemType::MisdirectedRequest,
            ProblemType::TooManyRequests,
            ProblemType::HeadersTooLarge,
            ProblemType::ClusterForbidden,
            ProblemType::Internal,
            ProblemType::ClusterError,
            ProblemType::ClusterUnavailable,
            ProblemType::TooManyStreams,
            ProblemType::ClusterTimeout,
        ] {
            let heading = format!("//! # {}\n//!\n//! Status {}.", kind.name(), kind.status());
            assert!(documented.contains(&heading), "{heading}");
            assert!(kind.uri().ends_with(kind.name()));
        }
    }
}
