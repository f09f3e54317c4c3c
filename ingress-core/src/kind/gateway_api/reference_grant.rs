//! `ReferenceGrant`.

use serde::{Deserialize, Serialize};

use super::GATEWAY_API;
use crate::kind::Resource;
use crate::kind::record::{Metadata, nullable, record};

/// What is kept of a grant: who from other namespaces may refer to what in its own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ReferenceGrant {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: ReferenceGrantSpec,
}

/// `spec` of a [`ReferenceGrant`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ReferenceGrantSpec {
    /// `from`.
    #[serde(deserialize_with = "nullable")]
    pub from: Vec<ReferenceGrantFrom>,
    /// `to`.
    #[serde(deserialize_with = "nullable")]
    pub to: Vec<ReferenceGrantTo>,
}

/// One of `spec.from`: who may refer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ReferenceGrantFrom {
    /// `group`.
    pub group: String,
    /// `kind`.
    pub kind: String,
    /// `namespace`.
    pub namespace: String,
}

/// One of `spec.to`: what may be referred to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ReferenceGrantTo {
    /// `group`; empty for the core group.
    pub group: String,
    /// `kind`.
    pub kind: String,
    /// `name`; unset means every object of the kind.
    pub name: Option<String>,
}

impl ReferenceGrant {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }

    /// Whether it lets an object of the group, kind and namespace `from` refer to the object of its own namespace that has the group, kind
    /// and name `to`.
    #[must_use]
    pub fn grants(&self, from: (&str, &str, &str), to: (&str, &str, &str)) -> bool {
        let who = |each: &ReferenceGrantFrom| {
            (each.group.as_str(), each.kind.as_str(), each.namespace.as_str()) == from
        };
        let what = |each: &ReferenceGrantTo| {
            let name = each.name.as_deref().filter(|name| !name.is_empty());
            (each.group.as_str(), each.kind.as_str()) == (to.0, to.1) && name.is_none_or(|name| name == to.2)
        };
        self.spec.from.iter().any(who) && self.spec.to.iter().any(what)
    }
}

record!(
    ReferenceGrant,
    Resource::namespaced(GATEWAY_API, "v1", "ReferenceGrant", "referencegrants").or_older(&["v1beta1"]),
    "referencegrant/1",
    json
);
