//! Which request, and which trace, a JSON line belongs to.
//!
//! The spans around a line are in it as they are, some inside others; who looks for a request wants one field that is always in
//! the same place. So the ids are members of the line itself: `request_id`, and `trace_id` and `span_id` where traces are sent.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The id that a request's span has.
struct RequestId(String);

/// Keeps the ids of requests where lines find them.
pub(super) struct RequestIds;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for RequestIds {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut found = Found(None);
        attributes.record(&mut found);
        if let (Some(found), Some(span)) = (found.0, context.span(id)) {
            span.extensions_mut().insert(RequestId(found));
        }
    }
}

struct Found(Option<String>);

impl Visit for Found {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "request_id" {
            let text = format!("{value:?}");
            // It becomes part of JSON, and may be what a proxy sent.
            let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
            self.0 = Some(text).filter(|text| text.bytes().all(is_plain));
        }
    }
}

/// A formatter of JSON lines, and the ids.
pub(super) struct WithIds<F>(F);

impl<F> WithIds<F> {
    pub(super) fn new(lines: F) -> Self {
        Self(lines)
    }
}

impl<S, N, F> FormatEvent<S, N> for WithIds<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let Some(object) = line.trim_end().strip_suffix('}') else { return writer.write_str(&line) };
        writer.write_str(object)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(RequestId(id)) = span.extensions().get() {
                write!(writer, ",\"request_id\":\"{id}\"")?;
                break;
            }
        }
        #[cfg(feature = "otel")]
        if let Some((trace, span)) = context.lookup_current().and_then(|span| crate::traces::ids(&span.id()))
        {
            write!(writer, ",\"trace_id\":\"{trace}\",\"span_id\":\"{span}\"")?;
        }
        writer.write_str("}\n")
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt;
    use tracing_subscriber::fmt::format::JsonFields;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[derive(Clone, Default)]
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

    fn logged(write: impl FnOnce()) -> String {
        let log = Log::default();
        let writer = log.clone();
        let lines = fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(WithIds::new(fmt::format().json().flatten_event(true)))
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(RequestIds).with(lines);
        tracing::subscriber::with_default(subscriber, write);
        let text = log.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_line_has_its_requests_id_however_deep_it_is() {
        let line = logged(|| {
            let request = tracing::info_span!("request", request_id = %"a1-b2").entered();
            let inner = tracing::info_span!("question").entered();
            tracing::info!("asked");
            drop((inner, request));
        });
        assert!(line.ends_with(",\"request_id\":\"a1-b2\"}\n"), "{line}");
    }

    #[test]
    fn other_lines_have_none() {
        let line = logged(|| tracing::info!("serving"));
        assert!(line.ends_with("}\n") && !line.contains("request_id"), "{line}");
    }

    #[test]
    fn an_id_never_breaks_a_line() {
        for odd in ["a\"b", "a\\b", "a\nb"] {
            let line = logged(|| {
                let _request = tracing::info_span!("request", request_id = %odd).entered();
                tracing::info!("asked");
            });
            assert!(line.trim_end().ends_with('}') && line.lines().count() == 1, "{line}");
            assert!(!line.contains("}],\"request_id\""), "{line}");
        }
    }
}
