//! What protects the router: whom it believes, how often it answers, what it refuses, and the headers on whatever it says.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use ingress_core::access::UserInfo;
use ingress_core::source::scripted::{self, ClusterHandle, Feed};
use ingress_core::source::{ClusterInfo, Origin};
use ingress_core::{ClusterId, Hub, Ingress, Kind as _, NamespaceRecord, SourceError};
use ingress_http::Transport;
use ingress_http::client::TrustedProxies;
use ingress_http::{Dashboard, DashboardBuilder, Hosts, Origins, RateLimit};
use serde_json::{Value, json};
use tower::ServiceExt as _;

const STREAM: &str = "/api/ingresses/stream";

struct Stage {
    router: Router,
    cluster: ClusterHandle,
    feeds: (Feed<Ingress>, Feed<NamespaceRecord>),
}

fn cart(revision: &str) -> Ingress {
    let cart =
        json!({"metadata": {"namespace": "shop", "name": "cart", "uid": "u", "resourceVersion": revision}});
    Ingress::decode_json(&mut serde_json::Deserializer::from_str(&cart.to_string())).unwrap()
}

impl Stage {
    async fn set(configure: impl FnOnce(DashboardBuilder) -> DashboardBuilder) -> Self {
        let info = ClusterInfo::new(ClusterId::new("prod").unwrap(), Origin::Argument);
        let (source, mut cluster) = scripted::cluster(info);
        let hub = Hub::builder(source).start();
        let feed = cluster.ingresses.next_watch().await.unwrap().accept();
        let namespaces = cluster.namespaces.next_watch().await.unwrap().accept();
        namespaces.listed([], "1").await;
        feed.listed([cart("1")], "1").await;
        hub.synced().await;
        let router = configure(Dashboard::builder(hub)).build().into_router();
        Self { router, cluster, feeds: (feed, namespaces) }
    }

    /// The ingress has another revision; waits until it is shown, and tells how many there are.
    async fn changed(&self, revision: &str) -> usize {
        self.feeds.0.applied(cart(revision)).await;
        loop {
            let list: Value = serde_json::from_str(&self.get("/api/ingresses").await.body).unwrap();
            if list["items"][0]["resourceVersion"] == revision {
                return list["items"].as_array().unwrap().len();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Ask::get(path)).await
    }

    async fn ask(&self, ask: Ask<'_>) -> Answer {
        let response = self.open(ask).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body).unwrap(),
        }
    }

    async fn open(&self, ask: Ask<'_>) -> axum::response::Response {
        let mut request = Request::builder().method(ask.method).uri(ask.path);
        for (name, value) in ask.headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(ask.body).unwrap();
        if let Some(peer) = ask.peer {
            request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        }
        if let Some(user) = ask.user {
            request.extensions_mut().insert(Arc::new(UserInfo::new(user, ["staff"])));
        }
        if ask.tls {
            request.extensions_mut().insert(Transport::TLS);
        }
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn metric(&self, series: &str) -> String {
        let text = self.get("/metrics").await.body;
        let line =
            text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).map(str::to_owned);
        line.unwrap_or_else(|| panic!("there is no {series}"))
    }
}

struct Ask<'a> {
    method: Method,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    peer: Option<&'a str>,
    user: Option<&'a str>,
    tls: bool,
    body: Body,
}

impl<'a> Ask<'a> {
    fn get(path: &'a str) -> Self {
        Self {
            method: Method::GET,
            path,
            headers: &[],
            peer: None,
            user: None,
            tls: false,
            body: Body::empty(),
        }
    }

    fn from(self, peer: &'a str) -> Self {
        Self { peer: Some(peer), ..self }
    }

    fn by(self, user: &'a str) -> Self {
        Self { user: Some(user), ..self }
    }

    fn with(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The status and the name of the problem's type.
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["status"], self.status);
        assert_eq!(body["requestId"], self.header("x-request-id"));
        (self.status, body["type"].as_str().unwrap().rsplit_once('#').unwrap().1.to_owned())
    }
}

fn rate(burst: u32, per_second: f64) -> RateLimit {
    RateLimit::new(burst, per_second).unwrap()
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let stage = Stage::set(|dashboard| dashboard.rate_limit(rate(3, 0.1))).await;
    for left in [2, 1, 0] {
        let answer = stage.ask(Ask::get("/api/ingresses").from("192.0.2.1:1")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), "\"requests\";q=3;w=30");
        assert_eq!(answer.header("ratelimit"), format!("\"requests\";r={left};t={}", (3 - left) * 10));
    }
    // Errors and paths that are none cost as well, and another port is the same client.
    for path in ["/api/ingresses", "/api/ingresses?x=1", "/nothing"] {
        let refused = stage.ask(Ask::get(path).from("192.0.2.1:2")).await;
        assert_eq!(refused.problem(), (429, "too-many-requests".into()), "{path}");
        assert_eq!(
            (refused.header("retry-after"), refused.header("ratelimit")),
            ("10", "\"requests\";r=0;t=30")
        );
    }
    assert_eq!(stage.ask(Ask::get("/api/ingresses").from("192.0.2.2:1")).await.status, 200, "another client");
    for path in ["/livez", "/readyz", "/metrics"] {
        let answer = stage.ask(Ask::get(path).from("192.0.2.1:1")).await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, ""), "{path}");
    }
    assert_eq!(stage.metric("ingress_http_requests_limited_total{class=\"requests\"}").await, "3");
    let series = "ingress_http_requests_total{route=\"/api/ingresses\",method=\"GET\",code=\"429\"}";
    assert_eq!(stage.metric(series).await, "2");
}

#[tokio::test]
async fn who_is_known_has_their_own_limit_wherever_they_are() {
    let stage = Stage::set(|dashboard| dashboard.rate_limit(rate(1, 0.01))).await;
    let ask = |peer, user: &'static str| {
        let ask = Ask::get("/api/info").from(peer);
        if user.is_empty() { ask } else { ask.by(user) }
    };
    for (peer, user, status) in [
        ("192.0.2.1:1", "ann", 200),
        ("192.0.2.2:1", "ann", 429),
        ("192.0.2.1:1", "bob", 200),
        ("192.0.2.1:1", "", 200),
        ("192.0.2.1:1", "", 429),
        ("[2001:db8::1]:1", "", 200),
        ("[2001:db8::2]:1", "", 429),
        ("[2001:db8:0:1::2]:1", "", 200),
    ] {
        assert_eq!(stage.ask(ask(peer, user)).await.status, status, "{peer} {user}");
    }
}

#[tokio::test]
async fn without_addresses_all_share_one_limit() {
    let stage = Stage::set(|dashboard| dashboard.rate_limit(rate(2, 0.01))).await;
    let statuses = [stage.get("/api/info").await, stage.get("/api/info").await, stage.get("/api/info").await];
    assert_eq!(statuses.map(|answer| answer.status), [200, 200, 429]);
    let stage = Stage::set(|dashboard| dashboard.rate_limit(None)).await;
    for _ in 0..300 {
        let answer = stage.get("/api/info").await;
        assert_eq!((answer.status, answer.header("ratelimit")), (200, ""));
    }
}

#[tokio::test]
async fn streams_and_pages_are_counted_apart() {
    let limits =
        |dashboard: DashboardBuilder| dashboard.rate_limit(rate(2, 0.01)).stream_rate_limit(rate(1, 0.01));
    let stage = Stage::set(limits).await;
    let stream = stage.open(Ask::get(STREAM)).await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(stream.headers()["ratelimit"], "\"streams\";r=0;t=100");
    assert_eq!(stage.get(STREAM).await.problem(), (429, "too-many-requests".into()));
    if cfg!(feature = "ui") {
        let page = [stage.get("/").await, stage.get("/").await, stage.get("/").await];
        assert_eq!(page.map(|answer| answer.status), [200, 200, 429]);
    }
    assert_eq!(stage.get("/api/info").await.status, 200);
}

#[tokio::test]
async fn streams_are_bounded_by_user_and_by_address() {
    let caps = |dashboard: DashboardBuilder| {
        dashboard.max_streams(4).max_streams_per_user(1).max_streams_per_address(2)
    };
    let stage = Stage::set(caps).await;
    let ann = stage.open(Ask::get(STREAM).from("192.0.2.1:1").by("ann")).await;
    let second = stage.ask(Ask::get(STREAM).from("192.0.2.2:1").by("ann")).await;
    assert_eq!((second.problem(), second.header("retry-after")), ((503, "too-many-streams".into()), "10"));
    assert!(second.body.contains("1 streams are open for you"), "{}", second.body);
    let somebody = stage.open(Ask::get(STREAM).from("192.0.2.1:1")).await;
    assert_eq!((ann.status().as_u16(), somebody.status().as_u16()), (200, 200));
    let third = stage.ask(Ask::get(STREAM).from("192.0.2.1:1").by("bob")).await;
    assert!(third.body.contains("2 streams are open for your address"), "{}", third.body);
    assert_eq!(stage.metric("ingress_streams_refused_total{reason=\"too-many-of-user\"}").await, "1");
    assert_eq!(stage.metric("ingress_streams_refused_total{reason=\"too-many-of-address\"}").await, "1");
    drop(ann);
    assert_eq!(
        stage.open(Ask::get(STREAM).from("192.0.2.2:1").by("ann")).await.status(),
        200,
        "a place is given back"
    );
}

#[tokio::test]
async fn proxies_are_believed_if_they_are_trusted() {
    let stage = Stage::set(|dashboard| {
        dashboard.rate_limit(rate(1, 0.01)).trusted_proxies(TrustedProxies::new(["10.0.0.0/8"]).unwrap())
    })
    .await;
    let proxied = [
        ("x-forwarded-for", "198.51.100.1, 203.0.113.1"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "abc-1"),
    ];
    let answer = stage.ask(Ask::get("/api/info").from("10.1.1.1:1").with(&proxied)).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (200, "abc-1"));
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
    // The same client by way of another proxy, whatever it claims to be.
    let again = [("x-forwarded-for", "198.51.100.2, 203.0.113.1")];
    assert_eq!(stage.ask(Ask::get("/api/info").from("10.1.1.2:1").with(&again)).await.status, 429);
    // Somebody who is no proxy is believed nothing.
    let direct = stage.ask(Ask::get("/api/info").from("192.0.2.1:1").with(&proxied)).await;
    assert_eq!((direct.status, direct.header("strict-transport-security")), (200, ""));
    assert_ne!(direct.header("x-request-id"), "abc-1");
    assert_eq!(stage.ask(Ask::get("/api/info").from("192.0.2.1:1").with(&again)).await.status, 429);
}

#[tokio::test]
async fn every_answer_is_protected() {
    let stage = Stage::set(|dashboard| dashboard).await;
    let mut paths = vec![
        "/api/ingresses",
        "/api/ingresses?x=1",
        "/api/ingresses/shop/cart",
        "/api/namespaces",
        "/api/health",
        "/api/info",
        "/livez",
        "/readyz",
        "/metrics",
        "/nothing",
    ];
    if cfg!(feature = "ui") {
        paths.push("/");
    }
    for path in paths {
        for (method, tls) in [(Method::GET, false), (Method::HEAD, true), (Method::POST, false)] {
            let answer = stage.ask(Ask { method: method.clone(), tls, ..Ask::get(path) }).await;
            let policy = answer.header("content-security-policy");
            if path == "/" && answer.status == 200 {
                assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
            } else {
                assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'", "{method} {path}");
            }
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("strict-transport-security", if tls { "max-age=31536000" } else { "" }),
                ("access-control-allow-origin", ""),
            ] {
                assert_eq!(answer.header(name), value, "{method} {path}");
            }
            assert!(answer.header("permissions-policy").contains("camera=()"));
            assert_eq!(answer.header("x-request-id").len(), 32);
            assert_eq!(answer.headers.get_all("content-security-policy").iter().count(), 1);
        }
    }
    let stream = stage.open(Ask::get(STREAM)).await;
    assert_eq!(stream.headers()["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
}

#[tokio::test]
async fn other_origins_read_only_if_they_are_listed() {
    let listed = || Origins::new(["https://portal.example.com"]).unwrap();
    let stage = Stage::set(|dashboard| dashboard.allow_origins(listed()).rate_limit(rate(2, 0.01))).await;
    let (portal, other) = ([("origin", "https://portal.example.com")], [("origin", "https://evil.example")]);
    let answer = stage.ask(Ask::get("/api/ingresses/shop/cart").with(&portal)).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://portal.example.com");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert!(answer.header("access-control-expose-headers").contains("ratelimit"));
    let vary: Vec<_> = answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(vary.join(",").contains("origin") && vary.join(",").contains("accept"), "{vary:?}");
    let answer = stage.ask(Ask::get("/api/info").with(&other)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, ""));
    let limited = stage.ask(Ask::get("/api/info").with(&portal)).await;
    assert_eq!(limited.status, 429);
    assert_eq!(
        limited.header("access-control-allow-origin"),
        "https://portal.example.com",
        "scripts may know why"
    );

    let preflight = [
        ("origin", "https://portal.example.com"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization,last-event-id"),
    ];
    let answer = stage.ask(Ask { method: Method::OPTIONS, ..Ask::get(STREAM).with(&preflight) }).await;
    assert_eq!((answer.status, answer.header("access-control-allow-methods")), (200, "GET,HEAD"));
    assert_eq!(answer.header("access-control-allow-headers"), "last-event-id,if-none-match,authorization");
    let none = Stage::set(|dashboard| dashboard).await;
    assert_eq!(
        none.ask(Ask { method: Method::OPTIONS, ..Ask::get(STREAM).with(&preflight) }).await.problem().0,
        405
    );
}

#[tokio::test]
async fn only_for_the_hosts_that_are_its_own() {
    let hosts = Hosts::loopback_and(["dashboard.example.com"]).unwrap();
    let stage = Stage::set(|dashboard| dashboard.hosts(hosts)).await;
    for path in ["/api/info", "/livez", "/nothing", STREAM] {
        let rebound = stage.ask(Ask::get(path).with(&[("host", "evil.example:8080")])).await;
        assert_eq!(rebound.problem(), (421, "misdirected-request".into()), "{path}");
        assert!(!rebound.body.contains("evil.example"));
    }
    for host in ["localhost:8080", "127.0.0.1", "[::1]:80", "dashboard.example.com"] {
        assert_eq!(stage.ask(Ask::get("/api/info").with(&[("host", host)])).await.status, 200, "{host}");
    }
    assert_eq!(stage.get("http://localhost:8080/api/info").await.status, 200, "HTTP/2 has no Host");
    assert_eq!(stage.get("http://evil.example/api/info").await.status, 421);
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let stage = Stage::set(|dashboard| dashboard).await;
    let long = |length: usize| format!("/api/info?{}", "x".repeat(length - "/api/info?".len()));
    assert_eq!(stage.get(&long(8 * 1024)).await.problem(), (400, "bad-parameter".into()));
    assert_eq!(stage.get(&long(8 * 1024 + 1)).await.problem(), (414, "uri-too-long".into()));

    let names: Vec<_> = (0..101).map(|number| format!("x-{number}")).collect();
    let headers: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
    assert_eq!(stage.ask(Ask::get("/api/info").with(&headers[..100])).await.status, 200);
    assert_eq!(
        stage.ask(Ask::get("/api/info").with(&headers)).await.problem(),
        (431, "headers-too-large".into())
    );
    let (token, too_much) = ("t".repeat(30 * 1024), "t".repeat(32 * 1024));
    assert_eq!(stage.ask(Ask::get("/api/info").with(&[("authorization", &token)])).await.status, 200);
    let refused = stage.ask(Ask::get("/api/info").with(&[("authorization", &too_much)])).await;
    assert_eq!(refused.problem(), (431, "headers-too-large".into()));

    let body = |size: usize| Ask { body: Body::from(vec![b'x'; size]), ..Ask::get("/api/info") };
    assert_eq!(stage.ask(body(64 * 1024)).await.status, 200, "nobody reads it");
    assert_eq!(stage.ask(body(64 * 1024 + 1)).await.problem(), (413, "content-too-large".into()));
    let declared = Ask::get("/api/info").with(&[("content-length", "70000")]);
    assert_eq!(stage.ask(declared).await.problem(), (413, "content-too-large".into()));
    let endless = Body::from_stream(futures::stream::repeat(Ok::<_, Infallible>("x".repeat(1024))));
    let endless = stage.ask(Ask { body: endless, method: Method::POST, ..Ask::get("/api/info") });
    let answer = tokio::time::timeout(Duration::from_secs(20), endless).await.expect("it is not read");
    assert_eq!(answer.problem(), (405, "method-not-allowed".into()));
}

#[tokio::test]
async fn the_same_object_is_asked_for_once_at_a_time() {
    let mut stage = Stage::set(|dashboard| dashboard).await;
    let path = "/api/ingresses/shop/cart/yaml";
    let asking = stage.cluster.ingresses.next_get();
    let (router, ask) = (stage.router.clone(), || Request::get(path).body(Body::empty()).unwrap());
    let (one, two, three, ()) = tokio::join!(
        router.clone().oneshot(ask()),
        router.clone().oneshot(ask()),
        router.clone().oneshot(ask()),
        async {
            let asked = asking.await.unwrap();
            // So that all three have come.
            tokio::time::sleep(Duration::from_millis(50)).await;
            asked.answer(Ok(br#"{"kind":"Ingress"}"#.as_slice().into()));
        }
    );
    for response in [one, two, three] {
        let response = response.unwrap();
        assert!(response.headers()["cache-status"].to_str().unwrap().starts_with("ingress; fwd=uri-miss"));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "kind: Ingress\n");
    }
    assert_eq!(stage.metric("ingress_requested_calls_shared_total").await, "2");
    // Once it is answered, nobody asks until it changes.
    let again = stage.get(path).await;
    assert_eq!((again.status, again.header("cache-status").starts_with("ingress; hit; ttl=")), (200, true));
    let changed = stage.changed("2").await;
    assert_eq!(changed, 1, "one ingress");
    let (again, ()) = tokio::join!(router.clone().oneshot(ask()), async {
        let gone = Err(SourceError::from_status(404, "gone", None));
        stage.cluster.ingresses.next_get().await.unwrap().answer(gone);
    });
    assert_eq!(again.unwrap().status(), 404);
}

#[tokio::test]
async fn the_cluster_is_asked_at_a_pace() {
    let mut stage = Stage::set(|dashboard| dashboard.upstream_rate_limit(rate(1, 0.01))).await;
    let ask =
        |name: &str| Request::get(format!("/api/ingresses/shop/{name}/yaml")).body(Body::empty()).unwrap();
    let router = stage.router.clone();
    let (first, ()) = tokio::join!(router.clone().oneshot(ask("cart")), async {
        stage
            .cluster
            .ingresses
            .next_get()
            .await
            .unwrap()
            .answer(Ok(br#"{"kind":"Ingress"}"#.as_slice().into()));
    });
    assert_eq!(first.unwrap().status(), 200);
    let refused = stage.get("/api/ingresses/shop/other/yaml").await;
    assert_eq!(
        (refused.problem(), refused.header("retry-after")),
        ((503, "cluster-unavailable".into()), "1")
    );
    assert_eq!(stage.metric("ingress_requested_calls_refused_total").await, "1");
    assert_eq!(stage.get("/api/ingresses/shop/cart").await.status, 200, "what is known is served");
}
