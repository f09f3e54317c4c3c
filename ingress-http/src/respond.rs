//! The headers that say what an answer is. Those that protect it are put on by `protect`, on every answer.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::coding::Coding;
use crate::conditional::Tag;
use crate::problem::Problem;

/// For answers that hold only for the moment.
pub(crate) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// For answers with a tag: kept, but asked about each time.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer of some type, not to be stored.
pub(crate) fn answer(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    response
}

/// Data as JSON, not to be stored.
pub(crate) fn json(status: StatusCode, data: &impl Serialize) -> Result<Response, Problem> {
    Ok(answer(status, JSON, serde_json::to_vec(data)?))
}

/// A JSON body that may be asked about by its tag.
pub(crate) fn tagged_json(tag: &Tag, body: impl Into<Body>) -> Response {
    with_tag(tag, answer(StatusCode::OK, JSON, body))
}

/// The client has it already.
pub(crate) fn not_modified(tag: &Tag) -> Response {
    let mut response = answer(StatusCode::NOT_MODIFIED, JSON, Body::empty());
    response.headers_mut().remove(header::CONTENT_TYPE);
    with_tag(tag, response)
}

fn with_tag(tag: &Tag, response: Response) -> Response {
    let response = with_header(response, header::CACHE_CONTROL, REVALIDATE);
    with_header(response, header::ETAG, tag.header())
}

/// The same answer, whose body was coded as its client asked.
pub(crate) fn coded(mut response: Response, coding: Coding) -> Response {
    if let Some(value) = coding.header() {
        response.headers_mut().insert(header::CONTENT_ENCODING, value);
    }
    varies(response)
}

/// The same answer, of which there are others for clients that decode something else.
pub(crate) fn varies(mut response: Response) -> Response {
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// The same answer with one more header, or another value of it.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: HeaderValue) -> Response {
    response.headers_mut().insert(name, value);
    response
}
