//! `GET /api/routes/stream`: routes and their verdicts as they change.
//!
//! States of routes are compared, not counted: a viewer holds the state that it was told last, and is told what the next one has otherwise. One that is slow
//! misses states in between and never a difference, and holds up nobody. What two states differ in is worked out and encoded once, for all viewers with the
//! same filter that may read the same (`feed`); `viewer` decides what comes next for one of them. The rest (leave, heartbeats, codings, places) is the
//! stream's of ingresses.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{Extensions, HeaderMap};

pub(crate) use self::feed::{RouteFeed, RouteFeeds};
use self::viewer::{RouteViewer, Start};
use super::events::Events;
use super::frames::Form;
use super::leave::Asking;
use super::{LAST_EVENT_ID, answer};
use crate::app::App;
use crate::coding::Coding;
use crate::params::Params;
use crate::problem::Problem;
use crate::routes::filter::Filter;
use crate::view::View;

mod feed;
mod viewer;

pub(crate) async fn events(
    State(app): State<App>,
    view: View,
    extensions: Extensions,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let coding = Coding::negotiate(&headers)?;
    let ticks = view.watched_routes()?.ticks();
    let mut params = Params::parse(query.as_deref())?;
    let filter = Filter::take(&mut params)?;
    let since = params.one("since")?;
    params.finish()?;
    let shown = view.routes().await?;
    let start = start(&shown.mark().to_string(), &headers, since.as_deref());
    let streams = &app.counters().streams;
    // Last, so that nothing else refuses what was given a place.
    let place = app.place(&extensions)?;
    streams.opened.one();
    if start == Start::Resumed {
        streams.resumed.one();
    }
    let feed = app.route_feed_of(filter, shown.reads());
    let viewer = RouteViewer::new(view.clone(), app.clone(), feed, ticks, shown, start);
    Ok(answer(Events::new(viewer, Form::Events, app.clone(), Asking::of(&view), place), coding))
}

/// How the client begins. Only who has the present state can go on from it; the header wins over the parameter, as for ingresses.
fn start(mark: &str, headers: &HeaderMap, since: Option<&str>) -> Start {
    let header = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty());
    let known = match header {
        Some(value) => Some(value.to_str().unwrap_or_default()),
        None => since,
    };
    match known {
        None => Start::Fresh,
        Some(known) if known == mark => Start::Resumed,
        Some(_) => Start::Expired,
    }
}
