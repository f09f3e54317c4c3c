//! Listing 100,000 ingresses again, 0.1 % of them changed, after the watch's revision expired: from the moment when the engine
//! asks until what differs is visible. Ours then tells its subscribers of those 100; kube-rs replaces its store and
//! tells of all.
//!
//! Peer: kube-rs 5.0 (`watcher` + `reflector`), typed.

use std::sync::Arc;
use std::time::Duration;

use benches::Form;
use benches::data::{Size, World};
use benches::engine::Engine;
use benches::measure::{relist, run};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const OBJECTS: usize = 100_000;

#[expect(clippy::unwrap_used, reason = "a benchmark that can't run has to stop")]
fn bench(criterion: &mut Criterion) {
    let world = Arc::new(World::new(Size::new(OBJECTS, 20).altered(OBJECTS / 1000)).unwrap());
    let mut group = criterion.benchmark_group("relist_diff");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(OBJECTS as u64));
    for engine in [Engine::Ours(Form::Json), Engine::Ours(Form::Protobuf), Engine::KubeTyped] {
        group.bench_function(BenchmarkId::from_parameter(engine.name()), |bencher| {
            bencher.iter_custom(|times| {
                (0..times).map(|_| run(relist(engine, world.clone())).unwrap()).sum::<Duration>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
