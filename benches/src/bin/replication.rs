//! What a fleet costs: how fast changes get from the replica that watches to another, how late, and how soon a new one has everything.
//!
//! ```text
//! cargo run --release -p benches --bin replication            # the table, in Markdown; about a minute
//! cargo run --release -p benches --bin replication -- --json  # one object
//! cargo run --release -p benches --bin replication -- --quick # less of everything, for CI
//! ```
//!
//! Replicas are hubs in this process, each with connections of its own to a real `redis-server` on loopback, which the program starts. What is measured
//! is when a change is in a replica's store, from which viewers are served alike everywhere; the peer is a hub without a fleet, fed by the same
//! source. All share the machine. Fails when a change is lost, or when a bar is missed by a factor of four. Linux only.
#![expect(clippy::print_stdout, reason = "a program that prints its result")]

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("this needs Linux, for the clock that sender and reader share");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use anyhow::{Context as _, Result, bail, ensure};
    use benches::fanout::source::{Changes, source};
    use benches::fanout::{NOTE, now};
    use benches::measure::median;
    use benches::redis::RedisServer;
    use benches::report::{Bar, Report, Row};
    use ingress_cache::fleet::{Fleet, FleetConfig};
    use ingress_cache::redis::{Redis, RedisConfig};
    use ingress_core::{Change, Deltas, Hub, Ingress, Kind as _, Snapshot, Update};
    use serde_json::json;
    use tokio::time::{Instant, interval, sleep, timeout};

    struct Plan {
        ingresses: usize,
        /// Changes as fast as they are taken.
        burst: u64,
        /// Changes at 100 a second.
        paced: u64,
        starts: usize,
    }

    /// How long anything may take before it is given up.
    const LONG: Duration = Duration::from_secs(60);

    pub(super) fn main() -> Result<()> {
        let (mut as_json, mut quick) = (false, false);
        for argument in std::env::args().skip(1) {
            match argument.as_str() {
                "--json" => as_json = true,
                "--quick" => quick = true,
                other => bail!("unknown argument {other}; there are --json and --quick"),
            }
        }
        let plan = if quick {
            Plan { ingresses: 2_000, burst: 20_000, paced: 200, starts: 3 }
        } else {
            Plan { ingresses: 10_000, burst: 300_000, paced: 2_000, starts: 9 }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let rows = runtime.block_on(measure(&plan))?;
        let sizes = json!({
            "quick": quick, "ingresses": plan.ingresses, "burst": plan.burst, "paced": plan.paced, "starts": plan.starts,
        });
        let report = Report::new(rows, &sizes);
        println!("{}", if as_json { format!("{:#}", report.json()) } else { report.alone() });
        let missed = report.missed_by_far();
        ensure!(missed.is_empty(), "missed by far: {}", missed.join(", "));
        Ok(())
    }

    /// A hub that has read everything, and what changes its cluster.
    struct Side {
        hub: Hub,
        changes: Changes,
        // Leaves the fleet when it is dropped.
        _fleet: Option<Fleet>,
    }

    async fn replica(redis: &RedisServer, ingresses: usize, name: &str) -> Result<Side> {
        let config = RedisConfig::from_url(&redis.url())?.timeout(Duration::from_secs(2))?;
        let fleet = Fleet::join(Redis::connect(config), FleetConfig::new("bench", name)?);
        let (source, changes) = source(ingresses);
        let hub = Hub::builder(fleet.source(source)).start();
        synced(&hub, ingresses).await?;
        Ok(Side { hub, changes, _fleet: Some(fleet) })
    }

    async fn synced(hub: &Hub, ingresses: usize) -> Result<()> {
        let all = hub.ingresses().wait_for(|now| now.len() == ingresses && now.is_synced());
        timeout(LONG, all).await.context("not all ingresses came")?.context("the hub ended")?;
        Ok(())
    }

    async fn measure(plan: &Plan) -> Result<Vec<Row>> {
        let redis = RedisServer::start().await?;
        let mut leader = replica(&redis, plan.ingresses, "leader").await?;
        let (source, changes) = source(plan.ingresses);
        let mut alone = Side { hub: Hub::builder(source).start(), changes, _fleet: None };
        synced(&alone.hub, plan.ingresses).await?;
        // Whoever is preferred is given what it should hold only after a while: replicas that come and go meanwhile don't change who watches.
        sleep(Duration::from_secs(1)).await;

        let mut starts = Vec::new();
        for nth in 0..plan.starts {
            let begun = Instant::now();
            let one = replica(&redis, plan.ingresses, &format!("start-{nth}")).await?;
            starts.push(begun.elapsed().as_secs_f64() * 1000.0);
            if let Some(fleet) = &one._fleet {
                fleet.leave().await;
            }
            one.hub.shutdown().await;
        }
        let start = median(starts.clone());
        let mut follower = replica(&redis, plan.ingresses, "follower").await?;
        // By now each shard is where it stays.
        sleep(Duration::from_secs(7)).await;
        if follower._fleet.as_ref().is_some_and(|fleet| !fleet.status().holds.is_empty()) {
            std::mem::swap(&mut leader, &mut follower);
        }

        let Late { leader: at_leader, follower: at_follower, alone: at_alone } =
            latencies(&mut leader, &follower, &mut alone, plan.paced).await?;
        let (ours, bare) = (p99(&at_follower), p99(&at_leader));
        let through = rate(&mut leader.changes, &follower.hub, plan.burst).await?;
        let peer = rate(&mut alone.changes, &alone.hub, plan.burst).await?;

        Ok(vec![
            Row::new(
                "start",
                format!("a new replica has {} ingresses", plan.ingresses),
                start,
                format!("{start:.0} ms"),
            )
            .bar(Bar::AtMost(300.0))
            .details(json!({ "unit": "ms", "all": starts })),
            Row::new(
                "later",
                "a change at a follower, beside the leader: p99 at 100 changes/s",
                ours - bare,
                format!(
                    "{:+.2} ms: {ours:.2} (p50 {:.2}) beside {bare:.2} (p50 {:.2})",
                    ours - bare,
                    median(at_follower),
                    median(at_leader)
                ),
            )
            .bar(Bar::AtMost(10.0)),
            Row::new(
                "through_fleet",
                "a change at the leader, beside a hub without a fleet: p99 at 100 changes/s",
                bare - p99(&at_alone),
                format!(
                    "{:+.2} ms: {bare:.2} beside {:.2} (p50 {:.2})",
                    bare - p99(&at_alone),
                    p99(&at_alone),
                    median(at_alone.clone())
                ),
            ),
            Row::new(
                "throughput",
                "leader to follower",
                through,
                format!("{through:.0} changes/s beside {peer:.0} into a hub without a fleet"),
            )
            .bar(Bar::AtLeast(20_000.0))
            .details(json!({ "unit": "changes/s", "peer": peer })),
        ])
    }

    fn p99(values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() * 99 / 100).or(sorted.last()).copied().unwrap_or(f64::NAN)
    }

    /// How many milliseconds after it was made each change was in each store.
    struct Late {
        leader: Vec<f64>,
        follower: Vec<f64>,
        alone: Vec<f64>,
    }

    async fn latencies(leader: &mut Side, follower: &Side, alone: &mut Side, changes: u64) -> Result<Late> {
        // The readers begin before the first change.
        let read = |side: &Side| arrivals(side.hub.ingresses().subscribe().1, changes);
        let (one, other, third) = (read(leader), read(follower), read(alone));
        let reading = async { tokio::try_join!(one, other, third) };
        let (at_leader, at_alone) = (&mut leader.changes, &mut alone.changes);
        let making = async {
            let mut ticks = interval(Duration::from_millis(10));
            for _ in 0..changes {
                ticks.tick().await;
                at_leader.one().await?;
                at_alone.one().await?;
            }
            anyhow::Ok(())
        };
        let (arrived, made) = tokio::join!(timeout(LONG * 2, reading), making);
        made?;
        let (leader, follower, alone) = arrived.context("a change was lost")??;
        Ok(Late { leader, follower, alone })
    }

    async fn arrivals(mut deltas: Deltas<Ingress>, changes: u64) -> Result<Vec<f64>> {
        let mut late = Vec::new();
        while (late.len() as u64) < changes {
            let Some(Update::Changes(batch)) = deltas.next().await else { bail!("changes were left out") };
            let seen = now();
            for change in &batch.changes {
                if let Change::Modified { new, .. } = change {
                    late.push(Duration::from_nanos(seen.saturating_sub(sent(new)?)).as_secs_f64() * 1000.0);
                }
            }
        }
        Ok(late)
    }

    fn sent(ingress: &Ingress) -> Result<u64> {
        let annotations = ingress.annotations();
        let (_, note) =
            annotations.iter().find(|(key, _)| *key == NOTE).context("a change without a note")?;
        Ok(note.get(note.len() / 2..).context("a short note")?.parse()?)
    }

    /// How many changes per second reach a hub.
    async fn rate(source: &mut Changes, at: &Hub, changes: u64) -> Result<f64> {
        let begun = Instant::now();
        for _ in 0..changes {
            source.one().await?;
        }
        let last = (at.ingresses().snapshot().len() as u64 + 1 + source.made()).to_string();
        let there =
            |now: &Snapshot<Ingress>| now.iter().any(|(_, ingress)| ingress.resource_version() == last);
        timeout(LONG, at.ingresses().wait_for(there)).await.context("the last change was lost")?;
        #[expect(clippy::cast_precision_loss, reason = "a number of changes")]
        let changes = changes as f64;
        Ok(changes / begun.elapsed().as_secs_f64())
    }
}
