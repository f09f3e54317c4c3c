//! Caches, and a fleet: an answer at once after a restart, and more viewers than one process holds without more load on the API
//! server.

pub mod announce;
pub mod cache;
pub mod clock;
pub mod envelope;
pub mod flight;
#[cfg(feature = "redis")]
pub mod redis;

pub use announce::{Announcements, Announces, Invalidation};
pub use cache::{Cache, Entry, Key, Lookup, REMOVED_FOR, Stored, Use, Version};
pub use clock::Clock;
pub use flight::{Turn, Turns};
