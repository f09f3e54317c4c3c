//! What is counted of HTTP: requests and streams.
//!
//! All of it lies in arrays of atomics with a place for everything that can happen, so that counting waits for nobody and
//! whatever strangers ask for takes no memory.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, StatusCode};
use tokio::time::Instant;

use super::family::{Distribution, Families, about};
use crate::app::App;
use crate::limit::Class;
use crate::limit::place::Full;

/// Counts up.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub(crate) struct Level(AtomicU64);

impl Level {
    /// Moves by the difference of two values.
    pub(crate) fn moved(&self, from: usize, to: usize) {
        if to >= from {
            self.0.fetch_add((to - from) as u64, Ordering::Relaxed);
        } else {
            self.0.fetch_sub((from - to) as u64, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the router serves, by template; what it does not know is all one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Ingresses,
    Stream,
    Socket,
    Object,
    ObjectYaml,
    Namespaces,
    Routes,
    RoutesStream,
    Assessed,
    Diagnosis,
    Match,
    Topology,
    Checks,
    Certificates,
    Health,
    Info,
    Livez,
    Readyz,
    Metrics,
    Session,
    Login,
    Callback,
    OpenApi,
    /// The page, and all its files.
    Page,
    Other,
}

impl Route {
    /// In the order of their declaration.
    pub(crate) const ALL: [Self; 25] = [
        Self::Ingresses,
        Self::Stream,
        Self::Socket,
        Self::Object,
        Self::ObjectYaml,
        Self::Namespaces,
        Self::Routes,
        Self::RoutesStream,
        Self::Assessed,
        Self::Diagnosis,
        Self::Match,
        Self::Topology,
        Self::Checks,
        Self::Certificates,
        Self::Health,
        Self::Info,
        Self::Livez,
        Self::Readyz,
        Self::Metrics,
        Self::Session,
        Self::Login,
        Self::Callback,
        Self::OpenApi,
        Self::Page,
        Self::Other,
    ];

    /// The path as the router has it, and as it stands in the label.
    pub(crate) fn template(self) -> &'static str {
        match self {
            Self::Ingresses => "/api/ingresses",
            Self::Stream => "/api/ingresses/stream",
            Self::Socket => "/api/ingresses/ws",
            Self::Object => "/api/ingresses/{namespace}/{name}",
            Self::ObjectYaml => "/api/ingresses/{namespace}/{name}/yaml",
            Self::Namespaces => "/api/namespaces",
            Self::Routes => "/api/routes",
            Self::RoutesStream => "/api/routes/stream",
            Self::Assessed => "/api/routes/{id}",
            Self::Diagnosis => "/api/routes/{id}/diagnosis",
            Self::Match => "/api/match",
            Self::Topology => "/api/topology",
            Self::Checks => "/api/checks",
            Self::Certificates => "/api/certificates",
            Self::Health => "/api/health",
            Self::Info => "/api/info",
            Self::Livez => "/livez",
            Self::Readyz => "/readyz",
            Self::Metrics => "/metrics",
            Self::Session => "/auth/session",
            Self::Login => "/auth/login",
            Self::Callback => "/auth/callback",
            Self::OpenApi => "/openapi.json",
            Self::Page => "/",
            Self::Other => "other",
        }
    }
}

const METHODS: [&str; 5] = ["GET", "HEAD", "POST", "DELETE", "other"];

/// The statuses of the router's answers; the last place is for any other.
const CODES: [&str; 22] = [
    "101", "200", "204", "303", "304", "400", "401", "403", "404", "405", "406", "413", "414", "421", "426",
    "429", "431", "500", "502", "503", "504", "other",
];

fn method_at(method: &Method) -> usize {
    METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1)
}

/// The method, if it is a known one: what a stranger made up is `other`.
pub(crate) fn method_name(method: &Method) -> &'static str {
    METHODS.get(method_at(method)).copied().unwrap_or("other")
}

fn code_at(status: StatusCode) -> usize {
    CODES.iter().position(|known| *known == status.as_str()).unwrap_or(CODES.len() - 1)
}

/// Upper bounds in seconds: from what memory answers to what a cluster answers at the third try.
const BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Debug, Default)]
struct Durations {
    /// The last is for all that took longer.
    buckets: [Count; BOUNDS.len() + 1],
    nanoseconds: Count,
}

impl Durations {
    fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.one();
        }
        self.nanoseconds.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    fn read(&self) -> Distribution {
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let buckets = bounds.zip(&self.buckets).map(|(bound, bucket)| (bound, bucket.get())).collect();
        Distribution { sum: Duration::from_nanos(self.nanoseconds.get()).as_secs_f64(), buckets }
    }
}

/// The requests of one route.
#[derive(Debug, Default)]
struct Requests {
    /// By method, then by status.
    answered: [[Count; CODES.len()]; METHODS.len()],
    durations: Durations,
}

/// Everything that one router counts.
#[derive(Debug, Default)]
pub(crate) struct HttpCounters {
    routes: [Requests; Route::ALL.len()],
    pub(crate) streams: StreamCounters,
    pub(crate) upstream: Arc<UpstreamCounters>,
    limited: [Count; Class::ALL.len()],
}

/// What is counted of questions to clusters that requests cause.
#[derive(Debug, Default)]
pub(crate) struct UpstreamCounters {
    pub(crate) deduplicated: Count,
    pub(crate) paced: Count,
    pub(crate) refused: Count,
}

impl HttpCounters {
    /// A client asked too often.
    pub(crate) fn limited(&self, class: Class) {
        if let Some(count) = self.limited.get(class as usize) {
            count.one();
        }
    }

    fn answered(&self, route: Route, method: usize, status: StatusCode, took: Duration) {
        let Some(requests) = self.routes.get(route as usize) else { return };
        if let Some(count) = requests.answered.get(method).and_then(|codes| codes.get(code_at(status))) {
            count.one();
        }
        requests.durations.observe(took);
    }
}

/// One route's requests, as the router measures them.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    counters: Arc<HttpCounters>,
    route: Route,
}

impl Measured {
    pub(crate) fn new(counters: Arc<HttpCounters>, route: Route) -> Self {
        Self { counters, route }
    }
}

/// Counts a request when its answer begins.
pub(crate) async fn measure(State(measured): State<Measured>, request: Request, next: Next) -> Response {
    let (begun, method) = (Instant::now(), method_at(request.method()));
    let response = next.run(request).await;
    measured.counters.answered(measured.route, method, response.status(), begun.elapsed());
    response
}

/// Why a client is told to forget everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reset {
    ResumeExpired,
    EpochChanged,
    Lagged,
    AccessChanged,
}

impl Reset {
    const ALL: [Self; 4] = [Self::ResumeExpired, Self::EpochChanged, Self::Lagged, Self::AccessChanged];

    /// The reason, as it stands in the HTTP API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::ResumeExpired => "resume-expired",
            Self::EpochChanged => "epoch-changed",
            Self::Lagged => "lagged",
            Self::AccessChanged => "access-changed",
        }
    }
}

/// The types of a stream's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventType {
    Lane,
    Snapshot,
    Added,
    Modified,
    Deleted,
    LaneRemoved,
    Reset,
    End,
    Removed,
    Verdict,
    Stale,
}

impl EventType {
    const ALL: [Self; 11] = [
        Self::Lane,
        Self::Snapshot,
        Self::Added,
        Self::Modified,
        Self::Deleted,
        Self::LaneRemoved,
        Self::Reset,
        Self::End,
        Self::Removed,
        Self::Verdict,
        Self::Stale,
    ];

    /// The type's name, as it stands in the HTTP API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Lane => "lane",
            Self::Snapshot => "snapshot",
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::LaneRemoved => "laneRemoved",
            Self::Reset => "reset",
            Self::End => "end",
            Self::Removed => "removed",
            Self::Verdict => "verdict",
            Self::Stale => "stale",
        }
    }
}

/// What is counted of all streams.
#[derive(Debug, Default)]
pub(crate) struct StreamCounters {
    pub(crate) opened: Count,
    pub(crate) resumed: Count,
    pub(crate) queued: Level,
    coalesced: Count,
    refused: [Count; Full::ALL.len()],
    bytes: Count,
    events: [Count; EventType::ALL.len()],
    resets: [Count; Reset::ALL.len()],
}

/// Which events some bytes hold: counted where they are written, once for all streams that they are lent to, and added up where
/// they are sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    events: [u64; EventType::ALL.len()],
    resets: [u64; Reset::ALL.len()],
    coalesced: u64,
}

impl Written {
    pub(crate) fn skipped(&mut self, states: u64) {
        self.coalesced += states;
    }

    pub(crate) fn event(&mut self, event: EventType) {
        if let Some(count) = self.events.get_mut(event as usize) {
            *count += 1;
        }
    }

    /// The same, and something else.
    pub(crate) fn add(&mut self, other: &Self) {
        let events = self.events.iter_mut().zip(&other.events);
        let resets = self.resets.iter_mut().zip(&other.resets);
        events.chain(resets).for_each(|(count, more)| *count += more);
        self.coalesced += other.coalesced;
    }

    pub(crate) fn reset(&mut self, reason: Reset) {
        if let Some(count) = self.resets.get_mut(reason as usize) {
            *count += 1;
        }
    }
}

impl StreamCounters {
    /// There was no place for a stream.
    pub(crate) fn refused(&self, full: Full) {
        if let Some(count) = self.refused.get(full as usize) {
            count.one();
        }
    }

    /// Adds bytes that a connection took.
    pub(crate) fn handed(&self, bytes: usize) {
        self.bytes.add(bytes as u64);
    }

    /// Adds what was written.
    pub(crate) fn sent(&self, written: &Written) {
        let events = self.events.iter().zip(&written.events);
        let resets = self.resets.iter().zip(&written.resets);
        for (count, more) in events.chain(resets).filter(|(_, more)| **more > 0) {
            count.add(*more);
        }
        self.coalesced.add(written.coalesced);
    }
}

pub(super) fn encode(app: &App, families: &mut Families<'_>) -> fmt::Result {
    let HttpCounters { routes, streams, upstream, limited } = &**app.counters();
    let of_routes = || Route::ALL.into_iter().map(Route::template).zip(routes);
    let answered = of_routes().flat_map(|(route, requests)| {
        METHODS.into_iter().zip(&requests.answered).flat_map(move |(method, codes)| {
            CODES.into_iter().zip(codes).map(move |(code, count)| ([route, method, code], count.get()))
        })
    });
    families.counters(
        about(
            "http_requests",
            "Requests answered, by the route's template; a route that is not known is other",
        ),
        ["route", "method", "code"],
        answered.filter(|(_, count)| *count > 0),
    )?;
    families.histograms(
        about("http_request_duration", "Time from a request to the beginning of its answer").seconds(),
        ["route"],
        of_routes().map(|(route, requests)| ([route], requests.durations.read())),
    )?;
    families.counters(
        about("http_requests_limited", "Requests refused because their client asked too often"),
        ["class"],
        Class::ALL.into_iter().zip(limited).map(|(class, count)| ([class.as_str()], count.get())),
    )?;
    families.counters(
        about("requested_calls_shared", "Questions to a cluster that shared the answer of one under way"),
        [],
        [([], upstream.deduplicated.get())],
    )?;
    families.counters(
        about("requested_calls_paced", "Questions to a cluster that had to wait for their turn"),
        [],
        [([], upstream.paced.get())],
    )?;
    families.counters(
        about("requested_calls_refused", "Questions to a cluster that did not get their turn in time"),
        [],
        [([], upstream.refused.get())],
    )?;
    let max = app.options().streams.process;
    families.gauges(about("stream_viewers", "Streams that are open"), [], [([], app.viewers())])?;
    families.gauges(about("stream_viewers_max", "Streams that may be open at a time"), [], [([], max)])?;
    families.counters(
        about("streams_opened", "Streams that were opened"),
        [],
        [([], streams.opened.get())],
    )?;
    families.counters(
        about("streams_resumed", "Streams that went on from where their client was, without a snapshot"),
        [],
        [([], streams.resumed.get())],
    )?;
    families.counters(
        about("streams_refused", "Streams that were not opened"),
        ["reason"],
        Full::ALL.into_iter().zip(&streams.refused).map(|(full, count)| ([full.as_str()], count.get())),
    )?;
    families.counters(
        about("stream_resets", "Times a stream's client was told to forget everything"),
        ["reason"],
        Reset::ALL.into_iter().zip(&streams.resets).map(|(reason, count)| ([reason.as_str()], count.get())),
    )?;
    families.counters(
        about(
            "stream_coalesced",
            "States that a viewer which was behind was not sent, since a newer one of the same object was",
        ),
        [],
        [([], streams.coalesced.get())],
    )?;
    families.gauges(
        about(
            "stream_queued",
            "Bytes of events that connections have not taken yet, before compression, over all streams",
        )
        .bytes(),
        [],
        [([], streams.queued.get())],
    )?;
    families.counters(
        about("stream_events", "Events sent to viewers"),
        ["type"],
        EventType::ALL.into_iter().zip(&streams.events).map(|(event, count)| ([event.as_str()], count.get())),
    )?;
    families.counters(
        about("stream_sent", "Bytes of streams handed to connections, as compressed, before TLS").bytes(),
        [],
        [([], streams.bytes.get())],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_a_place_of_its_own() {
        assert!(Route::ALL.into_iter().enumerate().all(|(at, route)| route as usize == at));
        assert!(Reset::ALL.into_iter().enumerate().all(|(at, reset)| reset as usize == at));
        assert!(EventType::ALL.into_iter().enumerate().all(|(at, event)| event as usize == at));
    }

    #[test]
    fn what_nobody_expected_is_other() {
        assert_eq!([&Method::GET, &Method::HEAD, &Method::PUT].map(method_at), [0, 1, 4]);
        assert_eq!(method_at(&Method::from_bytes(b"BREW").unwrap()), 4);
        assert_eq!(CODES[code_at(StatusCode::NOT_FOUND)], "404");
        assert_eq!(CODES[code_at(StatusCode::IM_A_TEAPOT)], "other");
    }

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        let durations = Durations::default();
        for milliseconds in [1, 2, 70, 30_000, 30_001] {
            durations.observe(Duration::from_millis(milliseconds));
        }
        let read = durations.read();
        let filled: Vec<_> = read.buckets.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(filled, [(0.001, 1), (0.0025, 1), (0.1, 1), (30.0, 1), (f64::INFINITY, 1)]);
        assert!((read.sum - 60.074).abs() < 1e-9);
    }

    #[test]
    fn a_stream_tells_what_it_wrote() {
        let streams = StreamCounters::default();
        for _ in 0..2 {
            let mut written = Written::default();
            written.event(EventType::Added);
            written.event(EventType::Reset);
            written.reset(Reset::Lagged);
            streams.sent(&written);
            streams.handed(10);
        }
        assert_eq!(streams.bytes.get(), 20);
        assert_eq!(
            streams.events.iter().map(Count::get).collect::<Vec<_>>(),
            [0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 0]
        );
        assert_eq!(streams.resets.iter().map(Count::get).collect::<Vec<_>>(), [0, 0, 2, 0]);
    }
}
