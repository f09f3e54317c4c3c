use axum::Router;
use axum::body::Body;
use ingress_core::source::scripted::{self, ClusterHandle};
use ingress_core::source::{ClusterInfo, Origin};
use ingress_core::{ErrorKind, Hub, SourceError};
use opentelemetry::Value;
use opentelemetry::trace::{SpanId, SpanKind, Status, TracerProvider as _};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tower::ServiceExt as _;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::Dashboard;
use crate::fixture::cluster;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A router over a scripted cluster, and the spans that it sends.
struct Stage {
    router: Router,
    cluster: ClusterHandle,
    sent: InMemorySpanExporter,
    _provider: SdkTracerProvider,
    _listening: DefaultGuard,
}

impl Stage {
    fn set() -> Self {
        let sent = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(sent.clone()).build();
        let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        let listening = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let (source, cluster) = scripted::cluster(ClusterInfo::new(cluster("prod"), Origin::Argument));
        let router = Dashboard::new(Hub::builder(source).start()).into_router();
        Self { router, cluster, sent, _provider: provider, _listening: listening }
    }

    async fn ask(&self, path: &str, traceparent: Option<&str>) -> StatusCode {
        let mut request = http::Request::get(path).header("cookie", "a=secret");
        if let Some(traceparent) = traceparent {
            request = request.header("traceparent", traceparent);
        }
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap().status()
    }

    /// Those sent until now, and of these the one of this name.
    fn span(&self, name: &str) -> SpanData {
        let sent = self.sent.get_finished_spans().unwrap();
        let found = sent.iter().find(|span| span.name == name).cloned();
        found.unwrap_or_else(|| panic!("no {name} in {sent:?}"))
    }
}

fn attribute(span: &SpanData, name: &str) -> Option<Value> {
    span.attributes.iter().find(|pair| pair.key.as_str() == name).map(|pair| pair.value.clone())
}

#[tokio::test]
async fn a_request_goes_on_with_its_clients_trace_and_so_does_what_it_asks_the_cluster() {
    let mut stage = Stage::set();
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let answer = async {
        stage.cluster.ingresses.next_get().await.unwrap().answer(Ok(r#"{"kind":"Ingress"}"#.into()));
    };
    let router = stage.router.clone();
    let request = http::Request::get("/api/ingresses/shop/cart/yaml?cluster=prod")
        .header("traceparent", &parent)
        .header("cookie", "a=secret")
        .body(Body::empty())
        .unwrap();
    let (response, ()) = tokio::join!(router.oneshot(request), answer);
    assert_eq!(response.unwrap().status(), StatusCode::OK);

    let server = stage.span("GET /api/ingresses/{namespace}/{name}/yaml");
    assert_eq!(server.span_context.trace_id().to_string(), TRACE);
    assert_eq!(
        (server.parent_span_id.to_string(), server.span_kind.clone()),
        (PARENT.into(), SpanKind::Server)
    );
    for (name, expected) in [
        ("http.request.method", Value::from("GET")),
        ("http.route", Value::from("/api/ingresses/{namespace}/{name}/yaml")),
        ("http.response.status_code", Value::from(200)),
        ("url.scheme", Value::from("http")),
    ] {
        assert_eq!(attribute(&server, name), Some(expected), "{name}");
    }
    let told = format!("{server:?}");
    for typed in ["cluster=", "cart", "secret"] {
        assert!(!told.contains(typed), "{typed} in {told}");
    }

    let question = stage.span("get Ingress");
    assert_eq!(question.span_context.trace_id().to_string(), TRACE);
    assert_eq!(
        (question.parent_span_id, question.span_kind),
        (server.span_context.span_id(), SpanKind::Client)
    );
}

#[tokio::test]
async fn a_parent_that_is_none_begins_a_new_trace() {
    let stage = Stage::set();
    assert_eq!(stage.ask("/livez", Some(&format!("00-{TRACE}-{PARENT}"))).await, StatusCode::OK);
    let server = stage.span("GET /livez");
    assert_ne!(server.span_context.trace_id().to_string(), TRACE);
    assert!(server.span_context.is_valid());
    assert_eq!(server.parent_span_id, SpanId::INVALID);
}

#[tokio::test]
async fn a_stream_has_ended_its_span_when_it_begins() {
    let stage = Stage::set();
    let request = http::Request::get("/api/ingresses/stream?search=typed").body(Body::empty()).unwrap();
    let stream = stage.router.clone().oneshot(request).await.unwrap();
    let server = stage.span("GET /api/ingresses/stream");
    assert!(!format!("{server:?}").contains("typed"));
    drop(stream);
}

#[tokio::test]
async fn what_the_server_fails_at_is_an_error_and_a_strangers_path_is_no_name() {
    let mut stage = Stage::set();
    assert_eq!(stage.ask("/what/somebody/typed", None).await, StatusCode::NOT_FOUND);
    let lost = stage.span("GET");
    assert!(!format!("{lost:?}").contains("typed"), "{lost:?}");
    assert_eq!((lost.status.clone(), attribute(&lost, "error.type")), (Status::Unset, None));
    assert_eq!(attribute(&lost, "http.route"), None);

    let router = stage.router.clone();
    let request = http::Request::get("/api/ingresses/shop/cart/yaml").body(Body::empty()).unwrap();
    let refuse = async {
        let refusal = SourceError::new(ErrorKind::Malformed, "nonsense");
        stage.cluster.ingresses.next_get().await.unwrap().answer(Err(refusal));
    };
    let (response, ()) = tokio::join!(router.oneshot(request), refuse);
    let status = response.unwrap().status();
    assert!(status.is_server_error(), "{status}");
    let server = stage.span("GET /api/ingresses/{namespace}/{name}/yaml");
    assert_eq!(server.status, Status::error(""));
    assert_eq!(attribute(&server, "error.type"), Some(Value::from(status.as_str().to_owned())));
}
