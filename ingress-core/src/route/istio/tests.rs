use super::*;
use crate::clock::Timestamp;
use crate::inventory::{Inventory, Knowledge};
use crate::key::ClusterId;

fn routes_of(spec: &str) -> Vec<Route> {
    let text = format!(r#"{{"metadata":{{"name":"r","namespace":"shop"}},"spec":{spec}}}"#);
    let of = VirtualService::decode_json(&mut serde_json::Deserializer::from_str(&text)).unwrap();
    let (mut inventory, cluster) = (Inventory::new(), ClusterId::new("c").unwrap());
    inventory.know::<Service>(&cluster, Knowledge::Live);
    for (name, ports) in [("one", r#"[{"port":9080}]"#), ("two", r#"[{"port":80},{"port":81}]"#)] {
        let service =
            format!(r#"{{"metadata":{{"name":"{name}","namespace":"books"}},"spec":{{"ports":{ports}}}}}"#);
        inventory.insert(
            &cluster,
            Service::decode_json(&mut serde_json::Deserializer::from_str(&service)).unwrap(),
        );
    }
    routes(&Reader::new(&inventory, &cluster, Timestamp::UNIX_EPOCH), &of)
}

/// The host and match of each route.
fn meant(spec: &str) -> Vec<String> {
    routes_of(spec).iter().map(|route| format!("{} {}", route.host, route.matches)).collect()
}

#[test]
fn each_host_with_each_match_makes_a_route_in_order() {
    let spec = r#"{"hosts":["a.example","*.b.example","*","reviews","*-v2.c.example"],"http":[{"match":[{"uri":{"prefix":"/x"}}]},{}]}"#;
    assert_eq!(
        meant(spec),
        [
            "a.example /x…",
            "*.b.example /x…",
            "* /x…",
            "reviews.shop.svc.cluster.local /x…",
            "*.c.example /x… host=…-v2.c.example",
            "a.example /…",
            "*.b.example /…",
            "* /…",
            "reviews.shop.svc.cluster.local /…",
            "*.c.example /… host=…-v2.c.example",
        ]
    );
    let routes = routes_of(spec);
    assert_eq!((routes[0].field.as_str(), routes[0].order), ("spec.http[0].match[0]", (0, 0)));
    assert_eq!((routes[5].field.as_str(), routes[5].order), ("spec.http[1]", (1, 0)));
    assert!(routes.iter().all(|route| route.precedence == Precedence::Position));
}

#[test]
fn matches_are_what_they_say() {
    let matched = |wanted: &str| {
        let all = meant(&format!(r#"{{"hosts":["a.example"],"http":[{{"match":[{wanted}]}}]}}"#));
        all[0].strip_prefix("a.example ").unwrap().to_owned()
    };
    for (wanted, expected) in [
        (r#"{"uri":{"exact":"/x"},"method":{"exact":"GET"}}"#, "GET /x"),
        (r#"{"uri":{"regex":"/x.*"},"method":{"regex":"GET|HEAD"}}"#, "~ /x.* method~GET|HEAD"),
        (r#"{"uri":{"prefix":"/X."},"ignoreUriCase":true}"#, "/… path~(?i)/X\\..*"),
        (r#"{"authority":{"prefix":"a."},"scheme":{"exact":"https"}}"#, "/… authority=a.… scheme=https"),
        (
            r#"{"headers":{"a":{"exact":"1"},"b":{"regex":"2+"},"c":{"prefix":"3"},"d":{}}}"#,
            "/… a=1 b~2+ c=3… d",
        ),
        (r#"{"queryParams":{"a":{"exact":"1"},"b":{"prefix":"2"}}}"#, "/… ?a=1 ?b=2…"),
        (r#"{"withoutHeaders":{"a":{"exact":"1"},"b":{}}}"#, "/… !a=1 !b"),
        (
            r#"{"port":8080,"sourceLabels":{"a":"b"},"sourceNamespace":"x"}"#,
            "/… port=8080 sourceLabels sourceNamespace=x",
        ),
    ] {
        assert_eq!(matched(wanted), expected, "{wanted}");
    }
}

#[test]
fn gateways_are_doors() {
    let entries = |more: &str, matched: &str| {
        routes_of(&format!(r#"{{"hosts":["a"],{more}"http":[{{"match":[{{{matched}}}]}}]}}"#))[0]
            .entries
            .clone()
    };
    let gateway = |namespace: &str, gateway: &str| Entry::IstioGateway {
        namespace: namespace.into(),
        gateway: gateway.into(),
    };
    assert_eq!(entries("", ""), [Entry::Mesh]);
    let all = r#""gateways":["infra/edge","own","mesh","./own"],"#;
    assert_eq!(entries(all, ""), [gateway("infra", "edge"), gateway("shop", "own"), Entry::Mesh]);
    assert_eq!(entries(all, r#""gateways":["own"]"#), [gateway("shop", "own")]);
}

#[test]
fn destinations_are_services_by_short_and_full_names() {
    let routes = routes_of(
        r#"{"hosts":["a"],"http":[{"route":[
            {"destination":{"host":"cart","port":{"number":80}},"weight":90},{"destination":{"host":"one.books"},"weight":10},
            {"destination":{"host":"two.books.svc.cluster.local"}},{"destination":{"host":"api.partner"}},
            {"destination":{"host":"api.partner.example.com"}}]},
          {"route":[{"destination":{"host":"one.books.svc"}}]},{"redirect":{"uri":"/"}},{"directResponse":{"status":503}},
          {"delegate":{"name":"other"}},{}]}"#,
    );
    let backends: Vec<_> = routes[0]
        .backends
        .iter()
        .map(|backend| {
            (backend.object.to_string(), backend.port.as_ref().map(ToString::to_string), backend.weight)
        })
        .collect();
    assert_eq!(
        backends,
        [
            ("Service shop/cart".into(), Some("80".into()), 90),
            ("Service books/one".into(), Some("9080".into()), 10),
            ("Service books/two".into(), None, 0),
            ("Host api.partner".into(), None, 0),
            ("Host api.partner.example.com".into(), None, 0),
        ]
    );
    assert_eq!(
        (routes[1].backends[0].weight, routes[1].backends[0].field.as_str()),
        (1, "spec.http[1].route[0].destination")
    );
    let answers: Vec<_> = routes.iter().map(|route| route.answers).collect();
    assert_eq!(answers, [false, false, true, true, true, false]);
}
