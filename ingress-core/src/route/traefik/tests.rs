use super::*;
use crate::clock::Timestamp;
use crate::inventory::Inventory;
use crate::key::ClusterId;

fn routes_of(spec: &str) -> Vec<Route> {
    let text = format!(r#"{{"metadata":{{"name":"r","namespace":"shop"}},"spec":{spec}}}"#);
    let of = IngressRoute::decode_json(&mut serde_json::Deserializer::from_str(&text)).unwrap();
    let (inventory, cluster) = (Inventory::new(), ClusterId::new("c").unwrap());
    routes(&Reader::new(&inventory, &cluster, Timestamp::UNIX_EPOCH), &of)
}

/// The hosts and matches of a rule.
fn meant(rule: &str) -> Vec<String> {
    let rule = serde_json::Value::from(rule);
    let routes = routes_of(&format!(r#"{{"routes":[{{"match":{rule}}}]}}"#));
    routes.iter().map(|route| format!("{} {}", route.host, route.matches)).collect()
}

#[test]
fn a_rule_makes_a_route_for_each_of_its_alternatives() {
    for (rule, expected) in [
        ("Host(`Shop.example.com`) && PathPrefix(`/cart`)", &["shop.example.com /cart…"][..]),
        (
            "(Host(`a.example`) || Host(`b.example`)) && (Path(`/x`) || PathPrefix(`/y`))",
            &["a.example /x", "a.example /y…", "b.example /x", "b.example /y…"],
        ),
        ("Host(`a.example`, `b.example`)", &["a.example /…", "b.example /…"]),
        ("Method(`get`) && Header(`X-V`, `2`)", &["* GET /… x-v=2"]),
        ("Host(`a`) && !PathPrefix(`/x`)", &["a /… !path=/x…"]),
        ("!(Host(`a`) || Path(`/x`))", &["* /… !host=a !path=/x"]),
        ("!(Host(`a`) && Path(`/x`))", &["* /… !host=a", "* /… !path=/x"]),
        ("!!Host(`a`)", &["a /…"]),
        ("HostRegexp(`^a`) && PathRegexp(`b$`)", &["* /… host~~^a path~~b$"]),
        ("Host(`a`) && ClientIP(`10.0.0.0/8`)", &["a /… ClientIP(`10.0.0.0/8`)"]),
        ("Host(`a`) && !ClientIP(`10.0.0.0/8`)", &["a /… !ClientIP(`10.0.0.0/8`)"]),
        ("Host(`a`) && Host(`b`) && Path(`/a`) && Path(`/b`)", &["a /a host=b path=/b"]),
        ("Host(`a`) &&", &["a /… Host(`a`) &&"]),
        ("nonsense", &["* /… nonsense"]),
    ] {
        assert_eq!(meant(rule), expected, "{rule}");
    }
}

#[test]
fn long_lists_are_routes_and_rules_of_too_many_alternatives_are_one_condition() {
    let hosts: Vec<_> = (0..200).map(|at| format!("Host(`h{at}.example`)")).collect();
    assert_eq!(meant(&hosts.join(" || ")).len(), 200);
    let choice = "(Host(`a`) || Path(`/b`))";
    let [one] = &meant(&[choice; 10].join(" && "))[..] else { panic!("one route") };
    assert!(one.starts_with("* /… ((host=a or path=/b) and (host=a or path=/b) and"), "{one}");
    let rule = format!("!({})", ["(Host(`a`) && Path(`/b`))"; 10].join(" || "));
    let [one] = &meant(&rule)[..] else { panic!("one route") };
    assert!(one.starts_with("* /… ((!host=a or !path=/b) and (!host=a or !path=/b) and"), "{one}");
    // However many rules an object has.
    let rule =
        format!(r#"{{"match":{}}}"#, serde_json::Value::from(["(Host(`a`) || Path(`/b`))"; 6].join(" && ")));
    let routes = routes_of(&format!(r#"{{"routes":[{}]}}"#, vec![rule; 200].join(",")));
    assert_eq!(routes.len(), 64 * 64 + 136);
}

#[test]
fn priorities_services_and_certificates_are_as_written() {
    let routes = routes_of(
        r#"{"entryPoints":["websecure","web","web"],"tls":{"secretName":"shop-tls"},"routes":[
            {"match":"Host(`a.example`)","services":[{"name":"a","port":80},{"name":"b","port":"web","namespace":"next","weight":3},
              {"name":"c","port":"8080"},{"name":"api@internal","kind":"TraefikService"}]},
            {"match":"Host(`a.example`)","priority":-5},{"match":"Host(`a.example`)","priority":0}]}"#,
    );
    let precedence: Vec<_> = routes.iter().map(|route| route.precedence).collect();
    assert_eq!(precedence, [17, -5, 17].map(Precedence::Priority));
    let entry = |name: &str| Entry::EntryPoint { name: Some(name.into()) };
    assert_eq!(routes[0].entries, [entry("web"), entry("websecure")]);
    assert_eq!(routes[0].tls.as_ref().unwrap().secrets[0].to_string(), "Secret shop/shop-tls");
    let backends: Vec<_> = routes[0]
        .backends
        .iter()
        .map(|backend| {
            (backend.object.to_string(), backend.port.clone(), backend.weight, backend.field.as_str())
        })
        .collect();
    let number = |number| Some(BackendPort::Number(number));
    assert_eq!(
        backends,
        [
            ("Service shop/a".into(), number(80), 1, "spec.routes[0].services[0]"),
            ("Service next/b".into(), Some(BackendPort::Name("web".into())), 3, "spec.routes[0].services[1]"),
            ("Service shop/c".into(), number(8080), 1, "spec.routes[0].services[2]"),
            ("TraefikService shop/api@internal".into(), None, 1, "spec.routes[0].services[3]"),
        ]
    );
    let mut ids: Vec<_> = routes.iter().map(|route| route.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(
        routes_of(r#"{"routes":[{"match":"Host(`a`)"}]}"#)[0].entries,
        [Entry::EntryPoint { name: None }]
    );
}
