//! What `/api/health` tells of the fleet that this process is a replica of.
//!
//! It never decides whether the process is healthy: a replica whose fleet is of no use watches by itself, and what it can't know
//! shows in the lanes.

use ingress_cache::fleet::{Fleet, FleetStatus, Mode};
use ingress_core::clock::Timestamp;
use serde::Serialize;

use crate::wire::Text;

/// How this replica fares.
#[derive(Debug, Serialize)]
pub(crate) struct FleetCheck {
    name: String,
    replica: String,
    /// How many replicas are alive, as far as this one knows.
    replicas: usize,
    /// How many shards it watches for all of them.
    holds: usize,
    /// Of the kind that fares worst.
    mode: &'static str,
    since: Option<Text<Timestamp>>,
    /// What went wrong last, while something is.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl FleetCheck {
    pub(crate) fn of(fleet: &Fleet) -> Self {
        Self::new(&fleet.status())
    }

    fn new(status: &FleetStatus) -> Self {
        let worst = status.kinds.iter().max_by_key(|kind| badness(kind.mode));
        let mode = worst.map_or(Mode::Waiting, |kind| kind.mode);
        let error = worst.and_then(|kind| kind.error.as_ref()).map(|(_, message)| message.clone());
        Self {
            name: status.name.as_str().to_owned(),
            replica: status.member.clone(),
            replicas: status.members.len(),
            holds: status.holds.len(),
            mode: mode.as_str(),
            since: worst.map(|kind| Text(kind.since)),
            error: error.filter(|_| mode != Mode::Following),
        }
    }
}

fn badness(mode: Mode) -> u8 {
    match mode {
        Mode::Following => 0,
        Mode::Alone => 1,
        _ => 2,
    }
}
