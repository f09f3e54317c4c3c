//! Says how a URL gets to the pod that answers it, hop by hop, or where it stops and what helps.
//!
//! ```text
//! cargo run -p why -- https://shop.example.com/cart
//! cargo run -p why -- https://shop.example.com/cart --watch
//! cargo run -p why -- shop.example.com/cart --files manifests/
//! ```
//!
//! It asks the cluster of the kubeconfig, changes nothing, and sends no request to the URL: it says what the cluster's objects say. Read it from
//! [`run`] downwards: a source, a hub that watches routes, and the question which of them gets the request.

mod ask;
mod print;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use ingress_core::diagnose::Verdict;
use ingress_core::routes::{RouteSnapshot, Routes};
use ingress_core::source::files::FilesSource;
use ingress_core::{Hub, HubBuilder, KubeSource};
use tokio::time::{Instant, timeout_at};

use ask::Question;

/// How long the first look may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Says how a URL gets to the pod that answers it, or where it stops and what helps.
///
/// Exits with 0 when the route is ok or degraded, 1 when it is broken or there is none, 2 when nobody can tell, and 3 when the cluster or the
/// manifests can't be read.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The URL; without a scheme, https.
    #[arg(value_name = "URL")]
    url: Question,

    /// The request's method.
    #[arg(long, short = 'X', value_name = "METHOD", default_value = "GET")]
    method: String,

    /// A header of the request; may be repeated.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = ask::header)]
    header: Vec<(String, String)>,

    /// Go on, and say it again whenever it changes.
    #[arg(long, short)]
    watch: bool,

    /// Read this kubeconfig instead of looking for one as kubectl does.
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    kubeconfig: Option<PathBuf>,

    /// Use this context of the kubeconfig instead of its current one.
    #[arg(long, value_name = "NAME", conflicts_with = "files")]
    context: Option<String>,

    /// Read manifests from this file or folder instead of a cluster.
    #[arg(long, value_name = "PATH")]
    files: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(verdict) => ExitCode::from(match verdict {
            Some(Verdict::Ok | Verdict::Degraded) => 0,
            Some(Verdict::Unknown) => 2,
            _ => 1,
        }),
        Err(error) => {
            drop(writeln!(io::stderr(), "why: {error:#}"));
            ExitCode::from(3)
        }
    }
}

/// The verdict on what was asked; `None` when no route gets the request.
async fn run(args: Args) -> anyhow::Result<Option<Verdict>> {
    let hub = hub(&args).await?.start();
    let routes = hub.routes().context("the hub watches no routes")?;
    let question = Question { method: args.method, headers: args.header, ..args.url };
    let first = read(routes).await;
    reachable(&hub, &first)?;
    let mut told = print::answer(&question, &first);
    io::stdout().write_all(told.text.as_bytes())?;
    if args.watch {
        tokio::select! {
            changed = follow(routes, &question, &mut told) => changed?,
            pressed = tokio::signal::ctrl_c() => pressed?,
        }
    }
    hub.shutdown().await;
    Ok(told.verdict)
}

async fn hub(args: &Args) -> anyhow::Result<HubBuilder> {
    if let Some(path) = &args.files {
        let source = FilesSource::new([path]);
        return Ok(Hub::builder(source.clone()).routes(source)?);
    }
    let source = KubeSource::builder().kubeconfig(args.kubeconfig.clone()).context(args.context.clone());
    let source = source.connect().await?;
    Ok(Hub::builder(source.clone()).routes(source)?)
}

/// The routes once every kind was read, or it is clear that it can't be.
async fn read(routes: &Routes) -> RouteSnapshot {
    let deadline = Instant::now() + PATIENCE;
    let (mut snapshot, mut deltas) = routes.subscribe();
    while !snapshot.inventory().unread().is_empty() || snapshot.revision() == 0 {
        match timeout_at(deadline, deltas.settled()).await {
            Ok(Some(next)) => snapshot = next,
            _ => break,
        }
    }
    snapshot
}

/// Whether anything could be read at all.
fn reachable(hub: &Hub, snapshot: &RouteSnapshot) -> anyhow::Result<()> {
    if snapshot.inventory().unread().contains(&"Ingress") {
        let lanes = hub.ingresses().snapshot();
        let error = lanes.lanes().find_map(|lane| lane.error.clone());
        let waited = format!("the cluster did not say within {PATIENCE:?} what ingresses it has");
        return Err(match error {
            Some(error) => anyhow::Error::from(error).context(waited),
            None => anyhow::anyhow!(waited),
        });
    }
    Ok(())
}

async fn follow(routes: &Routes, question: &Question, told: &mut print::Answer) -> anyhow::Result<()> {
    let (_, mut deltas) = routes.subscribe();
    while let Some((snapshot, _)) = deltas.next().await {
        let now = print::answer(question, &snapshot);
        if now.text != told.text {
            writeln!(io::stdout(), "\n---\n{}", now.text)?;
            *told = now;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
