//! Content codings, as a client meets them: negotiated, decodable at every event, and nothing but another form of the same answer.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::{Read as _, Write as _};

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use futures::StreamExt as _;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use ingress_core::source::scripted::{self, Feed};
use ingress_core::source::{ClusterInfo, Origin};
use ingress_core::{ClusterId, Hub, Ingress, Kind};
use ingress_http::Dashboard;
use serde_json::{Value, json};
use tower::ServiceExt as _;

fn ingress(name: &str, version: u64) -> Ingress {
    let object = json!({
        "metadata": {"namespace": "shop", "name": name, "uid": format!("uid-{name}"),
            "resourceVersion": version.to_string()},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": format!("{name}.example.com")}]}
    });
    Ingress::decode_json(&mut serde_json::Deserializer::from_str(&object.to_string())).unwrap()
}

/// A router over a scripted cluster with so many ingresses.
async fn stage(count: u64) -> (Router, Hub, Feed<Ingress>) {
    let (source, mut cluster) =
        scripted::cluster(ClusterInfo::new(ClusterId::new("prod").unwrap(), Origin::Argument));
    let hub = Hub::builder(source).start();
    let feed = cluster.ingresses.next_watch().await.unwrap().accept();
    feed.listed((0..count).map(|number| ingress(&format!("x{number:05}"), number + 1)), "1").await;
    hub.synced().await;
    (Dashboard::new(hub.clone()).into_router(), hub, feed)
}

async fn ask(router: &Router, path: &str, accept: &str, known: Option<&str>) -> Response {
    let mut request = Request::builder().method(Method::GET).uri(path).header("accept-encoding", accept);
    if let Some(tag) = known {
        request = request.header("if-none-match", tag);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

fn decode(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn std::io::Read> = match coding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(bytes)),
        "br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        "zstd" => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
        _ => Box::new(bytes),
    };
    let mut text = Vec::new();
    reader.read_to_end(&mut text).unwrap();
    text
}

async fn list(router: &Router, path: &str, coding: &str) -> (Value, String, usize) {
    let response = ask(router, path, coding, None).await;
    assert_eq!(
        (response.status(), header(&response, "content-encoding")),
        (StatusCode::OK, coding),
        "{path}"
    );
    assert_eq!(header(&response, "vary"), "accept-encoding");
    let tag = header(&response, "etag").to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let mut answer: Value = serde_json::from_slice(&decode(coding, &body)).unwrap();
    answer["timestamp"] = Value::Null;
    (answer, tag, body.len())
}

#[tokio::test]
async fn lists_say_the_same_in_every_coding() {
    let (router, _hub, _feed) = stage(1700).await;
    for path in
        ["/api/ingresses", "/api/ingresses?sort=-name", "/api/ingresses?limit=3", "/api/ingresses?class=none"]
    {
        let (plain, tag, size) = list(&router, path, "").await;
        for coding in ["gzip", "br", "zstd"] {
            let (coded, coded_tag, coded_size) = list(&router, path, coding).await;
            assert_eq!((&coded, &coded_tag), (&plain, &tag), "{path} {coding}");
            assert!(size < 10_000 || coded_size < size / 4, "{path} {coding}: {coded_size} of {size}");
            let known = ask(&router, path, coding, Some(&tag)).await;
            assert_eq!(
                (known.status(), header(&known, "vary")),
                (StatusCode::NOT_MODIFIED, "accept-encoding")
            );
            assert_eq!(header(&known, "content-encoding"), "");
        }
    }
    let refused = ask(&router, "/api/ingresses", "identity;q=0, deflate", None).await;
    assert_eq!(
        (refused.status(), header(&refused, "content-type")),
        (StatusCode::NOT_ACCEPTABLE, "application/problem+json")
    );
}

#[tokio::test]
async fn a_stream_can_be_read_as_it_arrives_in_every_coding() {
    let (router, hub, feed) = stage(1200).await;
    for (round, coding) in (1_u64..).zip(["gzip", "zstd", "br"]) {
        let response = ask(&router, "/api/ingresses/stream", coding, None).await;
        assert_eq!(header(&response, "content-encoding"), coding);
        assert_eq!(header(&response, "cache-control"), "no-store, no-transform");
        let mut body = response.into_body().into_data_stream();
        let (mut received, mut text) = (Vec::new(), String::new());
        let mut sent = false;
        // The body never ends, so the decoder must show the change while more may come.
        while !text.contains("event: modified") {
            received.extend(body.next().await.unwrap().unwrap());
            text = so_far(coding, &received);
            if text.contains("\"done\":true") && !sent {
                sent = true;
                feed.applied(ingress("x00007", 10_000 + round)).await;
            }
        }
        assert!(text.ends_with("\n\n") && text.contains(&format!("{}", 10_000 + round)), "{coding}");
        assert!(received.len() < text.len() / 4, "{coding}: {} of {}", received.len(), text.len());
    }
    drop(hub);
}

/// What a decoder knows after these bytes.
fn so_far(coding: &str, bytes: &[u8]) -> String {
    let text = match coding {
        "gzip" => {
            let mut decoder = flate2::write::GzDecoder::new(Vec::new());
            decoder.write_all(bytes).unwrap();
            decoder.flush().unwrap();
            std::mem::take(decoder.get_mut())
        }
        "zstd" => {
            let mut decoder = zstd::stream::write::Decoder::new(Vec::new()).unwrap();
            decoder.write_all(bytes).unwrap();
            decoder.flush().unwrap();
            std::mem::take(decoder.get_mut())
        }
        _ => {
            // What is cut off in the middle is an error at its end, and everything before it is there.
            let mut text = Vec::new();
            let mut buffer = [0; 4096];
            let mut decoder = brotli::Decompressor::new(bytes, 4096);
            while let Ok(read @ 1..) = decoder.read(&mut buffer) {
                text.extend_from_slice(&buffer[..read]);
            }
            text
        }
    };
    String::from_utf8(text).unwrap()
}
