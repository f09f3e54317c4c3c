//! Checks of what a route is attached to.

use super::super::check::{Check, RT001, RT002, RT003, RT004, RT008, RT011};
use super::{Case, Exam, Said, Severity, not_said, said, words};
use crate::inventory::{Lookup, Unknown, Why};
use crate::kind::{Gateway, Kind, Listener, ParentRef, RouteParentStatus, Service};
use crate::route::attach::{Answer, Parent, Refusal};
use crate::route::{HostPattern, Route};

/// Whether the parents of a route let it in.
pub(super) fn examine(exam: &mut Exam<'_, '_>, case: &Case<'_, '_>, route: &Route) {
    let common = &case.common;
    // One parent of several takes only those requests with it that come in there.
    let is_all = route.entries.is_empty() && !case.may_have_others();
    let severity = if is_all { Severity::Critical } else { Severity::Warning };
    if common.parents.is_empty() {
        exam.find(
            RT001,
            &route.object,
            "spec.parentRefs",
            "It names no parent, so nothing serves it.".to_owned(),
            "Name the Gateway in spec.parentRefs.".to_owned(),
        );
    }
    let mut elsewhere = false;
    for (at, (wanted, parent)) in common.parents.iter().zip(case.parents).enumerate() {
        let field = format!("spec.parentRefs[{at}]");
        let lets_in = match parent {
            Parent::Other if wanted.is_service() => {
                mesh(exam, case, route, wanted, field);
                continue;
            }
            Parent::Other => {
                exam.unknown(unknowable(case, wanted));
                continue;
            }
            Parent::Unknown(unknown) => {
                exam.unknown(unknown.clone());
                continue;
            }
            Parent::Missing => {
                let namespace = wanted.namespace(common.namespace);
                exam.find_as(
                    RT001,
                    severity,
                    &route.object,
                    field,
                    format!("There is no Gateway {} in namespace {namespace}.", wanted.name),
                    "Correct the parent's name or namespace, or create the Gateway.".to_owned(),
                );
                continue;
            }
            Parent::Gateway { gateway, listeners } => {
                let problem = refusal(case, wanted, gateway, listeners);
                let lets_in = problem.is_none();
                if let Some((check, cause, action)) = problem {
                    exam.find_as(check, severity, &route.object, field.clone(), cause, action);
                }
                undecided(exam, case, wanted, listeners);
                lets_in
            }
        };
        elsewhere |= lets_in;
        status(exam, case, route, wanted, &field, lets_in);
    }
    if is_all && elsewhere {
        exam.find(
            RT004,
            &route.object,
            host_field(case, &route.host),
            format!("No listener of its Gateways is for {}.", route.host),
            "Correct the host name, or add a listener for it.".to_owned(),
        );
    }
}

fn host_field(case: &Case<'_, '_>, host: &HostPattern) -> String {
    let at = case.common.hosts().iter().position(|known| known == host).unwrap_or_default();
    format!("spec.hostnames[{at}]")
}

fn unknowable(case: &Case<'_, '_>, wanted: &ParentRef) -> Unknown {
    Unknown {
        kind: "parent",
        namespace: Some(wanted.namespace(case.common.namespace).to_owned()),
        name: Some(wanted.name.clone()),
        why: Why::Unknowable,
    }
}

/// Why no listener of a gateway lets the route in, whatever its host.
fn refusal(
    case: &Case<'_, '_>,
    wanted: &ParentRef,
    gateway: &Gateway,
    listeners: &[(&Listener, Answer)],
) -> Option<(Check, String, String)> {
    if listeners.iter().any(|(_, answer)| !answer.hosts().is_empty()) {
        return None;
    }
    let common = &case.common;
    let name = format!("Gateway {}/{}", gateway.metadata.namespace, gateway.name());
    let refused = |with: Refusal| listeners.iter().find(|(_, answer)| *answer == Answer::Refused(with));
    if listeners.is_empty() {
        let section = wanted.section_name.as_ref().map(|section| format!("named {section}"));
        let port = wanted.port.map(|port| format!("on port {port}"));
        let asked: Vec<_> = section.into_iter().chain(port).collect();
        let known: Vec<_> =
            gateway.spec.listeners.iter().map(|each| format!("{} ({})", each.name, each.port)).collect();
        let cause = format!("{name} has no listener {}.", asked.join(" "));
        return Some((RT002, cause, format!("Use one of its listeners: {}.", known.join(", "))));
    }
    // The refusal that was nearest to being none: only the host is amiss.
    if refused(Refusal::Host).is_some() {
        let hosts: Vec<_> = listeners.iter().map(|(each, _)| each.hostname().unwrap_or("*")).collect();
        let cause = format!(
            "None of its host names ({}) is one of those of {name} ({}).",
            common.hostnames.join(", "),
            hosts.join(", ")
        );
        return Some((RT004, cause, "Correct the host name, or that of the listener.".to_owned()));
    }
    if let Some((listener, _)) = refused(Refusal::Namespace) {
        let from = listener.allowed_routes.namespaces.from.as_deref().unwrap_or("Same");
        let cause = format!(
            "The listener {} of {name} does not admit routes of namespace {} (allowedRoutes.namespaces.from is {from}).",
            listener.name, common.namespace
        );
        let action = if from == "Selector" {
            format!(
                "Label the namespace {} as the selector wants it, or change the selector.",
                common.namespace
            )
        } else {
            "Set allowedRoutes.namespaces.from of the listener to All or to a Selector, or move the route."
                .to_owned()
        };
        return Some((RT003, cause, action));
    }
    let (listener, _) = listeners.first()?;
    let cause =
        format!("The listener {} of {name} does not admit routes of kind {}.", listener.name, common.kind);
    Some((RT003, cause, "Add the kind to allowedRoutes.kinds, or choose another listener.".to_owned()))
}

/// Notes what has to be known to say whether listeners let the route in.
fn undecided(
    exam: &mut Exam<'_, '_>,
    case: &Case<'_, '_>,
    wanted: &ParentRef,
    listeners: &[(&Listener, Answer)],
) {
    for (_, answer) in listeners {
        if let Answer::Undecided(_, unknown) = answer {
            exam.unknown(unknown.clone().unwrap_or_else(|| unknowable(case, wanted)));
        }
    }
}

/// A service of a mesh as the parent.
fn mesh(exam: &mut Exam<'_, '_>, case: &Case<'_, '_>, route: &Route, wanted: &ParentRef, field: String) {
    let namespace = wanted.namespace(case.common.namespace);
    match exam.reader.get::<Service>(Some(namespace), &wanted.name) {
        Lookup::Found(_) => {
            exam.saw(format!("For requests of the mesh to Service {namespace}/{}.", wanted.name));
        }
        Lookup::Unknown(unknown) => exam.unknown(unknown),
        Lookup::Missing => exam.find(
            RT011,
            &route.object,
            field,
            format!(
                "There is no Service {} in namespace {namespace}, whose requests it is for.",
                wanted.name
            ),
            "Correct the parent's name or namespace, or create the Service.".to_owned(),
        ),
    }
}

/// What controllers say of the route at one parent.
fn status(
    exam: &mut Exam<'_, '_>,
    case: &Case<'_, '_>,
    route: &Route,
    wanted: &ParentRef,
    field: &str,
    lets_in: bool,
) {
    let common = &case.common;
    let about = |status: &&RouteParentStatus| status.parent_ref.is_same(wanted, common.namespace);
    let mut spoken = false;
    for status in common.status.parents.iter().filter(about) {
        spoken = true;
        for what in ["Accepted", "ResolvedRefs"] {
            let condition = match said(&status.conditions, what, common.generation) {
                Said::Yes => continue,
                Said::Nothing => {
                    exam.unknown(not_said(&route.object));
                    continue;
                }
                Said::No(condition) => condition,
            };
            exam.saw(format!(
                "{} says {what} is False: {}.",
                status.controller_name,
                words::of_condition(condition)
            ));
            // A cause that is found here is told once, by its own code.
            let explained = match what {
                "Accepted" => !lets_in,
                _ => super::rule::explains(exam.reader, case.siblings),
            };
            if explained {
                continue;
            }
            let severity = if common.parents.len() > 1 { Severity::Warning } else { Severity::Critical };
            let verb =
                if what == "Accepted" { "does not accept it" } else { "can't follow all it refers to" };
            exam.find_as(
                RT008,
                severity,
                &route.object,
                field.to_owned(),
                format!(
                    "The controller {} {verb} ({}).",
                    status.controller_name,
                    words::of_condition(condition)
                ),
                "Correct what the condition names.".to_owned(),
            );
        }
    }
    // Nobody has seen a manifest, but in a cluster somebody should have said something.
    if !spoken && route.created.is_some() && lets_in {
        exam.unknown(not_said(&route.object));
    }
}
