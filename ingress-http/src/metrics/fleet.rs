//! The fleet that this process is a replica of.

use std::fmt;

use ingress_cache::fleet::{FleetStatus, Mode};

use super::family::{Families, about};

pub(super) fn encode(status: &FleetStatus, families: &mut Families<'_>) -> fmt::Result {
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    families.gauges(
        about("fleet_replicas", "Replicas of the fleet that are alive, as far as this one knows"),
        [],
        [([], count(status.members.len()))],
    )?;
    families.gauges(
        about("fleet_shards_held", "Shards that this replica watches for all"),
        [],
        [([], count(status.holds.len()))],
    )?;
    let modes = [Mode::Waiting, Mode::Following, Mode::Alone];
    let mode_of = |kind: &str, is: Mode, mode: Mode| {
        ([kind.to_owned(), mode.as_str().to_owned()], i64::from(is == mode))
    };
    let each: Vec<([String; 2], i64)> =
        status.kinds.iter().flat_map(|kind| modes.map(|mode| mode_of(&kind.kind, kind.mode, mode))).collect();
    families.gauges(
        about("fleet_mode", "Whether this replica has a kind's state from there: 1 for one of the modes"),
        ["kind", "mode"],
        each.iter().map(|([kind, mode], is)| ([kind.as_str(), mode.as_str()], *is)),
    )?;
    families.counters(
        about("fleet_changes_published", "Changes that this replica wrote for all"),
        ["kind"],
        status.kinds.iter().map(|kind| ([kind.kind.as_str()], kind.published)),
    )?;
    families.counters(
        about("fleet_loads", "Times that this replica loaded a kind's state from the fleet"),
        ["kind"],
        status.kinds.iter().map(|kind| ([kind.kind.as_str()], kind.loads)),
    )?;
    families.counters(
        about("fleet_lost", "Times that this replica lost its place in a kind's log"),
        ["kind"],
        status.kinds.iter().map(|kind| ([kind.kind.as_str()], kind.lost)),
    )?;
    families.counters(
        about("fleet_alone", "Times that this replica began to watch a kind by itself"),
        ["kind"],
        status.kinds.iter().map(|kind| ([kind.kind.as_str()], kind.alone)),
    )
}
