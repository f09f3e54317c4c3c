//! The state of 100,000 ingresses for a new subscriber: ours with a cursor of what follows, in one step; kube-rs's as a
//! vector of references.
//!
//! Peer: kube-rs 5.0 (`reflector::Store::state`), typed.

use benches::data::{Size, World};
use benches::measure::{our_store, peer_store};
use criterion::{Criterion, criterion_group, criterion_main};

#[expect(clippy::unwrap_used, reason = "a benchmark that can't run has to stop")]
fn bench(criterion: &mut Criterion) {
    let world = World::new(Size::new(100_000, 20)).unwrap();
    let mut group = criterion.benchmark_group("subscribe");
    let (writer, store) = our_store(&world).unwrap();
    group.bench_function("ours", |bencher| bencher.iter(|| store.subscribe()));
    drop((writer, store));
    let (writer, reader) = peer_store(&world).unwrap();
    group.bench_function("kube-rs 5.0, typed", |bencher| bencher.iter(|| reader.state()));
    drop(writer);
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
