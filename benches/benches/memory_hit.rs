//! A hit in memory, with 10,000 values of 1 KB: in the cache, and through the reader that programs use. Bar: 1 µs in the cache. Beside them, what
//! an envelope costs, which a value in memory doesn't have.
//!
//! Peer: moka 0.12 (`future::Cache::get`), bare: no times, no versions, no counters, no weight.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use ingress_cache::{Cache as _, Cached, Clock, Entry, Key, Lookup, MemoryCache, Policy, envelope, uses};
use ingress_core::SourceError;
use tokio::runtime::Runtime;
use tokio::time::Instant;

const VALUES: usize = 10_000;

fn value() -> Bytes {
    Bytes::from(vec![7; 1024])
}

fn keys() -> Vec<Key> {
    (0..VALUES).map(|number| Key::new(uses::INGRESS_DETAIL, &format!("prod/shop/web-{number}"))).collect()
}

/// A value that stays fresh for as long as anybody measures; its policy's time is not what is measured.
fn entry(clock: Clock) -> Entry {
    let hour = Duration::from_secs(3600);
    Entry::new(Some(value()), clock.version(), clock.now_ms(), hour, hour)
}

/// Times look-ups, one after the other, each of another key.
fn look_up<F, Fut>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    runtime: &Runtime,
    name: &str,
    keys: &[Key],
    get: F,
) where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = bool>,
{
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            runtime.block_on(async {
                let begun = Instant::now();
                let mut found = 0;
                for at in (0..keys.len()).cycle().take(usize::try_from(times).unwrap_or(usize::MAX)) {
                    found += u64::from(get(at).await);
                }
                assert_eq!(black_box(found), times, "{name} lost something");
                begun.elapsed()
            })
        });
    });
}

#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that can't run has to stop")]
fn memory(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (clock, keys) = (Clock::wall(), keys());
    let mut group = criterion.benchmark_group("memory_hit");
    // Many short samples: most fit between two interruptions, whatever else the machine does, and the median is theirs.
    group.sample_size(300).measurement_time(Duration::from_secs(1)).throughput(Throughput::Elements(1));

    let bare: moka::future::Cache<String, Bytes> = moka::future::Cache::new(VALUES as u64 * 2);
    runtime.block_on(async {
        for key in &keys {
            bare.insert(key.path().to_owned(), value()).await;
        }
        bare.run_pending_tasks().await;
    });
    look_up(&mut group, &runtime, "moka 0.12, bare", &keys, |at| {
        let (bare, key) = (&bare, &keys[at]);
        async move { bare.get(key.path()).await.is_some() }
    });

    let hours = Policy::INGRESS_DETAIL.change().ttl(Duration::from_secs(3600)).build().unwrap();
    let memory = Arc::new(MemoryCache::new(&hours, clock));
    runtime.block_on(async {
        for key in &keys {
            memory.put(key, entry(clock)).await;
        }
    });
    look_up(&mut group, &runtime, "MemoryCache", &keys, |at| {
        let (memory, key) = (&memory, &keys[at]);
        async move { matches!(memory.get(key).await, Lookup::Found(_)) }
    });

    let reader: Cached<SourceError> = Cached::builder(uses::INGRESS_DETAIL, hours, memory.clone()).build();
    look_up(&mut group, &runtime, "Cached over MemoryCache", &keys, |at| {
        let (reader, key) = (&reader, &keys[at]);
        async move {
            reader.get_or_load(key, || async { Ok(None) }).await.is_ok_and(|answer| answer.value.is_some())
        }
    });
    group.finish();
}

/// What a value costs on its way out of the process and back, beside the wire.
fn sealed(criterion: &mut Criterion) {
    let entry = entry(Clock::wall());
    let sealed = envelope::seal(&entry);
    let mut group = criterion.benchmark_group("envelope");
    group.throughput(Throughput::Bytes(sealed.len() as u64));
    group.bench_function("seal", |bencher| bencher.iter(|| envelope::seal(black_box(&entry))));
    group.bench_function("open", |bencher| bencher.iter(|| envelope::open(black_box(&sealed).clone())));
    group.finish();
}

criterion_group!(benches, memory, sealed);
criterion_main!(benches);
