//! Asking the probes of a program again and again, as a cluster's kubelet does, and remembering each answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use crate::rest::Rest;
use crate::wait;

/// How often it asks.
const EVERY: Duration = Duration::from_millis(200);

/// One answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Beat {
    /// When it came.
    pub at: Instant,
    /// Of which path.
    pub path: &'static str,
    /// The status, or 0 when there was no answer.
    pub status: u16,
}

/// A task that asks until it is dropped.
#[derive(Debug)]
pub struct Pulse {
    beats: Arc<Mutex<Vec<Beat>>>,
    // Ends the asking when dropped.
    _task: JoinSet<()>,
}

impl Pulse {
    /// Starts to ask these paths every 200 ms.
    #[must_use]
    pub fn of(rest: &Rest, paths: &'static [&'static str]) -> Self {
        let beats = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        for path in paths {
            let (rest, beats) = (rest.clone(), Arc::clone(&beats));
            task.spawn(async move {
                let mut ticks = interval(EVERY);
                loop {
                    ticks.tick().await;
                    let status = rest.get(path).await.map_or(0, |answer| answer.status.as_u16());
                    let beat = Beat { at: Instant::now(), path, status };
                    beats.lock().unwrap_or_else(PoisonError::into_inner).push(beat);
                }
            });
        }
        Self { beats, _task: task }
    }

    /// All answers of a path so far.
    #[must_use]
    pub fn beats(&self, path: &str) -> Vec<Beat> {
        let beats = self.beats.lock().unwrap_or_else(PoisonError::into_inner);
        beats.iter().filter(|beat| beat.path == path).cloned().collect()
    }

    /// Fails unless a path was asked and always answered 200.
    ///
    /// # Errors
    ///
    /// When it did not.
    pub fn ensure_never_failed(&self, path: &str) -> Result<()> {
        let beats = self.beats(path);
        if beats.is_empty() {
            return Err(anyhow!("{path} was never asked"));
        }
        let failed: Vec<u16> = beats.iter().map(|beat| beat.status).filter(|status| *status != 200).collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(anyhow!("{path} failed {} times out of {}: {failed:?}", failed.len(), beats.len()))
    }

    /// Waits for a status of a path that came after `since`, and tells how long after.
    ///
    /// # Errors
    ///
    /// When it did not come in time.
    pub async fn turned(
        &self,
        path: &str,
        status: u16,
        since: Instant,
        within: Duration,
    ) -> Result<Duration> {
        wait::eventually(&format!("{path} to answer {status}"), within, async || {
            let found = self.beats(path).into_iter().find(|beat| beat.at > since && beat.status == status);
            Ok(found.map(|beat| beat.at - since))
        })
        .await
    }
}
