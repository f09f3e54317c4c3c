//! What a viewer that fell behind has missed, told in short.
//!
//! Somebody who was away for a thousand changes of one object wants its last state, not a thousand. So all that is pending is folded:
//! of each object and each lane the last state, in the order of the last changes. A run is worked out for a lens, not for a viewer:
//! whoever missed the same is lent the same bytes, which are encoded part by part when the first one comes to them.
//!
//! # Where a client can go on
//!
//! Only the last event of a run carries an id. Before it, some objects are as they were at the run's end and others as at its
//! beginning, which is no position at all. A client that is cut off in the middle therefore goes on from the id it had before the
//! run, *from*, knowing of some objects what is newer. That takes no object back, since whoever resumes is first told of everything
//! that is pending, in one run: it begins at *from* and ends at or after the end of the one that was cut off, so that every object
//! that the client may know too much about is in it, and only with its last state.
//!
//! Such a client may have been shown what was not there at *from* and is gone now. To a viewer that was told of everything up to
//! *from* and of nothing since, an object that came and went means nothing; to one that resumes it is told as deleted
//! ([`Told::Perhaps`]). It may have been told, too, of something as added that is told as added again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ingress_core::{Batch, Change, Ingress, LaneId, LaneStatus, ObjectKey, Position};

use super::frames::{Form, Frames};
use crate::coding::Shared;
use crate::metrics::http_side::Written;
use crate::view::{Event, LaneSight, Lens};
use crate::wire::BreakerOf;

/// How much one part weighs: some 64 KiB as events.
const PART: usize = 40 * 1024;

/// What is counted for each event, beside its record.
const EVENT: usize = 256;

/// What a viewer was told of the changes that a run folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Told {
    /// Nothing.
    Nothing,
    /// Some of them, perhaps, on an earlier connection; and on this one the lanes as they were after the change with this ordinal.
    Perhaps { lanes_at: u64 },
}

/// Which changes a run folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// The last change that is not in it.
    pub(super) from: Position,
    /// The last one that is.
    pub(super) to: Position,
    pub(super) told: Told,
}

/// Changes, folded. Holds the records of what is shown and the bytes that more than one viewer needs.
#[derive(Debug)]
pub(super) struct Run {
    span: Span,
    /// The last change that is told: as good to go on from as the span's end, and, unlike that, nothing that moves by itself.
    last: Position,
    parts: Vec<Part>,
    weight: usize,
    skipped: u64,
}

#[derive(Debug)]
struct Part {
    entries: Vec<Entry>,
    /// By form.
    encoded: [Mutex<Option<(Shared, Written)>>; Form::COUNT],
}

#[derive(Debug)]
enum Entry {
    Added(ObjectKey, Arc<Ingress>),
    Modified(ObjectKey, Arc<Ingress>),
    Deleted(ObjectKey, Arc<Ingress>),
    Lane(Arc<LaneStatus>, LaneSight),
    LaneRemoved(LaneId),
}

/// What became of one object.
struct Fold<'a> {
    was_shown: bool,
    is_shown: bool,
    /// As it is shown, or was last.
    last: &'a Arc<Ingress>,
    ordinal: u64,
}

impl Run {
    /// Folds the changes of a span, each batch from an index on. One that weighs more than `bound` bytes comes out empty: see
    /// [`is_too_heavy`](Self::is_too_heavy).
    pub(super) fn fold(
        span: Span,
        batches: &[(Arc<Batch<Ingress>>, usize)],
        lens: &Lens,
        bound: usize,
    ) -> Self {
        let mut objects: HashMap<&ObjectKey, Fold<'_>> = HashMap::new();
        let mut lanes: HashMap<&LaneId, (u64, &Change<Ingress>)> = HashMap::new();
        let mut seen = 0_u64;
        let changes =
            batches.iter().flat_map(|(batch, from)| (batch.first_ordinal..).zip(&batch.changes).skip(*from));
        for (ordinal, change) in changes {
            let Some(event) = lens.project(change) else { continue };
            seen += 1;
            match change {
                Change::Lane(status) => {
                    lanes.insert(&status.id, (ordinal, change));
                }
                Change::LaneRemoved(lane) => {
                    lanes.insert(lane, (ordinal, change));
                }
                Change::Added(key, object) | Change::Deleted(key, object) => {
                    follow(&mut objects, key, &event, object, ordinal);
                }
                Change::Modified { key, old, new } => {
                    let object = if matches!(event, Event::Deleted(..)) { old } else { new };
                    follow(&mut objects, key, &event, object, ordinal);
                }
                _ => {}
            }
        }
        let mut entries: Vec<(u64, Entry)> = Vec::new();
        for (key, fold) in objects {
            entries.extend(Entry::of_object(key, &fold, span.told).map(|entry| (fold.ordinal, entry)));
        }
        let mut known = 0;
        for (ordinal, change) in lanes.into_values() {
            if matches!(span.told, Told::Perhaps { lanes_at } if ordinal <= lanes_at)
                && matches!(change, Change::Lane(_))
            {
                known += 1;
                continue;
            }
            entries.extend(Entry::of_lane(change, lens).map(|entry| (ordinal, entry)));
        }
        entries.sort_unstable_by_key(|(ordinal, _)| *ordinal);
        let skipped = seen.saturating_sub(known + entries.len() as u64);
        let weight = entries.iter().map(|(_, entry)| entry.weight()).sum();
        let last = entries.last().and_then(|(ordinal, _)| position_of(*ordinal, batches)).unwrap_or(span.to);
        let parts = if weight > bound { Vec::new() } else { in_parts(entries) };
        Self { span, last, parts, weight, skipped }
    }

    /// Whether it weighs more than a viewer may have waiting: to tell everything anew is better.
    pub(super) fn is_too_heavy(&self, bound: usize) -> bool {
        self.weight > bound
    }

    /// What it costs to hold, as long as nobody needs it.
    pub(super) fn cost(&self) -> usize {
        if self.parts.is_empty() { EVENT } else { self.weight * 2 }
    }

    pub(super) fn span(&self) -> Span {
        self.span
    }

    /// How many states it leaves out since a newer one follows.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Where whoever was told all of it goes on: for those who may see everything at its end, so that they needn't be told of that again.
    fn id(&self, lens: &Lens) -> Position {
        if lens.sees_all() { self.span.to } else { self.last }
    }

    /// One part as events; kept for the next one who asks, if there is to be one.
    pub(super) fn part(
        &self,
        at: usize,
        form: Form,
        lens: &Lens,
        breaker_of: &BreakerOf,
        keep: bool,
    ) -> Result<(Shared, Written), serde_json::Error> {
        let Some(part) = self.parts.get(at) else { return Ok(Default::default()) };
        let Some(encoded) = part.encoded.get(form as usize) else {
            return Ok(Default::default());
        };
        let mut encoded = encoded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoded) = &*encoded {
            return Ok(encoded.clone());
        }
        let mut frames = Frames::new(form);
        let is_last = at + 1 == self.parts.len();
        for (nth, entry) in (1..).zip(&part.entries) {
            let id = (is_last && nth == part.entries.len()).then(|| lens.mark(self.id(lens)));
            frames.change(&entry.event(), id, breaker_of)?;
        }
        let part = frames.into_shared();
        if keep {
            *encoded = Some(part.clone());
        }
        Ok(part)
    }
}

fn follow<'a>(
    objects: &mut HashMap<&'a ObjectKey, Fold<'a>>,
    key: &'a ObjectKey,
    event: &Event<'_>,
    last: &'a Arc<Ingress>,
    ordinal: u64,
) {
    let is_shown = !matches!(event, Event::Deleted(..));
    let was_shown = !matches!(event, Event::Added(..));
    let fold = objects.entry(key).or_insert(Fold { was_shown, is_shown, last, ordinal });
    (fold.is_shown, fold.last, fold.ordinal) = (is_shown, last, ordinal);
}

/// The position of a change with this ordinal.
fn position_of(ordinal: u64, batches: &[(Arc<Batch<Ingress>>, usize)]) -> Option<Position> {
    let holds = |batch: &Batch<Ingress>| (batch.first_ordinal..=batch.last_ordinal()).contains(&ordinal);
    let (batch, _) = batches.iter().find(|(batch, _)| holds(batch))?;
    Some(Position::new(batch.epoch, batch.first_seq + (ordinal - batch.first_ordinal)))
}

fn in_parts(entries: Vec<(u64, Entry)>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut weight = PART;
    for (_, entry) in entries {
        if weight >= PART {
            parts.push(Part { entries: Vec::new(), encoded: Default::default() });
            weight = 0;
        }
        weight += entry.weight();
        if let Some(part) = parts.last_mut() {
            part.entries.push(entry);
        }
    }
    parts
}

impl Entry {
    fn of_object(key: &ObjectKey, fold: &Fold<'_>, told: Told) -> Option<Self> {
        let (key, last) = (key.clone(), fold.last.clone());
        match (fold.was_shown, fold.is_shown) {
            (true, true) => Some(Self::Modified(key, last)),
            (false, true) => Some(Self::Added(key, last)),
            (true, false) => Some(Self::Deleted(key, last)),
            (false, false) => (told != Told::Nothing).then_some(Self::Deleted(key, last)),
        }
    }

    fn of_lane(change: &Change<Ingress>, lens: &Lens) -> Option<Self> {
        match change {
            Change::Lane(status) => Some(Self::Lane(status.clone(), lens.lane(&status.id))),
            Change::LaneRemoved(lane) => Some(Self::LaneRemoved(lane.clone())),
            _ => None,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Added(_, object) | Self::Modified(_, object) => EVENT + object.packed_len(),
            Self::Deleted(..) | Self::LaneRemoved(_) => EVENT,
            Self::Lane(..) => 2 * EVENT,
        }
    }

    fn event(&self) -> Event<'_> {
        match self {
            Self::Added(key, object) => Event::Added(key, object),
            Self::Modified(key, object) => Event::Modified(key, object),
            Self::Deleted(key, object) => Event::Deleted(key, object),
            Self::Lane(status, sight) => Event::Lane(status, *sight),
            Self::LaneRemoved(lane) => Event::LaneRemoved(lane),
        }
    }
}
