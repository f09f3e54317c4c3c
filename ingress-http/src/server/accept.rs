//! From the listening socket to a task per connection.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::connection::{Incoming, encrypted, plain};
use super::places::Places;
use super::shared::Shared;
use super::stats::ServerStats;
use super::{Ended, Settings};
use crate::transport::Transport;

/// How long to wait when the system has no connection to give: others have to end first.
const PAUSE: Duration = Duration::from_millis(200);

/// What one connection too many is told.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 10\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

pub(super) async fn serve(
    settings: &Settings,
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()>,
) -> Ended {
    let Settings { limits, grace, max_connections, max_per_address, tls, reload_every, stats } = settings;
    let places = Places::new(*max_connections, *max_per_address, stats.clone());
    let acceptor = tls.as_ref().map(super::Tls::acceptor);
    let mut reload = pin!(async {
        match tls {
            Some(tls) => tls.reload(*reload_every, stats).await,
            None => std::future::pending().await,
        }
    });
    let mut stop = pin!(stop);
    let stopping = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    let mut source = Source { listener, stats: stats.clone(), troubled: false };
    let transport = if acceptor.is_some() { Transport::TLS } else { Transport::PLAIN };
    loop {
        let (tcp, peer) = tokio::select! {
            () = &mut stop => break,
            () = &mut reload => continue,
            Some(ended) = connections.join_next() => {
                tell(ended);
                continue;
            }
            accepted = source.next() => accepted,
        };
        let place = match places.take(peer.ip()) {
            Ok(place) => place,
            Err(reason) => {
                stats.refuse(reason);
                refuse(&tcp, transport);
                continue;
            }
        };
        let shared = Shared::new(*limits, stats.clone());
        let incoming =
            Incoming { tcp, peer, router: router.clone(), shared, stopping: stopping.subscribe(), place };
        match &acceptor {
            None => connections.spawn(plain(incoming)),
            Some(acceptor) => connections.spawn(encrypted(incoming, acceptor.clone())),
        };
    }
    // Whoever comes from here on is to be refused by the system, not to wait in its queue.
    drop(source);
    stopping.send_replace(true);
    let finished = timeout(*grace, async {
        while let Some(ended) = connections.join_next().await {
            tell(ended);
        }
    });
    drop(finished.await);
    let cut_off = connections.len();
    connections.shutdown().await;
    Ended { cut_off }
}

/// The listening socket, which always has another connection, sooner or later.
struct Source {
    listener: TcpListener,
    stats: ServerStats,
    troubled: bool,
}

impl Source {
    /// The next connection.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost; a pause is cut short, and begins again when the trouble is still there.
    async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.troubled = false;
                    return accepted;
                }
                Err(error) => self.failed(&error).await,
            }
        }
    }

    async fn failed(&mut self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
        // The connection's own trouble: it was gone before it was accepted.
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
            return;
        }
        self.stats.accept_failed();
        if !self.troubled {
            self.troubled = true;
            tracing::error!(
                %error,
                "no connection can be accepted; trying again until one can. Too many open files? Raise the limit (ulimit -n)"
            );
        }
        sleep(PAUSE).await;
    }
}

fn refuse(tcp: &TcpStream, transport: Transport) {
    if !transport.tls {
        // A courtesy: it fits into the buffer of a new socket, or it is not said.
        drop(tcp.try_write(FULL));
    }
}

fn tell(ended: Result<(), JoinError>) {
    match ended {
        Err(error) if error.is_panic() => tracing::error!(%error, "a connection's task"),
        _ => {}
    }
}
