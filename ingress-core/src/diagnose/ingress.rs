//! Checks of an ingress: its class, address, certificate's hosts, rules and conflicts.

use super::check::{
    ING001, ING002, ING003, ING006, ING007, ING008, ING009, ING010, ING011, ING012, ING013, ING014, ING015,
    ING020, TLS003, TLS005,
};
use super::exam::{Problem, Seen};
use super::{
    Exam, Severity, StepKind, annotation, backend, change, controller, issuer, tls as certificates, treatment,
};
use crate::inventory::{Lookup, Tag};
use crate::kind::{Ambiguity, BackendPlace, Ingress, IngressClass, Kind, TlsSecret};
use crate::route::{
    BackendPort, Entry, HostPattern, ObjectRef, PathMatch, Route, TlsSource, ingress as routes,
};

/// Controllers that nobody maintains any more, and since when.
const RETIRED: [(&str, &str, &str); 1] = [("k8s.io/ingress-nginx", "ingress-nginx", "March 2026")];

/// Follows a request to a route of an ingress.
pub(super) fn examine(exam: &mut Exam<'_, '_>, ingress: &Ingress, route: &Route) {
    entry(exam, ingress, route);
    address(exam, ingress, route);
    tls(exam, ingress, route);
    rule(exam, ingress, route);
    if exam.failed() {
        for at in 0..route.backends.len() {
            exam.not_reached(StepKind::Backend, Some(at));
        }
        return;
    }
    for (at, target) in route.backends.iter().enumerate() {
        backend::examine(exam, route, at, target);
    }
}

fn entry(exam: &mut Exam<'_, '_>, ingress: &Ingress, route: &Route) {
    let object = &route.object;
    exam.step(StepKind::Entry, None, None);
    let Some(class) = routes::class(exam.reader, ingress) else {
        exam.find(
            ING001,
            object,
            "spec.ingressClassName",
            "It names no ingress class, and no class is the default one, so no controller serves it."
                .to_owned(),
            "Set spec.ingressClassName, or mark one class as the default.".to_owned(),
        );
        return;
    };
    let class = match class {
        Lookup::Found(class) => class,
        Lookup::Missing => {
            let name = ingress.class().unwrap_or_default();
            let known: Vec<_> = exam
                .reader
                .all::<IngressClass>()
                .objects
                .iter()
                .map(|class| class.name().to_owned())
                .collect();
            let classes = if known.is_empty() {
                "there is none".to_owned()
            } else {
                format!("there are: {}", known.join(", "))
            };
            exam.find(
                ING002,
                object,
                "spec.ingressClassName",
                format!("No ingress class is named {name}."),
                format!(
                    "Name a class that exists ({classes}), or install the controller that brings {name}."
                ),
            );
            return;
        }
        Lookup::Unknown(unknown) => {
            exam.unknown(unknown);
            return;
        }
    };
    let controller = &class.spec.controller;
    change::of_class(exam, class);
    exam.saw(format!("Class {} belongs to the controller {controller}.", class.name()));
    if ingress.class().is_none() {
        several_defaults(exam, object);
    }
    if let Some((_, name, since)) = RETIRED.iter().find(|(retired, _, _)| retired == controller) {
        exam.find(
            ING020,
            &ObjectRef::new("IngressClass", None, class.name()),
            "spec.controller",
            format!(
                "The controller {name} has been retired since {since}: no fixes, security fixes included."
            ),
            "Move to a maintained controller, or to Gateway API.".to_owned(),
        );
    }
}

fn several_defaults(exam: &mut Exam<'_, '_>, object: &ObjectRef) {
    let classes = exam.reader.all::<IngressClass>().objects;
    let defaults: Vec<&str> =
        classes.iter().filter(|class| class.is_default()).map(|class| class.name()).collect();
    if defaults.len() > 1 {
        exam.find(
            ING003,
            object,
            "spec.ingressClassName",
            format!("It names no class, and several are the default one: {}.", defaults.join(", ")),
            "Set spec.ingressClassName, or leave the annotation ingressclass.kubernetes.io/is-default-class on one class only."
                .to_owned(),
        );
    }
}

fn address(exam: &mut Exam<'_, '_>, ingress: &Ingress, route: &Route) {
    exam.step(StepKind::Address, None, None);
    let errors: Vec<String> = ingress
        .port_errors()
        .iter()
        .map(|it| {
            format!("{} at port {} of {}", it.error, it.port, it.address).trim_end_matches(" of ").to_owned()
        })
        .collect();
    if !errors.is_empty() {
        exam.find(
            ING009,
            &route.object,
            "status.loadBalancer.ingress",
            format!("The load balancer tells of errors: {}.", errors.join("; ")),
            "See what the controller and the cloud's load balancer say of this port.".to_owned(),
        );
    }
    change::of_address::<Ingress>(exam, &route.object, &route.addresses.join(", "));
    if !route.addresses.is_empty() {
        exam.saw(format!("Published under {}.", route.addresses.join(", ")));
        return;
    }
    // Manifests have no status; whether a controller will publish one only a cluster can tell.
    let deadline = route.created.and_then(|created| created.checked_add(exam.settings.grace).ok());
    match deadline {
        Some(deadline) if exam.reader.has_come(deadline) => {
            exam.find(
                ING010,
                &route.object,
                "status.loadBalancer.ingress",
                format!(
                    "No controller has published an address for it since it was created at {}.",
                    ingress.creation_timestamp().unwrap_or_default()
                ),
                "See whether the class's controller runs, and what it logs about this Ingress.".to_owned(),
            );
            if let Some(Lookup::Found(class)) = routes::class(exam.reader, ingress) {
                controller::examine(exam, ingress, class);
            }
        }
        Some(_) => exam.saw("No address yet; it was created a moment ago."),
        None => exam.saw("No address: this is a manifest."),
    }
}

fn tls(exam: &mut Exam<'_, '_>, ingress: &Ingress, route: &Route) {
    let entries = ingress.tls();
    exam.step(StepKind::Tls, None, route.tls.as_ref().and_then(|tls| tls.secrets.first().cloned()));
    if entries.is_empty() {
        exam.saw("Served without TLS.");
        return;
    }
    let hosts: Vec<HostPattern> =
        ingress.rules().iter().map(|rule| HostPattern::of_ingress(rule.host)).collect();
    for (at, entry) in entries.iter().enumerate() {
        for (nth, name) in entry.hosts.iter().enumerate() {
            let named = HostPattern::of_ingress(Some(name));
            let serves = |host: &HostPattern| match host {
                HostPattern::Any => true,
                HostPattern::Exact(host) => named.matches(host),
                host => *host == named || named.written().is_some_and(|name| host.matches(&name)),
            };
            if !hosts.iter().any(serves) {
                exam.find(
                    ING013,
                    &route.object,
                    format!("spec.tls[{at}].hosts[{nth}]"),
                    format!("The certificate is for {name}, but no rule is."),
                    "Correct the name, or add a rule for it.".to_owned(),
                );
            }
        }
    }
    issuer::examine(exam, ingress, route);
    if let Some(source) = &route.tls {
        certificate(exam, ingress, route, source);
    } else {
        exam.find(
            ING013,
            &route.object,
            route.field.split(".http").next().unwrap_or_default().to_owned() + ".host",
            format!("Other hosts of this Ingress have TLS, {} has none.", route.host),
            "Add the host to spec.tls, or leave it out on purpose by giving it an Ingress of its own."
                .to_owned(),
        );
    }
}

/// Whether the certificate that is named is there, is in order, and serves the host.
fn certificate(exam: &mut Exam<'_, '_>, ingress: &Ingress, route: &Route, source: &TlsSource) {
    let (reader, settings) = (exam.reader, exam.settings);
    let mut seen = Seen::default();
    let field = format!("{}.secretName", source.field);
    if source.secrets.is_empty() {
        seen.problems.push(Problem::new(
            TLS005,
            &route.object,
            field.clone(),
            "The TLS entry names no Secret, so the controller serves its default certificate.".to_owned(),
            "Name a Secret, unless the default certificate is meant.",
        ));
    }
    for secret in &source.secrets {
        let namespace = secret.namespace.as_deref();
        let found = reader.get::<TlsSecret>(namespace, &secret.name);
        match found {
            Lookup::Found(found) if found.r#type == certificates::TLS => {
                certificates::contents(reader, settings, found, &mut seen);
                if !certificates::serves(found, &route.host) && !another_serves(exam, ingress, route) {
                    seen.problems.push(Problem::new(
                        TLS003,
                        &route.object,
                        format!("{}.host", route.field.split(".http").next().unwrap_or_default()),
                        format!(
                            "The certificate in Secret {} is not for {}, but for {}.",
                            secret.name,
                            route.host,
                            certificates::names(found)
                        ),
                        "Use a certificate with this name, or a wildcard for its last label.",
                    ));
                }
            }
            Lookup::Unknown(unknown) => seen.unknown.push(unknown),
            // Only secrets of this type are watched, so one of another type isn't seen.
            Lookup::Found(_) | Lookup::Missing => seen.problems.push(Problem::new(
                ING012,
                &route.object,
                field.clone(),
                format!(
                    "There is no Secret {} in namespace {}, or it is not of type {}.",
                    secret.name,
                    namespace.unwrap_or_default(),
                    certificates::TLS
                ),
                "Create the Secret, of this type, with a certificate and its key, or correct the name.",
            )),
        }
        certificates::renewal(reader, settings, namespace, &secret.name, &mut seen);
    }
    exam.take(seen);
}

/// Whether the certificate of another entry serves the host, or may: controllers choose among all of them by the name that a client asks for.
fn another_serves(exam: &Exam<'_, '_>, ingress: &Ingress, route: &Route) -> bool {
    ingress.tls().iter().filter_map(|entry| entry.secret_name).any(|name| {
        match exam.reader.get::<TlsSecret>(ingress.namespace(), name) {
            Lookup::Found(secret) => certificates::serves(secret, &route.host),
            Lookup::Unknown(_) => true,
            Lookup::Missing => false,
        }
    })
}

fn rule(exam: &mut Exam<'_, '_>, ingress: &Ingress, route: &Route) {
    exam.step(StepKind::Route, None, Some(route.object.clone()));
    exam.saw(format!("{} {}", route.host, route.matches));
    treatment::tell(exam, route);
    path(exam, route);
    if route.host == HostPattern::Any && route.field != "spec.defaultBackend" {
        let severity = if exam.settings.forbid_catch_all { Severity::Critical } else { ING015.severity };
        exam.find_as(
            ING015,
            severity,
            &route.object,
            route.field.split(".http").next().unwrap_or_default().to_owned(),
            "The rule names no host, so it answers for every name that points here.".to_owned(),
            "Set the rule's host, unless it is meant for all.".to_owned(),
        );
    }
    said_twice(exam, ingress, route);
    backend_named(exam, route);
    annotation::examine(exam, ingress, route);
    conflicts(exam, ingress, route);
}

fn path(exam: &mut Exam<'_, '_>, route: &Route) {
    let (path, field) = (&route.matches.path, format!("{}.path", route.field));
    let expression = |text: &str| text.contains(['(', ')', '[', ']', '^', '$', '*', '\\', '|', '+']);
    match path {
        PathMatch::Exact(text) | PathMatch::Prefix(text) if !text.starts_with('/') => exam.find(
            ING014,
            &route.object,
            field,
            format!("The path {text:?} of type {} does not begin with a slash, so the API server refuses it.", path.type_name()),
            format!("Write /{text}."),
        ),
        PathMatch::Exact(text) | PathMatch::Prefix(text) if expression(text) => exam.find_as(
            ING014,
            Severity::Warning,
            &route.object,
            field,
            format!("The path {text:?} looks like a regular expression, but type {} takes it literally.", path.type_name()),
            "Set pathType to ImplementationSpecific and switch expressions on for the controller, or write a plain path.".to_owned(),
        ),
        _ => {}
    }
}

/// What the backend says twice: the API server refuses that, but manifests may have it.
fn said_twice(exam: &mut Exam<'_, '_>, ingress: &Ingress, route: &Route) {
    let is_default = route.field == "spec.defaultBackend";
    let here = |place: BackendPlace| match place {
        BackendPlace::Default => is_default,
        BackendPlace::Path { rule, path } => !is_default && route.order == (rule, path),
    };
    let Some(field) = route.backends.first().map(|backend| backend.field.as_str()) else { return };
    for (_, ambiguity) in ingress.ambiguities().into_iter().filter(|(place, _)| here(*place)) {
        match ambiguity {
            Ambiguity::ServiceAndResource => exam.find(
                ING008,
                &route.object,
                field,
                "The backend names both a Service and a resource, so the API server refuses it.".to_owned(),
                "Leave one of the two.".to_owned(),
            ),
            Ambiguity::NameAndNumber => exam.find(
                ING006,
                &route.object,
                format!("{field}.service.port"),
                "The backend gives its Service's port by name and by number, so the API server refuses it."
                    .to_owned(),
                "Leave the name or the number.".to_owned(),
            ),
        }
    }
}

/// What a route of an ingress has to say about its backend, whether or not that exists.
fn backend_named(exam: &mut Exam<'_, '_>, route: &Route) {
    let Some(backend) = route.backends.first() else {
        exam.find(
            ING008,
            &route.object,
            format!("{}.backend", route.field),
            "The backend names neither a Service nor a resource.".to_owned(),
            "Name the Service and its port.".to_owned(),
        );
        return;
    };
    if backend.object.kind == "Service" && backend.port.is_none() {
        exam.find(
            ING006,
            &route.object,
            format!("{}.service.port", backend.field),
            "The backend names no port of its Service.".to_owned(),
            "Set the port's number or its name.".to_owned(),
        );
    }
}

/// Other ingresses of the same controller that claim the same requests.
fn conflicts(exam: &mut Exam<'_, '_>, ingress: &Ingress, route: &Route) {
    let claim = Tag::claim(&route.host, &route.matches.path);
    let mut others = Vec::new();
    for other in exam.reader.tagged::<Ingress>(None, claim).objects {
        let same = (other.namespace(), other.name()) == (ingress.namespace(), ingress.name());
        if !same && same_controller(exam, other, route) && !is_canary(other) && !is_canary(ingress) {
            others.push(format!("{}/{}", other.namespace().unwrap_or_default(), other.name()));
        }
    }
    if !others.is_empty() {
        exam.find(
            ING011,
            &route.object,
            route.field.clone(),
            format!(
                "Requests for {} {} are claimed by {}, too; which one answers is not defined.",
                route.host,
                route.matches,
                others.join(", ")
            ),
            "Leave the rule in one Ingress.".to_owned(),
        );
    }
}

fn same_controller(exam: &Exam<'_, '_>, other: &Ingress, route: &Route) -> bool {
    match (routes::entry(exam.reader, other), route.entries.first()) {
        (
            Entry::IngressClass { controller: Some(theirs), .. },
            Some(Entry::IngressClass { controller: Some(ours), .. }),
        ) => theirs == *ours,
        // Of classes that aren't known, only that they are the same.
        (theirs, ours) => Some(&theirs) == ours,
    }
}

/// Whether it is meant to share the requests of another one.
fn is_canary(ingress: &Ingress) -> bool {
    ingress.annotations().iter().any(|(key, value)| key.ends_with("/canary") && *value == "true")
}

/// A port by number where the service has a name for it.
pub(super) fn named_port(
    exam: &mut Exam<'_, '_>,
    route: &Route,
    field: &str,
    port: &BackendPort,
    name: &str,
) {
    if let (BackendPort::Number(number), false) = (port, name.is_empty()) {
        exam.find(
            ING007,
            &route.object,
            format!("{field}.service.port"),
            format!("Port {number} is given by number, though the Service names it {name}."),
            format!("Write name: {name}, so that the number can change."),
        );
    }
}
