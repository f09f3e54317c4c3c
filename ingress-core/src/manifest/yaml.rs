//! YAML to values, and where they are written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DefaultMessageFormatter, MessageFormatter as _, Spanned};

use super::cut::{Piece, documents};
use super::object::Sink;
use super::spot::{Below, Spot};
use super::{Location, MAX_ALIASED, MAX_DEPTH};

/// What a parser that is fed 64 MiB may meet: more than such a file can hold.
const MAX_EVENTS: usize = 100_000_000;

/// Reads all documents of a text.
pub(super) fn parse(text: &str, sink: &mut Sink<'_>) {
    let mut template_told = false;
    for piece in documents(text) {
        match read(&piece) {
            Ok(Node { value, spot }) => sink.take(value, spot, None),
            // Each document of a template fails in its own way; one word for the file is enough.
            Err(_) if piece.text.contains("{{") => {
                if !std::mem::replace(&mut template_told, true) {
                    sink.template(opening(&piece));
                }
            }
            Err(Broken { at, what }) => {
                let remedy = remedy(&piece, at, &what);
                sink.broken(at, what, remedy);
            }
        }
    }
}

/// What is wrong with a document.
pub(super) struct Broken {
    pub(super) at: Location,
    pub(super) what: String,
}

/// Reads one document.
pub(super) fn read(piece: &Piece<'_>) -> Result<Node, Broken> {
    // What an alias expands to is a copy of at most the whole document, so that this bounds the bytes of all of them together.
    let expansions = MAX_ALIASED.checked_div(piece.text.len()).unwrap_or(1).clamp(1, 1_000_000);
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_events: MAX_EVENTS,
            max_nodes: MAX_EVENTS,
            max_total_scalar_bytes: MAX_ALIASED,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: expansions,
        },
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Node>(piece.text, options)
        .map(|mut node| {
            shift(&mut node.spot, piece.lines_before);
            node
        })
        .map_err(|error| {
            let error = error.without_snippet();
            let at = error.location().map_or_else(Location::default, |at| place(&at));
            // The parser's words name what it met, a key or an anchor at most.
            let what = DefaultMessageFormatter.format_message(error).escape_debug().take(200).collect();
            let at = Location { line: at.line.max(1).saturating_add(piece.lines_before), ..at };
            Broken { at, what }
        })
}

fn place(at: &serde_saphyr::Location) -> Location {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Location::new(number(at.line()), number(at.column()))
}

fn shift(spot: &mut Spot, lines: u32) {
    spot.at.line = spot.at.line.saturating_add(lines);
    match &mut spot.below {
        Below::Nothing => {}
        Below::Map(entries) => entries.iter_mut().for_each(|(_, below)| shift(below, lines)),
        Below::List(items) => items.iter_mut().for_each(|item| shift(item, lines)),
    }
}

/// Where a template's first opening braces are.
fn opening(piece: &Piece<'_>) -> Location {
    let found = (1..).zip(piece.text.lines()).find_map(|(number, line)| {
        let column = line.split_once("{{")?.0.chars().count();
        Some(Location::new(number, u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1)))
    });
    let at = found.unwrap_or_default();
    Location { line: at.line.saturating_add(piece.lines_before), ..at }
}

/// What most often causes such an error.
fn remedy(piece: &Piece<'_>, at: Location, what: &str) -> &'static str {
    let line = at.line.saturating_sub(piece.lines_before).saturating_sub(1);
    let line = usize::try_from(line).ok().and_then(|line| piece.text.lines().nth(line)).unwrap_or_default();
    let indented = line.trim_start_matches(' ');
    if indented.starts_with('\t') || what.contains("found a tab") {
        return "indent with spaces: YAML knows no tabs there";
    }
    if what.contains("duplicate") {
        return "keep one of the two";
    }
    if what.contains("alias") || what.contains("budget") || what.contains("limit") {
        return "write it out with less nesting and fewer aliases";
    }
    "check the indentation, quotes and brackets there and in the line before"
}

/// A value, and where it is written.
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) spot: Spot,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value: Inner { value, below }, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { value, spot: Spot { at: place(&referenced), below } })
    }
}

/// The same without its own place.
struct Inner {
    value: Value,
    below: Below,
}

impl From<Value> for Inner {
    fn from(value: Value) -> Self {
        Self { value, below: Below::Nothing }
    }
}

impl<'de> Deserialize<'de> for Inner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InnerVisitor)
    }
}

struct InnerVisitor;

impl<'de> Visitor<'de> for InnerVisitor {
    type Value = Inner;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what JSON can hold")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Inner, E> {
        Ok(Value::Bool(value).into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Inner, E> {
        Ok(Value::from(value).into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Inner, E> {
        Ok(Value::from(value).into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Inner, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number that is not finite"))?;
        Ok(Value::Number(number).into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Inner, E> {
        Ok(Value::from(value).into())
    }

    fn visit_string<E>(self, value: String) -> Result<Inner, E> {
        Ok(Value::String(value).into())
    }

    fn visit_unit<E>(self) -> Result<Inner, E> {
        Ok(Value::Null.into())
    }

    fn visit_none<E>(self) -> Result<Inner, E> {
        Ok(Value::Null.into())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Inner, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Inner, A::Error> {
        let (mut values, mut spots) = (Vec::new(), Vec::new());
        while let Some(Node { value, spot }) = seq.next_element()? {
            values.push(value);
            spots.push(spot);
        }
        Ok(Inner { value: Value::Array(values), below: Below::List(spots) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Inner, A::Error> {
        let (mut values, mut spots) = (Map::new(), Vec::new());
        while let Some(Spanned { value: key, referenced, .. }) = map.next_key::<Spanned<String>>()? {
            let Node { value, mut spot } = map.next_value()?;
            // Kubernetes takes a null for a field that isn't there.
            if value.is_null() {
                continue;
            }
            spot.at = place(&referenced);
            spots.push((key.as_str().into(), spot));
            if values.insert(key, value).is_some() {
                return Err(A::Error::custom("a duplicate key"));
            }
        }
        Ok(Inner { value: Value::Object(values), below: Below::Map(spots) })
    }
}
