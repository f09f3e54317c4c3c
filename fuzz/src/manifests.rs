//! Manifests, from text to what is said of them: `Manifests`, `Inventory::take` and the checks.
//!
//! Whatever comes: places are inside the text, JSON has the objects that an ordinary JSON parser finds, records are what they were once they are
//! stored and restored, or written as protobuf and read, and each route is judged alone as it is among all.

use std::collections::BTreeMap;

use ingress_core::clock::Timestamp;
use ingress_core::diagnose::{Settings, diagnose, diagnose_all, lint};
use ingress_core::inventory::Inventory;
use ingress_core::kind::{
    Certificate, EndpointSlice, Endpoints, Event, Gateway, GrpcRoute, HttpRoute, IngressClass, IngressRoute,
    NetworkPolicy, Pod, ReferenceGrant, Service, TlsRoute, VirtualService,
};
use ingress_core::manifest::{Document, Location, Manifests, Options};
use ingress_core::{ClusterId, Ingress, Kind};
use prost::Message;
use serde_json::Value;

/// Runs one case: `j` and JSON, or anything else and YAML.
pub fn check(data: &[u8]) {
    let Some((form, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let file = if *form == b'j' { "a.json" } else { "a.yaml" };
    let manifests = Manifests::parse(file, text, &Options::default());
    for problem in manifests.problems.iter().chain(&manifests.notes) {
        check_place(problem.at, text);
    }
    for document in &manifests.documents {
        for field in ["", "metadata.name", "spec", "spec.rules[0].host", "spec.routes[0].match"] {
            check_place(document.position(field), text);
        }
    }
    if *form == b'j' {
        check_json(&manifests.documents, text);
    }
    check_judgements(&manifests.documents, text);
}

fn check_place(at: Location, text: &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Of the three ways to end a line in YAML, JSON has two: a carriage return alone is a space there. Either way, no place is beyond these.
    let lines = text.split(['\n', '\r']).count();
    assert!(at.line as usize <= lines, "{at:?} of {lines} lines");
    let longest = text.split('\n').map(|line| line.chars().count()).max().unwrap_or_default();
    // The place after the last character is where something is missing.
    assert!(at.column as usize <= longest + 1, "{at:?} of {longest} columns");
}

/// The objects of a text, as far as it is one that asks nothing of whoever reads it; `None` otherwise.
fn objects_of_json(text: &str) -> Option<BTreeMap<(String, String, String, String), Value>> {
    let mut objects = BTreeMap::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        let value = value.ok()?;
        let part = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let (version, kind, name) = (part("/apiVersion")?, part("/kind")?, part("/metadata/name")?);
        let namespace = value.pointer("/metadata/namespace");
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let odd = version.is_empty()
            || version.starts_with("kustomize")
            || kind.is_empty()
            || kind.ends_with("List")
            || name.is_empty()
            || name.len() > 63
            || !name.chars().all(plain)
            || namespace.is_some_and(|namespace| namespace != "shop");
        if odd {
            return None;
        }
        let group = version.split_once('/').map_or("", |(group, _)| group).to_owned();
        let namespace = namespace.and_then(Value::as_str).unwrap_or("default").to_owned();
        objects.insert((group, kind, namespace, name), value);
    }
    Some(objects)
}

fn check_json(documents: &[Document], text: &str) {
    let Some(expected) = objects_of_json(text.strip_prefix('\u{feff}').unwrap_or(text)) else { return };
    // A kind that lives in no namespace is one object, whatever is written there.
    let mut found = BTreeMap::new();
    for document in documents {
        let id = document.id();
        let namespace = id.namespace.clone().unwrap_or_else(|| "-".to_owned());
        found.insert((id.group, id.kind, namespace, id.name), &document.value);
    }
    let cluster_scoped = |kind: &str, name: &str, group: &str| {
        found.contains_key(&(group.to_owned(), kind.to_owned(), "-".to_owned(), name.to_owned()))
    };
    for ((group, kind, namespace, name), value) in &expected {
        if cluster_scoped(kind, name, group) {
            continue;
        }
        let key = (group.clone(), kind.clone(), namespace.clone(), name.clone());
        let found = found.get(&key).unwrap_or_else(|| panic!("{key:?} is not read"));
        let mut value = without_nulls(value.clone());
        value["metadata"]["namespace"] = namespace.as_str().into();
        assert_eq!(**found, value, "{key:?}");
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        value => value,
    }
}

fn check_judgements(documents: &[Document], text: &str) {
    let cluster = ClusterId::new("files").expect("a name");
    let (mut inventory, settings) = (Inventory::new(), Settings::default());
    let now: Timestamp = "2026-06-01T00:00:00Z".parse().expect("a time");
    for problem in inventory.take(&cluster, documents).problems {
        check_place(problem.at, text);
    }
    check_records(&inventory);
    let all = diagnose_all(&inventory, &cluster, now, &settings);
    let mut told = 0;
    for assessed in &all {
        let alone = diagnose(&inventory, &assessed.route, now, &settings);
        assert_eq!(alone.as_ref(), Some(&assessed.diagnosis), "{:?}", assessed.route);
        told += assessed.diagnosis.findings.len();
        for step in &assessed.diagnosis.steps {
            assert!(step.findings.iter().all(|at| *at < assessed.diagnosis.findings.len()));
            // What is not known is never called passed.
            assert!(step.unknown.is_empty() || step.state.as_str() != "ok", "{step:?}");
        }
    }
    let report = lint(&inventory, &cluster, now, &settings);
    assert!(told == 0 || !report.findings.is_empty());
    let mut ids: Vec<_> = all.iter().map(|assessed| assessed.route.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), all.len(), "ids are told apart");
}

fn check_records(inventory: &Inventory) {
    macro_rules! stored {
        ($($kind:ident)*) => {
            $(
                for (_, record) in inventory.objects::<$kind>() {
                    let restored = $kind::restore(&record.stored()).expect("what was stored");
                    assert_eq!(**record, restored);
                }
            )*
        };
    }
    macro_rules! protobuf {
        ($($kind:ident)*) => {
            $(
                for (_, record) in inventory.objects::<$kind>() {
                    let read = $kind::decode_protobuf(&record.encode_to_vec()).expect("what was written");
                    assert_eq!(**record, read);
                }
            )*
        };
    }
    stored! {
        Ingress Certificate EndpointSlice Endpoints Event Gateway GrpcRoute HttpRoute IngressClass IngressRoute NetworkPolicy Pod
        ReferenceGrant Service TlsRoute VirtualService
    }
    protobuf! { EndpointSlice Endpoints Event IngressClass NetworkPolicy Pod Service }
}
