//! Measures the dashboard on the real API server and prints a table (or, with `--json`, an object).
//!
//! ```text
//! cargo run --release -p e2e --features servers --bin measure [-- [--ingresses 10000] [--changes 200] [--json]]
//! ```
//!
//! Everything runs on one machine, the servers included, so the numbers are of use beside each other and on
//! the same machine, not as an absolute promise. The time of a change is from just before it is sent to the
//! API server until its event was read from the stream: it holds the API server's own write, whose time is
//! given too. Each start is a new process; its time is the median of several.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::cluster::Cluster;
use e2e::dashboard::{Dashboard, Launch};
use e2e::kubeconfig::Login;
use e2e::lab::{Lab, scenario_with};
use e2e::sse::parser::{Parser, Piece};
use e2e::{objects, wait};
use http::Request;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const NAMESPACES: usize = 20;
const CLIENTS: usize = 50;
const STARTS: usize = 5;
/// One change at a time with a rest in between: latency is asked for, not throughput.
const BETWEEN_CHANGES: Duration = Duration::from_millis(25);

fn main() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1))?;
    scenario_with(&["dashboard"], Duration::from_secs(900), async |lab| {
        let report = measure(lab, &options).await?;
        print(&report, options.json);
        Ok(())
    })
}

struct Options {
    ingresses: usize,
    changes: usize,
    json: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { ingresses: 10_000, changes: 200, json: false };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--json" => options.json = true,
                "--ingresses" => {
                    options.ingresses = arguments.next().context("--ingresses needs a number")?.parse()?;
                }
                "--changes" => {
                    options.changes = arguments.next().context("--changes needs a number")?.parse()?;
                }
                other => bail!("unknown argument {other}; there are --ingresses N, --changes N and --json"),
            }
        }
        ensure!(
            options.ingresses >= NAMESPACES && options.changes > 0,
            "at least {NAMESPACES} ingresses and one change"
        );
        Ok(options)
    }
}

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn print(report: &[Row], as_json: bool) {
    if as_json {
        let rows: Map<String, Value> =
            report.iter().map(|row| (row.key.to_owned(), row.value.clone())).collect();
        println!("{:#}", Value::Object(rows));
        return;
    }
    println!("| measured | value |\n|---|---|");
    for row in report {
        let value = row.value.as_str().map_or_else(|| row.value.to_string(), str::to_owned);
        println!("| {} | {value}{} |", row.text, row.unit);
    }
}

/// One line of the report.
struct Row {
    key: &'static str,
    text: String,
    value: Value,
    unit: &'static str,
}

fn row(key: &'static str, text: impl Into<String>, value: impl Into<Value>, unit: &'static str) -> Row {
    Row { key, text: text.into(), value: value.into(), unit }
}

async fn measure(lab: &Lab, options: &Options) -> Result<Vec<Row>> {
    let cluster = Cluster::start(lab).await?;
    let client = cluster.client()?;
    cluster.fill(NAMESPACES, options.ingresses).await?;
    let version = client.apiserver_version().await?.git_version;
    let mut report = vec![
        row("apiserver", "API server", version, ""),
        row("cpus", "CPUs, shared by everything here", std::thread::available_parallelism()?.get(), ""),
        row("ingresses", format!("ingresses in {NAMESPACES} namespaces"), options.ingresses, ""),
    ];

    let (list_time, list_bytes) = raw_list(&client).await?;
    report.push(row(
        "rawListMs",
        "plain list of them, as JSON, for comparison",
        milliseconds(list_time),
        " ms",
    ));
    report.push(row("rawListMiB", "its size", mebibytes(list_bytes), " MiB"));

    // The API server watches some of its own resources.
    let own = cluster.server()?.lasting_watches().await?;
    let file = cluster.kubeconfig("measure", Login::Admin)?;
    let mut starts = Vec::new();
    for _ in 1..STARTS {
        let (dashboard, time) = started(lab, &file).await?;
        starts.push(time);
        dashboard.stop().await?;
    }
    let (dashboard, time) = started(lab, &file).await?;
    starts.push(time);
    ensure!(
        dashboard.rest().states().await? == objects::truth(&client).await?,
        "the dashboard shows something else"
    );
    report.push(row(
        "startToReadyMs",
        "start to `/readyz`, median",
        milliseconds(percentile(&mut starts, 50)),
        " ms",
    ));
    report.push(row("memoryMiB", "resident memory, no client", resident(&dashboard).await?, " MiB"));

    let first = drain(&dashboard, JoinSet::new(), 1).await?;
    report.push(row("memoryOneMiB", "resident memory, 1 stream client", resident(&dashboard).await?, " MiB"));
    let with_one = cluster.server()?.lasting_watches().await? - own;
    let (mut writes, mut one) = changes(&client, &dashboard, options.changes).await?;

    let _all = drain(&dashboard, first, CLIENTS).await?;
    let with_fifty = cluster.server()?.lasting_watches().await? - own;
    report.push(row(
        "memoryFiftyMiB",
        "resident memory, 50 stream clients",
        resident(&dashboard).await?,
        " MiB",
    ));
    let (_, mut fifty) = changes(&client, &dashboard, options.changes).await?;

    let text = |what: &str| format!("{what} of {} changes", options.changes);
    report.extend([
        row(
            "writeP50Ms",
            text("the API server's answer to the change, p50"),
            milliseconds(percentile(&mut writes, 50)),
            " ms",
        ),
        row(
            "changeP50Ms",
            text("change to stream client, p50"),
            milliseconds(percentile(&mut one, 50)),
            " ms",
        ),
        row(
            "changeP99Ms",
            text("change to stream client, p99"),
            milliseconds(percentile(&mut one, 99)),
            " ms",
        ),
        row(
            "changeFiftyP50Ms",
            text("the same beside 50 clients, p50"),
            milliseconds(percentile(&mut fifty, 50)),
            " ms",
        ),
        row(
            "changeFiftyP99Ms",
            text("the same beside 50 clients, p99"),
            milliseconds(percentile(&mut fifty, 99)),
            " ms",
        ),
        row(
            "watchesOne",
            "watches that the API server serves to the dashboard, 1 stream client",
            with_one,
            "",
        ),
        row("watchesFifty", "the same, 50 stream clients", with_fifty, ""),
    ]);
    dashboard.stop().await?;
    Ok(report)
}

/// The time and size of the list as `curl` would ask for it.
async fn raw_list(client: &kube::Client) -> Result<(Duration, u64)> {
    let (mut times, mut bytes) = (Vec::new(), 0);
    for _ in 0..STARTS {
        let asked = Instant::now();
        let body = client
            .request_text(Request::get("/apis/networking.k8s.io/v1/ingresses").body(Vec::new())?)
            .await?;
        times.push(asked.elapsed());
        bytes = u64::try_from(body.len())?;
    }
    Ok((percentile(&mut times, 50), bytes))
}

async fn started(lab: &Lab, file: &std::path::Path) -> Result<(Dashboard, Duration)> {
    let launch = Launch::dashboard(lab)?.kubeconfig(file);
    let begun = Instant::now();
    let mut dashboard = launch.start().await?;
    dashboard.ready().await?;
    Ok((dashboard, begun.elapsed()))
}

/// Resident memory once it has come to rest.
async fn resident(dashboard: &Dashboard) -> Result<Value> {
    sleep(Duration::from_secs(2)).await;
    Ok(mebibytes(dashboard.process().resident_bytes()?))
}

/// Changes one ingress after the other; the times until the API server answered and until the stream told.
async fn changes(
    client: &kube::Client,
    dashboard: &Dashboard,
    count: usize,
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let stream = dashboard.stream("").await?;
    stream.wait("the snapshot", wait::PATIENCE, |model| model.is_following()).await?;
    let (mut sent, mut writes) = (Vec::new(), Vec::new());
    for number in 0..count {
        let (namespace, name) = (format!("team-{:02}", number % NAMESPACES), objects::name(number));
        let at = Instant::now();
        let version =
            objects::annotate(client, &namespace, &name, "example.com/measured", &unique(at)).await?;
        writes.push(at.elapsed());
        sent.push((name, version, at));
        sleep(BETWEEN_CHANGES).await;
    }
    let (last_name, last_version, _) = sent.last().context("no changes")?;
    let last_namespace = format!("team-{:02}", (count - 1) % NAMESPACES);
    stream
        .wait("the last change", wait::PATIENCE, |model| {
            model.has_version(&last_namespace, last_name, last_version)
        })
        .await?;
    stream.check()?;
    let records = stream.records();
    let mut arrivals = Vec::new();
    for (name, version, at) in &sent {
        let arrived = records.iter().find(|record| {
            let data = &record.event.data;
            record.event.name == "modified"
                && data.contains(&format!("\"resourceVersion\":\"{version}\""))
                && data.contains(&format!("\"name\":\"{name}\""))
        });
        arrivals.push(arrived.with_context(|| format!("{name} at {version} never came"))?.at - *at);
    }
    Ok((writes, arrivals))
}

/// A value that no run before had, so that every patch is a change.
fn unique(at: Instant) -> String {
    format!("{at:?}")
}

/// Adds stream clients until there are `total`, and waits until each has its snapshot. They read and forget, so
/// that what is measured is the dashboard and not fifty models of it.
async fn drain(dashboard: &Dashboard, mut clients: JoinSet<()>, total: usize) -> Result<JoinSet<()>> {
    let (ready, mut readies) = mpsc::channel(total);
    let opened = clients.len();
    for _ in opened..total {
        let url = format!("{}/api/ingresses/stream", dashboard.rest().base());
        let answer =
            reqwest::Client::builder().http1_only().build()?.get(url).send().await?.error_for_status()?;
        clients.spawn(read_and_forget(answer, ready.clone()));
    }
    for _ in opened..total {
        let arrived = tokio::time::timeout(Duration::from_secs(60), readies.recv()).await;
        arrived.context("not every client has its snapshot")?.context("a client ended")?;
    }
    Ok(clients)
}

async fn read_and_forget(mut answer: reqwest::Response, ready: mpsc::Sender<()>) {
    let mut parser = Parser::default();
    let mut ready = Some(ready);
    while let Ok(Some(bytes)) = answer.chunk().await {
        // Only the last chunk of a snapshot has an id.
        let complete = parser.feed(&bytes).iter().any(
            |piece| matches!(piece, Piece::Event(event) if event.name == "snapshot" && event.id.is_some()),
        );
        if complete
            && let Some(ready) = ready.take()
            && ready.send(()).await.is_err()
        {
            return;
        }
    }
}

/// The value below which this share of the values lies (nearest rank).
fn percentile(values: &mut [Duration], percent: usize) -> Duration {
    values.sort_unstable();
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 10_000.0).round() / 10.0)
}

fn mebibytes(bytes: u64) -> Value {
    // Whole tenths in integers: exact, and there is nothing to round in a float.
    let tenths = bytes * 10 / (1024 * 1024);
    json!(f64::from(u32::try_from(tenths).unwrap_or(u32::MAX)) / 10.0)
}
