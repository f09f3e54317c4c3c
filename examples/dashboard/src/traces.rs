//! Traces for an OpenTelemetry collector: OTLP over HTTP, as protobuf.
//!
//! What is sent are the spans of requests and of questions to clusters, and nothing of the libraries below. Spans wait in a bounded
//! queue (2048 unless `OTEL_BSP_MAX_QUEUE_SIZE` says otherwise) for a thread that sends them in batches every few seconds; when
//! the queue is full they are lost, and nobody waits. So a collector that is slow or away costs traces and nothing else; that it
//! is away is said once, and once that it is back. The thread has a small runtime of its own, because it has to send what is
//! left when the program's runtime has ended already.
//!
//! `OTEL_EXPORTER_OTLP_HEADERS`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER` and `OTEL_BSP_…` mean what
//! the OpenTelemetry specification says.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, TraceContextExt as _, TraceId, TracerProvider as _};
use opentelemetry_http::hyper::HyperClient;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::runtime::Runtime;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use crate::args::otlp::OtlpEndpoint;

/// How long the collector may take for a batch.
const SEND_WITHIN: Duration = Duration::from_secs(5);
/// How long the end of the program waits for what is left to be sent.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
const SERVICE: &str = "ingress-dashboard";

/// What sends spans; sends the last of them when it is dropped, within a bounded time.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// To a collector, if there is one.
    pub(crate) fn to(endpoint: Option<&OtlpEndpoint>) -> Result<Option<Self>, String> {
        let Some(url) = endpoint.and_then(OtlpEndpoint::traces) else { return Ok(None) };
        let failed = |error: &dyn fmt::Display| format!("--otlp-endpoint: {error}");
        let exporter = Otlp::builder()
            .with_http()
            .with_http_client(Client::new().map_err(|error| failed(&error))?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&url)
            .with_timeout(SEND_WITHIN)
            .build()
            .map_err(|error| failed(&error))?;
        let exporter = Telling { exporter, collector: url, away: AtomicBool::new(false) };
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
        Ok(Some(Self(provider)))
    }

    /// What hands the spans over.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let spans = Targets::new()
            .with_default(LevelFilter::OFF)
            .with_target("ingress_core::question", LevelFilter::INFO)
            .with_target("ingress_http::protect", LevelFilter::INFO);
        // Where in the source a span begins, and on which thread, says nothing about a request.
        tracing_opentelemetry::layer()
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_tracer(self.0.tracer(SERVICE))
            .with_filter(spans)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if self.0.shutdown_with_timeout(FLUSH_WITHIN).is_err() {
            tracing::debug!("the last traces were not sent");
        }
    }
}

/// The ids of a span, if it is sent.
pub(crate) fn ids(span: &tracing::span::Id) -> Option<(TraceId, SpanId)> {
    let context =
        tracing::dispatcher::get_default(|dispatch| tracing_opentelemetry::get_otel_context(span, dispatch))?;
    let span = context.span();
    let told = span.span_context();
    told.is_valid().then(|| (told.trace_id(), told.span_id()))
}

/// Who sends the spans: this program, unless the environment names it otherwise.
fn resource() -> Resource {
    let resource = Resource::builder_empty()
        .with_service_name(SERVICE)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => resource.with_service_name(name),
        _ => resource,
    }
    .build()
}

/// Says once that the collector is away, and once that it is back.
#[derive(Debug)]
struct Telling<E> {
    exporter: E,
    collector: String,
    away: AtomicBool,
}

impl<E: SpanExporter> SpanExporter for Telling<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        let was_away = self.away.swap(result.is_err(), Ordering::Relaxed);
        let collector = &self.collector;
        match &result {
            Err(error) if !was_away => {
                tracing::warn!(%collector, %error, "traces can't be sent; they are lost until they can, and nothing else");
            }
            Ok(()) if was_away => tracing::info!(%collector, "traces are sent again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Sends batches, on the thread that has them.
#[derive(Debug)]
struct Client {
    http: HyperClient<HttpsConnector<HttpConnector>>,
    runtime: Runtime,
}

impl Client {
    /// With the same TLS as the rest of the program has, and the system's authorities.
    fn new() -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_platform_verifier())
            .map_err(|error| error.to_string())?
            .with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { http: HyperClient::new(connector, SEND_WITHIN, None), runtime })
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // The thread of the batches is nobody else's, so it may be blocked; the deadline is the client's.
        self.runtime.block_on(self.http.send_bytes(request))
    }
}

#[cfg(test)]
mod tests;
