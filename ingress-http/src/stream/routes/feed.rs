//! What differs between two states of routes, encoded once for all who look at it with the same filter and may read the same.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ingress_core::clock::wall_now;
use ingress_core::diagnose::{Assessed, Verdict};
use ingress_core::routes::{RouteChange, RouteSnapshot};
use serde::Serialize;
use tokio::time::Instant;

use crate::coding::Shared;
use crate::metrics::http_side::{EventType, Written};
use crate::routes::filter::Filter;
use crate::routes::wire::{Judged, RemovedRoute, Route, Standing};
use crate::stream::frames::{Form, Frames};
use crate::view::{Mark, Reads, ShownRoutes};

/// How many routes, or changes of them, are encoded at once: some 100 KiB as events.
const PART: usize = 100;
/// Of how many pairs of states a feed holds what differs.
const SPANS: usize = 8;
/// For how long it is held after somebody asked for it.
const KEPT: Duration = Duration::from_secs(10);

/// The feeds of a router. One lives as long as somebody looks at it.
#[derive(Debug, Default)]
pub(crate) struct RouteFeeds(Mutex<HashMap<(Filter, Reads), Weak<RouteFeed>>>);

impl RouteFeeds {
    /// The feed of a filter, for those who may read the same.
    pub(crate) fn of(&self, filter: Filter, reads: &Reads, demo: bool) -> Arc<RouteFeed> {
        let key = (filter, reads.clone());
        let mut feeds = locked(&self.0);
        if let Some(feed) = feeds.get(&key).and_then(Weak::upgrade) {
            return feed;
        }
        feeds.retain(|_, feed| feed.strong_count() > 0);
        let feed = Arc::new(RouteFeed::new(key.0.clone(), reads.clone(), demo));
        feeds.insert(key, Arc::downgrade(&feed));
        feed
    }
}

/// Everything that is the same for all viewers with one filter who may read the same.
#[derive(Debug)]
pub(crate) struct RouteFeed {
    filter: Filter,
    reads: Reads,
    pub(super) demo: bool,
    spans: Mutex<VecDeque<(Arc<Span>, Instant)>>,
    snapshot: Mutex<Option<(Arc<Span>, Instant)>>,
    standing: Mutex<Option<(Mark, Arc<[u8]>)>>,
}

/// What two states differ in, or all of one.
#[derive(Debug)]
pub(super) struct Span {
    /// `None` before everything.
    from: Option<Mark>,
    pub(super) to: Mark,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    entries: Vec<Entry>,
    encoded: Mutex<Option<(Shared, Written)>>,
}

#[derive(Debug)]
enum Entry {
    /// A route of the first state.
    There(Arc<Assessed>),
    Added(Arc<Assessed>),
    Modified(Arc<Assessed>),
    /// The same route, judged otherwise; with its verdict before.
    Judged(Arc<Assessed>, Verdict),
    Removed(Arc<Assessed>),
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RouteFeed {
    fn new(filter: Filter, reads: Reads, demo: bool) -> Self {
        let (spans, snapshot, standing) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { filter, reads, demo, spans, snapshot, standing }
    }

    pub(super) fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Whether it is for those who are shown these routes.
    pub(super) fn is_for(&self, shown: &ShownRoutes) -> bool {
        self.reads == *shown.reads()
    }

    fn shows(&self, assessed: &Assessed) -> bool {
        self.filter.matches_verdict(assessed.diagnosis.verdict) && self.filter.matches_rest(assessed)
    }

    /// All routes of a state.
    pub(super) fn everything(&self, shown: &ShownRoutes) -> Arc<Span> {
        let mut held = locked(&self.snapshot);
        if let Some((span, asked)) = held.as_mut().filter(|(span, _)| span.to == shown.mark()) {
            *asked = Instant::now();
            return span.clone();
        }
        let there = shown.iter().filter(|assessed| self.shows(assessed)).cloned().map(Entry::There);
        let span = Arc::new(Span { from: None, to: shown.mark(), parts: in_parts(there) });
        *held = Some((span.clone(), Instant::now()));
        span
    }

    /// What a state has otherwise than one before. Who was told the same last is lent the same.
    pub(super) fn since(&self, before: &RouteSnapshot, from: Mark, shown: &ShownRoutes) -> Arc<Span> {
        let mut spans = locked(&self.spans);
        let known = spans.iter().find(|(span, _)| span.from == Some(from) && span.to == shown.mark());
        if let Some((span, _)) = known {
            return span.clone();
        }
        let changes = shown.bare().since(before);
        let entries = changes.iter().filter_map(|change| self.entry(change));
        let span = Arc::new(Span { from: Some(from), to: shown.mark(), parts: in_parts(entries) });
        spans.push_back((span.clone(), Instant::now()));
        if spans.len() > SPANS {
            spans.pop_front();
        }
        span
    }

    /// What a change means to whoever looks through the filter. `None` when nothing that is shown changed.
    fn entry(&self, change: &RouteChange) -> Option<Entry> {
        let shown = |assessed: &Arc<Assessed>| Some(assessed.clone()).filter(|assessed| self.shows(assessed));
        let (old, new) = match change {
            RouteChange::Added(new) => (None, shown(new)),
            RouteChange::Modified { old, new } => (shown(old), shown(new)),
            RouteChange::Removed(old) => (shown(old), None),
            _ => (None, None),
        };
        match (old, new) {
            (None, Some(new)) => Some(Entry::Added(new)),
            (Some(old), None) => Some(Entry::Removed(old)),
            (Some(old), Some(new)) if old.route != new.route => Some(Entry::Modified(new)),
            // What is told of it may be the same, whatever its diagnosis says otherwise in words.
            (Some(old), Some(new)) if Judged::of(&old) == Judged::of(&new) => None,
            (Some(old), Some(new)) => Some(Entry::Judged(new, old.diagnosis.verdict)),
            (None, None) => None,
        }
    }

    /// How well all this is known, as JSON.
    pub(super) fn standing(&self, shown: &ShownRoutes) -> Result<Arc<[u8]>, serde_json::Error> {
        let mut held = locked(&self.standing);
        if let Some((_, standing)) = held.as_ref().filter(|(mark, _)| *mark == shown.mark()) {
            return Ok(standing.clone());
        }
        let gaps = shown.gaps(wall_now());
        let standing: Arc<[u8]> = serde_json::to_vec(&Standing::new(shown, &gaps))?.into();
        *held = Some((shown.mark(), standing.clone()));
        Ok(standing)
    }

    /// Lets go of what nobody asked for lately.
    pub(super) fn tidy(&self) {
        locked(&self.spans).retain(|(_, since)| since.elapsed() <= KEPT);
        locked(&self.snapshot).take_if(|(_, asked)| asked.elapsed() > KEPT);
    }
}

fn in_parts(entries: impl Iterator<Item = Entry>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for entry in entries {
        match parts.last_mut().filter(|part| part.entries.len() < PART) {
            Some(part) => part.entries.push(entry),
            None => parts.push(Part { entries: vec![entry], encoded: Mutex::default() }),
        }
    }
    parts
}

impl Span {
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// One part: of a state items of a JSON array, without its brackets, else events, of which the last has the id. Kept for the next one who asks, if
    /// there is to be one.
    pub(super) fn part(&self, at: usize, keep: bool) -> Result<(Shared, Written), serde_json::Error> {
        let Some(part) = self.parts.get(at) else { return Ok(Default::default()) };
        let mut encoded = locked(&part.encoded);
        if let Some(encoded) = &*encoded {
            return Ok(encoded.clone());
        }
        let mut frames = Frames::new(Form::Events);
        let is_last = at + 1 == self.parts.len();
        for (nth, entry) in (1..).zip(&part.entries) {
            let id = (is_last && nth == part.entries.len()).then_some(self.to);
            match entry {
                Entry::There(route) => {
                    frames.text(if nth == 1 { "" } else { "," });
                    frames.json(&Route::from(&**route))?;
                }
                Entry::Added(route) => frames.event(EventType::Added, id, &Route::from(&**route))?,
                Entry::Modified(route) => frames.event(EventType::Modified, id, &Route::from(&**route))?,
                Entry::Judged(route, was) => {
                    frames.event(
                        EventType::Verdict,
                        id,
                        &Told { judged: Judged::of(route), was: was.as_str() },
                    )?;
                }
                Entry::Removed(last) => frames.event(EventType::Removed, id, &RemovedRoute::from(&**last))?,
            }
        }
        let part = frames.into_shared();
        if keep {
            *encoded = Some(part.clone());
        }
        Ok(part)
    }
}

/// The data of a `verdict` event.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    judged: Judged<'a>,
    was: &'static str,
}
