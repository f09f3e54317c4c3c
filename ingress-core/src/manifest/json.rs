//! JSON, with its own errors.
//!
//! Every JSON text is YAML, but what a YAML parser says about broken JSON helps nobody, and its limits are others. So the values come from
//! a JSON parser, and only where they are written from the other one.

use serde_json::Value;

use super::cut::Piece;
use super::object::Sink;
use super::spot::Spot;
use super::{Location, yaml};

/// Whether a text is to be read as JSON, by the file's name or by how it begins.
pub(super) fn is_json(file: &str, text: &str) -> bool {
    let ends = file.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    match ends.as_deref() {
        Some("json") => true,
        Some("yaml" | "yml") => false,
        // Flow maps of YAML begin like this, too; JSON has a quote or nothing within the brace.
        _ => {
            text.trim_start().strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with(['"', '}']))
        }
    }
}

/// Reads one or several objects, one after the other.
pub(super) fn parse(text: &str, sink: &mut Sink<'_>) {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let (mut begin, mut lines_before) = (0, 0);
    loop {
        let rest = text.get(begin..).unwrap_or_default();
        let gap = rest.len() - rest.trim_start().len();
        lines_before += lines(rest.get(..gap).unwrap_or_default());
        begin += gap;
        let Some(value) = values.next() else { break };
        match value {
            Ok(mut value) => {
                let piece = text.get(begin..values.byte_offset()).unwrap_or_default();
                begin = values.byte_offset();
                clean(&mut value);
                sink.take(value, spot(piece, lines_before), None);
                lines_before += lines(piece);
            }
            Err(error) => {
                let at = place(text, &error);
                let template = text.contains("{{");
                if template {
                    sink.template(at);
                } else {
                    sink.broken(at, says(&error), "check the commas, quotes and brackets there");
                }
                break;
            }
        }
    }
}

/// Where the parser stopped. It counts bytes.
fn place(text: &str, error: &serde_json::Error) -> Location {
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let column = line.char_indices().take_while(|(at, _)| *at < error.column()).count();
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Location::new(number(error.line()), number(column))
}

/// The parser's words, without the place that stands beside them. It is about syntax, and so quotes no value.
fn says(error: &serde_json::Error) -> String {
    let said = error.to_string();
    said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what).to_owned()
}

fn clean(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(clean);
        }
        Value::Array(items) => items.iter_mut().for_each(clean),
        _ => {}
    }
}

fn lines(text: &str) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text.as_bytes()).count()).unwrap_or(u32::MAX)
}

/// Where the fields of an object are; where the object is, if that can't be told.
fn spot(piece: &str, lines_before: u32) -> Spot {
    let read = yaml::read(&Piece { text: piece, lines_before });
    let place = Location::new(lines_before.saturating_add(1), 1);
    read.map_or_else(|_| Spot { at: place, ..Spot::default() }, |node| node.spot)
}
