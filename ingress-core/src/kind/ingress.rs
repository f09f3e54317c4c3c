//! `Ingress` (networking.k8s.io/v1).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use self::input::Input;
use super::meta::{Identity, Object};
use super::packed::Reader;
use super::{Kind, Resource};
use crate::stored::InvalidStored;
use crate::wire::proto::{Chunk, InvalidProtobuf};

mod input;

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// What is kept of an ingress: identity, class, labels, annotations (bounded), rules, default backend, TLS entries and
/// the addresses of its status, with what was wrong with their ports. Never `managedFields` nor the last applied configuration.
///
/// One allocation holds it all; accessors walk it and return views that borrow from it.
#[derive(Clone, PartialEq, Eq)]
pub struct Ingress {
    packed: Box<str>,
}

/// One entry of `spec.rules`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IngressRule<'a> {
    /// The host, as written; `None` matches every host.
    pub host: Option<&'a str>,
    /// `http.paths`, in order.
    pub paths: Vec<IngressPath<'a>>,
}

/// One entry of `spec.rules[].http.paths`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IngressPath<'a> {
    /// The path; `None` when the object names none.
    pub path: Option<&'a str>,
    /// `Exact`, `Prefix` or `ImplementationSpecific`; `None` when the object names none.
    pub path_type: Option<&'a str>,
    /// Where requests go; `None` when the object names neither a service nor a resource.
    pub backend: Option<Backend<'a>>,
}

/// `backend` of a path, or `spec.defaultBackend`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend<'a> {
    /// A port of a service of the ingress's own namespace.
    Service {
        /// The service's name.
        name: &'a str,
        /// The port; `None` when neither its name nor its number is given.
        port: Option<ServicePort<'a>>,
    },
    /// Another object of the ingress's own namespace.
    Resource {
        /// Its API group; `None` is the core group.
        api_group: Option<&'a str>,
        /// Its kind.
        kind: &'a str,
        /// Its name.
        name: &'a str,
    },
}

impl<'a> Backend<'a> {
    /// The name of the service or of the resource.
    #[must_use]
    pub fn name(&self) -> &'a str {
        match self {
            Self::Service { name, .. } | Self::Resource { name, .. } => name,
        }
    }
}

/// A service's port, by name or by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServicePort<'a> {
    /// By name.
    Name(&'a str),
    /// By number.
    Number(u16),
}

/// One entry of `spec.tls`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IngressTls<'a> {
    /// The hosts that the certificate is for; empty means the rules' hosts.
    pub hosts: Vec<&'a str>,
    /// The secret that holds the certificate.
    pub secret_name: Option<&'a str>,
}

/// Which backend of an ingress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendPlace {
    /// `spec.defaultBackend`.
    Default,
    /// `spec.rules[rule].http.paths[path].backend`.
    #[non_exhaustive]
    Path {
        /// Which rule, from 0.
        rule: usize,
        /// Which of its paths, from 0.
        path: usize,
    },
}

/// Something that a backend says twice. The API server accepts no such ingress, but manifests may have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ambiguity {
    /// It names both a service and a resource; [`Backend`] has the service.
    ServiceAndResource,
    /// Its service's port has both a name and a number; [`ServicePort`] has the name.
    NameAndNumber,
}

/// An error that a load balancer told of one of its ports: `status.loadBalancer.ingress[].ports[].error`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PortError<'a> {
    /// The address, IP or host name; empty where it has none.
    pub address: &'a str,
    /// The port.
    pub port: u16,
    /// What is wrong, such as `MixedProtocolNotSupported`.
    pub error: &'a str,
}

// What is rare is told by the bits of the last count, so that other ingresses pay nothing for it.
const TRUNCATED: usize = 1;
const CLASS_BY_SPEC: usize = 2;
const REMARKS: usize = 4;

// Tags of packed backends and ports.
const NONE: usize = 0;
const SERVICE: usize = 1;
const RESOURCE_REF: usize = 2;
const BY_NAME: usize = 1;
const BY_NUMBER: usize = 2;

fn read_backend<'a>(reader: &mut Reader<'a>) -> Option<Backend<'a>> {
    match reader.count() {
        SERVICE => {
            let name = reader.text();
            let port = match reader.count() {
                BY_NAME => Some(ServicePort::Name(reader.text())),
                BY_NUMBER => Some(ServicePort::Number(u16::try_from(reader.count()).unwrap_or_default())),
                _ => None,
            };
            Some(Backend::Service { name, port })
        }
        RESOURCE_REF => {
            Some(Backend::Resource { api_group: reader.optional(), kind: reader.text(), name: reader.text() })
        }
        _ => None,
    }
}

impl Ingress {
    fn identity(&self) -> (Identity<'_>, Reader<'_>) {
        let mut reader = Reader::new(&self.packed);
        (Identity::read(&mut reader), reader)
    }

    fn after_class(&self) -> Reader<'_> {
        let (_, mut reader) = self.identity();
        reader.optional();
        reader
    }

    fn after_rules(&self) -> Reader<'_> {
        let mut reader = self.after_class();
        for _ in 0..reader.length() {
            read_rule(&mut reader);
        }
        reader
    }

    fn after_default_backend(&self) -> Reader<'_> {
        let mut reader = self.after_rules();
        read_backend(&mut reader);
        reader
    }

    fn after_tls(&self) -> Reader<'_> {
        let mut reader = self.after_default_backend();
        for _ in 0..reader.length() {
            read_tls(&mut reader);
        }
        reader
    }

    fn after_addresses(&self) -> Reader<'_> {
        let mut reader = self.after_tls();
        for _ in 0..reader.length() {
            reader.text();
        }
        reader
    }

    /// How many bytes the record takes.
    #[must_use]
    pub fn packed_len(&self) -> usize {
        self.packed.len()
    }

    /// `metadata.creationTimestamp`, RFC 3339.
    #[must_use]
    pub fn creation_timestamp(&self) -> Option<&str> {
        self.identity().0.creation_timestamp
    }

    /// `spec.ingressClassName`, else the annotation `kubernetes.io/ingress.class`.
    #[must_use]
    pub fn class(&self) -> Option<&str> {
        self.identity().1.optional()
    }

    /// `spec.rules`, in order.
    #[must_use]
    pub fn rules(&self) -> Vec<IngressRule<'_>> {
        let mut reader = self.after_class();
        (0..reader.length()).map(|_| read_rule(&mut reader)).collect()
    }

    /// The distinct hosts of the rules, in order.
    #[must_use]
    pub fn hosts(&self) -> Vec<&str> {
        let mut hosts = Vec::new();
        for host in self.rules().into_iter().filter_map(|rule| rule.host) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }

    /// `spec.defaultBackend`.
    #[must_use]
    pub fn default_backend(&self) -> Option<Backend<'_>> {
        read_backend(&mut self.after_rules())
    }

    /// `spec.tls`, in order.
    #[must_use]
    pub fn tls(&self) -> Vec<IngressTls<'_>> {
        let mut reader = self.after_default_backend();
        (0..reader.length()).map(|_| read_tls(&mut reader)).collect()
    }

    /// The IPs and hostnames of `status.loadBalancer.ingress`.
    #[must_use]
    pub fn addresses(&self) -> Vec<&str> {
        self.after_tls().texts()
    }

    /// `metadata.labels`.
    #[must_use]
    pub fn labels(&self) -> Vec<(&str, &str)> {
        self.after_addresses().pairs()
    }

    /// `metadata.annotations`, without the last applied configuration, up to [`ANNOTATION_BYTES`](super::ANNOTATION_BYTES).
    #[must_use]
    pub fn annotations(&self) -> Vec<(&str, &str)> {
        let mut reader = self.after_addresses();
        reader.skip_pairs();
        reader.pairs()
    }

    /// Whether annotations were left out for their size.
    #[must_use]
    pub fn annotations_truncated(&self) -> bool {
        self.flags().0 & TRUNCATED != 0
    }

    fn flags(&self) -> (usize, Reader<'_>) {
        let mut reader = self.after_addresses();
        reader.skip_pairs();
        reader.skip_pairs();
        (reader.count(), reader)
    }

    /// `spec.ingressClassName`.
    #[must_use]
    pub fn ingress_class_name(&self) -> Option<&str> {
        self.class().filter(|_| self.flags().0 & CLASS_BY_SPEC != 0)
    }

    /// The annotation `kubernetes.io/ingress.class`, which came before `spec.ingressClassName`. Controllers differ in which they follow
    /// where both are set.
    #[must_use]
    pub fn class_annotation(&self) -> Option<&str> {
        if self.flags().0 & CLASS_BY_SPEC == 0 {
            return self.class();
        }
        self.annotations().into_iter().find(|(key, _)| *key == CLASS_ANNOTATION).map(|(_, value)| value)
    }

    /// What backends say twice, in their order, the default backend last.
    #[must_use]
    pub fn ambiguities(&self) -> Vec<(BackendPlace, Ambiguity)> {
        self.remarks().map(|mut reader| read_ambiguities(&mut reader)).unwrap_or_default()
    }

    /// The errors that the load balancer told of its ports.
    #[must_use]
    pub fn port_errors(&self) -> Vec<PortError<'_>> {
        let Some(mut reader) = self.remarks() else { return Vec::new() };
        read_ambiguities(&mut reader);
        (0..reader.length())
            .map(|_| PortError {
                address: reader.text(),
                port: u16::try_from(reader.count()).unwrap_or_default(),
                error: reader.text(),
            })
            .collect()
    }

    fn remarks(&self) -> Option<Reader<'_>> {
        let (flags, reader) = self.flags();
        (flags & REMARKS != 0).then_some(reader)
    }
}

fn read_ambiguities(reader: &mut Reader<'_>) -> Vec<(BackendPlace, Ambiguity)> {
    (0..reader.length())
        .map(|_| {
            let ambiguity =
                if reader.count() == 0 { Ambiguity::ServiceAndResource } else { Ambiguity::NameAndNumber };
            // The rule is counted from 1; 0 is the default backend.
            let (rule, path) = (reader.count(), reader.count());
            let place =
                rule.checked_sub(1).map_or(BackendPlace::Default, |rule| BackendPlace::Path { rule, path });
            (place, ambiguity)
        })
        .collect()
}

fn read_rule<'a>(reader: &mut Reader<'a>) -> IngressRule<'a> {
    let host = reader.optional();
    let paths = (0..reader.length())
        .map(|_| IngressPath {
            path: reader.optional(),
            path_type: reader.optional(),
            backend: read_backend(reader),
        })
        .collect();
    IngressRule { host, paths }
}

fn read_tls<'a>(reader: &mut Reader<'a>) -> IngressTls<'a> {
    IngressTls { hosts: reader.texts(), secret_name: reader.optional() }
}

impl Kind for Ingress {
    fn resource() -> Resource {
        Resource::namespaced("networking.k8s.io", "v1", "Ingress", "ingresses")
    }

    fn decode_json<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { packed: Object::<Input<'_>>::deserialize(deserializer)?.0.pack() })
    }

    const PROTOBUF: bool = true;

    fn decode_protobuf(message: &[u8]) -> Result<Self, InvalidProtobuf> {
        Ok(Self { packed: Input::read(Chunk::new(message))?.pack() })
    }

    const STORED: &'static str = "ingress/2";

    fn stored(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.packed)
    }

    fn restore(stored: &str) -> Result<Self, InvalidStored> {
        Ok(Self { packed: stored.into() })
    }

    fn namespace(&self) -> Option<&str> {
        Some(self.identity().0.namespace).filter(|namespace| !namespace.is_empty())
    }
    fn name(&self) -> &str {
        self.identity().0.name
    }
    fn uid(&self) -> &str {
        self.identity().0.uid
    }
    fn resource_version(&self) -> &str {
        self.identity().0.resource_version
    }
}

impl std::fmt::Debug for Ingress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ingress")
            .field("namespace", &self.namespace())
            .field("name", &self.name())
            .field("resource_version", &self.resource_version())
            .field("hosts", &self.hosts())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
