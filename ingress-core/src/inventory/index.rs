//! By what else than their key objects are found.

use std::sync::Arc;

use crate::kind::{
    Certificate, ClusterIssuer, DeploymentMeta, EndpointSlice, Endpoints, Event, Ingress, IngressClass,
    Issuer, Kind, NamespaceRecord, NetworkPolicy, Pod, ReplicaSetMeta, Service, TlsSecret,
};
use crate::route::{HostPattern, PathMatch};

/// Something that objects have in common, by which they are found: a name of what it is, and its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    what: &'static str,
    value: Arc<str>,
    wide: bool,
}

impl Tag {
    /// A tag.
    #[must_use]
    pub fn new(what: &'static str, value: &str) -> Self {
        Self { what, value: value.into(), wide: false }
    }

    /// The same, looked for in the whole cluster whatever the kind's others are.
    fn wide(what: &'static str, value: &str) -> Self {
        Self { wide: true, ..Self::new(what, value) }
    }

    /// Whether it is looked for in the whole cluster.
    pub(super) fn is_wide(&self) -> bool {
        self.wide
    }

    /// The controller of ingresses that a pod runs, by its name in [`Software`].
    pub(crate) fn runs(software: Software) -> Self {
        Self::wide("runs", software.name())
    }

    /// The class of ingresses that were given an address; empty for those that name none.
    pub(crate) fn published(class: &str) -> Self {
        Self::new("published", class)
    }

    /// A label, with its value.
    #[must_use]
    pub fn label(key: &str, value: &str) -> Self {
        // No label holds a NUL.
        Self::new("label", &format!("{key}\0{value}"))
    }

    /// The host of a rule, in lower case; empty for rules without one.
    #[must_use]
    pub fn host(host: &str) -> Self {
        Self::new("host", &host.to_ascii_lowercase())
    }

    /// The hosts and paths of a rule: whoever has both alike claims the same requests.
    #[must_use]
    pub fn claim(host: &HostPattern, path: &PathMatch) -> Self {
        Self::new("claim", &format!("{host}\0{}\0{}", path.type_name(), path.text()))
    }

    /// The service whose endpoints these are.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self::new("service", name)
    }

    /// The secret that something is put into.
    #[must_use]
    pub fn secret(name: &str) -> Self {
        Self::new("secret", name)
    }

    /// The name of an object, wherever it is.
    #[must_use]
    pub fn name(name: &str) -> Self {
        Self::new("name", name)
    }

    /// The object of the same namespace for the sake of which something was made.
    #[must_use]
    pub fn owner(kind: &str, name: &str) -> Self {
        Self::new("owner", &format!("{kind}/{name}"))
    }

    /// The object that something is about.
    #[must_use]
    pub fn about(kind: &str, namespace: &str, name: &str) -> Self {
        // No kind and no name holds a NUL.
        Self::new("about", &format!("{kind}\0{namespace}\0{name}"))
    }
}

/// A kind whose objects are found by tags, too.
pub trait Indexed: Kind {
    /// Whether its tags are looked for in one namespace; otherwise, in the whole cluster.
    const SCOPED: bool = true;

    /// Hands out every tag of the object, none of them twice.
    fn tags(&self, #[expect(unused_variables, reason = "there are none")] each: &mut dyn FnMut(Tag)) {}

    /// What others rely on and what may change while the object stays: an address, an owner. Changes of it are remembered for a while
    /// ([`Reader::before`](super::Reader::before)). `None` is nothing so far.
    fn face(&self) -> Option<String> {
        None
    }

    /// Whether nothing that anybody judges by differs: all but the revision. The default says so of equal records only.
    fn equivalent(&self, other: &Self) -> bool {
        self == other
    }
}

/// Whether two declared records differ in nothing but their revision.
macro_rules! but_for_revision {
    () => {
        fn equivalent(&self, other: &Self) -> bool {
            if self.metadata.resource_version == other.metadata.resource_version {
                return self == other;
            }
            let mut other = other.clone();
            other.metadata.resource_version.clone_from(&self.metadata.resource_version);
            *self == other
        }
    };
}

mod delivery;
mod gateway;
mod software;

pub(crate) use software::Software;

impl Indexed for Ingress {
    /// Of the whole cluster: hosts are shared across namespaces.
    const SCOPED: bool = false;

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        let mut tags = Vec::new();
        let mut claim = |host: Option<&str>, path: &PathMatch| {
            let host = HostPattern::of_ingress(host);
            tags.push(Tag::claim(&host, path));
            tags.push(Tag::host(&host.written().unwrap_or_default()));
        };
        for rule in self.rules() {
            for path in &rule.paths {
                claim(rule.host, &PathMatch::of_ingress(path.path, path.path_type));
            }
        }
        if self.default_backend().is_some() {
            claim(None, &PathMatch::Any);
        }
        if !self.addresses().is_empty() {
            tags.push(Tag::published(self.class().unwrap_or_default()));
        }
        tags.sort_unstable();
        tags.dedup();
        tags.into_iter().for_each(each);
    }

    /// Its addresses, which DNS records follow.
    fn face(&self) -> Option<String> {
        Some(self.addresses().join(", ")).filter(|addresses| !addresses.is_empty())
    }
}

impl Indexed for NamespaceRecord {}

impl Indexed for IngressClass {
    but_for_revision!();

    /// The controller that serves all ingresses of the class.
    fn face(&self) -> Option<String> {
        Some(self.spec.controller.clone())
    }
}

impl Indexed for Service {
    but_for_revision!();

    /// One pair of its selector: whoever looks for the services of a pod asks for each of the pod's labels.
    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        if let Some((key, value)) = self.spec.selector.first_key_value() {
            each(Tag::label(key, value));
        }
        if let Some(tag) = gateway::served_gateway(self) {
            each(tag);
        }
    }
}

impl Indexed for EndpointSlice {
    but_for_revision!();

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        if let Some(service) = self.service_name() {
            each(Tag::service(service));
        }
    }
}

impl Indexed for Pod {
    but_for_revision!();

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        for (key, value) in &self.metadata.labels {
            each(Tag::label(key, value));
        }
        if let Some(software) = Software::of_pod(self) {
            each(Tag::runs(software));
        }
    }
}

impl Indexed for TlsSecret {
    but_for_revision!();
}

impl Indexed for NetworkPolicy {
    but_for_revision!();
}

impl Indexed for Endpoints {
    but_for_revision!();
}

impl Indexed for Event {
    but_for_revision!();

    /// Of the whole cluster: what is told of an object without a namespace lies in a namespace all the same.
    const SCOPED: bool = false;

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        let about = &self.involved_object;
        each(Tag::about(&about.kind, &about.namespace, &about.name));
    }
}

impl Indexed for DeploymentMeta {
    but_for_revision!();
}

impl Indexed for ReplicaSetMeta {
    but_for_revision!();
}

impl Indexed for Certificate {
    but_for_revision!();

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        each(Tag::secret(&self.spec.secret_name));
    }
}

impl Indexed for Issuer {
    but_for_revision!();
}

impl Indexed for ClusterIssuer {
    but_for_revision!();
}
