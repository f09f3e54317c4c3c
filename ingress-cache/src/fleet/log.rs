//! The log of one kind: what all replicas of a fleet read, and the holders of shards write.
//!
//! It is a Redis stream with a hash beside it (`meta`) and a hash of segments for each shard (its snapshot). Whoever holds a shard appends what
//! changed; every replica reads all of it and serves from it, so that a number means the same everywhere. What must hold, and why
//! it does:
//!
//! - **One writer per shard.** [`Log::open`] leaves a fence: the writer's term, and a random number of this handle. Every write
//!   checks both in the same step in which it writes, so a writer that was paused and replaced can't write, even if election went wrong
//!   and gave two of them the same term.
//! - **A number is given once.** Redis counts, inside the script that appends. Numbers of an incarnation begin at its clock (in
//!   units of 1/1024 µs), and [`GAP`] are left out before every entry, for what a replica has to tell its own viewers in between.
//! - **No entry is missed unnoticed.** Each entry names a hash of all before it. A reader that finds another hash than it expects
//!   has lost its place ([`Tail`]): entries were trimmed before it read them, or the log took back what it had told.
//! - **A log that took something back is another one.** Redis replicates after it answers, so a failover can lose the last entries, of which
//!   some readers told their viewers already. Then somebody begins another incarnation ([`Log::start_anew`]): a new epoch.
//! - **A writer knows what it wrote.** An append names the shard's last number, so one whose answer was lost can't happen twice.
//!
//! An append costs Redis about 40 µs, most of it for some twenty commands inside a script, and 3 µs more per kilobyte; reading costs next to
//! nothing. So writers gather what happens at once into one entry.

mod bounds;
mod fault;
mod keys;
mod meta;
mod reply;
mod scripts;
mod snapshot;
mod tail;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::future::BoxFuture;
use redis::Value;

use super::frame;
use super::shard::{FleetName, InvalidFleetName, Shard};
use crate::redis::{Redis, Script};

use self::keys::Keys;
use self::reply::{answer, broken, hex, number, optional};
use self::scripts::SCRIPTS;

pub use bounds::{InvalidBounds, LogBounds};
pub use fault::{LogFault, LogFaultKind};
pub use meta::{Beat, Meta, ShardMeta};
pub use snapshot::{Segments, Snapshot};
pub use tail::{Entry, Lost, Tail, Tailed};

/// How many numbers lie between the last of an entry and the first of the next.
pub const GAP: u64 = 65_536;
/// How large the payload of an entry may be, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;
/// How many entries an append trims at most. More than one, so that a log that is above its bounds gets below them again.
const TRIMS: u32 = 16;

/// The log of one kind. Cloning is cheap, and a clone is the same writer.
#[derive(Debug, Clone)]
pub struct Log {
    redis: Redis,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    keys: Keys,
    writer: String,
    bounds: LogBounds,
    broken: AtomicU64,
}

/// A point in the log, and a hash of everything before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// Which incarnation of the log.
    pub epoch: u64,
    /// The number of the last entry.
    pub seq: u64,
    /// What two logs have in common that tell the same up to here.
    pub chain: u64,
}

/// The right to write for a shard, and what was written last.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Writing {
    /// The shard.
    pub shard: Shard,
    /// The writer's term.
    pub term: u64,
    /// The incarnation of the log in which it writes.
    pub epoch: u64,
    /// The number of the shard's last entry; `None` if this incarnation has none.
    pub last: Option<u64>,
}

/// What a writer finds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// What to write with.
    pub writing: Writing,
    /// The number of the log's last entry, of whatever shard.
    pub seq: u64,
    /// Whether there is a snapshot of this shard, of this incarnation.
    pub has_snapshot: bool,
}

/// The numbers that an append got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Appended {
    /// The number of the first change; the others follow without a gap.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
}

impl Log {
    /// The log of a kind. Nothing is asked yet.
    ///
    /// # Errors
    ///
    /// When the kind's name is not 1 to 253 letters, digits, `-`, `_` and `.`.
    pub fn new(
        redis: Redis,
        fleet: &FleetName,
        kind: &str,
        bounds: LogBounds,
    ) -> Result<Self, InvalidFleetName> {
        super::shard::check("kind", kind, 253)?;
        let keys = Keys::new(redis.prefix(), fleet, kind);
        let writer = format!("{:016x}", rand::random::<u64>());
        Ok(Self { redis, shared: Arc::new(Shared { keys, writer, bounds, broken: AtomicU64::new(0) }) })
    }

    /// Begins to write for a shard, and makes the log where there is none (or none that is whole: Redis may drop any key when it is full).
    /// From then on no older term can write for this shard, and no other handle with the same one.
    ///
    /// # Errors
    ///
    /// [`Fenced`](LogFaultKind::Fenced) when a later term writes for it; Redis' faults, after which the fence may stand or not.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the fence of this writer or the one before.
    pub async fn open(&self, shard: &Shard, term: u64) -> Result<Opened, LogFault> {
        let snapshot = self.keys().snapshot(shard);
        let keys = [self.keys().meta.as_ref(), self.keys().log.as_ref(), snapshot.as_str()];
        let args = [&shard.to_string(), &term.to_string(), &self.shared.writer, &new_epoch()];
        let parts = self.run(&SCRIPTS.open, &keys, &args.map(String::as_bytes)).await?;
        let [epoch, seq, last, has_snapshot] = parts.as_slice() else { return Err(broken()) };
        let epoch = hex(epoch).ok_or_else(broken)?;
        let writing = Writing { shard: shard.clone(), term, epoch, last: optional(last)? };
        let seq = number(seq).ok_or_else(broken)?;
        Ok(Opened { writing, seq, has_snapshot: has_snapshot.as_ref() == b"1" })
    }

    /// Appends an entry of `count` changes (at least one), and gives them numbers. `writing` knows of it afterwards.
    ///
    /// # Errors
    ///
    /// What [`LogFaultKind`] tells; nothing was written then, except that after a fault of Redis nobody knows: [`open`](Self::open) again and compare
    /// [`Writing::last`]. [`TooLarge`](LogFaultKind::TooLarge) above [`MAX_PAYLOAD`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the entry there or not; open again.
    pub async fn append(
        &self,
        writing: &mut Writing,
        count: u32,
        payload: &[u8],
    ) -> Result<Appended, LogFault> {
        if payload.len() > MAX_PAYLOAD {
            return Err(LogFault::new(LogFaultKind::TooLarge));
        }
        self.write(writing, count.max(1), &frame::seal(payload)).await
    }

    /// Tells readers to load the shard's snapshot anew, by an entry without data. It takes one number.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    ///
    /// # Cancel safety
    ///
    /// As [`append`](Self::append).
    pub async fn announce_anew(&self, writing: &mut Writing) -> Result<Appended, LogFault> {
        self.write(writing, 1, &[]).await
    }

    async fn write(&self, writing: &mut Writing, count: u32, frame: &[u8]) -> Result<Appended, LogFault> {
        let keys = [self.keys().meta.as_ref(), self.keys().log.as_ref()];
        let [shard, term, writer, epoch] = self.proof(writing);
        let last = writing.last.map(|last| last.to_string()).unwrap_or_default();
        let bounds = self.shared.bounds;
        let numbers =
            [GAP, bounds.entries.into(), bounds.bytes, TRIMS.into()].map(|number| number.to_string());
        let mut args: Vec<&[u8]> =
            [&shard, &term, &writer, &epoch, &last].map(|text| text.as_bytes()).to_vec();
        let count = count.to_string();
        args.extend([count.as_bytes(), frame]);
        args.extend(numbers.iter().map(String::as_bytes));
        let parts = self.run(&SCRIPTS.append, &keys, &args).await?;
        let [first, last] = parts.as_slice() else { return Err(broken()) };
        let appended =
            Appended { first: number(first).ok_or_else(broken)?, last: number(last).ok_or_else(broken)? };
        writing.last = Some(appended.last);
        Ok(appended)
    }

    /// Tells that the writer is alive, with a short note (a few hundred bytes) for readers; [`meta`](Self::meta) has it, with the time of Redis.
    ///
    /// # Errors
    ///
    /// [`Fenced`](LogFaultKind::Fenced) and [`EpochChanged`](LogFaultKind::EpochChanged), as an append; [`TooLarge`](LogFaultKind::TooLarge) above 64 KiB.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves this note or the one before.
    pub async fn beat(&self, writing: &Writing, note: &[u8]) -> Result<(), LogFault> {
        if note.len() > 1 << 16 {
            return Err(LogFault::new(LogFaultKind::TooLarge));
        }
        let keys = [self.keys().meta.as_ref(), self.keys().log.as_ref()];
        let proof = self.proof(writing);
        let mut args: Vec<&[u8]> = proof.iter().map(String::as_bytes).collect();
        args.push(note);
        self.run(&SCRIPTS.beat, &keys, &args).await.map(drop)
    }

    /// Begins another incarnation, unless somebody did so already: for whoever saw that this one took something back. Writers are told with their
    /// next write; fences stay, entries and positions go.
    ///
    /// # Errors
    ///
    /// Redis' faults.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it begun or not.
    pub async fn start_anew(&self, epoch: u64) -> Result<(), LogFault> {
        let keys = [self.keys().meta.as_ref(), self.keys().log.as_ref()];
        let args = [text_of(epoch), new_epoch()];
        match self.run(&SCRIPTS.anew, &keys, &[args[0].as_bytes(), args[1].as_bytes()]).await {
            Err(fault) if fault.kind() == LogFaultKind::EpochChanged => Ok(()),
            other => other.map(drop),
        }
    }

    /// Removes what is left of a shard that won't be any more (there are fewer buckets now): its snapshot, its last number, its note.
    ///
    /// # Errors
    ///
    /// [`Fenced`](LogFaultKind::Fenced) and [`EpochChanged`](LogFaultKind::EpochChanged), as an append.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it there or not.
    pub async fn retire(&self, writing: &Writing) -> Result<(), LogFault> {
        let snapshot = self.keys().snapshot(&writing.shard);
        let keys = [self.keys().meta.as_ref(), self.keys().log.as_ref(), snapshot.as_str()];
        let proof = self.proof(writing);
        self.run(&SCRIPTS.retire, &keys, &proof.each_ref().map(|text| text.as_bytes())).await.map(drop)
    }

    /// The time of the server that keeps this log, in milliseconds since 1970. It is the clock of the notes in [`Meta`].
    ///
    /// # Errors
    ///
    /// Redis' faults.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    pub async fn now(&self) -> Result<u64, LogFault> {
        let now: String = self.redis.script(&SCRIPTS.now, &[self.keys().meta.as_ref()], &[]).await?;
        number(now.as_bytes()).ok_or_else(broken)
    }

    /// How many payloads were not what had been written, since this handle was made.
    #[must_use]
    pub fn broken(&self) -> u64 {
        self.shared.broken.load(Ordering::Relaxed)
    }

    fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    /// What proves that somebody may write: the first four arguments of all scripts that do.
    fn proof(&self, writing: &Writing) -> [String; 4] {
        [
            writing.shard.to_string(),
            writing.term.to_string(),
            self.shared.writer.clone(),
            text_of(writing.epoch),
        ]
    }

    // Boxed, since the compiler can't tell of the futures of its callers that they may be sent elsewhere.
    fn run<'a>(
        &'a self,
        script: &'a Script,
        keys: &'a [&'a str],
        args: &'a [&'a [u8]],
    ) -> BoxFuture<'a, Result<Vec<Bytes>, LogFault>> {
        Box::pin(async move { answer(self.redis.script::<Value>(script, keys, args).await?) })
    }

    /// The payload of a frame; what is broken is counted.
    fn unframed(&self, frame: &Bytes) -> Result<Bytes, LogFault> {
        frame::open(frame).map_err(|_| {
            self.shared.broken.fetch_add(1, Ordering::Relaxed);
            broken()
        })
    }
}

fn text_of(epoch: u64) -> String {
    format!("{epoch:016x}")
}

fn new_epoch() -> String {
    text_of(rand::random())
}
