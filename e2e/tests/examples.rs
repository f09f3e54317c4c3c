//! The other examples: the router inside of a host application, the command-line tail, and a fleet behind one address.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::cluster::Cluster;
use e2e::dashboard::{self, Dashboard, Launch};
use e2e::kubeconfig::Login;
use e2e::lab::scenario_with;
use e2e::objects::{self, name};
use e2e::process::Process;
use e2e::redis::{self, RedisServer, User};
use e2e::rest::Rest;
use e2e::wait::{self, PATIENCE};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn the_router_works_below_a_path_of_its_host() -> Result<()> {
    scenario_with(&["embed"], Duration::from_secs(60), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        cluster.fill(3, 30).await?;
        let file = cluster.kubeconfig("embed", Login::Admin)?;
        let mut embed = Launch::example(lab, "embed", "/routes")?.kubeconfig(&file).start().await?;
        embed.ready().await?;
        let stream = embed.stream("namespace=team-01").await?;
        stream.wait("the snapshot", PATIENCE, |model| model.items().len() == 10).await?;
        let version = objects::annotate(&client, "team-01", &name(1), "example.com/note", "1").await?;
        stream.wait("the change", PATIENCE, |model| model.has_version("team-01", &name(1), &version)).await?;
        stream.check()?;
        ensure!(embed.rest().states().await? == objects::truth(&client).await?, "another list");
        let missing = embed.rest().get("/api/no-such-path").await?;
        ensure!(
            missing.status == 404 && missing.header("content-type") == "application/problem+json",
            "{missing:?}"
        );

        // Nothing of it lies outside of its path, and the host's own page is still the host's.
        let host = Rest::new(embed.rest().base().trim_end_matches("/routes"));
        ensure!(host.get("/").await?.status == 200, "the host has no page of its own");
        ensure!(host.get("/api/ingresses").await?.status == 404, "the router leaks out of its path");

        // Every address in the page is relative or below the path, or it would ask the host for it.
        let page = embed.rest().get("/").await?;
        ensure!(
            page.status == 200 && page.header("content-type").starts_with("text/html"),
            "{:?}",
            page.headers
        );
        let text = page.text();
        for attribute in ["src=\"/", "href=\"/"] {
            for address in
                text.match_indices(attribute).filter_map(|(at, _)| text.get(at + attribute.len() - 1..))
            {
                ensure!(
                    address.starts_with("/routes/"),
                    "the page asks for {:?}",
                    address.get(..40).unwrap_or(address)
                );
            }
        }
        embed.stop().await.map(drop)
    })
}

#[test]
fn tail_prints_the_changes_of_the_namespaces_it_is_given() -> Result<()> {
    scenario_with(&["tail"], Duration::from_secs(60), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        cluster.fill(3, 9).await?;
        let file = cluster.kubeconfig("tail", Login::Admin)?;
        let mut command = dashboard::command(lab, "tail")?;
        command.arg("--kubeconfig").arg(&file).args(["team-00", "team-01"]);
        let mut tail = Process::start(lab, "tail", command)?;
        let lines = |tail: &mut Process, needle: &str| -> Result<usize> {
            tail.ensure_running()?;
            Ok(tail.output()?.lines().filter(|line| line.contains(needle)).count())
        };
        for number in [0, 3, 6, 1, 4, 7] {
            wait::until("what is there", PATIENCE, async || Ok(lines(&mut tail, &name(number))? >= 1))
                .await?;
        }
        objects::annotate(&client, "team-01", &name(1), "example.com/note", "1").await?;
        wait::until("a change", PATIENCE, async || Ok(lines(&mut tail, &name(1))? >= 2)).await?;
        objects::delete(&client, "team-01", &name(1)).await?;
        wait::until("a deletion", PATIENCE, async || Ok(lines(&mut tail, &name(1))? >= 3)).await?;
        objects::annotate(&client, "team-02", &name(2), "example.com/note", "1").await?;
        objects::create(&client, "team-00", 9000).await?;
        wait::until("something new", PATIENCE, async || Ok(lines(&mut tail, &name(9000))? >= 1)).await?;
        ensure!(lines(&mut tail, "team-02")? == 0, "it prints a namespace that nobody asked for");

        tail.terminate()?;
        let (status, _) = tail.ended(Duration::from_secs(5)).await.context("after SIGTERM")?;
        ensure!(!tail.output()?.contains("panicked"), "it ended with {status}");
        Ok(())
    })
}

#[test]
fn a_fleet_behind_one_address_outlives_its_replicas() -> Result<()> {
    redis::find()?;
    scenario_with(&["fleet"], Duration::from_secs(120), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        cluster.fill(3, 30).await?;
        let file = cluster.kubeconfig("fleet", Login::Admin)?;
        let temporary = lab.path().display().to_string();
        let mut fleet = Launch::example(lab, "fleet", "")?
            .kubeconfig(&file)
            .args(["--replicas", "4"])
            .environment("TMPDIR", &temporary)
            .start()
            .await?;
        fleet.ready().await?;
        let first = replicas(&fleet, 4).await?;
        let mut streams = Vec::new();
        for _ in 0..8 {
            let stream = fleet.stream("").await?.of_fleet();
            stream.wait("the snapshot", PATIENCE, |model| model.items().len() == 30).await?;
            streams.push(stream);
        }

        // Each in turn, the one that watches among them: some streams are cut, each time, and go on at another replica.
        let mut cut = 0;
        for (nth, (replica, pid)) in first.iter().enumerate() {
            kill_process(Pid::from_raw(*pid).context("no pid")?, Signal::KILL)?;
            let value = nth.to_string();
            // Those of this namespace are the multiples of three.
            let gone = name(nth * 3);
            objects::delete(&client, "team-00", &gone).await?;
            let version = objects::annotate(&client, "team-01", &name(1), "example.com/note", &value).await?;
            wait::until("the death to be told", PATIENCE, async || {
                let output = fleet.process().output()?;
                Ok(output
                    .lines()
                    .any(|line| line.contains(&format!("pid={pid} ")) && line.contains("SIGKILL")))
            })
            .await?;
            for stream in &mut streams {
                wait::until("a stream to go on", PATIENCE, async || {
                    if stream.is_closed() {
                        cut += 1;
                        stream.resume().await?;
                    }
                    Ok(stream.look(|model| {
                        model.has_version("team-01", &name(1), &version) && !model.has("team-00", &gone)
                    }))
                })
                .await
                .with_context(|| format!("after {replica} was killed"))?;
                stream.check()?;
            }
        }
        ensure!(cut >= 4, "only {cut} streams were cut");
        let resets: usize = streams.iter().map(|stream| stream.look(|model| model.counts().resets)).sum();
        ensure!(resets == 0, "{resets} resets");
        let second = replicas(&fleet, 4).await?;
        ensure!(second.iter().all(|(name, pid)| first.get(name) != Some(pid)), "{first:?}, {second:?}");
        ensure!(fleet.rest().states().await? == objects::truth(&client).await?, "another list");

        // Nothing of it is left.
        drop(streams);
        let output = fleet.process().output()?;
        let redis = output.lines().find(|line| line.contains("redis-server is up")).context("no Redis")?;
        let mut pids: Vec<i32> = second.into_values().collect();
        pids.push(number(redis, "pid=").context("no pid")?);
        fleet.stop().await?;
        let left: Vec<i32> =
            pids.into_iter().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).collect();
        ensure!(left.is_empty(), "{left:?} still run");
        let folders =
            std::fs::read_dir(lab.path())?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let left: Vec<String> = folders.filter(|name| name.starts_with("ingress-fleet-")).collect();
        ensure!(left.is_empty(), "{left:?} is still there");
        Ok(())
    })
}

/// What the manual says a user of Redis has to be allowed is enough, and a fleet on a Redis that is there already works.
#[test]
fn a_fleet_gets_by_with_the_rights_that_the_manual_lists() -> Result<()> {
    let manual = include_str!("../../docs/fleet.md");
    let rule =
        manual.lines().find(|line| line.starts_with("user ingress on >PASSWORD ")).context("no rule")?;
    let user = User::new("ingress", "hunter2", rule.split_once("PASSWORD ").context("no rules")?.1);
    redis::scenario(Duration::from_secs(60), async |lab| {
        let redis =
            RedisServer::start_with(lab, "redis", redis::Options::default().user(user.clone())).await?;
        let url = redis.url_of(&user);
        let launch = Launch::example(lab, "fleet", "")?.environment("FLEET_REDIS", &url);
        let mut fleet = launch.args(["--replicas", "2"]).start().await?;
        fleet.ready().await?;
        replicas(&fleet, 2).await?;
        let stream = fleet.stream("").await?;
        // It simulates two changes a second.
        stream.wait("changes", PATIENCE, |model| model.counts().modified > 2).await?;
        let denied: Vec<::redis::Value> = redis.command(::redis::cmd("ACL").arg("LOG")).await?;
        ensure!(denied.is_empty(), "{denied:?}");
        fleet.stop().await.map(drop)
    })
}

/// The replicas that run, once there are so many, by name.
async fn replicas(fleet: &Dashboard, count: usize) -> Result<BTreeMap<String, i32>> {
    wait::eventually("the replicas to be up", PATIENCE, async || {
        let mut running = BTreeMap::new();
        for line in fleet.process().output()?.lines() {
            let name = line.split("replica=\"").nth(1).and_then(|rest| rest.split('"').next());
            let Some((name, pid)) = name.zip(number(line, "pid=")) else { continue };
            if line.contains("is up") {
                running.insert(name.to_owned(), pid);
            } else if line.contains("has died") {
                running.remove(name);
            }
        }
        Ok((running.len() == count).then_some(running))
    })
    .await
}

fn number(line: &str, after: &str) -> Option<i32> {
    let digits = line.split(after).nth(1)?;
    digits.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
