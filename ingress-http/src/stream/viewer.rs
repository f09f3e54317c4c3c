//! What comes next for one client: lanes, the snapshot in chunks, then changes.
//!
//! A state machine without a clock and without waiting: [`Viewer::advance`] writes the next piece if there is one. It
//! holds no more than a snapshot (pointers that share the store's memory, and the feed's bytes), or one batch that the store's
//! ring holds anyway.

use std::sync::Arc;

use ingress_core::{Batch, Change, Deltas, Ingress, LaneId, Position, ResumeError, Snapshot, Store, Update};

use super::feed::Feed;
use super::frames::Frames;
use super::segments::Segments;
use crate::metrics::http_side::{EventType, Reset, Written};
use crate::view::Mark;
use crate::wire::Lane;

/// Where a client wants to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With everything.
    Fresh,
    /// With what came after this.
    Resume(Position),
    /// With what came after something that can't be read.
    Unresumable,
}

pub(super) struct Viewer {
    feed: Arc<Feed>,
    deltas: Deltas<Ingress>,
    step: Step,
    /// The last change that was looked at, shown or not.
    seen: Position,
    /// The last id that the client was given.
    told: Position,
    /// Set while changes are replayed that are older than the lanes which the client was told of.
    replaying: Option<Snapshot<Ingress>>,
}

enum Step {
    /// Tell of the lanes, after a reset if there is a reason for one.
    Begin { snapshot: Snapshot<Ingress>, reset: Option<Reset> },
    /// The same for a client that has the state already.
    Resume { snapshot: Snapshot<Ingress> },
    /// Send the rest of the snapshot.
    Snapshot { mark: Mark, segments: Arc<Segments>, next: usize },
    /// Send the rest of a batch.
    Changes { batch: Arc<Batch<Ingress>>, next: usize },
    /// Everything was sent.
    Follow,
}

impl Viewer {
    pub(super) fn new(store: &Store<Ingress>, feed: Arc<Feed>, start: Start) -> Self {
        let resumed = match start {
            Start::Fresh => Err(None),
            Start::Unresumable => Err(Some(Reset::ResumeExpired)),
            Start::Resume(position) => match store.resume(position) {
                Ok(resumed) => Ok((position, resumed)),
                Err(ResumeError::EpochChanged) => Err(Some(Reset::EpochChanged)),
                Err(_) => Err(Some(Reset::ResumeExpired)),
            },
        };
        match resumed {
            Ok((position, (snapshot, deltas))) => Self {
                feed,
                deltas,
                seen: position,
                told: position,
                replaying: Some(snapshot.clone()),
                step: Step::Resume { snapshot },
            },
            Err(reset) => {
                let (snapshot, deltas) = store.subscribe();
                let position = snapshot.position();
                let step = Step::Begin { snapshot, reset };
                Self { feed, deltas, seen: position, told: position, replaying: None, step }
            }
        }
    }

    /// Whether the client goes on from where it was. Asked before anything is written.
    pub(super) fn is_resumed(&self) -> bool {
        self.replaying.is_some()
    }

    /// A resume point that is newer than the client's, if there is one that it may know of: what it must not see, it must not count.
    pub(super) fn untold(&mut self) -> Option<Mark> {
        self.feed.tidy();
        (self.told != self.seen && self.feed.lens.sees_all()).then(|| {
            self.told = self.seen;
            self.feed.lens.mark(self.seen)
        })
    }

    /// Waits for the next change, without taking more than one batch; `false` when there will be none.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is taken until the future is ready.
    pub(super) async fn wait(&mut self) -> bool {
        let update = self.deltas.next().await;
        update.is_some_and(|update| {
            self.receive(update);
            true
        })
    }

    /// Writes the next piece, or skips what is not shown; `false` when there is nothing to do but wait.
    pub(super) fn advance(&mut self, frames: &mut Frames) -> Result<bool, serde_json::Error> {
        match std::mem::replace(&mut self.step, Step::Follow) {
            Step::Begin { snapshot, reset } => {
                if let Some(reason) = reset {
                    frames.reset(reason)?;
                }
                self.write_lanes(&snapshot, frames)?;
                let segments = self.feed.segments(&snapshot);
                self.step = Step::Snapshot { mark: self.feed.since(&snapshot), segments, next: 0 };
            }
            Step::Resume { snapshot } => {
                self.write_lanes(&snapshot, frames)?;
                // There may be nothing more for long; the client need not guess whether the lanes are complete.
                frames.comment("resumed");
            }
            Step::Snapshot { mark, segments, next } => {
                self.write_segment(mark, &segments, next, frames)?;
            }
            Step::Changes { batch, next } => self.write_changes(batch, next, frames)?,
            Step::Follow => match self.deltas.try_next() {
                None => return Ok(false),
                Some(update) => self.receive(update),
            },
        }
        Ok(true)
    }

    fn receive(&mut self, update: Update<Ingress>) {
        match update {
            Update::Changes(batch) => self.step = Step::Changes { batch, next: 0 },
            Update::Reset(snapshot) => {
                self.seen = snapshot.position();
                self.told = self.seen;
                self.replaying = None;
                self.step = Step::Begin { snapshot, reset: Some(Reset::Lagged) };
            }
            // A kind of update that this version does not know carries nothing that it could show.
            _ => {}
        }
    }

    fn write_lanes(
        &self,
        snapshot: &Snapshot<Ingress>,
        frames: &mut Frames,
    ) -> Result<(), serde_json::Error> {
        for (status, sight) in self.feed.lens.lanes(snapshot) {
            let breaker = (self.feed.breaker_of())(&status.id.cluster);
            frames.event(EventType::Lane, None, &Lane::new(status, sight, breaker))?;
        }
        Ok(())
    }

    /// One segment of the snapshot, in an event of its own; the last one, also of none, has the id.
    fn write_segment(
        &mut self,
        mark: Mark,
        segments: &Arc<Segments>,
        next: usize,
        frames: &mut Frames,
    ) -> Result<(), serde_json::Error> {
        let done = next + 1 >= segments.len();
        frames.begin(EventType::Snapshot);
        if done {
            frames.text(&format!("id: {mark}\n"));
        }
        // Around bytes that are shared, so put together by hand; a mark has nothing that JSON would escape.
        frames.text(&format!("data: {{\"revision\":\"{mark}\",\"items\":["));
        if let Some(segment) = segments.get(next) {
            // A snapshot of ten thousand objects is several megabytes; nobody holds them for a single viewer.
            let has_company = Arc::strong_count(&self.feed) > 1;
            frames.lend(segment.bytes(has_company)?, &Written::default());
        }
        let demo = if self.feed.is_demo() { ",\"demo\":true" } else { "" };
        frames.text(&format!("],\"done\":{done}{demo}}}\n\n"));
        if !done {
            self.step = Step::Snapshot { mark, segments: segments.clone(), next: next + 1 };
        }
        Ok(())
    }

    fn write_changes(
        &mut self,
        batch: Arc<Batch<Ingress>>,
        next: usize,
        frames: &mut Frames,
    ) -> Result<(), serde_json::Error> {
        let next = if self.is_replaying() {
            self.replay(&batch, next, frames)?
        } else {
            let piece = self.feed.piece(&batch, next)?;
            frames.lend(piece.bytes, &piece.written);
            self.seen = piece.seen;
            self.told = piece.told.unwrap_or(self.told);
            piece.next
        };
        if next < batch.changes.len() {
            self.step = Step::Changes { batch, next };
        }
        Ok(())
    }

    /// Whether there are changes to come that are older than the lanes which the client was told of. Those lanes are of the end
    /// of a batch, so no batch is half of the one and half of the other.
    fn is_replaying(&mut self) -> bool {
        self.replaying.take_if(|now| self.seen.seq >= now.position().seq);
        self.replaying.is_some()
    }

    /// Changes for this client alone, since it knows some of them already.
    fn replay(
        &mut self,
        batch: &Batch<Ingress>,
        next: usize,
        frames: &mut Frames,
    ) -> Result<usize, serde_json::Error> {
        for (at, change) in (next..).zip(batch.changes.get(next..).unwrap_or_default()) {
            if frames.is_full() {
                return Ok(at);
            }
            self.write_change(Position::new(batch.epoch, batch.first_seq + at as u64), change, frames)?;
        }
        Ok(batch.changes.len())
    }

    fn write_change(
        &mut self,
        position: Position,
        change: &Change<Ingress>,
        frames: &mut Frames,
    ) -> Result<(), serde_json::Error> {
        self.seen = position;
        let knows_newer = |lane: &LaneId| self.replaying.as_ref().is_some_and(|now| now.lane(lane).is_some());
        match change {
            Change::Lane(status) if knows_newer(&status.id) => return Ok(()),
            Change::LaneRemoved(lane) if knows_newer(lane) => return Ok(()),
            _ => {}
        }
        if let Some(event) = self.feed.lens.project(change) {
            frames.change(&event, Some(self.feed.lens.mark(position)), self.feed.breaker_of())?;
            self.told = position;
        }
        Ok(())
    }
}
