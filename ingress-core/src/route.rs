//! Routes: what Ingress, Gateway API, Istio and Traefik say about where requests go, as one model.
//!
//! A [`Route`] is one host with one path and match, and the backends behind it. An object makes several: an ingress one for each path of each
//! rule, an `HTTPRoute` or `VirtualService` one for each match of each rule and host name, an `IngressRoute` one for each alternative of
//! each rule. What it says is as the object says it; whether that works is for [`diagnose`](crate::diagnose) to tell. How its requests are
//! treated on the way, by annotations, filters and policies, is told as [`Setting`]s, in words that are no controller's own.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::key::ClusterId;

pub(crate) mod attach;
mod condition;
mod draft;
pub(crate) mod gateway_api;
mod host;
pub(crate) mod ingress;
pub(crate) mod istio;
pub mod matcher;
mod owner;
mod path;
pub mod setting;
pub(crate) mod traefik;

pub use condition::{Condition, Subject, Test};
pub use host::HostPattern;
pub use owner::{Owner, OwnerKind};
pub use path::PathMatch;
pub use setting::{Fact, Setting};

/// Names an object within its cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ObjectRef {
    /// Its kind, such as `Ingress`.
    pub kind: Cow<'static, str>,
    /// Its namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectRef {
    /// Names an object.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>, namespace: Option<&str>, name: &str) -> Self {
        Self { kind: kind.into(), namespace: namespace.map(str::to_owned), name: name.to_owned() }
    }

    /// What `kubectl` calls it in a command that shows it: `-n shop get ingress web`.
    #[must_use]
    pub fn kubectl_get(&self) -> String {
        let kind = self.kind.to_ascii_lowercase();
        match &self.namespace {
            Some(namespace) => format!("kubectl -n {namespace} get {kind} {} -o yaml", self.name),
            None => format!("kubectl get {kind} {} -o yaml", self.name),
        }
    }

    /// The command that describes it, with its events.
    #[must_use]
    pub fn kubectl_describe(&self) -> String {
        let kind = self.kind.to_ascii_lowercase();
        match &self.namespace {
            Some(namespace) => format!("kubectl -n {namespace} describe {kind} {}", self.name),
            None => format!("kubectl describe {kind} {}", self.name),
        }
    }
}

/// `Ingress shop/web`.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// Identifies a route: 16 hexadecimal digits, derived from what the route is (its object, host, path and match), and so the same in
/// every process and after every restart, also when the rules of its object change their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteId(u64);

impl RouteId {
    /// The route of these features. `copy` tells equal ones of one object apart.
    fn derive(
        cluster: &ClusterId,
        object: &ObjectRef,
        host: &HostPattern,
        matches: &RouteMatch,
        copy: usize,
    ) -> Self {
        let namespace = object.namespace.as_deref().unwrap_or_default();
        let (host, matches, copy) = (host.to_string(), matches.to_string(), copy.to_string());
        let mut hash = Sha256::new();
        for part in [cluster.as_str(), &object.kind, namespace, &object.name, &host, &matches, &copy] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let first = hash.finalize().first_chunk().copied().unwrap_or_default();
        Self(u64::from_be_bytes(first))
    }
}

impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RouteId({self})")
    }
}

/// Text that is no [`RouteId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a route's id: expected 16 hexadecimal digits")]
#[non_exhaustive]
pub struct InvalidRouteId;

impl std::str::FromStr for RouteId {
    type Err = InvalidRouteId;

    fn from_str(text: &str) -> Result<Self, InvalidRouteId> {
        if text.len() != 16 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(InvalidRouteId);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| InvalidRouteId)
    }
}

/// One host with one path and match, and the backends behind it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Route {
    /// Identifies it.
    pub id: RouteId,
    /// The cluster.
    pub cluster: ClusterId,
    /// The object that says so.
    pub object: ObjectRef,
    /// Where in the object: `spec.rules[0].http.paths[1]`.
    pub field: String,
    /// Which hosts.
    pub host: HostPattern,
    /// Which requests.
    pub matches: RouteMatch,
    /// Through which doors requests come in. Empty when none is known.
    pub entries: Vec<Entry>,
    /// Where requests go. Empty when nothing says where.
    pub backends: Vec<Backend>,
    /// Whether a filter may answer by itself, so that it needs no backends: a redirect, or something of the implementation's own.
    pub answers: bool,
    /// The addresses under which the object says that it is served.
    pub addresses: Vec<String>,
    /// Where its certificate comes from; `None` where it is served without TLS.
    pub tls: Option<TlsSource>,
    /// How its requests are treated, as far as the object and the policies that apply to it say so. The routes of an object share them.
    pub settings: Vec<Arc<Setting>>,
    /// Who manages the object.
    pub owner: Option<Owner>,
    /// By what it comes before or after other routes that fit a request.
    pub precedence: Precedence,
    /// Where the rule and match stand in the object: equal matches are won by the first.
    pub order: (usize, usize),
    /// When the object was created: equal matches of several objects are won by the oldest.
    pub created: Option<Timestamp>,
}

/// By what is decided which of the routes at one door gets a request that several fit. All routes at a door have the same sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Precedence {
    /// By how specific they are, as Ingress and Gateway API have it.
    Specificity,
    /// By where they stand in their object, as Istio has it: the first that fits. Only those for the most specific pattern of a host count.
    Position,
    /// By a number, of which the highest comes first, whatever the host: as Traefik has it.
    Priority(i64),
}

/// What of a request has to fit, besides its host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct RouteMatch {
    /// The path.
    pub path: PathMatch,
    /// The method; `None` means any.
    pub method: Option<String>,
    /// Headers, all of which have to fit.
    pub headers: Vec<ValueMatch>,
    /// Query parameters, all of which have to fit.
    pub query_params: Vec<ValueMatch>,
    /// What else has to hold, all of it.
    pub conditions: Vec<Condition>,
}

impl RouteMatch {
    /// Matches a path, whatever else the request has.
    #[must_use]
    pub fn path(path: PathMatch) -> Self {
        Self { path, method: None, headers: Vec::new(), query_params: Vec::new(), conditions: Vec::new() }
    }
}

/// `GET /cart* x-version=2 ?debug=1 !host=a.example.com`.
impl fmt::Display for RouteMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            write!(f, "{method} ")?;
        }
        write!(f, "{}", self.path)?;
        for header in &self.headers {
            write!(f, " {header}")?;
        }
        for param in &self.query_params {
            write!(f, " ?{param}")?;
        }
        for condition in &self.conditions {
            write!(f, " {condition}")?;
        }
        Ok(())
    }
}

/// A header or query parameter that has to have a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ValueMatch {
    /// Its name.
    pub name: String,
    /// The value, or the regular expression.
    pub value: String,
    /// Whether the value is a regular expression.
    pub regular_expression: bool,
}

impl ValueMatch {
    /// A header or query parameter with exactly this value.
    #[must_use]
    pub fn exact(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), value: value.to_owned(), regular_expression: false }
    }
}

impl fmt::Display for ValueMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name, if self.regular_expression { "~" } else { "=" }, self.value)
    }
}

/// A door through which requests come in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Entry {
    /// The controller of an ingress class.
    IngressClass {
        /// The class; `None` when the ingress names none and there is no default.
        class: Option<String>,
        /// The class's controller, such as `k8s.io/ingress-nginx`; `None` when the class is not known.
        controller: Option<String>,
    },
    /// A listener of a gateway.
    Listener {
        /// The gateway's namespace.
        namespace: String,
        /// The gateway's name.
        gateway: String,
        /// The listener's name.
        listener: String,
        /// Its port.
        port: u16,
        /// Its protocol, such as `HTTPS`.
        protocol: String,
        /// Its hosts.
        host: HostPattern,
    },
    /// A `Gateway` of Istio's, which is another kind than Gateway API's.
    IstioGateway {
        /// Its namespace.
        namespace: String,
        /// Its name.
        gateway: String,
    },
    /// Sidecars of a mesh of Istio's: requests of its own pods.
    Mesh,
    /// An entry point of Traefik's, which its own configuration gives a port.
    EntryPoint {
        /// Its name; `None` for those that are used by default, whichever these are.
        name: Option<String>,
    },
}

impl Entry {
    /// A door of an ingress class.
    #[must_use]
    pub fn ingress_class(class: Option<&str>, controller: Option<&str>) -> Self {
        Self::IngressClass { class: class.map(str::to_owned), controller: controller.map(str::to_owned) }
    }
}

/// Where a share of the requests goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Backend {
    /// The object that answers.
    pub object: ObjectRef,
    /// The service's port; `None` when none is named, or it is no service.
    pub port: Option<BackendPort>,
    /// Its share, in proportion to those of the others. 0 gets no requests.
    pub weight: u32,
    /// Where in the object that says so.
    pub field: String,
}

/// A service's port, by name or by number.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendPort {
    /// By name.
    Name(String),
    /// By number.
    Number(u16),
}

impl fmt::Display for BackendPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TlsSource {
    /// The secrets, of which one is to fit the host; empty when none is named: the controller's default certificate.
    pub secrets: Vec<ObjectRef>,
    /// The object that says so: the ingress, or the gateway.
    pub object: ObjectRef,
    /// Where in it.
    pub field: String,
}
