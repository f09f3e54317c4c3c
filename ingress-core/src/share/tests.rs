use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::error::SourceError;
use crate::hub::Hub;
use crate::kind::{Ingress, NamespaceRecord};
use crate::source::scripted::{ClusterHandle, ScriptedCluster, cluster};
use crate::source::{Cluster, ClusterInfo, Origin, ResourceSource, WatchRequest, WatchStream};
use crate::store::{Change, Update};

/// Keeps what watchers it was given, and serves stores that it feeds by hand.
#[derive(Default)]
struct Desk {
    ingresses: Mutex<Option<Watcher<Ingress>>>,
}

impl Share<Ingress> for Desk {
    fn share(self: Arc<Self>, watcher: Watcher<Ingress>) -> (Store<Ingress>, BoxFuture<'static, ()>) {
        let (mut writer, store) = Store::shared(1, watcher.history(), 1000);
        *self.ingresses.lock().unwrap() = Some(watcher);
        let work = async move {
            writer.publish_jump(crate::Position::new(7, 70));
            std::future::pending::<()>().await;
        };
        (store, Box::pin(work))
    }
}

struct Shared {
    source: ScriptedCluster,
    desk: Arc<Desk>,
}

#[async_trait]
impl Cluster for Shared {
    fn info(&self) -> ClusterInfo {
        self.source.info()
    }
    async fn probe(&self) -> Result<(), SourceError> {
        self.source.probe().await
    }
}

#[async_trait]
impl ResourceSource<Ingress> for Shared {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<Ingress>, SourceError> {
        self.source.watch(request).await
    }
    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        ResourceSource::<Ingress>::get(&self.source, key).await
    }
    fn shared_by(&self) -> Option<Arc<dyn Share<Ingress>>> {
        Some(self.desk.clone())
    }
}

#[async_trait]
impl ResourceSource<NamespaceRecord> for Shared {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<NamespaceRecord>, SourceError> {
        self.source.watch(request).await
    }
    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        ResourceSource::<NamespaceRecord>::get(&self.source, key).await
    }
}

fn ingress(name: &str, revision: &str) -> Ingress {
    let json = serde_json::json!({
        "metadata": {"namespace": "shop", "name": name, "resourceVersion": revision}
    });
    Ingress::decode_json(&json).unwrap()
}

fn shared(name: &str, desk: &Arc<Desk>) -> (Shared, ClusterHandle) {
    let (source, handle) = cluster(ClusterInfo::new(ClusterId::new(name).unwrap(), Origin::Custom));
    (Shared { source, desk: desk.clone() }, handle)
}

#[tokio::test(start_paused = true)]
async fn a_shared_store_takes_the_place_of_the_hub_s_own() {
    let desk = Arc::new(Desk::default());
    let ((one, mut first), (other, _second)) = (shared("c", &desk), shared("d", &desk));
    let hub = Hub::builder(one).and(other).unwrap().start();
    let moved = hub.ingresses().wait_for(|snapshot| snapshot.position() == crate::Position::new(7, 70));
    // Nobody is woken when nothing but the position changes.
    drop(tokio::time::timeout(std::time::Duration::from_secs(1), moved).await);
    assert_eq!(hub.ingresses().snapshot().position(), crate::Position::new(7, 70));
    let watcher = desk.ingresses.lock().unwrap().take().unwrap();
    let lanes: Vec<String> = watcher.lanes().iter().map(ToString::to_string).collect();
    assert_eq!(lanes, ["c/ingresses/*", "d/ingresses/*"]);
    assert!(watcher.reaches(&ClusterId::new("c").unwrap()));

    // What is known is where a watch of its own begins.
    let key = |name| ObjectKey::new(ClusterId::new("c").unwrap(), Some("shop"), name);
    let objects = ["same", "gone"].map(|name| (key(name), Arc::new(ingress(name, "1"))));
    let known = Known { objects: objects.into(), lanes: Vec::new(), at: crate::clock::wall_now() };
    let some = watcher.lanes().into_iter().filter(|lane| lane.cluster.as_str() == "c").collect();
    let watching = watcher.watch(&some, Some(known));
    let (snapshot, mut deltas) = watching.store().subscribe();
    assert_eq!((snapshot.len(), snapshot.lanes().count()), (2, 1));
    let feed = first.ingresses.next_watch().await.unwrap().accept();
    feed.listed([ingress("same", "1"), ingress("new", "2")], "10").await;
    watching.store().wait_for(|snapshot| snapshot.lanes().all(|lane| lane.is_live())).await.unwrap();
    let mut told = Vec::new();
    while let Some(Update::Changes(batch)) = deltas.try_next() {
        told.extend(batch.changes.iter().filter_map(|change| match change {
            Change::Added(key, _) => Some(format!("+{}", key.name())),
            Change::Deleted(key, _) => Some(format!("-{}", key.name())),
            _ => None,
        }));
    }
    assert_eq!(told, ["-gone", "+new"]);
    assert!(hub.ingresses().snapshot().is_empty(), "only who shares the store feeds it");
    assert_eq!(hub.stuck(), None);
}

#[tokio::test(start_paused = true)]
async fn a_hub_whose_sources_share_with_different_others_watches_by_itself() {
    let ((one, mut first), (other, _second)) = (shared("c", &Arc::default()), shared("d", &Arc::default()));
    let hub = Hub::builder(one).and(other).unwrap().start();
    let feed = first.ingresses.next_watch().await.unwrap().accept();
    feed.listed([ingress("x", "1")], "10").await;
    hub.ingresses().wait_for(|snapshot| snapshot.len() == 1).await.unwrap();
}
