//! A live view of a Kubernetes cluster's ingresses, or of a simulated cluster, in the browser.
//!
//! All of it is in `ingress-core` (the engine) and `ingress-http` (the router); what is here makes a program of them: a
//! command line, logs, exit codes, signals.

mod access;
mod args;
mod cache;
mod cluster;
mod failure;
mod fleet;
mod lanes;
mod logging;
mod protection;
mod serve;
mod stop;
#[cfg(feature = "otel")]
mod traces;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use ingress_core::resilience::backoff::{BackoffPolicy, Jitter};
use ingress_core::{Hub, HubBuilder, Namespace, Scope};
use ingress_http::{Dashboard, DashboardBuilder};
use tokio::task::JoinSet;

use args::Args;
use args::access::Authentication;
use cache::SharedCache;
use cluster::Found;
use failure::Failure;
use stop::StopSignals;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are "errors" too, and go to standard output. A closed pipe is nobody's business.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match start(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            drop(writeln!(std::io::stderr(), "dashboard: {failure}"));
            failure.code()
        }
    }
}

fn start(args: &Args) -> Result<(), Failure> {
    // Sends off what it still has when it is dropped.
    let _logging = logging::start(args).map_err(Failure::configuration)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let result = runtime.block_on(run(args));
    // What clients left hanging is not waited for.
    runtime.shutdown_background();
    result
}

async fn run(args: &Args) -> Result<(), Failure> {
    let mut signals = StopSignals::new().context("cannot listen for signals")?;
    access::check(&args.access, args.listen)?;
    let tls = serve::tls(args)?;
    let Found { source, kube, demo } = cluster::find(args).await?;
    let listener = serve::bind(args.listen).await?;
    let address = listener.local_addr().context("cannot listen")?;
    let provider = access::provider(&args.access, address, tls.is_some())?;
    let redis = fleet::redis(&args.redis)?;
    let shared = redis.clone().map(SharedCache::new);
    let fleet = fleet::join(&args.redis, redis, kube.as_ref())?;
    let builder = match &fleet {
        Some(fleet) => Hub::builder(fleet.source(source)),
        None => Hub::builder(source),
    };
    let builder = match (kube, demo) {
        (Some(kube), _) if args.routes == Some(true) => {
            builder.routes(kube).map_err(Failure::configuration)?
        }
        // Of the simulated cluster everything may be read, and nobody pays for it.
        (_, Some(demo)) if args.routes.unwrap_or(fleet.is_none()) => {
            builder.routes(demo).map_err(Failure::configuration)?
        }
        _ => builder,
    };
    let hub = hub(args, shared.as_ref(), builder)?.start();
    let dashboard = Dashboard::builder(hub.clone());
    let dashboard = match &shared {
        Some(shared) => shared.serve(dashboard),
        None => dashboard,
    };
    let dashboard = access::configure(&args.access, &hub, provider.clone(), shared.as_ref(), dashboard)?;
    let dashboard = fleet.iter().cloned().fold(dashboard, DashboardBuilder::fleet);
    let mut reporters = JoinSet::new();
    reporters.spawn(lanes::report(hub.ingresses().clone()));
    reporters.spawn(lanes::report(hub.namespaces().clone()));
    if let Some(provider) = provider {
        reporters.spawn(async move { provider.connect().await });
    }
    let dashboard = protection::protect(dashboard, &args.protection, address)?;
    // Whoever connects meanwhile waits, and isn't shown an empty state first.
    hub.recalled().await;
    announce(args, address, tls.is_some());
    serve::until_stopped(listener, tls, hub, fleet, dashboard, &mut signals).await;
    Ok(())
}

fn hub(args: &Args, shared: Option<&SharedCache>, builder: HubBuilder) -> Result<HubBuilder, Failure> {
    let names = args.namespaces.iter().map(Namespace::as_str);
    let mut builder = builder.scope(Scope::namespaces(names).map_err(Failure::configuration)?);
    if let Some(wait) = args.denied_retry {
        builder = builder.denied_backoff(steady(wait).map_err(Failure::configuration)?);
    }
    Ok(cache::keep(args, shared, builder))
}

/// Always the same wait, give or take: lanes that were refused together shall not ask together for ever.
fn steady(wait: Duration) -> Result<BackoffPolicy, impl std::fmt::Display> {
    BackoffPolicy::new(wait, 1.0, wait, Jitter::Equal)
}

fn announce(args: &Args, address: std::net::SocketAddr, is_tls: bool) {
    if !address.ip().is_loopback() && matches!(args.access.authentication, None | Some(Authentication::None))
    {
        tracing::warn!(
            %address,
            "ANYONE WHO REACHES THIS ADDRESS SEES EVERY INGRESS: nobody has to authenticate, as --authentication none says"
        );
    }
    let url = serve::url(address, is_tls);
    tracing::info!(url, "serving; open it in a browser");
    if args.open
        && let Err(error) = open::that_detached(&url)
    {
        tracing::warn!(%error, url, "cannot start a browser; open the page yourself");
    }
}
