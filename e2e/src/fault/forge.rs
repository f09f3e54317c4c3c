//! Bytes that an API server could send, and some that it never would, in both forms of a watch.

use serde_json::json;

use crate::fault::plan::Word;

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// One event a line.
    Json,
    /// Frames with a length before them.
    Protobuf,
}

/// Larger than the 8 MiB that this project's engine takes for one frame.
const ENDLESS: usize = 9 * 1024 * 1024;

/// The name that the API server gives to the reason of a status.
fn reason(code: u16) -> &'static str {
    match code {
        403 => "Forbidden",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "Unknown",
    }
}

/// The body of an answer that is an error.
#[must_use]
pub fn status(code: u16) -> Vec<u8> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "forged by the fault proxy", "reason": reason(code), "code": code,
    });
    status.to_string().into_bytes()
}

/// What is said, and whether it is all there, so that the body can end in order afterwards.
#[must_use]
pub fn word(word: Word, form: Form) -> Vec<u8> {
    match (word, form) {
        (Word::Error(code), form) => error_event(Some(code), form),
        (Word::UnknownError, form) => error_event(None, form),
        (Word::HalfAnEvent, Form::Json) => br#"{"type":"MODIFIED","object":{"kind":"Ingress","meta"#.to_vec(),
        (Word::HalfAnEvent, Form::Protobuf) => frame_of(500, b"\x0a\x08MODIFIED\x12"),
        (Word::Nonsense, Form::Json) => b"{\"type\":\"MODIFIED\",\"object\":{\"metadata\":]}\n".to_vec(),
        (Word::Nonsense, Form::Protobuf) => frame(b"\x0a\x08MODIFIED\x12\x7f\xff\xff\xff"),
        (Word::Endless, Form::Json) => {
            let mut line = br#"{"type":"MODIFIED","object":{"metadata":{"name":""#.to_vec();
            line.resize(ENDLESS, b'x');
            line
        }
        (Word::Endless, Form::Protobuf) => frame_of(0x7fff_ffff, b"\x0a\x08MODIFIED"),
    }
}

fn error_event(code: Option<u16>, form: Form) -> Vec<u8> {
    match form {
        Form::Json => {
            let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "forged"});
            if let (Some(code), Some(fields)) = (code, status.as_object_mut()) {
                fields.insert("code".into(), code.into());
                fields.insert("reason".into(), reason(code).into());
            }
            let mut line = json!({"type": "ERROR", "object": status}).to_string().into_bytes();
            line.push(b'\n');
            line
        }
        Form::Protobuf => {
            let mut status = [bytes(2, b"Failure"), bytes(3, b"forged")].concat();
            if let Some(code) = code {
                status.extend(bytes(4, reason(code).as_bytes()));
                status.push(6 << 3);
                varint(code.into(), &mut status);
            }
            let kind = [bytes(1, b"v1"), bytes(2, b"Status")].concat();
            let unknown = [b"k8s\0".to_vec(), bytes(1, &kind), bytes(2, &status)].concat();
            frame(&[bytes(1, b"ERROR"), bytes(2, &bytes(1, &unknown))].concat())
        }
    }
}

/// A field of bytes, with its key and length.
fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    let mut encoded = vec![field << 3 | 2];
    varint(value.len() as u64, &mut encoded);
    encoded.extend_from_slice(value);
    encoded
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn frame(message: &[u8]) -> Vec<u8> {
    frame_of(u32::try_from(message.len()).unwrap_or(u32::MAX), message)
}

/// A frame that promises so many bytes.
fn frame_of(length: u32, message: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes()[..], message].concat()
}

/// Cuts a watch's body into whole events, delimiters included.
#[derive(Debug)]
pub struct Events {
    form: Form,
    rest: Vec<u8>,
}

impl Events {
    /// Nothing read so far.
    #[must_use]
    pub fn new(form: Form) -> Self {
        Self { form, rest: Vec::new() }
    }

    /// The events that these bytes complete.
    pub fn feed(&mut self, chunk: &[u8]) -> Vec<Vec<u8>> {
        self.rest.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some(length) = self.first() {
            let after = self.rest.split_off(length);
            events.push(std::mem::replace(&mut self.rest, after));
        }
        events
    }

    /// The length of the first event, once all of it is there.
    fn first(&self) -> Option<usize> {
        match self.form {
            Form::Json => self.rest.iter().position(|byte| *byte == b'\n').map(|at| at + 1),
            Form::Protobuf => {
                let length = self.rest.first_chunk::<4>().copied().map(u32::from_be_bytes)?;
                let whole = usize::try_from(length).ok()?.checked_add(4)?;
                (self.rest.len() >= whole).then_some(whole)
            }
        }
    }

    /// Whether an event is a bookmark.
    #[must_use]
    pub fn is_bookmark(&self, event: &[u8]) -> bool {
        match self.form {
            Form::Json => event.starts_with(br#"{"type":"BOOKMARK""#),
            Form::Protobuf => event.get(4..).is_some_and(|message| message.starts_with(b"\x0a\x08BOOKMARK")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Events, Form, error_event, word};
    use crate::fault::plan::Word;

    #[test]
    fn events_are_cut_wherever_their_bytes_are_split() {
        for form in [Form::Json, Form::Protobuf] {
            let stream = [error_event(Some(410), form), error_event(None, form)].concat();
            for size in 1..9 {
                let mut events = Events::new(form);
                let found: Vec<_> = stream.chunks(size).flat_map(|chunk| events.feed(chunk)).collect();
                assert_eq!(found.len(), 2, "{form:?} in pieces of {size}");
                assert_eq!(found.concat(), stream);
            }
        }
    }

    #[test]
    fn half_an_event_is_none() {
        for form in [Form::Json, Form::Protobuf] {
            assert!(Events::new(form).feed(&word(Word::HalfAnEvent, form)).is_empty(), "{form:?}");
            assert_eq!(Events::new(form).feed(&word(Word::Nonsense, form)).len(), 1, "{form:?}");
        }
    }
}
