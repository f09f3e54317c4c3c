//! `GET /api/ingresses/stream`: server-sent events (WHATWG HTML, section 9.2).
//!
//! Three steps that know nothing of each other: `project` decides what a change of the store means to one filter,
//! `frames` writes events as bytes, `viewer` decides what comes next for one client. This file is the transport: it asks
//! the viewer for the next bytes when, and only when, the connection can take some. A client that reads slowly therefore
//! holds a place in the store's ring and nothing else; when the ring overtakes it, it is reset. Between `project` and
//! `viewer` lies `feed`: what one filter shows is worked out and encoded once for all viewers that share it, snapshots in
//! `segments` of which only those that changed are encoded again.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode};
use ingress_core::Position;
use tokio::time::{Instant, sleep_until};

use self::feed::Feed;
pub(crate) use self::feed::Feeds;
use self::frames::Frames;
use self::viewer::{Start, Viewer};
use crate::app::{App, Options};
use crate::filter::Filter;
use crate::limit::place::Place;
use crate::metrics::http_side::HttpCounters;
use crate::params::Params;
use crate::problem::Problem;
use crate::respond;
use crate::shutdown::Signal;

mod feed;
mod frames;
mod project;
mod segments;
mod viewer;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks nginx, the proxy in front of many a cluster's tools, not to collect events until its buffer is full.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(crate) async fn events(
    State(app): State<App>,
    extensions: Extensions,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let mut params = Params::parse(query.as_deref())?;
    let filter = Filter::take(&mut params)?;
    let since = params.one("since")?;
    params.finish()?;
    let start = start(&headers, since.as_deref())?;
    let place = app.place(&extensions)?;
    let feed =
        app.feeds().of(filter, |filter| Feed::new(filter, app.clusters(), app.is_demo(), app.breaker_of()));
    let viewer = Viewer::new(app.hub().ingresses(), feed, start);
    let counters = app.counters().clone();
    counters.streams.opened.one();
    if viewer.is_resumed() {
        counters.streams.resumed.one();
    }
    let events = Events::new(viewer, app.options(), app.shutdown().signal(), place, counters);
    let body = Body::from_stream(stream::unfold(events, async |mut events| {
        events.next().await.map(|bytes| (bytes, events))
    }));
    let response = respond::answer(StatusCode::OK, HeaderValue::from_static("text/event-stream"), body);
    Ok(respond::with_header(response, ACCEL_BUFFERING, HeaderValue::from_static("no")))
}

/// Where the client wants to go on. The header wins over the parameter: a browser that reconnects sends both, and the
/// parameter is still the one of its first request.
fn start(headers: &HeaderMap, since: Option<&str>) -> Result<Start, Problem> {
    let since = since.map(|text| {
        text.parse::<Position>().map_err(|error| {
            Problem::parameter("since", format!("`since`: {error}, as an earlier answer gave it"))
        })
    });
    let since = since.transpose()?;
    match headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) {
        None => Ok(since.map_or(Start::Fresh, Start::Resume)),
        Some(value) => {
            let position = value.to_str().ok().and_then(|text| text.parse().ok());
            Ok(position.map_or(Start::Unresumable, Start::Resume))
        }
    }
}

/// The bytes of one stream, one piece at a time.
struct Events {
    viewer: Viewer,
    frames: Frames,
    options: Options,
    shutdown: Signal,
    next_beat: Instant,
    over: bool,
    counters: Arc<HttpCounters>,
    _place: Place,
}

impl Events {
    fn new(
        viewer: Viewer,
        options: Options,
        shutdown: Signal,
        place: Place,
        counters: Arc<HttpCounters>,
    ) -> Self {
        let mut frames = Frames::default();
        frames.retry(options.retry);
        let next_beat = Instant::now() + options.heartbeat;
        Self { viewer, frames, options, shutdown, next_beat, over: false, counters, _place: place }
    }

    /// The next piece; `None` after `end`.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not returned yet is still there for the next call.
    async fn next(&mut self) -> Option<Result<Bytes, serde_json::Error>> {
        match self.write().await {
            Ok(()) => {
                let bytes = self.frames.take()?;
                self.counters.streams.sent(bytes.len(), &self.frames.written());
                Some(Ok(bytes))
            }
            Err(error) => {
                tracing::error!(%error, "an event could not be serialised");
                self.over = true;
                Some(Err(error))
            }
        }
    }

    async fn write(&mut self) -> Result<(), serde_json::Error> {
        if self.over {
            return Ok(());
        }
        loop {
            if self.shutdown.has_begun() {
                return self.end();
            }
            // Here and not only while waiting, so that a busy stream does not go without.
            if Instant::now() >= self.next_beat {
                self.beat();
            }
            while !self.frames.is_full() && self.viewer.advance(&mut self.frames)? {}
            if !self.frames.is_empty() {
                return Ok(());
            }
            tokio::select! {
                () = self.shutdown.begun() => {}
                () = sleep_until(self.next_beat) => {}
                more = self.viewer.wait() => if !more {
                    return self.end();
                }
            }
        }
    }

    fn beat(&mut self) {
        self.frames.heartbeat(self.viewer.untold());
        self.next_beat = Instant::now() + self.options.heartbeat;
    }

    fn end(&mut self) -> Result<(), serde_json::Error> {
        self.over = true;
        self.frames.end()
    }
}

#[cfg(test)]
mod tests;
