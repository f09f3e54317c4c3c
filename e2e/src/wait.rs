//! Waiting for a condition, never for a time.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep};

/// How long to pause between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(20);

/// A deadline that only a broken program misses, also on a busy two-core machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Looks again and again until `probe` answers `Some`, at most for `within`.
///
/// An error of the probe counts as "not yet": what is being waited for is often not listening at first. The
/// last one is told when time runs out.
///
/// # Errors
///
/// When the condition did not come true in time.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    let mut last = None;
    while Instant::now() < deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, probe()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => last = None,
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = Some(anyhow!("the look itself took too long")),
        }
        sleep(PAUSE).await;
    }
    let missed = format!("waited {within:?} in vain for {what}");
    Err(match last {
        Some(error) => error.context(missed),
        None => anyhow!(missed),
    })
}

/// [`eventually`] for a condition that is only true or false.
///
/// # Errors
///
/// When the condition did not come true in time.
pub async fn until(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    eventually(what, within, async || Ok(probe().await?.then_some(()))).await
}
