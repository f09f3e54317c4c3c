//! A cluster whose objects come and go as a test says, and of which people may read what it says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::Request;
use http_body_util::BodyExt as _;
use ingress_core::access::{Attributes, Token, UserInfo};
use ingress_core::source::{ClusterInfo, Origin, Tombstone, WatchStream};
use ingress_core::{
    Cluster, ClusterId, Hub, Kind, ObjectKey, ResourceSource, Revision, SourceError, WatchEvent, WatchRequest,
};
use ingress_http::auth::HostAuthentication;
use ingress_http::{Authorization, Dashboard};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tower::ServiceExt as _;

/// How long what somebody may read is believed.
pub(crate) const MAX_AGE: Duration = Duration::from_secs(60);

/// What somebody may list: a kind's plural, and a namespace; without one, all of them.
pub(crate) type Grants = BTreeSet<(&'static str, Option<&'static str>)>;

/// An object's kind, namespace and name.
type Id = (String, String, String);

#[derive(Clone)]
pub(crate) struct Live {
    objects: Arc<Mutex<BTreeMap<Id, Value>>>,
    changes: broadcast::Sender<(Value, bool)>,
    grants: Arc<Mutex<Option<Grants>>>,
    pub(crate) reviews: Arc<Mutex<usize>>,
}

fn id(object: &Value) -> Id {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&object["kind"]), text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
}

fn decode<K: Kind>(object: &Value) -> K {
    K::decode_json(&mut serde_json::Deserializer::from_str(&object.to_string())).unwrap()
}

impl Live {
    /// One where `part` may list this much. `all` may list everything.
    pub(crate) fn new(grants: &Grants) -> Self {
        let (changes, _) = broadcast::channel(1000);
        let grants = Arc::new(Mutex::new(Some(grants.clone())));
        Self { objects: Arc::default(), changes, grants, reviews: Arc::default() }
    }

    /// Whether both are the same cluster.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.objects, &other.objects)
    }

    pub(crate) fn put(&self, object: &Value) {
        self.objects.lock().unwrap().insert(id(object), object.clone());
        drop(self.changes.send((object.clone(), true)));
    }

    pub(crate) fn delete(&self, object: &Value) {
        if self.objects.lock().unwrap().remove(&id(object)).is_some() {
            drop(self.changes.send((object.clone(), false)));
        }
    }

    /// Lets `part` list this much from now on; `None` means that nobody can tell.
    pub(crate) fn grant(&self, grants: Option<Grants>) {
        *self.grants.lock().unwrap() = grants;
    }
}

#[async_trait::async_trait]
impl Cluster for Live {
    fn info(&self) -> ClusterInfo {
        ClusterInfo::new(ClusterId::new("prod").unwrap(), Origin::Argument)
    }
    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }
    async fn review_token(&self, _: &Token, _: &[String]) -> Result<Option<UserInfo>, SourceError> {
        Ok(None)
    }
    async fn review_access(&self, user: &UserInfo, attributes: &Attributes) -> Result<bool, SourceError> {
        *self.reviews.lock().unwrap() += 1;
        let Some(grants) = &*self.grants.lock().unwrap() else {
            return Err(SourceError::from_status(403, "nobody may ask", None));
        };
        Ok(match attributes {
            _ if user.username == "all" => true,
            Attributes::Resource { resource, namespace, .. } => {
                grants.contains(&(&**resource, namespace.as_ref().map(|name| name.as_str())))
                    || grants.contains(&(&**resource, None))
            }
            _ => false,
        })
    }
}

#[async_trait::async_trait]
impl<K: Kind> ResourceSource<K> for Live {
    async fn watch(&self, _: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        let kind = K::resource().kind;
        let changes = self.changes.subscribe();
        let objects = self.objects.lock().unwrap();
        let listed = objects.values().filter(|object| object["kind"] == *kind);
        let first: Vec<_> = listed
            .map(|object| WatchEvent::Listed(decode(object)))
            .chain([WatchEvent::Synced(Revision::new("1"))])
            .collect();
        let later = stream::unfold(changes, move |mut changes| async move {
            loop {
                let (object, there) = changes.recv().await.ok()?;
                if object["kind"] != *K::resource().kind {
                    continue;
                }
                let (_, namespace, name) = id(&object);
                let namespace = Some(&*namespace).filter(|namespace| !namespace.is_empty());
                let event = if there {
                    WatchEvent::Applied(decode(&object))
                } else {
                    WatchEvent::Deleted(Tombstone::new(namespace, &name, Revision::new("9")))
                };
                return Some((Ok(vec![event]), changes));
            }
        });
        Ok(stream::iter([Ok(first)]).chain(later).boxed())
    }
    async fn get(&self, _: &ObjectKey) -> Result<Bytes, SourceError> {
        Err(SourceError::from_status(404, "not found", None))
    }
}

pub(crate) struct Stage {
    pub(crate) live: Live,
    pub(crate) router: Router,
    _hub: Hub,
}

impl Stage {
    /// In paused time.
    pub(crate) async fn set(live: Live) -> Self {
        let day = Duration::from_secs(24 * 3600);
        let hub = Hub::builder(live.clone()).silence(day).unwrap().doubt(2 * day).unwrap();
        let hub = hub.routes(live.clone()).unwrap().start();
        hub.synced().await;
        let router = Dashboard::builder(hub.clone())
            .authentication(HostAuthentication::new())
            .authorization(Authorization::kubernetes().max_age(MAX_AGE).unwrap())
            .rate_limit(None)
            .stream_rate_limit(None)
            .build()
            .into_router();
        let stage = Self { live, router, _hub: hub };
        stage.settle().await;
        stage
    }

    /// Until everything is judged, and every stream has looked.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(2500)).await;
    }

    /// Status, headers and body.
    pub(crate) async fn ask(&self, person: &str, path: &str) -> (u16, http::HeaderMap, Value) {
        let (parts, body) = request(&self.router, person, path, None).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&body).unwrap())
    }

    pub(crate) async fn get(&self, person: &str, path: &str) -> Value {
        let (status, _, body) = self.ask(person, path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

pub(crate) async fn request(
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

/// A stream of routes, and what it made its client believe: by id, the verdict.
pub(crate) struct Stream {
    body: Body,
    buffer: String,
    pub(crate) routes: BTreeMap<String, String>,
    pub(crate) last_id: Option<String>,
}

impl Stream {
    pub(crate) async fn open(stage: &Stage, person: &str, query: &str, after: Option<&str>) -> Self {
        let header = after.map(|id| ("last-event-id", id));
        let response = request(&stage.router, person, &format!("/api/routes/stream{query}"), header).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), buffer: String::new(), routes: BTreeMap::new(), last_id: None }
    }

    /// Reads what there is: the events with their data.
    pub(crate) async fn read(&mut self) -> Vec<(String, Value)> {
        while let Ok(frame) = tokio::time::timeout(Duration::from_millis(1), self.body.frame()).await {
            let Some(frame) = frame else { break };
            self.buffer.push_str(std::str::from_utf8(&frame.unwrap().into_data().unwrap()).unwrap());
        }
        let mut events = Vec::new();
        while let Some(at) = self.buffer.find("\n\n") {
            let block: String = self.buffer.drain(..at + 2).collect();
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            if let Some(id) = field("id") {
                self.last_id = Some(id.to_owned());
            }
            let Some(event) = field("event") else {
                // A comment.
                events.extend(block.starts_with(": resumed").then(|| ("resumed".to_owned(), json!({}))));
                continue;
            };
            let data: Value = serde_json::from_str(field("data").unwrap()).unwrap();
            self.apply(event, &data);
            events.push((event.to_owned(), data));
        }
        events
    }

    fn apply(&mut self, event: &str, data: &Value) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut set = |route: &Value| self.routes.insert(text(&route["id"]), text(&route["verdict"]));
        match event {
            "reset" => self.routes.clear(),
            "snapshot" => data["items"].as_array().unwrap().iter().for_each(|route| drop(set(route))),
            "added" => assert_eq!(set(data), None, "{data}"),
            "modified" => drop(set(data).unwrap()),
            "verdict" => assert_eq!(set(data), Some(text(&data["was"])), "{data}"),
            "removed" => drop(self.routes.remove(&text(&data["id"])).unwrap()),
            "stale" | "end" => {}
            other => panic!("{other}: {data}"),
        }
    }
}

pub(crate) fn class() -> Value {
    json!({"kind": "IngressClass", "metadata": {"name": "nginx"}, "spec": {"controller": "example.com/ingress"}})
}

pub(crate) fn ingress(namespace: &str, name: &str, host: &str, secret: &str, version: usize) -> Value {
    json!({"kind": "Ingress",
        "metadata": {"namespace": namespace, "name": name, "uid": format!("{namespace}-{name}"),
            "resourceVersion": version.to_string(), "creationTimestamp": "2026-03-01T10:00:00Z"},
        "spec": {"ingressClassName": "nginx", "tls": [{"hosts": [host], "secretName": secret}],
            "rules": [{"host": host, "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}})
}

pub(crate) fn service(namespace: &str) -> Value {
    json!({"kind": "Service", "metadata": {"namespace": namespace, "name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}})
}

pub(crate) fn slice(namespace: &str, pods: usize) -> Value {
    let endpoint = |at| {
        json!({"addresses": [format!("10.0.0.{at}")], "conditions": {"ready": true},
            "targetRef": {"kind": "Pod", "namespace": namespace, "name": format!("web-{at}")}})
    };
    json!({"kind": "EndpointSlice",
        "metadata": {"namespace": namespace, "name": "web-a", "labels": {"kubernetes.io/service-name": "web"}},
        "ports": [{"port": 8080}], "endpoints": (0..pods).map(endpoint).collect::<Vec<_>>()})
}

pub(crate) fn pod(namespace: &str, at: usize, ready: bool) -> Value {
    json!({"kind": "Pod", "metadata": {"namespace": namespace, "name": format!("web-{at}"), "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "main", "ports": [{"containerPort": 8080}]}]},
        "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}})
}

/// One that can't be read; what it says is the same whenever it is made.
pub(crate) fn secret(namespace: &str, name: &str) -> Value {
    json!({"kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"namespace": namespace, "name": name},
        "stringData": {"tls.crt": "nonsense"}})
}
