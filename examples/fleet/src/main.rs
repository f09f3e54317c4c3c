//! A fleet from one command: replicas of the dashboard behind one address, which share one watch of the cluster through Redis.
//!
//! ```text
//! cargo run -p fleet -- --replicas 4
//! ```
//!
//! then open <http://127.0.0.1:8080/>, and `kill -9` any of the replicas whose process ids it prints: the page goes on. [`replica`] is what
//! a program does to be one of a fleet, and the part to read; the rest is what a cluster's own machinery does elsewhere: Redis
//! ([`server`]), starting again what has ended ([`keeper`]), and one address for all ([`relay`]).

mod keeper;
mod relay;
mod replica;
mod server;
mod stop;

use std::convert::Infallible;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{CommandFactory as _, Parser};
use ingress_cache::redis::RedisConfig;
use ingress_core::clock::wall_now;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

use keeper::Keeper;
use relay::Replicas;
use replica::ReplicaArgs;
use server::RedisServer;
use stop::StopSignals;

/// Replicas of the dashboard behind one address: one of them watches the cluster, all of them serve, and Redis is between them
///
/// Without --kubeconfig the cluster is a simulated one. What follows -- is handed to each replica; `fleet replica --help` tells what
/// that may be.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Args {
    /// How many replicas
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    replicas: u16,
    /// The one address, on this computer: nobody is asked who they are
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A Redis that is there already, instead of one of its own
    #[arg(long, env = "FLEET_REDIS", value_name = "URL", hide_env_values = true)]
    redis: Option<String>,
    /// Watch the cluster of this kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// What each replica is told besides, such as --ingresses 2000
    #[arg(last = true, value_name = "FLAGS")]
    more: Vec<String>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, clap::Subcommand)]
enum Role {
    /// One replica, as this program starts it
    #[command(hide = true)]
    Replica(ReplicaArgs),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let result = match args.role {
        Some(Role::Replica(args)) => start(replica::run(args)),
        None => start(run(args)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "fleet: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn start(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colors = io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colors)
        .with_target(false)
        .with_writer(io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(work)
}

async fn run(args: Args) -> anyhow::Result<()> {
    let mut signals = StopSignals::new().context("cannot listen for signals")?;
    if !args.listen.ip().is_loopback() {
        bail!("--listen {}: only this computer; the dashboard serves others (--redis, --fleet)", args.listen);
    }
    let flags = flags(&args)?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {} (--listen chooses another address)", args.listen))?;
    let address = listener.local_addr()?;
    let own = match &args.redis {
        Some(url) => RedisConfig::from_url(url).map(|_| None).context("--redis")?,
        None => Some(RedisServer::start().await?),
    };
    let redis = own.as_ref().map(RedisServer::url).or(args.redis).unwrap_or_default();

    let replicas = Arc::new(Replicas::default());
    let mut relaying = JoinSet::new();
    relaying.spawn(relay::run(listener, replicas.clone()));
    let mut keeper = Keeper::start(args.replicas, &redis, &flags, &replicas);
    let ended = tokio::select! {
        failed = keeper.failed() => failed,
        never = announce(&replicas, address) => match never {},
        signal = signals.next() => {
            tracing::info!(signal, "stopping");
            Ok(())
        }
    };
    // Streams end through the relay, and no replica misses Redis.
    tokio::select! {
        () = keeper.stop() => {}
        signal = signals.next() => tracing::info!(signal, "stopping at once"),
    }
    drop(relaying);
    if let Some(own) = own {
        own.stop().await;
    }
    ended
}

/// Tells that there is something to see, as soon as there is.
async fn announce(replicas: &Replicas, address: SocketAddr) -> Infallible {
    replicas.ready().await;
    let url = format!("http://{address}/");
    tracing::info!(url, "serving; open it in a browser");
    std::future::pending().await
}

/// What each replica is told, read once here so that a mistake is told once.
fn flags(args: &Args) -> anyhow::Result<Vec<String>> {
    let mut flags = match &args.kubeconfig {
        Some(file) => vec!["--kubeconfig".to_owned(), file.display().to_string()],
        // All replicas simulate the same cluster, also those that begin later.
        None => vec!["--simulated-since".to_owned(), wall_now().to_string()],
    };
    flags.extend(args.more.iter().cloned());
    let command =
        ["fleet", "replica", "--redis", "redis://localhost", "--name", "replica"].map(str::to_owned);
    if let Err(error) = Args::try_parse_from(command.into_iter().chain(flags.iter().cloned())) {
        error.format(&mut Args::command()).exit();
    }
    Ok(flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
        let args = Args::try_parse_from(["fleet", "--replicas", "2", "--", "--ingresses", "9"]).unwrap();
        assert_eq!((args.replicas, args.more.len()), (2, 2));
        let flags = flags(&args).unwrap();
        assert_eq!(flags[2..], ["--ingresses", "9"]);
        assert!(Args::try_parse_from(["fleet", "--replicas", "0"]).is_err());
    }
}
