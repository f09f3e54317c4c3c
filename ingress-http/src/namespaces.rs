//! `GET /api/namespaces`: the namespaces in view, each with the lane that feeds it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::{
    ClusterId, Ingress, Kind as _, LaneId, LaneScope, LaneStatus, NamespaceRecord, Position, Scope, Snapshot,
};
use serde::Serialize;

use crate::app::App;
use crate::params::Params;
use crate::partial::{Partial, partial};
use crate::problem::Problem;
use crate::respond;
use crate::wire::{BreakerOf, Lane, Pairs, Text, is_false};

pub(crate) async fn namespaces(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    Params::none(query.as_deref())?;
    let (records, ingresses) = (app.hub().namespaces().snapshot(), app.hub().ingresses().snapshot());
    let clusters = app.clusters();
    let view = View { records: &records, ingresses: &ingresses, scope: app.hub().scope() };
    respond::json(StatusCode::OK, &view.answer(&clusters, &app.breaker_of(), app.is_demo(), wall_now()))
}

#[derive(Serialize)]
struct Answer<'a> {
    items: Vec<Entry<'a>>,
    total: usize,
    revision: Text<Position>,
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
    lane: Option<&'a LaneStatus>,
}

struct View<'a> {
    records: &'a Snapshot<NamespaceRecord>,
    ingresses: &'a Snapshot<Ingress>,
    scope: &'a Scope,
}

impl<'a> View<'a> {
    fn answer(
        &self,
        clusters: &'a [ClusterId],
        breaker_of: &BreakerOf,
        demo: bool,
        timestamp: Timestamp,
    ) -> Answer<'a> {
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
                    .map(|lane| Lane::new(lane, breaker_of(cluster))),
            })
            .collect();
        Answer {
            total: items.len(),
            items,
            // That of what is counted: a stream that resumes from it goes on from these counts.
            revision: Text(self.ingresses.position()),
            partial: partial(self.records.lanes(), clusters, None),
            timestamp: Text(timestamp),
            demo,
        }
    }

    fn known(&self) -> BTreeMap<(&'a ClusterId, &'a str), Known<'a>> {
        let mut known: BTreeMap<_, Known<'_>> = BTreeMap::new();
        for (key, record) in self.records.iter() {
            known.entry((key.cluster(), key.name())).or_default().record = Some(record);
        }
        for (key, _) in self.ingresses.iter() {
            known.entry((key.cluster(), key.namespace().unwrap_or_default())).or_default().ingresses += 1;
        }
        for lane in self.ingresses.lanes().map(Arc::as_ref) {
            if let Some(namespace) = lane.id.scope.namespace() {
                known.entry((&lane.id.cluster, namespace.as_str())).or_default().lane = Some(lane);
            }
        }
        known.retain(|(_, name), _| self.scope.contains(name));
        known
    }

    fn cluster_lane(&self, cluster: &ClusterId) -> Option<&'a LaneStatus> {
        let id = LaneId::new(cluster.clone(), &Ingress::resource(), LaneScope::Cluster);
        self.ingresses.lane(&id).map(Arc::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use ingress_core::resilience::breaker::BreakerState;
    use ingress_core::{LaneState, ObjectKey, Store};
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::{closed, cluster, key, lane, namespace_record, simple};

    fn answer(scope: &Scope, lanes: &[LaneStatus]) -> Value {
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
        let (records, ingresses) = (records.snapshot(), ingresses.snapshot());
        let view = View { records: &records, ingresses: &ingresses, scope };
        let now = "2026-11-21T09:00:00Z".parse().unwrap();
        serde_json::to_value(view.answer(&[cluster("prod")], &closed(), true, now)).unwrap()
    }

    #[test]
    fn all_that_is_known_of_is_there() {
        let lanes = [lane("prod", "*", LaneState::Live), lane("prod", "c", LaneState::Denied)];
        let answer = answer(&Scope::All, &lanes);
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
    fn the_scope_bounds_the_view() {
        let answer = answer(&Scope::namespaces(["b"]).unwrap(), &[lane("prod", "b", LaneState::Live)]);
        assert_eq!(answer["total"], 1);
        assert_eq!(answer["items"][0]["lane"]["id"], "prod/ingresses/b");
    }
}
