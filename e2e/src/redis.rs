//! Real Redis servers on loopback: one, a master with a replica and Sentinels, or a Cluster.
//!
//! The program is Debian's `redis-server`, or any other of version 7 that is found in `PATH`, or `REDIS_SERVER` names; `redis-cli` of the
//! same is needed for a Cluster. Whatever a server kept lies in the lab. None keeps anything over a restart unless it is told to, so that what a
//! test does about a lost memory is what a person's Redis does without a disk.

mod cluster;
mod sentinel;
mod server;

use std::ffi::OsString;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::lab::{self, Lab};

pub use cluster::RedisCluster;
pub use sentinel::RedisSentinels;
pub use server::{Options, RedisServer, User};

/// Runs one test that needs Redis with a lab of its own; see [`lab::scenario`].
///
/// # Errors
///
/// Those of the body, or that it took too long, or that there is no `redis-server`.
pub fn scenario(within: Duration, body: impl AsyncFnOnce(&Lab) -> Result<()>) -> Result<()> {
    find()?;
    lab::play(within, body)
}

/// The program.
///
/// # Errors
///
/// When it isn't there, or is older than 7.
pub fn find() -> Result<OsString> {
    let program = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
    let version = Command::new(&program).arg("--version").stdin(Stdio::null()).output().context(
        "redis-server 7 is needed: `.ci/run servers` or `apt-get install redis-server` installs it",
    )?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let major = version.split("v=").nth(1).and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    ensure!(
        major.is_some_and(|major| major >= 7),
        "redis-server 7 or later is needed, and this one is: {version}"
    );
    Ok(program)
}
