//! Checks of a backend: the service, its port, its endpoints, its pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::check::{
    ING004, ING005, RT005, RT006, SVC001, SVC002, SVC003, SVC004, SVC005, SVC006, SVC007, SVC010, SVC012,
};
use super::{
    Exam, Severity, StepKind, annotation, event, gateway, ingress, network, pod, service as services,
};
use crate::inventory::{Lookup, Many, Tag, Unknown, Why};
use crate::kind::{EndpointSlice, IntOrString, Pod, Service, ServicePort, ServicePortSpec};
use crate::route::{Backend, BackendPort, ObjectRef, Route};

/// Follows a request from a route to the pods of one of its backends.
pub(super) fn examine(exam: &mut Exam<'_, '_>, route: &Route, at: usize, backend: &Backend) {
    exam.step(StepKind::Backend, Some(at), Some(backend.object.clone()));
    if backend.object.kind != "Service" {
        // A bucket, say: something that its controller alone understands.
        exam.unknown(unknowable(&backend.object));
        return;
    }
    if annotation::is_action(route, backend) {
        annotation::action(exam, route, backend);
        return;
    }
    if of_gateway_api(route) && !gateway::granted(exam, route, backend) {
        exam.not_reached(StepKind::Endpoints, Some(at));
        return;
    }
    let Some((service, port)) = service(exam, route, backend) else {
        exam.not_reached(StepKind::Endpoints, Some(at));
        return;
    };
    if !can_be_verified(exam, service, &backend.object) {
        return;
    }
    let selected = pods(exam, service);
    target_port(exam, &backend.object, service, port, &selected);
    services::examine(exam, route, &backend.object, service, port, &selected);
    if exam.failed() {
        exam.not_reached(StepKind::Endpoints, Some(at));
        return;
    }
    endpoints(exam, at, &backend.object, port, &selected);
    if exam.failed() && selected.objects.is_empty() && selected.unknown.is_none() {
        // Of no pods, none can be called in order.
        exam.not_reached(StepKind::Pods, Some(at));
    } else {
        pod::examine(exam, at, &selected);
    }
    event::examine(exam, &backend.object, &selected);
    network::examine(exam, &service.metadata.namespace, port, &selected);
}

pub(super) fn unknowable(object: &ObjectRef) -> Unknown {
    Unknown {
        kind: "backend",
        namespace: object.namespace.clone(),
        name: Some(object.name.clone()),
        why: Why::Unknowable,
    }
}

/// The service and its port, if both are there.
fn service<'a>(
    exam: &mut Exam<'_, 'a>,
    route: &Route,
    backend: &Backend,
) -> Option<(&'a Service, &'a ServicePortSpec)> {
    let object = &backend.object;
    let service = match exam.reader.get::<Service>(object.namespace.as_deref(), &object.name) {
        Lookup::Found(service) => service,
        Lookup::Missing => {
            let (check, field, action) = if of_ingress(route) {
                (
                    ING004,
                    ".service.name",
                    "Create the Service, or correct the name; a backend has to be in the same namespace.",
                )
            } else {
                (RT005, ".name", "Create the Service, or correct its name or namespace.")
            };
            exam.find(
                check,
                &route.object,
                format!("{}{field}", backend.field),
                format!(
                    "There is no Service {} in namespace {}.",
                    object.name,
                    object.namespace.as_deref().unwrap_or_default()
                ),
                action.to_owned(),
            );
            return None;
        }
        Lookup::Unknown(unknown) => {
            exam.unknown(unknown);
            return None;
        }
    };
    if route.object.kind == "IngressRoute" && service.spec.is_external_name() {
        // Traefik takes any port of what is outside.
        can_be_verified(exam, service, object);
        return None;
    }
    let Some(wanted) = backend.port.as_ref() else {
        if route.object.kind == "VirtualService" {
            // The port by which a request came in is meant.
            exam.saw(format!("No port of Service {} is named, which has several.", object.name));
            exam.unknown(unknowable(object));
        } else if !of_ingress(route) {
            // Of an ingress this is told of the rule.
            exam.find(
                RT006,
                &route.object,
                format!("{}.port", backend.field),
                format!("The backend names no port of Service {}.", object.name),
                format!("Set one of its ports: {}.", listed(&service.spec.ports)),
            );
        }
        return None;
    };
    let port = service.port(match wanted {
        BackendPort::Name(name) => ServicePort::Name(name),
        BackendPort::Number(number) => ServicePort::Number(*number),
    });
    let Some(port) = port else {
        let (check, field) = if of_ingress(route) { (ING005, ".service.port") } else { (RT006, ".port") };
        exam.find(
            check,
            &route.object,
            format!("{}{field}", backend.field),
            format!("Service {} has no port {wanted}.", object.name),
            format!("Use one of its ports: {}.", listed(&service.spec.ports)),
        );
        return None;
    };
    exam.saw(format!("Service {} has port {}.", object.name, shown(port)));
    if of_ingress(route) {
        ingress::named_port(exam, route, &backend.field, wanted, &port.name);
    }
    Some((service, port))
}

fn of_ingress(route: &Route) -> bool {
    route.object.kind == "Ingress"
}

/// Whether ReferenceGrants are asked for backends of other namespaces.
fn of_gateway_api(route: &Route) -> bool {
    matches!(&*route.object.kind, "HTTPRoute" | "GRPCRoute" | "TLSRoute")
}

fn shown(port: &ServicePortSpec) -> String {
    if port.name.is_empty() { port.port.to_string() } else { format!("{} ({})", port.port, port.name) }
}

fn listed(ports: &[ServicePortSpec]) -> String {
    if ports.is_empty() {
        return "it has none".to_owned();
    }
    ports.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// Whether its endpoints are pods that can be looked at.
fn can_be_verified(exam: &mut Exam<'_, '_>, service: &Service, object: &ObjectRef) -> bool {
    let cause = if service.spec.is_external_name() {
        format!("The Service stands for {}, which is outside the cluster.", service.spec.external_name)
    } else if service.spec.selector.is_empty() {
        "The Service has no selector, so somebody else keeps its endpoints.".to_owned()
    } else {
        return true;
    };
    let field = if service.spec.is_external_name() { "spec.externalName" } else { "spec.selector" };
    exam.find(SVC010, object, field, cause, "See for yourself whether what is behind it answers.".to_owned());
    exam.unknown(unknowable(object));
    false
}

/// The pods that a service selects, those that ran to their end left out.
pub(super) fn pods<'a>(exam: &Exam<'_, 'a>, service: &Service) -> Many<'a, Pod> {
    let selector = &service.spec.selector;
    let namespace = Some(service.metadata.namespace.as_str());
    // By the pair that comes first; the others are looked at here.
    let (key, value) =
        selector.first_key_value().map_or(("", ""), |(key, value)| (key.as_str(), value.as_str()));
    let mut many = exam.reader.tagged::<Pod>(namespace, Tag::label(key, value));
    many.objects.retain(|pod| selects(selector, &pod.metadata.labels) && !pod.is_finished());
    many
}

/// Whether a selector selects what has these labels.
pub(super) fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether some pod declares what the service targets.
fn target_port(
    exam: &mut Exam<'_, '_>,
    object: &ObjectRef,
    service: &Service,
    port: &ServicePortSpec,
    pods: &Many<'_, Pod>,
) {
    if pods.objects.is_empty() {
        return;
    }
    let declared: Vec<_> = pods.objects.iter().flat_map(|pod| pod.ports()).collect();
    let at = service.spec.ports.iter().position(|known| known == port).unwrap_or_default();
    let field = format!("spec.ports[{at}].targetPort");
    if let Some(name) = port.target_port.as_ref().and_then(IntOrString::name) {
        if !declared.iter().any(|container| container.name == name) {
            let names: std::collections::BTreeSet<&str> = declared
                .iter()
                .map(|container| container.name.as_str())
                .filter(|name| !name.is_empty())
                .collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            exam.find(
                SVC003,
                object,
                field,
                format!("No container of the selected pods declares a port named {name}, so no endpoint has this port."),
                if names.is_empty() {
                    "Name a port of a container so, or target it by number.".to_owned()
                } else {
                    format!("Use a name that is declared ({names}), or name the container's port {name}.")
                },
            );
        }
        return;
    }
    let number = port.target_port.as_ref().and_then(IntOrString::number).unwrap_or(port.port);
    if declared.is_empty() {
        exam.find(
            SVC005,
            object,
            field,
            "The containers of the selected pods declare no ports, so nothing says whether they listen on this one.".to_owned(),
            "Declare the ports in the pod template; it documents them and lets Services name them.".to_owned(),
        );
    } else if !declared.iter().any(|container| container.container_port == number) {
        exam.find(
            SVC004,
            object,
            field,
            format!(
                "No container of the selected pods declares port {number}; it may listen on it nevertheless."
            ),
            "See whether the number is right.".to_owned(),
        );
    }
}

/// What of a service's endpoints answers on a port.
#[derive(Default)]
struct Count {
    ready: usize,
    serving: usize,
    all: usize,
}

fn count(slices: &Many<'_, EndpointSlice>, port: &ServicePortSpec) -> Count {
    let mut count = Count::default();
    for slice in &slices.objects {
        // The slice's port has the name of the service's. Endpoints without the port don't answer on it.
        if !slice.ports.iter().any(|known| known.name == port.name) {
            continue;
        }
        for endpoint in &slice.endpoints {
            count.all += 1;
            count.ready +=
                usize::from(endpoint.conditions.is_ready() && !endpoint.conditions.is_terminating());
            count.serving += usize::from(endpoint.conditions.is_serving());
        }
    }
    count
}

fn endpoints(
    exam: &mut Exam<'_, '_>,
    at: usize,
    object: &ObjectRef,
    port: &ServicePortSpec,
    pods: &Many<'_, Pod>,
) {
    exam.step(StepKind::Endpoints, Some(at), Some(object.clone()));
    let slices = exam.reader.tagged::<EndpointSlice>(object.namespace.as_deref(), Tag::service(&object.name));
    let count = count(&slices, port);
    if let Some(unknown) = &slices.unknown {
        exam.unknown(unknown.clone());
        if count.ready == 0 {
            // Somebody else may keep endpoints for it, as those do that join clusters.
            no_pods(exam, Severity::Warning, object, pods);
            return;
        }
    }
    exam.saw(format!("{} of {} endpoints are ready.", count.ready, count.all));
    if count.ready > 1 {
        return;
    }
    if count.ready == 1 {
        exam.find(
            SVC006,
            object,
            "",
            "Only one endpoint is ready: while its pod restarts, nobody answers.".to_owned(),
            "Run more than one replica, if that matters.".to_owned(),
        );
        return;
    }
    if no_pods(exam, SVC001.severity, object, pods) {
        return;
    }
    if slices.objects.is_empty() {
        exam.find(
            SVC007,
            object,
            "",
            "Nobody has made an EndpointSlice for the Service, so no controller knows where to send requests.".to_owned(),
            "See whether kube-controller-manager runs, and what it logs about the Service.".to_owned(),
        );
    } else if count.serving > 0 {
        // Proxies fall back to these, for as long as their pods take to end.
        exam.find_as(
            SVC012,
            Severity::Warning,
            object,
            "",
            format!("All {} endpoints that still answer are terminating.", count.serving),
            "See why no new pod has taken over.".to_owned(),
        );
    } else if pods.objects.is_empty() && pods.unknown.is_some() {
        exam.find(
            SVC002,
            object,
            "",
            "None of its endpoints is ready; its pods can't be read to say why.".to_owned(),
            "Look at the pods that it selects.".to_owned(),
        );
    } else {
        exam.find(
            SVC002,
            object,
            "",
            format!(
                "It selects {}, and none is ready: {}.",
                plural(pods.objects.len(), "pod"),
                culprit(&pods.objects)
            ),
            "Make the pods ready; the findings about them say what stops them.".to_owned(),
        );
    }
}

/// Whether the selector matches nothing, which is then told.
fn no_pods(exam: &mut Exam<'_, '_>, severity: Severity, object: &ObjectRef, pods: &Many<'_, Pod>) -> bool {
    if !pods.objects.is_empty() {
        return false;
    }
    if let Some(unknown) = &pods.unknown {
        exam.unknown(unknown.clone());
        return false;
    }
    let Some(service) = exam.reader.get::<Service>(object.namespace.as_deref(), &object.name).found() else {
        return false;
    };
    let selector = labels(&service.spec.selector);
    exam.find_as(
        SVC001,
        severity,
        object,
        "spec.selector",
        format!("No pod has the labels {selector}.{}", nearest(exam, service)),
        "Correct the selector or the pods' labels, or scale the workload up from zero.".to_owned(),
    );
    true
}

fn labels(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// The pods that come nearest to a selector: with most of its pairs, or its keys with other values.
fn nearest(exam: &Exam<'_, '_>, service: &Service) -> String {
    let selector = &service.spec.selector;
    let mut best: Option<(usize, usize, String)> = None;
    // This only happens where something is broken; every pod of the namespace is a candidate then.
    for pod in exam.reader.in_namespace::<Pod>(&service.metadata.namespace).objects {
        let theirs = &pod.metadata.labels;
        let pairs = selector.iter().filter(|(key, value)| theirs.get(*key) == Some(value)).count();
        let keys = selector.keys().filter(|key| theirs.contains_key(*key)).count();
        if keys > 0 && best.as_ref().is_none_or(|(p, k, _)| (pairs, keys) > (*p, *k)) {
            let alike = theirs.iter().filter(|(key, _)| selector.contains_key(*key));
            let alike = alike.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
            best = Some((pairs, keys, format!(" Nearest is pod {} with {alike}.", pod.metadata.name)));
        }
    }
    best.map(|(_, _, text)| text).unwrap_or_default()
}

pub(super) fn plural(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn culprit(pods: &[&Arc<Pod>]) -> String {
    let told = pods.iter().find_map(|pod| pod::problem(pod).map(|problem| (pod, problem)));
    told.map_or_else(
        || "their containers have not become ready".to_owned(),
        |(pod, problem)| format!("{} {}", pod.metadata.name, problem.short()),
    )
}
