//! Redis URLs, taken apart by hand: those of Sentinel and Cluster have several hosts, which no URL parser knows of.

use percent_encoding::percent_decode_str;

use super::config::{Address, Credentials, InvalidRedisConfig, Topology};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// What a URL tells.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) topology: Topology,
    pub(super) tls: bool,
    pub(super) credentials: Credentials,
    pub(super) database: u16,
}

enum Form {
    Single,
    Sentinel,
    Cluster,
}

/// Takes a URL apart; see [`RedisConfig::from_url`](super::RedisConfig::from_url).
pub(super) fn parse(url: &str) -> Result<Parsed, InvalidRedisConfig> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("url", SCHEMES))?;
    let (form, tls) = form(scheme)?;
    if rest.contains(['?', '#']) {
        return Err(wrong("url", "must end with its path: there are no options behind ? or #"));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((signed, hosts)) => (credentials(signed)?, hosts),
        None => (Credentials::default(), authority),
    };
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let (topology, database) = match form {
        Form::Single => {
            let [address] = <[Address; 1]>::try_from(addresses(hosts, REDIS_PORT)?)
                .map_err(|_| wrong("url", "several hosts need redis-cluster:// or redis-sentinel://"))?;
            (Topology::Single(address), database(parts.next())?)
        }
        Form::Sentinel => {
            let service = parts.next().ok_or_else(|| {
                wrong("url", "must name the service behind the Sentinels: redis-sentinel://HOST,HOST/SERVICE")
            })?;
            let service = decoded(service, "the service's name")?;
            (
                Topology::Sentinel { sentinels: addresses(hosts, SENTINEL_PORT)?, service },
                database(parts.next())?,
            )
        }
        Form::Cluster => {
            let database = database(parts.next())?;
            if database != 0 {
                return Err(wrong("database", "must be 0 with a Cluster, which has no other"));
            }
            (Topology::Cluster(addresses(hosts, REDIS_PORT)?), database)
        }
    };
    if parts.next().is_some() {
        return Err(wrong("url", "has too many parts in its path"));
    }
    Ok(Parsed { topology, tls, credentials, database })
}

const SCHEMES: &str = "must begin with redis://, redis-sentinel:// or redis-cluster://, or with rediss in place of redis for TLS";

fn form(scheme: &str) -> Result<(Form, bool), InvalidRedisConfig> {
    let (name, form) = match scheme.split_once('-') {
        None => (scheme, Form::Single),
        Some((name, "sentinel")) => (name, Form::Sentinel),
        Some((name, "cluster")) => (name, Form::Cluster),
        Some(_) => return Err(wrong("url", SCHEMES)),
    };
    match name {
        "redis" | "valkey" => Ok((form, false)),
        "rediss" | "valkeys" => Ok((form, true)),
        _ => Err(wrong("url", SCHEMES)),
    }
}

fn credentials(text: &str) -> Result<Credentials, InvalidRedisConfig> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    let some = |text: &str, what| (!text.is_empty()).then(|| decoded(text, what)).transpose();
    Ok(Credentials {
        user: some(user, "the user")?,
        password: some(password.unwrap_or(""), "the password")?.map(Into::into),
    })
}

fn decoded(text: &str, what: &str) -> Result<String, InvalidRedisConfig> {
    let text = percent_decode_str(text).decode_utf8();
    Ok(text
        .map_err(|_| wrong("url", format!("{what} is not UTF-8 when its percent signs are decoded")))?
        .into_owned())
}

fn addresses(hosts: &str, port: u16) -> Result<Vec<Address>, InvalidRedisConfig> {
    hosts.split(',').map(|host| address(host, port)).collect()
}

fn address(text: &str, port: u16) -> Result<Address, InvalidRedisConfig> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(text) => text.split_once(']').ok_or_else(|| wrong("url", "has a bracket that isn't closed"))?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(wrong("url", "must name a host"));
    }
    let port = match rest.strip_prefix(':') {
        Some(digits) => digits.parse().ok().filter(|port| *port != 0),
        None => rest.is_empty().then_some(port),
    };
    let port = port.ok_or_else(|| wrong("url", "has a port that is not a number of 1 to 65535"))?;
    Ok(Address { host: host.to_owned(), port })
}

fn database(text: Option<&str>) -> Result<u16, InvalidRedisConfig> {
    text.map_or(Ok(0), |text| text.parse().map_err(|_| wrong("database", "must be a number of 0 to 65535")))
}

fn wrong(field: &'static str, problem: impl Into<String>) -> InvalidRedisConfig {
    InvalidRedisConfig::new(field, problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::ExposeSecret as _;

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn each_form_is_read() {
        let single = parse("redis://127.0.0.1").unwrap();
        assert_eq!((single.topology, single.tls), (Topology::Single(at("127.0.0.1", 6379)), false));

        let tls = parse("rediss://cache:p%40ss:w%2Frd@[::1]:6380/3").unwrap();
        assert_eq!((tls.topology, tls.tls, tls.database), (Topology::Single(at("::1", 6380)), true, 3));
        assert_eq!(tls.credentials.user.as_deref(), Some("cache"));
        assert_eq!(tls.credentials.password.unwrap().expose_secret(), "p@ss:w/rd");

        let sentinel = parse("redis-sentinel://:secret@a,b:26380/main/1").unwrap();
        let sentinels = vec![at("a", 26379), at("b", 26380)];
        assert_eq!(sentinel.topology, Topology::Sentinel { sentinels, service: "main".to_owned() });
        assert_eq!((sentinel.credentials.user, sentinel.database), (None, 1));

        let cluster = parse("valkeys-cluster://a,b:7001,c").unwrap();
        assert_eq!(cluster.topology, Topology::Cluster(vec![at("a", 6379), at("b", 7001), at("c", 6379)]));
        assert!(cluster.tls);
    }

    #[test]
    fn what_is_wrong_is_named_and_never_quoted() {
        let wrong = [
            "",
            "localhost:6379",
            "http://hunter2",
            "redis-ring://hunter2",
            "redis://user:hunter2@",
            "redis://user:hunter2@host:99999",
            "redis://user:hunter2@host:0",
            "redis://user:hunter2@a,b",
            "redis://user:hunter2@host/hunter2",
            "redis://user:hunter2@host/1/2",
            "redis://user:hunter2@host?hunter2=1",
            "redis://user:hunter2%ff@host",
            "redis-sentinel://user:hunter2@a,b",
            "redis-cluster://user:hunter2@a,b/1",
            "redis://user:hunter2@[::1",
        ];
        for url in wrong {
            let error = parse(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(url in "(redis|rediss-cluster|valkey-sentinel)?(://)?[a-c:@,/\\[\\]%0-9]{0,24}") {
            drop(parse(&url));
        }
    }
}
