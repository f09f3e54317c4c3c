//! The bytes of one stream, one piece at a time.

use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, Stream, stream};
use tokio::time::{Instant, sleep_until};

use super::frames::{Form, Frames};
use super::leave::Asking;
use crate::app::App;
use crate::coding::{Chunk, Coder, Coding};
use crate::limit::place::Place;
use crate::shutdown::Signal;
use crate::view::{Mark, Verdict, View};

/// By how much a wait that one client is told may differ from the configured one, either way.
const SPREAD: f64 = 0.5;

/// Why a stream ends when the server does.
pub(super) const SHUTDOWN: &str = "shutdown";

/// What comes next for one client, whatever it follows.
pub(super) trait Follow: Send + 'static {
    /// Writes the next piece, or skips what is not shown; `false` when there is nothing to do but wait.
    fn advance(&mut self, frames: &mut Frames) -> Result<bool, serde_json::Error>;

    /// Waits until there may be more to write; the reason why there never will be, as it stands in the `end` event.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    fn wait(&mut self) -> impl Future<Output = Result<(), &'static str>> + Send;

    /// A resume point that is newer than the client's, if there is one that it may know of.
    fn untold(&mut self) -> Option<Mark>;

    /// Goes on with what its viewer may see from now on.
    fn look_through(&mut self, view: &View, app: &App);
}

/// One stream: asked for the next bytes when its connection can take some.
pub(super) struct Events<F> {
    viewer: F,
    frames: Frames,
    app: App,
    leave: Asking,
    shutdown: Signal,
    next_beat: Instant,
    over: Option<&'static str>,
    /// How many of the bytes that wait, over all streams, are this one's.
    queued: usize,
    _place: Place,
}

impl<F: Follow> Events<F> {
    pub(super) fn new(viewer: F, form: Form, app: App, leave: Asking, place: Place) -> Self {
        let options = app.options();
        let mut frames = Frames::new(form);
        frames.retry(spread(options.retry, rand::random()));
        let next_beat = Instant::now() + options.heartbeat;
        let shutdown = app.shutdown().signal();
        Self { viewer, frames, app, leave, shutdown, next_beat, over: None, queued: 0, _place: place }
    }

    /// The stream as the body of an answer.
    pub(super) fn into_body(
        self,
        coding: Coding,
    ) -> impl Stream<Item = Result<Bytes, serde_json::Error>> + Send + 'static {
        stream::unfold((self, Some(Coder::new(coding))), async |(mut events, coder)| {
            let mut coder = coder?;
            let bytes = match events.next().await {
                Some(Ok(chunk)) => coder.code(chunk),
                Some(Err(error)) => return Some((Err(error), (events, None))),
                None => {
                    let end = coder.finish();
                    events.handed(end.len());
                    return (!end.is_empty()).then_some((Ok(end), (events, None)));
                }
            };
            events.handed(bytes.len());
            Some((Ok(bytes), (events, Some(coder))))
        })
    }

    /// The next piece; `None` after `end`.
    ///
    /// # Cancel safety
    ///
    /// Safe: what was not returned yet is still there for the next call.
    pub(super) async fn next(&mut self) -> Option<Result<Chunk, serde_json::Error>> {
        let written = self.write().await;
        let chunk = self.frames.take();
        self.app.counters().streams.queued.moved(self.queued, self.frames.len());
        self.queued = self.frames.len();
        if let Err(error) = written {
            tracing::error!(%error, "an event could not be serialised");
            self.over = Some("internal");
            return Some(Err(error));
        }
        let chunk = chunk?;
        self.app.counters().streams.sent(&self.frames.written());
        Some(Ok(chunk))
    }

    /// Why the stream ended; `None` while it has not.
    pub(super) fn over(&self) -> Option<&'static str> {
        self.over
    }

    /// How many bytes there is room for in what waits to be sent.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.frames.capacity()
    }

    /// Counts bytes that the connection took.
    pub(super) fn handed(&self, bytes: usize) {
        self.app.counters().streams.handed(bytes);
    }

    async fn write(&mut self) -> Result<(), serde_json::Error> {
        loop {
            if self.over.is_some() {
                return Ok(());
            }
            // Here and not only while waiting, so that a busy stream neither goes on without leave nor goes without heartbeats.
            if self.shutdown.has_begun() {
                return self.end(SHUTDOWN);
            }
            if let Some(verdict) = self.leave.next().now_or_never() {
                self.heed(verdict)?;
                continue;
            }
            if Instant::now() >= self.next_beat {
                self.beat();
            }
            while !self.frames.is_full() && self.viewer.advance(&mut self.frames)? {}
            if !self.frames.is_empty() {
                return Ok(());
            }
            tokio::select! {
                () = self.shutdown.begun() => {}
                verdict = self.leave.next() => self.heed(verdict)?,
                () = sleep_until(self.next_beat) => {}
                more = self.viewer.wait() => if let Err(reason) = more {
                    return self.end(reason);
                }
            }
        }
    }

    fn heed(&mut self, verdict: Verdict) -> Result<(), serde_json::Error> {
        match verdict {
            Verdict::Changed(view) => {
                self.viewer.look_through(&view, &self.app);
                Ok(())
            }
            Verdict::Over(reason) => self.end(reason),
        }
    }

    fn beat(&mut self) {
        self.app.tidy();
        self.frames.heartbeat(self.viewer.untold());
        self.next_beat = Instant::now() + self.app.options().heartbeat;
    }

    fn end(&mut self, reason: &'static str) -> Result<(), serde_json::Error> {
        self.over = Some(reason);
        self.frames.end(reason, spread(self.app.options().retry, rand::random()))
    }
}

impl<F> Drop for Events<F> {
    fn drop(&mut self) {
        self.app.counters().streams.queued.moved(self.queued, 0);
    }
}

/// A wait near another one, by chance from 0 to 1: thousands of clients that lose their connections in the same second are not to
/// come back in the same second.
fn spread(wait: Duration, chance: f64) -> Duration {
    wait.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * chance)
}
