//! Which routes a request is about.

use std::collections::BTreeSet;

use ingress_core::Namespace;
use ingress_core::diagnose::{Assessed, CHECKS, Verdict};
use ingress_core::route::{Entry, HostPattern, Route};

use crate::filter::{Host, namespaces, occurs, one, tls, words};
use crate::params::Params;
use crate::problem::Problem;

pub(crate) const VERDICTS: [Verdict; 4] = [Verdict::Ok, Verdict::Degraded, Verdict::Unknown, Verdict::Broken];

/// What must hold of a route to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Filter {
    namespaces: Option<BTreeSet<Namespace>>,
    /// Lower-case, each once.
    words: BTreeSet<String>,
    host: Option<Host>,
    /// Empty means: no class is known.
    class: Option<String>,
    tls: Option<bool>,
    verdicts: Option<Vec<&'static str>>,
    code: Option<&'static str>,
    kind: Option<String>,
    backend: Option<Named>,
    gateway: Option<Named>,
}

/// A name, with or without a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Named {
    namespace: Option<String>,
    name: String,
}

impl Named {
    fn take(params: &mut Params, parameter: &str) -> Result<Option<Self>, Problem> {
        let Some(text) = one(params, parameter)? else { return Ok(None) };
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace.to_owned()), name.to_owned()),
            None => (None, text),
        };
        if name.is_empty() || name.contains('/') || namespace.as_deref() == Some("") {
            let detail =
                format!("`{parameter}` must be a name, or a namespace and a name with a `/` between them");
            return Err(Problem::parameter(parameter, detail));
        }
        Ok(Some(Self { namespace, name }))
    }

    fn is(&self, namespace: Option<&str>, name: &str) -> bool {
        self.name == name && (self.namespace.is_none() || self.namespace.as_deref() == namespace)
    }
}

impl Filter {
    /// Takes the filter's parameters out of a query.
    pub(crate) fn take(params: &mut Params) -> Result<Self, Problem> {
        Ok(Self {
            namespaces: namespaces(params)?,
            words: one(params, "search")?.as_deref().map(words).transpose()?.unwrap_or_default(),
            host: one(params, "host")?.as_deref().map(Host::parse).transpose()?,
            class: one(params, "class")?,
            tls: tls(params)?,
            verdicts: params.one("verdict")?.as_deref().map(verdicts).transpose()?,
            code: params.one("code")?.as_deref().map(code).transpose()?,
            kind: one(params, "kind")?,
            backend: Named::take(params, "backend")?,
            gateway: Named::take(params, "gateway")?,
        })
    }

    /// Whether a route is shown, as far as its verdict says.
    pub(crate) fn matches_verdict(&self, verdict: Verdict) -> bool {
        self.verdicts.as_ref().is_none_or(|wanted| wanted.contains(&verdict.as_str()))
    }

    /// Whether a route is shown, as far as all else says.
    pub(crate) fn matches_rest(&self, Assessed { route, diagnosis, .. }: &Assessed) -> bool {
        let object = &route.object;
        let namespace = object.namespace.as_deref().unwrap_or_default();
        self.namespaces.as_ref().is_none_or(|wanted| wanted.iter().any(|wanted| wanted.as_str() == namespace))
            && self.kind.as_deref().is_none_or(|kind| kind == object.kind)
            && self.tls.is_none_or(|tls| route.tls.is_some() == tls)
            && self.code.is_none_or(|code| diagnosis.findings.iter().any(|finding| finding.code == code))
            && self
                .class
                .as_deref()
                .is_none_or(|class| route.entries.iter().any(|entry| is_of_class(entry, class)))
            && self
                .gateway
                .as_ref()
                .is_none_or(|named| route.entries.iter().any(|entry| is_of_gateway(entry, named)))
            && self.backend.as_ref().is_none_or(|named| {
                let mut objects = route.backends.iter().map(|backend| &backend.object);
                objects.any(|object| named.is(object.namespace.as_deref(), &object.name))
            })
            && self.host.as_ref().is_none_or(|host| is_for(&route.host, host.as_str()))
            && self.words_match(route)
    }

    fn words_match(&self, route: &Route) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let host = route.host.written().unwrap_or_default();
        let object = &route.object;
        let texts = || {
            [&object.name, object.namespace.as_deref().unwrap_or_default(), &host, route.matches.path.text()]
                .into_iter()
                .chain(route.backends.iter().map(|backend| backend.object.name.as_str()))
        };
        self.words.iter().all(|word| texts().any(|text| occurs(word, text)))
    }
}

fn is_of_class(entry: &Entry, wanted: &str) -> bool {
    matches!(entry, Entry::IngressClass { class, .. } if class.as_deref().unwrap_or_default() == wanted)
}

fn is_of_gateway(entry: &Entry, wanted: &Named) -> bool {
    match entry {
        Entry::Listener { namespace, gateway, .. } | Entry::IstioGateway { namespace, gateway, .. } => {
            wanted.is(Some(namespace), gateway)
        }
        _ => false,
    }
}

/// Whether routes of a pattern are for a host that is looked for. Those for every host are not what anybody looks for by one.
fn is_for(pattern: &HostPattern, host: &str) -> bool {
    if host.starts_with("*.") || *pattern == HostPattern::Any {
        return pattern.written().as_deref() == Some(host);
    }
    pattern.matches(host)
}

fn verdicts(text: &str) -> Result<Vec<&'static str>, Problem> {
    let known = |name: &str| VERDICTS.into_iter().map(Verdict::as_str).find(|known| *known == name);
    let given: Option<BTreeSet<_>> = text.split(',').map(|name| known(name.trim())).collect();
    let detail =
        "`verdict` must be one or more of `ok`, `degraded`, `unknown` and `broken`, separated by commas";
    given.map(|given| given.into_iter().collect()).ok_or_else(|| Problem::parameter("verdict", detail))
}

fn code(text: &str) -> Result<&'static str, Problem> {
    let known = CHECKS.iter().map(|check| check.code).find(|code| *code == text);
    known.ok_or_else(|| {
        Problem::parameter("code", "`code` must be that of a check, as `/api/checks` lists them")
    })
}
