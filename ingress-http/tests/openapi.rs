//! The description of the API, held against what the router answers.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use futures::StreamExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use ingress_core::source::scripted::{self, ClusterHandle, Feed};
use ingress_core::source::{ClusterInfo, Origin};
use ingress_core::{ClusterId, ErrorKind, Hub, Ingress, Kind, NamespaceRecord, SourceError};
use ingress_http::{Dashboard, Shutdown};
use jsonschema::Validator;
use serde_json::{Value, json};
use tower::ServiceExt as _;

fn decode<K: Kind>(object: &Value) -> K {
    K::decode_json(&mut serde_json::Deserializer::from_str(&object.to_string())).unwrap()
}

/// Everything that an ingress may have, so that each field is there somewhere.
fn rich() -> Value {
    let big = "x".repeat(20 * 1024);
    json!({
        "metadata": {"namespace": "shop", "name": "cart", "uid": "u", "resourceVersion": "1",
            "creationTimestamp": "2026-03-01T10:00:00Z", "labels": {"app": "cart"}, "annotations": {"a": "b", "big": big}},
        "spec": {"ingressClassName": "nginx",
            "defaultBackend": {"service": {"name": "s", "port": {"number": 80}}},
            "rules": [
                {"host": "shop.example.com", "http": {"paths": [
                    {"path": "/cart", "pathType": "Prefix", "backend": {"service": {"name": "cart", "port": {"name": "http"}}}},
                    {"pathType": "Exact", "backend": {"resource": {"apiGroup": "k8s.example.com", "kind": "B", "name": "b"}}},
                    {"pathType": "Exact", "backend": {"resource": {"kind": "B", "name": "b"}}},
                    {"pathType": "Exact", "backend": {"service": {"name": "cart"}}}
                ]}},
                {}
            ],
            "tls": [{"hosts": ["shop.example.com"], "secretName": "tls"}, {}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}
    })
}

fn plain(name: &str) -> Value {
    json!({"metadata": {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "2"}})
}

/// A router, and what it says of itself.
struct Described {
    router: Router,
    document: Value,
}

struct Stage {
    described: Described,
    shutdown: Shutdown,
    hub: Hub,
    cluster: ClusterHandle,
    feed: Option<Feed<Ingress>>,
    _namespaces: Feed<NamespaceRecord>,
}

async fn get(router: &Router, path: &str, accept: &str) -> (http::response::Parts, Vec<u8>) {
    let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    (parts, body.collect().await.unwrap().to_bytes().to_vec())
}

async fn describe(router: &Router) -> Value {
    serde_json::from_slice(&get(router, "/openapi.json", "*/*").await.1).unwrap()
}

impl Stage {
    async fn set(origin: Origin) -> Self {
        let info = ClusterInfo::new(ClusterId::new("prod").unwrap(), origin);
        let (source, mut cluster) = scripted::cluster(info);
        let hub = Hub::builder(source).start();
        let feed = cluster.ingresses.next_watch().await.unwrap().accept();
        let namespaces = cluster.namespaces.next_watch().await.unwrap().accept();
        let shop = json!({"metadata": {"name": "shop", "uid": "n", "labels": {"team": "a"},
            "creationTimestamp": "2026-03-01T10:00:00Z"}, "status": {"phase": "Active"}});
        namespaces.listed([decode(&shop)], "1").await;
        feed.listed([decode(&rich()), decode(&plain("wiki"))], "3").await;
        hub.synced().await;
        hub.namespaces().wait_for(|state| state.len() == 1).await.unwrap();
        let dashboard = Dashboard::builder(hub.clone()).rate_limit(None).build();
        let (shutdown, router) = (dashboard.shutdown(), dashboard.into_router());
        let document = describe(&router).await;
        let described = Described { router, document };
        Self { described, shutdown, hub, cluster, feed: Some(feed), _namespaces: namespaces }
    }

    fn feed(&self) -> &Feed<Ingress> {
        self.feed.as_ref().unwrap()
    }
}

impl Described {
    /// Whatever a path answers is described: its status, its type, its header, and every field of it.
    async fn fits(&self, template: &str, path: &str, accept: &str, status: u16) {
        let (parts, body) = get(&self.router, path, accept).await;
        assert_eq!(parts.status, status, "{path}: {}", String::from_utf8_lossy(&body));
        let described = &self.document["paths"][template]["get"]["responses"][status.to_string()];
        assert!(described.is_object(), "{path}: {status} is not described");
        assert!(described["headers"]["X-Request-Id"].is_object(), "{path}");
        let content_type = parts.headers["content-type"].to_str().unwrap();
        let content = &described["content"][content_type];
        assert!(content.is_object(), "{path}: {content_type} is not described: {described}");
        if content_type.ends_with("json") {
            let body: Value = serde_json::from_slice(&body).unwrap();
            valid(&self.validator(&content["schema"]), &body, path);
        }
    }

    /// A schema of the document, made strict: what it does not name must not be there. (The document itself is not, since fields
    /// may be added.)
    fn validator(&self, schema: &Value) -> Validator {
        let mut strict = json!({"allOf": [schema], "components": self.document["components"]});
        close(&mut strict);
        jsonschema::draft202012::options().should_validate_formats(true).build(&strict).unwrap()
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.get("properties").is_some_and(Value::is_object)
                && !members.contains_key("additionalProperties")
            {
                members.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

fn valid(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<_> =
        validator.iter_errors(value).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}\n{value:#}");
}

#[tokio::test]
async fn answers_are_as_described() {
    let mut stage = Stage::set(Origin::Demo).await;
    let object = "/api/ingresses/{namespace}/{name}";
    for (template, path, status) in [
        ("/api/ingresses", "/api/ingresses", 200),
        ("/api/ingresses", "/api/ingresses?limit=1", 200),
        ("/api/ingresses", "/api/ingresses?namespaces=shop,none", 200),
        ("/api/ingresses", "/api/ingresses?limit=x", 400),
        ("/api/ingresses/stream", "/api/ingresses/stream?x=1", 400),
        (object, "/api/ingresses/shop/cart", 200),
        (object, "/api/ingresses/shop/none", 404),
        ("/api/namespaces", "/api/namespaces", 200),
        ("/api/health", "/api/health", 200),
        ("/api/info", "/api/info", 200),
        ("/livez", "/livez", 200),
        ("/readyz", "/readyz", 200),
        ("/metrics", "/metrics", 200),
        ("/metrics", "/metrics?x=1", 400),
        ("/openapi.json", "/openapi.json", 200),
        ("/auth/session", "/auth/session", 200),
    ] {
        stage.described.fits(template, path, "*/*", status).await;
    }
    if cfg!(feature = "ui") {
        stage.described.fits("/", "/", "*/*", 200).await;
    }
    stage.described.fits(object, "/api/ingresses/shop/cart", "text/csv", 406).await;
    let yaml = format!("{object}/yaml");
    for status in [403, 404] {
        let asked = stage.cluster.ingresses.next_get();
        let request = Request::get("/api/ingresses/shop/gone/yaml").body(Body::empty()).unwrap();
        let (response, ()) = tokio::join!(stage.described.router.clone().oneshot(request), async {
            asked.await.unwrap().answer(Err(SourceError::from_status(status, "no", None)));
        });
        let response = response.unwrap();
        assert_eq!(response.status(), status);
        let described = &stage.described.document["paths"][&yaml]["get"]["responses"][status.to_string()];
        let schema = &described["content"]["application/problem+json"]["schema"];
        let body = response.into_body().collect().await.unwrap().to_bytes();
        valid(&stage.described.validator(schema), &serde_json::from_slice(&body).unwrap(), &yaml);
    }

    // The same while things are not as they should be.
    let failed = SourceError::new(ErrorKind::Disconnected, "broken");
    stage.feed.take().unwrap().fail(failed).await;
    stage.hub.ingresses().wait_for(|state| state.lanes().any(|lane| !lane.is_live())).await.unwrap();
    for path in ["/api/ingresses", "/api/namespaces", "/api/info"] {
        stage.described.fits(path, path, "*/*", 200).await;
    }
}

#[tokio::test]
async fn what_is_not_ready_is_as_described() {
    let info = ClusterInfo::new(ClusterId::new("prod").unwrap(), Origin::Argument);
    let (source, cluster) = scripted::cluster(info);
    cluster.set_probe(Err(SourceError::new(ErrorKind::Unreachable, "connection refused")));
    let hub = Hub::builder(source).start();
    let router = Dashboard::new(hub.clone()).into_router();
    let document = describe(&router).await;
    let early = Described { router, document };
    early.fits("/readyz", "/readyz", "*/*", 503).await;
    early.fits("/api/health", "/api/health", "*/*", 503).await;
    early.fits("/api/ingresses", "/api/ingresses", "*/*", 200).await;
}

#[tokio::test]
async fn events_are_as_described() {
    let stage = Stage::set(Origin::Argument).await;
    let validator = stage.described.validator(&json!({"$ref": "#/components/schemas/StreamEvent"}));
    let request =
        Request::get("/api/ingresses/stream").header("last-event-id", "1:1").body(Body::empty()).unwrap();
    let response = stage.described.router.clone().oneshot(request).await.unwrap();
    let described =
        &stage.described.document["paths"]["/api/ingresses/stream"]["get"]["responses"]["200"]["content"];
    assert!(described["text/event-stream"].is_object(), "{described}");
    let mut body = response.into_body().into_data_stream();
    let (mut text, mut seen, mut at) = (String::new(), BTreeSet::new(), 0);
    while let Some(chunk) = body.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        while let Some(length) = text[at..].find("\n\n") {
            let block = &text[at..at + length];
            at += length + 2;
            let line = |name| block.lines().find_map(|line| line.strip_prefix(name));
            let (Some(event), Some(data)) = (line("event: "), line("data: ")) else { continue };
            let data: Value = serde_json::from_str(data).unwrap();
            valid(&validator, &json!({"event": event, "data": data}), event);
            seen.insert(event.to_owned());
            match event {
                "snapshot" => {
                    stage.feed().applied(decode(&plain("new"))).await;
                }
                "added" => {
                    let mut changed = rich();
                    changed["metadata"]["resourceVersion"] = json!("9");
                    stage.feed().applied(decode(&changed)).await;
                }
                "modified" => {
                    stage.feed().deleted(Some("shop"), "wiki", "10").await;
                }
                "deleted" => stage.shutdown.begin(),
                _ => {}
            }
        }
    }
    let wanted = ["added", "deleted", "end", "lane", "modified", "reset", "snapshot"].map(str::to_owned);
    assert_eq!(seen, BTreeSet::from(wanted));
    valid(&validator, &json!({"event": "laneRemoved", "data": {"id": "prod/ingresses/shop"}}), "laneRemoved");
    assert!(!validator.is_valid(&json!({"event": "unknown", "data": {}})), "anything would do");
    assert!(
        !validator.is_valid(&json!({"event": "deleted", "data": {"id": "a", "more": 1}})),
        "anything would do"
    );
}

#[tokio::test]
async fn it_is_openapi_3_1() {
    let stage = Stage::set(Origin::Argument).await;
    assert_eq!(stage.described.document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, item) in stage.described.document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}");
            assert!(operation["summary"].is_string(), "{path}");
        }
        let operation = &item["get"];
        for member in path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(
                parameters.iter().any(|given| given["name"] == member && given["in"] == "path"),
                "{path}: {member}"
            );
        }
    }
    // Nothing refers to what is not there.
    let text = stage.described.document.to_string();
    for name in text.split("\"#/components/schemas/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(stage.described.document["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[tokio::test]
async fn what_changes_a_session_is_described() {
    let stage = Stage::set(Origin::Argument).await;
    for (method, status) in [("POST", 404), ("DELETE", 204), ("PUT", 405)] {
        let request = Request::builder().method(method).uri("/auth/session").body(Body::empty()).unwrap();
        let response = stage.described.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{method}");
        if status == 405 {
            assert_eq!(response.headers()["allow"], "GET, HEAD, POST, DELETE");
        } else {
            let operation = &stage.described.document["paths"]["/auth/session"][method.to_lowercase()];
            assert!(operation["responses"][status.to_string()].is_object(), "{method}: {operation}");
        }
    }
}
