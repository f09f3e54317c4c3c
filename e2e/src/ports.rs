//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context as _, Result};

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
