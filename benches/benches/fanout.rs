//! What one more viewer costs the router itself: a change for one and for a thousand, and a list for the first and for the next who
//! ask at a revision. Without sockets; with them, and the figures that count, it is the program `fanout`.
//!
//! No peer: what is compared is one viewer with many. If everything were encoded for each, a thousand would cost a thousand times as much.

#![expect(clippy::unwrap_used, reason = "a benchmark that can't run has to stop")]

#[cfg(target_os = "linux")]
mod linux {
    use std::time::Duration;

    use axum::Router;
    use axum::body::{Body, BodyDataStream};
    use benches::fanout::source::{Changes, source};
    use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group};
    use futures::StreamExt as _;
    use http::Request;
    use ingress_core::Hub;
    use ingress_http::{DEFAULT_MAX_STREAMS, Dashboard};
    use tokio::runtime::Runtime;
    use tokio::time::Instant;
    use tower::ServiceExt as _;

    const INGRESSES: usize = 10_000;

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    async fn stage() -> (Hub, Router, Changes) {
        let (cluster, changes) = source(INGRESSES);
        let hub = Hub::builder(cluster).start();
        hub.synced().await;
        let dashboard = Dashboard::builder(hub.clone())
            .max_streams_per_address(DEFAULT_MAX_STREAMS)
            .rate_limit(None)
            .stream_rate_limit(None);
        (hub, dashboard.build().into_router(), changes)
    }

    async fn body(router: &Router, path: &str, coding: &str) -> BodyDataStream {
        let request = Request::get(path).header("accept-encoding", coding).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap().into_body().into_data_stream()
    }

    /// One change, until each of so many viewers was handed it.
    fn change(criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group("change");
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        for viewers in [1, 100, 1000] {
            group.throughput(Throughput::Elements(viewers));
            group.bench_function(BenchmarkId::from_parameter(viewers), |bencher| {
                let runtime = runtime();
                let (hub, router, mut changes) = runtime.block_on(stage());
                let mut bodies = runtime.block_on(async {
                    let path =
                        format!("/api/ingresses/stream?since={}", hub.ingresses().snapshot().position());
                    let mut bodies = Vec::new();
                    for _ in 0..viewers {
                        let mut body = body(&router, &path, "identity").await;
                        // The lanes, and that it goes on.
                        body.next().await.unwrap().unwrap();
                        bodies.push(body);
                    }
                    bodies
                });
                bencher.iter_custom(|times| {
                    runtime.block_on(async {
                        let begun = Instant::now();
                        for _ in 0..times {
                            changes.one().await.unwrap();
                            for body in &mut bodies {
                                body.next().await.unwrap().unwrap();
                            }
                        }
                        begun.elapsed()
                    })
                });
            });
        }
        group.finish();
    }

    async fn read(router: &Router, coding: &str) -> usize {
        let mut body = body(router, "/api/ingresses", coding).await;
        let mut bytes = 0;
        while let Some(chunk) = body.next().await {
            bytes += chunk.unwrap().len();
        }
        bytes
    }

    /// Everything: for the first who asks at a revision, and for somebody else who does.
    fn list(criterion: &mut Criterion) {
        let mut group = criterion.benchmark_group("list");
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        for coding in ["identity", "gzip", "br", "zstd"] {
            let runtime = runtime();
            let (hub, router, mut changes) = runtime.block_on(stage());
            group.bench_function(BenchmarkId::new("after a change", coding), |bencher| {
                bencher.iter_custom(|times| {
                    runtime.block_on(async {
                        let mut took = Duration::ZERO;
                        for _ in 0..times {
                            let before = hub.ingresses().snapshot().position();
                            changes.one().await.unwrap();
                            hub.ingresses().wait_for(|state| state.position() != before).await.unwrap();
                            let begun = Instant::now();
                            assert!(read(&router, coding).await > 0);
                            took += begun.elapsed();
                        }
                        took
                    })
                });
            });
            group.bench_function(BenchmarkId::new("again", coding), |bencher| {
                bencher.iter_custom(|times| {
                    runtime.block_on(async {
                        let begun = Instant::now();
                        for _ in 0..times {
                            assert!(read(&router, coding).await > 0);
                        }
                        begun.elapsed()
                    })
                });
            });
        }
        group.finish();
    }

    criterion_group!(benches, change, list);
}

fn main() {
    #[cfg(target_os = "linux")]
    {
        linux::benches();
        criterion::Criterion::default().configure_from_args().final_summary();
    }
}
