//! What a service's port says is spoken there, and whether that fits who asks.
//!
//! A port says it by `appProtocol`, or else by its name, up to the first hyphen, as Istio reads names. A port that says nothing contradicts nobody.

use super::check::SVC014;
use super::{Exam, Severity};
use crate::inventory::{Tag, Why};
use crate::kind::{BackendTlsPolicy, Service, ServicePortSpec};
use crate::route::setting::Protocol;
use crate::route::{Entry, Fact, ObjectRef, Route};

/// What is written for each protocol, as `appProtocol` and at the beginning of names.
const WORDS: [(&str, Protocol); 19] = [
    ("http", Protocol::Http),
    ("grpc-web", Protocol::Http),
    ("http2", Protocol::H2c),
    ("h2c", Protocol::H2c),
    ("kubernetes.io/h2c", Protocol::H2c),
    ("https", Protocol::Https),
    ("grpc", Protocol::Grpc),
    ("ws", Protocol::Ws),
    ("kubernetes.io/ws", Protocol::Ws),
    ("wss", Protocol::Wss),
    ("kubernetes.io/wss", Protocol::Wss),
    ("ajp", Protocol::Ajp),
    ("fcgi", Protocol::Fcgi),
    ("tls", Protocol::Tls),
    ("tcp", Protocol::Tcp),
    ("mongo", Protocol::Tcp),
    ("mysql", Protocol::Tcp),
    ("redis", Protocol::Tcp),
    ("udp", Protocol::Udp),
];

/// What a port says is spoken there, and in which field it does.
pub(super) fn said(port: &ServicePortSpec) -> Option<(Protocol, &'static str)> {
    let meant = |word: &str| {
        let word = word.to_ascii_lowercase();
        WORDS.iter().find(|(known, _)| *known == word).map(|(_, protocol)| *protocol)
    };
    if !port.app_protocol.is_empty() {
        return meant(&port.app_protocol).map(|protocol| (protocol, "appProtocol"));
    }
    let first = port.name.split('-').next().unwrap_or_default();
    meant(&port.name).or_else(|| meant(first)).map(|protocol| (protocol, "name"))
}

/// Whether what a port says fits what its route speaks.
pub(super) fn examine(
    exam: &mut Exam<'_, '_>,
    route: &Route,
    object: &ObjectRef,
    service: &Service,
    port: &ServicePortSpec,
) {
    let at = service.spec.ports.iter().position(|known| known == port).unwrap_or_default();
    if matches!(port.protocol.as_str(), "UDP" | "SCTP") {
        exam.find_as(
            SVC014,
            Severity::Warning,
            object,
            format!("spec.ports[{at}].protocol"),
            format!("Port {} is for {}, but requests of a route come by TCP.", port.port, port.protocol),
            "Name a port of the Service that is for TCP.".to_owned(),
        );
        return;
    }
    let Some((theirs, field)) = said(port) else { return };
    let Some((ours, why)) = spoken(exam, route, object) else { return };
    if !contradicts(ours, theirs) {
        return;
    }
    let word = if field == "name" { &port.name } else { &port.app_protocol };
    // Controllers that follow the port do what the route doesn't mean; the others send what the port doesn't take.
    let sure = ours == Protocol::Grpc && matches!(theirs, Protocol::Ws | Protocol::Wss) && field != "name";
    exam.find_as(
        SVC014,
        if sure { Severity::Warning } else { SVC014.severity },
        object,
        format!("spec.ports[{at}].{field}"),
        format!("Port {} says that it is {word}, but {why}.", port.port),
        "Correct whichever of the two is wrong.".to_owned(),
    );
}

/// What is spoken with a backend, as far as the route decides that, and the words for it.
fn spoken(exam: &Exam<'_, '_>, route: &Route, object: &ObjectRef) -> Option<(Protocol, String)> {
    let set = route.settings.iter().find_map(|setting| match setting.fact {
        Fact::BackendProtocol { protocol } => Some((protocol, setting)),
        _ => None,
    });
    if let Some((protocol, setting)) = set {
        let value = setting.raw.as_deref().unwrap_or_default();
        return Some((protocol, format!("{} has {} {value}", setting.object, setting.field)));
    }
    match &*route.object.kind {
        "GRPCRoute" => Some((Protocol::Grpc, "a GRPCRoute sends gRPC to it".to_owned())),
        "HTTPRoute" => {
            let tag = Tag::target("Service", &object.name);
            let policies = exam.reader.tagged::<BackendTlsPolicy>(object.namespace.as_deref(), tag);
            if policies.unknown.is_some_and(|unknown| unknown.why != Why::NotInstalled) {
                // A policy that isn't seen may be what makes it fit.
                return None;
            }
            // A policy may be for another port; better silent than wrong.
            let plain = policies.objects.is_empty();
            plain.then(|| {
                (Protocol::Http, "an HTTPRoute without a BackendTLSPolicy sends plain HTTP to it".to_owned())
            })
        }
        // Other controllers follow the port by themselves, or are not known well enough.
        "Ingress" if route.entries.iter().any(is_nginx) => Some((
            Protocol::Http,
            "ingress-nginx sends plain HTTP to it unless it is told otherwise".to_owned(),
        )),
        _ => None,
    }
}

fn is_nginx(entry: &Entry) -> bool {
    matches!(entry, Entry::IngressClass { controller: Some(controller), .. } if controller == "k8s.io/ingress-nginx")
}

fn contradicts(ours: Protocol, theirs: Protocol) -> bool {
    use Protocol::{Grpc, Grpcs, H2c, Http, Https, Tcp, Tls, Udp, Ws, Wss};
    match ours {
        _ if theirs == Udp => true,
        Http => matches!(theirs, Https | Wss | Tls | Tcp),
        H2c => matches!(theirs, Https | Wss | Tls | Tcp | Ws),
        Grpc => matches!(theirs, Https | Wss | Tls | Tcp | Ws),
        Https => matches!(theirs, Http | H2c | Ws | Grpc),
        Grpcs => matches!(theirs, Http | H2c | Ws),
        _ => false,
    }
}

/// Whether two things that are said of one port can't both be true.
pub(super) fn apart(one: Protocol, other: Protocol) -> bool {
    let family = |protocol| match protocol {
        Protocol::Http | Protocol::Ws | Protocol::H2c => Protocol::Http,
        Protocol::Https | Protocol::Wss | Protocol::Tls | Protocol::Grpcs => Protocol::Tls,
        other => other,
    };
    family(one) != family(other)
}
