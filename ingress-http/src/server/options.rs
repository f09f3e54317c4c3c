//! What a server can be told, and the bounds that it can't be talked out of.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::life::Patience;
use super::stats::ServerStats;
use super::tls::Tls;
use super::{Server, Settings};
use crate::dashboard::InvalidOption;

/// How long a peer may take for a TLS handshake, unless configured otherwise.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take for a request's head, unless configured otherwise.
pub const DEFAULT_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a peer may take for a request's body, unless configured otherwise.
pub const DEFAULT_BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is kept open for another request, unless configured otherwise: longer than most proxies keep theirs,
/// so that it is the proxy that closes and none of its requests meets a closed connection.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(75);
/// How long a peer may take nothing of what is sent, unless configured otherwise.
pub const DEFAULT_WRITE_STALL: Duration = Duration::from_secs(30);
/// How long connections have to finish once the server is to stop, unless configured otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(3);
/// How many connections there may be at a time, unless configured otherwise: some more than streams.
pub const DEFAULT_MAX_CONNECTIONS: usize = 12_000;

/// The size of a request's head, in bytes: its line and headers over HTTP/1.1, its decoded headers over HTTP/2. More is answered
/// 431.
pub const HEAD: usize = 16 * 1024;
/// The number of a request's headers. More is answered 431.
pub const MAX_HEADERS: usize = 100;
/// The length of a request's path and query, in bytes. A longer one that still is within [`HEAD`] is answered 414.
pub const MAX_URI: usize = 8 * 1024;
/// How many requests one HTTP/2 connection may have at a time.
pub const MAX_STREAMS: u32 = 64;

/// How often an HTTP/2 peer is asked whether it is there, and how long it may take to answer.
pub(super) const PING_EVERY: Duration = Duration::from_secs(30);
pub(super) const PING_PATIENCE: Duration = Duration::from_secs(20);

const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);
const GRACES: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(600);
const RELOADS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(3600);

/// What each connection knows of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) handshake: Duration,
    pub(super) head: Duration,
    pub(super) body: Duration,
    pub(super) idle: Duration,
    pub(super) write_stall: Duration,
}

impl Limits {
    pub(super) fn patience(&self) -> Patience {
        Patience { head: self.head, idle: self.idle }
    }
}

/// Configures a [`Server`].
#[derive(Clone)]
pub struct ServerBuilder {
    settings: Settings,
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder").field("settings", &self.settings).finish()
    }
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        let limits = Limits {
            handshake: DEFAULT_HANDSHAKE_TIMEOUT,
            head: DEFAULT_HEAD_TIMEOUT,
            body: DEFAULT_BODY_TIMEOUT,
            idle: DEFAULT_IDLE_TIMEOUT,
            write_stall: DEFAULT_WRITE_STALL,
        };
        let settings = Settings {
            limits,
            grace: DEFAULT_GRACE,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            max_per_address: None,
            tls: None,
            reload_every: super::tls::DEFAULT_RELOAD,
            stats: ServerStats::new(),
        };
        Self { settings }
    }

    /// Serves HTTPS, and nothing else, with this certificate; clear text unless set.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.settings.tls = Some(tls);
        self
    }

    /// Sets how often the certificate's files are looked at; 100 ms to an hour, 5 s unless set.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn tls_reload(mut self, every: Duration) -> Result<Self, InvalidOption> {
        self.settings.reload_every = InvalidOption::within("tls_reload", every, RELOADS)?;
        Ok(self)
    }

    /// Sets how long a peer may take for a TLS handshake; 100 ms to 10 min, [`DEFAULT_HANDSHAKE_TIMEOUT`] unless set.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Result<Self, InvalidOption> {
        self.settings.limits.handshake = InvalidOption::within("handshake_timeout", timeout, TIMEOUTS)?;
        Ok(self)
    }

    /// Sets how long a peer may take for a request's head, from the moment when the connection is open, or from the head's first
    /// byte if there was a request before; 100 ms to 10 min, [`DEFAULT_HEAD_TIMEOUT`] unless set. An HTTP/2 connection that was
    /// asked before has its idle time instead.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn head_timeout(mut self, timeout: Duration) -> Result<Self, InvalidOption> {
        self.settings.limits.head = InvalidOption::within("head_timeout", timeout, TIMEOUTS)?;
        Ok(self)
    }

    /// Sets how long a peer may take for a request's body, from the moment when it is waited for; 100 ms to 10 min,
    /// [`DEFAULT_BODY_TIMEOUT`] unless set. Who reads the body sees an error then.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn body_timeout(mut self, timeout: Duration) -> Result<Self, InvalidOption> {
        self.settings.limits.body = InvalidOption::within("body_timeout", timeout, TIMEOUTS)?;
        Ok(self)
    }

    /// Sets how long a connection without a request is kept open after the last one; 100 ms to 10 min,
    /// [`DEFAULT_IDLE_TIMEOUT`] unless set.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn idle_timeout(mut self, timeout: Duration) -> Result<Self, InvalidOption> {
        self.settings.limits.idle = InvalidOption::within("idle_timeout", timeout, TIMEOUTS)?;
        Ok(self)
    }

    /// Sets how long a peer may take nothing of what is sent before its connection, or its HTTP/2 stream, is closed; 100 ms to
    /// 10 min, [`DEFAULT_WRITE_STALL`] unless set. A single byte is enough to go on.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn write_stall(mut self, timeout: Duration) -> Result<Self, InvalidOption> {
        self.settings.limits.write_stall = InvalidOption::within("write_stall", timeout, TIMEOUTS)?;
        Ok(self)
    }

    /// Sets how long connections have to finish once the server is to stop; up to 10 min, [`DEFAULT_GRACE`] unless set. Those that
    /// don't are cut off.
    ///
    /// # Errors
    ///
    /// When it is longer.
    pub fn grace(mut self, grace: Duration) -> Result<Self, InvalidOption> {
        self.settings.grace = InvalidOption::within("grace", grace, GRACES)?;
        Ok(self)
    }

    /// Sets how many connections there may be at a time; [`DEFAULT_MAX_CONNECTIONS`] unless set. One more is closed at once, in
    /// clear text with a 503. Each takes a file descriptor, so the process needs some more than that.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.settings.max_connections = connections;
        self
    }

    /// Sets how many connections one address (of IPv6, one /64) may have at a time; as many as there are unless set. Not for a
    /// server behind a proxy, whose address is the only one there is.
    #[must_use]
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.settings.max_per_address = Some(connections);
        self
    }

    /// Counts into these, which somebody else reads.
    #[must_use]
    pub fn stats(mut self, stats: ServerStats) -> Self {
        self.settings.stats = stats;
        self
    }

    /// The server.
    #[must_use]
    pub fn build(self) -> Server {
        Server { settings: self.settings }
    }
}
