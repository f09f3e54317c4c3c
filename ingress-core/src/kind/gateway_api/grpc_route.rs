//! `GRPCRoute`.

use serde::{Deserialize, Serialize};

use super::GATEWAY_API;
use super::filter::RouteFilter;
use super::http_route::{SessionPersistence, ValueMatch};
use super::reference::{BackendRef, ParentRef};
use super::status::RouteStatus;
use crate::kind::Resource;
use crate::kind::record::{Metadata, nullable, record};

/// What is kept of a gRPC route: metadata, parents, hosts, rules, and what controllers say of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GrpcRoute {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: GrpcRouteSpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: RouteStatus,
}

/// `spec` of a [`GrpcRoute`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct GrpcRouteSpec {
    /// `parentRefs`.
    #[serde(deserialize_with = "nullable")]
    pub parent_refs: Vec<ParentRef>,
    /// `hostnames`; empty means every host of the listeners it attaches to.
    #[serde(deserialize_with = "nullable")]
    pub hostnames: Vec<String>,
    /// `rules`.
    #[serde(deserialize_with = "nullable")]
    pub rules: Vec<GrpcRouteRule>,
}

/// One of `spec.rules`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct GrpcRouteRule {
    /// `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `matches`: one of them is enough; empty means every call.
    #[serde(deserialize_with = "nullable")]
    pub matches: Vec<GrpcRouteMatch>,
    /// `filters`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<RouteFilter>,
    /// `backendRefs`.
    #[serde(deserialize_with = "nullable")]
    pub backend_refs: Vec<BackendRef>,
    /// `sessionPersistence`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<SessionPersistence>,
}

/// One of a rule's `matches`: all that it names must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GrpcRouteMatch {
    /// `method`; unset means every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<GrpcMethodMatch>,
    /// `headers`: metadata of the call.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
}

/// `method` of a match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GrpcMethodMatch {
    /// `type`: `Exact` or `RegularExpression`; unset means `Exact`.
    pub r#type: Option<String>,
    /// `service`, such as `shop.Cart`; unset means every one.
    pub service: Option<String>,
    /// `method`, such as `Add`; unset means every one.
    pub method: Option<String>,
}

impl GrpcMethodMatch {
    /// The type that is meant.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.r#type.as_deref().unwrap_or("Exact")
    }
}

impl GrpcRoute {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }
}

record!(
    GrpcRoute,
    Resource::namespaced(GATEWAY_API, "v1", "GRPCRoute", "grpcroutes").or_older(&["v1alpha2"]),
    "grpcroute/2",
    json
);
