//! Caches, and a fleet: an answer at once after a restart, and more viewers than one process holds without more load on the API
//! server.

pub mod announce;
pub mod cache;
pub mod clock;
#[cfg(any(test, feature = "test-util"))]
pub mod contract;
pub mod envelope;
#[cfg(feature = "redis")]
pub mod fleet;
pub mod flight;
pub mod memory;
pub mod policy;
pub mod reader;
#[cfg(feature = "redis")]
pub mod redis;
pub mod stats;
pub mod status;
pub mod tiered;
pub mod uses;

pub use announce::{Announcements, Announces, Invalidation};
pub use cache::{Cache, Entry, Key, Lookup, REMOVED_FOR, Stored, Use, Version};
pub use clock::Clock;
pub use flight::{MemoryTurns, Turn, Turns};
pub use memory::MemoryCache;
pub use policy::Policy;
pub use reader::{Answer, Cached};
pub use stats::{CacheStats, ReadStats};
pub use status::Status;
pub use tiered::Tiered;
