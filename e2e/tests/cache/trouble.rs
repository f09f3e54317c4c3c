//! Redis in trouble: whoever reads through it gets an answer all the same, in time; what is wrong is told; and it is used again by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use bytes::Bytes;
use e2e::fault::tcp::{Fault, TcpProxy};
use e2e::lab::Lab;
use e2e::redis::{Options, RedisServer, User, scenario};
use e2e::wait;
use ingress_cache::redis::{FaultKind, Redis, RedisCache, RedisTurns};
use ingress_cache::{
    Announces as _, Cache, Cached, Clock, Key, Lookup, MemoryCache, Policy, Stored, Tiered, Turn, Turns as _,
};
use tokio::time::Instant;

use super::{MINUTE, OF, entry, handle, shared};

/// How long one read may take: a look-up, a turn, another look-up and a write that all time out, and what a busy machine adds.
const BOUND: Duration = Duration::from_millis(4 * 50 + 200);

/// What a replica is made of.
struct Replica {
    redis: Redis,
    cache: Arc<Tiered<RedisCache>>,
    cached: Cached<String>,
    loads: Arc<AtomicUsize>,
    next: AtomicUsize,
}

impl Replica {
    fn new(url: &str) -> Result<Self> {
        let redis = handle(url)?;
        let memory = MemoryCache::new(&Policy::INGRESS_DETAIL, Clock::wall());
        let cache = Arc::new(Tiered::new(memory, Arc::new(RedisCache::new(redis.clone()))));
        let cached = Cached::builder(OF, Policy::INGRESS_DETAIL, cache.clone())
            .turns(Arc::new(RedisTurns::new(redis.clone())))
            .build();
        Ok(Self { redis, cache, cached, loads: Arc::default(), next: AtomicUsize::new(0) })
    }

    /// Reads a key that nobody read before, and again: both are answered, and in time.
    async fn read(&self) -> Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let key = self.cached.key(&format!("new-{number}"));
        for _ in 0..2 {
            let (loads, begun) = (self.loads.clone(), Instant::now());
            let answer = self.cached.get_or_load(&key, move || async move {
                loads.fetch_add(1, Ordering::Relaxed);
                Ok(Some(Bytes::from(number.to_string())))
            });
            let answer = answer.await.map_err(|error| anyhow!(error))?;
            ensure!(answer.value == Some(Bytes::from(number.to_string())));
            ensure!(begun.elapsed() < BOUND, "a read took {:?}", begun.elapsed());
        }
        Ok(())
    }

    /// Reads for a while, with Redis in trouble of this kind.
    async fn reads_in_trouble(&self, kind: FaultKind) -> Result<()> {
        let before = self.redis.status().faults(kind);
        for _ in 0..40 {
            self.read().await.context(format!("{kind:?}"))?;
        }
        let status = self.redis.status();
        ensure!(status.faults(kind) > before, "{kind:?} is counted: {status:?}");
        ensure!(status.trouble(MINUTE).is_some(), "{kind:?} is told: {status:?}");
        Ok(())
    }

    /// Waits until values lie in Redis again.
    async fn recovers(&self) -> Result<()> {
        wait::until("values to be kept in Redis again", Duration::from_secs(5), async || {
            let key = Key::new(OF, "recovered");
            let stored = self.cache.shared().put(&key, entry("x")).await;
            Ok(stored == Stored::Kept && matches!(self.cache.shared().get(&key).await, Lookup::Found(_)))
        })
        .await?;
        self.read().await
    }
}

#[test]
fn whatever_the_network_does_reads_are_answered() -> Result<()> {
    scenario(MINUTE * 2, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let proxy = TcpProxy::to(server.port()).await?;
        let replica = Replica::new(&format!("redis://127.0.0.1:{}", proxy.port()))?;
        replica.recovers().await?;
        for (fault, kind) in [
            (Fault::Cut, FaultKind::Unreachable),
            (Fault::Stall, FaultKind::Timeout),
            (Fault::Garbage, FaultKind::Garbage),
        ] {
            proxy.set(fault);
            replica.reads_in_trouble(kind).await?;
            proxy.set(Fault::None);
            replica.recovers().await.with_context(|| format!("after {fault:?}"))?;
        }
        Ok(())
    })
}

async fn restarted(lab: &Lab, options: Options) -> Result<()> {
    let mut server = RedisServer::start_with(lab, "redis", options).await?;
    let replica = Replica::new(&server.url())?;
    replica.recovers().await?;
    server.kill()?;
    replica.reads_in_trouble(FaultKind::Unreachable).await?;
    server.restart(lab).await?;
    replica.recovers().await?;
    server.stop().await?;
    replica.reads_in_trouble(FaultKind::Unreachable).await?;
    server.restart(lab).await?;
    replica.recovers().await?;
    server.freeze()?;
    replica.reads_in_trouble(FaultKind::Timeout).await?;
    server.thaw()?;
    replica.recovers().await
}

#[test]
fn whatever_becomes_of_the_server_reads_are_answered() -> Result<()> {
    scenario(MINUTE * 3, async |lab| {
        restarted(lab, Options::default()).await.context("without a disk")?;
        restarted(lab, Options::default().keeps()).await.context("with a disk")
    })
}

#[test]
fn a_server_that_is_busy_costs_a_timeout() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let replica = Replica::new(&server.url())?;
        replica.recovers().await?;
        let mut busy = redis::cmd("DEBUG");
        busy.arg("SLEEP").arg(0.45);
        let (slept, read) = tokio::join!(server.command::<()>(&busy), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            replica.read().await
        });
        slept?;
        read?;
        ensure!(replica.redis.status().faults(FaultKind::Timeout) > 0);
        replica.recovers().await
    })
}

#[test]
fn a_full_server_is_read_and_a_bounded_one_forgets() -> Result<()> {
    scenario(MINUTE * 2, async |lab| {
        let server =
            RedisServer::start_with(lab, "full", Options::default().memory("100mb", "noeviction")).await?;
        let replica = Replica::new(&server.url())?;
        replica.recovers().await?;
        let there = Key::new(OF, "there");
        ensure!(replica.cache.shared().put(&there, entry("x")).await == Stored::Kept);
        server.configure("maxmemory", "1mb").await?;
        replica.reads_in_trouble(FaultKind::Full).await?;
        let lookup = replica.cache.shared().get(&there).await;
        ensure!(matches!(lookup, Lookup::Found(_)), "{lookup:?}");
        server.configure("maxmemory", "100mb").await?;
        replica.recovers().await?;

        // 40 MB into 8: the oldest are evicted, and reads go on.
        let server =
            RedisServer::start_with(lab, "bounded", Options::default().memory("8mb", "allkeys-lru")).await?;
        let cache = shared(&server.url())?;
        let large = "x".repeat(100_000);
        let mut kept = 0;
        for number in 0..400 {
            let stored = cache.put(&Key::new(OF, &number.to_string()), entry(&large)).await;
            kept += usize::from(stored == Stored::Kept);
        }
        let mut found = 0;
        for number in 0..400 {
            match cache.get(&Key::new(OF, &number.to_string())).await {
                Lookup::Found(entry) => {
                    ensure!(entry.value.as_deref() == Some(large.as_bytes()));
                    found += 1;
                }
                Lookup::Missing => {}
                other => return Err(anyhow!("{other:?}")),
            }
        }
        ensure!(kept >= 390 && (1..100).contains(&found), "{kept} were kept, {found} are there");
        Ok(())
    })
}

#[test]
fn a_server_that_takes_no_writes_is_read() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let replica = Replica::new(&server.url())?;
        replica.recovers().await?;
        let there = Key::new(OF, "there");
        ensure!(replica.cache.shared().put(&there, entry("x")).await == Stored::Kept);
        server.command::<()>(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1)).await?;
        replica.reads_in_trouble(FaultKind::ReadOnly).await?;
        let lookup = replica.cache.shared().get(&there).await;
        ensure!(matches!(lookup, Lookup::Found(_)), "{lookup:?}");
        server.command::<()>(redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await?;
        replica.recovers().await
    })
}

#[test]
fn whoever_may_not_sign_in_reads_without() -> Result<()> {
    scenario(MINUTE, async |lab| {
        // As little as the documentation says is enough.
        let rules = "~e2e:* &e2e:* +@read +@write +@scripting +@pubsub +@connection +time";
        let user = User::new("cache", "hunter2", rules);
        let server = RedisServer::start_with(lab, "redis", Options::default().user(user.clone())).await?;
        let stranger = Replica::new(&server.url_of(&User::new("cache", "hunter3", "")))?;
        stranger.reads_in_trouble(FaultKind::Denied).await?;
        // One whose password is taken away, and given back.
        let replica = Replica::new(&server.url_of(&user))?;
        replica.recovers().await?;
        let announcements = replica.cache.shared().subscribe();
        wait::until("announcements", wait::PATIENCE, async || Ok(*announcements.listening.borrow())).await?;
        ensure!(matches!(
            RedisTurns::new(replica.redis.clone()).take(&Key::new(OF, "turn"), MINUTE).await,
            Turn::Mine(_)
        ));
        ensure!(replica.redis.status().faults(FaultKind::Denied) == 0);
        let acl = async |rule: &str| {
            server.command::<()>(redis::cmd("ACL").arg("SETUSER").arg("cache").arg(rule)).await
        };
        acl("off").await?;
        server.command::<()>(redis::cmd("CLIENT").arg("KILL").arg("USER").arg("cache")).await.ok();
        replica.reads_in_trouble(FaultKind::Denied).await?;
        acl("on").await?;
        replica.recovers().await
    })
}

#[test]
fn what_cannot_be_read_is_a_miss() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let cache = shared(&server.url())?;
        let key = Key::new(OF, "spoiled");
        wait::until(
            "a value",
            wait::PATIENCE,
            async || Ok(cache.put(&key, entry("x")).await == Stored::Kept),
        )
        .await?;
        let place = "e2e:{test:spoiled}";
        let sealed: Vec<u8> = server.command(redis::cmd("GET").arg(place)).await?;
        let mut damaged = sealed.clone();
        damaged[20] ^= 1;
        let mut another_release = sealed.clone();
        another_release[3] = 2;
        let half = sealed[..30].to_vec();
        for value in [damaged, another_release, half, b"hello".to_vec(), Vec::new()] {
            server.command::<()>(redis::cmd("SET").arg(place).arg(&value)).await?;
            ensure!(cache.get(&key).await == Lookup::Missing);
        }
        server.command::<()>(redis::cmd("DEL").arg(place)).await?;
        server.command::<()>(redis::cmd("RPUSH").arg(place).arg("a list")).await?;
        ensure!(cache.get(&key).await == Lookup::Missing);
        ensure!(
            cache.stats().iter().any(|(of, stats)| *of == OF && stats.spoiled == 6),
            "{:?}",
            cache.stats()
        );
        // Whatever lies there, a value takes its place.
        ensure!(cache.put(&key, entry("y")).await == Stored::Kept);
        server.command::<()>(redis::cmd("DEL").arg(place)).await?;
        server.command::<()>(redis::cmd("RPUSH").arg(place).arg("a list")).await?;
        cache.remove(&key).await;
        ensure!(cache.get(&key).await == Lookup::Missing);
        ensure!(server.command::<i64>(redis::cmd("PTTL").arg(place)).await? <= 30_000);
        Ok(())
    })
}
