//! The API server goes away and comes back: nothing is lost, nothing flickers, and everybody is told.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::lab::scenario_with;
use e2e::objects::{self, name};
use e2e::pulse::Pulse;
use e2e::sse::SseClient;
use e2e::stage::Stage;
use e2e::wait::PATIENCE;
use serde_json::Value;
use tokio::time::{Instant, sleep};

const PROBES: &[&str] = &["/livez", "/readyz", "/api/health"];

/// The first state of the cluster's lane that came after a moment and satisfies a condition, and how long after.
fn lane_after(
    stream: &SseClient,
    since: Instant,
    wanted: impl Fn(&Value) -> bool,
) -> Option<(Value, Duration)> {
    stream
        .records()
        .iter()
        .filter(|record| record.at > since && record.event.name == "lane")
        .filter_map(|record| Some((serde_json::from_str(&record.event.data).ok()?, record.at - since)))
        .find(|(lane, _)| wanted(lane))
}

#[test]
fn changes_made_while_the_api_server_was_dead_arrive() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(150), async |lab| {
        let mut stage = Stage::set(lab, 5, 200, |launch| launch).await?;
        let rest = stage.dashboard.rest().clone();
        let stream = stage.dashboard.stream("").await?;
        stream.wait("the snapshot", PATIENCE, |model| model.is_following() && model.is_live()).await?;
        let pulse = Pulse::of(&rest, PROBES);
        let before = stream.look(|model| model.counts());

        let killed = Instant::now();
        stage.cluster.kill_server()?;
        stream.wait("the loss", PATIENCE, |model| model.lane_state("*") == Some("reconnecting")).await?;
        let (lane, after) =
            lane_after(&stream, killed, |lane| lane["state"] == "reconnecting").context("no lane event")?;
        ensure!(after < Duration::from_secs(2), "the lane was reported lost only after {after:?}");
        ensure!(lane["staleSince"].is_string() && lane["error"]["class"] == "transient", "{lane}");
        let down = pulse.turned("/api/health", 503, killed, PATIENCE).await?;
        ensure!(down < Duration::from_secs(3), "the health turned only after {down:?}");

        // What is known stays readable, and is said to be stale.
        let list = rest.json("/api/ingresses").await?;
        ensure!(list["total"] == 200 && list["partial"][0]["state"] == "reconnecting", "{}", list["partial"]);
        ensure!(list["partial"][0]["staleSince"].is_string(), "{}", list["partial"]);
        let yaml = rest.get("/api/ingresses/team-00/app-0000/yaml").await?;
        ensure!(
            yaml.status == 503 && yaml.text().contains("#cluster-unavailable"),
            "{}: {}",
            yaml.status,
            yaml.text()
        );

        // Another API server on the same etcd makes changes meanwhile: one of each sort, and one object that is
        // deleted and made anew under its name.
        let second = stage.cluster.second_server().await?;
        let client = second.client();
        objects::create(&client, "team-01", 9001).await?;
        objects::annotate(&client, "team-02", &name(2), "example.com/note", "1").await?;
        objects::delete(&client, "team-03", &name(3)).await?;
        objects::delete(&client, "team-04", &name(4)).await?;
        objects::create(&client, "team-04", 4).await?;
        drop(second);

        stage.cluster.restart_server().await?;
        let answering = Instant::now();
        let truth = objects::truth(&stage.cluster.client()?).await?;
        stream.wait("every change", PATIENCE, |model| model.states() == truth).await?;
        stream.wait("the lane to be live", PATIENCE, |model| model.is_live()).await?;
        let live = answering.elapsed();
        let up = pulse.turned("/api/health", 200, answering, PATIENCE).await?;
        eprintln!(
            "lost after {after:?}, unhealthy after {down:?}; healthy {up:?} and live {live:?} after the return"
        );
        ensure!(up < Duration::from_secs(3), "the health came back only after {up:?}");
        ensure!(live < Duration::from_secs(8), "the lane came back only after {live:?}");
        ensure!(rest.states().await? == truth, "REST and stream disagree");
        ensure!(rest.json("/api/ingresses").await?["partial"] == serde_json::json!([]), "still partial");

        // Nothing but the real differences: the object made anew is either changed or removed and added.
        let counts = stream.look(|model| model.counts());
        let (added, modified, deleted) =
            (counts.added - before.added, counts.modified - before.modified, counts.deleted - before.deleted);
        ensure!(
            (added, modified, deleted) == (1, 2, 1) || (added, modified, deleted) == (2, 1, 2),
            "{added} added, {modified} modified, {deleted} deleted"
        );
        ensure!(counts.resets == 0 && counts.snapshots == 1, "{counts:?}");
        pulse.ensure_never_failed("/livez")?;
        pulse.ensure_never_failed("/readyz")?;
        stream.check()
    })
}

#[test]
fn a_long_outage_is_asked_about_gently_and_ends_quickly() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(150), async |lab| {
        let stage = Stage::set(lab, 3, 30, |launch| launch).await?;
        let stream = stage.dashboard.stream("").await?;
        stream.wait("the snapshot", PATIENCE, |model| model.is_following() && model.is_live()).await?;
        let before = stage.gate.accepted();
        stage.gate.cut();
        stream.wait("the loss", PATIENCE, |model| model.lane_state("*") == Some("reconnecting")).await?;
        // Long enough for backoff to have grown and for a breaker to have opened.
        sleep(Duration::from_secs(25)).await;
        let attempts = stage.gate.accepted() - before;
        let lane =
            stream.look(|model| model.lanes().get("*").map(|lane| (*lane).clone())).context("no lane")?;
        objects::delete(&stage.client, "team-00", &name(0)).await?;
        stage.gate.open();
        let opened = Instant::now();
        stream
            .wait("the missed deletion", Duration::from_secs(70), |model| !model.has("team-00", &name(0)))
            .await?;
        stream.wait("the lane to be live", PATIENCE, |model| model.is_live()).await?;
        let back = opened.elapsed();
        eprintln!("{attempts} connections in 25 s of outage, back after {back:?}; then: {lane}");
        ensure!(attempts <= 60, "{attempts} connections in 25 s");
        ensure!(lane["failures"].as_u64().is_some_and(|failures| failures >= 1), "{lane}");
        ensure!(back < Duration::from_secs(15), "back only after {back:?}");
        stream.check()
    })
}

#[test]
fn a_network_that_swallows_everything_is_noticed() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(150), async |lab| {
        let stage = Stage::set(lab, 3, 30, |launch| launch).await?;
        let stream = stage.dashboard.stream("").await?;
        stream.wait("the snapshot", PATIENCE, |model| model.is_following() && model.is_live()).await?;
        let pulse = Pulse::of(stage.dashboard.rest(), PROBES);
        let stalled = Instant::now();
        stage.gate.stall();
        objects::delete(&stage.client, "team-00", &name(0)).await?;
        let down = pulse.turned("/api/health", 503, stalled, PATIENCE).await?;
        stream.wait("the lane to be stale", PATIENCE, |model| model.lane_state("*") != Some("live")).await?;
        let (lane, stale) =
            lane_after(&stream, stalled, |lane| lane["state"] != "live").context("no lane event")?;
        ensure!(lane["staleSince"].is_string(), "{lane}");
        stage.gate.open();
        let opened = Instant::now();
        stream.wait("the missed deletion", PATIENCE, |model| !model.has("team-00", &name(0))).await?;
        stream.wait("the lane to be live", PATIENCE, |model| model.is_live()).await?;
        eprintln!("unhealthy after {down:?}, stale after {stale:?}, back after {:?}", opened.elapsed());
        pulse.ensure_never_failed("/livez")?;
        pulse.ensure_never_failed("/readyz")?;
        stream.check()
    })
}

#[test]
fn a_connection_that_keeps_breaking_converges() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        // In several lanes, so that they lose and find the cluster each in its own time.
        let names = objects::namespace_names(4);
        let stage = Stage::set(lab, 4, 80, |launch| launch.namespaces(&names)).await?;
        let stream = stage.dashboard.stream("").await?;
        stream.wait("the snapshot", PATIENCE, |model| model.is_following() && model.is_live()).await?;
        for round in 0..12_usize {
            for number in round * 6..round * 6 + 6 {
                let namespace = &format!("team-{:02}", number % 4);
                match number % 3 {
                    0 => objects::delete(&stage.client, namespace, &name(number)).await?,
                    1 => objects::create(&stage.client, namespace, 1_000 + number).await?,
                    _ => {
                        let value = round.to_string();
                        objects::annotate(
                            &stage.client,
                            namespace,
                            &name(number),
                            "example.com/round",
                            &value,
                        )
                        .await?;
                    }
                }
                // A break in the middle of every round, sometimes only of a moment, always while changes come.
                match number % 6 {
                    2 => stage.gate.cut(),
                    4 => stage.gate.open(),
                    _ => sleep(Duration::from_millis(30 * (number % 7) as u64)).await,
                }
            }
        }
        let truth = objects::truth(&stage.client).await?;
        stream
            .wait("the stream to agree with the cluster", PATIENCE, |model| model.states() == truth)
            .await?;
        stream.wait("all lanes to be live", PATIENCE, |model| model.is_live()).await?;
        let counts = stream.look(|model| model.counts());
        ensure!(counts.resets == 0 && counts.snapshots == 1, "{counts:?}");
        // Each change was to an object of its own, so each is one event, however often the connection broke.
        ensure!((counts.added, counts.modified, counts.deleted) == (24, 24, 24), "{counts:?}");
        stream.check()
    })
}
