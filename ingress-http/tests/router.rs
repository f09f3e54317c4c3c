//! The router, asked over its own interface: a scripted cluster on one side, HTTP on the other.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use ingress_core::resilience::backoff::BackoffPolicy;
use ingress_core::resilience::retry::RetryPolicy;
use ingress_core::source::scripted::{self, ClusterHandle, Feed};
use ingress_core::source::{ClusterInfo, Origin};
use ingress_core::{ClusterId, ErrorKind, Hub, Ingress, Kind, NamespaceRecord, Scope, SourceError};
use ingress_http::Dashboard;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

fn decode<K: Kind>(object: &Value) -> K {
    K::decode_json(&mut serde_json::Deserializer::from_str(&object.to_string())).unwrap()
}

fn ingress(namespace: &str, name: &str, version: u64) -> Ingress {
    decode(&json!({
        "metadata": {"namespace": namespace, "name": name, "uid": format!("uid-{name}"),
            "resourceVersion": version.to_string()},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": format!("{name}.example.com")}]}
    }))
}

fn info(name: &str, origin: Origin) -> ClusterInfo {
    ClusterInfo::new(ClusterId::new(name).unwrap(), origin)
}

/// A hub over one scripted cluster, synced with three ingresses.
struct Stage {
    hub: Hub,
    router: Router,
    cluster: ClusterHandle,
    feed: Feed<Ingress>,
    _namespaces: Feed<NamespaceRecord>,
}

impl Stage {
    async fn set() -> Self {
        Self::set_as(Origin::Argument, Scope::All).await
    }

    async fn set_as(origin: Origin, scope: Scope) -> Self {
        let (source, mut cluster) = scripted::cluster(info("prod", origin));
        let one_try = RetryPolicy::new(1, BackoffPolicy::calls()).unwrap();
        let hub = Hub::builder(source).scope(scope).retry(one_try).start();
        let feed = cluster.ingresses.next_watch().await.unwrap().accept();
        let namespaces = cluster.namespaces.next_watch().await.unwrap().accept();
        let shop = json!({"metadata": {"name": "shop", "uid": "n"}, "status": {"phase": "Active"}});
        namespaces.listed([decode(&shop)], "1").await;
        feed.listed([ingress("shop", "cart", 1), ingress("shop", "pay", 2), ingress("team", "wiki", 3)], "3")
            .await;
        hub.synced().await;
        hub.namespaces().wait_for(|state| state.len() == 1).await.unwrap();
        let router = Dashboard::new(hub.clone()).into_router();
        Self { hub, router, cluster, feed, _namespaces: namespaces }
    }

    async fn get(&self, path: &str) -> Answer {
        get(&self.router, path, &[]).await
    }
}

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn problem(&self) -> (u16, String, Option<String>) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        assert!(body["title"].is_string() && body["detail"].is_string());
        let kind = body["type"].as_str().unwrap().rsplit_once('#').unwrap().1.to_owned();
        (self.status.as_u16(), kind, body["parameter"].as_str().map(str::to_owned))
    }
}

async fn send(router: &Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body).unwrap() }
}

async fn get(router: &Router, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(router, Method::GET, path, headers).await
}

#[tokio::test]
async fn a_list_and_its_tag() {
    let stage = Stage::set().await;
    let answer = stage.get("/api/ingresses?namespace=shop&sort=-name&limit=1").await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let body = answer.json();
    assert_eq!((&body["total"], &body["items"][0]["id"]), (&json!(2), &json!("prod/shop/pay")));
    assert_eq!((&body["partial"], body.get("demo")), (&json!([]), None));
    let cursor = body["cursor"].as_str().unwrap();
    let second =
        stage.get(&format!("/api/ingresses?namespace=shop&sort=-name&limit=1&cursor={cursor}")).await;
    assert_eq!(
        (&second.json()["items"][0]["id"], second.json().get("cursor")),
        (&json!("prod/shop/cart"), None)
    );

    let path = "/api/ingresses?namespace=shop";
    let tag = stage.get(path).await.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    for value in [tag.as_str(), "*", &format!("\"other\", {tag}")] {
        let again = get(&stage.router, path, &[("if-none-match", value)]).await;
        assert_eq!(
            (again.status, again.body.as_str(), again.header("etag")),
            (StatusCode::NOT_MODIFIED, "", tag.as_str())
        );
    }
    stage.feed.applied(ingress("shop", "cart", 9)).await;
    let changed = |object: &Ingress| object.resource_version() == "9";
    stage.hub.ingresses().wait_for(|state| state.iter().any(|(_, object)| changed(object))).await.unwrap();
    assert_eq!(get(&stage.router, path, &[("if-none-match", &tag)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let stage = Stage::set().await;
    for path in [
        "/api/ingresses",
        "/api/ingresses/shop/cart",
        "/api/namespaces",
        "/api/health",
        "/api/info",
        "/livez",
        "/readyz",
        "/api/ingresses/stream",
    ] {
        let head = send(&stage.router, Method::HEAD, path, &[]).await;
        assert_eq!(head.body, "", "{path}");
        assert_eq!(head.status.as_u16() / 500, 0, "{path}");
        assert!(!head.header("content-type").is_empty(), "{path}");
    }
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let stage = Stage::set().await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        for path in ["/api/ingresses", "/api/ingresses/shop/cart/yaml", "/api/ingresses/stream", "/livez"] {
            let answer = send(&stage.router, method.clone(), path, &[]).await;
            assert_eq!(answer.problem(), (405, "method-not-allowed".into(), None), "{method} {path}");
            assert_eq!(answer.header("allow"), "GET, HEAD");
        }
    }
}

#[tokio::test]
async fn the_page_is_there_with_its_feature_only() {
    let stage = Stage::set().await;
    let host = Router::new().nest_service("/routes", stage.router.clone());
    for path in ["/routes", "/routes/"] {
        let page = get(&host, path, &[]).await;
        if cfg!(feature = "ui") {
            assert_eq!(
                (page.status, page.header("content-type")),
                (StatusCode::OK, "text/html; charset=utf-8")
            );
            assert_eq!(send(&host, Method::POST, path, &[]).await.problem().0, 405);
        } else {
            assert_eq!(page.problem(), (404, "not-found".into(), None));
        }
    }
    assert_eq!(get(&host, "/routes/api/info", &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn bad_questions_are_named() {
    let stage = Stage::set().await;
    for (path, name) in [
        ("/api/ingresses?nmespace=x", "nmespace"),
        ("/api/ingresses?limit=5&limit=6", "limit"),
        ("/api/ingresses?label=a+in+(", "label"),
        ("/api/ingresses?host=%20", "host"),
        ("/api/ingresses?search=%ff", "search"),
        ("/api/ingresses/stream?sort=name", "sort"),
        ("/api/ingresses/stream?limit=1", "limit"),
        ("/api/ingresses/stream?since=yesterday", "since"),
        ("/api/ingresses/shop/cart?pretty", "pretty"),
        ("/api/namespaces?x=1", "x"),
        ("/api/info?x=1", "x"),
    ] {
        assert_eq!(
            stage.get(path).await.problem(),
            (400, "bad-parameter".into(), Some(name.into())),
            "{path}"
        );
    }
    for path in [
        "/api/no-such-path",
        "/api/ingresses/",
        "/api/ingresses/shop",
        "/api",
        "/api/ingresses/shop/none",
        "/api/ingresses/none/cart",
        "/api/ingresses/shop/..%2f..%2fsecrets",
        "/api/ingresses/Shop/cart",
        "/api/ingresses/shop/cart%20/yaml",
        "/api/ingresses/shop/%ff",
        "/api/ingresses/shop/cart?cluster=other",
    ] {
        assert_eq!(stage.get(path).await.problem(), (404, "not-found".into(), None), "{path}");
    }
}

#[tokio::test]
async fn an_object_as_json_or_yaml() {
    let mut stage = Stage::set().await;
    let path = "/api/ingresses/shop/cart";
    let json = stage.get(path).await;
    assert_eq!((json.json()["name"].as_str(), json.header("vary")), (Some("cart"), "accept"));
    assert_eq!(json.header("cache-control"), "no-store");
    let refused = get(&stage.router, path, &[("accept", "text/csv")]).await;
    assert_eq!(refused.problem(), (406, "not-acceptable".into(), None));

    let object = br#"{"kind":"Ingress","metadata":{"name":"cart","annotations":{"on":"yes"}}}"#;
    // The second time nobody asks: it is of the same revision.
    for (path, headers, came) in [
        (path, &[("accept", "application/yaml")][..], "ingress; fwd=uri-miss; stored"),
        ("/api/ingresses/shop/cart/yaml", &[], "ingress; hit; ttl="),
    ] {
        let answer = if came.starts_with("ingress; hit") {
            get(&stage.router, path, headers).await
        } else {
            let (answer, ()) = tokio::join!(get(&stage.router, path, headers), async {
                let asked = stage.cluster.ingresses.next_get().await.unwrap();
                assert_eq!(asked.key().to_string(), "prod/shop/cart");
                asked.answer(Ok(object.as_slice().into()));
            });
            answer
        };
        assert!(answer.header("cache-status").starts_with(came), "{}", answer.header("cache-status"));
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/yaml"));
        let read: Value = serde_saphyr::from_str(&answer.body).unwrap();
        assert_eq!(read, serde_json::from_slice::<Value>(object).unwrap(), "{}", answer.body);
    }
}

#[tokio::test]
async fn refusals_of_the_cluster_are_told_apart() {
    let mut stage = Stage::set().await;
    let cases = [
        (SourceError::from_status(404, "not there", None), 404, "not-found", ""),
        (SourceError::from_status(403, "not you", None), 403, "cluster-forbidden", ""),
        (SourceError::from_status(401, "who are you", None), 502, "cluster-error", ""),
        (SourceError::from_status(500, "oops", None), 502, "cluster-error", ""),
        (SourceError::new(ErrorKind::Malformed, "no JSON"), 502, "cluster-error", ""),
        (
            SourceError::from_status(429, "slowly", Some(Duration::from_secs(7))),
            503,
            "cluster-unavailable",
            "7",
        ),
        (
            SourceError::new(ErrorKind::Unreachable, "refused").with_cause("token=abc"),
            503,
            "cluster-unavailable",
            "",
        ),
        (SourceError::new(ErrorKind::Timeout, "no answer"), 504, "cluster-timeout", ""),
    ];
    for (error, status, kind, retry_after) in cases {
        let message = error.message().to_owned();
        let (answer, ()) = tokio::join!(get(&stage.router, "/api/ingresses/shop/gone/yaml", &[]), async {
            stage.cluster.ingresses.next_get().await.unwrap().answer(Err(error));
        });
        assert_eq!(answer.problem(), (status, kind.into(), None));
        assert_eq!(
            (answer.json()["detail"].as_str(), answer.header("retry-after")),
            (Some(&*message), retry_after)
        );
        assert!(!answer.body.contains("token=abc"));
    }
}

#[tokio::test]
async fn objects_outside_the_scope_are_never_asked_for() {
    let scope = Scope::namespaces(["shop"]).unwrap();
    let stage = Stage::set_as(Origin::Argument, scope).await;
    // The scripted cluster would wait for an answer for ever.
    let answer = stage.get("/api/ingresses/kube-system/cart/yaml").await;
    assert_eq!(answer.problem(), (404, "not-found".into(), None));
    assert!(answer.body.contains("unwatched"), "{}", answer.body);
    let list = stage.get("/api/ingresses?namespaces=shop,team").await.json();
    assert_eq!(list["partial"][0]["namespace"], "team");
    assert_eq!(list["partial"][0]["state"], "unwatched");
}

#[tokio::test]
async fn namespaces_health_and_info() {
    let stage = Stage::set().await;
    let namespaces = stage.get("/api/namespaces").await;
    assert_eq!(namespaces.header("cache-control"), "no-store");
    let namespaces = namespaces.json();
    let shown: Vec<_> = namespaces["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| json!([item["name"], item["phase"], item["ingresses"], item["lane"]["state"]]))
        .collect();
    assert_eq!(shown, [json!(["shop", "Active", 2, "live"]), json!(["team", null, 1, "live"])]);
    assert_eq!(namespaces["partial"], json!([]));

    let health = stage.get("/api/health").await;
    assert_eq!((health.status, health.json()["status"].as_str()), (StatusCode::OK, Some("healthy")));
    assert_eq!(health.json()["checks"]["kubernetes"]["status"], "up");
    assert!(health.json()["checks"]["kubernetes"]["latency"].is_u64());
    assert_eq!(health.json()["checks"]["kubernetes"]["breaker"], "closed");
    let lanes = json!({"connecting": 0, "syncing": 0, "live": 1, "reconnecting": 0, "denied": 0});
    assert_eq!(health.json()["checks"]["lanes"], lanes);

    let info = stage.get("/api/info").await.json();
    let cluster = json!({"cluster": "prod", "origin": "argument", "detail": null, "server": null});
    assert_eq!((&info["clusters"], &info["scope"]), (&json!([cluster]), &json!({"namespaces": null})));
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn a_simulated_cluster_is_called_one_everywhere() {
    let stage = Stage::set_as(Origin::Demo, Scope::All).await;
    for path in ["/api/ingresses", "/api/ingresses/shop/cart", "/api/namespaces", "/api/health", "/api/info"]
    {
        assert_eq!(stage.get(path).await.json()["demo"], true, "{path}");
    }
}

#[tokio::test]
async fn readiness_and_liveness_before_and_after() {
    let (source, mut cluster) = scripted::cluster(info("prod", Origin::Argument));
    cluster.set_probe(Err(SourceError::new(ErrorKind::Unreachable, "connection refused")));
    let hub = Hub::builder(source).start();
    let router = Dashboard::new(hub.clone()).into_router();
    assert_eq!(get(&router, "/livez", &[]).await.status, StatusCode::OK);
    let early = get(&router, "/readyz", &[]).await;
    assert_eq!(
        (early.status, early.header("content-type")),
        (StatusCode::SERVICE_UNAVAILABLE, "text/plain; charset=utf-8")
    );
    // Nobody knows anything yet, and the answers say so.
    let list = get(&router, "/api/ingresses", &[]).await.json();
    assert_eq!((&list["total"], &list["partial"][0]["state"]), (&json!(0), &json!("connecting")));
    assert_eq!(get(&router, "/api/health", &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);

    let feed = cluster.ingresses.next_watch().await.unwrap().accept();
    feed.listed([], "1").await;
    hub.synced().await;
    assert_eq!(get(&router, "/readyz", &[]).await.status, StatusCode::OK);
    feed.fail(SourceError::new(ErrorKind::Disconnected, "broken")).await;
    hub.ingresses().wait_for(|state| state.lanes().any(|lane| !lane.is_live())).await.unwrap();
    assert_eq!(get(&router, "/readyz", &[]).await.status, StatusCode::OK);
    assert_eq!(get(&router, "/livez", &[]).await.status, StatusCode::OK);
    let partial = get(&router, "/api/ingresses", &[]).await.json()["partial"][0].clone();
    assert!(partial["staleSince"].is_string() || partial["state"] == "reconnecting", "{partial}");
}

#[tokio::test]
async fn several_clusters_are_told_apart() {
    let (first, mut one) = scripted::cluster(info("one", Origin::Argument));
    let (second, mut two) = scripted::cluster(info("two", Origin::Argument));
    let hub = Hub::builder(second).and(first).unwrap().start();
    let feeds = [
        one.ingresses.next_watch().await.unwrap().accept(),
        two.ingresses.next_watch().await.unwrap().accept(),
    ];
    for feed in &feeds {
        feed.listed([ingress("shop", "cart", 1)], "1").await;
    }
    feeds[1].applied(ingress("shop", "only-two", 2)).await;
    hub.ingresses().wait_for(|state| state.len() == 3).await.unwrap();
    let router = Dashboard::new(hub).into_router();
    let list = get(&router, "/api/ingresses?namespace=shop", &[]).await.json();
    let ids: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["one/shop/cart", "two/shop/cart", "two/shop/only-two"]);

    for path in ["/api/ingresses/shop/cart", "/api/ingresses/shop/cart/yaml"] {
        let ambiguous = get(&router, path, &[]).await;
        assert_eq!(ambiguous.problem(), (400, "bad-parameter".into(), Some("cluster".into())));
    }
    let item = get(&router, "/api/ingresses/shop/cart?cluster=two", &[]).await.json();
    assert_eq!(item["cluster"], "two");
    assert_eq!(get(&router, "/api/ingresses/shop/only-two", &[]).await.json()["cluster"], "two");

    two.set_probe(Err(SourceError::from_status(401, "who are you", None)));
    let health = get(&router, "/api/health", &[]).await.json();
    assert_eq!(health["checks"]["clusters"].as_array().unwrap().len(), 2, "{health}");
}

/// Serves a router on a free port until the guard is dropped.
async fn serve(app: Router) -> (std::net::SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, tasks)
}

/// Opens a stream over a real connection and gives its lines.
struct Lines {
    reader: BufReader<TcpStream>,
}

impl Lines {
    async fn open(address: std::net::SocketAddr, path: &str, headers: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        // HTTP/1.0 has no chunks: what follows the head is the stream and nothing else.
        let request = format!("GET {path} HTTP/1.0\r\nhost: x\r\n{headers}\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut lines = Self { reader: BufReader::new(socket) };
        let mut head = Vec::new();
        loop {
            let line = lines.line().await.unwrap();
            if line.is_empty() {
                break;
            }
            head.push(line.to_ascii_lowercase());
        }
        for wanted in [
            "content-type: text/event-stream",
            "cache-control: no-store, no-transform",
            "x-accel-buffering: no",
            "x-content-type-options: nosniff",
        ] {
            assert!(head.iter().any(|line| line == wanted), "{wanted} is not in {head:?}");
        }
        lines
    }

    /// The next line; `None` at the end of the connection.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line).await.unwrap();
        line.strip_suffix('\n').map(|line| line.trim_end_matches('\r').to_owned())
    }

    /// The next event: its name, its id, its data.
    async fn event(&mut self) -> (String, Option<String>, Value) {
        let (mut name, mut id, mut data) = (String::new(), None, None);
        loop {
            let line = self.line().await.expect("the stream ended early");
            match line.split_once(": ") {
                Some(("event", value)) => name = value.to_owned(),
                Some(("id", value)) => id = Some(value.to_owned()),
                Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
                _ if line.is_empty() => {
                    if let Some(data) = data.take() {
                        return (name, id, data);
                    }
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn a_nested_router_streams_over_a_real_connection() {
    let stage = Stage::set().await;
    let dashboard = Dashboard::new(stage.hub.clone());
    let shutdown = dashboard.shutdown();
    let app = Router::new().nest("/deep/routes", dashboard.into_router());
    let (address, _server) = serve(app).await;
    let path = "/deep/routes/api/ingresses/stream?namespace=shop";
    let mut lines = Lines::open(address, path, "").await;
    let retry = lines.line().await.unwrap();
    let wait: u64 = retry.strip_prefix("retry: ").unwrap().parse().unwrap();
    assert!((1000..=3000).contains(&wait), "{retry}");
    let (name, id, lane) = lines.event().await;
    assert_eq!((name.as_str(), id, &lane["state"]), ("lane", None, &json!("live")));
    let (name, id, snapshot) = lines.event().await;
    assert_eq!((name.as_str(), snapshot["items"].as_array().unwrap().len()), ("snapshot", 2));
    assert_eq!((id.as_deref(), &snapshot["done"]), (snapshot["revision"].as_str(), &json!(true)));

    stage.feed.applied(ingress("team", "wiki", 5)).await;
    stage.feed.applied(ingress("shop", "cart", 6)).await;
    let (name, id, item) = lines.event().await;
    assert_eq!((name.as_str(), &item["resourceVersion"]), ("modified", &json!("6")));
    drop(lines);
    stage.feed.deleted(Some("shop"), "cart", "7").await;
    let mut lines = Lines::open(address, path, &format!("last-event-id: {}\r\n", id.unwrap())).await;
    assert_eq!(lines.event().await.0, "lane");
    let (name, _, gone) = lines.event().await;
    assert_eq!((name.as_str(), &gone["id"]), ("deleted", &json!("prod/shop/cart")));

    let mut lost = Lines::open(address, path, "last-event-id: 1:1\r\n").await;
    let (name, _, reset) = lost.event().await;
    assert_eq!((name.as_str(), &reset["reason"]), ("reset", &json!("epoch-changed")));

    shutdown.begin();
    let (name, _, end) = lines.event().await;
    assert_eq!((name.as_str(), &end["reason"]), ("end", &json!("shutdown")));
    assert_eq!(lines.line().await, None, "the connection stays");
    let missing = Router::new().nest("/deep/routes", stage.router.clone());
    assert_eq!(get(&missing, "/deep/routes/api/nothing", &[]).await.problem().0, 404);
}

#[tokio::test]
async fn a_graceful_shutdown_does_not_wait_for_streams() {
    let stage = Stage::set().await;
    let dashboard = Dashboard::new(stage.hub.clone());
    let streams = dashboard.shutdown();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopping) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, dashboard.into_router()).with_graceful_shutdown(async move {
        stopping.await.unwrap();
        streams.begin();
    });
    let client = async {
        let mut lines = Lines::open(address, "/api/ingresses/stream", "").await;
        assert_eq!(lines.event().await.0, "lane");
        stop.send(()).unwrap();
        while lines.event().await.0 != "end" {}
    };
    let (served, ()) = tokio::join!(std::future::IntoFuture::into_future(server), client);
    served.unwrap();
}

#[tokio::test]
async fn one_stream_too_many_is_told_to_come_back() {
    let stage = Stage::set().await;
    let router = Dashboard::builder(stage.hub.clone()).max_streams(1).build().into_router();
    let (address, _server) = serve(router.clone()).await;
    let mut only = Lines::open(address, "/api/ingresses/stream", "").await;
    while only.event().await.0 != "snapshot" {}
    let refused = get(&router, "/api/ingresses/stream", &[]).await;
    assert_eq!((refused.problem().0, refused.problem().1.as_str()), (503, "too-many-streams"));
    assert_eq!(refused.header("retry-after"), "10");
    assert_eq!(get(&router, "/api/ingresses", &[]).await.status, 200, "all else is served");
    drop(only);
    // The server notices that the client is gone when it has something to say to it.
    let again = async {
        for version in 10.. {
            stage.feed.applied(ingress("shop", "cart", version)).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            let request = Request::get("/api/ingresses/stream").body(Body::empty()).unwrap();
            if router.clone().oneshot(request).await.unwrap().status() == StatusCode::OK {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("the place was given back");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_nobody_up() {
    let stage = Stage::set().await;
    let (address, _server) = serve(stage.router.clone()).await;
    let stalled = Lines::open(address, "/api/ingresses/stream", "").await;
    let mut reading = Lines::open(address, "/api/ingresses/stream", "").await;
    while reading.event().await.0 != "snapshot" {}
    for version in 10..3000 {
        stage.feed.applied(ingress("shop", "cart", version)).await;
        if version % 100 == 0 {
            let wanted = json!(version.to_string());
            while reading.event().await.2["resourceVersion"] != wanted {}
        }
    }
    drop(stalled);
}

#[tokio::test]
async fn only_an_engine_that_does_not_work_is_not_alive() {
    let stage = Stage::set().await;
    let down = SourceError::new(ErrorKind::Unreachable, "gone");
    stage.cluster.set_probe(Err(down));
    assert_eq!(stage.get("/livez").await.status, StatusCode::OK);
    stage.hub.shutdown().await;
    let answer = stage.get("/livez").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "a task of the engine ended\n")
    );
}
