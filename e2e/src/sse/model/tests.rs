use super::*;

fn event(name: &str, id: Option<&str>, data: &Value) -> Event {
    Event { name: name.into(), id: id.map(str::to_owned), data: data.to_string() }
}

fn item(name: &str, version: u64) -> Value {
    serde_json::json!({
        "id": format!("c/ns/{name}"), "namespace": "ns", "name": name,
        "uid": format!("uid-{name}"), "resourceVersion": version.to_string(),
    })
}

/// A model that has seen a live lane and a snapshot with `a` at version 5, as revision `e:10`.
fn following() -> Model {
    let mut model = Model::default();
    model.connected(false);
    model.apply(&event(
        "lane",
        None,
        &serde_json::json!({"id": "c/ingresses/*", "kind": "Ingress", "namespace": null, "state": "live"}),
    ));
    model.apply(&event(
        "snapshot",
        Some("e:10"),
        &serde_json::json!({"revision": "e:10", "items": [item("a", 5)], "done": true}),
    ));
    assert_eq!(model.violations(), [] as [&str; 0]);
    assert!(model.is_live() && model.is_following());
    model
}

#[track_caller]
fn breaks(model: &mut Model, event: &Event, expected: &str) {
    let before = model.violations().len();
    model.apply(event);
    let new = model.violations().get(before..).unwrap();
    assert!(new.iter().any(|violation| violation.contains(expected)), "{expected:?} is not in {new:?}");
}

#[test]
fn a_good_stream_folds_without_complaint() {
    let mut model = following();
    model.apply(&event("added", Some("e:11"), &item("b", 6)));
    model.apply(&event("modified", Some("e:12"), &item("a", 7)));
    let gone = serde_json::json!({"id": "c/ns/b", "namespace": "ns", "name": "b", "uid": "uid-b"});
    model.apply(&event("deleted", Some("e:13"), &gone));
    assert_eq!(model.violations(), [] as [&str; 0]);
    assert!(model.has_version("ns", "a", "7") && !model.has_version("ns", "a", "8") && !model.has("ns", "b"));
    assert_eq!(model.counts(), Counts { snapshots: 1, added: 1, modified: 1, deleted: 1, resets: 0 });
}

#[test]
fn flicker_is_noticed() {
    breaks(&mut following(), &event("added", Some("e:11"), &item("a", 5)), "is there already");
    breaks(&mut following(), &event("modified", Some("e:11"), &item("a", 5)), "changes nothing");
    breaks(&mut following(), &event("modified", Some("e:11"), &item("b", 5)), "is not there");
    let gone = serde_json::json!({"id": "c/ns/b", "namespace": "ns", "name": "b", "uid": "u"});
    breaks(&mut following(), &event("deleted", Some("e:11"), &gone), "is not there");
}

#[test]
fn going_back_is_noticed() {
    breaks(&mut following(), &event("modified", Some("e:11"), &item("a", 4)), "shows 4 after 5");
    breaks(&mut following(), &event("modified", Some("e:10"), &item("a", 6)), "does not grow");
    breaks(&mut following(), &event("modified", Some("f:11"), &item("a", 6)), "another epoch");
}

#[test]
fn a_version_is_remembered_beyond_a_deletion_and_a_reset() {
    let mut model = following();
    model.apply(&event("reset", None, &serde_json::json!({"reason": "lagged"})));
    let lane = serde_json::json!({"id": "l", "kind": "Ingress", "namespace": "ns", "state": "live"});
    model.apply(&event("lane", None, &lane));
    let old = serde_json::json!({"revision": "e:20", "items": [item("a", 4)], "done": true});
    breaks(&mut model, &event("snapshot", Some("e:20"), &old), "shows 4 after 5");
}

#[test]
fn only_the_last_chunk_is_done_and_has_the_id() {
    let mut model = Model::default();
    model.connected(false);
    let lane = serde_json::json!({"id": "l", "kind": "Ingress", "namespace": "ns", "state": "live"});
    model.apply(&event("lane", None, &lane));
    let chunk = serde_json::json!({"revision": "e:1", "items": [item("a", 1)], "done": false});
    model.apply(&event("snapshot", None, &chunk));
    assert!(!model.is_following());
    breaks(&mut model, &event("added", Some("e:2"), &item("b", 1)), "before the snapshot was complete");
    let twice = serde_json::json!({"revision": "e:1", "items": [item("a", 1)], "done": true});
    breaks(&mut model, &event("snapshot", None, &twice), "an item twice");
}

#[test]
fn nothing_follows_the_end() {
    let mut model = following();
    model.apply(&event("end", None, &serde_json::json!({"reason": "shutdown"})));
    assert_eq!(model.end(), Some("shutdown"));
    breaks(&mut model, &event("added", Some("e:11"), &item("b", 6)), "after `end`");
}
