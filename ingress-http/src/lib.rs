//! Serves what an [`ingress_core::Hub`] knows from any axum application.
//!
//! One [`axum::Router`] for everything a browser, a script or a probe asks: the ingresses as filtered, sorted, paged JSON;
//! the same as a live stream of server-sent events, or over a WebSocket; one object as YAML; the namespaces; health; and, with the feature
//! `ui`, a page for people. It nests under any path and never writes to a cluster. `docs/http-api.md` in the repository
//! describes every path.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use ingress_core::{DemoSource, Hub};
//! use ingress_http::Dashboard;
//!
//! let source = DemoSource::builder().ingresses(20).build()?; // or KubeSource::infer().await?
//! let dashboard = Dashboard::new(Hub::builder(source).start());
//! let streams = dashboard.shutdown();
//!
//! let app = axum::Router::new().nest("/routes", dashboard.into_router());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let stop = async move {
//! #   /*
//!     tokio::signal::ctrl_c().await.ok();
//! #   */
//!     streams.begin(); // else the server would wait for streams that never end
//! };
//! axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).with_graceful_shutdown(stop).await?;
//! # Ok(()) }
//! ```
//!
//! # Who may see what
//!
//! Unless told otherwise, the router asks nobody who they are, and whoever reaches it sees everything that the hub watches.
//! [`DashboardBuilder::authentication`] sets who finds out who sends a request ([`auth`]), and [`DashboardBuilder::authorization`] what
//! they may see: everything, or what Kubernetes lets them list ([`Authorization::kubernetes`]). One place decides that for every answer
//! and stream, counts, tags and errors included.
//!
//! # Limits
//!
//! Each client has a [`RateLimit`] and a number of streams; a client is whoever is authenticated, else an address. The router knows
//! addresses only if the server tells them: serve with `into_make_service_with_connect_info::<SocketAddr>()`. Otherwise
//! everything works, but all who are not authenticated share one limit. Behind a proxy, name it with
//! [`trusted_proxies`](DashboardBuilder::trusted_proxies), for the same reason. On loopback, [`Hosts`] keeps pages of strangers out.
//!
//! # Cost
//!
//! A list answers from one snapshot and serialises only the page that was asked for. A stream costs a place in the store's
//! ring: a client that reads slowly slows nobody, and one that falls behind is told to start anew. Filtering and encoding cost
//! once per distinct filter, not per client.

mod app;
pub mod auth;
mod caches;
pub mod client;
mod coding;
mod conditional;
mod cursor;
mod dashboard;
mod filter;
#[cfg(test)]
mod fixture;
#[cfg(feature = "fleet")]
mod fleet;
mod health;
mod info;
mod limit;
mod list;
mod metrics;
mod namespaces;
mod negotiate;
mod object;
mod openapi;
mod order;
#[cfg(feature = "ui")]
mod page;
mod params;
mod partial;
pub mod problem;
mod protect;
mod respond;
mod reviews;
mod routes;
mod selector;
#[cfg(feature = "server")]
pub mod server;
mod shared_key;
mod shutdown;
mod stream;
mod transport;
mod upstream;
mod view;
mod wire;
mod yaml;

pub use dashboard::{
    DEFAULT_HEARTBEAT, DEFAULT_MAX_BACKLOG, DEFAULT_MAX_STREAMS, DEFAULT_MAX_STREAMS_PER_ADDRESS,
    DEFAULT_MAX_STREAMS_PER_USER, DEFAULT_RATE_LIMIT, DEFAULT_RETRY, DEFAULT_STREAM_RATE_LIMIT,
    DEFAULT_UPSTREAM_RATE_LIMIT, Dashboard, DashboardBuilder, InvalidOption,
};
pub use limit::RateLimit;
pub use protect::{Hosts, InvalidHost, InvalidOrigin, Origins};
pub use shared_key::SharedKey;
pub use shutdown::Shutdown;
pub use transport::Transport;
pub use view::{Authorization, Authorizer, DEFAULT_ACCESS_HOLD, DEFAULT_ACCESS_MAX_AGE};
