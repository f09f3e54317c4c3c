//! A lock in Redis: a key with a time to live, and a counter of terms beside it.
//!
//! It needs nothing but the Redis that the fleet has anyway, and costs a command a second for each shard. A failover may lose the lock and the
//! counter; two may then hold a shard for as long as the first one's term lasts, and even have the same epoch. The log's fence knows the
//! handle that opened it last, too, so only one of them can write.

use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Election, ElectionError, ElectionErrorKind, Term, Ttl};
use crate::fleet::shard::{FleetName, MemberId, Shard};
use crate::redis::{FaultKind, Redis, RedisFault, Script};

// KEYS: lock, counter. The lock's value is its holder and the epoch.
static CAMPAIGN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("campaign.lua")));
static RAISE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("raise.lua")));
static RESIGN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("resign.lua")));

/// The largest epoch that Redis' Lua counts exactly.
const MAX_EPOCH: u64 = 1 << 52;

/// An election by locks in Redis.
#[derive(Debug, Clone)]
pub struct RedisElection {
    redis: Redis,
    base: String,
    me: MemberId,
    ttl: Ttl,
}

impl RedisElection {
    /// Takes part as this member. Nothing is asked yet.
    #[must_use]
    pub fn new(redis: Redis, fleet: &FleetName, me: MemberId, ttl: Ttl) -> Self {
        // A slot of its own, of one fleet: locks need not lie where logs do.
        let base = redis.key(&format!("{{{}/election}}", fleet.as_str()));
        Self { redis, base, me, ttl }
    }

    async fn ask(
        &self,
        script: &Script,
        shard: &Shard,
        more: &[&str],
    ) -> Result<Option<Term>, ElectionError> {
        let (lock, counter) = (format!("{}:lock:{shard}", self.base), format!("{}:term:{shard}", self.base));
        let ttl = self.ttl.get().as_millis().to_string();
        let mut args = vec![self.me.as_str().as_bytes(), ttl.as_bytes()];
        args.extend(more.iter().map(|text| text.as_bytes()));
        let asked = Instant::now();
        let epoch: Option<u64> = self.redis.script(script, &[&lock, &counter], &args).await?;
        Ok(epoch.map(|epoch| Term::new(shard.clone(), epoch, asked, self.ttl)))
    }
}

#[async_trait]
impl Election for RedisElection {
    async fn campaign(&self, shard: &Shard) -> Result<Option<Term>, ElectionError> {
        self.ask(&CAMPAIGN, shard, &[]).await
    }

    // A lock ends by itself; whoever looks only finds out whether there is an answer.
    async fn observe(&self, shard: &Shard) -> Result<(), ElectionError> {
        let lock = format!("{}:lock:{shard}", self.base);
        let _: i64 = self.redis.query(redis::cmd("EXISTS").arg(lock)).await?;
        Ok(())
    }

    async fn raise(&self, term: &Term, above: u64) -> Result<Option<Term>, ElectionError> {
        if above >= MAX_EPOCH {
            return Err(ElectionError::new(ElectionErrorKind::Malformed));
        }
        self.ask(&RAISE, &term.shard, &[&term.epoch.to_string(), &above.to_string()]).await
    }

    async fn resign(&self, term: &Term) -> Result<(), ElectionError> {
        self.ask(&RESIGN, &term.shard, &[&term.epoch.to_string()]).await.map(drop)
    }

    fn ttl(&self) -> Ttl {
        self.ttl
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(250)
    }
}

impl From<RedisFault> for ElectionError {
    fn from(fault: RedisFault) -> Self {
        let kind = match fault.kind() {
            FaultKind::Denied => ElectionErrorKind::Denied,
            FaultKind::Garbage => ElectionErrorKind::Malformed,
            _ => ElectionErrorKind::Unavailable,
        };
        Self::new(kind).with_cause(fault)
    }
}
