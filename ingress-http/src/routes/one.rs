//! `GET /api/routes/{id}`, and its diagnosis alone.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::route::RouteId;
use serde::Serialize;

use super::reply::reply;
use super::wire::{Diagnosis, Route};
use crate::app::App;
use crate::conditional::Tag;
use crate::params::Params;
use crate::problem::{Problem, ProblemType};
use crate::view::{Mark, View};
use crate::wire::{Text, is_false};

type Id = Result<Path<String>, PathRejection>;

/// The route, with its diagnosis.
pub(crate) async fn route(
    State(app): State<App>,
    view: View,
    id: Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&app, &view, id, query.as_deref(), &headers, Part::Whole).await
}

/// The diagnosis alone.
pub(crate) async fn diagnosis(
    State(app): State<App>,
    view: View,
    id: Id,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&app, &view, id, query.as_deref(), &headers, Part::Diagnosis).await
}

/// What of a route is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Whole,
    Diagnosis,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    route: Route<'a>,
    diagnosis: Diagnosis<'a>,
    #[serde(flatten)]
    stamp: Stamp,
}

#[derive(Serialize)]
struct Alone<'a> {
    id: Text<RouteId>,
    #[serde(flatten)]
    diagnosis: Diagnosis<'a>,
    #[serde(flatten)]
    stamp: Stamp,
}

/// What an answer says of itself.
#[derive(Serialize)]
struct Stamp {
    revision: Text<Mark>,
    timestamp: Text<Timestamp>,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}

async fn answer(
    app: &App,
    view: &View,
    id: Id,
    query: Option<&str>,
    headers: &HeaderMap,
    part: Part,
) -> Result<Response, Problem> {
    view.watched_routes()?;
    Params::none(query)?;
    let id = parse(id)?;
    let shown = view.routes().await?;
    let none = || Problem::new(ProblemType::NotFound, format!("no route {id} is known"));
    let assessed = shown.get(id).ok_or_else(none)?;
    let tag = Tag::new(shown.mark(), &("route", id, part));
    reply(&tag, headers, || {
        let diagnosis = Diagnosis::new(assessed, &shown);
        let demo = app.is_demo_cluster(&assessed.route.cluster);
        let stamp = Stamp { revision: Text(shown.mark()), timestamp: Text(wall_now()), demo };
        let body = match part {
            Part::Whole => serde_json::to_vec(&Whole { route: Route::from(&**assessed), diagnosis, stamp }),
            Part::Diagnosis => serde_json::to_vec(&Alone { id: Text(id), diagnosis, stamp }),
        };
        Ok(body?)
    })
}

fn parse(id: Id) -> Result<RouteId, Problem> {
    let id = id.ok().and_then(|Path(text)| text.parse::<RouteId>().ok());
    id.ok_or_else(|| Problem::parameter("id", "a route's id is 16 hexadecimal digits, in lower case"))
}
