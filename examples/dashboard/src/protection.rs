//! Whom the program answers, and how often: the flags, checked and handed on.

use std::net::SocketAddr;

use ingress_http::client::TrustedProxies;
use ingress_http::{DashboardBuilder, Hosts, Origins};

use crate::args::Protection;
use crate::failure::Failure;

/// The dashboard as the flags say, at the address where it listens.
pub(crate) fn protect(
    dashboard: DashboardBuilder,
    flags: &Protection,
    address: SocketAddr,
) -> Result<DashboardBuilder, Failure> {
    let proxies =
        TrustedProxies::new(&flags.trusted_proxies).map_err(|error| wrong("trusted-proxies", &error))?;
    let origins = Origins::new(&flags.allow_origin).map_err(|error| wrong("allow-origin", &error))?;
    let hosts = Hosts::loopback_and(&flags.allow_host).map_err(|error| wrong("allow-host", &error))?;
    let dashboard = dashboard
        .trusted_proxies(proxies)
        .allow_origins(origins)
        .rate_limit(flags.rate_limit)
        .stream_rate_limit(flags.stream_rate_limit)
        .max_streams(flags.max_streams)
        .max_streams_per_user(flags.max_streams_per_user)
        .max_streams_per_address(flags.max_streams_per_address);
    // Beyond loopback nobody can tell under which names the computer is known, unless somebody says.
    let restricted = address.ip().is_loopback() || !flags.allow_host.is_empty();
    Ok(if restricted { dashboard.hosts(hosts) } else { dashboard })
}

fn wrong(flag: &str, error: &dyn std::error::Error) -> Failure {
    Failure::configuration(format!("--{flag}: {error}"))
}
