//! How patient a replica is with the others.

use std::time::Duration;

use super::decide::Rules;

/// How patient a replica is with the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeatsConfig {
    pub(super) rules: Rules,
    pub(super) patience: Duration,
}

/// A setting that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} must be {bounds}")]
pub struct InvalidSeats {
    field: &'static str,
    bounds: &'static str,
}

impl Default for SeatsConfig {
    fn default() -> Self {
        let rules = Rules { grace: Duration::from_secs(1), rest: Duration::from_secs(5) };
        Self { rules, patience: Duration::from_secs(5) }
    }
}

impl SeatsConfig {
    /// Sets for how long nobody has to hold a shard before members that are not preferred take it; 1 s by default, 100 ms to 60 s.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn grace(mut self, grace: Duration) -> Result<Self, InvalidSeats> {
        if !(Duration::from_millis(100)..=Duration::from_secs(60)).contains(&grace) {
            return Err(InvalidSeats { field: "grace", bounds: "100 ms to 60 s" });
        }
        self.rules.grace = grace;
        Ok(self)
    }

    /// Sets how long a shard stays with a live holder that isn't preferred (any more); 5 s by default, 1 s to 1 h.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn rest(mut self, rest: Duration) -> Result<Self, InvalidSeats> {
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&rest) {
            return Err(InvalidSeats { field: "rest", bounds: "1 s to 1 h" });
        }
        self.rules.rest = rest;
        Ok(self)
    }

    /// Sets for how long a cluster has to be out of reach, or within it, before the others are told; 5 s by default, 1 s to 1 h.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn patience(mut self, patience: Duration) -> Result<Self, InvalidSeats> {
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&patience) {
            return Err(InvalidSeats { field: "patience", bounds: "1 s to 1 h" });
        }
        self.patience = patience;
        Ok(self)
    }
}
