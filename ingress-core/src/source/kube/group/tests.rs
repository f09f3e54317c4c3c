use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use kube::client::Body;

use super::*;
use crate::key::{ClusterId, LaneScope};
use crate::kind::Constraint;
use crate::source::{ClusterInfo, Origin, ResourceSource};

const GROUP: &str = "/apis/constraints.gatekeeper.sh/v1beta1";

/// What the API server answers to each path, one after another, and the last for ever; 404 for others.
type Script = Arc<Mutex<HashMap<String, Vec<String>>>>;

fn source(script: &[(&str, &[&str])]) -> (KubeSource, Arc<Mutex<Vec<String>>>) {
    let owned = |answers: &[&str]| answers.iter().rev().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let script: Script = Arc::new(Mutex::new(
        script.iter().map(|(path, answers)| ((*path).to_owned(), owned(answers))).collect(),
    ));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        log.lock().unwrap().push(request.uri().to_string());
        let mut script = script.lock().unwrap();
        let answers = script.get_mut(request.uri().path());
        let answer = answers.and_then(|it| if it.len() > 1 { it.pop() } else { it.last().cloned() });
        let status = if answer.is_some() { 200 } else { 404 };
        let body = answer.unwrap_or_else(|| r#"{"code":404,"reason":"NotFound"}"#.to_owned());
        // A watch goes on until somebody ends it, which an answer says by its last line.
        let (body, ends) = match body.strip_suffix("END") {
            Some(body) => (body.to_owned(), true),
            None => (body, !request.uri().query().is_some_and(|query| query.contains("watch=1"))),
        };
        let frames = stream::iter([Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from(body)))]);
        let frames = if ends { frames.boxed() } else { frames.chain(stream::pending()).boxed() };
        let response =
            Response::builder().status(status).body(http_body_util::StreamBody::new(frames)).unwrap();
        async move { Ok::<_, std::io::Error>(response) }
    });
    let client = kube::Client::new(service, "default");
    let info = ClusterInfo::new(ClusterId::new("c").unwrap(), Origin::Custom);
    (KubeSource::from_client(client, info), asked)
}

fn kinds(kinds: &[&str]) -> String {
    let each = |kind: &&str| {
        let plural = kind.to_ascii_lowercase();
        format!(
            r#"{{"name":"{plural}","kind":"{kind}","namespaced":false,"verbs":["get","list","watch"]}},
               {{"name":"{plural}/status","kind":"{kind}","namespaced":false,"verbs":["get"]}}"#
        )
    };
    format!(
        r#"{{"kind":"APIResourceList","resources":[{}]}}"#,
        kinds.iter().map(each).collect::<Vec<_>>().join(",")
    )
}

fn event(verb: &str, kind: &str, name: &str, revision: u32) -> String {
    format!(
        "{{\"type\":\"{verb}\",\"object\":{{\"kind\":\"{kind}\",\"metadata\":{{\"name\":\"{name}\",\"resourceVersion\":\"{revision}\"}}}}}}\n"
    )
}

fn complete(revision: u32) -> String {
    format!(
        "{{\"type\":\"BOOKMARK\",\"object\":{{\"metadata\":{{\"resourceVersion\":\"{revision}\",\
         \"annotations\":{{\"k8s.io/initial-events-end\":\"true\"}}}}}}}}\n"
    )
}

async fn start(source: &KubeSource) -> Result<WatchStream<Constraint>, SourceError> {
    source.watch(WatchRequest::new(LaneScope::Cluster)).await
}

/// The next events, in words.
async fn told(stream: &mut WatchStream<Constraint>, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        let batch = stream.next().await.expect("it goes on").expect("it is in order");
        told.extend(batch.into_iter().map(|event| match event {
            WatchEvent::Listed(object) => format!("listed {}", object.name()),
            WatchEvent::Synced(_) => "synced".to_owned(),
            WatchEvent::Applied(object) => format!("applied {}", object.name()),
            WatchEvent::Deleted(gone) => format!("deleted {}", gone.name),
            WatchEvent::Bookmark(_) => "bookmark".to_owned(),
        }));
    }
    told
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_the_group_is_told_as_one() {
    let labels = event("ADDED", "Labels", "team", 3) + &complete(5) + &event("DELETED", "Labels", "team", 9);
    let repos = event("ADDED", "Repos", "team", 4) + &complete(5);
    let (source, asked) = source(&[
        (GROUP, &[&kinds(&["Labels", "Repos"])]),
        (&format!("{GROUP}/labels"), &[&labels]),
        (&format!("{GROUP}/repos"), &[&repos]),
    ]);
    let mut stream = start(&source).await.unwrap();
    let mut state = told(&mut stream, 4).await;
    let after = state.split_off(2);
    state.sort();
    assert_eq!(state, ["listed Labels/team", "listed Repos/team"]);
    // What went before all was complete is told after that.
    assert_eq!(after, ["synced", "deleted Labels/team"]);
    // Where nothing happens, the look at the kinds is the sign of life.
    assert_eq!(told(&mut stream, 1).await, ["bookmark"]);
    assert!(asked.lock().unwrap().iter().all(|uri| !uri.contains("/status")));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_is_resumed_from_its_own_revision() {
    let first = complete(5) + &event("ADDED", "Labels", "team", 7) + "END";
    let (source, asked) = source(&[
        (GROUP, &[&kinds(&["Labels"])]),
        (&format!("{GROUP}/labels"), &[&first, &event("MODIFIED", "Labels", "team", 8)]),
    ]);
    let mut stream = start(&source).await.unwrap();
    assert_eq!(told(&mut stream, 3).await, ["synced", "applied Labels/team", "applied Labels/team"]);
    let asked = asked.lock().unwrap();
    assert!(asked.last().unwrap().ends_with("resourceVersion=7"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_comes_ends_the_watch_and_the_next_one_has_it() {
    let (source, _) = source(&[
        (GROUP, &[&kinds(&["Labels"]), &kinds(&["Labels", "Repos"])]),
        (&format!("{GROUP}/labels"), &[&complete(5)]),
        (&format!("{GROUP}/repos"), &[&(event("ADDED", "Repos", "own", 6) + &complete(7))]),
    ]);
    let mut stream = start(&source).await.unwrap();
    assert_eq!(told(&mut stream, 1).await, ["synced"]);
    assert!(stream.next().await.is_none(), "another kind is there");
    let resumed = source.watch(WatchRequest::resuming(LaneScope::Cluster, Revision::new("5"))).await;
    let resumed: Result<WatchStream<Constraint>, _> = resumed;
    assert_eq!(resumed.err().map(|error| error.kind()), Some(ErrorKind::Expired));
    let mut stream = start(&source).await.unwrap();
    assert_eq!(told(&mut stream, 2).await, ["listed Repos/own", "synced"]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_says_nothing_is_dead() {
    let (source, _) =
        source(&[(GROUP, &[&kinds(&["Labels"])]), (&format!("{GROUP}/labels"), &[&complete(5)])]);
    let mut stream = start(&source).await.unwrap();
    let begun = Instant::now();
    let error = loop {
        if let Err(error) = stream.next().await.unwrap() {
            break error;
        }
    };
    assert_eq!((error.kind(), begun.elapsed().as_secs()), (ErrorKind::Timeout, SILENCE.as_secs()));
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_served_is_not_installed() {
    let none = kinds(&[]);
    for script in [&[][..], &[(GROUP, &[none.as_str()][..])][..]] {
        let (source, asked) = source(script);
        assert_eq!(start(&source).await.err().map(|error| error.kind()), Some(ErrorKind::NotFound));
        assert_eq!(asked.lock().unwrap().len(), 1, "one request, however often it is looked for");
    }
}
