//! The routes of `HTTPRoute`, `GRPCRoute` and `TLSRoute`.
//!
//! Which hosts a route is for is decided by two: itself, and the listeners that let it in. A route makes one [`Route`] for every host that is
//! left when its host names and those of its listeners are intersected, with each rule and match. A host name that no listener
//! shares makes routes without entries: that nothing reaches them is worth knowing.

use std::collections::BTreeMap;

use super::attach::{Common, Parent, entry};
use super::setting::gateway_api::{self as setting, Rule};
use super::{
    Backend, BackendPort, Entry, HostPattern, ObjectRef, Owner, PathMatch, Precedence, Route, RouteId,
    RouteMatch, TlsSource, ValueMatch,
};
use crate::inventory::Reader;
use crate::kind::{
    BackendRef, Gateway, GrpcMethodMatch, GrpcRoute, GrpcRouteMatch, HttpRoute, HttpRouteMatch, Listener,
    Metadata, RouteFilter, TlsRoute,
};

/// The routes of an `HTTPRoute`.
pub(crate) fn http_routes(reader: &Reader<'_>, route: &HttpRoute) -> Vec<Route> {
    let mut template = Template::new(reader, Common::from(route), &route.metadata);
    for (at, rule) in route.spec.rules.iter().enumerate() {
        let every = [HttpRouteMatch::default()];
        let matches = if rule.matches.is_empty() { &every } else { rule.matches.as_slice() };
        let matches = matches.iter().map(http_match).collect();
        let said = Rule {
            name: rule.name.as_deref(),
            filters: &rule.filters,
            timeouts: rule.timeouts.as_ref(),
            retry: rule.retry.as_ref(),
            session: rule.session_persistence.as_ref(),
        };
        template.rule(at, matches, &rule.backend_refs, said);
    }
    if route.spec.rules.is_empty() {
        // As the API server would have it: a rule for everything.
        let said = Rule { name: None, filters: &[], timeouts: None, retry: None, session: None };
        template.rule(0, vec![http_match(&HttpRouteMatch::default())], &[], said);
    }
    template.routes
}

/// The routes of a `GRPCRoute`. A call of `Add` of `shop.Cart` is a request for the path `/shop.Cart/Add`.
pub(crate) fn grpc_routes(reader: &Reader<'_>, route: &GrpcRoute) -> Vec<Route> {
    let mut template = Template::new(reader, Common::from(route), &route.metadata);
    for (at, rule) in route.spec.rules.iter().enumerate() {
        let every = [GrpcRouteMatch::default()];
        let matches = if rule.matches.is_empty() { &every } else { rule.matches.as_slice() };
        let matches = matches.iter().map(grpc_match).collect();
        let said = Rule {
            name: rule.name.as_deref(),
            filters: &rule.filters,
            timeouts: None,
            retry: None,
            session: rule.session_persistence.as_ref(),
        };
        template.rule(at, matches, &rule.backend_refs, said);
    }
    template.routes
}

/// The routes of a `TLSRoute`, which chooses by nothing but the host that a client names while the connection begins (SNI). Its
/// listeners speak TLS, so that no request that comes in by another one is for it.
pub(crate) fn tls_routes(reader: &Reader<'_>, route: &TlsRoute) -> Vec<Route> {
    let mut template = Template::new(reader, Common::from(route), &route.metadata);
    for (at, rule) in route.spec.rules.iter().enumerate() {
        let said =
            Rule { name: rule.name.as_deref(), filters: &[], timeouts: None, retry: None, session: None };
        template.rule(at, vec![RouteMatch::path(PathMatch::Any)], &rule.backend_refs, said);
    }
    for route in &mut template.routes {
        // A rule of this kind has no matches.
        route.field = format!("spec.rules[{}]", route.order.0);
    }
    template.routes
}

/// Whether one of them may answer instead of a backend. Of those that aren't known here nobody can say.
fn answers(filters: &[RouteFilter]) -> bool {
    const PASS_ON: [&str; 5] =
        ["RequestHeaderModifier", "ResponseHeaderModifier", "URLRewrite", "RequestMirror", "CORS"];
    filters.iter().any(|filter| !PASS_ON.contains(&filter.r#type.as_str()))
}

/// The paths that a match is for.
pub(crate) fn http_path(of: &HttpRouteMatch) -> PathMatch {
    let path = of.path.clone().unwrap_or_default();
    let value = path.value().to_owned();
    match path.kind() {
        "Exact" => PathMatch::Exact(value),
        "PathPrefix" => PathMatch::Prefix(value),
        "RegularExpression" => PathMatch::RegularExpression(value),
        // A type that is not known here is known to the implementation, it may be hoped.
        _ => PathMatch::ImplementationSpecific(value),
    }
}

fn http_match(of: &HttpRouteMatch) -> RouteMatch {
    RouteMatch {
        path: http_path(of),
        method: of.method.clone().filter(|method| !method.is_empty()),
        headers: values(&of.headers, true),
        query_params: values(&of.query_params, false),
        conditions: Vec::new(),
    }
}

fn grpc_match(of: &GrpcRouteMatch) -> RouteMatch {
    RouteMatch {
        path: of.method.as_ref().map_or(PathMatch::Any, grpc_path),
        method: None,
        headers: values(&of.headers, true),
        query_params: Vec::new(),
        conditions: Vec::new(),
    }
}

fn grpc_path(of: &GrpcMethodMatch) -> PathMatch {
    let text = |part: &Option<String>| part.clone().filter(|text| !text.is_empty());
    match (of.kind(), text(&of.service), text(&of.method)) {
        (_, None, None) => PathMatch::Any,
        ("Exact", Some(service), Some(method)) => PathMatch::Exact(format!("/{service}/{method}")),
        ("Exact", Some(service), None) => PathMatch::Prefix(format!("/{service}")),
        // A method's name is made of letters, digits and underscores.
        ("Exact", None, Some(method)) => PathMatch::RegularExpression(format!("/[^/]+/{method}")),
        (_, service, method) => {
            let part = |part: Option<String>| part.unwrap_or_else(|| "[^/]+".to_owned());
            PathMatch::RegularExpression(format!("/(?:{})/(?:{})", part(service), part(method)))
        }
    }
}

/// Of entries for the same name the first counts, and the others are ignored.
fn values(of: &[crate::kind::ValueMatch], header: bool) -> Vec<ValueMatch> {
    let mut values: Vec<ValueMatch> = Vec::with_capacity(of.len());
    for value in of {
        let name = if header { value.name.to_ascii_lowercase() } else { value.name.clone() };
        if !values.iter().any(|known| known.name == name) {
            let regular_expression = value.kind() == "RegularExpression";
            values.push(ValueMatch { name, value: value.value.clone(), regular_expression });
        }
    }
    values
}

/// What comes together at one host.
#[derive(Default)]
struct Doors {
    entries: Vec<Entry>,
    addresses: Vec<String>,
    tls: Option<TlsSource>,
}

impl Doors {
    fn add(&mut self, gateway: &Gateway, at: usize, listener: &Listener) {
        let entry = entry(gateway, listener);
        if self.entries.contains(&entry) {
            // Two of the route's `parentRefs` lead to it.
            return;
        }
        self.entries.push(entry);
        for address in &gateway.status.addresses {
            if !self.addresses.contains(&address.value) {
                self.addresses.push(address.value.clone());
            }
        }
        if let Some(tls) = listener.tls.as_ref().filter(|_| listener.terminates_tls()) {
            let own = gateway.metadata.namespace.as_str();
            let secrets = tls.certificate_refs.iter().filter(|secret| secret.is_secret());
            let secrets =
                secrets.map(|secret| ObjectRef::new("Secret", Some(secret.namespace(own)), &secret.name));
            let source = self.tls.get_or_insert_with(|| TlsSource {
                secrets: Vec::new(),
                object: ObjectRef::new("Gateway", Some(own), &gateway.metadata.name),
                field: format!("spec.listeners[{at}].tls"),
            });
            for secret in secrets {
                if !source.secrets.contains(&secret) {
                    source.secrets.push(secret);
                }
            }
        }
    }
}

struct Template<'r, 'a> {
    reader: &'r Reader<'a>,
    object: ObjectRef,
    owner: Option<Owner>,
    created: Option<crate::clock::Timestamp>,
    hosts: BTreeMap<HostPattern, Doors>,
    // How many routes of one host and match there are so far.
    copies: BTreeMap<(HostPattern, String), usize>,
    routes: Vec<Route>,
}

impl<'r, 'a> Template<'r, 'a> {
    fn new(reader: &'r Reader<'a>, route: Common<'_>, metadata: &Metadata) -> Self {
        Self {
            reader,
            object: route.object(),
            owner: Owner::of(
                |key| metadata.labels.get(key).map(String::as_str),
                |key| metadata.annotations.get(key).map(String::as_str),
            ),
            created: metadata.creation_timestamp.and_then(crate::kind::Time::timestamp),
            hosts: hosts(reader, route),
            copies: BTreeMap::new(),
            routes: Vec::new(),
        }
    }

    fn rule(&mut self, at: usize, matches: Vec<RouteMatch>, backends: &[BackendRef], said: Rule<'_>) {
        let field = format!("spec.rules[{at}]");
        let backends: Vec<_> =
            backends.iter().enumerate().map(|(nth, backend)| self.backend(&field, nth, backend)).collect();
        let (own, answers) = (setting::of_rule(&self.object, &field, said), answers(said.filters));
        let settings = |doors: &Doors| {
            let policies = setting::of_policies(self.reader, &self.object, said.name, &doors.entries);
            own.iter().cloned().chain(policies).collect::<Vec<_>>()
        };
        let settings: BTreeMap<_, _> =
            self.hosts.iter().map(|(host, doors)| (host, settings(doors))).collect();
        for (nth, matches) in matches.into_iter().enumerate() {
            for (host, doors) in &self.hosts {
                let copies = self.copies.entry((host.clone(), matches.to_string())).or_default();
                let copy = *copies;
                *copies += 1;
                self.routes.push(Route {
                    id: RouteId::derive(self.reader.cluster(), &self.object, host, &matches, copy),
                    cluster: self.reader.cluster().clone(),
                    object: self.object.clone(),
                    field: format!("{field}.matches[{nth}]"),
                    host: host.clone(),
                    matches: matches.clone(),
                    entries: doors.entries.clone(),
                    backends: backends.clone(),
                    answers,
                    addresses: doors.addresses.clone(),
                    tls: doors.tls.clone(),
                    settings: settings.get(host).cloned().unwrap_or_default(),
                    owner: self.owner.clone(),
                    precedence: Precedence::Specificity,
                    order: (at, nth),
                    created: self.created,
                });
            }
        }
    }

    fn backend(&self, rule: &str, nth: usize, backend: &BackendRef) -> Backend {
        let own = self.object.namespace.as_deref().unwrap_or_default();
        let kind = match (backend.object.kind("Service"), backend.object.group()) {
            // Not the one that everybody means by it.
            ("Service", group) if !group.is_empty() => format!("Service.{group}"),
            (kind, _) => kind.to_owned(),
        };
        Backend {
            object: ObjectRef::new(kind, Some(backend.object.namespace(own)), &backend.object.name),
            port: backend.port.and_then(|port| u16::try_from(port).ok()).map(BackendPort::Number),
            weight: backend.weight(),
            field: format!("{rule}.backendRefs[{nth}]"),
        }
    }
}

/// The hosts for which requests come in, with the listeners through which they do.
fn hosts(reader: &Reader<'_>, route: Common<'_>) -> BTreeMap<HostPattern, Doors> {
    let mut hosts: BTreeMap<HostPattern, Doors> = BTreeMap::new();
    for parent in route.answers(reader) {
        let Parent::Gateway { gateway, listeners } = parent else { continue };
        for (listener, answer) in listeners {
            let at = gateway.spec.listeners.iter().position(|known| known == listener).unwrap_or_default();
            for host in answer.hosts() {
                hosts.entry(host.clone()).or_default().add(gateway, at, listener);
            }
        }
    }
    for host in route.hosts() {
        if !hosts.keys().any(|known| host.intersect(known).is_some()) {
            hosts.entry(host).or_default();
        }
    }
    hosts
}

#[cfg(test)]
mod tests;
