//! What the engine counted, as families.

use std::collections::BTreeMap;
use std::fmt;

use ingress_core::resilience::breaker::BreakerState;
use ingress_core::stats::{CallOutcome, ClusterStats, KindStats, Stats, StoreStats};
use ingress_core::{LaneState, LaneStatus};

use super::Engine;
use super::family::{Families, about};

/// Each is shown for every kind of every cluster, also where no lane is in it: a series that is not there can't be told from
/// one that was never looked at.
const LANE_STATES: [LaneState; 5] =
    [LaneState::Connecting, LaneState::Syncing, LaneState::Live, LaneState::Reconnecting, LaneState::Denied];
const BREAKER_STATES: [BreakerState; 3] = [BreakerState::Closed, BreakerState::Open, BreakerState::HalfOpen];

/// Sums of what shares its labels.
type Sums<'a, const N: usize> = BTreeMap<[&'a str; N], u64>;

pub(super) fn encode(engine: &Engine, families: &mut Families<'_>) -> fmt::Result {
    let origins = engine.stats.clusters.iter().map(|of| [of.info.id.as_str(), of.info.origin.as_str()]);
    families.infos(
        "cluster",
        "The clusters in view, and how each was found",
        ["cluster", "origin"],
        origins,
    )?;
    lanes(engine, families)?;
    kinds(&engine.stats, families)?;
    calls(&engine.stats, families)?;
    breakers(&engine.stats, families)?;
    stores(&engine.stats.stores, families)
}

fn of_kinds(stats: &Stats) -> impl Iterator<Item = ([&str; 2], &KindStats)> {
    stats
        .clusters
        .iter()
        .flat_map(|cluster| cluster.kinds.iter().map(|kind| ([cluster.info.id.as_str(), &*kind.kind], kind)))
}

fn lanes(Engine { stats, now, .. }: &Engine, families: &mut Families<'_>) -> fmt::Result {
    let mut states: Sums<'_, 3> = of_kinds(stats)
        .flat_map(|([cluster, kind], _)| LANE_STATES.map(|state| ([cluster, kind, state.as_str()], 0)))
        .collect();
    let mut stale: BTreeMap<[&str; 2], f64> = of_kinds(stats).map(|(labels, _)| (labels, 0.0)).collect();
    for lane in stats.stores.iter().flat_map(|store| &store.lanes) {
        let [cluster, kind] = [lane.id.cluster.as_str(), &*lane.kind];
        *states.entry([cluster, kind, lane.state.as_str()]).or_default() += 1;
        let oldest = stale.entry([cluster, kind]).or_default();
        *oldest = oldest.max(stale_seconds(lane, *now));
    }
    families.gauges(
        about("lanes", "Watches of one kind and scope each, by what they are doing"),
        ["cluster", "kind", "state"],
        states,
    )?;
    families.gauges(
        about(
            "lanes_oldest_stale",
            "How long ago the lane that is stale for longest was current; 0 if none is",
        )
        .seconds(),
        ["cluster", "kind"],
        stale,
    )
}

fn stale_seconds(lane: &LaneStatus, now: ingress_core::clock::Timestamp) -> f64 {
    lane.stale_since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0))
}

fn kinds(stats: &Stats, families: &mut Families<'_>) -> fmt::Result {
    const LABELS: [&str; 2] = ["cluster", "kind"];
    families.gauges(
        about("objects", "Objects that are known"),
        LABELS,
        of_kinds(stats).map(|(labels, kind)| (labels, kind.objects)),
    )?;
    families.counters(
        about("relists", "Times a lane read the whole state again after its first time"),
        LABELS,
        of_kinds(stats).map(|(labels, kind)| (labels, kind.relists)),
    )?;
    families.counters(
        about("malformed_answers", "Answers that made no sense: undecodable, too large, or out of order"),
        LABELS,
        of_kinds(stats).map(|(labels, kind)| (labels, kind.malformed)),
    )?;
    families.counters(
        about(
            "lane_failures",
            "Attempts and watches of lanes that failed, by why; reasons that never occurred are absent",
        ),
        ["cluster", "kind", "reason"],
        of_kinds(stats).flat_map(|([cluster, kind], stats)| {
            stats.failures.iter().map(move |(reason, count)| ([cluster, kind, reason.as_str()], *count))
        }),
    )
}

fn calls<'a>(stats: &'a Stats, families: &mut Families<'_>) -> fmt::Result {
    let probes = stats.clusters.iter().flat_map(|ClusterStats { info, probes, .. }| {
        probes.iter().map(|(outcome, count)| ([info.id.as_str(), "probe", "", outcome.as_str()], *count))
    });
    let reviews =
        stats.clusters.iter().flat_map(|ClusterStats { info, token_reviews, access_reviews, .. }| {
            let of = |kind, outcomes: &'a [(CallOutcome, u64)]| {
                outcomes.iter().map(move |(outcome, count)| {
                    ([info.id.as_str(), "create", kind, outcome.as_str()], *count)
                })
            };
            of("TokenReview", token_reviews).chain(of("SubjectAccessReview", access_reviews))
        });
    let others = of_kinds(stats).flat_map(|([cluster, kind], stats)| {
        stats
            .calls
            .iter()
            .map(move |(verb, outcome, count)| ([cluster, verb.as_str(), kind, outcome.as_str()], *count))
    });
    families.counters(
        about("upstream_calls", "Questions to a cluster, by how they were answered; codes other than OK that never occurred are absent"),
        ["cluster", "verb", "kind", "code"],
        probes.chain(reviews).chain(others),
    )?;
    families.counters(
        about("upstream_retries", "Times a call that somebody waits for was tried again"),
        ["cluster"],
        stats.clusters.iter().map(|cluster| ([cluster.info.id.as_str()], cluster.retries)),
    )?;
    let probed = || stats.clusters.iter().filter_map(|of| Some((of.info.id.as_str(), of.probe.as_ref()?)));
    families.gauges(
        about(
            "probe_up",
            "Whether the last probe of a cluster was answered well; absent before the first answer",
        ),
        ["cluster"],
        probed().map(|(cluster, probe)| ([cluster], u64::from(probe.result.is_ok()))),
    )?;
    families.gauges(
        about("probe_latency", "How long the last probe of a cluster took").seconds(),
        ["cluster"],
        probed().map(|(cluster, probe)| ([cluster], probe.latency.as_secs_f64())),
    )
}

fn breakers(stats: &Stats, families: &mut Families<'_>) -> fmt::Result {
    let states = stats.clusters.iter().flat_map(|of| {
        BREAKER_STATES.map(|state| ([of.info.id.as_str(), state.as_str()], u64::from(of.breaker == state)))
    });
    families.gauges(
        about("breaker_state", "1 for the state that a cluster's circuit breaker is in, 0 for the others"),
        ["cluster", "state"],
        states,
    )?;
    let entered = stats.clusters.iter().flat_map(|of| {
        of.breaker_entered.iter().map(|(to, count)| ([of.info.id.as_str(), to.as_str()], *count))
    });
    families.counters(
        about("breaker_transitions", "Times a cluster's circuit breaker entered a state"),
        ["cluster", "to"],
        entered,
    )?;
    families.counters(
        about("breaker_refused", "Calls that were not made because the circuit breaker was open"),
        ["cluster"],
        stats.clusters.iter().map(|of| ([of.info.id.as_str()], of.breaker_refused)),
    )
}

fn stores(stores: &[StoreStats], families: &mut Families<'_>) -> fmt::Result {
    // Kinds of several API groups may share a name.
    let (mut changes, mut positions): (Sums<'_, 2>, Sums<'_, 1>) = Default::default();
    for store in stores {
        let counts = &store.changes;
        let of_types = [
            ("added", counts.added),
            ("modified", counts.modified),
            ("deleted", counts.deleted),
            ("lane", counts.lanes),
            ("laneRemoved", counts.lanes_removed),
        ];
        for (of_type, count) in of_types {
            *changes.entry([&store.kind, of_type]).or_default() += count;
        }
        *positions.entry([&store.kind]).or_default() += store.position.seq;
    }
    families.counters(about("store_changes", "Changes that were published"), ["kind", "type"], changes)?;
    families.gauges(
        about("store_position", "The number of the last change, as in the revisions of the HTTP API"),
        ["kind"],
        positions,
    )
}

#[cfg(test)]
mod tests;
