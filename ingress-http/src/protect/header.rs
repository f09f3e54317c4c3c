//! The headers that tell browsers what not to do with an answer. They are all here; the page adds its own
//! Content-Security-Policy, because it alone may load anything.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Data loads nothing, runs nothing and stands in no frame.
const CONTENT_SECURITY_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

const ALWAYS: [(HeaderName, HeaderValue); 5] = [
    // What an answer is, its type says; no browser shall guess something that runs.
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    // Of what another site embeds without asking (an image, a script); those that ask are a matter of CORS.
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ),
];

/// A year, for this host alone: what else has its domain is not this program's to decide.
const STRICT_TRANSPORT_SECURITY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Puts them on an answer. `is_tls` is whether the client came by TLS: told over plain HTTP, browsers ignore it (RFC 6797,
/// section 7.2), and whoever has no TLS must not send it by mistake.
pub(crate) fn secure(headers: &mut HeaderMap, is_tls: bool) {
    headers.extend(ALWAYS);
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(CONTENT_SECURITY_POLICY);
    if is_tls {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
    }
}
