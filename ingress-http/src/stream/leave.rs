//! A stream's leave to go on: its viewer's pass, or a script of what becomes of it.

use crate::view::{Pass, Verdict, View};

#[derive(Debug)]
pub(super) enum Leave {
    Pass(Pass),
    #[cfg(test)]
    Scripted(tokio::sync::mpsc::Receiver<Verdict>),
}

impl Leave {
    pub(super) fn of(view: &View) -> Self {
        Self::Pass(view.pass())
    }

    /// Waits until something changed.
    ///
    /// # Cancel safety
    ///
    /// Safe: a verdict that was not returned is there for the next call.
    pub(super) async fn next(&mut self) -> Verdict {
        match self {
            Self::Pass(pass) => pass.next().await,
            #[cfg(test)]
            Self::Scripted(verdicts) => match verdicts.recv().await {
                Some(verdict) => verdict,
                None => std::future::pending().await,
            },
        }
    }
}
