//! What an answer does not know, or no longer knows to be current.
//!
//! An empty list of ingresses reads as "there are none". It may also mean that nobody was allowed to look, that the
//! cluster is away, or that the namespace is none of those watched; then it is said here, and the answer is honest.

use std::collections::BTreeSet;
use std::sync::Arc;

use ingress_core::clock::Timestamp;
use ingress_core::{ClusterId, ErrorKind, LaneStatus, Namespace, SourceError};
use serde::Serialize;

use crate::view::{Lens, Shown};
use crate::wire::Text;

/// PARTIAL.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Partial<'a> {
    cluster: &'a str,
    namespace: Option<&'a str>,
    state: &'static str,
    reason: Option<&'static str>,
    message: Option<&'a str>,
    stale_since: Option<Text<Timestamp>>,
}

impl<'a> Partial<'a> {
    fn of_lane(lane: &'a LaneStatus) -> Self {
        let error = lane.error.as_ref();
        Self {
            cluster: lane.id.cluster.as_str(),
            namespace: lane.id.scope.namespace().map(Namespace::as_str),
            state: lane.state.as_str(),
            reason: error.map(|error| error.kind().as_str()),
            message: error.map(|error| error.message()),
            stale_since: lane.stale_since.map(Text),
        }
    }

    // No lane at all: the namespace is outside what this process watches, or the cluster was not turned to yet.
    fn of_nothing(cluster: &'a ClusterId, namespace: Option<&'a Namespace>) -> Self {
        let (state, message) = match namespace {
            Some(_) => (
                "unwatched",
                Some("no lane feeds this namespace: it does not exist, or is not among those watched"),
            ),
            None => ("connecting", None),
        };
        Self {
            cluster: cluster.as_str(),
            namespace: namespace.map(Namespace::as_str),
            state,
            reason: None,
            message,
            stale_since: None,
        }
    }

    // The same whether there is such a namespace or not: that, too, is something to see.
    fn not_granted(cluster: &'a ClusterId, namespace: Option<&'a Namespace>) -> Self {
        let message = match namespace {
            Some(_) => "you may not list the ingresses of this namespace",
            None => "you may not list the ingresses of all namespaces: those of the others are left out",
        };
        Self {
            cluster: cluster.as_str(),
            namespace: namespace.map(Namespace::as_str),
            state: "restricted",
            reason: Some(ErrorKind::Forbidden.as_str()),
            message: Some(message),
            stale_since: None,
        }
    }

    fn not_known(cluster: &'a ClusterId, error: &'a SourceError) -> Self {
        Self {
            cluster: cluster.as_str(),
            namespace: None,
            state: "unknown",
            reason: Some(error.kind().as_str()),
            message: Some("the cluster does not say what you may see of it, so nothing of it is shown"),
            stale_since: None,
        }
    }

    /// Of which cluster it tells.
    pub(crate) fn cluster(&self) -> &'a str {
        self.cluster
    }

    /// The state, for people.
    pub(crate) fn state(&self) -> &'static str {
        self.state
    }
}

/// One entry per lane that is not live and feeds what was asked for, and one for what no lane feeds, or may not be seen.
pub(crate) fn partial<'a>(shown: &'a Shown, lens: &'a Lens) -> Vec<Partial<'a>> {
    let lanes: Vec<&LaneStatus> = shown.lanes(lens).map(|(status, _)| status).collect();
    let mut entries = Vec::new();
    for cluster in shown.clusters() {
        let of_cluster: Vec<_> = lanes.iter().copied().filter(|lane| lane.id.cluster == *cluster).collect();
        if let Some(error) = shown.unknown(cluster) {
            entries.push(Partial::not_known(cluster, error));
            continue;
        }
        let granted = lens.grants().namespaces(cluster);
        match lens.filter().namespaces() {
            None => in_all(cluster, granted, &of_cluster, &mut entries),
            Some(wanted) => {
                let may_see = |name: &Namespace| granted.is_none_or(|granted| granted.contains(name));
                let (seen, hidden): (Vec<_>, Vec<_>) = wanted.iter().partition(|name| may_see(name));
                in_namespaces(cluster, &seen, &of_cluster, &mut entries);
                entries.extend(hidden.into_iter().map(|name| Partial::not_granted(cluster, Some(name))));
            }
        }
    }
    entries
}

/// The same of lanes that somebody sees whole.
pub(crate) fn partial_of_lanes<'a>(
    lanes: impl Iterator<Item = &'a Arc<LaneStatus>>,
    clusters: &'a [ClusterId],
) -> Vec<Partial<'a>> {
    let lanes: Vec<&LaneStatus> = lanes.map(Arc::as_ref).collect();
    let mut entries = Vec::new();
    for cluster in clusters {
        let of_cluster: Vec<_> = lanes.iter().copied().filter(|lane| lane.id.cluster == *cluster).collect();
        in_all(cluster, None, &of_cluster, &mut entries);
    }
    entries
}

fn in_all<'a>(
    cluster: &'a ClusterId,
    granted: Option<&'a BTreeSet<Namespace>>,
    lanes: &[&'a LaneStatus],
    entries: &mut Vec<Partial<'a>>,
) {
    if granted.is_some() {
        entries.push(Partial::not_granted(cluster, None));
    }
    if granted.is_some_and(BTreeSet::is_empty) {
        return;
    }
    if lanes.is_empty() {
        entries.push(Partial::of_nothing(cluster, None));
    }
    entries.extend(lanes.iter().filter(|lane| !lane.is_live()).map(|lane| Partial::of_lane(lane)));
}

fn in_namespaces<'a>(
    cluster: &'a ClusterId,
    wanted: &[&'a Namespace],
    lanes: &[&'a LaneStatus],
    entries: &mut Vec<Partial<'a>>,
) {
    let wide = lanes.iter().find(|lane| lane.id.scope.namespace().is_none());
    let mut needs_wide = false;
    for namespace in wanted {
        match lanes.iter().find(|lane| lane.id.scope.namespace() == Some(*namespace)) {
            Some(lane) if lane.is_live() => {}
            Some(lane) => entries.push(Partial::of_lane(lane)),
            // A namespace with a lane of its own does not depend on the cluster-wide one, which may well be denied.
            None if wide.is_some() => needs_wide = true,
            None => entries.push(Partial::of_nothing(cluster, Some(namespace))),
        }
    }
    if let Some(wide) = wide.filter(|wide| needs_wide && !wide.is_live()) {
        entries.push(Partial::of_lane(wide));
    }
}

#[cfg(test)]
mod tests {
    use ingress_core::{LaneState, Store};
    use serde_json::json;

    use super::*;
    use crate::fixture::{cluster, grants, lane, lens_of};
    use crate::view::Grants;

    fn shown(lanes: &[LaneStatus]) -> Shown {
        let (mut writer, store) = Store::new(1, 100);
        lanes.iter().for_each(|lane| writer.set_lane(lane.clone()));
        writer.publish();
        Shown::of(store.snapshot(), vec![cluster("prod")])
    }

    fn check(lanes: &[(&str, LaneState)], wanted: Option<&[&str]>, expected: &[(Option<&str>, &str)]) {
        check_for(&Grants::All, lanes, wanted, expected);
    }

    fn check_for(
        grants: &Grants,
        lanes: &[(&str, LaneState)],
        wanted: Option<&[&str]>,
        expected: &[(Option<&str>, &str)],
    ) {
        let lanes: Vec<_> = lanes.iter().map(|(scope, state)| lane("prod", scope, *state)).collect();
        let query = wanted.map(|names| format!("namespaces={}", names.join(","))).unwrap_or_default();
        let (shown, lens) = (shown(&lanes), lens_of(&query, grants.clone()));
        let entries = partial(&shown, &lens);
        let shown: Vec<_> = entries.iter().map(|entry| (entry.namespace, entry.state)).collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn tells_of_lanes_that_are_not_live() {
        use LaneState::{Connecting, Denied, Live, Reconnecting};
        check(&[("*", Live)], None, &[]);
        check(&[("*", Reconnecting)], None, &[(None, "reconnecting")]);
        check(&[("a", Live), ("b", Denied)], None, &[(Some("b"), "denied")]);
        check(&[("a", Live), ("b", Denied)], Some(&["a"]), &[]);
        check(&[("a", Live), ("b", Denied)], Some(&["a", "b"]), &[(Some("b"), "denied")]);
        check(&[("*", Connecting)], Some(&["a"]), &[(None, "connecting")]);
    }

    #[test]
    fn a_denied_cluster_lane_matters_only_where_no_other_feeds() {
        use LaneState::{Denied, Live};
        let lanes = [("*", Denied), ("a", Live)];
        check(&lanes, None, &[(None, "denied")]);
        check(&lanes, Some(&["a"]), &[]);
        check(&lanes, Some(&["b"]), &[(None, "denied")]);
        check(&lanes, Some(&["a", "b"]), &[(None, "denied")]);
    }

    #[test]
    fn what_nobody_watches_is_said() {
        check(&[("a", LaneState::Live)], Some(&["a", "c"]), &[(Some("c"), "unwatched")]);
        check(&[], None, &[(None, "connecting")]);
    }

    #[test]
    fn what_may_not_be_seen_is_said_and_no_more() {
        use LaneState::{Denied, Live, Reconnecting};
        let shop = grants(&[("prod", &["shop"])]);
        let lanes = [("shop", Live), ("pay", Denied)];
        check_for(&shop, &lanes, None, &[(None, "restricted")]);
        check_for(&shop, &lanes, Some(&["shop"]), &[]);
        for hidden in ["pay", "nonesuch"] {
            check_for(&shop, &lanes, Some(&[hidden]), &[(Some(hidden), "restricted")]);
        }
        let wide = [("*", Reconnecting)];
        check_for(&shop, &wide, Some(&["shop"]), &[(None, "reconnecting")]);
        check_for(&shop, &wide, Some(&["pay"]), &[(Some("pay"), "restricted")]);
        check_for(&grants(&[]), &wide, None, &[(None, "restricted")]);
    }

    #[test]
    fn an_entry_is_as_documented() {
        let mut status = lane("prod", "billing", LaneState::Denied);
        status.error = Some(SourceError::new(ErrorKind::Forbidden, "no"));
        status.stale_since = Some("2026-11-21T08:59:58Z".parse().unwrap());
        let (shown, lens) = (shown(&[status]), lens_of("", Grants::All));
        let entries = serde_json::to_value(partial(&shown, &lens)).unwrap();
        let expected = json!([{"cluster": "prod", "namespace": "billing", "state": "denied", "reason": "Forbidden",
            "message": "no", "staleSince": "2026-11-21T08:59:58Z"}]);
        assert_eq!(entries, expected);
    }
}
