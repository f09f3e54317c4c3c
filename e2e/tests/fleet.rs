//! A fleet of dashboards on real Redis and a real API server: one watches, all serve, whatever happens to any of them.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::fleet::{Fleet, churn};
use e2e::lab::{Lab, scenario_with};
use e2e::objects::{self, name};
use e2e::redis::RedisServer;
use e2e::sse::SseClient;
use e2e::wait::{self, PATIENCE};
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(180);
/// What the issue of a killed holder is allowed: everybody is current again.
const TAKEOVER: Duration = Duration::from_secs(5);

fn fleet_scenario(body: impl AsyncFnOnce(&Lab) -> Result<()>) -> Result<()> {
    e2e::redis::find()?;
    scenario_with(&["dashboard"], LIMIT, body)
}

async fn several(fleet: &mut Fleet<'_>, replicas: usize) -> Result<Vec<SseClient>> {
    for _ in 0..replicas {
        fleet.add().await?;
    }
    let mut viewers = Vec::new();
    for at in 0..replicas {
        viewers.push(fleet.viewer(at).await?);
    }
    Ok(viewers)
}

fn resets(viewers: &[SseClient]) -> usize {
    viewers.iter().map(|viewer| viewer.look(|model| model.counts().resets)).sum()
}

#[test]
fn eight_replicas_watch_as_much_as_one_and_number_alike() -> Result<()> {
    fleet_scenario(async |lab| {
        let redis = RedisServer::start(lab, "redis").await?;
        let mut fleet = Fleet::set(lab, redis.port(), 4, 200, &[]).await?;
        fleet.add().await?;
        let watches = fleet.settled_watches().await?;
        let mut viewers = vec![fleet.viewer(0).await?];
        for replicas in [2, 4, 8] {
            for at in viewers.len()..replicas {
                fleet.add().await?;
                viewers.push(fleet.viewer(at).await?);
            }
            fleet.watches(watches).await?;
        }
        eprintln!("{watches} watches, the API server's own among them, with 1, 2, 4 and 8 replicas");
        churn(&fleet.client, 4, 50, Duration::from_secs(3)).await?;
        fleet.converged(&viewers, PATIENCE).await?;
        let ids: Vec<String> = viewers.iter().map(SseClient::last_id).collect();
        ensure!(ids.iter().all(|id| *id == ids[0]), "one change, several numbers: {ids:?}");
        ensure!(resets(&viewers) == 0, "somebody was reset");
        Ok(())
    })
}

#[test]
fn viewers_roam_between_replicas_and_are_never_reset() -> Result<()> {
    fleet_scenario(async |lab| {
        let redis = RedisServer::start(lab, "redis").await?;
        let mut fleet = Fleet::set(lab, redis.port(), 4, 200, &[]).await?;
        let mut viewers = several(&mut fleet, 3).await?;
        let roaming = async {
            for round in 0..30 {
                for (nth, viewer) in viewers.iter_mut().enumerate() {
                    viewer.roam(fleet.replicas[(nth + round) % 3].dashboard.rest()).await?;
                }
                sleep(Duration::from_millis(200)).await;
            }
            anyhow::Ok(())
        };
        let (changes, roamed) = tokio::join!(churn(&fleet.client, 4, 50, Duration::from_secs(6)), roaming);
        roamed?;
        ensure!(changes? > 100, "too little happened");
        fleet.converged(&viewers, PATIENCE).await?;
        ensure!(resets(&viewers) == 0, "{} resets for 90 moves", resets(&viewers));
        Ok(())
    })
}

#[test]
fn a_holder_that_is_killed_is_followed_within_seconds_and_nobody_loses_anything() -> Result<()> {
    fleet_scenario(async |lab| {
        let redis = RedisServer::start(lab, "redis").await?;
        let mut fleet = Fleet::set(lab, redis.port(), 4, 200, &[]).await?;
        drop(several(&mut fleet, 3).await?);
        for round in 0..3 {
            let holder = fleet.holder().await?;
            let others: Vec<usize> = (0..3).filter(|at| *at != holder).collect();
            let mut viewers = vec![fleet.viewer(others[0]).await?, fleet.viewer(others[1]).await?];
            let client = fleet.client.clone();
            let kill = async {
                sleep(Duration::from_secs(1)).await;
                fleet.kill(holder)?;
                anyhow::Ok(Instant::now())
            };
            let (changes, killed) = tokio::join!(churn(&client, 4, 100, Duration::from_secs(2)), kill);
            changes?;
            let killed = killed?;
            for viewer in &mut viewers {
                let silent =
                    |model: &e2e::sse::Model| model.lanes().values().all(|lane| lane["state"] != "live");
                if killed.elapsed() < Duration::from_secs(2) {
                    viewer.wait("the silence to show", TAKEOVER, silent).await?;
                }
            }
            let left = TAKEOVER.saturating_sub(killed.elapsed());
            fleet.converged(&viewers, left).await?;
            eprintln!("round {round}: current again {:?} after the kill", killed.elapsed());
            ensure!(resets(&viewers) == 0, "somebody was reset");
            fleet.add().await?;
        }
        Ok(())
    })
}

#[test]
fn a_holder_that_was_paused_can_not_write_when_it_wakes_up() -> Result<()> {
    fleet_scenario(async |lab| {
        let redis = RedisServer::start(lab, "redis").await?;
        let mut fleet = Fleet::set(lab, redis.port(), 4, 200, &[]).await?;
        let viewers = several(&mut fleet, 3).await?;
        let holder = fleet.holder().await?;
        let (sleeper, others): (Vec<_>, Vec<_>) =
            viewers.into_iter().enumerate().partition(|(at, _)| *at == holder);
        let (sleeper, others): (Vec<SseClient>, Vec<SseClient>) = (
            sleeper.into_iter().map(|(_, viewer)| viewer).collect(),
            others.into_iter().map(|(_, viewer)| viewer).collect(),
        );
        fleet.replicas[holder].dashboard.process().freeze()?;
        churn(&fleet.client, 4, 50, Duration::from_secs(3)).await?;
        fleet.converged(&others, PATIENCE).await?;
        churn(&fleet.client, 4, 50, Duration::from_secs(2)).await?;
        fleet.replicas[holder].dashboard.process().thaw()?;
        churn(&fleet.client, 4, 50, Duration::from_secs(2)).await?;
        fleet.converged(others.iter().chain(&sleeper), PATIENCE).await?;
        ensure!(resets(&others) == 0, "somebody was reset");
        fleet.holder().await?;
        Ok(())
    })
}

#[test]
fn a_holder_that_can_not_reach_the_cluster_lets_others_watch() -> Result<()> {
    fleet_scenario(async |lab| {
        let redis = RedisServer::start(lab, "redis").await?;
        let mut fleet = Fleet::set(lab, redis.port(), 4, 200, &[]).await?;
        let viewers = several(&mut fleet, 3).await?;
        let holder = fleet.holder().await?;
        fleet.replicas[holder].gate.cut();
        objects::annotate(&fleet.client, "team-01", &name(1), "example.com/note", "1").await?;
        fleet.converged(&viewers, PATIENCE).await?;
        let next = fleet.holder().await?;
        ensure!(next != holder, "the holder still watches");
        fleet.replicas[holder].gate.open();
        churn(&fleet.client, 4, 50, Duration::from_secs(2)).await?;
        fleet.converged(&viewers, PATIENCE).await?;
        ensure!(resets(&viewers) == 0, "somebody was reset");
        Ok(())
    })
}

#[test]
fn a_replica_cut_off_from_redis_says_so_and_watches_alone_until_it_is_back() -> Result<()> {
    fleet_scenario(async |lab| {
        let redis = RedisServer::start(lab, "redis").await?;
        let mut fleet = Fleet::set(lab, redis.port(), 4, 200, &["--fleet-patience", "4s"]).await?;
        let viewers = several(&mut fleet, 3).await?;
        let watches = fleet.settled_watches().await?;
        let holder = fleet.holder().await?;
        // Both by a network that swallows and by one that refuses, and both the one who watches and another.
        let other = (holder + 1) % 3;
        fleet.replicas[holder].redis.stall();
        fleet.replicas[other].redis.cut();
        let stale = |at: usize| viewers[at].wait("staleness to show", PATIENCE, |model| !model.is_live());
        tokio::try_join!(stale(holder), stale(other))?;
        for at in [holder, other] {
            fleet.replicas[at].mode("alone", PATIENCE).await?;
        }
        churn(&fleet.client, 4, 50, Duration::from_secs(2)).await?;
        fleet.converged(&viewers, PATIENCE).await?;
        for at in [holder, other] {
            fleet.replicas[at].redis.open();
            fleet.replicas[at].mode("following", PATIENCE).await?;
        }
        churn(&fleet.client, 4, 50, Duration::from_secs(2)).await?;
        fleet.converged(&viewers, PATIENCE).await?;
        ensure!(resets(&viewers) == 0, "somebody was reset");
        fleet.watches(watches).await
    })
}

#[test]
fn redis_may_be_flushed_restarted_or_gone_for_long() -> Result<()> {
    fleet_scenario(async |lab| {
        let mut redis = RedisServer::start(lab, "redis").await?;
        let mut fleet = Fleet::set(lab, redis.port(), 4, 200, &["--fleet-patience", "4s"]).await?;
        let viewers = several(&mut fleet, 3).await?;

        redis.flush().await?;
        churn(&fleet.client, 4, 50, Duration::from_secs(2)).await?;
        objects::delete(&fleet.client, "team-00", &name(4)).await?;
        eprintln!("flushed: {:?}", fleet.converged(&viewers, PATIENCE).await?);

        redis.stop().await?;
        objects::delete(&fleet.client, "team-01", &name(5)).await?;
        redis.restart(lab).await?;
        churn(&fleet.client, 4, 50, Duration::from_secs(2)).await?;
        eprintln!("restarted: {:?}", fleet.converged(&viewers, PATIENCE).await?);

        redis.kill()?;
        churn(&fleet.client, 4, 50, Duration::from_secs(2)).await?;
        for replica in &fleet.replicas {
            replica.mode("alone", PATIENCE).await?;
        }
        objects::delete(&fleet.client, "team-02", &name(6)).await?;
        eprintln!("gone: {:?}", fleet.converged(&viewers, PATIENCE).await?);
        redis.restart(lab).await?;
        for replica in &fleet.replicas {
            replica.mode("following", PATIENCE).await?;
        }
        churn(&fleet.client, 4, 50, Duration::from_secs(2)).await?;
        fleet.converged(&viewers, PATIENCE).await?;
        ensure!(resets(&viewers) == 0, "somebody was reset");
        fleet.holder().await?;
        Ok(())
    })
}

#[test]
fn replicas_may_agree_by_leases() -> Result<()> {
    fleet_scenario(async |lab| {
        let redis = RedisServer::start(lab, "redis").await?;
        let mut fleet = Fleet::set(lab, redis.port(), 4, 200, &["--fleet-leases", "default"]).await?;
        fleet.account.allow_leases(&fleet.client).await?;
        drop(several(&mut fleet, 3).await?);
        let holder = fleet.holder().await?;
        fleet.kill(holder)?;
        let killed = Instant::now();
        churn(&fleet.client, 4, 50, Duration::from_secs(1)).await?;
        let viewers = vec![fleet.viewer(0).await?, fleet.viewer(1).await?];
        fleet.converged(&viewers, PATIENCE).await?;
        eprintln!("by Leases: current again {:?} after the kill", killed.elapsed());
        churn(&fleet.client, 4, 50, Duration::from_secs(1)).await?;
        fleet.converged(&viewers, PATIENCE).await?;
        ensure!(resets(&viewers) == 0, "somebody was reset");
        Ok(())
    })
}

#[test]
fn namespaces_are_shared_out_and_move_when_replicas_come_and_go() -> Result<()> {
    fleet_scenario(async |lab| {
        let redis = RedisServer::start(lab, "redis").await?;
        let names = objects::namespace_names(12).join(",");
        let flags = ["--namespaces", names.as_str(), "--fleet-shards", "6"];
        let mut fleet = Fleet::set(lab, redis.port(), 12, 240, &flags).await?;
        let mut viewers = several(&mut fleet, 3).await?;
        let spread = async |fleet: &Fleet<'_>| {
            let mut held = Vec::new();
            for replica in &fleet.replicas {
                held.push(replica.held().await?);
            }
            anyhow::Ok(held)
        };
        wait::until("all shards to be held by more than one", PATIENCE, async || {
            let held = spread(&fleet).await?;
            Ok(held.iter().sum::<u64>() == 6 && held.iter().filter(|held| **held > 0).count() > 1)
        })
        .await?;
        let watches = fleet.settled_watches().await?;
        fleet.kill(0)?;
        drop(viewers.remove(0));
        churn(&fleet.client, 12, 50, Duration::from_secs(3)).await?;
        fleet.converged(&viewers, PATIENCE).await?;
        fleet.add().await?;
        wait::until("all shards to be held", PATIENCE, async || {
            Ok(spread(&fleet).await?.iter().sum::<u64>() == 6)
        })
        .await?;
        churn(&fleet.client, 12, 50, Duration::from_secs(2)).await?;
        fleet.converged(&viewers, PATIENCE).await?;
        ensure!(resets(&viewers) == 0, "somebody was reset");
        fleet.watches(watches).await
    })
}
