//! How objects of Gateway API name each other.
//!
//! What a reference leaves out has a default that depends on where it stands. The fields say what is written, the methods what is meant.

use serde::{Deserialize, Serialize};

use super::GATEWAY_API;
use super::filter::RouteFilter;
use crate::kind::record::nullable;

/// One of a route's `parentRefs`: to what it wants to be attached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ParentRef {
    /// `group`; unset means Gateway API's, empty the core group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `kind`; unset means `Gateway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `namespace`; unset means the route's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `name`.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    /// `sectionName`: of a gateway, the listener's name; unset means every listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// `port`: of a gateway, that of the listeners; unset means every port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

impl ParentRef {
    /// The group that is meant.
    #[must_use]
    pub fn group(&self) -> &str {
        self.group.as_deref().unwrap_or(GATEWAY_API)
    }

    /// The kind that is meant.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.kind.as_deref().filter(|kind| !kind.is_empty()).unwrap_or("Gateway")
    }

    /// The namespace that is meant, where a route of `own` says this.
    #[must_use]
    pub fn namespace<'a>(&'a self, own: &'a str) -> &'a str {
        self.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or(own)
    }

    /// Whether it names a gateway.
    #[must_use]
    pub fn is_gateway(&self) -> bool {
        self.group() == GATEWAY_API && self.kind() == "Gateway"
    }

    /// Whether it names a service: the route is one of a mesh (GAMMA).
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.group().is_empty() && self.kind() == "Service"
    }

    /// Whether a route of `own` means the same by both.
    #[must_use]
    pub fn is_same(&self, other: &Self, own: &str) -> bool {
        (self.group(), self.kind(), self.namespace(own), &self.name, &self.section_name, self.port)
            == (
                other.group(),
                other.kind(),
                other.namespace(own),
                &other.name,
                &other.section_name,
                other.port,
            )
    }
}

/// One of a rule's `backendRefs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct BackendRef {
    /// What it names.
    #[serde(flatten)]
    pub object: ObjectRefFields,
    /// `port`: needed where it names a service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
    /// `weight`; unset means 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i32>,
    /// `filters`: for requests that go to this backend only.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<RouteFilter>,
}

impl BackendRef {
    /// Its part of the requests, against the sum of all weights of the rule.
    #[must_use]
    pub fn weight(&self) -> u32 {
        self.weight.map_or(1, |weight| u32::try_from(weight).unwrap_or(0))
    }
}

/// The fields of a reference that may lead out of the namespace, to a service where it does not say otherwise, or to a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ObjectRefFields {
    /// `group`; unset and empty mean the core group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// `kind`; unset means `Service` for backends and `Secret` for certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// `namespace`; unset means the namespace of the object that says this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `name`.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
}

impl ObjectRefFields {
    /// The group that is meant; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.group.as_deref().unwrap_or_default()
    }

    /// The kind that is meant, where `default` is what it means when it is unset.
    #[must_use]
    pub fn kind<'a>(&'a self, default: &'a str) -> &'a str {
        self.kind.as_deref().filter(|kind| !kind.is_empty()).unwrap_or(default)
    }

    /// The namespace that is meant, where an object of `own` says this.
    #[must_use]
    pub fn namespace<'a>(&'a self, own: &'a str) -> &'a str {
        self.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or(own)
    }

    /// Whether this backend is a service.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.group().is_empty() && self.kind("Service") == "Service"
    }

    /// Whether this certificate is a secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.group().is_empty() && self.kind("Secret") == "Secret"
    }
}

/// What a policy is attached to: an object of its own namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PolicyTargetRef {
    /// `group`; empty for the core group.
    pub group: String,
    /// `kind`.
    pub kind: String,
    /// `name`.
    pub name: String,
    /// `sectionName`: of a gateway a listener, of a service a port, of a route a rule; unset means all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
}
