//! Changes per second, from bytes on a loopback socket to the change in a subscriber's hands.
//!
//! Peer: kube-rs 5.0 (`watcher` + `reflector`), typed and as `DynamicObject`, on JSON, which is all that it speaks. The floor
//! reads the same bytes through the same client and finds where events end.

use std::sync::Arc;
use std::time::Duration;

use benches::Form;
use benches::data::{Size, World};
use benches::engine::Engine;
use benches::measure::{run, watch};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const CHANGES: usize = 20_000;

#[expect(clippy::unwrap_used, reason = "a benchmark that can't run has to stop")]
fn bench(criterion: &mut Criterion) {
    let world = Arc::new(World::new(Size::new(2_000, CHANGES)).unwrap());
    let mut group = criterion.benchmark_group("watch_throughput");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(CHANGES as u64));
    for engine in [
        Engine::Ours(Form::Json),
        Engine::Ours(Form::Protobuf),
        Engine::KubeTyped,
        Engine::KubeDynamic,
        Engine::Floor(Form::Json),
        Engine::Floor(Form::Protobuf),
    ] {
        group.bench_function(BenchmarkId::from_parameter(engine.name()), |bencher| {
            bencher.iter_custom(|times| {
                (0..times).map(|_| run(watch(engine, world.clone())).unwrap()).sum::<Duration>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
