//! The contract suite of all caches, against all kinds of Redis.

use anyhow::{Result, ensure};
use e2e::redis::{RedisCluster, RedisSentinels, RedisServer, scenario};
use e2e::wait;
use ingress_cache::{Cache, Clock, Key, Lookup, Stored, contract};

use super::{MINUTE, OF, entry, shared, tiered};

/// How many contracts there are: a suite that shrinks shows here.
const CONTRACTS: usize = 21;

/// Runs the suite on Redis alone and on memory over it; `flush` empties it.
#[expect(
    clippy::expect_used,
    reason = "the suite panics as well: a factory has no other way to say that it failed"
)]
async fn suites(url: &str, flush: impl AsyncFn() -> Result<()>) -> Result<()> {
    let held = contract::suite(Clock::wall(), async || {
        flush().await.expect("an empty Redis");
        ready(shared(url)).await.expect("a cache that is ready")
    });
    ensure!(held.await >= CONTRACTS);
    let held = contract::suite(Clock::wall(), async || {
        flush().await.expect("an empty Redis");
        ready(tiered(url)).await.expect("a cache that is ready")
    });
    ensure!(held.await >= CONTRACTS);
    Ok(())
}

/// Waits until a cache is connected: what it is asked before then, it can't tell.
async fn ready<C: Cache>(cache: Result<C>) -> Result<C> {
    let (cache, key) = (cache?, Key::new(OF, "ready"));
    wait::until("Redis to be asked", wait::PATIENCE, async || {
        ensure!(cache.put(&key, entry("x")).await == Stored::Kept);
        Ok(cache.get(&key).await != Lookup::Unavailable)
    })
    .await?;
    Ok(cache)
}

#[test]
fn every_contract_holds_on_one_server() -> Result<()> {
    scenario(MINUTE * 3, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        suites(&server.url(), async || server.flush().await).await
    })
}

#[test]
fn every_contract_holds_with_sentinels() -> Result<()> {
    scenario(MINUTE * 3, async |lab| {
        let mut group = RedisSentinels::start(lab).await?;
        let (url, master) = (group.url(), group.master().await?);
        let master = &group.servers()[master];
        suites(&url, async || master.flush().await).await
    })
}

#[test]
fn every_contract_holds_on_a_cluster() -> Result<()> {
    scenario(MINUTE * 3, async |lab| {
        let cluster = RedisCluster::start(lab).await?;
        suites(&cluster.url(), async || cluster.flush().await).await
    })
}
