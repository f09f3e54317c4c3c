//! What is logged of requests. A process of its own, since `tracing` remembers for all threads which lines nobody wants.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use http::Request;
use ingress_core::source::scripted;
use ingress_core::source::{ClusterInfo, Origin};
use ingress_core::{ClusterId, Hub};
use ingress_http::Dashboard;
use tower::ServiceExt as _;

/// Lines, kept to be looked at.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_log_names_requests_and_holds_nothing_that_strangers_typed() {
    let log = Log::default();
    let made = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || made.clone())
        .init();
    let info = ClusterInfo::new(ClusterId::new("prod").unwrap(), Origin::Argument);
    let (source, _cluster) = scripted::cluster(info);
    let router = Dashboard::new(Hub::builder(source).start()).into_router();
    let mut ids = Vec::new();
    for (method, path) in [
        ("GET", "/api/ingresses?search=s3cret"),
        ("GET", "/api/ingresses?s3cret=1"),
        ("GET", "/s3cret"),
        ("GET", "/api/ingresses/s3cret/s3cret"),
        ("S3CRET", "/api/info"),
    ] {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", "Bearer s3cret").header("cookie", "session=s3cret");
        let request = request.header("x-request-id", "s3cret").header("x-forwarded-for", "s3cret");
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        ids.push(response.headers()["x-request-id"].to_str().unwrap().to_owned());
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(!text.to_lowercase().contains("s3cret"), "{text}");
    for id in ids {
        assert!(text.contains(&id), "{id} is not in {text}");
    }
    for part in [
        "method=\"GET\"",
        "method=\"other\"",
        "route=\"/api/ingresses\"",
        "route=\"other\"",
        "status=400",
        "duration_ms=",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}
