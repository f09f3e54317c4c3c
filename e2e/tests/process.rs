//! The dashboard as a process: how it starts, what it says when it cannot, and how it ends.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::apiserver;
use e2e::cluster::Cluster;
use e2e::dashboard::Launch;
use e2e::kubeconfig::Login;
use e2e::lab::scenario_with;
use e2e::stage::Stage;
use e2e::wait::{self, PATIENCE};
use e2e::{kubeconfig, objects, pki, ports};

#[test]
fn sigterm_ends_streams_cleanly() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(60), async |lab| {
        let stage = Stage::set(lab, 2, 20, |launch| launch).await?;
        let mut streams = Vec::new();
        for _ in 0..5 {
            let stream = stage.dashboard.stream("").await?;
            stream.wait("the snapshot", PATIENCE, |model| model.is_following()).await?;
            streams.push(stream);
        }
        let after = stage.dashboard.stop().await?;
        eprintln!("ended {after:?} after SIGTERM");
        for stream in &streams {
            stream.closed(Duration::from_secs(2)).await?;
            ensure!(stream.look(|model| model.end() == Some("shutdown")), "a stream without an `end`");
            stream.check()?;
        }
        Ok(())
    })
}

/// What a person is left with when the program gives up: one line that holds all of `needed`.
async fn gives_up(launch: Launch<'_>, needed: &[&str]) -> Result<()> {
    let (status, output) = launch.run().await?;
    ensure!(status.code().is_some_and(|code| code != 0), "it ended with {status}: {output}");
    ensure!(!output.contains("panicked"), "{output}");
    let errors: Vec<&str> =
        output.lines().filter(|line| needed.iter().all(|needed| line.contains(needed))).collect();
    ensure!(errors.len() == 1, "not one line with {needed:?}, but {}:\n{output}", errors.len());
    ensure!(output.lines().count() <= 3, "more than a person wants to read:\n{output}");
    Ok(())
}

#[test]
fn what_cannot_work_is_said_in_one_line() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(60), async |lab| {
        let good = kubeconfig::write(
            lab,
            "good",
            &pki::Pki::create(lab)?,
            &apiserver::url(ports::free()?),
            Login::Admin,
        )?;

        let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
        let port = taken.local_addr()?.port();
        let launch = Launch::dashboard(lab)?.named("port-taken").kubeconfig(&good).port(port);
        gives_up(launch, &[&format!("127.0.0.1:{port}")]).await?;

        let missing = lab.file("missing.kubeconfig");
        gives_up(Launch::dashboard(lab)?.named("missing").kubeconfig(&missing), &["missing.kubeconfig"])
            .await?;

        let garbage = lab.write("garbage.kubeconfig", "clusters: [ {")?;
        gives_up(Launch::dashboard(lab)?.named("garbage").kubeconfig(&garbage), &["garbage.kubeconfig"])
            .await?;

        let elsewhere =
            Launch::dashboard(lab)?.named("context").kubeconfig(&good).args(["--context", "elsewhere"]);
        gives_up(elsewhere, &["elsewhere", "good.kubeconfig"]).await?;

        let namespace =
            Launch::dashboard(lab)?.named("namespace").kubeconfig(&good).namespaces(&["Not_A_Name"]);
        let (status, output) = namespace.run().await?;
        ensure!(status.code().is_some_and(|code| code != 0), "it ended with {status}");
        ensure!(output.contains("Not_A_Name"), "{output}");
        Ok(())
    })
}

#[test]
fn a_kubeconfig_variable_that_names_no_file_is_not_passed_over() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(30), async |lab| {
        let missing = lab.file("nowhere.kubeconfig");
        let launch = Launch::dashboard(lab)?.environment("KUBECONFIG", &missing.display().to_string());
        gives_up(launch, &["nowhere.kubeconfig", "KUBECONFIG"]).await
    })
}

#[test]
fn a_cluster_that_comes_up_later_is_waited_for() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(90), async |lab| {
        // The cluster is stopped right after it was made, so that its port and keys are known but dead.
        let mut cluster = Cluster::start(lab).await?;
        cluster.fill(2, 10).await?;
        let file = cluster.kubeconfig("later", Login::Admin)?;
        cluster.kill_server()?;

        let mut dashboard = Launch::dashboard(lab)?.kubeconfig(&file).start().await?;
        let rest = dashboard.rest().clone();
        let stream = dashboard.stream("").await?;
        stream
            .wait("the failure to be told", PATIENCE, |model| {
                model
                    .lanes()
                    .values()
                    .any(|lane| lane.pointer("/error/reason").is_some_and(|reason| reason == "Unreachable"))
            })
            .await?;
        ensure!(rest.get("/livez").await?.status == 200, "/livez fails");
        ensure!(rest.get("/readyz").await?.status == 503, "ready without ever having seen the cluster");
        ensure!(rest.get("/api/health").await?.status == 503, "healthy without a cluster");
        let list = rest.json("/api/ingresses").await?;
        let partial = list.get("partial").and_then(serde_json::Value::as_array).context("no partial")?;
        ensure!(!partial.is_empty(), "an empty list that claims to be complete: {list}");

        cluster.restart_server().await?;
        dashboard.ready().await?;
        stream.wait("everything", PATIENCE, |model| model.items().len() == 10 && model.is_live()).await?;
        wait::until("the health", PATIENCE, async || Ok(rest.get("/api/health").await?.status == 200))
            .await?;
        stream.check()?;
        dashboard.stop().await.map(drop)
    })
}

#[test]
fn settings_come_from_the_environment_too() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(60), async |lab| {
        let cluster = Cluster::start(lab).await?;
        cluster.fill(3, 9).await?;
        let file = cluster.kubeconfig("environment", Login::Admin)?;
        let mut dashboard =
            Launch::dashboard(lab)?.environment("KUBECONFIG", &file.display().to_string()).start().await?;
        dashboard.ready().await?;
        let info = dashboard.rest().json("/api/info").await?;
        ensure!(info.pointer("/clusters/0/origin").is_some_and(|origin| origin == "KUBECONFIG"), "{info}");
        let detail =
            info.pointer("/clusters/0/detail").and_then(serde_json::Value::as_str).unwrap_or_default();
        ensure!(detail.contains("environment.kubeconfig"), "{info}");
        objects::delete(&cluster.client()?, "team-00", &objects::name(0)).await?;
        wait::until("eight ingresses", PATIENCE, async || Ok(dashboard.rest().states().await?.len() == 8))
            .await
    })
}
