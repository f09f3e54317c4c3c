//! Checks of routes of Gateway API: their parents, listeners, certificates, rules and conflicts.
//!
//! A route may come in by many doors. Something that is wrong with all of them stops it; with some of them, it takes those requests only that
//! come in there, and so degrades it.

use super::exam::{Problem, Seen};
use super::{Exam, Finding, Settings, Severity, StepKind, backend, change, treatment, words};
use crate::inventory::{Reader, Unknown, Why};
use crate::kind::{Condition, Gateway, Kind, Listener};
use crate::route::attach::{Common, Parent};
use crate::route::{ObjectRef, Route};

mod alone;
mod class;
mod listener;
mod parent;
mod rule;

pub(super) use alone::findings as alone;
pub(super) use rule::granted;

/// What all routes of an object have in common.
pub(super) struct Case<'c, 'a> {
    pub(super) common: Common<'c>,
    /// What answers each of its `parentRefs`.
    pub(super) parents: &'c [Parent<'a>],
    /// All routes of the object.
    pub(super) siblings: &'c [Route],
}

/// Follows a request to a route.
pub(super) fn examine(exam: &mut Exam<'_, '_>, case: &Case<'_, '_>, route: &Route) {
    exam.step(StepKind::Entry, None, None);
    parent::examine(exam, case, route);
    let doors = doors(case, route);
    each_door(exam, &doors, listener::problems);
    exam.step(StepKind::Address, None, None);
    if route.addresses.is_empty() {
        exam.saw("No address was published so far.");
    } else {
        exam.saw(format!("Published under {}.", route.addresses.join(", ")));
    }
    for door in &doors.known {
        let object = ObjectRef::new("Gateway", door.gateway.namespace(), door.gateway.name());
        let addresses: Vec<&str> =
            door.gateway.status.addresses.iter().map(|address| address.value.as_str()).collect();
        change::of_address::<Gateway>(exam, &object, &addresses.join(", "));
    }
    exam.step(StepKind::Tls, None, route.tls.as_ref().and_then(|tls| tls.secrets.first().cloned()));
    if route.tls.is_none() && !doors.known.iter().any(|door| door.listener.passes_tls_through()) {
        exam.saw("Served without TLS.");
    }
    each_door(exam, &doors, |reader, settings, door| {
        listener::certificates(reader, settings, door, &route.host)
    });
    exam.step(StepKind::Route, None, Some(route.object.clone()));
    exam.saw(format!("{} {}", route.host, route.matches));
    treatment::tell(exam, route);
    rule::examine(exam, case, route);
    let stopped = exam.failed();
    for (at, target) in route.backends.iter().enumerate() {
        if stopped {
            exam.not_reached(StepKind::Backend, Some(at));
        } else {
            backend::examine(exam, route, at, target);
        }
    }
}

impl Case<'_, '_> {
    /// Whether there may be a parent that nobody could look at: then nothing that is wrong with the others stops all requests.
    fn may_have_others(&self) -> bool {
        self.parents.iter().any(|parent| matches!(parent, Parent::Unknown(_)))
    }
}

/// The listeners through which something is reached.
struct Doors<'c> {
    known: Vec<Door<'c>>,
    /// Whether these are all.
    complete: bool,
}

/// A listener through which a route is reached.
struct Door<'c> {
    gateway: &'c Gateway,
    at: usize,
    listener: &'c Listener,
}

fn doors<'c>(case: &Case<'c, '_>, route: &Route) -> Doors<'c> {
    let mut doors: Vec<Door<'c>> = Vec::new();
    for parent in case.parents {
        let Parent::Gateway { gateway, listeners } = parent else { continue };
        for (listener, _) in listeners.iter().filter(|(_, answer)| answer.hosts().contains(&route.host)) {
            let known = doors.iter().any(|door| std::ptr::eq(door.listener, *listener));
            let at = gateway.spec.listeners.iter().position(|each| std::ptr::eq(each, *listener));
            if let (false, Some(at)) = (known, at) {
                doors.push(Door { gateway, at, listener });
            }
        }
    }
    Doors { known: doors, complete: !case.may_have_others() }
}

fn each_door(
    exam: &mut Exam<'_, '_>,
    doors: &Doors<'_>,
    look: impl Fn(&Reader<'_>, &Settings, &Door<'_>) -> Seen,
) {
    let seen: Vec<Seen> = doors.known.iter().map(|door| look(exam.reader, exam.settings, door)).collect();
    let all = doors.complete && seen.iter().all(Seen::fails);
    let mut told: Vec<(&'static str, ObjectRef, String)> = Vec::new();
    for seen in seen {
        seen.evidence.into_iter().for_each(|evidence| exam.saw(evidence));
        // What one door lacks is no reason to call the others unknown, but what isn't known of one may be what stops it.
        seen.unknown.into_iter().for_each(|unknown| exam.unknown(unknown));
        for problem in seen.problems {
            let id = (problem.check.code, problem.object.clone(), problem.field.clone());
            if told.contains(&id) {
                continue;
            }
            told.push(id);
            let mut problem = problem;
            // What is still to come is no less urgent for there being another door.
            if !all && !problem.coming {
                problem.severity = problem.severity.min(Severity::Warning);
            }
            exam.tell(problem);
        }
    }
}

/// What a controller says by a condition.
enum Said<'a> {
    /// It holds.
    Yes,
    /// It does not, for this reason.
    No(&'a Condition),
    /// Nothing yet, or of an older generation.
    Nothing,
}

fn said<'a>(conditions: &'a [Condition], of: &str, generation: i64) -> Said<'a> {
    let Some(condition) = conditions.iter().find(|condition| condition.r#type == of) else {
        return Said::Nothing;
    };
    if condition.observed_generation != 0 && condition.observed_generation < generation {
        return Said::Nothing;
    }
    match condition.status.as_str() {
        "True" => Said::Yes,
        "False" => Said::No(condition),
        _ => Said::Nothing,
    }
}

/// That a controller has not said yet whether it accepts an object.
fn not_said(object: &ObjectRef) -> Unknown {
    Unknown {
        kind: "condition",
        namespace: object.namespace.clone(),
        name: Some(object.name.clone()),
        why: Why::NotRead,
    }
}
