//! The routes of an ingress.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::setting::annotation;
use super::{
    Backend, BackendPort, Entry, HostPattern, ObjectRef, Owner, PathMatch, Precedence, Route, RouteId,
    RouteMatch, Setting, TlsSource,
};
use crate::inventory::{Lookup, Reader};
use crate::kind::{self, Ingress, IngressClass, IngressTls, Kind, ServicePort};

/// The routes of an ingress: one for each path of each rule, and one for its default backend.
pub(crate) fn routes(reader: &Reader<'_>, ingress: &Ingress) -> Vec<Route> {
    let object = ObjectRef::new("Ingress", ingress.namespace(), ingress.name());
    let (labels, annotations) = (ingress.labels(), ingress.annotations());
    let owner = Owner::of(|key| value(&labels, key), |key| value(&annotations, key));
    let entry = entry(reader, ingress);
    let template = Template {
        reader,
        owner,
        settings: annotation::settings(ingress, &entry),
        entry,
        addresses: ingress.addresses().into_iter().map(str::to_owned).collect(),
        tls: ingress.tls(),
        created: ingress.creation_timestamp().and_then(|time| time.parse().ok()),
        object,
        copies: BTreeMap::new(),
        routes: Vec::new(),
    };
    template.fill(ingress)
}

fn value<'a>(pairs: &[(&'a str, &'a str)], wanted: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value)
}

/// The class of an ingress: the one it names, or the default one.
pub(crate) fn class<'a>(reader: &Reader<'a>, ingress: &Ingress) -> Option<Lookup<'a, IngressClass>> {
    if let Some(name) = ingress.class() {
        return Some(reader.get::<IngressClass>(None, name));
    }
    let classes = reader.all::<IngressClass>();
    if let Some(default) = classes.objects.iter().find(|class| class.is_default()) {
        return Some(Lookup::Found(default));
    }
    classes.unknown.map(Lookup::Unknown)
}

/// The door through which an ingress is reached.
pub(crate) fn entry(reader: &Reader<'_>, ingress: &Ingress) -> Entry {
    let class = class(reader, ingress).and_then(Lookup::found);
    let name = ingress.class().or(class.map(|class| class.name()));
    Entry::ingress_class(name, class.map(|class| class.spec.controller.as_str()))
}

/// The TLS entry that is for a host.
pub(crate) fn tls_for<'i>(tls: &[IngressTls<'i>], host: &HostPattern) -> Option<(usize, IngressTls<'i>)> {
    let serves = |entry: &IngressTls<'_>| {
        entry.hosts.is_empty()
            || entry.hosts.iter().any(|name| match (HostPattern::of_ingress(Some(name)), host) {
                (pattern, HostPattern::Exact(host)) => pattern.matches(host),
                (pattern, host) => pattern == *host,
            })
    };
    tls.iter().enumerate().find(|(_, entry)| serves(entry)).map(|(at, entry)| (at, entry.clone()))
}

struct Template<'r, 'i> {
    reader: &'r Reader<'r>,
    object: ObjectRef,
    owner: Option<Owner>,
    entry: Entry,
    settings: Vec<Arc<Setting>>,
    addresses: Vec<String>,
    tls: Vec<IngressTls<'i>>,
    created: Option<crate::clock::Timestamp>,
    // How many routes of one host and match there are so far.
    copies: BTreeMap<(HostPattern, String), usize>,
    routes: Vec<Route>,
}

impl Template<'_, '_> {
    fn fill(mut self, ingress: &Ingress) -> Vec<Route> {
        for (at, rule) in ingress.rules().into_iter().enumerate() {
            let host = HostPattern::of_ingress(rule.host);
            for (nth, path) in rule.paths.into_iter().enumerate() {
                let field = format!("spec.rules[{at}].http.paths[{nth}]");
                let matches = PathMatch::of_ingress(path.path, path.path_type);
                self.push(host.clone(), matches, path.backend.as_ref(), (at, nth), field);
            }
        }
        if let Some(backend) = ingress.default_backend() {
            let order = (ingress.rules().len(), 0);
            self.push(
                HostPattern::Any,
                PathMatch::Any,
                Some(&backend),
                order,
                "spec.defaultBackend".to_owned(),
            );
        }
        self.routes
    }

    fn push(
        &mut self,
        host: HostPattern,
        path: PathMatch,
        backend: Option<&kind::Backend<'_>>,
        order: (usize, usize),
        field: String,
    ) {
        let matches = RouteMatch::path(path);
        let copies = self.copies.entry((host.clone(), matches.to_string())).or_default();
        let copy = *copies;
        *copies += 1;
        let namespace = self.object.namespace.as_deref();
        let tls = tls_for(&self.tls, &host).map(|(at, entry)| TlsSource {
            secrets: entry.secret_name.iter().map(|name| ObjectRef::new("Secret", namespace, name)).collect(),
            object: self.object.clone(),
            field: format!("spec.tls[{at}]"),
        });
        let backend_field =
            if field == "spec.defaultBackend" { field.clone() } else { format!("{field}.backend") };
        self.routes.push(Route {
            id: RouteId::derive(self.reader.cluster(), &self.object, &host, &matches, copy),
            cluster: self.reader.cluster().clone(),
            object: self.object.clone(),
            field,
            host,
            matches,
            entries: vec![self.entry.clone()],
            backends: backend.iter().map(|backend| target(namespace, backend, &backend_field)).collect(),
            answers: false,
            addresses: self.addresses.clone(),
            tls,
            settings: self.settings.clone(),
            owner: self.owner.clone(),
            precedence: Precedence::Specificity,
            order,
            created: self.created,
        });
    }
}

fn target(namespace: Option<&str>, backend: &kind::Backend<'_>, field: &str) -> Backend {
    let (kind, port) = match backend {
        kind::Backend::Service { port, .. } => ("Service".to_owned(), *port),
        kind::Backend::Resource { kind, .. } => ((*kind).to_owned(), None),
    };
    Backend {
        object: ObjectRef::new(kind, namespace, backend.name()),
        port: port.map(|port| match port {
            ServicePort::Name(name) => BackendPort::Name(name.to_owned()),
            ServicePort::Number(number) => BackendPort::Number(number),
        }),
        weight: 1,
        field: field.to_owned(),
    }
}
