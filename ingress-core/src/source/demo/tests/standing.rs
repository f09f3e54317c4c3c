//! What stands behind the ingresses.

use super::*;
use crate::diagnose::{Settings as Judging, Verdict, diagnose_all};
use crate::inventory::{Held, Inventory, Knowledge, Why, every_kind};

async fn records<K: Kind>(source: &DemoSource) -> Vec<K>
where
    DemoSource: ResourceSource<K>,
{
    let mut watch = source.watch(WatchRequest::new(LaneScope::Cluster)).await.unwrap();
    let mut records = Vec::new();
    while let Some(batch) = watch.next().await {
        for event in batch.unwrap() {
            match event {
                WatchEvent::Listed(record) => records.push(record),
                WatchEvent::Synced(_) => return records,
                event => panic!("{event:?}"),
            }
        }
    }
    panic!("the watch ended");
}

async fn insert<K: Held>(source: &DemoSource, inventory: &mut Inventory)
where
    DemoSource: ResourceSource<K>,
{
    let cluster = Cluster::info(source).id;
    inventory.know::<K>(&cluster, Knowledge::Live);
    for record in records::<K>(source).await {
        inventory.insert(&cluster, record);
    }
}

#[tokio::test(start_paused = true)]
async fn most_routes_work_and_of_the_others_it_is_known_why() {
    let source = DemoSource::builder().ingresses(500).seed(5).build().unwrap();
    let cluster = Cluster::info(&source).id;
    let mut inventory = Inventory::new();
    macro_rules! absent {
        ($kind:ident) => {
            inventory.know::<crate::kind::$kind>(&cluster, Knowledge::None(Why::NotInstalled));
        };
    }
    every_kind!(absent);
    macro_rules! insert_all {
        ($($kind:ident)*) => { $(insert::<$kind>(&source, &mut inventory).await;)* };
    }
    insert_all! {
        Ingress NamespaceRecord IngressClass Service EndpointSlice Pod TlsSecret NetworkPolicy Event
        DeploymentMeta ReplicaSetMeta Certificate Issuer ClusterIssuer CertificateRequest Order Challenge
    }
    let all = diagnose_all(&inventory, &cluster, wall_now(), &Judging::default());
    let mut counts = BTreeMap::<&str, usize>::new();
    let mut codes = BTreeMap::<&str, usize>::new();
    for assessed in &all {
        *counts.entry(assessed.diagnosis.verdict.as_str()).or_default() += 1;
        for finding in &assessed.diagnosis.findings {
            *codes.entry(finding.code).or_default() += 1;
        }
        if assessed.diagnosis.verdict == Verdict::Unknown {
            assert!(assessed.route.backends.iter().any(|it| it.object.kind != "Service"), "{assessed:#?}");
        }
    }
    let share = |verdict| 100 * counts.get(verdict).copied().unwrap_or_default() / all.len();
    assert!(share("ok") > 60, "{counts:?} {codes:?}");
    assert!((1..15).contains(&share("broken")), "{counts:?} {codes:?}");
    for code in ["SVC001", "ING004", "POD001", "POD002", "TLS003"] {
        assert!(codes.contains_key(code), "{code}: {codes:?}");
    }
}

/// Follows a kind while the world goes on: what a watch tells is what a new one lists, and goes on where it was after any batch.
async fn converges<K: Kind>(seed: u64)
where
    DemoSource: ResourceSource<K>,
{
    let source = small().seed(seed).changes_per_second(20.0).build().unwrap();
    for scope in [LaneScope::Cluster, in_namespace("shop")] {
        let mut fold = Fold::<K>::open(&source, WatchRequest::new(scope.clone())).await;
        fold.catch_up().await.unwrap();
        let mut resumed = None;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_secs(3)).await;
            fold.catch_up().await.unwrap();
            if resumed.is_none() && fold.points.len() > 3 {
                let (revision, state) = fold.points.last().unwrap().clone();
                let request = WatchRequest::resuming(scope.clone(), revision);
                resumed = Some(Fold { state, ..Fold::<K>::open(&source, request).await });
            }
        }
        source.simulation.look(|_| ()).await;
        let mut resumed = resumed.expect("something happened");
        for _ in 0..10 {
            fold.catch_up().await.unwrap();
            resumed.catch_up().await.unwrap();
            if fold.state == resumed.state && fold.state == listed::<K>(&source, &scope).await {
                break;
            }
        }
        assert_eq!(fold.state, listed::<K>(&source, &scope).await, "{scope:?}");
        assert_eq!(resumed.state, fold.state, "{scope:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn watches_converge_and_resume() {
    for seed in 0..4 {
        converges::<Service>(seed).await;
        converges::<EndpointSlice>(seed).await;
        converges::<Pod>(seed).await;
        converges::<TlsSecret>(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_of_before_anybody_looked() {
    let source = small().build().unwrap();
    let first = listed::<Ingress>(&source, &LaneScope::Cluster).await;
    let revision = first.values().map(|text| text.parse::<u64>().unwrap()).max().unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    drop(listed::<Pod>(&source, &LaneScope::Cluster).await);
    let resuming = WatchRequest::resuming(LaneScope::Cluster, Revision::new(&revision.to_string()));
    let refused = ResourceSource::<Pod>::watch(&source, resuming).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::Expired));
}

#[tokio::test(start_paused = true)]
async fn whole_objects_are_those_that_records_are_of_and_nobody_gets_a_secret() {
    let source = small().build().unwrap();
    let cluster = Cluster::info(&source).id;
    let pods = records::<Pod>(&source).await;
    let pod = pods.first().unwrap();
    let key = ObjectKey::new(cluster.clone(), pod.namespace(), pod.name());
    let whole = ResourceSource::<Pod>::get(&source, &key).await.unwrap();
    let again = Pod::decode_json(&mut serde_json::Deserializer::from_slice(&whole)).unwrap();
    assert_eq!(again, *pod);
    let secrets = records::<TlsSecret>(&source).await;
    let secret = secrets.first().unwrap();
    let key = ObjectKey::new(cluster, secret.namespace(), secret.name());
    let refused = ResourceSource::<TlsSecret>::get(&source, &key).await;
    assert_eq!(refused.err().map(|error| error.kind()), Some(ErrorKind::Configuration));
}
