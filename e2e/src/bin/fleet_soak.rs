//! A fleet whose replicas are killed and paused for as long as one likes, while viewers roam between them: nobody may be told anything wrong,
//! miss anything, or make the API server work more.
//!
//! ```text
//! cargo run --release -p e2e --features servers --bin fleet_soak [-- [--minutes 15] [--replicas 4] [--viewers 200] [--seed 1]]
//! ```
//!
//! Rounds of 20 s of change and a moment of rest. In each round one replica is killed and started again, or paused; viewers go on at another
//! replica every 10 to 40 s, and at once when theirs is gone, with `Last-Event-ID`. Then everything rests, and each viewer must show what a
//! fresh list of the API server shows, without having broken a promise on the way. It ends with a line of JSON.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::fleet::{Fleet, churn};
use e2e::lab::{Lab, scenario_with};
use e2e::objects::{self, State};
use e2e::redis::RedisServer;
use e2e::rest::Rest;
use e2e::sse::SseClient;
use e2e::wait;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

const NAMESPACES: usize = 10;
const INGRESSES: usize = 1000;
const CHANGES_PER_SECOND: u32 = 20;
/// How long everything changes before it rests.
const ROUND: Duration = Duration::from_secs(20);
/// How long viewers may take to be current once it does.
const CATCH_UP: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_millis(100);
/// How long a replica may take to begin its answer, before a viewer tries another.
const ANSWER: Duration = Duration::from_secs(3);

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    e2e::redis::find()?;
    // Rounds may take twice their time, and the last one is finished.
    let limit = options.duration * 2 + Duration::from_secs(600);
    scenario_with(&["dashboard"], limit, async |lab| soak(lab, &options).await)
}

struct Options {
    duration: Duration,
    replicas: usize,
    viewers: usize,
    seed: u64,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { duration: Duration::from_secs(15 * 60), replicas: 4, viewers: 200, seed: 1 };
        while let Some(argument) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{argument} needs a number"))?;
            match argument.as_str() {
                "--minutes" => options.duration = Duration::from_secs_f64(value.parse::<f64>()? * 60.0),
                "--replicas" => options.replicas = value.parse()?,
                "--viewers" => options.viewers = value.parse()?,
                "--seed" => options.seed = value.parse()?,
                other => {
                    bail!(
                        "unknown argument {other}; there are --minutes, --replicas, --viewers and --seed, each with a number"
                    )
                }
            }
        }
        ensure!((2..=16).contains(&options.replicas), "2 to 16 replicas");
        ensure!((1..=1000).contains(&options.viewers), "1 to 1000 viewers");
        Ok(options)
    }
}

/// One viewer, of one namespace or of all.
struct Viewer {
    client: SseClient,
    namespace: Option<String>,
    /// Where it is.
    at: String,
    /// When it came there.
    since: Instant,
    /// When it goes elsewhere.
    until: Instant,
}

/// The replicas that take viewers.
#[derive(Default)]
struct Places(Mutex<Vec<Rest>>);

impl Places {
    fn open(&self, replica: &Rest) {
        self.close(replica.base());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(replica.clone());
    }

    fn close(&self, base: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|place| place.base() != base);
    }

    /// Any of them but one.
    fn other_than(&self, base: &str, rng: &mut StdRng) -> Option<Rest> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let others: Vec<&Rest> = places.iter().filter(|place| place.base() != base).collect();
        others.choose(rng).map(|&place| place.clone())
    }
}

#[derive(Debug, Default)]
struct Totals {
    rounds: usize,
    changes: u64,
    kills: usize,
    kills_of_the_holder: usize,
    pauses: usize,
    moves: usize,
    moves_that_failed: usize,
    events: usize,
    comparisons: usize,
    slowest: Duration,
    /// Why viewers were told to begin anew, and how often.
    resets: BTreeMap<String, usize>,
    watches: u64,
    most_watches: u64,
    most_memory: u64,
    memory: Vec<u64>,
}

impl Totals {
    fn line(&self, options: &Options) -> Value {
        json!({
            "minutes": options.duration.as_secs_f64() / 60.0,
            "seed": options.seed,
            "replicas": options.replicas,
            "viewers": options.viewers,
            "rounds": self.rounds,
            "changes": self.changes,
            "kills": self.kills,
            "killsOfTheHolder": self.kills_of_the_holder,
            "pauses": self.pauses,
            "moves": self.moves,
            "movesThatFailed": self.moves_that_failed,
            "events": self.events,
            "comparisons": self.comparisons,
            "divergences": 0,
            "brokenPromises": 0,
            "resets": self.resets,
            "slowestCatchUpMs": u64::try_from(self.slowest.as_millis()).unwrap_or(u64::MAX),
            "watches": self.watches,
            "mostWatches": self.most_watches,
            "mostMemoryKiB": self.most_memory,
            "memoryKiB": self.memory,
        })
    }
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
async fn soak(lab: &Lab, options: &Options) -> Result<()> {
    let redis = RedisServer::start(lab, "redis").await?;
    // Everybody comes from one address here.
    let caps = ["--max-streams-per-address", "10000"];
    let mut fleet = Fleet::set(lab, redis.port(), NAMESPACES, INGRESSES, &caps).await?;
    let places = Places::default();
    for _ in 0..options.replicas {
        let added = fleet.add().await?;
        places.open(fleet.replicas.get(added).context("no replica")?.dashboard.rest());
    }
    let mut rng = StdRng::seed_from_u64(options.seed);
    let mut totals = Totals { watches: fleet.settled_watches().await?, ..Totals::default() };
    let mut viewers = open(options.viewers, &places, &mut rng).await?;
    let begun = Instant::now();
    while begun.elapsed() < options.duration {
        round(&mut fleet, &mut viewers, &places, &mut rng, &mut totals)
            .await
            .with_context(|| format!("in round {} with {}", totals.rounds, totals.line(options)))?;
        if totals.rounds % 3 == 1 {
            eprintln!("{} s: {}", begun.elapsed().as_secs(), totals.line(options));
        }
    }
    println!("{}", totals.line(options));
    Ok(())
}

async fn open(count: usize, places: &Places, rng: &mut StdRng) -> Result<Vec<Viewer>> {
    let namespaces = objects::namespace_names(NAMESPACES);
    let mut viewers = Vec::new();
    for number in 0..count {
        // One in ten sees everything.
        let namespace = if number % 10 == 0 { None } else { namespaces.get(number % NAMESPACES).cloned() };
        let place = places.other_than("", rng).context("no replica")?;
        let query = namespace.as_ref().map(|namespace| format!("namespace={namespace}")).unwrap_or_default();
        let client = place.stream(&query).await?.of_fleet();
        client.wait("the snapshot", wait::PATIENCE, |model| model.is_following()).await?;
        let (at, since) = (place.base().to_owned(), Instant::now());
        viewers.push(Viewer { client, namespace, at, since, until: soon(rng) });
    }
    Ok(viewers)
}

/// When a viewer moves on.
fn soon(rng: &mut StdRng) -> Instant {
    Instant::now() + Duration::from_secs(10).mul_f64(rng.random_range(1.0..4.0))
}

/// Change, trouble and moves at the same time, and then rest.
async fn round(
    fleet: &mut Fleet<'_>,
    viewers: &mut [Viewer],
    places: &Places,
    rng: &mut StdRng,
    totals: &mut Totals,
) -> Result<()> {
    let (client, number) = (fleet.client.clone(), totals.rounds);
    let mut counts = Totals::default();
    let trouble = trouble(fleet, places, StdRng::seed_from_u64(rng.random()), totals);
    let moves = roam(viewers, places, StdRng::seed_from_u64(rng.random()), &mut counts);
    let busy = async { tokio::try_join!(churn(&client, NAMESPACES, CHANGES_PER_SECOND, ROUND), trouble) };
    let (changes, what) = tokio::select! {
        busy = busy => busy?,
        moved = moves => return moved.and_then(|()| bail!("viewers stopped moving")),
    };
    totals.changes += changes;
    totals.moves += counts.moves;
    totals.moves_that_failed += counts.moves_that_failed;

    let resting = Instant::now();
    compare(fleet, viewers, places, rng, totals).await.with_context(|| format!("after {what}"))?;
    totals.slowest = totals.slowest.max(resting.elapsed());
    eprintln!("round {number}: {what}; all equal {:?} after the last change", resting.elapsed());
    note(viewers, &what, totals);

    totals.memory.clear();
    for replica in &fleet.replicas {
        totals.memory.push(replica.dashboard.process().resident_bytes()? >> 10);
    }
    totals.most_memory = totals.memory.iter().copied().chain([totals.most_memory]).max().unwrap_or(0);
    // Looking takes 5 s.
    if number.is_multiple_of(3) {
        fleet.watches(totals.watches).await?;
    }
    totals.rounds += 1;
    Ok(())
}

/// One replica is killed and started again, or paused. What happened, in words.
async fn trouble(
    fleet: &mut Fleet<'_>,
    places: &Places,
    mut rng: StdRng,
    totals: &mut Totals,
) -> Result<String> {
    sleep(ROUND.mul_f64(rng.random_range(0.05..0.6))).await;
    let at = rng.random_range(0..fleet.replicas.len());
    let replica = fleet.replicas.get(at).context("no replica")?;
    let (rest, pid) = (replica.dashboard.rest().clone(), replica.dashboard.process().id());
    let holds = timeout(ANSWER, replica.held()).await.is_ok_and(|held| held.is_ok_and(|held| held > 0));
    let role = if holds { "the one that watches" } else { "one" };
    places.close(rest.base());
    if rng.random_ratio(1, 3) {
        let time = Duration::from_secs(5).mul_f64(rng.random_range(1.0..2.0));
        replica.dashboard.process().freeze()?;
        sleep(time).await;
        replica.dashboard.process().thaw()?;
        places.open(&rest);
        totals.pauses += 1;
        let most = most_watches(fleet).await?;
        totals.most_watches = totals.most_watches.max(most);
        return Ok(format!("{role} (pid {pid}, {}) was paused for {time:?}", rest.base()));
    }
    fleet.kill(at)?;
    totals.kills += 1;
    totals.kills_of_the_holder += usize::from(holds);
    sleep(Duration::from_secs(1)).await;
    let added = fleet.add().await?;
    let replica = fleet.replicas.get(added).context("no replica")?;
    places.open(replica.dashboard.rest());
    let most = most_watches(fleet).await?;
    totals.most_watches = totals.most_watches.max(most);
    Ok(format!("{role} (pid {pid}, {}) was killed", rest.base()))
}

/// The most watches that the API server has within some seconds, its own among them.
async fn most_watches(fleet: &Fleet<'_>) -> Result<u64> {
    let mut most = 0;
    for _ in 0..10 {
        let mut open = 0;
        for resource in ["resource=\"ingresses\"", "resource=\"namespaces\""] {
            let labels = ["verb=\"WATCH\"", resource];
            open += fleet.cluster.server()?.metric("apiserver_longrunning_requests", &labels).await?;
        }
        most = most.max(open);
        sleep(Duration::from_millis(200)).await;
    }
    Ok(most)
}

/// Moves viewers for ever: whose time is up, and whose replica is gone.
async fn roam(viewers: &mut [Viewer], places: &Places, mut rng: StdRng, counts: &mut Totals) -> Result<()> {
    loop {
        move_on(viewers, places, &mut rng, counts, false).await;
        sleep(STEP).await;
    }
}

/// Those who rest move only when they have to.
async fn move_on(
    viewers: &mut [Viewer],
    places: &Places,
    rng: &mut StdRng,
    counts: &mut Totals,
    resting: bool,
) {
    let due = viewers
        .iter_mut()
        .filter(|viewer| viewer.client.is_closed() || (!resting && viewer.until <= Instant::now()));
    let moves = due.filter_map(|viewer| {
        let place = places.other_than(&viewer.at, rng)?;
        viewer.until = soon(rng);
        Some(go(viewer, place))
    });
    for moved in join_all(moves).await {
        counts.moves += 1;
        counts.moves_that_failed += usize::from(!moved);
    }
}

/// Opens a viewer's stream at another replica; whether it answered. If not, the stream is closed, and goes on elsewhere.
async fn go(viewer: &mut Viewer, place: Rest) -> bool {
    place.base().clone_into(&mut viewer.at);
    viewer.since = Instant::now();
    let failed = match timeout(ANSWER, viewer.client.roam(&place)).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("no answer in {ANSWER:?}"),
    };
    eprintln!("a viewer could not move to {}: {failed}", viewer.at);
    viewer.client.disconnect();
    false
}

/// Everybody shows what is there.
async fn compare(
    fleet: &Fleet<'_>,
    viewers: &mut [Viewer],
    places: &Places,
    rng: &mut StdRng,
    totals: &mut Totals,
) -> Result<()> {
    let truth = objects::truth(&fleet.client).await?;
    let until = Instant::now() + CATCH_UP;
    loop {
        move_on(viewers, places, rng, totals, true).await;
        let wrong = viewers.iter().enumerate().find_map(|(nth, viewer)| {
            let wrong = wrong_with(viewer, &truth)?;
            Some(format!("viewer {nth} of {:?} at {}: {wrong}", viewer.namespace, viewer.at))
        });
        match wrong {
            None => break,
            Some(wrong) if Instant::now() > until => {
                tell(fleet, viewers, &truth).await;
                bail!("{wrong}")
            }
            Some(_) => sleep(STEP).await,
        }
    }
    for (nth, viewer) in viewers.iter().enumerate() {
        viewer
            .client
            .check()
            .with_context(|| format!("viewer {nth} of {:?} at {}", viewer.namespace, viewer.at))?;
        totals.comparisons += 1;
    }
    Ok(())
}

/// Tells, when something is wrong, who is: the replicas, or their viewers.
async fn tell(fleet: &Fleet<'_>, viewers: &[Viewer], truth: &BTreeMap<String, State>) {
    for replica in &fleet.replicas {
        let (rest, health) = (replica.dashboard.rest(), replica.health().await);
        let is_right = rest.states().await.map(|states| states == *truth);
        eprintln!("{}: its list is right: {is_right:?}; {health:?}", rest.base());
    }
    for (nth, viewer) in viewers.iter().enumerate() {
        let Some(wrong) = wrong_with(viewer, truth) else { continue };
        let (since, last) = (viewer.since.elapsed(), viewer.client.last_id());
        let (closed, records) = (viewer.client.is_closed(), viewer.client.take_records());
        let counts = viewer.client.look(|model| (model.counts(), model.is_live()));
        let lately: Vec<String> = records
            .iter()
            .rev()
            .take(4)
            .map(|record| {
                format!("{:?} ago {} {:?}", record.at.elapsed(), record.event.name, record.event.id)
            })
            .collect();
        eprintln!(
            "viewer {nth} of {:?} at {} since {since:?}: {wrong}; closed: {closed}, last id {last:?}, counts and live {counts:?}; \
             last came {lately:#?}",
            viewer.namespace, viewer.at
        );
    }
}

/// How what a viewer shows differs from what is there.
fn wrong_with(viewer: &Viewer, truth: &BTreeMap<String, State>) -> Option<String> {
    let prefix = viewer.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    viewer.client.look(|model| {
        if !model.is_following() {
            return Some("it has no snapshot".to_owned());
        }
        let shown = model.states();
        let there = truth.iter().filter(|(key, _)| key.starts_with(&prefix));
        let missing = there.clone().find(|(key, state)| shown.get(*key) != Some(state));
        if let Some((key, state)) = missing {
            return Some(format!("{key} is {state:?}, and it shows {:?}", shown.get(key)));
        }
        let count = there.count();
        if shown.len() != count {
            let gone = shown.keys().find(|key| !truth.contains_key(*key));
            return Some(format!("it shows {} of {count}, such as {gone:?}", shown.len()));
        }
        if !model.is_live() {
            return Some(format!("it is not live: {:?}", model.lanes()));
        }
        None
    })
}

/// Counts what came, and tells of resets.
fn note(viewers: &[Viewer], what: &str, totals: &mut Totals) {
    for (nth, viewer) in viewers.iter().enumerate() {
        let mut before = None;
        for record in viewer.client.take_records() {
            totals.events += 1;
            if record.event.name == "reset" {
                let data: Value = serde_json::from_str(&record.event.data).unwrap_or_default();
                let reason = data.get("reason").and_then(Value::as_str).unwrap_or("unknown").to_owned();
                eprintln!(
                    "viewer {nth} of {:?}, now at {}: reset ({reason}) after {before:?}; {what}",
                    viewer.namespace, viewer.at
                );
                *totals.resets.entry(reason).or_default() += 1;
            }
            before = record.event.id.or(before);
        }
    }
}
