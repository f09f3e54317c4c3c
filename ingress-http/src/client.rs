//! Whose request it is: the address, behind proxies that are trusted, and whether the way to it is encrypted.
//!
//! Limits are only as good as the name they are kept by. A request names its own peer, which nobody can forge over TCP;
//! headers such as `X-Forwarded-For` name whoever the sender likes. So they count only where the host said which proxies
//! to trust, and only as far as those proxies vouch for them (`client/forwarded.rs`). Without a peer, as with an `axum::serve` that
//! does not record it, everybody is one and the same stranger.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap};
use ingress_core::access::UserInfo;
use ipnet::IpNet;

use crate::transport::Transport;

mod forwarded;

/// Who sent a request: the address of its connection, or the one that trusted proxies name. The router puts it into the request's
/// extensions; absent where the server does not tell (see [`axum::extract::ConnectInfo`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// The address; IPv4 in IPv6 (`::ffff:…`) is written as IPv4.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        self.0
    }
}

/// That the client's way to the first proxy was encrypted, as a trusted one says.
#[derive(Debug, Clone, Copy)]
struct SecureAtProxy;

/// That the request came by way of a proxy that is trusted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FromTrusted;

/// Whether the client's connection is encrypted: by this process, or by a trusted proxy that says so (`X-Forwarded-Proto`). Known
/// within the router only; elsewhere of [`Transport`] alone.
#[must_use]
pub fn is_secure(extensions: &Extensions) -> bool {
    extensions.get::<SecureAtProxy>().is_some()
        || extensions.get::<Transport>().is_some_and(|transport| transport.tls)
}

/// The proxies whose word counts. Empty trusts none.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// Something that is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidProxy {
    text: String,
}

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no network such as 10.0.0.0/8, and no address", self.text)
    }
}

impl std::error::Error for InvalidProxy {}

impl TrustedProxies {
    /// Networks (`10.0.0.0/8`, `fd00::/8`) and single addresses.
    ///
    /// # Errors
    ///
    /// When one of them is neither.
    pub fn new<S: AsRef<str>>(networks: impl IntoIterator<Item = S>) -> Result<Self, InvalidProxy> {
        let networks = networks.into_iter().map(|text| {
            let text = text.as_ref().trim();
            let network = IpNet::from_str(text).or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| InvalidProxy { text: text.chars().take(80).collect() })
        });
        networks.collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is one of theirs; of IPv4 in IPv6, give the IPv4.
    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Works out who sent a request, and leaves it in its extensions.
    pub(crate) fn identify(&self, extensions: &mut Extensions, headers: &HeaderMap) {
        let Some(ConnectInfo(peer)) = extensions.get::<ConnectInfo<SocketAddr>>() else { return };
        let peer = peer.ip().to_canonical();
        if self.contains(peer) {
            extensions.insert(FromTrusted);
            if forwarded::is_https(headers) {
                extensions.insert(SecureAtProxy);
            }
        }
        extensions.insert(ClientAddress(forwarded::client(peer, headers, |address| self.contains(address))));
    }
}

/// Whom a limit is kept for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Client {
    /// Somebody who is known.
    User(UserKey),
    /// Somebody who is not, by address.
    Address(AddressKey),
    /// All for whom there is no place any more: they share what one has.
    Crowd,
}

impl Client {
    /// Who is known counts as themselves, wherever they are; anybody else as their address.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        match UserKey::of(extensions) {
            Some(user) => Self::User(user),
            None => Self::Address(AddressKey::of(extensions)),
        }
    }
}

/// Somebody, by name and uid: who gets into another group is still the same.
#[derive(Debug, Clone)]
pub(crate) struct UserKey(Arc<UserInfo>);

impl UserKey {
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get::<Arc<UserInfo>>().map(|user| Self(user.clone()))
    }

    fn identity(&self) -> (&str, &str) {
        (&self.0.username, &self.0.uid)
    }
}

impl PartialEq for UserKey {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for UserKey {}

impl Hash for UserKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// An address as a limit knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AddressKey {
    /// Of IPv6 the first 64 bits: a single machine has all the others to choose from (RFC 4291, section 2.5.4).
    Known(IpAddr),
    /// Nobody told: all of them together.
    Unknown,
}

impl AddressKey {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        match extensions.get::<ClientAddress>().map(|address| address.ip()) {
            None => Self::Unknown,
            Some(IpAddr::V4(address)) => Self::Known(IpAddr::V4(address)),
            Some(IpAddr::V6(address)) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                Self::Known(IpAddr::V6(Ipv6Addr::from(network)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identified(peer: &str, trusted: &[&str], headers: &[(&'static str, &str)]) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        TrustedProxies::new(trusted).unwrap().identify(&mut extensions, &headers.collect());
        extensions
    }

    fn address(extensions: &Extensions) -> String {
        extensions.get::<ClientAddress>().unwrap().ip().to_string()
    }

    #[test]
    fn only_trusted_proxies_name_another() {
        let headers = [("x-forwarded-for", "203.0.113.9"), ("x-forwarded-proto", "https")];
        let direct = identified("192.0.2.7:1000", &["10.0.0.0/8"], &headers);
        assert_eq!(address(&direct), "192.0.2.7");
        assert!(!is_secure(&direct));
        let proxied = identified("10.1.2.3:1000", &["10.0.0.0/8"], &headers);
        assert_eq!(address(&proxied), "203.0.113.9");
        assert!(is_secure(&proxied));
        let mapped = identified("[::ffff:10.1.2.3]:1000", &["10.1.2.3"], &headers);
        assert_eq!(address(&mapped), "203.0.113.9", "IPv4 in IPv6 is IPv4");
    }

    #[test]
    fn nobody_is_known_without_a_peer() {
        let mut extensions = Extensions::new();
        TrustedProxies::default().identify(&mut extensions, &HeaderMap::new());
        assert_eq!(Client::of(&extensions), Client::Address(AddressKey::Unknown));
        extensions.insert(Transport::TLS);
        assert!(is_secure(&extensions));
    }

    #[test]
    fn one_machine_is_one_client() {
        let key = |peer: &str| AddressKey::of(&identified(peer, &[], &[]));
        assert_eq!(key("[2001:db8::1]:1"), key("[2001:db8::ffff:0:2]:2"));
        assert_ne!(key("[2001:db8::1]:1"), key("[2001:db8:0:1::1]:1"));
        assert_eq!(key("192.0.2.1:1"), key("192.0.2.1:2"));
        assert_ne!(key("192.0.2.1:1"), key("192.0.2.2:1"));
    }

    #[test]
    fn who_is_known_counts_as_themselves() {
        let mut extensions = identified("192.0.2.1:1", &[], &[]);
        extensions.insert(Arc::new(UserInfo::new("ann", ["staff"])));
        let here = Client::of(&extensions);
        let mut elsewhere = identified("192.0.2.2:1", &[], &[]);
        elsewhere.insert(Arc::new(UserInfo::new("ann", ["staff", "on-call"])));
        assert_eq!(here, Client::of(&elsewhere));
    }

    #[test]
    fn what_is_no_network_is_named() {
        let error = TrustedProxies::new(["10.0.0.0/8", "proxy.example.com"]).unwrap_err();
        assert_eq!(error.to_string(), "`proxy.example.com` is no network such as 10.0.0.0/8, and no address");
    }
}
