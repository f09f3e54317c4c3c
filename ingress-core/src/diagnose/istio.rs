//! Checks of routes of Istio's `VirtualService`: its rules, and where they lead.
//!
//! What lets requests in is not looked at: Istio's own `Gateway`, the sidecars of a mesh, and what a `DestinationRule` makes of a subset. So a route of this
//! kind is never called ok, but what is broken about it is found.

use super::check::{RT009, RT012};
use super::expression::{self, Place};
use super::{Exam, StepKind, backend};
use crate::inventory::{Lookup, Unknown, Why};
use crate::kind::{VirtualDelegate, VirtualHttpRoute, VirtualService};
use crate::route::{Backend, Entry, PathMatch, Route, RouteMatch};

/// Follows a request to a route of a virtual service.
pub(super) fn examine(exam: &mut Exam<'_, '_>, of: &VirtualService, route: &Route, siblings: &[Route]) {
    doors(exam, route);
    exam.step(StepKind::Route, None, Some(route.object.clone()));
    exam.saw(format!("{} {}", route.host, route.matches));
    expression::examine(exam, route, |place| match place {
        Place::Path | Place::Condition => route.field.clone(),
        Place::Header(_, name) => format!("{}.headers[{name}].regex", route.field),
        Place::QueryParam(_, name) => format!("{}.queryParams[{name}].regex", route.field),
    });
    never_reached(exam, route, siblings);
    let http = of.spec.http.get(route.order.0);
    if let Some(http) = http {
        rule(exam, of, route, http);
    }
    let stopped = exam.failed();
    for (at, target) in route.backends.iter().enumerate() {
        if stopped {
            exam.not_reached(StepKind::Backend, Some(at));
            continue;
        }
        let named = http.and_then(|http| http.route.get(at));
        if let Some(subset) = named.and_then(|named| named.destination.subset.as_deref()) {
            chosen(exam, at, target, subset);
        }
        backend::examine(exam, route, at, target);
    }
}

/// What lets requests in, which nobody has looked at.
fn doors(exam: &mut Exam<'_, '_>, route: &Route) {
    let (mut unknown, mut evidence, mut mesh_alone) = (Vec::new(), Vec::new(), true);
    for entry in &route.entries {
        match entry {
            Entry::IstioGateway { namespace, gateway } => {
                mesh_alone = false;
                evidence.push(format!("Through Istio's Gateway {namespace}/{gateway}."));
                unknown.push(Unknown {
                    kind: "networking.istio.io/Gateway",
                    namespace: Some(namespace.clone()),
                    name: Some(gateway.clone()),
                    why: Why::NotWatched,
                });
            }
            Entry::Mesh => {
                evidence.push("For requests of pods with a sidecar.".to_owned());
                unknown.push(Unknown { kind: "sidecar", namespace: None, name: None, why: Why::Unknowable });
            }
            Entry::IngressClass { .. } | Entry::Listener { .. } | Entry::EntryPoint { .. } => {}
        }
    }
    exam.step(StepKind::Entry, None, None);
    evidence.into_iter().for_each(|evidence| exam.saw(evidence));
    unknown.iter().cloned().for_each(|unknown| exam.unknown(unknown));
    exam.step(StepKind::Address, None, None);
    exam.saw(if mesh_alone {
        "Pods of the mesh ask for it by name."
    } else {
        "The addresses are those of the gateway's Service, which the VirtualService doesn't say."
    });
    exam.step(StepKind::Tls, None, None);
    if mesh_alone {
        exam.saw("Sidecars encrypt among themselves.");
    } else {
        exam.saw("Whether TLS ends at the gateway, and with which certificate, only the Gateway says.");
        unknown.retain(|unknown| unknown.why == Why::NotWatched);
        unknown.into_iter().for_each(|unknown| exam.unknown(unknown));
    }
}

/// What a rule does besides matching.
fn rule(exam: &mut Exam<'_, '_>, of: &VirtualService, route: &Route, http: &VirtualHttpRoute) {
    let field = format!("spec.http[{}]", route.order.0);
    if let Some(delegate) = &http.delegate {
        delegated(exam, of, delegate);
    }
    if http.fault {
        exam.saw("Faults are injected: some requests are delayed or refused on purpose.");
        exam.unknown(Unknown { kind: "fault", namespace: None, name: None, why: Why::Unknowable });
    }
    if !route.answers && route.backends.iter().all(|backend| backend.weight == 0) {
        let cause = if route.backends.is_empty() {
            "The rule has no route, redirect, direct response or delegate, so that it leads nowhere."
        } else {
            "All destinations of the rule have the weight 0, so none gets a request."
        };
        exam.find(
            RT012,
            &route.object,
            format!("{field}.route"),
            cause.to_owned(),
            "Name a destination with a weight above 0, or remove the rule.".to_owned(),
        );
    }
}

/// Another virtual service that goes on. What it says is not followed.
fn delegated(exam: &mut Exam<'_, '_>, of: &VirtualService, delegate: &VirtualDelegate) {
    let own = of.metadata.namespace.as_str();
    let namespace = delegate.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or(own);
    let name = format!("VirtualService {namespace}/{}", delegate.name);
    let unknown = |why| Unknown {
        kind: "VirtualService",
        namespace: Some(namespace.to_owned()),
        name: Some(delegate.name.clone()),
        why,
    };
    match exam.reader.get::<VirtualService>(Some(namespace), &delegate.name) {
        Lookup::Found(_) => {
            exam.saw(format!("{name} goes on, which is not followed."));
            exam.unknown(unknown(Why::NotRead));
        }
        Lookup::Missing => {
            exam.saw(format!("{name} is to go on, but there is none."));
            exam.unknown(unknown(Why::NotRead));
        }
        Lookup::Unknown(why) => exam.unknown(why),
    }
}

/// A subset of a service's pods, which nobody has looked up.
fn chosen(exam: &mut Exam<'_, '_>, at: usize, target: &Backend, subset: &str) {
    exam.step(StepKind::Backend, Some(at), Some(target.object.clone()));
    exam.saw(format!("Only its subset {subset}, which a DestinationRule makes."));
    exam.unknown(Unknown {
        kind: "DestinationRule",
        namespace: target.object.namespace.clone(),
        name: None,
        why: Why::NotWatched,
    });
}

/// Whether an earlier rule takes all that this one is for.
fn never_reached(exam: &mut Exam<'_, '_>, route: &Route, siblings: &[Route]) {
    let takes = |other: &&Route| {
        other.order < route.order
            && other.host == route.host
            && route.entries.iter().all(|entry| other.entries.contains(entry))
            && covers(&other.matches, &route.matches)
    };
    if let Some(other) = siblings.iter().find(takes) {
        exam.find(
            RT009,
            &route.object,
            route.field.clone(),
            format!("It never gets a request: {} takes all that it is for, and comes first.", other.field),
            "Put it before the other one, or remove it.".to_owned(),
        );
    }
}

/// Whether all that one is for, the other is for as well, as far as that can be seen at a glance.
fn covers(one: &RouteMatch, other: &RouteMatch) -> bool {
    if one == other {
        return true;
    }
    let plain = one.method.is_none()
        && one.headers.is_empty()
        && one.query_params.is_empty()
        && one.conditions.is_empty();
    plain
        && match (&one.path, &other.path) {
            (PathMatch::Any, _) => true,
            // Every path begins with a slash.
            (PathMatch::TextPrefix(prefix), _) if prefix.is_empty() || prefix == "/" => true,
            (PathMatch::TextPrefix(prefix), PathMatch::Exact(path) | PathMatch::TextPrefix(path)) => {
                path.starts_with(prefix)
            }
            (path, other) => path == other,
        }
}
