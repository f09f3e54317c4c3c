//! Values in Redis, for all replicas.
//!
//! Each lies in its [envelope] under its path, and ends by itself when it is gone. Whether a value is newer than what is there is
//! compared inside Redis, so that a replica which took too long can't bring an old one back. A look-up is one `GET`; what is written and removed
//! is told to those who listen ([`Announces`]).
//!
//! One server and Sentinels announce whatever happens to a value, by whomever (RESP3 client tracking); a Cluster announces what is written and removed
//! through this (pub/sub). That announcements are missing is noticed after 1.5 s at the latest, and 15 s later where a node of a Cluster lost the
//! others: [`Announces::unheard`].
//!
//! Nothing that Redis does fails a look-up: while it is down, slow or open to nobody it is [`Lookup::Unavailable`], what it holds and can't be read is
//! [`Lookup::Missing`], and a value that it doesn't take is [`Stored::Refused`]. All of it is counted, here and in
//! [`Redis::status`].

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::task::JoinSet;

use super::announcer::Announcer;
use super::{FaultKind, Redis, Script, keys};
use crate::announce::{Announcements, Announces};
use crate::cache::{Cache, Entry, Key, Lookup, REMOVED_FOR, Stored, Use};
use crate::clock::Clock;
use crate::envelope;
use crate::place::Place;
use crate::stats::{CacheStats, Tally};

/// Values in Redis. See the [module](self).
pub struct RedisCache {
    redis: Redis,
    clock: Clock,
    tally: Tally,
    scripts: Scripts,
    announcer: Arc<Announcer>,
    listening: Mutex<JoinSet<()>>,
}

struct Scripts {
    put: Script,
    remove: Script,
}

/// Reads the version in the first twelve bytes of what lies somewhere, or nothing if that is no value. Byte by byte: Lua
/// compares text as the server's language does, and `struct.unpack` reads eight bytes on some machines only.
macro_rules! version_of {
    () => {
        "local function version(at)
  if type(at) ~= 'string' or #at ~= 12 or string.sub(at, 1, 4) ~= 'igc\\1' then return nil end
  local version = 0
  for byte = 5, 12 do version = version * 256 + string.byte(at, byte) end
  return version
end
"
    };
}
pub(super) use version_of;

const PUT: &str = concat!(
    version_of!(),
    "local there = version(redis.pcall('GETRANGE', KEYS[1], 0, 11))
if there and there > version(string.sub(ARGV[1], 1, 12)) then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.pcall('PUBLISH', ARGV[3], ARGV[4])
return 1"
);

/// Leaves the head of an envelope and no more: twelve bytes that are nobody's value, with a version to compare.
const REMOVE: &str = concat!(
    version_of!(),
    "local now = redis.call('TIME')
local removed = math.max(now[1] * 1000000 + now[2], version(redis.pcall('GETRANGE', KEYS[1], 0, 11)) or 0)
local head = ''
for byte = 1, 8 do
  head = string.char(removed % 256) .. head
  removed = math.floor(removed / 256)
end
redis.call('SET', KEYS[1], 'igc\\1' .. head, 'PX', ARGV[1])
redis.pcall('PUBLISH', ARGV[2], ARGV[3])
return 1"
);

/// The length of what lies in place of a value that was removed.
const REMOVED: usize = envelope::VERSION_AT + 8;

/// No value is kept for longer than ten years, which a policy can't ask for.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

impl fmt::Debug for RedisCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisCache").field("redis", &self.redis).finish_non_exhaustive()
    }
}

impl RedisCache {
    /// Keeps values in this Redis, on the system's clock.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self::with_clock(redis, Clock::wall())
    }

    /// Keeps values in this Redis, on this clock.
    #[must_use]
    pub fn with_clock(redis: Redis, clock: Clock) -> Self {
        Self {
            announcer: Arc::new(Announcer::new(&redis)),
            redis,
            clock,
            tally: Tally::default(),
            scripts: Scripts { put: Script::new(PUT), remove: Script::new(REMOVE) },
            listening: Mutex::default(),
        }
    }

    /// The handle, for its status.
    #[must_use]
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// What was done, for each use that this cache was asked for.
    #[must_use]
    pub fn stats(&self) -> Vec<(Use, CacheStats)> {
        self.tally.read()
    }

    async fn look_up(&self, key: &Key) -> Lookup {
        let mut get = ::redis::cmd("GET");
        get.arg(keys::value(self.redis.prefix(), key));
        let sealed: Bytes = match self.redis.query::<Option<Bytes>>(&get).await {
            Ok(Some(sealed)) => sealed,
            Ok(None) => return Lookup::Missing,
            // Something else lies there, a list say: whoever put it there, it isn't a value.
            Err(fault) if fault.kind() == FaultKind::Other => return self.spoiled(key, &fault),
            Err(_) => return Lookup::Unavailable,
        };
        if sealed.len() == REMOVED && sealed.starts_with(&envelope::HEAD) {
            return Lookup::Missing;
        }
        match envelope::open(sealed) {
            Ok(entry) if entry.is_gone(self.clock.now_ms()) => Lookup::Missing,
            Ok(entry) => Lookup::Found(entry),
            Err(spoiled) => self.spoiled(key, &spoiled),
        }
    }

    fn spoiled(&self, key: &Key, why: &dyn fmt::Display) -> Lookup {
        self.tally.of(key.of()).spoiled.one();
        tracing::debug!(of = key.of().as_str(), %why, "what lies in Redis can't be read");
        Lookup::Missing
    }

    async fn write(&self, key: &Key, entry: &Entry) -> Stored {
        let now_ms = self.clock.now_ms();
        if entry.is_gone(now_ms) {
            return Stored::Refused;
        }
        let sealed = envelope::seal(entry);
        let kept_for = millis(entry.kept_for(now_ms).min(LONGEST));
        let prefix = self.redis.prefix();
        let (place, channel) = (keys::value(prefix, key), keys::channel(prefix));
        let args: [&[u8]; 4] = [&sealed, kept_for.as_bytes(), channel.as_bytes(), key.path().as_bytes()];
        match self.redis.script::<i64>(&self.scripts.put, &[&place], &args).await {
            Ok(0) => Stored::Outdated,
            Ok(_) => Stored::Kept,
            Err(_) => Stored::Refused,
        }
    }
}

fn millis(time: Duration) -> String {
    time.as_millis().max(1).to_string()
}

#[async_trait]
impl Cache for RedisCache {
    async fn get(&self, key: &Key) -> Lookup {
        let lookup = self.look_up(key).await;
        self.tally.of(key.of()).looked_up(lookup)
    }

    async fn put(&self, key: &Key, entry: Entry) -> Stored {
        let stored = self.write(key, &entry).await;
        self.tally.of(key.of()).put(stored, crate::stats::weight(&entry))
    }

    async fn remove(&self, key: &Key) {
        self.tally.of(key.of()).removals.one();
        let prefix = self.redis.prefix();
        let (place, channel, remembered) =
            (keys::value(prefix, key), keys::channel(prefix), millis(REMOVED_FOR));
        let args: [&[u8]; 3] = [remembered.as_bytes(), channel.as_bytes(), key.path().as_bytes()];
        // Counted by the handle; what was there is there until its time is over.
        if let Err(fault) = self.redis.script::<i64>(&self.scripts.remove, &[&place], &args).await {
            tracing::debug!(of = key.of().as_str(), error = %fault, "a value was not removed from Redis");
        }
    }

    fn staleness(&self) -> Duration {
        // A look-up asks the one place where the value lies. What a master that was replaced still tells those who are connected to it is
        // bounded by the Sentinels or the Cluster, which cut its connections.
        Duration::ZERO
    }

    fn places(&self) -> Vec<Place> {
        let mut place = self.redis.status().place("redis");
        place.stats = self.stats();
        vec![place]
    }
}

impl Announces for RedisCache {
    fn subscribe(&self) -> Announcements {
        let mut tasks = self.listening.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.is_empty() {
            tasks.spawn(Arc::clone(&self.announcer).run(self.redis.clone()));
        }
        self.announcer.subscribe()
    }

    fn unheard(&self) -> Duration {
        self.announcer.unheard()
    }
}
