//! What is known of clusters at one moment: the objects of every kind that routes depend on, and how well each kind is known.
//!
//! An [`Inventory`] is a value. Cloning it copies pointers, and whoever holds one sees the same for as long as they like. It is filled
//! from a hub's stores as they change ([`routes`](crate::routes)), or from manifests. Everything that judges
//! ([`diagnose`](crate::diagnose)) is a pure function of it.
//!
//! Nothing is read from it directly, but through a [`Reader`], for two reasons:
//!
//! - A look-up has three answers, not two. *Missing* is said only where the kind is known to be complete: its lane is live. Where
//!   it may not be read, isn't installed, isn't watched or was not read yet, the answer is [`Unknown`], with the reason.
//! - A reader notes what it was asked. Whoever judged with it knows on which objects the judgement depends, those included that
//!   were looked for and not found, without having to say so; that is how a change reaches just those routes that it concerns.
//!
//! Objects are found by key, and by *tag*: a pair that each record names for itself ([`Indexed::tags`]), such as a label of a pod or the host of
//! an ingress. The index of tags is kept with the objects, so that finding the pods of a service costs what there are of them.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::key::{ClusterId, LaneScope, Namespace, ObjectKey};
use crate::kind::{
    Application, CertificateRequest, Challenge, ClusterOpenReport, ClusterPolicyReport, Constraint,
    HelmRelease, Kustomization, OpenReport, Order, PolicyReport,
};
use crate::kind::{
    BackendTlsPolicy, BackendTrafficPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, IngressRoute,
    ReferenceGrant, Resource, TlsRoute, VirtualService,
};
use crate::kind::{
    Certificate, ClusterIssuer, DeploymentMeta, EndpointSlice, Endpoints, Event, Ingress, IngressClass,
    Issuer, NamespaceRecord, NetworkPolicy, Pod, ReplicaSetMeta, Service, TlsSecret,
};
use crate::status::{LaneId, LaneState, LaneStatus};
use crate::store::{Change, Snapshot};

use history::History;

mod dependency;
mod difference;
#[cfg(feature = "files")]
mod documents;
mod history;
mod index;
mod reader;

pub(crate) use dependency::{Dependencies, Dependency, Touched};
#[cfg(feature = "files")]
pub use documents::{Removed, Taken};
#[cfg(feature = "files")]
pub(crate) use documents::{decode, fault, is_known, is_of};
pub use history::Past;
pub(crate) use index::Software;
pub use index::{Indexed, Tag};
pub use reader::{Lookup, Many, MayRead, Reader, Refusal};

/// How well a kind is known in one scope.
///
/// What is stale was seen, and judgements go on from it, so that a watch that breaks for a moment doesn't turn every verdict; since when it
/// is stale is told beside them ([`Inventory::stale_since`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Knowledge {
    /// Completely, and it is current.
    Live,
    /// As it was at that time.
    Stale(Timestamp),
    /// Not at all, for this reason.
    None(Why),
}

impl Knowledge {
    /// Why nothing is known; `None` when it is.
    #[must_use]
    pub fn unknown(self) -> Option<Why> {
        match self {
            Self::Live | Self::Stale(_) => None,
            Self::None(why) => Some(why),
        }
    }
}

/// Why something is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Why {
    /// This program does not watch the kind.
    NotWatched,
    /// It watches the kind, but not this namespace.
    OutOfScope,
    /// The cluster does not serve the kind.
    NotInstalled,
    /// The credentials in use may not read it.
    Denied,
    /// Whoever asks may not read it, whatever this program may.
    Forbidden,
    /// It was not read yet, or could not be.
    NotRead,
    /// It can't be known where this is asked: a running cluster would have it.
    Offline,
    /// Nothing in a cluster says it, whatever may be read.
    Unknowable,
}

impl Why {
    /// The reason's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotWatched => "not_watched",
            Self::OutOfScope => "out_of_scope",
            Self::NotInstalled => "not_installed",
            Self::Denied => "denied",
            Self::Forbidden => "forbidden",
            Self::NotRead => "not_read",
            Self::Offline => "offline",
            Self::Unknowable => "unknowable",
        }
    }
}

/// Something that is not known, and why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Unknown {
    /// Of which kind, such as `Pod`.
    pub kind: &'static str,
    /// In which namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// The object's name, when one was looked for.
    pub name: Option<String>,
    /// Why.
    pub why: Why,
}

/// The objects of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Table<K> {
    objects: OrdMap<ObjectKey, Arc<K>>,
    tags: OrdMap<Place, OrdSet<ObjectKey>>,
    lanes: OrdMap<LaneId, Knowledge>,
    history: History,
    watched: bool,
}

/// A tag in a namespace, or in a whole cluster for what has none.
type Place = (ObjectKey, Tag);

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self {
            objects: OrdMap::new(),
            tags: OrdMap::new(),
            lanes: OrdMap::new(),
            history: History::default(),
            watched: false,
        }
    }
}

impl<K: Indexed> Table<K> {
    /// Sets an object. Hands out the tags that nothing had, or that nothing has but it.
    fn insert(&mut self, key: &ObjectKey, object: &Arc<K>, turned: &mut dyn FnMut(&Place)) {
        if let Some(old) = self.objects.insert(key.clone(), object.clone()) {
            self.untag(key, &old, turned);
        }
        object.tags(&mut |tag| {
            let place = place(key, K::SCOPED, tag);
            match self.tags.get_mut(&place) {
                Some(tagged) => drop(tagged.insert(key.clone())),
                None => {
                    turned(&place);
                    self.tags.insert(place, OrdSet::unit(key.clone()));
                }
            }
        });
    }

    /// Takes an object out. Hands out the tags that nothing has any more.
    fn remove(&mut self, key: &ObjectKey, turned: &mut dyn FnMut(&Place)) {
        self.history.forget(key);
        if let Some(old) = self.objects.remove(key) {
            self.untag(key, &old, turned);
        }
    }

    fn untag(&mut self, key: &ObjectKey, old: &K, turned: &mut dyn FnMut(&Place)) {
        old.tags(&mut |tag| {
            let place = place(key, K::SCOPED, tag);
            if let Some(tagged) = self.tags.get_mut(&place) {
                tagged.remove(key);
                if tagged.is_empty() {
                    turned(&place);
                    self.tags.remove(&place);
                }
            }
        });
    }

    /// How well this kind is known there, by the best of the lanes that cover it.
    fn knowledge(&self, cluster: &ClusterId, namespace: Option<&str>) -> Knowledge {
        if !self.watched {
            return Knowledge::None(Why::NotWatched);
        }
        let lane = |scope| self.lanes.get(&LaneId::new(cluster.clone(), &K::resource(), scope)).copied();
        let whole = lane(LaneScope::Cluster);
        let part = namespace
            .and_then(|name| Namespace::new(name).ok())
            .and_then(|name| lane(LaneScope::Namespace(name)));
        match (part, whole) {
            (Some(Knowledge::Live), _) | (_, Some(Knowledge::Live)) => Knowledge::Live,
            (Some(part), _) => part,
            (None, Some(whole)) => whole,
            // A lane per namespace, but none for this one; or none at all so far.
            (None, None) if self.lanes.keys().any(|id| id.cluster == *cluster) => {
                Knowledge::None(Why::OutOfScope)
            }
            (None, None) => Knowledge::None(Why::NotRead),
        }
    }
}

/// Where a tag of an object is looked for.
fn place(key: &ObjectKey, scoped: bool, tag: Tag) -> Place {
    let namespace = key.namespace().filter(|_| scoped && !tag.is_wide());
    (ObjectKey::new(key.cluster().clone(), namespace, ""), tag)
}

/// What a lane's state says of how well its kind is known.
fn knowledge_of(lane: &LaneStatus) -> Knowledge {
    if lane.is_live() {
        return Knowledge::Live;
    }
    let refused = lane.error.as_ref().map(crate::SourceError::kind);
    match (lane.state, refused) {
        (LaneState::Denied, Some(ErrorKind::NotFound)) => Knowledge::None(Why::NotInstalled),
        (LaneState::Denied, Some(ErrorKind::Configuration)) => Knowledge::None(Why::Offline),
        (LaneState::Denied, _) => Knowledge::None(Why::Denied),
        _ => lane.stale_since.map_or(Knowledge::None(Why::NotRead), Knowledge::Stale),
    }
}

/// A kind that an [`Inventory`] holds.
pub(crate) trait Held: Indexed {
    /// Its number, for dependencies.
    const NUMBER: u8;
    /// Its name, such as `Pod`.
    const NAME: &'static str;
    fn table(inventory: &Inventory) -> &Table<Self>;
    fn table_mut(inventory: &mut Inventory) -> &mut Table<Self>;
}

macro_rules! inventory {
    (
        $($own:ident: $own_kind:ident = $own_number:literal $own_name:literal,)*
        ;
        $($field:ident: $kind:ident = $number:literal $name:literal,)*
    ) => {
        inventory! {
            @ $($own: $own_kind = $own_number $own_name,)* $($field: $kind = $number $name,)*
        }

        /// Calls a macro once, with every kind that is watched for the sake of routes.
        macro_rules! routed_kinds {
            ($call:ident) => { $call! { $($kind)* } };
        }
        pub(crate) use routed_kinds;
    };
    (@ $($field:ident: $kind:ident = $number:literal $name:literal,)*) => {
        /// What is known of clusters at one moment. Cloning it copies pointers.
        #[derive(Debug, Clone, Default)]
        pub struct Inventory {
            $($field: Table<$kind>,)*
        }

        $(
            impl Held for $kind {
                const NUMBER: u8 = $number;
                const NAME: &'static str = $name;
                fn table(inventory: &Inventory) -> &Table<Self> {
                    &inventory.$field
                }
                fn table_mut(inventory: &mut Inventory) -> &mut Table<Self> {
                    &mut inventory.$field
                }
            }
        )*

        /// Calls a macro with every kind that an inventory holds.
        macro_rules! every_kind {
            ($call:ident) => { $($call!($kind);)* };
        }
        pub(crate) use every_kind;
    };
}

// A number is never given twice, and never changes: 0 to 63. First what every hub watches, and Endpoints, which clusters with slices would tell
// everything twice by; below the semicolon what a hub watches when it is told to know routes (`HubBuilder::routes`).
inventory! {
    ingresses: Ingress = 0 "Ingress",
    namespaces: NamespaceRecord = 1 "Namespace",
    endpoints: Endpoints = 8 "Endpoints",
    ;
    ingress_classes: IngressClass = 2 "IngressClass",
    services: Service = 3 "Service",
    endpoint_slices: EndpointSlice = 4 "EndpointSlice",
    pods: Pod = 5 "Pod",
    tls_secrets: TlsSecret = 6 "Secret",
    network_policies: NetworkPolicy = 7 "NetworkPolicy",
    events: Event = 9 "Event",
    deployments: DeploymentMeta = 10 "Deployment",
    replica_sets: ReplicaSetMeta = 11 "ReplicaSet",
    certificates: Certificate = 12 "Certificate",
    issuers: Issuer = 13 "Issuer",
    cluster_issuers: ClusterIssuer = 14 "ClusterIssuer",
    certificate_requests: CertificateRequest = 15 "CertificateRequest",
    orders: Order = 16 "Order",
    challenges: Challenge = 17 "Challenge",
    kustomizations: Kustomization = 18 "Kustomization",
    helm_releases: HelmRelease = 19 "HelmRelease",
    applications: Application = 20 "Application",
    policy_reports: PolicyReport = 21 "PolicyReport",
    cluster_policy_reports: ClusterPolicyReport = 22 "ClusterPolicyReport",
    open_reports: OpenReport = 23 "Report",
    cluster_open_reports: ClusterOpenReport = 24 "ClusterReport",
    constraints: Constraint = 25 "Constraint",
    gateways: Gateway = 30 "Gateway",
    gateway_classes: GatewayClass = 31 "GatewayClass",
    http_routes: HttpRoute = 32 "HTTPRoute",
    grpc_routes: GrpcRoute = 33 "GRPCRoute",
    tls_routes: TlsRoute = 34 "TLSRoute",
    reference_grants: ReferenceGrant = 35 "ReferenceGrant",
    backend_tls_policies: BackendTlsPolicy = 36 "BackendTLSPolicy",
    backend_traffic_policies: BackendTrafficPolicy = 37 "BackendTrafficPolicy",
    virtual_services: VirtualService = 38 "VirtualService",
    ingress_routes: IngressRoute = 39 "IngressRoute",
}

impl Inventory {
    /// Knows nothing, and is asked of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an object, as if a live lane had told of it.
    #[expect(private_bounds, reason = "what can be held is a closed set")]
    pub fn insert<K: Held>(&mut self, cluster: &ClusterId, object: K) {
        let key = ObjectKey::new(cluster.clone(), object.namespace(), object.name());
        K::table_mut(self).insert(&key, &Arc::new(object), &mut |_| {});
    }

    /// Says how well a kind is known in a whole cluster.
    #[expect(private_bounds, reason = "what can be held is a closed set")]
    pub fn know<K: Held>(&mut self, cluster: &ClusterId, knowledge: Knowledge) {
        let table = K::table_mut(self);
        table.watched = true;
        table.lanes.insert(LaneId::new(cluster.clone(), &K::resource(), LaneScope::Cluster), knowledge);
    }

    /// Says that a kind is watched, though nothing was read yet.
    pub(crate) fn watch<K: Held>(&mut self) {
        K::table_mut(self).watched = true;
    }

    /// Follows a store. Notes which dependencies the change touches.
    pub(crate) fn apply<K: Held>(&mut self, change: &Change<K>, touched: &mut Touched) {
        let table = K::table_mut(self);
        match change {
            Change::Added(key, new) => {
                table.insert(key, new, &mut |place| touched.presence::<K>(place));
                touched.object::<K>(key, None, Some(new));
            }
            Change::Modified { key, old, new } => {
                table.history.note(key, old.as_ref(), new.as_ref(), touched.now());
                if old.equivalent(new) {
                    // Its revision is new.
                    table.objects.insert(key.clone(), new.clone());
                } else {
                    table.insert(key, new, &mut |place| touched.presence::<K>(place));
                    touched.object::<K>(key, Some(old), Some(new));
                }
            }
            Change::Deleted(key, old) => {
                table.remove(key, &mut |place| touched.presence::<K>(place));
                touched.object::<K>(key, Some(old), None);
            }
            Change::Lane(lane) => {
                let now = knowledge_of(lane);
                let before = table.lanes.insert(lane.id.clone(), now);
                if before.map(Knowledge::unknown) != Some(now.unknown()) {
                    touched.lane::<K>(&lane.id.cluster);
                }
            }
            Change::LaneRemoved(id) => {
                if table.lanes.remove(id).is_some() {
                    touched.lane::<K>(&id.cluster);
                }
            }
        }
    }

    /// Follows a store to a state, whatever came before it.
    pub(crate) fn reset<K: Held>(&mut self, to: &Snapshot<K>, touched: &mut Touched) {
        let gone = K::table(self).objects.iter().filter(|(key, _)| to.get(key).is_none());
        let gone: Vec<_> = gone.map(|(key, old)| Change::Deleted(key.clone(), old.clone())).collect();
        let there = to.iter().map(|(key, new)| match K::table(self).objects.get(key) {
            Some(old) => Change::Modified { key: key.clone(), old: old.clone(), new: new.clone() },
            None => Change::Added(key.clone(), new.clone()),
        });
        let there: Vec<_> = there.collect();
        for change in gone.iter().chain(&there) {
            self.apply(change, touched);
        }
        self.reset_lanes(to, touched);
    }

    /// The same for the lanes alone.
    pub(crate) fn reset_lanes<K: Held>(&mut self, to: &Snapshot<K>, touched: &mut Touched) {
        let gone = K::table(self).lanes.keys().filter(|id| to.lane(id).is_none());
        let gone: Vec<_> = gone.map(|id| Change::<K>::LaneRemoved(id.clone())).collect();
        let there: Vec<_> = to.lanes().map(|lane| Change::<K>::Lane(lane.clone())).collect();
        for change in gone.iter().chain(&there) {
            self.apply(change, touched);
        }
    }

    /// The kinds that are watched and were neither read nor refused so far: what is said before that is said too early.
    #[must_use]
    pub fn unread(&self) -> Vec<&'static str> {
        let mut unread = Vec::new();
        macro_rules! look {
            ($kind:ident) => {
                let table = <$kind as Held>::table(self);
                let waits = |knowledge: &Knowledge| *knowledge == Knowledge::None(Why::NotRead);
                if table.watched && (table.lanes.is_empty() || table.lanes.values().any(waits)) {
                    unread.push(<$kind as Held>::NAME);
                }
            };
        }
        every_kind!(look);
        unread
    }

    /// Whether a kind, such as `Pod`, is known in some scope of a cluster.
    #[must_use]
    pub fn is_known(&self, kind: &str, cluster: &ClusterId) -> bool {
        let mut known = false;
        macro_rules! look {
            ($kind:ident) => {
                let lanes = &<$kind as Held>::table(self).lanes;
                known |= <$kind as Held>::NAME == kind
                    && lanes.iter().any(|(id, lane)| id.cluster == *cluster && lane.unknown().is_none());
            };
        }
        every_kind!(look);
        known
    }

    /// Since when some of what is known of a cluster is stale; `None` while all of it is current.
    #[must_use]
    pub fn stale_since(&self, cluster: &ClusterId) -> Option<Timestamp> {
        let mut oldest: Option<Timestamp> = None;
        macro_rules! look {
            ($kind:ident) => {
                for (id, knowledge) in &<$kind as Held>::table(self).lanes {
                    if let (true, Knowledge::Stale(since)) = (id.cluster == *cluster, knowledge) {
                        oldest = Some(oldest.map_or(*since, |known| known.min(*since)));
                    }
                }
            };
        }
        every_kind!(look);
        oldest
    }

    /// All objects of a kind, ordered by cluster, namespace and name.
    #[expect(private_bounds, reason = "what can be held is a closed set")]
    pub fn objects<K: Held>(&self) -> impl Iterator<Item = (&ObjectKey, &Arc<K>)> {
        K::table(self).objects.iter()
    }

    /// One object.
    #[expect(private_bounds, reason = "what can be held is a closed set")]
    #[must_use]
    pub fn object<K: Held>(&self, key: &ObjectKey) -> Option<&Arc<K>> {
        K::table(self).objects.get(key)
    }
}

/// The names of all kinds that an inventory holds, such as `Pod`.
#[must_use]
pub fn kinds() -> Vec<&'static str> {
    let mut kinds = Vec::new();
    macro_rules! name {
        ($kind:ident) => {
            kinds.push(<$kind as Held>::NAME);
        };
    }
    every_kind!(name);
    kinds
}

/// Where a kind of this name lives; `None` for kinds that no inventory holds.
#[must_use]
pub fn resource_of(name: &str) -> Option<Resource> {
    macro_rules! look {
        ($kind:ident) => {
            if <$kind as Held>::NAME == name {
                return Some(<$kind as crate::kind::Kind>::resource());
            }
        };
    }
    every_kind!(look);
    None
}

#[cfg(test)]
mod tests;
