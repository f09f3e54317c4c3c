//! `Endpoints` (core/v1): what clusters had before there were slices, and what some controllers still write.

use serde::{Deserialize, Serialize};

use super::record::{Metadata, nullable, record};
use super::{ObjectReference, Resource};

/// What is kept of the endpoints of a service, which has the same name.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Endpoints {
    /// `metadata`.
    #[prost(message, required, tag = "1")]
    pub metadata: Metadata,
    /// `subsets`: each address serves each port of its subset.
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    pub subsets: Vec<EndpointSubset>,
}

/// One of `subsets`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct EndpointSubset {
    /// `addresses`: those that are ready.
    #[prost(message, repeated, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    pub addresses: Vec<EndpointAddress>,
    /// `notReadyAddresses`.
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    pub not_ready_addresses: Vec<EndpointAddress>,
    /// `ports`.
    #[prost(message, repeated, tag = "3")]
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<EndpointsPort>,
}

/// One of a subset's addresses.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct EndpointAddress {
    /// `ip`.
    #[prost(string, tag = "1")]
    pub ip: String,
    /// `targetRef`: the pod, where it is one.
    #[prost(message, optional, tag = "2")]
    pub target_ref: Option<ObjectReference>,
    /// `nodeName`.
    #[prost(string, tag = "4")]
    pub node_name: String,
}

/// One of a subset's `ports`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct EndpointsPort {
    /// `name`: that of the service's port.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `port`.
    #[prost(int32, tag = "2")]
    pub port: i32,
    /// `protocol`; empty means `TCP`.
    #[prost(string, tag = "3")]
    pub protocol: String,
    /// `appProtocol`.
    #[prost(string, tag = "4")]
    pub app_protocol: String,
}

impl Endpoints {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }
}

record!(Endpoints, Resource::namespaced("", "v1", "Endpoints", "endpoints"), "endpoints/1", protobuf);
