//! `EndpointSlice` (discovery.k8s.io/v1).

use serde::{Deserialize, Serialize};

use super::Resource;
use super::record::{Metadata, nullable, record};

/// The label that names the service of a slice.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What is kept of an endpoint slice: metadata, the endpoints with what they are and whose, and the ports.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct EndpointSlice {
    /// `metadata`.
    #[prost(message, required, tag = "1")]
    pub metadata: Metadata,
    /// `endpoints`.
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    pub endpoints: Vec<Endpoint>,
    /// `ports`.
    #[prost(message, repeated, tag = "3")]
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<EndpointPort>,
    /// `addressType`.
    #[prost(string, tag = "4")]
    pub address_type: String,
}

/// One of `endpoints`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Endpoint {
    /// `addresses`.
    #[prost(string, repeated, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<String>,
    /// `conditions`.
    #[prost(message, required, tag = "2")]
    pub conditions: EndpointConditions,
    /// `targetRef`: the pod, where it is one.
    #[prost(message, optional, tag = "4")]
    pub target_ref: Option<ObjectReference>,
    /// `nodeName`.
    #[prost(string, tag = "6")]
    pub node_name: String,
}

/// `conditions` of an [`Endpoint`].
#[derive(Clone, Copy, PartialEq, Eq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct EndpointConditions {
    /// `ready`; unset means that it is to be taken as ready.
    #[prost(bool, optional, tag = "1")]
    pub ready: Option<bool>,
    /// `serving`: ready, whether or not it is terminating; unset means the same as `ready`.
    #[prost(bool, optional, tag = "2")]
    pub serving: Option<bool>,
    /// `terminating`; unset means that it is not.
    #[prost(bool, optional, tag = "3")]
    pub terminating: Option<bool>,
}

impl EndpointConditions {
    /// Whether requests are sent to it.
    #[must_use]
    pub fn is_ready(self) -> bool {
        self.ready.unwrap_or(true)
    }

    /// Whether it would answer.
    #[must_use]
    pub fn is_serving(self) -> bool {
        self.serving.unwrap_or(self.is_ready())
    }

    /// Whether it is on its way out.
    #[must_use]
    pub fn is_terminating(self) -> bool {
        self.terminating.unwrap_or(false)
    }
}

/// One of `ports`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct EndpointPort {
    /// `name`: that of the service's port.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `protocol`; empty means `TCP`.
    #[prost(string, tag = "2")]
    pub protocol: String,
    /// `port`: what the pods listen on; unset means any.
    #[prost(int32, optional, tag = "3")]
    pub port: Option<i32>,
    /// `appProtocol`.
    #[prost(string, tag = "4")]
    pub app_protocol: String,
}

/// A reference to an object, as far as it is kept.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ObjectReference {
    /// `kind`.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// `namespace`.
    #[prost(string, tag = "2")]
    pub namespace: String,
    /// `name`.
    #[prost(string, tag = "3")]
    pub name: String,
    /// `uid`.
    #[prost(string, tag = "4")]
    pub uid: String,
}

impl EndpointSlice {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }

    /// The service that it belongs to.
    #[must_use]
    pub fn service_name(&self) -> Option<&str> {
        self.metadata.labels.get(SERVICE_NAME).map(String::as_str)
    }
}

record!(
    EndpointSlice,
    Resource::namespaced("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices").or_older(&["v1beta1"]),
    "endpointslice/1",
    protobuf
);
