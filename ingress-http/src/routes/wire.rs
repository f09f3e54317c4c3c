//! The JSON of routes and diagnoses, exactly as `docs/http-api.md` describes it.

use std::collections::{BTreeMap, BTreeSet};

use ingress_core::clock::Timestamp;
use ingress_core::diagnose::{self, Assessed, Severity, Verdict};
use ingress_core::inventory;
use ingress_core::route::setting::{self, Fact};
use ingress_core::route::{self, BackendPort, HostPattern, ObjectRef, OwnerKind, PathMatch, RouteId};
use serde::Serialize;

use crate::view::{self, ShownRoutes};
use crate::wire::Text;

/// Since when what is known of each cluster is stale. Clusters of which everything is current are left out.
pub(crate) fn stale_since(shown: &ShownRoutes) -> BTreeMap<&str, Text<Timestamp>> {
    let stale = |cluster| shown.stale_since(cluster).map(Text);
    shown.clusters().iter().filter_map(|cluster| Some((cluster.as_str(), stale(cluster)?))).collect()
}

/// GAP: why there may be more in a cluster.
#[derive(Debug, Serialize)]
pub(crate) struct Gap<'a> {
    cluster: &'a str,
    #[serde(flatten)]
    unknown: Unknown<'a>,
}

impl<'a> From<&'a view::Gap> for Gap<'a> {
    fn from(view::Gap { cluster, what }: &'a view::Gap) -> Self {
        let nobody_says = Unknown { kind: "*", namespace: None, name: None, why: "access_unknown" };
        Self { cluster: cluster.as_str(), unknown: what.as_ref().map_or(nobody_says, Unknown::from) }
    }
}

/// OBJECT.
#[derive(Debug, Serialize)]
pub(crate) struct Object<'a> {
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> From<&'a ObjectRef> for Object<'a> {
    fn from(object: &'a ObjectRef) -> Self {
        Self { kind: &object.kind, namespace: object.namespace.as_deref(), name: &object.name }
    }
}

/// ROUTE.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Route<'a> {
    id: Text<RouteId>,
    cluster: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
    field: &'a str,
    host: Option<String>,
    path: Path<'a>,
    method: Option<&'a str>,
    headers: Vec<Value<'a>>,
    query_params: Vec<Value<'a>>,
    conditions: Vec<String>,
    entries: Vec<Entry<'a>>,
    backends: Vec<Backend<'a>>,
    answers: bool,
    addresses: &'a [String],
    tls: Option<Tls<'a>>,
    settings: Vec<Setting<'a>>,
    owner: Option<Owner<'a>>,
    verdict: &'static str,
    codes: BTreeSet<&'static str>,
    fault: Option<&'static str>,
}

impl<'a> From<&'a Assessed> for Route<'a> {
    fn from(Assessed { route, diagnosis, .. }: &'a Assessed) -> Self {
        Self {
            id: Text(route.id),
            cluster: route.cluster.as_str(),
            kind: &route.object.kind,
            namespace: route.object.namespace.as_deref(),
            name: &route.object.name,
            field: &route.field,
            host: route.host.written(),
            path: Path::from(&route.matches.path),
            method: route.matches.method.as_deref(),
            headers: route.matches.headers.iter().map(Value::from).collect(),
            query_params: route.matches.query_params.iter().map(Value::from).collect(),
            conditions: route.matches.conditions.iter().map(ToString::to_string).collect(),
            entries: route.entries.iter().map(Entry::from).collect(),
            backends: route.backends.iter().map(Backend::from).collect(),
            answers: route.answers,
            addresses: &route.addresses,
            tls: route
                .tls
                .as_ref()
                .map(|tls| Tls { secrets: tls.secrets.iter().map(Secret::from).collect() }),
            settings: route.settings.iter().map(|setting| Setting::from(&**setting)).collect(),
            owner: route.owner.as_ref().map(Owner::from),
            verdict: diagnosis.verdict.as_str(),
            codes: diagnosis.findings.iter().map(|finding| finding.code).collect(),
            fault: fault(diagnosis),
        }
    }
}

/// How a route's requests are treated. What a fact has besides its name is the core's to say.
#[derive(Debug, Serialize)]
struct Setting<'a> {
    fact: &'a Fact,
    object: Object<'a>,
    field: &'a str,
    raw: Option<&'a str>,
}

impl<'a> From<&'a setting::Setting> for Setting<'a> {
    fn from(setting: &'a setting::Setting) -> Self {
        Self {
            fact: &setting.fact,
            object: Object::from(&setting.object),
            field: &setting.field,
            raw: setting.raw.as_deref(),
        }
    }
}

/// How a route is judged, as a `verdict` event tells it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Judged<'a> {
    id: Text<RouteId>,
    cluster: &'a str,
    verdict: &'static str,
    codes: BTreeSet<&'static str>,
    fault: Option<&'static str>,
}

impl<'a> Judged<'a> {
    pub(crate) fn of(Assessed { route, diagnosis, .. }: &'a Assessed) -> Self {
        Self {
            id: Text(route.id),
            cluster: route.cluster.as_str(),
            verdict: diagnosis.verdict.as_str(),
            codes: diagnosis.findings.iter().map(|finding| finding.code).collect(),
            fault: fault(diagnosis),
        }
    }
}

/// A route that is gone, as a `removed` event tells it.
#[derive(Debug, Serialize)]
pub(crate) struct RemovedRoute<'a> {
    id: Text<RouteId>,
    cluster: &'a str,
    #[serde(flatten)]
    object: Object<'a>,
}

impl<'a> From<&'a Assessed> for RemovedRoute<'a> {
    fn from(Assessed { route, .. }: &'a Assessed) -> Self {
        Self { id: Text(route.id), cluster: route.cluster.as_str(), object: Object::from(&route.object) }
    }
}

/// How well routes are known, as a `stale` event tells it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Standing<'a> {
    stale_since: BTreeMap<&'a str, Text<Timestamp>>,
    unknown: Vec<Gap<'a>>,
}

impl<'a> Standing<'a> {
    pub(crate) fn new(shown: &'a ShownRoutes, gaps: &'a [view::Gap]) -> Self {
        Self { stale_since: stale_since(shown), unknown: gaps.iter().map(Gap::from).collect() }
    }
}

/// SHORT.
#[derive(Debug, Serialize)]
pub(crate) struct Short<'a> {
    id: Text<RouteId>,
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
    field: &'a str,
    host: Option<String>,
    path: Path<'a>,
    method: Option<&'a str>,
    verdict: Option<&'static str>,
}

impl<'a> Short<'a> {
    pub(crate) fn new(route: &'a route::Route, verdict: Option<Verdict>) -> Self {
        Self {
            id: Text(route.id),
            kind: &route.object.kind,
            namespace: route.object.namespace.as_deref(),
            name: &route.object.name,
            field: &route.field,
            host: route.host.written(),
            path: Path::from(&route.matches.path),
            method: route.matches.method.as_deref(),
            verdict: verdict.map(Verdict::as_str),
        }
    }
}

#[derive(Debug, Serialize)]
struct Path<'a> {
    text: &'a str,
    r#type: &'static str,
}

impl<'a> From<&'a PathMatch> for Path<'a> {
    fn from(path: &'a PathMatch) -> Self {
        Self { text: path.text(), r#type: path.type_name() }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Value<'a> {
    name: &'a str,
    value: &'a str,
    regular_expression: bool,
}

impl<'a> From<&'a route::ValueMatch> for Value<'a> {
    fn from(value: &'a route::ValueMatch) -> Self {
        let regular_expression = value.regular_expression;
        Self { name: &value.name, value: &value.value, regular_expression }
    }
}

/// ENTRY.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "an entry point is what Traefik calls it")]
pub(crate) enum Entry<'a> {
    IngressClass {
        class: Option<&'a str>,
        controller: Option<&'a str>,
    },
    Listener {
        namespace: &'a str,
        gateway: &'a str,
        listener: &'a str,
        port: u16,
        protocol: &'a str,
        host: Option<String>,
    },
    IstioGateway {
        namespace: &'a str,
        gateway: &'a str,
    },
    Mesh,
    EntryPoint {
        name: Option<&'a str>,
    },
    /// A sort of door that this version doesn't know yet is shown as such, not left out.
    Other,
}

impl<'a> From<&'a route::Entry> for Entry<'a> {
    fn from(entry: &'a route::Entry) -> Self {
        match entry {
            route::Entry::IngressClass { class, controller, .. } => {
                Self::IngressClass { class: class.as_deref(), controller: controller.as_deref() }
            }
            route::Entry::Listener { namespace, gateway, listener, port, protocol, host, .. } => {
                Self::Listener {
                    namespace,
                    gateway,
                    listener,
                    port: *port,
                    protocol,
                    host: HostPattern::written(host),
                }
            }
            route::Entry::IstioGateway { namespace, gateway, .. } => {
                Self::IstioGateway { namespace, gateway }
            }
            route::Entry::Mesh => Self::Mesh,
            route::Entry::EntryPoint { name, .. } => Self::EntryPoint { name: name.as_deref() },
            _ => Self::Other,
        }
    }
}

#[derive(Debug, Serialize)]
struct Backend<'a> {
    kind: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
    port: Option<Port<'a>>,
    weight: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Port<'a> {
    Name(&'a str),
    Number(u16),
}

impl<'a> From<&'a route::Backend> for Backend<'a> {
    fn from(backend: &'a route::Backend) -> Self {
        let Object { kind, namespace, name } = Object::from(&backend.object);
        let port = backend.port.as_ref().and_then(|port| match port {
            BackendPort::Name(name) => Some(Port::Name(name)),
            BackendPort::Number(number) => Some(Port::Number(*number)),
            _ => None,
        });
        Self { kind, namespace, name, port, weight: backend.weight }
    }
}

#[derive(Debug, Serialize)]
struct Tls<'a> {
    secrets: Vec<Secret<'a>>,
}

#[derive(Debug, Serialize)]
struct Secret<'a> {
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> From<&'a ObjectRef> for Secret<'a> {
    fn from(object: &'a ObjectRef) -> Self {
        Self { namespace: object.namespace.as_deref(), name: &object.name }
    }
}

#[derive(Debug, Serialize)]
struct Owner<'a> {
    kind: &'static str,
    namespace: Option<&'a str>,
    name: &'a str,
}

impl<'a> From<&'a route::Owner> for Owner<'a> {
    fn from(owner: &'a route::Owner) -> Self {
        let kind = OwnerKind::as_str(owner.kind);
        Self { kind, namespace: owner.namespace.as_deref(), name: &owner.name }
    }
}

fn fault(diagnosis: &diagnose::Diagnosis) -> Option<&'static str> {
    diagnosis.fault().map(|step| step.kind.as_str())
}

/// DIAGNOSIS.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Diagnosis<'a> {
    verdict: &'static str,
    fault: Option<&'static str>,
    steps: Vec<Step<'a>>,
    findings: Vec<Finding<'a>>,
    until: Option<Text<Timestamp>>,
    stale_since: Option<Text<Timestamp>>,
}

impl<'a> Diagnosis<'a> {
    pub(crate) fn new(assessed: &'a Assessed, shown: &ShownRoutes) -> Self {
        let Assessed { route, diagnosis, .. } = assessed;
        Self {
            verdict: diagnosis.verdict.as_str(),
            fault: fault(diagnosis),
            steps: diagnosis.steps.iter().map(Step::from).collect(),
            findings: diagnosis.findings.iter().map(Finding::from).collect(),
            until: diagnosis.until.map(Text),
            stale_since: shown.stale_since(&route.cluster).map(Text),
        }
    }
}

#[derive(Debug, Serialize)]
struct Step<'a> {
    kind: &'static str,
    backend: Option<usize>,
    object: Option<Object<'a>>,
    state: &'static str,
    evidence: &'a [String],
    findings: &'a [usize],
    unknown: Vec<Unknown<'a>>,
}

impl<'a> From<&'a diagnose::Step> for Step<'a> {
    fn from(step: &'a diagnose::Step) -> Self {
        Self {
            kind: step.kind.as_str(),
            backend: step.backend,
            object: step.object.as_ref().map(Object::from),
            state: step.state.as_str(),
            evidence: &step.evidence,
            findings: &step.findings,
            unknown: step.unknown.iter().map(Unknown::from).collect(),
        }
    }
}

/// UNKNOWN.
#[derive(Debug, Serialize)]
pub(crate) struct Unknown<'a> {
    kind: &'static str,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    why: &'static str,
}

impl<'a> From<&'a inventory::Unknown> for Unknown<'a> {
    fn from(unknown: &'a inventory::Unknown) -> Self {
        Self {
            kind: unknown.kind,
            namespace: unknown.namespace.as_deref(),
            name: unknown.name.as_deref(),
            why: unknown.why.as_str(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Finding<'a> {
    code: &'static str,
    severity: &'static str,
    object: Object<'a>,
    field: Option<&'a str>,
    cause: &'a str,
    action: &'a str,
    command: &'a str,
}

impl<'a> From<&'a diagnose::Finding> for Finding<'a> {
    fn from(finding: &'a diagnose::Finding) -> Self {
        Self {
            code: finding.code,
            severity: Severity::as_str(finding.severity),
            object: Object::from(&finding.object),
            field: finding.field.as_deref(),
            cause: &finding.cause,
            action: &finding.action,
            command: &finding.command,
        }
    }
}
