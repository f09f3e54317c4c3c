//! Which listeners let a route in.
//!
//! A route asks by its `parentRefs`; a listener answers by its host name, port, protocol and `allowedRoutes`. Both have to agree. This is worked out
//! from the objects, not from what controllers wrote into their status, so that it also holds for manifests that no cluster has seen; what
//! controllers say is compared with it elsewhere.

use std::sync::Arc;

use super::{Entry, HostPattern, ObjectRef};
use crate::inventory::{Lookup, Reader, Unknown};
use crate::kind::{
    Gateway, GrpcRoute, HttpRoute, Listener, NamespaceRecord, ParentRef, RouteStatus, TlsRoute,
};

/// What the kinds of routes have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Common<'a> {
    pub(crate) kind: &'static str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) generation: i64,
    pub(crate) hostnames: &'a [String],
    pub(crate) parents: &'a [ParentRef],
    pub(crate) status: &'a RouteStatus,
}

impl<'a> Common<'a> {
    pub(crate) fn object(&self) -> ObjectRef {
        ObjectRef::new(self.kind, Some(self.namespace), self.name)
    }

    /// The hosts that it asks for; any, when it names none.
    pub(crate) fn hosts(&self) -> Vec<HostPattern> {
        if self.hostnames.is_empty() {
            return vec![HostPattern::Any];
        }
        self.hostnames.iter().map(|host| HostPattern::of_gateway(Some(host))).collect()
    }

    /// What answers each of its `parentRefs`, in order.
    pub(crate) fn answers(&self, reader: &Reader<'a>) -> Vec<Parent<'a>> {
        self.parents.iter().map(|parent| self.ask(reader, parent)).collect()
    }

    fn ask(&self, reader: &Reader<'a>, parent: &'a ParentRef) -> Parent<'a> {
        if !parent.is_gateway() {
            return Parent::Other;
        }
        let gateway = match reader.get::<Gateway>(Some(parent.namespace(self.namespace)), &parent.name) {
            Lookup::Found(gateway) => gateway,
            Lookup::Missing => return Parent::Missing,
            Lookup::Unknown(unknown) => return Parent::Unknown(unknown),
        };
        let named = |listener: &&Listener| {
            parent.section_name.as_ref().is_none_or(|section| *section == listener.name)
                && parent.port.is_none_or(|port| port == listener.port)
        };
        let listeners = gateway.spec.listeners.iter().filter(named);
        let listeners = listeners.map(|listener| (listener, self.knock(reader, gateway, listener)));
        Parent::Gateway { gateway, listeners: listeners.collect() }
    }

    /// Whether a listener lets it in.
    fn knock(&self, reader: &Reader<'_>, gateway: &Gateway, listener: &Listener) -> Answer {
        if !listener.allows_kind(self.kind) {
            return Answer::Refused(Refusal::Kind);
        }
        let own = HostPattern::of_gateway(listener.hostname());
        let hosts: Vec<_> = self.hosts().iter().filter_map(|host| own.intersect(host)).collect();
        match self.namespace_is_allowed(reader, gateway, listener) {
            Ok(Some(false)) => Answer::Refused(Refusal::Namespace),
            _ if hosts.is_empty() => Answer::Refused(Refusal::Host),
            Ok(Some(true)) => Answer::Attached(hosts),
            Ok(None) => Answer::Undecided(hosts, None),
            Err(unknown) => Answer::Undecided(hosts, Some(unknown)),
        }
    }

    fn namespace_is_allowed(
        &self,
        reader: &Reader<'_>,
        gateway: &Gateway,
        listener: &Listener,
    ) -> Result<Option<bool>, Unknown> {
        let allowed = &listener.allowed_routes.namespaces;
        let own = gateway.metadata.namespace.as_str();
        if allowed.from.as_deref() != Some("Selector") {
            return Ok(allowed.allows(own, self.namespace, |_| None));
        }
        // The labels of the namespace, not those of the route.
        match reader.get::<NamespaceRecord>(None, self.namespace) {
            Lookup::Found(namespace) => {
                let labels = namespace.labels();
                Ok(allowed.allows(own, self.namespace, |key| {
                    labels.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
                }))
            }
            // A route can't be in a namespace that is not there: it is about to go, or to come.
            Lookup::Missing => Ok(None),
            Lookup::Unknown(unknown) => Err(unknown),
        }
    }
}

macro_rules! common {
    ($($kind:ident $name:literal)*) => {
        $(
            impl<'a> From<&'a $kind> for Common<'a> {
                fn from(route: &'a $kind) -> Self {
                    Self {
                        kind: $name,
                        namespace: &route.metadata.namespace,
                        name: &route.metadata.name,
                        generation: route.metadata.generation,
                        hostnames: &route.spec.hostnames,
                        parents: &route.spec.parent_refs,
                        status: &route.status,
                    }
                }
            }
        )*
    };
}

common! { HttpRoute "HTTPRoute" GrpcRoute "GRPCRoute" TlsRoute "TLSRoute" }

/// What a `parentRef` leads to.
#[derive(Debug)]
pub(crate) enum Parent<'a> {
    /// No gateway: a service of a mesh, or something that an implementation brings along.
    Other,
    /// There is no such gateway.
    Missing,
    /// Nobody can say whether there is.
    Unknown(Unknown),
    /// A gateway, with what those of its listeners answer that the `parentRef` names.
    Gateway {
        /// The gateway.
        gateway: &'a Arc<Gateway>,
        /// Its listeners.
        listeners: Vec<(&'a Listener, Answer)>,
    },
}

/// What a listener answers a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It lets the route in, for these hosts.
    Attached(Vec<HostPattern>),
    /// It would for these hosts, if its `allowedRoutes` do, which hangs on something that is not known, or not understood.
    Undecided(Vec<HostPattern>, Option<Unknown>),
    /// It does not.
    Refused(Refusal),
}

impl Answer {
    /// The hosts for which requests may come in.
    pub(crate) fn hosts(&self) -> &[HostPattern] {
        match self {
            // Taken as let in where it can't be known: a route that may work is worth being shown with its listener.
            Self::Attached(hosts) | Self::Undecided(hosts, _) => hosts,
            Self::Refused(_) => &[],
        }
    }
}

/// Why a listener does not let a route in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Routes of this kind are not for it.
    Kind,
    /// Routes of this namespace are not for it.
    Namespace,
    /// They have no host in common.
    Host,
}

/// The door that a listener is.
pub(crate) fn entry(gateway: &Gateway, listener: &Listener) -> Entry {
    Entry::Listener {
        namespace: gateway.metadata.namespace.clone(),
        gateway: gateway.metadata.name.clone(),
        listener: listener.name.clone(),
        port: u16::try_from(listener.port).unwrap_or_default(),
        protocol: listener.protocol.clone(),
        host: HostPattern::of_gateway(listener.hostname()),
    }
}
