//! The simulated cluster as its watches share it: the world behind a lock, a clock, the faults.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::faults::{Effect, FaultTable};
use super::world::World;
use crate::error::SourceError;
use crate::key::{ClusterId, LaneScope};
use crate::kind::Resource;

/// How many changes are made while the lock is held. A world that nobody looked at for long is brought forward in steps,
/// so that other tasks get their turn.
const STRIDE: usize = 10_000;

#[derive(Debug)]
pub(super) struct Simulation {
    world: Mutex<World>,
    started: Instant,
    /// How old the world was when the clock started.
    age: Duration,
    faults: watch::Sender<FaultTable>,
    pub(super) cluster: ClusterId,
    pub(super) detail: String,
}

impl Simulation {
    pub(super) fn new(world: World, age: Duration, cluster: ClusterId, detail: String) -> Self {
        Self {
            world: Mutex::new(world),
            started: Instant::now(),
            age,
            faults: watch::Sender::new(FaultTable::default()),
            cluster,
            detail,
        }
    }

    pub(super) fn faults(&self) -> &watch::Sender<FaultTable> {
        &self.faults
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A change that panicked half way can't be taken back; the simulation goes on with what there is.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The world as it is now.
    pub(super) async fn look<T>(&self, mut see: impl FnMut(&World) -> T) -> T {
        loop {
            {
                let mut world = self.lock();
                if world.advance(self.age.saturating_add(self.started.elapsed()), STRIDE) {
                    return see(&world);
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// When a point of virtual time is.
    pub(super) fn at(&self, due: Duration) -> Option<Instant> {
        self.started.checked_add(due.saturating_sub(self.age))
    }

    /// Has what stands behind the ingresses followed from now on.
    pub(super) async fn look_behind(&self) {
        // From the present on, so that no watch can ask for what was before.
        self.look(|_| ()).await;
        self.lock().look_behind();
    }

    pub(super) fn compact(&self) {
        self.lock().compact();
    }

    #[cfg(test)]
    pub(super) fn freeze(&self) {
        self.lock().freeze();
    }

    /// Lets a single call through, or doesn't.
    pub(super) async fn admit(&self, resource: &Resource, scope: &LaneScope) -> Result<(), SourceError> {
        let mut faults = self.faults.subscribe();
        loop {
            let effect = faults.borrow_and_update().effect(false, resource, scope);
            match effect {
                None => return Ok(()),
                Some(Effect::Fails(error)) => return Err(error),
                // The sender lives in `self`.
                Some(Effect::Waits) => drop(faults.changed().await),
            }
        }
    }
}
