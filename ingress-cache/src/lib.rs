//! Caches, and a fleet: an answer at once after a restart, and more viewers than one process holds without more load on the API
//! server.
//!
//! A [`Cache`] is a place for bytes that may be gone at any moment: [`MemoryCache`] in this process, one that replicas share, or
//! [`Tiered`], the one over the other. A [`Cached`] is what programs use: it asks a cache, loads what isn't there, once where many ask,
//! and says how an answer came.
//!
//! ```
//! use std::sync::Arc;
//!
//! use ingress_cache::{Cached, Clock, MemoryCache, Policy, uses};
//! use ingress_core::SourceError;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), SourceError> {
//! let policy = Policy::INGRESS_DETAIL;
//! let memory = Arc::new(MemoryCache::new(&policy, Clock::wall()));
//! let details = Cached::builder(uses::INGRESS_DETAIL, policy, memory).build::<SourceError>();
//!
//! let key = details.key("prod/shop/web");
//! let load = || async { Ok(Some("the object, as its API server has it".into())) };
//! let first = details.get_or_load(&key, load).await?;
//! assert_eq!(first.status.to_string(), "ingress; fwd=uri-miss; stored");
//!
//! let second = details.get_or_load(&key, load).await?;
//! assert_eq!(second.value, first.value);
//! assert!(second.status.to_string().starts_with("ingress; hit; ttl="));
//! # Ok(())
//! # }
//! ```
//!
//! # What goes wrong
//!
//! Nothing that is wrong with a cache is an error. What can't be read, because it is damaged or another release wrote it, is a miss, counted
//! ([`envelope`]). What can't be asked is as good as empty. Only the origin fails, and where the [`Policy`] allows, what is
//! stale is served instead.
//!
//! # Which value is newer
//!
//! Every value has a [`Version`], the time at which its load began. A cache keeps the higher one, so that a replica that was slow, or
//! paused, overwrites nothing; and a removal is remembered for [`REMOVED_FOR`], so that a load which began before it doesn't undo it. What has
//! loaded by turn ([`Turns`]) has its version from one clock; replicas without one need clocks that differ by less than a load takes.
//!
//! # What may lie in a cache
//!
//! Secrets and tokens never do. A key that is made of something secret, or of somebody's name, is [hashed](Key::hashed). A value is told to everybody
//! who asks for its key: it carries no more than what the key's class of viewers may see, and a key names that class where viewers differ.

pub mod announce;
pub mod cache;
pub mod clock;
#[cfg(any(test, feature = "test-util"))]
pub mod contract;
pub mod envelope;
#[cfg(feature = "redis")]
pub mod fleet;
pub mod flight;
pub mod keep;
pub mod memory;
pub mod place;
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
pub use keep::FileKeep;
#[cfg(feature = "redis")]
pub use keep::RedisKeep;
pub use memory::MemoryCache;
pub use place::{Place, PlaceFault, PlaceState};
pub use policy::Policy;
pub use reader::{Answer, Cached};
pub use stats::{CacheStats, ReadStats};
pub use status::Status;
pub use tiered::Tiered;
