//! `GET /api/health`, `/livez` and `/readyz`.
//!
//! Three questions with three answers. Is the cluster there (`/api/health`, for people and alerts)? Does the process work
//! (`/livez`)? May it get traffic (`/readyz`)? An outage of the cluster changes the first only: restarting this process
//! would not help, and taking it out of service would hide what it still knows.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::{ClusterStatus, Probe};
use serde::Serialize;

use crate::app::App;
use crate::problem::Problem;
use crate::respond;
use crate::wire::{LaneError, Text, is_false};

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

pub(crate) async fn livez(State(app): State<App>) -> Response {
    app.tidy();
    respond::answer(StatusCode::OK, PLAIN, "ok\n")
}

pub(crate) async fn readyz(State(app): State<App>) -> Response {
    if app.guard().is_ready() {
        respond::answer(StatusCode::OK, PLAIN, "ok\n")
    } else {
        respond::answer(StatusCode::SERVICE_UNAVAILABLE, PLAIN, "the first sync is not done yet\n")
    }
}

pub(crate) async fn health(State(app): State<App>) -> Result<Response, Problem> {
    let clusters = app.guard().clusters();
    let probes: Vec<_> =
        clusters.iter().map(|ClusterStatus { info, probe, .. }| (info.id.as_str(), probe.as_ref())).collect();
    let (status, health) = judge(&probes, app.is_demo(), wall_now());
    respond::json(status, &health)
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
    /// Only with several clusters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<ClusterCheck<'a>>,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<LaneError<'a>>,
}

impl<'a> Check<'a> {
    fn new(probe: Option<&'a Probe>) -> Self {
        Self {
            status: if is_up(probe) { "up" } else { "down" },
            // Rounded up, so that an answer never took no time at all.
            latency: probe
                .map(|probe| u64::try_from(probe.latency.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)),
            error: probe.and_then(|probe| probe.result.as_ref().err()).map(LaneError::new),
        }
    }
}

// Before the first answer nobody knows, and what nobody knows is not up.
fn is_up(probe: Option<&Probe>) -> bool {
    probe.is_some_and(|probe| probe.result.is_ok())
}

/// The whole is as well as the worst of its clusters, and shows that one.
fn judge<'a>(
    probes: &[(&'a str, Option<&'a Probe>)],
    demo: bool,
    timestamp: Timestamp,
) -> (StatusCode, Health<'a>) {
    let worst = probes.iter().find(|(_, probe)| !is_up(*probe)).or(probes.first());
    let healthy = worst.is_some_and(|(_, probe)| is_up(*probe));
    let each = || probes.iter().map(|(cluster, probe)| ClusterCheck { cluster, check: Check::new(*probe) });
    let health = Health {
        status: if healthy { "healthy" } else { "unhealthy" },
        timestamp: Text(timestamp),
        checks: Checks {
            kubernetes: Check::new(worst.and_then(|(_, probe)| *probe)),
            clusters: if probes.len() > 1 { each().collect() } else { Vec::new() },
        },
        demo,
    };
    (if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, health)
}
