//! The bodies of requests and answers, with what the server has to know of them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::shared::{Busy, Shared};
use super::stats::Timeout;

/// How much of an answer one HTTP/2 stream is handed at a time. What it was handed lies in the connection's buffers, whatever the
/// stream's window; the rest of it lies where the answer comes from, which is memory that streams share.
const PIECE: usize = 16 * 1024;

/// A request's body, which has to be there in time.
pub(super) struct RequestBody {
    inner: Incoming,
    alarm: Alarm,
    shared: Arc<Shared>,
}

impl RequestBody {
    pub(super) fn new(inner: Incoming, shared: Arc<Shared>) -> Self {
        Self { inner, alarm: Alarm::default(), shared }
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(cx) {
            return Poll::Ready(frame.map(|frame| frame.map_err(axum::Error::new)));
        }
        // From the moment when somebody asks for it, and for all of it: a byte now and then gains no time.
        if !this.alarm.is_set() {
            this.alarm.set(Instant::now() + this.shared.limits.body);
        }
        this.alarm.poll(cx).map(|()| {
            this.alarm.clear();
            this.shared.timed_out(Timeout::Body);
            Some(Err(axum::Error::new(io::Error::from(io::ErrorKind::TimedOut))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Since when a stream has not taken what it was handed.
#[derive(Debug, Default)]
pub(super) struct Untaken(Mutex<Option<Instant>>);

impl Untaken {
    pub(super) fn since(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, since: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// An answer's body. While it lives, its connection is busy.
pub(super) struct ResponseBody {
    inner: Body,
    /// Of HTTP/2: what was not handed over yet of the last frame, and since when the stream takes nothing.
    http2: Option<(Bytes, Arc<Untaken>)>,
    _busy: Busy,
}

impl ResponseBody {
    pub(super) fn new(inner: Body, untaken: Option<Arc<Untaken>>, busy: Busy) -> Self {
        Self { inner, http2: untaken.map(|untaken| (Bytes::new(), untaken)), _busy: busy }
    }
}

impl http_body::Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let Some((rest, untaken)) = &mut this.http2 else { return Pin::new(&mut this.inner).poll_frame(cx) };
        // hyper asks for more when the stream's window has room for what it was handed.
        untaken.set(None);
        if rest.is_empty() {
            match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => *rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        untaken.set(Some(Instant::now()));
        let piece = rest.split_to(rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.http2.as_ref().is_none_or(|(rest, _)| rest.is_empty()) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        let rest = self.http2.as_ref().map_or(0, |(rest, _)| rest.len() as u64);
        if let Some(exact) = hint.exact() {
            hint.set_exact(exact + rest);
        } else {
            let (lower, upper) = (hint.lower(), hint.upper());
            if let Some(upper) = upper {
                hint.set_upper(upper + rest);
            }
            hint.set_lower(lower + rest);
        }
        hint
    }
}
