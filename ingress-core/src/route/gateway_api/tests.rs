use super::*;
use crate::clock::Timestamp;
use crate::inventory::{Inventory, Knowledge};
use crate::key::ClusterId;
use crate::kind::{Kind, NamespaceRecord};

fn read<K: Kind>(json: &str) -> K {
    K::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap()
}

/// A gateway with a listener for every host, one for a wildcard by selector, and one for a single host.
const EDGE: &str = r#"{"metadata":{"name":"edge","namespace":"infra"},"spec":{"gatewayClassName":"eg","listeners":[
    {"name":"any","port":80,"protocol":"HTTP","allowedRoutes":{"namespaces":{"from":"All"}}},
    {"name":"wild","port":443,"protocol":"HTTPS","hostname":"*.example.com",
     "tls":{"certificateRefs":[{"name":"wild"},{"name":"other","namespace":"certs"}]},
     "allowedRoutes":{"namespaces":{"from":"Selector","selector":{"matchLabels":{"edge":"yes"}}}}},
    {"name":"one","port":8443,"protocol":"HTTPS","hostname":"one.example.com","tls":{"certificateRefs":[{"name":"one"}]},
     "allowedRoutes":{"namespaces":{"from":"All"}}},
    {"name":"own","port":9000,"protocol":"HTTP"}]},
    "status":{"addresses":[{"value":"203.0.113.7"}]}}"#;

fn inventory() -> Inventory {
    let (mut inventory, cluster) = (Inventory::new(), cluster());
    inventory.know::<Gateway>(&cluster, Knowledge::Live);
    inventory.know::<NamespaceRecord>(&cluster, Knowledge::Live);
    inventory.insert(&cluster, read::<Gateway>(EDGE));
    inventory
        .insert(&cluster, read::<NamespaceRecord>(r#"{"metadata":{"name":"shop","labels":{"edge":"yes"}}}"#));
    inventory.insert(&cluster, read::<NamespaceRecord>(r#"{"metadata":{"name":"bank"}}"#));
    inventory
}

fn cluster() -> ClusterId {
    ClusterId::new("c").unwrap()
}

fn routes_of(inventory: &Inventory, namespace: &str, spec: &str) -> Vec<Route> {
    let route = format!(
        r#"{{"metadata":{{"name":"r","namespace":"{namespace}","labels":{{"edge":"yes"}}}},"spec":{spec}}}"#
    );
    let cluster = cluster();
    http_routes(&Reader::new(inventory, &cluster, Timestamp::UNIX_EPOCH), &read::<HttpRoute>(&route))
}

/// Each host with its listeners.
fn doors(namespace: &str, hostnames: &str, parent: &str) -> Vec<String> {
    let spec = format!(
        r#"{{"hostnames":{hostnames},"parentRefs":[{{"name":"edge","namespace":"infra"{parent}}}],"rules":[{{}}]}}"#
    );
    let shown = |route: Route| {
        let listeners = route.entries.iter().map(|entry| match entry {
            Entry::Listener { listener, .. } => listener.as_str(),
            _ => "?",
        });
        format!("{} {}", route.host, listeners.collect::<Vec<_>>().join(","))
    };
    routes_of(&inventory(), namespace, &spec).into_iter().map(shown).collect()
}

#[test]
fn hosts_are_those_that_route_and_listener_share() {
    assert_eq!(doors("shop", "[]", ""), ["* any", "one.example.com one", "*.example.com wild"]);
    assert_eq!(doors("shop", r#"["one.example.com"]"#, ""), ["one.example.com any,wild,one"]);
    assert_eq!(doors("shop", r#"["*.example.com"]"#, ""), ["one.example.com one", "*.example.com any,wild"]);
    assert_eq!(doors("shop", r#"["other.net"]"#, ""), ["other.net any"]);
}

#[test]
fn a_listener_lets_in_whom_it_wants() {
    // By the labels of the namespace, not by those of the route.
    assert_eq!(doors("bank", "[]", r#","sectionName":"wild""#), ["* "]);
    assert_eq!(doors("shop", "[]", r#","sectionName":"wild""#), ["*.example.com wild"]);
    assert_eq!(doors("shop", "[]", r#","port":8443"#), ["one.example.com one"]);
    assert_eq!(doors("shop", "[]", r#","sectionName":"own""#), ["* "]);
    assert_eq!(doors("infra", "[]", r#","sectionName":"own""#), ["* own"]);
    assert_eq!(doors("shop", "[]", r#","sectionName":"wild","port":80"#), ["* "]);
    assert_eq!(
        doors("shop", r#"["a.net","b.example.com"]"#, r#","sectionName":"wild""#),
        ["a.net ", "b.example.com wild"]
    );
}

#[test]
fn a_route_has_the_addresses_and_certificates_of_its_listeners() {
    let spec = r#"{"hostnames":["one.example.com"],"parentRefs":[{"name":"edge","namespace":"infra","sectionName":"wild"},
        {"name":"edge","namespace":"infra","sectionName":"one"},{"name":"edge","namespace":"infra"}],"rules":[{}]}"#;
    let routes = routes_of(&inventory(), "shop", spec);
    let [route] = routes.as_slice() else { panic!("one route: {routes:?}") };
    assert_eq!(route.addresses, ["203.0.113.7"]);
    assert_eq!(route.entries.len(), 3, "each listener once");
    let tls = route.tls.as_ref().unwrap();
    let secrets: Vec<_> = tls.secrets.iter().map(ToString::to_string).collect();
    assert_eq!(secrets, ["Secret infra/wild", "Secret certs/other", "Secret infra/one"]);
    assert_eq!(
        (tls.object.to_string().as_str(), tls.field.as_str()),
        ("Gateway infra/edge", "spec.listeners[1].tls")
    );
}

#[test]
fn without_its_gateway_a_route_has_no_entries() {
    let mut inventory = Inventory::new();
    inventory.know::<Gateway>(&cluster(), Knowledge::Live);
    let spec = r#"{"parentRefs":[{"name":"edge"},{"group":"","kind":"Service","name":"cart"}],"rules":[{}]}"#;
    let routes = routes_of(&inventory, "shop", spec);
    assert_eq!((routes.len(), routes[0].entries.len()), (1, 0));
}

#[test]
fn each_match_of_each_rule_makes_a_route() {
    let spec = r#"{"hostnames":["shop.example.com"],"rules":[
        {"matches":[{"path":{"type":"Exact","value":"/a"},"method":"GET"},
          {"path":{"value":"/b"},"headers":[{"name":"X-V","value":"1"},{"name":"x-v","value":"2"}],
           "queryParams":[{"type":"RegularExpression","name":"q","value":"[0-9]+"}]},
          {"path":{"type":"RegularExpression","value":"/c.*"}},{"path":{"type":"Glob","value":"/d*"}}],
         "backendRefs":[{"name":"a","port":80},{"name":"b","port":81,"weight":3,"namespace":"next"},
           {"group":"multicluster.x-k8s.io","kind":"ServiceImport","name":"c","port":82,"weight":0}]},
        {"filters":[{"type":"RequestRedirect","requestRedirect":{"scheme":"https"}}]}]}"#;
    let routes = routes_of(&inventory(), "shop", spec);
    let shown: Vec<_> =
        routes.iter().map(|route| (route.field.as_str(), route.matches.to_string())).collect();
    assert_eq!(
        shown,
        [
            ("spec.rules[0].matches[0]", "GET /a".to_owned()),
            ("spec.rules[0].matches[1]", "/b/… x-v=1 ?q~[0-9]+".to_owned()),
            ("spec.rules[0].matches[2]", "~ /c.*".to_owned()),
            ("spec.rules[0].matches[3]", "/d* (ImplementationSpecific)".to_owned()),
            ("spec.rules[1].matches[0]", "/…".to_owned()),
        ]
    );
    let backends: Vec<_> = routes[0]
        .backends
        .iter()
        .map(|backend| (backend.object.to_string(), backend.weight, backend.field.as_str()))
        .collect();
    assert_eq!(
        backends,
        [
            ("Service shop/a".to_owned(), 1, "spec.rules[0].backendRefs[0]"),
            ("Service next/b".to_owned(), 3, "spec.rules[0].backendRefs[1]"),
            ("ServiceImport shop/c".to_owned(), 0, "spec.rules[0].backendRefs[2]"),
        ]
    );
    assert_eq!(
        routes.iter().map(|route| route.answers).collect::<Vec<_>>(),
        [false, false, false, false, true]
    );
    let mut ids: Vec<_> = routes.iter().map(|route| route.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn a_call_is_a_request_for_a_path() {
    let path = |of: &str| grpc_path(&serde_json::from_str(of).unwrap()).to_string();
    assert_eq!(path(r#"{"service":"shop.Cart","method":"Add"}"#), "/shop.Cart/Add");
    assert_eq!(path(r#"{"service":"shop.Cart"}"#), "/shop.Cart/…");
    assert_eq!(path(r#"{"method":"Add"}"#), "~ /[^/]+/Add");
    assert_eq!(path("{}"), "/…");
    assert_eq!(path(r#"{"type":"RegularExpression","service":"shop\\..*"}"#), "~ /(?:shop\\..*)/(?:[^/]+)");
    let route = r#"{"metadata":{"name":"g","namespace":"shop"},"spec":{"hostnames":["grpc.example.com"],
        "parentRefs":[{"name":"edge","namespace":"infra","sectionName":"any"}],
        "rules":[{"matches":[{"method":{"service":"shop.Cart"},"headers":[{"name":"v","value":"2"}]}],
                  "backendRefs":[{"name":"cart","port":9000}]},{"backendRefs":[{"name":"rest","port":9000}]}]}}"#;
    let (inventory, cluster) = (inventory(), cluster());
    let routes =
        grpc_routes(&Reader::new(&inventory, &cluster, Timestamp::UNIX_EPOCH), &read::<GrpcRoute>(route));
    let shown: Vec<_> = routes.iter().map(|route| route.matches.to_string()).collect();
    assert_eq!(shown, ["/shop.Cart/… v=2", "/…"]);
    assert_eq!(routes[1].entries.len(), 1);
}

#[test]
fn a_tls_route_is_for_its_hosts_at_listeners_that_speak_tls() {
    let edge = EDGE.replace(
        r#"{"name":"own""#,
        r#"{"name":"pass","port":443,"protocol":"TLS","hostname":"*.pass.example","tls":{"mode":"Passthrough"},
            "allowedRoutes":{"namespaces":{"from":"All"}}},{"name":"own""#,
    );
    let (mut inventory, cluster) = (inventory(), cluster());
    inventory.insert(&cluster, read::<Gateway>(&edge));
    let route = r#"{"metadata":{"name":"t","namespace":"shop"},"spec":{"hostnames":["db.pass.example","other.net"],
        "parentRefs":[{"name":"edge","namespace":"infra"}],"rules":[{"backendRefs":[{"name":"db","port":5432}]}]}}"#;
    let routes =
        tls_routes(&Reader::new(&inventory, &cluster, Timestamp::UNIX_EPOCH), &read::<TlsRoute>(route));
    let shown: Vec<_> = routes
        .iter()
        .map(|route| {
            (route.host.to_string(), route.matches.path.clone(), route.entries.len(), route.field.as_str())
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("db.pass.example".to_owned(), PathMatch::Any, 1, "spec.rules[0]"),
            ("other.net".to_owned(), PathMatch::Any, 0, "spec.rules[0]"),
        ]
    );
    assert!(routes[0].tls.is_none() && routes[0].backends[0].object.to_string() == "Service shop/db");
}
