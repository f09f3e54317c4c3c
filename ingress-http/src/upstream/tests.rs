use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use futures::poll;
use ingress_core::ErrorKind;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::*;
use crate::fixture::cluster;
use crate::limit::RateLimit;
use crate::metrics::http_side::UpstreamCounters;

struct Stage {
    upstream: Upstream<&'static str, usize>,
    counters: Arc<UpstreamCounters>,
    asked: Arc<AtomicUsize>,
}

impl Stage {
    fn set(burst: u32, per_second: f64) -> Self {
        let counters = Arc::<UpstreamCounters>::default();
        let budgets = Budgets::new(RateLimit::of(burst, per_second), counters.clone());
        Self { upstream: Upstream::new(Arc::new(budgets)), counters, asked: Arc::default() }
    }

    /// Asks, and has the number of the question for an answer, after a second.
    async fn ask(&self, key: &'static str) -> Result<usize, SourceError> {
        let asked = self.asked.clone();
        self.upstream
            .call(&cluster("prod"), key, move || async move {
                let number = asked.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(1)).await;
                Ok(number)
            })
            .await
    }
}

#[tokio::test(start_paused = true)]
async fn equal_questions_at_the_same_time_are_one() {
    let stage = Stage::set(100, 50.0);
    let answers = join_all(["a", "b", "a", "a", "b"].map(|key| stage.ask(key))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers, [0, 1, 0, 0, 1]);
    assert_eq!(stage.counters.deduplicated.get(), 3);
    assert_eq!(stage.upstream.under_way(), 0);
    // Nothing is remembered.
    assert_eq!(stage.ask("a").await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_takes_nobody_along() {
    let stage = Stage::set(100, 50.0);
    let mut first = Box::pin(stage.ask("a"));
    let mut second = pin!(stage.ask("a"));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(second.await.unwrap(), 0);
    assert_eq!(stage.asked.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_waits_for_is_dropped() {
    let stage = Stage::set(100, 50.0);
    let (held, dropped) = oneshot::channel::<()>();
    let prod = cluster("prod");
    let forgotten = stage.upstream.call(&prod, "a", move || async move {
        let _held = held;
        std::future::pending().await
    });
    let mut forgotten = Box::pin(forgotten);
    assert!(poll!(&mut forgotten).is_pending());
    assert_eq!(stage.upstream.under_way(), 1);
    drop(forgotten);
    assert_eq!(stage.upstream.under_way(), 0);
    assert!(dropped.await.is_err(), "it still runs");
    assert_eq!(stage.ask("a").await.unwrap(), 0, "the next asks anew");
}

#[tokio::test(start_paused = true)]
async fn errors_are_shared_but_not_remembered() {
    let stage = Stage::set(100, 50.0);
    let prod = cluster("prod");
    let fail = || {
        stage.upstream.call(&prod, "a", || async {
            sleep(Duration::from_secs(1)).await;
            Err(SourceError::new(ErrorKind::Unreachable, "connection refused"))
        })
    };
    let (one, other) = tokio::join!(fail(), fail());
    assert_eq!(one.unwrap_err().message(), "connection refused");
    assert_eq!(other.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(stage.counters.deduplicated.get(), 1);
    assert_eq!(stage.ask("a").await.unwrap(), 0);
}

/// As many different keys as anybody asks for.
fn keys(count: usize) -> Vec<&'static str> {
    (0..count).map(|number| &*Box::leak(number.to_string().into_boxed_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_then_it_is_paced_in_order() {
    let stage = Stage::set(3, 10.0);
    let begun = Instant::now();
    let answers = join_all(keys(8).into_iter().map(|key| async {
        let answer = stage.ask(key).await;
        (answer, begun.elapsed().as_millis())
    }));
    let answers = answers.await;
    let order: Vec<_> = answers.iter().map(|(answer, _)| *answer.as_ref().unwrap()).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
    let times: Vec<_> = answers.iter().map(|(_, after)| *after).collect();
    for (at, after) in times.into_iter().enumerate() {
        let expected = 1000 + 100 * at.saturating_sub(2) as u128;
        // tokio's timers round up to a millisecond.
        assert!((expected..expected + 20).contains(&after), "{at}: {after}");
    }
    assert_eq!(stage.counters.paced.get(), 5);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_long() {
    let stage = Stage::set(2, 1.0);
    let begun = Instant::now();
    let waited = join_all(keys(10).into_iter().map(|key| async {
        let answer = stage.ask(key).await;
        (answer.map_err(|error| (error.kind(), error.retry_after())), begun.elapsed())
    }));
    let waited = waited.await;
    let (served, refused): (Vec<_>, Vec<_>) = waited.into_iter().partition(|(answer, _)| answer.is_ok());
    assert!((3..=4).contains(&served.len()), "{served:?}");
    for (answer, after) in refused {
        assert_eq!(answer, Err((ErrorKind::TooManyRequests, Some(Duration::from_secs(1)))));
        assert!(after <= budget::MAX_WAIT + Duration::from_millis(10), "{after:?}");
    }
    assert_eq!(stage.counters.refused.get(), 10 - served.len() as u64);
    sleep(Duration::from_secs(2)).await;
    assert!(stage.ask("later").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn clusters_have_budgets_of_their_own() {
    let stage = Stage::set(1, 0.1);
    let ask = |name: &'static str, key| {
        let cluster = cluster(name);
        let upstream = &stage.upstream;
        async move { upstream.call(&cluster, key, || async { Ok(0) }).await }
    };
    assert!(ask("one", "a").await.is_ok());
    assert!(ask("one", "b").await.is_err());
    assert!(ask("two", "c").await.is_ok());
}
