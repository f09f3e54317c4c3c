//! What there is of a log: where it stands, and which shards it has.

use std::collections::BTreeMap;

use bytes::Bytes;
use redis::Value;

use super::reply::{broken, hex, number, pairs};
use super::{Log, LogFault, Place};
use crate::fleet::shard::Shard;

/// Where a log stands, and what its shards are.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meta {
    /// The log's end.
    pub place: Place,
    /// The number of the last entry that was trimmed; where the incarnation begins, if none was.
    pub trimmed: u64,
    /// All shards that anybody ever opened, those that [were retired](Log::retire) included.
    pub shards: BTreeMap<Shard, ShardMeta>,
}

/// What a log knows of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ShardMeta {
    /// The term that may write for it.
    pub fence: u64,
    /// The number of its last entry; `None` if this incarnation has none.
    pub last: Option<u64>,
    /// What its writer told last.
    pub beat: Option<Beat>,
}

/// A sign of life of a writer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Beat {
    /// When, in milliseconds since 1970, by the clock of [`Log::now`].
    pub at_ms: u64,
    /// What it told.
    pub note: Bytes,
}

impl Log {
    /// Reads where the log stands; `None` where there is none.
    ///
    /// # Errors
    ///
    /// Redis' faults, and [`Broken`](super::LogFaultKind::Broken) when what lies there makes no sense.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    pub async fn meta(&self) -> Result<Option<Meta>, LogFault> {
        let fields = self.redis.query::<Value>(redis::cmd("HGETALL").arg(self.keys().meta.as_ref())).await?;
        let fields = pairs(fields).ok_or_else(broken)?;
        if fields.is_empty() { Ok(None) } else { read(fields).map(Some).ok_or_else(broken) }
    }
}

fn read(fields: Vec<(Bytes, Bytes)>) -> Option<Meta> {
    let (mut epoch, mut seq, mut chain, mut trimmed) = (None, None, None, None);
    let mut shards = BTreeMap::<Shard, ShardMeta>::new();
    for (name, value) in fields {
        match std::str::from_utf8(&name).ok()? {
            "epoch" => epoch = hex(&value),
            "seq" => seq = number(&value),
            "chain" => chain = hex(&value),
            "gone" => trimmed = number(&value),
            name => {
                let Some((what, shard)) = name.split_once(':') else { continue };
                let shard = shards.entry(shard.parse().ok()?).or_default();
                match what {
                    "fence" => shard.fence = number(&value)?,
                    "last" => shard.last = Some(number(&value)?),
                    "beat" => shard.beat = Some(beat(&value)?),
                    _ => {}
                }
            }
        }
    }
    Some(Meta { place: Place { epoch: epoch?, seq: seq?, chain: chain? }, trimmed: trimmed?, shards })
}

fn beat(value: &Bytes) -> Option<Beat> {
    let end = value.iter().position(|byte| *byte == b' ')?;
    Some(Beat { at_ms: number(value.get(..end)?)?, note: value.slice(end + 1..) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(fields: &[(&str, &str)]) -> Option<Meta> {
        read(
            fields
                .iter()
                .map(|(name, value)| ((*name).to_owned().into(), (*value).to_owned().into()))
                .collect(),
        )
    }

    const END: [(&str, &str); 4] =
        [("epoch", "00000000000000aa"), ("seq", "9"), ("chain", "00000000000000bb"), ("gone", "3")];

    #[test]
    fn shards_are_gathered_from_their_fields() {
        let fields = [
            ("fence:a#1:2#0", "5"),
            ("writer:a#1:2#0", "w"),
            ("last:a#1:2#0", "8"),
            ("beat:a#1:2#0", "12 hi x"),
        ];
        let meta = meta(&[&END[..], &fields].concat()).unwrap();
        assert_eq!(meta.place, Place { epoch: 0xaa, seq: 9, chain: 0xbb });
        let beat = Some(Beat { at_ms: 12, note: "hi x".into() });
        let shard = ShardMeta { fence: 5, last: Some(8), beat };
        assert_eq!(meta.shards, BTreeMap::from([("a#1:2#0".parse().unwrap(), shard)]));
    }

    #[test]
    fn nonsense_is_told_from_sense() {
        assert!(meta(&END).is_some());
        assert_eq!(meta(&END[1..]), None);
        for odd in [
            ("last:c#0", "x"),
            ("fence:c", "1"),
            ("beat:c#0", "12"),
            ("beat:c#0", "x y"),
            ("fence:c#0", "-1"),
        ] {
            assert_eq!(meta(&[&END[..], &[odd]].concat()), None, "{odd:?}");
        }
    }
}
