//! From an answer to what to do about it: every status, with every body.
//!
//! The oracle is the table in [`status`](crate::status). What a body says is read from a JSON tree or from prost's message; a
//! body that is neither says nothing, and nothing of it is shown.

use std::time::Duration;

use ingress_core::wire::json::decode_status;
use ingress_core::wire::{json, proto};
use ingress_core::{Class, ErrorKind, Ingress, SourceError};
use prost::Message as _;
use serde_json::{Value, json};

use crate::message;
use crate::status::Told;

/// Runs one case: `FORM STATUS WAIT TEXT`, separated by spaces. The form is `j` or `p` (a status in JSON or protobuf, with the
/// text as its message), or `b` (the text is the body); the status is that of the response, 0 for an event of a stream.
pub fn check(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == b' ');
    let (Some(form), Some(status), Some(wait), Some(text)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let number =
        |digits: &[u8]| std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
    let (Some(status), Some(wait)) = (number(status), number(wait)) else { return };
    let Ok(code) = u16::try_from(status) else { return };
    let http = Some(code).filter(|code| *code > 0);
    check_header(code, wait);
    match form {
        b"j" | b"p" => check_status(code, wait, &String::from_utf8_lossy(text)),
        _ => check_body(text, http),
    }
}

/// A status is the same error whether it is in JSON or in protobuf, a response's body or an event of a stream.
fn check_status(code: u16, wait: i64, message: &str) {
    let told = Told { code: code.into(), message: message.to_owned(), retry_after: wait };
    let tree = json!({
        "kind": "Status", "code": code, "message": message, "details": {"name": "x", "retryAfterSeconds": wait}
    });
    let object = message::Status {
        message: message.to_owned(),
        details: vec![message::Details { retry_after_seconds: Some(wait) }],
        code: Some(code.into()),
    }
    .encode_to_vec();
    let json = tree.to_string();
    let protobuf = message::enveloped(&object);
    told.check(&decode_status(json.as_bytes(), None), None);
    told.check(&decode_status(&protobuf, None), None);
    // What the response's own status says counts more.
    for http in [400, 410, 429, 500, 599] {
        told.check(&decode_status(json.as_bytes(), Some(http)), Some(http));
        told.check(&decode_status(&protobuf, Some(http)), Some(http));
    }
    let line = json!({"type": "ERROR", "object": tree}).to_string();
    told.check(&json::decode_event::<Ingress>(line.as_bytes()).expect_err("an error event"), None);
    told.check(
        &proto::decode_event::<Ingress>(&message::event("ERROR", &object)).expect_err("an error event"),
        None,
    );
}

/// Any bytes for a body: HTML of a proxy, half a status, noise.
fn check_body(body: &[u8], http: Option<u16>) {
    let told = if body.starts_with(message::MAGIC) {
        match of_protobuf(&body[message::MAGIC.len()..]) {
            Some(told) => told,
            None => return,
        }
    } else {
        serde_json::from_slice::<Value>(body).map(|tree| Told::of_json(&tree)).unwrap_or_default()
    };
    told.check(&decode_status(body, http), http);
}

/// `None` for a message that no oracle decides: one that prost refuses for what a decoder may skip, or with a field twice.
fn of_protobuf(body: &[u8]) -> Option<Told> {
    let unknown = message::Unknown::decode(body).ok()?;
    if unknown.raw.len() > 1 || !unknown.content_encoding.is_empty() {
        return None;
    }
    let status = message::Status::decode(unknown.raw.first().map_or(&[][..], Vec::as_slice)).ok()?;
    if status.details.len() > 1 {
        return None;
    }
    let wait = status.details.first().and_then(|details| details.retry_after_seconds);
    Some(Told {
        code: status.code.unwrap_or_default(),
        message: status.message,
        retry_after: wait.unwrap_or_default(),
    })
}

/// A wait from a header is kept for what is worth another try, whatever the error was before.
fn check_header(code: u16, wait: i64) {
    let asked = Duration::from_secs(wait.unsigned_abs());
    let error = SourceError::from_status(code, "m", None);
    let told = error.clone().with_retry_after(asked);
    assert_eq!((told.kind(), told.message(), told.status()), (error.kind(), error.message(), error.status()));
    match told.class() {
        Class::Transient { retry_after, .. } => assert_eq!(retry_after, Some(asked)),
        class => assert_eq!(class, error.class()),
    }
    // An answer that is no error at all makes no sense.
    assert_eq!(error.kind() == ErrorKind::Malformed, code < 400);
}
