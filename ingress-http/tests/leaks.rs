//! Nobody is told of what they may not see: random people, permissions and changes, against a naive filter.
//!
//! Every namespace has a name that occurs nowhere else, so that an answer that tells of it in any way, in whatever field or header, shows.
//! What can't be seen in one answer is looked for by comparing: as long as nothing changes that somebody may see, every answer to them
//! stays the same to the byte (but for the time of day), tags and revisions included, and their stream is silent; and an object in a
//! namespace that they may not see answers as one in a namespace that does not exist. What a replica told, another one takes back, and that
//! gives no more than at the first.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use ingress_core::access::{Attributes, UserInfo};
use ingress_core::source::scripted::{self, ClusterHandle, Feed};
use ingress_core::source::{ClusterInfo, Origin};
use ingress_core::{ClusterId, Hub, Ingress, Kind, NamespaceRecord};
use ingress_http::auth::HostAuthentication;
use ingress_http::{Authorization, Dashboard, SharedKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// As many namespaces as there are, each with a name that occurs nowhere else.
const NAMESPACES: usize = 5;
/// One that does not exist, with a name as long as the others'.
const NONE: &str = "zqx";
const PEOPLE: usize = 4;
const LISTS_NAMESPACES: &str = "person-0";
const MAX_AGE: Duration = Duration::from_secs(1);

fn namespace(number: usize) -> String {
    format!("zq{number}")
}

fn decode<K: Kind>(object: &Value) -> K {
    K::decode_json(&mut serde_json::Deserializer::from_str(&object.to_string())).unwrap()
}

fn ingress(namespace: &str, name: &str, version: u64) -> Ingress {
    decode(&json!({
        "metadata": {"namespace": namespace, "name": name, "uid": format!("uid-{namespace}-{name}"),
            "resourceVersion": version.to_string()},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": format!("{name}.{namespace}.example.com")}]}
    }))
}

/// Which namespaces each person may see; `None` stands for all.
type Grants = BTreeMap<String, Option<BTreeSet<String>>>;

/// What there is: by namespace and name, the version.
type Objects = BTreeMap<(String, String), u64>;

#[derive(Debug, Clone)]
enum Step {
    Put { namespace: usize, name: usize },
    Delete { namespace: usize, name: usize },
    Grant { person: usize, namespace: usize },
    Revoke { person: usize, namespace: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step =
        (0..6, 0..PEOPLE, 0..NAMESPACES, 0..3_usize).prop_map(|(what, person, namespace, name)| match what {
            0..=2 => Step::Put { namespace, name },
            3 => Step::Delete { namespace, name },
            4 => Step::Grant { person, namespace },
            _ => Step::Revoke { person, namespace },
        });
    proptest::collection::vec(step, 1..25)
}

/// What one person was told, to be compared with what they are told next.
#[derive(Default)]
struct Told {
    seen: Option<Seen>,
    answers: BTreeMap<String, String>,
    tag: String,
}

/// What one person may see.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    namespaces: Option<BTreeSet<String>>,
    objects: Objects,
}

struct Stage {
    hub: Hub,
    router: Router,
    /// Of another replica: with the same key and, so that both know the same at all times, over the same stores.
    other: Router,
    grants: Arc<Mutex<Grants>>,
    objects: Objects,
    version: u64,
    feed: Feed<Ingress>,
    _namespaces: Feed<NamespaceRecord>,
    _cluster: ClusterHandle,
}

impl Stage {
    async fn set(granted: &[Vec<bool>]) -> Self {
        let info = ClusterInfo::new(ClusterId::new("prod").unwrap(), Origin::Argument);
        let (source, mut cluster) = scripted::cluster(info);
        let day = Duration::from_secs(24 * 3600);
        let hub = Hub::builder(source).silence(day).unwrap().doubt(2 * day).unwrap().start();
        let feed = cluster.ingresses.next_watch().await.unwrap().accept();
        let namespaces = cluster.namespaces.next_watch().await.unwrap().accept();
        let records = (0..NAMESPACES).map(|number| {
            decode(&json!({"metadata": {"name": namespace(number), "uid": namespace(number)},
                "status": {"phase": "Active"}}))
        });
        namespaces.listed(records, "1").await;
        feed.listed([], "1").await;
        hub.synced().await;
        hub.namespaces().wait_for(|state| state.len() == NAMESPACES).await.unwrap();

        let mut grants = Grants::from([("all".to_owned(), None)]);
        for (person, granted) in granted.iter().enumerate() {
            let names = (0..NAMESPACES).filter(|number| granted[*number]).map(namespace);
            grants.insert(format!("person-{person}"), Some(names.collect()));
        }
        let grants = Arc::new(Mutex::new(grants));
        let judge = grants.clone();
        cluster.set_access(move |user, attributes| {
            let grants = judge.lock().unwrap();
            Ok(match (&grants[&user.username], attributes) {
                (None, _) => true,
                // Who may list all namespaces may still see the ingresses of some only.
                (Some(_), Attributes::Resource { resource, namespace: None, .. }) => {
                    resource == "namespaces" && user.username == LISTS_NAMESPACES
                }
                (Some(names), Attributes::Resource { resource, namespace: Some(namespace), .. }) => {
                    resource == "ingresses" && names.contains(namespace.as_str())
                }
                (Some(_), _) => false,
            })
        });
        let replica = || {
            Dashboard::builder(hub.clone())
                .authentication(HostAuthentication::new())
                // What is asked here comes faster than anybody may ask.
                .rate_limit(None)
                .stream_rate_limit(None)
                .authorization(Authorization::kubernetes().max_age(MAX_AGE).unwrap())
                .shared_key(SharedKey::derive(&[7; 32]).unwrap())
                .build()
                .into_router()
        };
        let (router, other) = (replica(), replica());
        let objects = Objects::new();
        let (version, _namespaces, _cluster) = (1, namespaces, cluster);
        Self { hub, router, other, grants, objects, version, feed, _namespaces, _cluster }
    }

    fn people(&self) -> Vec<String> {
        self.grants.lock().unwrap().keys().cloned().collect()
    }

    async fn play(&mut self, step: &Step) {
        match step {
            Step::Put { namespace: number, name } => {
                let key = (namespace(*number), format!("obj-{name}"));
                self.version += 1;
                self.feed.applied(ingress(&key.0, &key.1, self.version)).await;
                self.objects.insert(key, self.version);
            }
            Step::Delete { namespace: number, name } => {
                let key = (namespace(*number), format!("obj-{name}"));
                self.version += 1;
                self.feed.deleted(Some(&key.0), &key.1, &self.version.to_string()).await;
                self.objects.remove(&key);
            }
            Step::Grant { person, namespace: number } => {
                let mut grants = self.grants.lock().unwrap();
                let names = grants.get_mut(&format!("person-{person}")).unwrap().as_mut().unwrap();
                names.insert(namespace(*number));
            }
            Step::Revoke { person, namespace: number } => {
                let mut grants = self.grants.lock().unwrap();
                let names = grants.get_mut(&format!("person-{person}")).unwrap().as_mut().unwrap();
                names.remove(&namespace(*number));
            }
        }
        let objects = self.objects.clone();
        let is_as_it_should = |state: &ingress_core::Snapshot<Ingress>| {
            let there = state.iter().map(|(key, ingress)| {
                let key = (key.namespace().unwrap_or_default().to_owned(), key.name().to_owned());
                (key, ingress.resource_version().parse().unwrap())
            });
            there.eq(objects.iter().map(|(key, version)| (key.clone(), *version)))
        };
        self.hub.ingresses().wait_for(is_as_it_should).await.unwrap();
        tokio::time::sleep(MAX_AGE + Duration::from_millis(100)).await;
    }

    /// The naive filter.
    fn seen_by(&self, person: &str) -> Seen {
        let namespaces = self.grants.lock().unwrap()[person].clone();
        let is_seen = |name: &String| namespaces.as_ref().is_none_or(|names| names.contains(name));
        let objects = self
            .objects
            .iter()
            .filter(|((namespace, _), _)| is_seen(namespace))
            .map(|(key, version)| (key.clone(), *version));
        Seen { objects: objects.collect(), namespaces }
    }

    async fn request(&self, person: &str, path: &str, tag: Option<&str>) -> http::Response<Body> {
        let header = tag.map(|tag| ("if-none-match", tag));
        request(&self.router, person, path, header).await
    }

    /// Status, and all that was said, headers included, without the time of day.
    async fn ask(&self, person: &str, path: &str) -> (StatusCode, String) {
        let (parts, body) = self.request(person, path, None).await.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let mut headers = parts.headers;
        headers.remove("x-request-id");
        // That of the body, in which the time of day has more or fewer digits.
        headers.remove("content-length");
        headers.remove("ratelimit");
        (parts.status, format!("{headers:?}\n{}", without_times(&body)))
    }
}

async fn request(
    router: &Router,
    person: &str,
    path: &str,
    header: Option<(&str, &str)>,
) -> http::Response<Body> {
    let mut request = Request::get(path);
    if let Some((name, value)) = header {
        request = request.header(name, value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(UserInfo::new(person, ["people"]));
    router.clone().oneshot(request).await.unwrap()
}

/// The same text without `timestamp`, which is always another one, and what only the process's own doings change.
fn without_times(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    if let Some(object) = value.as_object_mut() {
        object.remove("timestamp");
        // The last probe's answer: how long it took tells of the cluster, not of what is in it.
        object.remove("checks");
        // Of a problem document, which request it was.
        object.remove("requestId");
    }
    value.to_string()
}

fn is_sealed(revision: &str) -> bool {
    revision.len() == 32 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What somebody may not see is not named, whatever the answer.
fn assert_tells_nothing_hidden(seen: &Seen, path: &str, text: &str) {
    for number in 0..NAMESPACES {
        let name = namespace(number);
        let may_see = seen.namespaces.as_ref().is_none_or(|names| names.contains(&name));
        assert!(may_see || path.contains(&name) || !text.contains(&name), "{path} tells of {name}: {text}");
    }
}

/// The stream of one person, and what it made them believe.
struct Stream {
    body: Body,
    buffer: String,
    objects: Objects,
    /// Whether it went on from a state that is not known here.
    resumed: bool,
    ended: bool,
}

impl Stream {
    async fn open(router: &Router, person: &str, after: Option<&str>) -> Self {
        let header = after.map(|id| ("last-event-id", id));
        let response = request(router, person, "/api/ingresses/stream", header).await;
        assert_eq!(response.status(), StatusCode::OK);
        let (body, resumed) = (response.into_body(), after.is_some());
        Self { body, buffer: String::new(), objects: Objects::new(), resumed, ended: false }
    }

    /// Reads what there is; returns all of it.
    async fn read(&mut self) -> String {
        let mut all = String::new();
        while let Ok(frame) = tokio::time::timeout(Duration::from_millis(1), self.body.frame()).await {
            let Some(frame) = frame else {
                self.ended = true;
                break;
            };
            let data = frame.unwrap().into_data().unwrap();
            all.push_str(std::str::from_utf8(&data).unwrap());
        }
        self.buffer.push_str(&all);
        while let Some(at) = self.buffer.find("\n\n") {
            let block: String = self.buffer.drain(..at + 2).collect();
            self.apply(&block);
        }
        all
    }

    fn apply(&mut self, block: &str) {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let data: Value = field("data").map(|data| serde_json::from_str(data).unwrap()).unwrap_or_default();
        let key = |item: &Value| {
            (item["namespace"].as_str().unwrap().to_owned(), item["name"].as_str().unwrap().to_owned())
        };
        let version = |item: &Value| item["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
        match field("event") {
            Some("reset") => self.objects.clear(),
            Some("snapshot") => {
                for item in data["items"].as_array().unwrap() {
                    self.objects.insert(key(item), version(item));
                }
            }
            Some("added" | "modified") => drop(self.objects.insert(key(&data), version(&data))),
            Some("deleted") => {
                let known = self.objects.remove(&key(&data)).is_some();
                assert!(known || self.resumed, "{block} was never there");
            }
            _ => {}
        }
    }
}

async fn check_answers(stage: &Stage, person: &str, told: &mut Told) {
    let seen = stage.seen_by(person);
    let is_same = told.seen.as_ref() == Some(&seen);
    let mut answers = BTreeMap::new();
    for path in [
        "/api/ingresses",
        "/api/ingresses?sort=-host&limit=2",
        "/api/ingresses?search=obj-1",
        "/api/ingresses?namespaces=zq0,zq1",
        "/api/namespaces",
        "/api/info",
    ] {
        let (status, text) = stage.ask(person, path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        assert_tells_nothing_hidden(&seen, path, &text);
        answers.insert(path.to_owned(), text);
    }
    let body =
        |path: &str| -> Value { serde_json::from_str(answers[path].split_once('\n').unwrap().1).unwrap() };
    let items = |list: &Value| -> Objects {
        list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                let text = |name: &str| item[name].as_str().unwrap().to_owned();
                ((text("namespace"), text("name")), text("resourceVersion").parse().unwrap())
            })
            .collect()
    };
    let list = body("/api/ingresses");
    assert_eq!(items(&list), seen.objects, "{person}");
    assert_eq!(list["total"], seen.objects.len());
    assert_eq!(list["partial"].as_array().unwrap().is_empty(), seen.namespaces.is_none());
    assert_eq!(body("/api/ingresses?sort=-host&limit=2")["total"], seen.objects.len());
    let found = seen.objects.keys().filter(|(_, name)| name == "obj-1").count();
    assert_eq!(body("/api/ingresses?search=obj-1")["total"], found);
    let in_two = seen.objects.keys().filter(|(namespace, _)| ["zq0", "zq1"].contains(&&**namespace)).count();
    assert_eq!(body("/api/ingresses?namespaces=zq0,zq1")["total"], in_two);
    let listed: BTreeMap<String, u64> = body("/api/namespaces")["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["name"].as_str().unwrap().to_owned(), item["ingresses"].as_u64().unwrap()))
        .collect();
    for (name, count) in &listed {
        let expected = seen.objects.keys().filter(|(namespace, _)| namespace == name).count();
        assert_eq!(*count, expected as u64, "{name}");
    }
    if seen.namespaces.is_none() {
        assert_eq!(listed.len(), NAMESPACES);
    }

    if let Some(names) = &seen.namespaces {
        // A position counts all changes, so they are told none.
        let revision = list["revision"].as_str().unwrap();
        assert!(is_sealed(revision), "{revision}");
        if person == LISTS_NAMESPACES {
            assert_eq!(listed.keys().cloned().collect::<BTreeSet<_>>(), *names, "with or without ingresses");
        }
    }

    // Nothing that they may see changed, so nothing at all did.
    if is_same && seen.namespaces.is_some() {
        for (path, text) in &answers {
            assert_eq!(Some(text), told.answers.get(path), "{person} {path}");
        }
    }
    let again = stage.request(person, "/api/ingresses", Some(&told.tag)).await;
    assert_eq!(again.status() == StatusCode::NOT_MODIFIED, is_same || seen_all_same(told, &seen), "{person}");
    let tag = again.headers()["etag"].to_str().unwrap().to_owned();
    *told = Told { seen: Some(seen), answers, tag };
}

/// Somebody who may see everything sees every change, and no other.
fn seen_all_same(told: &Told, seen: &Seen) -> bool {
    told.seen.as_ref().is_some_and(|before| before == seen)
}

/// One object each: there, not there, or not to be known.
async fn check_objects(stage: &Stage, person: &str) {
    let seen = stage.seen_by(person);
    for number in 0..NAMESPACES {
        let name = namespace(number);
        for path in ["/api/ingresses/NS/obj-1", "/api/ingresses?namespace=NS"] {
            let (status, text) = stage.ask(person, &path.replace("NS", &name)).await;
            let may_see = seen.namespaces.as_ref().is_none_or(|names| names.contains(&name));
            if !may_see {
                let (none, nothing) = stage.ask(person, &path.replace("NS", NONE)).await;
                // The tag is of the question, too.
                let untagged = |text: &str| text.split_once("\n").unwrap().1.to_owned();
                assert_eq!(
                    (status, untagged(&text).replace(&name, NONE)),
                    (none, untagged(&nothing)),
                    "{path}"
                );
            } else if path.ends_with("obj-1") {
                let is_there = seen.objects.contains_key(&(name.clone(), "obj-1".to_owned()));
                assert_eq!(status == StatusCode::OK, is_there, "{text}");
            }
        }
    }
    let (metrics, _) = stage.ask(person, "/metrics").await;
    assert_eq!(metrics == StatusCode::OK, seen.namespaces.is_none(), "metrics count everything");
}

/// Somebody who comes back, again and again, to where they once were: each time at another replica, and at both.
#[derive(Default)]
struct Roaming {
    seen: Option<Seen>,
    /// The first position that they were told since they may see what they may see.
    begun: String,
    /// Where they would go on, at each replica.
    ends: Vec<Option<String>>,
}

impl Roaming {
    async fn check(&mut self, stage: &Stage, person: &str) {
        let seen = stage.seen_by(person);
        let known = self.seen.replace(seen.clone());
        let lasts = known.as_ref().is_some_and(|known| known.namespaces == seen.namespaces);
        if !lasts {
            self.begun = revision(&stage.router, person).await;
        }
        let mut ends = Vec::new();
        for router in [&stage.router, &stage.other] {
            let said = Stream::open(router, person, Some(&self.begun)).await.read().await;
            assert!(!said.contains("event: reset"), "{person}: {said}");
            ends.push(
                said.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().map(str::to_owned),
            );
        }
        if seen.namespaces.is_some() {
            // What is the same tells that nothing happened; so nothing that a replica found out when it was asked is ever the same.
            assert_ne!(revision(&stage.router, person).await, revision(&stage.other, person).await);
            assert_eq!(ends[0], ends[1], "{person}: of the same changes");
            if known == Some(seen) && lasts && !self.ends.is_empty() {
                assert_eq!(ends, self.ends, "{person}: as if nothing had happened");
            }
        }
        self.ends = ends;
    }
}

async fn revision(router: &Router, person: &str) -> String {
    let body = request(router, person, "/api/ingresses", None).await.into_body();
    let list: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    list["revision"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_position_of_another_replica_is_good_for_those_who_may_see_the_same() {
    let granted =
        [vec![true, true, false, false, false], vec![true, true, false, false, false], vec![true; 5]];
    let mut stage = Stage::set(&granted).await;
    stage.play(&Step::Put { namespace: 0, name: 0 }).await;
    let told = revision(&stage.router, "person-0").await;
    stage.play(&Step::Put { namespace: 1, name: 1 }).await;
    stage.play(&Step::Put { namespace: 4, name: 1 }).await;
    for router in [&stage.router, &stage.other] {
        for (person, goes_on) in [("person-0", true), ("person-1", true), ("person-2", false), ("all", false)]
        {
            let said = Stream::open(router, person, Some(&told)).await.read().await;
            assert_eq!(!said.contains("event: reset"), goes_on, "{person}: {said}");
            assert_eq!(said.matches("event: added").count(), usize::from(goes_on), "{person}: {said}");
        }
    }
    // Whoever shares no key opens nothing.
    let stranger = Dashboard::builder(stage.hub.clone())
        .authentication(HostAuthentication::new())
        .authorization(Authorization::kubernetes())
        .build()
        .into_router();
    let said = Stream::open(&stranger, "person-0", Some(&told)).await.read().await;
    assert!(said.contains("event: reset"), "{said}");
}

async fn run(granted: Vec<Vec<bool>>, steps: Vec<Step>) {
    let mut stage = Stage::set(&granted).await;
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    let mut streams = BTreeMap::new();
    for person in stage.people() {
        let mut stream = Stream::open(&stage.router, &person, None).await;
        stream.read().await;
        streams.insert(person, stream);
    }
    let mut roaming: BTreeMap<String, Roaming> = BTreeMap::new();
    for step in &steps {
        let before: BTreeMap<String, Seen> =
            stage.people().into_iter().map(|person| (person.clone(), stage.seen_by(&person))).collect();
        stage.play(step).await;
        for person in stage.people() {
            check_answers(&stage, &person, told.entry(person.clone()).or_default()).await;
            check_objects(&stage, &person).await;
            roaming.entry(person.clone()).or_default().check(&stage, &person).await;
            let seen = stage.seen_by(&person);
            let stream = streams.get_mut(&person).unwrap();
            let said = stream.read().await;
            assert!(!stream.ended);
            assert_eq!(stream.objects, seen.objects, "{person} after {step:?}: {said}");
            // What they could see before is no secret.
            if before[&person] == seen {
                let silent = said.lines().all(|line| line.is_empty() || line.starts_with(':'));
                assert!(silent || seen.namespaces.is_none(), "{person} after {step:?}: {said}");
            }
            if seen.namespaces.is_some() {
                let ids = said.lines().filter_map(|line| line.strip_prefix("id: "));
                ids.for_each(|id| assert!(is_sealed(id), "{person} is told a position: {id}"));
            }
            if before[&person].namespaces == seen.namespaces {
                assert_tells_nothing_hidden(&seen, "", &said);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn nobody_is_told_of_what_they_may_not_see(
        granted in proptest::collection::vec(proptest::collection::vec(any::<bool>(), NAMESPACES), PEOPLE),
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(granted, steps));
    }
}
