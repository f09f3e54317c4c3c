//! The routes of Traefik's `IngressRoute`.
//!
//! A rule is any expression of tests (see `rule`). It makes a [`Route`] for each of its alternatives: one host with one path and match where the rule
//! says so, and [`Condition`]s for all else, such as what must not be so. Which of several rules that fit comes first is decided by their priority,
//! which is the length of the rule where none is set; neither host nor path count for themselves.

use super::draft::{Draft, Part};
use super::host::normal;
use super::{
    Backend, BackendPort, Condition, Entry, HostPattern, ObjectRef, PathMatch, Precedence, Route, RouteMatch,
    Subject, Test, TlsSource, ValueMatch,
};
use crate::inventory::Reader;
use crate::kind::{IngressRoute, IngressRouteRule, IntOrString, Kind, TraefikService};

mod alternatives;
mod rule;

use alternatives::{Literal, alternatives};
use rule::{Rule, What};

/// How many routes an object makes of alternatives: rules beyond that are kept whole. Whoever may write rules could ask for any number.
const ROUTES: usize = 4096;

/// The routes of an ingress route.
pub(crate) fn routes(reader: &Reader<'_>, of: &IngressRoute) -> Vec<Route> {
    let object = ObjectRef::new("IngressRoute", of.namespace(), of.name());
    let mut draft = Draft::new(reader.cluster(), object.clone(), &of.metadata);
    let entries = entries(of);
    let tls = of.spec.tls.as_ref().map(|tls| TlsSource {
        secrets: tls
            .secret_name
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| ObjectRef::new("Secret", of.namespace(), name))
            .collect(),
        object,
        field: "spec.tls".to_owned(),
    });
    for (at, rule) in of.spec.routes.iter().enumerate() {
        let backends: Vec<Backend> = rule
            .services
            .iter()
            .enumerate()
            .map(|(nth, service)| backend(&of.metadata.namespace, at, nth, service))
            .collect();
        let room = ROUTES.saturating_sub(draft.len());
        for (nth, (host, matches)) in meanings(rule, room).into_iter().enumerate() {
            draft.push(Part {
                field: format!("spec.routes[{at}]"),
                host,
                matches,
                entries: entries.clone(),
                backends: backends.clone(),
                answers: false,
                tls: tls.clone(),
                precedence: Precedence::Priority(priority(rule)),
                order: (at, nth),
            });
        }
    }
    draft.into_routes()
}

/// Where a rule stands among others: the number that is set, or the length of the rule.
fn priority(rule: &IngressRouteRule) -> i64 {
    let length = || i64::try_from(rule.r#match.len()).unwrap_or(i64::MAX);
    rule.priority.filter(|priority| *priority != 0).unwrap_or_else(length)
}

fn entries(of: &IngressRoute) -> Vec<Entry> {
    let mut names: Vec<_> = of.spec.entry_points.iter().cloned().map(Some).collect();
    if names.is_empty() {
        names.push(None);
    }
    names.sort();
    names.dedup();
    names.into_iter().map(|name| Entry::EntryPoint { name }).collect()
}

fn backend(own: &str, at: usize, nth: usize, service: &TraefikService) -> Backend {
    let namespace = service.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or(own);
    let kind = service.kind.clone().filter(|kind| !kind.is_empty()).unwrap_or_else(|| "Service".to_owned());
    let port = service.port.as_ref();
    let number = port.and_then(IntOrString::number).and_then(|number| u16::try_from(number).ok());
    Backend {
        object: ObjectRef::new(kind, Some(namespace), &service.name),
        port: number.map(BackendPort::Number).or_else(|| {
            let name = port.and_then(IntOrString::name)?;
            Some(name.parse().map_or_else(|_| BackendPort::Name(name.to_owned()), BackendPort::Number))
        }),
        weight: service.weight.map_or(1, |weight| u32::try_from(weight).unwrap_or(0)),
        field: format!("spec.routes[{at}].services[{nth}]"),
    }
}

/// The hosts and matches that a rule means, not many more than there is room for.
fn meanings(rule: &IngressRouteRule, room: usize) -> Vec<(HostPattern, RouteMatch)> {
    match rule::parse(&rule.r#match) {
        Ok(tree) => meanings_of(&tree, alternatives::enough(&rule.r#match).min(room)),
        Err(why) => {
            // Shown with the hosts that it seems to be for, and fits nothing.
            let mut hosts: Vec<_> = rule.hosts().into_iter().take(room).map(HostPattern::Exact).collect();
            if hosts.is_empty() {
                hosts.push(HostPattern::Any);
            }
            let mut matches = RouteMatch::path(PathMatch::Any);
            matches.conditions.push(Condition::Unreadable { text: rule.r#match.clone(), why });
            hosts.into_iter().map(|host| (host, matches.clone())).collect()
        }
    }
}

fn meanings_of(tree: &Rule, most: usize) -> Vec<(HostPattern, RouteMatch)> {
    let Some(alternatives) = alternatives(tree, most) else {
        let mut matches = RouteMatch::path(PathMatch::Any);
        matches.conditions.push(whole(tree, false));
        return vec![(HostPattern::Any, matches)];
    };
    alternatives.iter().map(|literals| meaning(literals)).collect()
}

/// A rule as one condition, however it is made.
fn whole(tree: &Rule, negated: bool) -> Condition {
    let parts = |parts: &[Rule]| parts.iter().map(|part| whole(part, negated)).collect();
    match tree {
        Rule::Test(what) => condition(&Literal { what, negated }),
        Rule::Not(inner) => whole(inner, !negated),
        Rule::All(all) if negated => Condition::Any(parts(all)),
        Rule::Any(any) if negated => Condition::All(parts(any)),
        Rule::All(all) => Condition::All(parts(all)),
        Rule::Any(any) => Condition::Any(parts(any)),
    }
}

/// What tests mean that all have to be passed.
fn meaning(literals: &[Literal<'_>]) -> (HostPattern, RouteMatch) {
    let (mut host, mut matches) = (HostPattern::Any, RouteMatch::path(PathMatch::Any));
    for literal in literals {
        // The first of each sort becomes what routes have a place for.
        match literal {
            Literal { what: What::Host(name), negated: false } if host == HostPattern::Any => {
                host = HostPattern::Exact(normal(name));
            }
            Literal { what: What::Path(path), negated: false } if matches.path == PathMatch::Any => {
                matches.path = PathMatch::Exact(path.clone());
            }
            Literal { what: What::PathPrefix(path), negated: false } if matches.path == PathMatch::Any => {
                matches.path = PathMatch::TextPrefix(path.clone());
            }
            Literal { what: What::Method(method), negated: false } if matches.method.is_none() => {
                matches.method = Some(method.to_ascii_uppercase());
            }
            Literal { what: What::Header(name, value), negated: false } => {
                matches.headers.push(ValueMatch::exact(&name.to_ascii_lowercase(), value));
            }
            literal => matches.conditions.push(condition(literal)),
        }
    }
    (host, matches)
}

fn condition(literal: &Literal<'_>) -> Condition {
    let header = |name: &str| Subject::Header(name.to_ascii_lowercase());
    let (subject, test) = match literal.what {
        What::Host(name) => (Subject::Host, Test::Exact(normal(name))),
        What::HostRegexp(text) => (Subject::Host, Test::Within(text.clone())),
        What::Path(path) => (Subject::Path, Test::Exact(path.clone())),
        What::PathPrefix(path) => (Subject::Path, Test::Prefix(path.clone())),
        What::PathRegexp(text) => (Subject::Path, Test::Within(text.clone())),
        What::Method(method) => (Subject::Method, Test::Exact(method.to_ascii_uppercase())),
        What::Header(name, value) => (header(name), Test::Exact(value.clone())),
        What::HeaderRegexp(name, text) => (header(name), Test::Within(text.clone())),
        What::Query(name, value) => (Subject::QueryParam(name.clone()), Test::Exact(value.clone())),
        What::QueryRegexp(name, text) => (Subject::QueryParam(name.clone()), Test::Within(text.clone())),
        What::Unseen(text) => {
            return Condition::Unseen(if literal.negated { format!("!{text}") } else { text.clone() });
        }
    };
    if literal.negated { Condition::IsNot(subject, test) } else { Condition::Is(subject, test) }
}

#[cfg(test)]
mod tests;
