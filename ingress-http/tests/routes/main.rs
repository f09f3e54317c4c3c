//! Routes over HTTP: a cluster of a few objects on one side, what is said of it on the other.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod live;
mod part;
mod stream;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use ingress_core::access::{Attributes, Token, UserInfo};
use ingress_core::source::{ClusterInfo, Origin, WatchStream};
use ingress_core::{
    Cluster, ClusterId, Hub, Kind, ObjectKey, ResourceSource, Revision, SourceError, WatchEvent, WatchRequest,
};
use ingress_http::auth::HostAuthentication;
use ingress_http::{Authorization, Dashboard};
use jsonschema::Validator;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// A cluster that has these objects, by kind, and never changes.
#[derive(Clone)]
struct Fixed(Arc<Vec<Value>>);

#[async_trait::async_trait]
impl Cluster for Fixed {
    fn info(&self) -> ClusterInfo {
        ClusterInfo::new(ClusterId::new("prod").unwrap(), Origin::Demo)
    }
    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }
    async fn review_token(&self, _: &Token, _: &[String]) -> Result<Option<UserInfo>, SourceError> {
        Ok(None)
    }
    async fn review_access(&self, user: &UserInfo, attributes: &Attributes) -> Result<bool, SourceError> {
        let in_shop = matches!(attributes, Attributes::Resource { namespace: Some(name), .. } if name.as_str() == "shop");
        Ok(user.username == "all" || (user.username == "some" && in_shop))
    }
}

#[async_trait::async_trait]
impl<K: Kind> ResourceSource<K> for Fixed {
    async fn watch(&self, _: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        let kind = K::resource().kind;
        if kind == "GatewayClass" {
            return Err(SourceError::from_status(404, "404 page not found", None));
        }
        let objects = self.0.iter().filter(|object| object["kind"] == *kind);
        let listed = objects.map(|object| {
            let text = object.to_string();
            WatchEvent::Listed(K::decode_json(&mut serde_json::Deserializer::from_str(&text)).unwrap())
        });
        let batch: Vec<_> = listed.chain([WatchEvent::Synced(Revision::new("1"))]).collect();
        Ok(futures::stream::iter([Ok(batch)]).chain(futures::stream::pending()).boxed())
    }
    async fn get(&self, _: &ObjectKey) -> Result<Bytes, SourceError> {
        Err(SourceError::from_status(404, "not found", None))
    }
}

fn ingress(namespace: &str, name: &str, host: &str, path: &str, service: &str) -> Value {
    json!({"kind": "Ingress",
        "metadata": {"namespace": namespace, "name": name, "uid": name, "resourceVersion": "1",
            "creationTimestamp": "2026-03-01T10:00:00Z",
            "annotations": {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "shop"}},
        "spec": {"ingressClassName": "nginx",
            "tls": [{"hosts": ["shop.example.com"], "secretName": "shop-tls"}],
            "rules": [{"host": host, "http": {"paths": [{"path": path, "pathType": "Prefix",
                "backend": {"service": {"name": service, "port": {"name": "http"}}}}]}}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}})
}

fn objects() -> Vec<Value> {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(["shop.example.com".to_owned()]).unwrap().self_signed(&key);
    let secret = |name: &str, text: &str| {
        json!({"kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"namespace": "shop", "name": name},
            "stringData": {"tls.crt": text}})
    };
    vec![
        json!({"kind": "Namespace", "metadata": {"name": "shop"}}),
        json!({"kind": "IngressClass", "metadata": {"name": "nginx"}, "spec": {"controller": "example.com/ingress"}}),
        json!({"kind": "Service", "metadata": {"namespace": "shop", "name": "cart"},
            "spec": {"selector": {"app": "cart"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}),
        ingress("shop", "cart", "shop.example.com", "/cart", "cart"),
        ingress("shop", "all", "shop.example.com", "/", "cart"),
        ingress("team", "wiki", "*.team.example.com", "/", "gone"),
        secret("shop-tls", &certificate.unwrap().pem()),
        secret("broken", "nonsense"),
    ]
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn refused(&self) -> (u16, Option<String>) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        (self.status, self.json()["parameter"].as_str().map(str::to_owned))
    }
}

async fn ask(router: &Router, person: &str, path: &str, tag: Option<&str>) -> Answer {
    let mut request = Request::get(path);
    if let Some(tag) = tag {
        request = request.header("if-none-match", tag);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(UserInfo::new(person, ["people"]));
    let (parts, body) = router.clone().oneshot(request).await.unwrap().into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

struct Stage {
    router: Router,
    _hub: Hub,
}

impl Stage {
    async fn set() -> Self {
        let source = Fixed(Arc::new(objects()));
        let hub = Hub::builder(source.clone()).routes(source).unwrap().start();
        hub.synced().await;
        let stage = Self { router: router(&hub), _hub: hub };
        // What is read last is judged last.
        for _ in 0..200 {
            let list = stage.get("/api/routes").await.json();
            let known = stage.get("/api/certificates").await.json();
            if list["total"] == 3
                && list["verdicts"]["broken"] == 3
                && known["total"] == 2
                && known["unknown"] == json!([])
            {
                return stage;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing is judged: {}", stage.get("/api/routes").await.body);
    }

    async fn get(&self, path: &str) -> Answer {
        ask(&self.router, "all", path, None).await
    }

    /// The names of the objects, in order.
    async fn names(&self, query: &str) -> Vec<String> {
        let answer = self.get(&format!("/api/routes?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        let list = answer.json();
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }

    async fn id(&self, name: &str) -> String {
        let list = self.get(&format!("/api/routes?search={name}")).await.json();
        let item = list["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap();
        item["id"].as_str().unwrap().to_owned()
    }
}

fn router(hub: &Hub) -> Router {
    Dashboard::builder(hub.clone())
        .authentication(HostAuthentication::new())
        .authorization(Authorization::kubernetes())
        .rate_limit(None)
        .build()
        .into_router()
}

#[tokio::test]
async fn a_list_is_filtered_sorted_and_paged() {
    let stage = Stage::set().await;
    for (query, expected) in [
        ("", &["wiki", "all", "cart"][..]),
        ("sort=-host", &["all", "cart", "wiki"]),
        ("sort=name", &["all", "cart", "wiki"]),
        ("sort=-namespace", &["wiki", "all", "cart"]),
        ("namespace=team", &["wiki"]),
        ("namespaces=team,none", &["wiki"]),
        ("search=CART", &["all", "cart"]),
        ("search=gone", &["wiki"]),
        ("host=shop.example.com", &["all", "cart"]),
        ("host=a.team.example.com", &["wiki"]),
        ("host=a.b.team.example.com", &[]),
        ("host=*.team.example.com", &["wiki"]),
        ("class=nginx&tls=true", &["all", "cart"]),
        ("class=", &[]),
        ("tls=false", &["wiki"]),
        ("kind=Ingress&backend=gone", &["wiki"]),
        ("kind=HTTPRoute", &[]),
        ("backend=shop/cart", &["all", "cart"]),
        ("backend=team/cart", &[]),
        ("gateway=public", &[]),
        ("verdict=ok,degraded", &[]),
        ("verdict=broken,unknown&sort=verdict", &["wiki", "all", "cart"]),
        ("code=ING004", &["wiki"]),
    ] {
        assert_eq!(stage.names(query).await, expected, "{query}");
    }
    let none = stage.get("/api/routes?verdict=ok").await.json();
    assert_eq!((&none["total"], &none["verdicts"]["broken"]), (&json!(0), &json!(3)));

    let mut seen = Vec::new();
    let mut next = String::new();
    loop {
        let page = stage.get(&format!("/api/routes?sort=verdict&limit=1{next}")).await.json();
        assert_eq!(page["total"], 3);
        seen.push(page["items"][0]["name"].as_str().unwrap().to_owned());
        let Some(cursor) = page["cursor"].as_str() else { break };
        next = format!("&cursor={cursor}");
    }
    assert_eq!(seen, ["wiki", "all", "cart"]);
    let other = stage.get(&format!("/api/routes?sort=name&limit=1{next}")).await;
    assert_eq!(other.refused(), (400, Some("cursor".into())));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let stage = Stage::set().await;
    for (path, status, parameter) in [
        ("/api/routes?label=a", 400, Some("label")),
        ("/api/routes?verdict=bad", 400, Some("verdict")),
        ("/api/routes?verdict=", 400, Some("verdict")),
        ("/api/routes?code=ING999", 400, Some("code")),
        ("/api/routes?backend=a/b/c", 400, Some("backend")),
        ("/api/routes?gateway=/a", 400, Some("gateway")),
        ("/api/routes?sort=path", 400, Some("sort")),
        ("/api/routes?limit=0", 400, Some("limit")),
        ("/api/routes/xyz", 400, Some("id")),
        ("/api/routes/%ff", 400, Some("id")),
        ("/api/routes/0000000000000000", 404, None),
        ("/api/routes/0000000000000000/diagnosis", 404, None),
        ("/api/routes/0000000000000000?x=1", 400, Some("x")),
        ("/api/match", 400, Some("host")),
        ("/api/match?host=", 400, Some("host")),
        ("/api/match?host=a/b", 400, Some("host")),
        ("/api/match?host=a&path=b", 400, Some("path")),
        ("/api/match?host=a&method=a%20b", 400, Some("method")),
        ("/api/match?host=a&header=a", 400, Some("header")),
        ("/api/match?host=a&x=1", 400, Some("x")),
        ("/api/routes/stream?x=1", 400, Some("x")),
        ("/api/topology", 400, Some("route")),
        ("/api/topology?route=1", 400, Some("route")),
        ("/api/topology?namespace=A", 400, Some("namespace")),
        ("/api/topology?route=0000000000000000&namespace=shop", 400, Some("namespace")),
        ("/api/topology?route=0000000000000000", 404, None),
        ("/api/topology?namespace=shop&x=1", 400, Some("x")),
        ("/api/checks?x=1", 400, Some("x")),
        ("/api/certificates?x=1", 400, Some("x")),
    ] {
        assert_eq!(stage.get(path).await.refused(), (status, parameter.map(str::to_owned)), "{path}");
    }
}

#[tokio::test]
async fn a_route_says_where_it_stops_and_why() {
    let stage = Stage::set().await;
    let id = stage.id("wiki").await;
    let route = stage.get(&format!("/api/routes/{id}")).await.json();
    assert_eq!(
        (&route["kind"], &route["verdict"], &route["fault"]),
        (&json!("Ingress"), &json!("broken"), &json!("backend"))
    );
    assert_eq!(
        route["entries"][0],
        json!({"type": "ingressClass", "class": "nginx", "controller": "example.com/ingress"})
    );
    assert_eq!(route["owner"], json!({"kind": "helm", "namespace": "shop", "name": "shop"}));
    assert_eq!(route["demo"], true);
    let diagnosis = &route["diagnosis"];
    let finding =
        &diagnosis["findings"].as_array().unwrap().iter().find(|one| one["code"] == "ING004").unwrap();
    assert!(finding["cause"].is_string() && finding["command"].as_str().unwrap().starts_with("kubectl"));
    let alone = stage.get(&format!("/api/routes/{id}/diagnosis")).await.json();
    assert_eq!(
        (&alone["steps"], &alone["findings"], &alone["id"]),
        (&diagnosis["steps"], &diagnosis["findings"], &route["id"])
    );
}

#[tokio::test]
async fn a_request_is_matched_and_the_losers_say_why() {
    let stage = Stage::set().await;
    let found = stage
        .get("/api/match?host=shop.example.com:443&path=/cart/1&header=x-a:b&header=x-b:%20c")
        .await
        .json();
    let door = &found["entries"][0];
    assert_eq!((&door["winner"]["name"], &door["winner"]["verdict"]), (&json!("cart"), &json!("broken")));
    assert_eq!(
        (&door["losers"][0]["route"]["name"], &door["losers"][0]["why"]),
        (&json!("all"), &json!("less_specific_path"))
    );
    let again = stage.get("/api/match?host=shop.example.com&path=/other").await.json();
    assert_eq!(again["entries"][0]["winner"]["name"], "all");
    let none = stage.get("/api/match?host=none.example.com").await.json();
    assert_eq!((&none["entries"], &none["withoutEntry"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn certificates_say_who_uses_them() {
    let stage = Stage::set().await;
    let list = stage.get("/api/certificates").await.json();
    let [first, second] = &list["items"].as_array().unwrap()[..] else { panic!("{list}") };
    assert_eq!((&first["name"], &first["dnsNames"]), (&json!("shop-tls"), &json!(["shop.example.com"])));
    assert_eq!(first["fingerprint"].as_str().unwrap().len(), 64);
    let mut users = vec![stage.id("all").await, stage.id("cart").await];
    users.sort_unstable();
    assert_eq!(first["routes"], json!(users));
    assert_eq!(
        (&second["name"], &second["notAfter"], &second["routes"]),
        (&json!("broken"), &Value::Null, &json!([]))
    );
    assert!(second["problem"].is_string());
}

/// Every path, with a route that there is.
async fn paths(stage: &Stage) -> Vec<(&'static str, String)> {
    let id = stage.id("cart").await;
    vec![
        ("/api/routes", "/api/routes".to_owned()),
        ("/api/routes/{id}", format!("/api/routes/{id}")),
        ("/api/routes/{id}/diagnosis", format!("/api/routes/{id}/diagnosis")),
        ("/api/match", "/api/match?host=shop.example.com".to_owned()),
        ("/api/topology", format!("/api/topology?route={id}")),
        ("/api/topology", "/api/topology?namespace=shop".to_owned()),
        ("/api/certificates", "/api/certificates".to_owned()),
    ]
}

#[tokio::test]
async fn who_asks_the_same_again_is_told_that_nothing_changed() {
    let stage = Stage::set().await;
    let mut tags = std::collections::BTreeSet::new();
    for (_, path) in paths(&stage).await {
        let answer = stage.get(&path).await;
        let tag = answer.headers["etag"].to_str().unwrap().to_owned();
        let again = ask(&stage.router, "all", &path, Some(&tag)).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        assert!(tags.insert(tag), "{path} has the tag of another");
    }
}

#[tokio::test]
async fn answers_are_compressed_as_clients_ask() {
    let stage = Stage::set().await;
    for (_, path) in paths(&stage).await {
        let plain = stage.get(&path).await;
        assert_eq!(plain.headers["vary"], "accept-encoding", "{path}");
        let mut request = Request::get(&path).header("accept-encoding", "gzip").body(Body::empty()).unwrap();
        request.extensions_mut().insert(UserInfo::new("all", ["people"]));
        let (parts, body) = stage.router.clone().oneshot(request).await.unwrap().into_parts();
        assert_eq!(parts.headers["content-encoding"], "gzip", "{path}");
        assert_eq!(parts.headers["etag"], plain.headers["etag"], "{path}");
        let body = body.collect().await.unwrap().to_bytes();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&body[..]), &mut text).unwrap();
        let (mut one, mut other) = (plain.json(), serde_json::from_str::<Value>(&text).unwrap());
        for answer in [&mut one, &mut other] {
            answer.as_object_mut().unwrap().remove("timestamp");
        }
        assert_eq!(one, other, "{path}");
    }
}

#[tokio::test]
async fn where_nobody_watches_routes_it_is_said_how_to() {
    let hub = Hub::builder(Fixed(Arc::new(objects()))).start();
    hub.synced().await;
    let router = router(&hub);
    for path in [
        "/api/routes",
        "/api/routes/stream",
        "/api/routes/0",
        "/api/routes/0/diagnosis",
        "/api/match",
        "/api/topology",
        "/api/certificates",
    ] {
        let answer = ask(&router, "all", path, None).await;
        assert_eq!(answer.refused(), (404, None), "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("HubBuilder::routes"));
        assert_eq!(ask(&router, "some", path, None).await.refused(), (404, None), "{path}");
    }
    let checks = ask(&router, "all", "/api/checks", None).await.json();
    assert_eq!(checks["items"].as_array().unwrap().len(), ingress_core::diagnose::CHECKS.len());
}

/// A schema of the document that takes nothing which it does not name.
pub(crate) fn validator(document: &Value, schema: &Value) -> Validator {
    fn close(schema: &mut Value) {
        match schema {
            Value::Object(members) => {
                members.values_mut().for_each(close);
                let open = !members.contains_key("additionalProperties");
                if open && members.get("properties").is_some_and(Value::is_object) {
                    members.insert("additionalProperties".to_owned(), json!(false));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(close),
            _ => {}
        }
    }
    // What is put together of several schemas, as variants with a tag are, is closed as a whole instead.
    fn unite(schema: &mut Value) {
        match schema {
            Value::Object(members) => {
                members.values_mut().for_each(unite);
                if members.contains_key("allOf") {
                    members.insert("unevaluatedProperties".to_owned(), json!(false));
                }
            }
            Value::Array(items) => items.iter_mut().for_each(unite),
            _ => {}
        }
    }
    let mut components = document["components"].clone();
    for (name, schema) in components["schemas"].as_object_mut().unwrap() {
        // These are the parts of such a whole.
        if !["ClassEntry", "ListenerEntry", "RouteEntry"].contains(&name.as_str()) {
            close(schema);
        }
        if name == "RouteEntry" {
            unite(schema);
        }
    }
    let strict = json!({"allOf": [schema], "components": components});
    jsonschema::draft202012::options().should_validate_formats(true).build(&strict).unwrap()
}

#[tokio::test]
async fn answers_are_as_described() {
    let stage = Stage::set().await;
    let document = stage.get("/openapi.json").await.json();
    let mut all = paths(&stage).await;
    all.push(("/api/routes", "/api/routes?limit=1".to_owned()));
    all.push(("/api/routes", "/api/routes?limit=x".to_owned()));
    all.push(("/api/routes/{id}", "/api/routes/0000000000000000".to_owned()));
    all.push(("/api/checks", "/api/checks".to_owned()));
    for (template, path) in all {
        let answer = stage.get(&path).await;
        let described = &document["paths"][template]["get"]["responses"][answer.status.to_string()];
        let content_type = answer.headers["content-type"].to_str().unwrap();
        let schema = &described["content"][content_type]["schema"];
        assert!(schema.is_object(), "{path}: {} {content_type} is not described", answer.status);
        let (validator, body) = (validator(&document, schema), answer.json());
        let errors: Vec<_> = validator
            .iter_errors(&body)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{path}: {errors:#?}\n{body:#}");
    }
}
