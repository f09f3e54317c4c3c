use super::*;
use crate::key::{ClusterId, LaneScope, Namespace, Scope};
use crate::kind::{Ingress, Kind, NamespaceRecord};
use crate::source::Origin;
use crate::source::scripted::{Feed, Handle, Watch, cluster};
use crate::{Hub, Position};

fn error(kind: ErrorKind) -> SourceError {
    SourceError::new(kind, "scripted")
}

#[test]
fn every_kind_of_error_and_every_state_has_a_place_of_its_own() {
    for (at, kind) in ErrorKind::ALL.into_iter().enumerate() {
        assert_eq!(kind as usize, at, "{kind:?}");
    }
    assert_eq!(ErrorKind::BreakerOpen as usize + 1, ErrorKind::ALL.len());
    for (at, state) in BREAKER_STATES.into_iter().enumerate() {
        assert_eq!(state as usize, at, "{state:?}");
    }
    let counters = KindCounters::default();
    for kind in ErrorKind::ALL {
        counters.failed(&error(kind));
    }
    assert_eq!(counters.read().failures, ErrorKind::ALL.map(|kind| (kind, 1)));
    assert_eq!(counters.read().malformed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_counts_once_however_it_ends() {
    let outcomes = Outcomes::default();
    let within = Duration::from_secs(1);
    assert_eq!(outcomes.read().collect::<Vec<_>>(), [(CallOutcome::Ok, 0)]);
    outcomes.ask(within, Span::none(), std::future::ready(Ok(()))).await.unwrap();
    outcomes
        .ask::<()>(within, Span::none(), std::future::ready(Err(error(ErrorKind::Forbidden))))
        .await
        .unwrap_err();
    let late = outcomes.ask::<()>(within, Span::none(), std::future::pending()).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Timeout);
    let abandoned = outcomes.ask::<()>(within, Span::none(), std::future::pending());
    assert!(timeout(Duration::from_millis(1), abandoned).await.is_err());
    let expected = [("OK", 1), ("Timeout", 1), ("Forbidden", 1), ("Canceled", 1)];
    let read: Vec<_> = outcomes.read().map(|(outcome, count)| (outcome.as_str(), count)).collect();
    assert_eq!(read, expected);
}

#[test]
fn objects_go_up_and_down() {
    let counters = KindCounters::default();
    counters.objects(0, 7);
    counters.objects(10, 4);
    assert_eq!(counters.read().objects, 1);
}

#[test]
fn the_breakers_state_is_the_one_it_entered_last() {
    let counters = EndpointCounters::default();
    let info = ClusterInfo::new(ClusterId::new("c").unwrap(), Origin::Custom);
    assert_eq!(counters.read(info.clone(), None).breaker, BreakerState::Closed);
    counters.entered(BreakerState::Open);
    counters.entered(BreakerState::HalfOpen);
    counters.entered(BreakerState::Open);
    let stats = counters.read(info, None);
    assert_eq!(stats.breaker, BreakerState::Open);
    let entered = stats.breaker_entered.map(|(state, count)| (state.as_str(), count));
    assert_eq!(entered, [("closed", 0), ("open", 2), ("half-open", 1)]);
}

fn object<K: Kind>(namespace: &str, name: &str, revision: &str) -> K {
    let json = format!(
        r#"{{"metadata":{{"namespace":"{namespace}","name":"{name}","resourceVersion":"{revision}"}}}}"#
    );
    K::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap()
}

/// The next watch of a scope; the others are refused.
async fn next(script: &mut Handle<Ingress>, scope: &LaneScope) -> Watch<Ingress> {
    loop {
        let watch = script.next_watch().await.unwrap();
        if watch.request().scope == *scope {
            return watch;
        }
        watch.refuse(error(ErrorKind::Forbidden));
    }
}

async fn listed(watch: Watch<Ingress>, objects: &[(&str, &str)]) -> Feed<Ingress> {
    let feed = watch.accept();
    feed.listed(objects.iter().map(|(namespace, name)| object(namespace, name, "1")), "10").await;
    feed
}

fn of_ingresses(hub: &Hub) -> KindStats {
    hub.stats().clusters[0].kinds.iter().find(|kind| kind.kind == "Ingress").unwrap().clone()
}

fn calls(stats: &KindStats, verb: Verb, outcome: CallOutcome) -> u64 {
    let found = stats.calls.iter().find(|(of, ended, _)| (*of, *ended) == (verb, outcome));
    found.map_or(0, |(_, _, count)| *count)
}

#[tokio::test(start_paused = true)]
async fn what_a_lane_counted_outlives_it() {
    let mut info = ClusterInfo::new(ClusterId::new("c").unwrap(), Origin::Custom);
    info.default_namespace = Namespace::new("home").ok();
    let (source, mut handle) = cluster(info);
    let hub = Hub::builder(source).scope(Scope::All).start();
    handle.namespaces.next_watch().await.unwrap().refuse(error(ErrorKind::Forbidden));
    // All namespaces are refused, so the one of the configuration gets a lane of its own; that one relists.
    let home = LaneScope::Namespace(Namespace::new("home").unwrap());
    let feed = listed(next(&mut handle.ingresses, &home).await, &[("home", "x"), ("home", "y")]).await;
    hub.ingresses().wait_for(|state| state.len() == 2).await.unwrap();
    feed.fail(error(ErrorKind::Expired)).await;
    let feed = listed(next(&mut handle.ingresses, &home).await, &[("home", "x")]).await;
    hub.ingresses().wait_for(|state| state.len() == 1).await.unwrap();
    feed.fail(error(ErrorKind::Malformed)).await;
    let before = loop {
        let stats = of_ingresses(&hub);
        if stats.malformed == 1 {
            break stats;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((before.relists, before.objects), (1, 1));
    assert!(before.failures.contains(&(ErrorKind::Expired, 1)));
    assert_eq!(calls(&before, Verb::List, CallOutcome::Ok), 2);
    assert_eq!(calls(&before, Verb::Watch, CallOutcome::Ok), 0);

    // The lane of all namespaces is allowed after all: the other one ends, and its counts stay.
    let _feed = loop {
        let watch = handle.ingresses.next_watch().await.unwrap();
        if watch.request().scope == LaneScope::Cluster {
            break listed(watch, &[("home", "x"), ("shop", "z"), ("shop", "w")]).await;
        }
        watch.refuse(error(ErrorKind::Unreachable));
    };
    let merged = hub.ingresses().wait_for(|state| state.lanes().count() == 1 && state.len() == 3).await;
    assert!(merged.is_some());
    let after = of_ingresses(&hub);
    assert_eq!((after.relists, after.malformed, after.objects), (1, 1, 3));
    assert!(after.failures.contains(&(ErrorKind::Expired, 1)));
    assert!(calls(&after, Verb::List, CallOutcome::Failed(ErrorKind::Forbidden)) > 0);

    // The store's own counts add up to its position.
    let stores = hub.stats().stores;
    assert_eq!(stores.iter().map(|store| &*store.kind).collect::<Vec<_>>(), ["Ingress", "Namespace"]);
    let changes = stores[0].changes;
    assert_eq!((changes.added, changes.deleted, changes.lanes_removed), (4, 1, 1));
    let sum = changes.added + changes.modified + changes.deleted + changes.lanes + changes.lanes_removed;
    assert_eq!(stores[0].position, Position::new(stores[0].position.epoch, sum));
    assert_eq!(stores[0].lanes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_counts_each_attempt_and_each_refusal_of_the_breaker() {
    let (source, mut handle) = cluster(ClusterInfo::new(ClusterId::new("c").unwrap(), Origin::Custom));
    let hub = Hub::builder(source).scope(Scope::All).start();
    let _namespaces = handle.namespaces.next_watch().await.unwrap().accept();
    let _feed = listed(handle.ingresses.next_watch().await.unwrap(), &[("a", "x")]).await;
    hub.synced().await;
    let key = hub.ingresses().snapshot().iter().next().unwrap().0.clone();
    let answers = async {
        handle.ingresses.next_get().await.unwrap().answer(Err(error(ErrorKind::ServerError)));
        handle.ingresses.next_get().await.unwrap().answer(Ok("{}".into()));
    };
    let (answer, ()) = tokio::join!(hub.ingress_object(&key), answers);
    answer.unwrap();
    let stats = of_ingresses(&hub);
    assert_eq!(calls(&stats, Verb::Get, CallOutcome::Ok), 1);
    assert_eq!(calls(&stats, Verb::Get, CallOutcome::Failed(ErrorKind::ServerError)), 1);
    assert_eq!((hub.stats().clusters[0].retries, hub.stats().clusters[0].breaker_refused), (1, 0));

    // The cluster fails until the breaker opens; what it refuses asks nobody.
    let mut asked = 0;
    while hub.stats().clusters[0].breaker != BreakerState::Open {
        let mut call = std::pin::pin!(hub.ingress_object(&key));
        loop {
            tokio::select! {
                answer = &mut call => { answer.unwrap_err(); break; }
                get = handle.ingresses.next_get() => {
                    asked += 1;
                    get.unwrap().answer(Err(error(ErrorKind::ServerError)));
                }
            }
        }
    }
    hub.ingress_object(&key).await.unwrap_err();
    let cluster = &hub.stats().clusters[0];
    assert!(cluster.breaker_refused >= 1);
    assert_eq!(cluster.breaker_entered[1], (BreakerState::Open, 1));
    assert_eq!(calls(&of_ingresses(&hub), Verb::Get, CallOutcome::Failed(ErrorKind::ServerError)), 1 + asked);
    assert!(cluster.probes[0].1 > 0 && cluster.probe.is_some());
    let watched = cluster.kinds.iter().find(|kind| kind.kind == NamespaceRecord::resource().kind).unwrap();
    assert_eq!(calls(watched, Verb::List, CallOutcome::Ok), 1);
}
