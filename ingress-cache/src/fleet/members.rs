//! Who is alive, and what they can do: heartbeats in Redis.
//!
//! Each member beats once a second, and is told all others by the same command. Redis' clock is the only one: a member is alive while its
//! last beat is younger than [`ALIVE`] there. A beat carries which clusters the member can't reach and which shards it holds, so that all
//! compute who should hold what from the same facts. It costs a command a second per member, whose answer grows with the number of
//! members and shards.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use ingress_core::ClusterId;
use redis::Value;
use serde::{Deserialize, Serialize};

use super::frame;
use super::shard::{FleetName, MemberId, Shard};
use crate::redis::{Redis, RedisFault, Script};

/// How old a member's last beat may be.
pub const ALIVE: Duration = Duration::from_secs(3);
/// How often a member beats.
pub const BEAT: Duration = Duration::from_secs(1);
/// How long a beat may be, in bytes, and so how much a member can tell: some ten thousand shards.
const MAX_BEAT: usize = 1 << 20;

static BEATING: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("members/beat.lua")));

/// What a member tells of itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Told {
    /// Clusters that it has not reached for a while.
    pub unreachable: BTreeSet<ClusterId>,
    /// The shards that it holds, each with the epoch of its term.
    pub holds: BTreeMap<Shard, u64>,
}

/// A member that is alive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Which one.
    pub id: MemberId,
    /// What it told last. A member whose beat can't be read (another release wrote it) is alive, reaches everything and holds nothing.
    pub told: Told,
    /// How old its beat was when this was read, by Redis' clock.
    pub age: Duration,
}

impl Member {
    pub(super) fn new(id: MemberId, told: Told, age: Duration) -> Self {
        Self { id, told, age }
    }
}

/// The members of a fleet, as one of them sees it. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Members {
    redis: Redis,
    beats: String,
    told: String,
    me: MemberId,
}

/// A beat as it is written; text, so that a reader of another release can tell what it doesn't know from what is broken.
#[derive(Serialize, Deserialize)]
struct Wire {
    unreachable: Vec<String>,
    holds: Vec<(String, u64)>,
}

impl Members {
    /// The members of a fleet, seen by this one. It is none of them before its first [`beat`](Self::beat).
    #[must_use]
    pub fn new(redis: Redis, fleet: &FleetName, me: MemberId) -> Self {
        let base = redis.key(&format!("{{{}/members}}", fleet.as_str()));
        Self { redis, beats: format!("{base}:beats"), told: format!("{base}:told"), me }
    }

    /// This member.
    #[must_use]
    pub fn me(&self) -> &MemberId {
        &self.me
    }

    /// Beats, which joins the first time, and is told who is alive: oneself included.
    ///
    /// # Errors
    ///
    /// Redis' faults. Whether it has beaten is not known then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it beaten or not.
    pub async fn beat(&self, told: &Told) -> Result<Vec<Member>, RedisFault> {
        let mut frame = frame::seal(&write(told));
        if frame.len() > MAX_BEAT {
            // Told of nothing is better than not alive; others find what it holds by the locks.
            frame =
                frame::seal(&write(&Told { unreachable: told.unreachable.clone(), holds: BTreeMap::new() }));
        }
        self.ask(self.me.as_str(), &frame).await
    }

    /// Leaves: others know at once, and not after [`ALIVE`].
    ///
    /// # Errors
    ///
    /// Redis' faults.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it a member or not.
    pub async fn leave(&self) -> Result<(), RedisFault> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("ZREM").arg(&self.beats).arg(self.me.as_str());
        pipeline.cmd("HDEL").arg(&self.told).arg(self.me.as_str());
        self.redis.pipeline::<Value>(&pipeline).await.map(drop)
    }

    /// Who is alive, without beating.
    ///
    /// # Errors
    ///
    /// Redis' faults.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    pub async fn list(&self) -> Result<Vec<Member>, RedisFault> {
        self.ask("", &[]).await
    }

    async fn ask(&self, who: &str, frame: &[u8]) -> Result<Vec<Member>, RedisFault> {
        let alive = ALIVE.as_millis().to_string();
        let args = [who.as_bytes(), frame, alive.as_bytes()];
        let answer: Vec<(String, u64, Vec<u8>)> =
            self.redis.script(&BEATING, &[self.beats.as_str(), self.told.as_str()], &args).await?;
        let members = answer.into_iter().filter_map(|(id, age, told)| {
            Some(Member::new(MemberId::new(&id).ok()?, read(&told.into()), Duration::from_millis(age)))
        });
        Ok(members.collect())
    }
}

fn write(told: &Told) -> Vec<u8> {
    let wire = Wire {
        unreachable: told.unreachable.iter().map(|cluster| cluster.as_str().to_owned()).collect(),
        holds: told.holds.iter().map(|(shard, epoch)| (shard.to_string(), *epoch)).collect(),
    };
    postcard::to_stdvec(&wire).unwrap_or_default()
}

fn read(frame: &Bytes) -> Told {
    let wire = frame::open(frame).ok().and_then(|payload| postcard::from_bytes::<Wire>(&payload).ok());
    let Some(wire) = wire else { return Told::default() };
    Told {
        unreachable: wire.unreachable.iter().filter_map(|cluster| ClusterId::new(cluster).ok()).collect(),
        holds: wire.holds.iter().filter_map(|(shard, epoch)| Some((shard.parse().ok()?, *epoch))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_again() {
        let told = Told {
            unreachable: BTreeSet::from([ClusterId::new("east").unwrap()]),
            holds: BTreeMap::from([("west#3".parse().unwrap(), 7)]),
        };
        assert_eq!(read(&frame::seal(&write(&told))), told);
    }

    #[test]
    fn a_beat_that_makes_no_sense_tells_nothing() {
        for odd in [&b""[..], b"x", &frame::seal(b"\xff\xff\xff")] {
            assert_eq!(read(&Bytes::copy_from_slice(odd)), Told::default());
        }
        let odd = Wire { unreachable: vec!["a b".into()], holds: vec![("c".into(), 1), ("c#1".into(), 2)] };
        let told = read(&frame::seal(&postcard::to_stdvec(&odd).unwrap()));
        assert!(told.unreachable.is_empty() && told.holds.len() == 1);
    }
}
