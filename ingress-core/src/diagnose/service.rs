//! Checks of a service as such, whoever asks it: its load balancer, how it is reached from outside, and who else claims its pods' ports.

use std::collections::{BTreeMap, BTreeSet};

use super::backend::selects;
use super::check::{SVC008, SVC009, SVC011};
use super::exam::Problem;
use super::{Exam, Settings, Severity, network, protocol};
use crate::inventory::{Many, Reader, Tag};
use crate::kind::{EndpointSlice, Kind, Pod, Service, ServicePortSpec};
use crate::route::{ObjectRef, Route};

/// Looks at a backend's service and port, as part of the step that is about these.
pub(super) fn examine(
    exam: &mut Exam<'_, '_>,
    route: &Route,
    object: &ObjectRef,
    service: &Service,
    port: &ServicePortSpec,
    pods: &Many<'_, Pod>,
) {
    if let Some(mut problem) = pending(exam.reader, exam.settings, service) {
        // Requests of the route come by its cluster address, or straight to the pods.
        problem.severity = Severity::Info;
        exam.tell(problem);
    }
    outside(exam, object, service);
    protocol::examine(exam, route, object, service, port);
    shared(exam, object, service, port, pods);
}

/// A load balancer that was asked for, and that nobody has made.
pub(super) fn pending(reader: &Reader<'_>, settings: &Settings, service: &Service) -> Option<Problem> {
    if service.spec.r#type != "LoadBalancer" || !service.status.load_balancer.ingress.is_empty() {
        return None;
    }
    // Manifests have no status, and no time.
    let created = service.metadata.creation_timestamp?;
    let deadline = created.timestamp()?.checked_add(settings.grace).ok()?;
    reader.has_come(deadline).then(|| {
        Problem::new(
            SVC008,
            &ObjectRef::new("Service", service.namespace(), service.name()),
            "status.loadBalancer.ingress",
            format!("Nobody has given it the load balancer that it asks for since it was created at {created}."),
            "See its events, and whether something in the cluster makes load balancers: a cloud's controller, MetalLB or the like.",
        )
    })
}

/// What there is to know of a service that is also reached from outside the cluster.
fn outside(exam: &mut Exam<'_, '_>, object: &ObjectRef, service: &Service) {
    let spec = &service.spec;
    if spec.r#type == "LoadBalancer" {
        exam.find(
            SVC009,
            object,
            "spec.type",
            "The Service has a load balancer of its own, so that clients can go around the route and what it asks of them.".to_owned(),
            "Make its type ClusterIP, unless both ways are meant.".to_owned(),
        );
    }
    if spec.external_traffic_policy != "Local" || !matches!(spec.r#type.as_str(), "LoadBalancer" | "NodePort")
    {
        return;
    }
    let slices = exam.reader.tagged::<EndpointSlice>(object.namespace.as_deref(), Tag::service(&object.name));
    let endpoints = slices.objects.iter().flat_map(|slice| &slice.endpoints);
    let ready: Vec<_> = endpoints.filter(|endpoint| endpoint.conditions.is_ready()).collect();
    let nodes: BTreeSet<&str> = ready.iter().map(|endpoint| endpoint.node_name.as_str()).collect();
    // Endpoints that don't say where they are may be anywhere.
    let (Some(node), 1, None) = (nodes.first().filter(|node| !node.is_empty()), nodes.len(), slices.unknown)
    else {
        return;
    };
    exam.find(
        SVC009,
        object,
        "spec.externalTrafficPolicy",
        format!("With the policy Local only nodes with a ready endpoint answer from outside, and of these there is one, {node}."),
        "Spread the pods over nodes, or set the policy Cluster, which hides the clients' addresses.".to_owned(),
    );
}

/// Other services that say something else of the port of the pods that this one leads to.
fn shared(
    exam: &mut Exam<'_, '_>,
    object: &ObjectRef,
    service: &Service,
    port: &ServicePortSpec,
    pods: &Many<'_, Pod>,
) {
    let Some(pod) = pods.objects.first() else { return };
    let number = network::target(pod, port);
    let mut others = BTreeMap::new();
    for (key, value) in &pod.metadata.labels {
        // Each service is found by one pair of its selector.
        for other in exam.reader.tagged::<Service>(service.namespace(), Tag::label(key, value)).objects {
            if other.name() != service.name() && selects(&other.spec.selector, &pod.metadata.labels) {
                others.insert(other.name(), other);
            }
        }
    }
    let at = service.spec.ports.iter().position(|known| known == port).unwrap_or_default();
    for other in others.into_values() {
        let theirs = other.spec.ports.iter().filter(|theirs| network::target(pod, theirs) == number);
        let Some((ours, theirs)) = theirs.filter_map(|theirs| clash(pod, number, port, theirs)).next() else {
            continue;
        };
        exam.find(
            SVC011,
            object,
            format!("spec.ports[{at}]"),
            format!(
                "It says that port {number} of its pods is {ours}, and Service {} says that it is {theirs}.",
                other.name()
            ),
            "Correct whichever of the two is wrong; a mesh may treat the port as either.".to_owned(),
        );
        return;
    }
}

/// What two ports say of a container's port, where both can't be true.
fn clash(pod: &Pod, number: i32, one: &ServicePortSpec, other: &ServicePortSpec) -> Option<(String, String)> {
    fn transport(protocol: &str) -> &str {
        if protocol.is_empty() { "TCP" } else { protocol }
    }
    let (ours, theirs) = (transport(&one.protocol), transport(&other.protocol));
    if ours != theirs {
        // A pod may well listen on both; not if it declares one of them.
        let declared = pod.ports().filter(|port| port.container_port == number);
        let declared: BTreeSet<&str> = declared.map(|port| transport(&port.protocol)).collect();
        return (declared.len() == 1).then(|| (ours.to_owned(), theirs.to_owned()));
    }
    let ((first, by), (second, of)) = (protocol::said(one)?, protocol::said(other)?);
    let word = |port: &ServicePortSpec, field: &str| match field {
        "name" => port.name.clone(),
        _ => port.app_protocol.clone(),
    };
    protocol::apart(first, second).then(|| (word(one, by), word(other, of)))
}
