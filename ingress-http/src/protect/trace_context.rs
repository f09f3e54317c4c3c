//! The trace that a request is a part of, as its `traceparent` and `tracestate` tell (W3C Trace Context, version 00).
//!
//! Read more strictly than the SDK's propagator does, which takes ids of any length and with a sign: whatever is not exactly what the
//! recommendation allows begins a new trace. What is taken over goes on to the collector, so it has bounds.

use http::{HeaderMap, HeaderValue};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};

/// The longest `tracestate` that is taken over, in bytes; the recommendation wants that many propagated at least.
const MAX_STATE: usize = 512;
/// The most members of one.
const MAX_MEMBERS: usize = 32;

/// The span that caused a request; `None` unless its headers are what they should be.
pub(super) fn of(headers: &HeaderMap) -> Option<Context> {
    let (trace, span, flags) = parent(only(headers, "traceparent")?)?;
    let context = SpanContext::new(trace, span, flags, true, state(headers));
    context.is_valid().then(|| Context::new().with_remote_span_context(context))
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn parent(value: &HeaderValue) -> Option<(TraceId, SpanId, TraceFlags)> {
    let mut parts = value.to_str().ok()?.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_sound = is_hex(version, 2) && is_hex(trace, 32) && is_hex(span, 16) && is_hex(flags, 2);
    // Later versions may have more to say after that; `ff` will never be one.
    if !is_sound || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    Some((TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, flags))
}

/// One that is too long or makes no sense is left out, and the parent stands all the same.
fn state(headers: &HeaderMap) -> TraceState {
    let mut list = String::new();
    for value in headers.get_all("tracestate") {
        let Ok(value) = value.to_str() else { return TraceState::NONE };
        if !list.is_empty() {
            list.push(',');
        }
        if list.len() + value.len() > MAX_STATE {
            return TraceState::NONE;
        }
        list.push_str(value);
    }
    if list.is_empty() || list.split(',').count() > MAX_MEMBERS {
        return TraceState::NONE;
    }
    list.parse().unwrap_or(TraceState::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn context(headers: &[(&'static str, &str)]) -> Option<SpanContext> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        of(&map).map(|context| context.span().span_context().clone())
    }

    #[test]
    fn a_parent_is_taken_over() {
        let parent = context(&[("traceparent", &format!("00-{TRACE}-{PARENT}-01"))]).unwrap();
        assert_eq!(
            (parent.trace_id().to_string(), parent.span_id().to_string()),
            (TRACE.into(), PARENT.into())
        );
        assert!(parent.is_sampled() && parent.is_remote());
        assert!(!context(&[("traceparent", &format!("00-{TRACE}-{PARENT}-00"))]).unwrap().is_sampled());
        let unknown_flags = context(&[("traceparent", &format!("00-{TRACE}-{PARENT}-ff"))]).unwrap();
        assert_eq!(unknown_flags.trace_flags(), TraceFlags::SAMPLED);
        assert!(context(&[("traceparent", &format!("01-{TRACE}-{PARENT}-01-more"))]).is_some());
    }

    #[test]
    fn what_is_no_parent_is_none() {
        let (upper, zero) = (TRACE.to_uppercase(), "0".repeat(32));
        for bad in [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}-01-"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("0-{TRACE}-{PARENT}-01"),
            format!("00-{upper}-{PARENT}-01"),
            format!("00-{zero}-{PARENT}-01"),
            format!("00-{TRACE}-0000000000000000-01"),
            format!("00-+{}-{PARENT}-01", &TRACE[1..]),
            format!("00-{}-{PARENT}-01", &TRACE[1..]),
            format!("00-{TRACE}0-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-+1"),
            format!(" 00-{TRACE}-{PARENT}-01"),
        ] {
            assert_eq!(context(&[("traceparent", &bad)]), None, "{bad}");
        }
        let good = format!("00-{TRACE}-{PARENT}-01");
        assert_eq!(context(&[("traceparent", &good), ("traceparent", &good)]), None, "which of them?");
        assert_eq!(context(&[("tracestate", "a=1")]), None);
    }

    #[test]
    fn a_state_has_bounds() {
        let good = format!("00-{TRACE}-{PARENT}-01");
        let state = |values: &[&str]| {
            let mut headers = vec![("traceparent", good.as_str())];
            headers.extend(values.iter().map(|value| ("tracestate", *value)));
            context(&headers).unwrap().trace_state().header()
        };
        assert_eq!(state(&["a=1,b=2"]), "a=1,b=2");
        assert_eq!(state(&["a=1", "b=2"]), "a=1,b=2");
        assert_eq!(state(&["no members"]), "");
        // A value has a bound of its own, so it takes two.
        let (first, second) = ("x".repeat(253), "x".repeat(MAX_STATE - 258));
        let longest = format!("a={first},b={second}");
        assert_eq!(state(&[&longest]).len(), MAX_STATE);
        assert_eq!(state(&[&format!("{longest}x")]), "");
        let many: Vec<String> = (0..=MAX_MEMBERS).map(|number| format!("k{number}=1")).collect();
        assert_eq!(state(&[&many.join(",")]), "");
        assert_eq!(state(&[&many[1..].join(",")]).split(',').count(), MAX_MEMBERS);
    }
}
