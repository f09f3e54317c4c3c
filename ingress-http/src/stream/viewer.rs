//! What comes next for one client: lanes, the snapshot in chunks, then changes.
//!
//! A state machine without a clock and without waiting: [`Viewer::advance`] writes the next piece if there is one. It
//! holds no more than a snapshot (two pointers that share the store's memory), or one batch that the store's ring holds
//! anyway.

use std::sync::Arc;

use ingress_core::{
    Batch, Change, ClusterId, Deltas, Ingress, LaneId, ObjectKey, Position, ResumeError, Snapshot, Store,
    Update,
};
use serde::Serialize;

use super::frames::Frames;
use super::project::project;
use crate::filter::Filter;
use crate::wire::{BreakerOf, Item, Lane, Text, is_false};

/// How many items one `snapshot` event holds at most.
const CHUNK: usize = 500;

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

/// What a client sees, and how.
pub(super) struct Scene {
    pub(super) filter: Filter,
    pub(super) clusters: Vec<ClusterId>,
    pub(super) demo: bool,
    pub(super) breaker_of: BreakerOf,
}

pub(super) struct Viewer {
    scene: Scene,
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
    Begin { snapshot: Snapshot<Ingress>, reset: Option<&'static str> },
    /// The same for a client that has the state already.
    Resume { snapshot: Snapshot<Ingress> },
    /// Send the rest of the snapshot.
    Snapshot { snapshot: Snapshot<Ingress>, after: Option<ObjectKey> },
    /// Send the rest of a batch.
    Changes { batch: Arc<Batch<Ingress>>, next: usize },
    /// Everything was sent.
    Follow,
}

#[derive(Serialize)]
struct Chunk<'a> {
    revision: Text<Position>,
    items: Vec<Item<'a>>,
    done: bool,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}

impl Viewer {
    pub(super) fn new(store: &Store<Ingress>, scene: Scene, start: Start) -> Self {
        let resumed = match start {
            Start::Fresh => Err(None),
            Start::Unresumable => Err(Some("resume-expired")),
            Start::Resume(position) => match store.resume(position) {
                Ok(resumed) => Ok((position, resumed)),
                Err(ResumeError::EpochChanged) => Err(Some("epoch-changed")),
                Err(_) => Err(Some("resume-expired")),
            },
        };
        match resumed {
            Ok((position, (snapshot, deltas))) => Self {
                scene,
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
                Self { scene, deltas, seen: position, told: position, replaying: None, step }
            }
        }
    }

    /// A resume point that is newer than the client's, if there is one.
    pub(super) fn untold(&mut self) -> Option<Position> {
        (self.told != self.seen).then(|| {
            self.told = self.seen;
            self.seen
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
                self.step = Step::Snapshot { snapshot, after: None };
            }
            Step::Resume { snapshot } => {
                self.write_lanes(&snapshot, frames)?;
                // There may be nothing more for long; the client need not guess whether the lanes are complete.
                frames.comment("resumed");
            }
            Step::Snapshot { snapshot, after } => self.write_chunk(snapshot, after.as_ref(), frames)?,
            Step::Changes { batch, next } => self.write_changes(&batch, next, frames)?,
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
                self.step = Step::Begin { snapshot, reset: Some("lagged") };
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
        for status in snapshot.lanes().filter(|status| self.scene.filter.concerns_lane(&status.id)) {
            let breaker = (self.scene.breaker_of)(&status.id.cluster);
            frames.event("lane", None, &Lane::new(status, breaker))?;
        }
        Ok(())
    }

    fn write_chunk(
        &mut self,
        snapshot: Snapshot<Ingress>,
        after: Option<&ObjectKey>,
        frames: &mut Frames,
    ) -> Result<(), serde_json::Error> {
        let Scene { filter, clusters, demo, .. } = &self.scene;
        let mut rest = filter.select(&snapshot, clusters, after);
        let items: Vec<Item<'_>> =
            rest.by_ref().take(CHUNK).map(|(key, ingress)| Item { key, ingress, demo: false }).collect();
        let done = rest.next().is_none();
        drop(rest);
        let last = items.last().map(|item| item.key.clone());
        let position = snapshot.position();
        let chunk = Chunk { revision: Text(position), items, done, demo: *demo };
        frames.event("snapshot", done.then_some(position), &chunk)?;
        if !done {
            self.step = Step::Snapshot { snapshot, after: last };
        }
        Ok(())
    }

    fn write_changes(
        &mut self,
        batch: &Arc<Batch<Ingress>>,
        next: usize,
        frames: &mut Frames,
    ) -> Result<(), serde_json::Error> {
        for (at, change) in (next..).zip(batch.changes.get(next..).unwrap_or_default()) {
            self.write_change(Position::new(batch.epoch, batch.first_seq + at as u64), change, frames)?;
            if frames.is_full() {
                self.step = Step::Changes { batch: batch.clone(), next: at + 1 };
                break;
            }
        }
        Ok(())
    }

    fn write_change(
        &mut self,
        position: Position,
        change: &Change<Ingress>,
        frames: &mut Frames,
    ) -> Result<(), serde_json::Error> {
        self.seen = position;
        if self.replaying.as_ref().is_some_and(|now| position.seq > now.position().seq) {
            self.replaying = None;
        }
        let knows_newer = |lane: &LaneId| self.replaying.as_ref().is_some_and(|now| now.lane(lane).is_some());
        match change {
            Change::Lane(status) if knows_newer(&status.id) => return Ok(()),
            Change::LaneRemoved(lane) if knows_newer(lane) => return Ok(()),
            _ => {}
        }
        if let Some(event) = project(&self.scene.filter, change) {
            frames.change(&event, Some(position), &self.scene.breaker_of)?;
            self.told = position;
        }
        Ok(())
    }
}
