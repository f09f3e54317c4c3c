//! A hit in Redis, with 1,000 values of 1 KB: through [`RedisCache`], beside a bare round trip. Bar: 1.3 × the bare one, one at a time.
//!
//! Peer: `GET` of the same bytes over the `redis` 1.8 crate's own multiplexed connection, which is what the cache uses as well: no pool, no deadline of
//! ours, no breaker, no envelope, no counters.
//!
//! What takes turns in short rounds shares whatever else the machine does, so the ratio is the median of the rounds' ratios, and stands at
//! the end of the output; criterion's figures are of each alone.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Result, ensure};
use benches::redis::RedisServer;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use ingress_cache::redis::{Redis, RedisCache, RedisConfig};
use ingress_cache::{Cache as _, Clock, Entry, Key, Lookup, Stored, uses};
use redis::aio::MultiplexedConnection;
use tokio::runtime::Runtime;
use tokio::time::Instant;

const VALUES: usize = 1000;
const ROUNDS: usize = 41;
const BAR: f64 = 1.3;

struct Bench {
    runtime: Runtime,
    cache: RedisCache,
    bare: MultiplexedConnection,
    keys: Vec<(Key, String)>,
    _server: RedisServer,
}

impl Bench {
    fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (server, bare) = runtime.block_on(async {
            let server = RedisServer::start().await?;
            let bare = server.connect().await?;
            anyhow::Ok((server, bare))
        })?;
        // Whoever measures for minutes is interrupted now and then; that is not what is measured.
        let config =
            RedisConfig::from_url(&server.url())?.prefix("bench")?.timeout(Duration::from_secs(5))?;
        let cache = RedisCache::new(Redis::connect(config));
        let keys: Vec<(Key, String)> = (0..VALUES)
            .map(|number| {
                let key = Key::new(uses::INGRESS_DETAIL, &format!("prod/shop/web-{number}"));
                let place = format!("bench:{{{}}}", key.path());
                (key, place)
            })
            .collect();
        let clock = Clock::wall();
        let hour = Duration::from_secs(3600);
        runtime.block_on(async {
            for (key, _) in &keys {
                let value = Some(Bytes::from(vec![7; 1024]));
                let entry = Entry::new(value, clock.version(), clock.now_ms(), hour, hour);
                ensure!(cache.put(key, entry).await == Stored::Kept);
            }
            Ok(())
        })?;
        Ok(Self { runtime, cache, bare, keys, _server: server })
    }

    async fn bare(&self, (_, place): &(Key, String)) {
        let mut bare = self.bare.clone();
        let found: Option<Bytes> =
            redis::cmd("GET").arg(place).query_async(&mut bare).await.unwrap_or_default();
        assert!(black_box(found).is_some(), "a value is lost");
    }

    async fn cached(&self, (key, _): &(Key, String)) {
        assert!(matches!(black_box(self.cache.get(key).await), Lookup::Found(_)), "a value is lost");
    }

    /// How long so many look-ups take, so many at a time.
    fn time(&self, times: usize, at_once: usize, ours: bool) -> Duration {
        self.runtime.block_on(async {
            let begun = Instant::now();
            let mut keys = self.keys.iter().cycle();
            for _ in 0..times.div_ceil(at_once) {
                let batch: Vec<_> = keys.by_ref().take(at_once).collect();
                match ours {
                    true => drop(join_all(batch.iter().map(|key| self.cached(key))).await),
                    false => drop(join_all(batch.iter().map(|key| self.bare(key))).await),
                }
            }
            begun.elapsed()
        })
    }

    /// The median of the ratios of rounds that take turns.
    fn ratio(&self, at_once: usize) -> Option<f64> {
        let mut ratios: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let [bare, ours] = [false, true].map(|ours| self.time(VALUES, at_once, ours));
                ours.as_secs_f64() / bare.as_secs_f64()
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        ratios.get(ROUNDS / 2).copied()
    }
}

#[expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that can't run has to stop, and tells its result"
)]
fn hits(criterion: &mut Criterion) {
    let bench = Bench::new().unwrap();
    for at_once in [1, 64] {
        let mut group = criterion.benchmark_group(format!("redis_hit, {at_once} at a time"));
        group.throughput(Throughput::Elements(1));
        for (name, ours) in [("redis 1.8, bare", false), ("RedisCache", true)] {
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|times| {
                    bench.time(usize::try_from(times).unwrap_or(usize::MAX), at_once, ours)
                });
            });
        }
        group.finish();
    }
    let (alone, together) = (bench.ratio(1).unwrap(), bench.ratio(64).unwrap());
    println!(
        "RedisCache beside a bare round trip: {alone:.2} one at a time (bar {BAR}), {together:.2} with 64 at a time"
    );
    assert!(alone <= BAR, "a hit costs {alone:.2} bare round trips");
}

criterion_group!(benches, hits);
criterion_main!(benches);
