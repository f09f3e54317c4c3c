//! Many who ask for the same, over replicas that share nothing but Redis: one call to the origin.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use bytes::Bytes;
use e2e::process::Process;
use e2e::redis::{RedisCluster, RedisSentinels, RedisServer, scenario};
use e2e::wait;
use futures::future::try_join_all;
use ingress_cache::redis::{RedisCache, RedisTurns};
use ingress_cache::{Cached, Clock, MemoryCache, Policy, Tiered, Turn, Turns};
use tokio::time::{Instant, sleep};

use super::{MINUTE, OF, handle};

const TURN: Duration = Duration::from_secs(1);

fn replica(url: &str) -> Result<Cached<String>> {
    let redis = handle(url)?;
    let policy = Policy::builder(MINUTE).turn(TURN).patience(Duration::from_secs(5)).build()?;
    let cache =
        Tiered::new(MemoryCache::new(&policy, Clock::wall()), Arc::new(RedisCache::new(redis.clone())));
    Ok(Cached::builder(OF, policy, Arc::new(cache)).turns(Arc::new(RedisTurns::new(redis))).build())
}

/// 1,000 ask 4 replicas for one key at once; how many calls there were.
async fn thousand(replicas: &[Cached<String>], key: &str) -> Result<usize> {
    let calls = Arc::new(AtomicUsize::new(0));
    let reads = replicas.iter().cycle().take(1000).map(|cached| {
        let (cached, calls) = (cached.clone(), calls.clone());
        async move {
            let key = cached.key(key);
            let load = move || async move {
                calls.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(200)).await;
                Ok(Some(Bytes::from_static(b"value")))
            };
            cached.get_or_load(&key, load).await.map_err(|error| anyhow!(error))
        }
    });
    let answers = try_join_all(reads).await?;
    ensure!(answers.iter().all(|answer| answer.value.as_deref() == Some(b"value")));
    Ok(calls.load(Ordering::Relaxed))
}

async fn one_call(url: &str) -> Result<()> {
    let replicas = [replica(url)?, replica(url)?, replica(url)?, replica(url)?];
    // So that all of them are connected.
    for (number, replica) in replicas.iter().enumerate() {
        wait::until("a turn", wait::PATIENCE, async || {
            let key = replica.key(&format!("warm-{number}-{:?}", Instant::now()));
            let load = || async { Ok::<_, String>(Some(Bytes::new())) };
            let answer = replica.get_or_load(&key, load).await.map_err(|error| anyhow!(error))?;
            Ok(answer.status.stored && replica.stats().without_turn < replica.stats().loads)
        })
        .await?;
    }
    for round in 0..5 {
        let calls = thousand(&replicas, &format!("key-{round}")).await?;
        ensure!(calls == 1, "{calls} calls in round {round}");
    }
    Ok(())
}

#[test]
fn a_thousand_equal_loads_are_one_call() -> Result<()> {
    scenario(MINUTE * 2, async |lab| {
        one_call(&RedisServer::start(lab, "redis").await?.url()).await.context("one server")?;
        one_call(&RedisSentinels::start(lab).await?.url()).await.context("Sentinels")?;
        one_call(&RedisCluster::start(lab).await?.url()).await.context("a Cluster")
    })
}

#[test]
fn turns_are_fenced() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let turns = RedisTurns::new(handle(&server.url())?);
        let cached = replica(&server.url())?;
        let key = cached.key("fenced");
        let first = wait::eventually("a turn", wait::PATIENCE, async || {
            Ok(match turns.take(&key, TURN).await {
                Turn::Mine(version) => Some(version),
                _ => None,
            })
        })
        .await?;
        ensure!(turns.take(&key, TURN).await == Turn::Others);
        sleep(TURN).await;
        let Turn::Mine(second) = turns.take(&key, TURN).await else { return Err(anyhow!("it is over")) };
        ensure!(first < second);
        turns.release(&key, first).await;
        ensure!(turns.take(&key, TURN).await == Turn::Others, "a turn long gone can't be given back");
        turns.release(&key, second).await;
        let Turn::Mine(third) = turns.take(&key, TURN).await else {
            return Err(anyhow!("it was given back"));
        };
        ensure!(second < third);
        Ok(())
    })
}

/// The environment variable that makes [`holder`] a replica of its own, that takes a turn and loads for ever.
const HOLDER: &str = "E2E_CACHE_HOLDER";

#[test]
fn holder() -> Result<()> {
    let Ok(url) = std::env::var(HOLDER) else { return Ok(()) };
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let cached = replica(&url)?;
        let key = cached.key("held");
        loop {
            // Connecting may take longer than a command may: then it has no turn, and asks again.
            let load = || async {
                sleep(MINUTE).await;
                Ok::<_, String>(None)
            };
            drop(tokio::time::timeout(Duration::from_millis(300), cached.get_or_load(&key, load)).await);
            if cached.stats().without_turn == 0 {
                drop(cached.get_or_load(&key, load).await);
            }
        }
    })
}

#[test]
fn whoever_holds_a_turn_and_is_killed_is_followed() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let cached = replica(&server.url())?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--exact", "loads::holder"]).env(HOLDER, server.url());
        let mut holder = Process::start(lab, "holder", command)?;
        let turn = || {
            let mut exists = redis::cmd("EXISTS");
            exists.arg("e2e:turn:{test:held}");
            exists
        };
        // Two looks with a pause in between, so that it isn't the first turn, which is given up at once.
        wait::until("the holder to hold its turn", wait::PATIENCE, async || {
            let held: bool = server.command(&turn()).await?;
            sleep(Duration::from_millis(500)).await;
            Ok(held && server.command::<bool>(&turn()).await?)
        })
        .await?;
        holder.kill()?;
        let begun = Instant::now();
        let load = || async { Ok::<_, String>(Some(Bytes::from_static(b"taken over"))) };
        let answer = cached.get_or_load(&cached.key("held"), load).await.map_err(|error| anyhow!(error))?;
        ensure!(answer.value.as_deref() == Some(b"taken over") && answer.status.stored, "{answer:?}");
        let took = begun.elapsed();
        ensure!(took < TURN + Duration::from_millis(500), "it took {took:?}");
        Ok(())
    })
}
