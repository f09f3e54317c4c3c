//! Checks of routes of Traefik's `IngressRoute`: its rules, certificates, and where they lead.
//!
//! Which entry points there are, on which ports and with which certificates, Traefik's own configuration says, and no object of a cluster. So a route
//! of this kind is never called ok, but what is broken about it is found.

use super::check::{ING012, RT012, RT013, TLS003};
use super::exam::{Problem, Seen};
use super::expression;
use super::{Exam, Severity, StepKind, backend, tls as certificates};
use crate::inventory::{Lookup, Unknown, Why};
use crate::kind::{IngressRoute, IngressRouteRule, Kind, TlsSecret};
use crate::route::{Condition, Entry, Route};

/// Follows a request to a route of an ingress route.
pub(super) fn examine(exam: &mut Exam<'_, '_>, of: &IngressRoute, route: &Route) {
    entry(exam, route);
    exam.step(StepKind::Address, None, None);
    exam.saw("The addresses are those of Traefik's Service, which the IngressRoute doesn't say.");
    tls(exam, of, route);
    exam.step(StepKind::Route, None, Some(route.object.clone()));
    exam.saw(format!("{} {}", route.host, route.matches));
    if let Some(written) = of.spec.routes.get(route.order.0) {
        rule(exam, of, route, written);
    }
    let stopped = exam.failed();
    for (at, target) in route.backends.iter().enumerate() {
        if stopped {
            exam.not_reached(StepKind::Backend, Some(at));
        } else {
            backend::examine(exam, route, at, target);
        }
    }
}

/// Something that only Traefik's own configuration says.
fn configured(kind: &'static str, name: Option<&str>) -> Unknown {
    Unknown { kind, namespace: None, name: name.map(str::to_owned), why: Why::Unknowable }
}

fn entry(exam: &mut Exam<'_, '_>, route: &Route) {
    exam.step(StepKind::Entry, None, None);
    for entry in &route.entries {
        let Entry::EntryPoint { name } = entry else { continue };
        exam.saw(match name {
            Some(name) => format!("Entry point {name} of Traefik's configuration."),
            None => "The entry points that Traefik's configuration uses by default.".to_owned(),
        });
        exam.unknown(configured("entryPoint", name.as_deref()));
    }
}

fn tls(exam: &mut Exam<'_, '_>, of: &IngressRoute, route: &Route) {
    exam.step(StepKind::Tls, None, route.tls.as_ref().and_then(|tls| tls.secrets.first().cloned()));
    let (Some(source), Some(written)) = (&route.tls, &of.spec.tls) else {
        return exam.saw("It is for requests without TLS, unless its entry points have it by default.");
    };
    if let Some(secret) = source.secrets.first() {
        let mut seen = Seen::default();
        certificate(exam, route, &secret.name, &mut seen);
        return exam.take(seen);
    }
    let resolver = written.cert_resolver.as_deref().filter(|name| !name.is_empty());
    exam.saw(match resolver {
        Some(name) => format!("Traefik gets the certificate itself, by its resolver {name}."),
        None => "It names no Secret: Traefik chooses among the certificates that it has.".to_owned(),
    });
    exam.unknown(configured("certificate", resolver));
}

/// Whether the certificate that is named is there, is in order, and serves the host.
fn certificate(exam: &Exam<'_, '_>, route: &Route, secret: &str, seen: &mut Seen) {
    let (reader, settings) = (exam.reader, exam.settings);
    let namespace = route.object.namespace.as_deref();
    // Traefik chooses among all certificates that it has, and takes Secrets of any type: what is amiss here need not stop anybody.
    let warn = |check, cause: String, action: &str, seen: &mut Seen| {
        let mut problem = Problem::new(check, &route.object, "spec.tls.secretName", cause, action);
        problem.severity = Severity::Warning;
        seen.problems.push(problem);
    };
    match reader.get::<TlsSecret>(namespace, secret) {
        Lookup::Found(found) if found.r#type == certificates::TLS => {
            certificates::contents(reader, settings, found, seen);
            if !certificates::serves(found, &route.host) {
                let cause = format!(
                    "The certificate in Secret {secret} is not for {}, but for {}.",
                    route.host,
                    certificates::names(found)
                );
                warn(
                    TLS003,
                    cause,
                    "Use a certificate with this name, or a wildcard for its last label.",
                    seen,
                );
            }
        }
        Lookup::Unknown(unknown) => seen.unknown.push(unknown),
        Lookup::Found(_) | Lookup::Missing => {
            let cause = format!(
                "There is no Secret {secret} in namespace {}, or it is not of type {}.",
                namespace.unwrap_or_default(),
                certificates::TLS
            );
            let action =
                "Create the Secret, of this type, with a certificate and its key, or correct the name.";
            warn(ING012, cause, action, seen);
        }
    }
    certificates::renewal(reader, settings, namespace, secret, seen);
}

fn rule(exam: &mut Exam<'_, '_>, of: &IngressRoute, route: &Route, written: &IngressRouteRule) {
    let field = format!("{}.match", route.field);
    for condition in &route.matches.conditions {
        if let Condition::Unreadable { why, .. } = condition {
            exam.find(
                RT013,
                &route.object,
                field.clone(),
                format!("The rule can't be read: {why}, so Traefik leaves it out."),
                "Correct it as Traefik's documentation of rules has it, such as Host(`a.example.com`) && PathPrefix(`/b`)."
                    .to_owned(),
            );
        }
    }
    expression::examine(exam, route, |_| field.clone());
    for middleware in &written.middlewares {
        let own = of.namespace().unwrap_or_default();
        let namespace = middleware.namespace.as_deref().filter(|name| !name.is_empty()).unwrap_or(own);
        exam.saw(format!("Middleware {namespace}/{} has a say in it.", middleware.name));
        exam.unknown(Unknown {
            kind: "Middleware",
            namespace: Some(namespace.to_owned()),
            name: Some(middleware.name.clone()),
            why: Why::NotWatched,
        });
    }
    if written.services.is_empty() {
        // Newer versions let other routes go on from one that has none.
        exam.saw("It names no service.");
        exam.unknown(configured("service", None));
    } else if route.backends.iter().all(|backend| backend.weight == 0) {
        exam.find(
            RT012,
            &route.object,
            format!("{}.services", route.field),
            "All services of the rule have the weight 0, so none gets a request.".to_owned(),
            "Give one of them a weight above 0, or remove the rule.".to_owned(),
        );
    }
    for backend in route.backends.iter().filter(|backend| backend.object.namespace != route.object.namespace)
    {
        exam.saw(format!(
            "{} is in another namespace, which Traefik's configuration has to allow.",
            backend.object
        ));
    }
}
