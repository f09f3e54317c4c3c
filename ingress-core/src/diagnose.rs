//! Diagnosis: does this route work, and if not, where does it stop, why, and what helps?
//!
//! [`diagnose`] follows a request on its way, from the door it comes in to the pod that answers it, and says of each [`Step`] whether
//! it is passed. It is a pure function of what is known ([`Inventory`]): the same state gives the same answer, nothing is asked.
//!
//! What is looked at ends where the cluster's objects end: whether a program answers well, or has the certificate for connections that a listener
//! passes through to it, is told as evidence at most, and doesn't make a verdict unknown. What objects do say and nobody has read does.
//!
//! Four verdicts, and none of them is a guess:
//!
//! | verdict | means |
//! |---|---|
//! | [`Broken`](Verdict::Broken) | something seen stops requests |
//! | [`Unknown`](Verdict::Unknown) | nothing seen stops them, but not all that could was seen |
//! | [`Degraded`](Verdict::Degraded) | requests arrive, but something seen stops some of them, or will |
//! | [`Ok`](Verdict::Ok) | all that is looked at was seen, and is in order |
//!
//! What is wrong is told as a [`Finding`]: a stable code, the object and field at fault, a sentence of cause, one of action, and the
//! command that shows it. The codes are listed in [`CHECKS`], and explained in `docs/checks`. The fault is the first step that failed; what depends on it is
//! unknown, not failed as well.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::inventory::{Inventory, MayRead, Reader, Unknown};
use crate::key::{ClusterId, ObjectKey};
use crate::route::{ObjectRef, Route};

mod annotation;
mod backend;
mod change;
mod check;
mod controller;
mod event;
mod exam;
mod expression;
mod gateway;
mod ingress;
mod issuance;
mod issuer;
mod istio;
mod network;
mod owner;
mod pod;
mod policy;
mod protocol;
#[cfg(feature = "files")]
mod removed;
mod routed;
mod service;
mod tls;
mod traefik;
mod treatment;
mod words;
mod workload;

pub use check::{CHECKS, Check, Severity};
pub(crate) use exam::Exam;
pub(crate) use routed::{assess, makes_routes, units};

/// Whether a route works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verdict {
    /// All that is looked at was seen, and is in order.
    Ok,
    /// Requests arrive, but something seen stops some of them, or will.
    Degraded,
    /// Nothing seen stops requests, but not all that could was seen.
    Unknown,
    /// Something seen stops requests.
    Broken,
}

impl Verdict {
    /// The verdict's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Unknown => "unknown",
            Self::Broken => "broken",
        }
    }
}

/// One thing that is wrong, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Finding {
    /// The check's code, such as `ING004`. Codes keep their meaning for good.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The object at fault.
    pub object: ObjectRef,
    /// The field at fault, such as `spec.rules[0].http.paths[1].backend.service.port`.
    pub field: Option<String>,
    /// What is wrong, in one sentence.
    pub cause: String,
    /// What helps, in one sentence.
    pub action: String,
    /// The command that shows it.
    pub command: String,
}

/// Which part of the way a [`Step`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum StepKind {
    /// The door: the ingress class with its controller, or the gateway's listener.
    Entry,
    /// The address under which it is reached.
    Address,
    /// The certificate.
    Tls,
    /// The rule itself, among all others.
    Route,
    /// The service and its port.
    Backend,
    /// The service's endpoints.
    Endpoints,
    /// The pods.
    Pods,
}

impl StepKind {
    /// The step's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Address => "address",
            Self::Tls => "tls",
            Self::Route => "route",
            Self::Backend => "backend",
            Self::Endpoints => "endpoints",
            Self::Pods => "pods",
        }
    }
}

/// One step of a request's way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// Which part of the way.
    pub kind: StepKind,
    /// Of which of the route's backends; `None` for what they have in common.
    pub backend: Option<usize>,
    /// The object that the step is about, where it is one.
    pub object: Option<ObjectRef>,
    /// Whether it is passed: `Broken` stops requests.
    pub state: Verdict,
    /// What was seen, in short sentences.
    pub evidence: Vec<String>,
    /// What was found here, as places in [`Diagnosis::findings`].
    pub findings: Vec<usize>,
    /// What is not known here.
    pub unknown: Vec<Unknown>,
}

/// What is known of whether a route works.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// Whether it does.
    pub verdict: Verdict,
    /// The way of a request, in order.
    pub steps: Vec<Step>,
    /// What was found, in the order of the steps.
    pub findings: Vec<Finding>,
    /// Until when this holds while nothing changes; `None` means for good. A certificate expires without any event.
    pub until: Option<Timestamp>,
}

impl Diagnosis {
    /// Where it stops: the first step that failed.
    #[must_use]
    pub fn fault(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.state == Verdict::Broken)
    }

    /// What is not known, without repetition.
    #[must_use]
    pub fn unknown(&self) -> BTreeSet<&Unknown> {
        self.steps.iter().flat_map(|step| &step.unknown).collect()
    }
}

/// What counts as wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// How long after its creation something may be without what a controller has to add: an address, a condition. 5 minutes unless set.
    pub grace: Duration,
    /// For how long something that happened is recent: a warning, a change of address. 1 hour unless set, which is for how long Kubernetes keeps
    /// events.
    pub recent: Duration,
    /// How long before its end a certificate is worth a warning. 30 days unless set.
    pub expiry_warning: Duration,
    /// How long before its end a certificate is critical. 7 days unless set.
    pub expiry_critical: Duration,
    /// Whether rules for every host are forbidden, rather than worth knowing.
    pub forbid_catch_all: bool,
    /// Severities that differ from a check's own, by code.
    pub severities: std::collections::BTreeMap<String, Severity>,
}

impl Default for Settings {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            grace: Duration::from_secs(5 * 60),
            recent: Duration::from_secs(60 * 60),
            expiry_warning: Duration::from_secs(30 * DAY),
            expiry_critical: Duration::from_secs(7 * DAY),
            forbid_catch_all: false,
            severities: std::collections::BTreeMap::new(),
        }
    }
}

/// A route with what is known of whether it works.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Assessed {
    /// The route.
    pub route: Route,
    /// Whether it works.
    pub diagnosis: Diagnosis,
}

/// Whether one route works, by what is known now; `None` when its object is gone, or doesn't make this route any more.
///
/// ```
/// use ingress_core::clock::wall_now;
/// use ingress_core::diagnose::{Settings, diagnose};
/// # use ingress_core::diagnose::diagnose_all;
/// # use ingress_core::{ClusterId, Ingress, Kind, inventory::Inventory};
/// # let cluster = ClusterId::new("prod")?;
/// # let mut inventory = Inventory::new();
/// # let json = r#"{"metadata": {"name": "web", "namespace": "shop"},
/// #     "spec": {"defaultBackend": {"service": {"name": "cart", "port": {"number": 80}}}}}"#;
/// # inventory.insert(&cluster, Ingress::decode_json(&mut serde_json::Deserializer::from_str(json))?);
/// # let route = diagnose_all(&inventory, &cluster, wall_now(), &Settings::default()).remove(0).route;
/// // let snapshot = hub.routes()….snapshot(); let inventory = snapshot.inventory();
/// let diagnosis = diagnose(&inventory, &route, wall_now(), &Settings::default()).ok_or("it is gone")?;
/// assert_eq!(diagnosis.verdict.as_str(), "unknown"); // nobody has looked at its service
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn diagnose(
    inventory: &Inventory,
    route: &Route,
    now: Timestamp,
    settings: &Settings,
) -> Option<Diagnosis> {
    let reader = Reader::new(inventory, &route.cluster, now);
    let key = ObjectKey::new(route.cluster.clone(), route.object.namespace.as_deref(), &route.object.name);
    let all = assess(&reader, settings, routed::number_of(&route.object.kind)?, &key)?;
    all.into_iter().find(|assessed| assessed.route.id == route.id).map(|assessed| assessed.diagnosis)
}

/// Every route of a cluster, each with its diagnosis, by what is known now. [`Routes`](crate::routes::Routes) keeps this current at far less cost.
#[must_use]
pub fn diagnose_all(
    inventory: &Inventory,
    cluster: &ClusterId,
    now: Timestamp,
    settings: &Settings,
) -> Vec<Assessed> {
    routed::assess_all(&Reader::new(inventory, cluster, now), settings)
}

/// The same for somebody who may read part of the cluster, by what they may read alone: they are told of no other route, and what may not be read
/// is unknown, never missing.
#[must_use]
pub fn diagnose_all_for(
    inventory: &Inventory,
    cluster: &ClusterId,
    now: Timestamp,
    settings: &Settings,
    may_read: &dyn MayRead,
) -> Vec<Assessed> {
    routed::assess_all(&Reader::through(inventory, cluster, now, may_read), settings)
}

/// What is wrong with a cluster's routes and what they are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// What was found, each once, in the order of objects and codes.
    pub findings: Vec<Finding>,
    /// What could not be looked at, each once.
    pub unknown: Vec<Unknown>,
}

/// Checks everything that is known of a cluster: its routes, and what stands by itself.
#[must_use]
pub fn lint(inventory: &Inventory, cluster: &ClusterId, now: Timestamp, settings: &Settings) -> Report {
    let (mut findings, mut unknown) = (Vec::new(), BTreeSet::new());
    for assessed in diagnose_all(inventory, cluster, now, settings) {
        unknown.extend(assessed.diagnosis.unknown().into_iter().cloned());
        findings.extend(assessed.diagnosis.findings);
    }
    findings.extend(gateway::alone(&Reader::new(inventory, cluster, now), settings));
    // Many routes share an object, and each tells what is wrong with it.
    findings.sort_by(|one, other| {
        (&one.object, one.code, &one.field, &one.cause).cmp(&(
            &other.object,
            other.code,
            &other.field,
            &other.cause,
        ))
    });
    findings.dedup_by(|one, other| {
        one.code == other.code && one.object == other.object && one.field == other.field
    });
    Report { findings, unknown: unknown.into_iter().collect() }
}

#[cfg(test)]
mod tests;
