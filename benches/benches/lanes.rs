//! 500 namespaces, each watched by itself: changes per second with all well, and with one of them always failing.
//!
//! No peer: kube-rs has no such thing as many scopes in one store. What is compared is ours with itself.

use std::sync::Arc;
use std::time::Duration;

use benches::data::{Size, World};
use benches::measure::{lane_changes, lanes, run};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

#[expect(clippy::unwrap_used, reason = "a benchmark that can't run has to stop")]
fn bench(criterion: &mut Criterion) {
    let world = Arc::new(World::new(Size::new(1_000, 20_000).namespaces(500)).unwrap());
    let mut group = criterion.benchmark_group("lanes");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for (name, one_fails) in [("none of 500 fails", false), ("one of 500 fails", true)] {
        group.throughput(Throughput::Elements(lane_changes(&world, one_fails) as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter_custom(|times| {
                (0..times).map(|_| run(lanes(world.clone(), one_fails)).unwrap()).sum::<Duration>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
