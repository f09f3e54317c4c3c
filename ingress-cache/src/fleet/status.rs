//! How a replica fares in its fleet, for health and metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ingress_core::clock::{Timestamp, wall_now};

use super::log::Lost;

/// Where a replica has a kind's state from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Nowhere yet, or not any more: what it shows is stale.
    Waiting,
    /// From the fleet's log.
    Following,
    /// From a watch of its own, since the fleet has been of no use for too long.
    Alone,
}

impl Mode {
    /// The mode's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Following => "following",
            Self::Alone => "alone",
        }
    }
}

/// How a replica fares with one kind.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct KindStatus {
    /// The kind's plural and its group.
    pub kind: String,
    /// Where its state is from.
    pub mode: Mode,
    /// Since when.
    pub since: Timestamp,
    /// How often it was begun to be followed, be it at first or after the log was lost.
    pub loads: u64,
    /// How often it lost its place in the log.
    pub lost: u64,
    /// How often it watched alone.
    pub alone: u64,
    /// How many changes this replica wrote for all.
    pub published: u64,
    /// What went wrong last, and when; it may be long over.
    pub error: Option<(Timestamp, String)>,
}

/// Counts for one kind.
#[derive(Debug)]
pub(super) struct KindGauge {
    kind: String,
    mode: Mutex<(Mode, Timestamp)>,
    loads: AtomicU64,
    lost: AtomicU64,
    alone: AtomicU64,
    published: AtomicU64,
    error: Mutex<Option<(Timestamp, String)>>,
}

impl KindGauge {
    pub(super) fn new(kind: String) -> Self {
        Self {
            kind,
            mode: Mutex::new((Mode::Waiting, wall_now())),
            loads: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            alone: AtomicU64::new(0),
            published: AtomicU64::new(0),
            error: Mutex::new(None),
        }
    }

    pub(super) fn entered(&self, mode: Mode) {
        let counter = match mode {
            Mode::Waiting => None,
            Mode::Following => Some(&self.loads),
            Mode::Alone => Some(&self.alone),
        };
        if let Some(counter) = counter {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let mut now = self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        if now.0 != mode {
            *now = (mode, wall_now());
        }
    }

    pub(super) fn lost(&self, lost: Lost) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.failed(&format!("lost its place in the log: {lost:?}"));
    }

    pub(super) fn published(&self, changes: u64) {
        self.published.fetch_add(changes, Ordering::Relaxed);
    }

    pub(super) fn failed(&self, message: &str) {
        *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some((wall_now(), message.to_owned()));
    }

    pub(super) fn read(&self) -> KindStatus {
        let (mode, since) = *self.mode.lock().unwrap_or_else(PoisonError::into_inner);
        KindStatus {
            kind: self.kind.clone(),
            mode,
            since,
            loads: self.loads.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            alone: self.alone.load(Ordering::Relaxed),
            published: self.published.load(Ordering::Relaxed),
            error: self.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
