//! From nothing to the whole state of a real API server: the engine beside kube-rs, and beside the server's own time.
//!
//! ```text
//! cargo run --release -p e2e --features servers --bin sync [-- [--ingresses 10000] [--rounds 7]]
//! ```
//!
//! Engines take turns within a round, each with a client of its own, and a ratio is the median of the rounds' ratios. Synced is
//! ours when `Hub::synced` says so, and kube-rs when its `reflector` has yielded `InitDone`; both have read the kubeconfig by
//! then, opened a connection, and hold every object. The server's own time is that of the plain list, read and forgotten.

use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::cluster::Cluster;
use e2e::kubeconfig::Login;
use e2e::lab::scenario;
use futures::StreamExt as _;
use http::{Request, header};
use http_body_util::BodyExt as _;
use ingress_core::{Hub, KubeSource};
use k8s_openapi::api::networking::v1::Ingress;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::reflector;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, Config};
use tokio::time::Instant;

const NAMESPACES: usize = 20;
const PATH: &str = "/apis/networking.k8s.io/v1/ingresses";
const NAMES: [&str; 4] = [
    "this engine",
    "kube-rs 5.0, typed, default settings",
    "the plain list in protobuf, read and forgotten",
    "the plain list in JSON, read and forgotten",
];

#[expect(clippy::print_stdout, reason = "the report is what this program is for")]
fn main() -> Result<()> {
    let (mut ingresses, mut rounds) = (10_000, 7);
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
        let cluster = Cluster::start(lab).await?;
        cluster.fill(NAMESPACES, ingresses).await?;
        let file = cluster.kubeconfig("sync", Login::Admin)?;
        let client = cluster.client()?;
        let mut times: [Vec<f64>; 4] = Default::default();
        for _ in 0..rounds {
            let round = [
                ours(&file, ingresses).await?,
                peer(&file, ingresses).await?,
                plain(&client, "application/vnd.kubernetes.protobuf").await?,
                plain(&client, "application/json").await?,
            ];
            for (all, time) in times.iter_mut().zip(round) {
                all.push(time.as_secs_f64());
            }
        }
        let [engine, ..] = &times;
        println!("| {ingresses} ingresses, {rounds} rounds | median | this engine takes |\n|---|---:|---:|");
        for (name, all) in NAMES.iter().zip(&times) {
            let ratios: Vec<f64> = engine.iter().zip(all).map(|(ours, theirs)| ours / theirs).collect();
            println!("| {name} | {:.0} ms | {:.2} of it |", median(all.clone()) * 1000.0, median(ratios));
        }
        Ok(())
    })
}

async fn ours(file: &Path, ingresses: usize) -> Result<Duration> {
    let begun = Instant::now();
    let source = KubeSource::builder().kubeconfig(Some(file.to_owned())).connect().await?;
    let hub = Hub::builder(source).start();
    hub.synced().await;
    let took = begun.elapsed();
    let has = hub.ingresses().snapshot().len();
    ensure!(has == ingresses, "{has} of {ingresses}");
    hub.shutdown().await;
    Ok(took)
}

async fn peer(file: &Path, ingresses: usize) -> Result<Duration> {
    let begun = Instant::now();
    let config =
        Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &KubeConfigOptions::default()).await?;
    let api: Api<Ingress> = Api::all(Client::try_from(config)?);
    let (store, writer) = reflector::store();
    let events = watch(api, watcher::Config::default()).default_backoff();
    let mut events = pin!(reflector::reflector(writer, events));
    loop {
        match events.next().await.context("kube-rs ended")?? {
            Event::InitDone => break,
            _ => continue,
        }
    }
    let took = begun.elapsed();
    ensure!(store.len() == ingresses, "{} of {ingresses}", store.len());
    Ok(took)
}

async fn plain(client: &Client, form: &str) -> Result<Duration> {
    let begun = Instant::now();
    let request = Request::get(PATH).header(header::ACCEPT, form).body(Body::empty())?;
    let answer = client.send(request).await?;
    ensure!(answer.status().is_success(), "{}", answer.status());
    let mut chunks = answer.into_body().into_data_stream();
    while let Some(chunk) = chunks.next().await {
        drop(chunk?);
    }
    Ok(begun.elapsed())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
