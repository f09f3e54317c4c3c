//! Gateway API (`gateway.networking.k8s.io`).
//!
//! Clusters serve these kinds in different versions, and their fields grow with every release. The records name fields that have kept
//! their meaning since the oldest version that is read; a field that isn't named here is skipped, and a value that isn't known (a new
//! filter, a new path type) is kept as its text, so that no object is ever refused for being newer than this library.

mod backend_tls_policy;
mod filter;
mod gateway;
mod gateway_class;
mod grpc_route;
mod http_route;
mod reference;
mod reference_grant;
mod status;
mod tls_route;

pub use backend_tls_policy::{BackendTlsPolicy, BackendTlsPolicySpec, BackendTlsValidation};
pub use filter::{
    CorsFilter, ExternalAuth, HeaderModifier, HeaderName, PathModifier, RequestMirror, RequestRedirect,
    RouteFilter, UrlRewrite,
};
pub use gateway::{
    AllowedRoutes, Gateway, GatewayAddress, GatewaySpec, GatewayStatus, Listener, ListenerStatus,
    ListenerTls, RouteGroupKind, RouteNamespaces,
};
pub use gateway_class::{GatewayClass, GatewayClassSpec, GatewayClassStatus};
pub use grpc_route::{GrpcMethodMatch, GrpcRoute, GrpcRouteMatch, GrpcRouteRule, GrpcRouteSpec};
pub use http_route::{
    HttpPathMatch, HttpRoute, HttpRouteMatch, HttpRouteRetry, HttpRouteRule, HttpRouteSpec,
    HttpRouteTimeouts, SessionPersistence, ValueMatch,
};
pub use reference::{BackendRef, ObjectRefFields, ParentRef, PolicyTargetRef};
pub use reference_grant::{ReferenceGrant, ReferenceGrantFrom, ReferenceGrantSpec, ReferenceGrantTo};
pub use status::{PolicyAncestorStatus, PolicyStatus, RouteParentStatus, RouteStatus};
pub use tls_route::{TlsRoute, TlsRouteRule, TlsRouteSpec};

/// The API group of Gateway API.
pub const GATEWAY_API: &str = "gateway.networking.k8s.io";

#[cfg(test)]
mod tests;
