//! For which host a request is meant.
//!
//! What listens on loopback is reached by this computer's own programs, browsers among them. A web page elsewhere can't read
//! what they get from here, unless its own name resolves to 127.0.0.1 for a moment ("DNS rebinding"): then it is the same origin
//! as far as the browser is concerned. But the browser still says which name it asked for, and no name in the DNS of a stranger
//! is `localhost`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use http::header;
use http::uri::Authority;

use crate::problem::{Problem, ProblemType};
use crate::selector::is_dns_subdomain;

/// The hosts that a request may be meant for, whatever the port.
#[derive(Debug, Clone)]
pub struct Hosts {
    names: Arc<[String]>,
}

/// Something that can be no host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidHost {
    text: String,
}

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no host such as dashboard.example.com or 192.0.2.7 (without a port)", self.text)
    }
}

impl std::error::Error for InvalidHost {}

impl Hosts {
    /// `localhost`, `*.localhost`, the addresses of loopback, and these names or addresses.
    ///
    /// # Errors
    ///
    /// When one of them is neither a name nor an address.
    pub fn loopback_and<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, InvalidHost> {
        let names = names.into_iter().map(|name| {
            let name = name.as_ref().trim();
            let host = canonical(name);
            if is_dns_subdomain(&host) || address(&host).is_some() {
                Ok(host)
            } else {
                Err(InvalidHost { text: name.chars().take(80).collect() })
            }
        });
        names.collect::<Result<_, _>>().map(|names| Self { names })
    }

    /// Refuses a request for another host, or for none: whoever speaks HTTP/1.1 names one.
    pub(super) fn examine(&self, request: &Request) -> Result<(), Problem> {
        let mut named = Vec::new();
        // `:authority` of HTTP/2, and the URL of a request that was meant for a proxy.
        named.extend(request.uri().authority().map(|authority| Some(authority.clone())));
        named.extend(
            request
                .headers()
                .get_all(header::HOST)
                .iter()
                .map(|host| Authority::try_from(host.as_bytes()).ok()),
        );
        let is_allowed = |named: &Option<Authority>| named.as_ref().is_some_and(|named| self.allows(named));
        if !named.is_empty() && named.iter().all(is_allowed) {
            return Ok(());
        }
        let detail = "this program answers on this computer only: use localhost, or allow the host's name where it is started";
        Err(Problem::new(ProblemType::MisdirectedRequest, detail))
    }

    fn allows(&self, authority: &Authority) -> bool {
        if authority.as_str().contains('@') {
            return false;
        }
        let host = canonical(authority.host());
        host == "localhost"
            || host.ends_with(".localhost")
            || address(&host).is_some_and(|address| address.is_loopback())
            || self.names.contains(&host)
    }
}

/// Lower-case, without the dot that ends a full name, and without the brackets of IPv6.
fn canonical(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let host = host.strip_suffix('.').unwrap_or(host);
    address(host).map_or_else(|| host.to_ascii_lowercase(), |address| address.to_string())
}

fn address(host: &str) -> Option<IpAddr> {
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn allows(host: &str) -> bool {
        let hosts = Hosts::loopback_and(["dashboard.example.com", "192.0.2.7", "2001:DB8::7"]).unwrap();
        hosts.examine(&Request::get("/").header("host", host).body(Body::empty()).unwrap()).is_ok()
    }

    #[test]
    fn this_computer_and_what_is_allowed() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "localhost.",
            "a.b.localhost:1",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:80",
            "dashboard.example.com",
            "Dashboard.Example.com:8443",
            "192.0.2.7:80",
            "[2001:db8:0::7]:80",
        ] {
            assert!(allows(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "192.0.2.8",
            "0.0.0.0:8080",
            "[::]",
            "a.dashboard.example.com",
            "localhost@evil.example",
            "evil@localhost",
            "",
            "local host",
            "127.1",
        ] {
            assert!(!allows(host), "{host}");
        }
    }

    #[test]
    fn every_host_that_is_named_counts() {
        let hosts = Hosts::loopback_and::<&str>([]).unwrap();
        let examine = |uri: &str, named: &[&str]| {
            let request = named.iter().fold(Request::get(uri), |request, host| request.header("host", *host));
            hosts.examine(&request.body(Body::empty()).unwrap()).is_ok()
        };
        assert!(examine("http://localhost:8080/", &[]), "the authority of HTTP/2 is enough");
        assert!(!examine("http://evil.example/", &["localhost"]));
        assert!(!examine("http://localhost/", &["evil.example"]));
        assert!(!examine("/", &["localhost", "evil.example"]));
        assert!(!examine("/", &[]), "none");
    }

    #[test]
    fn what_is_no_host_is_named() {
        for name in ["https://a.example", "a.example:80", "a b", ""] {
            assert!(
                Hosts::loopback_and([name]).unwrap_err().to_string().contains(&format!("`{name}`")),
                "{name}"
            );
        }
    }
}
