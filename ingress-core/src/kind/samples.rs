//! Objects as Kubernetes itself writes them, in JSON and in protobuf: `e2e/servers/samples` made the files in `samples/` with
//! Kubernetes' own types. Both must give one record, or a cluster's state would depend on how it was read.

use super::{EndpointSlice, Ingress, IngressClass, Kind, Pod, Service};

fn one_record<K: Kind>(name: &str, json: &str, protobuf: &[u8]) -> K {
    let record = K::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
    assert_eq!(K::decode_protobuf(protobuf).unwrap(), record, "{name} in protobuf");
    assert_eq!(K::restore(&record.stored()).unwrap(), record, "{name} as it is stored");
    record
}

/// The record of a sample, which all its forms give.
macro_rules! sample {
    ($kind:ty, $name:literal) => {{
        let json = include_str!(concat!("samples/", $name, ".json"));
        one_record::<$kind>($name, json, include_bytes!(concat!("samples/", $name, ".pb")))
    }};
}

#[test]
fn all_forms_give_one_record() {
    sample!(EndpointSlice, "endpointslice");
    sample!(Ingress, "ingress");
    sample!(IngressClass, "ingressclass");
    sample!(Pod, "pod");
    sample!(Service, "service");
}

#[test]
fn what_is_not_set_is_the_same_in_all_forms() {
    sample!(EndpointSlice, "endpointslice-bare");
    sample!(Ingress, "ingress-bare");
    sample!(IngressClass, "ingressclass-bare");
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
