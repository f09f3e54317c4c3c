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

/// An event of the stream of routes: `event` is its type, `data` the JSON of its data.
#[derive(Serialize, ToSchema)]
#[serde(tag = "event", content = "data", rename_all = "camelCase")]
pub(super) enum RouteStreamEvent {
    /// At the start, and whenever it changes: how well routes are known.
    Stale(StaleData),
    /// A chunk of the state.
    Snapshot(RouteSnapshotData),
    Added(RouteItem),
    /// The route itself is another.
    Modified(RouteItem),
    /// The same route is judged otherwise.
    Verdict(VerdictData),
    Removed(RemovedData),
    /// Forget everything; a snapshot follows.
    Reset(ResetData),
    /// The server is stopping; reconnect.
    End(EndData),
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StaleData {
    /// By cluster, since when what is known of it is stale; a cluster of which everything is current is absent.
    stale_since: BTreeMap<String, String>,
    /// Why there may be more routes.
    unknown: Vec<ClusterUnknown>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RouteSnapshotData {
    revision: Revision,
    items: Vec<RouteItem>,
    /// True in the last chunk, and only there.
    done: bool,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct VerdictData {
    id: RouteId,
    cluster: String,
    verdict: RouteVerdict,
    /// The verdict before.
    was: RouteVerdict,
    codes: Vec<String>,
    #[schema(required)]
    fault: Option<StepKind>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RemovedData {
    id: RouteId,
    cluster: String,
    kind: String,
    #[schema(required)]
    namespace: Option<String>,
    name: String,
}

/// What routes are made of.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Topology {
    nodes: Vec<TopologyNode>,
    edges: Vec<TopologyEdge>,
    left_out: TopologyLeftOut,
    /// Why there may be more routes in the namespace; empty for one route.
    unknown: Vec<ClusterUnknown>,
    revision: Revision,
    /// By cluster, since when what is known of it is stale; a cluster of which everything is current is absent.
    stale_since: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    timestamp: String,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TopologyNode {
    id: String,
    /// `IngressClass`, `Listener`, `Route`, or the kind of an object.
    kind: String,
    cluster: String,
    #[schema(required)]
    namespace: Option<String>,
    /// `null` where nobody could look which there are.
    #[schema(required)]
    name: Option<String>,
    /// What it is called by, where that is not its name.
    #[schema(required)]
    label: Option<String>,
    verdict: RouteVerdict,
    codes: Vec<String>,
    /// Why it is not known, as in a diagnosis.
    #[schema(required)]
    why: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct TopologyEdge {
    from: String,
    to: String,
    /// `entry`, `rule`, `backend`, `endpoints`, `pod` or `certificate`.
    kind: String,
    #[schema(required)]
    weight: Option<u32>,
    #[schema(required)]
    port: Option<String>,
    verdict: RouteVerdict,
}

/// How much there is that is not shown.
#[derive(Serialize, ToSchema)]
pub(super) struct TopologyLeftOut {
    routes: u64,
    slices: u64,
    pods: u64,
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

/// A route: one host with one path and match, and the backends behind it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteItem {
    id: RouteId,
    cluster: String,
    /// The kind of the object that says so, such as `Ingress` or `HTTPRoute`.
    kind: String,
    #[schema(required)]
    namespace: Option<String>,
    name: String,
    /// Where in the object.
    field: String,
    /// `null` for every host.
    #[schema(required)]
    host: Option<String>,
    path: RoutePath,
    /// `null` for every method.
    #[schema(required)]
    method: Option<String>,
    headers: Vec<RouteValue>,
    query_params: Vec<RouteValue>,
    /// What else a request must meet, in words such as `!path=/a…`.
    conditions: Vec<String>,
    /// The doors through which requests come in.
    entries: Vec<RouteEntry>,
    backends: Vec<RouteBackend>,
    /// Whether a filter may answer by itself, such as with a redirect.
    answers: bool,
    addresses: Vec<String>,
    /// `null` where it is served without TLS.
    #[schema(required)]
    tls: Option<RouteTls>,
    /// How its requests are treated.
    settings: Vec<RouteSetting>,
    #[schema(required)]
    owner: Option<RouteOwner>,
    verdict: RouteVerdict,
    /// The codes of what was found, each once.
    codes: Vec<String>,
    /// The first step that failed.
    #[schema(required)]
    fault: Option<StepKind>,
}

/// Something that is said, beside a route, of how its requests are treated.
#[derive(Serialize, ToSchema)]
pub(super) struct RouteSetting {
    fact: RouteFact,
    /// The route's object, or a policy that applies to it.
    object: NamedObject,
    /// Where in it.
    field: String,
    /// As it was written; `null` where it may hold a credential, or is more than one value.
    #[schema(required)]
    raw: Option<String>,
}

/// What a setting means, whoever serves the route: its name, and what belongs to it.
#[derive(Serialize, ToSchema)]
pub(super) struct RouteFact {
    /// Such as `maxBodySize`, which comes with `bytes`.
    name: String,
    #[serde(flatten)]
    more: BTreeMap<String, serde_json::Value>,
}

/// Stays the same as long as the route does.
#[derive(Serialize, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9a-f]{16}$")]
pub(super) struct RouteId(String);

#[derive(Serialize, ToSchema)]
pub(super) struct RoutePath {
    /// Empty for every path.
    text: String,
    /// `Any`, `Exact`, `Prefix`, `TextPrefix`, `RegularExpression` or `ImplementationSpecific`.
    r#type: String,
}

/// A header or query parameter that a request must have.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteValue {
    name: String,
    value: String,
    regular_expression: bool,
}

/// A door through which requests come in.
#[derive(Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(super) enum RouteEntry {
    /// The controller of an ingress class.
    IngressClass(ClassEntry),
    /// A listener of a gateway.
    Listener(ListenerEntry),
    /// A `Gateway` of Istio's.
    IstioGateway(IstioGatewayEntry),
    /// Sidecars of a mesh of Istio's.
    Mesh,
    /// An entry point of Traefik's.
    EntryPoint(EntryPointEntry),
}

#[derive(Serialize, ToSchema)]
pub(super) struct ClassEntry {
    #[schema(required)]
    class: Option<String>,
    #[schema(required)]
    controller: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ListenerEntry {
    namespace: String,
    gateway: String,
    listener: String,
    port: u16,
    protocol: String,
    /// `null` for every host.
    #[schema(required)]
    host: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct IstioGatewayEntry {
    namespace: String,
    gateway: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct EntryPointEntry {
    /// `null` for those that are used by default.
    #[schema(required)]
    name: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RouteBackend {
    kind: String,
    #[schema(required)]
    namespace: Option<String>,
    name: String,
    #[schema(required)]
    port: Option<Port>,
    /// The share, in proportion to those of the others.
    weight: u32,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RouteTls {
    /// Empty for the controller's default certificate.
    secrets: Vec<RouteSecret>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RouteSecret {
    #[schema(required)]
    namespace: Option<String>,
    name: String,
}

/// Who manages the object.
#[derive(Serialize, ToSchema)]
pub(super) struct RouteOwner {
    /// `helm`, `flux_helm_release`, `flux_kustomization` or `argo_application`.
    kind: String,
    #[schema(required)]
    namespace: Option<String>,
    name: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum RouteVerdict {
    Ok,
    Degraded,
    Unknown,
    Broken,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StepKind {
    Entry,
    Address,
    Tls,
    Route,
    Backend,
    Endpoints,
    Pods,
}

/// One page of routes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RouteList {
    items: Vec<RouteItem>,
    /// How many match, over all pages.
    total: u64,
    verdicts: VerdictCounts,
    /// There only while more items follow.
    #[schema(nullable = false)]
    cursor: Option<String>,
    /// Why there may be more.
    unknown: Vec<ClusterUnknown>,
    revision: Revision,
    /// By cluster, since when what is known of it is stale; a cluster of which everything is current is absent.
    stale_since: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    timestamp: String,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

/// How many routes match all parameters but `verdict`.
#[derive(Serialize, ToSchema)]
pub(super) struct VerdictCounts {
    ok: u64,
    degraded: u64,
    unknown: u64,
    broken: u64,
}

/// A route, with its diagnosis.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct WholeRoute {
    id: RouteId,
    cluster: String,
    /// The kind of the object that says so, such as `Ingress` or `HTTPRoute`.
    kind: String,
    #[schema(required)]
    namespace: Option<String>,
    name: String,
    /// Where in the object.
    field: String,
    /// `null` for every host.
    #[schema(required)]
    host: Option<String>,
    path: RoutePath,
    /// `null` for every method.
    #[schema(required)]
    method: Option<String>,
    headers: Vec<RouteValue>,
    query_params: Vec<RouteValue>,
    /// What else a request must meet, in words such as `!path=/a…`.
    conditions: Vec<String>,
    /// The doors through which requests come in.
    entries: Vec<RouteEntry>,
    backends: Vec<RouteBackend>,
    /// Whether a filter may answer by itself, such as with a redirect.
    answers: bool,
    addresses: Vec<String>,
    /// `null` where it is served without TLS.
    #[schema(required)]
    tls: Option<RouteTls>,
    /// How its requests are treated.
    settings: Vec<RouteSetting>,
    #[schema(required)]
    owner: Option<RouteOwner>,
    verdict: RouteVerdict,
    /// The codes of what was found, each once.
    codes: Vec<String>,
    /// The first step that failed.
    #[schema(required)]
    fault: Option<StepKind>,
    diagnosis: Diagnosis,
    revision: Revision,
    #[schema(format = DateTime)]
    timestamp: String,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

/// Whether a route works.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Diagnosis {
    verdict: RouteVerdict,
    /// The first step that failed.
    #[schema(required)]
    fault: Option<StepKind>,
    /// The way of a request, in order.
    steps: Vec<DiagnosisStep>,
    findings: Vec<RouteFinding>,
    /// Until when this holds while nothing changes; `null` for good.
    #[schema(required, format = DateTime)]
    until: Option<String>,
    /// Since when some of what it was judged by is stale.
    #[schema(required, format = DateTime)]
    stale_since: Option<String>,
}

/// The diagnosis of one route.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DiagnosisAlone {
    id: RouteId,
    verdict: RouteVerdict,
    /// The first step that failed.
    #[schema(required)]
    fault: Option<StepKind>,
    /// The way of a request, in order.
    steps: Vec<DiagnosisStep>,
    findings: Vec<RouteFinding>,
    /// Until when this holds while nothing changes; `null` for good.
    #[schema(required, format = DateTime)]
    until: Option<String>,
    /// Since when some of what it was judged by is stale.
    #[schema(required, format = DateTime)]
    stale_since: Option<String>,
    revision: Revision,
    #[schema(format = DateTime)]
    timestamp: String,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct DiagnosisStep {
    kind: StepKind,
    /// Of which of the route's backends; `null` for what they have in common.
    #[schema(required)]
    backend: Option<usize>,
    #[schema(required)]
    object: Option<NamedObject>,
    state: RouteVerdict,
    /// What was seen, in short sentences.
    evidence: Vec<String>,
    /// Places in `findings`.
    findings: Vec<usize>,
    unknown: Vec<UnknownThing>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct NamedObject {
    kind: String,
    #[schema(required)]
    namespace: Option<String>,
    name: String,
}

/// Something that is not known.
#[derive(Serialize, ToSchema)]
pub(super) struct UnknownThing {
    kind: String,
    #[schema(required)]
    namespace: Option<String>,
    #[schema(required)]
    name: Option<String>,
    /// `not_watched`, `out_of_scope`, `not_installed`, `denied`, `forbidden`, `not_read`, `offline` or `unknowable`.
    why: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct RouteFinding {
    /// As `/api/checks` lists them.
    code: String,
    severity: Severity,
    object: NamedObject,
    #[schema(required)]
    field: Option<String>,
    cause: String,
    action: String,
    /// The command that shows it.
    command: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Info,
    Warning,
    Critical,
}

/// What happens to a request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MatchAnswer {
    entries: Vec<EntryMatch>,
    /// Routes that fit, but to which no known door leads.
    without_entry: Vec<ShortRoute>,
    /// Why another route may get it.
    unknown: Vec<ClusterUnknown>,
    revision: Revision,
    /// By cluster, since when what is known of it is stale; a cluster of which everything is current is absent.
    stale_since: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    timestamp: String,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

/// What happens to it at one door.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryMatch {
    cluster: String,
    entry: RouteEntry,
    /// The route that gets it; `null` when none does.
    #[schema(required)]
    winner: Option<ShortRoute>,
    /// Why it may be another one: `implementation_specific`, `regular_expression`, `tie`, `other_host`,
    /// `unseen_condition` or `default_entry_point`.
    doubts: Vec<String>,
    losers: Vec<LosingRoute>,
    /// How many more there are.
    more: u64,
}

#[derive(Serialize, ToSchema)]
pub(super) struct LosingRoute {
    route: ShortRoute,
    /// Such as `path`, `method` or `less_specific_path`.
    why: String,
    /// The header, the query parameter, the condition or the expression.
    #[schema(required)]
    detail: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ShortRoute {
    id: RouteId,
    kind: String,
    #[schema(required)]
    namespace: Option<String>,
    name: String,
    field: String,
    #[schema(required)]
    host: Option<String>,
    path: RoutePath,
    #[schema(required)]
    method: Option<String>,
    #[schema(required)]
    verdict: Option<RouteVerdict>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct CheckList {
    items: Vec<CheckItem>,
}

/// What is checked.
#[derive(Serialize, ToSchema)]
pub(super) struct CheckItem {
    code: String,
    severity: Severity,
    title: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateList {
    items: Vec<CertificateItem>,
    total: u64,
    /// Why there may be more.
    unknown: Vec<ClusterUnknown>,
    revision: Revision,
    /// By cluster, since when what is known of it is stale; a cluster of which everything is current is absent.
    stale_since: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    timestamp: String,
    /// There, and true, only for a simulated cluster.
    #[schema(nullable = false)]
    demo: Option<bool>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ClusterUnknown {
    cluster: String,
    /// `*` where nobody can tell what whoever asks may read.
    kind: String,
    #[schema(required)]
    namespace: Option<String>,
    #[schema(required)]
    name: Option<String>,
    /// As in a diagnosis, or `access_unknown`.
    why: String,
}

/// A TLS secret, and the first certificate in it, as far as it can be read.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateItem {
    cluster: String,
    #[schema(required)]
    namespace: Option<String>,
    name: String,
    #[schema(required)]
    subject: Option<String>,
    dns_names: Vec<String>,
    ip_addresses: Vec<String>,
    #[schema(required)]
    issuer: Option<String>,
    #[schema(required, format = DateTime)]
    not_before: Option<String>,
    #[schema(required, format = DateTime)]
    not_after: Option<String>,
    /// SHA-256 of the whole certificate, in hexadecimal.
    #[schema(required)]
    fingerprint: Option<String>,
    /// What is wrong with it, if it can't be read as a whole.
    #[schema(required)]
    problem: Option<String>,
    /// The routes that name it.
    routes: Vec<RouteId>,
}
