//! A timer that is mostly off.
//!
//! Ten thousand connections have several deadlines each, hardly one of which is ever set for long. So an alarm takes memory
//! when it is first set, and setting it again is cheap.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

#[derive(Debug, Default)]
pub(super) struct Alarm {
    at: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    pub(super) fn is_set(&self) -> bool {
        self.at.is_some()
    }

    pub(super) fn set(&mut self, at: Instant) {
        if self.at == Some(at) {
            return;
        }
        self.at = Some(at);
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(at);
        }
    }

    /// Off, with its memory: for deadlines that come once in a while.
    pub(super) fn clear(&mut self) {
        self.at = None;
        self.sleep = None;
    }

    /// Ready at the moment it was set to, never while it is off. Who polls it is woken then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at))).as_mut().poll(cx)
    }
}
