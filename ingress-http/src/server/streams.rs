//! The HTTP/2 streams of one connection, which its own task drives.
//!
//! hyper wants somebody to run a future per stream. Run as tasks they would outlive the connection; here they end with it. And
//! each is watched: a connection that moves can hold a stream whose peer never opens its window, and what that stream was to be
//! sent would wait for ever.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::alarm::Alarm;
use super::body::Untaken;
use super::shared::Shared;
use super::stats::Timeout;

/// Where hyper hands its streams over.
#[derive(Clone)]
pub(super) struct Spawner {
    inbox: Arc<Mutex<Inbox>>,
}

#[derive(Default)]
struct Inbox {
    /// Of the request that was handed out last: hyper hands its stream over right after.
    expected: Option<Arc<Untaken>>,
    streams: Vec<Stream>,
}

struct Stream {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    untaken: Option<Arc<Untaken>>,
    alarm: Alarm,
    shared: Arc<Shared>,
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

impl Spawner {
    pub(super) fn new() -> Self {
        Self { inbox: Arc::default() }
    }

    /// Announces the stream that is handed over next.
    pub(super) fn expect(&self) -> Arc<Untaken> {
        let untaken = Arc::<Untaken>::default();
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).expected = Some(untaken.clone());
        untaken
    }
}

/// What hyper is given; `Spawner` with what each stream needs.
#[derive(Debug, Clone)]
pub(super) struct Executor {
    pub(super) spawner: Spawner,
    pub(super) shared: Arc<Shared>,
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        let mut inbox = self.spawner.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let untaken = inbox.expected.take();
        let shared = self.shared.clone();
        inbox.streams.push(Stream { future: Box::pin(future), untaken, alarm: Alarm::default(), shared });
    }
}

/// The streams that are open.
pub(super) struct Streams {
    spawner: Spawner,
    /// Costs nothing until there is one.
    open: Option<FuturesUnordered<Stream>>,
}

impl Streams {
    pub(super) fn new(spawner: Spawner) -> Self {
        Self { spawner, open: None }
    }

    /// Drives all of them as far as they go. Polled after hyper, in the same task, so that none waits for being handed over.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            let fresh = {
                let mut inbox = self.spawner.inbox.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut inbox.streams)
            };
            if !fresh.is_empty() {
                self.open.get_or_insert_default().extend(fresh);
            }
            let Some(open) = &mut self.open else { return };
            // None that are ready, or none at all.
            if !matches!(open.poll_next_unpin(cx), Poll::Ready(Some(()))) {
                return;
            }
        }
    }
}

impl Future for Stream {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.future.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        match this.untaken.as_ref().and_then(|untaken| untaken.since()) {
            None if this.alarm.is_set() => this.alarm.clear(),
            None => {}
            Some(since) => this.alarm.set(since + this.shared.limits.write_stall),
        }
        // Dropping the future resets the stream, and the connection goes on.
        this.alarm.poll(cx).map(|()| this.shared.timed_out(Timeout::Stream))
    }
}
