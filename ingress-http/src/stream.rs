//! `GET /api/ingresses/stream`: server-sent events (WHATWG HTML, section 9.2).
//!
//! Three steps that know nothing of each other: a `Lens` decides what a change of the store means to one viewer,
//! `frames` writes events as bytes, `viewer` decides what comes next for one client. `events` asks the viewer for the next
//! bytes when, and only when, the connection can take some, and this file answers the request. A client that reads slowly
//! therefore holds a place in the store's ring and nothing else; it is told in short what it missed (`run`), and when the ring
//! overtakes it, it is reset. Between lens and `viewer` lies `feed`: what one lens shows is worked out and encoded once for all
//! viewers that share it, snapshots in `segments` of which only those that changed are encoded again.

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use self::events::{Events, Follow};
pub(crate) use self::feed::{Feed, Feeds};
use self::frames::Form;
use self::leave::Asking;
pub(crate) use self::segments::Segments;
pub(crate) use self::socket::socket;
use self::viewer::{Start, Viewer};
use crate::app::App;
use crate::coding::Coding;
use crate::filter::Filter;
use crate::params::Params;
use crate::problem::Problem;
use crate::respond;
use crate::view::{Lens, View};

mod events;
mod feed;
mod frames;
mod leave;
pub(crate) mod routes;
mod run;
mod segments;
mod socket;
mod viewer;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks nginx, the proxy in front of many a cluster's tools, not to collect events until its buffer is full.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

const NO_TRANSFORM: HeaderValue = HeaderValue::from_static("no-store, no-transform");

pub(crate) async fn events(
    State(app): State<App>,
    view: View,
    extensions: Extensions,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let coding = Coding::negotiate(&headers)?;
    let events = open(&app, &view, &extensions, &headers, query.as_deref(), Form::Events)?;
    Ok(answer(events, coding))
}

/// A stream as an answer.
fn answer(events: Events<impl Follow>, coding: Coding) -> Response {
    let body = Body::from_stream(events.into_body(coding));
    let response = respond::answer(StatusCode::OK, HeaderValue::from_static("text/event-stream"), body);
    // Whoever compresses on the way collects events, too.
    let response = respond::with_header(response, header::CACHE_CONTROL, NO_TRANSFORM);
    let response = respond::with_header(response, ACCEL_BUFFERING, HeaderValue::from_static("no"));
    respond::coded(response, coding)
}

/// Opens a stream, whatever form its events take.
fn open(
    app: &App,
    view: &View,
    extensions: &Extensions,
    headers: &HeaderMap,
    query: Option<&str>,
    form: Form,
) -> Result<Events<Viewer>, Problem> {
    let mut params = Params::parse(query)?;
    let lens = view.lens(Filter::take(&mut params)?);
    let since = params.one("since")?;
    params.finish()?;
    let epoch = view.followed().snapshot().position().epoch;
    let start = start(&lens, epoch, headers, since.as_deref())?;
    let streams = &app.counters().streams;
    // Last, so that nothing else refuses what was given a place.
    let place = app.place(extensions)?;
    let viewer = Viewer::new(view.followed(), app.feed_of(view, lens), start);
    streams.opened.one();
    if viewer.is_resumed() {
        streams.resumed.one();
    }
    Ok(Events::new(viewer, form, app.clone(), Asking::of(view), place))
}

/// Where the client wants to go on. The header wins over the parameter: a browser that reconnects sends both, and the
/// parameter is still the one of its first request.
fn start(lens: &Lens, epoch: u64, headers: &HeaderMap, since: Option<&str>) -> Result<Start, Problem> {
    let since = since.map(|text| {
        lens.position(text, epoch).ok_or_else(|| {
            Problem::parameter("since", "`since` must be a revision, as an earlier answer gave it")
        })
    });
    let since = since.transpose()?;
    match headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) {
        None => Ok(since.map_or(Start::Fresh, Start::Resume)),
        Some(value) => {
            let position = value.to_str().ok().and_then(|text| lens.position(text, epoch));
            Ok(position.map_or(Start::Unresumable, Start::Resume))
        }
    }
}

#[cfg(test)]
mod tests;
