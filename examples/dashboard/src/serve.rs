//! The server: from the first request to the last.

use std::future::IntoFuture as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use ingress_core::Hub;
use ingress_http::Dashboard;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::stop::StopSignals;

/// How long clients have to finish once the program is told to stop. Those that hang are left behind.
const GRACE: Duration = Duration::from_secs(3);
/// How long the engine has to end its tasks after that.
const ENGINE_GRACE: Duration = Duration::from_secs(1);

/// Takes the address.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::address_in_use(format!(
            "{address} is in use by another program; stop that one, or choose another port with --listen {}:{}",
            bracketed(address.ip()),
            address.port().checked_add(1).unwrap_or(8081),
        )),
        io::ErrorKind::AddrNotAvailable => {
            Failure::configuration(format!("--listen {address}: this computer does not have that address"))
        }
        io::ErrorKind::PermissionDenied => Failure::configuration(format!(
            "--listen {address}: not permitted; ports below 1024 are reserved, choose a higher one"
        )),
        _ => anyhow::Error::new(error).context(format!("cannot listen on {address}")).into(),
    })
}

/// Where a browser on this computer finds the page.
pub(crate) fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    format!("http://{}:{}/", bracketed(ip), address.port())
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Serves until told to stop. Streams are told to reconnect, answers are finished, and clients that don't listen are cut
/// off when the time is up.
pub(crate) async fn until_stopped(
    listener: TcpListener,
    dashboard: Dashboard,
    hub: Hub,
    signals: &mut StopSignals,
) -> anyhow::Result<()> {
    let streams = dashboard.shutdown();
    let (stop, mut stopping) = watch::channel(false);
    let stopped = async move {
        // The sender outlives the server; an error could only mean the same.
        drop(stopping.wait_for(|stop| *stop).await);
    };
    // With whom each request comes from, which is what limits are kept by.
    let service = dashboard.into_router().into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(stopped).into_future();
    tokio::pin!(server);
    tokio::select! {
        ended = &mut server => return ended.context("the server ended by itself"),
        signal = signals.next() => tracing::info!(signal, "stopping"),
    }
    streams.begin();
    stop.send_replace(true);
    tokio::select! {
        ended = timeout(GRACE, &mut server) => match ended {
            Ok(ended) => ended.context("while stopping")?,
            Err(_) => tracing::info!("some clients did not finish in time; leaving them"),
        },
        signal = signals.next() => tracing::info!(signal, "stopping at once"),
    }
    if timeout(ENGINE_GRACE, hub.shutdown()).await.is_err() {
        tracing::warn!("the engine did not end in time");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_one_that_this_computer_reaches() {
        for (address, expected) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("0.0.0.0:80", "http://127.0.0.1:80/"),
            ("[::]:80", "http://[::1]:80/"),
            ("192.0.2.7:9000", "http://192.0.2.7:9000/"),
        ] {
            assert_eq!(url(address.parse().unwrap()), expected);
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_with_advice() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken = first.local_addr().unwrap();
        let message = bind(taken).await.unwrap_err().to_string();
        assert!(message.contains("is in use") && message.contains("--listen 127.0.0.1:"), "{message}");
    }
}
