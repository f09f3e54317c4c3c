//! Hosts that a route is for.

use std::fmt;

/// Which hosts a route is for. Names are in lower case, without a trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HostPattern {
    /// Every host.
    Any,
    /// This one.
    Exact(String),
    /// Every host with exactly one label before this suffix, as Ingress has it. Without the `*.`.
    OneLabel(String),
    /// Every host with at least one label before this suffix, as Gateway API has it. Without the `*.`.
    Labels(String),
}

impl HostPattern {
    /// The host of an ingress's rule.
    #[must_use]
    pub fn of_ingress(host: Option<&str>) -> Self {
        Self::parse(host, Self::OneLabel)
    }

    /// A host name of Gateway API.
    #[must_use]
    pub fn of_gateway(hostname: Option<&str>) -> Self {
        Self::parse(hostname, Self::Labels)
    }

    fn parse(host: Option<&str>, wildcard: impl Fn(String) -> Self) -> Self {
        let host = host.map(normal).unwrap_or_default();
        match host.strip_prefix("*.") {
            _ if host.is_empty() || host == "*" => Self::Any,
            Some(suffix) => wildcard(suffix.to_owned()),
            None => Self::Exact(host),
        }
    }

    /// Whether a request's host, which may have a port, is one of these.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let host = normal(without_port(host));
        match self {
            Self::Any => true,
            Self::Exact(name) => *name == host,
            Self::OneLabel(suffix) => before(&host, suffix).is_some_and(|label| !label.contains('.')),
            Self::Labels(suffix) => before(&host, suffix).is_some(),
        }
    }

    /// The hosts that both are for; `None` when there are none. This is how a listener's host name and a route's meet in Gateway API.
    #[must_use]
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, hosts) | (hosts, Self::Any) => Some(hosts.clone()),
            (Self::Exact(name), pattern) | (pattern, Self::Exact(name)) => {
                pattern.matches(name).then(|| Self::Exact(name.clone()))
            }
            (Self::OneLabel(one), Self::OneLabel(suffix)) => {
                (one == suffix).then(|| Self::OneLabel(one.clone()))
            }
            (Self::OneLabel(one), Self::Labels(suffix)) | (Self::Labels(suffix), Self::OneLabel(one)) => {
                (one == suffix || before(one, suffix).is_some()).then(|| Self::OneLabel(one.clone()))
            }
            (Self::Labels(one), Self::Labels(suffix)) if one == suffix || before(one, suffix).is_some() => {
                Some(Self::Labels(one.clone()))
            }
            (Self::Labels(one), Self::Labels(suffix)) => {
                before(suffix, one).map(|_| Self::Labels(suffix.clone()))
            }
        }
    }

    /// How much it says of a host: an exact name more than a wildcard, a long one more than a short one, and any nothing.
    #[must_use]
    pub fn specificity(&self) -> (u8, usize) {
        match self {
            Self::Any => (0, 0),
            Self::OneLabel(suffix) | Self::Labels(suffix) => (1, suffix.len()),
            Self::Exact(name) => (2, name.len()),
        }
    }

    /// The host as an object writes it; `None` for any.
    #[must_use]
    pub fn written(&self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::Exact(name) => Some(name.clone()),
            Self::OneLabel(suffix) | Self::Labels(suffix) => Some(format!("*.{suffix}")),
        }
    }
}

/// What comes before a suffix and its dot; `None` when nothing does.
fn before<'a>(host: &'a str, suffix: &str) -> Option<&'a str> {
    host.strip_suffix(suffix)?
        .strip_suffix('.')
        .filter(|labels| !labels.is_empty() && !labels.starts_with('.'))
}

pub(super) fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Without a port; the brackets of an IPv6 address stay.
pub(super) fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

/// As written; `*` for any.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.written().as_deref().unwrap_or("*"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_of_ingress_are_one_label() {
        // The table of the Ingress specification.
        let wildcard = HostPattern::of_ingress(Some("*.foo.com"));
        assert!(wildcard.matches("bar.foo.com"));
        assert!(!wildcard.matches("baz.bar.foo.com") && !wildcard.matches("foo.com"));
        assert!(!wildcard.matches(".foo.com") && !wildcard.matches("barfoo.com"));
    }

    #[test]
    fn wildcards_of_gateway_api_are_any_number_of_labels() {
        let wildcard = HostPattern::of_gateway(Some("*.example.com"));
        assert!(wildcard.matches("test.example.com") && wildcard.matches("foo.test.example.com"));
        assert!(!wildcard.matches("example.com"));
    }

    #[test]
    fn hosts_are_compared_as_names() {
        let exact = HostPattern::of_ingress(Some("Shop.Example.com"));
        for same in ["shop.example.com", "SHOP.example.com.", "shop.example.com:8443"] {
            assert!(exact.matches(same), "{same}");
        }
        assert!(!exact.matches("shop.example.com.evil.org"));
        assert!(HostPattern::of_ingress(None).matches("[::1]:80"));
        assert_eq!(HostPattern::of_ingress(Some("")), HostPattern::Any);
        assert!(HostPattern::Exact("[::1]".into()).matches("[::1]:80"));
    }

    #[test]
    fn host_names_of_listeners_and_routes_intersect_as_gateway_api_says() {
        for (listener, route, both) in [
            ("", "", Some("*")),
            ("", "foo.example.com", Some("foo.example.com")),
            ("*.example.com", "", Some("*.example.com")),
            // The examples of the specification of HTTPRoute's host names.
            ("test.example.com", "*.example.com", Some("test.example.com")),
            ("*.example.com", "*.example.com", Some("*.example.com")),
            ("*.example.com", "test.example.com", Some("test.example.com")),
            ("*.example.com", "foo.test.example.com", Some("foo.test.example.com")),
            ("*.example.com", "example.com", None),
            ("*.example.com", "test.example.net", None),
            ("test.example.com", "example.com", None),
            ("test.example.com", "other.example.com", None),
            ("*.example.com", "*.deep.example.com", Some("*.deep.example.com")),
            ("*.deep.example.com", "*.example.com", Some("*.deep.example.com")),
            ("*.example.com", "*.badexample.com", None),
        ] {
            let pattern = |text| HostPattern::of_gateway(Some(text));
            let found = pattern(listener).intersect(&pattern(route)).map(|host| host.to_string());
            assert_eq!(found.as_deref(), both, "{listener} with {route}");
            let found = pattern(route).intersect(&pattern(listener)).map(|host| host.to_string());
            assert_eq!(found.as_deref(), both, "{route} with {listener}");
        }
    }
}
