use super::*;
use crate::kind::{ANNOTATION_BYTES, LAST_APPLIED};
use k8s_openapi::api::networking::v1 as typed;
use proptest::prelude::*;
use prost::Message;

fn decode(json: &str) -> Ingress {
    Ingress::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap()
}

#[test]
fn keeps_what_it_says() {
    let record = decode(
        r#"{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"cart","namespace":"shop","uid":"u",
        "resourceVersion":"12","creationTimestamp":"2026-03-01T10:00:00Z","generation":3,"labels":{"app":"cart"},
        "annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"x\":1}","a/b":"line\n\"two\""},
        "managedFields":[{"manager":"kubectl","fieldsV1":{"f:spec":{"f:rules":{}}}}]},
        "spec":{"ingressClassName":"nginx","tls":[{"hosts":["shop.example.com"],"secretName":"tls"},{}],
        "defaultBackend":{"resource":{"apiGroup":"k8s.example.com","kind":"Bucket","name":"static"}},
        "rules":[{"host":"shop.example.com","http":{"paths":[
          {"path":"/cart","pathType":"Prefix","backend":{"service":{"name":"cart","port":{"name":"http"}}}},
          {"pathType":"ImplementationSpecific","backend":{"service":{"name":"old","port":{"number":8080}}}}]}},
          {"host":"shop.example.com"},{"http":{"paths":[]}}]},
        "status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.7","ports":[{"port":80}]},{"hostname":"lb.example.net"},{}]}}}"#,
    );
    assert_eq!(record.namespace(), Some("shop"));
    assert_eq!((record.name(), record.uid(), record.resource_version()), ("cart", "u", "12"));
    assert_eq!(record.creation_timestamp(), Some("2026-03-01T10:00:00Z"));
    assert_eq!(record.class(), Some("nginx"));
    assert_eq!(record.hosts(), ["shop.example.com"]);
    let rules = record.rules();
    assert_eq!(rules.len(), 3);
    assert_eq!(rules[0].paths[0].path, Some("/cart"));
    assert_eq!(rules[0].paths[0].path_type, Some("Prefix"));
    let http = Some(ServicePort::Name("http"));
    assert_eq!(rules[0].paths[0].backend, Some(Backend::Service { name: "cart", port: http }));
    let number = Some(ServicePort::Number(8080));
    assert_eq!(rules[0].paths[1].path, None);
    assert_eq!(rules[0].paths[1].backend, Some(Backend::Service { name: "old", port: number }));
    assert_eq!((rules[2].host, rules[2].paths.len()), (None, 0));
    let bucket = Backend::Resource { api_group: Some("k8s.example.com"), kind: "Bucket", name: "static" };
    assert_eq!(record.default_backend(), Some(bucket));
    assert_eq!(record.tls().len(), 2);
    assert_eq!(record.tls()[0].secret_name, Some("tls"));
    assert_eq!(record.tls()[1], IngressTls { hosts: vec![], secret_name: None });
    assert_eq!(record.addresses(), ["203.0.113.7", "lb.example.net"]);
    assert_eq!(record.labels(), [("app", "cart")]);
    assert_eq!(record.annotations(), [("a/b", "line\n\"two\"")]);
    assert!(!record.annotations_truncated());
}

#[test]
fn the_class_comes_from_the_field_then_from_the_annotation() {
    let class = |spec: &str| {
        let json = format!(
            r#"{{"metadata":{{"annotations":{{"kubernetes.io/ingress.class":"old"}}}},"spec":{{{spec}}}}}"#
        );
        decode(&json).class().map(str::to_owned)
    };
    assert_eq!(class(r#""ingressClassName":"new""#).as_deref(), Some("new"));
    assert_eq!(class("").as_deref(), Some("old"));
    assert_eq!(decode("{}").class(), None);
}

#[test]
fn nulls_read_as_go_reads_them() {
    let record = decode(
        r#"{"metadata":{"name":"a","labels":null,"annotations":null,"creationTimestamp":null},
        "spec":{"rules":null,"tls":null,"defaultBackend":null},"status":null}"#,
    );
    assert_eq!(record.name(), "a");
    assert!(record.rules().is_empty() && record.labels().is_empty() && record.addresses().is_empty());
    assert_eq!(record.creation_timestamp(), None);
}

#[test]
fn of_equal_keys_the_last_counts_as_in_go() {
    let twice = r#"{"metadata":{"labels":{"b":"1","a":"1","b":"2"},
        "annotations":{"kubernetes.io/ingress.class":"old","kubernetes.io/ingress.class":"new"}}}"#;
    let record = decode(twice);
    assert_eq!(record.labels(), [("a", "1"), ("b", "2")]);
    assert_eq!(record.class(), Some("new"));
}

#[test]
fn annotations_are_bounded_and_say_so() {
    let big = "x".repeat(ANNOTATION_BYTES);
    let json = format!(r#"{{"metadata":{{"annotations":{{"a":"small","big":"{big}","z":"small"}}}}}}"#);
    let record = decode(&json);
    assert_eq!(record.annotations(), [("a", "small"), ("z", "small")]);
    assert!(record.annotations_truncated());
    // What a later pair of the same key replaces doesn't count.
    let json = format!(r#"{{"metadata":{{"annotations":{{"k":"{big}","k":""}}}}}}"#);
    let record = decode(&json);
    assert_eq!((record.annotations(), record.annotations_truncated()), (vec![("k", "")], false));
    // A label may have that name, too.
    let json = format!(r#"{{"metadata":{{"labels":{{"{LAST_APPLIED}":"x"}}}}}}"#);
    assert_eq!(decode(&json).labels(), [(LAST_APPLIED, "x")]);
    // A huge last applied configuration costs the others nothing.
    let json = format!(r#"{{"metadata":{{"annotations":{{"a":"small","{LAST_APPLIED}":"{big}"}}}}}}"#);
    let record = decode(&json);
    assert_eq!(record.annotations(), [("a", "small")]);
    assert!(!record.annotations_truncated());
}

#[test]
fn a_kept_field_of_another_type_is_an_error() {
    for json in [
        r#"{"metadata":{"name":5}}"#,
        r#"{"spec":{"rules":{}}}"#,
        r#"{"spec":[]}"#,
        r#"{"spec":{"rules":[[]]}}"#,
        "[]",
        "7",
    ] {
        let result = Ingress::decode_json(&mut serde_json::Deserializer::from_str(json));
        assert!(result.is_err(), "{json}");
    }
}

prop_compose! {
    fn text()(text in "[a-z\"\\\\\n/.*é]{1,12}") -> String { text }
}

fn backend() -> impl Strategy<Value = typed::IngressBackend> {
    let port = prop_oneof![
        text().prop_map(|name| typed::ServiceBackendPort { name: Some(name), number: None }),
        (1..65535).prop_map(|number| typed::ServiceBackendPort { name: None, number: Some(number) }),
        Just(typed::ServiceBackendPort::default()),
    ];
    let service = (text(), proptest::option::of(port))
        .prop_map(|(name, port)| typed::IngressServiceBackend { name, port });
    proptest::option::of(service)
        .prop_map(|service| typed::IngressBackend { service, ..typed::IngressBackend::default() })
}

fn path() -> impl Strategy<Value = typed::HTTPIngressPath> {
    (proptest::option::of(text()), text(), backend())
        .prop_map(|(path, path_type, backend)| typed::HTTPIngressPath { path, path_type, backend })
}

fn rule() -> impl Strategy<Value = typed::IngressRule> {
    (proptest::option::of(text()), proptest::option::of(proptest::collection::vec(path(), 0..4))).prop_map(
        |(host, paths)| typed::IngressRule {
            host,
            http: paths.map(|paths| typed::HTTPIngressRuleValue { paths }),
        },
    )
}

fn tls() -> impl Strategy<Value = typed::IngressTLS> {
    (proptest::option::of(proptest::collection::vec(text(), 0..3)), proptest::option::of(text()))
        .prop_map(|(hosts, secret_name)| typed::IngressTLS { hosts, secret_name })
}

prop_compose! {
    fn ingress()(
        name in text(), namespace in text(),
        labels in proptest::option::of(proptest::collection::btree_map(text(), text(), 0..4)),
        annotations in proptest::option::of(proptest::collection::btree_map(text(), text(), 0..4)),
        class in proptest::option::of(text()), default_backend in proptest::option::of(backend()),
        rules in proptest::option::of(proptest::collection::vec(rule(), 0..4)),
        tls in proptest::option::of(proptest::collection::vec(tls(), 0..3)),
        ips in proptest::collection::vec(text(), 0..3),
    ) -> typed::Ingress {
        typed::Ingress {
            metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                name: Some(name), namespace: Some(namespace), labels, annotations,
                ..Default::default()
            },
            spec: Some(typed::IngressSpec { ingress_class_name: class, default_backend, rules, tls }),
            status: Some(typed::IngressStatus { load_balancer: Some(typed::IngressLoadBalancerStatus {
                ingress: Some(ips.into_iter().map(|ip| typed::IngressLoadBalancerIngress {
                    ip: Some(ip), ..Default::default()
                }).collect()),
            })}),
        }
    }
}

/// Kubernetes' messages as `prost` writes them: an encoder that shares nothing with the decoder under test.
mod message {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Ingress {
        #[prost(message, tag = 1)]
        pub(super) metadata: Option<Meta>,
        #[prost(message, tag = 2)]
        pub(super) spec: Option<Spec>,
        #[prost(message, tag = 3)]
        pub(super) status: Option<Status>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Meta {
        #[prost(string, tag = 1)]
        pub(super) name: String,
        #[prost(string, tag = 3)]
        pub(super) namespace: String,
        #[prost(string, tag = 6)]
        pub(super) resource_version: String,
        #[prost(int64, tag = 7)]
        pub(super) generation: i64,
        #[prost(message, tag = 8)]
        pub(super) creation_timestamp: Option<Time>,
        #[prost(message, repeated, tag = 11)]
        pub(super) labels: Vec<Entry>,
        #[prost(message, repeated, tag = 12)]
        pub(super) annotations: Vec<Entry>,
        #[prost(message, repeated, tag = 17)]
        pub(super) managed_fields: Vec<Entry>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Time {
        #[prost(int64, tag = 1)]
        pub(super) seconds: i64,
        #[prost(fixed64, tag = 15)]
        pub(super) unknown: u64,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Entry {
        #[prost(string, tag = 1)]
        pub(super) key: String,
        #[prost(string, tag = 2)]
        pub(super) value: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Spec {
        #[prost(message, tag = 1)]
        pub(super) default_backend: Option<Backend>,
        #[prost(message, repeated, tag = 2)]
        pub(super) tls: Vec<Tls>,
        #[prost(message, repeated, tag = 3)]
        pub(super) rules: Vec<Rule>,
        #[prost(string, optional, tag = 4)]
        pub(super) class: Option<String>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Backend {
        #[prost(message, tag = 3)]
        pub(super) resource: Option<Resource>,
        #[prost(message, tag = 4)]
        pub(super) service: Option<Service>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Resource {
        #[prost(string, optional, tag = 1)]
        pub(super) api_group: Option<String>,
        #[prost(string, tag = 2)]
        pub(super) kind: String,
        #[prost(string, tag = 3)]
        pub(super) name: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Service {
        #[prost(string, tag = 1)]
        pub(super) name: String,
        #[prost(message, tag = 2)]
        pub(super) port: Option<Port>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Port {
        #[prost(string, tag = 1)]
        pub(super) name: String,
        #[prost(int32, tag = 2)]
        pub(super) number: i32,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Tls {
        #[prost(string, repeated, tag = 1)]
        pub(super) hosts: Vec<String>,
        #[prost(string, tag = 2)]
        pub(super) secret_name: String,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Rule {
        #[prost(string, tag = 1)]
        pub(super) host: String,
        #[prost(message, tag = 2)]
        pub(super) value: Option<RuleValue>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct RuleValue {
        #[prost(message, tag = 1)]
        pub(super) http: Option<Http>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Http {
        #[prost(message, repeated, tag = 1)]
        pub(super) paths: Vec<Path>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Path {
        #[prost(string, tag = 1)]
        pub(super) path: String,
        #[prost(message, tag = 2)]
        pub(super) backend: Option<Backend>,
        #[prost(string, optional, tag = 3)]
        pub(super) path_type: Option<String>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Status {
        #[prost(message, tag = 1)]
        pub(super) load_balancer: Option<LoadBalancer>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct LoadBalancer {
        #[prost(message, repeated, tag = 1)]
        pub(super) ingress: Vec<Entry>,
    }
}

fn entries(pairs: Option<std::collections::BTreeMap<String, String>>) -> Vec<message::Entry> {
    let entry = |(key, value)| message::Entry { key, value };
    // Backwards: the order on the wire must not matter.
    pairs.unwrap_or_default().into_iter().map(entry).rev().collect()
}

fn backend_message(backend: typed::IngressBackend) -> message::Backend {
    let resource = backend.resource.map(|resource| message::Resource {
        api_group: resource.api_group,
        kind: resource.kind,
        name: resource.name,
    });
    let service = backend.service.map(|service| message::Service {
        name: service.name,
        port: service.port.map(|port| message::Port {
            name: port.name.unwrap_or_default(),
            number: port.number.unwrap_or_default(),
        }),
    });
    message::Backend { resource, service }
}

fn rule_message(rule: typed::IngressRule) -> message::Rule {
    let path = |path: typed::HTTPIngressPath| message::Path {
        path: path.path.unwrap_or_default(),
        backend: Some(backend_message(path.backend)),
        path_type: Some(path.path_type),
    };
    let http = rule.http.map(|http| message::Http { paths: http.paths.into_iter().map(path).collect() });
    message::Rule { host: rule.host.unwrap_or_default(), value: Some(message::RuleValue { http }) }
}

fn ingress_message(object: typed::Ingress) -> message::Ingress {
    let meta = object.metadata;
    let spec = object.spec.unwrap_or_default();
    let balancer = object.status.and_then(|status| status.load_balancer).unwrap_or_default();
    let address = |entry: typed::IngressLoadBalancerIngress| message::Entry {
        key: entry.ip.unwrap_or_default(),
        value: entry.hostname.unwrap_or_default(),
    };
    let tls = |tls: typed::IngressTLS| message::Tls {
        hosts: tls.hosts.unwrap_or_default(),
        secret_name: tls.secret_name.unwrap_or_default(),
    };
    let blob = message::Entry { key: "kubectl".into(), value: "f:spec".repeat(50) };
    message::Ingress {
        metadata: Some(message::Meta {
            name: meta.name.unwrap_or_default(),
            namespace: meta.namespace.unwrap_or_default(),
            resource_version: meta.resource_version.unwrap_or_default(),
            generation: -1,
            creation_timestamp: meta
                .creation_timestamp
                .map(|time| message::Time { seconds: time.0.as_second(), unknown: u64::MAX }),
            labels: entries(meta.labels),
            annotations: entries(meta.annotations),
            managed_fields: vec![blob; 2],
        }),
        spec: Some(message::Spec {
            default_backend: spec.default_backend.map(backend_message),
            tls: spec.tls.unwrap_or_default().into_iter().map(tls).collect(),
            rules: spec.rules.unwrap_or_default().into_iter().map(rule_message).collect(),
            class: spec.ingress_class_name,
        }),
        status: Some(message::Status {
            load_balancer: Some(message::LoadBalancer {
                ingress: balancer.ingress.unwrap_or_default().into_iter().map(address).collect(),
            }),
        }),
    }
}

fn same_backend(record: Option<Backend<'_>>, typed: Option<&typed::IngressBackend>) -> bool {
    match (record, typed.and_then(|backend| backend.service.as_ref())) {
        (None, None) => true,
        (Some(Backend::Service { name, port }), Some(service)) => {
            let typed = service.port.clone().unwrap_or_default();
            let same_port = match port {
                None => typed.name.is_none() && typed.number.is_none(),
                Some(ServicePort::Name(name)) => typed.name.as_deref() == Some(name),
                Some(ServicePort::Number(number)) => typed.number == Some(i32::from(number)),
            };
            name == service.name && same_port
        }
        _ => false,
    }
}

proptest! {
    /// Both wire forms of an object give the same record.
    #[test]
    fn json_and_protobuf_give_the_same_record(object in ingress(), seconds in -1_000_000_000..4_000_000_000_i64) {
        let mut object = object;
        let created = jiff::Timestamp::from_second(seconds).unwrap();
        object.metadata.creation_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(created));
        let json = decode(&serde_json::to_string(&object).unwrap());
        let protobuf = Ingress::decode_protobuf(&ingress_message(object).encode_to_vec()).unwrap();
        prop_assert_eq!(json, protobuf);
    }

    /// A message cut anywhere, or with a byte changed anywhere, is a record or a typed error.
    #[test]
    fn damaged_protobuf_is_a_typed_error(object in ingress(), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut message = ingress_message(object).encode_to_vec();
        let at = at.index(message.len());
        let cut = Ingress::decode_protobuf(&message[..at]);
        message[at] = byte;
        for result in [cut, Ingress::decode_protobuf(&message)] {
            if let Err(error) = result {
                prop_assert!(error.to_string().contains(" at byte "), "{}", error);
            }
        }
    }

    /// The record says of every object what Kubernetes' own type says of it.
    #[test]
    fn the_record_agrees_with_the_typed_object(object in ingress()) {
        let record = decode(&serde_json::to_string(&object).unwrap());
        let spec = object.spec.unwrap();
        prop_assert_eq!(record.name(), object.metadata.name.as_deref().unwrap());
        prop_assert_eq!(record.namespace(), object.metadata.namespace.as_deref());
        prop_assert_eq!(record.class(), spec.ingress_class_name.as_deref());
        let pairs = |pairs: Vec<(&str, &str)>| -> std::collections::BTreeMap<String, String> {
            pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        prop_assert_eq!(pairs(record.labels()), object.metadata.labels.unwrap_or_default());
        prop_assert_eq!(pairs(record.annotations()), object.metadata.annotations.unwrap_or_default());
        prop_assert!(same_backend(record.default_backend(), spec.default_backend.as_ref()));
        let rules = spec.rules.unwrap_or_default();
        prop_assert_eq!(record.rules().len(), rules.len());
        for (ours, typed) in record.rules().into_iter().zip(&rules) {
            prop_assert_eq!(ours.host, typed.host.as_deref());
            let paths = typed.http.as_ref().map(|http| http.paths.clone()).unwrap_or_default();
            prop_assert_eq!(ours.paths.len(), paths.len());
            for (ours, typed) in ours.paths.into_iter().zip(&paths) {
                prop_assert_eq!(ours.path, typed.path.as_deref());
                prop_assert_eq!(ours.path_type, Some(typed.path_type.as_str()));
                prop_assert!(same_backend(ours.backend, Some(&typed.backend)));
            }
        }
        let tls = spec.tls.unwrap_or_default();
        prop_assert_eq!(record.tls().len(), tls.len());
        for (ours, typed) in record.tls().into_iter().zip(&tls) {
            prop_assert_eq!(ours.hosts, typed.hosts.clone().unwrap_or_default());
            prop_assert_eq!(ours.secret_name, typed.secret_name.as_deref());
        }
        let balancer = object.status.unwrap().load_balancer.unwrap();
        let ips: Vec<String> = balancer.ingress.unwrap_or_default().into_iter().filter_map(|entry| entry.ip).collect();
        prop_assert_eq!(record.addresses(), ips);
    }
}
