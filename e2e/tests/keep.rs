//! State that is kept in Redis: on one server and in a Cluster, whole or not at all, whoever writes at the same time and whatever is missing.

use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use e2e::redis::{Options, RedisCluster, RedisServer, scenario};
use ingress_cache::RedisKeep;
use ingress_cache::redis::{Redis, RedisConfig};
use ingress_core::keep::Keep as _;

const MINUTE: Duration = Duration::from_secs(60);
const NAME: &str = "ingresses.networking.k8s.io";

fn keep(url: &str) -> Result<RedisKeep> {
    Ok(RedisKeep::new(Redis::connect(RedisConfig::from_url(url)?.prefix("e2e")?)))
}

/// A state of several pieces, all of one byte.
fn state(fill: u8) -> Bytes {
    vec![fill; 3_500_000].into()
}

async fn writers_at_the_same_time(url: &str) -> Result<()> {
    let writers = (1..=4_u8).map(async |fill| {
        // Each is a process of its own.
        let keep = keep(url)?;
        for _ in 0..5 {
            keep.save(NAME, state(fill)).await;
        }
        anyhow::Ok(())
    });
    let reader = async {
        let keep = keep(url)?;
        let mut found = 0;
        for _ in 0..40 {
            if let Some(read) = keep.load(NAME).await {
                let first = read.first().copied().unwrap_or_default();
                ensure!(read.len() == 3_500_000 && read.iter().all(|byte| *byte == first), "half of a state");
                found += 1;
            }
        }
        ensure!(found > 0, "nothing was ever found");
        Ok(())
    };
    let (written, read) = tokio::join!(futures::future::try_join_all(writers), reader);
    written?;
    read
}

#[test]
fn what_was_saved_last_is_loaded_whole() -> Result<()> {
    scenario(2 * MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let keep = keep(&server.url())?;
        ensure!(keep.load(NAME).await.is_none());
        for fill in 1..4 {
            keep.save(NAME, state(fill)).await;
            ensure!(keep.load(NAME).await == Some(state(fill)));
        }
        keep.save("other", Bytes::new()).await;
        ensure!(keep.load("other").await == Some(Bytes::new()));
        let head = format!("e2e:keep:{{{NAME}}}");
        let lasts: i64 = server.command(redis::cmd("TTL").arg(&head)).await?;
        ensure!((6 * 24 * 3600..=7 * 24 * 3600).contains(&lasts), "{lasts} s");
        // Of those that were replaced, nothing is left after a minute; of the last one, all is there for a week.
        let pieces: Vec<String> = server.command(redis::cmd("KEYS").arg(format!("{head}:*"))).await?;
        let mut lasting = 0;
        for piece in &pieces {
            let lasts: i64 = server.command(redis::cmd("TTL").arg(piece)).await?;
            ensure!(lasts > 0, "{piece} is there for ever");
            lasting += usize::from(lasts > 3600);
        }
        ensure!(lasting == 4, "{lasting} of {} pieces", pieces.len());
        writers_at_the_same_time(&server.url()).await
    })
}

#[test]
fn in_a_cluster_as_on_one_server() -> Result<()> {
    scenario(3 * MINUTE, async |lab| {
        let cluster = RedisCluster::start(lab).await?;
        let keep = keep(&cluster.url())?;
        keep.save(NAME, state(1)).await;
        ensure!(keep.load(NAME).await == Some(state(1)));
        writers_at_the_same_time(&cluster.url()).await
    })
}

#[test]
fn what_is_missing_or_damaged_is_no_state_and_the_next_one_is() -> Result<()> {
    scenario(2 * MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let keep = keep(&server.url())?;
        let pattern = format!("e2e:keep:{{{NAME}}}:*");
        for damage in ["DEL", "APPEND", "SET"] {
            keep.save(NAME, state(1)).await;
            let mut pieces: Vec<String> = server.command(redis::cmd("KEYS").arg(&pattern)).await?;
            let mut lasting = Vec::new();
            for piece in pieces.drain(..) {
                let lasts: i64 = server.command(redis::cmd("TTL").arg(&piece)).await?;
                lasting.extend((lasts > 3600).then_some(piece));
            }
            let mut command = redis::cmd(damage);
            command.arg(lasting.pop());
            if damage != "DEL" {
                command.arg("x");
            }
            server.command::<redis::Value>(&command).await?;
            ensure!(keep.load(NAME).await.is_none(), "after {damage}");
        }
        keep.save(NAME, state(2)).await;
        ensure!(keep.load(NAME).await == Some(state(2)));
        server
            .command::<()>(redis::cmd("SET").arg(format!("e2e:keep:{{{NAME}}}")).arg("something else"))
            .await?;
        ensure!(keep.load(NAME).await.is_none());
        keep.save(NAME, state(3)).await;
        ensure!(keep.load(NAME).await == Some(state(3)));
        Ok(())
    })
}

#[test]
fn redis_that_is_full_or_gone_keeps_what_it_had() -> Result<()> {
    scenario(2 * MINUTE, async |lab| {
        let options = Options::default().memory("12mb", "noeviction").keeps();
        let mut server = RedisServer::start_with(lab, "redis", options).await?;
        let keep = keep(&server.url())?;
        keep.save(NAME, state(1)).await;
        ensure!(keep.load(NAME).await == Some(state(1)));
        keep.save(NAME, vec![2; 30_000_000].into()).await;
        ensure!(keep.load(NAME).await == Some(state(1)), "what there is no place for replaces nothing");
        server.stop().await?;
        keep.save(NAME, state(3)).await;
        ensure!(keep.load(NAME).await.is_none());
        server.restart(lab).await?;
        ensure!(keep.load(NAME).await == Some(state(1)));
        Ok(())
    })
}
