use super::*;
#[cfg(feature = "files")]
use crate::diagnose::{StepKind, Verdict};
use crate::key::Namespace;
use crate::kind::Resource;
use crate::source::scripted::{self, asked};
use crate::source::{Origin, WatchRequest, WatchStream};
use crate::status::LaneState;
use crate::store::{Change, Snapshot, Update};

/// A kind of a program's own, in namespaces or not.
#[derive(Debug, Clone, PartialEq)]
struct Thing<const NAMESPACED: bool> {
    namespace: Option<String>,
    name: String,
}

type Widget = Thing<true>;
type Machine = Thing<false>;

impl<const NAMESPACED: bool> Kind for Thing<NAMESPACED> {
    fn resource() -> Resource {
        if NAMESPACED {
            Resource::namespaced("example", "v1", "Widget", "widgets")
        } else {
            Resource::cluster_scoped("example", "v1", "Machine", "machines")
        }
    }

    fn decode_json<'de, D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("it comes from a script"))
    }

    fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn uid(&self) -> &str {
        ""
    }
    fn resource_version(&self) -> &str {
        "1"
    }
}

fn widget(namespace: &str, name: &str) -> Widget {
    Thing { namespace: Some(namespace.into()), name: name.into() }
}

fn machine(name: &str) -> Machine {
    Thing { namespace: None, name: name.into() }
}

fn namespace(name: &str) -> NamespaceRecord {
    let json = format!(r#"{{"metadata":{{"name":"{name}","resourceVersion":"1"}}}}"#);
    NamespaceRecord::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap()
}

fn info(cluster: &str) -> ClusterInfo {
    ClusterInfo::new(ClusterId::new(cluster).unwrap(), Origin::Custom)
}

fn keys<K: Kind>(hub: &Hub) -> Vec<String> {
    hub.store::<K>().unwrap().snapshot().iter().map(|(key, _)| key.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn kinds_stand_side_by_side() {
    let (source, mut script) = scripted::cluster(info("c"));
    let (widgets, mut widget_script) = scripted::kind::<Widget>(info("c"));
    let (machines, mut machine_script) = scripted::kind::<Machine>(info("c"));
    let hub = Hub::builder(source).watch::<Widget>(widgets).unwrap().watch(machines).unwrap().start();
    assert!(!hub.store::<Widget>().unwrap().snapshot().is_synced());

    let widgets = widget_script.next_watch().await.unwrap().accept();
    widgets.listed([widget("a", "x"), widget("b", "y")], "1").await;
    let snapshot = hub.store::<Widget>().unwrap().synced().await.unwrap();
    assert_eq!(snapshot.len(), 2);
    assert!(!hub.is_ready(), "the ingresses had no outcome yet");

    let machines = machine_script.next_watch().await.unwrap().accept();
    machines.listed([machine("m")], "1").await;
    script.ingresses.next_watch().await.unwrap().accept().listed([], "1").await;
    hub.synced().await;
    hub.store::<Machine>().unwrap().synced().await.unwrap();

    widgets.deleted(Some("a"), "x", "2").await;
    hub.store::<Widget>().unwrap().wait_for(|snapshot| snapshot.len() == 1).await.unwrap();
    assert_eq!((keys::<Widget>(&hub), keys::<Machine>(&hub)), (vec!["c/b/y".into()], vec!["c/m".into()]));
    assert!(hub.store::<Ingress>().unwrap().snapshot().is_synced());
    assert_eq!(hub.store::<NamespaceRecord>().unwrap().snapshot().len(), 0);
    hub.shutdown().await;
    assert!(
        hub.store::<Widget>().unwrap().wait_for(Snapshot::is_empty).await.is_none(),
        "the store ends, too"
    );
}

#[tokio::test]
async fn what_nobody_watches_has_no_store() {
    let (source, _script) = scripted::cluster(info("c"));
    assert!(Hub::builder(source).start().store::<Widget>().is_none());
}

/// A cluster that serves nothing.
#[derive(Clone)]
struct Bare;

#[async_trait::async_trait]
impl Cluster for Bare {
    fn info(&self) -> ClusterInfo {
        info("c")
    }
    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }
}

#[async_trait::async_trait]
impl<K: Kind> ResourceSource<K> for Bare {
    async fn watch(&self, _: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        Err(SourceError::from_status(404, "404 page not found", None))
    }
    async fn get(&self, _: &ObjectKey) -> Result<Bytes, SourceError> {
        Err(SourceError::from_status(404, "404 page not found", None))
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_of_everything_gives_each_kind_that_routes_depend_on_a_store() {
    let hub = Hub::builder(Bare).routes(Bare).unwrap().start();
    // Of all that an inventory holds, not what every hub watches, nor Endpoints.
    assert_eq!(hub.inner.others.len(), 36 - 3);
    let gateways = hub.store::<crate::kind::Gateway>().unwrap();
    let denied = |snapshot: &Snapshot<_>| snapshot.lanes().any(|lane| lane.state == LaneState::Denied);
    assert!(gateways.wait_for(denied).await.is_some());
    assert!(hub.store::<crate::kind::TlsSecret>().is_some());

    let twice = Hub::builder(Bare).watch::<crate::kind::Pod>(Bare).unwrap().routes(Bare).unwrap_err();
    assert!(matches!(twice, InvalidWatch::Duplicate { kind, .. } if kind == "Pod"));
    let (other, _script) = scripted::cluster(info("other"));
    assert!(matches!(Hub::builder(other).routes(Bare).unwrap_err(), InvalidWatch::UnknownCluster { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_scope_names_namespaces_and_nothing_else() {
    let (source, _script) = scripted::cluster(info("c"));
    let (widgets, mut widget_script) = scripted::kind::<Widget>(info("c"));
    let (machines, mut machine_script) = scripted::kind::<Machine>(info("c"));
    let hub = Hub::builder(source)
        .watch(widgets)
        .unwrap()
        .watch(machines)
        .unwrap()
        .scope(Scope::namespaces(["a", "b"]).unwrap())
        .start();
    let mut watches = asked(&mut widget_script, 2).await;
    let a = watches.remove("a").unwrap().accept();
    a.listed([widget("a", "x"), widget("c", "stray")], "1").await;
    let b = watches.remove("b").unwrap().accept();
    b.listed([widget("b", "y")], "1").await;
    hub.store::<Widget>().unwrap().synced().await.unwrap();
    assert_eq!(keys::<Widget>(&hub), ["c/a/x", "c/b/y"]);

    let all = asked(&mut machine_script, 1).await.remove("").unwrap().accept();
    all.listed([machine("named-like-no-namespace")], "1").await;
    hub.store::<Machine>().unwrap().synced().await.unwrap();
    assert_eq!(keys::<Machine>(&hub), ["c/named-like-no-namespace"]);
}

#[tokio::test(start_paused = true)]
async fn clusters_of_one_kind_share_its_store() {
    let (one, _one) = scripted::cluster(info("one"));
    let (two, _two) = scripted::cluster(info("two"));
    let (three, _three) = scripted::cluster(info("three"));
    let (machines_one, mut script_one) = scripted::kind::<Machine>(info("one"));
    let (machines_two, mut script_two) = scripted::kind::<Machine>(info("two"));
    let hub = Hub::builder(one).and(two).unwrap().and(three).unwrap();
    let hub = hub.watch(machines_one).unwrap().watch(machines_two).unwrap().start();
    let first = script_one.next_watch().await.unwrap().accept();
    first.listed([machine("m")], "1").await;
    // Synced means that every cluster had an outcome; a refusal is one.
    let refusal = SourceError::from_status(403, "forbidden", None);
    assert!(!hub.store::<Machine>().unwrap().snapshot().is_synced());
    script_two.next_watch().await.unwrap().refuse(refusal);
    let snapshot = hub.store::<Machine>().unwrap().synced().await.unwrap();
    let lanes: Vec<_> = snapshot.lanes().map(|lane| (lane.id.to_string(), lane.state)).collect();
    assert_eq!(
        lanes,
        [("one/machines/*".into(), LaneState::Live), ("two/machines/*".into(), LaneState::Denied)]
    );
    assert_eq!(keys::<Machine>(&hub), ["one/m"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_cluster_is_one_of_every_kind_in_it() {
    let (source, script) = scripted::cluster(info("c"));
    let (widgets, mut widget_script) = scripted::kind::<Widget>(info("c"));
    let hub = Hub::builder(source).watch(widgets).unwrap().start();
    let feed = widget_script.next_watch().await.unwrap().accept();
    feed.listed([widget("a", "x")], "1").await;
    let store = hub.store::<Widget>().unwrap();
    store.wait_for(|snapshot| snapshot.lanes().all(|lane| lane.is_live())).await.unwrap();
    // The prober asks the hub's own source; the kind's source would still answer.
    script.set_probe(Err(SourceError::new(ErrorKind::Unreachable, "no route")));
    let lost = store.wait_for(|snapshot| snapshot.lanes().all(|lane| lane.stale_since.is_some()));
    let snapshot = tokio::time::timeout(Duration::from_secs(15), lost).await.unwrap().unwrap();
    assert!(snapshot.is_synced() && snapshot.len() == 1, "an outage takes nothing back");
}

#[test]
fn only_clusters_of_the_hub_are_watched() {
    let (source, _script) = scripted::cluster(info("c"));
    let (widgets, _widgets) = scripted::kind::<Widget>(info("elsewhere"));
    let error = Hub::builder(source).watch(widgets).unwrap_err();
    let told = error.to_string();
    assert_eq!(
        told,
        "cluster elsewhere, of which Widget is to be watched, is none of the hub's; add it with HubBuilder::and first"
    );
    let InvalidWatch::UnknownCluster { cluster, .. } = error else { panic!("{told}") };
    assert_eq!(cluster.as_str(), "elsewhere");
}

#[test]
fn a_kind_is_watched_once_in_a_cluster() {
    fn refused(builder: Result<HubBuilder, InvalidWatch>, told: &str) {
        let error = builder.unwrap_err();
        assert!(matches!(error, InvalidWatch::Duplicate { .. }));
        assert_eq!(error.to_string(), told);
    }
    let builder = || Hub::builder(scripted::cluster(info("c")).0);
    let twice = builder().watch(scripted::kind::<Widget>(info("c")).0).unwrap();
    refused(twice.watch(scripted::kind::<Widget>(info("c")).0), "Widget of cluster c is watched already");
    let known = scripted::kind::<Ingress>(info("c")).0;
    refused(builder().watch(known), "Ingress of cluster c is watched already");
    let known = scripted::kind::<NamespaceRecord>(info("c")).0;
    refused(builder().watch(known), "Namespace of cluster c is watched already");
}

#[tokio::test(start_paused = true)]
async fn another_kind_falls_back_to_its_namespaces_by_itself() {
    let (source, mut script) = scripted::cluster(info("c"));
    let (widgets, mut widget_script) = scripted::kind::<Widget>(info("c"));
    let hub = Hub::builder(source).watch(widgets).unwrap().start();
    let namespaces = script.namespaces.next_watch().await.unwrap().accept();
    namespaces.listed([namespace("a"), namespace("b")], "1").await;
    let ingresses = script.ingresses.next_watch().await.unwrap().accept();
    ingresses.listed([], "1").await;
    hub.synced().await;

    let refusal = SourceError::from_status(403, "widgets is forbidden", None);
    widget_script.next_watch().await.unwrap().refuse(refusal.clone());
    let mut watches = asked(&mut widget_script, 2).await;
    let a = watches.remove("a").unwrap().accept();
    a.listed([widget("a", "x")], "1").await;
    watches.remove("b").unwrap().refuse(refusal);
    let store = hub.store::<Widget>().unwrap();
    let snapshot = store.synced().await.unwrap();
    let lanes: Vec<_> = snapshot.lanes().map(|lane| (lane.id.to_string(), lane.state)).collect();
    assert_eq!(
        lanes,
        [("c/widgets/a".to_owned(), LaneState::Live), ("c/widgets/b".to_owned(), LaneState::Denied)]
    );
    assert_eq!(keys::<Widget>(&hub), ["c/a/x"]);
    let ingress_lanes = hub.ingresses().snapshot().lanes().count();
    assert_eq!(ingress_lanes, 1, "the ingresses are watched as one all the while");

    // A namespace that comes gets a lane; one lane for all, once it is allowed, replaces them.
    namespaces.applied(namespace("late")).await;
    let mut all = None;
    while all.is_none() {
        let watch = widget_script.next_watch().await.unwrap();
        match watch.request().scope.namespace().map(Namespace::as_str) {
            None => all = Some(watch.accept()),
            Some("late") => watch.refuse(SourceError::from_status(500, "etcd", None)),
            Some(_) => watch.refuse(SourceError::from_status(403, "forbidden", None)),
        }
    }
    all.unwrap().listed([widget("a", "x"), widget("late", "z")], "9").await;
    let merged = store.wait_for(|snapshot| snapshot.lanes().count() == 1 && snapshot.len() == 2).await;
    assert!(merged.is_some());
}

/// The same with a type of `k8s-openapi`.
#[cfg(feature = "kube")]
#[tokio::test(start_paused = true)]
async fn typed_kinds_fall_back_too() {
    use k8s_openapi::api::core::v1::Service;

    use crate::kind::Typed;

    let service = |namespace: &str, name: &str| {
        let mut service = Service::default();
        service.metadata.namespace = Some(namespace.into());
        service.metadata.name = Some(name.into());
        service.metadata.resource_version = Some("1".into());
        Typed::new(service)
    };
    let mut home = info("c");
    home.default_namespace = Namespace::new("home").ok();
    let (source, mut script) = scripted::cluster(home);
    let (services, mut service_script) = scripted::kind::<Typed<Service>>(info("c"));
    let hub = Hub::builder(source).watch(services).unwrap().start();
    let refusal = SourceError::from_status(403, "forbidden", None);
    script.namespaces.next_watch().await.unwrap().refuse(refusal.clone());
    service_script.next_watch().await.unwrap().refuse(refusal);
    // No namespaces are known: there is the one of the configuration.
    let mut watches = asked(&mut service_script, 1).await;
    let feed = watches.remove("home").unwrap().accept();
    feed.listed([service("home", "cart")], "1").await;
    let store = hub.store::<Typed<Service>>().unwrap();
    let (snapshot, mut deltas) = {
        store.wait_for(|snapshot| snapshot.len() == 1).await.unwrap();
        store.subscribe()
    };
    assert_eq!(snapshot.iter().next().unwrap().0.to_string(), "c/home/cart");
    // What is listed again and has the same revision is no change.
    feed.applied(service("home", "cart")).await;
    feed.applied(service("home", "till")).await;
    let Some(Update::Changes(batch)) = deltas.next().await else { panic!("ended") };
    let told: Vec<_> = batch.changes.iter().filter(|change| !matches!(change, Change::Lane(_))).collect();
    assert!(matches!(&*told, [Change::Added(key, _)] if key.name() == "till"), "{told:?}");
}

#[cfg(feature = "files")]
#[tokio::test]
async fn a_hub_that_sees_no_pods_says_of_nothing_that_it_works() {
    let folder = tempfile::tempdir().unwrap();
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: cart, namespace: shop}\nspec:\n  \
                   defaultBackend: {service: {name: cart, port: {number: 80}}}\n";
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\nspec:\n  \
                   selector: {app: cart}\n  ports: [{port: 80}]\n";
    std::fs::write(folder.path().join("cart.yaml"), format!("{ingress}---\n{service}")).unwrap();
    let files = crate::FilesSource::new([folder.path()]);
    let hub = Hub::builder(files.clone()).routes(files).unwrap().start();
    let (mut known, mut deltas) = hub.routes().unwrap().subscribe();
    // Until all that can be read was read: that there is such a service is known then, and what stands behind it isn't.
    let backed = |known: &crate::routes::RouteSnapshot| {
        let assessed = known.iter().next()?;
        let steps = &assessed.diagnosis.steps;
        let state = |kind| steps.iter().find(|step| step.kind == kind).map(|step| step.state);
        Some((assessed.diagnosis.verdict, state(StepKind::Backend)?, state(StepKind::Endpoints)?))
    };
    while backed(&known).is_none_or(|(_, service, _)| service != Verdict::Ok) {
        assert!(backed(&known).is_none_or(|(verdict, ..)| verdict != Verdict::Ok), "{:?}", backed(&known));
        known = deltas.next().await.unwrap().0;
    }
    assert_eq!(backed(&known), Some((Verdict::Unknown, Verdict::Ok, Verdict::Unknown)));
    hub.shutdown().await;
}

#[cfg(feature = "demo")]
#[tokio::test(start_paused = true)]
async fn a_hub_that_watches_routes_judges_them() {
    let demo = crate::DemoSource::builder().ingresses(5).build().unwrap();
    assert!(Hub::builder(demo.clone()).start().routes().is_none());
    let hub = Hub::builder(demo.clone()).routes(demo).unwrap().start();
    let (snapshot, mut deltas) = hub.routes().unwrap().subscribe();
    let verdicts = |known: &crate::routes::RouteSnapshot| -> Vec<_> {
        known.iter().map(|assessed| assessed.diagnosis.verdict).collect()
    };
    let mut known = snapshot;
    // Once all that stands behind them was read, it is said of some that they work.
    while !verdicts(&known).contains(&crate::diagnose::Verdict::Ok) {
        known = deltas.next().await.unwrap().0;
    }
    assert!(known.len() >= 5, "{:?}", verdicts(&known));
    hub.shutdown().await;
    while deltas.next().await.is_some() {}
}
