//! A revision that the cluster no longer has (410): the lane reads everything anew, and nobody sees it happen.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::cluster::Cluster;
use e2e::lab::scenario_with;
use e2e::objects::{self, name};
use e2e::sse::SseClient;
use e2e::sse::model::Counts;
use e2e::stage::Stage;
use e2e::wait::PATIENCE;
use http::Request;

const INGRESSES: usize = 600;

/// Deletes, changes and creates one ingress, and forgets the history in which that happened.
async fn change_and_compact(stage: &Stage<'_>, client: &kube::Client) -> Result<()> {
    objects::delete(client, "team-00", &name(0)).await?;
    objects::annotate(client, "team-01", &name(1), "example.com/note", "1").await?;
    objects::create(client, "team-02", 9002).await?;
    stage.cluster.etcd().compact().await?;
    Ok(())
}

/// Proof that the server refuses to go on from a revision: without it, the test could pass on a plain resume.
async fn ensure_expired(client: &kube::Client, version: u64) -> Result<()> {
    let path =
        format!("/apis/networking.k8s.io/v1/ingresses?watch=1&resourceVersion={version}&timeoutSeconds=5");
    // As an answer of its own or as an event inside of the stream, both of which are allowed.
    match client.request_text(Request::get(path).body(Vec::new())?).await {
        Ok(text) => ensure!(text.contains("\"code\":410"), "{version} can still be resumed: {text}"),
        Err(kube::Error::Api(status)) => ensure!(status.code == 410, "{status:?}"),
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn relists(stream: &SseClient) -> Result<u64> {
    stream
        .look(|model| model.lanes().get("*").and_then(|lane| lane["relists"].as_u64()))
        .context("no relists")
}

/// The newest version on show: where the lane can at best resume, bookmarks aside.
fn newest(stream: &SseClient) -> Result<u64> {
    let versions = stream.look(|model| model.states());
    versions.values().filter_map(|state| state.version.parse().ok()).max().context("nothing on show")
}

async fn only_the_differences_came(
    stage: &Stage<'_>,
    stream: &SseClient,
    before: Counts,
    relists_before: u64,
) -> Result<()> {
    let truth = objects::truth(&stage.cluster.client()?).await?;
    stream.wait("every change", PATIENCE, |model| model.states() == truth).await?;
    stream.wait("the lane to be live", PATIENCE, |model| model.lane_state("*") == Some("live")).await?;
    let counts = stream.look(|model| model.counts());
    let seen =
        (counts.added - before.added, counts.modified - before.modified, counts.deleted - before.deleted);
    ensure!(seen == (1, 1, 1), "(added, modified, deleted) = {seen:?} of {INGRESSES}");
    ensure!(counts.resets == 0 && counts.snapshots == 1, "{counts:?}");
    ensure!(relists(stream)? > relists_before, "the lane says that it did not list again");
    ensure!(!stream.look(|model| model.has("team-00", &name(0))), "the deletion was missed");
    stream.check()
}

#[test]
fn a_compaction_during_a_restart_shows_only_real_differences() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let mut stage = Stage::set(lab, 3, INGRESSES, |launch| launch).await?;
        let stream = stage.dashboard.stream("").await?;
        stream.wait("the snapshot", PATIENCE, |model| model.is_following() && model.is_live()).await?;
        let (before, relisted, seen) =
            (stream.look(|model| model.counts()), relists(&stream)?, newest(&stream)?);

        stage.cluster.kill_server()?;
        let second = stage.cluster.second_server().await?;
        change_and_compact(&stage, &second.client()).await?;
        drop(second);
        stage.cluster.restart_server().await?;
        ensure_expired(&stage.cluster.client()?, seen).await?;
        only_the_differences_came(&stage, &stream, before, relisted).await
    })
}

#[test]
fn a_compaction_while_disconnected_shows_only_real_differences() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        // Without its cache the API server cannot bridge a compaction, so it need not be restarted.
        let cluster = Cluster::start_with(lab, |settings| settings.watch_cache = false).await?;
        let stage = Stage::set_on(lab, cluster, 3, INGRESSES, |launch| launch).await?;
        let stream = stage.dashboard.stream("").await?;
        stream.wait("the snapshot", PATIENCE, |model| model.is_following() && model.is_live()).await?;
        let (before, relisted, seen) =
            (stream.look(|model| model.counts()), relists(&stream)?, newest(&stream)?);

        stage.gate.cut();
        stream.wait("the cut", PATIENCE, |model| model.lane_state("*") == Some("reconnecting")).await?;
        change_and_compact(&stage, &stage.client).await?;
        ensure_expired(&stage.client, seen).await?;
        stage.gate.open();
        only_the_differences_came(&stage, &stream, before, relisted).await
    })
}
