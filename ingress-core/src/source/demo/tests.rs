use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::key::Revision;
use crate::source::WatchEvent;

/// Names to revisions: what two observers have to agree upon.
type State = BTreeMap<(String, String), String>;

/// An observer that believes what a watch tells it.
struct Fold<K: Kind> {
    watch: WatchStream<K>,
    state: State,
    synced: bool,
    /// The states after each point that a watch can resume from.
    points: Vec<(Revision, State)>,
}

fn key<K: Kind>(record: &K) -> (String, String) {
    (record.namespace().unwrap_or_default().to_owned(), record.name().to_owned())
}

impl<K: Kind> Fold<K>
where
    DemoSource: ResourceSource<K>,
{
    async fn open(source: &DemoSource, request: WatchRequest) -> Self {
        let synced = request.resume.is_some();
        let watch = source.watch(request).await.unwrap();
        Self { watch, state: State::new(), synced, points: Vec::new() }
    }

    /// Takes in everything there is by now.
    async fn catch_up(&mut self) -> Result<(), SourceError> {
        while let Ok(batch) = tokio::time::timeout(Duration::from_millis(50), self.watch.next()).await {
            for event in batch.expect("only an error ends it")? {
                self.take(event);
            }
        }
        Ok(())
    }

    fn take(&mut self, event: WatchEvent<K>) {
        let revision = match event {
            WatchEvent::Listed(record) => {
                assert!(!self.synced, "listed after the state was complete");
                let again = self.state.insert(key(&record), record.resource_version().to_owned());
                assert_eq!(again, None, "listed twice");
                return;
            }
            WatchEvent::Synced(revision) => {
                assert!(!std::mem::replace(&mut self.synced, true), "synced twice");
                revision
            }
            WatchEvent::Applied(record) => {
                assert!(self.synced);
                let revision = record.resource_version().to_owned();
                let before = self.state.insert(key(&record), revision.clone());
                assert_ne!(before, Some(revision.clone()), "the same change twice");
                Revision::new(&revision)
            }
            WatchEvent::Deleted(gone) => {
                assert!(self.synced);
                let key = (gone.namespace.unwrap_or_default().into_string(), gone.name.into_string());
                assert!(self.state.remove(&key).is_some(), "{key:?} was not there");
                gone.revision
            }
            WatchEvent::Bookmark(revision) => revision,
        };
        self.points.push((revision, self.state.clone()));
    }
}

async fn listed<K: Kind>(source: &DemoSource, scope: &LaneScope) -> State
where
    DemoSource: ResourceSource<K>,
{
    let mut fold = Fold::<K>::open(source, WatchRequest::new(scope.clone())).await;
    while !fold.synced {
        for event in fold.watch.next().await.unwrap().unwrap() {
            fold.take(event);
        }
    }
    fold.state
}

fn in_namespace(name: &str) -> LaneScope {
    LaneScope::Namespace(Namespace::new(name).unwrap())
}

fn small() -> DemoBuilder {
    DemoSource::builder().ingresses(60).namespaces(5).changes_per_second(5.0).seed(3)
}

async fn object(source: &DemoSource, namespace: &str, name: &str) -> serde_json::Value {
    let cluster = Cluster::info(source).id;
    let key = ObjectKey::new(cluster, Some(namespace), name);
    serde_json::from_slice(&ResourceSource::<Ingress>::get(source, &key).await.unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_cluster_at_the_same_time() {
    let base = Timestamp::from_second(1_700_000_000).unwrap();
    let build = |seed| small().base(base).seed(seed).build().unwrap();
    let (one, same, other) = (build(3), build(3), build(4));
    // One is looked at all along, the other only at the end.
    let mut watched = Fold::<Ingress>::open(&one, WatchRequest::new(LaneScope::Cluster)).await;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_secs(7)).await;
        watched.catch_up().await.unwrap();
    }
    let state = listed::<Ingress>(&same, &LaneScope::Cluster).await;
    assert_eq!(listed::<Ingress>(&one, &LaneScope::Cluster).await, state);
    assert_eq!(watched.state, state);
    assert_ne!(listed::<Ingress>(&other, &LaneScope::Cluster).await, state);
    let (namespace, name) = state.keys().next().unwrap();
    assert_eq!(object(&one, namespace, name).await, object(&same, namespace, name).await);
}

#[tokio::test(start_paused = true)]
async fn what_begins_old_is_what_has_grown_old() {
    let base = Timestamp::from_second(1_700_000_000).unwrap();
    let settings =
        Settings { ingresses: 60, namespaces: 8, changes_per_second: 2.0, seed: 3, history: 10_000 };
    let start = |age| DemoSource::start(&settings, Some(base), age, ClusterId::sanitized("demo"));
    let first = start(Duration::ZERO);
    let mut watched = Fold::<Ingress>::open(&first, WatchRequest::new(LaneScope::Cluster)).await;
    tokio::time::sleep(Duration::from_secs(140)).await;
    let second = start(Duration::from_secs(140));
    watched.catch_up().await.unwrap();
    for _ in 0..5 {
        let state = listed::<Ingress>(&second, &LaneScope::Cluster).await;
        assert_eq!(listed::<Ingress>(&first, &LaneScope::Cluster).await, state);
        tokio::time::sleep(Duration::from_secs(7)).await;
    }
    // A watch of the one goes on at the other.
    watched.catch_up().await.unwrap();
    let (revision, _) = watched.points.last().unwrap().clone();
    let request = WatchRequest::resuming(LaneScope::Cluster, revision);
    let mut resumed = Fold::<Ingress>::open(&second, request).await;
    resumed.state.clone_from(&watched.state);
    tokio::time::sleep(Duration::from_secs(7)).await;
    resumed.catch_up().await.unwrap();
    watched.catch_up().await.unwrap();
    assert_eq!(resumed.state, watched.state);
}

#[tokio::test(start_paused = true)]
async fn watches_of_all_scopes_converge_and_resume_from_any_point() {
    for scope in [LaneScope::Cluster, in_namespace("shop"), in_namespace("billing")] {
        let source = small().build().unwrap();
        let mut fold = Fold::<Ingress>::open(&source, WatchRequest::new(scope.clone())).await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        fold.catch_up().await.unwrap();
        source.simulation.freeze();
        fold.catch_up().await.unwrap();
        assert_eq!(fold.state, listed::<Ingress>(&source, &scope).await, "{scope:?}");
        assert!(fold.points.len() > 20, "{} points in {scope:?}", fold.points.len());
        for (revision, state) in fold.points.iter().step_by(11) {
            let request = WatchRequest::resuming(scope.clone(), revision.clone());
            let mut resumed = Fold::<Ingress>::open(&source, request).await;
            resumed.state.clone_from(state);
            resumed.catch_up().await.unwrap();
            assert_eq!(resumed.state, fold.state, "{scope:?} from {revision}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn namespaces_come_and_go_with_all_that_is_in_them() {
    let source = small().changes_per_second(50.0).build().unwrap();
    let mut fold = Fold::<NamespaceRecord>::open(&source, WatchRequest::new(LaneScope::Cluster)).await;
    fold.catch_up().await.unwrap();
    let first: BTreeSet<_> = fold.state.keys().cloned().collect();
    let mut seen = first.clone();
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        fold.catch_up().await.unwrap();
        seen.extend(fold.state.keys().cloned());
        let orphans: Vec<_> = listed::<Ingress>(&source, &LaneScope::Cluster)
            .await
            .into_keys()
            .filter(|(namespace, _)| !fold.state.contains_key(&(String::new(), namespace.clone())))
            .collect();
        assert_eq!(orphans, []);
    }
    assert_eq!(fold.state, listed::<NamespaceRecord>(&source, &LaneScope::Cluster).await);
    assert!(seen.len() > first.len() + 5, "{seen:?}");
    assert!(fold.state.len() < first.len() + 4, "{:?}", fold.state);
}

#[tokio::test(start_paused = true)]
async fn an_idle_watch_sends_bookmarks() {
    let source = small().changes_per_second(0.0).build().unwrap();
    let mut fold = Fold::<Ingress>::open(&source, WatchRequest::new(in_namespace("shop"))).await;
    fold.catch_up().await.unwrap();
    let before = fold.points.len();
    let batch = fold.watch.next().await.unwrap().unwrap();
    assert!(matches!(batch[..], [WatchEvent::Bookmark(_)]), "{batch:?}");
    fold.take(batch.into_iter().next().unwrap());
    assert_eq!(fold.points.len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_longer_remembered_expires() {
    let source = small().changes_per_second(100.0).history(50).build().unwrap();
    let mut fold = Fold::<Ingress>::open(&source, WatchRequest::new(LaneScope::Cluster)).await;
    let first = fold.watch.next().await.unwrap().unwrap();
    let Some(WatchEvent::Synced(revision)) = first.last().cloned() else { panic!("{first:?}") };
    // A watch that nobody reads falls behind as well.
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(fold.catch_up().await.unwrap_err().kind(), ErrorKind::Expired);
    let resuming = |revision| WatchRequest::resuming(LaneScope::Cluster, revision);
    let refused = async |revision| {
        let watch = ResourceSource::<Ingress>::watch(&source, resuming(revision)).await;
        watch.err().map(|error| error.kind())
    };
    assert_eq!(refused(revision).await, Some(ErrorKind::Expired));
    assert_eq!(refused(Revision::new("x")).await, Some(ErrorKind::Rejected));
    assert_eq!(refused(Revision::new("99999999999")).await, Some(ErrorKind::Timeout));
}

#[tokio::test(start_paused = true)]
async fn the_population_stays_about_the_same_for_hours() {
    for (target, rate) in [(500, 20.0), (30, 10.0), (1, 5.0)] {
        let source = DemoSource::builder().ingresses(target).changes_per_second(rate).build().unwrap();
        let slack = target / 10 + 12;
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_secs(900)).await;
            let now = source.simulation.look(World::population).await;
            assert!(now.abs_diff(target) <= slack, "{now} of {target}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn changes_come_at_the_rate_asked_for() {
    let source = small().changes_per_second(20.0).build().unwrap();
    let mut ingresses = Fold::<Ingress>::open(&source, WatchRequest::new(LaneScope::Cluster)).await;
    let mut namespaces = Fold::<NamespaceRecord>::open(&source, WatchRequest::new(LaneScope::Cluster)).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    ingresses.catch_up().await.unwrap();
    namespaces.catch_up().await.unwrap();
    let changes = ingresses.points.len() + namespaces.points.len() - 2;
    assert!((1800..2200).contains(&changes), "{changes}");
    assert!(namespaces.points.len() < 60);
}

#[test]
fn settings_have_bounds() {
    let field = |builder: DemoBuilder| builder.build().err().map(|error| error.field());
    assert_eq!(field(small().ingresses(MAX_INGRESSES + 1)), Some("ingresses"));
    assert_eq!(field(small().namespaces(0)), Some("namespaces"));
    assert_eq!(field(small().history(0)), Some("history"));
    for rate in [-1.0, f64::NAN, f64::INFINITY, 10_000.1] {
        assert_eq!(field(small().changes_per_second(rate)), Some("changes_per_second"), "{rate}");
    }
    assert_eq!(field(small().changes_per_second(0.0)), None);
    assert_eq!(field(small().ingresses(0)), None);
    let message = small().namespaces(9999).build().unwrap_err().to_string();
    assert_eq!(message, "namespaces must be 1 to 2000, not 9999");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_fold_of_a_watch_is_a_fresh_list(
        seed: u64,
        ingresses in 0_usize..120,
        namespaces in 1_usize..8,
        rate in 0.0_f64..60.0,
        pauses in proptest::collection::vec(0_u64..4_000, 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async move {
            let builder = DemoSource::builder().ingresses(ingresses).namespaces(namespaces);
            let source = builder.changes_per_second(rate).seed(seed).build().unwrap();
            let scopes = [LaneScope::Cluster, in_namespace("shop")];
            let mut folds = Vec::new();
            for scope in scopes.clone() {
                folds.push(Fold::<Ingress>::open(&source, WatchRequest::new(scope)).await);
            }
            for pause in pauses {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                for (fold, scope) in folds.iter_mut().zip(&scopes) {
                    loop {
                        fold.catch_up().await.unwrap();
                        // Something may happen between the two looks; then the watch hears of it, too.
                        let fresh = listed::<Ingress>(&source, scope).await;
                        if fold.state == fresh {
                            break;
                        }
                        let before = fold.points.len();
                        fold.catch_up().await.unwrap();
                        assert!(fold.points.len() > before, "the watch misses something");
                    }
                }
            }
        });
    }
}

mod believable;
mod broken;
mod standing;
