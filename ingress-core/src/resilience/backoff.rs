//! How long to wait before trying again: exponential, capped, jittered.

use std::time::Duration;

use rand::{Rng, RngExt};

/// A policy that makes no sense, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidPolicy {
    /// The field at fault.
    pub(crate) field: &'static str,
    /// What is wrong with it.
    pub(crate) problem: &'static str,
}

/// How much of a wait is left to chance. Without it, all that failed together try again together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Jitter {
    /// None: the computed wait, exactly.
    None,
    /// Between half the computed wait and all of it: always some pause, spread over half of it.
    Equal,
    /// Between nothing and the computed wait: the best spread.
    Full,
}

/// The shape of a backoff.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BackoffPolicy {
    initial: Duration,
    factor: f64,
    cap: Duration,
    jitter: Jitter,
}

impl BackoffPolicy {
    /// Waits `initial` at first, `factor` times longer each time, never longer than `cap`.
    ///
    /// # Errors
    ///
    /// When `initial` is zero or longer than `cap`, or `factor` is below 1 or not finite.
    pub fn new(initial: Duration, factor: f64, cap: Duration, jitter: Jitter) -> Result<Self, InvalidPolicy> {
        if initial.is_zero() {
            return Err(InvalidPolicy { field: "initial", problem: "must be longer than zero" });
        }
        if cap < initial {
            return Err(InvalidPolicy { field: "cap", problem: "must not be shorter than initial" });
        }
        if !factor.is_finite() || factor < 1.0 {
            return Err(InvalidPolicy { field: "factor", problem: "must be finite and at least 1" });
        }
        Ok(Self { initial, factor, cap, jitter })
    }

    /// For calls: 1 s, ×2, at most 30 s, full jitter.
    #[must_use]
    pub const fn calls() -> Self {
        Self {
            initial: Duration::from_secs(1),
            factor: 2.0,
            cap: Duration::from_secs(30),
            jitter: Jitter::Full,
        }
    }

    /// For lanes: 0.5 s, ×2, at most 30 s, equal jitter: never at once, since a lane tries for ever.
    #[must_use]
    pub const fn lanes() -> Self {
        Self {
            initial: Duration::from_millis(500),
            factor: 2.0,
            cap: Duration::from_secs(30),
            jitter: Jitter::Equal,
        }
    }

    /// For lanes that were refused: 2 s, ×2, at most 5 min, equal jitter. An API server that has just started refuses for
    /// a moment what it will allow; a refusal that lasts is asked about some six times in the first minute, then rarely. No
    /// wait is longer than twice all that came before it and 2 s, so whoever grants what was refused waits for it in
    /// proportion to how long it was.
    #[must_use]
    pub const fn denied() -> Self {
        Self {
            initial: Duration::from_secs(2),
            factor: 2.0,
            cap: Duration::from_secs(300),
            jitter: Jitter::Equal,
        }
    }

    /// The same, but never longer than `cap`.
    pub(crate) fn at_most(self, cap: Duration) -> Self {
        Self { initial: self.initial.min(cap), cap: self.cap.min(cap), ..self }
    }

    /// The wait before the try after `failures` failures in a row (1 for the first).
    #[must_use]
    pub fn wait(&self, failures: u32, rng: &mut impl Rng) -> Duration {
        let wait = self.longest(failures);
        match self.jitter {
            Jitter::None => wait,
            Jitter::Equal => wait.mul_f64(0.5 + rng.random::<f64>() / 2.0),
            Jitter::Full => wait.mul_f64(rng.random::<f64>()),
        }
    }

    /// The same before chance shortens it.
    fn longest(&self, failures: u32) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial.as_secs_f64() * self.factor.powi(exponent);
        // Past the cap, or past what an f64 holds, the comparison is false and the cap stands.
        if grown < self.cap.as_secs_f64() { Duration::from_secs_f64(grown) } else { self.cap }
    }

    /// How many of so many failures in a row still count after things went well for a while: so many that the next wait
    /// is no longer than that while. What went well for less than the first wait forgives nothing, so that a mere connect
    /// does not reset anything.
    #[must_use]
    pub fn remembered(&self, failures: u32, well: Duration) -> u32 {
        if well < self.initial {
            return failures;
        }
        (0..=failures).rev().find(|count| self.longest(count.saturating_add(1)) <= well).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    #[test]
    fn waits_double_up_to_the_cap() {
        let policy =
            BackoffPolicy::new(Duration::from_secs(1), 2.0, Duration::from_secs(30), Jitter::None).unwrap();
        let mut rng = SmallRng::seed_from_u64(1);
        let waits: Vec<u64> = (1..=7).map(|failures| policy.wait(failures, &mut rng).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn whoever_was_refused_waits_in_proportion_whatever_chance_does() {
        for seed in 0..200 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut before = Duration::ZERO;
            for refusals in 1..20 {
                let wait = BackoffPolicy::denied().wait(refusals, &mut rng);
                assert!(wait <= before * 2 + Duration::from_secs(2), "{wait:?} after {before:?}");
                before += wait;
            }
        }
    }

    #[test]
    fn what_went_well_is_forgiven_in_proportion() {
        let policy =
            BackoffPolicy::new(Duration::from_secs(1), 2.0, Duration::from_secs(30), Jitter::None).unwrap();
        let remembered = |failures, seconds| policy.remembered(failures, Duration::from_secs_f64(seconds));
        assert_eq!(remembered(5, 0.9), 5, "a mere connect");
        // Waits are 1, 2, 4, 8, 16 s: after 5 s of good, the next may be 4 s.
        assert_eq!([remembered(9, 1.0), remembered(9, 5.0), remembered(9, 29.0)], [0, 2, 4]);
        assert_eq!(remembered(1, 29.0), 1, "its wait is short anyway");
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        let second = Duration::from_secs(1);
        let field = |policy: Result<BackoffPolicy, InvalidPolicy>| policy.unwrap_err().field;
        assert_eq!(field(BackoffPolicy::new(Duration::ZERO, 2.0, second, Jitter::Full)), "initial");
        assert_eq!(field(BackoffPolicy::new(second * 2, 2.0, second, Jitter::Full)), "cap");
        assert_eq!(field(BackoffPolicy::new(second, f64::NAN, second, Jitter::Full)), "factor");
        assert_eq!(field(BackoffPolicy::new(second, 0.5, second, Jitter::Full)), "factor");
    }

    proptest! {
        #[test]
        fn no_wait_is_ever_outside_its_bounds(
            failures in any::<u32>(), seed in any::<u64>(), initial in 1_u64..10_000, factor in 1.0..1e6_f64, longer in 0_u64..1_000_000,
        ) {
            let initial = Duration::from_millis(initial);
            let cap = initial + Duration::from_millis(longer);
            let mut rng = SmallRng::seed_from_u64(seed);
            let full = BackoffPolicy::new(initial, factor, cap, Jitter::Full).unwrap().wait(failures, &mut rng);
            prop_assert!(full <= cap);
            let equal = BackoffPolicy::new(initial, factor, cap, Jitter::Equal).unwrap().wait(failures, &mut rng);
            prop_assert!(equal <= cap && equal >= initial.mul_f64(0.499));
            let failures = failures % 1000;
            let left = BackoffPolicy::new(initial, factor, cap, Jitter::None).unwrap().remembered(failures, cap);
            prop_assert!(left == failures, "after the longest wait's time nothing is too long");
        }
    }
}
