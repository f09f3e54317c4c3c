//! The API server's JSON: lists, and watch events one to a line.
//!
//! Lines are handed to the decoder where they lie in the chunk that came off the socket; only a line that spans chunks is
//! copied. Objects are decoded straight into records. The API server writes `type` before `object`, so the envelope is
//! cut off by comparing bytes; any other order is still understood, at the price of reading the object twice.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{ErrorKind, SourceError};
use crate::key::Revision;
use crate::kind::{Kind, Object, RecordSeed, Text};
use crate::source::{Tombstone, WatchEvent};

/// Cuts a byte stream into lines.
#[derive(Debug)]
pub struct Lines {
    pending: Vec<u8>,
    max: usize,
}

impl Lines {
    /// Cuts lines of at most `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { pending: Vec::new(), max }
    }

    /// Takes the next chunk and hands every line that it completes to `each`, without its line end. Empty lines are
    /// skipped.
    ///
    /// # Errors
    ///
    /// The first error of `each`, or [`ErrorKind::Malformed`] for a line above the bound. Both are final: the rest of the
    /// stream makes no sense any more.
    pub fn feed(
        &mut self,
        mut chunk: &[u8],
        mut each: impl FnMut(&[u8]) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (line, rest) = chunk.split_at(end);
            chunk = rest.get(1..).unwrap_or_default();
            self.check(line.len())?;
            if self.pending.is_empty() {
                if !line.is_empty() {
                    each(line)?;
                }
            } else {
                self.pending.extend_from_slice(line);
                each(&self.pending)?;
                self.pending.clear();
                // One huge line must not hold its memory for the hours that a watch lasts.
                self.pending.shrink_to(64 * 1024);
            }
        }
        self.check(chunk.len())?;
        self.pending.extend_from_slice(chunk);
        Ok(())
    }

    /// Whether the stream ended in the middle of a line.
    #[must_use]
    pub fn is_truncated(&self) -> bool {
        !self.pending.is_empty()
    }

    fn check(&self, more: usize) -> Result<(), SourceError> {
        if self.pending.len() + more > self.max {
            let message = format!("a watch event is larger than the bound of {} bytes", self.max);
            return Err(SourceError::new(ErrorKind::Malformed, message));
        }
        Ok(())
    }
}

/// What a `metav1.Status` tells, in whichever form it came.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) code: u16,
    pub(crate) message: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Told {
    /// The error that it describes. `http` is the response's status, where it came as one.
    pub(crate) fn into_error(self, http: Option<u16>) -> SourceError {
        let code = http.unwrap_or(self.code);
        let message: String = if self.message.is_empty() {
            format!("the API server answered {code}")
        } else {
            self.message.chars().take(1000).collect()
        };
        if code < 400 {
            // An `ERROR` event that carries no usable code: the watch is over, but nothing says that the state is lost.
            return SourceError::new(ErrorKind::ServerError, message);
        }
        SourceError::from_status(code, message, self.retry_after)
    }
}

/// The error that a response's body describes, in JSON or protobuf; a body that is no `metav1.Status` still gives what the
/// HTTP status means.
#[must_use]
pub fn decode_status(body: &[u8], http: Option<u16>) -> SourceError {
    if let Ok(told) = super::proto::decode_status(body) {
        return told.into_error(http);
    }
    // Field by field, so that one odd field does not hide what the others say.
    let status: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| status.get(name);
    let seconds = field("details").and_then(|details| details.get("retryAfterSeconds")?.as_i64());
    Told {
        code: field("code").and_then(|code| u16::try_from(code.as_u64()?).ok()).unwrap_or_default(),
        message: field("message").and_then(|message| message.as_str()).unwrap_or_default().to_owned(),
        retry_after: seconds.and_then(super::proto::retry_after),
    }
    .into_error(http)
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, rename = "type")]
    verb: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// What is read of an object when only its place matters.
#[derive(Deserialize)]
struct Reference<'a> {
    #[serde(borrow)]
    metadata: Object<ReferenceMeta<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ReferenceMeta<'a> {
    #[serde(borrow)]
    namespace: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    resource_version: Text<'a>,
    #[serde(borrow)]
    annotations: Object<MarkAnnotations<'a>>,
}

/// The annotation of the bookmark that ends the initial events of a streaming list (KEP-3157).
#[derive(Default, Deserialize)]
#[serde(default)]
struct MarkAnnotations<'a> {
    #[serde(borrow, rename = "k8s.io/initial-events-end")]
    initial_events_end: Text<'a>,
}

/// Decodes one line of a watch.
///
/// # Errors
///
/// What an `ERROR` event says, [`ErrorKind::Expired`] among it; [`ErrorKind::Malformed`], naming kind and position, for a
/// line that is no event.
pub fn decode_event<K: Kind>(line: &[u8]) -> Result<WatchEvent<K>, SourceError> {
    let line = line.trim_ascii();
    let quick = split_envelope(line).map(|(verb, object)| decode_parts(verb, object));
    match quick {
        // Cutting looks at the beginning and the end only: a line that makes no sense that way is read properly.
        None => decode_envelope(line),
        Some(Err(error)) if error.kind() == ErrorKind::Malformed => decode_envelope(line),
        Some(result) => result,
    }
}

fn decode_envelope<K: Kind>(line: &[u8]) -> Result<WatchEvent<K>, SourceError> {
    let envelope: Envelope<'_> =
        serde_json::from_slice(line).map_err(|error| malformed::<K>("watch event", &error))?;
    decode_parts(envelope.verb.as_bytes(), envelope.object.get().as_bytes())
}

/// Cuts `{"type":"VERB","object":OBJECT}`; `None` when the line isn't written like that.
fn split_envelope(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(br#"{"type":""#)?;
    let end = memchr::memchr(b'"', rest.get(..16.min(rest.len()))?)?;
    let (verb, rest) = rest.split_at_checked(end)?;
    let object = rest.strip_prefix(br#"","object":"#)?.strip_suffix(b"}")?;
    Some((verb, object))
}

fn decode_parts<K: Kind>(verb: &[u8], object: &[u8]) -> Result<WatchEvent<K>, SourceError> {
    match verb {
        b"ADDED" | b"MODIFIED" => decode_record(object).map(WatchEvent::Applied),
        b"DELETED" => {
            let gone = decode_reference::<K>("deleted object", object)?;
            let revision = Revision::new(gone.resource_version.as_str());
            if gone.name.as_str().is_empty() {
                return Err(nameless::<K>());
            }
            Ok(WatchEvent::Deleted(Tombstone::new(gone.namespace.non_empty(), gone.name.as_str(), revision)))
        }
        b"BOOKMARK" => {
            let mark = decode_reference::<K>("bookmark", object)?;
            let revision = Revision::new(mark.resource_version.as_str());
            let end = mark.annotations.initial_events_end.as_str() == "true";
            Ok(if end { WatchEvent::Synced(revision) } else { WatchEvent::Bookmark(revision) })
        }
        b"ERROR" => Err(decode_status(object, None)),
        other => {
            let verb: String = String::from_utf8_lossy(other).chars().take(40).collect();
            Err(SourceError::new(
                ErrorKind::Malformed,
                format!("{}: unknown watch event {verb:?}", K::resource().kind),
            ))
        }
    }
}

fn decode_record<K: Kind>(object: &[u8]) -> Result<K, SourceError> {
    fn whole<'de, K: Kind>(
        mut deserializer: serde_json::Deserializer<impl serde_json::de::Read<'de>>,
    ) -> serde_json::Result<K> {
        K::decode_json(&mut deserializer).and_then(|record| deserializer.end().map(|()| record))
    }
    // Whether all of it is UTF-8 is found out quicker at once than string by string.
    let record = match std::str::from_utf8(object) {
        Ok(text) => whole(serde_json::Deserializer::from_str(text)),
        Err(_) => whole(serde_json::Deserializer::from_slice(object)),
    };
    check_record(record.map_err(|error| malformed::<K>("object", &error))?)
}

/// An object of a watch has a name and a revision; one without can't be placed or resumed from.
pub(crate) fn check_record<K: Kind>(record: K) -> Result<K, SourceError> {
    if record.name().is_empty() || record.resource_version().is_empty() {
        let message = format!("{}: object without metadata.name or resourceVersion", K::resource().kind);
        return Err(SourceError::new(ErrorKind::Malformed, message));
    }
    Ok(record)
}

fn decode_reference<'a, K: Kind>(what: &str, object: &'a [u8]) -> Result<ReferenceMeta<'a>, SourceError> {
    let reference: Reference<'a> =
        serde_json::from_slice(object).map_err(|error| malformed::<K>(what, &error))?;
    let metadata = reference.metadata.0;
    if metadata.resource_version.as_str().is_empty() {
        let message = format!("{}: {what} without metadata.resourceVersion", K::resource().kind);
        return Err(SourceError::new(ErrorKind::Malformed, message));
    }
    Ok(metadata)
}

/// A deletion that does not say of what: applied, it would only move the resume point past the real one.
pub(crate) fn nameless<K: Kind>() -> SourceError {
    let message = format!("{}: deleted object without metadata.name", K::resource().kind);
    SourceError::new(ErrorKind::Malformed, message)
}

/// Names kind and position. serde's own message is left out: it quotes values, and a value may be anybody's secret.
fn malformed<K: Kind>(what: &str, error: &serde_json::Error) -> SourceError {
    let problem = match error.classify() {
        serde_json::error::Category::Eof => "ends early",
        serde_json::error::Category::Syntax => "is not JSON",
        serde_json::error::Category::Data => "has a field of another type than Kubernetes gives it",
        serde_json::error::Category::Io => "could not be read",
    };
    let (line, column) = (error.line(), error.column());
    let kind = K::resource().kind;
    SourceError::new(
        ErrorKind::Malformed,
        format!("{kind}: {what} {problem} at line {line}, column {column}"),
    )
}

/// One page of a list.
#[derive(Debug)]
#[non_exhaustive]
pub struct Page<K> {
    /// The page's objects.
    pub items: Vec<K>,
    /// The revision of the whole list.
    pub revision: Revision,
    /// Where the next page begins; `None` on the last.
    pub continue_token: Option<String>,
}

/// Decodes one page of a list.
///
/// # Errors
///
/// [`ErrorKind::Malformed`], naming kind and position.
pub fn decode_list<K: Kind>(body: &[u8]) -> Result<Page<K>, SourceError> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let list = serde::Deserializer::deserialize_map(&mut deserializer, ListVisitor(std::marker::PhantomData))
        .and_then(|list| deserializer.end().map(|()| list))
        .map_err(|error| malformed::<K>("list", &error))?;
    Page::checked(list.items, &list.metadata.resource_version, list.metadata.next)
}

impl<K: Kind> Page<K> {
    /// A page that can be used: it has a revision, and its objects have names.
    pub(crate) fn checked(
        items: Vec<K>,
        revision: &str,
        continue_token: Option<String>,
    ) -> Result<Self, SourceError> {
        let kind = K::resource().kind;
        if revision.is_empty() {
            let message = format!("{kind}: list without metadata.resourceVersion");
            return Err(SourceError::new(ErrorKind::Malformed, message));
        }
        if items.iter().any(|item| item.name().is_empty()) {
            let message = format!("{kind}: list with an object without metadata.name");
            return Err(SourceError::new(ErrorKind::Malformed, message));
        }
        let continue_token = continue_token.filter(|token| !token.is_empty());
        Ok(Self { items, revision: Revision::new(revision), continue_token })
    }
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListMeta {
    resource_version: String,
    #[serde(rename = "continue")]
    next: Option<String>,
}

struct List<K> {
    metadata: ListMeta,
    items: Vec<K>,
}

struct ListVisitor<K>(std::marker::PhantomData<K>);

impl<'de, K: Kind> Visitor<'de> for ListVisitor<K> {
    type Value = List<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<List<K>, A::Error> {
        let mut list = List { metadata: ListMeta::default(), items: Vec::new() };
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match &*key {
                "metadata" => list.metadata = map.next_value::<Object<ListMeta>>()?.0,
                "items" => map.next_value_seed(ItemsSeed(&mut list.items))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(list)
    }
}

struct ItemsSeed<'a, K>(&'a mut Vec<K>);

impl<'de, K: Kind> DeserializeSeed<'de> for ItemsSeed<'_, K> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, K: Kind> Visitor<'de> for ItemsSeed<'_, K> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    // Go writes a nil slice as null.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element_seed(RecordSeed::new())? {
            self.0.push(item);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
