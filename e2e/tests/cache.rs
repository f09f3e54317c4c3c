//! Caches on real Redis: every contract, on one server, with Sentinels and on a Cluster, and with memory over each; what happens to answers while
//! Redis is in trouble; how soon replicas see each other's writes; and how many calls reach an origin when many ask at once.

#[path = "cache/contract.rs"]
mod contract;
#[path = "cache/loads.rs"]
mod loads;
#[path = "cache/staleness.rs"]
mod staleness;
#[path = "cache/trouble.rs"]
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use ingress_cache::redis::{Redis, RedisCache, RedisConfig};
use ingress_cache::{Clock, Entry, MemoryCache, Policy, Tiered, Use};

const MINUTE: Duration = Duration::from_secs(60);
const OF: Use = Use::new("test");

fn handle(url: &str) -> Result<Redis> {
    Ok(Redis::connect(RedisConfig::from_url(url)?.prefix("e2e")?))
}

fn shared(url: &str) -> Result<RedisCache> {
    Ok(RedisCache::new(handle(url)?))
}

fn tiered(url: &str) -> Result<Tiered<RedisCache>> {
    Ok(Tiered::new(MemoryCache::new(&Policy::INGRESS_DETAIL, Clock::wall()), Arc::new(shared(url)?)))
}

/// A value that is fresh for a minute.
fn entry(value: &str) -> Entry {
    let clock = Clock::wall();
    Entry::new(
        Some(Bytes::copy_from_slice(value.as_bytes())),
        clock.version(),
        clock.now_ms(),
        MINUTE,
        MINUTE,
    )
}
