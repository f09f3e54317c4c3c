//! The buckets of one class, and what they say in headers.
//!
//! `governor` does the arithmetic (GCRA: one number per client says all there is to say); what is here gives it a clock, a
//! table with a bound, and words.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::Clock as _;
use governor::middleware::StateInformationMiddleware;
use http::HeaderValue;

use super::clock::TokioClock;
use super::kept::{Kept, Look};
use super::{Class, RateLimit};
use crate::client::Client;

/// How often buckets that are full again are looked for, at most, while there is no place for another.
const TIDY_EVERY: Duration = Duration::from_secs(1);

type Limiter<S> = RateLimiter<Client, S, TokioClock, StateInformationMiddleware>;

#[derive(Debug)]
pub(super) struct Buckets {
    class: Class,
    rate: RateLimit,
    policy: HeaderValue,
    kept: Kept,
    take: Limiter<Kept>,
    look: Limiter<Look>,
    clock: TokioClock,
    /// In nanoseconds of the clock.
    next_tidy: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Allowed {
        left: u32,
    },
    /// How long it takes until there is a token again.
    Refused {
        wait: Duration,
    },
}

impl Buckets {
    pub(super) fn new(class: Class, rate: RateLimit) -> Self {
        let (kept, clock) = (Kept::default(), TokioClock::new());
        let policy = format!("\"{}\";q={};w={}", class.as_str(), rate.burst(), seconds(rate, rate.burst()));
        Self {
            class,
            rate,
            policy: HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("")),
            take: RateLimiter::new(rate.quota(), kept.clone(), clock),
            look: RateLimiter::new(rate.quota(), Look(kept.clone()), clock),
            kept,
            clock,
            next_tidy: AtomicU64::new(0),
        }
    }

    pub(super) fn rate(&self) -> RateLimit {
        self.rate
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&self, client: &Client) -> Outcome {
        self.tidy();
        match self.take.check_key(client) {
            Ok(state) => Outcome::Allowed { left: state.remaining_burst_capacity() },
            Err(refused) => Outcome::Refused { wait: refused.wait_time_from(self.clock.now()) },
        }
    }

    /// Looks whether there is a token.
    pub(super) fn look(&self, client: &Client) -> Outcome {
        match self.look.check_key(client) {
            Ok(state) => Outcome::Allowed { left: state.remaining_burst_capacity() },
            Err(refused) => Outcome::Refused { wait: refused.wait_time_from(self.clock.now()) },
        }
    }

    /// Forgets whoever has all their tokens again, if the place is needed.
    fn tidy(&self) {
        if !self.kept.is_full() {
            return;
        }
        let (now, due) = (self.clock.now().as_u64(), self.next_tidy.load(Ordering::Relaxed));
        let next = now.saturating_add(u64::try_from(TIDY_EVERY.as_nanos()).unwrap_or(u64::MAX));
        // Whoever comes first does it, and nobody waits for the others.
        if now >= due
            && self.next_tidy.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            self.take.retain_recent();
        }
    }

    /// `RateLimit-Policy`: so many in so many seconds, which is how long an empty bucket takes to be full.
    pub(super) fn policy(&self) -> HeaderValue {
        self.policy.clone()
    }

    /// `RateLimit`: what is left, and in how many seconds the bucket is full again.
    pub(super) fn left(&self, outcome: Outcome) -> String {
        let left = match outcome {
            Outcome::Allowed { left } => left,
            Outcome::Refused { .. } => 0,
        };
        let missing = self.rate.burst().saturating_sub(left);
        format!("\"{}\";r={left};t={}", self.class.as_str(), seconds(self.rate, missing))
    }
}

/// How long it takes to gather so many tokens, in whole seconds, rounded up.
fn seconds(rate: RateLimit, tokens: u32) -> u64 {
    let takes = rate.interval().saturating_mul(tokens);
    takes.as_secs() + u64::from(takes.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use governor::state::keyed::ShrinkableKeyedStateStore as _;

    use super::super::kept::MAX_CLIENTS;
    use super::*;
    use crate::client::AddressKey;

    fn client(number: u32) -> Client {
        Client::Address(AddressKey::Known(IpAddr::V4(Ipv4Addr::from(number))))
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_empties_and_fills() {
        let buckets = Buckets::new(Class::Requests, RateLimit::of(100, 10.0));
        assert_eq!(buckets.policy(), "\"requests\";q=100;w=10");
        let first = buckets.take(&client(1));
        assert_eq!(
            (first, buckets.left(first).as_str()),
            (Outcome::Allowed { left: 99 }, "\"requests\";r=99;t=1")
        );
        let last = (0..99).map(|_| buckets.take(&client(1))).last().unwrap();
        assert_eq!(
            (last, buckets.left(last).as_str()),
            (Outcome::Allowed { left: 0 }, "\"requests\";r=0;t=10")
        );
        let refused = buckets.take(&client(1));
        assert_eq!(refused, Outcome::Refused { wait: Duration::from_millis(100) });
        assert_eq!(buckets.left(refused), "\"requests\";r=0;t=10");
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(buckets.take(&client(1)), Outcome::Allowed { left: 0 });
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(
            buckets.take(&client(1)),
            Outcome::Allowed { left: 99 },
            "and never holds more than a burst"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_take_a_bounded_memory() {
        let buckets = Buckets::new(Class::Requests, RateLimit::of(2, 1.0));
        let known = client(0);
        buckets.take(&known);
        let all = u32::try_from(MAX_CLIENTS).unwrap();
        for number in 1..all {
            assert_eq!(buckets.take(&client(number)), Outcome::Allowed { left: 1 });
        }
        assert_eq!(buckets.kept.len(), MAX_CLIENTS);
        // Newcomers share what one has; who was there before keeps their own.
        assert_eq!(buckets.take(&client(all)), Outcome::Allowed { left: 1 });
        assert_eq!(buckets.take(&client(all + 1)), Outcome::Allowed { left: 0 });
        assert!(matches!(buckets.take(&client(all + 2)), Outcome::Refused { .. }));
        assert_eq!(buckets.take(&known), Outcome::Allowed { left: 0 });
        assert_eq!(buckets.kept.len(), MAX_CLIENTS + 1);
        // Once the buckets are full again, there is place.
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(buckets.take(&client(all + 2)), Outcome::Allowed { left: 1 });
        assert!(buckets.kept.len() <= 2, "{}", buckets.kept.len());
    }
}
