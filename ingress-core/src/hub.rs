//! The engine, assembled: sources in, stores out.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::access::{Attributes, Token, UserInfo};
use crate::diagnose::Settings;
use crate::endpoint::{Endpoint, ProbePolicy};
use crate::error::{ErrorKind, SourceError};
use crate::keep::Keep;
use crate::key::{ClusterId, ObjectKey, Scope};
use crate::kind::{Ingress, Kind, NamespaceRecord};
use crate::question::Question;
use crate::resilience::backoff::{BackoffPolicy, InvalidPolicy};
use crate::resilience::breaker::{BreakerPolicy, BreakerState};
use crate::resilience::retry::RetryPolicy;
use crate::routes::Routes;
use crate::source::{Cluster, ClusterInfo, ResourceSource, Source};
use crate::stats::{KindCounters, Stats};
use crate::store::{DEFAULT_HISTORY, Store};
use crate::watch::aggregate::{Feed, Plan};
use crate::watch::lane::LanePolicy;

mod routes;
mod vitals;
mod watched;
pub use routes::RouteSource;
pub use vitals::Stuck;
use vitals::Vitals;
use watched::{AnyStore, LAST_SAVE, LastSave, Sources, Stores, Watched};

pub use crate::endpoint::Probe;

/// A running engine: it keeps every cluster, kind and scope that it was told to watch current.
///
/// Cloning is cheap. When the last clone is dropped, every task ends.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use ingress_core::{DemoSource, Hub, Kind, Scope};
///
/// let source = DemoSource::builder().ingresses(20).build()?; // or KubeSource::infer().await?
/// let hub = Hub::builder(source).scope(Scope::All).start();
///
/// hub.synced().await; // or read what is there so far
/// let (snapshot, mut deltas) = hub.ingresses().subscribe(); // one step: no gap, no duplicate
/// for (key, ingress) in snapshot.iter() {
///     println!("{key} serves {:?}", ingress.hosts());
/// }
/// # tokio::time::timeout(std::time::Duration::from_secs(10),
/// deltas.next()
/// # ).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Hub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    scope: Scope,
    ingresses: Store<Ingress>,
    namespaces: Store<NamespaceRecord>,
    /// The stores of the other kinds, each a `Store<K>`, by their kind.
    others: HashMap<TypeId, Box<dyn AnyStore>>,
    routes: Option<Routes>,
    clusters: Vec<ClusterEntry>,
    ready: AtomicBool,
    vitals: Vitals,
    recalled: Mutex<mpsc::Receiver<Infallible>>,
    last: Mutex<Vec<LastSave>>,
    tasks: Mutex<JoinSet<()>>,
}

struct ClusterEntry {
    endpoint: Arc<Endpoint>,
    ingresses: Arc<KindCounters>,
    source: Arc<dyn Source>,
}

impl std::fmt::Debug for ClusterEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.endpoint.fmt(f)
    }
}

/// What the hub knows of one of its clusters.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClusterStatus {
    /// Which cluster, and how it was found.
    pub info: ClusterInfo,
    /// The state of its circuit breaker.
    pub breaker: BreakerState,
    /// The last sign of life, or its absence; `None` before the first answer.
    pub probe: Option<Probe>,
}

/// Two sources of one hub name the same cluster.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cluster {0} is there already; give each source's cluster a name of its own")]
#[non_exhaustive]
pub struct DuplicateCluster(ClusterId);

/// A kind that a hub can't watch as it was told to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWatch {
    /// The source reads a cluster that the hub does not have.
    #[error(
        "cluster {cluster}, of which {kind} is to be watched, is none of the hub's; add it with HubBuilder::and first"
    )]
    #[non_exhaustive]
    UnknownCluster {
        /// The source's cluster.
        cluster: ClusterId,
        /// The kind.
        kind: Cow<'static, str>,
    },
    /// The kind is watched in that cluster already.
    #[error("{kind} of cluster {cluster} is watched already")]
    #[non_exhaustive]
    Duplicate {
        /// The source's cluster.
        cluster: ClusterId,
        /// The kind.
        kind: Cow<'static, str>,
    },
}

/// Assembles a [`Hub`].
pub struct HubBuilder {
    sources: Vec<Arc<dyn Source>>,
    others: HashMap<TypeId, Box<dyn Watched>>,
    /// What counts as wrong with routes, if they are to be judged.
    diagnosis: Option<Settings>,
    scope: Scope,
    lane: LanePolicy,
    breaker: BreakerPolicy,
    retry: RetryPolicy,
    history: usize,
    keep: Option<Arc<dyn Keep>>,
}

impl std::fmt::Debug for HubBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubBuilder").field("scope", &self.scope).finish_non_exhaustive()
    }
}

impl HubBuilder {
    /// Adds another cluster.
    ///
    /// # Errors
    ///
    /// When a source of the same cluster name is there already.
    pub fn and(mut self, source: impl Source) -> Result<Self, DuplicateCluster> {
        let id = source.info().id;
        if self.sources.iter().any(|known| known.info().id == id) {
            return Err(DuplicateCluster(id));
        }
        self.sources.push(Arc::new(source));
        Ok(self)
    }

    /// Has the hub watch one more kind of one of its clusters: a record of your own, or any type of `k8s-openapi` or
    /// `kube-derive` as [`Typed`](crate::kind::Typed). For more clusters, call it once with the source of each.
    ///
    /// The kind gets a store of its own ([`Hub::store`]) and shares what is the cluster's: the prober, the circuit breaker,
    /// the turns to list. A namespaced kind follows the hub's [`scope`](Self::scope), with the same fallback to a lane for each
    /// namespace where all of them are refused; a cluster-scoped kind is watched whole, since a scope names namespaces.
    /// Whoever the source asks as needs the permission to `list` and `watch` the kind; a lane without it is `denied`, and disturbs
    /// no other.
    ///
    #[cfg_attr(feature = "kube", doc = "```")]
    #[cfg_attr(not(feature = "kube"), doc = "```ignore")]
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ingress_core::{Hub, Typed};
    /// use k8s_openapi::api::core::v1::Service;
    /// # use ingress_core::{ClusterId, ClusterInfo, Origin, source::scripted};
    ///
    /// # let info = ClusterInfo::new(ClusterId::new("c")?, Origin::Custom);
    /// # let (source, _cluster) = scripted::cluster(info.clone());
    /// # let (services, mut script) = scripted::kind::<Typed<Service>>(info);
    /// // let source = KubeSource::infer().await?;
    /// // let services = source.clone(); // it serves every kind
    /// let hub = Hub::builder(source).watch::<Typed<Service>>(services)?.start();
    /// # let feed = script.next_watch().await.ok_or("not asked")?.accept();
    /// # let mut cart = Service::default();
    /// # cart.metadata.namespace = Some("shop".into());
    /// # cart.metadata.name = Some("cart".into());
    /// # feed.listed([Typed::new(cart)], "7").await;
    ///
    /// let store = hub.store::<Typed<Service>>().ok_or("it is watched")?;
    /// let services = store.synced().await.ok_or("the hub ended")?;
    /// for (key, service) in services.iter() {
    ///     println!("{key} has {:?}", service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()));
    /// }
    /// # assert_eq!(services.len(), 1);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the source's cluster is none of the hub's so far, or the kind is watched there already; every hub watches
    /// [`Ingress`] and [`NamespaceRecord`].
    pub fn watch<K: Kind>(mut self, source: impl Cluster + ResourceSource<K>) -> Result<Self, InvalidWatch> {
        let (cluster, kind) = (source.info().id, K::resource().kind);
        if self.sources.iter().all(|known| known.info().id != cluster) {
            return Err(InvalidWatch::UnknownCluster { cluster, kind });
        }
        let built_in = [TypeId::of::<Ingress>(), TypeId::of::<NamespaceRecord>()];
        let of = TypeId::of::<K>();
        let watched: &mut dyn Any =
            &mut **self.others.entry(of).or_insert_with(|| Box::new(Sources::<K>::new()));
        let added = !built_in.contains(&of)
            && watched.downcast_mut::<Sources<K>>().is_some_and(|sources| sources.add(&cluster, source));
        if added { Ok(self) } else { Err(InvalidWatch::Duplicate { cluster, kind }) }
    }

    /// Has the hub watch everything in one of its clusters that tells where requests get to: services, endpoints, pods, the public
    /// part of TLS secrets, network policies, gateways and their routes, and what else an
    /// [`Inventory`](crate::inventory::Inventory) holds. For more clusters, call it once with the source of each.
    ///
    /// Each kind is optional: of one that the cluster does not serve, or whose objects may not be read, nothing is known, and that is
    /// what is said of it. It costs a watch for each kind and scope, and the memory for what is kept of the objects.
    ///
    /// # Errors
    ///
    /// When the source's cluster is none of the hub's so far, or one of the kinds is watched there already.
    pub fn routes(mut self, source: impl RouteSource) -> Result<Self, InvalidWatch> {
        self.diagnosis.get_or_insert_default();
        let source: Arc<dyn RouteSource> = Arc::new(source);
        routes::watch_all(self, &source)
    }

    /// Sets what counts as wrong with [`routes`](Self::routes), which are judged by the defaults unless it is set.
    #[must_use]
    pub fn diagnosis(mut self, settings: Settings) -> Self {
        self.diagnosis = Some(settings);
        self
    }

    /// Sets what of the clusters is watched; all namespaces, unless told otherwise.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Sets the pauses between a lane's attempts; [`BackoffPolicy::lanes`] unless told otherwise.
    #[must_use]
    pub fn lane_backoff(mut self, backoff: BackoffPolicy) -> Self {
        self.lane.backoff = backoff;
        self
    }

    /// Sets the pauses after which a refused lane asks again; [`BackoffPolicy::denied`] unless told otherwise.
    #[must_use]
    pub fn denied_backoff(mut self, backoff: BackoffPolicy) -> Self {
        self.lane.denied = backoff;
        self
    }

    /// Sets how long a lane must be live before all its failures are forgotten; 30 s unless told otherwise. Before that they
    /// are forgotten in proportion: see [`BackoffPolicy::remembered`].
    #[must_use]
    pub fn stable_after(mut self, period: Duration) -> Self {
        self.lane.stable_after = period;
        self
    }

    /// Sets how long a watch may be silent before it counts as dead; 90 s unless told otherwise. The API server sends a
    /// bookmark about once a minute.
    ///
    /// # Errors
    ///
    /// When it is shorter than a second.
    pub fn silence(mut self, silence: Duration) -> Result<Self, InvalidPolicy> {
        if silence < Duration::from_secs(1) {
            return Err(InvalidPolicy { field: "silence", problem: "must be at least 1 s" });
        }
        self.lane.silence = silence;
        Ok(self)
    }

    /// Sets how long a watch may be silent before its lane asks, over another connection, whether it missed something; 20 s
    /// unless told otherwise. That finds the connection that died alone and without a word, which a load balancer's or a
    /// firewall's lost state leaves behind, and costs a quiet cluster one short watch per lane and period, never more than
    /// one a second. A period beyond [`silence`](Self::silence) turns it off.
    ///
    /// # Errors
    ///
    /// When it is shorter than a second.
    pub fn doubt(mut self, period: Duration) -> Result<Self, InvalidPolicy> {
        if period < Duration::from_secs(1) {
            return Err(InvalidPolicy { field: "doubt", problem: "must be at least 1 s" });
        }
        self.lane.doubt = period;
        Ok(self)
    }

    /// Sets how many objects one lane may feed; 500,000 unless told otherwise. A lane that would feed more fails, visibly.
    #[must_use]
    pub fn max_objects_per_lane(mut self, objects: usize) -> Self {
        self.lane.max_objects = objects;
        self
    }

    /// Sets how many lanes each kind may have, over all clusters; 2,000 unless told otherwise. There is one lane per cluster,
    /// or, by name or where the whole cluster may not be watched, one per namespace, each a connection of its own. A namespace
    /// beyond the bound has a lane that is [`Denied`](crate::LaneState::Denied), visibly, until there is room.
    ///
    /// # Errors
    ///
    /// When it is zero.
    pub fn max_lanes_per_kind(mut self, lanes: usize) -> Result<Self, InvalidPolicy> {
        if lanes == 0 {
            return Err(InvalidPolicy { field: "max_lanes_per_kind", problem: "must be at least 1" });
        }
        self.lane.max_lanes = lanes;
        Ok(self)
    }

    /// Sets when a cluster's circuit breaker opens.
    #[must_use]
    pub fn breaker(mut self, policy: BreakerPolicy) -> Self {
        self.breaker = policy;
        self
    }

    /// Sets how calls are tried again.
    #[must_use]
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.retry = policy;
        self
    }

    /// Sets how many changes a store holds for readers to resume from; [`DEFAULT_HISTORY`] unless told otherwise.
    #[must_use]
    pub fn history(mut self, changes: usize) -> Self {
        self.history = changes;
        self
    }

    /// Keeps the state in a place from which the next start takes it: what was known is there at once, marked stale since it was
    /// saved, while the lanes read what is so now. It is saved every 10 s when it changed, and when the hub is
    /// [shut down](Hub::shutdown). Kinds that can't be kept ([`Kind::STORED`]) begin with nothing, as without this.
    #[must_use]
    pub fn keep(mut self, place: impl Keep) -> Self {
        self.keep = Some(Arc::new(place));
        self
    }

    /// Starts watching. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(self) -> Hub {
        let mut tasks = JoinSet::new();
        let mut running = Vec::new();
        let clusters: Vec<ClusterEntry> = self
            .sources
            .into_iter()
            .map(|source| {
                let endpoint = Endpoint::new(source.clone() as Arc<dyn Cluster>, self.breaker, self.retry);
                running.push(tasks.spawn(endpoint.clone().run_prober(ProbePolicy::default())));
                let ingresses = endpoint.counters().kind(&Ingress::resource());
                ClusterEntry { endpoint, ingresses, source }
            })
            .collect();
        let (recalling, recalled) = mpsc::channel(1);
        let mut stores = Stores {
            clusters: &clusters,
            scope: &self.scope,
            epoch: rand::random(),
            history: self.history,
            policy: Arc::new(self.lane),
            keep: self.keep.as_ref(),
            recalling,
            last: Vec::new(),
            tasks: &mut tasks,
            running: &mut running,
        };
        let feeds = clusters.iter().map(ClusterEntry::feed).collect();
        let namespaces = stores.start(feeds, Plan::ClusterWide(self.scope.clone()));
        let feeds = clusters.iter().map(ClusterEntry::feed).collect();
        let ingresses = stores.start(feeds, Plan::Namespaced(self.scope.clone(), namespaces.clone()));
        let others =
            self.others.into_iter().map(|(kind, sources)| (kind, sources.start(&mut stores, &namespaces)));
        let others: HashMap<_, _> = others.collect();
        let Stores { last, recalling, .. } = stores;
        // Held by those alone who still wait.
        drop(recalling);
        let routes = self.diagnosis.map(|settings| {
            let builder = Routes::builder().settings(settings).follow(&ingresses).follow(&namespaces);
            let (routes, work) = routes::follow_all(builder, &others).start();
            running.push(tasks.spawn(work));
            routes
        });
        let ready = AtomicBool::new(false);
        let vitals = Vitals::begin(&mut tasks, running);
        let tasks = Mutex::new(tasks);
        let scope = self.scope;
        Hub {
            inner: Arc::new(Inner {
                scope,
                ingresses,
                namespaces,
                others,
                routes,
                clusters,
                ready,
                vitals,
                recalled: Mutex::new(recalled),
                last: Mutex::new(last),
                tasks,
            }),
        }
    }
}

impl ClusterEntry {
    fn feed<K: Kind>(&self) -> Feed<K>
    where
        dyn Source: ResourceSource<K>,
    {
        Feed::new(self.endpoint.clone(), Arc::new(self.source.clone()))
    }
}

impl Hub {
    /// Begins to assemble a hub that watches this source.
    #[must_use]
    pub fn builder(source: impl Source) -> HubBuilder {
        HubBuilder {
            sources: vec![Arc::new(source)],
            others: HashMap::new(),
            diagnosis: None,
            scope: Scope::All,
            lane: LanePolicy::default(),
            breaker: BreakerPolicy::default(),
            retry: RetryPolicy::default(),
            history: DEFAULT_HISTORY,
            keep: None,
        }
    }

    /// What is watched.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.inner.scope
    }

    /// The ingresses.
    #[must_use]
    pub fn ingresses(&self) -> &Store<Ingress> {
        &self.inner.ingresses
    }

    /// The namespaces that the clusters list, where they may be asked.
    #[must_use]
    pub fn namespaces(&self) -> &Store<NamespaceRecord> {
        &self.inner.namespaces
    }

    /// The store of a kind: one that [`HubBuilder::watch`] named, [`Ingress`] or [`NamespaceRecord`]; `None` for any other.
    /// [`Store::synced`] waits for its first state.
    #[must_use]
    pub fn store<K: Kind>(&self) -> Option<&Store<K>> {
        let Inner { ingresses, namespaces, others, .. } = &*self.inner;
        let built_in: [&dyn Any; 2] = [ingresses, namespaces];
        let other = others.get(&TypeId::of::<K>()).map(|store| &**store as &dyn Any);
        built_in.into_iter().chain(other).find_map(<dyn Any>::downcast_ref)
    }

    /// The routes with their diagnoses, kept current; `None` unless [`HubBuilder::routes`] said that they are to be watched.
    #[must_use]
    pub fn routes(&self) -> Option<&Routes> {
        self.inner.routes.as_ref()
    }

    /// The clusters, in the order in which their sources were given.
    #[must_use]
    pub fn clusters(&self) -> Vec<ClusterStatus> {
        let status = |ClusterEntry { endpoint, .. }: &ClusterEntry| ClusterStatus {
            info: endpoint.info().clone(),
            breaker: endpoint.breaker_state(),
            probe: endpoint.last_probe(),
        };
        self.inner.clusters.iter().map(status).collect()
    }

    /// What the engine did so far, in numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Inner { ingresses, namespaces, others, clusters, .. } = &*self.inner;
        let mut others: Vec<_> = others.values().map(|store| store.stats()).collect();
        others.sort_by(|one, other| one.kind.cmp(&other.kind));
        let mut stores = vec![ingresses.stats(), namespaces.stats()];
        stores.append(&mut others);
        Stats { clusters: clusters.iter().map(|entry| entry.endpoint.stats()).collect(), stores }
    }

    /// Reads one ingress as it is in its cluster now, whole, as JSON: behind the cluster's circuit breaker, tried again as
    /// the retry policy says.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is no such object or no such cluster; else the source's error, or
    /// [`ErrorKind::BreakerOpen`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the read.
    pub async fn ingress_object(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        let entry = self.entry(key.cluster())?;
        let question = Question::new(key.cluster(), "get", "Ingress").namespace(key.namespace());
        let ask = || ResourceSource::<Ingress>::get(&entry.source, key);
        entry.endpoint.call(question, &entry.ingresses.get, ask).await
    }

    /// Asks a cluster whose token this is; `None` when it is nobody's, or is not meant for any of the audiences (none means the
    /// cluster's own). Behind the cluster's circuit breaker, tried again as the retry policy says; nothing is remembered.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is no such cluster; else the source's error, or [`ErrorKind::BreakerOpen`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    pub async fn review_token(
        &self,
        cluster: &ClusterId,
        token: &Token,
        audiences: &[String],
    ) -> Result<Option<UserInfo>, SourceError> {
        let ClusterEntry { endpoint, source, .. } = self.entry(cluster)?;
        let question = Question::new(cluster, "create", "TokenReview");
        let ask = || source.review_token(token, audiences);
        endpoint.call(question, &endpoint.counters().token_reviews, ask).await
    }

    /// Asks a cluster whether somebody may do something. Behind the cluster's circuit breaker, tried again as the retry policy
    /// says; nothing is remembered.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] when there is no such cluster; else the source's error, or [`ErrorKind::BreakerOpen`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    pub async fn review_access(
        &self,
        cluster: &ClusterId,
        user: &UserInfo,
        attributes: &Attributes,
    ) -> Result<bool, SourceError> {
        let ClusterEntry { endpoint, source, .. } = self.entry(cluster)?;
        let question = Question::new(cluster, "create", "SubjectAccessReview");
        let ask = || source.review_access(user, attributes);
        endpoint.call(question, &endpoint.counters().access_reviews, ask).await
    }

    fn entry(&self, cluster: &ClusterId) -> Result<&ClusterEntry, SourceError> {
        self.inner
            .clusters
            .iter()
            .find(|entry| entry.endpoint.info().id == *cluster)
            .ok_or_else(|| SourceError::new(ErrorKind::NotFound, format!("no cluster is named {cluster}")))
    }

    /// Whether the first sync is done: every lane of the ingresses had an outcome, and at least one is synced. Once true,
    /// always true: an outage afterwards is a matter of health, not of readiness. Other kinds don't count here: ask
    /// their own store's [`Snapshot::is_synced`](crate::Snapshot::is_synced).
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.inner.ready.load(Ordering::Relaxed) || {
            let ready = self.inner.ingresses.snapshot().is_synced();
            self.inner.ready.fetch_or(ready, Ordering::Relaxed) || ready
        }
    }

    /// Waits until [`is_ready`](Self::is_ready). For another kind, wait for its own store's [`Store::synced`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn synced(&self) {
        self.inner.ingresses.synced().await;
    }

    /// Waits until what was [kept](HubBuilder::keep) of the last run can be seen in the stores, or it is clear that it will not be; for
    /// two seconds at most. At once when nothing is kept. A server that begins to answer after this doesn't first show an empty state.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn recalled(&self) {
        // Nobody ever sends anything; it ends when nobody could.
        if let Some(never) = self.inner.recalled.lock().await.recv().await {
            match never {}
        }
    }

    /// Whether the engine itself works: `None`, or what is wrong with it. An outage of a cluster is nothing wrong: this is about
    /// the process, which only a restart would help.
    #[must_use]
    pub fn stuck(&self) -> Option<Stuck> {
        self.inner.vitals.stuck()
    }

    /// Saves the state where it is [kept](HubBuilder::keep), for at most two seconds, ends every task and waits until they have ended;
    /// every subscription ends then, too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the tasks ending by themselves.
    pub async fn shutdown(&self) {
        let last = std::mem::take(&mut *self.inner.last.lock().await);
        let saves = futures::future::join_all(last.into_iter().map(|LastSave(save)| save()));
        if tokio::time::timeout(LAST_SAVE, saves).await.is_err() {
            tracing::warn!("the state was not saved in time; the next start has an older one");
        }
        self.inner.tasks.lock().await.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
