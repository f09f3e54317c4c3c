//! Settings: what is said, beside a route, of how its requests are treated, as facts that mean the same whoever serves it.
//!
//! Every controller has words of its own for the same few things: a limit of a body is `nginx.ingress.kubernetes.io/proxy-body-size: 8m` here and a policy
//! there. A [`Setting`] is one of these things, as a [`Fact`] with units, and where it was said. So "which routes accept more than 8 MB" is one
//! question, not one per controller.
//!
//! A value that can't be read is a fact, too ([`Fact::Unparsable`]): to leave it out would say that nothing was set. What may be a credential is
//! kept nowhere: of headers that a proxy sets there are the names, of authentication where it is asked and under which name its secret lies, and of URLs
//! neither user names nor queries.

use std::borrow::Cow;

use serde::Serialize;

use super::ObjectRef;

pub(crate) mod annotation;
pub(crate) mod gateway_api;
mod value;

/// How many bytes of a value are kept as it was written.
pub const RAW_BYTES: usize = 256;

/// Something that is said of how a route's requests are treated.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Setting {
    /// What it means.
    pub fact: Fact,
    /// The object that says so: the route's own, or a policy that applies to it.
    pub object: ObjectRef,
    /// Where in it, such as `metadata.annotations[nginx.ingress.kubernetes.io/proxy-body-size]`.
    pub field: String,
    /// The value as it was written, up to [`RAW_BYTES`]; `None` where it may hold a credential, or is more than one value.
    pub raw: Option<String>,
}

/// What a setting means, whoever serves the route. In JSON it has its name in the field `name`, beside its own fields.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[non_exhaustive]
pub enum Fact {
    /// The backend is asked for another path, or as another host, than the client asked for.
    #[non_exhaustive]
    Rewrite {
        /// The host that the backend is told.
        host: Option<String>,
        /// What becomes of the path.
        path: Option<PathChange>,
    },
    /// The client is sent elsewhere. What is `None` stays as it was asked for.
    #[non_exhaustive]
    Redirect {
        /// `http` or `https`.
        scheme: Option<String>,
        /// The host.
        host: Option<String>,
        /// The port.
        port: Option<u16>,
        /// What becomes of the path.
        path: Option<PathChange>,
        /// The status of the answer; `None` is the controller's own default.
        status: Option<u16>,
    },
    /// Whether clients that come without TLS are sent to `https`.
    #[non_exhaustive]
    TlsRedirect {
        /// Whether they are.
        on: bool,
        /// The status of the answer; `None` is the controller's own default.
        status: Option<u16>,
        /// The port that they are sent to; `None` is 443.
        port: Option<u16>,
    },
    /// How large a request's body may be.
    #[non_exhaustive]
    MaxBodySize {
        /// In bytes; `None` is no limit.
        bytes: Option<u64>,
    },
    /// How long something may take.
    #[non_exhaustive]
    Timeout {
        /// What.
        of: TimeoutOf,
        /// How long, in milliseconds; `None` is no limit.
        milliseconds: Option<u64>,
    },
    /// What fails is tried again.
    #[non_exhaustive]
    Retries {
        /// How often at most; `None` is not said here, or no limit.
        attempts: Option<u32>,
        /// After which failures, in the controller's words; empty is not said here.
        on: Vec<String>,
        /// How long all tries together may take, in milliseconds.
        milliseconds: Option<u64>,
    },
    /// How much one client may ask for.
    #[non_exhaustive]
    RateLimit {
        /// How many requests in a period.
        requests: Option<u64>,
        /// The period, in milliseconds.
        period_milliseconds: Option<u64>,
        /// How many at once beyond that.
        burst: Option<u64>,
        /// How many connections at once.
        connections: Option<u64>,
        /// How many bytes of answers a second.
        bytes_per_second: Option<u64>,
    },
    /// Who asks has to say who they are.
    #[non_exhaustive]
    Authentication {
        /// In which way.
        by: AuthenticationBy,
        /// Where that is asked: a URL without user name, password and query, or a host.
        at: Option<String>,
        /// The name of the secret with what is needed for it, never what is in it.
        secret: Option<String>,
    },
    /// Only these addresses are let in.
    #[non_exhaustive]
    Allow {
        /// Addresses and ranges of them (CIDR), as written.
        ranges: Vec<String>,
    },
    /// These addresses are kept out.
    #[non_exhaustive]
    Deny {
        /// Addresses and ranges of them (CIDR), as written.
        ranges: Vec<String>,
    },
    /// The route gets a share of the requests of another one with the same host and path. What is `None` is not said here.
    #[non_exhaustive]
    Canary {
        /// Whether it is one.
        on: Option<bool>,
        /// Its share.
        weight: Option<u32>,
        /// Of how much it is a share.
        total: Option<u32>,
        /// The header that decides.
        header: Option<String>,
        /// The cookie that decides.
        cookie: Option<String>,
    },
    /// What pages of other origins may do. What is `None` or empty is not said here.
    #[non_exhaustive]
    Cors {
        /// Whether anything is said of it to browsers.
        on: Option<bool>,
        /// The origins.
        origins: Vec<String>,
        /// The methods.
        methods: Vec<String>,
        /// The headers of requests.
        headers: Vec<String>,
        /// The headers of answers that pages see.
        exposed: Vec<String>,
        /// Whether with cookies.
        credentials: Option<bool>,
        /// For how long browsers remember it, in seconds.
        max_age_seconds: Option<u64>,
    },
    /// What is spoken with the backend.
    #[non_exhaustive]
    BackendProtocol {
        /// The protocol.
        protocol: Protocol,
    },
    /// Requests of one client go to one pod.
    #[non_exhaustive]
    SessionAffinity {
        /// By what a client is known.
        by: AffinityBy,
        /// The cookie's or header's name, or the expression; `None` is the controller's own default.
        key: Option<String>,
    },
    /// Headers are changed on the way. Of their values nothing is kept.
    #[non_exhaustive]
    Headers {
        /// Whose.
        of: HeadersOf,
        /// Those that are set.
        set: Vec<String>,
        /// Those that are added.
        add: Vec<String>,
        /// Those that are removed.
        remove: Vec<String>,
    },
    /// Requests are sent somewhere else as well.
    #[non_exhaustive]
    Mirror {
        /// Where: a URL without user name, password and query, or a service with its port.
        to: String,
        /// How many of a hundred; `None` is not said here.
        percent: Option<u32>,
    },
    /// A piece of the proxy's own configuration is put in as it is, and may do anything.
    #[non_exhaustive]
    Snippet {
        /// How many bytes it has.
        bytes: usize,
    },
    /// Whether paths are regular expressions.
    #[non_exhaustive]
    RegularExpressions {
        /// Whether they are.
        on: bool,
    },
    /// Requests pass something that is defined elsewhere: a middleware, a plugin, a filter of the implementation's own.
    #[non_exhaustive]
    Extension {
        /// Its names, as written.
        names: Vec<String>,
    },
    /// The value can't be read as what it has to be, so that nobody can say what applies.
    #[non_exhaustive]
    Unparsable {
        /// What it has to be.
        expected: Cow<'static, str>,
    },
}

impl Fact {
    /// The fact's name, as it stands in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rewrite { .. } => "rewrite",
            Self::Redirect { .. } => "redirect",
            Self::TlsRedirect { .. } => "tlsRedirect",
            Self::MaxBodySize { .. } => "maxBodySize",
            Self::Timeout { .. } => "timeout",
            Self::Retries { .. } => "retries",
            Self::RateLimit { .. } => "rateLimit",
            Self::Authentication { .. } => "authentication",
            Self::Allow { .. } => "allow",
            Self::Deny { .. } => "deny",
            Self::Canary { .. } => "canary",
            Self::Cors { .. } => "cors",
            Self::BackendProtocol { .. } => "backendProtocol",
            Self::SessionAffinity { .. } => "sessionAffinity",
            Self::Headers { .. } => "headers",
            Self::Mirror { .. } => "mirror",
            Self::Snippet { .. } => "snippet",
            Self::RegularExpressions { .. } => "regularExpressions",
            Self::Extension { .. } => "extension",
            Self::Unparsable { .. } => "unparsable",
        }
    }
}

/// What becomes of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "change", content = "to", rename_all = "camelCase")]
#[non_exhaustive]
pub enum PathChange {
    /// It is replaced.
    Whole(String),
    /// The part that the route matched is replaced.
    Prefix(String),
    /// It is made of this, in which references stand for what the route's expression caught.
    Template(String),
}

/// What a timeout is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum TimeoutOf {
    /// Connecting to the backend.
    Connect,
    /// Between two pieces that are read from the backend.
    Read,
    /// Between two pieces that are written to the backend.
    Send,
    /// From the request's arrival until its answer is complete.
    Request,
    /// The same of one try with a backend.
    BackendRequest,
    /// A connection on which nothing moves.
    Idle,
}

/// In which way somebody says who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AuthenticationBy {
    /// Name and password, in every request.
    Basic,
    /// Name and a digest of the password.
    Digest,
    /// Another service is asked about each request.
    External,
    /// OpenID Connect, or a provider of the cloud that speaks it.
    Oidc,
    /// A certificate of the client's own.
    ClientCertificate,
}

/// A protocol that is spoken with a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1 in the clear.
    Http,
    /// HTTP/1 or HTTP/2 over TLS.
    Https,
    /// HTTP/2 in the clear.
    H2c,
    /// gRPC in the clear.
    Grpc,
    /// gRPC over TLS.
    Grpcs,
    /// FastCGI.
    Fcgi,
    /// The Apache JServ protocol.
    Ajp,
    /// WebSocket in the clear.
    Ws,
    /// WebSocket over TLS.
    Wss,
    /// TCP, of which nothing more is known.
    Tcp,
    /// TLS, of which nothing more is known.
    Tls,
    /// UDP.
    Udp,
}

/// By what a client is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AffinityBy {
    /// A cookie.
    Cookie,
    /// A header.
    Header,
    /// Its address.
    Address,
    /// A hash of an expression of the proxy's own.
    Hash,
}

/// Whose headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum HeadersOf {
    /// The request's, before it goes to the backend.
    Request,
    /// The answer's.
    Response,
}

#[cfg(test)]
mod tests;
