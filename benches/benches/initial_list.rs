//! From nothing to the whole state: 20,000 ingresses, listed as each engine does it by default, and kube-rs's streaming list.
//!
//! Peer: kube-rs 5.0 (`watcher` + `reflector`), typed and as `DynamicObject`.

use std::sync::Arc;
use std::time::Duration;

use benches::Form;
use benches::data::{Size, World};
use benches::engine::Engine;
use benches::measure::{initial_list, run};
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const OBJECTS: usize = 20_000;

#[expect(clippy::unwrap_used, reason = "a benchmark that can't run has to stop")]
fn bench(criterion: &mut Criterion) {
    let world = Arc::new(World::new(Size::new(OBJECTS, 20)).unwrap());
    let mut group = criterion.benchmark_group("initial_list");
    group.sample_size(10).sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(OBJECTS as u64));
    for engine in [
        Engine::Ours(Form::Json),
        Engine::Ours(Form::Protobuf),
        Engine::KubeTyped,
        Engine::KubeTypedStreaming,
        Engine::KubeDynamic,
    ] {
        group.bench_function(BenchmarkId::from_parameter(engine.name()), |bencher| {
            bencher.iter_custom(|times| {
                (0..times).map(|_| run(initial_list(engine, world.clone())).unwrap()).sum::<Duration>()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
