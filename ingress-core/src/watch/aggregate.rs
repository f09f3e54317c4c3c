//! The aggregator: one task that owns all lanes of a kind and is the only writer of its store.
//!
//! It decides which lanes there are (the [`Plan`]), merges what they say in the order in which it arrives, and publishes once
//! per round, however many messages the round took.
//!
//! With all namespaces in view there is one cluster-wide lane per cluster. When the cluster refuses that (403), the lane
//! stays, asking again now and then, and meanwhile every namespace gets a lane of its own: those that the cluster lists, or,
//! where namespaces can't be listed either, the one that the configuration names as its default. When the cluster-wide lane
//! is allowed after all, its complete state replaces what the others fed, and they end.
//!
//! Each lane is a connection of its own, so there are never more than [`LanePolicy::max_lanes`]; a namespace beyond that has a
//! lane that does nothing but say so.
//!
//! At any time one key is fed by one lane only: a refused lane forgets its resume point and feeds nothing until it hands
//! over a complete state, and at that moment the lanes that it covers end, with all that they still had on its way.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::endpoint::Endpoint;
use crate::error::{ErrorKind, SourceError};
use crate::key::{ClusterId, LaneScope, Namespace, ObjectKey, Scope};
use crate::kind::{Kind, NamespaceRecord};
use crate::source::{ResourceSource, WatchEvent};
use crate::stats::KindCounters;
use crate::status::{Gauges, LaneId, LaneState, LaneStatus};
use crate::store::{Snapshot, Store, Writer};
use crate::watch::lane::{Lane, LaneMessage, LanePolicy};

/// How many messages of lanes wait for the aggregator at most; lanes wait when there are more.
const INBOX: usize = 256;

/// One cluster's source of a kind.
pub(crate) struct Feed<K> {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) source: Arc<dyn ResourceSource<K>>,
    counters: Arc<KindCounters>,
}

impl<K> Feed<K> {
    pub(crate) fn counters(&self) -> &KindCounters {
        &self.counters
    }
}

impl<K> Clone for Feed<K> {
    fn clone(&self) -> Self {
        Self { endpoint: self.endpoint.clone(), source: self.source.clone(), counters: self.counters.clone() }
    }
}

impl<K: Kind> Feed<K> {
    pub(crate) fn new(endpoint: Arc<Endpoint>, source: Arc<dyn ResourceSource<K>>) -> Self {
        let counters = endpoint.counters().kind(&K::resource());
        Self { endpoint, source, counters }
    }
}

/// Which lanes there are to be.
#[derive(Clone)]
pub(crate) enum Plan {
    /// One per cluster, for a cluster-scoped kind; the scope says which names are in view.
    ClusterWide(Scope),
    /// As the scope says, with the namespaces that are known as what to fall back to.
    Namespaced(Scope, Store<NamespaceRecord>),
}

impl Plan {
    /// The lanes to begin with in each cluster.
    pub(crate) fn first_scopes(&self) -> Vec<LaneScope> {
        match self {
            Self::Namespaced(Scope::Namespaces(names), _) => {
                names.iter().cloned().map(LaneScope::Namespace).collect()
            }
            Self::ClusterWide(_) | Self::Namespaced(Scope::All, _) => vec![LaneScope::Cluster],
        }
    }

    /// Whether an object is in view at all.
    fn contains(&self, key: &ObjectKey) -> bool {
        match self {
            Self::ClusterWide(scope) => key.namespace().is_none() && scope.contains(key.name()),
            Self::Namespaced(scope, _) => key.namespace().is_some_and(|namespace| scope.contains(namespace)),
        }
    }
}

/// What was known before the first lane began, from another time or another process. It is shown as stale until a lane confirms it,
/// and a lane that does makes only the real differences visible.
#[derive(Debug)]
#[non_exhaustive]
pub struct Known<K> {
    /// The objects.
    pub objects: Vec<(ObjectKey, Arc<K>)>,
    /// What their lanes said of themselves.
    pub lanes: Vec<LaneStatus>,
    /// When all that was current.
    pub at: Timestamp,
}

/// What gives what was known, once.
pub(crate) type Recall<K> = BoxFuture<'static, Option<Known<K>>>;

/// Says, by being dropped, that a kind no longer waits for what was known.
pub(crate) type Recalling = mpsc::Sender<Infallible>;

/// How long what was known is waited for: the cluster itself would have answered by then.
const RECALL: Duration = Duration::from_secs(2);

struct Slot {
    run: u64,
    task: AbortHandle,
    gauges: Arc<Gauges>,
    objects: usize,
}

pub(crate) struct Aggregator<K> {
    writer: Writer<K>,
    feeds: HashMap<ClusterId, Feed<K>>,
    plan: Plan,
    policy: Arc<LanePolicy>,
    lanes: HashMap<LaneId, Slot>,
    /// Lanes for which there was no room.
    turned_away: BTreeSet<LaneId>,
    /// Clusters whose cluster-wide lane is refused, with its last status.
    fallen_back: HashMap<ClusterId, LaneStatus>,
    /// The lanes to begin with.
    first: Vec<LaneId>,
    recall: Option<(Recall<K>, Recalling)>,
    /// What was known of the lanes when they began.
    known: HashMap<LaneId, LaneStatus>,
    /// Clusters of which objects may be there that no lane speaks for.
    inherited: BTreeSet<ClusterId>,
    counts: bool,
    runs: u64,
    tasks: JoinSet<()>,
    out: mpsc::Sender<LaneMessage<K>>,
    inbox: mpsc::Receiver<LaneMessage<K>>,
}

impl<K: Kind> Aggregator<K> {
    /// Whoever reads the store from now on sees at least that the first lanes are there.
    pub(crate) fn new(writer: Writer<K>, feeds: Vec<Feed<K>>, plan: Plan, policy: Arc<LanePolicy>) -> Self {
        let (out, inbox) = mpsc::channel(INBOX);
        let feeds: HashMap<_, _> =
            feeds.into_iter().map(|feed| (feed.endpoint.info().id.clone(), feed)).collect();
        let lane = |cluster: &ClusterId, scope| LaneId::new(cluster.clone(), &K::resource(), scope);
        let of_cluster = |cluster| plan.first_scopes().into_iter().map(move |scope| lane(cluster, scope));
        let first = feeds.keys().flat_map(of_cluster).collect();
        let mut this = Self {
            writer,
            feeds,
            plan,
            policy,
            lanes: HashMap::new(),
            turned_away: BTreeSet::new(),
            fallen_back: HashMap::new(),
            first,
            recall: None,
            known: HashMap::new(),
            inherited: BTreeSet::new(),
            counts: true,
            runs: 0,
            tasks: JoinSet::new(),
            out,
            inbox,
        };
        for lane in &this.first {
            this.writer.set_lane(LaneStatus::new(lane.clone(), K::resource().kind));
        }
        this.writer.publish();
        this
    }

    /// Begins with these lanes only.
    pub(crate) fn only(mut self, lanes: &BTreeSet<LaneId>) -> Self {
        let (kept, others) = self.first.into_iter().partition(|lane| lanes.contains(lane));
        self.first = kept;
        let others: Vec<LaneId> = others;
        for lane in others {
            self.writer.remove_lane(&lane);
        }
        self.writer.publish();
        self
    }

    /// Begins with what was known, once that is told. `recalling` is dropped when it is visible, or will not be.
    pub(crate) fn recalling(self, recall: Recall<K>, recalling: Recalling) -> Self {
        Self { recall: Some((recall, recalling)), ..self }
    }

    /// Leaves it to others to count objects.
    pub(crate) fn uncounted(self) -> Self {
        Self { counts: false, ..self }
    }

    /// Takes what was known for the state, stale, as far as it is in view.
    pub(crate) fn take_over(&mut self, known: Known<K>) {
        let Known { objects, lanes, at } = known;
        let mut count = 0_usize;
        for (key, object) in objects {
            if self.plan.contains(&key) && self.feeds.contains_key(key.cluster()) {
                self.inherited.insert(key.cluster().clone());
                count += usize::from(self.writer.apply_shared(key, object));
            }
        }
        for mut status in lanes {
            status.stale_since = status.last_sync.and(status.stale_since.or(Some(at)));
            self.known.insert(status.id.clone(), status);
        }
        for lane in &self.first {
            let mut status = LaneStatus::new(lane.clone(), K::resource().kind);
            if let Some(known) = self.known.get(lane) {
                (status.last_sync, status.stale_since) = (known.last_sync, known.stale_since);
                self.writer.set_lane(status);
            }
        }
        tracing::info!(kind = %K::resource().kind, objects = count, since = %at, "began with what was known");
    }

    /// Makes what was taken over visible before it runs.
    pub(crate) fn published(mut self) -> Self {
        self.writer.publish();
        self
    }

    async fn begin(&mut self) {
        let mut recalling = None;
        if let Some((recall, until_visible)) = self.recall.take() {
            recalling = Some(until_visible);
            if let Ok(Some(known)) = tokio::time::timeout(RECALL, recall).await {
                self.take_over(known);
                self.count_all();
            }
        }
        for LaneId { cluster, scope, .. } in std::mem::take(&mut self.first) {
            self.start_lane(&cluster, scope);
        }
        self.writer.publish();
        drop(recalling);
    }

    fn count_all(&self) {
        for (cluster, feed) in self.feeds.iter().filter(|_| self.counts) {
            feed.counters.objects(0, self.writer.state().range(cluster, None).count());
        }
    }

    /// Runs until it is dropped; its lanes end with it.
    pub(crate) async fn run(mut self) {
        let mut namespaces = match &self.plan {
            Plan::ClusterWide(_) => None,
            Plan::Namespaced(_, namespaces) => Some(namespaces.watch()),
        };
        self.begin().await;
        let mut messages = Vec::new();
        loop {
            tokio::select! {
                received = self.inbox.recv_many(&mut messages, INBOX) => {
                    // This task holds a sender of its own, so the channel never closes.
                    debug_assert!(received > 0);
                    // Lanes that have more to say get a turn to say it: one publication for all of a burst.
                    tokio::task::yield_now().await;
                    while messages.len() < INBOX
                        && let Ok(message) = self.inbox.try_recv()
                    {
                        messages.push(message);
                    }
                    for message in messages.drain(..) {
                        let cluster = message.lane.cluster.clone();
                        self.counted(&cluster, |this| this.merge(message));
                    }
                }
                () = changed(&mut namespaces), if !self.fallen_back.is_empty() => self.adjust_all(),
            }
            while self.tasks.try_join_next().is_some() {}
            self.writer.publish();
        }
    }

    fn start_lane(&mut self, cluster: &ClusterId, scope: LaneScope) {
        let Some(feed) = self.feeds.get(cluster) else { return };
        let id = LaneId::new(cluster.clone(), &K::resource(), scope);
        if self.lanes.contains_key(&id) {
            return;
        }
        let mut status = LaneStatus::new(id.clone(), K::resource().kind);
        if let Some(known) = self.known.remove(&id) {
            (status.last_sync, status.stale_since) = (known.last_sync, known.stale_since);
        }
        if self.lanes.len() >= self.policy.max_lanes {
            self.turn_away(status);
            return;
        }
        self.turned_away.remove(&id);
        self.runs += 1;
        let gauges = status.gauges.clone();
        self.writer.set_lane(status.clone());
        let lane = Lane {
            status,
            run: self.runs,
            source: feed.source.clone(),
            endpoint: feed.endpoint.clone(),
            counters: feed.counters.clone(),
            policy: self.policy.clone(),
            out: self.out.clone(),
        };
        let task = self.tasks.spawn(lane.run().boxed());
        let objects = self.writer.state().range(cluster, id.scope.namespace()).count();
        gauges.set_objects(objects);
        self.lanes.insert(id, Slot { run: self.runs, task, gauges, objects });
    }

    fn turn_away(&mut self, mut status: LaneStatus) {
        if !self.turned_away.insert(status.id.clone()) {
            return;
        }
        let bound = self.policy.max_lanes;
        let message = format!("no lane for this scope: there are {bound} already, the bound of one kind");
        tracing::warn!(lane = %status.id, bound, "no room for this lane");
        status.state = LaneState::Denied;
        status.failures = 1;
        status.error = Some(SourceError::new(ErrorKind::Configuration, message));
        // What a cluster-wide lane once fed here is nobody's now.
        if self.writer.state().range(&status.id.cluster, status.id.scope.namespace()).next().is_some() {
            status.stale_since = Some(status.since);
        }
        self.writer.set_lane(status);
    }

    /// Ends a lane; what it fed stays.
    fn end_lane(&mut self, id: &LaneId) {
        self.turned_away.remove(id);
        if let Some(slot) = self.lanes.remove(id) {
            slot.task.abort();
        }
        self.writer.remove_lane(id);
    }

    fn merge(&mut self, message: LaneMessage<K>) {
        let LaneMessage { lane, run, state, changes, status } = message;
        if self.lanes.get(&lane).is_none_or(|slot| slot.run != run) {
            return;
        }
        if let Some(objects) = state {
            self.replace(&lane, objects);
        }
        for change in changes {
            self.change(&lane, change);
        }
        if let Some(slot) = self.lanes.get(&lane) {
            slot.gauges.set_objects(slot.objects);
        }
        if let Some(status) = status {
            self.lane_said(status);
        }
    }

    fn replace(&mut self, lane: &LaneId, objects: Vec<K>) {
        let keyed: Vec<(ObjectKey, K)> = objects
            .into_iter()
            .filter(|object| self.in_view(lane, object.namespace(), object.name()))
            .map(|object| {
                let key = ObjectKey::new(lane.cluster.clone(), object.namespace(), object.name());
                (key, object)
            })
            .collect();
        let count = keyed.len();
        self.writer.replace(&lane.cluster, lane.scope.namespace(), keyed);
        if let Some(slot) = self.lanes.get_mut(lane) {
            slot.objects = count;
        }
    }

    fn change(&mut self, lane: &LaneId, change: WatchEvent<K>) {
        match change {
            WatchEvent::Applied(object) => {
                if !self.in_view(lane, object.namespace(), object.name()) {
                    return;
                }
                let key = ObjectKey::new(lane.cluster.clone(), object.namespace(), object.name());
                let added = self.writer.apply(key, object);
                if let Some(slot) = self.lanes.get_mut(lane) {
                    slot.objects += usize::from(added);
                }
            }
            WatchEvent::Deleted(gone) => {
                if !self.in_view(lane, gone.namespace.as_deref(), &gone.name) {
                    return;
                }
                let key = ObjectKey::new(lane.cluster.clone(), gone.namespace.as_deref(), &gone.name);
                let deleted = self.writer.delete(&key);
                if let Some(slot) = self.lanes.get_mut(lane) {
                    slot.objects = slot.objects.saturating_sub(usize::from(deleted));
                }
            }
            WatchEvent::Listed(_) | WatchEvent::Synced(_) | WatchEvent::Bookmark(_) => {}
        }
    }

    /// Whether a lane may speak of an object: a source that answers for another namespace than it was asked for must not
    /// disturb that namespace's own lane.
    fn in_view(&self, lane: &LaneId, namespace: Option<&str>, name: &str) -> bool {
        match (&self.plan, &lane.scope) {
            (Plan::ClusterWide(scope), _) => namespace.is_none() && scope.contains(name),
            (Plan::Namespaced(..), LaneScope::Namespace(own)) => namespace == Some(own.as_str()),
            (Plan::Namespaced(..), LaneScope::Cluster) => namespace.is_some(),
        }
    }

    fn lane_said(&mut self, status: LaneStatus) {
        let cluster = status.id.cluster.clone();
        let cluster_wide =
            matches!(self.plan, Plan::Namespaced(Scope::All, _)) && status.id.scope == LaneScope::Cluster;
        if !cluster_wide {
            self.writer.set_lane(status);
            return;
        }
        let forbidden = status.state == LaneState::Denied
            && status.error.as_ref().is_some_and(|error| error.kind() == ErrorKind::Forbidden);
        // An API server that has just started refuses for a moment what it allowed before: not worth a lane per namespace.
        let lasting = status.last_sync.is_none() || status.failures > 1;
        if forbidden && lasting {
            if self.fallen_back.insert(cluster.clone(), status).is_none() {
                tracing::info!(%cluster, "no permission for all namespaces: watching them one by one");
            }
            self.adjust(&cluster);
        } else if status.is_live() {
            self.writer.set_lane(status);
            if self.fallen_back.remove(&cluster).is_some() {
                tracing::info!(%cluster, "permission for all namespaces: watching them as one");
                for lane in self.namespace_lanes(&cluster) {
                    self.end_lane(&lane);
                }
            }
        } else if let Some(known) = self.fallen_back.get_mut(&cluster) {
            // Asking again: until it is allowed, the lanes of the namespaces are what counts.
            *known = status;
        } else {
            self.writer.set_lane(status);
        }
    }

    fn namespace_lanes(&self, cluster: &ClusterId) -> Vec<LaneId> {
        let of = |lane: &&LaneId| lane.cluster == *cluster && lane.scope != LaneScope::Cluster;
        self.lanes.keys().chain(&self.turned_away).filter(of).cloned().collect()
    }

    fn adjust_all(&mut self) {
        let clusters: Vec<ClusterId> = self.fallen_back.keys().cloned().collect();
        for cluster in &clusters {
            self.counted(cluster, |this| this.adjust(cluster));
        }
    }

    /// Does something that concerns one cluster, and counts its objects.
    fn counted(&mut self, cluster: &ClusterId, act: impl FnOnce(&mut Self)) {
        let before = self.writer.state().len();
        act(self);
        if let Some(feed) = self.feeds.get(cluster).filter(|_| self.counts) {
            feed.counters.objects(before, self.writer.state().len());
        }
    }

    /// Makes the lanes of a cluster that refused the cluster-wide one those of its namespaces.
    fn adjust(&mut self, cluster: &ClusterId) {
        let Plan::Namespaced(_, namespaces) = &self.plan else { return };
        let Some(feed) = self.feeds.get(cluster) else { return };
        let snapshot = namespaces.snapshot();
        let (wanted, complete) = match listed_namespaces(&snapshot, cluster) {
            Some(names) => (names, true),
            None => (feed.endpoint.info().default_namespace.iter().cloned().collect(), false),
        };
        if complete {
            // Every namespace has a lane that speaks for it; the refused one has nothing to add.
            self.writer.remove_lane(&LaneId::new(cluster.clone(), &K::resource(), LaneScope::Cluster));
        } else if let Some(status) = self.fallen_back.get(cluster) {
            self.writer.set_lane(status.clone());
        }
        for lane in self.namespace_lanes(cluster) {
            let Some(namespace) = lane.scope.namespace() else { continue };
            if complete && !wanted.contains(namespace) {
                self.writer.replace(cluster, Some(namespace), Vec::new());
                self.end_lane(&lane);
            }
        }
        if complete && self.inherited.remove(cluster) {
            // What was known from before may lie in namespaces that are gone.
            let here = self.writer.state().range(cluster, None);
            let gone: BTreeSet<Namespace> = here
                .filter_map(|(key, _)| Namespace::new(key.namespace()?).ok())
                .filter(|namespace| !wanted.contains(namespace))
                .collect();
            for namespace in gone {
                self.writer.replace(cluster, Some(&namespace), Vec::new());
            }
        }
        for namespace in wanted {
            self.start_lane(cluster, LaneScope::Namespace(namespace));
        }
    }
}

/// The namespaces that a cluster lists; `None` while it never did.
fn listed_namespaces(
    snapshot: &Snapshot<NamespaceRecord>,
    cluster: &ClusterId,
) -> Option<BTreeSet<Namespace>> {
    let lane = LaneId::new(cluster.clone(), &NamespaceRecord::resource(), LaneScope::Cluster);
    snapshot.lane(&lane)?.last_sync?;
    Some(snapshot.range(cluster, None).filter_map(|(key, _)| Namespace::new(key.name()).ok()).collect())
}

/// Resolves when a store that is watched changed; never for none.
async fn changed(store: &mut Option<watch::Receiver<Option<u64>>>) {
    if let Some(receiver) = store
        && receiver.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

#[cfg(test)]
mod tests;
