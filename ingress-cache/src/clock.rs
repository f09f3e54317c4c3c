//! What time it is, for values that replicas share.
//!
//! A value says by itself until when it is good, so that every replica that reads it, and one that was started after it was
//! written, agrees. Only wall time can say that. Replicas whose clocks differ disagree by as much on how long a value is good,
//! and on nothing else: which of two values is newer is told by [`Version`]s, which come from one clock wherever there is one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ingress_core::clock::wall_now;
use tokio::time::Instant;

use crate::cache::Version;

/// Tells the time. A copy tells the same.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Kind);

#[derive(Debug, Clone, Copy)]
enum Kind {
    Wall,
    Tokio { anchor: Instant, then_us: i64 },
}

impl Clock {
    /// The system's.
    #[must_use]
    pub const fn wall() -> Self {
        Self(Kind::Wall)
    }

    /// The system's at this moment, and from here on tokio's, which tests can pause. It doesn't follow when the system's clock
    /// is set, and stands still while the machine sleeps.
    #[must_use]
    pub fn tokio() -> Self {
        Self(Kind::Tokio { anchor: Instant::now(), then_us: wall_now().as_microsecond() })
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(self) -> i64 {
        self.now_us().div_euclid(1000)
    }

    /// The version of what begins to be loaded now, by nobody's turn. By the system's clock it is later than all that this process had
    /// before, also within its resolution, and when it is set back.
    #[must_use]
    pub fn version(self) -> Version {
        let now = Version::from_micros(u64::try_from(self.now_us()).unwrap_or(0));
        match self.0 {
            Kind::Tokio { .. } => now,
            Kind::Wall => later_than_all(now),
        }
    }

    fn now_us(self) -> i64 {
        match self.0 {
            Kind::Wall => wall_now().as_microsecond(),
            Kind::Tokio { anchor, then_us } => {
                let since = i64::try_from(anchor.elapsed().as_micros()).unwrap_or(i64::MAX);
                then_us.saturating_add(since)
            }
        }
    }
}

fn later_than_all(now: Version) -> Version {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let later = |last: u64| now.max(Version::from_micros(last).next());
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(later(last).as_micros()));
    later(last.unwrap_or_else(|last| last))
}

impl Default for Clock {
    fn default() -> Self {
        Self::wall()
    }
}

/// A moment so much later, in milliseconds; a while that no calendar holds never ends.
pub(crate) fn after(ms: i64, wait: Duration) -> i64 {
    ms.saturating_add(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

/// How long it is from one moment to a later one; nothing, if it isn't later.
pub(crate) fn until(from_ms: i64, to_ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tokios_time_passes_when_tokio_says_so() {
        let clock = Clock::tokio();
        let begun = clock.now_ms();
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert_eq!(until(begun, clock.now_ms()), Duration::from_secs(7));
        assert!(clock.version() > Version::from_micros(u64::try_from(begun).unwrap() * 1000));
    }

    #[test]
    fn no_two_versions_of_the_system_s_clock_are_equal() {
        let versions: Vec<_> = (0..1000).map(|_| Clock::wall().version()).collect();
        assert!(versions.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn no_wait_is_too_long() {
        assert_eq!(after(5, Duration::MAX), i64::MAX);
        assert_eq!(until(5, 4), Duration::ZERO);
        assert_eq!(until(i64::MIN, i64::MAX), Duration::from_millis(i64::MAX.unsigned_abs()));
    }
}
