//! `GET /api/match`: which route gets a request, and why others don't.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderName, Method};
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::route;
use ingress_core::route::matcher::{Doubt, EntryMatch, Loser, Lost, Request};
use serde::Serialize;

use super::reply::reply;
use super::wire::{Entry, Gap, Short, stale_since};
use crate::app::App;
use crate::conditional::Tag;
use crate::filter::{at_most, one};
use crate::params::Params;
use crate::problem::Problem;
use crate::view::{Mark, ShownRoutes, View};
use crate::wire::{Text, is_false};

/// How often `header` may be given.
const MAX_HEADERS: usize = 16;

pub(crate) async fn matching(
    State(app): State<App>,
    view: View,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    view.watched_routes()?;
    let request = parse(query.as_deref())?;
    let shown = view.routes().await?;
    let Request { host, path, method, headers: given, query, .. } = &request;
    let tag = Tag::new(shown.mark(), &("match", host, path, method, given, query));
    reply(&tag, &headers, || {
        let found = shown.matcher().match_request(&request);
        let now = wall_now();
        let gaps = shown.gaps(now);
        let answer = Answer {
            entries: found.entries.iter().map(|entry| Door::new(entry, &shown)).collect(),
            without_entry: found.without_entry.iter().map(|route| short(route, &shown)).collect(),
            unknown: gaps.iter().map(Gap::from).collect(),
            revision: Text(shown.mark()),
            stale_since: stale_since(&shown),
            timestamp: Text(now),
            demo: app.is_demo(),
        };
        Ok(serde_json::to_vec(&answer)?)
    })
}

fn parse(query: Option<&str>) -> Result<Request, Problem> {
    let mut params = Params::parse(query)?;
    let host = one(&mut params, "host")?.ok_or_else(|| Problem::parameter("host", "`host` is missing"))?;
    let path = params.one("path")?;
    let method = params.one("method")?;
    let headers = params.all("header");
    params.finish()?;
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#@".contains(c)) {
        return Err(Problem::parameter(
            "host",
            "`host` must be a hostname or an address, with or without a port",
        ));
    }
    let path = path.unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') {
        return Err(Problem::parameter("path", "`path` must begin with a `/`"));
    }
    let mut request = Request::new(&host, &path);
    if let Some(method) = method {
        let detail = "`method` must be a method of HTTP, such as `POST`";
        Method::from_bytes(method.as_bytes()).map_err(|_| Problem::parameter("method", detail))?;
        request = request.method(&method);
    }
    at_most("header", headers.len(), MAX_HEADERS, "headers")?;
    for header in headers {
        let detail = "`header` must be a name and a value, with a `:` between them";
        let pair = header.split_once(':').filter(|(name, _)| HeaderName::try_from(*name).is_ok());
        let (name, value) = pair.ok_or_else(|| Problem::parameter("header", detail))?;
        request = request.header(name, value.trim());
    }
    Ok(request)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    entries: Vec<Door<'a>>,
    without_entry: Vec<Short<'a>>,
    /// Why another route may get it.
    unknown: Vec<Gap<'a>>,
    revision: Text<Mark>,
    stale_since: BTreeMap<&'a str, Text<Timestamp>>,
    timestamp: Text<Timestamp>,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}

#[derive(Serialize)]
struct Door<'a> {
    cluster: &'a str,
    entry: Entry<'a>,
    winner: Option<Short<'a>>,
    doubts: Vec<&'static str>,
    losers: Vec<Near<'a>>,
    more: usize,
}

impl<'a> Door<'a> {
    fn new(found: &'a EntryMatch, shown: &ShownRoutes) -> Self {
        Self {
            cluster: found.cluster.as_str(),
            entry: Entry::from(&found.entry),
            winner: found.winner.as_deref().map(|route| short(route, shown)),
            doubts: found.doubts.iter().copied().map(Doubt::as_str).collect(),
            losers: found.losers.iter().map(|loser| Near::new(loser, shown)).collect(),
            more: found.more,
        }
    }
}

#[derive(Serialize)]
struct Near<'a> {
    route: Short<'a>,
    why: &'static str,
    detail: Option<&'a str>,
}

impl<'a> Near<'a> {
    fn new(Loser { route, why, .. }: &'a Loser, shown: &ShownRoutes) -> Self {
        let detail = match why {
            Lost::Header(text)
            | Lost::QueryParam(text)
            | Lost::Condition(text)
            | Lost::InvalidExpression(text) => Some(text.as_str()),
            _ => None,
        };
        Self { route: short(route, shown), why: why.as_str(), detail }
    }
}

fn short<'a>(route: &'a route::Route, shown: &ShownRoutes) -> Short<'a> {
    Short::new(route, shown.get(route.id).map(|assessed| assessed.diagnosis.verdict))
}
