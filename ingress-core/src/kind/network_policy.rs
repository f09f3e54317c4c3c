//! `NetworkPolicy` (networking.k8s.io/v1), as far as it says who may reach pods.

use serde::{Deserialize, Serialize};

use super::record::{IntOrString, Metadata, nullable, record, settle_port};
use super::{LabelSelector, Resource};

/// What is kept of a network policy: metadata, to which pods it applies, and from where it lets requests in.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NetworkPolicy {
    /// `metadata`.
    #[prost(message, required, tag = "1")]
    pub metadata: Metadata,
    /// `spec`.
    #[prost(message, required, tag = "2")]
    pub spec: NetworkPolicySpec,
}

/// `spec` of a [`NetworkPolicy`].
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct NetworkPolicySpec {
    /// `podSelector`: the pods of its namespace that it applies to.
    #[prost(message, required, tag = "1")]
    pub pod_selector: LabelSelector,
    /// `ingress`: who is let in. Where it applies and says nothing here, nobody is.
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    pub ingress: Vec<NetworkPolicyIngressRule>,
    /// `policyTypes`: `Ingress`, `Egress`.
    #[prost(string, repeated, tag = "4")]
    #[serde(deserialize_with = "nullable")]
    pub policy_types: Vec<String>,
}

/// One of `spec.ingress`: from any of its peers to any of its ports.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct NetworkPolicyIngressRule {
    /// `ports`; empty means all.
    #[prost(message, repeated, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<NetworkPolicyPort>,
    /// `from`; empty means everybody.
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    pub from: Vec<NetworkPolicyPeer>,
}

/// One of a rule's `ports`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct NetworkPolicyPort {
    /// `protocol`; empty means `TCP`.
    #[prost(string, tag = "1")]
    pub protocol: String,
    /// `port`: that of the pod; unset means all.
    #[prost(message, optional, tag = "2")]
    pub port: Option<IntOrString>,
    /// `endPort`: with it, all ports from `port` to this one.
    #[prost(int32, optional, tag = "3")]
    pub end_port: Option<i32>,
}

/// One of a rule's `from`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct NetworkPolicyPeer {
    /// `podSelector`: pods of the namespaces below, or of the policy's own where there is no selector of namespaces.
    #[prost(message, optional, tag = "1")]
    pub pod_selector: Option<LabelSelector>,
    /// `namespaceSelector`.
    #[prost(message, optional, tag = "2")]
    pub namespace_selector: Option<LabelSelector>,
    /// `ipBlock`; then neither of the selectors is set.
    #[prost(message, optional, tag = "3")]
    pub ip_block: Option<IpBlock>,
}

/// A peer's `ipBlock`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct IpBlock {
    /// `cidr`.
    #[prost(string, tag = "1")]
    pub cidr: String,
    /// `except`.
    #[prost(string, repeated, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    pub except: Vec<String>,
}

impl NetworkPolicy {
    fn tidy(&mut self) {
        self.metadata.tidy();
        for port in self.spec.ingress.iter_mut().flat_map(|rule| &mut rule.ports) {
            settle_port(&mut port.port);
        }
    }

    /// Whether it says who may reach its pods. One that names no types does, too: the API server would have added it.
    #[must_use]
    pub fn restricts_ingress(&self) -> bool {
        let types = &self.spec.policy_types;
        types.is_empty() || types.iter().any(|of| of == "Ingress")
    }
}

record!(
    NetworkPolicy,
    Resource::namespaced("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
    "networkpolicy/1",
    protobuf
);
