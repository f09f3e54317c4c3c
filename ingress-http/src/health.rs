//! `GET /api/health`, `/livez` and `/readyz`.
//!
//! Three questions with three answers. Is the cluster there (`/api/health`, for people and alerts)? Does the process work
//! (`/livez`: every task of the engine runs, and gets its turn)? May it get traffic (`/readyz`)? An outage of the cluster changes the first only: restarting this process
//! would not help, and taking it out of service would hide what it still knows.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use ingress_cache::Place;
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::{ClusterStatus, LaneState};
use serde::Serialize;

use crate::app::App;
use crate::filter::Filter;
use crate::problem::{Problem, ProblemType};
use crate::respond;
use crate::view::View;
use crate::wire::{LaneError, Text, is_false};

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

pub(crate) async fn livez(State(app): State<App>) -> Response {
    app.tidy();
    match app.guard().stuck() {
        None => respond::answer(StatusCode::OK, PLAIN, "ok\n"),
        Some(stuck) => respond::answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{stuck}\n")),
    }
}

pub(crate) async fn readyz(State(app): State<App>) -> Response {
    if app.guard().is_ready() {
        respond::answer(StatusCode::OK, PLAIN, "ok\n")
    } else {
        respond::answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "the first sync is not done yet\n")
    }
}

pub(crate) async fn health(State(app): State<App>, view: Result<View, Problem>) -> Result<Response, Problem> {
    let clusters = app.guard().clusters();
    // What somebody may see is not known in just those hours in which they want to know how things are: then lanes are left out.
    let lanes = match view {
        Ok(view) => Some(Lanes::of(&view)),
        Err(problem) if problem.kind() == ProblemType::AccessUnknown => None,
        Err(problem) => return Err(problem),
    };
    let (status, mut health) = judge(&clusters, lanes, app.is_demo(), wall_now());
    let places = app.guard().places();
    health.checks.caches = places.iter().map(CacheCheck::new).collect();
    #[cfg(feature = "fleet")]
    {
        health.checks.fleet = app.fleet().map(crate::fleet::FleetCheck::of);
    }
    respond::json(status, &health)
}

/// How many of the lanes of ingresses that somebody may see are in each state.
#[derive(Debug, Default, Serialize)]
struct Lanes {
    connecting: usize,
    syncing: usize,
    live: usize,
    reconnecting: usize,
    denied: usize,
}

impl Lanes {
    fn of(view: &View) -> Self {
        let (shown, lens) = (view.ingresses(), view.lens(Filter::default()));
        let mut lanes = Self::default();
        for (status, _) in shown.lanes(&lens) {
            let count = match status.state {
                LaneState::Syncing => &mut lanes.syncing,
                LaneState::Live => &mut lanes.live,
                LaneState::Reconnecting => &mut lanes.reconnecting,
                LaneState::Denied => &mut lanes.denied,
                _ => &mut lanes.connecting,
            };
            *count += 1;
        }
        lanes
    }
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    timestamp: Text<Timestamp>,
    checks: Checks<'a>,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}

#[derive(Serialize)]
struct Checks<'a> {
    kubernetes: Check<'a>,
    /// Not known while nobody can tell what may be seen.
    lanes: Option<Lanes>,
    /// Only with several clusters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<ClusterCheck<'a>>,
    /// Only of a replica.
    #[cfg(feature = "fleet")]
    #[serde(skip_serializing_if = "Option::is_none")]
    fleet: Option<crate::fleet::FleetCheck>,
    /// What is wrong with one of these costs time, and is no reason not to be healthy.
    caches: Vec<CacheCheck<'a>>,
}

#[derive(Serialize)]
struct CacheCheck<'a> {
    kind: &'static str,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Text<Timestamp>>,
    #[serde(rename = "lastError", skip_serializing_if = "Option::is_none")]
    last_error: Option<CacheError<'a>>,
}

#[derive(Serialize)]
struct CacheError<'a> {
    kind: &'static str,
    message: &'a str,
    at: Text<Timestamp>,
}

impl<'a> CacheCheck<'a> {
    fn new(place: &'a Place) -> Self {
        let last_error = place.fault.as_ref().map(|fault| CacheError {
            kind: fault.kind,
            message: &fault.message,
            at: Text(fault.at),
        });
        Self { kind: place.kind, state: place.state.as_str(), since: place.since.map(Text), last_error }
    }
}

#[derive(Serialize)]
struct ClusterCheck<'a> {
    cluster: &'a str,
    #[serde(flatten)]
    check: Check<'a>,
}

#[derive(Serialize)]
struct Check<'a> {
    status: &'static str,
    latency: Option<u64>,
    breaker: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<LaneError<'a>>,
}

impl<'a> Check<'a> {
    fn new(cluster: Option<&'a ClusterStatus>) -> Self {
        let probe = cluster.and_then(|cluster| cluster.probe.as_ref());
        Self {
            status: match probe.map(|probe| &probe.result) {
                // Before the first answer nobody knows.
                None => "unknown",
                Some(Ok(())) => "up",
                Some(Err(_)) => "down",
            },
            // Rounded up, so that an answer never took no time at all.
            latency: probe
                .map(|probe| u64::try_from(probe.latency.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)),
            breaker: cluster.map(|cluster| cluster.breaker.as_str()),
            error: probe.and_then(|probe| probe.result.as_ref().err()).map(LaneError::new),
        }
    }
}

fn is_up(cluster: &ClusterStatus) -> bool {
    cluster.probe.as_ref().is_some_and(|probe| probe.result.is_ok())
}

/// The whole is as well as the worst of its clusters, and shows that one.
fn judge(
    clusters: &[ClusterStatus],
    lanes: Option<Lanes>,
    demo: bool,
    timestamp: Timestamp,
) -> (StatusCode, Health<'_>) {
    let is_down = |cluster: &&ClusterStatus| !is_up(cluster) && cluster.probe.is_some();
    let not_up = || clusters.iter().find(|cluster| !is_up(cluster));
    let worst = clusters.iter().find(is_down).or_else(not_up).or(clusters.first());
    let healthy = worst.is_some_and(is_up);
    let each = || {
        clusters
            .iter()
            .map(|status| ClusterCheck { cluster: status.info.id.as_str(), check: Check::new(Some(status)) })
    };
    let kubernetes = Check::new(worst);
    let health = Health {
        status: match kubernetes.status {
            "up" => "healthy",
            "unknown" => "unknown",
            _ => "unhealthy",
        },
        timestamp: Text(timestamp),
        checks: Checks {
            kubernetes,
            lanes,
            clusters: if clusters.len() > 1 { each().collect() } else { Vec::new() },
            #[cfg(feature = "fleet")]
            fleet: None,
            caches: Vec::new(),
        },
        demo,
    };
    (if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, health)
}
