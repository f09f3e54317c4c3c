//! A simulated cluster, for people who have none at hand, for tests and for screenshots.
//!
//! A company's ingresses: products with teams, stages and habits, several classes, certificates, canaries, mistakes; and what
//! stands behind them, services with their pods, most of which work. A seed decides all of it. Time is tokio's, so that tests can pause it, and things change at a steady rate: deployments, weights
//! of canaries, hosts, backends, addresses; now and then an ingress comes or goes, and rarely a namespace. The number of
//! ingresses stays about the same for ever. [`DemoFaults`] breaks the cluster on demand.
//!
//! Every object is rendered to the JSON that an API server would send, `managedFields` included, and records are decoded
//! from that by the same decoders as anybody's. What is kept per object is only what it is rendered from, about a hundred
//! bytes; a watch renders what it hands on, at some 20 µs each.
//!
//! There is no task behind it. The world is brought forward, under a lock, by whoever looks at it, so that a source that
//! nobody watches costs nothing, nothing has to be stopped, and the state depends on seed and time alone. Each watch sleeps
//! until the next change and looks for its own; ten thousand changes per second wake it at most fifty times.
//!
//! ```
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! use futures::StreamExt;
//! use ingress_core::{DemoSource, Ingress, LaneScope, ResourceSource, WatchEvent, WatchRequest};
//!
//! let source = DemoSource::builder().ingresses(40).seed(7).build()?;
//! let mut watch = ResourceSource::<Ingress>::watch(&source, WatchRequest::new(LaneScope::Cluster)).await?;
//! let first = watch.next().await.ok_or("ended")??;
//! let listed = first.iter().filter(|event| matches!(event, WatchEvent::Listed(_))).count();
//! assert_eq!(listed, 40);
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(demo()).unwrap();
//! ```

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;

use crate::clock::{Timestamp, wall_now};
use crate::error::{ErrorKind, SourceError};
use crate::key::{ClusterId, LaneScope, Namespace, ObjectKey};
use crate::kind::{
    Application, BackendTlsPolicy, BackendTrafficPolicy, Certificate, CertificateRequest, Challenge,
    ClusterIssuer, ClusterOpenReport, ClusterPolicyReport, Constraint, DeploymentMeta, EndpointSlice, Event,
    Gateway, GatewayClass, GrpcRoute, HelmRelease, HttpRoute, Ingress, IngressClass, IngressRoute, Issuer,
    Kind, Kustomization, NamespaceRecord, NetworkPolicy, OpenReport, Order, Pod, PolicyReport,
    ReferenceGrant, ReplicaSetMeta, Service, TlsRoute, TlsSecret, VirtualService,
};
use crate::source::{Cluster, ClusterInfo, Origin, ResourceSource, WatchRequest, WatchStream};

mod backing;
mod builder;
mod character;
mod faults;
mod history;
mod notes;
mod object;
mod plot;
mod routes;
mod simulation;
mod space;
mod standing;
mod vocabulary;
mod watch;
mod world;

use builder::Settings;
pub use builder::{
    DemoBuilder, InvalidDemo, MAX_CHANGES_PER_SECOND, MAX_HISTORY, MAX_INGRESSES, MAX_NAMESPACES,
};
pub use faults::{DemoFaults, Fault, UnknownFault};
use simulation::Simulation;
use watch::{Simulated, Watch};
use world::World;

/// How long the simulated cluster takes to answer a single call.
const LATENCY: Duration = Duration::from_millis(4);

/// A simulated cluster; see the [module](self). Clones are of the same cluster.
#[derive(Debug, Clone)]
pub struct DemoSource {
    simulation: Arc<Simulation>,
}

impl DemoSource {
    /// Sets a simulated cluster up.
    pub fn builder() -> DemoBuilder {
        DemoBuilder::default()
    }

    /// Breaks it, and mends it.
    #[must_use]
    pub fn faults(&self) -> DemoFaults {
        DemoFaults::new(self.simulation.clone())
    }

    fn start(settings: &Settings, base: Option<Timestamp>, age: Duration, cluster: ClusterId) -> Self {
        let Settings { ingresses, namespaces, changes_per_second, seed, .. } = settings;
        let detail = format!(
            "simulated: about {ingresses} ingresses in {namespaces} namespaces, {changes_per_second} changes/s, seed {seed}"
        );
        let world = World::new(settings, base.unwrap_or_else(wall_now).as_second());
        Self { simulation: Arc::new(Simulation::new(world, age, cluster, detail)) }
    }

    async fn watch_kind<K: Simulated>(&self, request: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        self.simulation.admit(&K::resource(), &request.scope).await?;
        let watch = Watch::<K>::start(self.simulation.clone(), request).await?;
        let batches = futures::stream::unfold(watch, async |mut watch| Some((watch.next().await?, watch)));
        Ok(batches.boxed())
    }

    async fn get_kind<K: Simulated>(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        let scope = match key.namespace().map(Namespace::new) {
            Some(Ok(namespace)) => LaneScope::Namespace(namespace),
            _ => LaneScope::Cluster,
        };
        let resource = K::resource();
        if resource.confidential {
            let message = format!("a {} is not handed out", resource.kind);
            return Err(SourceError::new(ErrorKind::Configuration, message));
        }
        self.simulation.admit(&resource, &scope).await?;
        tokio::time::sleep(LATENCY).await;
        let known = key.cluster() == &self.simulation.cluster;
        if K::BEHIND {
            self.simulation.look_behind().await;
        }
        let find = |world: &World| K::find(world, key.namespace(), key.name()).filter(|_| known);
        let Some(seedling) = self.simulation.look(find).await else {
            let message = format!("{} \"{}\" not found", K::resource().plural, key.name());
            return Err(SourceError::from_status(404, message, None));
        };
        let unwritable =
            |error| SourceError::new(ErrorKind::Malformed, "a simulated object").with_cause(error);
        K::render(&seedling).map(Bytes::from).map_err(unwritable)
    }
}

macro_rules! simulated {
    ($($kind:ident)*) => {$(
        #[async_trait]
        impl ResourceSource<$kind> for DemoSource {
            async fn watch(&self, request: WatchRequest) -> Result<WatchStream<$kind>, SourceError> {
                self.watch_kind(request).await
            }
            async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
                self.get_kind::<$kind>(key).await
            }
        }
    )*};
}
simulated! {
    Ingress NamespaceRecord IngressClass Service EndpointSlice Pod TlsSecret NetworkPolicy Event DeploymentMeta
    ReplicaSetMeta Certificate Issuer ClusterIssuer CertificateRequest Order Challenge
}

/// Kinds of which nobody has installed the definitions.
macro_rules! not_installed {
    ($($kind:ident)*) => {$(
        #[async_trait]
        impl ResourceSource<$kind> for DemoSource {
            async fn watch(&self, request: WatchRequest) -> Result<WatchStream<$kind>, SourceError> {
                self.simulation.admit(&$kind::resource(), &request.scope).await?;
                Err(not_found())
            }
            async fn get(&self, _: &ObjectKey) -> Result<Bytes, SourceError> {
                Err(not_found())
            }
        }
    )*};
}
not_installed! {
    Kustomization HelmRelease Application
    PolicyReport ClusterPolicyReport OpenReport ClusterOpenReport Constraint Gateway GatewayClass HttpRoute GrpcRoute
    TlsRoute ReferenceGrant BackendTlsPolicy BackendTrafficPolicy VirtualService IngressRoute
}

fn not_found() -> SourceError {
    SourceError::from_status(404, "the server could not find the requested resource (simulated)", None)
}

#[async_trait]
impl Cluster for DemoSource {
    fn info(&self) -> ClusterInfo {
        let mut info = ClusterInfo::new(self.simulation.cluster.clone(), Origin::Demo);
        info.detail.clone_from(&self.simulation.detail);
        info
    }

    async fn probe(&self) -> Result<(), SourceError> {
        self.simulation.admit(&NamespaceRecord::resource(), &LaneScope::Cluster).await?;
        tokio::time::sleep(LATENCY).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
