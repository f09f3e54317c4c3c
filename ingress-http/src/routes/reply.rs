//! Answers about routes: nothing for who has them already, else compressed as their client asked.

use axum::response::Response;
use http::HeaderMap;

use crate::coding::{Chunk, Coder, Coding};
use crate::conditional::Tag;
use crate::problem::Problem;
use crate::respond;

/// What `answer` says, unless the client has it: then nothing is worked out.
pub(super) fn reply(
    tag: &Tag,
    headers: &HeaderMap,
    answer: impl FnOnce() -> Result<Vec<u8>, Problem>,
) -> Result<Response, Problem> {
    if tag.is_known(headers) {
        return Ok(respond::varies(respond::not_modified(tag)));
    }
    let coding = Coding::negotiate(headers)?;
    let mut coder = Coder::new(coding);
    let body = [coder.code(Chunk::Own(answer()?)), coder.finish()].concat();
    Ok(respond::coded(respond::tagged_json(tag, body), coding))
}
