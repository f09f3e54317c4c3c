use std::collections::HashMap;
use std::sync::Mutex;

use super::*;
use crate::error::SourceError;
use crate::hub::Hub;
use crate::key::{ClusterId, Namespace, Scope};
use crate::kind::{Ingress, NamespaceRecord};
use crate::source::scripted::{ClusterHandle, cluster};
use crate::source::{ClusterInfo, Origin};
use crate::store::{Change, Update};
use crate::{Deltas, LaneState};

/// A place that forgets when it is dropped.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<HashMap<String, Bytes>>>);

#[async_trait]
impl Keep for Shelf {
    async fn load(&self, name: &str) -> Option<Bytes> {
        self.0.lock().unwrap().get(name).cloned()
    }

    async fn save(&self, name: &str, state: Bytes) {
        self.0.lock().unwrap().insert(name.to_owned(), state);
    }
}

const INGRESSES: &str = "ingresses.networking.k8s.io";

fn ingress(namespace: &str, name: &str, revision: &str) -> Ingress {
    let json = serde_json::json!({
        "metadata": {"namespace": namespace, "name": name, "resourceVersion": revision}
    });
    Ingress::decode_json(&json).unwrap()
}

fn namespace(name: &str) -> NamespaceRecord {
    NamespaceRecord::decode_json(&serde_json::json!({"metadata": {"name": name}})).unwrap()
}

fn hub(shelf: &Shelf, scope: Scope) -> (Hub, ClusterHandle) {
    let mut info = ClusterInfo::new(ClusterId::new("c").unwrap(), Origin::Custom);
    info.default_namespace = Namespace::new("home").ok();
    let (source, handle) = cluster(info);
    (Hub::builder(source).keep(shelf.clone()).scope(scope).start(), handle)
}

fn shown(snapshot: &Snapshot<Ingress>) -> Vec<String> {
    let shown = |(key, ingress): (&crate::ObjectKey, &Arc<Ingress>)| {
        format!("{}/{}@{}", key.namespace().unwrap(), key.name(), ingress.resource_version())
    };
    snapshot.iter().map(shown).collect()
}

/// A run that sees some ingresses and is shut down in order.
async fn run(shelf: &Shelf, ingresses: &[Ingress]) {
    let (hub, mut handle) = hub(shelf, Scope::All);
    let feed = handle.ingresses.next_watch().await.unwrap().accept();
    feed.listed(ingresses.iter().cloned(), "10").await;
    hub.synced().await;
    hub.shutdown().await;
}

fn changes(deltas: &mut Deltas<Ingress>) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(Update::Changes(batch)) = deltas.try_next() {
        for change in &batch.changes {
            told.extend(match change {
                Change::Added(key, _) => Some(format!("+{}", key.name())),
                Change::Modified { key, .. } => Some(format!("~{}", key.name())),
                Change::Deleted(key, _) => Some(format!("-{}", key.name())),
                _ => None,
            });
        }
    }
    told
}

#[tokio::test(start_paused = true)]
async fn a_start_shows_what_was_known_as_stale_and_then_the_differences_only() {
    let shelf = Shelf::default();
    run(&shelf, &[ingress("a", "same", "1"), ingress("a", "changed", "2"), ingress("b", "gone", "3")]).await;

    let (hub, mut handle) = hub(&shelf, Scope::All);
    let known = hub.ingresses().wait_for(|snapshot| snapshot.len() == 3).await.unwrap();
    let lane = known.lanes().next().unwrap();
    assert!(!lane.is_live() && lane.stale_since.is_some() && lane.last_sync.is_some(), "{lane:?}");
    assert!(hub.is_ready(), "there is an answer");
    let (_, mut deltas) = hub.ingresses().subscribe();

    let feed = handle.ingresses.next_watch().await.unwrap().accept();
    hub.ingresses().wait_for(|s| s.lanes().any(|lane| lane.state == LaneState::Syncing)).await;
    assert!(hub.ingresses().snapshot().lanes().all(|lane| lane.stale_since.is_some()));
    feed.listed([ingress("a", "same", "1"), ingress("a", "changed", "9"), ingress("a", "new", "4")], "20")
        .await;
    let synced =
        hub.ingresses().wait_for(|snapshot| snapshot.lanes().all(|lane| lane.is_live())).await.unwrap();
    assert_eq!(shown(&synced), ["a/changed@9", "a/new@4", "a/same@1"]);
    assert!(synced.lanes().all(|lane| lane.stale_since.is_none()));
    assert_eq!(changes(&mut deltas), ["-gone", "~changed", "+new"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_in_view_any_more_is_not_shown() {
    let shelf = Shelf::default();
    run(&shelf, &[ingress("a", "x", "1"), ingress("b", "x", "2")]).await;
    let (hub, _handle) = hub(&shelf, Scope::namespaces(["b"]).unwrap());
    let known = hub.ingresses().wait_for(|snapshot| !snapshot.is_empty()).await.unwrap();
    assert_eq!(shown(&known), ["b/x@2"]);
}

#[tokio::test(start_paused = true)]
async fn namespaces_that_are_gone_do_not_haunt_a_cluster_that_refuses_to_be_watched_whole() {
    let shelf = Shelf::default();
    run(&shelf, &[ingress("a", "x", "1"), ingress("gone", "x", "2")]).await;
    let (hub, mut handle) = hub(&shelf, Scope::All);
    hub.ingresses().wait_for(|snapshot| snapshot.len() == 2).await.unwrap();
    let names = handle.namespaces.next_watch().await.unwrap().accept();
    names.listed([namespace("a")], "1").await;
    // Twice: a cluster that has just started refuses for a moment what it allowed before.
    for _ in 0..2 {
        let refusal = SourceError::from_status(403, "ingresses is forbidden", None);
        handle.ingresses.next_watch().await.unwrap().refuse(refusal);
    }
    let left = hub.ingresses().wait_for(|snapshot| snapshot.len() == 1).await.unwrap();
    assert_eq!(shown(&left), ["a/x@1"]);
}

#[tokio::test(start_paused = true)]
async fn damage_never_stops_a_start() {
    let shelf = Shelf::default();
    run(&shelf, &[ingress("a", "x", "1")]).await;
    let good = shelf.0.lock().unwrap()[INGRESSES].clone();
    for cut in 0..good.len() {
        if let Ok(known) = read::<Ingress>(&good[..cut]) {
            assert!(known.objects.is_empty(), "cut between two statements at {cut}");
        }
    }
    assert!(read::<NamespaceRecord>(&good).is_err(), "another kind's");
    shelf.0.lock().unwrap().insert(INGRESSES.to_owned(), good.slice(..good.len() - 1));
    let (hub, mut handle) = hub(&shelf, Scope::All);
    let feed = handle.ingresses.next_watch().await.unwrap().accept();
    feed.listed([ingress("a", "y", "1")], "10").await;
    hub.synced().await;
    assert_eq!(shown(&hub.ingresses().snapshot()), ["a/y@1"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_saved_before_the_first_sync_and_then_every_change() {
    let shelf = Shelf::default();
    let (_hub, mut handle) = hub(&shelf, Scope::All);
    tokio::time::sleep(EVERY + EVERY / 4).await;
    assert!(shelf.0.lock().unwrap().is_empty());
    let feed = handle.ingresses.next_watch().await.unwrap().accept();
    feed.listed([ingress("a", "x", "1")], "10").await;
    let saved = async || {
        // Written beside the runtime, in real time.
        for _ in 0..1000 {
            tokio::time::sleep(EVERY).await;
            std::thread::sleep(Duration::from_millis(1));
            if let Some(state) = shelf.0.lock().unwrap().remove(INGRESSES) {
                return state;
            }
        }
        panic!("never saved")
    };
    assert_eq!(read::<Ingress>(&saved().await).unwrap().objects.len(), 1);
    feed.applied(ingress("a", "y", "2")).await;
    assert_eq!(read::<Ingress>(&saved().await).unwrap().objects.len(), 2);
    assert_eq!(
        read::<Ingress>(&saved().await).unwrap().objects.len(),
        2,
        "and now and then without a change"
    );
}

#[tokio::test(start_paused = true)]
async fn a_hub_tells_when_what_was_kept_is_shown() {
    let shelf = Shelf::default();
    run(&shelf, &[ingress("a", "x", "1")]).await;
    let (hub, _handle) = hub(&shelf, Scope::All);
    hub.recalled().await;
    assert_eq!(shown(&hub.ingresses().snapshot()), ["a/x@1"]);
    hub.recalled().await;
    let (source, _handle) = cluster(ClusterInfo::new(ClusterId::new("c").unwrap(), Origin::Custom));
    Hub::builder(source).start().recalled().await;
}
