//! What of Flux brings objects about: `Kustomization` (kustomize.toolkit.fluxcd.io/v1) and `HelmRelease` (helm.toolkit.fluxcd.io/v2).
//!
//! Whether it goes on, and whether the last time went well, is all that is kept: their specifications hold what nobody here needs, values of
//! charts among it, which may be secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Resource;
use super::plain::plain;
use super::record::{Condition, Metadata, nullable, record, settle};

/// `spec` of a [`Kustomization`] or a [`HelmRelease`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct FluxSpec {
    /// `suspend`: whether nothing is to be done for now.
    #[serde(deserialize_with = "nullable")]
    pub suspend: bool,
}

/// `status` of a [`Kustomization`] or a [`HelmRelease`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct FluxStatus {
    /// `observedGeneration`: the generation that the controller was done with last; -1 before it was with any.
    pub observed_generation: i64,
    /// `conditions`: `Ready` and `Stalled`, no others.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

macro_rules! flux {
    ($name:ident, $what:literal, $resource:expr, $stored:literal) => {
        #[doc = $what]
        /// What is kept: metadata without labels and annotations, whether it is suspended, and how the last time went.
        #[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct $name {
            /// `metadata`.
            pub metadata: Metadata,
            /// `spec`.
            pub spec: FluxSpec,
            /// `status`.
            #[serde(deserialize_with = "nullable")]
            pub status: FluxStatus,
        }

        impl $name {
            fn tidy(&mut self) {
                bare(&mut self.metadata);
                self.status.tidy();
            }
        }

        record!($name, $resource, $stored, json);
    };
}

flux!(
    Kustomization,
    "A folder of manifests that Flux applies.",
    Resource::namespaced("kustomize.toolkit.fluxcd.io", "v1", "Kustomization", "kustomizations")
        .or_older(&["v1beta2", "v1beta1"]),
    "flux.kustomization/1"
);
flux!(
    HelmRelease,
    "A release of a chart that Flux installs.",
    Resource::namespaced("helm.toolkit.fluxcd.io", "v2", "HelmRelease", "helmreleases")
        .or_older(&["v2beta2", "v2beta1"]),
    "flux.helmrelease/1"
);

impl FluxStatus {
    fn tidy(&mut self) {
        self.conditions.retain(|condition| matches!(condition.r#type.as_str(), "Ready" | "Stalled"));
        for condition in &mut self.conditions {
            settle(&mut condition.last_transition_time);
            plain(&mut condition.message);
        }
    }

    /// A condition by its type.
    #[must_use]
    pub fn condition(&self, of: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.r#type == of)
    }
}

fn bare(metadata: &mut Metadata) {
    (metadata.labels, metadata.annotations) = (BTreeMap::new(), BTreeMap::new());
    (metadata.owner_references, metadata.finalizers) = (Vec::new(), Vec::new());
    metadata.tidy();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn one_record<K: Kind>(json: &str) -> K {
        let record = K::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
        assert_eq!(K::restore(&record.stored()).unwrap(), record);
        record
    }

    #[test]
    fn a_kustomization_says_how_the_last_time_went() {
        let json = r#"{"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization",
            "metadata":{"name":"apps","namespace":"flux-system","generation":3,"labels":{"a":"b"},"finalizers":["finalizers.fluxcd.io"]},
            "spec":{"interval":"10m0s","path":"./apps","prune":true,"suspend":null,"sourceRef":{"kind":"GitRepository","name":"fleet"}},
            "status":{"observedGeneration":2,"lastAppliedRevision":"main@sha1:1","inventory":{"entries":[{"id":"x","v":"v1"}]},
              "conditions":[{"type":"Reconciling","status":"True"},{"type":"Ready","status":"False","reason":"ReconciliationFailed",
              "observedGeneration":2,"lastTransitionTime":"2026-05-01T00:00:00Z","message":"Ingress/shop/web dry-run failed:\n\tinvalid"}]}}"#;
        let record: Kustomization = one_record(json);
        assert_eq!(
            (record.spec.suspend, record.status.observed_generation, record.metadata.generation),
            (false, 2, 3)
        );
        let [ready] = &record.status.conditions[..] else { panic!("{record:?}") };
        assert_eq!(ready.message, "Ingress/shop/web dry-run failed:  invalid");
        assert_eq!(record.status.condition("Ready"), Some(ready));
        assert!(record.metadata.labels.is_empty() && record.metadata.finalizers.is_empty());
    }

    #[test]
    fn of_a_release_no_value_is_kept() {
        let json = r#"{"metadata":{"name":"shop","namespace":"shop","annotations":{"note":"hush"}},"spec":{"suspend":true,"chart":{},
            "values":{"password":"hush"},"valuesFrom":[{"kind":"Secret","name":"hush"}]},
            "status":{"observedGeneration":-1,"history":[{"chartName":"hush"}],"conditions":null}}"#;
        let record: HelmRelease = one_record(json);
        assert!(record.spec.suspend && !record.stored().contains("hush"), "{}", record.stored());
        assert_eq!(
            one_record::<HelmRelease>(r#"{"metadata":{"name":"new"},"spec":{}}"#).status,
            FluxStatus::default()
        );
    }
}
