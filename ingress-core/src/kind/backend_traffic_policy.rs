//! Envoy Gateway's `BackendTrafficPolicy` (gateway.envoyproxy.io/v1alpha1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gateway_api::{PolicyStatus, PolicyTargetRef};
use super::record::{Metadata, nullable, present, record};
use super::{LabelExpression, Resource};

/// What is kept of a policy of how Envoy Gateway sends requests on: metadata, its targets, timeouts, which of its settings there are, and
/// what controllers say of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BackendTrafficPolicy {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: BackendTrafficPolicySpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: PolicyStatus,
}

/// `spec` of a [`BackendTrafficPolicy`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct BackendTrafficPolicySpec {
    /// `targetRef`: the only target, as older versions have it.
    pub target_ref: Option<PolicyTargetRef>,
    /// `targetRefs`.
    #[serde(deserialize_with = "nullable")]
    pub target_refs: Vec<PolicyTargetRef>,
    /// `targetSelectors`: targets by their labels.
    #[serde(deserialize_with = "nullable")]
    pub target_selectors: Vec<TargetSelector>,
    /// `timeout`.
    pub timeout: Option<TrafficTimeout>,
    /// Whether there is `retry`.
    #[serde(deserialize_with = "present")]
    pub retry: bool,
    /// Whether there is `rateLimit`.
    #[serde(deserialize_with = "present")]
    pub rate_limit: bool,
    /// Whether there is `circuitBreaker`.
    #[serde(deserialize_with = "present")]
    pub circuit_breaker: bool,
}

/// One of `spec.targetSelectors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TargetSelector {
    /// `group`; unset means Gateway API's.
    pub group: Option<String>,
    /// `kind`.
    pub kind: String,
    /// `matchLabels`.
    #[serde(deserialize_with = "nullable")]
    pub match_labels: BTreeMap<String, String>,
    /// `matchExpressions`.
    #[serde(deserialize_with = "nullable")]
    pub match_expressions: Vec<LabelExpression>,
}

/// `spec.timeout` of a [`BackendTrafficPolicy`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TrafficTimeout {
    /// `tcp`.
    pub tcp: Option<TcpTimeout>,
    /// `http`.
    pub http: Option<HttpTimeout>,
}

/// `timeout.tcp`, as a duration such as `10s`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TcpTimeout {
    /// `connectTimeout`.
    pub connect_timeout: Option<String>,
}

/// `timeout.http`, as durations such as `10s`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct HttpTimeout {
    /// `requestTimeout`: until the answer is complete.
    pub request_timeout: Option<String>,
    /// `connectionIdleTimeout`.
    pub connection_idle_timeout: Option<String>,
    /// `maxConnectionDuration`.
    pub max_connection_duration: Option<String>,
}

impl BackendTrafficPolicy {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }

    /// The targets that it names.
    pub fn targets(&self) -> impl Iterator<Item = &PolicyTargetRef> {
        self.spec.target_ref.iter().chain(&self.spec.target_refs)
    }
}

record!(
    BackendTrafficPolicy,
    Resource::namespaced(
        "gateway.envoyproxy.io",
        "v1alpha1",
        "BackendTrafficPolicy",
        "backendtrafficpolicies"
    ),
    "backendtrafficpolicy/1",
    json
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn keeps_targets_and_what_is_set() {
        let text = r#"{"apiVersion":"gateway.envoyproxy.io/v1alpha1","kind":"BackendTrafficPolicy",
            "metadata":{"name":"limits","namespace":"shop"},
            "spec":{"targetRefs":[{"group":"gateway.networking.k8s.io","kind":"HTTPRoute","name":"cart"}],
              "rateLimit":{"type":"Global","global":{"rules":[{"limit":{"requests":3,"unit":"Hour"}}]}},
              "timeout":{"http":{"requestTimeout":"5s"},"tcp":{"connectTimeout":"1s"}},
              "retry":null,"circuitBreaker":{"maxConnections":10},
              "targetSelectors":[{"kind":"Gateway","matchLabels":{"tier":"edge"}}],"compression":[{"type":"Gzip"}]},
            "status":{"ancestors":[{"ancestorRef":{"name":"edge","namespace":"infra"},"controllerName":"envoy",
              "conditions":[{"type":"Accepted","status":"True","observedGeneration":2}]}]}}"#;
        let policy =
            BackendTrafficPolicy::decode_json(&mut serde_json::Deserializer::from_str(text)).unwrap();
        assert_eq!(policy.targets().map(|target| target.name.as_str()).collect::<Vec<_>>(), ["cart"]);
        let spec = &policy.spec;
        assert_eq!((spec.rate_limit, spec.retry, spec.circuit_breaker), (true, false, true));
        assert_eq!(
            spec.timeout.as_ref().and_then(|timeout| timeout.http.as_ref()).unwrap().request_timeout,
            Some("5s".into())
        );
        assert_eq!(policy.status.ancestors[0].conditions[0].observed_generation, 2);
        assert_eq!(BackendTrafficPolicy::restore(&policy.stored()).unwrap(), policy);
    }
}
