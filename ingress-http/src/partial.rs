//! What an answer does not know, or no longer knows to be current.
//!
//! An empty list of ingresses reads as "there are none". It may also mean that nobody was allowed to look, that the
//! cluster is away, or that the namespace is none of those watched; then it is said here, and the answer is honest.

use std::collections::BTreeSet;
use std::sync::Arc;

use ingress_core::clock::Timestamp;
use ingress_core::{ClusterId, LaneStatus, Namespace};
use serde::Serialize;

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

    /// The state, for people.
    pub(crate) fn state(&self) -> &'static str {
        self.state
    }
}

/// One entry per lane that is not live and feeds what was asked for, and one for what no lane feeds.
pub(crate) fn partial<'a>(
    lanes: impl Iterator<Item = &'a Arc<LaneStatus>>,
    clusters: &'a [ClusterId],
    wanted: Option<&'a BTreeSet<Namespace>>,
) -> Vec<Partial<'a>> {
    let lanes: Vec<&LaneStatus> = lanes.map(Arc::as_ref).collect();
    let mut entries = Vec::new();
    for cluster in clusters {
        let of_cluster: Vec<_> = lanes.iter().copied().filter(|lane| lane.id.cluster == *cluster).collect();
        match wanted {
            None => in_all(cluster, &of_cluster, &mut entries),
            Some(wanted) => in_namespaces(cluster, wanted, &of_cluster, &mut entries),
        }
    }
    entries
}

fn in_all<'a>(cluster: &'a ClusterId, lanes: &[&'a LaneStatus], entries: &mut Vec<Partial<'a>>) {
    if lanes.is_empty() {
        entries.push(Partial::of_nothing(cluster, None));
    }
    entries.extend(lanes.iter().filter(|lane| !lane.is_live()).map(|lane| Partial::of_lane(lane)));
}

fn in_namespaces<'a>(
    cluster: &'a ClusterId,
    wanted: &'a BTreeSet<Namespace>,
    lanes: &[&'a LaneStatus],
    entries: &mut Vec<Partial<'a>>,
) {
    let wide = lanes.iter().find(|lane| lane.id.scope.namespace().is_none());
    let mut needs_wide = false;
    for namespace in wanted {
        match lanes.iter().find(|lane| lane.id.scope.namespace() == Some(namespace)) {
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
    use ingress_core::{ErrorKind, LaneState, SourceError};
    use serde_json::json;

    use super::*;
    use crate::fixture::{cluster, lane};

    fn check(lanes: &[(&str, LaneState)], wanted: Option<&[&str]>, expected: &[(Option<&str>, &str)]) {
        let lanes: Vec<_> =
            lanes.iter().map(|(scope, state)| Arc::new(lane("prod", scope, *state))).collect();
        let wanted: Option<BTreeSet<_>> =
            wanted.map(|names| names.iter().map(|name| Namespace::new(name).unwrap()).collect());
        let clusters = [cluster("prod")];
        let entries = partial(lanes.iter(), &clusters, wanted.as_ref());
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
    fn an_entry_is_as_documented() {
        let mut status = lane("prod", "billing", LaneState::Denied);
        status.error = Some(SourceError::new(ErrorKind::Forbidden, "no"));
        status.stale_since = Some("2026-11-21T08:59:58Z".parse().unwrap());
        let (lanes, clusters) = ([Arc::new(status)], [cluster("prod")]);
        let entries = serde_json::to_value(partial(lanes.iter(), &clusters, None)).unwrap();
        let expected = json!([{"cluster": "prod", "namespace": "billing", "state": "denied", "reason": "Forbidden",
            "message": "no", "staleSince": "2026-11-21T08:59:58Z"}]);
        assert_eq!(entries, expected);
    }
}
