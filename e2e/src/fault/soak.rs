//! Faults for minutes: one engine lives on through all of them, and is compared with a fresh list again and again.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::fault::catalogue::random_steps;
use crate::fault::engine::Engine;
use crate::fault::plan::{Asks, Fault, Step, Until};
use crate::fault::play::resolved;
use crate::fault::proxy::Proxy;
use crate::fault::site::Site;
use crate::fault::writer::Writer;
use crate::wait;

/// Ingresses at first.
const INGRESSES: usize = 300;

/// Between two changes.
const PACE: Duration = Duration::from_millis(100);

/// How long the engine may take to show what is, after everything works again: a backoff that has grown takes up to 30 s, a
/// connection that went silent counts as dead after 20 s and a few.
const SETTLES: Duration = Duration::from_secs(60);

/// An engine that says for longer than this that it is current, and is not, stalls silently.
const STALLS: Duration = Duration::from_secs(30);

/// How long the first sync may take, before anything goes wrong.
const FIRST_SYNC: Duration = Duration::from_secs(60);

/// What a soak found.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Report {
    /// Rounds of faults, each of which ended with a comparison.
    pub rounds: usize,
    /// Changes made to the cluster.
    pub writes: usize,
    /// Requests for ingresses.
    pub requests: usize,
    /// Rounds after which the engine did not come to show what is.
    pub divergences: Vec<String>,
    /// Rounds after which the engine said for more than 30 s that it is current, and was not.
    pub silent_stalls: usize,
    /// Older states after newer ones, and objects that went and came back unchanged.
    pub complaints: Vec<String>,
    /// The longest that a comparison had to wait.
    pub slowest: Duration,
    /// The changes that the engine's reader saw.
    pub changes: usize,
    /// Resident memory of the whole process (engine, proxy, writer and judge) after the first round, half way, and at
    /// the end, in kilobytes.
    pub resident: Vec<u64>,
}

impl Report {
    /// As an object.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "rounds": self.rounds, "writes": self.writes, "requests": self.requests,
            "divergences": self.divergences, "complaints": self.complaints, "silent_stalls": self.silent_stalls,
            "slowest_s": self.slowest.as_secs_f64(), "changes": self.changes, "resident_kb": self.resident,
        })
    }
}

/// Goes on for this long; every round has faults and changes for some seconds, then quiet and a comparison.
///
/// # Errors
///
/// When the run is impossible; a divergence is no error but a finding.
pub async fn soak(site: &Site<'_>, engine: &dyn Engine, lasts: Duration, seed: u64) -> Result<Report> {
    let namespace = format!("soak-{}", engine.name());
    site.namespace(&namespace, INGRESSES).await?;
    let (proxy, kubeconfig) = site.proxy(&namespace).await?;
    let running = engine.start(&kubeconfig, Some(&namespace)).await?;
    let truth = site.truth(&namespace).await?;
    wait::until("the first sync", FIRST_SYNC, async || Ok(running.state() == truth)).await?;
    let mut writer = Writer::new(site.client(), &namespace, INGRESSES, seed);
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut report = Report::default();
    let begun = Instant::now();
    while begun.elapsed() < lasts {
        report.rounds += 1;
        let mut steps = random_steps(&mut rng);
        if rng.random_bool(0.5) {
            // Without it hardly any round would come to a list.
            let fault = Fault::Forgotten { until: Until::Beginning, as_status: rng.random() };
            steps.push(Step::always(Asks::Watch, fault));
        }
        proxy.plan(&resolved(site, &steps).await?);
        round(&proxy, &mut writer, &mut rng).await?;
        let truth = site.truth(&namespace).await?;
        let quiet = Instant::now();
        let (mut last, mut silent) = (quiet, Duration::ZERO);
        let same = async || {
            if running.says_current() == Some(false) {
                last = Instant::now();
            }
            silent = silent.max(last.elapsed());
            Ok(running.state() == truth && *running.journal().shown() == truth)
        };
        if wait::until("convergence", SETTLES, same).await.is_err() {
            let round = report.rounds;
            report.divergences.push(format!("round {round}: {}\n{}", running.describe(), proxy.log()));
        }
        report.silent_stalls += usize::from(silent > STALLS);
        report.slowest = report.slowest.max(quiet.elapsed());
        let half_way = report.resident.len() == 1 && begun.elapsed() >= lasts / 2;
        if report.resident.is_empty() || half_way {
            report.resident.push(resident()?);
        }
    }
    report.resident.push(resident()?);
    let journal = running.journal();
    report.complaints = [journal.disorder(), journal.flicker()].concat();
    report.changes = journal.changes();
    report.writes = writer.writes();
    report.requests = proxy.asked();
    Ok(report)
}

/// Some seconds of faults with changes all along; then everything works again.
async fn round(proxy: &Proxy, writer: &mut Writer, rng: &mut SmallRng) -> Result<()> {
    let lasts = Duration::from_millis(rng.random_range(3000..8000));
    let flaps = match rng.random_range(0..6) {
        0 => {
            proxy.die();
            None
        }
        1 => {
            proxy.refuse();
            None
        }
        2 => Some(Duration::from_millis(rng.random_range(300..1500))),
        _ => {
            proxy.cut();
            None
        }
    };
    let begun = Instant::now();
    let mut cut = begun;
    while begun.elapsed() < lasts {
        if flaps.is_some_and(|pause| cut.elapsed() >= pause) {
            proxy.cut();
            cut = Instant::now();
        }
        writer.step().await?;
        sleep(PACE).await;
    }
    proxy.heal();
    Ok(())
}

/// This process's resident memory in kilobytes.
fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("reading this process's status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    line.trim().trim_end_matches("kB").trim().parse().context("VmRSS")
}
