//! Nodes and edges, put together route by route. What several routes share is one node, with the worst of what each says of it.

use std::collections::{BTreeMap, BTreeSet};

use ingress_core::ClusterId;
use ingress_core::clock::Timestamp;
use ingress_core::diagnose::{Assessed, Diagnosis, Severity, Step, StepKind, Verdict};
use ingress_core::inventory::{self, Lookup, Reader, Refusal, Tag};
use ingress_core::kind::{EndpointSlice, Pod, Service, TlsSecret};
use ingress_core::route::{Backend, Entry, ObjectRef, Route};
use serde::Serialize;

use crate::view::ShownRoutes;

/// How much is shown at most: of routes in all, and of each service.
const ROUTES: usize = 500;
const SLICES: usize = 20;
const PODS: usize = 50;

/// Something that requests pass, or that they need.
#[derive(Debug, Serialize)]
pub(super) struct Node {
    id: String,
    kind: String,
    cluster: String,
    namespace: Option<String>,
    /// `null` for what nobody could look at.
    name: Option<String>,
    /// What people call it by, where that is not its name.
    label: Option<String>,
    verdict: &'static str,
    codes: BTreeSet<&'static str>,
    /// Why it is not known.
    why: Option<&'static str>,
    #[serde(skip)]
    worst: Verdict,
}

/// A way from one to another.
#[derive(Debug, Serialize)]
pub(super) struct Edge {
    from: String,
    to: String,
    kind: &'static str,
    /// The share of the requests, in proportion to those of the others.
    weight: Option<u32>,
    port: Option<String>,
    verdict: &'static str,
    #[serde(skip)]
    worst: Verdict,
}

/// How many there are that are not shown.
#[derive(Debug, Default, Clone, Copy, Serialize)]
pub(super) struct LeftOut {
    routes: usize,
    slices: usize,
    pods: usize,
}

/// What is known of an object, besides its name.
#[derive(Default)]
struct Told {
    label: Option<String>,
    verdict: Option<Verdict>,
    codes: BTreeSet<&'static str>,
    why: Option<&'static str>,
}

impl Told {
    fn verdict(verdict: Verdict) -> Self {
        Self { verdict: Some(verdict), ..Self::default() }
    }
}

pub(super) struct Graph<'a> {
    readers: BTreeMap<&'a ClusterId, Reader<'a>>,
    nodes: BTreeMap<String, Node>,
    edges: BTreeMap<(String, String, &'static str, Option<String>), Edge>,
    /// Services whose endpoints were looked at.
    seen: BTreeSet<String>,
    routes: usize,
    left_out: LeftOut,
}

impl<'a> Graph<'a> {
    pub(super) fn new(shown: &'a ShownRoutes, now: Timestamp) -> Self {
        let readers = shown.clusters().iter().map(|cluster| (cluster, shown.reader(cluster, now)));
        Self {
            readers: readers.collect(),
            nodes: BTreeMap::new(),
            edges: BTreeMap::new(),
            seen: BTreeSet::new(),
            routes: 0,
            left_out: LeftOut::default(),
        }
    }

    /// What may not be read of all that was looked for.
    pub(super) fn refused(&self) -> BTreeSet<Refusal> {
        self.readers.values().flat_map(Reader::refused).collect()
    }

    /// The nodes, the edges, and how much there is beside.
    pub(super) fn into_parts(self) -> (Vec<Node>, Vec<Edge>, LeftOut) {
        let nodes = self.nodes.into_values().map(|node| Node { verdict: node.worst.as_str(), ..node });
        let edges = self.edges.into_values().map(|edge| Edge { verdict: edge.worst.as_str(), ..edge });
        (nodes.collect(), edges.collect(), self.left_out)
    }

    /// Adds a route, and all that it leads to.
    pub(super) fn add(&mut self, assessed: &Assessed) {
        self.routes += 1;
        if self.routes > ROUTES {
            self.left_out.routes += 1;
            return;
        }
        let Assessed { route, diagnosis, .. } = assessed;
        let codes = || diagnosis.findings.iter().map(|finding| finding.code).collect();
        let whole = || Told { codes: codes(), ..Told::verdict(diagnosis.verdict) };
        let object = self.node(&route.cluster, &route.object, whole());
        let label = format!("{} {}", route.host, route.matches);
        let name = ObjectRef::new("Route", route.object.namespace.as_deref(), &route.id.to_string());
        let own = self.node(&route.cluster, &name, Told { label: Some(label), ..whole() });
        self.edge(&object, &own, "rule", state(diagnosis, StepKind::Route, None), None, None);
        for entry in &route.entries {
            self.entry(route, diagnosis, entry, &object);
        }
        for secret in route.tls.iter().flat_map(|tls| &tls.secrets) {
            self.certificate(route, diagnosis, secret, &own);
        }
        for (at, backend) in route.backends.iter().enumerate() {
            self.backend(route, diagnosis, at, backend, &own);
        }
    }

    fn node(&mut self, cluster: &ClusterId, object: &ObjectRef, told: Told) -> String {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        let id = format!("{cluster}/{}/{namespace}/{}", object.kind, object.name);
        let verdict = told.verdict.unwrap_or(Verdict::Unknown);
        let node = self.nodes.entry(id.clone()).or_insert_with(|| Node {
            id: id.clone(),
            kind: object.kind.to_string(),
            cluster: cluster.to_string(),
            namespace: object.namespace.clone(),
            name: Some(object.name.clone()).filter(|name| *name != "?"),
            label: None,
            verdict: verdict.as_str(),
            codes: BTreeSet::new(),
            why: told.why,
            worst: verdict,
        });
        node.worst = node.worst.max(verdict);
        node.codes.extend(told.codes);
        node.label = node.label.take().or(told.label);
        id
    }

    /// Stands for what can't be read: there may be such objects, and how they are is not known. No object is named so.
    fn unknown(&mut self, cluster: &ClusterId, unknown: &inventory::Unknown, of: &str) -> String {
        let namespace = unknown.namespace.as_deref();
        let object = ObjectRef::new(unknown.kind, namespace, unknown.name.as_deref().unwrap_or("?"));
        let label = Some(of.to_owned());
        self.node(cluster, &object, Told { label, why: Some(unknown.why.as_str()), ..Told::default() })
    }

    fn edge(
        &mut self,
        from: &str,
        to: &str,
        kind: &'static str,
        verdict: Verdict,
        weight: Option<u32>,
        port: Option<String>,
    ) {
        let key = (from.to_owned(), to.to_owned(), kind, port.clone());
        let edge = self.edges.entry(key).or_insert_with(|| Edge {
            from: from.to_owned(),
            to: to.to_owned(),
            kind,
            weight,
            port,
            verdict: verdict.as_str(),
            worst: verdict,
        });
        edge.worst = edge.worst.max(verdict);
    }

    fn entry(&mut self, route: &Route, diagnosis: &Diagnosis, entry: &Entry, to: &str) {
        let step = state(diagnosis, StepKind::Entry, None);
        let (object, told) = match entry {
            Entry::IngressClass { class: Some(class), controller, .. } => {
                let codes = codes(diagnosis, &[StepKind::Entry], None);
                let told = Told { label: controller.clone(), codes, ..Told::verdict(step) };
                (ObjectRef::new("IngressClass", None, class), told)
            }
            Entry::Listener { namespace, gateway, listener, port, protocol, .. } => {
                let object = ObjectRef::new("Gateway", Some(namespace), gateway);
                let (worst, codes) = about(diagnosis, &object);
                // What is wrong with one door says nothing of the others; what is not known may be of any.
                let verdict = if step == Verdict::Unknown { worst.max(step) } else { worst };
                let label = Some(format!("{protocol} {port}"));
                let name = format!("{gateway}/{listener}");
                let told = Told { label, codes, ..Told::verdict(verdict) };
                (ObjectRef::new("Listener", Some(namespace), &name), told)
            }
            Entry::IstioGateway { namespace, gateway } => {
                let codes = codes(diagnosis, &[StepKind::Entry], None);
                // Kinds of this name are told apart by their group, as in names of resources.
                let object = ObjectRef::new("Gateway.networking.istio.io", Some(namespace), gateway);
                (object, Told { codes, ..Told::verdict(step) })
            }
            Entry::EntryPoint { name } => {
                let name = name.as_deref().unwrap_or("?");
                (ObjectRef::new("EntryPoint", None, name), Told::verdict(step))
            }
            // A door without a name, or one that this version does not know, is no node.
            _ => return,
        };
        let verdict = told.verdict.unwrap_or(step);
        let from = self.node(&route.cluster, &object, told);
        self.edge(&from, to, "entry", verdict, None, None);
    }

    fn certificate(&mut self, route: &Route, diagnosis: &Diagnosis, secret: &ObjectRef, from: &str) {
        let Some(reader) = self.readers.get(&route.cluster) else { return };
        let (worst, codes) = about(diagnosis, secret);
        let told = match reader.get::<TlsSecret>(secret.namespace.as_deref(), &secret.name) {
            Lookup::Found(_) => Told { codes, ..Told::verdict(worst) },
            Lookup::Missing => Told { codes, ..Told::verdict(Verdict::Broken) },
            Lookup::Unknown(unknown) => Told { why: Some(unknown.why.as_str()), ..Told::default() },
            // An answer that this version does not know says nothing.
            _ => Told::default(),
        };
        let to = self.node(&route.cluster, secret, told);
        self.edge(from, &to, "certificate", state(diagnosis, StepKind::Tls, None), None, None);
    }

    fn backend(&mut self, route: &Route, diagnosis: &Diagnosis, at: usize, backend: &Backend, from: &str) {
        const ALL: [StepKind; 3] = [StepKind::Backend, StepKind::Endpoints, StepKind::Pods];
        let steps = diagnosis.steps.iter().filter(|step| step.backend == Some(at));
        let verdict = steps.map(|step| step.state).max().unwrap_or(Verdict::Unknown);
        let told = Told { codes: codes(diagnosis, &ALL, Some(at)), ..Told::verdict(verdict) };
        let service = self.node(&route.cluster, &backend.object, told);
        let port = backend.port.as_ref().map(ToString::to_string);
        let reached = state(diagnosis, StepKind::Backend, Some(at));
        self.edge(from, &service, "backend", reached, Some(backend.weight), port);
        if backend.object.kind == "Service" && self.seen.insert(service.clone()) {
            self.service(&route.cluster, &backend.object, &service, diagnosis, at);
        }
    }

    /// The endpoints and pods behind a service.
    fn service(
        &mut self,
        cluster: &ClusterId,
        object: &ObjectRef,
        from: &str,
        diagnosis: &Diagnosis,
        at: usize,
    ) {
        let Some(reader) = self.readers.get(cluster) else { return };
        let namespace = object.namespace.as_deref();
        let slices = reader.tagged::<EndpointSlice>(namespace, Tag::service(&object.name));
        let service = reader.get::<Service>(namespace, &object.name).found();
        let pods = service.filter(|service| !service.spec.selector.is_empty()).map(|service| {
            let (key, value) = service.spec.selector.first_key_value().unzip();
            let label = Tag::label(key.map_or("", String::as_str), value.map_or("", String::as_str));
            let mut pods = reader.tagged::<Pod>(namespace, label);
            let selects = |pod: &Pod| {
                service.spec.selector.iter().all(|(key, value)| pod.metadata.labels.get(key) == Some(value))
            };
            pods.objects.retain(|pod| selects(pod) && !pod.is_finished());
            pods
        });
        let endpoints = state(diagnosis, StepKind::Endpoints, Some(at));
        if let Some(unknown) = &slices.unknown {
            let to = self.unknown(cluster, unknown, &object.name);
            self.edge(from, &to, "endpoints", Verdict::Unknown, None, None);
        }
        let mut behind: BTreeMap<&str, String> = BTreeMap::new();
        self.left_out.slices += slices.objects.len().saturating_sub(SLICES);
        for slice in slices.objects.iter().take(SLICES) {
            let ready = slice.endpoints.iter().filter(|endpoint| endpoint.conditions.is_ready()).count();
            // One without ready endpoints is no worse than all of them together.
            let verdict = if ready > 0 { Verdict::Ok } else { endpoints };
            let label = Some(format!("{ready} of {} ready", slice.endpoints.len()));
            let name = ObjectRef::new("EndpointSlice", namespace, &slice.metadata.name);
            let to = self.node(cluster, &name, Told { label, ..Told::verdict(verdict) });
            self.edge(from, &to, "endpoints", verdict, None, None);
            let named = slice.endpoints.iter().filter_map(|endpoint| endpoint.target_ref.as_ref());
            for pod in named.filter(|named| named.kind == "Pod") {
                behind.insert(&pod.name, to.clone());
            }
        }
        let Some(pods) = pods else { return };
        if let Some(unknown) = &pods.unknown {
            let to = self.unknown(cluster, unknown, &object.name);
            self.edge(from, &to, "pod", Verdict::Unknown, None, None);
        }
        self.left_out.pods += pods.objects.len().saturating_sub(PODS);
        for pod in pods.objects.iter().take(PODS) {
            let name = ObjectRef::new("Pod", namespace, &pod.metadata.name);
            let (worst, codes) = about(diagnosis, &name);
            let verdict = if pod.is_ready() { worst } else { worst.max(Verdict::Broken) };
            let to = self.node(cluster, &name, Told { codes, ..Told::verdict(verdict) });
            let through = behind.get(pod.metadata.name.as_str()).map_or(from, String::as_str);
            self.edge(through, &to, "pod", verdict, None, None);
        }
    }
}

/// How far requests get in a step; unknown where it was not looked at.
fn state(diagnosis: &Diagnosis, kind: StepKind, backend: Option<usize>) -> Verdict {
    let steps = diagnosis.steps.iter().filter(|step| step.kind == kind && step.backend == backend);
    steps.map(|step| step.state).max().unwrap_or(Verdict::Unknown)
}

/// What was found in some steps.
fn codes(diagnosis: &Diagnosis, kinds: &[StepKind], backend: Option<usize>) -> BTreeSet<&'static str> {
    let is_one = |step: &&Step| kinds.contains(&step.kind) && step.backend == backend;
    let places = diagnosis.steps.iter().filter(is_one).flat_map(|step| &step.findings);
    places.filter_map(|at| diagnosis.findings.get(*at)).map(|finding| finding.code).collect()
}

/// What was found to be wrong with an object, and how bad that is.
fn about(diagnosis: &Diagnosis, object: &ObjectRef) -> (Verdict, BTreeSet<&'static str>) {
    let (mut worst, mut codes) = (Verdict::Ok, BTreeSet::new());
    for finding in diagnosis.findings.iter().filter(|finding| finding.object == *object) {
        codes.insert(finding.code);
        worst = worst.max(match finding.severity {
            Severity::Critical => Verdict::Broken,
            Severity::Warning => Verdict::Degraded,
            _ => Verdict::Ok,
        });
    }
    (worst, codes)
}
