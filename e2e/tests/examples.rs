//! The other examples: the router inside of a host application, and the command-line tail.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::cluster::Cluster;
use e2e::dashboard::{self, Launch};
use e2e::kubeconfig::Login;
use e2e::lab::scenario_with;
use e2e::objects::{self, name};
use e2e::process::Process;
use e2e::rest::Rest;
use e2e::wait::{self, PATIENCE};

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
