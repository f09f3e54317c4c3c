//! `GET /metrics`: what this process does, for Prometheus, as OpenMetrics text (version 1.0).
//!
//! Nothing is collected for the sake of it. HTTP is counted where it happens, in atomics (`http`); the engine counts for
//! itself, and is read (`engine`); so does the server, where it is ours (`server`); the process is asked of the kernel (`process`). A scrape therefore takes no lock that a lane
//! or a viewer waits for: of each store it takes a snapshot, which is the copy of a pointer, and it writes the text afterwards.
//! It costs as much as there are clusters, kinds and lanes, all of which have a bound, whatever the number of objects; routes are counted
//! by what differs from the last scrape.
//!
//! Every label's values are bounded, too: by the program (routes, states, kinds of errors) or by its configuration (clusters,
//! kinds). No host, name, namespace, path or message ever becomes one; whatever a stranger asks for is `other`.

use std::fmt;

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::stats::Stats;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::auth::Admitted;
use crate::params::Params;
use crate::problem::{Problem, ProblemType};
use crate::respond;

mod caches;
mod engine;
mod family;
#[cfg(feature = "fleet")]
mod fleet;
pub(crate) mod http_side;
mod process;
mod routes;
#[cfg(feature = "server")]
mod server;

use family::Families;

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

pub(crate) async fn metrics(
    State(app): State<App>,
    user: Option<Extension<Admitted>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::none(query.as_deref())?;
    let engine = Engine::read(app.guard().stats(user.as_deref()).await?, wall_now());
    // Writing into memory does not fail; that a family is refused would be a defect.
    let text = render(&app, engine)
        .map_err(|_| Problem::new(ProblemType::Internal, "the metrics can't be written"))?;
    Ok(respond::answer(StatusCode::OK, OPEN_METRICS, text))
}

fn render(app: &App, engine: Engine) -> Result<String, fmt::Error> {
    let mut text = String::new();
    // Registries own what is in them; these are made for one scrape, of what was read for it.
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Process(process::Process::read())));
    let ours = registry.sub_registry_with_prefix("ingress");
    ours.register_collector(Box::new(Ours { app: app.clone(), engine }));
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// What is read of the engine for one scrape.
struct Engine {
    stats: Stats,
    now: Timestamp,
}

impl Engine {
    fn read(stats: Stats, now: Timestamp) -> Self {
        Self { stats, now }
    }
}

/// Everything with this library's prefix.
struct Ours {
    app: App,
    engine: Engine,
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ours").finish_non_exhaustive()
    }
}

impl Collector for Ours {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        families.info("build", "The version of this library", ["version"], [env!("CARGO_PKG_VERSION")])?;
        http_side::encode(&self.app, &mut families)?;
        #[cfg(feature = "server")]
        if let Some(stats) = self.app.server_stats() {
            server::encode(stats, &mut families)?;
        }
        #[cfg(feature = "fleet")]
        if let Some(fleet) = self.app.fleet() {
            fleet::encode(&fleet.status(), &mut families)?;
        }
        let guard = self.app.guard();
        caches::encode(&guard.reads(), &guard.places(), &mut families)?;
        if let Some(totals) = guard.route_totals() {
            routes::encode(&totals, &mut families)?;
        }
        engine::encode(&self.engine, &mut families)
    }
}

/// What has the same names in every program.
#[derive(Debug)]
struct Process(process::Process);

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.encode(&mut Families::new(encoder))
    }
}
