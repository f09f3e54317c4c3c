//! Checks of a gateway and of one of its listeners.

use super::super::check::{GW002, GW003, GW004, GW005, GW006, GW008, TLS003};
use super::super::service::pending;
use super::super::{Settings, Severity, tls};
use super::{Door, Problem, Reader, Said, Seen, class, not_said, said, words};
use crate::inventory::{Lookup, Tag};
use crate::kind::{
    Condition, GATEWAY_API, Gateway, Kind, Listener, ObjectRefFields, ReferenceGrant, Service, TlsSecret,
};
use crate::route::{HostPattern, ObjectRef};

/// Where Envoy Gateway keeps the services of its gateways, unless told otherwise.
const ENVOY_GATEWAY: &str = "envoy-gateway-system";

fn object(gateway: &Gateway) -> ObjectRef {
    ObjectRef::new("Gateway", gateway.namespace(), gateway.name())
}

/// Whether requests come in by a listener, its certificate aside.
pub(super) fn problems(reader: &Reader<'_>, settings: &Settings, door: &Door<'_>) -> Seen {
    let mut seen = Seen::default();
    let Door { gateway, at, listener } = door;
    seen.evidence.push(format!(
        "Listener {} of Gateway {}/{} on port {}.",
        listener.name, gateway.metadata.namespace, gateway.metadata.name, listener.port
    ));
    class::problems(reader, gateway, &mut seen);
    conflicts(gateway, *at, listener, &mut seen);
    // A gateway without a controller has nobody to say anything of it.
    if !seen.fails() {
        accepted(gateway, *at, listener, &mut seen);
    }
    service_of(reader, settings, door, &mut seen);
    seen
}

/// What the controller says of the gateway and of the listener.
fn accepted(gateway: &Gateway, at: usize, listener: &Listener, seen: &mut Seen) {
    let (object, generation) = (object(gateway), gateway.metadata.generation);
    let status = gateway.listener_status(&listener.name);
    let of_listener = status.map_or(&[] as &[Condition], |status| status.conditions.as_slice());
    let listeners = format!("spec.listeners[{at}]");
    for (what, verb) in [("Accepted", "accept"), ("Programmed", "program")] {
        let all = said(&gateway.status.conditions, what, generation);
        let (subject, field, condition) = match (all, said(of_listener, what, generation)) {
            (Said::No(condition), _) => ("the Gateway".to_owned(), "status.conditions", condition),
            (_, Said::No(condition)) => {
                (format!("the listener {}", listener.name), listeners.as_str(), condition)
            }
            (Said::Yes, _) => continue,
            (Said::Nothing, _) => {
                // Nobody has seen a manifest.
                if gateway.metadata.creation_timestamp.is_some() {
                    seen.unknown.push(not_said(&object));
                }
                continue;
            }
        };
        seen.problems.push(Problem::new(
            GW002,
            &object,
            field,
            format!("The controller does not {verb} {subject} ({}).", words::of_condition(condition)),
            "Correct what the condition names; the controller's log says more.",
        ));
        // What is not accepted is not programmed either.
        return;
    }
}

/// Other listeners of the gateway from which this one can't be told.
fn conflicts(gateway: &Gateway, at: usize, listener: &Listener, seen: &mut Seen) {
    let host = |listener: &Listener| HostPattern::of_gateway(listener.hostname());
    let secure = |listener: &Listener| matches!(listener.protocol.as_str(), "HTTPS" | "TLS");
    let others = gateway.spec.listeners.iter().enumerate().filter(|(other, _)| *other != at);
    let clash = |other: &&Listener| {
        if other.name == listener.name {
            return true;
        }
        // Datagrams don't meet connections.
        let meet = other.port == listener.port && (other.protocol == "UDP") == (listener.protocol == "UDP");
        let apart = other.protocol == listener.protocol || (secure(other) && secure(listener));
        meet && (!apart || host(other) == host(listener))
    };
    let named: Vec<&str> =
        others.map(|(_, other)| other).filter(clash).map(|other| other.name.as_str()).collect();
    let status = gateway.listener_status(&listener.name);
    let conflicted = status.and_then(|status| {
        status.conditions.iter().find(|each| each.r#type == "Conflicted" && each.status == "True")
    });
    let cause = match (named.as_slice(), conflicted) {
        ([], None) => return,
        ([], Some(condition)) => {
            format!("The controller calls it conflicted ({}).", words::of_condition(condition))
        }
        (named, _) => format!(
            "It has its port in common with {}, and neither protocol nor host name tell them apart.",
            named.join(", ")
        ),
    };
    seen.problems.push(Problem::new(
        GW003,
        &object(gateway),
        format!("spec.listeners[{at}]"),
        cause,
        "Give each listener a port or a host name of its own, and one protocol to a port.",
    ));
}

/// Whether the gateway's own service has an address, and lets in what the listener waits for.
fn service_of(reader: &Reader<'_>, settings: &Settings, door: &Door<'_>, seen: &mut Seen) {
    let Door { gateway, at, listener } = door;
    let own = gateway.metadata.namespace.as_str();
    let tag = || Tag::gateway(own, gateway.name());
    let mut services = reader.tagged::<Service>(Some(own), tag()).objects;
    if own != ENVOY_GATEWAY {
        services.extend(reader.tagged::<Service>(Some(ENVOY_GATEWAY), tag()).objects);
    }
    let Some(first) = services.first() else { return };
    for mut problem in services.iter().filter_map(|service| pending(reader, settings, service)) {
        if !gateway.status.addresses.is_empty() {
            // Its controller knows of another way in.
            problem.severity = Severity::Info;
        }
        seen.problems.push(problem);
    }
    if services.iter().any(|service| service.spec.ports.iter().any(|port| port.port == listener.port)) {
        return;
    }
    let ports: Vec<_> = first.spec.ports.iter().map(|port| port.port.to_string()).collect();
    seen.problems.push(Problem::new(
        GW006,
        &object(gateway),
        format!("spec.listeners[{at}].port"),
        format!(
            "The listener waits on port {}, which is no port of Service {}/{} ({}).",
            listener.port,
            first.metadata.namespace,
            first.name(),
            ports.join(", ")
        ),
        "Add the port to the Service, or see why the controller has not.",
    ));
}

/// Whether a listener has the certificates that it names, and one of them serves the host.
pub(super) fn certificates(
    reader: &Reader<'_>,
    settings: &Settings,
    door: &Door<'_>,
    host: &HostPattern,
) -> Seen {
    let mut seen = Seen::default();
    let Door { gateway, at, listener } = door;
    if !listener.terminates_tls() {
        if listener.passes_tls_through() {
            seen.evidence.push(format!(
                "The listener {} passes TLS through: the backend has to have the certificate, which is not looked at.",
                listener.name
            ));
        }
        return seen;
    }
    let field = format!("spec.listeners[{at}].tls");
    let certificates = listener.tls.clone().unwrap_or_default();
    if certificates.certificate_refs.is_empty() && certificates.options.is_empty() {
        seen.problems.push(Problem::new(
            GW004,
            &object(gateway),
            field.clone(),
            format!("The listener {} ends TLS, but names no certificate.", listener.name),
            "Name a Secret with the certificate in tls.certificateRefs.",
        ));
    }
    let (mut explained, mut held) = (false, Vec::new());
    for (nth, secret) in certificates.certificate_refs.iter().enumerate() {
        let field = format!("{field}.certificateRefs[{nth}]");
        let namespace = secret.namespace(&gateway.metadata.namespace);
        if granted(reader, gateway, secret, &field, &mut seen) {
            match there(reader, gateway, secret, &field, &mut seen) {
                Some(Lookup::Found(found)) => {
                    tls::contents(reader, settings, found, &mut seen);
                    held.push(found);
                }
                Some(Lookup::Missing) => explained = true,
                Some(Lookup::Unknown(_)) | None => {}
            }
            if secret.is_secret() {
                tls::renewal(reader, settings, Some(namespace), &secret.name, &mut seen);
            }
        } else {
            explained = true;
        }
        shared(reader, gateway, secret, &field, &mut seen);
    }
    // One that can't be looked at may be the one that serves it.
    if held.len() == certificates.certificate_refs.len()
        && !held.is_empty()
        && !held.iter().any(|secret| tls::serves(secret, host))
    {
        let names: Vec<String> = held.iter().map(|secret| tls::names(secret)).collect();
        seen.problems.push(Problem::new(
            TLS003,
            &object(gateway),
            format!("{field}.certificateRefs"),
            format!(
                "No certificate of the listener {} is for {host}: they are for {}.",
                listener.name,
                names.join(", ")
            ),
            "Use a certificate with this name, or a wildcard for its last label.",
        ));
    }
    let conditions = gateway.listener_status(&listener.name).map(|status| status.conditions.as_slice());
    let resolved = said(conditions.unwrap_or_default(), "ResolvedRefs", gateway.metadata.generation);
    if let (Said::No(condition), false) = (resolved, explained) {
        // The other reasons are about kinds of routes, and do no harm here.
        if matches!(condition.reason.as_str(), "InvalidCertificateRef" | "RefNotPermitted") {
            seen.problems.push(Problem::new(
                GW004,
                &object(gateway),
                field,
                format!("The controller can't use a certificate of the listener {} ({}).", listener.name, words::of_condition(condition)),
                "See whether the Secret exists, is of type kubernetes.io/tls, and holds a certificate and its key.",
            ));
        }
    }
    seen
}

/// Whether the gateway may use a certificate, which is asked of those of other namespaces; tells it if not.
fn granted(
    reader: &Reader<'_>,
    gateway: &Gateway,
    secret: &ObjectRefFields,
    field: &str,
    seen: &mut Seen,
) -> bool {
    let own = gateway.metadata.namespace.as_str();
    let namespace = secret.namespace(own);
    if namespace == own {
        return true;
    }
    let grants = reader.in_namespace::<ReferenceGrant>(namespace);
    let (from, to) =
        ((GATEWAY_API, "Gateway", own), (secret.group(), secret.kind("Secret"), secret.name.as_str()));
    if grants.objects.iter().any(|grant| grant.grants(from, to)) {
        return true;
    }
    if let Some(unknown) = grants.unknown {
        seen.unknown.push(unknown);
        return true;
    }
    seen.problems.push(Problem::new(
        GW008,
        &object(gateway),
        field,
        format!("The certificate is in namespace {namespace}, where no ReferenceGrant lets Gateways of {own} use it."),
        format!("Create a ReferenceGrant in {namespace} from Gateways of {own} to the Secret {}.", secret.name),
    ));
    false
}

/// Whether a certificate's secret is there; tells it if not. `None` for what is no secret.
fn there<'a>(
    reader: &Reader<'a>,
    gateway: &Gateway,
    secret: &ObjectRefFields,
    field: &str,
    seen: &mut Seen,
) -> Option<Lookup<'a, TlsSecret>> {
    let namespace = secret.namespace(&gateway.metadata.namespace);
    if !secret.is_secret() {
        return None;
    }
    // Only secrets of this type are watched, but manifests may have others.
    let found = match reader.get::<TlsSecret>(Some(namespace), &secret.name) {
        Lookup::Found(found) if found.r#type != tls::TLS => Lookup::Missing,
        found => found,
    };
    match &found {
        Lookup::Found(_) => seen.evidence.push(format!("Secret {namespace}/{} is there.", secret.name)),
        Lookup::Unknown(unknown) => seen.unknown.push(unknown.clone()),
        Lookup::Missing => {
            seen.problems.push(Problem::new(
                GW004,
                &object(gateway),
                field,
                format!("There is no TLS Secret {} in namespace {namespace}.", secret.name),
                "Create the Secret, of type kubernetes.io/tls, with a certificate and its key, or correct the name.",
            ));
        }
    }
    Some(found)
}

/// Other gateways with the same certificate.
fn shared(reader: &Reader<'_>, gateway: &Gateway, secret: &ObjectRefFields, field: &str, seen: &mut Seen) {
    if !secret.is_secret() {
        return;
    }
    let namespace = secret.namespace(&gateway.metadata.namespace);
    let users = reader.tagged::<Gateway>(None, Tag::certificate(namespace, &secret.name)).objects;
    let others: Vec<_> = users
        .into_iter()
        .filter(|other| (other.namespace(), other.name()) != (gateway.namespace(), gateway.name()))
        .collect();
    let Some(first) = others.first() else { return };
    let address = |other: &&std::sync::Arc<Gateway>| {
        gateway.status.addresses.iter().any(|address| other.status.addresses.contains(address))
    };
    let together = others.iter().find(|other| address(other));
    let other = together.unwrap_or(first);
    let mut problem = Problem::new(
        GW005,
        &object(gateway),
        field,
        format!(
            "Gateway {}/{} has the same certificate, so that a client may use its connection to one for hosts of the other, and get 404 or 421.",
            other.metadata.namespace,
            other.name()
        ),
        "Give each Gateway a certificate for its own hosts only.",
    );
    if together.is_none() {
        // Clients take a connection for another host only where the address is the same.
        problem.severity = Severity::Info;
    }
    seen.problems.push(problem);
}
