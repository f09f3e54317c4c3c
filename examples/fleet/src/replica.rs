//! One replica: what a program does to be one of a fleet. It is a dashboard as any other, but for where its hub has its state from.

use std::io::{self, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use ingress_cache::fleet::{Fleet, FleetConfig};
use ingress_cache::redis::{Redis, RedisConfig};
use ingress_core::clock::Timestamp;
use ingress_core::{DemoSource, Hub, KubeSource, Scope, Source};
use ingress_http::server::{Server, ServerStats};
use ingress_http::{Dashboard, Hosts};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::stop::StopSignals;

/// How many streams a replica serves. They all come from one address, that of the relay.
const STREAMS: usize = 10_000;
/// How long the fleet waits for Redis, whose scripts do more than a look-up in a cache.
const TIMEOUT: Duration = Duration::from_secs(1);

/// One replica; it ends when its standard input does.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplicaArgs {
    /// The Redis that all replicas share
    #[arg(long, env = "FLEET_REDIS", value_name = "URL", hide_env_values = true)]
    redis: String,
    /// The fleet's name: replicas of one name and one Redis are one fleet
    #[arg(long, default_value = "example")]
    fleet: String,
    /// This replica's name, for people
    #[arg(long)]
    name: String,
    /// Watch these namespaces only, each by itself
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Into how many shards these namespaces are cut; the replicas share them out
    #[arg(long, value_name = "N", default_value_t = 1)]
    shards: u16,
    /// Watch the cluster of this kubeconfig instead of a simulated one
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig to use, instead of its current one
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    context: Option<String>,
    /// How many ingresses are simulated
    #[arg(long, value_name = "N", default_value_t = 500)]
    ingresses: usize,
    /// How many changes per second are simulated
    #[arg(long, value_name = "R", default_value_t = 2.0)]
    changes_per_second: f64,
    /// When the simulation began, so that all replicas simulate the same
    #[arg(long, value_name = "TIME", hide = true)]
    simulated_since: Option<Timestamp>,
}

/// Serves until told to stop.
pub(crate) async fn run(args: ReplicaArgs) -> anyhow::Result<()> {
    let mut signals = StopSignals::new().context("cannot listen for signals")?;

    // 1. A fleet: whoever joins by the same name, through the same Redis.
    let redis = RedisConfig::from_url(&args.redis)?.timeout(TIMEOUT)?;
    let config = FleetConfig::new(&args.fleet, &args.name)?.shards_per_cluster(args.shards)?;
    let fleet = Fleet::join(Redis::connect(redis), config);

    // 2. A hub whose source is the fleet's view of the cluster, instead of the cluster.
    let source = fleet.source(source(&args).await?);
    let hub = Hub::builder(source).scope(Scope::namespaces(&args.namespaces)?).start();

    // 3. The dashboard, which is told of the fleet for health and metrics alone. One address stands for all people here, so none is limited.
    let stats = ServerStats::new();
    let dashboard = Dashboard::builder(hub.clone())
        .fleet(fleet.clone())
        .hosts(Hosts::loopback_and::<&str>([])?)
        .rate_limit(None)
        .stream_rate_limit(None)
        .max_streams(STREAMS)
        .max_streams_per_user(STREAMS)
        .max_streams_per_address(STREAMS)
        .server_stats(stats.clone())
        .build();
    let streams = dashboard.shutdown();

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?).context("nobody to tell where it listens")?;
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        // The sender outlives the server; an error could only mean the same.
        drop(stopped.await);
    };
    let server = Server::builder().stats(stats).build();
    let mut serving = pin!(server.serve(listener, dashboard.into_router(), stopped));
    tokio::select! {
        _ = &mut serving => {}
        _ = signals.next() => {}
        _ = input_ended() => {}
    }
    streams.begin();
    drop(stop);
    // 4. Leaving is telling the others, who then need not find out.
    fleet.leave().await;
    let _ended = serving.await;
    hub.shutdown().await;
    Ok(())
}

async fn source(args: &ReplicaArgs) -> anyhow::Result<Arc<dyn Source>> {
    if args.kubeconfig.is_some() {
        let builder = KubeSource::builder().kubeconfig(args.kubeconfig.clone()).context(args.context.clone());
        return Ok(Arc::new(builder.connect().await?));
    }
    let mut builder =
        DemoSource::builder().ingresses(args.ingresses).changes_per_second(args.changes_per_second);
    if let Some(begin) = args.simulated_since {
        builder = builder.running_since(begin);
    }
    Ok(Arc::new(builder.build()?))
}

/// Waits until whoever started this program has ended, or wants it to. A thread of its own, since tokio's would keep the program from
/// ending for as long as there may be input.
async fn input_ended() {
    let (ended, told) = oneshot::channel();
    std::thread::spawn(move || {
        let mut input = [0; 64];
        while io::stdin().read(&mut input).is_ok_and(|read| read > 0) {}
        ended.send(())
    });
    drop(told.await);
}
