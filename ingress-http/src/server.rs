//! A server for the router: HTTP/1.1 and HTTP/2, in clear text or under TLS, that holds against peers that do nothing, or too much.
//!
//! `axum::serve` waits for its peers as long as they like. This one is hyper, rustls and tokio as well, and adds what is
//! between them: a deadline for everything that a peer is waited for, and a bound on everything that it may have.
//!
//! | a peer that | is cut off after | answered |
//! |---|---|---|
//! | does not finish its TLS handshake | [`DEFAULT_HANDSHAKE_TIMEOUT`] | |
//! | sends no request's head, or sends one slowly | [`DEFAULT_HEAD_TIMEOUT`] | |
//! | does not send the body that it announced | [`DEFAULT_BODY_TIMEOUT`] | as the handler answers an error of the body |
//! | asks nothing more | [`DEFAULT_IDLE_TIMEOUT`] | HTTP/2: `GOAWAY` |
//! | takes nothing of what is sent | [`DEFAULT_WRITE_STALL`] | a reset |
//! | takes nothing of one HTTP/2 stream | [`DEFAULT_WRITE_STALL`] | `RST_STREAM`, the connection goes on |
//! | does not answer an HTTP/2 ping (one each 30 s) | 20 s | |
//! | sends a head of more than [`HEAD`] bytes or [`MAX_HEADERS`] headers | | 431 |
//! | asks for a path and query of more than [`MAX_URI`] bytes | | 414 |
//! | asks for more than [`MAX_STREAMS`] HTTP/2 streams at a time | | `REFUSED_STREAM` |
//! | is one too many ([`DEFAULT_MAX_CONNECTIONS`]) | at once | 503 in clear text |
//!
//! Two things remain. A peer that takes one byte now and then is slow, not stalled, and may go on so; what it costs has a bound: its
//! socket's buffer, and one event of its stream. And the answer to an HTTP/2 request that ended while its last 16 KiB were not taken
//! is held as long as its connection has other requests.
//!
//! # Cost
//!
//! An HTTP/1.1 connection with an open stream takes one task, hyper's two buffers of 8 KiB, of which most is never touched, and no
//! timer. What it is sent is lent, not copied. Under TLS it takes some 10 KiB more.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ingress_core::{DemoSource, Hub};
//! use ingress_http::Dashboard;
//! use ingress_http::server::{Server, ServerStats};
//!
//! let stats = ServerStats::new();
//! let hub = Hub::builder(DemoSource::builder().ingresses(20).build()?).start();
//! let dashboard = Dashboard::builder(hub).server_stats(stats.clone()).build();
//! let streams = dashboard.shutdown();
//!
//! let server = Server::builder().stats(stats.clone()).max_connections(100).build();
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let stop = async move {
//! #   /*
//!     tokio::signal::ctrl_c().await.ok();
//! #   */
//!     streams.begin(); // else the server would wait for streams until its grace is over
//! };
//! let ended = server.serve(listener, dashboard.into_router(), stop).await;
//! assert_eq!((ended.cut_off(), stats.open()), (0, 0));
//! # Ok(()) }
//! ```

use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;

mod accept;
mod alarm;
mod body;
mod connection;
mod life;
mod options;
mod places;
mod requests;
mod shared;
mod socket;
mod stats;
mod streams;
#[cfg(test)]
mod tests;
mod tls;

pub use options::{
    DEFAULT_BODY_TIMEOUT, DEFAULT_GRACE, DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_HEAD_TIMEOUT,
    DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_CONNECTIONS, DEFAULT_WRITE_STALL, HEAD, MAX_HEADERS, MAX_STREAMS,
    MAX_URI, ServerBuilder,
};
pub use stats::{Refusal, ServerStats, Timeout};
pub use tls::{Tls, TlsError};

use options::Limits;

/// A server; the module tells what it bounds.
#[derive(Debug, Clone)]
pub struct Server {
    settings: Settings,
}

/// Everything that can be configured.
#[derive(Debug, Clone)]
struct Settings {
    limits: Limits,
    grace: Duration,
    max_connections: usize,
    max_per_address: Option<usize>,
    tls: Option<Tls>,
    reload_every: Duration,
    stats: ServerStats,
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Ended {
    cut_off: usize,
}

impl Ended {
    /// How many connections did not finish in time, and were cut off.
    #[must_use]
    pub fn cut_off(self) -> usize {
        self.cut_off
    }
}

impl Server {
    /// Begins to configure a server.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Serves a router until `stop` is ready: then nothing more is accepted, answers are finished, and what is not finished when the
    /// grace is over is cut off. Each request has [`ConnectInfo<SocketAddr>`](axum::extract::ConnectInfo) and
    /// [`Transport`](crate::Transport) among its extensions. A connection of HTTP/1.1 that becomes a
    /// WebSocket counts as a connection no longer, but as the stream that it is.
    ///
    /// Nothing ends it but `stop`: when the system has no connection to give, it says so once, and tries again in a while.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes all connections at once.
    pub async fn serve(
        &self,
        listener: TcpListener,
        router: Router,
        stop: impl Future<Output = ()>,
    ) -> Ended {
        accept::serve(&self.settings, listener, router, stop).await
    }
}
