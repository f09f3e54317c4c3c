//! `GET /api/ingresses`.
//!
//! One snapshot answers the whole request. Only what is on the page is serialised, and a long page in pieces while the
//! client reads, so that ten thousand items cost a slow client's connection one piece of memory, not all of them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::HeaderMap;
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::{Ingress, ObjectKey, Position};
use serde::Serialize;

use crate::app::App;
use crate::conditional::Tag;
use crate::cursor::{Cursor, fingerprint};
use crate::filter::Filter;
use crate::order::Order;
use crate::params::Params;
use crate::partial::{Partial, partial};
use crate::problem::Problem;
use crate::respond;
use crate::view::{Lens, Mark, Shown, View};
use crate::wire::{Item, Text, is_false};

/// How many items one answer holds at most.
const MAX_LIMIT: usize = 10_000;
/// How many items are serialised at once.
const PIECE: usize = 500;

pub(crate) async fn list(
    State(app): State<App>,
    view: View,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let question = Question::parse(query.as_deref(), |filter| view.lens(filter))?;
    let shown = view.ingresses();
    let tag = question.tag(shown.position());
    if tag.is_known(&headers) {
        return Ok(respond::not_modified(&tag));
    }
    let pieces = question.answer(&shown, app.is_demo(), wall_now())?;
    Ok(respond::tagged_json(&tag, pieces.into_body()?))
}

/// What a list was asked for.
#[derive(Debug)]
struct Question {
    lens: Lens,
    order: Order,
    limit: Option<usize>,
    cursor: Option<Cursor>,
}

impl Question {
    fn parse(query: Option<&str>, lens: impl FnOnce(Filter) -> Lens) -> Result<Self, Problem> {
        let mut params = Params::parse(query)?;
        let filter = Filter::take(&mut params)?;
        let order = Order::parse(params.one("sort")?.as_deref())?;
        let limit = params.one("limit")?.as_deref().map(limit).transpose()?;
        let cursor = params.one("cursor")?;
        params.finish()?;
        let cursor = cursor.map(|text| Cursor::parse(&text, fingerprint(&(&filter, order)))).transpose()?;
        Ok(Self { lens: lens(filter), order, limit, cursor })
    }

    fn tag(&self, position: Position) -> Tag {
        Tag::new(self.lens.mark(position), &(&self.lens, self.order, self.limit, &self.cursor))
    }

    fn answer(&self, shown: &Shown, demo: bool, timestamp: Timestamp) -> Result<Pieces, serde_json::Error> {
        let matching: Vec<_> =
            shown.select(&self.lens).map(|(key, ingress)| self.order.rank(key, ingress)).collect();
        let total = matching.len();
        let (page, more) = self.order.page(matching, self.cursor.as_ref().map(Cursor::rank), self.limit);
        let last = page.last().filter(|_| more);
        let cursor = last
            .map(|last| Cursor::after(&last.rank, fingerprint(&(self.lens.filter(), self.order))))
            .transpose()?;
        let tail = Tail {
            total,
            cursor,
            revision: Text(self.lens.mark(shown.position())),
            partial: partial(shown, &self.lens),
            timestamp: Text(timestamp),
            demo,
        };
        let tail = serde_json::to_vec(&tail)?;
        let items = page.iter().map(|item| (item.key.clone(), item.ingress.clone())).collect();
        Ok(Pieces::new(items, tail))
    }
}

fn limit(text: &str) -> Result<usize, Problem> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(limit) if all_digits && (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
        _ => Err(Problem::parameter("limit", format!("`limit` must be a number from 1 to {MAX_LIMIT}"))),
    }
}

/// Everything of the answer that comes after the items.
#[derive(Serialize)]
struct Tail<'a> {
    total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    revision: Text<Mark>,
    partial: Vec<Partial<'a>>,
    timestamp: Text<Timestamp>,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}

/// The answer's body, piece by piece.
struct Pieces {
    items: std::iter::Peekable<std::vec::IntoIter<(ObjectKey, Arc<Ingress>)>>,
    count: usize,
    begun: bool,
    /// The object that the items go into, without them; taken with the last piece.
    rest: Option<Vec<u8>>,
}

impl Pieces {
    fn new(items: Vec<(ObjectKey, Arc<Ingress>)>, rest: Vec<u8>) -> Self {
        Self { count: items.len(), items: items.into_iter().peekable(), begun: false, rest: Some(rest) }
    }

    fn into_body(mut self) -> Result<Body, serde_json::Error> {
        if self.count > PIECE {
            return Ok(Body::from_stream(stream::iter(self)));
        }
        Ok(Body::from(self.next().transpose()?.unwrap_or_default()))
    }
}

impl Iterator for Pieces {
    type Item = Result<Bytes, serde_json::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let mut bytes = Vec::new();
        if !self.begun {
            bytes.extend_from_slice(b"{\"items\":[");
        }
        for (key, ingress) in self.items.by_ref().take(PIECE) {
            if self.begun {
                bytes.push(b',');
            }
            self.begun = true;
            let item = Item { key: &key, ingress: &ingress, demo: false };
            if let Err(error) = serde_json::to_writer(&mut bytes, &item) {
                return Some(Err(error));
            }
        }
        if self.items.peek().is_some() {
            self.rest = Some(rest);
        } else {
            bytes.extend_from_slice(b"],");
            bytes.extend_from_slice(rest.strip_prefix(b"{").unwrap_or(&rest));
        }
        Some(Ok(bytes.into()))
    }
}

#[cfg(test)]
mod tests;
