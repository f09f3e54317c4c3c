//! Checks of who brings an object about: whether Flux or Argo CD still apply what they are told, and undo what is edited by hand.
//!
//! None of this stops a request, so it is told apart by how it matters. Somebody suspended it, or it only differs: worth knowing, and more than
//! that where the route is broken, since then a fix may be waiting there. It fails: the next change won't arrive, which is a warning,
//! and the reason to look there first where the route is broken.
//!
//! Where an owner can't be read, nothing is said of it: the route works or doesn't without it. The releases of Helm itself lie in
//! secrets, which nobody reads here.

use super::check::OWN001;
use super::exam::Problem;
use super::{Exam, Severity, StepKind, Verdict, issuance, words};
use crate::inventory::{Held, Lookup, Reader, Tag};
use crate::kind::{
    Application, FluxSpec, FluxStatus, HelmRelease, Kind, Kustomization, Metadata, Service, Time,
};
use crate::route::{ObjectRef, Owner, OwnerKind, Route};

/// Looks at who brings the object of a route and its services about.
pub(super) fn examine(exam: &mut Exam<'_, '_>, route: &Route) {
    let owned = owned(exam.reader, route);
    if owned.is_empty() || !exam.back_to(StepKind::Route, None) {
        return;
    }
    let broken = exam.verdict(route) == Verdict::Broken;
    for (owner, object) in owned {
        let seen = look(exam, &owner, &object);
        exam.saw(seen.evidence);
        let Some(Trouble { weight, object, field, cause, action }) = seen.trouble else { continue };
        let mut problem = Problem::new(OWN001, &object, field, cause, action);
        // It stops nothing by itself, however urgent it is.
        problem.coming = true;
        problem.severity = match (weight, broken) {
            (Weight::Fails, true) => Severity::Critical,
            (Weight::Fails, false) => OWN001.severity,
            (Weight::Waits, true) => Severity::Warning,
            (Weight::Waits, false) | (Weight::Elsewhere, _) => Severity::Info,
        };
        exam.tell(problem);
    }
}

/// The object of a route and its services, each with who brings it about, and each of these once.
fn owned(reader: &Reader<'_>, route: &Route) -> Vec<(Owner, ObjectRef)> {
    let mut owned: Vec<(Owner, ObjectRef)> = Vec::new();
    owned.extend(route.owner.clone().map(|owner| (owner, route.object.clone())));
    for backend in route.backends.iter().filter(|backend| backend.object.kind == "Service") {
        let (namespace, name) = (backend.object.namespace.as_deref(), &backend.object.name);
        let Lookup::Found(service) = reader.get::<Service>(namespace, name) else { continue };
        let Metadata { labels, annotations, .. } = &service.metadata;
        let owner = Owner::of(
            |key| labels.get(key).map(String::as_str),
            |key| annotations.get(key).map(String::as_str),
        );
        if let Some(owner) = owner.filter(|owner| owned.iter().all(|(known, _)| known != owner)) {
            owned.push((owner, backend.object.clone()));
        }
    }
    owned
}

/// How much it matters.
#[derive(Clone, Copy)]
enum Weight {
    /// What it is told does not arrive.
    Fails,
    /// It waits for somebody, who may mean it so.
    Waits,
    /// It is nowhere to be seen, and may well be in another cluster.
    Elsewhere,
}

struct Trouble {
    weight: Weight,
    object: ObjectRef,
    field: &'static str,
    cause: String,
    action: String,
}

/// What was seen of an owner.
struct Seen {
    evidence: String,
    trouble: Option<Trouble>,
}

impl Seen {
    fn fine(evidence: String) -> Self {
        Self { evidence, trouble: None }
    }
}

fn look(exam: &Exam<'_, '_>, owner: &Owner, object: &ObjectRef) -> Seen {
    let namespace = owner.namespace.as_deref();
    let place = namespace.map(|namespace| format!("{namespace}/")).unwrap_or_default();
    match owner.kind {
        OwnerKind::FluxKustomization => flux::<Kustomization>(exam, "Kustomization", owner, object, |it| {
            Flux { spec: &it.spec, status: &it.status, metadata: &it.metadata }
        }),
        OwnerKind::FluxHelmRelease => flux::<HelmRelease>(exam, "HelmRelease", owner, object, |it| Flux {
            spec: &it.spec,
            status: &it.status,
            metadata: &it.metadata,
        }),
        OwnerKind::ArgoApplication => argo(exam, owner, object),
        OwnerKind::HelmRelease => Seen::fine(format!(
            "The Helm release {place}{} brings {object} about; its state lies in a Secret, which is not read.",
            owner.name
        )),
    }
}

/// What both kinds of Flux have in common.
struct Flux<'a> {
    spec: &'a FluxSpec,
    status: &'a FluxStatus,
    metadata: &'a Metadata,
}

fn flux<K: Held>(
    exam: &Exam<'_, '_>,
    kind: &'static str,
    owner: &Owner,
    object: &ObjectRef,
    view: impl Fn(&K) -> Flux<'_>,
) -> Seen {
    let of = ObjectRef::new(kind, owner.namespace.as_deref(), &owner.name);
    let Some(namespace) = owner.namespace.as_deref() else {
        return Seen::fine(format!("{of} brings {object} about; nothing says in which namespace it is."));
    };
    let found = match exam.reader.get::<K>(Some(namespace), &owner.name) {
        Lookup::Found(found) => found,
        Lookup::Missing => return missing(&of, object),
        Lookup::Unknown(unknown) => {
            return Seen::fine(format!(
                "{of} brings {object} about; objects of its kind {}.",
                issuance::unread(unknown.why)
            ));
        }
    };
    let Flux { spec, status, metadata } = view(found);
    let mut seen = Seen::fine(format!("{of} brings {object} about."));
    let generation = metadata.generation;
    let trouble = |weight, field, cause, action: &str| {
        Some(Trouble { weight, object: of.clone(), field, cause, action: action.to_owned() })
    };
    if spec.suspend {
        let cause = format!(
            "{of}, which brings {object} about, is suspended: what changes in Git does not arrive, and what is edited by hand stays only until it goes on."
        );
        let action =
            "Resume it when it is to go on; nothing has to be done where it is suspended on purpose.";
        seen.trouble = trouble(Weight::Waits, "spec.suspend", cause, action);
        return seen;
    }
    let current = |of: &str, bad: &str| {
        let condition = status.condition(of).filter(|condition| condition.status == bad)?;
        let observed = condition.observed_generation;
        (observed == 0 || observed >= generation).then_some(condition)
    };
    if let Some(failure) = current("Stalled", "True").or_else(|| current("Ready", "False")) {
        if !lasts(exam, failure.last_transition_time) {
            seen.evidence.push_str(" It failed a moment ago.");
            return seen;
        }
        let cause = format!(
            "{of}, which brings {object} about, fails ({}), so that what changes in Git may not arrive.",
            words::of_condition(failure)
        );
        let action =
            "Correct what its condition names; what is edited by hand instead is undone once it works again.";
        seen.trouble = trouble(Weight::Fails, "status.conditions", cause, action);
    } else if generation > 0
        && status.observed_generation < generation
        && lasts(exam, metadata.creation_timestamp)
    {
        let cause = format!(
            "{of}, which brings {object} about, was changed, and its controller is not done with that: it is at generation {generation}, the controller at {}.",
            status.observed_generation.max(0)
        );
        let action =
            "Wait a moment; if it stays so, see whether Flux's controller runs and what it waits for.";
        seen.trouble = trouble(Weight::Waits, "status.observedGeneration", cause, action);
    }
    seen
}

fn argo(exam: &Exam<'_, '_>, owner: &Owner, object: &ObjectRef) -> Seen {
    let unclear = |what: String| {
        let of = ObjectRef::new("Application", owner.namespace.as_deref(), &owner.name);
        Seen::fine(format!("{of} brings {object} about; {what}."))
    };
    let found = match owner.namespace.as_deref() {
        Some(namespace) => exam.reader.get::<Application>(Some(namespace), &owner.name),
        // In the namespace of Argo CD, whatever that is.
        None => {
            let named = exam.reader.tagged::<Application>(None, Tag::name(&owner.name));
            match (&named.objects[..], named.unknown) {
                ([one], _) => Lookup::Found(*one),
                ([], Some(unknown)) => Lookup::Unknown(unknown),
                ([], None) => Lookup::Missing,
                (several, _) => return unclear(format!("there are {} of this name", several.len())),
            }
        }
    };
    let found = match found {
        Lookup::Found(found) => found,
        Lookup::Missing => {
            return missing(&ObjectRef::new("Application", owner.namespace.as_deref(), &owner.name), object);
        }
        Lookup::Unknown(unknown) => {
            return unclear(format!("objects of its kind {}", issuance::unread(unknown.why)));
        }
    };
    let of = ObjectRef::new("Application", found.namespace(), found.name());
    let status = &found.status;
    let states: Vec<&str> = [status.sync.as_str(), status.health.as_str()]
        .into_iter()
        .filter(|state| !state.is_empty())
        .collect();
    let states = if states.is_empty() { String::new() } else { format!(" ({})", states.join(", ")) };
    let mut seen = Seen::fine(format!("{of}{states} brings {object} about."));
    let trouble = |weight, field, cause, action: &str| {
        Some(Trouble { weight, object: of.clone(), field, cause, action: action.to_owned() })
    };
    if found.is_skipped() {
        let cause = format!(
            "{of}, which brings {object} about, is left alone by Argo CD (argocd.argoproj.io/skip-reconcile): what changes in Git does not arrive."
        );
        let action =
            "Remove the annotation when it is to go on; nothing has to be done where it is meant so.";
        seen.trouble = trouble(Weight::Waits, "metadata.annotations", cause, action);
        return seen;
    }
    if let Some((field, since, says)) = failure(found) {
        if lasts(exam, since) {
            let cause = format!(
                "{of}, which brings {object} about, fails ({says}), so that what changes in Git may not arrive."
            );
            let action =
                "Correct what it says; what is edited by hand instead may be undone once it works again.";
            seen.trouble = trouble(Weight::Fails, field, cause, action);
            return seen;
        }
        seen.evidence.push_str(" It failed a moment ago.");
    }
    let namespace = object.namespace.as_deref().unwrap_or_default();
    if found.is_out_of_sync(&object.kind, namespace, &object.name) {
        let heals = found.spec.sync_policy.automated.as_ref().is_some_and(|automated| automated.self_heal);
        let (how, action) = match (found.is_automated(), heals) {
            (true, true) => {
                ("it will be made so again", "Make the change in Git: what is edited by hand is undone.")
            }
            (true, false) => (
                "it will be made so with the next change in Git",
                "Make the change in Git, or sync it to undo what was edited by hand.",
            ),
            (false, _) => ("it stays so until somebody syncs it", "Sync it, if what Git says is meant."),
        };
        let cause = format!("{object} differs from what {of} has for it in Git, and {how}.");
        seen.trouble = trouble(Weight::Waits, "status.resources", cause, action);
    }
    seen
}

/// What an application fails at: where it says so, since when, and in which words.
fn failure(found: &Application) -> Option<(&'static str, Option<Time>, String)> {
    let said = |what: &str, message: &str| {
        const ENOUGH: usize = 300;
        let text = if message.is_empty() { what.to_owned() } else { format!("{what}: {message}") };
        let text: String = text.chars().take(ENOUGH).collect();
        text.trim_end_matches('.').to_owned()
    };
    if let Some(condition) = found.status.conditions.first() {
        let says = said(&condition.r#type, &condition.message);
        return Some(("status.conditions", condition.last_transition_time, says));
    }
    // One that failed, and was in order after that, has been mended otherwise.
    let failed = found
        .status
        .operation_state
        .as_ref()
        .filter(|last| matches!(last.phase.as_str(), "Failed" | "Error"));
    let failed = failed.filter(|_| found.status.sync != "Synced")?;
    Some(("status.operationState", failed.finished_at, said(&failed.phase, &failed.message)))
}

/// Whether something has been so for longer than what passes by itself; where nobody says since when, it has.
fn lasts(exam: &Exam<'_, '_>, since: Option<Time>) -> bool {
    let until = since.and_then(Time::timestamp).and_then(|since| since.checked_add(exam.settings.grace).ok());
    until.is_none_or(|until| exam.reader.has_come(until))
}

fn missing(of: &ObjectRef, object: &ObjectRef) -> Seen {
    let cause = format!(
        "There is no {of} in this cluster, which brings {object} about by its labels and annotations: it is in another cluster, or was removed without what it made."
    );
    let trouble = Trouble {
        weight: Weight::Elsewhere,
        object: object.clone(),
        field: "metadata",
        cause,
        action:
            "Find out where it is before you edit anything by hand; if it is nowhere, remove what names it."
                .to_owned(),
    };
    Seen { evidence: format!("{of} is to bring {object} about."), trouble: Some(trouble) }
}
