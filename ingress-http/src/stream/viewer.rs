//! What comes next for one client: lanes, the snapshot in chunks, then changes.
//!
//! A state machine without a clock and without waiting: [`Viewer::advance`] writes the next piece if there is one. A client that
//! keeps up is lent what the feed has encoded, batch by batch. One that is behind by more than [`LITTLE`] is told in short what it
//! missed, in a run; so is one that resumes, always: `run` says why.
//!
//! While nothing happens, a viewer holds its place in the store's ring and nothing else. While something is sent, it holds a snapshot's
//! segments, a batch of the ring, or a run, each of which it shares with the others of its feed.

use std::sync::Arc;

use ingress_core::{Batch, Deltas, Ingress, Position, ResumeError, Snapshot, Store, Update};

use super::events::{Follow, SHUTDOWN};
use super::feed::Feed;
use super::frames::Frames;
use super::run::{Run, Told};
use super::segments::Segments;
use crate::app::App;
use crate::metrics::http_side::{EventType, Reset, Written};
use crate::view::{Mark, View};
use crate::wire::Lane;

/// How many changes a viewer may be behind, beside the batch that it is sent, before they are folded. Few enough that nobody waits for
/// what is outdated; enough that a burst of small batches reaches ten thousand viewers as bytes that were encoded once.
pub(super) const LITTLE: u64 = 64;

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
    store: Store<Ingress>,
    deltas: Deltas<Ingress>,
    step: Step,
    /// The last change that was looked at, shown or not.
    seen: Position,
    /// The last id that the client was given.
    told: Position,
}

enum Step {
    /// Tell of the lanes, after a reset if there is a reason for one.
    Begin { snapshot: Snapshot<Ingress>, reset: Option<Reset> },
    /// The same for a client that has the state already.
    Resume { snapshot: Snapshot<Ingress> },
    /// Tell of the lanes, which the client can't know from elsewhere, and then what it missed.
    Lanes { snapshot: Snapshot<Ingress>, run: Option<Arc<Run>> },
    /// Send the rest of the snapshot.
    Snapshot { mark: Mark, segments: Arc<Segments>, next: usize },
    /// Send the rest of a batch.
    Changes { batch: Arc<Batch<Ingress>>, next: usize },
    /// Send the rest of what was missed.
    Run { run: Arc<Run>, next: usize },
    /// Everything was sent.
    Follow,
}

impl Follow for Viewer {
    fn advance(&mut self, frames: &mut Frames) -> Result<bool, serde_json::Error> {
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
                frames.resumed();
                self.catch_up(None, Told::Perhaps { lanes_at: snapshot.ordinal() });
            }
            Step::Lanes { snapshot, run } => {
                self.write_lanes(&snapshot, frames)?;
                if let Some(run) = run {
                    self.step = Step::Run { run, next: 0 };
                }
            }
            Step::Snapshot { mark, segments, next } => {
                self.write_segment(mark, &segments, next, frames)?;
            }
            Step::Changes { batch, next } => {
                if self.deltas.pending() > LITTLE {
                    self.catch_up(Some((batch, next)), Told::Nothing);
                } else {
                    self.write_changes(batch, next, frames)?;
                }
            }
            Step::Run { run, next } => self.write_part(run, next, frames)?,
            Step::Follow => match self.deltas.try_next() {
                None => return Ok(false),
                Some(update) => self.receive(update),
            },
        }
        Ok(true)
    }

    // Without taking more than one batch.
    async fn wait(&mut self) -> Result<(), &'static str> {
        let update = self.deltas.next().await.ok_or(SHUTDOWN)?;
        self.receive(update);
        Ok(())
    }

    // What it must not see, it must not count.
    fn untold(&mut self) -> Option<Mark> {
        self.feed.tidy();
        (self.told != self.seen && self.feed.lens.sees_all()).then(|| {
            self.told = self.seen;
            self.feed.lens.mark(self.seen)
        })
    }

    fn look_through(&mut self, view: &View, app: &App) {
        let lens = view.lens(self.feed.lens.filter().clone());
        // Somebody may be another in a way that changes nothing here.
        if lens != self.feed.lens {
            self.begin_anew(app.feed_of(view, lens));
        }
    }
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
        let (position, deltas, step) = match resumed {
            Ok((position, (snapshot, deltas))) => (position, deltas, Step::Resume { snapshot }),
            Err(reset) => {
                let (snapshot, deltas) = store.subscribe();
                (snapshot.position(), deltas, Step::Begin { snapshot, reset })
            }
        };
        Self { feed, store: store.clone(), deltas, step, seen: position, told: position }
    }

    /// Whether the client goes on from where it was. Asked before anything is written.
    pub(super) fn is_resumed(&self) -> bool {
        matches!(self.step, Step::Resume { .. })
    }

    /// Begins anew, through another lens. What of a snapshot or of changes was not written yet never will be.
    pub(super) fn begin_anew(&mut self, feed: Arc<Feed>) {
        self.feed = feed;
        self.start_over(Reset::AccessChanged);
    }

    fn receive(&mut self, update: Update<Ingress>) {
        match update {
            Update::Changes(batch) => self.step = Step::Changes { batch, next: 0 },
            Update::Reset(snapshot) => self.begin(snapshot, Reset::Lagged),
            Update::Lanes(snapshot) => self.step = Step::Lanes { snapshot, run: None },
            // A kind of update that this version does not know carries nothing that it could show.
            _ => {}
        }
    }

    fn begin(&mut self, snapshot: Snapshot<Ingress>, reason: Reset) {
        self.seen = snapshot.position();
        self.told = self.seen;
        self.step = Step::Begin { snapshot, reset: Some(reason) };
    }

    fn start_over(&mut self, reason: Reset) {
        let (snapshot, deltas) = self.store.subscribe();
        self.deltas = deltas;
        self.begin(snapshot, reason);
    }

    /// Takes everything that is pending, after the rest of a batch if there is one, to tell it in short.
    fn catch_up(&mut self, rest: Option<(Arc<Batch<Ingress>>, usize)>, told: Told) {
        let mut batches: Vec<_> = rest.into_iter().collect();
        let mut lanes = None;
        while let Some(update) = self.deltas.try_next() {
            match update {
                Update::Changes(batch) => batches.push((batch, 0)),
                Update::Reset(snapshot) => return self.begin(snapshot, Reset::Lagged),
                Update::Lanes(snapshot) => lanes = Some(snapshot),
                _ => {}
            }
        }
        let Some((last, _)) = batches.last() else {
            if let Some(snapshot) = lanes {
                self.step = Step::Lanes { snapshot, run: None };
            }
            return;
        };
        let to = Position::new(last.epoch, last.last_seq());
        let run = self.feed.run(self.seen, to, told, &batches);
        if self.feed.is_too_heavy(&run) {
            self.start_over(Reset::Lagged);
        } else {
            self.step = match lanes {
                Some(snapshot) => Step::Lanes { snapshot, run: Some(run) },
                None => Step::Run { run, next: 0 },
            };
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
        frames.begin(EventType::Snapshot, done.then_some(mark));
        // Around bytes that are shared, so put together by hand; a mark has nothing that JSON would escape.
        frames.text(&format!("{{\"revision\":\"{mark}\",\"items\":["));
        if let Some(segment) = segments.get(next) {
            // A snapshot of ten thousand objects is several megabytes; nobody holds them for a single viewer.
            frames.lend(segment.bytes(self.has_company())?, &Written::default());
        }
        let demo = if self.feed.is_demo() { ",\"demo\":true" } else { "" };
        frames.text(&format!("],\"done\":{done}{demo}}}"));
        frames.finish();
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
        let piece = self.feed.piece(&batch, next, frames.form(), self.has_company())?;
        frames.lend(piece.bytes, &piece.written);
        self.seen = piece.seen;
        self.told = piece.told.unwrap_or(self.told);
        if piece.next < batch.changes.len() {
            self.step = Step::Changes { batch, next: piece.next };
        }
        Ok(())
    }

    fn write_part(
        &mut self,
        run: Arc<Run>,
        next: usize,
        frames: &mut Frames,
    ) -> Result<(), serde_json::Error> {
        if next == 0 {
            frames.skipped(run.skipped());
        }
        if next < run.parts() {
            let (bytes, written) =
                run.part(next, frames.form(), &self.feed.lens, self.feed.breaker_of(), self.has_company())?;
            frames.lend(bytes, &written);
        }
        if next + 1 < run.parts() {
            self.step = Step::Run { run, next: next + 1 };
            return Ok(());
        }
        self.seen = run.span().to;
        if run.parts() > 0 {
            self.told = self.seen;
        }
        Ok(())
    }

    fn has_company(&self) -> bool {
        Arc::strong_count(&self.feed) > 1
    }
}
