//! How a shared cache tells those who keep copies that something changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, watch};

/// What is no longer as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalidation {
    /// The key with this [`path`](crate::cache::Key::path) was written or removed.
    Key(Arc<str>),
    /// Anything: what was announced meanwhile is lost, or the whole cache was emptied.
    Everything,
}

/// What a copy's keeper listens to.
#[derive(Debug)]
#[non_exhaustive]
pub struct Announcements {
    /// What changed, in the order in which it did. Falling behind it is as good as [`Invalidation::Everything`].
    pub changed: broadcast::Receiver<Invalidation>,
    /// Whether changes are heard at all. It is set to `true` after announcements have begun, and to `false` as soon as they may be missing.
    pub listening: watch::Receiver<bool>,
}

impl Announcements {
    /// What is heard through these.
    #[must_use]
    pub fn new(changed: broadcast::Receiver<Invalidation>, listening: watch::Receiver<bool>) -> Self {
        Self { changed, listening }
    }
}

/// A shared cache that tells what changed in it.
pub trait Announces: Send + Sync + 'static {
    /// Begins to listen. What is read from the cache after this call and changes later is announced.
    fn subscribe(&self) -> Announcements;

    /// How long announcements may be missing, at worst, before [`listening`](Announcements::listening) says so: a dead connection
    /// looks like a quiet one until a ping goes unanswered.
    fn unheard(&self) -> Duration;
}
