use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::core::PartialObjectMeta;
use serde::Serialize;

use super::*;
use crate::error::ErrorKind;
use crate::source::WatchEvent;
use crate::wire::json;

/// A custom resource, as programs write them.
#[derive(kube::CustomResource, Debug, Clone, Serialize, serde::Deserialize)]
#[kube(group = "shop.example", version = "v1beta1", kind = "Shelf", plural = "shelves", namespaced)]
#[kube(schema = "disabled")]
struct ShelfSpec {
    boards: u32,
}

/// One that lives in no namespace.
#[derive(kube::CustomResource, Debug, Clone, Serialize, serde::Deserialize)]
#[kube(group = "shop.example", version = "v1", kind = "Warehouse", schema = "disabled")]
struct WarehouseSpec {}

fn added<K: Kind>(object: &str) -> Result<K, crate::SourceError> {
    let line = format!(r#"{{"type":"ADDED","object":{object}}}"#);
    match json::decode_event(line.as_bytes())? {
        WatchEvent::Applied(record) => Ok(record),
        other => panic!("{other:?}"),
    }
}

fn pod(metadata: &str) -> Typed<Pod> {
    let object = format!(r#"{{"metadata":{{{metadata}}},"spec":null}}"#);
    Typed::decode_json(&mut serde_json::Deserializer::from_str(&object)).unwrap()
}

#[test]
fn types_say_where_they_live() {
    let check = |resource: Resource, all: &str, one: &str| {
        assert_eq!(resource.path(None), all);
        assert_eq!(resource.path(Some("a")), one);
    };
    check(Typed::<Pod>::resource(), "/api/v1/pods", "/api/v1/namespaces/a/pods");
    check(Typed::<Node>::resource(), "/api/v1/nodes", "/api/v1/nodes");
    check(
        Typed::<Shelf>::resource(),
        "/apis/shop.example/v1beta1/shelves",
        "/apis/shop.example/v1beta1/namespaces/a/shelves",
    );
    let all = "/apis/shop.example/v1/warehouses";
    check(Typed::<Warehouse>::resource(), all, all);
    check(Typed::<PartialObjectMeta<Node>>::resource(), "/api/v1/nodes", "/api/v1/nodes");
    assert_eq!(Typed::<Ingress>::resource(), crate::Ingress::resource());
}

#[test]
fn a_pod_is_whole_but_for_its_managed_fields() {
    let pod: Typed<Pod> = added(
        r#"{"apiVersion":"v1","kind":"Pod",
            "metadata":{"namespace":"shop","name":"cart-0","uid":"u","resourceVersion":"7","labels":{"app":"cart"},
                "managedFields":[{"manager":"kubelet","operation":"Update","fieldsV1":{"f:status":{}}}]},
            "spec":{"containers":[{"name":"cart","image":"cart:1"}]},"status":{"phase":"Running"}}"#,
    )
    .unwrap();
    assert_eq!((pod.namespace(), pod.name(), pod.uid()), (Some("shop"), "cart-0", "u"));
    assert_eq!(pod.resource_version(), "7");
    assert_eq!(pod.metadata.managed_fields, None);
    assert_eq!(pod.metadata.labels.as_ref().unwrap()["app"], "cart");
    assert_eq!(pod.object().spec.as_ref().unwrap().containers[0].image.as_deref(), Some("cart:1"));
    assert_eq!(pod.into_inner().status.unwrap().phase.as_deref(), Some("Running"));
}

#[test]
fn null_is_what_gos_nil_is() {
    let service: Typed<Service> = added(
        r#"{"metadata":{"namespace":"shop","name":"cart","resourceVersion":"7","creationTimestamp":null,"labels":null,
                "managedFields":null,"ownerReferences":null},
            "spec":{"ports":null,"selector":null,"clusterIP":null},"status":{"loadBalancer":null,"conditions":null}}"#,
    )
    .unwrap();
    let spec = service.spec.as_ref().unwrap();
    assert_eq!((&spec.ports, &spec.selector, &spec.cluster_ip), (&None, &None, &None));
    assert_eq!(service.metadata.labels, None);
    assert_eq!(service.uid(), "");
    let page = json::decode_list::<Typed<Service>>(br#"{"metadata":{"resourceVersion":"9"},"items":null}"#);
    assert!(page.unwrap().items.is_empty());
    // Without a name it can't be placed, whatever the type thinks of it.
    for nameless in [r#"{"metadata":null}"#, "{}", r#"{"metadata":{"name":null,"resourceVersion":"1"}}"#] {
        assert_eq!(added::<Typed<Service>>(nameless).unwrap_err().kind(), ErrorKind::Malformed, "{nameless}");
    }
}

#[test]
fn custom_resources_and_kinds_without_namespaces() {
    let shelf: Typed<Shelf> = added(
        r#"{"apiVersion":"shop.example/v1beta1","kind":"Shelf",
            "metadata":{"namespace":"shop","name":"top","resourceVersion":"7"},"spec":{"boards":3},"more":[1]}"#,
    )
    .unwrap();
    assert_eq!((shelf.namespace(), shelf.name(), shelf.spec.boards), (Some("shop"), "top", 3));
    let node: Typed<Node> = added(
        r#"{"metadata":{"namespace":"","name":"n1","resourceVersion":"7"},"spec":{"podCIDR":"10.0.0.0/24"}}"#,
    )
    .unwrap();
    assert_eq!((node.namespace(), node.name()), (None, "n1"));
    let meta: Typed<PartialObjectMeta<Node>> =
        added(r#"{"metadata":{"name":"n1","resourceVersion":"7"},"spec":{"podCIDR":"10.0.0.0/24"}}"#)
            .unwrap();
    assert_eq!(meta.name(), "n1");
}

#[test]
fn a_list_leaves_the_type_of_its_items_out() {
    let body = br#"{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"9","continue":"t"},
        "items":[{"metadata":{"namespace":"a","name":"x","resourceVersion":"3"},"spec":{"containers":[]}}]}"#;
    let page = json::decode_list::<Typed<Pod>>(body).unwrap();
    assert_eq!((page.items[0].name(), page.continue_token.as_deref()), ("x", Some("t")));
}

#[test]
fn errors_quote_no_values() {
    let secrets = [
        r#"{"metadata":{"name":"x","resourceVersion":"1"},"spec":{"containers":"hunter2"}}"#,
        r#"{"metadata":{"name":"x","resourceVersion":"1","hunter2":"\x"}}"#,
        r#"{"apiVersion":"hunter2","metadata":{"name":"x","resourceVersion":"1"}}"#,
    ];
    for object in secrets {
        let error = added::<Typed<Pod>>(object).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed, "{object}");
        let told = format!("{error} {error:?}");
        assert!(told.contains("Pod: ") && !told.contains("hunter2"), "{told}");
    }
    let shelf = r#"{"metadata":{"name":"x","resourceVersion":"1"},"spec":{"boards":"hunter2"}}"#;
    let error = added::<Typed<Shelf>>(shelf).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn equal_revisions_are_equal_objects() {
    let one = pod(r#""name":"x","uid":"u","resourceVersion":"7""#);
    assert_eq!(one, one.clone());
    assert_eq!(one, pod(r#""name":"x","uid":"u","resourceVersion":"7","labels":{"ignored":"here"}"#));
    for other in [
        r#""name":"x","uid":"u","resourceVersion":"8""#,
        r#""name":"x","uid":"other","resourceVersion":"7""#,
        r#""name":"y","uid":"u","resourceVersion":"7""#,
        r#""namespace":"a","name":"x","uid":"u","resourceVersion":"7""#,
        r#""name":"x","uid":"u""#,
    ] {
        assert_ne!(one, pod(other), "{other}");
    }
}

#[test]
fn without_a_revision_nothing_is_equal() {
    for unmarked in [r#""name":"x","uid":"u""#, r#""name":"x","uid":"u","resourceVersion":"""#] {
        assert_ne!(pod(unmarked), pod(unmarked), "{unmarked}");
    }
    // A list may hold such objects, and a store keeps them.
    let body = br#"{"metadata":{"resourceVersion":"9"},"items":[{"metadata":{"name":"x"}}]}"#;
    let page = json::decode_list::<Typed<Pod>>(body).unwrap();
    assert_eq!(page.items[0].resource_version(), "");
}
