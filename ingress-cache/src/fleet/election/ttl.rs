//! For how long terms are granted.

use std::time::Duration;

/// For how long a term is granted: 1 s to 60 s, 3 s by default. A shorter one ends an outage of its holder sooner; a longer one bears
/// longer pauses without a change of holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl(Duration);

/// A time to live that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("terms must last 1 s to 60 s, in whole seconds, not {0:?}")]
pub struct InvalidTtl(Duration);

impl Default for Ttl {
    fn default() -> Self {
        Self(Duration::from_secs(3))
    }
}

impl Ttl {
    /// Checks a time to live. Leases count in whole seconds, so it does, too.
    ///
    /// # Errors
    ///
    /// When it is not a whole number of seconds from 1 to 60.
    pub fn new(ttl: Duration) -> Result<Self, InvalidTtl> {
        let fits = (1..=60).contains(&ttl.as_secs()) && ttl.subsec_nanos() == 0;
        if fits { Ok(Self(ttl)) } else { Err(InvalidTtl(ttl)) }
    }

    /// The time.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }

    /// How much of it a holder counts on: a tenth less, for clocks that run differently and for timers that are late.
    #[must_use]
    pub fn trusted(self) -> Duration {
        self.0 - self.0 / 10
    }

    /// How often a holder renews: three tries fit in.
    #[must_use]
    pub fn renewal(self) -> Duration {
        self.0 / 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_checked() {
        for good in [1, 3, 60] {
            assert!(Ttl::new(Duration::from_secs(good)).is_ok());
        }
        for bad in [Duration::ZERO, Duration::from_millis(1500), Duration::from_secs(61)] {
            assert!(Ttl::new(bad).is_err(), "{bad:?}");
        }
        let ttl = Ttl::default();
        assert!(ttl.renewal() * 2 < ttl.trusted() && ttl.trusted() < ttl.get());
    }
}
