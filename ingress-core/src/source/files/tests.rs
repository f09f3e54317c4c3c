use std::fs;
use std::path::Path;

use super::*;
use crate::kind::{Constraint, Ingress, Kind, NamespaceRecord, Pod, Service};
use crate::source::WatchEvent;
use crate::{Hub, LaneScope, Namespace};

fn ingress(name: &str, class: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}}}\nspec: {{ingressClassName: {class}}}\n---\n"
    )
}

fn write(folder: &Path, file: &str, text: &str) {
    fs::write(folder.join(file), text).unwrap();
}

/// What a batch tells, in short.
fn told(batch: Option<Result<Vec<WatchEvent<Ingress>>, SourceError>>) -> Vec<String> {
    let events = match batch.unwrap() {
        Ok(events) => events,
        Err(error) => return vec![format!("{:?}", error.kind())],
    };
    let tell = |event: &WatchEvent<Ingress>| match event {
        WatchEvent::Listed(object) => format!("listed {} {:?}", object.name(), object.class()),
        WatchEvent::Synced(_) => "synced".to_owned(),
        WatchEvent::Applied(object) => format!("applied {} {:?}", object.name(), object.class()),
        WatchEvent::Deleted(gone) => format!("deleted {}", gone.name),
        WatchEvent::Bookmark(_) => "bookmark".to_owned(),
    };
    events.iter().map(tell).collect()
}

async fn watch(source: &FilesSource) -> WatchStream<Ingress> {
    source.watch(WatchRequest::new(LaneScope::Cluster)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_stands_for_a_whole_group_is_told_with_its_kind() {
    let constraint = |kind: &str| {
        format!(
            "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: {kind}\nmetadata: {{name: team}}\n---\n"
        )
    };
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", &(constraint("Labels") + &constraint("Repos")));
    let source = FilesSource::new([folder.path()]);
    let mut stream: WatchStream<Constraint> =
        source.watch(WatchRequest::new(LaneScope::Cluster)).await.unwrap();
    let listed = stream.next().await.unwrap().unwrap();
    let names = listed.iter().filter_map(|event| match event {
        WatchEvent::Listed(object) => Some(object.name()),
        _ => None,
    });
    assert_eq!(names.collect::<Vec<_>>(), ["Labels/team", "Repos/team"]);
    let key = ObjectKey::new(source.info().id, None, "Repos/team");
    let whole = ResourceSource::<Constraint>::get(&source, &key).await.unwrap();
    assert!(std::str::from_utf8(&whole).unwrap().contains(r#""kind":"Repos""#), "{whole:?}");
    assert_eq!(stream.next().await.unwrap().unwrap().len(), 1, "a bookmark");
    write(folder.path(), "a.yaml", &constraint("Labels"));
    let told = stream.next().await.unwrap().unwrap();
    assert!(matches!(&told[0], WatchEvent::Deleted(gone) if &*gone.name == "Repos/team"), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_listed_and_edits_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "a.yaml", &(ingress("a", "x") + &ingress("b", "x")));
    write(root, "c.yaml", &ingress("c", "x"));
    let source = FilesSource::new([root]);
    let mut stream = watch(&source).await;
    let listed = ["listed a Some(\"x\")", "listed b Some(\"x\")", "listed c Some(\"x\")", "synced"];
    assert_eq!(told(stream.next().await), listed);
    assert_eq!(told(stream.next().await), ["bookmark"], "it is there, and has no news");
    write(root, "a.yaml", &(ingress("b", "longer") + &ingress("a", "x")));
    assert_eq!(told(stream.next().await), ["applied b Some(\"longer\")", "bookmark"], "a only moved");
    fs::remove_file(root.join("c.yaml")).unwrap();
    write(root, "d.yaml", &ingress("d", "x"));
    assert_eq!(told(stream.next().await), ["deleted c", "applied d Some(\"x\")", "bookmark"]);
    // Everything may be gone: what is left is an empty folder.
    fs::remove_file(root.join("a.yaml")).unwrap();
    fs::remove_file(root.join("d.yaml")).unwrap();
    assert_eq!(told(stream.next().await), ["deleted a", "deleted b", "deleted d", "bookmark"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_resumes_from_what_is_so_still_and_from_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", &ingress("a", "x"));
    let source = FilesSource::new([folder.path()]);
    let mut stream = watch(&source).await;
    let Some(WatchEvent::Synced(revision)) = stream.next().await.unwrap().unwrap().pop() else { panic!() };
    let resume = || WatchRequest::resuming(LaneScope::Cluster, revision.clone());
    let mut resumed: WatchStream<Ingress> = source.watch(resume()).await.unwrap();
    write(folder.path(), "a.yaml", &ingress("a", "other"));
    assert_eq!(told(resumed.next().await), ["applied a Some(\"other\")", "bookmark"]);
    let late: Result<WatchStream<Ingress>, _> = source.watch(resume()).await;
    assert_eq!(late.err().unwrap().kind(), ErrorKind::Expired);
    let other: Result<WatchStream<Ingress>, _> = FilesSource::new([folder.path()]).watch(resume()).await;
    assert_eq!(other.err().unwrap().kind(), ErrorKind::Expired, "it is of another process");
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_keeps_what_was_known_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    write(root, "a.yaml", &(ingress("a", "x") + &ingress("b", "x")));
    write(root, "c.yaml", &ingress("c", "x"));
    let source = FilesSource::new([root]);
    let mut stream = watch(&source).await;
    assert_eq!(told(stream.next().await).len(), 4);
    assert_eq!(source.problems().await, []);
    write(root, "a.yaml", &(ingress("a", "edited") + "a: [\n"));
    write(root, "c.yaml", &ingress("c", "edited"));
    let edited = ["applied a Some(\"edited\")", "applied c Some(\"edited\")", "bookmark"];
    assert_eq!(told(stream.next().await), edited, "b stays");
    let said = source.problems().await;
    assert!(said.len() == 1 && said[0].to_string().contains("a.yaml:"), "{said:?}");
    // A field that can't be used keeps its object as it was, too.
    write(root, "c.yaml", &ingress("c", "[not, a, class]"));
    write(root, "a.yaml", &ingress("a", "again"));
    assert_eq!(told(stream.next().await), ["deleted b", "applied a Some(\"again\")", "bookmark"]);
    let said = source.problems().await;
    assert!(said.len() == 1 && said[0].to_string().contains("spec.ingressClassName"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn a_path_that_is_not_there_is_an_outage_and_no_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("manifests");
    let source = FilesSource::new([&root]);
    let refused: Result<WatchStream<Ingress>, _> = source.watch(WatchRequest::new(LaneScope::Cluster)).await;
    assert_eq!(refused.err().unwrap().kind(), ErrorKind::Unreachable);
    fs::create_dir(&root).unwrap();
    write(&root, "a.yaml", &ingress("a", "x"));
    tokio::time::sleep(INTERVAL).await;
    let mut stream = watch(&source).await;
    assert_eq!(told(stream.next().await), ["listed a Some(\"x\")", "synced"]);
    fs::rename(&root, folder.path().join("away")).unwrap();
    assert_eq!(told(stream.next().await), ["Unreachable"]);
    assert!(stream.next().await.is_none());
    assert_eq!(source.probe().await.unwrap_err().kind(), ErrorKind::Unreachable);
    fs::rename(folder.path().join("away"), &root).unwrap();
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(told(watch(&source).await.next().await), ["listed a Some(\"x\")", "synced"]);
}

#[tokio::test(start_paused = true)]
async fn kinds_of_which_files_can_say_nothing_are_not_empty_but_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let source = FilesSource::new([folder.path()]);
    let request = || WatchRequest::new(LaneScope::Cluster);
    let pods: Result<WatchStream<Pod>, _> = source.watch(request()).await;
    assert_eq!(pods.err().unwrap().kind(), ErrorKind::Configuration);
    let namespaces: Result<WatchStream<NamespaceRecord>, _> = source.watch(request()).await;
    assert_eq!(namespaces.err().unwrap().kind(), ErrorKind::Configuration);
    let services: Result<WatchStream<Service>, _> = source.watch(request()).await;
    assert!(services.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_scope_and_a_name_find_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n---\n";
    write(
        folder.path(),
        "a.yaml",
        &(secret.to_owned() + &ingress("a", "x") + &ingress("b, namespace: shop", "x")),
    );
    let source = FilesSource::new([folder.path()]);
    let scope = LaneScope::Namespace(Namespace::new("shop").unwrap());
    let mut stream: WatchStream<Ingress> = source.watch(WatchRequest::new(scope)).await.unwrap();
    assert_eq!(told(stream.next().await), ["listed b Some(\"x\")", "synced"]);
    let key = |name: &str| ObjectKey::new(source.info().id, Some("default"), name);
    let found = ResourceSource::<Ingress>::get(&source, &key("a")).await.unwrap();
    assert!(String::from_utf8_lossy(&found).contains("ingressClassName"));
    let missing = ResourceSource::<Ingress>::get(&source, &key("b")).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn a_hub_watches_files_as_it_does_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.yaml", &ingress("a", "x"));
    let source = FilesSource::new([folder.path()]);
    let hub = Hub::builder(source.clone())
        .watch::<Service>(source.clone())
        .unwrap()
        .watch::<Pod>(source)
        .unwrap()
        .start();
    hub.synced().await;
    let (snapshot, mut deltas) = hub.ingresses().subscribe();
    assert_eq!(snapshot.len(), 1);
    write(folder.path(), "b.yaml", &ingress("b", "x"));
    let added = async {
        loop {
            if let Some(crate::Update::Changes(batch)) = deltas.next().await
                && batch
                    .changes
                    .iter()
                    .any(|change| matches!(change, crate::Change::Added(key, _) if key.name() == "b"))
            {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), added).await.unwrap();
    hub.shutdown().await;
}
