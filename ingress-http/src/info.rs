//! `GET /api/info`: which program this is, and which clusters it shows.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::{Namespace, Scope};
use serde::Serialize;

use crate::app::App;
use crate::params::Params;
use crate::problem::Problem;
use crate::respond;
use crate::view::View;
use crate::wire::{Text, is_false};

#[derive(Serialize)]
struct Info<'a> {
    version: &'static str,
    clusters: Vec<Cluster<'a>>,
    scope: InScope<'a>,
    timestamp: Text<Timestamp>,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}

#[derive(Serialize)]
struct Cluster<'a> {
    cluster: &'a str,
    origin: &'static str,
    detail: Option<&'a str>,
    server: Option<&'a str>,
}

#[derive(Serialize)]
struct InScope<'a> {
    /// `None` means all.
    namespaces: Option<Vec<&'a str>>,
}

pub(crate) async fn info(
    State(app): State<App>,
    view: View,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::none(query.as_deref())?;
    let clusters = app.guard().clusters();
    let clusters_shown = clusters
        .iter()
        .map(|status| Cluster {
            cluster: status.info.id.as_str(),
            origin: status.info.origin.as_str(),
            detail: some(&status.info.detail),
            server: some(&status.info.server),
        })
        .collect();
    let scope = view.scope();
    let namespaces = match &scope {
        Scope::Namespaces(names) => Some(names.iter().map(Namespace::as_str).collect()),
        _ => None,
    };
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        clusters: clusters_shown,
        scope: InScope { namespaces },
        timestamp: Text(wall_now()),
        demo: app.is_demo(),
    };
    respond::json(StatusCode::OK, &info)
}

fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
