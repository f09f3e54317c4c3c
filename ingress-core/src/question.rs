//! A question to a cluster, as traces show it.
//!
//! One span of `tracing` for each, from when it is asked until its answer begins, named and labelled as OpenTelemetry's semantic
//! conventions have it where they have anything. A watch goes on for minutes after that; what comes of it is in the lane's
//! status, and a span that lasted as long would be told of only when nobody cares any more. Nothing runs inside of the span
//! but the source, and the engine's own tasks have none, so a question that a request causes is the child of that request's
//! span, and one of a lane begins a trace of its own.
//!
//! Questions are rare, and what is streamed has no span: a change costs nothing here.

use tracing::Span;
use tracing::field::Empty;

use crate::error::SourceError;
use crate::key::{ClusterId, LaneScope};
use crate::stats::CallOutcome;

/// Who is asked for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    cluster: &'a ClusterId,
    /// As Kubernetes has it.
    verb: &'static str,
    kind: &'a str,
    namespace: Option<&'a str>,
    relist: bool,
    /// How many times it was asked before.
    resent: u32,
}

impl<'a> Question<'a> {
    pub(crate) fn new(cluster: &'a ClusterId, verb: &'static str, kind: &'a str) -> Self {
        Self { cluster, verb, kind, namespace: None, relist: false, resent: 0 }
    }

    /// Of this part of the cluster.
    pub(crate) fn within(self, scope: &'a LaneScope) -> Self {
        Self { namespace: scope.namespace().map(|namespace| namespace.as_str()), ..self }
    }

    /// Of this namespace, or of none.
    pub(crate) fn namespace(self, namespace: Option<&'a str>) -> Self {
        Self { namespace, ..self }
    }

    /// A list of what was read before: the resume point is lost.
    pub(crate) fn relist(self, relist: bool) -> Self {
        Self { relist, ..self }
    }

    /// The same question again.
    pub(crate) fn resent(self, resent: u32) -> Self {
        Self { resent, ..self }
    }

    /// The question's span. The names in it are those of the cluster's configuration and of what this process watches, or were
    /// checked to be names that Kubernetes allows.
    pub(crate) fn span(&self) -> Span {
        let Self { cluster, verb, kind, namespace, relist, resent } = *self;
        let span = tracing::info_span!(
            "question",
            otel.name = %format_args!("{verb} {kind}"),
            otel.kind = "client",
            otel.status_code = Empty,
            k8s.cluster.name = %cluster,
            k8s.namespace.name = Empty,
            verb,
            kind,
            relist = Empty,
            http.request.resend_count = Empty,
            outcome = Empty,
            "error.type" = Empty,
        );
        if let Some(namespace) = namespace {
            span.record("k8s.namespace.name", namespace);
        }
        if relist {
            span.record("relist", true);
        }
        if resent > 0 {
            span.record("http.request.resend_count", resent);
        }
        span
    }
}

/// Takes down how a question ended; `None` is without anybody waiting for the answer.
pub(crate) fn ended<T>(span: &Span, answer: Option<&Result<T, SourceError>>) {
    let outcome = match answer {
        Some(Ok(_)) => CallOutcome::Ok,
        Some(Err(error)) => {
            span.record("error.type", error.kind().as_str());
            span.record("otel.status_code", "ERROR");
            CallOutcome::Failed(error.kind())
        }
        None => CallOutcome::Canceled,
    };
    span.record("outcome", outcome.as_str());
}

#[cfg(test)]
mod tests;
