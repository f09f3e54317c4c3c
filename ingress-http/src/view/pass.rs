//! A stream's leave to go on.
//!
//! A request is over before a permission changes; a stream is not. So a stream holds a pass, which looks again, now and then, whether
//! its viewer is still who they were and may still see what they saw.

use super::View;

/// One stream's leave.
#[derive(Debug)]
pub(crate) struct Pass {}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The viewer may see something else from now on.
    Changed(View),
    /// The viewer is no longer known; the reason, as it stands in the `end` event.
    Over(&'static str),
}

impl Pass {
    /// Waits until something changed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub(crate) async fn next(&mut self) -> Verdict {
        std::future::pending().await
    }
}
