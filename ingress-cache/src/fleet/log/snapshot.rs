//! Snapshots: all that a shard has, for readers that come later than the log reaches back.
//!
//! A snapshot is a hash of segments, so that a writer rewrites only those that changed. Pieces above [`PIECE`] are staged aside
//! in several steps and put in place in one, so that neither Redis nor the connection is held up by many megabytes at once.

use std::time::Duration;

use bytes::Bytes;
use redis::Value;

use super::reply::{broken, bytes, hex, list, number, pairs};
use super::scripts::SCRIPTS;
use super::{Log, LogFault, LogFaultKind, Place, Writing};
use crate::fleet::frame;
use crate::fleet::shard::Shard;
use crate::redis::Dedicated;

/// How many bytes one step writes, unless a single segment is larger.
const PIECE: usize = 256 << 10;
/// How large a segment may be, in bytes.
const MAX_SEGMENT: usize = 4 << 20;
/// How long reading a snapshot may take.
const READING: Duration = Duration::from_secs(10);

/// What to write of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Segments {
    /// All segments; what was there before goes.
    Whole(Vec<(u32, Bytes)>),
    /// Those that changed.
    Changes {
        /// Segments that are new or other than before.
        changed: Vec<(u32, Bytes)>,
        /// Segments that are no more.
        gone: Vec<u32>,
    },
}

/// All that a shard has, up to a number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The segments hold everything of this shard up to this number: whoever loads them reads on after it.
    pub pos: u64,
    /// The segments, in the order of their numbers.
    pub segments: Vec<(u32, Bytes)>,
    /// Where the log stood when this was read: an anchor for [`Log::tail`].
    pub place: Place,
}

impl Log {
    /// Writes a shard's snapshot, or what changed of it, in one step for readers: the segments then hold everything of the shard up to `pos`.
    ///
    /// # Errors
    ///
    /// [`Fenced`](LogFaultKind::Fenced) and [`EpochChanged`](LogFaultKind::EpochChanged), as an append; [`NoSnapshot`](LogFaultKind::NoSnapshot) when there is
    /// none to be changed (any more); [`TooLarge`](LogFaultKind::TooLarge) for a segment above 4 MiB. Then the old snapshot stands; after a fault of Redis
    /// the old one or the new one does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the old snapshot or the new one.
    pub async fn write_snapshot(
        &self,
        writing: &Writing,
        pos: u64,
        segments: &Segments,
    ) -> Result<(), LogFault> {
        let (whole, changed, gone) = match segments {
            Segments::Whole(all) => (true, all, &[][..]),
            Segments::Changes { changed, gone } => (false, changed, gone.as_slice()),
        };
        if changed.iter().any(|(_, segment)| segment.len() > MAX_SEGMENT) {
            return Err(LogFault::new(LogFaultKind::TooLarge));
        }
        let mut pieces = Pieces::of(changed);
        let staged = if pieces.len() > 1 { changed.len() } else { 0 };
        let last = if staged > 0 { Vec::new() } else { pieces.next().unwrap_or_default() };
        let (snapshot, stage) = (self.keys().snapshot(&writing.shard), self.keys().stage(&writing.shard));
        let keys = [self.keys().meta.as_ref(), self.keys().log.as_ref(), snapshot.as_str(), stage.as_str()];
        let proof = self.proof(writing);
        let proof: Vec<&[u8]> = proof.iter().map(String::as_bytes).collect();
        let mut first = true;
        for piece in pieces {
            let mut args = proof.clone();
            args.push(if std::mem::take(&mut first) { b"1" } else { b"0" });
            args.extend(flat(&piece));
            self.run(&SCRIPTS.stage, &keys, &args).await?;
        }
        let mut head =
            vec![pos.to_string(), u8::from(whole).to_string(), staged.to_string(), gone.len().to_string()];
        head.extend(gone.iter().map(u32::to_string));
        let mut args = proof;
        args.extend(head.iter().map(String::as_bytes));
        args.extend(flat(&last));
        self.run(&SCRIPTS.commit, &keys, &args).await.map(drop)
    }

    /// Reads a shard's snapshot, of one moment; `None` where there is none, or one of another incarnation only.
    ///
    /// # Errors
    ///
    /// Redis' faults, [`EpochChanged`](LogFaultKind::EpochChanged) when there is no log, and [`Broken`](LogFaultKind::Broken), counted, when what lies
    /// there is not what was written.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the reading.
    pub async fn read_snapshot(&self, shard: &Shard) -> Result<Option<Snapshot>, LogFault> {
        let mut connection = self.redis.dedicated().await?;
        self.read_over(&mut connection, shard).await
    }

    /// Reads several snapshots over one connection, one after another: each of one moment, not all of the same.
    ///
    /// # Errors
    ///
    /// As [`read_snapshot`](Self::read_snapshot), the first one that fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the reading.
    pub async fn read_snapshots(
        &self,
        shards: impl IntoIterator<Item = &Shard>,
    ) -> Result<Vec<Option<Snapshot>>, LogFault> {
        let mut connection = self.redis.dedicated().await?;
        let mut snapshots = Vec::new();
        for shard in shards {
            snapshots.push(self.read_over(&mut connection, shard).await?);
        }
        Ok(snapshots)
    }

    // Megabytes, over a connection of their own: those who share the others don't wait behind them.
    async fn read_over(
        &self,
        connection: &mut Dedicated,
        shard: &Shard,
    ) -> Result<Option<Snapshot>, LogFault> {
        // The place after the snapshot, so that it is never before what the snapshot holds. No transaction: Redis refuses
        // them while it is full, and a script would copy all of it once more.
        let mut pipeline = redis::pipe();
        pipeline.cmd("HGETALL").arg(self.keys().snapshot(shard));
        pipeline.cmd("HMGET").arg(self.keys().meta.as_ref()).arg(&["epoch", "seq", "chain"]);
        let both = list(connection.pipeline::<Value>(&pipeline, READING).await?).ok_or_else(broken)?;
        let [fields, meta] = <[Value; 2]>::try_from(both).map_err(|_| broken())?;
        let [epoch, seq, chain] =
            <[Value; 3]>::try_from(list(meta).ok_or_else(broken)?).map_err(|_| broken())?;
        let Some(epoch) = bytes(epoch) else { return Err(LogFault::new(LogFaultKind::EpochChanged)) };
        let place = place(&epoch, seq, chain).ok_or_else(broken)?;
        let (mut of, mut pos, mut segments) = (None, None, Vec::new());
        for (name, value) in pairs(fields).ok_or_else(broken)? {
            match name.as_ref() {
                b"epoch" => of = Some(value),
                b"pos" => pos = Some(number(&value).ok_or_else(broken)?),
                id => {
                    let id = number(id).and_then(|id| u32::try_from(id).ok()).ok_or_else(broken)?;
                    segments.push((id, value));
                }
            }
        }
        let (Some(of), Some(pos)) = (of, pos) else { return Ok(None) };
        if of != epoch {
            return Ok(None);
        }
        for (_, segment) in &mut segments {
            *segment = self.unframed(segment)?;
        }
        segments.sort_unstable_by_key(|(id, _)| *id);
        Ok(Some(Snapshot { pos, segments, place }))
    }
}

fn place(epoch: &[u8], seq: Value, chain: Value) -> Option<Place> {
    Some(Place { epoch: hex(epoch)?, seq: number(&bytes(seq)?)?, chain: hex(&bytes(chain)?)? })
}

/// A segment's name and frame.
type Field = (String, Bytes);

fn flat(fields: &[Field]) -> impl Iterator<Item = &[u8]> {
    fields.iter().flat_map(|(name, frame)| [name.as_bytes(), frame.as_ref()])
}

/// Segments, framed as they are needed, some at a time.
struct Pieces<'a> {
    runs: std::vec::IntoIter<&'a [(u32, Bytes)]>,
}

impl<'a> Pieces<'a> {
    fn of(segments: &'a [(u32, Bytes)]) -> Self {
        let (mut runs, mut rest) = (Vec::new(), segments);
        while !rest.is_empty() {
            let mut size = 0;
            let fitting = rest.iter().take_while(|(_, segment)| {
                size += segment.len();
                size <= PIECE
            });
            let (run, others) = rest.split_at(fitting.count().max(1));
            runs.push(run);
            rest = others;
        }
        Self { runs: runs.into_iter() }
    }
}

impl Iterator for Pieces<'_> {
    type Item = Vec<Field>;

    fn next(&mut self) -> Option<Vec<Field>> {
        let run = self.runs.next()?;
        Some(run.iter().map(|(id, segment)| (id.to_string(), frame::seal(segment))).collect())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.runs.size_hint()
    }
}

impl ExactSizeIterator for Pieces<'_> {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_hold_everything_in_order(sizes in prop::collection::vec(0..PIECE * 2, 0..12)) {
            let segments: Vec<(u32, Bytes)> =
                (0..).zip(sizes).map(|(id, size)| (id, Bytes::from(vec![0; size]))).collect();
            let mut ids = Vec::new();
            for piece in Pieces::of(&segments) {
                let size: usize = piece.iter().map(|(_, frame)| frame.len() - frame::OVERHEAD).sum();
                prop_assert!(!piece.is_empty() && (piece.len() == 1 || size <= PIECE));
                ids.extend(piece.into_iter().map(|(id, _)| id));
            }
            prop_assert_eq!(ids, segments.iter().map(|(id, _)| id.to_string()).collect::<Vec<_>>());
        }
    }
}
