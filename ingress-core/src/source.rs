//! The one seam between the engine and where resources come from.
//!
//! # The ordering contract
//!
//! A watch without a resume point yields, in this order:
//!
//! 1. the current state: [`Listed`](WatchEvent::Listed), once per object, in any order;
//! 2. [`Synced`](WatchEvent::Synced), exactly once: that state is complete as of this revision;
//! 3. for ever after: [`Applied`](WatchEvent::Applied) and [`Deleted`](WatchEvent::Deleted), per object in the order in
//!    which they happened, and [`Bookmark`](WatchEvent::Bookmark) now and then.
//!
//! A watch that resumes from a revision (one that an earlier watch of the same scope gave: that of `Synced`, of a
//! bookmark, or of an object) begins at 3, with the first change after that revision.
//!
//! A watch may end at any moment: that is normal, and the engine resumes it. It fails by yielding one `Err` as its last
//! item, or by failing to start. A revision that is too old to resume from fails with
//! [`ErrorKind::Expired`], either way; the engine then starts anew without one.
//!
//! A watch that has nothing to say sends a bookmark at least once a minute: one that is silent for longer than the engine
//! allows ([`HubBuilder::silence`](crate::HubBuilder::silence), 90 s) counts as dead, and is resumed.
//!
//! Batches cross the seam, not single events, so that dynamic dispatch, channel and lock are paid once per read of a
//! socket. A source never needs to compare, number, retry or back off: the engine does.
//!
//! Implementing the trait for something that is not Kubernetes takes a [`watch`](ResourceSource::watch) that sends the
//! state and the changes, and a [`get`](ResourceSource::get) that renders one object; `examples/custom-source` does it for a
//! file in about fifty lines.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::access::{Attributes, Token, UserInfo};
use crate::error::{ErrorKind, SourceError};
use crate::key::{ClusterId, LaneScope, Namespace, ObjectKey, Revision};
use crate::kind::Kind;
use crate::share::Share;

#[cfg(feature = "demo")]
pub mod demo;
#[cfg(feature = "files")]
pub mod files;
#[cfg(feature = "kube")]
pub mod kube;
#[cfg(feature = "test-util")]
pub mod scripted;

/// What a lane asks a source for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchRequest {
    /// The whole cluster, or one namespace.
    pub scope: LaneScope,
    /// Where to go on from; `None` asks for the current state first.
    pub resume: Option<Revision>,
}

impl WatchRequest {
    /// Asks for the current state of a scope, then its changes.
    #[must_use]
    pub fn new(scope: LaneScope) -> Self {
        Self { scope, resume: None }
    }

    /// Asks for the changes after a revision only.
    #[must_use]
    pub fn resuming(scope: LaneScope, revision: Revision) -> Self {
        Self { scope, resume: Some(revision) }
    }
}

/// One event of a watch; the module tells in which order they come.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum WatchEvent<K> {
    /// An object of the current state.
    Listed(K),
    /// The current state is complete.
    Synced(Revision),
    /// An object was added or changed.
    Applied(K),
    /// An object was deleted.
    Deleted(Tombstone),
    /// Nothing changed up to this revision.
    Bookmark(Revision),
}

/// What a deletion tells of the object that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tombstone {
    /// The object's namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<Box<str>>,
    /// The object's name.
    pub name: Box<str>,
    /// The revision of the deletion; a watch resumed from it goes on after the deletion.
    pub revision: Revision,
}

impl Tombstone {
    /// A deletion.
    #[must_use]
    pub fn new(namespace: Option<&str>, name: &str, revision: Revision) -> Self {
        Self { namespace: namespace.map(Into::into), name: name.into(), revision }
    }
}

/// The events of one watch, in batches as they came.
pub type WatchStream<K> = BoxStream<'static, Result<Vec<WatchEvent<K>>, SourceError>>;

/// Where the objects of one kind come from. Generic over the kind and not over its methods, so that
/// `Arc<dyn ResourceSource<Ingress>>` works, and one type can serve every kind that it can.
#[async_trait]
pub trait ResourceSource<K: Kind>: Send + Sync + 'static {
    /// Starts a watch. Returns once the source has answered; the events follow in the stream.
    ///
    /// # Errors
    ///
    /// When the source can't be asked, refuses, or says that the resume point is too old.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, or the stream, ends the watch and loses nothing that was not yet returned.
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<K>, SourceError>;

    /// Reads one object as it is now, whole, as JSON.
    ///
    /// # Errors
    ///
    /// When the source can't be asked, refuses, or has no such object.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the read.
    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError>;

    /// Who keeps the store of this kind for several processes, where somebody does. A hub whose sources all name the same asks it for
    /// the store, and watches nothing by itself. `None` unless it is written.
    fn shared_by(&self) -> Option<Arc<dyn Share<K>>> {
        None
    }
}

#[cfg(feature = "test-util")]
mockall::mock! {
    /// A mock of [`ResourceSource`], which nobody shares.
    #[derive(Debug)]
    pub ResourceSource<K: Kind> {}
    #[async_trait]
    impl<K: Kind> ResourceSource<K> for ResourceSource<K> {
        async fn watch(&self, request: WatchRequest) -> Result<WatchStream<K>, SourceError>;
        async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError>;
    }
}

/// What a source says of the cluster it reads, whatever the kind.
#[cfg_attr(feature = "test-util", mockall::automock)]
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// Which cluster this is, and how it was found.
    fn info(&self) -> ClusterInfo;

    /// Asks the cluster for a sign of life. A refusal is one, too: a cluster that does not let these credentials ask
    /// ([`ErrorKind::Forbidden`], `NotFound`, `Unauthorized`) is there, and the engine takes it so.
    ///
    /// # Errors
    ///
    /// When there is no answer, or a refusal.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    async fn probe(&self) -> Result<(), SourceError>;

    /// Asks the cluster whose token this is; `None` when it is nobody's, or is not meant for any of the audiences. No audience
    /// means the cluster's own.
    ///
    /// # Errors
    ///
    /// When the cluster can't be asked; a source that knows nobody fails with [`ErrorKind::Configuration`],
    /// which is what this does unless it is written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    async fn review_token(
        &self,
        token: &Token,
        audiences: &[String],
    ) -> Result<Option<UserInfo>, SourceError> {
        let _ = (token, audiences);
        Err(knows_nobody())
    }

    /// Asks the cluster whether somebody may do something.
    ///
    /// # Errors
    ///
    /// When the cluster can't be asked; a source that knows nobody fails with [`ErrorKind::Configuration`],
    /// which is what this does unless it is written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    async fn review_access(&self, user: &UserInfo, attributes: &Attributes) -> Result<bool, SourceError> {
        let _ = (user, attributes);
        Err(knows_nobody())
    }
}

pub(crate) fn knows_nobody() -> SourceError {
    SourceError::new(ErrorKind::Configuration, "this source does not know who may do what")
}

/// A source that serves every kind this crate watches.
pub trait Source: Cluster + ResourceSource<crate::Ingress> + ResourceSource<crate::NamespaceRecord> {}

impl<S: Cluster + ResourceSource<crate::Ingress> + ResourceSource<crate::NamespaceRecord>> Source for S {}

/// Which cluster a source reads, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterInfo {
    /// The cluster's name in every key.
    pub id: ClusterId,
    /// How it was found.
    pub origin: Origin,
    /// The file and context, or whatever else says which one it is, for people. Never credentials.
    pub detail: String,
    /// The server's address; empty where there is none.
    pub server: String,
    /// The namespace that the configuration names as its default: looked at when namespaces can't be listed.
    pub default_namespace: Option<Namespace>,
}

impl ClusterInfo {
    /// Describes a cluster.
    #[must_use]
    pub fn new(id: ClusterId, origin: Origin) -> Self {
        Self { id, origin, detail: String::new(), server: String::new(), default_namespace: None }
    }
}

/// How a cluster was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Named by an explicit argument.
    Argument,
    /// By `$KUBECONFIG`.
    KubeconfigVariable,
    /// By the service account of the pod.
    InCluster,
    /// `~/.kube/config`.
    Home,
    /// RKE2's own kubeconfig.
    Rke2,
    /// kubeadm's own kubeconfig.
    Kubeadm,
    /// The host program handed a client in.
    Client,
    /// A simulated cluster: nothing of it is real.
    Demo,
    /// Manifests: nobody runs what they describe.
    Files,
    /// Something else, of the host program's own.
    Custom,
}

impl Origin {
    /// The origin's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Argument => "argument",
            Self::KubeconfigVariable => "KUBECONFIG",
            Self::InCluster => "in-cluster",
            Self::Home => "home",
            Self::Rke2 => "rke2",
            Self::Kubeadm => "kubeadm",
            Self::Client => "client",
            Self::Demo => "demo",
            Self::Files => "files",
            Self::Custom => "custom",
        }
    }
}

#[async_trait]
impl<K: Kind, S: ResourceSource<K> + ?Sized> ResourceSource<K> for Arc<S> {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        (**self).watch(request).await
    }
    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        (**self).get(key).await
    }

    fn shared_by(&self) -> Option<Arc<dyn Share<K>>> {
        (**self).shared_by()
    }
}

#[async_trait]
impl<S: Cluster + ?Sized> Cluster for Arc<S> {
    fn info(&self) -> ClusterInfo {
        (**self).info()
    }
    async fn probe(&self) -> Result<(), SourceError> {
        (**self).probe().await
    }
    async fn review_token(
        &self,
        token: &Token,
        audiences: &[String],
    ) -> Result<Option<UserInfo>, SourceError> {
        (**self).review_token(token, audiences).await
    }
    async fn review_access(&self, user: &UserInfo, attributes: &Attributes) -> Result<bool, SourceError> {
        (**self).review_access(user, attributes).await
    }
}

/// How long a source may take for a single question before the engine gives up on it.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
