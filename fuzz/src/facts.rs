//! Everything that a record says of an ingress, as plain data, and four ways to it: from a record, from a JSON tree, from
//! Kubernetes' own type, and from a protobuf message. The last three are the oracles: they share no code with the decoders,
//! and none with each other but the rules below that are this project's own.

use std::collections::BTreeMap;

use ingress_core::kind::{ANNOTATION_BYTES, Backend, LAST_APPLIED, ServicePort};
use ingress_core::{Ingress, Kind as _};
use k8s_openapi::api::networking::v1 as typed;
use serde_json::{Map, Value};

use crate::message;

/// What is kept of an ingress.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub resource_version: String,
    pub created: Option<String>,
    pub class: Option<String>,
    pub rules: Vec<Rule>,
    pub default_backend: Option<Target>,
    pub tls: Vec<(Vec<String>, Option<String>)>,
    pub addresses: Vec<String>,
    /// Sorted by key, each key once.
    pub labels: Vec<(String, String)>,
    /// Sorted by key, each key once.
    pub annotations: Vec<(String, String)>,
    pub truncated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub host: Option<String>,
    pub paths: Vec<Path>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    pub path: Option<String>,
    pub path_type: Option<String>,
    pub backend: Option<Target>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Service(String, Option<Port>),
    Resource { api_group: Option<String>, kind: String, name: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    Name(String),
    Number(i64),
}

/// Why a JSON tree is no ingress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFacts {
    /// A kept field has a type that Kubernetes doesn't give it.
    WrongType,
    /// Kubernetes itself never writes it and nothing says what it means: a `null` among a list's objects.
    Unclear,
}

fn some(text: impl Into<String>) -> Option<String> {
    Some(text.into()).filter(|text: &String| !text.is_empty())
}

/// A port has a name, or else a number that a port can have.
fn port(name: &str, number: Option<i64>) -> Option<Port> {
    let by_number = number.filter(|number| (1..=65535).contains(number)).map(Port::Number);
    some(name).map(Port::Name).or(by_number)
}

impl Facts {
    /// Fills in what is derived from labels and annotations.
    fn with_pairs(
        mut self,
        class: Option<String>,
        labels: BTreeMap<String, String>,
        mut annotations: BTreeMap<String, String>,
    ) -> Self {
        self.class = class.or_else(|| annotations.get("kubernetes.io/ingress.class").cloned());
        annotations.remove(LAST_APPLIED);
        let size = |(key, value): (&String, &String)| key.len() + value.len();
        while annotations.iter().map(size).sum::<usize>() > ANNOTATION_BYTES {
            let largest = annotations.iter().map(size).max();
            annotations.retain(|key, value| Some(size((key, value))) != largest);
            self.truncated = true;
        }
        self.labels = labels.into_iter().collect();
        self.annotations = annotations.into_iter().collect();
        self
    }

    /// What the record says.
    #[must_use]
    pub fn of_record(record: &Ingress) -> Self {
        let owned = |pairs: Vec<(&str, &str)>| {
            pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        let text = |text: Option<&str>| text.map(str::to_owned);
        let facts = Self {
            namespace: record.namespace().unwrap_or_default().to_owned(),
            name: record.name().to_owned(),
            uid: record.uid().to_owned(),
            resource_version: record.resource_version().to_owned(),
            created: text(record.creation_timestamp()),
            class: text(record.class()),
            rules: record
                .rules()
                .into_iter()
                .map(|rule| Rule {
                    host: text(rule.host),
                    paths: rule
                        .paths
                        .into_iter()
                        .map(|path| Path {
                            path: text(path.path),
                            path_type: text(path.path_type),
                            backend: path.backend.as_ref().map(Target::of_record),
                        })
                        .collect(),
                })
                .collect(),
            default_backend: record.default_backend().as_ref().map(Target::of_record),
            tls: record
                .tls()
                .into_iter()
                .map(|tls| (tls.hosts.into_iter().map(str::to_owned).collect(), text(tls.secret_name)))
                .collect(),
            addresses: record.addresses().into_iter().map(str::to_owned).collect(),
            labels: owned(record.labels()),
            annotations: owned(record.annotations()),
            truncated: record.annotations_truncated(),
        };
        let mut hosts: Vec<&str> = Vec::new();
        for host in facts.rules.iter().filter_map(|rule| rule.host.as_deref()) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        assert_eq!(record.hosts(), hosts, "the hosts are those of the rules");
        facts
    }

    /// What the JSON tree says, read as Go reads it: what is absent or `null` is empty, and unknown members don't matter.
    pub fn of_json(object: &Value) -> Result<Self, NoFacts> {
        let object = object.as_object().ok_or(NoFacts::WrongType)?;
        let empty = Map::new();
        let metadata = map(object, "metadata")?.unwrap_or(&empty);
        let spec = map(object, "spec")?.unwrap_or(&empty);
        let status = map(object, "status")?.unwrap_or(&empty);
        let balancer = map(status, "loadBalancer")?.unwrap_or(&empty);
        let facts = Self {
            namespace: text(metadata, "namespace")?,
            name: text(metadata, "name")?,
            uid: text(metadata, "uid")?,
            resource_version: text(metadata, "resourceVersion")?,
            created: some(text(metadata, "creationTimestamp")?),
            rules: each(spec, "rules", Rule::of_json)?,
            default_backend: Target::of_json(spec, "defaultBackend")?,
            tls: each(spec, "tls", |tls| {
                let hosts = values(tls, "hosts")?.iter().map(as_text).collect::<Result<_, _>>()?;
                Ok((hosts, some(text(tls, "secretName")?)))
            })?,
            addresses: each(balancer, "ingress", |address| {
                let (ip, hostname) = (text(address, "ip")?, text(address, "hostname")?);
                Ok(some(ip).or(some(hostname)))
            })?
            .into_iter()
            .flatten()
            .collect(),
            ..Self::default()
        };
        let class = some(text(spec, "ingressClassName")?);
        Ok(facts.with_pairs(class, pairs(metadata, "labels")?, pairs(metadata, "annotations")?))
    }

    /// What Kubernetes' own type says. `created` is in seconds, as the API server writes it.
    #[must_use]
    pub fn of_typed(object: typed::Ingress) -> Self {
        let (metadata, spec) = (object.metadata, object.spec.unwrap_or_default());
        let balancer = object.status.and_then(|status| status.load_balancer).unwrap_or_default();
        let facts = Self {
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            resource_version: metadata.resource_version.unwrap_or_default(),
            created: metadata.creation_timestamp.map(|time| time.0.to_string()),
            rules: spec.rules.unwrap_or_default().into_iter().map(Rule::of_typed).collect(),
            default_backend: spec.default_backend.and_then(Target::of_typed),
            tls: spec
                .tls
                .unwrap_or_default()
                .into_iter()
                .map(|tls| (tls.hosts.unwrap_or_default(), tls.secret_name.and_then(some)))
                .collect(),
            addresses: balancer
                .ingress
                .unwrap_or_default()
                .into_iter()
                .filter_map(|address| address.ip.and_then(some).or(address.hostname.and_then(some)))
                .collect(),
            ..Self::default()
        };
        let class = spec.ingress_class_name.and_then(some);
        facts.with_pairs(class, metadata.labels.unwrap_or_default(), metadata.annotations.unwrap_or_default())
    }

    /// What a protobuf message says; `None` when it holds a field twice that should be there once, of which the
    /// decoders may take either or both.
    #[must_use]
    pub fn of_message(object: &message::Ingress) -> Option<Self> {
        let metadata = once(&object.metadata)?;
        let spec = once(&object.spec)?;
        let status = once(&object.status)?;
        let balancer = status.map(|status| once(&status.load_balancer)).unwrap_or(Some(None))?;
        let metadata = metadata.cloned().unwrap_or_default();
        let spec = spec.cloned().unwrap_or_default();
        let created = once(&metadata.creation_timestamp)?.and_then(|time| time.seconds);
        let facts = Self {
            created: created.and_then(|at| jiff::Timestamp::from_second(at).ok()).map(|at| at.to_string()),
            namespace: metadata.namespace,
            name: metadata.name,
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            rules: spec.rules.iter().map(Rule::of_message).collect::<Option<_>>()?,
            default_backend: once(&spec.default_backend)?.map(Target::of_message).unwrap_or(Some(None))?,
            tls: spec.tls.into_iter().map(|tls| (tls.hosts, some(tls.secret_name))).collect(),
            addresses: balancer
                .map(|balancer| balancer.ingress.clone())
                .unwrap_or_default()
                .into_iter()
                .filter_map(|address| some(address.ip).or(some(address.hostname)))
                .collect(),
            ..Self::default()
        };
        let pairs = |entries: Vec<message::Entry>| {
            entries.into_iter().map(|entry| (entry.key, entry.value)).collect::<BTreeMap<_, _>>()
        };
        Some(facts.with_pairs(some(spec.class), pairs(metadata.labels), pairs(metadata.annotations)))
    }
}

impl Rule {
    fn of_json(rule: &Map<String, Value>) -> Result<Self, NoFacts> {
        let empty = Map::new();
        let http = map(rule, "http")?.unwrap_or(&empty);
        let paths = each(http, "paths", |path| {
            Ok(Path {
                path: some(text(path, "path")?),
                path_type: some(text(path, "pathType")?),
                backend: Target::of_json(path, "backend")?,
            })
        })?;
        Ok(Self { host: some(text(rule, "host")?), paths })
    }

    fn of_typed(rule: typed::IngressRule) -> Self {
        let path = |path: typed::HTTPIngressPath| Path {
            path: path.path.and_then(some),
            path_type: some(path.path_type),
            backend: Target::of_typed(path.backend),
        };
        let paths = rule.http.map(|http| http.paths).unwrap_or_default();
        Self { host: rule.host.and_then(some), paths: paths.into_iter().map(path).collect() }
    }

    fn of_message(rule: &message::Rule) -> Option<Self> {
        let http = once(&rule.value)?.map(|value| once(&value.http)).unwrap_or(Some(None))?;
        let path = |path: &message::Path| {
            let backend = once(&path.backend)?.map(Target::of_message).unwrap_or(Some(None))?;
            Some(Path { path: some(&path.path), path_type: some(&path.path_type), backend })
        };
        let paths = http.map(|http| http.paths.iter().map(path).collect::<Option<_>>());
        Some(Self { host: some(&rule.host), paths: paths.unwrap_or(Some(Vec::new()))? })
    }
}

impl Target {
    fn of_record(backend: &Backend<'_>) -> Self {
        match backend {
            Backend::Service { name, port } => Self::Service(
                (*name).to_owned(),
                port.map(|port| match port {
                    ServicePort::Name(name) => Port::Name(name.to_owned()),
                    ServicePort::Number(number) => Port::Number(number.into()),
                    _ => unreachable!("a port is a name or a number"),
                }),
            ),
            Backend::Resource { api_group, kind, name } => Self::Resource {
                api_group: api_group.map(str::to_owned),
                kind: (*kind).to_owned(),
                name: (*name).to_owned(),
            },
            _ => unreachable!("a backend is a service or a resource"),
        }
    }

    fn of_json(owner: &Map<String, Value>, key: &str) -> Result<Option<Self>, NoFacts> {
        let Some(backend) = map(owner, key)? else { return Ok(None) };
        let resource = match map(backend, "resource")? {
            None => None,
            Some(resource) => Some(Self::Resource {
                api_group: some(text(resource, "apiGroup")?),
                kind: text(resource, "kind")?,
                name: text(resource, "name")?,
            }),
        };
        let Some(service) = map(backend, "service")? else { return Ok(resource) };
        let empty = Map::new();
        let wanted = map(service, "port")?.unwrap_or(&empty);
        let number = match wanted.get("number") {
            None | Some(Value::Null) => None,
            Some(number) => Some(number.as_i64().ok_or(NoFacts::WrongType)?),
        };
        Ok(Some(Self::Service(text(service, "name")?, port(&text(wanted, "name")?, number))))
    }

    fn of_typed(backend: typed::IngressBackend) -> Option<Self> {
        let resource = backend.resource.map(|resource| Self::Resource {
            api_group: resource.api_group.and_then(some),
            kind: resource.kind,
            name: resource.name,
        });
        let service = backend.service.map(|service| {
            let wanted = service.port.unwrap_or_default();
            let port = port(&wanted.name.unwrap_or_default(), wanted.number.map(i64::from));
            Self::Service(service.name, port)
        });
        service.or(resource)
    }

    fn of_message(backend: &message::Backend) -> Option<Option<Self>> {
        let resource = once(&backend.resource)?.map(|resource| Self::Resource {
            api_group: some(&resource.api_group),
            kind: resource.kind.clone(),
            name: resource.name.clone(),
        });
        let Some(service) = once(&backend.service)? else { return Some(resource) };
        let wanted = once(&service.port)?.cloned().unwrap_or_default();
        Some(Some(Self::Service(service.name.clone(), port(&wanted.name, wanted.number))))
    }
}

/// A field that is there once, or not at all.
fn once<T>(values: &[T]) -> Option<Option<&T>> {
    (values.len() < 2).then(|| values.first())
}

fn map<'a>(owner: &'a Map<String, Value>, key: &str) -> Result<Option<&'a Map<String, Value>>, NoFacts> {
    match owner.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(NoFacts::WrongType),
    }
}

fn as_text(value: &Value) -> Result<String, NoFacts> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        _ => Err(NoFacts::WrongType),
    }
}

pub(crate) fn text(owner: &Map<String, Value>, key: &str) -> Result<String, NoFacts> {
    owner.get(key).map_or(Ok(String::new()), as_text)
}

fn values<'a>(owner: &'a Map<String, Value>, key: &str) -> Result<&'a [Value], NoFacts> {
    match owner.get(key) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(values)) => Ok(values),
        Some(_) => Err(NoFacts::WrongType),
    }
}

fn each<T>(
    owner: &Map<String, Value>,
    key: &str,
    mut read: impl FnMut(&Map<String, Value>) -> Result<T, NoFacts>,
) -> Result<Vec<T>, NoFacts> {
    let one = |value: &Value| match value {
        Value::Object(map) => read(map),
        Value::Null => Err(NoFacts::Unclear),
        _ => Err(NoFacts::WrongType),
    };
    values(owner, key)?.iter().map(one).collect()
}

fn pairs(owner: &Map<String, Value>, key: &str) -> Result<BTreeMap<String, String>, NoFacts> {
    let Some(map) = map(owner, key)? else { return Ok(BTreeMap::new()) };
    map.iter().map(|(key, value)| Ok((key.clone(), as_text(value)?))).collect()
}
