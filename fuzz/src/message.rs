//! Kubernetes' messages as `prost` reads and writes them, with nothing in common with the decoders under test.
//!
//! Field numbers are those of the `generated.proto` files of k8s.io/api/networking/v1 and k8s.io/apimachinery. Where a message
//! is embedded once, it is declared as repeated, which is the same on the wire: so a damaged message that holds it twice is
//! seen to. Numbers are 64 bits wide, which is how a negative 32-bit one is written.

use prost::Message;

/// What every object, list and status in protobuf begins with.
pub const MAGIC: &[u8] = b"k8s\0";

macro_rules! messages {
    ($($name:ident { $($(#[$field:meta])* $member:ident: $type:ty,)* })*) => {$(
        #[derive(Clone, PartialEq, Message)]
        pub struct $name {
            $($(#[$field])* pub $member: $type,)*
        }
    )*};
}

messages! {
    Ingress {
        #[prost(message, repeated, tag = 1)]
        metadata: Vec<Meta>,
        #[prost(message, repeated, tag = 2)]
        spec: Vec<Spec>,
        #[prost(message, repeated, tag = 3)]
        status: Vec<IngressStatus>,
    }
    Meta {
        #[prost(string, tag = 1)]
        name: String,
        #[prost(string, tag = 3)]
        namespace: String,
        #[prost(string, tag = 5)]
        uid: String,
        #[prost(string, tag = 6)]
        resource_version: String,
        #[prost(message, repeated, tag = 8)]
        creation_timestamp: Vec<Time>,
        #[prost(message, repeated, tag = 11)]
        labels: Vec<Entry>,
        #[prost(message, repeated, tag = 12)]
        annotations: Vec<Entry>,
    }
    Time {
        #[prost(int64, optional, tag = 1)]
        seconds: Option<i64>,
    }
    Entry {
        #[prost(string, tag = 1)]
        key: String,
        #[prost(string, tag = 2)]
        value: String,
    }
    Spec {
        #[prost(message, repeated, tag = 1)]
        default_backend: Vec<Backend>,
        #[prost(message, repeated, tag = 2)]
        tls: Vec<Tls>,
        #[prost(message, repeated, tag = 3)]
        rules: Vec<Rule>,
        #[prost(string, tag = 4)]
        class: String,
    }
    Backend {
        #[prost(message, repeated, tag = 3)]
        resource: Vec<Resource>,
        #[prost(message, repeated, tag = 4)]
        service: Vec<Service>,
    }
    Resource {
        #[prost(string, tag = 1)]
        api_group: String,
        #[prost(string, tag = 2)]
        kind: String,
        #[prost(string, tag = 3)]
        name: String,
    }
    Service {
        #[prost(string, tag = 1)]
        name: String,
        #[prost(message, repeated, tag = 2)]
        port: Vec<Port>,
    }
    Port {
        #[prost(string, tag = 1)]
        name: String,
        #[prost(int64, optional, tag = 2)]
        number: Option<i64>,
    }
    Tls {
        #[prost(string, repeated, tag = 1)]
        hosts: Vec<String>,
        #[prost(string, tag = 2)]
        secret_name: String,
    }
    Rule {
        #[prost(string, tag = 1)]
        host: String,
        #[prost(message, repeated, tag = 2)]
        value: Vec<RuleValue>,
    }
    RuleValue {
        #[prost(message, repeated, tag = 1)]
        http: Vec<Http>,
    }
    Http {
        #[prost(message, repeated, tag = 1)]
        paths: Vec<Path>,
    }
    Path {
        #[prost(string, tag = 1)]
        path: String,
        #[prost(message, repeated, tag = 2)]
        backend: Vec<Backend>,
        #[prost(string, tag = 3)]
        path_type: String,
    }
    IngressStatus {
        #[prost(message, repeated, tag = 1)]
        load_balancer: Vec<LoadBalancer>,
    }
    LoadBalancer {
        #[prost(message, repeated, tag = 1)]
        ingress: Vec<Address>,
    }
    Address {
        #[prost(string, tag = 1)]
        ip: String,
        #[prost(string, tag = 2)]
        hostname: String,
    }
    List {
        #[prost(message, repeated, tag = 1)]
        metadata: Vec<ListMeta>,
        #[prost(message, repeated, tag = 2)]
        items: Vec<Ingress>,
    }
    ListMeta {
        #[prost(string, tag = 2)]
        resource_version: String,
        #[prost(string, tag = 3)]
        next: String,
    }
    Status {
        #[prost(string, tag = 3)]
        message: String,
        #[prost(message, repeated, tag = 5)]
        details: Vec<Details>,
        #[prost(int64, optional, tag = 6)]
        code: Option<i64>,
    }
    Details {
        #[prost(int64, optional, tag = 5)]
        retry_after_seconds: Option<i64>,
    }
    Unknown {
        #[prost(bytes = "vec", repeated, tag = 2)]
        raw: Vec<Vec<u8>>,
        #[prost(bytes = "vec", tag = 3)]
        content_encoding: Vec<u8>,
    }
    Event {
        #[prost(string, tag = 1)]
        verb: String,
        #[prost(message, repeated, tag = 2)]
        object: Vec<Raw>,
    }
    Raw {
        #[prost(bytes = "vec", tag = 1)]
        raw: Vec<u8>,
    }
}

/// A message in the envelope that all of Kubernetes' protobuf has.
#[must_use]
pub fn enveloped(message: &[u8]) -> Vec<u8> {
    let unknown = Unknown { raw: vec![message.to_vec()], content_encoding: Vec::new() };
    [MAGIC, &unknown.encode_to_vec()].concat()
}

/// One frame of a watch, without its length.
#[must_use]
pub fn event(verb: &str, object: &[u8]) -> Vec<u8> {
    Event { verb: verb.into(), object: vec![Raw { raw: enveloped(object) }] }.encode_to_vec()
}
