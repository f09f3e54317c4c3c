//! The API server does not notice how many people are watching.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::audit;
use e2e::lab::scenario_with;
use e2e::objects::{self, name};
use e2e::stage::Stage;
use e2e::wait::PATIENCE;
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

const CLIENTS: usize = 50;

#[test]
fn fifty_clients_cost_no_more_watches_than_one() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let stage = Stage::set(lab, 4, 400, |launch| launch).await?;
        let first = stage.dashboard.stream("").await?;
        first.wait("the snapshot", PATIENCE, |model| model.is_following() && model.is_live()).await?;
        let with_one = stage.cluster.server()?.lasting_watches().await?;
        ensure!(with_one >= 1, "no watch at all");
        let (mark, begun) = (stage.cluster.audit()?.mark(), Instant::now());

        let others = try_join_all((1..CLIENTS).map(|_| stage.dashboard.stream(""))).await?;
        for client in &others {
            client
                .wait("the snapshot", PATIENCE, |model| model.items().len() == 400 && model.is_live())
                .await?;
        }
        let version = objects::annotate(&stage.client, "team-01", &name(1), "example.com/note", "1").await?;
        for client in others.iter().chain([&first]) {
            client
                .wait("the change", PATIENCE, |model| model.has_version("team-01", &name(1), &version))
                .await?;
            client.check()?;
        }
        let with_fifty = stage.cluster.server()?.lasting_watches().await?;
        eprintln!("{with_one} watches with 1 client, {with_fifty} with {CLIENTS}");
        ensure!(with_fifty == with_one, "{with_one} watches with 1 client, {with_fifty} with 50");

        // Neither did they cost any other request for data. What does not depend on clients is the short watch by which a lane
        // that hears nothing for 20 s sees whether it missed something.
        let entries = stage.cluster.audit()?.since(mark)?;
        let of_ours = |entry: &audit::Entry| {
            entry.user.username == stage.account.user() && !entry.object_ref.resource.is_empty()
        };
        let asked = audit::count(&entries, |entry| of_ours(entry) && entry.verb != "watch");
        ensure!(asked == 0, "{asked} requests while clients came: {entries:?}");
        let doubts = audit::count(&entries, |entry| of_ours(entry) && entry.verb == "watch") as u64;
        ensure!(doubts < 2 + 2 * begun.elapsed().as_secs() / 20, "{doubts} watches in {:?}", begun.elapsed());
        Ok(())
    })
}

#[test]
fn a_client_that_does_not_read_delays_nobody_and_is_not_lied_to() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let stage = Stage::set(lab, 2, 100, |launch| launch).await?;
        let (quick, slow) = (stage.dashboard.stream("").await?, stage.dashboard.stream("").await?);
        for stream in [&quick, &slow] {
            stream.wait("the snapshot", PATIENCE, |model| model.is_following() && model.is_live()).await?;
        }
        slow.stop_reading();

        // More than fits into the buffers of both ends of a connection.
        let long = "x".repeat(12_000);
        for round in 0..15 {
            let value = format!("{round}-{long}");
            let changes = (0..100).map(|number| {
                let (client, value) = (&stage.client, &value);
                async move {
                    let namespace = format!("team-{:02}", number % 2);
                    objects::annotate(client, &namespace, &name(number), "example.com/long", value).await
                }
            });
            stream::iter(changes).buffer_unordered(8).try_collect::<Vec<_>>().await?;
        }
        objects::delete(&stage.client, "team-00", &name(0)).await?;
        let truth = objects::truth(&stage.client).await?;
        quick.wait("all changes", PATIENCE, |model| model.states() == truth).await?;
        quick.check()?;
        ensure!(quick.look(|model| model.counts()).resets == 0, "the client that reads was reset");
        let memory = stage.dashboard.process().resident_bytes()?;
        ensure!(memory < 200 << 20, "{memory} bytes resident for the sake of one slow client");

        // It either gets everything, or is told to forget what it has and handed the current state.
        slow.read_on();
        if slow.wait("all changes", Duration::from_secs(10), |model| model.states() == truth).await.is_err() {
            ensure!(slow.is_closed(), "neither current nor closed");
            slow.check()?;
            let mut slow = slow;
            slow.resume().await?;
            slow.wait("all changes after resuming", PATIENCE, |model| model.states() == truth).await?;
            slow.check()?;
        } else {
            slow.check()?;
        }
        Ok(())
    })
}
