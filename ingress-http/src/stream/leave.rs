//! A stream's leave to go on: its viewer's pass, asked without end.
//!
//! A pass that looks who its viewer is may take a while, and a stream that has something to send doesn't wait for it. So the question is
//! kept from one piece to the next, not asked again: else a busy stream would never hear the answer.

use std::fmt;
use std::pin::Pin;

use crate::view::{Pass, Verdict, View};

type Asked = Pin<Box<dyn Future<Output = (Leave, Verdict)> + Send>>;

/// The question, on its way.
pub(super) struct Asking(Asked);

enum Leave {
    Pass(Pass),
    #[cfg(test)]
    Scripted(tokio::sync::mpsc::Receiver<Verdict>),
    #[cfg(test)]
    After(std::time::Duration),
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asking")
    }
}

impl Asking {
    pub(super) fn of(view: &View) -> Self {
        Self(ask(Leave::Pass(view.pass())))
    }

    /// What a test says.
    #[cfg(test)]
    pub(super) fn scripted(verdicts: tokio::sync::mpsc::Receiver<Verdict>) -> Self {
        Self(ask(Leave::Scripted(verdicts)))
    }

    /// Waits until something changed.
    ///
    /// # Cancel safety
    ///
    /// Safe: the next call goes on where this one was.
    pub(super) async fn next(&mut self) -> Verdict {
        let (leave, verdict) = self.0.as_mut().await;
        self.0 = ask(leave);
        verdict
    }
}

fn ask(mut leave: Leave) -> Asked {
    Box::pin(async move {
        let verdict = leave.next().await;
        (leave, verdict)
    })
}

impl Leave {
    async fn next(&mut self) -> Verdict {
        match self {
            Self::Pass(pass) => pass.next().await,
            #[cfg(test)]
            Self::Scripted(verdicts) => match verdicts.recv().await {
                Some(verdict) => verdict,
                None => std::future::pending().await,
            },
            #[cfg(test)]
            Self::After(time) => {
                tokio::time::sleep(*time).await;
                Verdict::Over("known")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_takes_longer_than_the_stream_has_patience_is_heard() {
        let mut asking = Asking(ask(Leave::After(Duration::from_millis(95))));
        let mut tries = 1;
        while tokio::time::timeout(Duration::from_millis(10), asking.next()).await.is_err() {
            tries += 1;
            assert!(tries < 100, "asked again and again");
        }
        assert_eq!(tries, 10);
    }
}
