//! Constraints of Gatekeeper (constraints.gatekeeper.sh/v1beta1), whatever their kind.
//!
//! Each template of a policy brings a kind of its own, such as `K8sRequiredLabels`, and all of them have the same form. So one record stands
//! for all kinds of the group, and has its kind in its name: two constraints of different kinds may share theirs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Resource;
use super::part::is_part;
use super::plain::plain;
use super::record::{Metadata, is_default, nullable, record};

/// How many violations one constraint keeps. Gatekeeper's audit tells 20 unless told otherwise.
pub const CONSTRAINT_VIOLATIONS: usize = 200;

/// What is kept of a constraint: metadata without labels and annotations, what it does about a violation, and the violations that its last
/// audit found of objects that a route can be made of. Not what it demands, which is its template's business.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Constraint {
    /// `metadata`, where the name is `kind/name`.
    pub metadata: Metadata,
    /// `spec`.
    #[serde(deserialize_with = "nullable")]
    pub spec: ConstraintSpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: ConstraintStatus,
    // What is folded into the name, and is empty after that.
    #[serde(skip_serializing)]
    kind: String,
}

/// `spec` of a [`Constraint`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ConstraintSpec {
    /// `enforcementAction`: `deny`, which unset means, too, `warn`, `dryrun` or `scoped`.
    #[serde(deserialize_with = "nullable")]
    pub enforcement_action: String,
}

/// `status` of a [`Constraint`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ConstraintStatus {
    /// `violations`: those of objects that a route can be made of, and the first [`CONSTRAINT_VIOLATIONS`] of them.
    #[serde(deserialize_with = "nullable")]
    pub violations: Vec<Violation>,
}

/// One of `status.violations` of a [`Constraint`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Violation {
    /// `kind` of the object.
    pub kind: String,
    /// `namespace` of the object.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub namespace: String,
    /// `name` of the object.
    pub name: String,
    /// `message`.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// `enforcementAction`, where it differs for this one; else empty.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub enforcement_action: String,
    // Of which group it is; only that of a part of a route is kept, and goes without saying.
    #[serde(skip_serializing)]
    group: Option<String>,
}

impl Constraint {
    fn tidy(&mut self) {
        let metadata = &mut self.metadata;
        (metadata.labels, metadata.annotations) = (BTreeMap::new(), BTreeMap::new());
        (metadata.owner_references, metadata.finalizers) = (Vec::new(), Vec::new());
        metadata.tidy();
        let kind = std::mem::take(&mut self.kind);
        metadata.name = format!("{kind}/{}", metadata.name);
        let violations = &mut self.status.violations;
        violations.retain(|each| is_part(each.group.as_deref(), &each.kind));
        violations.truncate(CONSTRAINT_VIOLATIONS);
        violations.shrink_to_fit();
        for each in violations {
            each.group = None;
            plain(&mut each.message);
        }
    }

    /// Its kind, such as `K8sRequiredLabels`, and its name.
    #[must_use]
    pub fn kind_and_name(&self) -> (&str, &str) {
        self.metadata.name.split_once('/').unwrap_or(("", &self.metadata.name))
    }

    /// Whether an object is refused because of this violation when it is written.
    #[must_use]
    pub fn denies(&self, violation: &Violation) -> bool {
        let own = violation.enforcement_action.as_str();
        let action = if own.is_empty() { self.spec.enforcement_action.as_str() } else { own };
        matches!(action, "" | "deny")
    }
}

record!(
    Constraint,
    Resource::cluster_scoped("constraints.gatekeeper.sh", "v1beta1", "Constraint", "constraints")
        .whole_group(),
    "gatekeeper.constraint/1",
    json
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn a_constraint_has_its_kind_in_its_name_and_keeps_violations_of_routes() {
        let json = r#"{"apiVersion":"constraints.gatekeeper.sh/v1beta1","kind":"K8sRequiredLabels","metadata":{"name":"team","labels":{"a":"b"}},
            "spec":{"enforcementAction":"warn","parameters":{"labels":["hush"]}},
            "status":{"auditTimestamp":"2026-05-01T00:00:00Z","totalViolations":3,"violations":[
              {"group":"networking.k8s.io","version":"v1","kind":"Ingress","namespace":"shop","name":"web","enforcementAction":"deny",
                "message":"you must\nprovide labels: team"},
              {"group":"","version":"v1","kind":"Pod","namespace":"shop","name":"cart-1","message":"no"},
              {"group":"apps","version":"v1","kind":"Deployment","namespace":"shop","name":"hush","message":"no"}]}}"#;
        let record = Constraint::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
        assert_eq!(Constraint::restore(&record.stored()).unwrap(), record);
        assert_eq!(
            (record.name(), record.kind_and_name()),
            ("K8sRequiredLabels/team", ("K8sRequiredLabels", "team"))
        );
        let [ingress, pod] = &record.status.violations[..] else { panic!("{record:?}") };
        assert_eq!((ingress.message.as_str(), pod.kind.as_str()), ("you must provide labels: team", "Pod"));
        assert!(record.denies(ingress) && !record.denies(pod));
        assert!(!record.stored().contains("hush"), "{}", record.stored());
        let new = r#"{"kind":"K8sAllowedRepos","metadata":{"name":"new"},"status":null}"#;
        let record = Constraint::decode_json(&mut serde_json::Deserializer::from_str(new)).unwrap();
        assert!(record.denies(&Violation::default()));
    }
}
