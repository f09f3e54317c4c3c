//! A stream's leave to go on.
//!
//! A request is over before a permission changes; a stream is not. So a stream holds a pass, which looks again, now and then, whether
//! its viewer is still who they were and may still see what they saw: by the same way as a request does, with the credentials that the
//! stream was opened with.

use std::sync::Arc;

use http::request::Parts;
use tokio::time::{Instant, sleep_until};

use super::{Guard, View};
use crate::auth::{ASK_AGAIN, HOLD};
use crate::problem::ProblemType;

/// One stream's leave; of somebody whose leave never ends, nothing is held.
#[derive(Debug)]
pub(crate) struct Pass(Option<Box<Held>>);

#[derive(Debug)]
struct Held {
    guard: Guard,
    /// What of the request tells who asked.
    request: Arc<Parts>,
    view: View,
    due: Instant,
    /// When it was last known who the viewer is.
    known: Instant,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The viewer may see something else from now on.
    Changed(View),
    /// The viewer is no longer known; the reason, as it stands in the `end` event.
    Over(&'static str),
}

impl Pass {
    /// A leave that never ends.
    pub(crate) fn unlimited() -> Self {
        Self(None)
    }

    pub(super) fn new(guard: Guard, request: Arc<Parts>, view: View, due: Instant) -> Self {
        Self(Some(Box::new(Held { guard, request, view, due, known: Instant::now() })))
    }

    /// Waits until something changed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub(crate) async fn next(&mut self) -> Verdict {
        let Some(held) = &mut self.0 else { return std::future::pending().await };
        loop {
            sleep_until(held.due).await;
            match held.guard.look(&held.request).await {
                Ok(view) => {
                    (held.due, held.known) = (view.due(), Instant::now());
                    if view.unknown().is_some() {
                        return Verdict::Over("access-unknown");
                    }
                    if !view.shows_the_same(&held.view) {
                        held.view = view.clone();
                        return Verdict::Changed(view);
                    }
                }
                Err(problem) if problem.kind() == ProblemType::Unauthenticated => {
                    return Verdict::Over("unauthenticated");
                }
                Err(_) if held.known.elapsed() > HOLD => return Verdict::Over("access-unknown"),
                Err(_) => held.due = Instant::now() + ASK_AGAIN,
            }
        }
    }
}
