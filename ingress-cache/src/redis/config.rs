//! Where Redis is, who asks, and how long one waits for it.
//!
//! Everything is checked when the configuration is made, so that a mistake shows at the start of a program and not at its first
//! command. Passwords are kept as secrets: neither `Debug` nor an error tells one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::address;

/// A configuration that makes no sense: which field, what is wrong with it, and what would be right. It quotes nothing of what was
/// given, since that may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("redis {field}: {problem}")]
pub struct InvalidRedisConfig {
    field: &'static str,
    problem: String,
}

impl InvalidRedisConfig {
    pub(super) fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field, problem: problem.into() }
    }

    /// The field at fault.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }
}

/// One address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// How the servers belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Topology {
    /// One server, or a name that always leads to the right one.
    Single(Address),
    /// Sentinels that know which server is the master of `service`.
    Sentinel { sentinels: Vec<Address>, service: String },
    /// Some nodes of a cluster, which know the others.
    Cluster(Vec<Address>),
}

/// A user and a password, of which either may be missing.
#[derive(Debug, Clone, Default)]
pub(super) struct Credentials {
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretString>,
}

/// Where Redis (or Valkey) is and how it is spoken to.
///
/// ```
/// use std::time::Duration;
/// use ingress_cache::redis::RedisConfig;
///
/// let config = RedisConfig::from_url("rediss://cache:secret@redis.example:6380/2")?
///     .prefix("production")?
///     .timeout(Duration::from_millis(20))?;
/// assert!(!format!("{config:?}").contains("secret"));
/// # Ok::<(), ingress_cache::redis::InvalidRedisConfig>(())
/// ```
#[derive(Debug, Clone)]
pub struct RedisConfig {
    pub(super) topology: Topology,
    pub(super) tls: bool,
    pub(super) roots: Option<Roots>,
    pub(super) credentials: Credentials,
    pub(super) sentinel_credentials: Credentials,
    pub(super) database: u16,
    pub(super) prefix: Box<str>,
    pub(super) timeout: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) connections: usize,
}

/// Certificates of authorities, as PEM.
#[derive(Clone)]
pub(super) struct Roots(pub(super) Vec<u8>);

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of PEM", self.0.len())
    }
}

impl RedisConfig {
    /// Reads a URL. Its scheme tells how the servers belong together:
    ///
    /// | URL | means |
    /// |---|---|
    /// | `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]` | one server |
    /// | `redis-sentinel://[USER:PASSWORD@]HOST[:PORT],…/SERVICE[/DATABASE]` | the master that these Sentinels name |
    /// | `redis-cluster://[USER:PASSWORD@]HOST[:PORT],…` | the Cluster that these nodes belong to |
    ///
    /// With `rediss` instead of `redis`, TLS is spoken; `valkey` and `valkeys` mean the same. User and password are
    /// percent-encoded, ports are 6379 (26379 for Sentinels) if none is given, and IPv6 addresses stand in brackets. User and
    /// password are for the servers; those of Sentinels are given with [`sentinel_credentials`](Self::sentinel_credentials).
    ///
    /// # Errors
    ///
    /// When it can't be read; the error names the part at fault and never quotes it.
    pub fn from_url(url: &str) -> Result<Self, InvalidRedisConfig> {
        let parsed = address::parse(url)?;
        Ok(Self {
            topology: parsed.topology,
            tls: parsed.tls,
            roots: None,
            credentials: parsed.credentials,
            sentinel_credentials: Credentials::default(),
            database: parsed.database,
            prefix: "ingress".into(),
            timeout: Duration::from_millis(50),
            connect_timeout: Duration::from_secs(1),
            connections: 2,
        })
    }

    /// Sets user and password; `None` is the default user. For those who don't want them in a URL.
    #[must_use]
    pub fn credentials(mut self, user: Option<&str>, password: SecretString) -> Self {
        self.credentials = Credentials { user: user.map(Into::into), password: Some(password) };
        self
    }

    /// Sets user and password of the Sentinels, which have their own.
    #[must_use]
    pub fn sentinel_credentials(mut self, user: Option<&str>, password: SecretString) -> Self {
        self.sentinel_credentials = Credentials { user: user.map(Into::into), password: Some(password) };
        self
    }

    /// Sets what every key begins with, `ingress` by default: fleets that share a Redis need different ones. 1 to 64 characters of
    /// `a-z`, `A-Z`, `0-9`, `-`, `_` and `.`.
    ///
    /// # Errors
    ///
    /// When it is longer or has other characters.
    pub fn prefix(mut self, prefix: &str) -> Result<Self, InvalidRedisConfig> {
        let fits = (1..=64).contains(&prefix.len())
            && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !fits {
            return Err(InvalidRedisConfig::new(
                "prefix",
                "must be 1 to 64 letters, digits, dashes, underscores or dots",
            ));
        }
        self.prefix = prefix.into();
        Ok(self)
    }

    /// Sets how long a command may take, connecting included; 50 ms by default, 1 ms to 10 s. What takes longer is given up, which costs
    /// a look-up its answer and nothing else.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn timeout(mut self, timeout: Duration) -> Result<Self, InvalidRedisConfig> {
        if !(Duration::from_millis(1)..=Duration::from_secs(10)).contains(&timeout) {
            return Err(InvalidRedisConfig::new("timeout", "must be 1 ms to 10 s"));
        }
        self.timeout = timeout;
        Ok(self)
    }

    /// Sets how long making a connection may take, with TLS, sign-in and, with Sentinel, asking for the master; 1 s by default,
    /// 10 ms to 60 s. No command waits for it longer than for its own timeout.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn connect_timeout(mut self, timeout: Duration) -> Result<Self, InvalidRedisConfig> {
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&timeout) {
            return Err(InvalidRedisConfig::new("connect_timeout", "must be 10 ms to 60 s"));
        }
        self.connect_timeout = timeout;
        Ok(self)
    }

    /// Sets how many connections commands share; 2 by default, 1 to 32. Each carries any number of commands at the same time, so that more
    /// of them help only where single values are large. With a Cluster it is that many per node.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn connections(mut self, connections: usize) -> Result<Self, InvalidRedisConfig> {
        if !(1..=32).contains(&connections) {
            return Err(InvalidRedisConfig::new("connections", "must be 1 to 32"));
        }
        self.connections = connections;
        Ok(self)
    }

    /// Sets the authorities whose certificates are believed, instead of the system's: PEM.
    ///
    /// # Errors
    ///
    /// When the URL doesn't ask for TLS, or there is no certificate in it.
    pub fn tls_roots(mut self, pem: &[u8]) -> Result<Self, InvalidRedisConfig> {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;
        if !self.tls {
            return Err(InvalidRedisConfig::new(
                "tls_roots",
                "are of no use without TLS: the URL must begin with rediss",
            ));
        }
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        if !certificates.is_ok_and(|certificates| !certificates.is_empty()) {
            return Err(InvalidRedisConfig::new("tls_roots", "must be at least one certificate as PEM"));
        }
        self.roots = Some(Roots(pem.to_vec()));
        Ok(self)
    }

    /// The addresses in a form to show people: no user, no password.
    #[must_use]
    pub fn place(&self) -> String {
        let list = |all: &[Address]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match &self.topology {
            Topology::Single(address) => address.to_string(),
            Topology::Sentinel { sentinels, service } => {
                format!("{service} of the Sentinels {}", list(sentinels))
            }
            Topology::Cluster(nodes) => format!("the Cluster of {}", list(nodes)),
        }
    }
}

impl FromStr for RedisConfig {
    type Err = InvalidRedisConfig;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::from_url(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> RedisConfig {
        RedisConfig::from_url("redis://user:hunter2@localhost").unwrap()
    }

    #[test]
    fn nothing_shows_a_password() {
        let config = config().sentinel_credentials(Some("watch"), "hunter3".to_owned().into());
        let shown = format!("{config:?} {}", config.place());
        assert!(!shown.contains("hunter"), "{shown}");
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_by_name() {
        let second = Duration::from_secs(1);
        let field = |result: Result<RedisConfig, InvalidRedisConfig>| result.unwrap_err().field();
        assert_eq!(field(config().prefix("a:b")), "prefix");
        assert_eq!(field(config().prefix("")), "prefix");
        assert_eq!(field(config().timeout(second * 11)), "timeout");
        assert_eq!(field(config().timeout(Duration::ZERO)), "timeout");
        assert_eq!(field(config().connect_timeout(second * 61)), "connect_timeout");
        assert_eq!(field(config().connections(0)), "connections");
        assert_eq!(field(config().tls_roots(b"")), "tls_roots");
        let tls = RedisConfig::from_url("rediss://localhost").unwrap();
        assert_eq!(field(tls.tls_roots(b"no certificate")), "tls_roots");
    }
}
