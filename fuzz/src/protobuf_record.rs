//! Decoding objects, a watch's frames and a list's pages from protobuf.
//!
//! An object written as JSON and as protobuf gives one record, and that record says what Kubernetes' own type says. A damaged
//! message is a typed error with a place inside it, or the record that prost's decoder finds.

use arbitrary::{Arbitrary, Unstructured};
use ingress_core::wire::{json, proto};
use ingress_core::{ErrorKind, Ingress, Kind as _, SourceError};
use k8s_openapi::api::networking::v1 as typed;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use prost::Message as _;

use crate::facts::Facts;
use crate::message;

/// Text that is short and often the same, so that keys collide, with characters that JSON escapes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Text(String);

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        const WORDS: [&str; 12] = [
            "",
            "a",
            "shop",
            "kubernetes.io/ingress.class",
            "kubectl.kubernetes.io/last-applied-configuration",
            "*.example.com",
            "/é\u{10ffff}",
            "\"\\\n\u{0}\u{7f}",
            "Prefix",
            "http",
            "203.0.113.7",
            "@`~",
        ];
        let mut text = (*u.choose(&WORDS)?).to_owned();
        if u.ratio(1, 4)? {
            text.push_str(<&str>::arbitrary(u)?);
        }
        // Long enough, sometimes, for lengths of several digits and for annotations above their bound.
        if u.ratio(1, 40)? {
            text = text.repeat(u.int_in_range(1..=1500)?);
        }
        Ok(Self(text))
    }
}

#[derive(Debug, Clone, Arbitrary)]
struct Object {
    name: Text,
    namespace: Option<Text>,
    uid: Option<Text>,
    resource_version: Text,
    created: Option<u32>,
    labels: Option<Vec<(Text, Text)>>,
    annotations: Option<Vec<(Text, Text)>>,
    class: Option<Text>,
    default_backend: Option<Backend>,
    rules: Option<Vec<(Option<Text>, Option<Vec<Path>>)>>,
    tls: Option<Vec<(Option<Vec<Text>>, Option<Text>)>>,
    addresses: Option<Vec<(Option<Text>, Option<Text>)>>,
}

#[derive(Debug, Clone, Arbitrary)]
struct Path {
    path: Option<Text>,
    path_type: Text,
    backend: Backend,
}

#[derive(Debug, Clone, Arbitrary)]
struct Backend {
    service: Option<(Text, Option<(Option<Text>, Option<i32>)>)>,
    resource: Option<(Option<Text>, Text, Text)>,
}

/// What is done to a message before it is decoded.
#[derive(Debug, Clone, Arbitrary)]
enum Damage {
    Byte(u16, u8),
    Cut(u16),
    Insert(u16, Vec<u8>),
    Twice(u16, u8),
}

/// Runs one case: an object, and what damages it.
pub fn check(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(object) = Object::arbitrary(&mut u) else { return };
    let damages = Vec::<Damage>::arbitrary(&mut u).unwrap_or_default();

    let typed = object.typed();
    let message = object.message().encode_to_vec();
    check_object(&typed, &message);
    check_frames(&typed, &message);
    let mut damaged = message;
    for damage in damages {
        damage.apply(&mut damaged);
        check_damaged(&damaged);
    }
}

fn check_object(typed: &typed::Ingress, message: &[u8]) {
    let text = serde_json::to_string(typed).expect("the type can be written");
    let from_json =
        Ingress::decode_json(&mut serde_json::Deserializer::from_str(&text)).expect("JSON of the type");
    let from_protobuf = Ingress::decode_protobuf(message).expect("a message of the type");
    assert!(
        from_json == from_protobuf,
        "{:?} {:?}",
        Facts::of_record(&from_json),
        Facts::of_record(&from_protobuf)
    );
    let facts = Facts::of_record(&from_protobuf);
    assert_eq!(facts, Facts::of_typed(typed.clone()));
    let message = message::Ingress::decode(message).expect("what prost wrote");
    assert_eq!(Some(facts), Facts::of_message(&message), "both oracles agree");
}

/// Every verb and a list: both wire forms tell the same, be it an event or an error.
fn check_frames(typed: &typed::Ingress, message: &[u8]) {
    let object = serde_json::to_value(typed).expect("the type can be written");
    for verb in ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "HELLO"] {
        let line = serde_json::json!({"type": verb, "object": object}).to_string();
        let one = json::decode_event::<Ingress>(line.as_bytes());
        let other = proto::decode_event::<Ingress>(&message::event(verb, message));
        match (one, other) {
            (Ok(one), Ok(other)) => assert_eq!(one, other),
            (Err(one), Err(other)) => {
                assert_eq!((one.kind(), one.message()), (other.kind(), other.message()));
            }
            (one, other) => panic!("{verb}: {one:?} of JSON, {other:?} of protobuf"),
        }
    }

    let revision = typed.metadata.resource_version.clone().unwrap_or_default();
    let next = typed.metadata.uid.clone().unwrap_or_default();
    let page = serde_json::json!({
        "metadata": {"resourceVersion": revision, "continue": next}, "items": [object, object]
    });
    let item = message::Ingress::decode(message).expect("what prost wrote");
    let metadata = vec![message::ListMeta { resource_version: revision, next }];
    let list = message::List { metadata, items: vec![item.clone(), item] }.encode_to_vec();
    let one = json::decode_list::<Ingress>(page.to_string().as_bytes());
    let other = proto::decode_list::<Ingress>(&message::enveloped(&list));
    match (one, other) {
        (Ok(one), Ok(other)) => {
            assert!(one.items == other.items);
            assert_eq!((one.revision, one.continue_token), (other.revision, other.continue_token));
        }
        (Err(one), Err(other)) => assert_eq!((one.kind(), one.message()), (other.kind(), other.message())),
        (one, other) => panic!("{one:?} of JSON, {other:?} of protobuf"),
    }
}

fn check_damaged(bytes: &[u8]) {
    let result = Ingress::decode_protobuf(bytes);
    if let Ok(message) = message::Ingress::decode(bytes) {
        let record = result.clone().unwrap_or_else(|error| panic!("{error}, where prost reads {message:?}"));
        let record = Facts::of_record(&record);
        if let Some(facts) = Facts::of_message(&message) {
            assert_eq!(record, facts);
        }
    }
    match result {
        Ok(record) => drop(Facts::of_record(&record)),
        Err(error) => check_place(&error.to_string(), bytes.len()),
    }
    // The same bytes as an object, as a whole frame, and as a body.
    let frames = [message::event("ADDED", bytes), message::event("DELETED", bytes), bytes.to_vec()];
    for frame in frames {
        match proto::decode_event::<Ingress>(&frame) {
            Ok(ingress_core::WatchEvent::Applied(record)) => drop(Facts::of_record(&record)),
            Ok(_) => {}
            Err(error) => check_error(&error, frame.len()),
        }
    }
    for body in [message::enveloped(bytes), bytes.to_vec()] {
        match proto::decode_list::<Ingress>(&body) {
            Ok(page) => assert!(page.items.iter().all(|item| !item.name().is_empty())),
            Err(error) => check_error(&error, body.len()),
        }
    }
}

fn check_error(error: &SourceError, length: usize) {
    // An `ERROR` frame that came about by damage says what it says.
    if error.kind() == ErrorKind::Malformed && error.status().is_none() {
        let message = error.message();
        assert!(message.starts_with("Ingress: ") && message.len() < 240, "{message}");
        check_place(message, length);
    }
}

fn check_place(message: &str, length: usize) {
    if let Some((_, at)) = message.rsplit_once(" at byte ") {
        let at: usize = at.parse().expect("a number");
        assert!(at <= length, "{message}, of {length} bytes");
    }
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let places = bytes.len() + 1;
        let place = |at: u16| usize::from(at) % places;
        match self {
            Self::Byte(at, byte) => {
                let at = place(*at);
                if let Some(old) = bytes.get_mut(at) {
                    *old = *byte;
                }
            }
            Self::Cut(at) => bytes.truncate(place(*at)),
            Self::Insert(at, inserted) => {
                let at = place(*at);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Self::Twice(at, length) => {
                let at = place(*at);
                let end = bytes.len().min(at + usize::from(*length));
                let part = bytes[at..end].to_vec();
                bytes.splice(end..end, part);
            }
        }
    }
}

fn text(text: &Option<Text>) -> Option<String> {
    text.clone().map(|text| text.0)
}

fn all(texts: &[Text]) -> Vec<String> {
    texts.iter().map(|text| text.0.clone()).collect()
}

impl Object {
    fn typed(&self) -> typed::Ingress {
        let map = |pairs: &Option<Vec<(Text, Text)>>| {
            let pairs = pairs.as_ref()?;
            Some(pairs.iter().map(|(key, value)| (key.0.clone(), value.0.clone())).collect())
        };
        let rule = |(host, paths): &(Option<Text>, Option<Vec<Path>>)| typed::IngressRule {
            host: text(host),
            http: paths.as_ref().map(|paths| typed::HTTPIngressRuleValue {
                paths: paths
                    .iter()
                    .map(|path| typed::HTTPIngressPath {
                        path: text(&path.path),
                        path_type: path.path_type.0.clone(),
                        backend: path.backend.typed(),
                    })
                    .collect(),
            }),
        };
        let tls = |(hosts, secret): &(Option<Vec<Text>>, Option<Text>)| typed::IngressTLS {
            hosts: hosts.as_deref().map(all),
            secret_name: text(secret),
        };
        let address = |(ip, hostname): &(Option<Text>, Option<Text>)| typed::IngressLoadBalancerIngress {
            ip: text(ip),
            hostname: text(hostname),
            ports: None,
        };
        let addresses = self.addresses.as_ref().map(|all| all.iter().map(address).collect());
        let created =
            self.created.map(|seconds| jiff::Timestamp::from_second(seconds.into()).expect("in range"));
        typed::Ingress {
            metadata: ObjectMeta {
                name: Some(self.name.0.clone()),
                namespace: text(&self.namespace),
                uid: text(&self.uid),
                resource_version: Some(self.resource_version.0.clone()),
                creation_timestamp: created.map(Time),
                labels: map(&self.labels),
                annotations: map(&self.annotations),
                ..ObjectMeta::default()
            },
            spec: Some(typed::IngressSpec {
                ingress_class_name: text(&self.class),
                default_backend: self.default_backend.as_ref().map(Backend::typed),
                rules: self.rules.as_ref().map(|rules| rules.iter().map(rule).collect()),
                tls: self.tls.as_ref().map(|all| all.iter().map(tls).collect()),
            }),
            status: addresses.map(|ingress| typed::IngressStatus {
                load_balancer: Some(typed::IngressLoadBalancerStatus { ingress: Some(ingress) }),
            }),
        }
    }

    fn message(&self) -> message::Ingress {
        let string = |of: &Option<Text>| text(of).unwrap_or_default();
        // A map may be written with a key twice, of which the last counts: `typed` has just that one.
        let entries = |pairs: &Option<Vec<(Text, Text)>>| {
            let entry =
                |(key, value): &(Text, Text)| message::Entry { key: key.0.clone(), value: value.0.clone() };
            pairs.iter().flatten().map(entry).collect()
        };
        let rule = |(host, paths): &(Option<Text>, Option<Vec<Path>>)| {
            let path = |path: &Path| message::Path {
                path: string(&path.path),
                backend: vec![path.backend.message()],
                path_type: path.path_type.0.clone(),
            };
            let http = paths.iter().map(|paths| message::Http { paths: paths.iter().map(path).collect() });
            message::Rule { host: string(host), value: vec![message::RuleValue { http: http.collect() }] }
        };
        let tls = |(hosts, secret): &(Option<Vec<Text>>, Option<Text>)| message::Tls {
            hosts: hosts.as_deref().map(all).unwrap_or_default(),
            secret_name: string(secret),
        };
        let address = |(ip, hostname): &(Option<Text>, Option<Text>)| message::Address {
            ip: string(ip),
            hostname: string(hostname),
        };
        let balancer = self
            .addresses
            .iter()
            .map(|all| message::LoadBalancer { ingress: all.iter().map(address).collect() });
        let created = self.created.iter().map(|seconds| message::Time { seconds: Some((*seconds).into()) });
        message::Ingress {
            metadata: vec![message::Meta {
                name: self.name.0.clone(),
                namespace: string(&self.namespace),
                uid: string(&self.uid),
                resource_version: self.resource_version.0.clone(),
                creation_timestamp: created.collect(),
                labels: entries(&self.labels),
                annotations: entries(&self.annotations),
            }],
            spec: vec![message::Spec {
                default_backend: self.default_backend.iter().map(Backend::message).collect(),
                tls: self.tls.iter().flatten().map(tls).collect(),
                rules: self.rules.iter().flatten().map(rule).collect(),
                class: string(&self.class),
            }],
            status: vec![message::IngressStatus { load_balancer: balancer.collect() }],
        }
    }
}

impl Backend {
    fn typed(&self) -> typed::IngressBackend {
        typed::IngressBackend {
            service: self.service.as_ref().map(|(name, port)| typed::IngressServiceBackend {
                name: name.0.clone(),
                port: port
                    .as_ref()
                    .map(|(name, number)| typed::ServiceBackendPort { name: text(name), number: *number }),
            }),
            resource: self.resource.as_ref().map(|(group, kind, name)| {
                k8s_openapi::api::core::v1::TypedLocalObjectReference {
                    api_group: text(group),
                    kind: kind.0.clone(),
                    name: name.0.clone(),
                }
            }),
        }
    }

    fn message(&self) -> message::Backend {
        let service = self.service.iter().map(|(name, port)| message::Service {
            name: name.0.clone(),
            port: port
                .iter()
                .map(|(name, number)| message::Port {
                    name: text(name).unwrap_or_default(),
                    number: number.map(i64::from),
                })
                .collect(),
        });
        let resource = self.resource.iter().map(|(group, kind, name)| message::Resource {
            api_group: text(group).unwrap_or_default(),
            kind: kind.0.clone(),
            name: name.0.clone(),
        });
        message::Backend { resource: resource.collect(), service: service.collect() }
    }
}
