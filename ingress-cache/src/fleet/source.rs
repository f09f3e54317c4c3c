//! A fleet as sources: a hub that is given them is an ordinary hub, and a replica.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use ingress_core::access::{Attributes, Token, UserInfo};
use ingress_core::share::{Share, Watcher};
use ingress_core::source::WatchStream;
use ingress_core::{
    Cluster, ClusterId, ClusterInfo, Kind, ObjectKey, ResourceSource, SourceError, Store, WatchRequest,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::interval;

use super::config::FleetConfig;
use super::cut::Cut;
use super::election::{Election, RedisElection};
use super::follower::Follower;
use super::log::{GAP, Log};
use super::members::Members;
use super::publisher::{FleetPublisher, Raise};
use super::seats::{Held, Roster, Seats};
use super::shard::{FleetName, Shard};
use super::status::{KindGauge, KindStatus};
use crate::redis::{Redis, RedisStatus};

/// How often it is looked whether clusters are in reach.
const LOOK: Duration = Duration::from_millis(500);

/// A replica's part in a fleet. Clones are the same part. When the last one goes, and the hubs that have its sources, it ends;
/// [`leave`](Self::leave) is the better end.
#[derive(Clone)]
pub struct Fleet {
    inner: Arc<Inner>,
}

struct Inner {
    redis: Redis,
    config: FleetConfig,
    shards: watch::Sender<Arc<BTreeSet<Shard>>>,
    unreachable: watch::Sender<Arc<BTreeSet<ClusterId>>>,
    held: watch::Receiver<Held>,
    roster: watch::Receiver<Arc<Roster>>,
    seats: tokio::sync::Mutex<Option<Seats>>,
    gauges: Mutex<Vec<Arc<KindGauge>>>,
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

/// How a replica fares in its fleet.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FleetStatus {
    /// The fleet's name.
    pub name: FleetName,
    /// This replica's name.
    pub member: String,
    /// The replicas that are alive, as far as this one knows; not itself while it can't reach Redis.
    pub members: Vec<String>,
    /// The shards that this replica watches for all.
    pub holds: Vec<Shard>,
    /// Each kind.
    pub kinds: Vec<KindStatus>,
    /// How Redis is doing.
    pub redis: RedisStatus,
}

impl Fleet {
    /// Takes part in a fleet whose replicas agree by locks in Redis. Redis need not be there yet. Must be called within a tokio runtime.
    #[must_use]
    pub fn join(redis: Redis, config: FleetConfig) -> Self {
        let election = RedisElection::new(redis.clone(), config.name(), config.me().clone(), config.term());
        Self::join_by(redis, config, Arc::new(election))
    }

    /// The same with another election, which has to be of the same [replica](FleetConfig::me): Leases of Kubernetes, for instance.
    #[must_use]
    pub fn join_by(redis: Redis, config: FleetConfig, election: Arc<dyn Election>) -> Self {
        let (shards, wanted) = watch::channel(Arc::default());
        let (unreachable, probed) = watch::channel(Arc::default());
        let members = Members::new(redis.clone(), config.name(), config.me().clone());
        let seats = Seats::start(config.seats, members, election, wanted, probed);
        let inner = Inner {
            redis,
            config,
            shards,
            unreachable,
            held: seats.held(),
            roster: seats.roster(),
            seats: tokio::sync::Mutex::new(Some(seats)),
            gauges: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The fleet's view of a cluster: a hub whose sources are all of one fleet has its state from the fleet, and watches only what this
    /// replica is to watch for all. What is asked of the cluster otherwise (an object, who may do what) is asked of `source`.
    #[must_use]
    pub fn source<S>(&self, source: S) -> FleetSource<S> {
        FleetSource { source, fleet: self.clone() }
    }

    /// How this replica fares.
    #[must_use]
    pub fn status(&self) -> FleetStatus {
        let Inner { config, roster, held, gauges, redis, .. } = &*self.inner;
        let gauges = gauges.lock().unwrap_or_else(PoisonError::into_inner);
        FleetStatus {
            name: config.name().clone(),
            member: config.me().to_string(),
            members: roster.borrow().members.iter().map(|member| member.id.to_string()).collect(),
            holds: held.borrow().keys().cloned().collect(),
            kinds: gauges.iter().map(|gauge| gauge.read()).collect(),
            redis: redis.status(),
        }
    }

    /// Lets go of everything that this replica watches for all, and tells the others, who follow within a second; takes 2 s at most. What
    /// this replica shows goes on as before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it as if the replica had been killed.
    pub async fn leave(&self) {
        let seats = self.inner.seats.lock().await.take();
        if let Some(seats) = seats {
            seats.leave().await;
        }
    }
}

impl Inner {
    /// The log of a kind: replicas that would watch something else, or could not read each other's records, have another.
    fn log_of<K: Kind>(&self, cut: &Cut, watcher: &Watcher<K>) -> (Log, String) {
        let resource = K::resource();
        let about = format!("{}|{}|{cut:?}|{:?}", K::STORED, env!("CARGO_PKG_VERSION"), watcher.scope());
        let print: String = Sha256::digest(about).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let group = if resource.group.is_empty() { "core" } else { &resource.group };
        let kind = format!("{}.{group}", resource.plural);
        let log = |name: &str| Log::new(self.redis.clone(), &self.config.name, name, self.config.bounds);
        // Names of kinds are names of DNS; one that is not has its fingerprint.
        let of = log(&format!("{kind}.{print}")).or_else(|_| log(&format!("kind.{print}")));
        (of.unwrap_or_else(|_| unreachable!("a fingerprint is a name")), kind)
    }

    fn look_after(&self, cut: &Cut) {
        self.shards.send_modify(|shards| {
            let all = shards.iter().chain(cut.shards()).cloned().collect();
            *shards = Arc::new(all);
        });
    }
}

impl Raise for Inner {
    fn raise(self: Arc<Self>, shard: Shard, above: u64) -> BoxFuture<'static, bool> {
        Box::pin(async move {
            let seats = self.seats.lock().await;
            match &*seats {
                Some(seats) => seats.raise(&shard, above).await.is_some(),
                None => false,
            }
        })
    }
}

impl<K: Kind> Share<K> for Inner {
    fn share(self: Arc<Self>, watcher: Watcher<K>) -> (Store<K>, BoxFuture<'static, ()>) {
        let cut = Cut::of(&watcher, self.config.buckets);
        let (log, name) = self.log_of(&cut, &watcher);
        let gauge = Arc::new(KindGauge::new(name));
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner).push(gauge.clone());
        self.look_after(&cut);
        let (writer, store) = Store::shared(rand::random(), watcher.history(), GAP);
        let watcher = Arc::new(watcher);
        let follower = Follower::new(
            log.clone(),
            cut.clone(),
            watcher.clone(),
            writer,
            self.config.patience,
            gauge.clone(),
        );
        let holders = Holders { fleet: self, log, cut, watcher, gauge };
        let work = async move {
            futures::join!(follower.run(), holders.run());
        };
        (store, Box::pin(work))
    }
}

/// Has what this replica holds of a kind watched for all.
struct Holders<K> {
    fleet: Arc<Inner>,
    log: Log,
    cut: Cut,
    watcher: Arc<Watcher<K>>,
    gauge: Arc<KindGauge>,
}

impl<K: Kind> Holders<K> {
    async fn run(self) {
        let mut held = self.fleet.held.clone();
        let mut tasks = JoinSet::new();
        let mut running: BTreeMap<Shard, AbortHandle> = BTreeMap::new();
        let mut looks = interval(LOOK);
        loop {
            let mine: BTreeSet<Shard> = {
                let held = held.borrow_and_update();
                self.cut.shards().iter().filter(|shard| held.contains_key(shard)).cloned().collect()
            };
            running.retain(|shard, task| {
                let goes_on = mine.contains(shard) && !task.is_finished();
                if !goes_on {
                    task.abort();
                }
                goes_on
            });
            for shard in mine {
                running.entry(shard.clone()).or_insert_with(|| tasks.spawn(self.publisher(shard).run()));
            }
            tokio::select! {
                changed = held.changed() => if changed.is_err() {
                    // Left: nothing is held any more, and won't be.
                    running.values().for_each(AbortHandle::abort);
                    return std::future::pending().await;
                },
                _ = looks.tick() => self.look(),
            }
            while tasks.try_join_next().is_some() {}
        }
    }

    fn publisher(&self, shard: Shard) -> FleetPublisher<K> {
        FleetPublisher {
            log: self.log.clone(),
            cut: self.cut.clone(),
            shard,
            held: self.fleet.held.clone(),
            seats: self.fleet.clone(),
            watcher: self.watcher.clone(),
            gauge: self.gauge.clone(),
        }
    }

    /// Looks which clusters are in reach.
    fn look(&self) {
        let out_of_reach: Vec<ClusterId> = self
            .watcher
            .clusters()
            .into_iter()
            .map(|info| info.id)
            .filter(|cluster| !self.watcher.reaches(cluster))
            .collect();
        let of_mine: BTreeSet<ClusterId> = self.watcher.clusters().into_iter().map(|info| info.id).collect();
        self.fleet.unreachable.send_if_modified(|now| {
            let others = now.iter().filter(|cluster| !of_mine.contains(cluster)).cloned();
            let all: BTreeSet<ClusterId> = others.chain(out_of_reach.iter().cloned()).collect();
            let changed = **now != all;
            if changed {
                *now = Arc::new(all);
            }
            changed
        });
    }
}

/// A cluster, as a fleet shares it: see [`Fleet::source`].
#[derive(Debug, Clone)]
pub struct FleetSource<S> {
    source: S,
    fleet: Fleet,
}

#[async_trait]
impl<S: Cluster> Cluster for FleetSource<S> {
    fn info(&self) -> ClusterInfo {
        self.source.info()
    }

    async fn probe(&self) -> Result<(), SourceError> {
        self.source.probe().await
    }

    async fn review_token(
        &self,
        token: &Token,
        audiences: &[String],
    ) -> Result<Option<UserInfo>, SourceError> {
        self.source.review_token(token, audiences).await
    }

    async fn review_access(&self, user: &UserInfo, attributes: &Attributes) -> Result<bool, SourceError> {
        self.source.review_access(user, attributes).await
    }
}

/// What a hub asks of it by itself is asked of the cluster: while this replica watches for all, or alone.
#[async_trait]
impl<K: Kind, S: ResourceSource<K>> ResourceSource<K> for FleetSource<S> {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        self.source.watch(request).await
    }

    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        self.source.get(key).await
    }

    /// The fleet, for kinds whose records can be sent ([`Kind::STORED`]); each replica watches any other by itself.
    fn shared_by(&self) -> Option<Arc<dyn Share<K>>> {
        if K::STORED.is_empty() {
            tracing::warn!(kind = %K::resource().kind, "records of this kind can't be shared: each replica watches it");
            return None;
        }
        Some(self.fleet.inner.clone())
    }
}
