//! State kept in a directory.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use ingress_core::keep::Keep;
use tokio::task::spawn_blocking;

use super::folder::{Folder, Found};
use super::trouble::Trouble;

/// Keeps each state in a file of its own, `NAME.state`, in one directory.
///
/// A file is written beside the last one and renamed into place, so that it is there whole or not at all, whoever is killed and
/// whenever; it is readable by its owner alone. What can't be read as a state is set aside as `NAME.damaged`, of which only the newest
/// is kept, with a warning. A directory that isn't there is made; when it can't be made or written, that is told once, and again when
/// it changes.
///
/// Several processes may keep their state in one directory: whoever saves last is read next. Files are read and written on threads
/// that may wait. A save costs a copy of the state, and what the disk takes to make it durable.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ingress_cache::FileKeep;
/// use ingress_core::{DemoSource, Hub};
///
/// # let directory = tempfile::tempdir()?;
/// let hub = Hub::builder(DemoSource::builder().build()?).keep(FileKeep::new(directory.path())).start();
/// # hub.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct FileKeep {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: Folder,
    trouble: Trouble<ErrorKind>,
    turns: AtomicU64,
    /// The turn of the last state that was put in place, of each name: a save that was begun earlier and takes longer must not
    /// replace one that was begun later.
    put: Mutex<HashMap<String, u64>>,
}

impl FileKeep {
    /// Keeps states in this directory. Nothing is read or written yet.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let folder = Folder::new(directory.into());
        let (trouble, turns, put) = Default::default();
        Self { inner: Arc::new(Inner { folder, trouble, turns, put }) }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.inner.folder.path()
    }
}

impl Inner {
    fn load(&self, name: &str) -> Option<Bytes> {
        match self.folder.load(name) {
            Ok(Found::State(state)) => Some(state),
            Ok(Found::Nothing) => None,
            Ok(Found::Damaged(problem, file)) => {
                let file = file.display();
                tracing::warn!(name, %problem, %file, "what was kept of the last run is damaged; beginning without it");
                None
            }
            Err(error) => {
                if self.trouble.began(name, error.kind()) {
                    let directory = self.folder.path().display();
                    tracing::warn!(%directory, %error, "what was kept of the last run can't be read; beginning without it");
                }
                None
            }
        }
    }

    fn save(&self, name: &str, turn: u64, state: Bytes) {
        match self.folder.write(name, state).and_then(|draft| {
            let mut put = self.put.lock().unwrap_or_else(PoisonError::into_inner);
            let last = put.entry(name.to_owned()).or_default();
            if *last > turn {
                return Ok(());
            }
            *last = turn;
            draft.put()
        }) {
            Ok(()) => {
                if self.trouble.ended(name) {
                    tracing::info!(directory = %self.folder.path().display(), "the state is kept again");
                }
            }
            Err(error) => {
                if self.trouble.began(name, error.kind()) {
                    let directory = self.folder.path().display();
                    tracing::warn!(%directory, %error, "the state can't be kept; the next start may begin without it");
                }
            }
        }
    }
}

#[async_trait]
impl Keep for FileKeep {
    async fn load(&self, name: &str) -> Option<Bytes> {
        let (inner, name) = (self.inner.clone(), name.to_owned());
        spawn_blocking(move || inner.load(&name)).await.ok().flatten()
    }

    async fn save(&self, name: &str, state: Bytes) {
        let turn = self.inner.turns.fetch_add(1, Ordering::Relaxed) + 1;
        let (inner, name) = (self.inner.clone(), name.to_owned());
        // Whoever no longer waits leaves the last state or this one; an error here is the runtime's end.
        drop(spawn_blocking(move || inner.save(&name, turn, state)).await);
    }
}

#[cfg(test)]
mod tests;
