//! Checks of what policy engines say of the objects of a route: reports of policies (Kyverno, Kubewarden and others) and the audit of Gatekeeper.
//!
//! A violation stops no request that flows already. What it stops is the next version of the object, where the policy is enforced; a report doesn't say
//! whether it is, so its own severity decides what is worth more than knowing. Where no such engine is, or what it says may not be read, there is
//! nothing to say: the route works or doesn't without it.

use super::check::POL001;
use super::exam::Problem;
use super::{Exam, Severity, StepKind, backend, words};
use crate::inventory::{Held, Lookup, Reader, Tag};
use crate::kind::{
    ClusterOpenReport, ClusterPolicyReport, Constraint, Kind, OpenReport, PolicyReport, ReportResult, Service,
};
use crate::route::{ObjectRef, Route};

/// How many pods of a backend are looked at: they are made alike, and so violate alike.
const PODS: usize = 8;
/// How many violations are told of one object, or of the pods of one backend.
const TOLD: usize = 10;

/// Looks for violations on the object of a route, its services and its pods.
pub(super) fn examine(exam: &mut Exam<'_, '_>, route: &Route) {
    let engines = Engines::of(exam.reader);
    if !engines.any() {
        return;
    }
    if exam.back_to(StepKind::Route, None) {
        let found = engines.violations(exam.reader, [route.object.clone()]);
        tell(exam, found);
    }
    for (at, backend) in route.backends.iter().enumerate() {
        if backend.object.kind != "Service" || !exam.back_to(StepKind::Backend, Some(at)) {
            continue;
        }
        let found = engines.violations(exam.reader, [backend.object.clone()]);
        tell(exam, found);
        let (namespace, name) = (backend.object.namespace.as_deref(), &backend.object.name);
        let Lookup::Found(service) = exam.reader.get::<Service>(namespace, name) else { continue };
        if exam.back_to(StepKind::Pods, Some(at)) {
            let pods = backend::pods(exam, service).objects;
            let pods = pods.iter().take(PODS).map(|pod| ObjectRef::new("Pod", pod.namespace(), pod.name()));
            let found = engines.violations(exam.reader, pods);
            tell(exam, found);
        }
    }
}

/// A violation, and by which object it is told.
struct Violation {
    /// Which policy, with its rule; it stands where others name a field, and tells violations of one object apart.
    field: String,
    severity: Severity,
    object: ObjectRef,
    cause: String,
    action: &'static str,
}

fn tell(exam: &mut Exam<'_, '_>, mut found: Vec<Violation>) {
    // The worst first, since not all of them may be told.
    found.sort_by(|one, other| other.severity.cmp(&one.severity).then_with(|| one.field.cmp(&other.field)));
    // Of several pods, and where a report has taken the place of an older one, the first stands for all.
    found.dedup_by(|one, other| one.field == other.field);
    let more = found.len().saturating_sub(TOLD);
    for Violation { field, severity, object, cause, action } in found.into_iter().take(TOLD) {
        let mut problem = Problem::new(POL001, &object, field, cause, action);
        problem.severity = severity;
        exam.tell(problem);
    }
    if more > 0 {
        exam.saw(format!("Policy engines report {more} more."));
    }
}

/// The kinds that are known. Where there are none, nothing has to be looked for.
struct Engines {
    namespaced: bool,
    cluster: bool,
    open: bool,
    open_cluster: bool,
    gatekeeper: bool,
}

impl Engines {
    fn of(reader: &Reader<'_>) -> Self {
        // Of namespaced kinds, there may be lanes for some namespaces only: what they have is found all the same.
        Self {
            namespaced: reader.has_any::<PolicyReport>(),
            cluster: reader.has_any::<ClusterPolicyReport>(),
            open: reader.has_any::<OpenReport>(),
            open_cluster: reader.has_any::<ClusterOpenReport>(),
            gatekeeper: reader.has_any::<Constraint>(),
        }
    }

    fn any(&self) -> bool {
        self.namespaced || self.cluster || self.open || self.open_cluster || self.gatekeeper
    }

    fn violations(
        &self,
        reader: &Reader<'_>,
        objects: impl IntoIterator<Item = ObjectRef>,
    ) -> Vec<Violation> {
        let mut found = Vec::new();
        for object in objects {
            if self.namespaced {
                reports::<PolicyReport>(reader, &object, |report| &report.results, &mut found);
            }
            if self.cluster {
                reports::<ClusterPolicyReport>(reader, &object, |report| &report.results, &mut found);
            }
            if self.open {
                reports::<OpenReport>(reader, &object, |report| &report.results, &mut found);
            }
            if self.open_cluster {
                reports::<ClusterOpenReport>(reader, &object, |report| &report.results, &mut found);
            }
            if self.gatekeeper {
                constraints(reader, &object, &mut found);
            }
        }
        found
    }
}

fn about(object: &ObjectRef) -> Tag {
    Tag::about(&object.kind, object.namespace.as_deref().unwrap_or_default(), &object.name)
}

/// What reports of a kind say of an object.
fn reports<K: Held>(
    reader: &Reader<'_>,
    object: &ObjectRef,
    results: impl Fn(&K) -> &[ReportResult],
    found: &mut Vec<Violation>,
) {
    let namespace = object.namespace.as_deref().unwrap_or_default();
    for report in reader.tagged::<K>(None, about(object)).objects {
        let told_by = ObjectRef::new(K::NAME, report.namespace(), report.name());
        for result in results(report) {
            let is = |subject: &crate::kind::ReportSubject| {
                (subject.kind.as_str(), subject.namespace.as_str(), subject.name.as_str())
                    == (&*object.kind, namespace, object.name.as_str())
            };
            if result.resources.iter().any(is) {
                found.push(violation(result, object, &told_by));
            }
        }
    }
}

fn violation(result: &ReportResult, object: &ObjectRef, told_by: &ObjectRef) -> Violation {
    let rule = if result.rule.is_empty() { String::new() } else { format!(", rule {}", result.rule) };
    let policy = format!("the policy {}{rule}", result.policy);
    let says = words::in_brackets(&result.message);
    let (severity, cause, action) = if result.result == "error" {
        let cause =
            format!("Whether {object} meets {policy} could not be found out{says}, as {told_by} says.");
        (Severity::Info, cause, "See in the log of the policy engine what stopped it.")
    } else {
        let cause = format!("{object} violates {policy}{says}, as {told_by} says.");
        let severity = match result.severity.as_str() {
            "critical" | "high" => Severity::Warning,
            _ => POL001.severity,
        };
        (
            severity,
            cause,
            "Change it as the policy wants it, or have it excepted there, before it is written anew.",
        )
    };
    Violation {
        field: format!(
            "policy {}{}{}",
            result.policy,
            if result.rule.is_empty() { "" } else { "/" },
            result.rule
        ),
        severity,
        object: object.clone(),
        cause,
        action,
    }
}

/// What the audit of Gatekeeper says of an object.
fn constraints(reader: &Reader<'_>, object: &ObjectRef, found: &mut Vec<Violation>) {
    let namespace = object.namespace.as_deref().unwrap_or_default();
    for constraint in reader.tagged::<Constraint>(None, about(object)).objects {
        let (kind, name) = constraint.kind_and_name();
        let of = |each: &&crate::kind::Violation| {
            (each.kind.as_str(), each.namespace.as_str(), each.name.as_str())
                == (&*object.kind, namespace, object.name.as_str())
        };
        for each in constraint.status.violations.iter().filter(of) {
            let denies = constraint.denies(each);
            let says = words::in_brackets(&each.message);
            let refused = if denies { ", which refuses it when it is written anew" } else { "" };
            found.push(Violation {
                field: format!("constraint {kind}/{name}"),
                severity: if denies { Severity::Warning } else { POL001.severity },
                object: object.clone(),
                cause: format!("{object} violates the constraint {kind} {name}{refused}{says}."),
                action: "Change it as the constraint wants it, or have it excepted there, before it is written anew.",
            });
        }
    }
}
