//! The embedded page.
//!
//! The build script has put every file of the page into this crate, so serving one is a lookup in a table that the
//! router itself is. All URLs within the page are relative, because a host application may nest it anywhere; and since
//! axum's `nest("/routes", …)` serves `/routes` and can't serve `/routes/` (there the host answers 404), the page can
//! neither rely on a trailing slash nor redirect to one. Instead the document's few relative URLs are written for the
//! address that was asked for, and its script finds the API from where the script itself lies.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use axum::{
    Router,
    body::{Body, Bytes},
    extract::OriginalUri,
    http::{HeaderMap, HeaderValue, Response, StatusCode, header},
    routing::get,
};

/// Nothing but what this router itself serves, and no inline script or style. `img-src` is for the icon, and
/// `connect-src` for the API. Every other header that protects is put on by `protect`, as on all answers.
const CONTENT_SECURITY_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);

/// The document is asked for again each time, and answered with a 304 as long as it is the same.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");
/// The names of these files hold a hash of their content.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// All files of the page.
struct Site {
    /// The document. Its relative URLs, and nothing else in it, begin with `="./`.
    index: Asset,
    assets: &'static [Asset],
}

struct Asset {
    /// Below the page, with a leading slash.
    path: &'static str,
    content_type: &'static str,
    etag: &'static str,
    /// Whether this path will never hold anything else.
    immutable: bool,
    body: &'static [u8],
}

static SITE: Site = include!(concat!(env!("OUT_DIR"), "/site.rs"));

/// Serves the page at `/` and its files below; everything else is left to the router that this one is merged into.
pub(crate) fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    router_of(&SITE)
}

fn router_of<S>(site: &'static Site) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let index = get(move |OriginalUri(uri): OriginalUri, headers: HeaderMap| async move {
        answer(&site.index, document(site.index.body, uri.path()), &headers)
    });
    site.assets.iter().fold(Router::new().route("/", index), |router, asset| {
        let serve =
            move |headers: HeaderMap| async move { answer(asset, Bytes::from_static(asset.body), &headers) };
        router.route(asset.path, get(serve))
    })
}

/// The document with its relative URLs as they have to be at this path.
fn document(html: &'static [u8], path: &str) -> Bytes {
    let name = path.rsplit('/').next().unwrap_or_default();
    if name.is_empty() {
        return Bytes::from_static(html);
    }
    let prefix = format!("=\"./{}/", escape(name));
    Bytes::from(String::from_utf8_lossy(html).replace("=\"./", &prefix))
}

/// A path segment as it can stand in an attribute. The host decides under which path it nests this router, and it may
/// be one that whoever asks can choose.
fn escape(segment: &str) -> Cow<'_, str> {
    if segment.contains(['&', '<', '>', '"', '\'']) {
        let escaped = segment.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        Cow::Owned(escaped.replace('"', "&quot;").replace('\'', "&#39;"))
    } else {
        Cow::Borrowed(segment)
    }
}

fn answer(asset: &Asset, body: Bytes, request: &HeaderMap) -> Response<Body> {
    let unchanged = request.get_all(header::IF_NONE_MATCH).iter().any(|tags| matches_tag(tags, asset.etag));
    let mut response = if unchanged {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        Response::new(Body::from(body))
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY);
    headers.insert(header::ETAG, HeaderValue::from_static(asset.etag));
    headers.insert(header::CACHE_CONTROL, if asset.immutable { IMMUTABLE } else { REVALIDATE });
    if !unchanged {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    }
    response
}

/// Whether an `If-None-Match` names this entity tag. The comparison is the weak one (RFC 9110, section 13.1.2), since a
/// proxy that compresses makes a strong tag weak.
fn matches_tag(tags: &HeaderValue, etag: &str) -> bool {
    tags.to_str().is_ok_and(|tags| {
        tags.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}
