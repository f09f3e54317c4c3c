use serde_json::{Value, json};

use super::*;
use crate::fixture::ingress;

fn filter(query: &str) -> Filter {
    let mut params = Params::parse(Some(query)).unwrap();
    let filter = Filter::take(&mut params).unwrap_or_else(|problem| panic!("{query}: {problem:?}"));
    params.finish().unwrap();
    filter
}

fn shop() -> Value {
    json!({
        "metadata": {"namespace": "shop", "name": "Cart-web", "uid": "u", "resourceVersion": "1",
            "labels": {"app": "cart", "tier": "front"}},
        "spec": {
            "ingressClassName": "nginx",
            "defaultBackend": {"service": {"name": "fallback", "port": {"number": 80}}},
            "rules": [
                {"host": "shop.example.com", "http": {"paths": [
                    {"path": "/Cart", "pathType": "Prefix", "backend": {"service": {"name": "cart-svc"}}},
                    {"path": "/übersicht", "pathType": "Prefix",
                     "backend": {"resource": {"kind": "Bucket", "name": "static-files"}}}
                ]}},
                {"host": "*.wild.example.com"},
                {"http": {"paths": []}}
            ],
            "tls": [{"hosts": ["secret.example.org"]}]
        }
    })
}

#[test]
fn each_parameter_selects() {
    let ingress = ingress(&shop());
    let cases = [
        ("", true),
        ("namespace=shop", true),
        ("namespace=shopping", false),
        ("namespaces=a,shop", true),
        ("namespaces=a,%20shop", true),
        ("namespaces=a,b", false),
        ("class=nginx", true),
        ("class=Nginx", false),
        ("class=", false),
        ("tls=true", true),
        ("tls=false", false),
        ("label=app%3Dcart", true),
        ("label=app%3Dcart,tier!%3Dcache&label=!canary", true),
        ("label=app&label=canary", false),
        ("search=cart", true),
        ("search=CART+SHOP", true),
        ("search=cart-web", true),
        ("search=cart-svc+fallback+static-files", true),
        ("search=%2Fcart", true),
        ("search=%C3%9Cbersicht", true),
        ("search=example.com", true),
        ("search=secret.example.org", false),
        ("search=cart+nothing", false),
        ("search=", true),
        ("search=++", true),
        ("host=shop.example.com", true),
        ("host=SHOP.example.COM", true),
        ("host=a.wild.example.com", true),
        ("host=*.wild.example.com", true),
        ("host=a.b.wild.example.com", false),
        ("host=wild.example.com", false),
        ("host=other.example.com", false),
        ("host=*.example.com", false),
    ];
    for (query, expected) in cases {
        assert_eq!(filter(query).matches(&ingress), expected, "{query}");
    }
}

#[test]
fn an_empty_class_means_none() {
    let without = ingress(&json!({"metadata": {"namespace": "a", "name": "b"}}));
    assert!(filter("class=").matches(&without));
    assert!(filter("tls=false").matches(&without));
    assert!(!filter("class=nginx").matches(&without));
}

#[test]
fn what_cannot_be_understood_is_named() {
    let cases = [
        ("namespace=Shop", "namespace"),
        ("namespace=", "namespace"),
        ("namespaces=", "namespaces"),
        ("namespaces=a,,b", "namespaces"),
        ("namespace=a&namespaces=b", "namespaces"),
        ("namespace=a&namespace=a", "namespace"),
        ("tls=yes", "tls"),
        ("tls=", "tls"),
        ("label=a+b", "label"),
        ("host=", "host"),
        ("host=a..b", "host"),
        ("host=*", "host"),
        ("host=a.*.b", "host"),
        ("host=http://a", "host"),
        ("search=a&search=b", "search"),
        ("class=a&class=b", "class"),
    ];
    for (query, name) in cases {
        let mut params = Params::parse(Some(query)).unwrap();
        let problem = Filter::take(&mut params).unwrap_err();
        assert_eq!(problem.named(), Some(name), "{query}");
        assert!(problem.detail().contains(name), "{query}: {}", problem.detail());
    }
}

#[test]
fn filters_have_bounds() {
    let refused = |query: &str| {
        let problem = Filter::take(&mut Params::parse(Some(query)).unwrap()).unwrap_err();
        (problem.named().unwrap().to_owned(), problem.detail().to_owned())
    };
    let list = |each: &str, separator: &str, count: usize| {
        (0..count).map(|number| format!("{each}{number}")).collect::<Vec<_>>().join(separator)
    };
    let cases = [
        ("search", format!("search={}", list("w", "+", 17)), "17 words; the limit is 16"),
        ("search", format!("search={}", "x".repeat(1025)), "1025 bytes; the limit is 1024"),
        ("host", format!("host={}", "x".repeat(1025)), "1025 bytes; the limit is 1024"),
        ("class", format!("class={}", "x".repeat(1025)), "1025 bytes; the limit is 1024"),
        ("label", list("label=a", "&", 17), "17 selectors; the limit is 16"),
        ("label", format!("label=a%20in%20({})", list("v", ",", 300)), "bytes; the limit is 1024"),
        ("label", format!("label={}", list("a", ",", 33)), "33 requirements; the limit is 32"),
        ("namespaces", format!("namespaces={}", list("n", ",", 257)), "257 names; the limit is 256"),
    ];
    for (name, query, why) in cases {
        let (named, detail) = refused(&query);
        assert_eq!(named, name);
        assert!(detail.contains(why), "{detail}");
    }
    for query in [
        format!("search={}&class={}", list("w", "+", 16), "x".repeat(1024)),
        format!("namespaces={}", list("n", ",", 256)),
        list("label=a", "&", 16),
    ] {
        filter(&query);
    }
}
