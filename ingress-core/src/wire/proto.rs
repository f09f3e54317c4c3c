//! The API server's protobuf: lists, and watch events in length-prefixed frames.
//!
//! Only built-in kinds have it. Messages are walked field by field where they lie in the buffer; a field that isn't kept is
//! skipped by its length, so that `managedFields`, half of many an object, costs two reads. Varints and keys are decoded by
//! `prost`; there are no generated types, since those would copy every string that a record then copies again.

use std::borrow::Cow;
use std::time::Duration;

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use crate::error::{ErrorKind, SourceError};
use crate::key::Revision;
use crate::kind::Kind;
use crate::source::{Tombstone, WatchEvent};
use crate::wire::json::Page;

/// What every object, list and status in protobuf begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Marks the bookmark that ends the initial events of a streaming list (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// A message that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at byte {at}")]
pub struct InvalidProtobuf {
    at: usize,
    problem: &'static str,
}

impl InvalidProtobuf {
    pub(crate) fn unsupported() -> Self {
        Self { at: 0, problem: "this kind has no protobuf" }
    }

    /// Says that a field is not of its type. Where, the decoder of declared records doesn't tell.
    pub(crate) fn mistyped() -> Self {
        Self { at: 0, problem: "a field is not of its type" }
    }
}

/// Bytes of a message, and where in the frame they begin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chunk<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The value of a field, and where the field begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'a> {
    at: usize,
    data: Data<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Data<'a> {
    Number(u64),
    Bytes(Chunk<'a>),
    /// Of a wire type that nothing kept has.
    Other,
}

impl<'a> Chunk<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn invalid(&self, problem: &'static str) -> InvalidProtobuf {
        InvalidProtobuf { at: self.at, problem }
    }

    fn skip(self, bytes: usize) -> Self {
        Self { bytes: self.bytes.get(bytes..).unwrap_or_default(), at: self.at + bytes }
    }

    /// The bytes as they are.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub(crate) fn text(self) -> Result<&'a str, InvalidProtobuf> {
        std::str::from_utf8(self.bytes).map_err(|_| self.invalid("a string is not UTF-8"))
    }

    /// Hands each field to `each`, in order.
    pub(crate) fn fields(
        self,
        mut each: impl FnMut(u32, Value<'a>) -> Result<(), InvalidProtobuf>,
    ) -> Result<(), InvalidProtobuf> {
        let mut rest = self.bytes;
        while !rest.is_empty() {
            let here = Self { bytes: rest, at: self.at + self.bytes.len() - rest.len() };
            let (tag, wire) = key(&mut rest).ok_or_else(|| here.invalid("a field's key makes no sense"))?;
            let data = match wire {
                WireType::Varint => {
                    Data::Number(varint(&mut rest).ok_or_else(|| here.invalid("a number makes no sense"))?)
                }
                WireType::LengthDelimited => {
                    let length = varint(&mut rest).ok_or_else(|| here.invalid("a length makes no sense"))?;
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    let at = self.at + self.bytes.len() - rest.len();
                    let (bytes, after) =
                        rest.split_at_checked(length).ok_or_else(|| here.invalid("a field ends early"))?;
                    rest = after;
                    Data::Bytes(Self { bytes, at })
                }
                other => {
                    skip_field(other, tag, &mut rest, DecodeContext::default())
                        .map_err(|_| here.invalid("a field ends early"))?;
                    Data::Other
                }
            };
            each(tag, Value { at: here.at, data })?;
        }
        Ok(())
    }
}

/// A field's key. Nearly all are one byte.
fn key(rest: &mut &[u8]) -> Option<(u32, WireType)> {
    match *rest {
        [byte @ 0x08..0x80, after @ ..] if matches!(byte & 7, 0 | 2) => {
            let wire = if byte & 7 == 0 { WireType::Varint } else { WireType::LengthDelimited };
            let tag = u32::from(byte >> 3);
            *rest = after;
            Some((tag, wire))
        }
        _ => decode_key(rest).ok(),
    }
}

/// A number or length. Most are one byte.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    match *rest {
        [byte @ 0..0x80, after @ ..] => {
            let number = u64::from(*byte);
            *rest = after;
            Some(number)
        }
        _ => decode_varint(rest).ok(),
    }
}

impl<'a> Value<'a> {
    /// A string or message; a field of another type than it should have is malformed.
    pub(crate) fn chunk(self) -> Result<Chunk<'a>, InvalidProtobuf> {
        match self.data {
            Data::Bytes(chunk) => Ok(chunk),
            Data::Number(_) | Data::Other => Err(self.mistyped()),
        }
    }

    pub(crate) fn text(self) -> Result<Cow<'a, str>, InvalidProtobuf> {
        self.chunk()?.text().map(Cow::Borrowed)
    }

    pub(crate) fn number(self) -> Result<i64, InvalidProtobuf> {
        match self.data {
            Data::Number(number) => Ok(number.cast_signed()),
            Data::Bytes(_) | Data::Other => Err(self.mistyped()),
        }
    }

    fn mistyped(self) -> InvalidProtobuf {
        InvalidProtobuf { at: self.at, problem: "a field has another type" }
    }
}

/// Takes the envelope off: `k8s\0`, then `runtime.Unknown`, whose `raw` is the object.
fn open(body: &[u8]) -> Result<Chunk<'_>, InvalidProtobuf> {
    let whole = Chunk::new(body);
    open_chunk(whole)
}

fn open_chunk(whole: Chunk<'_>) -> Result<Chunk<'_>, InvalidProtobuf> {
    if !whole.bytes.starts_with(MAGIC) {
        return Err(whole.invalid("the mark of Kubernetes' protobuf is missing"));
    }
    let mut raw = None;
    whole.skip(MAGIC.len()).fields(|tag, value| {
        match tag {
            2 => raw = Some(value.chunk()?),
            3 if !value.chunk()?.bytes.is_empty() => {
                return Err(whole.invalid("the object is encoded in an unknown way"));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(raw.unwrap_or(Chunk { bytes: &[], at: whole.at }))
}

fn malformed<K: Kind>(what: &str, error: InvalidProtobuf) -> SourceError {
    let kind = K::resource().kind;
    SourceError::new(ErrorKind::Malformed, format!("{kind}: {what}: {error}")).with_cause(error)
}

/// `metav1.Status`.
pub(crate) fn decode_status(body: &[u8]) -> Result<crate::wire::json::Told, InvalidProtobuf> {
    read_status(open(body)?)
}

fn read_status(status: Chunk<'_>) -> Result<crate::wire::json::Told, InvalidProtobuf> {
    let mut told = crate::wire::json::Told::default();
    status.fields(|tag, value| {
        match tag {
            3 => told.message = value.text()?.into_owned(),
            5 => value.chunk()?.fields(|tag, value| {
                if tag == 5 {
                    told.retry_after = retry_after(value.number()?);
                }
                Ok(())
            })?,
            6 => told.code = u16::try_from(value.number()?).unwrap_or_default(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(told)
}

/// `details.retryAfterSeconds` of a status; zero or less asks for nothing.
pub(crate) fn retry_after(seconds: i64) -> Option<Duration> {
    u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// Decodes the body of one frame of a watch.
///
/// # Errors
///
/// What an `ERROR` event says, [`ErrorKind::Expired`] among it; [`ErrorKind::Malformed`], naming kind and position, for a
/// frame that is no event.
pub fn decode_event<K: Kind>(frame: &[u8]) -> Result<WatchEvent<K>, SourceError> {
    let mut verb = "";
    let mut object = Chunk::new(&[]);
    Chunk::new(frame)
        .fields(|tag, value| {
            match tag {
                1 => verb = value.chunk()?.text()?,
                2 => value.chunk()?.fields(|tag, value| {
                    if tag == 1 {
                        object = value.chunk()?;
                    }
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })
        .and_then(|()| open_chunk(object))
        .map_err(|error| malformed::<K>("watch event", error))
        .and_then(|object| decode_parts(verb, object))
}

fn decode_parts<K: Kind>(verb: &str, object: Chunk<'_>) -> Result<WatchEvent<K>, SourceError> {
    match verb {
        "ADDED" | "MODIFIED" => {
            let record = K::decode_protobuf(object.bytes).map_err(|error| malformed::<K>("object", error))?;
            crate::wire::json::check_record(record).map(WatchEvent::Applied)
        }
        "DELETED" => {
            let gone = read_reference(object).map_err(|error| malformed::<K>("deleted object", error))?;
            let revision = gone.revision::<K>("deleted object")?;
            if gone.name.is_empty() {
                return Err(crate::wire::json::nameless::<K>());
            }
            Ok(WatchEvent::Deleted(Tombstone::new(gone.namespace, gone.name, revision)))
        }
        "BOOKMARK" => {
            let mark = read_reference(object).map_err(|error| malformed::<K>("bookmark", error))?;
            let revision = mark.revision::<K>("bookmark")?;
            Ok(if mark.initial_events_end {
                WatchEvent::Synced(revision)
            } else {
                WatchEvent::Bookmark(revision)
            })
        }
        "ERROR" => {
            let told = read_status(object).map_err(|error| malformed::<K>("error event", error))?;
            Err(told.into_error(None))
        }
        other => {
            let verb: String = other.chars().take(40).collect();
            let kind = K::resource().kind;
            Err(SourceError::new(ErrorKind::Malformed, format!("{kind}: unknown watch event {verb:?}")))
        }
    }
}

/// What is read of an object when only its place matters.
#[derive(Default)]
struct Reference<'a> {
    namespace: Option<&'a str>,
    name: &'a str,
    resource_version: &'a str,
    initial_events_end: bool,
}

impl Reference<'_> {
    fn revision<K: Kind>(&self, what: &str) -> Result<Revision, SourceError> {
        if self.resource_version.is_empty() {
            let message = format!("{}: {what} without metadata.resourceVersion", K::resource().kind);
            return Err(SourceError::new(ErrorKind::Malformed, message));
        }
        Ok(Revision::new(self.resource_version))
    }
}

fn read_reference(object: Chunk<'_>) -> Result<Reference<'_>, InvalidProtobuf> {
    let mut reference = Reference::default();
    object.fields(|tag, value| {
        if tag != 1 {
            return Ok(());
        }
        value.chunk()?.fields(|tag, value| {
            match tag {
                1 => reference.name = value.chunk()?.text()?,
                3 => reference.namespace = Some(value.chunk()?.text()?).filter(|name| !name.is_empty()),
                6 => reference.resource_version = value.chunk()?.text()?,
                12 => {
                    let (key, text) = pair(value.chunk()?)?;
                    reference.initial_events_end |= key == INITIAL_EVENTS_END && text.bytes == b"true";
                }
                _ => {}
            }
            Ok(())
        })
    })?;
    Ok(reference)
}

/// One entry of a `map<string, string>`; the value isn't looked at yet.
pub(crate) fn pair(entry: Chunk<'_>) -> Result<(&str, Chunk<'_>), InvalidProtobuf> {
    let (mut key, mut text) = ("", Chunk::new(&[]));
    entry.fields(|tag, value| {
        match tag {
            1 => key = value.chunk()?.text()?,
            2 => text = value.chunk()?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, text))
}

/// Decodes one page of a list.
///
/// # Errors
///
/// [`ErrorKind::Malformed`], naming kind and position.
pub fn decode_list<K: Kind>(body: &[u8]) -> Result<Page<K>, SourceError> {
    let mut items = Vec::new();
    let mut revision = "";
    let mut next = "";
    let read = open(body).and_then(|list| {
        list.fields(|tag, value| {
            match tag {
                1 => value.chunk()?.fields(|tag, value| {
                    match tag {
                        2 => revision = value.chunk()?.text()?,
                        3 => next = value.chunk()?.text()?,
                        _ => {}
                    }
                    Ok(())
                })?,
                2 => {
                    let item = value.chunk()?;
                    items.push(K::decode_protobuf(item.bytes).map_err(|error| InvalidProtobuf {
                        at: item.at + error.at,
                        problem: error.problem,
                    })?);
                }
                _ => {}
            }
            Ok(())
        })
    });
    read.map_err(|error| malformed::<K>("list", error))?;
    Page::checked(items, revision, Some(next.to_owned()))
}

/// Cuts a byte stream into frames: each its length in four bytes, big-endian, then so many bytes.
#[derive(Debug)]
pub struct Frames {
    pending: Vec<u8>,
    max: usize,
}

impl Frames {
    /// Cuts frames of at most `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { pending: Vec::new(), max }
    }

    /// Takes the next chunk and hands every frame that it completes to `each`, without its length.
    ///
    /// # Errors
    ///
    /// The first error of `each`, or [`ErrorKind::Malformed`] for a frame above the bound. Both are final: the rest of the
    /// stream makes no sense any more.
    pub fn feed(
        &mut self,
        mut chunk: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        // A frame that spans chunks is completed in `pending`; all others are handed on where they lie.
        while !self.pending.is_empty() {
            let wanted = self.frame_length(&self.pending)?.map_or(4, |length| 4 + length);
            let missing = wanted - self.pending.len();
            let (part, rest) = chunk.split_at(missing.min(chunk.len()));
            self.pending.extend_from_slice(part);
            chunk = rest;
            if part.len() < missing {
                return Ok(());
            }
            if self.frame_length(&self.pending)?.is_some_and(|length| self.pending.len() == 4 + length) {
                each(self.pending.get(4..).unwrap_or_default())?;
                self.pending.clear();
                // One huge frame must not hold its memory for the hours that a watch lasts.
                self.pending.shrink_to(64 * 1024);
            }
        }
        while let Some(length) = self.frame_length(chunk)? {
            let Some((frame, rest)) = chunk.split_at_checked(4 + length) else { break };
            chunk = rest;
            each(frame.get(4..).unwrap_or_default())?;
        }
        self.pending.extend_from_slice(chunk);
        Ok(())
    }

    /// Whether the stream ended in the middle of a frame.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        !self.pending.is_empty()
    }

    fn frame_length(&self, bytes: &[u8]) -> Result<Option<usize>, SourceError> {
        let Some(prefix) = bytes.first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if length > self.max {
            let message = format!("a watch event is larger than the bound of {} bytes", self.max);
            return Err(SourceError::new(ErrorKind::Malformed, message));
        }
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests;
