//! Turns among replicas, given by Redis.
//!
//! A turn is a key that ends by itself, and holds its version. Versions are the time of the server (in a Cluster, of the node that has the value), and
//! always above that of the value that is there, should the server's clock be set back.

use std::time::Duration;

use async_trait::async_trait;

use super::cache::version_of;
use super::{Redis, Script, keys};
use crate::cache::{Key, Version};
use crate::flight::{Turn, Turns};

/// Gives turns to all who share a Redis and a prefix. See the [module](self).
#[derive(Debug)]
pub struct RedisTurns {
    redis: Redis,
    take: Script,
    release: Script,
}

const TAKE: &str = concat!(
    version_of!(),
    "if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local now = redis.call('TIME')
local turn = math.max(now[1] * 1000000 + now[2], (version(redis.pcall('GETRANGE', KEYS[2], 0, 11)) or 0) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', turn), 'PX', ARGV[1], 'NX')
return turn"
);

const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0";

impl RedisTurns {
    /// Gives turns through this Redis.
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self { redis, take: Script::new(TAKE), release: Script::new(RELEASE) }
    }
}

#[async_trait]
impl Turns for RedisTurns {
    async fn take(&self, key: &Key, held: Duration) -> Turn {
        let prefix = self.redis.prefix();
        let (turn, value) = (keys::turn(prefix, key), keys::value(prefix, key));
        let held = held.as_millis().max(1).to_string();
        match self.redis.script::<u64>(&self.take, &[&turn, &value], &[held.as_bytes()]).await {
            Ok(0) => Turn::Others,
            Ok(version) => Turn::Mine(Version::from_micros(version)),
            Err(_) => Turn::Unavailable,
        }
    }

    async fn release(&self, key: &Key, version: Version) {
        let turn = keys::turn(self.redis.prefix(), key);
        let version = version.as_micros().to_string();
        if let Err(fault) = self.redis.script::<i64>(&self.release, &[&turn], &[version.as_bytes()]).await {
            tracing::debug!(of = key.of().as_str(), error = %fault, "a turn was not given back");
        }
    }
}
