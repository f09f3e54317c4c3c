//! `GET /api/routes`: filtered, sorted, paged.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::diagnose::Verdict;
use serde::Serialize;

use super::filter::{Filter, VERDICTS};
use super::reply::reply;
use super::sort::Sort;
use super::wire::{Gap, Route, stale_since};
use crate::app::App;
use crate::conditional::Tag;
use crate::cursor::{Cursor, fingerprint};
use crate::list::limit;
use crate::params::Params;
use crate::problem::Problem;
use crate::view::{Mark, ShownRoutes, View};
use crate::wire::{Text, is_false};

pub(crate) async fn list(
    State(app): State<App>,
    view: View,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    view.watched_routes()?;
    let question = Question::parse(query.as_deref())?;
    let shown = view.routes().await?;
    let tag = Tag::new(shown.mark(), &question);
    reply(&tag, &headers, || question.answer(&shown, app.is_demo()))
}

/// What was asked for.
#[derive(Debug, Hash)]
struct Question {
    filter: Filter,
    sort: Sort,
    limit: Option<usize>,
    cursor: Option<Cursor>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    items: Vec<Route<'a>>,
    total: usize,
    verdicts: BTreeMap<&'static str, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    unknown: Vec<Gap<'a>>,
    revision: Text<Mark>,
    stale_since: BTreeMap<&'a str, Text<Timestamp>>,
    timestamp: Text<Timestamp>,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}

impl Question {
    fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut params = Params::parse(query)?;
        let filter = Filter::take(&mut params)?;
        let sort = Sort::parse(params.one("sort")?.as_deref())?;
        let limit = params.one("limit")?.as_deref().map(limit).transpose()?;
        let cursor = params.one("cursor")?;
        params.finish()?;
        let cursor =
            cursor.map(|text| Cursor::parse(&text, fingerprint(&("routes", &filter, sort)))).transpose()?;
        Ok(Self { filter, sort, limit, cursor })
    }

    fn answer(&self, shown: &ShownRoutes, demo: bool) -> Result<Vec<u8>, Problem> {
        let mut verdicts: BTreeMap<_, usize> =
            VERDICTS.into_iter().map(|verdict| (verdict.as_str(), 0)).collect();
        let mut matching = Vec::new();
        for assessed in shown.iter().filter(|assessed| self.filter.matches_rest(assessed)) {
            let verdict = assessed.diagnosis.verdict;
            *verdicts.entry(Verdict::as_str(verdict)).or_default() += 1;
            if self.filter.matches_verdict(verdict) {
                matching.push(self.sort.place(assessed));
            }
        }
        let total = matching.len();
        let (page, more) = self.sort.page(matching, self.cursor.as_ref().map(Cursor::rank), self.limit);
        let last = page.last().filter(|_| more);
        let cursor = last
            .map(|last| Cursor::after(&last.rank(), fingerprint(&("routes", &self.filter, self.sort))))
            .transpose()?;
        let now = wall_now();
        let gaps = shown.gaps(now);
        let answer = Answer {
            items: page.iter().map(|placed| Route::from(&**placed.assessed)).collect(),
            total,
            verdicts,
            cursor,
            unknown: gaps.iter().map(Gap::from).collect(),
            revision: Text(shown.mark()),
            stale_since: stale_since(shown),
            timestamp: Text(now),
            demo,
        };
        Ok(serde_json::to_vec(&answer)?)
    }
}
