//! Kinds: what of a Kubernetes object is kept, and how it is read.
//!
//! A kind is a *record*, the projection of an object onto what this project needs, and the decoder that goes from
//! the API server's bytes straight to it. Nothing that is not kept is ever allocated: the decoders borrow from the
//! buffer that came off the socket, skip `managedFields` and the rest unparsed, and pack what remains into one
//! allocation (the `packed` module says how).
//!
//! A new kind is one file in `kind/` and one line here. A kind that is not worth a file is watched as [`Typed`].

use std::borrow::Cow;

use serde::Deserializer;

use crate::stored::InvalidStored;
use crate::wire::proto::InvalidProtobuf;

mod argo;
mod backend_traffic_policy;
mod certificate;
mod constraint;
mod endpoint_slice;
mod endpoints;
mod event;
mod flux;
mod gateway_api;
mod ingress;
mod ingress_class;
mod ingress_route;
mod issuance;
mod meta;
mod namespace;
mod network_policy;
mod owners;
mod packed;
mod part;
mod plain;
mod pod;
mod policy_report;
mod record;
#[cfg(test)]
mod samples;
mod selector;
mod service;
mod tls_secret;
#[cfg(feature = "kube")]
mod typed;
mod virtual_service;

pub use argo::{
    APPLICATION_DRIFT, Application, ApplicationCondition, ApplicationResource, ApplicationSpec,
    ApplicationStatus, AutomatedSync, OperationState, SyncPolicy,
};
pub use backend_traffic_policy::{
    BackendTrafficPolicy, BackendTrafficPolicySpec, HttpTimeout, RateLimitRule, RateLimitRules,
    RateLimitValue, RetryOn, TargetSelector, TcpTimeout, TrafficRateLimit, TrafficRetry, TrafficTimeout,
};
pub use certificate::{
    Certificate, CertificateSpec, CertificateStatus, ClusterIssuer, Issuer, IssuerRef, IssuerStatus,
};
pub use constraint::{CONSTRAINT_VIOLATIONS, Constraint, ConstraintSpec, ConstraintStatus, Violation};
pub use endpoint_slice::{
    Endpoint, EndpointConditions, EndpointPort, EndpointSlice, ObjectReference, SERVICE_NAME,
};
pub use endpoints::{EndpointAddress, EndpointSubset, Endpoints, EndpointsPort};
pub use event::{Event, MESSAGE_BYTES};
pub use flux::{FluxSpec, FluxStatus, HelmRelease, Kustomization};
pub use gateway_api::{
    AllowedRoutes, BackendRef, BackendTlsPolicy, BackendTlsPolicySpec, BackendTlsValidation, CorsFilter,
    ExternalAuth, GATEWAY_API, Gateway, GatewayAddress, GatewayClass, GatewayClassSpec, GatewayClassStatus,
    GatewaySpec, GatewayStatus, GrpcMethodMatch, GrpcRoute, GrpcRouteMatch, GrpcRouteRule, GrpcRouteSpec,
    HeaderModifier, HeaderName, HttpPathMatch, HttpRoute, HttpRouteMatch, HttpRouteRetry, HttpRouteRule,
    HttpRouteSpec, HttpRouteTimeouts, Listener, ListenerStatus, ListenerTls, ObjectRefFields, ParentRef,
    PathModifier, PolicyAncestorStatus, PolicyStatus, PolicyTargetRef, ReferenceGrant, ReferenceGrantFrom,
    ReferenceGrantSpec, ReferenceGrantTo, RequestMirror, RequestRedirect, RouteFilter, RouteGroupKind,
    RouteNamespaces, RouteParentStatus, RouteStatus, SessionPersistence, TlsRoute, TlsRouteRule,
    TlsRouteSpec, UrlRewrite, ValueMatch,
};
pub use ingress::{
    Ambiguity, Backend, BackendPlace, Ingress, IngressPath, IngressRule, IngressTls, PortError, ServicePort,
};
pub use ingress_class::{IngressClass, IngressClassSpec};
pub use ingress_route::{
    IngressRoute, IngressRouteRule, IngressRouteSpec, IngressRouteTls, TraefikRef, TraefikService,
};
pub use issuance::{
    CertificateRequest, CertificateRequestStatus, Challenge, ChallengeSpec, ChallengeStatus, Order,
    OrderStatus,
};
pub use meta::{ANNOTATION_BYTES, LAST_APPLIED};
pub(crate) use meta::{Object, Text};
pub use namespace::NamespaceRecord;
pub use network_policy::{
    IpBlock, NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
pub use owners::{DeploymentMeta, ReplicaSetMeta};
pub use pod::{
    Container, ContainerPort, ContainerState, ContainerStateRunning, ContainerStateTerminated,
    ContainerStateWaiting, ContainerStatus, Pod, PodCondition, PodSpec, PodStatus,
};
pub use policy_report::{
    ClusterOpenReport, ClusterPolicyReport, OpenReport, PolicyReport, REPORT_RESULTS, RESULT_SUBJECTS,
    ReportResult, ReportSubject,
};
pub use record::{Condition, IntOrString, Metadata, OwnerReference, Time};
pub use selector::{LabelExpression, LabelSelector};
pub use service::{
    LoadBalancerIngress, LoadBalancerStatus, Service, ServicePortSpec, ServiceSpec, ServiceStatus,
};
pub use tls_secret::{CHAIN, TLS_CRT, TlsCertificate, TlsSecret};
#[cfg(feature = "kube")]
pub use typed::{KnownScope, Typed};

pub use virtual_service::{
    DestinationHost, DestinationPort, StringMatch, VirtualDelegate, VirtualDestination, VirtualHttpMatch,
    VirtualHttpRoute, VirtualService, VirtualServiceSpec,
};

/// Where a kind lives in the Kubernetes API.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: Cow<'static, str>,
    /// The API version, such as `v1`.
    pub version: Cow<'static, str>,
    /// The kind, such as `Ingress`.
    pub kind: Cow<'static, str>,
    /// The resource's name in URLs, such as `ingresses`.
    pub plural: Cow<'static, str>,
    /// Whether objects of this kind live in namespaces.
    pub namespaced: bool,
    /// Older versions that the record is read from as well, the best first: for clusters that don't serve [`version`](Self::version).
    pub older: &'static [&'static str],
    /// The field selector of the objects that are watched, such as `type=Warning`; empty for all of them.
    pub fields: &'static str,
    /// Whether nothing but `metadata` is asked for, so that the rest never leaves the server.
    pub only_metadata: bool,
    /// Whether an object of this kind is never handed out whole, since it holds what must stay a secret.
    pub confidential: bool,
    /// Whether it stands for every kind of its group, of which nobody knows the names beforehand.
    pub whole_group: bool,
}

impl Resource {
    /// Describes a namespaced kind.
    #[must_use]
    pub const fn namespaced(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Self::of(group, version, kind, plural, true)
    }

    /// Describes a cluster-scoped kind.
    #[must_use]
    pub const fn cluster_scoped(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Self::of(group, version, kind, plural, false)
    }

    const fn of(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
        namespaced: bool,
    ) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            kind: Cow::Borrowed(kind),
            plural: Cow::Borrowed(plural),
            namespaced,
            older: &[],
            fields: "",
            only_metadata: false,
            confidential: false,
            whole_group: false,
        }
    }

    /// Reads the kind from these older versions, too, where the cluster serves no newer one; the best first.
    #[must_use]
    pub const fn or_older(mut self, versions: &'static [&'static str]) -> Self {
        self.older = versions;
        self
    }

    /// Watches those objects only that this field selector finds.
    #[must_use]
    pub const fn with_fields(mut self, selector: &'static str) -> Self {
        self.fields = selector;
        self
    }

    /// Asks for nothing but `metadata`.
    #[must_use]
    pub const fn metadata_only(mut self) -> Self {
        self.only_metadata = true;
        self
    }

    /// Never hands out an object whole.
    #[must_use]
    pub const fn kept_secret(mut self) -> Self {
        self.confidential = true;
        self
    }

    /// Stands for every kind of its group.
    #[must_use]
    pub const fn whole_group(mut self) -> Self {
        self.whole_group = true;
        self
    }

    /// What the record of an object is named: as the object is, and with its kind before it where that is one of a whole group.
    #[cfg(any(feature = "kube", feature = "files"))]
    pub(crate) fn name_of<'a>(&self, kind: &str, name: &'a str) -> Cow<'a, str> {
        if self.whole_group { Cow::Owned(format!("{kind}/{name}")) } else { Cow::Borrowed(name) }
    }

    /// The URL path of the collection, in one namespace or over all of them.
    #[must_use]
    pub fn path(&self, namespace: Option<&str>) -> String {
        self.path_in(&self.version, namespace)
    }

    /// The same in another version.
    #[must_use]
    pub(crate) fn path_in(&self, version: &str, namespace: Option<&str>) -> String {
        let mut path = if self.group.is_empty() {
            format!("/api/{version}")
        } else {
            format!("/apis/{}/{version}", self.group)
        };
        if let (true, Some(namespace)) = (self.namespaced, namespace) {
            path.push_str("/namespaces/");
            path.push_str(namespace);
        }
        path.push('/');
        path.push_str(&self.plural);
        path
    }
}

/// A kind's record: what is kept of one object.
///
/// Two records are equal when everything kept is equal; a relist emits nothing for equal records.
pub trait Kind: Clone + PartialEq + std::fmt::Debug + Send + Sync + Sized + 'static {
    /// Where the kind lives in the API.
    fn resource() -> Resource;

    /// Decodes one object from its JSON, borrowing from the input and keeping only the record.
    ///
    /// # Errors
    ///
    /// The deserializer's own, for input that is not JSON or whose kept fields have another type than Kubernetes
    /// gives them.
    fn decode_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Whether the kind is built in, and [`decode_protobuf`](Self::decode_protobuf) reads it. Custom resources have JSON only.
    const PROTOBUF: bool = false;

    /// Decodes one object's own protobuf message, without any envelope. It must give the record that
    /// [`decode_json`](Self::decode_json) gives for the same object.
    ///
    /// # Errors
    ///
    /// For bytes that are not such a message. The default, for kinds without protobuf, always fails.
    fn decode_protobuf(message: &[u8]) -> Result<Self, InvalidProtobuf> {
        let _ = message;
        Err(InvalidProtobuf::unsupported())
    }

    /// Names the form in which records of this kind lie outside the process, and changes whenever that form does; empty for a kind
    /// whose records can't be kept: it is not there after a restart before it is read anew, and replicas can't share it.
    const STORED: &'static str = "";

    /// The record in the form that [`STORED`](Self::STORED) names. The default, for kinds that can't be kept, is empty.
    fn stored(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    /// Reads what [`stored`](Self::stored) wrote: a record that equals the one that was written.
    ///
    /// # Errors
    ///
    /// For text that is not in this form. The default, for kinds that can't be kept, always fails.
    fn restore(stored: &str) -> Result<Self, InvalidStored> {
        let _ = stored;
        Err(InvalidStored::new("records of this kind can't be kept"))
    }

    /// `metadata.namespace`; `None` for cluster-scoped kinds.
    fn namespace(&self) -> Option<&str>;
    /// `metadata.name`.
    fn name(&self) -> &str;
    /// `metadata.uid`.
    fn uid(&self) -> &str;
    /// `metadata.resourceVersion`.
    fn resource_version(&self) -> &str;
}

/// A deserialization seed that reads one `K`, for use inside larger documents.
#[derive(Debug)]
pub(crate) struct RecordSeed<K>(std::marker::PhantomData<K>);

impl<K> RecordSeed<K> {
    pub(crate) const fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<'de, K: Kind> serde::de::DeserializeSeed<'de> for RecordSeed<K> {
    type Value = K;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K, D::Error> {
        K::decode_json(deserializer)
    }
}
