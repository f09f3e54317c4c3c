//! Reading a log as it grows, and knowing when one has lost one's place.
//!
//! A reader waits inside Redis (`XREAD BLOCK`) on a connection of its own. Every entry names the hash of all before it, so a reader that
//! checks it against what it read last misses nothing unnoticed, whatever happened to Redis in between. What doesn't show in the next
//! entry (there is none, or the log is shorter than before) shows in `meta`, which is asked with each new connection and whenever the
//! log was quiet for a second.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Value};
use tokio::time::Instant;

use super::reply::{broken, bytes, hex, list, number, pairs};
use super::{Log, LogFault, Place};
use crate::fleet::shard::Shard;
use crate::redis::Dedicated;

/// How long one waits inside Redis for an entry.
const BLOCK: Duration = Duration::from_millis(BLOCK_MS);
const BLOCK_MS: u64 = 1000;
/// How long an answer may take, on top.
const ANSWER: Duration = Duration::from_secs(2);
/// The log's end and what comes next, of one moment. A script, since a transaction is refused while Redis is full.
const CHECK: &str = include_str!("check.lua");
/// How many entries are read at once: 64 MiB of them at worst, some hundred kilobytes most often.
const COUNT: u32 = 64;

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Whose it is.
    pub shard: Shard,
    /// The term of its writer.
    pub term: u64,
    /// The number of its first change.
    pub first: u64,
    /// The number of its last change.
    pub last: u64,
    /// What was written; `None` tells to load the shard's snapshot anew.
    pub data: Option<Bytes>,
}

impl Entry {
    /// How many numbers it has.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}

/// Why a reader has lost its place. All of them are mended in the same way: load the snapshots, and read on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lost {
    /// The log was begun anew, or is gone.
    Epoch,
    /// Entries were trimmed before they were read.
    Trimmed,
    /// The log took back what was read of it: a failover lost it. Another incarnation was begun, as far as that was possible.
    TookBack,
    /// The stream is gone while its `meta` is not: evicted. Another incarnation begins with the next write.
    Evicted,
    /// An entry is not what was written. It is [counted](Log::broken).
    Broken,
}

/// What reading brings.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tailed {
    /// Entries, in their order: at least one.
    Entries(Vec<Entry>),
    /// There is nothing new: the reader has everything up to [`Tail::seq`], and that was so a moment ago.
    Idle,
    /// The reader has lost its place. It answers this from now on.
    Lost(Lost),
}

/// Reads a log from some number on.
#[derive(Debug)]
pub struct Tail {
    log: Log,
    connection: Option<Dedicated>,
    reader: Reader,
    checked: Option<Instant>,
    lost: Option<Lost>,
}

impl Log {
    /// Reads what comes after a number, in this incarnation. `anchors` are places that the log must have passed: those that came with
    /// [snapshots](super::Snapshot::place), so that a log which took something back in the meantime is noticed. Nothing is asked yet.
    #[must_use]
    pub fn tail(&self, epoch: u64, after: u64, anchors: impl IntoIterator<Item = Place>) -> Tail {
        let mut reader = Reader { epoch, seq: after, chain: None, anchors: BTreeMap::new() };
        let mut lost = None;
        for anchor in anchors {
            lost = lost.or(reader.anchor(anchor).err());
        }
        Tail { log: self.clone(), connection: None, reader, checked: None, lost }
    }
}

impl Tail {
    /// The number of the last entry that was handed out; where it begins, before.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.reader.seq
    }

    /// The incarnation that is read.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.reader.epoch
    }

    /// Since when it is known to have missed nothing, but for what came within the moment since; `None` before the first answer.
    #[must_use]
    pub fn checked(&self) -> Option<Instant> {
        self.checked
    }

    /// Waits for what comes next, at most some seconds.
    ///
    /// # Errors
    ///
    /// Redis' faults. The next call makes another connection, and checks that it still has its place; wait a little before.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: what it read is read again, over another connection.
    pub async fn next(&mut self) -> Result<Tailed, LogFault> {
        if let Some(lost) = self.lost {
            return Ok(Tailed::Lost(lost));
        }
        // It is put back only after a whole answer: a future that was dropped leaves none behind.
        let (mut connection, fresh) = match self.connection.take() {
            Some(connection) => (connection, false),
            None => (self.log.redis.dedicated().await?, true),
        };
        let asked = Instant::now();
        let mut found = Found::Nothing;
        if fresh {
            found = self.check(&mut connection).await?;
        }
        if matches!(found, Found::Nothing) {
            let news = connection.query::<Value>(&self.news(), BLOCK + ANSWER).await?;
            found = self.reader.read(entries_of_stream(news));
            // Either it is quiet, or something is wrong; meta knows.
            if !matches!(found, Found::Entries(..)) {
                found = match (found, self.check(&mut connection).await?) {
                    // Something lies there of which meta knows nothing.
                    (Found::Lost(lost), Found::Nothing) => Found::Lost(lost),
                    (_, checked) => checked,
                };
            }
        }
        self.connection = Some(connection);
        match found {
            Found::Entries(entries, reader) => {
                self.reader = reader;
                self.checked = Some(asked);
                Ok(Tailed::Entries(entries))
            }
            Found::Nothing => {
                self.checked = Some(asked);
                Ok(Tailed::Idle)
            }
            Found::Lost(lost) => {
                self.lose(lost).await;
                Ok(Tailed::Lost(lost))
            }
        }
    }

    fn news(&self) -> Cmd {
        let mut news = redis::cmd("XREAD");
        news.arg("COUNT").arg(COUNT).arg("BLOCK").arg(BLOCK_MS);
        news.arg("STREAMS").arg(self.log.keys().log.as_ref()).arg(format!("{}-0", self.reader.seq));
        news
    }

    /// Asks for the log's end and what comes next, of one moment.
    async fn check(&mut self, connection: &mut Dedicated) -> Result<Found, LogFault> {
        let keys = self.log.keys();
        let mut check = redis::cmd("EVAL");
        check.arg(CHECK).arg(2).arg(keys.meta.as_ref()).arg(keys.log.as_ref());
        check.arg(format!("({}-0", self.reader.seq)).arg(COUNT);
        let answer = list(connection.query::<Value>(&check, ANSWER).await?).ok_or_else(broken)?;
        let [meta, entries] = <[Value; 2]>::try_from(answer).map_err(|_| broken())?;
        let meta = list(meta).ok_or_else(broken)?;
        Ok(self.reader.check(End::read(meta).as_ref(), entries_of_range(entries)))
    }

    async fn lose(&mut self, lost: Lost) {
        self.lost = Some(lost);
        self.connection = None;
        if lost == Lost::Broken {
            self.log.shared.broken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        tracing::info!(kind = %self.log.keys().log, seq = self.reader.seq, ?lost, "lost its place in the log");
        if lost == Lost::TookBack
            && let Err(error) = self.log.start_anew(self.reader.epoch).await
        {
            tracing::warn!(kind = %self.log.keys().log, %error, "a log that took something back can't be begun anew");
        }
    }
}

/// What reading found, before it is believed.
enum Found {
    Entries(Vec<Entry>, Reader),
    Nothing,
    Lost(Lost),
}

/// The log's end, as `meta` tells it; `None` when there is none, or it makes no sense.
struct End {
    place: Place,
    trimmed: u64,
}

impl End {
    fn read(meta: Vec<Value>) -> Option<Self> {
        let [epoch, seq, chain, trimmed] = <[Value; 4]>::try_from(meta).ok()?;
        let place =
            Place { epoch: hex(&bytes(epoch)?)?, seq: number(&bytes(seq)?)?, chain: hex(&bytes(chain)?)? };
        Some(Self { place, trimmed: number(&bytes(trimmed)?)? })
    }
}

/// An entry with its place in the chain.
struct Link {
    before: u64,
    after: u64,
    entry: Entry,
}

/// Where a reader stands. It reads no further than it can prove.
#[derive(Debug, Clone)]
struct Reader {
    epoch: u64,
    seq: u64,
    /// The hash of everything up to there; not known at first, without an anchor.
    chain: Option<u64>,
    /// Places that the log must pass.
    anchors: BTreeMap<u64, u64>,
}

impl Reader {
    fn anchor(&mut self, place: Place) -> Result<(), Lost> {
        if place.epoch != self.epoch {
            return Err(Lost::Epoch);
        }
        if place.seq < self.seq {
            return Ok(()); // Long passed.
        }
        if place.seq == self.seq {
            return self.stands_at(place.chain);
        }
        match self.anchors.insert(place.seq, place.chain) {
            Some(other) if other != place.chain => Err(Lost::TookBack),
            _ => Ok(()),
        }
    }

    fn stands_at(&mut self, chain: u64) -> Result<(), Lost> {
        if *self.chain.get_or_insert(chain) == chain { Ok(()) } else { Err(Lost::TookBack) }
    }

    /// Reads on, if these entries follow.
    fn read(&self, links: Option<Vec<Link>>) -> Found {
        let Some(links) = links else { return Found::Lost(Lost::Broken) };
        if links.is_empty() {
            return Found::Nothing;
        }
        let mut reader = self.clone();
        let mut entries = Vec::with_capacity(links.len());
        for link in links {
            if let Err(lost) = reader.pass(&link) {
                return Found::Lost(lost);
            }
            entries.push(link.entry);
        }
        Found::Entries(entries, reader)
    }

    fn pass(&mut self, link: &Link) -> Result<(), Lost> {
        self.stands_at(link.before)?;
        self.seq = link.entry.last;
        self.chain = Some(link.after);
        while let Some(anchor) = self.anchors.first_entry() {
            if *anchor.key() > self.seq {
                break;
            }
            if anchor.remove_entry() != (self.seq, link.after) {
                return Err(Lost::TookBack);
            }
        }
        Ok(())
    }

    /// The same, when the log's end is known as well, of the same moment.
    fn check(&mut self, end: Option<&End>, links: Option<Vec<Link>>) -> Found {
        let Some(&End { place, trimmed }) = end else { return Found::Lost(Lost::Epoch) };
        if place.epoch != self.epoch {
            return Found::Lost(Lost::Epoch);
        }
        let passed = self.anchors.last_key_value().map_or(self.seq, |(seq, _)| *seq);
        if place.seq < passed {
            return Found::Lost(Lost::TookBack);
        }
        if trimmed > self.seq {
            return Found::Lost(Lost::Trimmed);
        }
        if place.seq == self.seq {
            return self.stands_at(place.chain).map_or_else(Found::Lost, |()| Found::Nothing);
        }
        // There is more, and none of it was trimmed.
        match self.read(links) {
            Found::Nothing => Found::Lost(Lost::Evicted),
            found => found,
        }
    }
}

/// `XREAD` answers for several streams, or with nothing.
fn entries_of_stream(value: Value) -> Option<Vec<Link>> {
    let streams = match value {
        Value::Nil => return Some(Vec::new()),
        Value::Map(streams) => streams.into_iter().map(|(_, entries)| entries).collect(),
        other => {
            let streams = list(other)?.into_iter().map(|stream| list(stream)?.into_iter().nth(1));
            streams.collect::<Option<Vec<Value>>>()?
        }
    };
    let [entries] = <[Value; 1]>::try_from(streams).ok()?;
    entries_of_range(entries)
}

fn entries_of_range(value: Value) -> Option<Vec<Link>> {
    list(value)?.into_iter().map(link).collect()
}

fn link(value: Value) -> Option<Link> {
    let [id, fields] = <[Value; 2]>::try_from(list(value)?).ok()?;
    let id = bytes(id)?;
    let last = number(id.strip_suffix(b"-0")?)?;
    let (mut shard, mut term, mut first, mut before, mut after, mut data) =
        (None, None, None, None, None, None);
    for (name, value) in pairs(fields)? {
        match name.as_ref() {
            b"s" => shard = std::str::from_utf8(&value).ok()?.parse::<Shard>().ok(),
            b"t" => term = number(&value),
            b"f" => first = number(&value).filter(|first| *first <= last),
            b"p" => before = hex(&value),
            b"x" => after = hex(&value),
            b"d" if value.is_empty() => data = Some(None),
            b"d" => data = Some(Some(crate::fleet::frame::open(&value).ok()?)),
            _ => {}
        }
    }
    let entry = Entry { shard: shard?, term: term?, first: first?, last, data: data? };
    Some(Link { before: before?, after: after?, entry })
}

#[cfg(test)]
mod tests;
