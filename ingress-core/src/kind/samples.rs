//! Objects as Kubernetes itself writes them, in JSON and in protobuf: `e2e/servers/samples` made the files in `samples/` with
//! Kubernetes' own types; protobuf lies there as hexadecimal digits. Both must give one record, or a cluster's state would depend on how it was read.

use super::{
    Ambiguity, BackendPlace, DeploymentMeta, EndpointSlice, Endpoints, Event, Ingress, IngressClass, Kind,
    LabelSelector, MESSAGE_BYTES, NetworkPolicy, Pod, ReplicaSetMeta, Service,
};

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn one_record<K: Kind>(name: &str, json: &str, protobuf: &str) -> K {
    let record = K::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
    assert_eq!(K::decode_protobuf(&bytes(protobuf)).unwrap(), record, "{name} in protobuf");
    assert_eq!(K::restore(&record.stored()).unwrap(), record, "{name} as it is stored");
    record
}

/// The record of a sample, which all its forms give.
macro_rules! sample {
    ($kind:ty, $name:literal) => {{
        let json = include_str!(concat!("samples/", $name, ".json"));
        one_record::<$kind>($name, json, include_str!(concat!("samples/", $name, ".hex")))
    }};
}

#[test]
fn all_forms_give_one_record() {
    sample!(DeploymentMeta, "deployment");
    sample!(EndpointSlice, "endpointslice");
    sample!(Endpoints, "endpoints");
    sample!(Event, "event");
    sample!(Event, "event-series");
    sample!(Ingress, "ingress");
    sample!(IngressClass, "ingressclass");
    sample!(NetworkPolicy, "networkpolicy");
    sample!(Pod, "pod");
    sample!(ReplicaSetMeta, "replicaset");
    sample!(Service, "service");
}

#[test]
fn what_is_not_set_is_the_same_in_all_forms() {
    sample!(EndpointSlice, "endpointslice-bare");
    sample!(Endpoints, "endpoints-bare");
    sample!(Ingress, "ingress-bare");
    sample!(IngressClass, "ingressclass-bare");
    sample!(NetworkPolicy, "networkpolicy-bare");
    sample!(Pod, "pod-bare");
    let service = sample!(Service, "service-bare");
    assert_eq!(service.spec.ports.first().unwrap().target_port, None);
    assert_eq!(service.metadata.creation_timestamp, None);
}

#[test]
fn a_pods_environment_is_not_kept() {
    let pod = sample!(Pod, "pod");
    assert!(!format!("{pod:?} {}", pod.stored()).contains("s3cret"));
    let crashed = pod.status.container_statuses.first().unwrap();
    assert_eq!(crashed.last_state.terminated.as_ref().map(|ended| ended.exit_code), Some(137));
    assert_eq!(pod.ports().map(|port| port.container_port).collect::<Vec<_>>(), [8080, 9090, 15006]);
    assert_eq!(pod.metadata.controller().map(|owner| owner.kind.as_str()), Some("ReplicaSet"));
}

#[test]
fn of_a_deployment_nothing_but_its_metadata_is_kept() {
    let deployment = sample!(DeploymentMeta, "deployment");
    assert!(!format!("{deployment:?} {}", deployment.stored()).contains("s3cret"));
    assert!(DeploymentMeta::resource().only_metadata);
    let set = sample!(ReplicaSetMeta, "replicaset");
    assert_eq!(set.metadata.owner_references.len(), 2);
}

#[test]
fn both_styles_of_events_say_the_same() {
    let counted = sample!(Event, "event");
    assert_eq!((counted.count, counted.reporting_component.as_str()), (12, "kubelet"));
    assert_eq!(counted.last_timestamp.unwrap().to_string(), "2026-03-01T09:40:00Z");
    assert!(counted.metadata.labels.is_empty() && counted.metadata.annotations.is_empty());
    let series = sample!(Event, "event-series");
    assert_eq!((series.count, series.reporting_component.as_str()), (4, "example.com/controller"));
    assert_eq!(series.first_timestamp.unwrap().to_string(), "2026-03-01T09:30:00.123456Z");
    assert_eq!(series.last_timestamp.unwrap().to_string(), "2026-03-01T09:35:00.654321Z");
    assert_eq!(Event::resource().fields, "type=Warning");
}

#[test]
fn a_long_message_is_cut_between_two_characters() {
    let json = format!(r#"{{"metadata":{{"name":"e"}},"message":"{}"}}"#, "\u{e9}".repeat(400) + "x");
    let event = Event::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap();
    assert_eq!(event.message.len(), MESSAGE_BYTES);
    let json = json.replace("\":\"", "\":\"y");
    let event = Event::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap();
    assert_eq!(event.message.len(), MESSAGE_BYTES - 1);
    assert_eq!((event.count, event.last_timestamp), (1, None));
}

#[test]
fn a_policy_without_ports_or_peers_leaves_them_open() {
    let policy = sample!(NetworkPolicy, "networkpolicy");
    let [first, everybody] = policy.spec.ingress.as_slice() else { panic!("it has two rules") };
    assert_eq!((first.ports.len(), first.from.len(), everybody.from.len()), (3, 3, 0));
    let ports: Vec<_> = first.ports.iter().map(|port| (port.port.clone(), port.end_port)).collect();
    assert_eq!(ports, [(Some("web".into()), None), (Some(32000.into()), Some(32768)), (None, None)]);
    let own = first.from.first().unwrap();
    assert!(
        own.namespace_selector.is_none()
            && own.pod_selector.as_ref().is_some_and(|all| *all == LabelSelector::default())
    );
    assert!(policy.restricts_ingress() && sample!(NetworkPolicy, "networkpolicy-bare").restricts_ingress());
}

#[test]
fn what_is_odd_about_an_ingress_is_kept() {
    let ingress = sample!(Ingress, "ingress");
    let errors: Vec<_> = ingress.port_errors().iter().map(|it| (it.address, it.port, it.error)).collect();
    assert_eq!(errors, [("203.0.113.7", 80, "LoadBalancerPending")]);
    assert_eq!((ingress.ingress_class_name(), ingress.class_annotation()), (Some("nginx"), None));
    assert!(ingress.ambiguities().is_empty());
    let decode = |json: &str| Ingress::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
    let twice = decode(
        r#"{"metadata":{"name":"x","annotations":{"kubernetes.io/ingress.class":"old"}},"spec":{"ingressClassName":"new",
        "defaultBackend":{"service":{"name":"a","port":{"name":"http","number":80}}},"rules":[{},{"http":{"paths":[
        {"backend":{"service":{"name":"a","port":{"number":80}}}},
        {"backend":{"service":{"name":"a","port":{"number":80}},"resource":{"kind":"K","name":"b"}}}]}}]}}"#,
    );
    let path = BackendPlace::Path { rule: 1, path: 1 };
    assert_eq!(
        twice.ambiguities(),
        [(path, Ambiguity::ServiceAndResource), (BackendPlace::Default, Ambiguity::NameAndNumber)]
    );
    assert_eq!((twice.class(), twice.class_annotation()), (Some("new"), Some("old")));
    assert!(!twice.annotations_truncated() && twice.port_errors().is_empty());
    let old = decode(r#"{"metadata":{"name":"x","annotations":{"kubernetes.io/ingress.class":"old"}}}"#);
    assert_eq!(
        (old.class(), old.class_annotation(), old.ingress_class_name()),
        (Some("old"), Some("old"), None)
    );
    assert_eq!(decode(r#"{"metadata":{"name":"x"}}"#).class_annotation(), None);
}
