//! A request's span: what logs and traces tell of it.
//!
//! It has the route's template and a method that is known: what a stranger typed is in no line of a log, and in no trace. It ends
//! when the answer begins, so that a stream has one that lasts a moment and not a day.
//!
//! With the feature `otel` it has the name and the attributes that OpenTelemetry's semantic conventions want of a server's span,
//! and continues the trace that the request names ([`trace_context`](super::trace_context)), whoever sent it: a trace is
//! nothing to be trusted, and whoever names one learns nothing by it.

use axum::extract::Request;
use http::StatusCode;
use tracing::Span;

use super::RequestId;
use crate::metrics::http_side::{Route, method_name};

/// The span of a request that has just come.
#[cfg(not(feature = "otel"))]
pub(super) fn of(request: &Request, id: &RequestId, route: Route, _secure: bool) -> Span {
    let method = method_name(request.method());
    tracing::info_span!("request", request_id = %id, method, route = route.template())
}

/// The span of a request that has just come.
#[cfg(feature = "otel")]
pub(super) fn of(request: &Request, id: &RequestId, route: Route, secure: bool) -> Span {
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    let method = match method_name(request.method()) {
        "other" => None,
        method => Some(method),
    };
    let template = Some(route).filter(|route| *route != Route::Other).map(Route::template);
    let span = match template {
        Some(template) => tracing::info_span!(
            "request",
            request_id = %id,
            otel.name = %format_args!("{} {template}", method.unwrap_or("HTTP")),
            otel.kind = "server",
            method = method.unwrap_or("other"),
            route = template,
        ),
        None => tracing::info_span!(
            "request",
            request_id = %id,
            otel.name = method.unwrap_or("HTTP"),
            otel.kind = "server",
            method = method.unwrap_or("other"),
            route = route.template(),
        ),
    };
    // Without a layer that sends spans anywhere there is nobody who wants to know.
    if let Some(parent) = super::trace_context::of(request.headers()) {
        drop(span.set_parent(parent));
    }
    span.set_attribute("http.request.method", method.unwrap_or("_OTHER"));
    if let Some(template) = template {
        span.set_attribute("http.route", template);
    }
    span.set_attribute("url.scheme", if secure { "https" } else { "http" });
    span
}

/// Takes down what the answer is.
#[cfg(not(feature = "otel"))]
pub(super) fn answered(_span: &Span, _status: StatusCode) {}

/// Takes down what the answer is.
#[cfg(feature = "otel")]
pub(super) fn answered(span: &Span, status: StatusCode) {
    use opentelemetry::trace::Status;
    use tracing_opentelemetry::OpenTelemetrySpanExt as _;

    span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    // What a client did wrong is no failure of the server's.
    if status.is_server_error() {
        span.set_attribute("error.type", status.as_str().to_owned());
        span.set_status(Status::error(""));
    }
}

#[cfg(test)]
#[cfg(feature = "otel")]
mod tests;
