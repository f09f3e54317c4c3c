//! Whether a route fits a request, its host aside.

use regex::{Regex, RegexBuilder};

use super::{Doubt, Lost, Request};
use crate::route::path::has_prefix;
use crate::route::{PathMatch, Route, RouteMatch, ValueMatch};

/// What a compiled expression may take. Expressions come from whoever may write routes.
const EXPRESSION_BYTES: usize = 256 * 1024;

fn read(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).size_limit(EXPRESSION_BYTES).build()
}

/// Reads a regular expression that has to fit all of a text.
///
/// # Errors
///
/// Why it can't be read, in a line.
pub(crate) fn expression(text: &str) -> Result<Regex, String> {
    // By itself first: within parentheses, `a)(b` would be one.
    read(text).and_then(|_| read(&format!("^(?:{text})$"))).map_err(why)
}

/// Reads a regular expression that has to be found somewhere in a text.
///
/// # Errors
///
/// Why it can't be read, in a line.
pub(crate) fn expression_within(text: &str) -> Result<Regex, String> {
    read(text).map_err(why)
}

fn why(error: regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(limit) => format!("it takes more than {limit} bytes"),
        // The last line says what is wrong, those before show where.
        error => {
            let text = error.to_string();
            text.lines().last().unwrap_or(&text).trim_start_matches("error: ").to_owned()
        }
    }
}

/// Whether a route fits a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Fit {
    /// What of it doesn't; `None` when everything does.
    pub(super) lost: Option<Lost>,
    /// Whether it hangs on something that the request doesn't tell, which is taken to be as the route wants it.
    pub(super) unseen: bool,
}

/// Whether a route fits a request.
pub(super) fn fit(route: &RouteMatch, request: &Request) -> Fit {
    let mut fit = Fit { lost: plain(route, request), unseen: false };
    for condition in &route.conditions {
        match condition.holds(request) {
            Ok(Some(true)) => {}
            Ok(Some(false)) => {
                fit.lost.get_or_insert_with(|| Lost::Condition(condition.to_string()));
            }
            Ok(None) => fit.unseen = true,
            Err(why) => {
                fit.lost.get_or_insert(Lost::InvalidExpression(why));
            }
        }
    }
    fit
}

/// What of a route doesn't fit a request, its conditions aside; `None` when everything does.
fn plain(route: &RouteMatch, request: &Request) -> Option<Lost> {
    path(&route.path, &request.path).or_else(|| {
        if route.method.as_ref().is_some_and(|method| *method != request.method) {
            return Some(Lost::Method);
        }
        let header = |wanted: &ValueMatch| {
            let named = request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&wanted.name));
            missing(wanted, named.map(|(_, value)| value.as_str()))
                .map(|lost| lost.unwrap_or(Lost::Header(wanted.name.clone())))
        };
        let param = |wanted: &ValueMatch| {
            let first = request.query.iter().find(|(name, _)| *name == wanted.name);
            missing(wanted, first.map(|(_, value)| value.as_str()).into_iter())
                .map(|lost| lost.unwrap_or(Lost::QueryParam(wanted.name.clone())))
        };
        route.headers.iter().find_map(header).or_else(|| route.query_params.iter().find_map(param))
    })
}

fn path(wanted: &PathMatch, path: &str) -> Option<Lost> {
    match wanted {
        PathMatch::RegularExpression(text) => match expression(text) {
            Ok(expression) => (!expression.is_match(path)).then_some(Lost::Path),
            Err(why) => Some(Lost::InvalidExpression(why)),
        },
        PathMatch::ImplementationSpecific(text) => {
            (!has_prefix(path, text)).then_some(Lost::ImplementationSpecific)
        }
        wanted => (wanted.matches(path) != Some(true)).then_some(Lost::Path),
    }
}

/// Whether none of these values is the one that is wanted, and why if that is not simply so.
fn missing<'a>(wanted: &ValueMatch, mut values: impl Iterator<Item = &'a str>) -> Option<Option<Lost>> {
    if !wanted.regular_expression {
        return (!values.any(|value| value == wanted.value)).then_some(None);
    }
    match expression(&wanted.value) {
        Ok(expression) => (!values.any(|value| expression.is_match(value))).then_some(None),
        Err(why) => Some(Some(Lost::InvalidExpression(why))),
    }
}

/// Why a controller may not choose `winner` over `route` (which may be the same), both for one host.
pub(super) fn doubt(winner: &Route, route: &Route) -> Option<Doubt> {
    // An exact path comes first everywhere.
    if matches!(winner.matches.path, PathMatch::Exact(_)) {
        return None;
    }
    match route.matches.path {
        PathMatch::ImplementationSpecific(_) => Some(Doubt::ImplementationSpecific),
        PathMatch::RegularExpression(_) => Some(Doubt::RegularExpression),
        _ => None,
    }
}
