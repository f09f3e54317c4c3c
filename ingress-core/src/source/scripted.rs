//! A source that a test plays by hand: every question waits until the test answers it.
//!
//! [`pair`] gives the source and its handle. The handle receives each watch as it is asked for, refuses or accepts it, and
//! then feeds it batches, an error, or its end. Nothing happens by itself, so a test reads as a script of what the
//! cluster did.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use futures::StreamExt;
//! use ingress_core::source::scripted;
//! use ingress_core::{Ingress, LaneScope, ResourceSource, WatchEvent, WatchRequest};
//!
//! let (source, mut handle) = scripted::pair::<Ingress>();
//! let (stream, feed) = tokio::join!(source.watch(WatchRequest::new(LaneScope::Cluster)), async {
//!     handle.next_watch().await.map(scripted::Watch::accept)
//! });
//! let (mut stream, feed) = (stream?, feed.ok_or("no watch")?);
//! feed.listed([], "7").await;
//! assert_eq!(stream.next().await.ok_or("ended")??, [WatchEvent::Synced(ingress_core::Revision::new("7"))]);
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};

use crate::access::{Attributes, Token, UserInfo};
use crate::error::{ErrorKind, SourceError};
use crate::key::{ObjectKey, Revision};
use crate::kind::{Ingress, Kind, NamespaceRecord};
use crate::source::{
    Cluster, ClusterInfo, ResourceSource, Tombstone, WatchEvent, WatchRequest, WatchStream, knows_nobody,
};

/// How many batches wait unread in one watch before [`Feed`]'s methods wait.
const BATCHES: usize = 64;
/// How many questions wait unanswered before the next one waits.
const QUESTIONS: usize = 1024;

type Batch<K> = Result<Vec<WatchEvent<K>>, SourceError>;

/// A source and the handle that plays it.
#[must_use]
pub fn pair<K: Kind>() -> (ScriptedSource<K>, Handle<K>) {
    let (watches, asked_watches) = mpsc::channel(QUESTIONS);
    let (gets, asked_gets) = mpsc::channel(QUESTIONS);
    (ScriptedSource { watches, gets }, Handle { watches: asked_watches, gets: asked_gets })
}

/// The source of a [`pair`].
#[derive(Debug)]
pub struct ScriptedSource<K> {
    watches: mpsc::Sender<Watch<K>>,
    gets: mpsc::Sender<Get>,
}

/// The handle of a [`pair`].
#[derive(Debug)]
pub struct Handle<K> {
    watches: mpsc::Receiver<Watch<K>>,
    gets: mpsc::Receiver<Get>,
}

/// A watch that was asked for and waits for an answer. Dropping it leaves the question failing as unreachable.
#[derive(Debug)]
pub struct Watch<K> {
    request: WatchRequest,
    answer: oneshot::Sender<Result<mpsc::Receiver<Batch<K>>, SourceError>>,
}

/// An object that was asked for and waits for an answer.
#[derive(Debug)]
pub struct Get {
    key: ObjectKey,
    answer: oneshot::Sender<Result<Bytes, SourceError>>,
}

/// An accepted watch. Dropping it ends the watch in order.
#[derive(Debug)]
pub struct Feed<K> {
    batches: mpsc::Sender<Batch<K>>,
}

impl<K: Kind> Handle<K> {
    /// The next watch that is asked for; `None` once the source is gone.
    ///
    /// # Cancel safety
    ///
    /// Safe: no question is lost.
    pub async fn next_watch(&mut self) -> Option<Watch<K>> {
        self.watches.recv().await
    }

    /// A watch that was asked for already, if there is one.
    pub fn try_next_watch(&mut self) -> Option<Watch<K>> {
        self.watches.try_recv().ok()
    }

    /// The next object that is asked for; `None` once the source is gone.
    ///
    /// # Cancel safety
    ///
    /// Safe: no question is lost.
    pub async fn next_get(&mut self) -> Option<Get> {
        self.gets.recv().await
    }
}

impl<K: Kind> Watch<K> {
    /// What is asked for.
    #[must_use]
    pub fn request(&self) -> &WatchRequest {
        &self.request
    }

    /// Accepts it.
    #[must_use]
    pub fn accept(self) -> Feed<K> {
        let (batches, receiver) = mpsc::channel(BATCHES);
        // Whoever asked may have given up meanwhile; the feed then leads nowhere, as with a real cluster.
        drop(self.answer.send(Ok(receiver)));
        Feed { batches }
    }

    /// Refuses it.
    pub fn refuse(self, error: SourceError) {
        drop(self.answer.send(Err(error)));
    }
}

impl Get {
    /// Which object is asked for.
    #[must_use]
    pub fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// Answers.
    pub fn answer(self, answer: Result<Bytes, SourceError>) {
        drop(self.answer.send(answer));
    }
}

impl<K: Kind> Feed<K> {
    /// Sends one batch. Whether anybody still reads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future sends nothing.
    pub async fn send(&self, batch: Vec<WatchEvent<K>>) -> bool {
        self.batches.send(Ok(batch)).await.is_ok()
    }

    /// Sends the current state and marks it complete. Whether anybody still reads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future sends nothing.
    pub async fn listed(&self, objects: impl IntoIterator<Item = K>, revision: &str) -> bool {
        let mut batch: Vec<_> = objects.into_iter().map(WatchEvent::Listed).collect();
        batch.push(WatchEvent::Synced(Revision::new(revision)));
        self.send(batch).await
    }

    /// Sends one change. Whether anybody still reads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future sends nothing.
    pub async fn applied(&self, object: K) -> bool {
        self.send(vec![WatchEvent::Applied(object)]).await
    }

    /// Sends one deletion. Whether anybody still reads.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future sends nothing.
    pub async fn deleted(&self, namespace: Option<&str>, name: &str, revision: &str) -> bool {
        let gone = Tombstone::new(namespace, name, Revision::new(revision));
        self.send(vec![WatchEvent::Deleted(gone)]).await
    }

    /// Fails the watch; it ends with that.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the watch in order instead.
    pub async fn fail(self, error: SourceError) {
        drop(self.batches.send(Err(error)).await);
    }

    /// Whether nobody reads any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.batches.is_closed()
    }
}

fn gone() -> SourceError {
    SourceError::new(ErrorKind::Unreachable, "the script is over")
}

#[async_trait]
impl<K: Kind> ResourceSource<K> for ScriptedSource<K> {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        let (answer, answered) = oneshot::channel();
        self.watches.send(Watch { request, answer }).await.map_err(|_| gone())?;
        let receiver = answered.await.map_err(|_| gone())??;
        let batches = stream::unfold(receiver, async |mut receiver| {
            receiver.recv().await.map(|batch| (batch, receiver))
        });
        Ok(batches.boxed())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        let (answer, answered) = oneshot::channel();
        self.gets.send(Get { key: key.clone(), answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// A whole scripted cluster: a source of every kind, for a [`Hub`](crate::Hub).
#[derive(Debug)]
pub struct ScriptedCluster {
    info: ClusterInfo,
    ingresses: ScriptedSource<Ingress>,
    namespaces: ScriptedSource<NamespaceRecord>,
    probe: Arc<Mutex<Result<(), SourceError>>>,
    people: Arc<Mutex<People>>,
}

/// Answers the reviews of a scripted cluster.
type Judge = Box<dyn Fn(&UserInfo, &Attributes) -> Result<bool, SourceError> + Send>;

/// Whom a scripted cluster knows.
#[derive(Default)]
struct People {
    tokens: Option<BTreeMap<String, UserInfo>>,
    judge: Option<Judge>,
    reviews: u64,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People").field("reviews", &self.reviews).finish_non_exhaustive()
    }
}

/// The handles of a [`ScriptedCluster`].
#[derive(Debug)]
#[non_exhaustive]
pub struct ClusterHandle {
    /// Plays the ingresses.
    pub ingresses: Handle<Ingress>,
    /// Plays the namespaces.
    pub namespaces: Handle<NamespaceRecord>,
    probe: Arc<Mutex<Result<(), SourceError>>>,
    people: Arc<Mutex<People>>,
}

impl ClusterHandle {
    /// Sets whose tokens are known from now on; before that, tokens can't be reviewed.
    pub fn set_tokens(&self, tokens: impl IntoIterator<Item = (String, UserInfo)>) {
        self.people().tokens = Some(tokens.into_iter().collect());
    }

    /// Sets how questions about access are answered from now on; before that, they can't be asked.
    pub fn set_access(
        &self,
        judge: impl Fn(&UserInfo, &Attributes) -> Result<bool, SourceError> + Send + 'static,
    ) {
        self.people().judge = Some(Box::new(judge));
    }

    /// How many questions about tokens and access were asked so far.
    #[must_use]
    pub fn reviews(&self) -> u64 {
        self.people().reviews
    }

    fn people(&self) -> std::sync::MutexGuard<'_, People> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what probes are answered with from now on; a sign of life, at first.
    pub fn set_probe(&self, answer: Result<(), SourceError>) {
        *self.probe.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

/// A scripted cluster and its handles.
#[must_use]
pub fn cluster(info: ClusterInfo) -> (ScriptedCluster, ClusterHandle) {
    let (ingresses, ingress_handle) = pair();
    let (namespaces, namespace_handle) = pair();
    let probe = Arc::new(Mutex::new(Ok(())));
    let people = Arc::<Mutex<People>>::default();
    let handle = ClusterHandle {
        ingresses: ingress_handle,
        namespaces: namespace_handle,
        probe: probe.clone(),
        people: people.clone(),
    };
    (ScriptedCluster { info, ingresses, namespaces, probe, people }, handle)
}

#[async_trait]
impl ResourceSource<Ingress> for ScriptedCluster {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<Ingress>, SourceError> {
        self.ingresses.watch(request).await
    }
    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        self.ingresses.get(key).await
    }
}

#[async_trait]
impl ResourceSource<NamespaceRecord> for ScriptedCluster {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<NamespaceRecord>, SourceError> {
        self.namespaces.watch(request).await
    }
    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        self.namespaces.get(key).await
    }
}

#[async_trait]
impl Cluster for ScriptedCluster {
    fn info(&self) -> ClusterInfo {
        self.info.clone()
    }
    async fn probe(&self) -> Result<(), SourceError> {
        self.probe.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    async fn review_token(&self, token: &Token, _: &[String]) -> Result<Option<UserInfo>, SourceError> {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.reviews += 1;
        let tokens = people.tokens.as_ref().ok_or_else(knows_nobody)?;
        Ok(tokens.get(token.expose()).cloned())
    }
    async fn review_access(&self, user: &UserInfo, attributes: &Attributes) -> Result<bool, SourceError> {
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        people.reviews += 1;
        people.judge.as_ref().map_or_else(|| Err(knows_nobody()), |judge| judge(user, attributes))
    }
}

/// One kind of a scripted cluster, for [`HubBuilder::watch`](crate::HubBuilder::watch).
#[derive(Debug)]
pub struct ScriptedKind<K> {
    info: ClusterInfo,
    source: ScriptedSource<K>,
}

/// One kind of a cluster, and its handle. Probes are answered with a sign of life.
#[must_use]
pub fn kind<K: Kind>(info: ClusterInfo) -> (ScriptedKind<K>, Handle<K>) {
    let (source, handle) = pair();
    (ScriptedKind { info, source }, handle)
}

#[async_trait]
impl<K: Kind> ResourceSource<K> for ScriptedKind<K> {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        self.source.watch(request).await
    }
    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        self.source.get(key).await
    }
}

#[async_trait]
impl<K: Kind> Cluster for ScriptedKind<K> {
    fn info(&self) -> ClusterInfo {
        self.info.clone()
    }
    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }
}

/// The watches that are asked for next, by namespace (empty for the whole cluster).
#[cfg(test)]
pub(crate) async fn asked<K: Kind>(
    script: &mut Handle<K>,
    count: usize,
) -> std::collections::BTreeMap<String, Watch<K>> {
    let mut watches = std::collections::BTreeMap::new();
    for _ in 0..count {
        let watch = script.next_watch().await.unwrap();
        let scope = watch.request().scope.namespace().map_or(String::new(), ToString::to_string);
        assert!(watches.insert(scope, watch).is_none());
    }
    watches
}
