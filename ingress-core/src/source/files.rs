//! Manifests as a cluster: what would be there if all of them were applied, kept current as they are edited.
//!
//! There is no task behind it. Whoever watches looks once a second at when the files were written and how large they are, all
//! watches of one source together, and reads those that differ; 10,000 files cost some 20 ms a look. That misses what a
//! file system's own notifications would tell at once, and works on every file system, network mounts and
//! mounted volumes of pods included.
//!
//! A file that is broken does not make its objects vanish: of what can't be read, that which was known stays, and
//! [`FilesSource::problems`] says so. The same holds for a folder that can't be looked at. Watches fail, and what they told of turns
//! stale, while a path that was named is not there.
//!
//! Kinds that only a running cluster has fail with [`ErrorKind::Configuration`]: that there is no pod in a folder says nothing. So do
//! kinds that usually come from elsewhere, such as namespaces, while no file has any; the module [`inventory`](crate::inventory) knows
//! which.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ingress_core::{FilesSource, Hub};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("cart.yaml");
//! # std::fs::write(&path, "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: cart}\n")?;
//! let hub = Hub::builder(FilesSource::new([path])).start();
//! hub.synced().await;
//! assert_eq!(hub.ingresses().snapshot().len(), 1);
//! # Ok(()) }
//! ```

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::{ErrorKind, SourceError};
use crate::key::{ClusterId, ObjectKey};
use crate::kind::Kind;
use crate::manifest::{Options, Problem};
use crate::source::{Cluster, ClusterInfo, Origin, ResourceSource, WatchRequest, WatchStream};

mod reading;
#[cfg(test)]
mod tests;
mod watch;

use reading::Reading;
use watch::Watch;

/// How often files are looked at.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// Manifests as a cluster; see the [module](self). Clones are of the same one.
#[derive(Debug, Clone)]
pub struct FilesSource {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    cluster: ClusterId,
    paths: Vec<PathBuf>,
    options: Options,
    /// Told from other processes' and earlier ones: a revision of theirs is not one of these.
    epoch: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Instant>,
    reading: Arc<Reading>,
}

impl FilesSource {
    /// The files and folders of these paths; `-` is standard input, which is read once. Nothing is read yet.
    pub fn new(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        Self::with(paths, ClusterId::sanitized("files"), Options::default())
    }

    fn with(paths: Vec<PathBuf>, cluster: ClusterId, options: Options) -> Self {
        let state = Mutex::default();
        Self { inner: Arc::new(Inner { cluster, paths, options, epoch: rand::random(), state }) }
    }

    /// The same under this name of a cluster; `files` unless told otherwise.
    #[must_use]
    pub fn named(self, cluster: ClusterId) -> Self {
        Self::with(self.inner.paths.clone(), cluster, self.inner.options.clone())
    }

    /// The same with other ways to read.
    #[must_use]
    pub fn options(self, options: Options) -> Self {
        Self::with(self.inner.paths.clone(), self.inner.cluster.clone(), options)
    }

    /// What of the files can't be read, or would be refused by an API server, as of now.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the look.
    pub async fn problems(&self) -> Vec<Problem> {
        self.inner.look().await.problems.clone()
    }
}

impl Inner {
    /// What the files say. Looks at them unless somebody just did.
    async fn look(&self) -> Arc<Reading> {
        let mut state = self.state.lock().await;
        if state.looked.is_some_and(|looked| looked.elapsed() < INTERVAL) {
            return state.reading.clone();
        }
        let (before, paths, options) = (state.reading.clone(), self.paths.clone(), self.options.clone());
        let read = tokio::task::spawn_blocking(move || Reading::after(&before, &paths, &options)).await;
        // A reading that was not finished changes nothing.
        if let Ok(Some(reading)) = read {
            let told: HashSet<_> = state.reading.problems.iter().collect();
            for problem in reading.problems.iter().filter(|problem| !told.contains(problem)) {
                tracing::warn!(cluster = %self.cluster.as_str(), %problem, "a manifest can't be used");
            }
            state.reading = Arc::new(reading);
        }
        state.looked = Some(Instant::now());
        state.reading.clone()
    }
}

/// That a path can't be read.
fn unreachable(problem: &Problem) -> SourceError {
    SourceError::new(ErrorKind::Unreachable, problem.to_string())
}

#[async_trait]
impl<K: Kind> ResourceSource<K> for FilesSource {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        let watch = Watch::<K>::start(self.inner.clone(), request).await?;
        Ok(futures::stream::unfold(watch, async |mut watch| Some((watch.next().await?, watch))).boxed())
    }

    /// As the manifest has it. Of secrets, without what is secret.
    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        let reading = self.inner.look().await;
        let of = |document: &&Arc<crate::manifest::Document>| {
            crate::inventory::is_of::<K>(document)
                && document.namespace.as_deref() == key.namespace()
                && K::resource().name_of(&document.kind, &document.name) == key.name()
        };
        let found = reading.documents.values().filter(|_| *key.cluster() == self.inner.cluster).find(of);
        let Some(document) = found else {
            let message = format!("{} \"{}\" not found", K::resource().plural, key.name());
            return Err(SourceError::from_status(404, message, None));
        };
        let mut value = document.value.clone();
        if let (true, Some(secret)) = (K::resource().kind == "Secret", value.as_object_mut()) {
            secret.remove("data");
            secret.remove("stringData");
        }
        let unwritable = |error| SourceError::new(ErrorKind::Malformed, "a manifest").with_cause(error);
        serde_json::to_vec(&value).map(Bytes::from).map_err(unwritable)
    }
}

#[async_trait]
impl Cluster for FilesSource {
    fn info(&self) -> ClusterInfo {
        let mut info = ClusterInfo::new(self.inner.cluster.clone(), Origin::Files);
        let paths: Vec<_> = self.inner.paths.iter().map(|path| path.to_string_lossy()).collect();
        info.detail = paths.join(", ");
        info.default_namespace.clone_from(&self.inner.options.namespace);
        info
    }

    async fn probe(&self) -> Result<(), SourceError> {
        match &self.inner.look().await.missing {
            Some(problem) => Err(unreachable(problem)),
            None => Ok(()),
        }
    }
}
