//! The JSON types, as programs may rely on them. `wire` and the handlers write them; these describe them.
//!
//! What may be `null` is an `Option` that is required; what may be absent is one that is not.

#![expect(dead_code, reason = "these are described and never made")]

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// An ingress.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ingress {
    /// `cluster/namespace/name`; a cluster's name may itself hold `/`.
    id: String,
    cluster: String,
    namespace: String,
    name: String,
    uid: String,
    resource_version: String,
    #[schema(required, format = DateTime)]
    creation_timestamp: Option<String>,
    /// `spec.ingressClassName`, else the annotation `kubernetes.io/ingress.class`.
    #[schema(required)]
    ingress_class_name: Option<String>,
    /// The distinct hosts of the rules, in order.
    hosts: Vec<String>,
    rules: Vec<Rule>,
    #[schema(required)]
    default_backend: Option<Backend>,
    tls: Vec<Tls>,
    /// IPs and hostnames of `status.loadBalancer.ingress`.
    addresses: Vec<String>,
    labels: BTreeMap<String, String>,
    /// Up to 16 KiB of them, smallest first.
    annotations: BTreeMap<String, String>,
    /// There, and true, only when some annotations were left out.
    #[schema(nullable = false)]
    annotations_truncated: Option<bool>,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Rule {
    /// `null` matches every host.
    #[schema(required)]
    host: Option<String>,
    paths: Vec<Path>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Path {
    #[schema(required)]
    path: Option<String>,
    /// `Exact`, `Prefix` or `ImplementationSpecific`.
    path_type: String,
    #[schema(required)]
    backend: Option<Backend>,
}

/// Either a service or a resource.
#[derive(Serialize, ToSchema)]
pub(super) struct Backend {
    #[schema(nullable = false)]
    service: Option<Service>,
    #[schema(nullable = false)]
    resource: Option<Resource>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Service {
    name: String,
    #[schema(required)]
    port: Option<Port>,
}

/// Either a name or a number.
#[derive(Serialize, ToSchema)]
pub(super) struct Port {
    #[schema(nullable = false)]
    name: Option<String>,
    #[schema(nullable = false)]
    number: Option<u16>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    /// `null` for the core group.
    #[schema(required)]
    api_group: Option<String>,
    kind: String,
    name: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tls {
    hosts: Vec<String>,
    #[schema(required)]
    secret_name: Option<String>,
}

/// One page of ingresses.
#[derive(Serialize, ToSchema)]
pub(super) struct IngressList {
    items: Vec<Ingress>,
    /// How many match, over all pages.
    total: u64,
    /// There only while more items follow.
    #[schema(nullable = false)]
    cursor: Option<String>,
    revision: Revision,
    /// What the answer does not know, or no longer knows to be current.
    partial: Vec<Partial>,
    #[schema(format = DateTime)]
    timestamp: String,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

/// Opaque.
#[derive(Serialize, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9a-f]+(:[0-9]+)?$")]
pub(super) struct Revision(String);

/// A lane that is not live, or that is not there.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Partial {
    cluster: String,
    /// `null` for the whole cluster.
    #[schema(required)]
    namespace: Option<String>,
    /// A lane's state, or `unwatched`, `restricted` or `unknown`.
    state: String,
    #[schema(required)]
    reason: Option<String>,
    #[schema(required)]
    message: Option<String>,
    #[schema(required, format = DateTime)]
    stale_since: Option<String>,
}

/// What keeps one scope (a namespace, or the whole cluster) of one kind current.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Lane {
    id: String,
    cluster: String,
    kind: String,
    /// `null` for the whole cluster.
    #[schema(required)]
    namespace: Option<String>,
    state: LaneState,
    #[schema(format = DateTime)]
    since: String,
    #[schema(required, format = DateTime)]
    last_sync: Option<String>,
    #[schema(required, format = DateTime)]
    last_contact: Option<String>,
    #[schema(required, format = DateTime)]
    stale_since: Option<String>,
    failures: u32,
    #[schema(required, format = DateTime)]
    retry_at: Option<String>,
    /// `null` for whoever may not see all that the lane feeds.
    #[schema(required)]
    objects: Option<u64>,
    relists: u64,
    /// `null` for whoever may not see all that the lane feeds.
    #[schema(required)]
    malformed: Option<u64>,
    breaker: Breaker,
    #[schema(required)]
    error: Option<LaneError>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LaneState {
    Connecting,
    Syncing,
    Live,
    Reconnecting,
    Denied,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Breaker {
    Closed,
    Open,
    HalfOpen,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LaneError {
    class: ErrorClass,
    /// Such as `Unreachable`, `Forbidden` or `Timeout`.
    reason: String,
    message: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ErrorClass {
    Transient,
    Permanent,
    Expired,
    Malformed,
}

#[derive(Serialize, ToSchema)]
pub(super) struct NamespaceList {
    items: Vec<Namespace>,
    total: u64,
    revision: Revision,
    partial: Vec<Partial>,
    #[schema(format = DateTime)]
    timestamp: String,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Namespace {
    id: String,
    cluster: String,
    name: String,
    #[schema(required)]
    phase: Option<String>,
    #[schema(required, format = DateTime)]
    creation_timestamp: Option<String>,
    #[schema(required)]
    labels: Option<BTreeMap<String, String>>,
    ingresses: u64,
    #[schema(required)]
    lane: Option<Lane>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    status: HealthStatus,
    #[schema(format = DateTime)]
    timestamp: String,
    checks: Checks,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum HealthStatus {
    Healthy,
    Unhealthy,
    /// No cluster has answered yet.
    Unknown,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Checks {
    kubernetes: Check,
    /// `null` while nobody can tell what the viewer may see.
    #[schema(required)]
    lanes: Option<LaneCounts>,
    /// There only with several clusters.
    #[schema(nullable = false)]
    clusters: Option<Vec<ClusterCheck>>,
    /// There only of a replica of a fleet.
    #[schema(nullable = false)]
    fleet: Option<FleetCheck>,
    /// The places where answers of clusters are kept. What is wrong with them never makes the whole unhealthy.
    caches: Vec<CacheCheck>,
}

/// How a replica fares in its fleet.
#[derive(Serialize, ToSchema)]
pub(super) struct FleetCheck {
    name: String,
    replica: String,
    /// How many replicas are alive, as far as this one knows.
    replicas: usize,
    /// How many shards this replica watches for all.
    holds: usize,
    /// Where the state is from, of the kind that fares worst.
    mode: FleetMode,
    #[schema(required, format = DateTime)]
    since: Option<String>,
    /// What went wrong last, while something is.
    #[schema(nullable = false)]
    error: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum FleetMode {
    /// From nowhere yet, or not any more: what is shown is stale.
    Waiting,
    /// From the fleet.
    Following,
    /// From a watch of its own, since the fleet is of no use.
    Alone,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CacheCheck {
    /// `memory` or `redis`, or what a host's own cache calls itself.
    kind: String,
    state: CacheState,
    /// Since when it can, or can't, be reached.
    #[schema(nullable = false, format = DateTime)]
    since: Option<String>,
    #[schema(nullable = false)]
    last_error: Option<CacheError>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum CacheState {
    /// Nobody asked it yet.
    Idle,
    Up,
    /// It answers, but not everything went well lately.
    Degraded,
    Down,
}

/// What went wrong last.
#[derive(Serialize, ToSchema)]
pub(super) struct CacheError {
    kind: String,
    message: String,
    #[schema(format = DateTime)]
    at: String,
}

/// How many of the lanes of ingresses that the viewer may see are in each state.
#[derive(Serialize, ToSchema)]
pub(super) struct LaneCounts {
    connecting: usize,
    syncing: usize,
    live: usize,
    reconnecting: usize,
    denied: usize,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Check {
    status: CheckStatus,
    /// In milliseconds; `null` before the first answer.
    #[schema(required)]
    latency: Option<u64>,
    #[schema(required)]
    breaker: Option<Breaker>,
    #[schema(nullable = false)]
    error: Option<LaneError>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ClusterCheck {
    cluster: String,
    status: CheckStatus,
    /// In milliseconds; `null` before the first answer.
    #[schema(required)]
    latency: Option<u64>,
    #[schema(required)]
    breaker: Option<Breaker>,
    #[schema(nullable = false)]
    error: Option<LaneError>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum CheckStatus {
    Up,
    Down,
    /// It has not answered yet.
    Unknown,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Info {
    version: String,
    clusters: Vec<Cluster>,
    scope: Scope,
    #[schema(format = DateTime)]
    timestamp: String,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Cluster {
    cluster: String,
    /// How it was found: `argument`, `KUBECONFIG`, `in-cluster`, `home`, `rke2`, `kubeadm`, `client`, `demo`, `files` or `custom`.
    origin: String,
    #[schema(required)]
    detail: Option<String>,
    #[schema(required)]
    server: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Scope {
    /// `null` means all.
    #[schema(required)]
    namespaces: Option<Vec<String>>,
}

/// What went wrong (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Problem {
    /// Compare the part after `#`.
    r#type: String,
    title: String,
    status: u16,
    /// For people.
    detail: String,
    /// The parameter that is wrong.
    #[schema(nullable = false)]
    parameter: Option<String>,
    /// That of the answer's `X-Request-Id`.
    #[schema(nullable = false)]
    request_id: Option<String>,
}

/// An event of the stream: `event` is its type, `data` the JSON of its data.
#[derive(Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "camelCase")]
pub(super) enum StreamEvent {
    /// At the start one per lane; afterwards whenever a lane's state changes.
    Lane(Lane),
    /// A chunk of the state.
    Snapshot(SnapshotData),
    Added(Ingress),
    Modified(Ingress),
    Deleted(DeletedData),
    LaneRemoved(LaneRemovedData),
    /// Forget everything; lanes and a snapshot follow.
    Reset(ResetData),
    /// The server is stopping; reconnect.
    End(EndData),
}

#[derive(Serialize, ToSchema)]
pub(super) struct SnapshotData {
    revision: Revision,
    items: Vec<Ingress>,
    /// True in the last chunk, and only there.
    done: bool,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct DeletedData {
    id: String,
    namespace: String,
    name: String,
    uid: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LaneRemovedData {
    id: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ResetData {
    /// `resume-expired`, `epoch-changed`, `lagged` or `access-changed`.
    reason: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct EndData {
    /// `shutdown` or `unauthenticated`, or what may come with a later version.
    reason: String,
    /// How long to wait before reconnecting, in milliseconds.
    retry: u64,
}

/// Who asks, and how they could say so.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    /// `none`, or how people say who they are, `bearer`, `oidc` or `elsewhere`.
    authentication: String,
    /// `null` for whoever did not say, or when nobody asks.
    #[schema(required)]
    user: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignedOut {
    /// The provider's page to sign out there.
    end_session: String,
}
