//! `GET /api/namespaces`: the namespaces in view, each with the lane that feeds it.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::{ClusterId, Ingress, Kind as _, LaneId, LaneScope, LaneStatus, NamespaceRecord, Scope};
use serde::Serialize;

use crate::app::App;
use crate::filter::Filter;
use crate::params::Params;
use crate::partial::{Partial, partial_of_lanes};
use crate::problem::Problem;
use crate::respond;
use crate::view::{LaneSight, Lens, Mark, Shown, ShownNamespaces, View};
use crate::wire::{BreakerOf, Lane, Pairs, Text, is_false};

pub(crate) async fn namespaces(
    State(app): State<App>,
    view: View,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::none(query.as_deref())?;
    let (records, ingresses) = (view.namespaces(), view.ingresses());
    let (lens, scope) = (view.lens(Filter::default()), view.scope());
    let known = InView { records: &records, ingresses: &ingresses, lens: &lens, scope: &scope };
    respond::json(StatusCode::OK, &known.answer(&app.breaker_of(), app.is_demo(), wall_now()))
}

#[derive(Serialize)]
struct Answer<'a> {
    items: Vec<Entry<'a>>,
    total: usize,
    revision: Text<Mark>,
    partial: Vec<Partial<'a>>,
    timestamp: Text<Timestamp>,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    id: String,
    cluster: &'a str,
    name: &'a str,
    phase: Option<&'a str>,
    creation_timestamp: Option<&'a str>,
    labels: Option<Pairs<'a>>,
    ingresses: usize,
    lane: Option<Lane<'a>>,
}

/// What is known of one namespace so far.
#[derive(Default)]
struct Known<'a> {
    record: Option<&'a NamespaceRecord>,
    ingresses: usize,
    lane: Option<(&'a LaneStatus, LaneSight)>,
}

struct InView<'a> {
    records: &'a ShownNamespaces,
    ingresses: &'a Shown,
    lens: &'a Lens,
    scope: &'a Scope,
}

impl<'a> InView<'a> {
    fn answer(&self, breaker_of: &BreakerOf, demo: bool, timestamp: Timestamp) -> Answer<'a> {
        let items: Vec<_> = self
            .known()
            .into_iter()
            .map(|((cluster, name), known)| Entry {
                id: format!("{cluster}/{name}"),
                cluster: cluster.as_str(),
                name,
                phase: known.record.and_then(NamespaceRecord::phase),
                creation_timestamp: known.record.and_then(NamespaceRecord::creation_timestamp),
                labels: known.record.map(|record| Pairs(record.labels())),
                ingresses: known.ingresses,
                lane: known
                    .lane
                    .or_else(|| self.cluster_lane(cluster))
                    .map(|(lane, sight)| Lane::new(lane, sight, breaker_of(cluster))),
            })
            .collect();
        Answer {
            total: items.len(),
            items,
            // That of what is counted: a stream that resumes from it goes on from these counts.
            revision: Text(self.ingresses.since(self.lens)),
            partial: partial_of_lanes(self.records.lanes(), self.ingresses.clusters()),
            timestamp: Text(timestamp),
            demo,
        }
    }

    fn known(&self) -> BTreeMap<(&'a ClusterId, &'a str), Known<'a>> {
        let mut known: BTreeMap<_, Known<'_>> = BTreeMap::new();
        // Who may not see the ingresses of a namespace is not told how many there are; so it is left out.
        for (key, record) in self.records.iter().filter(|(key, _)| self.may_see(key.cluster(), key.name())) {
            known.entry((key.cluster(), key.name())).or_default().record = Some(record);
        }
        for (key, _) in self.ingresses.select(self.lens) {
            known.entry((key.cluster(), key.namespace().unwrap_or_default())).or_default().ingresses += 1;
        }
        for (lane, sight) in self.ingresses.lanes(self.lens) {
            if let Some(namespace) = lane.id.scope.namespace() {
                known.entry((&lane.id.cluster, namespace.as_str())).or_default().lane = Some((lane, sight));
            }
        }
        known.retain(|(_, name), _| self.scope.contains(name));
        known
    }

    fn may_see(&self, cluster: &ClusterId, namespace: &str) -> bool {
        self.lens.grants().sees(cluster, namespace)
    }

    fn cluster_lane(&self, cluster: &ClusterId) -> Option<(&'a LaneStatus, LaneSight)> {
        let id = LaneId::new(cluster.clone(), &Ingress::resource(), LaneScope::Cluster);
        self.ingresses.lanes(self.lens).find(|(lane, _)| lane.id == id)
    }
}

#[cfg(test)]
mod tests {
    use ingress_core::resilience::breaker::BreakerState;
    use ingress_core::{LaneState, ObjectKey, Store};
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::{closed, cluster, grants, key, lane, lens_of, namespace_record, simple};
    use crate::view::Grants;

    fn answer(grants: &Grants, scope: &Scope, lanes: &[LaneStatus]) -> Value {
        let (mut writer, ingresses) = Store::new(1, 100);
        for (namespace, name) in [("b", "x"), ("b", "y"), ("unlisted", "z")] {
            writer.apply(key("prod", namespace, name), simple(namespace, name, 1, "nginx", "h"));
        }
        for lane in lanes {
            writer.set_lane(lane.clone());
        }
        writer.publish();
        let (mut writer, records) = Store::new(1, 100);
        for name in ["a", "b"] {
            writer.apply(ObjectKey::new(cluster("prod"), None, name), namespace_record(name));
        }
        let id = LaneId::new(cluster("prod"), &NamespaceRecord::resource(), LaneScope::Cluster);
        writer.set_lane(LaneStatus::new(id, "Namespace"));
        writer.publish();
        let shown = Shown::of(ingresses.snapshot(), vec![cluster("prod")]);
        let (records, lens) = (ShownNamespaces::of(records.snapshot()), lens_of("", grants.clone()));
        let known = InView { records: &records, ingresses: &shown, lens: &lens, scope };
        let now = "2026-11-21T09:00:00Z".parse().unwrap();
        serde_json::to_value(known.answer(&closed(), true, now)).unwrap()
    }

    #[test]
    fn all_that_is_known_of_is_there() {
        let lanes = [lane("prod", "*", LaneState::Live), lane("prod", "c", LaneState::Denied)];
        let answer = answer(&Grants::All, &Scope::All, &lanes);
        let shown: Vec<_> = answer["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| (&item["id"], &item["ingresses"], &item["phase"], &item["lane"]["state"]))
            .map(|(id, ingresses, phase, state)| json!([id, ingresses, phase, state]))
            .collect();
        let expected = [
            json!(["prod/a", 0, "Active", "live"]),
            json!(["prod/b", 2, "Active", "live"]),
            json!(["prod/c", 0, null, "denied"]),
            json!(["prod/unlisted", 1, null, "live"]),
        ];
        assert_eq!(shown, expected);
        assert_eq!((&answer["total"], &answer["demo"]), (&json!(4), &json!(true)));
        assert_eq!(answer["revision"], "1:5");
        assert_eq!(answer["partial"][0]["state"], "connecting");
        let first = &answer["items"][0];
        assert_eq!((&first["cluster"], &first["name"]), (&json!("prod"), &json!("a")));
        assert_eq!(first["creationTimestamp"], "2026-01-01T00:00:00Z");
        assert_eq!(first["labels"], json!({"team": "a"}));
        assert_eq!(first["lane"]["breaker"], BreakerState::Closed.as_str());
        assert_eq!(answer["items"][3]["labels"], Value::Null);
    }

    #[test]
    fn nothing_tells_of_a_namespace_that_may_not_be_seen() {
        let lanes = [lane("prod", "*", LaneState::Live), lane("prod", "c", LaneState::Denied)];
        let answer = answer(&grants(&[("prod", &["b"])]), &Scope::All, &lanes);
        let names: Vec<_> = answer["items"].as_array().unwrap().iter().map(|item| &item["name"]).collect();
        assert_eq!(names, [&json!("b")]);
        assert_eq!((&answer["total"], &answer["items"][0]["ingresses"]), (&json!(1), &json!(2)));
        let lane = &answer["items"][0]["lane"];
        assert_eq!((&lane["state"], &lane["objects"]), (&json!("live"), &Value::Null));
        assert!(!answer["revision"].as_str().unwrap().contains(':'), "sealed");
    }

    #[test]
    fn the_scope_bounds_the_view() {
        let answer =
            answer(&Grants::All, &Scope::namespaces(["b"]).unwrap(), &[lane("prod", "b", LaneState::Live)]);
        assert_eq!(answer["total"], 1);
        assert_eq!(answer["items"][0]["lane"]["id"], "prod/ingresses/b");
    }
}
