//! What controllers say of objects of Gateway API.
//!
//! Each says it for itself: a route has one status per parent and controller, a policy one per ancestor and controller. Reading only the
//! first would call a route accepted that one of its gateways refuses.

use serde::{Deserialize, Serialize};

use super::reference::ParentRef;
use crate::kind::record::{Condition, nullable};

/// `status` of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RouteStatus {
    /// `parents`.
    #[serde(deserialize_with = "nullable")]
    pub parents: Vec<RouteParentStatus>,
}

/// What one controller says of a route, as far as one parent goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RouteParentStatus {
    /// `parentRef`: which of the route's `parentRefs`.
    pub parent_ref: ParentRef,
    /// `controllerName`.
    pub controller_name: String,
    /// `conditions`: `Accepted`, `ResolvedRefs`, `PartiallyInvalid` and the controller's own.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}

/// `status` of a policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct PolicyStatus {
    /// `ancestors`.
    #[serde(deserialize_with = "nullable")]
    pub ancestors: Vec<PolicyAncestorStatus>,
}

/// What one controller says of a policy, as far as one object goes that it has an effect on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct PolicyAncestorStatus {
    /// `ancestorRef`.
    pub ancestor_ref: ParentRef,
    /// `controllerName`.
    pub controller_name: String,
    /// `conditions`.
    #[serde(deserialize_with = "nullable")]
    pub conditions: Vec<Condition>,
}
