//! The paths: what each takes and answers. Functions that nobody calls, for `utoipa` to read.

#![expect(dead_code, reason = "these are described and never called")]

use utoipa::{IntoParams, OpenApi};

use super::schema::{
    CertificateList, CheckList, DiagnosisAlone, Health, Info, Ingress, IngressList, MatchAnswer,
    NamespaceList, Problem, Revision, RouteList, RouteStreamEvent, Session, SignedOut, StreamEvent, Topology,
    WholeRoute,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ingress dashboard",
        description = "A live view of which ingresses Kubernetes clusters have. Every path answers HEAD as well as GET; nothing \
                       writes to a cluster. Fields are added, never renamed or removed, within one major version: skip those you \
                       don't know. Beyond the limits of `docs/http-api.md`, requests are refused with problem documents.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = ".", description = "Wherever this document is")),
    paths(ingresses, stream, socket, object, object_yaml, namespaces, routes, route_stream, route, diagnosis, matching, topology, checks,
        certificates, health, info, livez, readyz, metrics, description, session, begin_session,
        end_session, login, callback, page),
    components(schemas(StreamEvent, RouteStreamEvent, Problem)),
    tags(
        (name = "ingresses", description = "What there is"),
        (name = "routes", description = "Where requests go, and whether they get there"),
        (name = "session", description = "Who asks"),
        (name = "state", description = "How it is known, and how this process is"),
    ),
)]
pub(super) struct Api;

/// Lists ingresses
///
/// Filtered, sorted and paged. Parameters may be given once each, other than `label`.
#[utoipa::path(
    get, path = "/api/ingresses", tag = "ingresses",
    params(
        ("namespace" = Option<String>, Query, description = "One namespace; not together with `namespaces`", max_length = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        ("namespaces" = Option<String>, Query, description = "Up to 256, separated by commas", pattern = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(,[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?){0,255}$"),
        ("search" = Option<String>, Query, description = "Up to 16 words in 1024 bytes, all of which must occur in the name, namespace, a rule's host, a path, or a backend's name", max_length = 1024),
        ("host" = Option<String>, Query, description = "A hostname: rules with it, or with a wildcard that covers it", max_length = 253),
        ("class" = Option<String>, Query, description = "The ingress class; empty for ingresses that name none", max_length = 1024),
        ("label" = Option<Vec<String>>, Query, description = "A Kubernetes label selector; up to 16 times, all must match", max_items = 16),
        ("tls" = Option<bool>, Query, description = "Whether it has TLS entries"),
        ("sort" = Option<String>, Query, description = "`namespace` unless given; `-` reverses it", pattern = "^-?(namespace|name|host|ingressClassName|creationTimestamp)$"),
        ("limit" = Option<u16>, Query, description = "How many items in one answer; all unless given", minimum = 1, maximum = 10000),
        ("cursor" = Option<String>, Query, description = "The `cursor` of the answer before; the other parameters must be the same, but for `limit`"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer to the same question"),
    ),
    responses(
        (status = 200, description = "A page", body = IngressList, headers(("ETag" = String, description = "Changes with the data, the state of its lanes, and the question"))),
        (status = 304, description = "As it was"),
    ),
)]
fn ingresses() {}

/// The list's filter, as streams take it.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListFilter {
    /// As in the list
    #[param(max_length = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    namespace: Option<String>,
    /// As in the list
    namespaces: Option<String>,
    /// As in the list
    #[param(max_length = 1024)]
    search: Option<String>,
    /// As in the list
    #[param(max_length = 253)]
    host: Option<String>,
    /// As in the list
    #[param(max_length = 1024)]
    class: Option<String>,
    /// As in the list
    #[param(max_items = 16)]
    label: Option<Vec<String>>,
    /// As in the list
    tls: Option<bool>,
}

/// Follows ingresses
///
/// Server-sent events without end: lanes, a snapshot in chunks, then changes. Each event's `event` and `data` are those of the
/// schema `StreamEvent`; `id` is a revision to resume from.
#[utoipa::path(
    get, path = "/api/ingresses/stream", tag = "ingresses",
    params(
        ListFilter,
        ("since" = Option<Revision>, Query, description = "The `revision` of a list with the same filter: only what came after"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last `id` of an earlier stream with the same filter; wins over `since`"),
    ),
    responses(
        (status = 200, description = "Events; see the schema `StreamEvent`", body = String, content_type = "text/event-stream"),
        (status = 503, description = "As many streams are open as are served", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn stream() {}

/// Follows ingresses over a WebSocket
///
/// The events of the stream, one in each text message: `{"event", "id"?, "data"}`, of the schema `StreamEvent`. What the client sends is
/// not read.
#[utoipa::path(
    get, path = "/api/ingresses/ws", tag = "ingresses",
    params(
        ListFilter,
        ("since" = Option<Revision>, Query, description = "The `revision` of a list with the same filter, or the last `id`: only what came after"),
    ),
    responses(
        (status = 101, description = "The events follow"),
        (status = 426, description = "The request asks for no WebSocket", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "As many streams are open as are served", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn socket() {}

/// Shows one ingress
///
/// As JSON, or with `Accept: application/yaml` the whole object, read from the cluster: for this request, or lately for another one, as
/// `Cache-Status` says. It is of the revision that the JSON has.
#[utoipa::path(
    get, path = "/api/ingresses/{namespace}/{name}", tag = "ingresses",
    params(
        ("namespace" = String, Path, max_length = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        ("name" = String, Path, max_length = 253, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        ("cluster" = Option<String>, Query, description = "Which cluster's, where several have such an object"),
    ),
    responses(
        (status = 200, description = "The ingress", content((Ingress = "application/json"), (Object = "application/yaml")), headers(("Cache-Status" = String, description = "How the whole object came, where a cache had a part in it (RFC 9211)"))),
        (status = 403, description = "The cluster refuses it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "It comes as JSON or YAML", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The cluster's answer is unusable", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The cluster is unavailable", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "The cluster did not answer in time", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn object() {}

/// Shows one ingress as YAML
///
/// The whole object, read from the cluster: for this request, or lately for another one, as `Cache-Status` says. It is of the revision that
/// the list has.
#[utoipa::path(
    get, path = "/api/ingresses/{namespace}/{name}/yaml", tag = "ingresses",
    params(
        ("namespace" = String, Path, max_length = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        ("name" = String, Path, max_length = 253, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        ("cluster" = Option<String>, Query, description = "Which cluster's, where several have such an object"),
    ),
    responses(
        (status = 200, description = "The object, as Kubernetes has it", body = Object, content_type = "application/yaml", headers(("Cache-Status" = String, description = "How the whole object came, where a cache had a part in it (RFC 9211)"))),
        (status = 403, description = "The cluster refuses it", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "The cluster's answer is unusable", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The cluster is unavailable", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "The cluster did not answer in time", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn object_yaml() {}

/// Lists namespaces
///
/// Those in view, each with the lane that feeds it.
#[utoipa::path(
    get, path = "/api/namespaces", tag = "ingresses",
    responses((status = 200, description = "All of them", body = NamespaceList)),
)]
fn namespaces() {}

/// Lists routes
///
/// Filtered, sorted and paged, each with its verdict, by what whoever asks may read.
#[utoipa::path(
    get, path = "/api/routes", tag = "routes",
    params(
        ("namespace" = Option<String>, Query, description = "One namespace; not together with `namespaces`", max_length = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        ("namespaces" = Option<String>, Query, description = "Up to 256, separated by commas", pattern = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(,[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?){0,255}$"),
        ("search" = Option<String>, Query, description = "Up to 16 words in 1024 bytes, all of which must occur in the object's name, namespace, the host, the path, or a backend's name", max_length = 1024),
        ("host" = Option<String>, Query, description = "A hostname: routes for it, or for a wildcard that covers it", max_length = 253),
        ("class" = Option<String>, Query, description = "The ingress class through which requests come in; empty where none is known", max_length = 1024),
        ("tls" = Option<bool>, Query, description = "Whether it is served with TLS"),
        ("verdict" = Option<String>, Query, description = "One or more, separated by commas", pattern = "^(ok|degraded|unknown|broken)(,(ok|degraded|unknown|broken)){0,3}$"),
        ("code" = Option<String>, Query, description = "The code of a check that found something", pattern = "^[A-Z]+[0-9]+$"),
        ("kind" = Option<String>, Query, description = "The kind of the object that says so, such as `Ingress`", max_length = 1024),
        ("backend" = Option<String>, Query, description = "A backend's name, or its namespace and name with a `/` between them", max_length = 1024),
        ("gateway" = Option<String>, Query, description = "A gateway's name, or its namespace and name with a `/` between them", max_length = 1024),
        ("sort" = Option<String>, Query, description = "`host` unless given; `verdict` has the worst first; `-` reverses it", pattern = "^-?(host|namespace|name|verdict)$"),
        ("limit" = Option<u16>, Query, description = "How many items in one answer; all unless given", minimum = 1, maximum = 10000),
        ("cursor" = Option<String>, Query, description = "The `cursor` of the answer before; the other parameters must be the same, but for `limit`"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer to the same question"),
    ),
    responses(
        (status = 200, description = "A page", body = RouteList, headers(("ETag" = String, description = "Changes with what is known, and the question"))),
        (status = 304, description = "As it was"),
        (status = 404, description = "Nobody watches routes here", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn routes() {}

/// Follows routes and their verdicts
///
/// Server-sent events without end: how well routes are known, a snapshot in chunks, then changes. Each event's `event` and `data` are those of the
/// schema `RouteStreamEvent`.
#[utoipa::path(
    get, path = "/api/routes/stream", tag = "routes",
    params(
        ("namespace" = Option<String>, Query, description = "As in the list", max_length = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        ("namespaces" = Option<String>, Query, description = "As in the list"),
        ("search" = Option<String>, Query, description = "As in the list", max_length = 1024),
        ("host" = Option<String>, Query, description = "As in the list", max_length = 253),
        ("class" = Option<String>, Query, description = "As in the list", max_length = 1024),
        ("tls" = Option<bool>, Query, description = "As in the list"),
        ("verdict" = Option<String>, Query, description = "As in the list", pattern = "^(ok|degraded|unknown|broken)(,(ok|degraded|unknown|broken)){0,3}$"),
        ("code" = Option<String>, Query, description = "As in the list", pattern = "^[A-Z]+[0-9]+$"),
        ("kind" = Option<String>, Query, description = "As in the list", max_length = 1024),
        ("backend" = Option<String>, Query, description = "As in the list", max_length = 1024),
        ("gateway" = Option<String>, Query, description = "As in the list", max_length = 1024),
        ("since" = Option<String>, Query, description = "The `revision` of a list with the same filter, or the last `id`: no snapshot, if that is still the present state"),
        ("Last-Event-ID" = Option<String>, Header, description = "The last `id` of an earlier stream with the same filter; wins over `since`"),
    ),
    responses(
        (status = 200, description = "Events; see the schema `RouteStreamEvent`", body = String, content_type = "text/event-stream"),
        (status = 404, description = "Nobody watches routes here", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "As many streams are open as are served", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn route_stream() {}

/// Shows one route, with its diagnosis
#[utoipa::path(
    get, path = "/api/routes/{id}", tag = "routes",
    params(
        ("id" = String, Path, pattern = "^[0-9a-f]{16}$"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer to the same question"),
    ),
    responses(
        (status = 200, description = "The route", body = WholeRoute, headers(("ETag" = String, description = "Changes with what is known"))),
        (status = 304, description = "As it was"),
        (status = 404, description = "There is none, or nobody watches routes here", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn route() {}

/// Tells whether one route works, and if not, why
#[utoipa::path(
    get, path = "/api/routes/{id}/diagnosis", tag = "routes",
    params(
        ("id" = String, Path, pattern = "^[0-9a-f]{16}$"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer to the same question"),
    ),
    responses(
        (status = 200, description = "The diagnosis", body = DiagnosisAlone, headers(("ETag" = String, description = "Changes with what is known"))),
        (status = 304, description = "As it was"),
        (status = 404, description = "There is no such route, or nobody watches routes here", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn diagnosis() {}

/// Tells which route gets a request, and why others don't
#[utoipa::path(
    get, path = "/api/match", tag = "routes",
    params(
        ("host" = String, Query, description = "The host, with or without a port", min_length = 1, max_length = 1024),
        ("path" = Option<String>, Query, description = "The path, with or without a query; `/` unless given", pattern = "^/"),
        ("method" = Option<String>, Query, description = "The method; `GET` unless given"),
        ("header" = Option<Vec<String>>, Query, description = "A header, as `name:value`; up to 16 times", max_items = 16),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer to the same question"),
    ),
    responses(
        (status = 200, description = "The winner at each door", body = MatchAnswer, headers(("ETag" = String, description = "Changes with what is known, and the question"))),
        (status = 304, description = "As it was"),
        (status = 404, description = "Nobody watches routes here", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn matching() {}

/// Shows what routes are made of
///
/// Nodes and edges with verdicts, from the doors through which requests come in to pods and certificates: of one route, or of those of a namespace.
#[utoipa::path(
    get, path = "/api/topology", tag = "routes",
    params(
        ("route" = Option<String>, Query, description = "A route's id; either this or `namespace` must be given", pattern = "^[0-9a-f]{16}$"),
        ("namespace" = Option<String>, Query, description = "A namespace; not together with `route`", max_length = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        ("If-None-Match" = Option<String>, Header, description = "The `ETag` of an answer to the same question"),
    ),
    responses(
        (status = 200, description = "Nodes and edges", body = Topology, headers(("ETag" = String, description = "Changes with what is known, and the question"))),
        (status = 304, description = "As it was"),
        (status = 404, description = "There is no such route, or nobody watches routes here", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn topology() {}

/// Lists what is checked
#[utoipa::path(
    get, path = "/api/checks", tag = "routes",
    responses((status = 200, description = "Every check", body = CheckList)),
)]
fn checks() {}

/// Lists certificates, the next to expire first
#[utoipa::path(
    get, path = "/api/certificates", tag = "routes",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of an earlier answer")),
    responses(
        (status = 200, description = "All of them", body = CertificateList, headers(("ETag" = String, description = "Changes with what is known"))),
        (status = 304, description = "As it was"),
        (status = 404, description = "Nobody watches routes here", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn certificates() {}

/// Tells whether the clusters are there
#[utoipa::path(
    get, path = "/api/health", tag = "state",
    responses(
        (status = 200, description = "They are", body = Health),
        (status = 503, description = "One is not", body = Health),
    ),
)]
fn health() {}

/// Tells which program this is, and which clusters it shows
#[utoipa::path(get, path = "/api/info", tag = "state", responses((status = 200, description = "This", body = Info)))]
fn info() {}

/// Tells whether the process works
#[utoipa::path(
    get, path = "/livez", tag = "state",
    responses(
        (status = 200, description = "It does", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "It does not, and why", body = String, content_type = "text/plain; charset=utf-8"),
    ),
)]
fn livez() {}

/// Tells whether the process may get traffic
#[utoipa::path(
    get, path = "/readyz", tag = "state",
    responses(
        (status = 200, description = "The first sync is done", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "It is not", body = String, content_type = "text/plain; charset=utf-8"),
    ),
)]
fn readyz() {}

/// Tells Prometheus what the process does
#[utoipa::path(
    get, path = "/metrics", tag = "state",
    responses((
        status = 200, description = "OpenMetrics text", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )),
)]
fn metrics() {}

/// Tells who asks
///
/// And how they could say so. Answered to everybody.
#[utoipa::path(get, path = "/auth/session", tag = "session", responses((status = 200, description = "This", body = Session)))]
fn session() {}

/// Signs in
///
/// Gives a cookie for the bearer token in `Authorization`, for browsers.
#[utoipa::path(
    post, path = "/auth/session", tag = "session",
    params(("Authorization" = Option<String>, Header, description = "`Bearer`, and the token")),
    responses(
        (status = 204, description = "The cookie", headers(("Set-Cookie" = String))),
        (status = 404, description = "Nobody signs in here with a token", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn begin_session() {}

/// Signs out
///
/// Takes the cookie back.
#[utoipa::path(
    delete, path = "/auth/session", tag = "session",
    responses(
        (status = 200, description = "It is gone; where to end the provider's session as well", body = SignedOut),
        (status = 204, description = "It is gone", headers(("Set-Cookie" = String))),
    ),
)]
fn end_session() {}

/// Sends a browser to the identity provider
#[utoipa::path(
    get, path = "/auth/login", tag = "session",
    params(("return" = Option<String>, Query, description = "The path of this site to come back to; the page, unless given", max_length = 1024)),
    responses(
        (status = 303, description = "To the provider", headers(("Location" = String), ("Set-Cookie" = String))),
        (status = 404, description = "Nobody signs in here with a provider", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn login() {}

/// Takes a browser back from the identity provider
///
/// Parameters that are not known are skipped, since providers add their own.
#[utoipa::path(
    get, path = "/auth/callback", tag = "session",
    params(
        ("state" = Option<String>, Query, description = "That of the sign-in that this browser began"),
        ("code" = Option<String>, Query, description = "What the provider gave, up to 4096 bytes", max_length = 4096),
        ("error" = Option<String>, Query, description = "Why it gave none"),
        ("iss" = Option<String>, Query, description = "Which provider it is (RFC 9207)"),
    ),
    responses(
        (status = 303, description = "To where the sign-in began", headers(("Location" = String), ("Set-Cookie" = String))),
        (status = 404, description = "Nobody signs in here with a provider", body = Problem, content_type = "application/problem+json"),
    ),
)]
fn callback() {}

/// Describes this API
#[utoipa::path(
    get, path = "/openapi.json", tag = "state",
    responses((status = 200, description = "This document", body = Object, content_type = "application/json")),
)]
fn description() {}

/// Shows the page, for people
#[utoipa::path(
    get, path = "/", tag = "state",
    responses(
        (status = 200, description = "The page", body = String, content_type = "text/html; charset=utf-8"),
        (status = 304, description = "As it was"),
    ),
)]
fn page() {}
