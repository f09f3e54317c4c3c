//! Puts this project's engine and kube-rs's reflector through the same faults and prints what held.
//!
//! ```text
//! cargo run --release -p e2e --features servers --bin fault_matrix [-- [--json] [--only PART_OF_A_NAME]]
//! cargo run --release -p e2e --features servers --bin fault_matrix -- --soak 10 [--seed 1] [--json]
//! ```
//!
//! The first prints a table of schedules and contracts; the second goes on with random faults for that many
//! minutes, with this project's engine, and compares it with a fresh list after every round.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use e2e::fault::catalogue;
use e2e::fault::engine::Engine;
use e2e::fault::ours::IngressCore;
use e2e::fault::peer::KubeRuntime;
use e2e::fault::plan::Schedule;
use e2e::fault::play::{Contract, Outcome, Verdict, play};
use e2e::fault::site::Site;
use e2e::fault::soak::{Report, soak};
use e2e::lab::scenario;
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};

/// How many runs are under way at a time.
const AT_A_TIME: usize = 10;

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let within = Duration::from_secs(1800 + options.soak.unwrap_or_default() * 60);
    scenario(within, async |lab| {
        let site = Site::start(lab).await?;
        match options.soak {
            Some(minutes) => {
                let lasts = Duration::from_secs(minutes * 60);
                let report = soak(&site, &IngressCore, lasts, options.seed).await?;
                print_soak(&report, minutes, &options);
            }
            None => {
                let outcomes = matrix(&site, &options).await;
                print_matrix(&outcomes, options.json);
            }
        }
        Ok(())
    })
}

#[derive(Default)]
struct Options {
    soak: Option<u64>,
    seed: u64,
    json: bool,
    only: Option<String>,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { seed: 1, ..Self::default() };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--json" => options.json = true,
                "--soak" => options.soak = Some(value()?.parse().context("--soak takes minutes")?),
                "--seed" => options.seed = value()?.parse().context("--seed takes a number")?,
                "--only" => options.only = Some(value()?),
                other => bail!("unknown argument {other}; there are --soak, --seed, --only and --json"),
            }
        }
        Ok(options)
    }
}

/// A schedule, and how it went for both engines.
struct Row {
    schedule: Schedule,
    ours: Result<Outcome>,
    peer: Result<Outcome>,
}

async fn matrix(site: &Site<'_>, options: &Options) -> Vec<Row> {
    let mut schedules = catalogue::all();
    schedules.extend([1, 2, 3, 5, 8].map(catalogue::random));
    if let Some(part) = &options.only {
        schedules.retain(|schedule| schedule.name.contains(part.as_str()));
    }
    let engines: [&dyn Engine; 2] = [&IngressCore, &KubeRuntime];
    let runs = schedules.iter().flat_map(|schedule| engines.map(|engine| (schedule, engine)));
    let outcomes: Vec<Result<Outcome>> = stream::iter(runs)
        .map(async |(schedule, engine)| {
            let outcome = play(site, engine, schedule, options.seed).await;
            eprintln!("{}: {}", engine.name(), schedule.name);
            outcome
        })
        .buffered(AT_A_TIME)
        .collect()
        .await;
    let mut outcomes = outcomes.into_iter();
    let rows = schedules
        .into_iter()
        .map_while(|schedule| Some(Row { schedule, ours: outcomes.next()?, peer: outcomes.next()? }));
    rows.collect()
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn print_matrix(rows: &[Row], as_json: bool) {
    if as_json {
        let rows: Vec<Value> = rows
            .iter()
            .map(|row| {
                json!({
                    "schedule": row.schedule.name, "shows": row.schedule.shows,
                    "ingress_core": json_of(&row.ours), "kube_rs": json_of(&row.peer),
                })
            })
            .collect();
        println!("{:#}", Value::Array(rows));
        return;
    }
    let names = Contract::ALL.map(Contract::name).join(" | ");
    println!("| schedule | engine | {names} |\n|---|---|{}", "---|".repeat(Contract::ALL.len()));
    for row in rows {
        println!("| {}: {} | ingress-core | {} |", row.schedule.name, row.schedule.shows, cells(&row.ours));
        println!("| | kube-rs | {} |", cells(&row.peer));
    }
    for contract in Contract::ALL {
        let count = |outcome: fn(&Row) -> &Result<Outcome>| {
            let held = rows.iter().filter(|row| held(outcome(row), contract)).count();
            format!("{held} of {}", rows.len())
        };
        let (ours, peer) = (count(|row| &row.ours), count(|row| &row.peer));
        println!("\n{}: ingress-core {ours}, kube-rs {peer}", contract.name());
    }
    for outcome in rows.iter().filter_map(|row| row.ours.as_ref().ok()) {
        if !outcome.broken().is_empty() {
            eprintln!("---- {}\n{}\n{}", outcome.schedule, outcome.broken().join("\n"), outcome.story);
        }
    }
}

fn held(outcome: &Result<Outcome>, contract: Contract) -> bool {
    outcome.as_ref().is_ok_and(|outcome| {
        outcome.verdicts.iter().any(|(of, verdict)| *of == contract && matches!(verdict, Verdict::Held(_)))
    })
}

fn cells(outcome: &Result<Outcome>) -> String {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => return format!("could not be played: {error:#}"),
    };
    let cell = |(_, verdict): &(Contract, Verdict)| match verdict {
        Verdict::Held(detail) if detail.is_empty() => "✓".to_owned(),
        Verdict::Held(detail) => format!("✓ {detail}"),
        Verdict::Broken(how) => format!("**✗** {how}"),
        _ => "–".to_owned(),
    };
    outcome.verdicts.iter().map(cell).collect::<Vec<_>>().join(" | ")
}

fn json_of(outcome: &Result<Outcome>) -> Value {
    match outcome {
        Err(error) => json!({ "error": format!("{error:#}") }),
        Ok(outcome) => {
            let verdicts = outcome.verdicts.iter().map(|(contract, verdict)| {
                let verdict = match verdict {
                    Verdict::Held(detail) => json!({ "held": true, "detail": detail }),
                    Verdict::Broken(how) => json!({ "held": false, "detail": how }),
                    _ => Value::Null,
                };
                (contract.name().to_owned(), verdict)
            });
            json!({
                "contracts": Value::Object(verdicts.collect()), "writes": outcome.writes,
                "events_of_nothing_new": outcome.repeated,
            })
        }
    }
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn print_soak(report: &Report, minutes: u64, options: &Options) {
    if options.json {
        println!("{:#}", report.json());
        return;
    }
    println!("soak of {minutes} minutes, seed {}", options.seed);
    println!("rounds of faults, each ended with a comparison: {}", report.rounds);
    println!("changes made: {}; changes seen: {}", report.writes, report.changes);
    println!("requests for ingresses: {}", report.requests);
    println!("divergences: {}", report.divergences.len());
    println!(
        "rounds after which it said for more than 30 s that it was current, and was not: {}",
        report.silent_stalls
    );
    println!("older after newer, or gone and back: {}", report.complaints.len());
    println!("slowest comparison: {:.1} s", report.slowest.as_secs_f64());
    println!("resident memory, kB, first round, half way, end: {:?}", report.resident);
    for divergence in report.divergences.iter().chain(&report.complaints) {
        println!("---- {divergence}");
    }
}
