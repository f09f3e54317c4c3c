//! How a simulated cluster is set up.

use crate::clock::{Timestamp, wall_now};
use crate::key::ClusterId;
use crate::source::demo::DemoSource;

/// The most ingresses a simulated cluster can have.
pub const MAX_INGRESSES: usize = 200_000;
/// The most namespaces a simulated cluster can begin with.
pub const MAX_NAMESPACES: usize = 2_000;
/// The most changes a simulated cluster can make in a second.
pub const MAX_CHANGES_PER_SECOND: f64 = 10_000.0;
/// The most changes it can remember for watches to resume from.
pub const MAX_HISTORY: usize = 1_000_000;

/// A setting of a simulated cluster that is out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct InvalidDemo {
    field: &'static str,
    problem: String,
}

impl InvalidDemo {
    /// The builder's method that was given the value.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) ingresses: usize,
    pub(super) namespaces: usize,
    pub(super) changes_per_second: f64,
    pub(super) seed: u64,
    pub(super) history: usize,
}

/// Sets up a [`DemoSource`]; made by [`DemoSource::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct DemoBuilder {
    ingresses: usize,
    namespaces: Option<usize>,
    changes_per_second: f64,
    seed: u64,
    history: Option<usize>,
    base: Option<Timestamp>,
    running_since: Option<Timestamp>,
    cluster: Option<ClusterId>,
}

impl Default for DemoBuilder {
    fn default() -> Self {
        Self {
            ingresses: 500,
            namespaces: None,
            changes_per_second: 2.0,
            seed: 1,
            history: None,
            base: None,
            running_since: None,
            cluster: None,
        }
    }
}

impl DemoBuilder {
    /// How many ingresses there are, give or take a few percent as time passes: 0 to [`MAX_INGRESSES`], 500 by default.
    /// With none, nothing ever changes.
    pub fn ingresses(mut self, ingresses: usize) -> Self {
        self.ingresses = ingresses;
        self
    }

    /// How many permanent namespaces there are: 1 to [`MAX_NAMESPACES`]; about the square root of the ingresses by
    /// default, 24 for 500. Those of pull requests come and go beside them.
    pub fn namespaces(mut self, namespaces: usize) -> Self {
        self.namespaces = Some(namespaces);
        self
    }

    /// How many changes happen per second, on average: 0 (none) to [`MAX_CHANGES_PER_SECOND`], 2 by default.
    pub fn changes_per_second(mut self, rate: f64) -> Self {
        self.changes_per_second = rate;
        self
    }

    /// Decides everything that is left to chance. The same seed, settings and base give the same cluster and the same
    /// changes at the same times.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many changes are remembered for watches to resume from: 1 to [`MAX_HISTORY`]; by default 10,000, or half a
    /// minute of changes where that is more.
    pub fn history(mut self, changes: usize) -> Self {
        self.history = Some(changes);
        self
    }

    /// The wall time at which the simulation begins: creation times derive from it. The present by default.
    pub fn base(mut self, base: Timestamp) -> Self {
        self.base = Some(base);
        self
    }

    /// As if it had begun at this wall time, and had run ever since: it begins with what has become of it by now. Processes that are told the
    /// same time (and settings) show the same cluster, each by itself. It stands for [`base`](Self::base) as well. What happened
    /// since takes about a microsecond per change to make up for.
    pub fn running_since(mut self, begin: Timestamp) -> Self {
        self.running_since = Some(begin);
        self
    }

    /// The cluster's name in every key; `demo` by default.
    pub fn cluster(mut self, cluster: ClusterId) -> Self {
        self.cluster = Some(cluster);
        self
    }

    /// Starts the simulated cluster's clock.
    ///
    /// # Errors
    ///
    /// When a setting is out of its bounds.
    pub fn build(self) -> Result<DemoSource, InvalidDemo> {
        let rate = self.changes_per_second;
        if !(0.0..=MAX_CHANGES_PER_SECOND).contains(&rate) {
            let problem = format!("must be 0 to {MAX_CHANGES_PER_SECOND}, not {rate}");
            return Err(InvalidDemo { field: "changes_per_second", problem });
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the rate was checked to be 0 to 10,000"
        )]
        let half_a_minute = (rate * 30.0) as usize;
        let settings = Settings {
            ingresses: bounded("ingresses", self.ingresses, 0, MAX_INGRESSES)?,
            namespaces: bounded(
                "namespaces",
                self.namespaces.unwrap_or(self.ingresses.min(MAX_INGRESSES).isqrt() + 2),
                1,
                MAX_NAMESPACES,
            )?,
            changes_per_second: rate,
            seed: self.seed,
            history: bounded("history", self.history.unwrap_or(half_a_minute.max(10_000)), 1, MAX_HISTORY)?,
        };
        let cluster = self.cluster.unwrap_or_else(|| ClusterId::sanitized("demo"));
        let age = self.running_since.and_then(|begin| wall_now().duration_since(begin).try_into().ok());
        let base = self.running_since.or(self.base);
        Ok(DemoSource::start(&settings, base, age.unwrap_or_default(), cluster))
    }
}

fn bounded(field: &'static str, value: usize, least: usize, most: usize) -> Result<usize, InvalidDemo> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(InvalidDemo { field, problem: format!("must be {least} to {most}, not {value}") })
}
