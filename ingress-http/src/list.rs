//! `GET /api/ingresses`.
//!
//! One snapshot answers the whole request. Only what is on the page is serialised, and a long page in pieces while the
//! client reads, so that ten thousand items cost a slow client's connection one piece of memory, not all of them.
//!
//! Who asks for everything, in the order that it is kept in, is lent the segments that the stream's snapshots are made of: of a thousand
//! who ask at one revision, one pays for serialising and compressing it.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::HeaderMap;
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::{Ingress, ObjectKey};
use serde::Serialize;

use crate::app::App;
use crate::coding::{Chunk, Coder, Coding};
use crate::conditional::Tag;
use crate::cursor::{Cursor, fingerprint};
use crate::filter::Filter;
use crate::order::Order;
use crate::params::Params;
use crate::partial::{Partial, partial};
use crate::problem::Problem;
use crate::respond;
use crate::stream::Segments;
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
    let revision = shown.since(&question.lens);
    let tag = question.tag(revision, &shown);
    if tag.is_known(&headers) {
        return Ok(respond::varies(respond::not_modified(&tag)));
    }
    let coding = Coding::negotiate(&headers)?;
    let stamp = Stamp { revision, timestamp: wall_now(), demo: app.is_demo() };
    let pieces = if question.is_for_everything(&shown) {
        let feed = app.feed_of_list(&view, question.lens.clone());
        question.answer_everything(&shown, shown.segments(&feed), stamp)?
    } else {
        question.answer(&shown, stamp)?
    };
    Ok(respond::coded(respond::tagged_json(&tag, pieces.into_body(coding)?), coding))
}

/// What an answer says of itself.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    revision: Mark,
    timestamp: Timestamp,
    demo: bool,
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

    /// Replicas that share their positions give the same tag to the same answer. Between two positions that all of them share, each has some
    /// of its own, for what it says of its lanes; so those are in the tag, too.
    fn tag(&self, revision: Mark, shown: &Shown) -> Tag {
        let lanes = shown.lanes(&self.lens).map(|(status, _)| {
            let times =
                [Some(status.since), status.stale_since].map(|time| time.map(Timestamp::as_nanosecond));
            (&status.id, status.state.as_str(), times, status.failures)
        });
        let lanes: Vec<_> = lanes.collect();
        Tag::new(revision, &(&self.lens, self.order, self.limit, &self.cursor, lanes))
    }

    /// Whether it asks for all that is shown, as the store has it: keys sort by cluster first.
    fn is_for_everything(&self, shown: &Shown) -> bool {
        let whole = self.limit.is_none() && self.cursor.is_none();
        whole && self.order.is_of_keys() && shown.clusters().len() <= 1
    }

    fn answer_everything(
        &self,
        shown: &Shown,
        segments: Arc<Segments>,
        stamp: Stamp,
    ) -> Result<Pieces, serde_json::Error> {
        let total = segments.iter().map(|segment| segment.len()).sum();
        let tail = self.tail(shown, total, None, stamp)?;
        Ok(Pieces::new(Items::Lent { segments, next: 0 }, tail))
    }

    fn answer(&self, shown: &Shown, stamp: Stamp) -> Result<Pieces, serde_json::Error> {
        let matching: Vec<_> =
            shown.select(&self.lens).map(|(key, ingress)| self.order.rank(key, ingress)).collect();
        let total = matching.len();
        let (page, more) = self.order.page(matching, self.cursor.as_ref().map(Cursor::rank), self.limit);
        let last = page.last().filter(|_| more);
        let cursor = last
            .map(|last| Cursor::after(&last.rank, fingerprint(&(self.lens.filter(), self.order))))
            .transpose()?;
        let tail = self.tail(shown, total, cursor, stamp)?;
        let items: Vec<_> = page.iter().map(|item| (item.key.clone(), item.ingress.clone())).collect();
        Ok(Pieces::new(Items::Own(items.into_iter().peekable()), tail))
    }

    /// The object that the items go into, without them.
    fn tail(
        &self,
        shown: &Shown,
        total: usize,
        cursor: Option<String>,
        stamp: Stamp,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let tail = Tail {
            total,
            cursor,
            revision: Text(stamp.revision),
            partial: partial(shown, &self.lens),
            timestamp: Text(stamp.timestamp),
            demo: stamp.demo,
        };
        serde_json::to_vec(&tail)
    }
}

pub(crate) fn limit(text: &str) -> Result<usize, Problem> {
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

/// The items of the answer.
enum Items {
    /// Written for it.
    Own(std::iter::Peekable<std::vec::IntoIter<(ObjectKey, Arc<Ingress>)>>),
    /// Lent to it.
    Lent { segments: Arc<Segments>, next: usize },
}

impl Items {
    /// Whether all of them are one piece.
    fn are_few(&self) -> bool {
        match self {
            Self::Own(items) => items.len() <= PIECE,
            Self::Lent { segments, .. } => segments.len() <= 1,
        }
    }

    fn has_more(&mut self) -> bool {
        match self {
            Self::Own(items) => items.peek().is_some(),
            Self::Lent { segments, next } => *next < segments.len(),
        }
    }

    /// The next ones, separated by commas; empty only when there are none.
    fn piece(&mut self) -> Result<Chunk, serde_json::Error> {
        match self {
            Self::Own(items) => {
                let mut bytes = Vec::new();
                for (key, ingress) in items.take(PIECE) {
                    if !bytes.is_empty() {
                        bytes.push(b',');
                    }
                    serde_json::to_writer(&mut bytes, &Item { key: &key, ingress: &ingress, demo: false })?;
                }
                Ok(Chunk::Own(bytes))
            }
            Self::Lent { segments, next } => {
                let segment = segments.get(*next);
                *next += 1;
                Ok(segment
                    .map(|segment| segment.bytes(true))
                    .transpose()?
                    .map_or(Chunk::Own(Vec::new()), Chunk::Lent))
            }
        }
    }
}

/// The answer's body, piece by piece.
struct Pieces {
    items: Items,
    begun: bool,
    /// The object that the items go into, without them; taken with the last piece.
    rest: Option<Vec<u8>>,
}

impl Pieces {
    fn new(items: Items, rest: Vec<u8>) -> Self {
        Self { items, begun: false, rest: Some(rest) }
    }

    fn into_body(mut self, coding: Coding) -> Result<Body, serde_json::Error> {
        let mut coder = Coder::new(coding);
        if self.items.are_few() {
            let chunks = self.next().transpose()?.unwrap_or_default();
            let parts: Vec<Bytes> = chunks.into_iter().map(|chunk| coder.code(chunk)).collect();
            return Ok(Body::from([parts.concat(), coder.finish().to_vec()].concat()));
        }
        let coded = Coded { pieces: self, waiting: VecDeque::new(), coder: Some(coder) };
        Ok(Body::from_stream(stream::iter(coded)))
    }
}

/// The same, coded one chunk after the other, as the client reads.
struct Coded {
    pieces: Pieces,
    waiting: VecDeque<Chunk>,
    /// `None` once the body is complete.
    coder: Option<Coder>,
}

impl Iterator for Coded {
    type Item = Result<Bytes, serde_json::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let coder = self.coder.as_mut()?;
        if self.waiting.is_empty() {
            match self.pieces.next().transpose() {
                Ok(chunks) => self.waiting.extend(chunks.unwrap_or_default()),
                Err(error) => {
                    self.coder = None;
                    return Some(Err(error));
                }
            }
        }
        if let Some(chunk) = self.waiting.pop_front() {
            return Some(Ok(coder.code(chunk)));
        }
        let end = coder.finish();
        self.coder = None;
        (!end.is_empty()).then_some(Ok(end))
    }
}

impl Iterator for Pieces {
    /// None of them empty.
    type Item = Result<Vec<Chunk>, serde_json::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let before: &[u8] = if std::mem::replace(&mut self.begun, true) { b"," } else { b"{\"items\":[" };
        let piece = match self.items.piece() {
            Ok(piece) => piece,
            Err(error) => return Some(Err(error)),
        };
        let after = if self.items.has_more() {
            self.rest = Some(rest);
            Vec::new()
        } else {
            [b"],", rest.strip_prefix(b"{").unwrap_or(&rest)].concat()
        };
        let chunks = match piece {
            Chunk::Own(items) => vec![Chunk::Own([before, &items, &after].concat())],
            lent => vec![Chunk::Own(before.to_vec()), lent, Chunk::Own(after)],
        };
        Some(Ok(chunks.into_iter().filter(|chunk| chunk.len() > 0).collect()))
    }
}

#[cfg(test)]
mod tests;
