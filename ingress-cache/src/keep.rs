//! Places where a hub's state is kept for its next start: a directory, or Redis.
//!
//! Both write a state whole or not at all, in the crate's [envelope](mod@crate::envelope), so that what was cut off, damaged or written by
//! another program is found out when it is read. And both only ever say what is wrong: a place that can't be written costs the next
//! start its head start, and nothing else. What is wrong is told once, not at each attempt, of which there is one every ten seconds.
//!
//! What is kept is what the cluster told this process, more than any one viewer may see. So files are readable by their owner alone,
//! and a Redis that holds a state is to be guarded like the cluster's own answers.

mod file;
mod folder;
#[cfg(feature = "redis")]
mod redis;
mod trouble;

use std::time::Duration;

use bytes::Bytes;
use ingress_core::clock::wall_now;

use crate::cache::{Entry, Version};
use crate::envelope::{self, Spoiled};

pub use file::FileKeep;
#[cfg(feature = "redis")]
pub use redis::RedisKeep;

/// Beyond this, something is wrong with what is to be kept, or with what was: 1 GiB.
const MOST: usize = 1 << 30;

/// A state in its envelope. It is never gone by itself: how old it is, is told inside it.
fn seal(state: Bytes) -> Bytes {
    let for_ever = Duration::from_secs(u64::MAX);
    envelope::seal(&Entry::new(
        Some(state),
        Version::default(),
        wall_now().as_millisecond(),
        for_ever,
        for_ever,
    ))
}

fn open(sealed: Bytes) -> Result<Bytes, Spoiled> {
    envelope::open(sealed)?.value.ok_or(Spoiled::Broken)
}
