//! Which of two routes that both fit a request comes first.
//!
//! Gateway API's order, which holds for a route of either kind: the more specific host; an exact path, then the longest; a match that names a
//! method; the most headers; the most query parameters; the oldest object; the first by namespace and name; the first in its object.
//! For ingresses, of which the specification says no more than host and path, the rest decides between those that say the same.
//!
//! Istio takes the first that stands in an object, and Traefik the one of the highest priority; which of several objects that say the same comes
//! first, neither says, and age and name decide here.

use std::cmp::{Ordering, Reverse};

use super::Lost;
use crate::route::{PathMatch, Precedence, Route};

/// How two routes of one door are ordered (`Less` comes first), and what decides, as the one that comes second would say it.
pub(super) fn compare(one: &Route, other: &Route) -> (Ordering, Lost) {
    let (first, why) = match (one.precedence, other.precedence) {
        (Precedence::Specificity, Precedence::Specificity) => return specific(one, other),
        (Precedence::Position, Precedence::Position) => {
            let specificity = |route: &Route| Reverse(route.host.specificity());
            (specificity(one).cmp(&specificity(other)), Lost::LessSpecificHost)
        }
        (Precedence::Priority(this), Precedence::Priority(that)) => (that.cmp(&this), Lost::LowerPriority),
        // No door has both, but an order has to be one.
        (this, that) => (this.cmp(&that), Lost::LowerPriority),
    };
    if first.is_ne() {
        return (first, why);
    }
    match age(one).cmp(&age(other)) {
        Ordering::Equal => by_name(one, other),
        ordering => (ordering, Lost::Younger),
    }
}

fn age(route: &Route) -> impl Ord {
    (route.created.is_none(), route.created)
}

/// By how specific they are.
fn specific(one: &Route, other: &Route) -> (Ordering, Lost) {
    // More is better in the first five, less in the others.
    let specificity = |route: &Route| Reverse(route.host.specificity());
    let path = |route: &Route| Reverse(path(&route.matches.path));
    let method = |route: &Route| Reverse(route.matches.method.is_some());
    let headers = |route: &Route| Reverse(route.matches.headers.len());
    let query_params = |route: &Route| Reverse(route.matches.query_params.len());
    let steps: [(Ordering, Lost); 6] = [
        (specificity(one).cmp(&specificity(other)), Lost::LessSpecificHost),
        (path(one).cmp(&path(other)), Lost::LessSpecificPath),
        (method(one).cmp(&method(other)), Lost::WithoutMethod),
        (headers(one).cmp(&headers(other)), Lost::FewerHeaders),
        (query_params(one).cmp(&query_params(other)), Lost::FewerQueryParams),
        (age(one).cmp(&age(other)), Lost::Younger),
    ];
    let decided = steps.into_iter().find(|(ordering, _)| ordering.is_ne());
    decided.unwrap_or_else(|| by_name(one, other))
}

fn by_name(one: &Route, other: &Route) -> (Ordering, Lost) {
    let name = (&one.object.namespace, &one.object.name, &one.object.kind);
    match name.cmp(&(&other.object.namespace, &other.object.name, &other.object.kind)) {
        Ordering::Equal => (one.order.cmp(&other.order).then(one.id.cmp(&other.id)), Lost::LaterRule),
        ordering => (ordering, Lost::LaterName),
    }
}

/// How specific a path is: what sort of match, and how long.
fn path(path: &PathMatch) -> (u8, usize) {
    match path {
        PathMatch::Any => (0, 0),
        // A slash at the end means nothing.
        PathMatch::Prefix(text) | PathMatch::ImplementationSpecific(text) => {
            (0, text.strip_suffix('/').unwrap_or(text).len())
        }
        PathMatch::TextPrefix(text) => (0, text.len()),
        PathMatch::RegularExpression(text) => (1, text.len()),
        PathMatch::Exact(text) => (2, text.len()),
    }
}
