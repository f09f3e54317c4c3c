//! Ends streams that would otherwise never end.
//!
//! A server that shuts down gracefully waits until every answer has been sent, and an event stream is an answer that never
//! is. So the host says when it begins to stop, and each stream then tells its client to reconnect and closes.

use std::sync::Arc;

use tokio::sync::watch;

/// Ends all streams of a [`Dashboard`](crate::Dashboard). Cloning is cheap; all clones are the same switch.
#[derive(Debug, Clone)]
pub struct Shutdown {
    begun: Arc<watch::Sender<bool>>,
}

impl Shutdown {
    pub(crate) fn new() -> Self {
        Self { begun: Arc::new(watch::Sender::new(false)) }
    }

    /// Sends `end` on every stream and closes it; streams that are opened later end at once. There is no way back.
    pub fn begin(&self) {
        self.begun.send_replace(true);
    }

    pub(crate) fn signal(&self) -> Signal {
        Signal(self.begun.subscribe())
    }
}

/// One stream's view of the switch.
#[derive(Debug)]
pub(crate) struct Signal(watch::Receiver<bool>);

impl Signal {
    pub(crate) fn has_begun(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it has begun. A switch that nobody holds any more will not be turned.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub(crate) async fn begun(&mut self) {
        if self.0.wait_for(|begun| *begun).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
