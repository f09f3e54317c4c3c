//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context as _, Result};
use rand::RngExt as _;

/// Below what Linux hands out by itself, and above what services use.
const KEPT: std::ops::Range<u16> = 20_000..32_000;

/// A port on which nothing listens now.
///
/// Another program could take it before it is used. The system hands out ephemeral ports in a wide circle,
/// so that this is rare enough; a server that has to come back on the same port needs a fixed one.
///
/// # Errors
///
/// When the system has no port left.
pub fn free() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}

/// A port on which nothing listens now, and that the system gives to no connection meanwhile: for a server that comes back on it.
///
/// # Errors
///
/// When none was found in a hundred tries.
pub fn kept() -> Result<u16> {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (0..100).map(|_| rand::rng().random_range(KEPT)).find(free).context("looking for a port to keep")
}
