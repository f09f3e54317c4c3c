//! The check that regular expressions can be read, which all sorts of routes have in common.

use super::Exam;
use super::check::RT010;
use crate::route::matcher::expression;
use crate::route::{PathMatch, Route, ValueMatch};

/// Where in a route an expression stands.
pub(super) enum Place<'a> {
    Path,
    /// The header at this place, of this name.
    Header(usize, &'a str),
    /// The query parameter at this place, of this name.
    QueryParam(usize, &'a str),
    /// One of the conditions.
    Condition,
}

/// Tells of each expression of a route that can't be read. `field` says which field of the object a place is.
pub(super) fn examine(exam: &mut Exam<'_, '_>, route: &Route, field: impl Fn(Place<'_>) -> String) {
    let matches = &route.matches;
    let mut found: Vec<(String, &str, String)> = Vec::new();
    let mut look = |place: Place<'_>, text| {
        if let Err(why) = expression(text) {
            found.push((field(place), text, why));
        }
    };
    if let PathMatch::RegularExpression(text) = &matches.path {
        look(Place::Path, text);
    }
    let expressions = |values| {
        let values: &Vec<ValueMatch> = values;
        values.iter().enumerate().filter(|(_, value)| value.regular_expression)
    };
    for (at, value) in expressions(&matches.headers) {
        look(Place::Header(at, &value.name), &value.value);
    }
    for (at, value) in expressions(&matches.query_params) {
        look(Place::QueryParam(at, &value.name), &value.value);
    }
    for condition in &matches.conditions {
        if let Some((text, why)) = condition.unreadable_expression() {
            found.push((field(Place::Condition), text, why));
        }
    }
    for (field, text, why) in found {
        exam.find(
            RT010,
            &route.object,
            field,
            format!("The regular expression {text:?} can't be read: {}.", why.trim_end_matches('.')),
            "Correct it; most implementations take RE2's language, which has neither look-around nor back-references.".to_owned(),
        );
    }
}
