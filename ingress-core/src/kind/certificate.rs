//! `Certificate`, `Issuer` and `ClusterIssuer` (cert-manager.io/v1), where cert-manager is installed.

use serde::{Deserialize, Serialize};

use super::Resource;
use super::record::{Condition, Metadata, Time, nullable, record, settle};

const GROUP: &str = "cert-manager.io";

/// What is kept of a certificate that cert-manager is to get: metadata, for which names, from whom and into which secret, and how
/// far it came.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Certificate {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: CertificateSpec,
    /// `status`.
    pub status: CertificateStatus,
}

/// `spec` of a [`Certificate`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CertificateSpec {
    /// `secretName`: where the certificate is put, in the same namespace.
    pub secret_name: String,
    /// `commonName`.
    pub common_name: String,
    /// `dnsNames`.
    #[serde(deserialize_with = "nullable")]
    pub dns_names: Vec<String>,
    /// `issuerRef`.
    pub issuer_ref: IssuerRef,
}

/// `spec.issuerRef`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct IssuerRef {
    /// `name`.
    pub name: String,
    /// `kind`; empty means `Issuer`.
    pub kind: String,
    /// `group`; empty means `cert-manager.io`.
    pub group: String,
}

/// `status` of a [`Certificate`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct CertificateStatus {
    /// `conditions`: `Ready` and `Issuing`.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
    /// `notAfter`: when what is in the secret expires.
    pub not_after: Option<Time>,
    /// `renewalTime`: when it is to be renewed.
    pub renewal_time: Option<Time>,
    /// `lastFailureTime`: when getting it failed last; unset once it worked.
    pub last_failure_time: Option<Time>,
}

impl Certificate {
    fn tidy(&mut self) {
        self.metadata.tidy();
        let status = &mut self.status;
        for time in [&mut status.not_after, &mut status.renewal_time, &mut status.last_failure_time] {
            settle(time);
        }
        tidy_conditions(&mut status.conditions);
    }

    /// A condition by its type.
    #[must_use]
    pub fn condition(&self, of: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.r#type == of)
    }
}

record!(
    Certificate,
    Resource::namespaced(GROUP, "v1", "Certificate", "certificates"),
    "cert-manager.certificate/1",
    json
);

fn tidy_conditions(conditions: &mut [Condition]) {
    for condition in conditions {
        settle(&mut condition.last_transition_time);
    }
}

/// `status` of an [`Issuer`] or a [`ClusterIssuer`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct IssuerStatus {
    /// `conditions`: `Ready`.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

macro_rules! issuer {
    ($name:ident, $what:literal, $resource:expr, $stored:literal) => {
        #[doc = $what]
        /// What is kept: metadata, and whether it is ready. Never what it signs with.
        #[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct $name {
            /// `metadata`.
            pub metadata: Metadata,
            /// `status`.
            pub status: IssuerStatus,
        }

        impl $name {
            fn tidy(&mut self) {
                self.metadata.tidy();
                tidy_conditions(&mut self.status.conditions);
            }

            /// A condition by its type.
            #[must_use]
            pub fn condition(&self, of: &str) -> Option<&Condition> {
                self.status.conditions.iter().find(|condition| condition.r#type == of)
            }
        }

        record!($name, $resource, $stored, json);
    };
}

issuer!(
    Issuer,
    "From whom the certificates of a namespace come.",
    Resource::namespaced(GROUP, "v1", "Issuer", "issuers"),
    "cert-manager.issuer/1"
);
issuer!(
    ClusterIssuer,
    "From whom the certificates of every namespace may come.",
    Resource::cluster_scoped(GROUP, "v1", "ClusterIssuer", "clusterissuers"),
    "cert-manager.clusterissuer/1"
);

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
    fn a_certificate_says_how_far_it_came() {
        let json = r#"{"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{"name":"shop","namespace":"shop",
            "uid":"u","resourceVersion":"7","creationTimestamp":"2026-01-01T00:00:00Z"},"spec":{"secretName":"shop-tls",
            "dnsNames":["shop.example.com"],"commonName":"shop.example.com","duration":"2160h0m0s",
            "issuerRef":{"group":"cert-manager.io","kind":"ClusterIssuer","name":"letsencrypt"},"privateKey":{"size":2048}},
            "status":{"conditions":[{"type":"Ready","status":"False","observedGeneration":1,"reason":"Failed","message":"m",
            "lastTransitionTime":"2026-01-01T00:00:05Z"}],"notAfter":"2026-04-01T00:00:00Z","notBefore":"2026-01-01T00:00:00Z",
            "renewalTime":"2026-03-01T00:00:00Z","lastFailureTime":null,"revision":1}}"#;
        let record: Certificate = one_record(json);
        assert_eq!(record.spec.secret_name, "shop-tls");
        assert_eq!(record.spec.issuer_ref.kind, "ClusterIssuer");
        assert_eq!(record.condition("Ready").map(|ready| ready.reason.as_str()), Some("Failed"));
        assert_eq!(record.status.not_after.unwrap().to_string(), "2026-04-01T00:00:00Z");
        assert_eq!(record.status.last_failure_time, None);
        let new: Certificate = one_record(r#"{"metadata":{"name":"new"},"spec":{"secretName":"s"}}"#);
        assert_eq!(new.condition("Ready"), None);
    }

    #[test]
    fn of_an_issuer_only_its_state_is_kept() {
        let json = r#"{"metadata":{"name":"vault"},"spec":{"vault":{"auth":{"tokenSecretRef":{"name":"t"}},"caBundle":"c2VjcmV0"}},
            "status":{"conditions":[{"type":"Ready","status":"True"}]}}"#;
        let record: Issuer = one_record(json);
        assert!(record.condition("Ready").is_some_and(|ready| ready.status == "True"));
        assert!(!record.stored().contains("c2VjcmV0"));
        let record: ClusterIssuer = one_record(json);
        assert_eq!((record.name(), record.namespace()), ("vault", None));
    }
}
