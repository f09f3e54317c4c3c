//! The JSON of the API, exactly as `docs/http-api.md` describes it; the only place that knows these names.
//!
//! Everything borrows from the records and goes straight to bytes: no intermediate document, and no vector where an
//! iterator does.

use std::fmt::Display;
use std::sync::Arc;

use ingress_core::clock::Timestamp;
use ingress_core::kind::{Backend, IngressPath, IngressRule, IngressTls, ServicePort};
use ingress_core::resilience::breaker::BreakerState;
use ingress_core::{ClusterId, Ingress, Kind as _, LaneId, LaneStatus, ObjectKey, SourceError};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::view::LaneSight;

/// Tells the state of a cluster's circuit breaker now.
pub(crate) type BreakerOf = Arc<dyn Fn(&ClusterId) -> BreakerState + Send + Sync>;

/// Anything that can be written, as a JSON string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Text<T>(pub(crate) T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// What an iterator yields, as a JSON array.
#[derive(Debug, Clone)]
struct Seq<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Seq<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// Labels or annotations.
#[derive(Debug)]
pub(crate) struct Pairs<'a>(pub(crate) Vec<(&'a str, &'a str)>);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

/// The serde attribute for fields that are there only when true.
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

/// ITEM.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) key: &'a ObjectKey,
    pub(crate) ingress: &'a Ingress,
    /// Whether it says that it is of a simulated cluster: it does when it is the whole answer.
    pub(crate) demo: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemFields<'a, R: Serialize, T: Serialize> {
    id: Text<&'a ObjectKey>,
    cluster: &'a str,
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
    resource_version: &'a str,
    creation_timestamp: Option<&'a str>,
    ingress_class_name: Option<&'a str>,
    hosts: Vec<&'a str>,
    rules: R,
    default_backend: Option<BackendFields<'a>>,
    tls: T,
    addresses: Vec<&'a str>,
    labels: Pairs<'a>,
    annotations: Pairs<'a>,
    #[serde(skip_serializing_if = "is_false")]
    annotations_truncated: bool,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { key, ingress, demo } = *self;
        let (rules, tls) = (ingress.rules(), ingress.tls());
        ItemFields {
            id: Text(key),
            cluster: key.cluster().as_str(),
            namespace: key.namespace().unwrap_or_default(),
            name: key.name(),
            uid: ingress.uid(),
            resource_version: ingress.resource_version(),
            creation_timestamp: ingress.creation_timestamp(),
            ingress_class_name: ingress.class(),
            hosts: ingress.hosts(),
            rules: Seq(rules.iter().map(Rule)),
            default_backend: ingress.default_backend().as_ref().map(BackendFields),
            tls: Seq(tls
                .iter()
                .map(|IngressTls { hosts, secret_name, .. }| TlsFields { hosts, secret_name: *secret_name })),
            addresses: ingress.addresses(),
            labels: Pairs(ingress.labels()),
            annotations: Pairs(ingress.annotations()),
            annotations_truncated: ingress.annotations_truncated(),
            demo,
        }
        .serialize(serializer)
    }
}

struct Rule<'a>(&'a IngressRule<'a>);

impl Serialize for Rule<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("host", &self.0.host)?;
        map.serialize_entry("paths", &Seq(self.0.paths.iter().map(Path)))?;
        map.end()
    }
}

struct Path<'a>(&'a IngressPath<'a>);

impl Serialize for Path<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("path", &self.0.path)?;
        map.serialize_entry("pathType", &self.0.path_type)?;
        map.serialize_entry("backend", &self.0.backend.as_ref().map(BackendFields))?;
        map.end()
    }
}

struct BackendFields<'a>(&'a Backend<'a>);

impl Serialize for BackendFields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Service<'a> {
            name: &'a str,
            port: Option<Port<'a>>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        enum Port<'a> {
            Name(&'a str),
            Number(u16),
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Resource<'a> {
            api_group: Option<&'a str>,
            kind: &'a str,
            name: &'a str,
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self.0 {
            Backend::Service { name, port } => {
                let port = port.as_ref().and_then(|port| match port {
                    ServicePort::Name(name) => Some(Port::Name(name)),
                    ServicePort::Number(number) => Some(Port::Number(*number)),
                    _ => None,
                });
                map.serialize_entry("service", &Service { name, port })?;
            }
            Backend::Resource { api_group, kind, name } => {
                map.serialize_entry("resource", &Resource { api_group: *api_group, kind, name })?;
            }
            // A sort of backend that this version does not know yet is shown as empty, not left out.
            _ => {}
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TlsFields<'a> {
    hosts: &'a [&'a str],
    secret_name: Option<&'a str>,
}

/// The data of a `deleted` event.
#[derive(Debug, Serialize)]
pub(crate) struct Deleted<'a> {
    id: Text<&'a ObjectKey>,
    namespace: &'a str,
    name: &'a str,
    uid: &'a str,
}

impl<'a> Deleted<'a> {
    pub(crate) fn new(key: &'a ObjectKey, last: &'a Ingress) -> Self {
        Self {
            id: Text(key),
            namespace: key.namespace().unwrap_or_default(),
            name: key.name(),
            uid: last.uid(),
        }
    }
}

/// LANE.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lane<'a> {
    id: Text<&'a LaneId>,
    cluster: &'a str,
    kind: &'a str,
    namespace: Option<&'a str>,
    state: &'static str,
    since: Text<Timestamp>,
    last_sync: Option<Text<Timestamp>>,
    last_contact: Option<Text<Timestamp>>,
    stale_since: Option<Text<Timestamp>>,
    failures: u32,
    retry_at: Option<Text<Timestamp>>,
    objects: Option<u64>,
    relists: u64,
    malformed: Option<u64>,
    breaker: &'static str,
    error: Option<LaneError<'a>>,
}

impl<'a> Lane<'a> {
    pub(crate) fn new(status: &'a LaneStatus, sight: LaneSight, breaker: BreakerState) -> Self {
        // What depends on the objects that a lane feeds, only they may know who may see all of them.
        let full = sight == LaneSight::Full;
        Self {
            id: Text(&status.id),
            cluster: status.id.cluster.as_str(),
            kind: &status.kind,
            namespace: status.id.scope.namespace().map(|namespace| namespace.as_str()),
            state: status.state.as_str(),
            since: Text(status.since),
            last_sync: status.last_sync.map(Text),
            last_contact: status.last_contact().filter(|_| full).map(Text),
            stale_since: status.stale_since.map(Text),
            failures: status.failures,
            retry_at: status.retry_at.map(Text),
            objects: full.then(|| status.objects()),
            relists: status.relists,
            malformed: full.then_some(status.malformed),
            breaker: breaker.as_str(),
            error: status.error.as_ref().map(LaneError::new),
        }
    }
}

/// `error` of a LANE, and of a health check.
#[derive(Debug, Serialize)]
pub(crate) struct LaneError<'a> {
    class: &'static str,
    reason: &'static str,
    message: &'a str,
}

impl<'a> LaneError<'a> {
    pub(crate) fn new(error: &'a SourceError) -> Self {
        Self { class: error.class().as_str(), reason: error.kind().as_str(), message: error.message() }
    }
}

#[cfg(test)]
mod tests {
    use ingress_core::{ErrorKind, LaneState};
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::{ingress, key, lane};

    fn json_of(value: &impl Serialize) -> Value {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }

    #[test]
    fn an_item_is_as_documented() {
        let object = json!({
            "metadata": {"namespace": "shop", "name": "cart", "uid": "0b5c", "resourceVersion": "81234",
                "creationTimestamp": "2026-03-01T10:00:00Z", "labels": {"app.kubernetes.io/name": "cart"},
                "annotations": {"nginx.ingress.kubernetes.io/rewrite-target": "/$1"}},
            "spec": {"ingressClassName": "nginx",
                "rules": [
                    {"host": "shop.example.com", "http": {"paths": [
                        {"path": "/cart", "pathType": "Prefix",
                         "backend": {"service": {"name": "cart", "port": {"name": "http"}}}},
                        {"pathType": "Exact",
                         "backend": {"resource": {"apiGroup": "k8s.example.com", "kind": "Bucket", "name": "b"}}}
                    ]}},
                    {}
                ],
                "tls": [{"hosts": ["shop.example.com"], "secretName": "shop-tls"}, {}]},
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}, {"hostname": "lb.example.com"}]}}
        });
        let (key, ingress) = (key("prod", "shop", "cart"), ingress(&object));
        let item = json_of(&Item { key: &key, ingress: &ingress, demo: false });
        let expected = json!({
            "id": "prod/shop/cart", "cluster": "prod", "namespace": "shop", "name": "cart", "uid": "0b5c",
            "resourceVersion": "81234", "creationTimestamp": "2026-03-01T10:00:00Z",
            "ingressClassName": "nginx", "hosts": ["shop.example.com"],
            "rules": [
                {"host": "shop.example.com", "paths": [
                    {"path": "/cart", "pathType": "Prefix",
                     "backend": {"service": {"name": "cart", "port": {"name": "http"}}}},
                    {"path": null, "pathType": "Exact",
                     "backend": {"resource": {"apiGroup": "k8s.example.com", "kind": "Bucket", "name": "b"}}}
                ]},
                {"host": null, "paths": []}
            ],
            "defaultBackend": null,
            "tls": [{"hosts": ["shop.example.com"], "secretName": "shop-tls"}, {"hosts": [], "secretName": null}],
            "addresses": ["203.0.113.7", "lb.example.com"],
            "labels": {"app.kubernetes.io/name": "cart"},
            "annotations": {"nginx.ingress.kubernetes.io/rewrite-target": "/$1"}
        });
        assert_eq!(item, expected);
        assert_eq!(json_of(&Item { key: &key, ingress: &ingress, demo: true })["demo"], true);
    }

    #[test]
    fn ports_are_numbers_names_or_nothing() {
        let port = |port: Value| {
            let object = json!({"spec": {"defaultBackend": {"service": {"name": "s", "port": port}}}});
            let (key, ingress) = (key("c", "n", "x"), ingress(&object));
            json_of(&Item { key: &key, ingress: &ingress, demo: false })["defaultBackend"]["service"]["port"]
                .clone()
        };
        assert_eq!(port(json!({"number": 8080})), json!({"number": 8080}));
        assert_eq!(port(json!({"name": "http"})), json!({"name": "http"}));
        assert_eq!(port(json!({})), Value::Null);
    }

    #[test]
    fn a_lane_is_as_documented() {
        let mut status = lane("prod", "shop", LaneState::Reconnecting);
        status.last_sync = Some("2026-11-21T08:00:00Z".parse().unwrap());
        status.stale_since = Some("2026-11-21T08:59:58Z".parse().unwrap());
        status.retry_at = Some("2026-11-21T09:00:04Z".parse().unwrap());
        status.failures = 3;
        status.relists = 1;
        status.malformed = 2;
        status.error = Some(SourceError::new(ErrorKind::Unreachable, "connection refused"));
        let expected = json!({
            "id": "prod/ingresses/shop", "cluster": "prod", "kind": "Ingress", "namespace": "shop",
            "state": "reconnecting", "since": "2026-11-21T09:00:00Z", "lastSync": "2026-11-21T08:00:00Z",
            "lastContact": null, "staleSince": "2026-11-21T08:59:58Z", "failures": 3,
            "retryAt": "2026-11-21T09:00:04Z", "objects": 0, "relists": 1, "malformed": 2, "breaker": "half-open",
            "error": {"class": "transient", "reason": "Unreachable", "message": "connection refused"}
        });
        assert_eq!(json_of(&Lane::new(&status, LaneSight::Full, BreakerState::HalfOpen)), expected);
        let status = lane("prod", "*", LaneState::Live);
        let lane = json_of(&Lane::new(&status, LaneSight::Full, BreakerState::Closed));
        assert_eq!((lane["id"].as_str(), &lane["namespace"]), (Some("prod/ingresses/*"), &Value::Null));
    }
}
