//! `Application` (argoproj.io/v1alpha1), where Argo CD is installed.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use super::Resource;
use super::part::is_part;
use super::plain::plain;
use super::record::{Metadata, Time, is_default, nullable, record, settle};

/// How many objects of an application are kept that differ from what it wants.
pub const APPLICATION_DRIFT: usize = 100;

/// Annotation: the controller leaves the application alone.
const SKIP_RECONCILE: &str = "argocd.argoproj.io/skip-reconcile";

/// What is kept of an application of Argo CD: whether it applies by itself what Git says, and how far the cluster is from that. Neither its
/// sources nor their parameters, which may hold secrets.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Application {
    /// `metadata`, without labels, and of the annotations only the one by which it is left alone.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: ApplicationSpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: ApplicationStatus,
}

/// `spec` of an [`Application`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ApplicationSpec {
    /// `syncPolicy`.
    #[serde(deserialize_with = "nullable")]
    pub sync_policy: SyncPolicy,
}

/// `spec.syncPolicy`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SyncPolicy {
    /// `automated`; unset means that somebody has to ask for every sync.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated: Option<AutomatedSync>,
}

/// `spec.syncPolicy.automated`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AutomatedSync {
    /// `enabled`; unset means yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// `selfHeal`: whether an edit by hand is undone.
    #[serde(deserialize_with = "nullable")]
    pub self_heal: bool,
}

/// `status` of an [`Application`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ApplicationStatus {
    /// `sync.status`: `Synced`, `OutOfSync` or `Unknown`.
    #[serde(deserialize_with = "status")]
    pub sync: String,
    /// `health.status`: `Healthy`, `Progressing`, `Degraded`, `Suspended`, `Missing` or `Unknown`.
    #[serde(deserialize_with = "status")]
    pub health: String,
    /// `operationState`: the last sync.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation_state: Option<OperationState>,
    /// `conditions`: those whose type ends in `Error`.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<ApplicationCondition>,
    /// `resources`: those only that are `OutOfSync` and can be part of a route, and the first [`APPLICATION_DRIFT`] of them.
    #[serde(deserialize_with = "nullable")]
    pub resources: Vec<ApplicationResource>,
}

/// `status.operationState` of an [`Application`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct OperationState {
    /// `phase`: `Running`, `Terminating`, `Succeeded`, `Failed` or `Error`.
    pub phase: String,
    /// `message`.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// `finishedAt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// One of `status.conditions` of an [`Application`]: unlike those of other kinds, it holds while it is there.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ApplicationCondition {
    /// `type`, such as `ComparisonError`.
    pub r#type: String,
    /// `message`.
    #[serde(deserialize_with = "nullable")]
    pub message: String,
    /// `lastTransitionTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Time>,
}

/// One of `status.resources` of an [`Application`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ApplicationResource {
    /// `kind`.
    pub kind: String,
    /// `namespace`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub namespace: String,
    /// `name`.
    pub name: String,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: String,
    // Of which group it is; only that of a part of a route is kept, and goes without saying.
    #[serde(skip_serializing)]
    group: Option<String>,
}

/// Reads the `status` of what lies within, or what was read so and stored.
fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Stored(String),
        Within {
            #[serde(default, deserialize_with = "nullable")]
            status: String,
        },
    }
    Ok(match Option::<Either>::deserialize(deserializer)? {
        Some(Either::Stored(status) | Either::Within { status }) => status,
        None => String::new(),
    })
}

impl Application {
    fn tidy(&mut self) {
        let metadata = &mut self.metadata;
        metadata.labels = BTreeMap::new();
        metadata.annotations.retain(|key, _| key == SKIP_RECONCILE);
        (metadata.owner_references, metadata.finalizers) = (Vec::new(), Vec::new());
        metadata.tidy();
        let status = &mut self.status;
        if let Some(operation) = &mut status.operation_state {
            settle(&mut operation.finished_at);
            plain(&mut operation.message);
        }
        status.conditions.retain(|condition| condition.r#type.ends_with("Error"));
        for condition in &mut status.conditions {
            settle(&mut condition.last_transition_time);
            plain(&mut condition.message);
        }
        status.resources.retain(|each| {
            each.status == "OutOfSync" && is_part(each.group.as_deref().or(Some("")), &each.kind)
        });
        status.resources.truncate(APPLICATION_DRIFT);
        status.resources.shrink_to_fit();
        status.resources.iter_mut().for_each(|each| each.group = None);
    }

    /// Whether it applies by itself what Git says.
    #[must_use]
    pub fn is_automated(&self) -> bool {
        self.spec.sync_policy.automated.as_ref().is_some_and(|automated| automated.enabled != Some(false))
    }

    /// Whether the controller was told to leave it alone.
    #[must_use]
    pub fn is_skipped(&self) -> bool {
        self.metadata.annotations.get(SKIP_RECONCILE).is_some_and(|value| value == "true")
    }

    /// Whether it is known that this object differs from what Git says.
    #[must_use]
    pub fn is_out_of_sync(&self, kind: &str, namespace: &str, name: &str) -> bool {
        let is = |each: &&ApplicationResource| {
            (each.kind.as_str(), each.namespace.as_str(), each.name.as_str()) == (kind, namespace, name)
        };
        self.status.resources.iter().any(|each| is(&each))
    }
}

record!(
    Application,
    Resource::namespaced("argoproj.io", "v1alpha1", "Application", "applications"),
    "argo.application/1",
    json
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn one_record(json: &str) -> Application {
        let record = Application::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
        assert_eq!(Application::restore(&record.stored()).unwrap(), record);
        record
    }

    #[test]
    fn an_application_says_how_far_the_cluster_is_from_git() {
        let record = one_record(
            r#"{"apiVersion":"argoproj.io/v1alpha1","kind":"Application","metadata":{"name":"shop","namespace":"argocd",
            "annotations":{"argocd.argoproj.io/skip-reconcile":"true","argocd.argoproj.io/refresh":"hard"}},
            "spec":{"project":"default","source":{"helm":{"parameters":[{"name":"password","value":"hush"}]}},
              "syncPolicy":{"automated":{"prune":true,"selfHeal":true},"retry":{"limit":5}}},
            "status":{"sync":{"status":"OutOfSync","revision":"1"},"health":{"status":"Degraded"},"sourceType":"Helm",
              "operationState":{"phase":"Failed","message":"one or more objects failed\nto apply","finishedAt":"2026-05-01T00:00:00Z",
                "operation":{"sync":{"revision":"hush"}}},
              "conditions":[{"type":"SyncError","message":"failed","lastTransitionTime":"2026-05-01T00:00:00Z"},
                {"type":"OrphanedResourceWarning","message":"hush"}],
              "resources":[{"group":"networking.k8s.io","kind":"Ingress","namespace":"shop","name":"web","status":"OutOfSync"},
                {"kind":"Service","namespace":"shop","name":"cart","status":"Synced","health":{"status":"Healthy"}},
                {"kind":"ConfigMap","namespace":"shop","name":"hush","status":"OutOfSync"}]}}"#,
        );
        assert_eq!((record.status.sync.as_str(), record.status.health.as_str()), ("OutOfSync", "Degraded"));
        assert!(record.is_automated() && record.is_skipped());
        assert!(
            record.is_out_of_sync("Ingress", "shop", "web")
                && !record.is_out_of_sync("Service", "shop", "cart")
        );
        assert_eq!(
            record.status.operation_state.as_ref().unwrap().message,
            "one or more objects failed to apply"
        );
        assert_eq!(record.status.conditions.len(), 1);
        assert!(!record.stored().contains("hush"), "{}", record.stored());
    }

    #[test]
    fn one_that_is_new_or_synced_by_hand_has_little() {
        let record = one_record(r#"{"metadata":{"name":"a"},"spec":{"syncPolicy":null},"status":null}"#);
        assert!(!record.is_automated() && !record.is_skipped() && record.status.sync.is_empty());
        let automated = r#"{"metadata":{"name":"a"},"spec":{"syncPolicy":{"automated":{"enabled":false}}},"status":{"sync":{}}}"#;
        assert!(!one_record(automated).is_automated());
    }

    #[test]
    fn no_more_is_kept_than_is_bounded() {
        let each = r#"{"group":"networking.k8s.io","kind":"Ingress","namespace":"shop","name":"web","status":"OutOfSync"}"#;
        let many = vec![each; APPLICATION_DRIFT + 1].join(",");
        let record =
            one_record(&format!(r#"{{"metadata":{{"name":"a"}},"status":{{"resources":[{many}]}}}}"#));
        assert_eq!(record.status.resources.len(), APPLICATION_DRIFT);
    }
}
