//! Which pages may open a socket.
//!
//! Browsers let any page open a WebSocket to any host, with that host's cookies, and tell the server only which page it was: `Origin`
//! (RFC 6454). So whoever doesn't compare it shows what its viewers may see to every page that they visit. Clients that are no browsers
//! send none.

use http::{HeaderMap, HeaderValue, Uri, header};

/// Whether a request comes from a page of this host, from an allowed one, or from no page at all.
pub(super) fn is_trusted(headers: &HeaderMap, uri: &Uri, allowed: &[HeaderValue]) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    if origins.next().is_some() {
        return false;
    }
    if allowed.contains(origin) {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.or_else(|| uri.authority().map(http::uri::Authority::as_str));
    let page = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")));
    // Neither has a port that is its scheme's own.
    matches!((page, host), (Some(page), Some(host)) if !page.is_empty() && page.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_pages_are_not_trusted() {
        let allowed = [HeaderValue::from_static("https://portal.example.com")];
        let trusted = |origins: &[&'static str], host: &'static str| {
            let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
            for origin in origins {
                headers.append(header::ORIGIN, HeaderValue::from_static(origin));
            }
            is_trusted(&headers, &Uri::from_static("/api/ingresses/ws"), &allowed)
        };
        for (origin, host) in [
            ("https://dash.example.com", "dash.example.com"),
            ("http://localhost:8080", "localhost:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("https://DASH.example.com", "dash.example.com"),
            ("https://portal.example.com", "dash.example.com"),
        ] {
            assert!(trusted(&[origin], host), "{origin}");
        }
        assert!(trusted(&[], "dash.example.com"));
        for origin in [
            "https://evil.example.com",
            "https://dash.example.com.evil.com",
            "https://dash.example.com:8443",
            "https://xdash.example.com",
            "http://portal.example.com",
            "null",
            "",
            "https://",
            "dash.example.com",
        ] {
            assert!(!trusted(&[origin], "dash.example.com"), "{origin}");
        }
        assert!(!trusted(&["https://portal.example.com", "https://evil.example.com"], "dash.example.com"));
        assert!(!trusted(&["https://"], ""));
    }
}
