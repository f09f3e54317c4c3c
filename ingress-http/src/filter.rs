//! Which ingresses a request is about.
//!
//! A filter is parsed once and then only compares: it borrows from the record, and looks at the cheap fields first. The
//! list and the stream use the same filter, so that what one shows, the other follows.

use std::collections::BTreeSet;

use ingress_core::kind::Backend;
use ingress_core::{Ingress, Kind as _, LaneId, Namespace};

use crate::params::Params;
use crate::problem::Problem;
use crate::selector::{Selector, is_dns_subdomain};

/// The longest value of `search`, `host`, `class` and one `label`, in bytes. A filter is compared with every object, so its size
/// is work; the longest names that Kubernetes allows are 253.
const MAX_VALUE: usize = 1024;
/// The most words of `search`.
const MAX_WORDS: usize = 16;
/// How often `label` may be given.
const MAX_SELECTORS: usize = 16;
/// The most requirements of one `label`.
const MAX_REQUIREMENTS: usize = 32;
/// The most names in `namespaces`.
const MAX_NAMESPACES: usize = 256;

/// What must hold of an ingress to be shown. Equal filters hash equally, which is what cursors and tags rely on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Filter {
    /// `None` means all.
    namespaces: Option<BTreeSet<Namespace>>,
    /// Lower-case, each once.
    words: BTreeSet<String>,
    host: Option<Host>,
    /// Empty means: names none.
    class: Option<String>,
    labels: Vec<Selector>,
    tls: Option<bool>,
}

impl Filter {
    /// Takes the filter's parameters out of a query.
    pub(crate) fn take(params: &mut Params) -> Result<Self, Problem> {
        let labels = params.all("label");
        at_most("label", labels.len(), MAX_SELECTORS, "selectors")?;
        let labels = labels.iter().map(|text| label(text)).collect::<Result<_, _>>()?;
        Ok(Self {
            namespaces: namespaces(params)?,
            words: one(params, "search")?.as_deref().map(words).transpose()?.unwrap_or_default(),
            host: one(params, "host")?.as_deref().map(Host::parse).transpose()?,
            class: one(params, "class")?,
            labels,
            tls: tls(params)?,
        })
    }

    /// Everything in one namespace.
    pub(crate) fn of_namespace(namespace: Namespace) -> Self {
        Self { namespaces: Some(BTreeSet::from([namespace])), ..Self::default() }
    }

    /// The namespaces asked for; `None` means all.
    pub(crate) fn namespaces(&self) -> Option<&BTreeSet<Namespace>> {
        self.namespaces.as_ref()
    }

    /// Whether an ingress is shown.
    pub(crate) fn matches(&self, ingress: &Ingress) -> bool {
        self.namespace_matches(ingress)
            && self.class.as_deref().is_none_or(|class| ingress.class().unwrap_or_default() == class)
            && self.tls.is_none_or(|tls| ingress.tls().is_empty() != tls)
            && self.labels_match(ingress)
            && self.host.as_ref().is_none_or(|host| host.matches(ingress))
            && self.words_match(ingress)
    }

    /// Whether a lane may feed anything that is shown.
    pub(crate) fn concerns_lane(&self, lane: &LaneId) -> bool {
        match (&self.namespaces, lane.scope.namespace()) {
            (Some(wanted), Some(namespace)) => wanted.contains(namespace),
            _ => true,
        }
    }

    fn namespace_matches(&self, ingress: &Ingress) -> bool {
        self.namespaces.as_ref().is_none_or(|wanted| {
            let namespace = ingress.namespace().unwrap_or_default();
            wanted.iter().any(|wanted| wanted.as_str() == namespace)
        })
    }

    fn labels_match(&self, ingress: &Ingress) -> bool {
        if self.labels.is_empty() {
            return true;
        }
        let labels = ingress.labels();
        self.labels.iter().all(|selector| selector.matches(&labels))
    }

    fn words_match(&self, ingress: &Ingress) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let (rules, default_backend) = (ingress.rules(), ingress.default_backend());
        let paths = || rules.iter().flat_map(|rule| &rule.paths);
        let texts = || {
            [ingress.name(), ingress.namespace().unwrap_or_default()]
                .into_iter()
                .chain(rules.iter().filter_map(|rule| rule.host))
                .chain(paths().filter_map(|path| path.path))
                .chain(paths().filter_map(|path| path.backend.as_ref().map(Backend::name)))
                .chain(default_backend.as_ref().map(Backend::name))
        };
        self.words.iter().all(|word| texts().any(|text| occurs(word, text)))
    }
}

/// Takes a parameter that may be given once, if it is not too long.
pub(crate) fn one(params: &mut Params, name: &str) -> Result<Option<String>, Problem> {
    let value = params.one(name)?;
    at_most(name, value.as_deref().map_or(0, str::len), MAX_VALUE, "bytes")?;
    Ok(value)
}

pub(crate) fn at_most(name: &str, count: usize, most: usize, what: &str) -> Result<(), Problem> {
    if count <= most {
        return Ok(());
    }
    Err(Problem::parameter(name, format!("`{name}` has {count} {what}; the limit is {most}")))
}

pub(crate) fn words(text: &str) -> Result<BTreeSet<String>, Problem> {
    let words: BTreeSet<_> = text.split_whitespace().map(str::to_lowercase).collect();
    at_most("search", words.len(), MAX_WORDS, "words")?;
    Ok(words)
}

fn label(text: &str) -> Result<Selector, Problem> {
    at_most("label", text.len(), MAX_VALUE, "bytes")?;
    let selector =
        Selector::parse(text).map_err(|why| Problem::parameter("label", format!("`label`: {why}")))?;
    at_most("label", selector.len(), MAX_REQUIREMENTS, "requirements")?;
    Ok(selector)
}

pub(crate) fn namespaces(params: &mut Params) -> Result<Option<BTreeSet<Namespace>>, Problem> {
    let parse = |name: &str, text: &str| {
        Namespace::new(text).map_err(|error| Problem::parameter(name, format!("`{name}`: {error}")))
    };
    match (params.one("namespace")?, params.one("namespaces")?) {
        (None, None) => Ok(None),
        (Some(one), None) => Ok(Some(BTreeSet::from([parse("namespace", &one)?]))),
        (None, Some(several)) => {
            at_most("namespaces", several.split(',').count(), MAX_NAMESPACES, "names")?;
            let names = several.split(',').map(|text| parse("namespaces", text.trim()));
            names.collect::<Result<_, _>>().map(Some)
        }
        (Some(_), Some(_)) => {
            Err(Problem::parameter("namespaces", "`namespace` and `namespaces` exclude each other"))
        }
    }
}

pub(crate) fn tls(params: &mut Params) -> Result<Option<bool>, Problem> {
    match params.one("tls")?.as_deref() {
        None => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(Problem::parameter("tls", "`tls` must be `true` or `false`")),
    }
}

/// Whether a lower-case word occurs in a text, whatever its case.
pub(crate) fn occurs(word: &str, text: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(word);
    }
    // Nearly every text is ASCII, and then nothing needs to be copied.
    text.as_bytes().windows(word.len().max(1)).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

/// A hostname to look for, lower-case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Host(String);

impl Host {
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let host = text.to_ascii_lowercase();
        if is_dns_subdomain(host.strip_prefix("*.").unwrap_or(&host)) {
            Ok(Self(host))
        } else {
            Err(Problem::parameter("host", "`host` must be a hostname, such as `shop.example.com`"))
        }
    }

    fn matches(&self, ingress: &Ingress) -> bool {
        ingress.rules().iter().filter_map(|rule| rule.host).any(|host| self.is_covered_by(host))
    }

    /// The hostname, or the wildcard.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    // A wildcard covers exactly one label: `*.example.com` covers `a.example.com`, neither `example.com` nor
    // `a.b.example.com`.
    fn is_covered_by(&self, host: &str) -> bool {
        if host.eq_ignore_ascii_case(&self.0) {
            return true;
        }
        match (host.strip_prefix("*."), self.0.split_once('.')) {
            (Some(domain), Some((label, rest))) => label != "*" && domain.eq_ignore_ascii_case(rest),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
