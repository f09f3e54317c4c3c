//! Wall time, read in one place.
//!
//! Durations are measured with tokio's clock, which tests can pause. Wall time is only ever shown, never computed with.

pub use jiff::Timestamp;

/// The time of day, to the millisecond.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads wall time")]
pub fn wall_now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// The time of day after a while; now, for a while that no calendar holds.
#[must_use]
pub(crate) fn wall_after(wait: std::time::Duration) -> Timestamp {
    let now = wall_now();
    now.checked_add(wait).unwrap_or(now)
}
