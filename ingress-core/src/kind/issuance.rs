//! `CertificateRequest` (cert-manager.io/v1), `Order` and `Challenge` (acme.cert-manager.io/v1): the way from a certificate that is wanted to
//! who signs it. Each names the one before it as its owner, and the last one that isn't done says what fails.
//!
//! A challenge holds a token and the key that answers it, and what failed is often told with either in its midst. They are read for the one
//! purpose of taking them out of that text, and dropped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Resource;
use super::plain::plain;
use super::record::{Condition, Metadata, nullable, record, settle};

const GROUP: &str = "cert-manager.io";
const ACME: &str = "acme.cert-manager.io";
/// Where an ACME server looks for the answer to a challenge (RFC 8555, section 8.3); its token follows.
const WELL_KNOWN: &str = "/.well-known/acme-challenge/";
/// What stands where something was taken out.
const TAKEN_OUT: &str = "[…]";

/// Annotation: for which `Certificate` something is. It is there also where the owner was lost, as in a backup.
const CERTIFICATE_NAME: &str = "cert-manager.io/certificate-name";
/// Annotation: for which issuance of the certificate a request is, counted from 1.
const REVISION: &str = "cert-manager.io/certificate-revision";

/// What is kept of a request for a certificate: for which one it is, and how far it came. Neither the request itself nor what was signed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CertificateRequest {
    /// `metadata`, without labels, and of the annotations those two only that say for which certificate it is.
    pub metadata: Metadata,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: CertificateRequestStatus,
}

/// `status` of a [`CertificateRequest`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CertificateRequestStatus {
    /// `conditions`: `Ready`, `Approved`, `Denied` and `InvalidRequest`.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

impl CertificateRequest {
    fn tidy(&mut self) {
        bare(&mut self.metadata, &[CERTIFICATE_NAME, REVISION]);
        for condition in &mut self.status.conditions {
            settle(&mut condition.last_transition_time);
            without_tokens(&mut condition.message);
        }
    }

    /// A condition by its type.
    #[must_use]
    pub fn condition(&self, of: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|condition| condition.r#type == of)
    }

    /// The certificate that it is for; `None` for one that somebody made for something else.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        owner(&self.metadata, GROUP, "Certificate")
            .or_else(|| self.metadata.annotations.get(CERTIFICATE_NAME).map(String::as_str))
    }

    /// For which issuance of the certificate it is, counted from 1; 0 where nobody says.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.metadata.annotations.get(REVISION).and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

record!(
    CertificateRequest,
    Resource::namespaced(GROUP, "v1", "CertificateRequest", "certificaterequests"),
    "cert-manager.certificaterequest/1",
    json
);

/// What is kept of an order at an ACME server: for which request it is, and how far it came.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Order {
    /// `metadata`, without labels and annotations.
    pub metadata: Metadata,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: OrderStatus,
}

/// `status` of an [`Order`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct OrderStatus {
    /// `state`: `pending`, `ready`, `processing`, `valid`, `invalid`, `expired` or `errored`; empty at first.
    pub state: String,
    /// `reason`: why.
    pub reason: String,
}

impl Order {
    fn tidy(&mut self) {
        bare(&mut self.metadata, &[]);
        without_tokens(&mut self.status.reason);
    }

    /// The request that it is for.
    #[must_use]
    pub fn request(&self) -> Option<&str> {
        owner(&self.metadata, GROUP, "CertificateRequest")
    }
}

record!(Order, Resource::namespaced(ACME, "v1", "Order", "orders"), "cert-manager.order/1", json);

/// What is kept of what an ACME server wants to see as a proof: for which order and name it is, in which way, and how far it came.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Challenge {
    /// `metadata`, without labels and annotations.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: ChallengeSpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: ChallengeStatus,
}

/// `spec` of a [`Challenge`].
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ChallengeSpec {
    /// `dnsName`: the name that is to be proved, without the wildcard.
    pub dns_name: String,
    /// `type`: `HTTP-01` or `DNS-01`.
    pub r#type: String,
    // What is taken out of the reason, and is empty after that.
    #[serde(skip_serializing)]
    token: String,
    #[serde(skip_serializing)]
    key: String,
}

/// `status` of a [`Challenge`].
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ChallengeStatus {
    /// `state`: as that of an [`Order`].
    pub state: String,
    /// `reason`: why, without the token and the key.
    pub reason: String,
}

/// Without what has no place in a log.
impl std::fmt::Debug for ChallengeSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChallengeSpec")
            .field("dns_name", &self.dns_name)
            .field("type", &self.r#type)
            .finish_non_exhaustive()
    }
}

impl Challenge {
    fn tidy(&mut self) {
        bare(&mut self.metadata, &[]);
        // The key contains the token.
        for secret in [std::mem::take(&mut self.spec.key), std::mem::take(&mut self.spec.token)] {
            if !secret.is_empty() {
                self.status.reason = self.status.reason.replace(&secret, TAKEN_OUT);
            }
        }
        without_tokens(&mut self.status.reason);
    }

    /// The order that it is for.
    #[must_use]
    pub fn order(&self) -> Option<&str> {
        owner(&self.metadata, ACME, "Order")
    }
}

record!(
    Challenge,
    Resource::namespaced(ACME, "v1", "Challenge", "challenges"),
    "cert-manager.challenge/1",
    json
);

/// Leaves of the metadata what says which object it is and to whom it belongs, with these annotations.
fn bare(metadata: &mut Metadata, annotations: &[&str]) {
    metadata.labels = BTreeMap::new();
    metadata.annotations.retain(|key, _| annotations.contains(&key.as_str()));
    metadata.finalizers = Vec::new();
    metadata.tidy();
}

/// The owner of a kind. An API group has its version behind a slash.
fn owner<'a>(metadata: &'a Metadata, group: &str, kind: &str) -> Option<&'a str> {
    let is = |api_version: &str| api_version.split_once('/').is_some_and(|(of, _)| of == group);
    let mut owners = metadata.owner_references.iter();
    owners.find(|owner| owner.kind == kind && is(&owner.api_version)).map(|owner| owner.name.as_str())
}

/// Takes the tokens of challenges out of what somebody says failed, and makes it fit to be shown.
fn without_tokens(text: &mut String) {
    if text.contains(WELL_KNOWN) {
        let mut parts = text.split(WELL_KNOWN);
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            // A token is base64url (RFC 8555, section 8.3).
            let rest = part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
            kept.push_str(WELL_KNOWN);
            kept.push_str(if rest.len() < part.len() { TAKEN_OUT } else { "" });
            kept.push_str(rest);
        }
        *text = kept;
    }
    plain(text);
}

#[cfg(test)]
mod tests;
