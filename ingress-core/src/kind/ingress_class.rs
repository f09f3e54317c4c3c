//! `IngressClass` (networking.k8s.io/v1).

use serde::{Deserialize, Serialize};

use super::Resource;
use super::record::{Metadata, record};

/// The annotation that makes a class the default one.
const DEFAULT_CLASS: &str = "ingressclass.kubernetes.io/is-default-class";

/// What is kept of an ingress class: metadata, and the controller that it belongs to.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct IngressClass {
    /// `metadata`.
    #[prost(message, required, tag = "1")]
    pub metadata: Metadata,
    /// `spec`.
    #[prost(message, required, tag = "2")]
    pub spec: IngressClassSpec,
}

/// `spec` of an [`IngressClass`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct IngressClassSpec {
    /// `controller`, such as `k8s.io/ingress-nginx`.
    #[prost(string, tag = "1")]
    pub controller: String,
}

impl IngressClass {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }

    /// Whether ingresses that name no class get this one.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.metadata.annotations.get(DEFAULT_CLASS).is_some_and(|value| value == "true")
    }
}

record!(
    IngressClass,
    Resource::cluster_scoped("networking.k8s.io", "v1", "IngressClass", "ingressclasses"),
    "ingressclass/1",
    protobuf
);
