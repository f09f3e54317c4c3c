//! How large a request may be. Nothing here needs much: the longest are filters and the tokens of whoever asks.

use axum::body::{Body, HttpBody as _};
use axum::extract::{OriginalUri, Request};
use http::header;
use http_body_util::Limited;

use crate::problem::{Problem, ProblemType};

/// The longest path and query, in bytes.
const MAX_URI: usize = 8 * 1024;
/// The most lines of headers.
const MAX_HEADERS: usize = 100;
/// All their names and values together, in bytes: room for a token with the groups of somebody who is in many.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// The largest body, in bytes. No path reads one.
const MAX_BODY: u64 = 64 * 1024;

/// Refuses what is too large, and bounds the body for whoever might read it.
pub(super) fn examine(request: Request) -> Result<Request, Problem> {
    // As it was sent: where this router is nested, its own part is shorter.
    let uri = request.extensions().get::<OriginalUri>().map_or(request.uri(), |OriginalUri(uri)| uri);
    let length = uri.path_and_query().map_or(0, |path| path.as_str().len());
    if length > MAX_URI {
        let detail = format!("the path and query have {length} bytes; the limit is {MAX_URI}");
        return Err(Problem::new(ProblemType::UriTooLong, detail));
    }
    let headers = request.headers();
    if headers.len() > MAX_HEADERS {
        let detail = format!("there are {} headers; the limit is {MAX_HEADERS}", headers.len());
        return Err(Problem::new(ProblemType::HeadersTooLarge, detail));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > MAX_HEADER_BYTES {
        let detail = format!("the headers have {bytes} bytes; the limit is {MAX_HEADER_BYTES}");
        return Err(Problem::new(ProblemType::HeadersTooLarge, detail));
    }
    let declared =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.or(request.body().size_hint().exact()).is_some_and(|length| length > MAX_BODY) {
        let detail = format!("the limit of a body is {MAX_BODY} bytes, and nothing here reads one");
        return Err(Problem::new(ProblemType::ContentTooLarge, detail));
    }
    if request.body().is_end_stream() {
        return Ok(request);
    }
    // One without a length that turns out to be longer fails while it is read.
    let limit = usize::try_from(MAX_BODY).unwrap_or(usize::MAX);
    Ok(request.map(|body| Body::new(Limited::new(body, limit))))
}
