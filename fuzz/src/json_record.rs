//! Decoding a watch's lines and a list's pages from JSON.
//!
//! Whatever comes: an event is the one that an ordinary JSON parser finds, told in one spelling of the line or another; what
//! is no event is a typed error that names the kind and a place inside the input, and quotes no values.

use ingress_core::wire::json::{Page, decode_event, decode_list};
use ingress_core::{ErrorKind, Ingress, Kind as _, SourceError, WatchEvent};
use k8s_openapi::api::networking::v1 as typed;
use serde::de::{Deserialize as _, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::facts::{Facts, NoFacts, text};
use crate::status::Told;

const SECRET: &str = "s3cret-t0ken";
const VERBS: [&str; 6] = ["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR", "HELLO"];

/// Runs one case: `e` and a line of a watch, `l` and a list, or `o` and an object.
pub fn check(data: &[u8]) {
    let Some((form, bytes)) = data.split_first() else { return };
    match form {
        b'e' => check_event(bytes),
        b'l' => check_list(bytes),
        _ => {
            for verb in VERBS {
                check_event(&line(verb, bytes));
            }
            check_list(&list(bytes));
            check_typed(bytes);
        }
    }
    check_secrecy(bytes);
}

fn line(verb: &str, object: &[u8]) -> Vec<u8> {
    [format!(r#"{{"type":"{verb}","object":"#).as_bytes(), object, b"}"].concat()
}

fn list(item: &[u8]) -> Vec<u8> {
    [br#"{"metadata":{"resourceVersion":"9"},"items":["#, item, b"]}"].concat()
}

/// What a line says, as far as it says something.
#[derive(Debug, PartialEq)]
enum Event {
    Applied(Box<Facts>),
    Deleted { namespace: String, name: String, revision: String },
    Bookmark(String),
    Synced(String),
}

/// Why a line says nothing.
#[derive(Debug, PartialEq)]
enum NoEvent {
    Malformed,
    Told(Told),
    Unclear,
}

impl From<NoFacts> for NoEvent {
    fn from(why: NoFacts) -> Self {
        match why {
            NoFacts::WrongType => Self::Malformed,
            NoFacts::Unclear => Self::Unclear,
        }
    }
}

impl Event {
    fn of_json(line: &Value) -> Result<Self, NoEvent> {
        let (Some(verb), Some(object)) = (line["type"].as_str(), line.get("object")) else {
            return Err(NoEvent::Malformed);
        };
        match verb {
            "ADDED" | "MODIFIED" => {
                let facts = Facts::of_json(object)?;
                let placed = !facts.name.is_empty() && !facts.resource_version.is_empty();
                if placed { Ok(Self::Applied(Box::new(facts))) } else { Err(NoEvent::Malformed) }
            }
            "DELETED" | "BOOKMARK" => Self::of_reference(verb, object),
            "ERROR" => Err(NoEvent::Told(Told::of_json(object))),
            _ => Err(NoEvent::Malformed),
        }
    }

    fn of_reference(verb: &str, object: &Value) -> Result<Self, NoEvent> {
        let metadata = object.get("metadata").and_then(Value::as_object).ok_or(NoEvent::Malformed)?;
        let (namespace, name) = (text(metadata, "namespace")?, text(metadata, "name")?);
        let revision = text(metadata, "resourceVersion")?;
        let empty = Map::new();
        let annotations = match metadata.get("annotations") {
            None | Some(Value::Null) => &empty,
            Some(Value::Object(annotations)) => annotations,
            Some(_) => return Err(NoEvent::Malformed),
        };
        let end = text(annotations, "k8s.io/initial-events-end")? == "true";
        match verb {
            _ if revision.is_empty() => Err(NoEvent::Malformed),
            "DELETED" if name.is_empty() => Err(NoEvent::Malformed),
            "DELETED" => Ok(Self::Deleted { namespace, name, revision }),
            _ if end => Ok(Self::Synced(revision)),
            _ => Ok(Self::Bookmark(revision)),
        }
    }

    fn of_engine(event: &WatchEvent<Ingress>) -> Self {
        match event {
            WatchEvent::Applied(record) => Self::Applied(Box::new(Facts::of_record(record))),
            WatchEvent::Deleted(gone) => Self::Deleted {
                namespace: gone.namespace.as_deref().unwrap_or_default().to_owned(),
                name: gone.name.as_ref().to_owned(),
                revision: gone.revision.as_str().to_owned(),
            },
            WatchEvent::Bookmark(revision) => Self::Bookmark(revision.as_str().to_owned()),
            WatchEvent::Synced(revision) => Self::Synced(revision.as_str().to_owned()),
            other => unreachable!("a decoder gives no {other:?}"),
        }
    }
}

fn check_event(line: &[u8]) {
    let result = decode_event::<Ingress>(line);
    let expected = serde_json::from_slice::<Value>(line).map(|value| Event::of_json(&value));
    match (&result, expected) {
        (Ok(event), Ok(Ok(expected))) => assert_eq!(Event::of_engine(event), expected),
        (Ok(_), Ok(Err(NoEvent::Unclear))) => {}
        (Ok(event), Ok(Err(why))) => panic!("{event:?} of a line that is {why:?}"),
        // A tree holds no lone surrogates, no numbers beyond a double and no depth above 128: members that are skipped may.
        (Ok(_), Err(_)) => assert_json(line),
        (Err(error), Ok(Err(NoEvent::Told(told)))) if !has_twins(line) => told.check(error, None),
        (Err(error), Ok(Err(NoEvent::Malformed))) if !has_twins(line) => check_malformed(error, line),
        (Err(error), Ok(Ok(expected))) => assert!(has_twins(line), "{error} instead of {expected:?}"),
        (Err(error), _) => {
            if error.kind() == ErrorKind::Malformed {
                check_malformed(error, line);
            }
        }
    }
    check_spellings(line, &result);
}

/// The envelope's order, spaces and escapes don't matter.
fn check_spellings(line: &[u8], result: &Result<WatchEvent<Ingress>, SourceError>) {
    #[derive(serde::Deserialize)]
    struct Envelope<'a> {
        #[serde(rename = "type")]
        verb: String,
        #[serde(borrow)]
        object: &'a RawValue,
    }
    let Ok(Envelope { verb, object }) = serde_json::from_slice(line) else { return };
    let Ok(verb) = serde_json::to_string(&verb) else { return };
    // In quotes now; the last spelling escapes its first letter.
    if !verb.as_bytes()[1].is_ascii_alphanumeric() {
        return;
    }
    for spelling in [
        format!(r#"{{"type":{verb},"object":{object}}}"#),
        format!(" {{\t\"object\" : {object} , \"type\" : {verb} }}\r"),
        format!(r#"{{"later":[{{}}],"type":{verb},"object":{object},"more":"}}"}}"#),
        format!(r#"{{"type":"\u{:04x}{},"object":{object}}}"#, verb.as_bytes()[1], &verb[2..]),
    ] {
        match (result, decode_event::<Ingress>(spelling.as_bytes())) {
            (Ok(one), Ok(other)) => assert_eq!(*one, other, "{spelling}"),
            (Err(one), Err(other)) => assert_eq!(one.kind(), other.kind(), "{spelling}"),
            (one, other) => panic!("{one:?}, but {other:?} when spelt {spelling}"),
        }
    }
}

fn check_list(body: &[u8]) {
    let result = decode_list::<Ingress>(body);
    let expected = serde_json::from_slice::<Value>(body).map(|value| page_of_json(&value));
    match (&result, expected) {
        (Ok(page), Ok(Ok(expected))) => assert_eq!(page_of_engine(page), expected),
        (Ok(_), Ok(Err(NoFacts::Unclear))) => {}
        (Ok(page), Ok(Err(why))) => panic!("{page:?} of a list that is {why:?}"),
        (Ok(_), Err(_)) => assert_json(body),
        (Err(error), expected) => {
            check_malformed(error, body);
            if let Ok(Ok(expected)) = expected {
                assert!(has_twins(body), "{error} instead of {expected:?}");
            }
        }
    }
}

type Listed = (String, Option<String>, Vec<Facts>);

fn page_of_json(list: &Value) -> Result<Listed, NoFacts> {
    let metadata = list.get("metadata").and_then(Value::as_object).ok_or(NoFacts::WrongType)?;
    let revision = text(metadata, "resourceVersion")?;
    let next = Some(text(metadata, "continue")?).filter(|next| !next.is_empty());
    let items = match &list["items"] {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().map(Facts::of_json).collect::<Result<_, _>>()?,
        _ => return Err(NoFacts::WrongType),
    };
    if revision.is_empty() || items.iter().any(|item| item.name.is_empty()) {
        return Err(NoFacts::WrongType);
    }
    Ok((revision, next, items))
}

fn page_of_engine(page: &Page<Ingress>) -> Listed {
    let items = page.items.iter().map(Facts::of_record).collect();
    (page.revision.as_str().to_owned(), page.continue_token.clone(), items)
}

/// The record says of an object what Kubernetes' own type says of it.
fn check_typed(object: &[u8]) {
    let Ok(mut value) = serde_json::from_slice::<Value>(object) else { return };
    if !value.is_object() {
        return;
    }
    value["apiVersion"] = "networking.k8s.io/v1".into();
    value["kind"] = "Ingress".into();
    let Ok(typed) = serde_json::from_value::<typed::Ingress>(value.clone()) else { return };
    let json = value.to_string();
    let record = Ingress::decode_json(&mut serde_json::Deserializer::from_str(&json));
    let mut record =
        Facts::of_record(&record.unwrap_or_else(|error| panic!("{error} for the typed {typed:?}")));
    let mut typed = Facts::of_typed(typed);
    // The record keeps the text that the server wrote, the type an instant.
    let instant = |text: Option<String>| text.and_then(|text| text.parse::<jiff::Timestamp>().ok());
    assert_eq!(instant(record.created.take()), instant(typed.created.take()));
    assert_eq!(record, typed);
}

/// However the input is damaged, no error shows a part of it.
fn check_secrecy(bytes: &[u8]) {
    let middle = bytes.len() / 2;
    for at in [middle, middle / 2, middle + middle / 2, bytes.len()] {
        let planted = [&bytes[..at], SECRET.as_bytes(), &bytes[at..]].concat();
        let event = decode_event::<Ingress>(&planted).err();
        let object = decode_event::<Ingress>(&line("ADDED", &planted)).err();
        let gone = decode_event::<Ingress>(&line("DELETED", &planted)).err();
        let page = decode_list::<Ingress>(&planted).err();
        for error in [event, object, gone, page].into_iter().flatten() {
            // A status' message is meant to be shown, and so is an unknown verb.
            let verb = error.message().starts_with("Ingress: unknown watch event ");
            if error.kind() == ErrorKind::Malformed && !verb {
                assert!(
                    !error.to_string().contains(SECRET) && !format!("{error:?}").contains(SECRET),
                    "{error}"
                );
            }
        }
    }
}

fn check_malformed(error: &SourceError, input: &[u8]) {
    assert_eq!((error.kind(), error.class().as_str()), (ErrorKind::Malformed, "malformed"), "{error}");
    let message = error.message();
    assert!(message.starts_with("Ingress: ") && message.len() < 240, "{message}");
    if let Some((_, place)) = message.rsplit_once(" at line ") {
        let (line, column) = place.split_once(", column ").expect("a line and a column");
        let lines = input.split(|byte| *byte == b'\n').count();
        assert!(line.parse::<usize>().is_ok_and(|line| line <= lines), "{message}, of {lines} lines");
        let column = column.parse::<usize>().expect("a number");
        assert!(column <= input.len() + 1, "{message}, of {} bytes", input.len());
    }
}

fn assert_json(input: &[u8]) {
    let read = serde_json::from_slice::<IgnoredAny>(input.trim_ascii());
    assert!(read.is_ok(), "decoded what is no JSON: {}", input.escape_ascii());
}

/// Whether an object somewhere has two members of one name. Parsers differ about those, and no server writes them.
fn has_twins(input: &[u8]) -> bool {
    struct Twins(bool);
    impl<'de> serde::Deserialize<'de> for Twins {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(TwinsVisitor)
        }
    }
    struct TwinsVisitor;
    impl<'de> Visitor<'de> for TwinsVisitor {
        type Value = Twins;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("anything")
        }
        fn visit_unit<E>(self) -> Result<Twins, E> {
            Ok(Twins(false))
        }
        fn visit_bool<E>(self, _: bool) -> Result<Twins, E> {
            Ok(Twins(false))
        }
        fn visit_i64<E>(self, _: i64) -> Result<Twins, E> {
            Ok(Twins(false))
        }
        fn visit_u64<E>(self, _: u64) -> Result<Twins, E> {
            Ok(Twins(false))
        }
        fn visit_f64<E>(self, _: f64) -> Result<Twins, E> {
            Ok(Twins(false))
        }
        fn visit_str<E>(self, _: &str) -> Result<Twins, E> {
            Ok(Twins(false))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Twins, A::Error> {
            let mut twins = false;
            while let Some(item) = items.next_element::<Twins>()? {
                twins |= item.0;
            }
            Ok(Twins(twins))
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Twins, A::Error> {
            let mut names = std::collections::HashSet::new();
            let mut twins = false;
            while let Some((name, value)) = map.next_entry::<String, Twins>()? {
                twins |= !names.insert(name) || value.0;
            }
            Ok(Twins(twins))
        }
    }
    Twins::deserialize(&mut serde_json::Deserializer::from_slice(input)).is_ok_and(|twins| twins.0)
}
