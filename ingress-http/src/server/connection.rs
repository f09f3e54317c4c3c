//! One connection, from its first byte to its last.
//!
//! One task does all of it: hyper, the streams of HTTP/2, and the watch over what the peer does in time. It ends when the peer goes,
//! when a deadline passes, or soon after the server is told to stop.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

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
/// What an HTTP/2 connection begins with (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long to wait for the rest of it.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
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
    let Incoming { tcp, peer, router, shared, mut stopping, place } = incoming;
    let deadline = shared.life().deadline(shared.limits.patience());
    let protocol = tokio::select! {
        protocol = announced(&tcp) => protocol,
        () = until(deadline) => return shared.timed_out(Timeout::Head),
        _ = stopping.wait_for(|stopping| *stopping) => return,
    };
    let served = Served { transport: Transport::PLAIN, peer, router, shared: shared.clone(), stopping };
    let socket = Socket::new(tcp, shared);
    match protocol {
        Protocol::Http1 => http1(socket, served).await,
        Protocol::Http2 => http2(socket, served).await,
    }
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
    let (_, tls) = stream.get_mut();
    tls.set_buffer_limit(Some(SEND_BUFFER));
    let is_http2 = tls.alpn_protocol() == Some(b"h2");
    shared.life().handshaken(Instant::now());
    let served = Served { transport: Transport::TLS, peer, router, shared, stopping };
    if is_http2 {
        http2(stream, served).await;
    } else {
        http1(stream, served).await;
    }
    drop(place);
}

enum Protocol {
    Http1,
    Http2,
}

/// What a peer in clear text is about to speak. It is looked at and left where it is: hyper-util's own detection takes it away and
/// hands it back later, at which hyper doubles its buffer for the life of the connection.
async fn announced(tcp: &TcpStream) -> Protocol {
    let mut beginning = [0; PREFACE.len()];
    loop {
        let Ok(there @ 1..) = tcp.peek(&mut beginning).await else { return Protocol::Http1 };
        let there = beginning.get(..there).unwrap_or_default();
        if there == PREFACE {
            return Protocol::Http2;
        }
        if !PREFACE.starts_with(there) {
            return Protocol::Http1;
        }
        // The system does not tell when there is more than what was looked at; who sends so little at a time can wait.
        sleep(LOOK_AGAIN).await;
    }
}

async fn until(deadline: Option<(Instant, Timeout)>) {
    match deadline {
        Some((at, _)) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What a connection needs besides its bytes.
struct Served {
    transport: Transport,
    peer: SocketAddr,
    router: Router,
    shared: Arc<Shared>,
    stopping: watch::Receiver<bool>,
}

impl Served {
    fn requests(&self, spawner: Option<Spawner>) -> Requests {
        let Self { transport, peer, router, shared, .. } = self;
        Requests {
            router: router.clone(),
            peer: *peer,
            transport: *transport,
            shared: shared.clone(),
            spawner,
        }
    }
}

async fn http1(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, served: Served) {
    let mut builder = http1::Builder::new();
    // The deadline for heads is ours, see `life`.
    builder.header_read_timeout(None).max_buf_size(HEAD);
    // A WebSocket's end of it outlives this: then the stream's own place and deadlines hold, not the connection's.
    let connection = builder.serve_connection(TokioIo::new(io), served.requests(None)).with_upgrades();
    drive(connection, None, served).await;
}

/// On the heap: it is larger than the other, and the less frequent.
fn http2(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    served: Served,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let spawner = Spawner::new();
    let mut builder =
        http2::Builder::new(Executor { spawner: spawner.clone(), shared: served.shared.clone() });
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_PATIENCE)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(HEAD).unwrap_or(u32::MAX))
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(2 * WINDOW)
        .max_send_buf_size(SEND_BUFFER);
    let connection = builder.serve_connection(TokioIo::new(io), served.requests(Some(spawner.clone())));
    Box::pin(drive(connection, Some(Streams::new(spawner)), served))
}

/// What both of hyper's connections are.
trait Connection: Future<Output = hyper::Result<()>> {
    fn shut_down(self: Pin<&mut Self>);
}

impl<I> Connection for http1::UpgradeableConnection<I, Requests>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I> Connection for http2::Connection<I, Requests, Executor>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn drive(connection: impl Connection, mut streams: Option<Streams>, served: Served) {
    let Served { peer, shared, mut stopping, router, .. } = served;
    // hyper has its own.
    drop(router);
    let mut connection = pin!(connection);
    let mut stop = pin!(async move { drop(stopping.wait_for(|stopping| *stopping).await) });
    let mut is_stopping = false;
    let mut alarm = Alarm::default();
    let mut goodbye = None;
    let ended = poll_fn(|cx| {
        if !is_stopping && stop.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            connection.as_mut().shut_down();
        }
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        if let Some(streams) = &mut streams {
            streams.poll(cx);
        }
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
            connection.as_mut().shut_down();
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
        }
    })
    .await;
    if let Err(error) = ended {
        if is_ping_timeout(&error) {
            shared.timed_out(Timeout::Ping);
        }
        // A peer's business: it went, broke the protocol, or took too long.
        tracing::debug!(%peer, %error, "a connection ended");
    }
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
