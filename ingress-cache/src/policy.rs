//! How long values of one use are believed, and how big they may be.
//!
//! A value goes through three times. It is *fresh* for its time to live, shortened by chance, so that what was loaded together isn't
//! loaded again together. Then it is *stale*: for a while it is served at once and loaded anew behind the scenes, and for a
//! while, which may be longer, it is served if loading fails. Then it is gone.

use std::time::Duration;

use bytes::Bytes;
use rand::{Rng, RngExt as _};

use crate::cache::{Entry, Version};

/// A policy that makes no sense, and what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {remedy}")]
pub struct InvalidPolicy {
    field: &'static str,
    remedy: &'static str,
}

impl InvalidPolicy {
    /// The field at fault.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }
}

/// How long values of one use are believed, and how big they may be. See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    ttl: Duration,
    jitter: f64,
    negative_ttl: Option<Duration>,
    stale_while_revalidate: Duration,
    stale_if_error: Duration,
    idle: Option<Duration>,
    heaviest: usize,
    total: u64,
    turn: Duration,
    patience: Duration,
}

/// Replicas' clocks may differ by this much before one doesn't believe what another says of its value.
const CLOCKS_DIFFER: Duration = Duration::from_secs(5);

const KIB: usize = 1024;
const MIB: u64 = 1024 * 1024;

impl Policy {
    const PLAIN: Self = Self {
        ttl: Duration::from_secs(60),
        jitter: 0.1,
        negative_ttl: None,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        idle: None,
        heaviest: 1024 * KIB,
        total: 64 * MIB,
        turn: Duration::from_secs(5),
        patience: Duration::from_secs(8),
    };

    /// Which namespaces a cluster has: 300 s, then a minute stale while they are asked for, and an hour if that fails.
    pub const NAMESPACES: Self = Self {
        ttl: Duration::from_secs(300),
        stale_while_revalidate: Duration::from_secs(60),
        stale_if_error: Duration::from_secs(3600),
        ..Self::PLAIN
    };

    /// A whole object on demand: 60 s, then half a minute stale while it is asked for, and ten minutes if that fails. That it doesn't exist is
    /// believed for 5 s. etcd takes no object above 1.5 MiB; its JSON is allowed 4.
    pub const INGRESS_DETAIL: Self = Self {
        ttl: Duration::from_secs(60),
        negative_ttl: Some(Duration::from_secs(5)),
        stale_while_revalidate: Duration::from_secs(30),
        stale_if_error: Duration::from_secs(600),
        idle: Some(Duration::from_secs(300)),
        heaviest: 4096 * KIB,
        ..Self::PLAIN
    };

    /// How a cluster is: 30 s, then half a minute stale while it is asked, and no longer: an answer that is older tells nothing.
    pub const HEALTH: Self = Self {
        ttl: Duration::from_secs(30),
        stale_while_revalidate: Duration::from_secs(30),
        heaviest: 64 * KIB,
        total: 4 * MIB,
        ..Self::PLAIN
    };

    /// What somebody may do: 10 s, and never stale, whatever fails: who was refused must not see more for it.
    pub const ACCESS_REVIEWS: Self = Self {
        ttl: Duration::from_secs(10),
        negative_ttl: Some(Duration::from_secs(10)),
        idle: Some(Duration::from_secs(60)),
        heaviest: 16 * KIB,
        total: 8 * MIB,
        ..Self::PLAIN
    };

    /// A policy of one's own: fresh for so long, less up to a tenth; never stale; nothing is kept of what doesn't exist; 1 MiB per value
    /// and 64 MiB in memory; turns of 5 s, waited for up to 8 s.
    pub const fn builder(ttl: Duration) -> PolicyBuilder {
        PolicyBuilder(Self { ttl, ..Self::PLAIN })
    }

    /// This one, to be changed.
    pub const fn change(self) -> PolicyBuilder {
        PolicyBuilder(self)
    }

    /// For how long a value is fresh at most.
    #[must_use]
    pub const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// How many bytes a value may have to be kept.
    #[must_use]
    pub const fn heaviest(&self) -> usize {
        self.heaviest
    }

    /// How many bytes all values may have in memory, keys and bookkeeping included.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// For how long a value lies in memory that nobody asks for; `None` if that doesn't matter.
    #[must_use]
    pub const fn idle(&self) -> Option<Duration> {
        self.idle
    }

    /// For how long a replica has the turn to load a value.
    #[must_use]
    pub const fn turn(&self) -> Duration {
        self.turn
    }

    /// For how long others wait for a value that a replica loads, before they load it themselves.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        self.patience
    }

    /// The entry for a value that was loaded now; `None` if it isn't to be kept.
    pub(crate) fn entry(
        &self,
        value: Option<Bytes>,
        version: Version,
        now_ms: i64,
        rng: &mut impl Rng,
    ) -> Option<Entry> {
        let ttl = match &value {
            Some(bytes) if bytes.len() > self.heaviest => return None,
            Some(_) => self.ttl,
            None => self.negative_ttl?,
        };
        let fresh = ttl.mul_f64(1.0 - self.jitter * rng.random::<f64>());
        let stale = self.stale_while_revalidate.max(self.stale_if_error);
        Some(Entry::new(value, version, now_ms, fresh, stale))
    }

    /// What a reader may do with an entry.
    pub(crate) fn age(&self, entry: &Entry, now_ms: i64) -> Age {
        if entry.is_gone(now_ms) {
            return Age::Gone;
        }
        let fresh = entry.fresh_for(now_ms);
        if !fresh.is_zero() {
            // Longer than any value is fresh: somebody's clock is ahead, or the policy was shortened. It is good if loading fails.
            return if fresh <= self.ttl_of(entry).saturating_add(CLOCKS_DIFFER) {
                Age::Fresh
            } else {
                Age::LastResort
            };
        }
        let stale = crate::clock::until(entry.fresh_until_ms, now_ms);
        if stale < self.stale_while_revalidate {
            Age::Revalidate
        } else if stale < self.stale_if_error {
            Age::LastResort
        } else {
            Age::Gone
        }
    }

    fn ttl_of(&self, entry: &Entry) -> Duration {
        if entry.value.is_some() { self.ttl } else { self.negative_ttl.unwrap_or_default() }
    }
}

/// What a reader may do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// Serve it.
    Fresh,
    /// Serve it, and load it anew behind the scenes.
    Revalidate,
    /// Load it anew, and serve it if that fails.
    LastResort,
    /// Nothing.
    Gone,
}

/// A policy in the making; [`build`](Self::build) checks it.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct PolicyBuilder(Policy);

impl PolicyBuilder {
    /// For how long a value is fresh at most.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.0.ttl = ttl;
        self
    }

    /// By what share of it chance may shorten the time to live: from 0, never, to 1.
    pub const fn jitter(mut self, share: f64) -> Self {
        self.0.jitter = share;
        self
    }

    /// For how long it is believed that there is no value.
    pub const fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.0.negative_ttl = Some(ttl);
        self
    }

    /// For how long a stale value is served at once while it is loaded anew.
    pub const fn stale_while_revalidate(mut self, stale: Duration) -> Self {
        self.0.stale_while_revalidate = stale;
        self
    }

    /// For how long a stale value is served if loading fails.
    pub const fn stale_if_error(mut self, stale: Duration) -> Self {
        self.0.stale_if_error = stale;
        self
    }

    /// For how long a value lies in memory that nobody asks for.
    pub const fn idle(mut self, idle: Duration) -> Self {
        self.0.idle = Some(idle);
        self
    }

    /// How many bytes a value may have to be kept.
    pub const fn heaviest(mut self, bytes: usize) -> Self {
        self.0.heaviest = bytes;
        self
    }

    /// How many bytes all values may have in memory, keys and bookkeeping included.
    pub const fn total(mut self, bytes: u64) -> Self {
        self.0.total = bytes;
        self
    }

    /// For how long a replica has the turn to load a value: longer than loading takes, and no longer than a dead replica may hold others up.
    pub const fn turn(mut self, held: Duration) -> Self {
        self.0.turn = held;
        self
    }

    /// For how long others wait for a value that a replica loads, before they load it themselves.
    pub const fn patience(mut self, wait: Duration) -> Self {
        self.0.patience = wait;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// When something in it contradicts itself; the error names the field, and says what to do.
    pub fn build(self) -> Result<Policy, InvalidPolicy> {
        let policy = self.0;
        let longest = Duration::from_secs(366 * 24 * 3600);
        let rules = [
            ("ttl", !policy.ttl.is_zero(), "must be longer than zero; without a cache, call the origin"),
            ("ttl", policy.ttl <= longest, "must not be longer than a year"),
            ("jitter", (0.0..=1.0).contains(&policy.jitter), "must be a share from 0 to 1"),
            (
                "negative_ttl",
                policy.negative_ttl.is_none_or(|ttl| !ttl.is_zero()),
                "must be longer than zero; leave it out to keep nothing",
            ),
            (
                "negative_ttl",
                policy.negative_ttl.is_none_or(|ttl| ttl <= longest),
                "must not be longer than a year",
            ),
            (
                "stale_while_revalidate",
                policy.stale_while_revalidate <= longest,
                "must not be longer than a year",
            ),
            ("stale_if_error", policy.stale_if_error <= longest, "must not be longer than a year"),
            (
                "idle",
                policy.idle.is_none_or(|idle| !idle.is_zero()),
                "must be longer than zero; leave it out to keep what nobody asks for",
            ),
            ("heaviest", policy.heaviest > 0, "must be a byte at least"),
            (
                "total",
                policy.total > policy.heaviest as u64,
                "must be more than `heaviest`, or the heaviest value finds no place",
            ),
            (
                "turn",
                !policy.turn.is_zero(),
                "must be longer than zero: it ends by itself, and loading takes time",
            ),
            (
                "patience",
                policy.patience >= policy.turn,
                "must not be shorter than `turn`, or nobody takes over from a dead replica",
            ),
            ("patience", policy.patience <= longest, "must not be longer than a year"),
        ];
        match rules.into_iter().find(|(_, holds, _)| !holds) {
            Some((field, _, remedy)) => Err(InvalidPolicy { field, remedy }),
            None => Ok(policy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_shipped_makes_sense() {
        for policy in [Policy::NAMESPACES, Policy::INGRESS_DETAIL, Policy::HEALTH, Policy::ACCESS_REVIEWS] {
            assert_eq!(policy.change().build(), Ok(policy));
        }
        let ttls = [Policy::NAMESPACES, Policy::INGRESS_DETAIL, Policy::HEALTH, Policy::ACCESS_REVIEWS]
            .map(|policy| policy.ttl().as_secs());
        assert_eq!(ttls, [300, 60, 30, 10]);
    }

    #[test]
    fn nonsense_is_refused_by_name_with_a_remedy() {
        let check = |builder: PolicyBuilder| builder.build().unwrap_err().to_string();
        let plain = || Policy::builder(SECOND);
        assert_eq!(
            check(plain().ttl(Duration::ZERO)),
            "ttl: must be longer than zero; without a cache, call the origin"
        );
        assert_eq!(check(plain().ttl(Duration::MAX)), "ttl: must not be longer than a year");
        assert_eq!(check(plain().jitter(f64::NAN)), "jitter: must be a share from 0 to 1");
        assert!(check(plain().negative_ttl(Duration::ZERO)).starts_with("negative_ttl: "));
        assert!(check(plain().stale_if_error(Duration::MAX)).starts_with("stale_if_error: "));
        assert!(check(plain().idle(Duration::ZERO)).starts_with("idle: "));
        assert!(check(plain().heaviest(0)).starts_with("heaviest: "));
        assert!(check(plain().total(5).heaviest(5)).starts_with("total: "));
        assert!(check(plain().turn(Duration::ZERO)).starts_with("turn: "));
        assert!(check(plain().patience(SECOND)).starts_with("patience: "));
    }

    #[test]
    fn a_value_ages_by_its_policy() {
        let policy = Policy::builder(SECOND * 10)
            .jitter(0.0)
            .stale_while_revalidate(SECOND * 5)
            .stale_if_error(SECOND * 20)
            .build()
            .unwrap();
        let entry = policy
            .entry(Some(Bytes::new()), Version::from_micros(1), 0, &mut SmallRng::seed_from_u64(1))
            .unwrap();
        let ages = [0, 9_999, 10_000, 14_999, 15_000, 29_999, 30_000].map(|ms| policy.age(&entry, ms));
        assert_eq!(
            ages,
            [
                Age::Fresh,
                Age::Fresh,
                Age::Revalidate,
                Age::Revalidate,
                Age::LastResort,
                Age::LastResort,
                Age::Gone
            ]
        );
        assert_eq!(policy.age(&entry, -4_999), Age::Fresh, "clocks differ a little");
        assert_eq!(policy.age(&entry, -5_001), Age::LastResort, "somebody's clock is ahead");
    }

    #[test]
    fn what_is_not_worth_keeping_is_not_kept() {
        let policy = Policy::builder(SECOND).heaviest(3).total(1000).build().unwrap();
        let mut rng = SmallRng::seed_from_u64(1);
        let mut kept = |value: Option<&'static str>| {
            policy.entry(value.map(Bytes::from), Version::from_micros(1), 0, &mut rng).is_some()
        };
        assert_eq!([kept(Some("abc")), kept(Some("abcd")), kept(None)], [true, false, false]);
    }

    proptest! {
        #[test]
        fn chance_only_ever_shortens(seed in any::<u64>(), ttl in 1_u64..1_000_000, jitter in 0.0..=1.0_f64) {
            let ttl = Duration::from_millis(ttl);
            let policy = Policy::builder(ttl).jitter(jitter).build().unwrap();
            let entry = policy.entry(Some(Bytes::new()), Version::from_micros(1), 0, &mut SmallRng::seed_from_u64(seed)).unwrap();
            let fresh = entry.fresh_for(0);
            prop_assert!(fresh <= ttl && fresh + Duration::from_millis(2) >= ttl.mul_f64(1.0 - jitter));
        }
    }
}
