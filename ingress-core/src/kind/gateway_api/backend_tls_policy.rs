//! `BackendTLSPolicy`.

use serde::{Deserialize, Serialize};

use super::GATEWAY_API;
use super::reference::{ObjectRefFields, PolicyTargetRef};
use super::status::PolicyStatus;
use crate::kind::Resource;
use crate::kind::record::{Metadata, nullable, record};

/// What is kept of a policy of how gateways speak TLS with services: metadata, its targets, what is checked, and what controllers say of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BackendTlsPolicy {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: BackendTlsPolicySpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: PolicyStatus,
}

/// `spec` of a [`BackendTlsPolicy`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct BackendTlsPolicySpec {
    /// `targetRefs`: services, or a port of one by its name.
    #[serde(deserialize_with = "nullable")]
    pub target_refs: Vec<PolicyTargetRef>,
    /// `validation`.
    #[serde(deserialize_with = "nullable")]
    pub validation: BackendTlsValidation,
}

/// `spec.validation` of a [`BackendTlsPolicy`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct BackendTlsValidation {
    /// `hostname`: asked for (SNI), and what the backend's certificate must be for.
    pub hostname: String,
    /// `caCertificateRefs`: whose certificates are trusted.
    #[serde(rename = "caCertificateRefs", deserialize_with = "nullable")]
    pub ca_certificate_refs: Vec<ObjectRefFields>,
    /// `wellKnownCACertificates`, such as `System`, instead.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<String>,
}

impl BackendTlsPolicy {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }
}

record!(
    BackendTlsPolicy,
    Resource::namespaced(GATEWAY_API, "v1", "BackendTLSPolicy", "backendtlspolicies").or_older(&["v1alpha3"]),
    "backendtlspolicy/1",
    json
);
