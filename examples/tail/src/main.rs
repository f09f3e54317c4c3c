//! Prints the ingresses of some namespaces, and then every change of them, as `kubectl get ingress --watch` does for one.
//!
//! ```text
//! cargo run -p tail -- --demo shop billing
//! ```
//!
//! Read it from [`run`] downwards: a source, a hub, and two readers of the hub's store, each at its own pace.

mod row;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use ingress_core::source::demo::DemoSource;
use ingress_core::{Change, Hub, KubeSource, LaneState, LaneStatus, Scope, Source, Update};

use row::{Event, Table, json};

/// Prints the ingresses of some namespaces, and then every change of them, until Ctrl-C.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Read this kubeconfig instead of looking for one as kubectl does.
    #[arg(long, value_name = "FILE", conflicts_with = "demo")]
    kubeconfig: Option<PathBuf>,

    /// Use this context of the kubeconfig instead of its current one.
    #[arg(long, value_name = "NAME", conflicts_with = "demo")]
    context: Option<String>,

    /// Use a simulated cluster; it has namespaces such as shop, billing and identity.
    #[arg(long)]
    demo: bool,

    /// What to print.
    #[arg(long, short, value_enum, default_value = "table")]
    output: Output,

    /// The namespaces, each watched by itself: one that is refused does not keep the others from being shown.
    #[arg(required = true, value_name = "NAMESPACE")]
    namespaces: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Aligned columns.
    Table,
    /// One JSON object per line.
    Json,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "tail: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> anyhow::Result<()> {
    let scope = Scope::namespaces(&args.namespaces)?;
    let hub = Hub::builder(source(&args).await?).scope(scope).start();
    let printed = tokio::select! {
        printed = print_ingresses(&hub, args.output) => printed,
        () = print_trouble(&hub) => Ok(()),
        pressed = tokio::signal::ctrl_c() => pressed,
    };
    hub.shutdown().await;
    match printed {
        // Whoever read this, `head` for instance, has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.context("cannot go on"),
    }
}

/// Where the ingresses come from. All that follows is the same for a real cluster and a simulated one.
async fn source(args: &Args) -> anyhow::Result<Arc<dyn Source>> {
    if args.demo {
        return Ok(Arc::new(DemoSource::builder().build()?));
    }
    let builder = KubeSource::builder().kubeconfig(args.kubeconfig.clone()).context(args.context.clone());
    Ok(Arc::new(builder.connect().await.context("no cluster to read (--demo simulates one)")?))
}

/// Prints the current state once it is known, then what changes.
async fn print_ingresses(hub: &Hub, output: Output) -> io::Result<()> {
    hub.synced().await;
    // One step: a change is either in the snapshot or among the deltas, never in both or in neither.
    let (mut snapshot, mut deltas) = hub.ingresses().subscribe();
    loop {
        let table = Table::fitting(snapshot.iter().map(|(_, ingress)| &**ingress));
        let line = |event, ingress: &_| match output {
            Output::Table => table.line(event, ingress),
            Output::Json => json(event, ingress),
        };
        let mut lines = if output == Output::Table { table.header() } else { String::new() };
        lines.extend(snapshot.iter().map(|(_, ingress)| line(Event::Present, ingress)));
        print(&lines)?;
        snapshot = loop {
            match deltas.next().await {
                Some(Update::Changes(batch)) => {
                    let lines = batch.changes.iter().filter_map(|change| match change {
                        Change::Added(_, ingress) => Some(line(Event::Added, ingress)),
                        Change::Modified { new, .. } => Some(line(Event::Modified, new)),
                        Change::Deleted(_, ingress) => Some(line(Event::Deleted, ingress)),
                        _ => None,
                    });
                    print(&lines.collect::<String>())?;
                }
                // Standard output is so slow that changes were lost: start over from the state now.
                Some(Update::Reset(snapshot)) => break snapshot,
                _ => return Ok(()),
            }
        };
    }
}

/// Writes text at once. An error is an answer here, not a panic as with `println!`.
fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Tells on standard error when a namespace can't be watched, why, and when it can be again.
async fn print_trouble(hub: &Hub) {
    let (snapshot, mut deltas) = hub.ingresses().subscribe();
    let mut told = BTreeMap::new();
    snapshot.lanes().for_each(|lane| tell(&mut told, lane));
    while let Some(update) = deltas.next().await {
        match update {
            Update::Changes(batch) => {
                for change in &batch.changes {
                    if let Change::Lane(lane) = change {
                        tell(&mut told, lane);
                    }
                }
            }
            Update::Reset(snapshot) => snapshot.lanes().for_each(|lane| tell(&mut told, lane)),
            _ => {}
        }
    }
}

/// Tells of one lane, unless that is what was told of it last.
fn tell(told: &mut BTreeMap<String, String>, lane: &LaneStatus) {
    let namespace = lane.id.scope.namespace().map_or("*", |namespace| namespace.as_str());
    let news = match (&lane.error, lane.state) {
        (Some(error), LaneState::Denied) => format!("refused: {error}"),
        (Some(error), _) => format!("trying again: {error}"),
        // Being current needs no word, except after trouble.
        (None, LaneState::Live) if told.contains_key(namespace) => "current again".to_owned(),
        _ => return,
    };
    if told.get(namespace) != Some(&news) {
        // If standard error is closed, nobody wants to know.
        drop(writeln!(io::stderr(), "tail: {namespace}: {news}"));
        told.insert(namespace.to_owned(), news);
    }
}
