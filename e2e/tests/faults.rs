//! Every schedule of the fault suite against this project's engine, many at the same time on one API server.
//!
//! ```text
//! cargo test -p e2e --features servers --test faults [-- PART_OF_A_NAME…]
//! FAULT_SEED=17 cargo test -p e2e --features servers --test faults -- random    # one random schedule, or 17-40
//! ```
//!
//! It brings its own harness, because libtest has no place for something that all tests share and that has to
//! be stopped at the end.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::fault::catalogue;
use e2e::fault::ours::IngressCore;
use e2e::fault::plan::Schedule;
use e2e::fault::play::play;
use e2e::fault::site::Site;
use e2e::lab::scenario;
use futures::StreamExt as _;
use futures::stream;
use tokio::time::Instant;

/// How many schedules are under way at a time.
const AT_A_TIME: usize = 12;

/// The random schedules that everybody runs; `FAULT_SEED` runs another, or a range, instead.
const SEEDS: [u64; 5] = [1, 2, 3, 5, 8];

#[path = "faults/forms.rs"]
mod forms;
#[path = "faults/namespaces.rs"]
mod namespaces;
#[path = "faults/resources.rs"]
mod resources;

/// One test.
enum Case {
    Plan(Schedule),
    FormsAgree,
    NamespaceReturns { by_name: bool },
    ResourceReturns { in_sight: bool },
}

impl Case {
    fn name(&self) -> &str {
        match self {
            Self::Plan(schedule) => &schedule.name,
            Self::FormsAgree => "streamed-paged-json-and-protobuf-are-the-same",
            Self::NamespaceReturns { by_name: true } => "namespace-created-deleted-and-created-again-by-name",
            Self::NamespaceReturns { by_name: false } => {
                "namespace-created-deleted-and-created-again-among-all"
            }
            Self::ResourceReturns { in_sight: true } => "resource-removed-and-installed-again-in-sight",
            Self::ResourceReturns { in_sight: false } => "resource-removed-and-installed-again-out-of-sight",
        }
    }

    /// How long it takes at least.
    fn lasts(&self) -> Duration {
        match self {
            Self::Plan(schedule) => schedule.lasts,
            Self::FormsAgree | Self::NamespaceReturns { .. } => Duration::from_secs(15),
            Self::ResourceReturns { .. } => Duration::from_secs(30),
        }
    }

    async fn run(&self, site: &Site<'_>) -> Result<()> {
        match self {
            Self::Plan(schedule) => hold(site, schedule).await,
            Self::FormsAgree => forms::agree(site).await,
            Self::NamespaceReturns { by_name } => namespaces::come_and_go(site, *by_name).await,
            Self::ResourceReturns { in_sight: true } => resources::come_and_go_in_sight(site).await,
            Self::ResourceReturns { in_sight: false } => resources::come_and_go_out_of_sight(site).await,
        }
    }
}

#[expect(clippy::print_stdout, reason = "a test harness reports there")]
fn main() -> Result<()> {
    let cases = cases()?;
    println!("\nrunning {} tests", cases.len());
    scenario(Duration::from_secs(300), async |lab| {
        let site = Site::start(lab).await?;
        let failed: Vec<&str> = stream::iter(&cases)
            .map(async |case| {
                let begun = Instant::now();
                let outcome = case.run(&site).await;
                let (name, took) = (case.name(), begun.elapsed());
                match outcome {
                    Ok(()) => println!("test {name} ... ok ({took:.1?})"),
                    Err(ref error) => println!("test {name} ... FAILED\n{error:?}"),
                }
                outcome.is_err().then_some(name)
            })
            .buffer_unordered(AT_A_TIME)
            .filter_map(async |failed| failed)
            .collect()
            .await;
        println!("\ntest result: {} passed; {} failed\n", cases.len() - failed.len(), failed.len());
        ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
        Ok(())
    })
}

/// What the arguments ask for: parts of names, or nothing for all. Options are libtest's and mean nothing here,
/// but cargo hands the same ones to every test program.
fn cases() -> Result<Vec<Case>> {
    let mut parts = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--test-threads" | "--skip" | "--format" | "--color" => drop(arguments.next()),
            option if option.starts_with('-') => {}
            _ => parts.push(argument),
        }
    }
    let seeds = match std::env::var("FAULT_SEED") {
        Ok(seeds) => match seeds.split_once('-') {
            Some((first, last)) => (first.parse()?..=last.parse()?).collect(),
            None => vec![seeds.parse()?],
        },
        Err(_) => SEEDS.to_vec(),
    };
    let mut cases: Vec<Case> = catalogue::all().into_iter().map(Case::Plan).collect();
    cases.extend(seeds.into_iter().map(|seed| Case::Plan(catalogue::random(seed))));
    cases.push(Case::FormsAgree);
    cases.extend([true, false].map(|by_name| Case::NamespaceReturns { by_name }));
    cases.extend([true, false].map(|in_sight| Case::ResourceReturns { in_sight }));
    cases.retain(|case| parts.is_empty() || parts.iter().any(|part| case.name().contains(part.as_str())));
    // The longest first, so that none of them is left over at the end.
    cases.sort_by_key(|case| std::cmp::Reverse(case.lasts()));
    Ok(cases)
}

async fn hold(site: &Site<'_>, schedule: &Schedule) -> Result<()> {
    let outcome = play(site, &IngressCore, schedule, 1).await?;
    let mut broken = outcome.broken();
    // A fault that never happened shows nothing. What chance puts together need not all happen.
    if !schedule.name.starts_with("random") && !outcome.unmet.is_empty() {
        broken.push(format!("never happened: {:?}", outcome.unmet));
    }
    ensure!(broken.is_empty(), "{}\n{}\n{}", schedule.shows, broken.join("\n"), outcome.story);
    Ok(())
}
