//! How often somebody may ask, and how many streams they may have open.
//!
//! Why buckets of tokens, and not a count per minute? A page asks for ten files at once and then for nothing for an hour. A bucket
//! lets that through and still bounds what goes on and on; a window would have to be as wide as the burst, and lets twice as
//! much through at its edge. Three buckets per client are kept apart, so that none eats what another needs: requests of the API
//! (and whatever has no path), streams, which cost most to open, and the page's files, of which one visit takes about ten.
//! `/livez`, `/readyz` and `/metrics` are never limited: what watches this process must get through when it is busiest.
//!
//! Who is authenticated has their own buckets, wherever they are; anybody else has those of their address, and where nobody
//! tells the address, all share one. Each answer says what is left (`RateLimit` and `RateLimit-Policy`, draft-ietf-httpapi-
//! ratelimit-headers-11), so that a client need not find out by being refused.
//!
//! It costs a lock held for a lookup, per request, and about a hundred bytes per client that asked lately, of whom there are
//! at most [`MAX_CLIENTS`](kept::MAX_CLIENTS).

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use governor::Quota;
use http::{Extensions, HeaderName, HeaderValue};

use self::bucket::{Buckets, Outcome};
use crate::client::{AddressKey, Client};
use crate::dashboard::InvalidOption;
use crate::metrics::http_side::{HttpCounters, Route};
use crate::problem::{Problem, ProblemType};

mod bucket;
pub(crate) mod clock;
mod kept;
pub(crate) mod place;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// How often something may happen: so many times at once, and so many times a second in the long run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    burst: u32,
    per_second: f64,
}

impl RateLimit {
    /// A burst of 1 to 1,000,000, and 0.01 to 1,000,000 per second.
    ///
    /// # Errors
    ///
    /// When one of them is outside these bounds.
    pub fn new(burst: u32, per_second: f64) -> Result<Self, InvalidOption> {
        if !(1..=1_000_000).contains(&burst) {
            return Err(InvalidOption::new("a burst must be 1 to 1,000,000"));
        }
        if !(0.01..=1e6).contains(&per_second) {
            return Err(InvalidOption::new("a rate must be 0.01 to 1,000,000 per second"));
        }
        Ok(Self { burst, per_second })
    }

    /// One of the defaults, which are within the bounds.
    pub(crate) const fn of(burst: u32, per_second: f64) -> Self {
        Self { burst, per_second }
    }

    pub(crate) fn burst(self) -> u32 {
        self.burst
    }

    /// How long it takes until one more may happen.
    pub(crate) fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.per_second)
    }

    /// The same for `governor`.
    pub(crate) fn quota(self) -> Quota {
        let burst = NonZeroU32::new(self.burst).unwrap_or(NonZeroU32::MIN);
        // A period of zero is the only one that it refuses, and rates have an upper bound.
        Quota::with_period(self.interval()).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(burst)
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at once and {} per second", self.burst, self.per_second)
    }
}

/// What is limited by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The API, and what has no path.
    Requests,
    /// Opening a stream.
    Streams,
    /// The page's files.
    Page,
    /// Failed authentications, by address.
    Authentications,
}

impl Class {
    /// In the order of their declaration.
    pub(crate) const ALL: [Self; 4] = [Self::Requests, Self::Streams, Self::Page, Self::Authentications];

    /// The name, as it stands in `RateLimit` and in metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Streams => "streams",
            Self::Page => "page",
            Self::Authentications => "authentications",
        }
    }

    /// What a route counts as; `None` if it is never limited.
    pub(crate) fn of(route: Route) -> Option<Self> {
        match route {
            Route::Livez | Route::Readyz | Route::Metrics => None,
            Route::Stream | Route::RoutesStream | Route::Socket => Some(Self::Streams),
            Route::Page => Some(Self::Page),
            _ => Some(Self::Requests),
        }
    }
}

/// How often whom may ask; `None` is without a limit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rates {
    pub(crate) requests: Option<RateLimit>,
    pub(crate) streams: Option<RateLimit>,
}

/// The buckets of one router.
#[derive(Debug)]
pub(crate) struct Limits {
    /// By class.
    buckets: [Option<Buckets>; Class::ALL.len()],
    counters: Arc<HttpCounters>,
    warned: AtomicBool,
}

impl Limits {
    pub(crate) fn new(rates: Rates, counters: Arc<HttpCounters>) -> Self {
        let buckets = Class::ALL.map(|class| {
            let rate = match class {
                Class::Streams => rates.streams,
                Class::Requests | Class::Page | Class::Authentications => rates.requests,
            };
            rate.map(|rate| Buckets::new(class, rate))
        });
        Self { buckets, counters, warned: AtomicBool::new(false) }
    }

    fn buckets(&self, class: Class) -> Option<&Buckets> {
        self.buckets.get(class as usize).and_then(Option::as_ref)
    }

    /// Takes a token of whoever asks; `None` where there is no limit.
    fn take(&self, class: Class, extensions: &Extensions) -> Option<Outcome> {
        let buckets = self.buckets(class)?;
        let client = Client::of(extensions);
        if client == Client::Address(AddressKey::Unknown) && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "requests come without their sender's address, so all who are not authenticated share one limit; serve with \
                 `into_make_service_with_connect_info::<SocketAddr>()`"
            );
        }
        Some(buckets.take(&client))
    }

    /// Whether an address may try to authenticate. Asked before anything that an attempt costs, and only then: who is known already
    /// is not locked out by others behind the same address.
    ///
    /// # Errors
    ///
    /// 429 after too many failures.
    pub(crate) fn may_authenticate(&self, extensions: &Extensions) -> Result<(), Problem> {
        let Some(buckets) = self.buckets(Class::Authentications) else { return Ok(()) };
        match buckets.look(&Client::Address(AddressKey::of(extensions))) {
            Outcome::Allowed { .. } => Ok(()),
            Outcome::Refused { wait } => Err(self.refusal(Class::Authentications, buckets, wait)),
        }
    }

    /// An attempt to authenticate failed, and is charged to the address.
    pub(crate) fn authentication_failed(&self, extensions: &Extensions) {
        if let Some(buckets) = self.buckets(Class::Authentications) {
            buckets.take(&Client::Address(AddressKey::of(extensions)));
        }
    }

    fn refusal(&self, class: Class, buckets: &Buckets, wait: Duration) -> Problem {
        self.counters.limited(class);
        let what = match class {
            Class::Requests => "requests",
            Class::Streams => "streams opened",
            Class::Page => "requests for the page",
            Class::Authentications => "failed authentications",
        };
        let detail = format!("too many {what}: a client has {}", buckets.rate());
        Problem::new(ProblemType::TooManyRequests, detail).retry_after(wait)
    }
}

/// One route's limit.
#[derive(Debug, Clone)]
pub(crate) struct Limited {
    limits: Arc<Limits>,
    class: Option<Class>,
}

impl Limited {
    pub(crate) fn new(limits: Arc<Limits>, route: Route) -> Self {
        Self { limits, class: Class::of(route) }
    }
}

/// Lets a request through if its client has a token left. Runs after whatever authenticates.
pub(crate) async fn limit(State(limited): State<Limited>, request: Request, next: Next) -> Response {
    let Limited { limits, class } = limited;
    let taken = class.and_then(|class| Some((class, limits.take(class, request.extensions())?)));
    let Some((class, outcome)) = taken else { return next.run(request).await };
    let Some(buckets) = limits.buckets(class) else { return next.run(request).await };
    let mut response = match outcome {
        Outcome::Allowed { .. } => next.run(request).await,
        Outcome::Refused { wait } => limits.refusal(class, buckets, wait).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(RATE_LIMIT_POLICY, buckets.policy());
    if let Ok(left) = HeaderValue::from_str(&buckets.left(outcome)) {
        headers.insert(RATE_LIMIT, left);
    }
    response
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;
    use http::HeaderMap;

    use super::*;
    use crate::client::TrustedProxies;

    fn from(peer: &str) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        TrustedProxies::default().identify(&mut extensions, &HeaderMap::new());
        extensions
    }

    fn limits() -> Limits {
        let rates = Rates { requests: Some(RateLimit::of(3, 1.0)), streams: None };
        Limits::new(rates, Arc::default())
    }

    fn is_allowed(limits: &Limits, class: Class, extensions: &Extensions) -> bool {
        matches!(limits.take(class, extensions), None | Some(Outcome::Allowed { .. }))
    }

    #[tokio::test(start_paused = true)]
    async fn clients_and_classes_have_buckets_of_their_own() {
        let limits = limits();
        let (one, other) = (from("192.0.2.1:1"), from("192.0.2.2:1"));
        for _ in 0..3 {
            assert!(is_allowed(&limits, Class::Requests, &one));
        }
        assert!(!is_allowed(&limits, Class::Requests, &one));
        assert!(is_allowed(&limits, Class::Requests, &other));
        assert!(is_allowed(&limits, Class::Page, &one));
        assert!((0..100).all(|_| is_allowed(&limits, Class::Streams, &one)), "no limit for streams");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(is_allowed(&limits, Class::Requests, &one));
        assert!(!is_allowed(&limits, Class::Requests, &one));
    }

    #[tokio::test(start_paused = true)]
    async fn failed_authentications_are_charged_to_the_address() {
        let (limits, one) = (limits(), from("192.0.2.1:1"));
        for _ in 0..3 {
            assert!((0..10).all(|_| limits.may_authenticate(&one).is_ok()), "looking costs nothing");
            limits.authentication_failed(&one);
        }
        assert_eq!(limits.may_authenticate(&one).unwrap_err().into_response().status(), 429);
        assert!(limits.may_authenticate(&from("192.0.2.2:1")).is_ok());
        assert!(is_allowed(&limits, Class::Requests, &one), "who is known already may go on");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(limits.may_authenticate(&one).is_ok());
    }

    #[test]
    fn rates_have_bounds() {
        for (burst, per_second) in
            [(0, 1.0), (1_000_001, 1.0), (1, 0.0), (1, -1.0), (1, f64::NAN), (1, f64::INFINITY), (1, 2e6)]
        {
            assert!(RateLimit::new(burst, per_second).is_err(), "{burst} {per_second}");
        }
        for (burst, per_second) in [(1, 0.01), (1_000_000, 1e6), (1_000_000, 0.01)] {
            // The widest must not overflow what counts nanoseconds.
            let rate = RateLimit::new(burst, per_second).unwrap();
            let limits = Limits::new(Rates { requests: Some(rate), streams: Some(rate) }, Arc::default());
            assert!(is_allowed(&limits, Class::Requests, &Extensions::new()));
        }
    }

    #[test]
    fn everything_has_a_place_of_its_own() {
        assert!(Class::ALL.into_iter().enumerate().all(|(at, class)| class as usize == at));
    }
}
