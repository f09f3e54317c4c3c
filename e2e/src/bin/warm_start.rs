//! From the start of the process to its first answer, with a state that was kept and a cluster that doesn't answer.
//!
//! ```text
//! cargo run --release -p e2e --features servers --bin warm_start [-- [--ingresses 10000] [--rounds 15]]
//! ```
//!
//! The dashboard reads a real API server once, and is stopped. Then it is started again and again behind a gate that swallows all that
//! it sends to the cluster. What counts is the time from `exec` until the first answer to `/api/ingresses` has begun, and until all
//! of it is read; every object has to be in it. Beside it stands the same with one page of the list, as a program would ask first.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::dashboard::Launch;
use e2e::kubeconfig::Login;
use e2e::lab::{Lab, scenario};
use e2e::stage::Stage;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

const NAMESPACES: usize = 20;

/// How long there may be no answer.
const PATIENCE: Duration = Duration::from_secs(30);

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn main() -> Result<()> {
    let (mut ingresses, mut rounds) = (10_000, 15);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let number = arguments.next().with_context(|| format!("{argument} needs a number"))?.parse()?;
        match argument.as_str() {
            "--ingresses" => ingresses = number,
            "--rounds" => rounds = number,
            other => bail!("unknown argument {other}; there are --ingresses N and --rounds N"),
        }
    }
    ensure!(ingresses >= NAMESPACES && rounds > 0, "at least {NAMESPACES} ingresses and one round");
    scenario(Duration::from_secs(900), async |lab| {
        let directory = lab.file("state");
        let keep = ["--state-dir".to_owned(), directory.display().to_string()];
        let Stage { dashboard, cluster, gate, account, .. } =
            Stage::set(lab, NAMESPACES, ingresses, |launch| launch.args(&keep)).await?;
        let file = cluster.kubeconfig_via("again", &gate.url(), Login::Token(&account.token))?;
        let stopped = dashboard.stop().await?;
        let mut bytes = 0;
        for entry in std::fs::read_dir(&directory)? {
            bytes += entry?.metadata()?.len();
        }
        gate.stall();
        println!("{ingresses} ingresses are {bytes} bytes; stopped in {stopped:?}, the state saved");
        println!("\n| {rounds} starts | median | slowest |\n|---|---:|---:|");
        for (path, name) in [("/api/ingresses", "the list"), ("/api/ingresses?limit=100", "100 of the list")]
        {
            let (mut begun, mut read) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                let (first, last) = start(lab, &file, &keep, path, ingresses).await?;
                begun.push(first);
                read.push(last);
            }
            for (what, mut times) in [("begins", begun), ("is read", read)] {
                times.sort_unstable();
                let median = times.get(times.len() / 2).copied().unwrap_or_default();
                println!(
                    "| {name} {what} | {median:.1?} | {:.1?} |",
                    times.last().copied().unwrap_or_default()
                );
            }
        }
        Ok(())
    })
}

/// How long one start takes until its first answer begins, and ends.
async fn start(
    lab: &Lab,
    kubeconfig: &Path,
    keep: &[String],
    path: &str,
    ingresses: usize,
) -> Result<(Duration, Duration)> {
    let launch = Launch::dashboard(lab)?.named("again").kubeconfig(kubeconfig).args(keep);
    let http = reqwest::Client::new();
    let begun = Instant::now();
    // Dropping it kills it.
    let (mut process, port) = launch.process()?;
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        ensure!(begun.elapsed() < PATIENCE, "nobody listens");
        process.ensure_running()?;
        sleep(Duration::from_millis(1)).await;
    }
    let answer = http.get(format!("http://127.0.0.1:{port}{path}")).timeout(PATIENCE).send().await?;
    let first = begun.elapsed();
    let body = answer.error_for_status()?.bytes().await?;
    let last = begun.elapsed();
    let list: Value = serde_json::from_slice(&body)?;
    let total = list.get("total").and_then(Value::as_u64);
    ensure!(total == u64::try_from(ingresses).ok(), "{total:?} of {ingresses}");
    ensure!(
        list.pointer("/partial/0/staleSince").is_some_and(Value::is_string),
        "nothing is said to be stale"
    );
    Ok((first, last))
}
