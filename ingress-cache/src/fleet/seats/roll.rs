//! The roll of members as the task needs it: a seam, so that tests can play a fleet without Redis.

use async_trait::async_trait;

use crate::fleet::members::{Member, Members, Told};

#[async_trait]
pub(super) trait Roll: Send + Sync + 'static {
    /// Beats; `None` when that isn't known to have worked.
    async fn beat(&self, told: &Told) -> Option<Vec<Member>>;

    async fn leave(&self);
}

#[async_trait]
impl Roll for Members {
    async fn beat(&self, told: &Told) -> Option<Vec<Member>> {
        self.beat(told).await.inspect_err(|error| tracing::debug!(%error, "no beat")).ok()
    }

    async fn leave(&self) {
        if let Err(error) = self.leave().await {
            tracing::debug!(%error, "left without a word");
        }
    }
}
