//! State kept in Redis.
//!
//! | key (after the prefix) | value |
//! |---|---|
//! | `keep:{NAME}` | in an envelope: the number of a generation, and in how many pieces it lies |
//! | `keep:{NAME}:GENERATION:INDEX` | a piece of at most 1 MiB; all pieces together are a state in its envelope |
//!
//! The pieces of a generation are written first, and then, in one step, the key that names it: so a reader finds the old generation
//! whole or the new one. The generation that was replaced stays for a minute, for whoever is reading it. The braces put all keys of
//! a state into one slot of a Cluster, without which there is no such step.
//!
//! One value would do for small states. In pieces, no state holds up what others ask of the server for longer than a megabyte takes,
//! nor runs into a bound of the server or of a proxy on the way.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use ingress_core::keep::Keep;
use redis::{Pipeline, cmd, pipe};

use super::trouble::Trouble;
use super::{MOST, open, seal};
use crate::envelope::Spoiled;
use crate::redis::{Dedicated, FaultKind, Redis, RedisFault};

/// How long a state is kept after it was saved: a week.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// How long pieces stay that no key names: not yet, since they are being written, or for ever, since whoever wrote them was killed.
const UNNAMED_FOR: Duration = Duration::from_secs(600);

/// How long a generation stays that was replaced.
const REPLACED_FOR: Duration = Duration::from_secs(60);

/// The size of a piece.
const PIECE: usize = 1 << 20;

/// How long one piece may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a state is read anew because it was replaced meanwhile.
const ATTEMPTS: usize = 3;

/// Keeps each state in Redis for a week after it was last saved, in pieces of a megabyte.
///
/// What it holds and what it is called is told in the source of this module. It has a connection of its own for each save and
/// load, so that nobody who asks the cache waits behind it. Redis that is down, full or read-only costs the next start its head start,
/// and is told once. Several processes may save under one prefix: whoever saves last is read next.
#[derive(Clone)]
pub struct RedisKeep {
    redis: Redis,
    trouble: Arc<Trouble<FaultKind>>,
}

impl fmt::Debug for RedisKeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisKeep").field(&self.redis).finish()
    }
}

impl RedisKeep {
    /// Keeps states in this Redis, under its prefix. Nothing is asked yet.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self { redis, trouble: Arc::default() }
    }

    fn head(&self, name: &str) -> String {
        self.redis.key(&format!("keep:{{{name}}}"))
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, Unread> {
        let head = self.head(name);
        let mut wire = self.redis.dedicated().await?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let mut get = cmd("GET");
            let Some(sealed) = wire.query::<Option<Vec<u8>>>(get.arg(&head), PATIENCE).await? else {
                return Ok(None);
            };
            let generation = Generation::open(sealed.into())?;
            // The same generation doesn't become whole by itself.
            if last.replace(generation) == Some(generation) {
                break;
            }
            if let Some(sealed) = pieces(&mut wire, &head, generation).await? {
                return Ok(Some(open(sealed)?));
            }
        }
        Err(Spoiled::Broken.into())
    }

    async fn write(&self, name: &str, state: Bytes) -> Result<(), RedisFault> {
        let head = self.head(name);
        let mut wire = self.redis.dedicated().await?;
        let sealed = seal(state);
        let pieces = sealed.chunks(PIECE);
        let generation =
            Generation { number: rand::random(), pieces: u32::try_from(pieces.len()).unwrap_or(u32::MAX) };
        for (key, piece) in generation.keys(&head).zip(pieces) {
            let mut set = cmd("SET");
            set.arg(key).arg(piece).arg("EX").arg(UNNAMED_FOR.as_secs());
            wire.query::<()>(&set, PATIENCE).await?;
        }
        let mut name_it = pipe();
        name_it.atomic();
        for key in generation.keys(&head) {
            name_it.cmd("EXPIRE").arg(key).arg(KEPT_FOR.as_secs()).ignore();
        }
        let value = generation.seal();
        name_it.cmd("SET").arg(&head).arg(&*value).arg("EX").arg(KEPT_FOR.as_secs()).arg("GET");
        let (replaced,) = wire.pipeline::<(Option<Vec<u8>>,)>(&name_it, PATIENCE).await?;
        if let Some(replaced) = replaced.and_then(|value| Generation::open(value.into()).ok()) {
            // What isn't told here goes by itself, in a week.
            drop(wire.pipeline::<()>(&replaced.leaving(&head), PATIENCE).await);
        }
        Ok(())
    }
}

/// All pieces of a generation; `None` when one is missing.
async fn pieces(
    wire: &mut Dedicated,
    head: &str,
    generation: Generation,
) -> Result<Option<Bytes>, RedisFault> {
    let mut whole = BytesMut::new();
    for key in generation.keys(head) {
        let mut get = cmd("GET");
        let Some(piece) = wire.query::<Option<Vec<u8>>>(get.arg(key), PATIENCE).await? else {
            return Ok(None);
        };
        whole.extend_from_slice(&piece);
        if whole.len() > MOST {
            return Ok(None);
        }
    }
    Ok(Some(whole.freeze()))
}

/// The pieces that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Generation {
    number: u64,
    pieces: u32,
}

impl Generation {
    fn keys(self, head: &str) -> impl Iterator<Item = String> {
        (0..self.pieces).map(move |index| format!("{head}:{:016x}:{index}", self.number))
    }

    fn seal(self) -> Bytes {
        let mut value = BytesMut::new();
        value.put_u64(self.number);
        value.put_u32(self.pieces);
        seal(value.freeze())
    }

    fn open(sealed: Bytes) -> Result<Self, Spoiled> {
        let mut value = open(sealed)?;
        if value.len() != 12 {
            return Err(Spoiled::Broken);
        }
        let (number, pieces) = (value.get_u64(), value.get_u32());
        let most = u32::try_from(MOST / PIECE).unwrap_or(u32::MAX).saturating_add(1);
        if pieces <= most { Ok(Self { number, pieces }) } else { Err(Spoiled::Broken) }
    }

    fn leaving(self, head: &str) -> Pipeline {
        let mut leaving = pipe();
        for key in self.keys(head) {
            leaving.cmd("EXPIRE").arg(key).arg(REPLACED_FOR.as_secs()).ignore();
        }
        leaving
    }
}

/// Why there is nothing to begin with.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error(transparent)]
    Fault(#[from] RedisFault),
    #[error(transparent)]
    Spoiled(#[from] Spoiled),
}

#[async_trait]
impl Keep for RedisKeep {
    async fn load(&self, name: &str) -> Option<Bytes> {
        let place = || self.redis.place();
        match self.read(name).await {
            Ok(state) => return state,
            Err(Unread::Fault(fault)) if !self.trouble.began(name, fault.kind()) => {}
            Err(problem) => tracing::warn!(
                name, place = place(), %problem,
                "what was kept of the last run can't be read; beginning without it"
            ),
        }
        None
    }

    async fn save(&self, name: &str, state: Bytes) {
        if state.len() > MOST {
            tracing::warn!(name, bytes = state.len(), "the state is too big to be kept");
            return;
        }
        let place = || self.redis.place();
        match self.write(name, state).await {
            Ok(()) => {
                if self.trouble.ended(name) {
                    tracing::info!(place = place(), "the state is kept again");
                }
            }
            Err(problem) => {
                if self.trouble.began(name, problem.kind()) {
                    tracing::warn!(
                        place = place(), %problem,
                        "the state can't be kept; the next start may begin without it"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_state_lie_in_one_slot_and_generations_apart() {
        let generation = Generation { number: 0xabc, pieces: 2 };
        let keys: Vec<_> = generation.keys("p:keep:{n}").collect();
        assert_eq!(keys, ["p:keep:{n}:0000000000000abc:0", "p:keep:{n}:0000000000000abc:1"]);
        assert_eq!(Generation::open(generation.seal()), Ok(generation));
    }

    #[test]
    fn no_generation_makes_a_reader_ask_for_ever() {
        let huge = Generation { number: 1, pieces: u32::MAX };
        assert_eq!(Generation::open(huge.seal()), Err(Spoiled::Broken));
        assert_eq!(Generation::open(seal(Bytes::from_static(b"short"))), Err(Spoiled::Broken));
        assert_eq!(Generation::open(Bytes::from_static(b"7")), Err(Spoiled::Foreign));
    }
}
