//! What proxies say of where a request came from: `Forwarded` (RFC 7239) and `X-Forwarded-For`.
//!
//! Each proxy appends whom it got the request from, so the entry of the nearest one is the last, and everything before the
//! first entry of an honest proxy is whatever the client wrote. The walk therefore begins at the connection and goes from
//! right to left, as long as the one who speaks is trusted. It never looks at the left end first.
//!
//! Proxies keep one of the two headers and pass the other on as they got it. A host that trusts a proxy should not have to know
//! which, so both are walked; where they disagree, somebody made one of them up, and the request counts as the proxy's own.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, header};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// How many entries are looked at. Chains are of two or three; what is longer is not walked to its end.
const MAX_HOPS: usize = 32;

/// Who sent a request, as far as those who are trusted can tell.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let standard =
        entries(headers, &header::FORWARDED).map(|entries| walk(peer, entries, standard_hop, &is_trusted));
    let usual = entries(headers, &X_FORWARDED_FOR).map(|entries| walk(peer, entries, hop, &is_trusted));
    match (standard, usual) {
        (Some(one), Some(other)) if one != other => peer,
        (Some(address), _) | (None, Some(address)) => address,
        (None, None) => peer,
    }
}

/// Whether the last of those who speak says that the client's connection to it is encrypted.
pub(super) fn is_https(headers: &HeaderMap) -> bool {
    let last = entries(headers, &X_FORWARDED_PROTO).and_then(|entries| entries.last().copied());
    last.is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"))
}

/// The entries of a list, over all lines of the header, in order; `None` when it is not there. What is no text is an entry
/// that nobody understands.
fn entries<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<&'a str>> {
    let lines = headers.get_all(name);
    let entries = lines.iter().flat_map(|line| line.to_str().unwrap_or("?").split(',').map(str::trim));
    let entries: Vec<_> = entries.collect();
    (!entries.is_empty()).then_some(entries)
}

/// Goes from the connection towards the client while the one who speaks is trusted. An entry that makes no sense ends the walk:
/// what is left of it was not said by anybody who is known.
fn walk(
    peer: IpAddr,
    entries: Vec<&str>,
    read: impl Fn(&str) -> Option<IpAddr>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> IpAddr {
    let mut speaker = peer;
    for entry in entries.into_iter().rev().take(MAX_HOPS) {
        if !is_trusted(speaker) {
            break;
        }
        match read(entry) {
            Some(address) => speaker = address,
            None => break,
        }
    }
    speaker
}

/// An address, with a port or without: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn hop(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(bracketed).or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

/// The `for` of one element of `Forwarded`, such as `for=192.0.2.1;proto=https` or `for="[2001:db8::1]:80"`.
fn standard_hop(element: &str) -> Option<IpAddr> {
    let mut given = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = given.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let value = value.trim();
    hop(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(given: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    /// Proxies are in 10.0.0.0/8.
    fn is_proxy(address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
    }

    fn client_of(given: &[(HeaderName, &str)]) -> String {
        client("10.0.0.1".parse().unwrap(), &headers(given), is_proxy).to_string()
    }

    #[test]
    fn the_right_most_that_is_not_trusted_is_the_client() {
        for (value, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("1.1.1.1, 203.0.113.9", "203.0.113.9"),
            ("1.1.1.1, 203.0.113.9, 10.0.0.2,10.0.0.3", "203.0.113.9"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            // All of them proxies: the farthest.
            ("10.0.0.9, 10.0.0.2", "10.0.0.9"),
            // What makes no sense ends the walk at the last who does.
            ("203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
            ("203.0.113.9, ", "10.0.0.1"),
            ("203.0.113.9,,10.0.0.2", "10.0.0.2"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client_of(&[(X_FORWARDED_FOR, value)]), expected, "{value}");
        }
    }

    #[test]
    fn the_standard_header_is_read_as_well() {
        for (value, expected) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("For=\"[2001:db8::1]:4711\";proto=https;by=10.0.0.1", "2001:db8::1"),
            ("for=1.1.1.1, proto=https ; for=203.0.113.9, for=10.0.0.2", "203.0.113.9"),
            ("for=_hidden", "10.0.0.1"),
            ("for=203.0.113.9, for=unknown, for=10.0.0.2", "10.0.0.2"),
            ("proto=https", "10.0.0.1"),
        ] {
            assert_eq!(client_of(&[(header::FORWARDED, value)]), expected, "{value}");
        }
    }

    #[test]
    fn lines_are_one_list() {
        let lines =
            [(X_FORWARDED_FOR, "1.1.1.1"), (X_FORWARDED_FOR, "203.0.113.9"), (X_FORWARDED_FOR, "10.0.0.2")];
        assert_eq!(client_of(&lines), "203.0.113.9");
    }

    #[test]
    fn who_makes_up_the_other_header_counts_as_the_proxy() {
        let both = |standard: &str, usual: &str| {
            client_of(&[(header::FORWARDED, standard), (X_FORWARDED_FOR, usual)])
        };
        assert_eq!(both("for=203.0.113.9", "203.0.113.9"), "203.0.113.9");
        assert_eq!(both("for=198.51.100.1", "203.0.113.9"), "10.0.0.1");
    }

    #[test]
    fn the_nearest_proxy_says_whether_it_was_encrypted() {
        for (value, expected) in [
            ("https", true),
            ("HTTPS", true),
            ("http", false),
            ("https, http", false),
            ("http,https", true),
            ("", false),
        ] {
            assert_eq!(is_https(&headers(&[(X_FORWARDED_PROTO, value)])), expected, "{value}");
        }
        assert!(!is_https(&HeaderMap::new()));
    }

    /// What may stand in an entry: a proxy, somebody else, or nonsense.
    fn entry() -> impl Strategy<Value = String> {
        prop_oneof![
            (0u8..4).prop_map(|last| format!("10.0.0.{last}")),
            (0u8..4).prop_map(|last| format!("203.0.113.{last}")),
            "[ -~&&[^,]]{0,12}",
        ]
    }

    proptest! {
        #[test]
        fn what_the_client_writes_changes_nothing(
            forged in proptest::collection::vec(entry(), 0..40),
            proxies in 0u8..4,
        ) {
            let honest = std::iter::once("203.0.113.200".to_owned()).chain((0..proxies).map(|at| format!("10.0.1.{at}")));
            let list: Vec<_> = forged.into_iter().chain(honest).collect();
            prop_assert_eq!(client_of(&[(X_FORWARDED_FOR, &list.join(", "))]), "203.0.113.200");
        }

        #[test]
        fn who_is_not_trusted_is_believed_nothing(value in "[ -~]{0,80}", standard in any::<bool>()) {
            let name = if standard { header::FORWARDED } else { X_FORWARDED_FOR };
            let peer: IpAddr = "203.0.113.1".parse().unwrap();
            prop_assert_eq!(client(peer, &headers(&[(name, &value)]), is_proxy), peer);
        }

        #[test]
        fn it_is_the_longest_trusted_suffix(list in proptest::collection::vec(entry(), 0..20)) {
            // The same, said the other way round: all who were believed are proxies, and the walk ends only where it must.
            let text = list.join(",");
            let found = client_of(&[(X_FORWARDED_FOR, &text)]);
            let mut chain = vec![Some("10.0.0.1".parse::<IpAddr>().unwrap())];
            chain.extend(text.split(',').map(str::trim).rev().map(hop));
            let at = chain.iter().position(|hop| hop.is_none_or(|address| !is_proxy(address))).unwrap_or(chain.len());
            let expected = match chain.get(at) {
                Some(Some(stranger)) => *stranger,
                _ => chain[at - 1].unwrap(),
            };
            prop_assert_eq!(found, expected.to_string());
        }
    }
}
