//! Policies for things that fail: pure, with time and chance passed in.
//!
//! - [`backoff`]: how long to wait before trying again, for calls and for lanes.
//! - [`retry`]: when a call is tried again, and when it is given up.
//! - [`breaker`]: when an endpoint is not asked at all.

pub mod backoff;
pub mod breaker;
pub mod retry;
