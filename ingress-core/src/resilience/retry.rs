//! When a call is tried again, and when it is given up.
//!
//! Only calls, which somebody waits for, are governed by this: 3 attempts in all. Lanes reconnect for ever and have a
//! backoff of their own.

use std::time::Duration;

use rand::Rng;

use super::backoff::{BackoffPolicy, InvalidPolicy};
use crate::classify::Class;

/// How often a call is tried, and with which pauses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    attempts: u32,
    backoff: BackoffPolicy,
    longest_retry_after: Duration,
}

impl Default for RetryPolicy {
    /// 3 attempts in all; 1 s, ×2, at most 30 s, full jitter; a `Retry-After` of more than 30 s is not waited for.
    fn default() -> Self {
        Self { attempts: 3, backoff: BackoffPolicy::calls(), longest_retry_after: Duration::from_secs(30) }
    }
}

impl RetryPolicy {
    /// A policy of so many attempts in all (1 never tries again) with these pauses between them.
    ///
    /// # Errors
    ///
    /// When `attempts` is zero.
    pub fn new(attempts: u32, backoff: BackoffPolicy) -> Result<Self, InvalidPolicy> {
        if attempts == 0 {
            return Err(InvalidPolicy { field: "attempts", problem: "must be at least 1" });
        }
        Ok(Self { attempts, backoff, ..Self::default() })
    }

    /// What to do after attempt number `attempt` (from 1) ended with an error of this class: how long to wait before the
    /// next one, or `None` to give up. A `Retry-After` that is longer than the computed pause wins; one that is longer than
    /// anyone would wait for is given up on at once, for the caller to pass on.
    #[must_use]
    pub fn next(&self, attempt: u32, class: Class, rng: &mut impl Rng) -> Option<Duration> {
        let Class::Transient { retry_after, .. } = class else { return None };
        if attempt >= self.attempts || retry_after.is_some_and(|wait| wait > self.longest_retry_after) {
            return None;
        }
        let wait = self.backoff.wait(attempt, rng);
        Some(retry_after.map_or(wait, |asked| asked.max(wait)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resilience::backoff::Jitter;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    const TRANSIENT: Class = Class::Transient { throttled: false, retry_after: None };

    fn exact() -> RetryPolicy {
        let second = Duration::from_secs(1);
        RetryPolicy::new(3, BackoffPolicy::new(second, 2.0, second * 30, Jitter::None).unwrap()).unwrap()
    }

    fn next(attempt: u32, class: Class) -> Option<u64> {
        exact().next(attempt, class, &mut SmallRng::seed_from_u64(1)).map(|wait| wait.as_secs())
    }

    #[test]
    fn three_attempts_in_all() {
        assert_eq!([next(1, TRANSIENT), next(2, TRANSIENT), next(3, TRANSIENT)], [Some(1), Some(2), None]);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for class in [Class::Permanent, Class::Expired, Class::Malformed] {
            assert_eq!(next(1, class), None, "{class:?}");
        }
    }

    #[test]
    fn retry_after_wins_when_it_is_longer() {
        let asked =
            |seconds| Class::Transient { throttled: true, retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(next(1, asked(7)), Some(7));
        assert_eq!(next(2, asked(1)), Some(2));
        assert_eq!(next(1, asked(31)), None, "nobody waits that long for a call");
    }

    #[test]
    fn zero_attempts_are_refused() {
        assert_eq!(RetryPolicy::new(0, BackoffPolicy::calls()).unwrap_err().field, "attempts");
    }
}
