//! Envoy Gateway's `BackendTrafficPolicy` (gateway.envoyproxy.io/v1alpha1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::gateway_api::{PolicyStatus, PolicyTargetRef};
use super::record::{Metadata, nullable, present, record};
use super::{LabelExpression, Resource};

/// What is kept of a policy of how Envoy Gateway sends requests on: metadata, its targets, timeouts, retries and rate limits,
/// whether it breaks circuits, and what controllers say of it.
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
    /// `retry`.
    pub retry: Option<TrafficRetry>,
    /// `rateLimit`.
    pub rate_limit: Option<TrafficRateLimit>,
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

/// `spec.retry` of a [`BackendTrafficPolicy`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TrafficRetry {
    /// `numRetries`; unset means 2.
    pub num_retries: Option<i32>,
    /// `retryOn`.
    #[serde(deserialize_with = "nullable")]
    pub retry_on: RetryOn,
}

/// `retry.retryOn`: after which failures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RetryOn {
    /// `triggers`, such as `connect-failure`.
    #[serde(deserialize_with = "nullable")]
    pub triggers: Vec<String>,
    /// `httpStatusCodes`.
    #[serde(deserialize_with = "nullable")]
    pub http_status_codes: Vec<i32>,
}

/// `spec.rateLimit` of a [`BackendTrafficPolicy`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TrafficRateLimit {
    /// `local`: each proxy counts by itself.
    #[serde(deserialize_with = "nullable")]
    pub local: RateLimitRules,
    /// `global`: all proxies count together.
    #[serde(deserialize_with = "nullable")]
    pub global: RateLimitRules,
}

/// The rules of a rate limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RateLimitRules {
    /// `rules`, without which requests they are for.
    #[serde(deserialize_with = "nullable")]
    pub rules: Vec<RateLimitRule>,
}

/// One of a rate limit's `rules`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RateLimitRule {
    /// `limit`.
    #[serde(deserialize_with = "nullable")]
    pub limit: RateLimitValue,
}

/// `limit` of a rule: so many requests in a unit of time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RateLimitValue {
    /// `requests`.
    pub requests: i64,
    /// `unit`: `Second`, `Minute`, `Hour`, `Day`, `Month` or `Year`.
    pub unit: String,
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
    "backendtrafficpolicy/2",
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
        assert_eq!((&spec.retry, spec.circuit_breaker), (&None, true));
        let limit = &spec.rate_limit.as_ref().unwrap().global.rules[0].limit;
        assert_eq!((limit.requests, limit.unit.as_str()), (3, "Hour"));
        assert_eq!(
            spec.timeout.as_ref().and_then(|timeout| timeout.http.as_ref()).unwrap().request_timeout,
            Some("5s".into())
        );
        assert_eq!(policy.status.ancestors[0].conditions[0].observed_generation, 2);
        assert_eq!(BackendTrafficPolicy::restore(&policy.stored()).unwrap(), policy);
    }
}
