//! Viewers that come, stall, resume and go, for as long as one likes, on the real API server: nothing may be lost, the dashboard's memory
//! must not grow, and the API server must not notice how many there are.
//!
//! ```text
//! cargo run --release -p e2e --features servers --bin viewer_soak [-- [--minutes 30] [--viewers 100] [--seed 1]]
//! ```
//!
//! Rounds of change and rest: while a writer changes ingresses, viewers are opened, stop reading, go away in the middle, come back to
//! where they were, or are gone for good. Then everything rests, whoever stalled reads on, and each viewer must show what a fresh list
//! of the API server shows in its namespace, without having broken a promise on the way.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::cluster::Cluster;
use e2e::dashboard::{Dashboard, Launch};
use e2e::kubeconfig::Login;
use e2e::lab::{Lab, scenario_with};
use e2e::objects::{self, State, name};
use e2e::sse::SseClient;
use e2e::wait;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use tokio::time::{Instant, sleep};

const NAMESPACES: usize = 20;
const INGRESSES: usize = 2000;
/// How long viewers and objects change before everything rests.
const ROUND: Duration = Duration::from_secs(15);
/// How long whoever stalled or was away may take to be current again.
const CATCH_UP: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(100);

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    let limit = options.duration + Duration::from_secs(600);
    scenario_with(&["dashboard"], limit, async |lab| soak(lab, &options).await)
}

struct Options {
    duration: Duration,
    viewers: usize,
    seed: u64,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { duration: Duration::from_secs(30 * 60), viewers: 100, seed: 1 };
        while let Some(argument) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{argument} needs a number"))?;
            match argument.as_str() {
                "--minutes" => options.duration = Duration::from_secs_f64(value.parse::<f64>()? * 60.0),
                "--viewers" => options.viewers = value.parse()?,
                "--seed" => options.seed = value.parse()?,
                other => bail!("unknown argument {other}; there are --minutes N, --viewers N and --seed N"),
            }
        }
        ensure!((1..=1000).contains(&options.viewers), "1 to 1000 viewers");
        Ok(options)
    }
}

/// One viewer of one namespace.
struct Viewer {
    client: SseClient,
    namespace: String,
    reads: bool,
}

#[derive(Debug, Default)]
struct Counts {
    changes: usize,
    opened: usize,
    stalled: usize,
    resumed: usize,
    gone: usize,
    cut: usize,
    comparisons: usize,
    slowest: Duration,
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
async fn soak(lab: &Lab, options: &Options) -> Result<()> {
    let cluster = Cluster::start(lab).await?;
    let client = cluster.client()?;
    let namespaces = cluster.fill(NAMESPACES, INGRESSES).await?;
    let own = cluster.server()?.lasting_watches().await?;
    let file = cluster.kubeconfig("soak", Login::Admin)?;
    // Everybody comes from one address here.
    let caps = ["--max-streams-per-address", "10000"];
    let mut dashboard = Launch::dashboard(lab)?.kubeconfig(&file).args(caps).start().await?;
    dashboard.ready().await?;
    let idle = cluster.server()?.lasting_watches().await?.saturating_sub(own);

    let mut rng = StdRng::seed_from_u64(options.seed);
    let (mut viewers, mut counts) = (Vec::<Viewer>::new(), Counts::default());
    let (begun, mut memory, mut rounds) = (Instant::now(), Vec::new(), 0);
    while begun.elapsed() < options.duration {
        let until = Instant::now() + ROUND;
        while Instant::now() < until {
            change(&client, &namespaces, &mut rng, &mut counts).await?;
            churn(&dashboard, &mut viewers, &namespaces, options.viewers, &mut rng, &mut counts).await?;
            sleep(STEP).await;
        }
        compare(&client, &mut viewers, &mut counts).await?;
        memory.push(dashboard.process().resident_bytes()? >> 10);
        rounds += 1;
        if rounds % 10 == 1 {
            let watches = cluster.server()?.lasting_watches().await?.saturating_sub(own);
            ensure!(watches == idle, "{watches} watches with {} viewers, {idle} without", viewers.len());
            let minutes = begun.elapsed().as_secs() / 60;
            println!(
                "{minutes} min: {} viewers, {watches} watches, {} KiB, {counts:?}",
                viewers.len(),
                memory.last().context("no memory")?
            );
        }
    }
    drop(viewers);
    // The first minutes fill what is kept on purpose.
    let later = memory.get(memory.len() / 4..).context("too short")?;
    let (least, most) = (later.iter().min().context("too short")?, later.iter().max().context("too short")?);
    println!("{rounds} rounds, {counts:?}, {least} to {most} KiB after the first quarter");
    ensure!(*most < least * 3 / 2, "the dashboard's memory grows: {memory:?}");
    dashboard.stop().await?;
    Ok(())
}

/// One change, and now and then an object that goes and comes.
async fn change(
    client: &kube::Client,
    namespaces: &[String],
    rng: &mut StdRng,
    counts: &mut Counts,
) -> Result<()> {
    let number = rng.random_range(0..INGRESSES);
    let namespace = namespaces.get(number % NAMESPACES).context("no namespace")?;
    counts.changes += 1;
    if rng.random_ratio(1, 10) {
        objects::delete(client, namespace, &name(number)).await?;
        objects::create(client, namespace, number).await?;
        counts.changes += 1;
    } else {
        let value = counts.changes.to_string();
        objects::annotate(client, namespace, &name(number), "example.com/soak", &value).await?;
    }
    Ok(())
}

/// What happens to viewers.
async fn churn(
    dashboard: &Dashboard,
    viewers: &mut Vec<Viewer>,
    namespaces: &[String],
    wanted: usize,
    rng: &mut StdRng,
    counts: &mut Counts,
) -> Result<()> {
    for _ in 0..3 {
        if viewers.len() < wanted {
            let namespace = namespaces.choose(rng).context("no namespace")?.clone();
            let client = dashboard.stream(&format!("namespace={namespace}")).await?;
            viewers.push(Viewer { client, namespace, reads: true });
            counts.opened += 1;
        }
    }
    if viewers.is_empty() {
        return Ok(());
    }
    let at = rng.random_range(0..viewers.len());
    let what = rng.random_range(0..10);
    let Some(viewer) = viewers.get_mut(at) else { return Ok(()) };
    match what {
        0..=2 => {
            viewer.client.stop_reading();
            viewer.reads = false;
            counts.stalled += 1;
        }
        3 | 4 => {
            viewer.client.read_on();
            viewer.reads = true;
        }
        5 | 6 => {
            viewer.client.disconnect();
            counts.cut += 1;
        }
        7 | 8 => come_back(viewer, counts).await?,
        _ => {
            viewers.swap_remove(at);
            counts.gone += 1;
        }
    }
    Ok(())
}

/// A viewer whose connection is gone opens it again, where it was if it knows.
async fn come_back(viewer: &mut Viewer, counts: &mut Counts) -> Result<()> {
    viewer.client.read_on();
    viewer.reads = true;
    if viewer.client.is_closed() {
        let last = viewer.client.last_id();
        if last.is_empty() {
            viewer.client.reopen().await?;
        } else {
            viewer.client.resume().await?;
        }
        counts.resumed += 1;
    }
    Ok(())
}

/// Everybody shows what is there.
async fn compare(client: &kube::Client, viewers: &mut [Viewer], counts: &mut Counts) -> Result<()> {
    let truth = objects::truth(client).await?;
    let begun = Instant::now();
    for viewer in viewers.iter_mut() {
        come_back(viewer, counts).await?;
    }
    for viewer in viewers.iter_mut() {
        let prefix = format!("{}/", viewer.namespace);
        let expected: BTreeMap<String, State> = truth
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix))
            .map(|(key, state)| (key.clone(), state.clone()))
            .collect();
        wait::until("a viewer to show what is there", CATCH_UP, async || {
            // One that had stalled for long may have been closed in this very moment.
            if viewer.client.is_closed() {
                come_back(viewer, counts).await?;
            }
            Ok(viewer.client.look(|model| model.states() == expected))
        })
        .await?;
        viewer.client.check()?;
        counts.comparisons += 1;
    }
    counts.slowest = counts.slowest.max(begun.elapsed());
    Ok(())
}
