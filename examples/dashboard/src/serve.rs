//! The server: from the first request to the last.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;

use ingress_cache::fleet::Fleet;
use ingress_core::Hub;
use ingress_http::DashboardBuilder;
use ingress_http::server::{Server, ServerBuilder, ServerStats, Tls};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::args::Args;
use crate::failure::Failure;
use crate::stop::StopSignals;

/// How long the engine has to end its tasks after the server.
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
pub(crate) fn url(address: SocketAddr, is_tls: bool) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let scheme = if is_tls { "https" } else { "http" };
    format!("{scheme}://{}:{}/", bracketed(ip), address.port())
}

fn bracketed(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The certificate that the command line names, if it names one.
pub(crate) fn tls(args: &Args) -> Result<Option<Tls>, Failure> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else { return Ok(None) };
    Tls::from_files(certificate, key).map(Some).map_err(|error| {
        let flag = if error.file() == certificate { "--tls-cert" } else { "--tls-key" };
        Failure::configuration(format!("{flag}: {error}"))
    })
}

/// Serves until told to stop. Streams are told to reconnect, answers are finished, and clients that don't listen are cut
/// off when the time is up.
pub(crate) async fn until_stopped(
    listener: TcpListener,
    tls: Option<Tls>,
    hub: Hub,
    fleet: Option<Fleet>,
    dashboard: DashboardBuilder,
    signals: &mut StopSignals,
) {
    let stats = ServerStats::new();
    let dashboard = dashboard.server_stats(stats.clone()).build();
    let streams = dashboard.shutdown();
    let builder = Server::builder().stats(stats);
    let server = tls.into_iter().fold(builder, ServerBuilder::tls).build();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async {
        // The sender outlives the server; an error could only mean the same.
        drop(stopped.await);
    };
    let mut serving = pin!(server.serve(listener, dashboard.into_router(), stopped));
    tokio::select! {
        // Which it does not by itself.
        _ = &mut serving => return,
        signal = signals.next() => tracing::info!(signal, "stopping"),
    }
    streams.begin();
    drop(stop);
    // First of all, so that others watch before those who leave here arrive there.
    if let Some(fleet) = fleet {
        fleet.leave().await;
    }
    tokio::select! {
        ended = &mut serving => if ended.cut_off() > 0 {
            tracing::info!(clients = ended.cut_off(), "some clients did not finish in time; leaving them");
        },
        signal = signals.next() => tracing::info!(signal, "stopping at once"),
    }
    if timeout(ENGINE_GRACE, hub.shutdown()).await.is_err() {
        tracing::warn!("the engine did not end in time");
    }
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
            assert_eq!(url(address.parse().unwrap(), false), expected);
        }
        assert_eq!(url("127.0.0.1:8443".parse().unwrap(), true), "https://127.0.0.1:8443/");
    }

    #[tokio::test]
    async fn a_port_in_use_is_told_with_advice() {
        let first = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let taken = first.local_addr().unwrap();
        let message = bind(taken).await.unwrap_err().to_string();
        assert!(message.contains("is in use") && message.contains("--listen 127.0.0.1:"), "{message}");
    }
}
