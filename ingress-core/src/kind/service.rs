//! `Service` (core/v1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Resource;
use super::record::{IntOrString, Metadata, nullable, record, settle_port};

/// What is kept of a service: metadata, what it selects, its ports, and what a load balancer said of it.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Service {
    /// `metadata`.
    #[prost(message, required, tag = "1")]
    pub metadata: Metadata,
    /// `spec`.
    #[prost(message, required, tag = "2")]
    pub spec: ServiceSpec,
    /// `status`.
    #[prost(message, required, tag = "3")]
    pub status: ServiceStatus,
}

/// `spec` of a [`Service`].
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ServiceSpec {
    /// `ports`.
    #[prost(message, repeated, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    pub ports: Vec<ServicePortSpec>,
    /// `selector`; empty where somebody else keeps the endpoints.
    #[prost(btree_map = "string, string", tag = "2")]
    #[serde(deserialize_with = "nullable")]
    pub selector: BTreeMap<String, String>,
    /// `clusterIP`; `None` (the text) for a headless service.
    #[prost(string, tag = "3")]
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    /// `type`; empty means `ClusterIP`.
    #[prost(string, tag = "4")]
    pub r#type: String,
    /// `externalName`.
    #[prost(string, tag = "10")]
    pub external_name: String,
    /// `externalTrafficPolicy`.
    #[prost(string, tag = "11")]
    pub external_traffic_policy: String,
    /// `publishNotReadyAddresses`: endpoints count as ready whatever their pods say.
    #[prost(bool, tag = "13")]
    pub publish_not_ready_addresses: bool,
}

/// One of `spec.ports`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ServicePortSpec {
    /// `name`; empty where it has none, which a service of one port may.
    #[prost(string, tag = "1")]
    pub name: String,
    /// `protocol`; empty means `TCP`.
    #[prost(string, tag = "2")]
    pub protocol: String,
    /// `port`.
    #[prost(int32, tag = "3")]
    pub port: i32,
    /// `targetPort`; unset means the same as `port`.
    #[prost(message, optional, tag = "4")]
    pub target_port: Option<IntOrString>,
    /// `nodePort`.
    #[prost(int32, tag = "5")]
    pub node_port: i32,
    /// `appProtocol`.
    #[prost(string, tag = "6")]
    pub app_protocol: String,
}

/// `status` of a [`Service`].
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// `loadBalancer`.
    #[prost(message, required, tag = "1")]
    pub load_balancer: LoadBalancerStatus,
}

/// `status.loadBalancer`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LoadBalancerStatus {
    /// `ingress`: the addresses.
    #[prost(message, repeated, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    pub ingress: Vec<LoadBalancerIngress>,
}

/// One of `status.loadBalancer.ingress`.
#[derive(Clone, PartialEq, prost::Message, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LoadBalancerIngress {
    /// `ip`.
    #[prost(string, tag = "1")]
    pub ip: String,
    /// `hostname`.
    #[prost(string, tag = "2")]
    pub hostname: String,
}

impl ServiceSpec {
    /// Whether it names something outside the cluster, of which nothing can be seen from here.
    #[must_use]
    pub fn is_external_name(&self) -> bool {
        self.r#type == "ExternalName"
    }
}

impl Service {
    fn tidy(&mut self) {
        self.metadata.tidy();
        for port in &mut self.spec.ports {
            settle_port(&mut port.target_port);
        }
    }

    /// The port of this number or name.
    #[must_use]
    pub fn port(&self, wanted: super::ServicePort<'_>) -> Option<&ServicePortSpec> {
        self.spec.ports.iter().find(|port| match wanted {
            super::ServicePort::Name(name) => port.name == name,
            super::ServicePort::Number(number) => port.port == i32::from(number),
        })
    }
}

record!(Service, Resource::namespaced("", "v1", "Service", "services"), "service/1", protobuf);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    const CART: &str = r#"{"metadata":{"name":"cart","namespace":"shop","uid":"u","resourceVersion":"7",
        "creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app":"cart"},
        "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{}","a":"b"}},
        "spec":{"type":"ClusterIP","clusterIP":"10.0.0.9","clusterIPs":["10.0.0.9"],"selector":{"app":"cart"},
        "ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":"web"},{"name":"admin","port":81,"targetPort":8081}]},
        "status":{"loadBalancer":{}}}"#;

    #[test]
    fn keeps_what_it_says_and_finds_ports() {
        let record = Service::decode_json(&mut serde_json::Deserializer::from_str(CART)).unwrap();
        assert_eq!((record.namespace(), record.name(), record.uid()), (Some("shop"), "cart", "u"));
        assert_eq!(record.metadata.annotations.len(), 1);
        let http = record.port(crate::kind::ServicePort::Name("http")).unwrap();
        assert_eq!(http.target_port.as_ref().and_then(IntOrString::name), Some("web"));
        let admin = record.port(crate::kind::ServicePort::Number(81)).unwrap();
        assert_eq!(admin.target_port.as_ref().and_then(IntOrString::number), Some(8081));
        assert_eq!(record.port(crate::kind::ServicePort::Number(8081)), None);
    }
}
