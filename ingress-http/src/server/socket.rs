//! A TCP connection that gives up on a peer that takes nothing.
//!
//! TCP itself waits for a peer whose window is closed as long as that peer lives. Here, once the system takes no more bytes for
//! it, the peer has a bounded time to take some. It lies below TLS and HTTP, so it holds for whatever is spoken.
//!
//! A system calls a socket writable only once a good part of its buffer is free, which takes a peer on a slow line longer than
//! the deadline. So before it gives up, it asks the system itself: one byte taken is enough to go on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::shared::Shared;
use super::stats::Timeout;

/// What the system may hold for one peer that does not read, of which Linux takes twice as much for itself and its
/// bookkeeping. Left to itself it would go up to some megabytes.
const SEND_BUFFER: usize = 128 * 1024;
/// After how much silence the system asks whether a peer is still there, how often, and how many times.
const KEEPALIVE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(15), 3);

#[derive(Debug)]
pub(super) struct Socket {
    tcp: TcpStream,
    stalled: Alarm,
    shared: Arc<Shared>,
}

impl Socket {
    pub(super) fn new(tcp: TcpStream, shared: Arc<Shared>) -> Self {
        if let Err(error) = prepare(&tcp, shared.limits.write_stall) {
            // It works without, too.
            tracing::debug!(%error, "a connection's options");
        }
        Self { tcp, stalled: Alarm::default(), shared }
    }

    /// Writes, with the deadline. `directly` asks the system without regard to what it said before.
    fn write(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
        directly: impl FnOnce(SockRef<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let result = write(Pin::new(&mut self.tcp), cx);
        if result.is_ready() {
            if self.stalled.is_set() {
                self.stalled.clear();
            }
            return result.map_err(|error| self.failed(error));
        }
        if !self.stalled.is_set() {
            self.stalled.set(Instant::now() + self.shared.limits.write_stall);
        }
        ready!(self.stalled.poll(cx));
        self.stalled.clear();
        match directly(SockRef::from(&self.tcp)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // What the system holds for it shall not stay either, as it would after a proper goodbye.
                drop(SockRef::from(&self.tcp).set_linger(Some(Duration::ZERO)));
                Poll::Ready(Err(self.failed(io::ErrorKind::TimedOut.into())))
            }
            result => Poll::Ready(result.map_err(|error| self.failed(error))),
        }
    }

    /// The system, too, gives up on peers that acknowledge nothing.
    fn failed(&self, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::TimedOut {
            self.shared.timed_out(Timeout::Write);
        }
        error
    }
}

fn prepare(tcp: &TcpStream, stall: Duration) -> io::Result<()> {
    // Events are small and are not to wait for an acknowledgement of the last one.
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    let (idle, interval, retries) = KEEPALIVE;
    let keepalive = TcpKeepalive::new().with_time(idle).with_interval(interval);
    #[cfg(not(windows))]
    let keepalive = keepalive.with_retries(retries);
    #[cfg(windows)]
    let _ = retries;
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    // What the system took already and the peer does not acknowledge.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(stall))?;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = stall;
    Ok(())
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut this.tcp).poll_read(cx, buffer));
        if buffer.filled().len() > before {
            this.shared.life().read(Instant::now());
        }
        Poll::Ready(result.map_err(|error| this.failed(error)))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().write(cx, |tcp, cx| tcp.poll_write(cx, bytes), |socket| socket.send(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().write(
            cx,
            |tcp, cx| tcp.poll_write_vectored(cx, slices),
            |socket| socket.send_vectored(slices),
        )
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(cx)
    }
}
