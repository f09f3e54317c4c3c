use super::*;
use crate::clock::Timestamp;
use crate::diagnose::{Settings, diagnose_all};
use crate::inventory::{Inventory, Knowledge};
use crate::key::ClusterId;
use crate::kind::{BackendTrafficPolicy, HttpRoute, Kind};

#[test]
fn a_fact_has_its_name_in_json() {
    let facts = [
        Fact::Rewrite { host: None, path: Some(PathChange::Prefix("/v2".into())) },
        Fact::TlsRedirect { on: true, status: Some(308), port: None },
        Fact::MaxBodySize { bytes: None },
        Fact::Timeout { of: TimeoutOf::BackendRequest, milliseconds: Some(2000) },
        Fact::BackendProtocol { protocol: Protocol::H2c },
        Fact::RegularExpressions { on: true },
        Fact::Unparsable { expected: "a number".into() },
    ];
    for fact in facts {
        let json = serde_json::to_value(&fact).unwrap();
        assert_eq!(json["name"], fact.name(), "{json}");
    }
    let rewrite = Fact::Rewrite { host: None, path: Some(PathChange::Prefix("/v2".into())) };
    assert_eq!(
        serde_json::to_string(&rewrite).unwrap(),
        r#"{"name":"rewrite","host":null,"path":{"change":"prefix","to":"/v2"}}"#
    );
}

#[test]
fn a_rule_of_gateway_api_says_the_same_in_fields() {
    let cluster = ClusterId::new("c").unwrap();
    let mut inventory = Inventory::new();
    inventory.know::<BackendTrafficPolicy>(&cluster, Knowledge::Live);
    let policy = |name: &str, target: &str, requests: i64| {
        let json = serde_json::json!({"metadata": {"name": name, "namespace": "shop"}, "spec": {"targetRefs": [{
            "group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "cart", "sectionName": target}],
            "timeout": {"tcp": {"connectTimeout": "1s"}, "http": {"requestTimeout": "soon"}},
            "rateLimit": {"global": {"rules": [{"limit": {"requests": requests, "unit": "Minute"}}]}},
            "retry": {"retryOn": {"triggers": ["reset"], "httpStatusCodes": [503]}}}});
        BackendTrafficPolicy::decode_json(&mut serde_json::Deserializer::from_str(&json.to_string())).unwrap()
    };
    inventory.insert(&cluster, policy("limits", "api", 30));
    inventory.insert(&cluster, policy("others", "web", 10));
    let json = r#"{"metadata":{"name":"cart","namespace":"shop"},"spec":{"rules":[{"name":"api","filters":[
        {"type":"RequestHeaderModifier","requestHeaderModifier":{"set":[{"name":"Authorization","value":"Bearer hush"}]}},
        {"type":"RequestMirror","requestMirror":{"backendRef":{"name":"shadow","port":80},"percent":5}},
        {"type":"URLRewrite","urlRewrite":{"path":{"type":"ReplacePrefixMatch","replacePrefixMatch":"/v2"}}}],
        "timeouts":{"request":"10s","backendRequest":"0s"},"retry":{"attempts":3,"codes":[502]}}]}}"#;
    let route = HttpRoute::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
    inventory.insert(&cluster, route);
    let all = diagnose_all(&inventory, &cluster, Timestamp::UNIX_EPOCH, &Settings::default());
    let settings = &all[0].route.settings;
    let told: Vec<_> =
        settings.iter().map(|setting| (setting.field.as_str(), setting.fact.clone())).collect();
    let retries = |attempts, on: &[&str]| Fact::Retries {
        attempts: Some(attempts),
        on: on.iter().map(|&on| on.to_owned()).collect(),
        milliseconds: None,
    };
    assert_eq!(
        told,
        [
            (
                "spec.rules[0].filters[0].requestHeaderModifier",
                Fact::Headers {
                    of: HeadersOf::Request,
                    set: vec!["Authorization".into()],
                    add: Vec::new(),
                    remove: Vec::new()
                }
            ),
            (
                "spec.rules[0].filters[1].requestMirror",
                Fact::Mirror { to: "shop/shadow:80".into(), percent: Some(5) }
            ),
            (
                "spec.rules[0].filters[2].urlRewrite",
                Fact::Rewrite { host: None, path: Some(PathChange::Prefix("/v2".into())) }
            ),
            (
                "spec.rules[0].timeouts.request",
                Fact::Timeout { of: TimeoutOf::Request, milliseconds: Some(10_000) }
            ),
            (
                "spec.rules[0].timeouts.backendRequest",
                Fact::Timeout { of: TimeoutOf::BackendRequest, milliseconds: None }
            ),
            ("spec.rules[0].retry", retries(3, &["502"])),
            (
                "spec.timeout.tcp.connectTimeout",
                Fact::Timeout { of: TimeoutOf::Connect, milliseconds: Some(1000) }
            ),
            (
                "spec.timeout.http.requestTimeout",
                Fact::Unparsable { expected: "a duration such as 1m30s".into() }
            ),
            ("spec.retry", retries(2, &["reset", "503"])),
            (
                "spec.rateLimit.global.rules[0].limit",
                Fact::RateLimit {
                    requests: Some(30),
                    period_milliseconds: Some(60_000),
                    burst: None,
                    connections: None,
                    bytes_per_second: None
                }
            ),
        ]
    );
    assert_eq!(settings[9].object.to_string(), "BackendTrafficPolicy shop/limits");
    assert!(!format!("{settings:?}").contains("hush"));
}
