//! Every change in the cluster reaches the stream, once, in order, filtered as asked.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null where there is nothing")]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::lab::scenario_with;
use e2e::objects::{self, name};
use e2e::sse::SseClient;
use e2e::stage::Stage;
use e2e::wait::{self, PATIENCE};
use serde_json::json;

const NAMESPACES: usize = 20;
const INGRESSES: usize = 2_000;

#[test]
fn every_change_reaches_the_stream() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let stage = Stage::set(lab, NAMESPACES, INGRESSES, |launch| launch).await?;
        let all = stage.dashboard.stream("").await?;
        all.wait("the snapshot", PATIENCE, |model| model.is_following() && model.is_live()).await?;
        ensure!(all.look(|model| model.states()) == objects::truth(&stage.client).await?, "another snapshot");
        ensure!(all.retry().is_some(), "no retry:");

        create_update_delete(&stage, &all).await?;
        a_filtered_stream_sees_its_part(&stage).await?;
        a_resumed_stream_misses_nothing(&stage).await?;
        a_deleted_namespace_takes_its_ingresses_along(&stage, &all).await?;
        a_burst_converges(&stage, &all).await?;

        all.heartbeat(Duration::from_secs(20)).await?;
        all.check()?;
        ensure!(all.look(|model| model.counts()).resets == 0, "the stream was reset");
        Ok(())
    })
}

async fn create_update_delete(stage: &Stage<'_>, all: &SseClient) -> Result<()> {
    let (client, namespace, new) = (&stage.client, "team-03", name(9000));
    let before = all.look(|model| model.counts());
    objects::create(client, namespace, 9000).await?;
    all.wait("the new ingress", PATIENCE, |model| model.has(namespace, &new)).await?;

    let version = objects::annotate(client, namespace, &new, "example.com/note", "hello").await?;
    all.wait("the changed ingress", PATIENCE, |model| model.has_version(namespace, &new, &version)).await?;
    let note = all.look(|model| {
        model.item(namespace, &new).map(|item| item["annotations"]["example.com/note"].clone())
    });
    ensure!(note == Some(json!("hello")), "{note:?}");

    objects::set_address(client, namespace, &new, "203.0.113.7").await?;
    all.wait("the address", PATIENCE, |model| {
        model.item(namespace, &new).is_some_and(|item| item["addresses"] == json!(["203.0.113.7"]))
    })
    .await?;

    objects::delete(client, namespace, &new).await?;
    all.wait("the deletion", PATIENCE, |model| !model.has(namespace, &new)).await?;
    let after = all.look(|model| model.counts());
    let seen = (after.added - before.added, after.modified - before.modified, after.deleted - before.deleted);
    ensure!(seen == (1, 2, 1), "(added, modified, deleted) = {seen:?}");
    Ok(())
}

async fn a_filtered_stream_sees_its_part(stage: &Stage<'_>) -> Result<()> {
    let client = &stage.client;
    let part = stage.dashboard.stream("namespaces=team-05,team-06&class=nginx").await?;
    part.wait("the snapshot", PATIENCE, |model| model.is_following()).await?;
    let expected = (0..INGRESSES).filter(|number| [5, 6].contains(&(number % 20)) && number % 3 != 0).count();
    ensure!(part.look(|model| model.items().len()) == expected, "{}", part.look(|model| model.items().len()));

    // 25 is in team-05 and of class nginx; it leaves the filter and comes back.
    let changed = name(25);
    let class = |class: &str| json!({"spec": {"ingressClassName": class}});
    objects::patch(client, "team-05", &changed, &class("internal")).await?;
    part.wait("it to leave the filter", PATIENCE, |model| !model.has("team-05", &changed)).await?;
    objects::patch(client, "team-05", &changed, &class("nginx")).await?;
    part.wait("it to come back", PATIENCE, |model| model.has("team-05", &changed)).await?;

    // What is outside is not seen; what is inside is, and comes after it.
    objects::annotate(client, "team-09", &name(9), "example.com/outside", "1").await?;
    let version = objects::annotate(client, "team-06", &name(26), "example.com/inside", "1").await?;
    part.wait("the change inside", PATIENCE, |model| model.has_version("team-06", &name(26), &version))
        .await?;
    let counts = part.look(|model| model.counts());
    ensure!((counts.added, counts.modified, counts.deleted) == (1, 1, 1), "{counts:?}");
    part.check()
}

async fn a_resumed_stream_misses_nothing(stage: &Stage<'_>) -> Result<()> {
    let (client, namespace) = (&stage.client, "team-10");
    let mut stream = stage.dashboard.stream("namespace=team-10").await?;
    stream.wait("the snapshot", PATIENCE, |model| model.is_following()).await?;
    stream.disconnect();
    objects::delete(client, namespace, &name(10)).await?;
    objects::create(client, namespace, 9010).await?;
    let version = objects::annotate(client, namespace, &name(30), "example.com/missed", "1").await?;
    // The engine must have it before the stream resumes, or it would simply come live.
    let rest = stage.dashboard.rest();
    wait::until("the list to have it", PATIENCE, async || {
        Ok(rest.states().await?.get("team-10/app-0030").is_some_and(|state| state.version == version))
    })
    .await?;
    stream.resume().await?;
    stream
        .wait("what was missed", PATIENCE, |model| {
            !model.has(namespace, &name(10))
                && model.has(namespace, &name(9010))
                && model.has_version(namespace, &name(30), &version)
        })
        .await?;
    let counts = stream.look(|model| model.counts());
    ensure!(counts.snapshots == 1 && counts.resets == 0, "not a true resume: {counts:?}");
    stream.check()?;

    // An id of another life of the process cannot be resumed, and the client is told so.
    stream.resume_from("0000:1").await?;
    stream.wait("a reset", PATIENCE, |model| model.counts().resets == 1 && model.is_following()).await?;
    let reason = stream
        .records()
        .iter()
        .rev()
        .find(|record| record.event.name == "reset")
        .map(|record| record.event.data.clone());
    ensure!(reason.as_ref().is_some_and(|reason| reason.contains("epoch-changed")), "{reason:?}");
    stream.check()
}

async fn a_deleted_namespace_takes_its_ingresses_along(stage: &Stage<'_>, all: &SseClient) -> Result<()> {
    objects::delete_namespace(&stage.client, "team-19").await?;
    all.wait("its ingresses to go", PATIENCE, |model| {
        !model.states().keys().any(|key| key.starts_with("team-19/"))
    })
    .await?;
    let rest = stage.dashboard.rest();
    wait::until("the namespace to go", PATIENCE, async || {
        let namespaces = rest.json("/api/namespaces").await?;
        let items = namespaces["items"].as_array().context("no items")?;
        Ok(!items.iter().any(|item| item["name"] == "team-19"))
    })
    .await
}

/// Many changes at once, an object that is deleted and made anew under its old name among them.
async fn a_burst_converges(stage: &Stage<'_>, all: &SseClient) -> Result<()> {
    let client = &stage.client;
    let changes = (0..200).map(|number| async move {
        let namespace = format!("team-{:02}", number % 19);
        // Every namespace number up to 18 holds the ingresses whose number leaves it as the remainder of 20.
        let target = number / 19 * 20 + number % 19;
        match number % 4 {
            0 if target != 10 => {
                objects::delete(client, &namespace, &name(target)).await?;
                objects::create(client, &namespace, target).await
            }
            1 => objects::create(client, &namespace, 5_000 + number).await,
            _ if target != 10 => {
                objects::annotate(client, &namespace, &name(target), "example.com/burst", "1").await.map(drop)
            }
            _ => Ok(()),
        }
    });
    futures::future::try_join_all(changes).await?;
    let truth = objects::truth(client).await?;
    all.wait("the stream to agree with the cluster", PATIENCE, |model| model.states() == truth).await?;
    ensure!(stage.dashboard.rest().states().await? == truth, "REST and stream disagree");
    Ok(())
}
