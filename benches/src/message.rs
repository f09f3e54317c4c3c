//! `networking.v1.Ingress` as the API server writes it, in both of its forms from one definition.
//!
//! The field numbers are those of `generated.proto` in `k8s.io/api/networking/v1` and `k8s.io/apimachinery`; the order of the
//! fields is that in which Go writes them as JSON.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// The object.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct Ingress {
    #[prost(message, optional, tag = "1")]
    pub(crate) metadata: Option<Meta>,
    #[prost(message, optional, tag = "2")]
    pub(crate) spec: Option<Spec>,
    #[prost(message, optional, tag = "3")]
    pub(crate) status: Option<Status>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "3")]
    pub(crate) namespace: String,
    #[prost(string, tag = "5")]
    pub(crate) uid: String,
    #[prost(string, tag = "6")]
    pub(crate) resource_version: String,
    #[prost(int64, tag = "7")]
    pub(crate) generation: i64,
    #[prost(message, optional, tag = "8")]
    pub(crate) creation_timestamp: Option<Time>,
    #[prost(btree_map = "string, string", tag = "11")]
    pub(crate) labels: BTreeMap<String, String>,
    #[prost(btree_map = "string, string", tag = "12")]
    pub(crate) annotations: BTreeMap<String, String>,
    #[prost(message, repeated, tag = "17")]
    pub(crate) managed_fields: Vec<ManagedFields>,
}

/// Seconds since the epoch; in JSON, RFC 3339.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Time {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let time = jiff::Timestamp::from_second(self.seconds).map_err(serde::ser::Error::custom)?;
        serializer.collect_str(&time)
    }
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagedFields {
    #[prost(string, tag = "1")]
    pub(crate) manager: String,
    #[prost(string, tag = "2")]
    pub(crate) operation: String,
    #[prost(string, tag = "3")]
    pub(crate) api_version: String,
    #[prost(message, optional, tag = "4")]
    pub(crate) time: Option<Time>,
    #[prost(string, tag = "6")]
    pub(crate) fields_type: String,
    #[prost(message, optional, tag = "7")]
    pub(crate) fields_v1: Option<Fields>,
    #[prost(string, tag = "8")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) subresource: String,
}

/// JSON in both forms; protobuf carries it as text.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Fields {
    #[prost(string, tag = "1")]
    pub(crate) raw: String,
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let raw: &serde_json::value::RawValue =
            serde_json::from_str(&self.raw).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    #[prost(string, optional, tag = "4")]
    pub(crate) ingress_class_name: Option<String>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) tls: Vec<Tls>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) rules: Vec<Rule>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tls {
    #[prost(string, repeated, tag = "1")]
    pub(crate) hosts: Vec<String>,
    #[prost(string, tag = "2")]
    pub(crate) secret_name: String,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct Rule {
    #[prost(string, tag = "1")]
    pub(crate) host: String,
    #[prost(message, optional, tag = "2")]
    #[serde(flatten)]
    pub(crate) value: Option<RuleValue>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct RuleValue {
    #[prost(message, optional, tag = "1")]
    pub(crate) http: Option<Http>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct Http {
    #[prost(message, repeated, tag = "1")]
    pub(crate) paths: Vec<Path>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Path {
    #[prost(string, tag = "1")]
    pub(crate) path: String,
    #[prost(string, optional, tag = "3")]
    pub(crate) path_type: Option<String>,
    #[prost(message, optional, tag = "2")]
    pub(crate) backend: Option<Backend>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct Backend {
    #[prost(message, optional, tag = "4")]
    pub(crate) service: Option<Service>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct Service {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) port: Option<Port>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct Port {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[prost(int32, tag = "2")]
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) number: i32,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    #[prost(message, optional, tag = "1")]
    pub(crate) load_balancer: Option<LoadBalancer>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct LoadBalancer {
    #[prost(message, repeated, tag = "1")]
    pub(crate) ingress: Vec<Address>,
}

#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub(crate) struct Address {
    #[prost(string, tag = "1")]
    pub(crate) ip: String,
}

/// `metav1.ListMeta`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ListMeta {
    #[prost(string, tag = "2")]
    pub(crate) resource_version: String,
    #[prost(string, tag = "3")]
    pub(crate) next: String,
    #[prost(int64, optional, tag = "4")]
    pub(crate) remaining_item_count: Option<i64>,
}

/// `runtime.TypeMeta`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TypeMeta {
    #[prost(string, tag = "1")]
    pub(crate) api_version: String,
    #[prost(string, tag = "2")]
    pub(crate) kind: String,
}

/// `runtime.Unknown`, the envelope of every object after the mark `k8s\0`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Unknown {
    #[prost(message, optional, tag = "1")]
    pub(crate) type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) raw: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) content_encoding: String,
    #[prost(string, tag = "4")]
    pub(crate) content_type: String,
}

/// `metav1.WatchEvent`, one frame of a watch.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct WatchEvent {
    #[prost(string, tag = "1")]
    pub(crate) verb: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) object: Option<RawExtension>,
}

/// `runtime.RawExtension`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct RawExtension {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) raw: Vec<u8>,
}

/// `metav1.Status`, as far as an expired watch needs it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Failure {
    #[prost(string, tag = "2")]
    pub(crate) status: String,
    #[prost(string, tag = "3")]
    pub(crate) message: String,
    #[prost(string, tag = "4")]
    pub(crate) reason: String,
    #[prost(int32, tag = "6")]
    pub(crate) code: i32,
}
