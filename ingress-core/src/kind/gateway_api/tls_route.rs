//! `TLSRoute`.

use serde::{Deserialize, Serialize};

use super::GATEWAY_API;
use super::reference::{BackendRef, ParentRef};
use super::status::RouteStatus;
use crate::kind::Resource;
use crate::kind::record::{Metadata, nullable, record};

/// What is kept of a TLS route, which chooses by the name a client asks for (SNI): metadata, parents, hosts, backends, and what
/// controllers say of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TlsRoute {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: TlsRouteSpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: RouteStatus,
}

/// `spec` of a [`TlsRoute`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TlsRouteSpec {
    /// `parentRefs`.
    #[serde(deserialize_with = "nullable")]
    pub parent_refs: Vec<ParentRef>,
    /// `hostnames`; empty means every host of the listeners it attaches to.
    #[serde(deserialize_with = "nullable")]
    pub hostnames: Vec<String>,
    /// `rules`.
    #[serde(deserialize_with = "nullable")]
    pub rules: Vec<TlsRouteRule>,
}

/// One of `spec.rules`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct TlsRouteRule {
    /// `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `backendRefs`.
    #[serde(deserialize_with = "nullable")]
    pub backend_refs: Vec<BackendRef>,
}

impl TlsRoute {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }
}

record!(
    TlsRoute,
    Resource::namespaced(GATEWAY_API, "v1", "TLSRoute", "tlsroutes").or_older(&["v1alpha3", "v1alpha2"]),
    "tlsroute/1",
    json
);
