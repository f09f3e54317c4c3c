//! `HTTPRoute`.

use serde::{Deserialize, Serialize};

use super::GATEWAY_API;
use super::filter::RouteFilter;
use super::reference::{BackendRef, ParentRef};
use super::status::RouteStatus;
use crate::kind::Resource;
use crate::kind::record::{Metadata, nullable, record};

/// What is kept of an HTTP route: metadata, parents, hosts, rules, and what controllers say of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HttpRoute {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: HttpRouteSpec,
    /// `status`.
    #[serde(deserialize_with = "nullable")]
    pub status: RouteStatus,
}

/// `spec` of an [`HttpRoute`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct HttpRouteSpec {
    /// `parentRefs`.
    #[serde(deserialize_with = "nullable")]
    pub parent_refs: Vec<ParentRef>,
    /// `hostnames`; empty means every host of the listeners it attaches to.
    #[serde(deserialize_with = "nullable")]
    pub hostnames: Vec<String>,
    /// `rules`.
    #[serde(deserialize_with = "nullable")]
    pub rules: Vec<HttpRouteRule>,
}

/// One of `spec.rules`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct HttpRouteRule {
    /// `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `matches`: one of them is enough; empty means every path.
    #[serde(deserialize_with = "nullable")]
    pub matches: Vec<HttpRouteMatch>,
    /// `filters`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<RouteFilter>,
    /// `backendRefs`.
    #[serde(deserialize_with = "nullable")]
    pub backend_refs: Vec<BackendRef>,
    /// `timeouts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<HttpRouteTimeouts>,
    /// `retry`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<HttpRouteRetry>,
    /// `sessionPersistence`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_persistence: Option<SessionPersistence>,
}

/// `retry` of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HttpRouteRetry {
    /// `codes`: the statuses after which it is tried again; of lost connections the implementation decides.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<i32>,
    /// `attempts`: how often at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i32>,
}

/// `sessionPersistence` of a rule: the requests of one client go to one pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct SessionPersistence {
    /// `sessionName`: of the cookie or header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    /// `type`: `Cookie` or `Header`; unset means `Cookie`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
}

/// One of a rule's `matches`: all that it names must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct HttpRouteMatch {
    /// `path`; unset means the prefix `/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<HttpPathMatch>,
    /// `method`; unset means every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// `headers`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<ValueMatch>,
    /// `queryParams`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    pub query_params: Vec<ValueMatch>,
}

/// `path` of a match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HttpPathMatch {
    /// `type`: `Exact`, `PathPrefix` or `RegularExpression`; unset means `PathPrefix`.
    pub r#type: Option<String>,
    /// `value`; unset means `/`.
    pub value: Option<String>,
}

/// A header or a query parameter that a match asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ValueMatch {
    /// `type`: `Exact` or `RegularExpression`; unset means `Exact`.
    pub r#type: Option<String>,
    /// `name`; of headers, without regard to case.
    pub name: String,
    /// `value`.
    pub value: String,
}

/// `timeouts` of a rule, as durations of Gateway API (GEP-2257), such as `10s`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct HttpRouteTimeouts {
    /// `request`: from the request's arrival until its answer is complete.
    pub request: Option<String>,
    /// `backendRequest`: of one try.
    pub backend_request: Option<String>,
}

impl HttpPathMatch {
    /// The type that is meant.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.r#type.as_deref().unwrap_or("PathPrefix")
    }

    /// The value that is meant.
    #[must_use]
    pub fn value(&self) -> &str {
        self.value.as_deref().filter(|value| !value.is_empty()).unwrap_or("/")
    }
}

impl ValueMatch {
    /// The type that is meant.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.r#type.as_deref().unwrap_or("Exact")
    }
}

impl HttpRoute {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }
}

record!(
    HttpRoute,
    Resource::namespaced(GATEWAY_API, "v1", "HTTPRoute", "httproutes").or_older(&["v1beta1"]),
    "httproute/2",
    json
);
