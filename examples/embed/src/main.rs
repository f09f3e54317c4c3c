//! A web application with its own pages, and the cluster's ingresses as one part of it under `/routes`.
//!
//! ```text
//! cargo run -p embed -- --demo
//! ```
//!
//! then open <http://127.0.0.1:8081/>. Three things are all it takes: a source, a hub that watches it, and a dashboard
//! whose router is nested like any other.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use clap::Parser;
use ingress_core::{DemoSource, Hub, KubeSource};
use ingress_http::Dashboard;
use tokio::net::TcpListener;

/// A host application that shows the ingresses of a Kubernetes cluster under /routes
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// The kubeconfig to use, instead of the usual places
    #[arg(long, value_name = "FILE", conflicts_with = "demo")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig to use, instead of its current one
    #[arg(long, value_name = "NAME", conflicts_with = "demo")]
    context: Option<String>,
    /// Show a simulated cluster instead of a real one
    #[arg(long)]
    demo: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();

    // 1. The hub watches the cluster from now on, whether anybody looks or not.
    let hub = if args.demo {
        Hub::builder(DemoSource::builder().build()?).start()
    } else {
        let source =
            KubeSource::builder().kubeconfig(args.kubeconfig).context(args.context).connect().await?;
        Hub::builder(source).start()
    };

    // 2. The dashboard serves it. Anything that a host does with a router works with this one, too: a layer around it is
    //    the place to ask people who they are, since the dashboard does not.
    let dashboard = Dashboard::new(hub.clone());
    let streams = dashboard.shutdown();
    let app = Router::new().route("/", get(home)).nest_service("/routes", dashboard.into_router());

    // 3. The hub answers the host's own questions as well.
    let count = hub.clone();
    let app = app.route(
        "/count",
        get(move || async move { format!("{} ingresses\n", count.ingresses().snapshot().len()) }),
    );

    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    eprintln!("listening on http://{}/", listener.local_addr()?);
    let stop = async move {
        stop_signal().await;
        // Streams never end by themselves, and the server waits for all answers before it stops.
        streams.begin();
    };
    // With whom each request comes from, since the dashboard limits how often each may ask.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    hub.shutdown().await;
    Ok(())
}

async fn home() -> Html<&'static str> {
    Html(
        "<!doctype html><title>Host</title><h1>The host's own page</h1>\
         <p>The cluster's ingresses are at <a href=\"/routes/\">/routes/</a>, their number at <a href=\"/count\">/count</a>.",
    )
}

/// Waits for Ctrl-C, or for the signal with which service managers and Kubernetes stop a program.
async fn stop_signal() {
    let interrupted = async {
        // Where the signal can't be listened for, the program is stopped the hard way.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    tokio::select! {
        () = interrupted => {}
        _ = terminated => {}
    }
}
