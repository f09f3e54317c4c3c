//! The routes of Istio's `VirtualService`.
//!
//! A virtual service makes a [`Route`] for each of its hosts with each match of each of its HTTP routes, in order: the first that fits is taken, however
//! specific the others are. Its `tls` and `tcp` routes are not read, and one that has no host is only there for others to delegate to.

use std::collections::BTreeMap;

use super::draft::{Draft, Part};
use super::host::normal;
use super::{
    Backend, BackendPort, Condition, Entry, HostPattern, ObjectRef, PathMatch, Precedence, Route, RouteMatch,
    Subject, Test, ValueMatch,
};
use crate::inventory::Reader;
use crate::kind::{
    Kind, Service, StringMatch, VirtualDestination, VirtualHttpMatch, VirtualHttpRoute, VirtualService,
};

/// The kind of a destination that is no service of the cluster, as far as its name tells.
pub(crate) const HOST: &str = "Host";

/// The name that stands for all sidecars.
const MESH: &str = "mesh";

/// The routes of a virtual service.
pub(crate) fn routes(reader: &Reader<'_>, service: &VirtualService) -> Vec<Route> {
    let own = service.metadata.namespace.as_str();
    let object = ObjectRef::new("VirtualService", service.namespace(), service.name());
    let mut draft = Draft::new(reader.cluster(), object, &service.metadata);
    for (at, http) in service.spec.http.iter().enumerate() {
        let every = [VirtualHttpMatch::default()];
        let matches = if http.r#match.is_empty() { &every } else { http.r#match.as_slice() };
        let backends = backends(reader, own, at, http);
        for (nth, wanted) in matches.iter().enumerate() {
            let doors = if wanted.gateways.is_empty() { &service.spec.gateways } else { &wanted.gateways };
            for name in &service.spec.hosts {
                let mut matches = matched(wanted);
                let host = host(own, name, &mut matches.conditions);
                let field = format!("spec.http[{at}]");
                draft.push(Part {
                    field: if http.r#match.is_empty() { field } else { format!("{field}.match[{nth}]") },
                    host,
                    matches,
                    entries: entries(own, doors),
                    backends: backends.clone(),
                    answers: http.redirect || http.direct_response || http.delegate.is_some(),
                    tls: None,
                    precedence: Precedence::Position,
                    order: (at, nth),
                });
            }
        }
    }
    draft.into_routes()
}

/// The doors that names of gateways mean; none named means all sidecars.
fn entries(own: &str, gateways: &[String]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = gateways.iter().map(|name| entry(own, name)).collect();
    if entries.is_empty() {
        entries.push(Entry::Mesh);
    }
    entries.sort();
    entries.dedup();
    entries
}

fn entry(own: &str, name: &str) -> Entry {
    if name == MESH {
        return Entry::Mesh;
    }
    let (namespace, gateway) = name.split_once('/').unwrap_or((own, name));
    // The namespace of the virtual service can be written as a dot.
    let namespace = if namespace == "." { own } else { namespace };
    Entry::IstioGateway { namespace: namespace.to_owned(), gateway: gateway.to_owned() }
}

/// The hosts that a name is for. A short name is a service of the namespace.
fn host(own: &str, name: &str, conditions: &mut Vec<Condition>) -> HostPattern {
    let name = normal(name);
    match name.strip_prefix('*') {
        Some("") => HostPattern::Any,
        Some(rest) => match rest.split_once('.') {
            Some(("", suffix)) => HostPattern::Labels(suffix.to_owned()),
            // The first label has an end of its own: `*-v2.example.com`.
            Some((_, suffix)) => {
                conditions.push(Condition::Is(Subject::Host, Test::Suffix(rest.to_owned())));
                HostPattern::Labels(suffix.to_owned())
            }
            None => {
                conditions.push(Condition::Is(Subject::Host, Test::Suffix(rest.to_owned())));
                HostPattern::Any
            }
        },
        None if name.contains('.') => HostPattern::Exact(name),
        None => HostPattern::Exact(format!("{name}.{own}.svc.cluster.local")),
    }
}

fn matched(wanted: &VirtualHttpMatch) -> RouteMatch {
    let mut matches = RouteMatch::path(PathMatch::Any);
    if let Some(uri) = &wanted.uri {
        if wanted.ignore_uri_case {
            matches.conditions.extend(tested(uri, true).map(|test| Condition::Is(Subject::Path, test)));
        } else {
            matches.path = path(uri);
        }
    }
    let mut other = |subject: Subject, text: Option<&StringMatch>| {
        let test = text.and_then(|text| tested(text, false));
        matches.conditions.extend(test.map(|test| Condition::Is(subject, test)));
    };
    match &wanted.method {
        Some(StringMatch { exact: Some(method), .. }) => matches.method = Some(method.clone()),
        method => other(Subject::Method, method.as_ref()),
    }
    other(Subject::Authority, wanted.authority.as_ref());
    other(Subject::Scheme, wanted.scheme.as_ref());
    values(&wanted.headers, Subject::Header, &mut matches.headers, &mut matches.conditions);
    values(&wanted.query_params, Subject::QueryParam, &mut matches.query_params, &mut matches.conditions);
    for (name, text) in &wanted.without_headers {
        let test = tested(text, false).unwrap_or(Test::Present);
        matches.conditions.push(Condition::IsNot(Subject::Header(name.to_ascii_lowercase()), test));
    }
    // The gateway's port, and who asks: a request doesn't tell.
    let unseen = [
        wanted.port.map(|port| format!("port={port}")),
        wanted.source_labels.then(|| "sourceLabels".to_owned()),
        Some(format!("sourceNamespace={}", wanted.source_namespace))
            .filter(|_| !wanted.source_namespace.is_empty()),
    ];
    matches.conditions.extend(unseen.into_iter().flatten().map(Condition::Unseen));
    matches
}

fn path(uri: &StringMatch) -> PathMatch {
    match uri {
        StringMatch { exact: Some(text), .. } => PathMatch::Exact(text.clone()),
        StringMatch { prefix: Some(text), .. } => PathMatch::TextPrefix(text.clone()),
        StringMatch { regex: Some(text), .. } => PathMatch::RegularExpression(text.clone()),
        _ => PathMatch::Any,
    }
}

/// What a text must be; `None` where nothing is said of it.
fn tested(text: &StringMatch, ignore_case: bool) -> Option<Test> {
    let folded = |text: &str, rest: &str| Test::Whole(format!("(?i){}{rest}", regex::escape(text)));
    Some(match text {
        StringMatch { exact: Some(text), .. } if ignore_case => folded(text, ""),
        StringMatch { prefix: Some(text), .. } if ignore_case => folded(text, ".*"),
        StringMatch { exact: Some(text), .. } => Test::Exact(text.clone()),
        StringMatch { prefix: Some(text), .. } => Test::Prefix(text.clone()),
        // Expressions keep their case.
        StringMatch { regex: Some(text), .. } => Test::Whole(text.clone()),
        _ => return None,
    })
}

/// Splits what is asked of headers, or of query parameters, into what Gateway API knows as well, and the rest.
fn values(
    wanted: &BTreeMap<String, StringMatch>,
    subject: impl Fn(String) -> Subject,
    values: &mut Vec<ValueMatch>,
    conditions: &mut Vec<Condition>,
) {
    for (name, text) in wanted {
        let (value, regular_expression) = match text {
            StringMatch { exact: Some(value), .. } => (value, false),
            StringMatch { prefix: None, regex: Some(value), .. } => (value, true),
            text => {
                let test = tested(text, false).unwrap_or(Test::Present);
                conditions.push(Condition::Is(subject(name.clone()), test));
                continue;
            }
        };
        values.push(ValueMatch { name: name.clone(), value: value.clone(), regular_expression });
    }
}

fn backends(reader: &Reader<'_>, own: &str, at: usize, http: &VirtualHttpRoute) -> Vec<Backend> {
    let only = http.route.len() == 1;
    let backend = |(nth, destination): (usize, &VirtualDestination)| {
        let object = destination_object(reader, own, &destination.destination.host);
        let weight = destination.weight.and_then(|weight| u32::try_from(weight).ok()).unwrap_or_default();
        let port = destination.destination.port.as_ref();
        Backend {
            port: port
                .and_then(|port| u16::try_from(port.number).ok())
                .or_else(|| only_port(reader, &object))
                .map(BackendPort::Number),
            object,
            // The only one gets all.
            weight: if only { weight.max(1) } else { weight },
            field: format!("spec.http[{at}].route[{nth}].destination"),
        }
    };
    http.route.iter().enumerate().map(backend).collect()
}

/// What a destination's host stands for: a service of the cluster by its short or full name, or anything else that the mesh knows.
fn destination_object(reader: &Reader<'_>, own: &str, host: &str) -> ObjectRef {
    let host = normal(host);
    let labels: Vec<&str> = host.split('.').collect();
    match labels.as_slice() {
        [name] if *name != "*" => ObjectRef::new("Service", Some(own), name),
        [name, namespace, "svc", ..] => ObjectRef::new("Service", Some(namespace), name),
        // May be a name of the world, too: a service entry would say so.
        [name, namespace] if reader.get::<Service>(Some(namespace), name).found().is_some() => {
            ObjectRef::new("Service", Some(namespace), name)
        }
        _ => ObjectRef::new(HOST, None, &host),
    }
}

/// The port of a service that has only one, which then needs no mention.
fn only_port(reader: &Reader<'_>, object: &ObjectRef) -> Option<u16> {
    if object.kind != "Service" {
        return None;
    }
    let service = reader.get::<Service>(object.namespace.as_deref(), &object.name).found()?;
    let [port] = service.spec.ports.as_slice() else { return None };
    u16::try_from(port.port).ok()
}

#[cfg(test)]
mod tests;
