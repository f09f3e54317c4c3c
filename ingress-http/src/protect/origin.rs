//! Which other web sites may read the answers.
//!
//! None, unless the host lists them: a browser then lets no script of another origin see anything. `tower-http` answers the
//! browsers' questions (Fetch, "CORS protocol"); what is here says what may be asked.

use std::fmt;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use tower_http::cors::CorsLayer;

/// How long a browser may remember what it was told.
const MAX_AGE: Duration = Duration::from_secs(600);

/// Other origins whose scripts may read, also with the credentials of whoever uses them. Empty allows none.
#[derive(Debug, Clone, Default)]
pub struct Origins(Vec<HeaderValue>);

/// Something that is no origin.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidOrigin {
    text: String,
}

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no origin such as https://portal.example.com: a scheme, a host and perhaps a port",
            self.text
        )
    }
}

impl std::error::Error for InvalidOrigin {}

impl Origins {
    /// These origins, each `https://host`, `http://host`, or with a port. There is no pattern for all: answers may depend on who
    /// asks, and such answers are not for everybody.
    ///
    /// # Errors
    ///
    /// When one of them is no origin.
    pub fn new<S: AsRef<str>>(origins: impl IntoIterator<Item = S>) -> Result<Self, InvalidOrigin> {
        let origins = origins.into_iter().map(|text| {
            let text = text.as_ref().trim();
            origin(text).ok_or_else(|| InvalidOrigin { text: text.chars().take(80).collect() })
        });
        origins.collect::<Result<_, _>>().map(Self)
    }

    /// As browsers write them.
    pub(crate) fn all(&self) -> &[HeaderValue] {
        &self.0
    }

    /// The layer that lets them in; `None` if there are none.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        if self.0.is_empty() {
            return None;
        }
        let exposed =
            ["cache-status", "etag", "retry-after", "ratelimit", "ratelimit-policy", "x-request-id"];
        let layer = CorsLayer::new()
            .allow_origin(self.0.clone())
            .allow_methods([Method::GET, Method::HEAD])
            .allow_headers([
                HeaderName::from_static("last-event-id"),
                header::IF_NONE_MATCH,
                header::AUTHORIZATION,
            ])
            .expose_headers(exposed.map(HeaderName::from_static))
            .allow_credentials(true)
            .max_age(MAX_AGE);
        Some(layer)
    }
}

/// An origin as a browser writes it: lower-case, and without the scheme's own port.
fn origin(text: &str) -> Option<HeaderValue> {
    let text = text.to_ascii_lowercase();
    let uri: Uri = text.parse().ok()?;
    let (scheme, authority) = (uri.scheme()?, uri.authority()?);
    let usual = match scheme {
        scheme if *scheme == Scheme::HTTPS => 443,
        scheme if *scheme == Scheme::HTTP => 80,
        _ => return None,
    };
    if text != format!("{scheme}://{authority}") || text.contains(['@', '*']) || authority.host().is_empty() {
        return None;
    }
    let text = match authority.port_u16() {
        Some(port) if port == usual => format!("{scheme}://{}", authority.host()),
        _ => text,
    };
    HeaderValue::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        for (text, expected) in [
            ("https://portal.example.com", "https://portal.example.com"),
            ("HTTPS://Portal.Example.com:443", "https://portal.example.com"),
            ("http://localhost:5173", "http://localhost:5173"),
            ("http://[::1]:80", "http://[::1]"),
        ] {
            assert_eq!(origin(text).unwrap(), expected);
        }
        for text in [
            "*",
            "null",
            "portal.example.com",
            "https://a.example/",
            "https://a.example/x",
            "ftp://a.example",
            "https://u@a.example",
            "https://*.example.com",
            "",
            "https://",
        ] {
            assert!(Origins::new([text]).unwrap_err().to_string().contains(&format!("`{text}`")), "{text}");
        }
        assert!(Origins::default().layer().is_none());
    }
}
