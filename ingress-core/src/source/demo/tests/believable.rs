//! What the objects look like.

use serde_json::Value;

use super::*;

async fn objects() -> Vec<Value> {
    let source = DemoSource::builder().ingresses(2_000).changes_per_second(0.0).build().unwrap();
    let see = |world: &World| world.plots(None).map(|plot| plot.render().unwrap()).collect::<Vec<_>>();
    source.simulation.look(see).await.iter().map(|json| serde_json::from_slice(json).unwrap()).collect()
}

fn strings<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, found)),
        Value::Object(map) => map.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_host_and_address_is_reserved_for_documentation() {
    let domains = [".example.com", ".example.net", ".example.org", ".example"];
    let ranges = ["192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"];
    for object in objects().await {
        let mut hosts = Vec::new();
        for rule in object["spec"]["rules"].as_array().into_iter().flatten() {
            hosts.extend(rule["host"].as_str());
        }
        for tls in object["spec"]["tls"].as_array().into_iter().flatten() {
            strings(&tls["hosts"], &mut hosts);
        }
        for address in object["status"]["loadBalancer"]["ingress"].as_array().into_iter().flatten() {
            hosts.extend(address["hostname"].as_str());
            let ip = address["ip"].as_str();
            assert!(ip.is_none_or(|ip| ranges.iter().any(|range| ip.starts_with(range))), "{ip:?}");
            assert!(ip.is_none_or(|ip| ip.parse::<std::net::IpAddr>().is_ok()), "{ip:?}");
        }
        for host in hosts {
            assert!(domains.iter().any(|domain| host.ends_with(domain)), "{host}");
            let labels = host.strip_prefix("*.").unwrap_or(host).split('.');
            for label in labels {
                assert!(Namespace::new(label).is_ok(), "{label:?} of {host}");
            }
        }
    }
}

#[tokio::test]
async fn the_api_server_would_take_them() {
    for object in objects().await {
        let (spec, metadata) = (&object["spec"], &object["metadata"]);
        assert!(metadata["name"].as_str().unwrap().len() <= 63);
        assert!(spec["rules"].is_array() || spec["defaultBackend"].is_object(), "{object}");
        for rule in spec["rules"].as_array().into_iter().flatten() {
            for path in rule["http"]["paths"].as_array().unwrap() {
                let kind = path["pathType"].as_str().unwrap();
                assert!(
                    path["path"]
                        .as_str()
                        .map_or(kind == "ImplementationSpecific", |path| path.starts_with('/'))
                );
                let backend = &path["backend"];
                assert!(backend["service"].is_object() != backend["resource"].is_object());
                let name = backend["service"]["name"].as_str();
                assert!(name.is_none_or(|name| Namespace::new(name).is_ok()), "{name:?}");
                let port = backend["service"]["port"]["name"].as_str();
                assert!(port.is_none_or(|port| port.len() <= 15), "{port:?}");
            }
        }
        for (key, value) in metadata["labels"].as_object().unwrap() {
            let value = value.as_str().unwrap();
            assert!(value.len() <= 63, "{key}={value}");
        }
        let both = spec["ingressClassName"].is_string()
            && metadata["annotations"]["kubernetes.io/ingress.class"].is_string();
        assert!(!both, "{object}");
    }
}

#[tokio::test]
async fn every_variety_occurs() {
    let objects = objects().await;
    let some = |what: &str, test: &dyn Fn(&Value) -> bool| {
        let count = objects.iter().filter(|object| test(object)).count();
        assert!((3..objects.len()).contains(&count), "{what}: {count} of {}", objects.len());
    };
    for class in ["nginx", "nginx-internal", "traefik", "haproxy", "alb"] {
        some(class, &|object| object["spec"]["ingressClassName"] == class);
    }
    let note = |object: &Value, key: &str| object["metadata"]["annotations"][key].is_string();
    some("class by annotation", &|object| note(object, "kubernetes.io/ingress.class"));
    some("no class", &|object| {
        object["spec"]["ingressClassName"].is_null() && !note(object, "kubernetes.io/ingress.class")
    });
    some("canary", &|object| note(object, "nginx.ingress.kubernetes.io/canary-weight"));
    some("applied by hand", &|object| note(object, crate::kind::LAST_APPLIED));
    some("Helm", &|object| note(object, "meta.helm.sh/release-name"));
    some("Argo CD", &|object| note(object, "argocd.argoproj.io/tracking-id"));
    some("Flux", &|object| object["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"].is_string());
    some("certificate", &|object| note(object, "cert-manager.io/cluster-issuer"));
    some("no address", &|object| object["status"]["loadBalancer"]["ingress"].is_null());
    some("default backend", &|object| object["spec"]["defaultBackend"].is_object());
    some("no rules", &|object| object["spec"]["rules"].is_null());
    some("no TLS", &|object| object["spec"]["tls"].is_null());
    some("no secret", &|object| {
        object["spec"]["tls"].is_array() && object["spec"]["tls"][0]["secretName"].is_null()
    });
    let first = |object: &Value| object["spec"]["rules"][0].clone();
    some("wildcard", &|object| first(object)["host"].as_str().is_some_and(|host| host.starts_with("*.")));
    some("no host", &|object| first(object)["http"].is_object() && first(object)["host"].is_null());
    some("many paths", &|object| {
        first(object)["http"]["paths"].as_array().is_some_and(|paths| paths.len() > 3)
    });
    some("no path", &|object| {
        first(object)["http"].is_object() && first(object)["http"]["paths"][0]["path"].is_null()
    });
    some("resource", &|object| first(object)["http"]["paths"][0]["backend"]["resource"].is_object());
    some("a host without TLS", &|object| {
        let hosts = object["spec"]["tls"][0]["hosts"].as_array().map_or(0, Vec::len);
        hosts > 0 && object["spec"]["rules"].as_array().map_or(0, Vec::len) > hosts
    });
}
