//! A diagnosis while it is made.

use super::check::TRC001;
use super::{Check, Diagnosis, Finding, Settings, Severity, Step, StepKind, Verdict, owner, policy};
use crate::inventory::{Reader, Unknown, Why, resource_of};
use crate::kind::Resource;
use crate::route::{ObjectRef, Route};

/// A diagnosis while it is made: the steps so far, and what was found.
#[derive(Debug)]
pub(crate) struct Exam<'r, 'a> {
    pub(super) reader: &'r Reader<'a>,
    pub(super) settings: &'r Settings,
    steps: Vec<Step>,
    /// Which step is looked at.
    at: usize,
    findings: Vec<Finding>,
}

impl<'r, 'a> Exam<'r, 'a> {
    pub(super) fn new(reader: &'r Reader<'a>, settings: &'r Settings) -> Self {
        // What was looked at before the first step is looked at again by the step that it is about.
        drop(reader.take_withheld());
        Self { reader, settings, steps: Vec::new(), at: 0, findings: Vec::new() }
    }

    /// Goes on to the next step; what is said from now on is said of it.
    pub(super) fn step(&mut self, kind: StepKind, backend: Option<usize>, object: Option<ObjectRef>) {
        self.note_withheld();
        self.steps.push(Step {
            kind,
            backend,
            object,
            state: Verdict::Ok,
            evidence: Vec::new(),
            findings: Vec::new(),
            unknown: Vec::new(),
        });
        self.at = self.steps.len() - 1;
    }

    /// Goes back to a step; `false` where there is none.
    pub(super) fn back_to(&mut self, kind: StepKind, backend: Option<usize>) -> bool {
        let is = |step: &Step| step.kind == kind && step.backend == backend;
        let Some(at) = self.steps.iter().position(is) else { return false };
        self.at = at;
        true
    }

    /// The step that is looked at.
    fn here(&mut self) -> Option<&mut Step> {
        self.steps.get_mut(self.at)
    }

    /// What the steps say together, so far.
    pub(super) fn verdict(&self, route: &Route) -> Verdict {
        verdict(&self.steps, route)
    }

    /// What whoever asks may not read is unknown in the step that looked for it, whether or not the check that did so says so: none can forget it.
    fn note_withheld(&mut self) {
        for unknown in self.reader.take_withheld() {
            self.unknown(unknown);
        }
    }

    fn worsen(&mut self, to: Verdict) {
        if let Some(step) = self.here() {
            step.state = step.state.max(to);
        }
    }

    /// Notes what was seen.
    pub(super) fn saw(&mut self, what: impl Into<String>) {
        if let Some(step) = self.here() {
            step.evidence.push(what.into());
        }
    }

    /// Notes that something is not known, so that this step can't be called passed; and what would make it known, where that is a permission.
    pub(super) fn unknown(&mut self, unknown: Unknown) {
        self.worsen(Verdict::Unknown);
        if let Some(problem) = (unknown.why == Why::Denied).then(|| permission(&unknown)).flatten() {
            self.tell(problem);
        }
        if let Some(step) = self.here().filter(|step| !step.unknown.contains(&unknown)) {
            step.unknown.push(unknown);
        }
    }

    /// Notes that this step was not looked at, because one that it depends on failed.
    pub(super) fn not_reached(&mut self, kind: StepKind, backend: Option<usize>) {
        self.step(kind, backend, None);
        self.worsen(Verdict::Unknown);
        self.saw("Not looked at: it depends on a step that failed.");
    }

    /// Whether the step that is looked at failed.
    pub(super) fn failed(&self) -> bool {
        self.steps.get(self.at).is_some_and(|step| step.state == Verdict::Broken)
    }

    /// Notes what a check found.
    pub(super) fn find(
        &mut self,
        check: Check,
        object: &ObjectRef,
        field: impl Into<Field>,
        cause: String,
        action: String,
    ) {
        let severity = check.severity;
        self.find_as(check, severity, object, field, cause, action);
    }

    /// The same with another severity than the check's own, as the circumstances want it.
    pub(super) fn find_as(
        &mut self,
        check: Check,
        severity: Severity,
        object: &ObjectRef,
        field: impl Into<Field>,
        cause: String,
        action: String,
    ) {
        let field = field.into().0.unwrap_or_default();
        let object = object.clone();
        self.tell(Problem { check, severity, object, field, cause, action, coming: false });
    }

    /// Notes what was seen elsewhere.
    pub(super) fn take(&mut self, seen: Seen) {
        seen.evidence.into_iter().for_each(|evidence| self.saw(evidence));
        seen.unknown.into_iter().for_each(|unknown| self.unknown(unknown));
        seen.problems.into_iter().for_each(|problem| self.tell(problem));
    }

    /// Notes a problem, now that it is known how much it matters.
    pub(super) fn tell(&mut self, problem: Problem) {
        let Problem { check, severity, object, field, cause, action, coming } = problem;
        let severity = self.settings.severities.get(check.code).copied().unwrap_or(severity);
        self.worsen(match severity {
            // However urgent it is, nobody is stopped yet.
            Severity::Critical if coming => Verdict::Degraded,
            Severity::Critical => Verdict::Broken,
            Severity::Warning => Verdict::Degraded,
            Severity::Info => Verdict::Ok,
        });
        let command = if check == TRC001 { can_i(&object) } else { shows(&object) };
        let field = Field::from(field).0;
        let finding = Finding { code: check.code, severity, object, field, cause, action, command };
        let at = self.findings.iter().position(|known| *known == finding).unwrap_or_else(|| {
            self.findings.push(finding);
            self.findings.len() - 1
        });
        if let Some(step) = self.here() {
            step.findings.push(at);
        }
    }

    /// What was found, where there is no route to conclude about.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Concludes, with what is to be said of every route, and depends on what was found until then.
    pub(super) fn finish(mut self, route: &Route) -> Diagnosis {
        self.note_withheld();
        policy::examine(&mut self, route);
        self.note_withheld();
        owner::examine(&mut self, route);
        self.note_withheld();
        let verdict = verdict(&self.steps, route);
        Diagnosis { verdict, steps: self.steps, findings: self.findings, until: self.reader.until() }
    }
}

/// The rule that would let a kind be read.
fn permission(unknown: &Unknown) -> Option<Problem> {
    let Resource { group, plural, .. } = resource_of(unknown.kind)?;
    let namespace = unknown.namespace.as_deref();
    let place = namespace.map(|name| format!(" in namespace {name}")).unwrap_or_default();
    let cause =
        format!("The credentials in use may not list and watch {plural}{place}, so this part is not known.");
    let action = format!(
        "Allow it with a rule for apiGroups [\"{group}\"], resources [\"{plural}\"], verbs [\"list\", \"watch\"]."
    );
    Some(Problem::new(TRC001, &ObjectRef::new(unknown.kind, namespace, "*"), "", cause, action))
}

/// The command that shows an object.
fn shows(object: &ObjectRef) -> String {
    let (namespace, name) = (object.namespace.as_deref().unwrap_or_default(), &object.name);
    match object.kind.as_ref() {
        // To show a secret is to show its key.
        "Pod" | "Secret" => object.kubectl_describe(),
        // The same of a challenge, but for its status.
        "Challenge" => {
            format!("kubectl -n {namespace} get {} {name} -o jsonpath='{{.status}}'", plural(object))
        }
        // Names that other groups have, too.
        "Order" | "Application" => format!("kubectl -n {namespace} get {} {name} -o yaml", plural(object)),
        _ => object.kubectl_get(),
    }
}

/// What `kubectl` calls a kind, so that no other is meant.
fn plural(object: &ObjectRef) -> String {
    let resource = resource_of(&object.kind).map(|resource| match &*resource.group {
        "" => resource.plural.into_owned(),
        group => format!("{}.{group}", resource.plural),
    });
    resource.unwrap_or_default()
}

/// The command that shows whether a kind may be read.
fn can_i(object: &ObjectRef) -> String {
    let place = match &object.namespace {
        Some(namespace) => format!("-n {namespace}"),
        None => "--all-namespaces".to_owned(),
    };
    format!("kubectl auth can-i watch {} {place}", plural(object))
}

/// Something that is wrong, before it is known how much it matters.
pub(super) struct Problem {
    pub(super) check: Check,
    pub(super) severity: Severity,
    pub(super) object: ObjectRef,
    pub(super) field: String,
    pub(super) cause: String,
    pub(super) action: String,
    /// Whether it will stop requests, but doesn't yet.
    pub(super) coming: bool,
}

impl Problem {
    pub(super) fn new(
        check: Check,
        object: &ObjectRef,
        field: impl Into<String>,
        cause: String,
        action: impl Into<String>,
    ) -> Self {
        let (severity, object) = (check.severity, object.clone());
        Self { check, severity, object, field: field.into(), cause, action: action.into(), coming: false }
    }
}

/// What was seen in one place.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) problems: Vec<Problem>,
    pub(super) unknown: Vec<Unknown>,
    pub(super) evidence: Vec<String>,
}

impl Seen {
    pub(super) fn fails(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Critical && !problem.coming)
    }
}

/// A field's path, or none.
pub(super) struct Field(Option<String>);

impl From<&str> for Field {
    fn from(field: &str) -> Self {
        Self(Some(field.to_owned()).filter(|field| !field.is_empty()))
    }
}

impl From<String> for Field {
    fn from(field: String) -> Self {
        Self(Some(field).filter(|field| !field.is_empty()))
    }
}

/// What the steps say together. One backend of several that fails takes its share of the requests, not all of them.
fn verdict(steps: &[Step], route: &Route) -> Verdict {
    let of = |backend: Option<usize>| {
        steps
            .iter()
            .filter(|step| step.backend == backend)
            .map(|step| step.state)
            .max()
            .unwrap_or(Verdict::Ok)
    };
    // What gets no requests stops none.
    let served = |(at, backend): (usize, &crate::route::Backend)| (backend.weight > 0).then(|| of(Some(at)));
    let backends: Vec<Verdict> = route.backends.iter().enumerate().filter_map(served).collect();
    let broken = backends.iter().filter(|state| **state == Verdict::Broken).count();
    let worst = match broken {
        0 => backends.iter().copied().max().unwrap_or(Verdict::Ok),
        _ if broken == backends.len() => Verdict::Broken,
        _ => backends
            .iter()
            .copied()
            .filter(|state| *state != Verdict::Broken)
            .max()
            .unwrap_or(Verdict::Ok)
            .max(Verdict::Degraded),
    };
    of(None).max(worst)
}
