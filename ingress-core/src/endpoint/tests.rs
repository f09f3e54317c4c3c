use super::*;
use crate::key::ClusterId;
use crate::resilience::backoff::{BackoffPolicy, Jitter};
use crate::source::Origin;
use crate::source::scripted::{ClusterHandle, cluster};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::task::JoinSet;
use tokio::time::timeout;

fn bench() -> (Arc<Endpoint>, ClusterHandle) {
    let (source, handle) = cluster(ClusterInfo::new(ClusterId::new("c").unwrap(), Origin::Custom));
    let second = Duration::from_secs(1);
    let backoff = BackoffPolicy::new(second, 2.0, second * 30, Jitter::None).unwrap();
    let retry = RetryPolicy::new(3, backoff).unwrap();
    (Endpoint::new(Arc::new(source), BreakerPolicy::default(), retry), handle)
}

fn failure(kind: ErrorKind) -> SourceError {
    SourceError::new(kind, "scripted")
}

fn question(endpoint: &Endpoint) -> Question<'_> {
    Question::new(&endpoint.info().id, "get", "Ingress")
}

/// Makes calls that all end like this; how often the source was asked.
async fn asked(endpoint: &Endpoint, calls: u32, kind: ErrorKind) -> (u32, SourceError) {
    let count = AtomicU32::new(0);
    let mut last = None;
    for _ in 0..calls {
        last = endpoint
            .call(question(endpoint), &Outcomes::default(), || {
                count.fetch_add(1, Ordering::Relaxed);
                std::future::ready(Err::<(), _>(failure(kind)))
            })
            .await
            .err();
    }
    (count.into_inner(), last.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_call_is_tried_three_times_with_growing_pauses() {
    let (endpoint, _handle) = bench();
    let begun = Instant::now();
    assert_eq!(asked(&endpoint, 1, ErrorKind::Unreachable).await.0, 3);
    assert_eq!(begun.elapsed().as_secs(), 1 + 2);
}

#[tokio::test(start_paused = true)]
async fn permanent_answers_are_returned_at_once_and_never_open_the_breaker() {
    let (endpoint, _handle) = bench();
    for kind in [ErrorKind::Unauthorized, ErrorKind::Forbidden, ErrorKind::NotFound, ErrorKind::Expired] {
        assert_eq!(asked(&endpoint, 20, kind).await.0, 20, "{kind:?}");
    }
    assert_eq!(endpoint.breaker_state(), BreakerState::Closed);
    asked(&endpoint, 20, ErrorKind::TooManyRequests).await;
    assert_eq!(endpoint.breaker_state(), BreakerState::Closed, "429 paces, it does not count");
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_answers_without_asking_and_says_when_to_come_back() {
    let (endpoint, _handle) = bench();
    asked(&endpoint, 4, ErrorKind::ServerError).await;
    assert_eq!(endpoint.breaker_state(), BreakerState::Open);
    let (count, error) = asked(&endpoint, 1, ErrorKind::ServerError).await;
    assert_eq!((count, error.kind()), (0, ErrorKind::BreakerOpen));
    assert!(error.retry_after().unwrap() <= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_answered_is_given_up_in_time() {
    let (endpoint, _handle) = bench();
    let begun = Instant::now();
    let error = endpoint
        .call(question(&endpoint), &Outcomes::default(), std::future::pending::<Result<(), _>>)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(begun.elapsed().as_secs(), 3 * 10 + 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_abandoned_gives_its_place_back() {
    let (endpoint, _handle) = bench();
    asked(&endpoint, 4, ErrorKind::ServerError).await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    let outcomes = Outcomes::default();
    for _ in 0..10 {
        let abandoned = endpoint.call(question(&endpoint), &outcomes, std::future::pending::<Result<(), _>>);
        assert!(timeout(Duration::from_millis(10), abandoned).await.is_err());
    }
    assert!(
        endpoint.call(question(&endpoint), &Outcomes::default(), || std::future::ready(Ok(()))).await.is_ok()
    );
}

#[tokio::test(start_paused = true)]
async fn probes_tell_of_an_outage_and_of_its_end() {
    let (endpoint, handle) = bench();
    let mut tasks = JoinSet::new();
    let policy = ProbePolicy::default();
    tasks.spawn(endpoint.clone().run_prober(policy));
    let mut outlook = endpoint.outlook();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(endpoint.last_probe().unwrap().result.is_ok());
    handle.set_probe(Err(failure(ErrorKind::Unreachable)));
    endpoint.observe(Err(&failure(ErrorKind::Disconnected)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(endpoint.last_probe().unwrap().result.is_err(), "a lane's trouble is looked into at once");
    assert_eq!(outlook.borrow_and_update().outage.as_ref().unwrap().kind(), ErrorKind::Unreachable);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert!(!outlook.has_changed().unwrap(), "one outage, told once");
    handle.set_probe(Ok(()));
    let begun = Instant::now();
    outlook.changed().await.unwrap();
    assert!(begun.elapsed() <= policy.down.mul_f64(1.2), "{:?}", begun.elapsed());
    let now = outlook.borrow_and_update().clone();
    assert_eq!((now.recoveries, now.outage.is_none()), (1, true));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_but_is_no_outage() {
    let (endpoint, handle) = bench();
    handle.set_probe(Err(failure(ErrorKind::Unauthorized)));
    let mut tasks = JoinSet::new();
    tasks.spawn(endpoint.clone().run_prober(ProbePolicy::default()));
    let outlook = endpoint.outlook();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(endpoint.last_probe().unwrap().result.unwrap_err().kind(), ErrorKind::Unauthorized);
    handle.set_probe(Ok(()));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert!(endpoint.last_probe().unwrap().result.is_ok());
    assert!(!outlook.has_changed().unwrap());
}

#[test]
fn a_cluster_that_keeps_its_health_to_itself_is_there_all_the_same() {
    let mut judge = Judge::default();
    for kind in [ErrorKind::Forbidden, ErrorKind::NotFound] {
        let (shown, outage) = judge.judge(Err(failure(kind)), false);
        assert!(shown.is_ok() && outage.is_none(), "{kind:?}");
    }
    let (shown, outage) = judge.judge(Err(failure(ErrorKind::Unauthorized)), false);
    assert!(shown.is_err() && outage.is_none(), "reachable, but shown");
    assert!(judge.judge(Err(failure(ErrorKind::ServerError)), false).1.is_some());
    assert!(judge.judge(Err(failure(ErrorKind::TooManyRequests)), false).1.is_none());
    // It never was more open: its refusal is its sign of life, also after an outage.
    assert!(judge.judge(Err(failure(ErrorKind::Forbidden)), true).1.is_none());
}

#[test]
fn a_cluster_that_refuses_after_an_outage_what_it_answered_before_is_not_back_yet() {
    let mut judge = Judge::default();
    assert!(judge.judge(Ok(()), false).1.is_none());
    for _ in 1..REFUSALS {
        let (shown, outage) = judge.judge(Err(failure(ErrorKind::Forbidden)), true);
        assert!(shown.is_err() && outage.is_some());
    }
    let (shown, outage) = judge.judge(Err(failure(ErrorKind::Forbidden)), true);
    assert!(shown.is_ok() && outage.is_none(), "a refusal that lasts is one");
    assert!(judge.judge(Err(failure(ErrorKind::Unreachable)), true).1.is_some());
    assert!(judge.judge(Err(failure(ErrorKind::Forbidden)), true).1.is_some());
    assert!(judge.judge(Ok(()), true).1.is_none());
}
