//! What the server counts of connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A [`Server`](super::Server)'s counters: what its connections did, and why those ended that did not end by themselves.
///
/// Cloning is cheap; all clones count together. Give one to the server and one to
/// [`DashboardBuilder::server_stats`](crate::DashboardBuilder::server_stats), and `/metrics` tells them.
#[derive(Debug, Clone, Default)]
pub struct ServerStats {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    open: AtomicUsize,
    max: AtomicUsize,
    accepted: AtomicU64,
    accept_errors: AtomicU64,
    handshakes_failed: AtomicU64,
    reloads: AtomicU64,
    reloads_failed: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    timeouts: [AtomicU64; Timeout::ALL.len()],
}

/// Why a connection was closed before anything was read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// As many connections are open as the process serves.
    Limit,
    /// As many connections are open from its address as one may have.
    Address,
}

impl Refusal {
    /// In the order of their declaration.
    pub(crate) const ALL: [Self; 2] = [Self::Limit, Self::Address];

    /// The reason, as it stands in the metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Address => "address",
        }
    }
}

/// What a peer did not do in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timeout {
    /// Finish the TLS handshake.
    Handshake,
    /// Send a request's head.
    Head,
    /// Send a request's body.
    Body,
    /// Ask again on a connection that is kept open for it.
    Idle,
    /// Take anything of what is sent.
    Write,
    /// Take anything of one HTTP/2 stream, on a connection that moves.
    Stream,
    /// Answer an HTTP/2 ping.
    Ping,
}

impl Timeout {
    /// In the order of their declaration.
    pub(crate) const ALL: [Self; 7] =
        [Self::Handshake, Self::Head, Self::Body, Self::Idle, Self::Write, Self::Stream, Self::Ping];

    /// The kind, as it stands in the metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Head => "head",
            Self::Body => "body",
            Self::Idle => "idle",
            Self::Write => "write",
            Self::Stream => "stream",
            Self::Ping => "ping",
        }
    }
}

impl ServerStats {
    /// Counters at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.counters.open.load(Ordering::Relaxed)
    }

    /// Connections that may be open at a time; 0 before the server begins.
    #[must_use]
    pub fn max(&self) -> usize {
        self.counters.max.load(Ordering::Relaxed)
    }

    /// Connections that were accepted, refused ones not included.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.counters.accepted.load(Ordering::Relaxed)
    }

    /// Connections that were closed at once, by reason.
    #[must_use]
    pub fn refused(&self, reason: Refusal) -> u64 {
        at(&self.counters.refused, reason as usize)
    }

    /// Times that the system had no connection to give, for want of file descriptors mostly.
    #[must_use]
    pub fn accept_errors(&self) -> u64 {
        self.counters.accept_errors.load(Ordering::Relaxed)
    }

    /// TLS handshakes that failed; those that took too long are [`Timeout::Handshake`].
    #[must_use]
    pub fn handshakes_failed(&self) -> u64 {
        self.counters.handshakes_failed.load(Ordering::Relaxed)
    }

    /// Connections (or HTTP/2 streams, or requests' bodies) that were given up, by what did not happen in time.
    #[must_use]
    pub fn timeouts(&self, kind: Timeout) -> u64 {
        at(&self.counters.timeouts, kind as usize)
    }

    /// Certificates that replaced another while the server ran.
    #[must_use]
    pub fn reloads(&self) -> u64 {
        self.counters.reloads.load(Ordering::Relaxed)
    }

    /// Certificates that should have, and could not be used.
    #[must_use]
    pub fn reloads_failed(&self) -> u64 {
        self.counters.reloads_failed.load(Ordering::Relaxed)
    }

    pub(super) fn begin(&self, max: usize) {
        self.counters.max.store(max, Ordering::Relaxed);
    }

    pub(super) fn opened(&self) -> Open {
        self.counters.accepted.fetch_add(1, Ordering::Relaxed);
        self.counters.open.fetch_add(1, Ordering::Relaxed);
        Open(self.clone())
    }

    pub(super) fn refuse(&self, reason: Refusal) {
        count(&self.counters.refused, reason as usize);
    }

    pub(super) fn accept_failed(&self) {
        self.counters.accept_errors.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn handshake_failed(&self) {
        self.counters.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn timed_out(&self, kind: Timeout) {
        count(&self.counters.timeouts, kind as usize);
    }

    pub(super) fn reloaded(&self, well: bool) {
        let counter = if well { &self.counters.reloads } else { &self.counters.reloads_failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn at(counts: &[AtomicU64], at: usize) -> u64 {
    counts.get(at).map_or(0, |count| count.load(Ordering::Relaxed))
}

fn count(counts: &[AtomicU64], at: usize) {
    if let Some(count) = counts.get(at) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that is open for as long as this lives.
#[derive(Debug)]
pub(super) struct Open(ServerStats);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_a_place_of_its_own() {
        assert!(Refusal::ALL.into_iter().enumerate().all(|(at, refusal)| refusal as usize == at));
        assert!(Timeout::ALL.into_iter().enumerate().all(|(at, timeout)| timeout as usize == at));
    }
}
