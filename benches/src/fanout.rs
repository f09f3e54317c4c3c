//! One server, thousands of viewers: what each costs, and how long a change takes to reach all of them.
//!
//! Two processes on one machine, over real sockets. [`served`] is the server: the router and its server as the dashboard has them, over
//! a hub whose [`source`] makes changes when it is told to, and writes into each when it was made. [`crowd`] is the viewers: one
//! thread and one epoll, which reads no more of a stream than it has to, since both processes share the machine's cores.
//! [`child`] starts the one from the other, and looks at its memory.
//!
//! A change counts for a viewer when it was read from that viewer's socket. What is late, lost, seen twice or out of order is told
//! apart by a number in each change.

pub mod child;
pub mod crowd;
pub mod parser;
pub mod served;
pub mod source;

use anyhow::{Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// The annotation that tells which change this is, and when it was made.
pub const NOTE: &str = "bench/sent";

/// How many digits each of the two numbers of a note has.
pub const DIGITS: usize = 20;

/// Nanoseconds of the clock that all processes of a machine share.
#[must_use]
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanoseconds) = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    seconds.unwrap_or_default() * 1_000_000_000 + nanoseconds.unwrap_or_default()
}

/// The note of a change.
#[must_use]
pub fn note(number: u64, sent: u64) -> String {
    format!("{number:020}{sent:020}")
}

/// Lets this process and its children open as many files as the system grants; tells how many.
///
/// # Errors
///
/// When that is fewer than `wanted`.
pub fn raise_open_files(wanted: usize) -> Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    let granted = maximum.or(current).unwrap_or(u64::MAX);
    ensure!(
        granted >= wanted as u64,
        "{wanted} open files are needed, the system grants {granted} (ulimit -Hn)"
    );
    Ok(granted)
}
