//! Hears what changed in the shared cache, and drops it from memory.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;

use super::Marks;
use crate::announce::{Announcements, Invalidation};
use crate::memory::MemoryCache;

/// The task behind a [`Tiered`](super::Tiered).
pub(super) struct Listener {
    pub(super) memory: Arc<MemoryCache>,
    pub(super) marks: Arc<Marks>,
    pub(super) announcements: Announcements,
}

impl Listener {
    /// Listens until there is nobody left to announce anything.
    pub(super) async fn run(mut self) {
        loop {
            let listening = *self.announcements.listening.borrow_and_update();
            self.hears(listening);
            let heard = tokio::select! {
                // Who is no longer heard is no longer believed, before what came earlier is read.
                biased;
                changed = self.announcements.listening.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => Err(RecvError::Closed),
                },
                heard = self.announcements.changed.recv() => heard,
            };
            match heard {
                // Marked first: a copy that is made meanwhile is dropped here, or not kept.
                Ok(Invalidation::Key(path)) => {
                    self.marks.mark(&path);
                    self.memory.forget(&path).await;
                }
                Ok(Invalidation::Everything) | Err(RecvError::Lagged(_)) => self.forget_everything(),
                Err(RecvError::Closed) => return self.hears(false),
            }
        }
    }

    /// Takes note of whether announcements are heard. At each change everything is dropped: when they end, because of what will be missed,
    /// and when they begin, because of what was.
    fn hears(&self, listening: bool) {
        if self.marks.is_deaf() != listening {
            return;
        }
        if !listening {
            self.marks.listen(false);
        }
        self.forget_everything();
        if listening {
            self.marks.listen(true);
        }
    }

    fn forget_everything(&self) {
        self.marks.mark_all();
        self.memory.forget_everything();
    }
}
