//! Paths that a route is for.

use std::fmt;

/// Which paths a route is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PathMatch {
    /// Every path.
    Any,
    /// This one.
    Exact(String),
    /// This one and all below it, element by element: `/a` is for `/a/b`, not for `/ab`.
    Prefix(String),
    /// All that begin with this text, whatever comes after it: `/a` is for `/ab`, too. As Istio and Traefik have it.
    TextPrefix(String),
    /// Those that a regular expression fits.
    RegularExpression(String),
    /// Whatever the controller takes it for.
    ImplementationSpecific(String),
}

impl PathMatch {
    /// The path of an ingress's rule. Without a type it is refused by the API server; here it is taken for the controller's business.
    #[must_use]
    pub fn of_ingress(path: Option<&str>, path_type: Option<&str>) -> Self {
        let text = path.unwrap_or_default();
        match path_type {
            Some("Exact") => Self::Exact(text.to_owned()),
            Some("Prefix") => Self::Prefix(text.to_owned()),
            _ if text.is_empty() => Self::Any,
            _ => Self::ImplementationSpecific(text.to_owned()),
        }
    }

    /// Whether a request's path, without its query, is one of these; `None` when only the controller knows.
    #[must_use]
    pub fn matches(&self, path: &str) -> Option<bool> {
        match self {
            Self::Any => Some(true),
            Self::Exact(exact) => Some(path == exact),
            Self::Prefix(prefix) => Some(has_prefix(path, prefix)),
            Self::TextPrefix(prefix) => Some(path.starts_with(prefix)),
            Self::RegularExpression(_) | Self::ImplementationSpecific(_) => None,
        }
    }

    /// The path, or the expression, as written; empty for any.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Any => "",
            Self::Exact(text)
            | Self::Prefix(text)
            | Self::TextPrefix(text)
            | Self::RegularExpression(text)
            | Self::ImplementationSpecific(text) => text,
        }
    }

    /// Its type's name, as objects write it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Any => "Any",
            Self::Exact(_) => "Exact",
            Self::Prefix(_) => "Prefix",
            Self::TextPrefix(_) => "TextPrefix",
            Self::RegularExpression(_) => "RegularExpression",
            Self::ImplementationSpecific(_) => "ImplementationSpecific",
        }
    }
}

/// Whether a path begins with a prefix, element by element. A slash at the end of either means nothing.
pub(super) fn has_prefix(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `/a` for exactly that, `/a/…` for all below it, `/a…` for all that begins so, `~ ^/a` for an expression, `/a (ImplementationSpecific)`.
impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("/…"),
            Self::Exact(text) => f.write_str(text),
            Self::Prefix(text) => write!(f, "{}/…", text.strip_suffix('/').unwrap_or(text)),
            Self::TextPrefix(text) => write!(f, "{text}…"),
            Self::RegularExpression(text) => write!(f, "~ {text}"),
            Self::ImplementationSpecific(text) => write!(f, "{text} (ImplementationSpecific)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_match_as_the_ingress_specification_says() {
        // Its table of examples: type, path, request, whether it matches.
        for (path_type, path, request, expected) in [
            ("Prefix", "/", "/anything", true),
            ("Exact", "/foo", "/foo", true),
            ("Exact", "/foo", "/bar", false),
            ("Exact", "/foo", "/foo/", false),
            ("Exact", "/foo/", "/foo", false),
            ("Prefix", "/foo", "/foo", true),
            ("Prefix", "/foo", "/foo/", true),
            ("Prefix", "/foo/", "/foo", true),
            ("Prefix", "/foo/", "/foo/", true),
            ("Prefix", "/aaa/bb", "/aaa/bbb", false),
            ("Prefix", "/aaa/bbb", "/aaa/bbb", true),
            ("Prefix", "/aaa/bbb/", "/aaa/bbb", true),
            ("Prefix", "/aaa/bbb", "/aaa/bbb/", true),
            ("Prefix", "/aaa/bbb", "/aaa/bbb/ccc", true),
            ("Prefix", "/aaa/bbb", "/aaa/bbbxyz", false),
            ("Prefix", "/aaa", "/ccc", false),
        ] {
            let matched = PathMatch::of_ingress(Some(path), Some(path_type)).matches(request);
            assert_eq!(matched, Some(expected), "{path_type} {path} for {request}");
        }
        assert_eq!(PathMatch::of_ingress(Some("/x"), Some("ImplementationSpecific")).matches("/x"), None);
        assert_eq!(PathMatch::of_ingress(None, Some("ImplementationSpecific")).matches("/x"), Some(true));
    }
}
