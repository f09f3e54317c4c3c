//! Records, lanes and requests for tests.

use std::sync::Arc;

use http::request::Parts;
use ingress_core::resilience::breaker::BreakerState;
use ingress_core::{
    ClusterId, Ingress, Kind, LaneId, LaneScope, LaneState, LaneStatus, Namespace, NamespaceRecord, ObjectKey,
};
use serde_json::{Value, json};

use crate::params::Params;
use crate::view::{Granted, Grants, Lens, Veil};

pub(crate) fn ingress(object: &Value) -> Ingress {
    decode(object)
}

pub(crate) fn namespace_record(name: &str) -> NamespaceRecord {
    decode(&json!({"metadata": {"name": name, "uid": "n", "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z", "labels": {"team": "a"}}, "status": {"phase": "Active"}}))
}

fn decode<K: Kind>(object: &Value) -> K {
    let text = object.to_string();
    K::decode_json(&mut serde_json::Deserializer::from_str(&text)).unwrap()
}

/// A small ingress with one host.
pub(crate) fn simple(namespace: &str, name: &str, version: u64, class: &str, host: &str) -> Ingress {
    ingress(&json!({
        "metadata": {"namespace": namespace, "name": name, "uid": format!("uid-{name}"),
            "resourceVersion": version.to_string()},
        "spec": {"ingressClassName": class, "rules": [{"host": host}]}
    }))
}

pub(crate) fn cluster(name: &str) -> ClusterId {
    ClusterId::new(name).unwrap()
}

pub(crate) fn key(cluster_name: &str, namespace: &str, name: &str) -> ObjectKey {
    ObjectKey::new(cluster(cluster_name), Some(namespace), name)
}

/// A lane of ingresses in a state; `*` is the cluster-wide one.
pub(crate) fn lane(cluster_name: &str, namespace: &str, state: LaneState) -> LaneStatus {
    let scope = match namespace {
        "*" => LaneScope::Cluster,
        namespace => LaneScope::Namespace(Namespace::new(namespace).unwrap()),
    };
    let mut status =
        LaneStatus::new(LaneId::new(cluster(cluster_name), &Ingress::resource(), scope), "Ingress");
    status.state = state;
    status.since = "2026-11-21T09:00:00Z".parse().unwrap();
    status
}

pub(crate) fn filter(query: &str) -> crate::filter::Filter {
    let mut params = Params::parse(Some(query)).unwrap();
    let filter = crate::filter::Filter::take(&mut params).unwrap();
    params.finish().unwrap();
    filter
}

/// A request with a bearer token.
pub(crate) fn bearing(token: &str) -> Parts {
    let request = http::Request::get("/").header("authorization", format!("Bearer {token}"));
    request.body(()).unwrap().into_parts().0
}

pub(crate) fn closed() -> crate::wire::BreakerOf {
    Arc::new(|_| BreakerState::Closed)
}

/// Somebody who may see these namespaces of these clusters; `*` is all of one.
pub(crate) fn grants(granted: &[(&str, &[&str])]) -> Grants {
    let granted = granted.iter().map(|(name, namespaces)| {
        let granted = if *namespaces == ["*"] {
            Granted::Everywhere
        } else {
            Granted::In(namespaces.iter().map(|name| Namespace::new(name).unwrap()).collect())
        };
        (cluster(name), granted)
    });
    Grants::new(&[], granted.collect())
}

/// What somebody who may see everything asked for.
pub(crate) fn lens(query: &str) -> Lens {
    lens_of(query, Grants::All)
}

/// What somebody asked for.
pub(crate) fn lens_of(query: &str, grants: Grants) -> Lens {
    Lens::new(filter(query), grants, Arc::new(Veil::new(&crate::SharedKey::random())))
}
