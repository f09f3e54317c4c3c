//! What every request passes before anybody looks at what it wants, and every answer on its way out.
//!
//! One layer, the outermost but for the one that counts, so that nothing is forgotten on any path: the page, the API, and their
//! errors. It finds out who asks ([`client`](crate::client)), gives the request an id, refuses what is meant for another host
//! ([`host`]) or too large ([`size`]), and puts the headers on ([`header`]). Other origins are let in, if at all, by `tower-http`
//! ([`origin`]).

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue};
use tokio::time::Instant;
use tracing::Instrument as _;

pub use self::host::{Hosts, InvalidHost};
pub use self::origin::{InvalidOrigin, Origins};
use crate::client::{FromTrusted, TrustedProxies, is_secure};
use crate::metrics::http_side::Route;
use crate::problem::{Problem, attach_request_id};

pub(crate) mod header;
mod host;
mod origin;
mod size;
mod span;
#[cfg(feature = "otel")]
mod trace_context;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over from a proxy.
const MAX_REQUEST_ID: usize = 128;

/// How requests are received.
#[derive(Debug, Clone, Default)]
pub(crate) struct Protection {
    pub(crate) proxies: TrustedProxies,
    /// `None` means any.
    pub(crate) hosts: Option<Hosts>,
    pub(crate) origins: Origins,
}

/// One route's reception.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    protection: Arc<Protection>,
    route: Route,
}

impl Received {
    pub(crate) fn new(protection: Arc<Protection>, route: Route) -> Self {
        Self { protection, route }
    }
}

/// Names one request, in its answer, in logs and in problem documents.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or_default())
    }
}

impl RequestId {
    /// That of a trusted proxy, if it is one that may stand in a log; else a new one.
    fn of(request: &Request) -> Self {
        let given =
            request.headers().get(REQUEST_ID).filter(|_| request.extensions().get::<FromTrusted>().is_some());
        let is_fine = |id: &&HeaderValue| {
            (1..=MAX_REQUEST_ID).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
        };
        Self(given.filter(is_fine).cloned().unwrap_or_else(Self::random))
    }

    fn random() -> HeaderValue {
        let id = format!("{:032x}", rand::random::<u128>());
        HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("none"))
    }
}

/// Receives a request and sends off its answer.
pub(crate) async fn receive(State(received): State<Received>, mut request: Request, next: Next) -> Response {
    let Received { protection, route } = received;
    let begun = Instant::now();
    let (mut parts, body) = request.into_parts();
    protection.proxies.identify(&mut parts.extensions, &parts.headers);
    request = Request::from_parts(parts, body);
    let id = RequestId::of(&request);
    request.extensions_mut().insert(id.clone());
    let secure = is_secure(request.extensions());
    let span = span::of(&request, &id, route, secure);
    let told = span.clone();
    let answered = async {
        let mut response = match examine(&protection, request) {
            Ok(request) => next.run(request).await,
            Err(problem) => problem.into_response(),
        };
        attach_request_id(&mut response, &id);
        header::secure(response.headers_mut(), secure);
        response.headers_mut().insert(REQUEST_ID, id.0);
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        // What fails is told where it fails; that somebody asked is of interest only to whoever looks for it.
        tracing::debug!(status = response.status().as_u16(), duration_ms, "answered");
        span::answered(&told, response.status());
        response
    };
    answered.instrument(span).await
}

/// Refuses what nobody should have to deal with.
fn examine(protection: &Protection, request: Request) -> Result<Request<Body>, Problem> {
    if let Some(hosts) = &protection.hosts {
        hosts.examine(&request)?;
    }
    size::examine(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(given: Option<&str>, trusted: bool) -> String {
        let mut request = Request::new(Body::empty());
        if let Some(given) = given {
            request.headers_mut().insert(REQUEST_ID, HeaderValue::from_str(given).unwrap());
        }
        if trusted {
            request.extensions_mut().insert(FromTrusted);
        }
        RequestId::of(&request).to_string()
    }

    #[test]
    fn ids_are_taken_over_from_proxies_only() {
        assert_eq!(id_of(Some("a1-b2"), true), "a1-b2");
        let long = "x".repeat(MAX_REQUEST_ID);
        assert_eq!(id_of(Some(&long), true), long);
        let longer = format!("{long}x");
        for (given, trusted) in [
            (Some("a1-b2"), false),
            (None, true),
            (Some(""), true),
            (Some("a b"), true),
            (Some(longer.as_str()), true),
        ] {
            let id = id_of(given, trusted);
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{given:?}: {id}");
        }
        assert_ne!(id_of(None, false), id_of(None, false));
    }
}
