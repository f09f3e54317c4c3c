//! What routes are made of, as nodes and edges.

use serde_json::{Value, json};

use crate::live::{Grants, Live, Stage, class, ingress, pod, secret, service, slice};

/// What is said of one node.
fn node<'a>(topology: &'a Value, kind: &str, name: &str) -> &'a Value {
    let nodes = topology["nodes"].as_array().unwrap();
    let found = nodes.iter().find(|node| node["kind"] == kind && node["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name} in {topology:#}"))
}

/// The kinds of what a node leads to, with how, and whether requests get there.
fn from(topology: &Value, id: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let edges = topology["edges"].as_array().unwrap().iter().filter(|edge| edge["from"] == *id);
    let kind = |id: &Value| {
        let nodes = topology["nodes"].as_array().unwrap();
        text(&nodes.iter().find(|node| node["id"] == *id).unwrap()["kind"])
    };
    let mut all: Vec<_> =
        edges.map(|edge| (text(&edge["kind"]), kind(&edge["to"]), text(&edge["verdict"]))).collect();
    all.sort();
    all.dedup();
    all
}

fn edge(kind: &str, to: &str, verdict: &str) -> (String, String, String) {
    (kind.to_owned(), to.to_owned(), verdict.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_route_leads_from_its_door_to_pods_and_a_certificate() {
    let live = Live::new(&Grants::new());
    live.put(&class());
    live.put(&ingress("shop", "web", "shop.example.com", "tls", 1));
    live.put(&service("shop"));
    live.put(&slice("shop", 2));
    live.put(&pod("shop", 0, true));
    live.put(&pod("shop", 1, false));
    live.put(&secret("shop", "tls"));
    let stage = Stage::set(live).await;
    let topology = stage.get("all", "/api/topology?namespace=shop").await;
    let route = topology["nodes"].as_array().unwrap().iter().find(|node| node["kind"] == "Route").unwrap();
    // Its certificate can't be read, so requests never get further.
    assert_eq!((&route["verdict"], &route["label"]), (&json!("broken"), &json!("shop.example.com /…")));
    let door = node(&topology, "IngressClass", "nginx");
    assert_eq!((&door["verdict"], &door["label"]), (&json!("ok"), &json!("example.com/ingress")));
    assert_eq!(from(&topology, &door["id"]), [edge("entry", "Ingress", "ok")]);
    assert_eq!(from(&topology, &node(&topology, "Ingress", "web")["id"]), [edge("rule", "Route", "ok")]);
    assert_eq!(
        from(&topology, &route["id"]),
        [edge("backend", "Service", "ok"), edge("certificate", "Secret", "broken")]
    );
    assert_eq!(
        from(&topology, &node(&topology, "Service", "web")["id"]),
        [edge("endpoints", "EndpointSlice", "ok")]
    );
    assert_eq!(
        from(&topology, &node(&topology, "EndpointSlice", "web-a")["id"]),
        [edge("pod", "Pod", "broken"), edge("pod", "Pod", "ok")]
    );
    assert_eq!(node(&topology, "Pod", "web-0")["verdict"], "ok");
    assert!(node(&topology, "Secret", "tls")["codes"].as_array().unwrap().contains(&json!("TLS004")));
    assert_eq!(topology["leftOut"], json!({"routes": 0, "slices": 0, "pods": 0}));
    let id = route["name"].as_str().unwrap();
    let alone = stage.get("all", &format!("/api/topology?route={id}")).await;
    assert_eq!((&alone["nodes"], &alone["edges"]), (&topology["nodes"], &topology["edges"]));
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_is_unknown_and_not_left_out() {
    let grants = ["ingresses", "services"].map(|plural| (plural, Some("shop")));
    let live = Live::new(&Grants::from(grants));
    live.put(&class());
    live.put(&ingress("shop", "web", "shop.example.com", "tls", 1));
    live.put(&service("shop"));
    live.put(&slice("shop", 2));
    live.put(&pod("shop", 0, true));
    let stage = Stage::set(live).await;
    let topology = stage.get("part", "/api/topology?namespace=shop").await;
    assert_eq!(node(&topology, "IngressClass", "nginx")["verdict"], "unknown");
    for (kind, name) in [("Secret", json!("tls")), ("EndpointSlice", Value::Null), ("Pod", Value::Null)] {
        let nodes = topology["nodes"].as_array().unwrap();
        let found = nodes.iter().find(|node| node["kind"] == kind).unwrap();
        assert_eq!(
            (&found["name"], &found["verdict"], &found["why"]),
            (&name, &json!("unknown"), &json!("forbidden"))
        );
    }
    assert!(!topology.to_string().contains("web-0") && !topology.to_string().contains("web-a"));
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_pods_is_counted_and_not_shown() {
    let live = Live::new(&Grants::new());
    live.put(&ingress("shop", "web", "shop.example.com", "tls", 1));
    live.put(&service("shop"));
    for at in 0..60 {
        live.put(&pod("shop", at, true));
    }
    let stage = Stage::set(live).await;
    let topology = stage.get("all", "/api/topology?namespace=shop").await;
    let pods = topology["nodes"].as_array().unwrap().iter().filter(|node| node["kind"] == "Pod").count();
    assert_eq!((pods, &topology["leftOut"]["pods"]), (50, &json!(10)));
}
