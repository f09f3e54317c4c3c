use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::error::SourceError;
use crate::hub::{Hub, HubBuilder};
use crate::kind::Ingress;
use crate::source::scripted::{ClusterHandle, Feed, Watch, asked, cluster};
use crate::source::{ClusterInfo, Origin};
use crate::store::{Change, Update};

fn ingress(namespace: &str, name: &str, revision: &str) -> Ingress {
    let json = format!(
        r#"{{"metadata":{{"namespace":"{namespace}","name":"{name}","resourceVersion":"{revision}"}}}}"#
    );
    Ingress::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap()
}

fn namespace(name: &str) -> NamespaceRecord {
    let json = format!(r#"{{"metadata":{{"name":"{name}","resourceVersion":"1"}}}}"#);
    NamespaceRecord::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap()
}

fn hub(scope: Scope) -> (Hub, ClusterHandle) {
    let (hub, handle) = builder();
    (hub.scope(scope).start(), handle)
}

fn builder() -> (HubBuilder, ClusterHandle) {
    let mut info = ClusterInfo::new(ClusterId::new("c").unwrap(), Origin::Custom);
    info.default_namespace = Namespace::new("home").ok();
    let (source, handle) = cluster(info);
    (Hub::builder(source), handle)
}

fn forbidden() -> SourceError {
    SourceError::from_status(403, "ingresses is forbidden", None)
}

/// Every lane and its state, once all of them are as expected.
async fn lanes(hub: &Hub, expected: &[(&str, LaneState)]) {
    let expected: BTreeMap<String, LaneState> =
        expected.iter().map(|(lane, state)| (format!("c/ingresses/{lane}"), *state)).collect();
    let reached = hub.ingresses().wait_for(|snapshot| {
        let now: BTreeMap<_, _> = snapshot.lanes().map(|lane| (lane.id.to_string(), lane.state)).collect();
        now == expected
    });
    if tokio::time::timeout(Duration::from_secs(600), reached).await.is_err() {
        panic!("expected {expected:?}, got {:?}", hub.ingresses().snapshot().lanes().collect::<Vec<_>>());
    }
}

fn names(hub: &Hub) -> Vec<String> {
    hub.ingresses()
        .snapshot()
        .iter()
        .map(|(key, _)| format!("{}/{}", key.namespace().unwrap(), key.name()))
        .collect()
}

async fn accept(
    watches: &mut BTreeMap<String, Watch<Ingress>>,
    scope: &str,
    objects: &[Ingress],
) -> Feed<Ingress> {
    let feed = watches.remove(scope).unwrap().accept();
    feed.listed(objects.iter().cloned(), "10").await;
    feed
}

#[tokio::test(start_paused = true)]
async fn one_lane_for_each_namespace_and_one_in_trouble_disturbs_no_other() {
    let (hub, mut handle) = hub(Scope::namespaces(["a", "b", "c"]).unwrap());
    let mut watches = asked(&mut handle.ingresses, 3).await;
    let feed = accept(&mut watches, "a", &[ingress("a", "x", "1")]).await;
    watches.remove("b").unwrap().refuse(forbidden());
    // c hangs; the others are live and denied all the same.
    lanes(&hub, &[("a", LaneState::Live), ("b", LaneState::Denied), ("c", LaneState::Connecting)]).await;
    assert_eq!(names(&hub), ["a/x"]);
    assert!(!hub.is_ready(), "c had no outcome yet");
    watches.remove("c").unwrap().refuse(SourceError::from_status(500, "etcd", None));
    hub.synced().await;
    assert!(hub.is_ready());
    // A source that speaks of another namespace than it was asked for is not believed.
    feed.applied(ingress("b", "stray", "11")).await;
    feed.applied(ingress("a", "y", "12")).await;
    hub.ingresses().wait_for(|snapshot| snapshot.len() == 2).await;
    assert_eq!(names(&hub), ["a/x", "a/y"]);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_beyond_the_bound_of_lanes_says_so_until_there_is_room() {
    let (builder, mut handle) = builder();
    let hub = builder.max_lanes_per_kind(3).unwrap().start();
    asked(&mut handle.ingresses, 1).await.remove("").unwrap().refuse(forbidden());
    let listed = handle.namespaces.next_watch().await.unwrap().accept();
    listed.listed(["a", "b", "c"].map(namespace), "10").await;
    let mut watches = asked(&mut handle.ingresses, 2).await;
    let _a = accept(&mut watches, "a", &[ingress("a", "x", "1")]).await;
    let _b = accept(&mut watches, "b", &[]).await;
    lanes(&hub, &[("a", LaneState::Live), ("b", LaneState::Live), ("c", LaneState::Denied)]).await;
    hub.synced().await;
    let snapshot = hub.ingresses().snapshot();
    let error = snapshot.lanes().last().unwrap().error.clone().unwrap();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert!(error.message().contains("there are 3 already"), "{error}");
    listed.deleted(None, "a", "11").await;
    let _c = loop {
        // The refused cluster-wide lane asks now and then, too.
        let mut watches = asked(&mut handle.ingresses, 1).await;
        if watches.contains_key("c") {
            break accept(&mut watches, "c", &[ingress("c", "y", "12")]).await;
        }
        watches.remove("").unwrap().refuse(forbidden());
    };
    lanes(&hub, &[("b", LaneState::Live), ("c", LaneState::Live)]).await;
    assert_eq!(names(&hub), ["c/y"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_stays_when_a_lane_is_lost_and_a_relist_tells_only_differences() {
    let (hub, mut handle) = hub(Scope::All);
    let objects: Vec<Ingress> = ["x", "y", "z"].iter().map(|name| ingress("a", name, "1")).collect();
    let feed = accept(&mut asked(&mut handle.ingresses, 1).await, "", &objects).await;
    lanes(&hub, &[("*", LaneState::Live)]).await;
    let (_, mut deltas) = hub.ingresses().subscribe();
    feed.fail(SourceError::from_status(410, "too old", None)).await;
    let mut watches = asked(&mut handle.ingresses, 1).await;
    lanes(&hub, &[("*", LaneState::Reconnecting)]).await;
    let snapshot = hub.ingresses().snapshot();
    assert_eq!(snapshot.len(), 3);
    assert!(snapshot.lanes().next().unwrap().stale_since.is_some());
    let _feed = accept(&mut watches, "", &[ingress("a", "x", "1"), ingress("a", "y", "2")]).await;
    lanes(&hub, &[("*", LaneState::Live)]).await;
    let mut told = Vec::new();
    while let Some(Update::Changes(batch)) = deltas.try_next() {
        for change in &batch.changes {
            match change {
                Change::Added(key, _) => told.push(format!("added {}", key.name())),
                Change::Modified { key, .. } => told.push(format!("modified {}", key.name())),
                Change::Deleted(key, _) => told.push(format!("deleted {}", key.name())),
                Change::Lane(_) | Change::LaneRemoved(_) => {}
            }
        }
    }
    assert_eq!(told, ["deleted z", "modified y"], "the missed deletion, the difference, and nothing of x");
}

#[tokio::test(start_paused = true)]
async fn without_permission_for_all_the_namespaces_are_watched_one_by_one_until_it_is_granted() {
    let (hub, mut handle) = hub(Scope::All);
    let namespaces = handle.namespaces.next_watch().await.unwrap().accept();
    namespaces.listed([namespace("a"), namespace("b")], "1").await;
    hub.namespaces().wait_for(|snapshot| snapshot.len() == 2).await;
    asked(&mut handle.ingresses, 1).await.remove("").unwrap().refuse(forbidden());
    let mut watches = asked(&mut handle.ingresses, 2).await;
    let _a = accept(&mut watches, "a", &[ingress("a", "x", "1")]).await;
    watches.remove("b").unwrap().refuse(forbidden());
    lanes(&hub, &[("a", LaneState::Live), ("b", LaneState::Denied)]).await;

    // A namespace appears, and one goes.
    namespaces.applied(namespace("n")).await;
    let mut watches = loop {
        let mut watches = asked(&mut handle.ingresses, 1).await;
        match watches.first_key_value() {
            Some((scope, _)) if scope == "n" => break watches,
            _ => watches.pop_first().unwrap().1.refuse(forbidden()),
        }
    };
    let _n = accept(&mut watches, "n", &[ingress("n", "x", "1")]).await;
    lanes(&hub, &[("a", LaneState::Live), ("b", LaneState::Denied), ("n", LaneState::Live)]).await;
    namespaces.deleted(None, "a", "5").await;
    lanes(&hub, &[("b", LaneState::Denied), ("n", LaneState::Live)]).await;
    assert_eq!(names(&hub), ["n/x"]);

    // Granted: the cluster-wide lane takes over in one step, and what was right stays untouched.
    let mut all = loop {
        let mut watches = asked(&mut handle.ingresses, 1).await;
        match watches.first_key_value() {
            Some((scope, _)) if scope.is_empty() => break watches,
            _ => watches.pop_first().unwrap().1.refuse(forbidden()),
        }
    };
    let (before, mut deltas) = hub.ingresses().subscribe();
    assert_eq!(before.len(), 1);
    let _all = accept(&mut all, "", &[ingress("n", "x", "1"), ingress("b", "y", "2")]).await;
    lanes(&hub, &[("*", LaneState::Live)]).await;
    assert_eq!(names(&hub), ["b/y", "n/x"]);
    while let Some(Update::Changes(batch)) = deltas.try_next() {
        let touched = batch.changes.iter().any(|change| {
            matches!(change, Change::Modified { key, .. } | Change::Deleted(key, _) if key.namespace() == Some("n"))
        });
        assert!(!touched, "{batch:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn where_namespaces_can_not_be_listed_the_configured_one_is_tried_and_the_rest_is_unknown() {
    let (hub, mut handle) = hub(Scope::All);
    handle.namespaces.next_watch().await.unwrap().refuse(forbidden());
    asked(&mut handle.ingresses, 1).await.remove("").unwrap().refuse(forbidden());
    let mut watches = asked(&mut handle.ingresses, 1).await;
    let _home = accept(&mut watches, "home", &[ingress("home", "x", "1")]).await;
    // The refused lane stays in view: it says that there is more that nobody knows of.
    lanes(&hub, &[("*", LaneState::Denied), ("home", LaneState::Live)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_moment_of_refusal_after_an_outage_starts_no_lane_per_namespace() {
    let (hub, mut handle) = hub(Scope::All);
    let namespaces = handle.namespaces.next_watch().await.unwrap().accept();
    namespaces.listed([namespace("a"), namespace("b")], "1").await;
    let feed = accept(&mut asked(&mut handle.ingresses, 1).await, "", &[]).await;
    lanes(&hub, &[("*", LaneState::Live)]).await;
    feed.fail(forbidden()).await;
    let mut watches = asked(&mut handle.ingresses, 1).await;
    let _feed = accept(&mut watches, "", &[]).await;
    lanes(&hub, &[("*", LaneState::Live)]).await;
    assert!(handle.ingresses.try_next_watch().is_none());
}

#[tokio::test(start_paused = true)]
async fn lanes_count_their_objects() {
    let (hub, mut handle) = hub(Scope::All);
    let feed = accept(&mut asked(&mut handle.ingresses, 1).await, "", &[ingress("a", "x", "1")]).await;
    feed.applied(ingress("a", "y", "2")).await;
    feed.applied(ingress("a", "y", "3")).await;
    feed.deleted(Some("a"), "x", "4").await;
    feed.deleted(Some("a"), "never-was", "5").await;
    feed.applied(ingress("a", "z", "6")).await;
    let snapshot =
        hub.ingresses().wait_for(|snapshot| snapshot.len() == 2 && names(&hub) == ["a/y", "a/z"]).await;
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.lanes().next().unwrap().objects(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_object_is_read_whole_from_its_own_cluster() {
    let (hub, mut handle) = hub(Scope::All);
    let known = ObjectKey::new(ClusterId::new("c").unwrap(), Some("a"), "x");
    let stranger = ObjectKey::new(ClusterId::new("other").unwrap(), Some("a"), "x");
    let (object, ()) = tokio::join!(hub.ingress_object(&known), async {
        let get = handle.ingresses.next_get().await.unwrap();
        assert_eq!(get.key(), &known);
        get.answer(Ok("{}".into()));
    });
    assert_eq!(object.unwrap(), "{}");
    assert_eq!(hub.ingress_object(&stranger).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn one_cluster_in_trouble_disturbs_no_other() {
    let info = |id: &str| ClusterInfo::new(ClusterId::new(id).unwrap(), Origin::Custom);
    let twice = Hub::builder(cluster(info("two")).0).and(cluster(info("two")).0);
    assert!(twice.unwrap_err().to_string().contains("cluster two is there already"));
    let (one, mut one_handle) = cluster(info("one"));
    let (two, mut two_handle) = cluster(info("two"));
    let hub = Hub::builder(one).and(two).unwrap().start();
    let feed = one_handle.ingresses.next_watch().await.unwrap().accept();
    feed.listed([ingress("a", "x", "1")], "1").await;
    two_handle.set_probe(Err(SourceError::new(ErrorKind::Unreachable, "scripted")));
    for _ in 0..4 {
        let refused = SourceError::new(ErrorKind::Unreachable, "scripted");
        two_handle.ingresses.next_watch().await.unwrap().refuse(refused);
    }
    feed.applied(ingress("a", "y", "2")).await;
    let snapshot = hub.ingresses().wait_for(|snapshot| snapshot.len() == 2).await.unwrap();
    let keys: Vec<String> = snapshot.iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(keys, ["one/a/x", "one/a/y"]);
    let states: Vec<_> = snapshot.lanes().map(|lane| (lane.id.to_string(), lane.is_live())).collect();
    assert_eq!(states, [("one/ingresses/*".to_owned(), true), ("two/ingresses/*".to_owned(), false)]);
    let breakers: Vec<_> = hub.clusters().into_iter().map(|cluster| cluster.breaker.as_str()).collect();
    assert_eq!(breakers[0], "closed", "each cluster has a breaker of its own: {breakers:?}");
}

#[tokio::test(start_paused = true)]
async fn when_the_last_handle_is_gone_nothing_runs_on() {
    let (hub, mut handle) = hub(Scope::All);
    let feed = accept(&mut asked(&mut handle.ingresses, 1).await, "", &[]).await;
    let (_, mut deltas) = hub.ingresses().subscribe();
    drop(hub);
    while deltas.next().await.is_some() {}
    assert!(feed.is_closed());
    let (hub, _handle) = self::hub(Scope::All);
    hub.shutdown().await;
    assert!(hub.ingresses().wait_for(|_| false).await.is_none());
}
