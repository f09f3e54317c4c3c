//! What `GET /metrics` says, asked as Prometheus does, and whether it is said as OpenMetrics 1.0 asks for.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures::StreamExt as _;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use ingress_core::source::scripted::{self, ClusterHandle, Feed};
use ingress_core::source::{ClusterInfo, Origin};
use ingress_core::{ClusterId, Hub, Ingress, Kind, NamespaceRecord};
use ingress_http::Dashboard;
use serde_json::json;
use tower::ServiceExt as _;

/// The samples by series, labels in the order of their names.
type Samples = BTreeMap<String, f64>;

/// Reads an exposition as its specification says, and panics where it is none: every sample belongs to a family that was
/// declared, in one piece, with a help and a type that fits the sample's name; no series comes twice; `# EOF` is the end.
fn parse(text: &str) -> Samples {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut families: BTreeMap<&str, (bool, Option<&str>)> = BTreeMap::new();
    let (mut current, mut samples) = ("", Samples::new());
    for line in body.lines() {
        assert!(!line.is_empty() && line.trim() == line, "{line:?}");
        if let Some(meta) = line.strip_prefix("# ") {
            let mut words = meta.splitn(3, ' ');
            let (what, name, value) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            if name != current {
                assert!(!families.contains_key(name), "{name} comes in two pieces");
                current = name;
            }
            let family = families.entry(name).or_default();
            match what {
                "HELP" => assert!(!std::mem::replace(&mut family.0, true) && !value.is_empty(), "{line}"),
                "TYPE" => {
                    assert!(["counter", "gauge", "histogram", "info"].contains(&value), "{line}");
                    assert_eq!(family.1.replace(value), None, "{line}");
                }
                "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let (help, of) = families[current];
        let suffixes: &[&str] = match of.expect("a type comes before samples") {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &["_info"],
        };
        let suffix = name.strip_prefix(current).unwrap_or_else(|| panic!("{line} is not of {current}"));
        assert!(help && suffixes.contains(&suffix), "{line}");
        let series = format!("{name}{}", labels(series[name.len()..].trim()));
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(value >= 0.0, "{line}: nothing here can be negative");
        assert_eq!(samples.insert(series.clone(), value), None, "{series} comes twice");
    }
    for (name, (help, of)) in families {
        assert!(help && of.is_some(), "{name} lacks a help or a type");
        assert!(name.starts_with("ingress_") || name.starts_with("process_"), "{name}");
    }
    samples
}

/// Labels in the order of their names.
fn labels(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut rest = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap();
    let mut labels = BTreeMap::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap();
        let mut escaped = false;
        let end = after.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let (value, after) = after.split_at(end.expect("a value ends"));
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{text}");
        assert_eq!(labels.insert(name, value), None, "{text}");
        rest = after[1..].strip_prefix(',').unwrap_or(&after[1..]);
    }
    let labels: Vec<_> = labels.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", labels.join(","))
}

struct Stage {
    router: Router,
    feed: Feed<Ingress>,
    hub: Hub,
    _rest: (ClusterHandle, Feed<NamespaceRecord>),
}

fn ingress(name: &str, version: u64) -> Ingress {
    let object = json!({"metadata": {"namespace": "shop", "name": name, "uid": name,
        "resourceVersion": version.to_string()}, "spec": {"rules": [{"host": "secret.example.com"}]}});
    Ingress::decode_json(&mut serde_json::Deserializer::from_str(&object.to_string())).unwrap()
}

impl Stage {
    async fn set(cluster: &str, max_streams: usize, history: usize) -> Self {
        let info = ClusterInfo::new(ClusterId::new(cluster).unwrap(), Origin::Argument);
        let (source, mut handle) = scripted::cluster(info);
        let hub = Hub::builder(source).history(history).start();
        let feed = handle.ingresses.next_watch().await.unwrap().accept();
        let namespaces = handle.namespaces.next_watch().await.unwrap().accept();
        namespaces.listed([], "1").await;
        feed.listed([ingress("cart", 1), ingress("pay", 2)], "3").await;
        hub.synced().await;
        // What is counted here comes faster than anybody may ask.
        let builder = Dashboard::builder(hub.clone()).max_streams(max_streams).rate_limit(None);
        #[cfg(feature = "server")]
        let builder = builder.server_stats(ingress_http::server::ServerStats::new());
        let router = builder.build().into_router();
        Self { router, feed, hub, _rest: (handle, namespaces) }
    }

    async fn ask(&self, method: Method, path: &str, last_event_id: &str) -> axum::response::Response {
        let request = Request::builder().method(method).uri(path).header("last-event-id", last_event_id);
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn get(&self, path: &str) -> axum::response::Response {
        self.ask(Method::GET, path, "").await
    }

    async fn text(&self) -> String {
        let response = self.get("/metrics").await;
        assert_eq!(response.status(), 200);
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    async fn scrape(&self) -> Samples {
        parse(&self.text().await)
    }
}

#[tokio::test]
async fn the_answer_is_open_metrics() {
    let stage = Stage::set(r#"a"b\c"#, 10, 100).await;
    let response = stage.get("/metrics").await;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.headers()["content-type"], content_type);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    // A second scrape, so that what is only there once it happened is there.
    let samples = stage.scrape().await;
    assert!(samples.len() > 100, "{}", samples.len());
    assert_eq!(samples[&format!("ingress_build_info{{version={}}}", env!("CARGO_PKG_VERSION"))], 1.0);
    assert_eq!(samples[r#"ingress_objects{cluster=a\"b\\c,kind=Ingress}"#], 2.0);
    if cfg!(target_os = "linux") {
        for name in [
            "process_resident_memory_bytes",
            "process_cpu_seconds_total",
            "process_open_fds",
            "process_start_time_seconds",
        ] {
            assert!(samples.contains_key(name), "{name}");
        }
    }
    assert_eq!(stage.get("/metrics?x=1").await.status(), 400);
    assert_eq!(stage.ask(Method::POST, "/metrics", "").await.status(), 405);
    let head = stage.ask(Method::HEAD, "/metrics", "").await;
    assert_eq!(head.headers()["content-type"], content_type);
}

#[tokio::test]
async fn every_metric_is_in_the_documentation_and_the_other_way_round() {
    let stage = Stage::set("prod", 10, 100).await;
    let text = stage.text().await;
    let mut families: BTreeSet<String> = BTreeSet::new();
    for line in text.lines() {
        if let Some((name, of)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let suffix = match of {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            families.insert(format!("{name}{suffix}"));
        }
    }
    let page = include_str!("../../docs/http-api.md");
    let documented: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.starts_with("ingress_") || name.starts_with("process_"))
        .filter(|name| cfg!(target_os = "linux") || !name.starts_with("process_"))
        // This one is no replica, and watches no routes; `routes` has one that does.
        .filter(|name| !name.starts_with("ingress_fleet_") && !name.starts_with("ingress_route"))
        .filter(|name| {
            let is_servers =
                ["ingress_connection", "ingress_tls_"].iter().any(|start| name.starts_with(start));
            cfg!(feature = "server") || !is_servers
        })
        .collect();
    assert_eq!(families, documented);
}

#[tokio::test]
async fn what_is_asked_is_counted_by_route_method_and_status() {
    let stage = Stage::set("prod", 10, 100).await;
    for path in [
        "/api/ingresses",
        "/api/ingresses?limit=1",
        "/api/ingresses?limit=x",
        "/nothing",
        "/api/ingresses/shop/cart",
    ] {
        stage.get(path).await;
    }
    stage.ask(Method::HEAD, "/readyz", "").await;
    stage.ask(Method::DELETE, "/readyz", "").await;
    stage.scrape().await;
    let samples = stage.scrape().await;
    for (labels, wanted) in [
        ("code=200,method=GET,route=/api/ingresses", 2.0),
        ("code=400,method=GET,route=/api/ingresses", 1.0),
        ("code=404,method=GET,route=other", 1.0),
        ("code=200,method=GET,route=/api/ingresses/{namespace}/{name}", 1.0),
        ("code=200,method=HEAD,route=/readyz", 1.0),
        ("code=405,method=DELETE,route=/readyz", 1.0),
        ("code=200,method=GET,route=/metrics", 1.0),
    ] {
        assert_eq!(samples[&format!("ingress_http_requests_total{{{labels}}}")], wanted, "{labels}");
    }
    assert_eq!(samples["ingress_http_request_duration_seconds_count{route=/api/ingresses}"], 3.0);
    assert_eq!(samples["ingress_http_request_duration_seconds_bucket{le=+Inf,route=/api/ingresses}"], 3.0);
    assert!(samples["ingress_http_request_duration_seconds_sum{route=/api/ingresses}"] > 0.0);
}

/// Reads a stream until an event of a type; how many bytes that took.
async fn read_until(body: &mut axum::body::BodyDataStream, event: &str) -> usize {
    let (mut text, wanted) = (String::new(), format!("event: {event}\n"));
    while !text.contains(&wanted) {
        let chunk = tokio::time::timeout(Duration::from_secs(20), body.next()).await.expect("in time");
        text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
    }
    text.len()
}

#[tokio::test]
async fn streams_are_counted_from_their_opening_to_their_end() {
    let stage = Stage::set("prod", 2, 3).await;
    let path = "/api/ingresses/stream";
    let mut fresh = stage.get(path).await.into_body().into_data_stream();
    let mut bytes = read_until(&mut fresh, "snapshot").await;
    stage.feed.applied(ingress("cart", 9)).await;
    bytes += read_until(&mut fresh, "modified").await;
    let samples = stage.scrape().await;
    assert_eq!(samples["ingress_stream_viewers"], 1.0);
    assert_eq!(samples["ingress_stream_viewers_max"], 2.0);
    assert_eq!(samples["ingress_streams_opened_total"], 1.0);
    assert_eq!(samples["ingress_streams_resumed_total"], 0.0);
    assert_eq!(samples["ingress_stream_sent_bytes_total"], bytes as f64);
    for (event, wanted) in
        [("lane", 1.0), ("snapshot", 1.0), ("modified", 1.0), ("deleted", 0.0), ("reset", 0.0)]
    {
        assert_eq!(samples[&format!("ingress_stream_events_total{{type={event}}}")], wanted, "{event}");
    }

    // One that resumes, and one too many.
    let position = stage.hub.ingresses().snapshot().position().to_string();
    let mut resumed = stage.ask(Method::GET, path, &position).await.into_body().into_data_stream();
    read_until(&mut resumed, "lane").await;
    assert_eq!(stage.get(path).await.status(), 503);
    let samples = stage.scrape().await;
    assert_eq!(samples["ingress_stream_viewers"], 2.0);
    assert_eq!(samples["ingress_streams_opened_total"], 2.0);
    assert_eq!(samples["ingress_streams_resumed_total"], 1.0);
    assert_eq!(samples["ingress_streams_refused_total{reason=too-many-streams}"], 1.0);
    drop(resumed);

    // One of another epoch, one that is too old, and one that fell behind.
    for last in ["1:1", "nonsense"] {
        let mut stream = stage.ask(Method::GET, path, last).await.into_body().into_data_stream();
        read_until(&mut stream, "reset").await;
    }
    for version in 10..40 {
        stage.feed.applied(ingress("cart", version)).await;
        let now = |object: &Ingress| object.resource_version() == version.to_string();
        stage.hub.ingresses().wait_for(|state| state.iter().any(|(_, object)| now(object))).await.unwrap();
    }
    read_until(&mut fresh, "reset").await;
    let samples = stage.scrape().await;
    for reason in ["epoch-changed", "resume-expired", "lagged"] {
        assert_eq!(samples[&format!("ingress_stream_resets_total{{reason={reason}}}")], 1.0, "{reason}");
    }
    assert_eq!(samples["ingress_stream_events_total{type=reset}"], 3.0);
    drop(fresh);
    let samples = stage.scrape().await;
    assert_eq!((samples["ingress_stream_viewers"], samples["ingress_streams_opened_total"]), (0.0, 4.0));
    assert_eq!(samples[r"ingress_objects{cluster=prod,kind=Ingress}"], 2.0);
}

#[tokio::test]
async fn what_is_encoded_once_counts_for_each_viewer() {
    let stage = Stage::set("prod", 10, 100).await;
    let mut viewers = Vec::new();
    for _ in 0..3 {
        let mut viewer = stage.get("/api/ingresses/stream").await.into_body().into_data_stream();
        read_until(&mut viewer, "snapshot").await;
        viewers.push(viewer);
    }
    stage.feed.applied(ingress("cart", 9)).await;
    for viewer in &mut viewers {
        read_until(viewer, "modified").await;
    }
    let samples = stage.scrape().await;
    assert_eq!(samples["ingress_stream_events_total{type=modified}"], 3.0);
    assert_eq!(samples["ingress_stream_events_total{type=snapshot}"], 3.0);
    assert_eq!(samples["ingress_stream_viewers"], 3.0);
}

#[tokio::test]
async fn strangers_make_no_series() {
    let stage = Stage::set("prod", 10, 100).await;
    stage.get("/unknown").await;
    stage.ask(Method::from_bytes(b"BREW").unwrap(), "/unknown", "").await;
    stage.get("/api/ingresses/shop/none").await;
    stage.get("/metrics").await;
    let before: BTreeSet<String> = stage.scrape().await.into_keys().collect();
    for number in 0..1000 {
        stage.get(&format!("/x{number}/{number}?q={number}")).await;
        stage.get(&format!("/api/ingresses/shop/none-{number}")).await;
        let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
        stage.ask(method, &format!("/y{number}"), "").await;
    }
    let text = stage.text().await;
    let after = parse(&text);
    assert_eq!(after.keys().cloned().collect::<BTreeSet<_>>(), before);
    assert_eq!(after["ingress_http_requests_total{code=404,method=GET,route=other}"], 1001.0);
    for never in ["secret.example.com", "shop", "cart", "none-"] {
        assert!(!text.contains(never), "{never}");
    }
}
