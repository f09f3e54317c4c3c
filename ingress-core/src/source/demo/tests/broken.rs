//! Faults.

use super::*;

async fn kind_of_new<K: Kind>(source: &DemoSource, scope: &LaneScope) -> Option<ErrorKind>
where
    DemoSource: ResourceSource<K>,
{
    let watch = ResourceSource::<K>::watch(source, WatchRequest::new(scope.clone())).await;
    watch.err().map(|error| error.kind())
}

#[tokio::test(start_paused = true)]
async fn faults_of_the_cluster_break_everything_and_end() {
    let retry_after = Duration::from_secs(10);
    for (fault, running, new) in [
        (Fault::Outage, ErrorKind::Disconnected, ErrorKind::Unreachable),
        (Fault::Unauthorized, ErrorKind::Unauthorized, ErrorKind::Unauthorized),
        (Fault::Forbidden, ErrorKind::Forbidden, ErrorKind::Forbidden),
        (Fault::ServerError, ErrorKind::ServerError, ErrorKind::ServerError),
        (Fault::Throttled { retry_after }, ErrorKind::TooManyRequests, ErrorKind::TooManyRequests),
    ] {
        let source = small().changes_per_second(0.0).build().unwrap();
        let faults = source.faults();
        let shop = in_namespace("shop");
        let mut fold = Fold::<Ingress>::open(&source, WatchRequest::new(shop.clone())).await;
        fold.catch_up().await.unwrap();
        faults.raise(LaneScope::Cluster, fault);
        let broken = fold.watch.next().await.unwrap().unwrap_err();
        assert_eq!(broken.kind(), running, "{fault:?}");
        assert!(fold.watch.next().await.is_none());
        assert_eq!(kind_of_new::<Ingress>(&source, &shop).await, Some(new));
        assert_eq!(kind_of_new::<NamespaceRecord>(&source, &LaneScope::Cluster).await, Some(new));
        let probe = source.probe().await.unwrap_err();
        assert_eq!(probe.kind(), new);
        assert_eq!(probe.retry_after().is_some(), matches!(fault, Fault::Throttled { .. }));
        faults.clear(&LaneScope::Cluster);
        source.probe().await.unwrap();
        assert_eq!(kind_of_new::<Ingress>(&source, &shop).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_of_one_namespace_leaves_the_others_alone() {
    let source = small().build().unwrap();
    let (shop, billing) = (in_namespace("shop"), in_namespace("billing"));
    let mut healthy = Fold::<Ingress>::open(&source, WatchRequest::new(billing.clone())).await;
    source.faults().raise(shop.clone(), Fault::ServerError);
    assert_eq!(kind_of_new::<Ingress>(&source, &shop).await, Some(ErrorKind::ServerError));
    assert_eq!(kind_of_new::<NamespaceRecord>(&source, &LaneScope::Cluster).await, None);
    // No permission covers the whole cluster any more.
    assert_eq!(kind_of_new::<Ingress>(&source, &LaneScope::Cluster).await, Some(ErrorKind::Forbidden));
    let (_, name) = listed::<Ingress>(&source, &billing).await.into_keys().next().unwrap();
    let key = |namespace| ObjectKey::new(Cluster::info(&source).id, Some(namespace), &name);
    assert!(ResourceSource::<Ingress>::get(&source, &key("billing")).await.is_ok());
    let refused = ResourceSource::<Ingress>::get(&source, &key("shop")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ServerError);
    tokio::time::sleep(Duration::from_secs(60)).await;
    healthy.catch_up().await.unwrap();
    assert_eq!(healthy.state, listed::<Ingress>(&source, &billing).await);
    source.faults().clear_all();
    assert_eq!(kind_of_new::<Ingress>(&source, &LaneScope::Cluster).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stall_delays_and_loses_nothing() {
    let source = small().build().unwrap();
    let mut fold = Fold::<Ingress>::open(&source, WatchRequest::new(LaneScope::Cluster)).await;
    fold.catch_up().await.unwrap();
    source.faults().raise(LaneScope::Cluster, Fault::Stall);
    let before = fold.points.len();
    tokio::time::sleep(Duration::from_secs(60)).await;
    fold.catch_up().await.unwrap();
    assert_eq!(fold.points.len(), before);
    let asked = tokio::time::timeout(Duration::from_secs(60), source.probe()).await;
    assert!(asked.is_err(), "a probe waits as well");
    source.faults().clear_all();
    fold.catch_up().await.unwrap();
    assert!(fold.points.len() > before + 300, "{} changes", fold.points.len() - before);
    assert_eq!(fold.state, listed::<Ingress>(&source, &LaneScope::Cluster).await);
}

#[tokio::test(start_paused = true)]
async fn expired_revisions_end_every_watch_and_a_new_one_works() {
    let source = small().changes_per_second(0.0).build().unwrap();
    let mut fold = Fold::<Ingress>::open(&source, WatchRequest::new(LaneScope::Cluster)).await;
    fold.catch_up().await.unwrap();
    let (revision, state) = fold.points.pop().unwrap();
    source.faults().expire_revisions();
    assert_eq!(fold.watch.next().await.unwrap().unwrap_err().kind(), ErrorKind::Expired);
    let again = WatchRequest::resuming(LaneScope::Cluster, revision);
    let refused = ResourceSource::<Ingress>::watch(&source, again).await.err().map(|error| error.kind());
    assert_eq!(refused, Some(ErrorKind::Expired));
    assert_eq!(listed::<Ingress>(&source, &LaneScope::Cluster).await, state);
}

#[test]
fn faults_have_names() {
    for name in ["outage", "stall", "unauthorized", "forbidden", "server-error", "throttled"] {
        assert!(name.parse::<Fault>().is_ok(), "{name}");
    }
    let message = "flood".parse::<Fault>().unwrap_err().to_string();
    assert!(message.starts_with("no such fault: \"flood\"; there are outage,"), "{message}");
}

/// What the engine makes of it: isolation while it lasts, convergence afterwards.
#[tokio::test(start_paused = true)]
async fn a_hub_outlives_every_fault() {
    use crate::{Hub, LaneState, Snapshot};

    let source = small().build().unwrap();
    let hub = Hub::builder(source.clone()).start();
    hub.synced().await;
    let state_of = |snapshot: &Snapshot<Ingress>, name: &str| {
        let lane = snapshot.lanes().find(|lane| lane.id.scope == in_namespace(name))?;
        Some(lane.state)
    };
    source.faults().raise(in_namespace("billing"), Fault::Forbidden);
    let split = hub.ingresses().wait_for(|snapshot| {
        state_of(snapshot, "billing") == Some(LaneState::Denied)
            && state_of(snapshot, "shop") == Some(LaneState::Live)
    });
    tokio::time::timeout(Duration::from_secs(60), split).await.unwrap().unwrap();
    source.faults().clear_all();
    for fault in [Fault::Outage, Fault::Stall, Fault::Unauthorized, Fault::ServerError] {
        source.faults().raise(LaneScope::Cluster, fault);
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert!(!hub.ingresses().snapshot().is_empty(), "{fault:?}: what was known stays readable");
        source.faults().clear_all();
        source.faults().expire_revisions();
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    // The last refusal may be asked about again only after minutes.
    tokio::time::sleep(Duration::from_secs(900)).await;
    source.simulation.freeze();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let snapshot = hub.ingresses().snapshot();
    let known: State = snapshot
        .iter()
        .map(|(_, ingress)| (key(&**ingress), ingress.resource_version().to_owned()))
        .collect();
    assert_eq!(known, listed::<Ingress>(&source, &LaneScope::Cluster).await);
    assert!(snapshot.lanes().all(|lane| lane.is_live()), "{:?}", snapshot.lanes().collect::<Vec<_>>());
}
