//! One connection, from its first byte to its last.
//!
//! One task does all of it: hyper, the streams of HTTP/2, and the watch over what the peer does in time. It ends when the peer goes,
//! when a deadline passes, or soon after the server is told to stop.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::alarm::Alarm;
use super::options::{HEAD, MAX_STREAMS, PING_EVERY, PING_PATIENCE};
use super::places::Place;
use super::requests::Requests;
use super::shared::Shared;
use super::socket::Socket;
use super::stats::Timeout;
use super::streams::{Executor, Spawner, Streams};
use super::tls::Acceptor;
use crate::transport::Transport;

/// How long an HTTP/2 peer has to go after it was told to, when it does nothing.
const GOODBYE: Duration = Duration::from_secs(5);
/// What HTTP/2 peers may send before it is read: nothing here takes large bodies.
const WINDOW: u32 = 64 * 1024;
/// How much of one answer waits in an HTTP/2 connection's buffers, or in those of TLS, before no more is asked for.
const SEND_BUFFER: usize = 16 * 1024;

/// Everything that a connection is made of.
pub(super) struct Incoming {
    pub(super) tcp: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) router: Router,
    pub(super) shared: Arc<Shared>,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) place: Place,
}

/// Serves a connection in clear text.
pub(super) async fn plain(incoming: Incoming) {
    let Incoming { tcp, peer, router, shared, stopping, place } = incoming;
    let socket = Socket::new(tcp, shared.clone());
    drive(socket, Transport::PLAIN, peer, router, shared, stopping).await;
    drop(place);
}

/// Serves a connection under TLS. A function of its own, so that those in clear text need no room for it.
pub(super) async fn encrypted(incoming: Incoming, acceptor: Acceptor) {
    let Incoming { tcp, peer, router, shared, mut stopping, place } = incoming;
    let socket = Socket::new(tcp, shared.clone());
    let handshake = timeout(shared.limits.handshake, acceptor.accept(socket));
    let mut stream = tokio::select! {
        shaken = handshake => match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                // Scanners and clients that don't trust the certificate do that all day.
                tracing::debug!(%peer, %error, "no TLS handshake");
                return shared.stats.handshake_failed();
            }
            Err(_) => return shared.timed_out(Timeout::Handshake),
        },
        _ = stopping.wait_for(|stopping| *stopping) => return,
    };
    stream.get_mut().1.set_buffer_limit(Some(SEND_BUFFER));
    shared.life().handshaken(Instant::now());
    drive(stream, Transport::TLS, peer, router, shared, stopping).await;
    drop(place);
}

async fn drive(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    transport: Transport,
    peer: SocketAddr,
    router: Router,
    shared: Arc<Shared>,
    mut stopping: watch::Receiver<bool>,
) {
    let spawner = Spawner::new();
    let mut streams = Streams::new(spawner.clone());
    let requests = Requests { router, peer, transport, shared: shared.clone(), spawner: spawner.clone() };
    let connection = protocols(Executor { spawner, shared: shared.clone() })
        .serve_connection(TokioIo::new(io), requests)
        .into_owned();
    let mut connection = pin!(connection);
    let mut stop = pin!(async move { drop(stopping.wait_for(|stopping| *stopping).await) });
    let mut is_stopping = false;
    let mut alarm = Alarm::default();
    let mut goodbye = None;
    let ended = poll_fn(|cx| {
        if !is_stopping && stop.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        streams.poll(cx);
        loop {
            let Some((at, kind)) = shared.life().deadline(shared.limits.patience()) else {
                alarm.clear();
                return Poll::Pending;
            };
            alarm.set(goodbye.unwrap_or(at));
            if alarm.poll(cx).is_pending() {
                return Poll::Pending;
            }
            if goodbye.is_some() {
                // Told to go before, and nothing came of it.
                return Poll::Ready(Ok(()));
            }
            shared.timed_out(kind);
            if kind != Timeout::Idle {
                return Poll::Ready(Ok(()));
            }
            goodbye = Some(Instant::now() + GOODBYE);
            connection.as_mut().graceful_shutdown();
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
        }
    })
    .await;
    if let Err(error) = ended {
        if is_ping_timeout(&*error) {
            shared.timed_out(Timeout::Ping);
        }
        // A peer's business: it went, broke the protocol, or took too long.
        tracing::debug!(%peer, %error, "a connection ended");
    }
}

fn protocols(executor: Executor) -> auto::Builder<Executor> {
    let mut builder = auto::Builder::new(executor);
    // The deadline for heads is ours, see `life`.
    builder.http1().header_read_timeout(None).max_buf_size(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_PATIENCE)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(HEAD).unwrap_or(u32::MAX))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .max_send_buf_size(SEND_BUFFER);
    builder
}

/// Whether hyper gave up on a ping. A socket that timed out says so, too, and has been counted.
fn is_ping_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    let mut by_hyper = false;
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some() {
            return false;
        }
        by_hyper |= error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout);
        cause = error.source();
    }
    by_hyper
}
