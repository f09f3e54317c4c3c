//! How long a replica shows what another one replaced or removed.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::fault::tcp::{Fault, TcpProxy};
use e2e::redis::{RedisCluster, RedisSentinels, RedisServer, scenario};
use e2e::wait;
use ingress_cache::redis::RedisCache;
use ingress_cache::{Announces as _, Cache as _, Key, Lookup, Stored, Tiered};
use tokio::time::Instant;

use super::{MINUTE, OF, entry, tiered};

/// What an announcement takes on loopback, on a busy machine.
const SOON: Duration = Duration::from_millis(500);

fn key(text: &str) -> Key {
    Key::new(OF, text)
}

async fn value(cache: &Tiered<RedisCache>, text: &str) -> Option<String> {
    match cache.get(&key(text)).await {
        Lookup::Found(entry) => entry.value.map(|value| String::from_utf8_lossy(&value).into_owned()),
        _ => None,
    }
}

/// Waits until a replica shows this; how long it took.
async fn shows(
    cache: &Tiered<RedisCache>,
    text: &str,
    expected: Option<&str>,
    within: Duration,
) -> Result<Duration> {
    let begun = Instant::now();
    wait::until(&format!("{expected:?}"), within, async || {
        Ok(value(cache, text).await.as_deref() == expected)
    })
    .await?;
    Ok(begun.elapsed())
}

/// Whether a replica hears what changes, so that it keeps copies for long.
async fn hears(cache: &Tiered<RedisCache>) -> Result<()> {
    let announcements = cache.shared().subscribe();
    wait::until("announcements", wait::PATIENCE, async || Ok(*announcements.listening.borrow())).await
}

/// Puts a value through one replica and has another keep a copy of it in memory.
async fn copied(one: &Tiered<RedisCache>, other: &Tiered<RedisCache>, text: &str) -> Result<()> {
    ensure!(one.put(&key(text), entry("old")).await == Stored::Kept);
    // What was put is still being announced, and a copy made before that is dropped.
    wait::until("a copy in memory", wait::PATIENCE, async || {
        ensure!(value(other, text).await.as_deref() == Some("old"));
        Ok(matches!(other.memory().get(&key(text)).await, Lookup::Found(_)))
    })
    .await?;
    tokio::time::sleep(Duration::from_millis(100)).await;
    shows(other, text, Some("old"), SOON).await?;
    ensure!(matches!(other.memory().get(&key(text)).await, Lookup::Found(_)));
    Ok(())
}

async fn replicas_agree(url: &str) -> Result<(Tiered<RedisCache>, Tiered<RedisCache>)> {
    let (one, other) = (tiered(url)?, tiered(url)?);
    hears(&one).await?;
    hears(&other).await?;
    wait::until("Redis to be asked", wait::PATIENCE, async || {
        Ok(one.put(&key("warm"), entry("x")).await == Stored::Kept && value(&other, "warm").await.is_some())
    })
    .await?;
    for round in 0..20 {
        let (replaced, removed) = (format!("replaced-{round}"), format!("removed-{round}"));
        copied(&one, &other, &replaced).await?;
        ensure!(one.put(&key(&replaced), entry("new")).await == Stored::Kept);
        shows(&other, &replaced, Some("new"), SOON).await?;
        copied(&one, &other, &removed).await?;
        one.remove(&key(&removed)).await;
        shows(&other, &removed, None, SOON).await?;
    }
    Ok((one, other))
}

#[test]
fn replicas_agree_soon() -> Result<()> {
    scenario(MINUTE * 3, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let (one, other) = replicas_agree(&server.url()).await.context("one server")?;
        // With one server, what people do by hand is heard as well.
        copied(&one, &other, "deleted").await?;
        server.command::<()>(redis::cmd("DEL").arg("e2e:{test:deleted}")).await?;
        shows(&other, "deleted", None, SOON).await?;
        copied(&one, &other, "flushed").await?;
        server.flush().await?;
        shows(&other, "flushed", None, SOON).await?;

        let group = RedisSentinels::start(lab).await?;
        let (one, other) = replicas_agree(&group.url()).await.context("Sentinels")?;
        copied(&one, &other, "failed over").await?;
        group.fail_over().await?;
        wait::until("a new value", wait::PATIENCE, async || {
            Ok(one.shared().put(&key("failed over"), entry("new")).await == Stored::Kept)
        })
        .await?;
        shows(&other, "failed over", Some("new"), other.staleness()).await?;

        let cluster = RedisCluster::start(lab).await?;
        replicas_agree(&cluster.url()).await.context("a Cluster")?;
        Ok(())
    })
}

#[test]
fn what_is_not_heard_is_not_believed_for_long() -> Result<()> {
    scenario(MINUTE * 2, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let proxy = TcpProxy::to(server.port()).await?;
        let one = tiered(&server.url())?;
        let other = tiered(&format!("redis://127.0.0.1:{}", proxy.port()))?;
        for fault in [Fault::Stall, Fault::Cut, Fault::Garbage] {
            hears(&one).await?;
            hears(&other).await?;
            wait::until("a copy", wait::PATIENCE, async || Ok(copied(&one, &other, "cut off").await.is_ok()))
                .await?;
            proxy.set(fault);
            wait::until("a new value", wait::PATIENCE, async || {
                Ok(one.put(&key("cut off"), entry("new")).await == Stored::Kept)
            })
            .await?;
            // It can't be asked either, so nothing is shown in the end.
            let bound = other.shared().unheard() + SOON;
            let took = shows(&other, "cut off", None, bound).await.with_context(|| format!("{fault:?}"))?;
            ensure!(took <= other.staleness());
            ensure!(!*other.shared().subscribe().listening.borrow());
            proxy.set(Fault::None);
            shows(&other, "cut off", Some("new"), Duration::from_secs(5)).await?;
        }
        Ok(())
    })
}

#[test]
fn a_node_of_a_cluster_that_goes_is_noticed() -> Result<()> {
    scenario(MINUTE * 2, async |lab| {
        let mut cluster = RedisCluster::start(lab).await?;
        let (one, other) = replicas_agree(&cluster.url()).await?;
        // Without a third of its slots, the Cluster serves nothing; whichever node is listened to says so.
        cluster.nodes()[0].kill()?;
        let announcements = other.shared().subscribe();
        wait::until("the loss to be noticed", other.shared().unheard(), async || {
            Ok(!*announcements.listening.borrow())
        })
        .await?;
        cluster.nodes()[0].restart(lab).await?;
        cluster.whole().await?;
        hears(&one).await?;
        hears(&other).await?;
        wait::until("both to agree again", wait::PATIENCE, async || {
            Ok(copied(&one, &other, "again").await.is_ok())
        })
        .await?;
        ensure!(one.put(&key("again"), entry("new")).await == Stored::Kept);
        shows(&other, "again", Some("new"), SOON).await?;
        Ok(())
    })
}
