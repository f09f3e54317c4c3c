//! A program that keeps its state shows it at once when it starts again, says that it is stale, and then tells the real differences and
//! nothing else: after a stop, after a kill, and with a state that somebody damaged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::dashboard::{Dashboard, Launch};
use e2e::kubeconfig::Login;
use e2e::lab::{Lab, scenario_with};
use e2e::objects::{self, name};
use e2e::stage::Stage;
use e2e::wait::{self, PATIENCE};

const INGRESSES: &str = "ingresses.networking.k8s.io";

fn keeping<'lab>(launch: Launch<'lab>, directory: &Path) -> Launch<'lab> {
    launch.args(["--state-dir".to_owned(), directory.display().to_string()])
}

/// The same program again, with the state that the last one left.
async fn again(lab: &Lab, kubeconfig: &Path, directory: &Path, log: &str) -> Result<Dashboard> {
    keeping(Launch::dashboard(lab)?.named(log).kubeconfig(kubeconfig), directory).start().await
}

fn state_file(directory: &Path) -> PathBuf {
    directory.join(format!("{INGRESSES}.state"))
}

#[test]
fn a_restart_shows_what_was_known_and_then_only_the_differences() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(150), async |lab| {
        let directory = lab.file("state");
        let Stage { dashboard, cluster, gate, client, account, .. } =
            Stage::set(lab, 5, 200, |launch| keeping(launch, &directory)).await?;
        let file = cluster.kubeconfig_via("again", &gate.url(), Login::Token(&account.token))?;
        let known = objects::truth(&client).await?;
        dashboard.stop().await?;
        ensure!(state_file(&directory).is_file(), "nothing was kept");

        objects::create(&client, "team-01", 9001).await?;
        objects::annotate(&client, "team-02", &name(2), "example.com/note", "1").await?;
        objects::delete(&client, "team-03", &name(3)).await?;
        let truth = objects::truth(&client).await?;

        // The cluster doesn't answer when it starts again.
        gate.stall();
        let dashboard = again(lab, &file, &directory, "dashboard-again").await?;
        let rest = dashboard.rest();
        let list = rest.json("/api/ingresses").await?;
        ensure!(list["total"] == 200, "{} of 200", list["total"]);
        ensure!(e2e::rest::states(&list)? == known, "not what was known");
        ensure!(list["partial"][0]["staleSince"].is_string(), "{}", list["partial"]);
        ensure!(rest.is_ready().await?, "there is an answer, so it is ready");
        let namespaces = rest.json("/api/namespaces").await?;
        let listed = namespaces["items"].as_array().map(Vec::len).unwrap_or_default();
        ensure!(listed >= 5, "{listed} namespaces");
        let stream = dashboard.stream("").await?;
        stream.wait("what was known", PATIENCE, |model| model.is_following()).await?;
        ensure!(stream.look(|model| model.states()) == known, "the stream shows something else");
        let lane =
            stream.look(|model| model.lanes().get("*").map(|lane| (*lane).clone())).context("no lane")?;
        ensure!(lane["staleSince"].is_string() && lane["state"] != "live", "{lane}");

        gate.open();
        stream.wait("what is so now", PATIENCE, |model| model.states() == truth).await?;
        stream.wait("the lane to be live", PATIENCE, |model| model.is_live()).await?;
        let counts = stream.look(|model| model.counts());
        ensure!((counts.added, counts.modified, counts.deleted) == (1, 1, 1), "{counts:?}");
        ensure!(counts.resets == 0 && counts.snapshots == 1, "{counts:?}");
        ensure!(rest.json("/api/ingresses").await?["partial"] == serde_json::json!([]), "still partial");
        stream.check()
    })
}

#[test]
fn a_killed_program_and_a_damaged_state_cost_nothing_but_the_head_start() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(150), async |lab| {
        let directory = lab.file("state");
        let Stage { dashboard, cluster, gate, client, account, .. } =
            Stage::set(lab, 3, 60, |launch| keeping(launch, &directory)).await?;
        let file = cluster.kubeconfig_via("again", &gate.url(), Login::Token(&account.token))?;
        let known = objects::truth(&client).await?;
        let kept = state_file(&directory);
        wait::until("the state to be kept while it runs", PATIENCE, async || Ok(kept.is_file())).await?;
        // Without a word, as the kernel does when memory runs out.
        drop(dashboard);

        gate.stall();
        let dashboard = again(lab, &file, &directory, "dashboard-killed").await?;
        ensure!(dashboard.rest().states().await? == known, "not what was known");
        dashboard.stop().await?;
        gate.open();

        let mut bytes = std::fs::read(&kept)?;
        let middle = bytes.len() / 2;
        *bytes.get_mut(middle).context("an empty state")? ^= 0x10;
        std::fs::write(&kept, bytes)?;
        let mut dashboard = again(lab, &file, &directory, "dashboard-damaged").await?;
        dashboard.ready().await?;
        ensure!(dashboard.rest().states().await? == known, "not what there is");
        ensure!(directory.join(format!("{INGRESSES}.damaged")).is_file(), "it was not set aside");
        ensure!(dashboard.process().output()?.contains("is damaged"), "nobody was told");
        dashboard.stop().await?;
        ensure!(kept.is_file(), "nothing was kept after that");
        Ok(())
    })
}
