//! The names of a log's keys: all of one kind lie in one slot of a Cluster, since scripts touch several.

use crate::fleet::shard::{FleetName, Shard};

#[derive(Debug, Clone)]
pub(super) struct Keys {
    base: Box<str>,
    pub(super) meta: Box<str>,
    pub(super) log: Box<str>,
}

impl Keys {
    /// The keys of a kind. Neither name holds a brace, so the slot is that of what stands in braces here.
    pub(super) fn new(prefix: &str, fleet: &FleetName, kind: &str) -> Self {
        let base = format!("{prefix}:{{{}/{kind}}}", fleet.as_str());
        Self { meta: format!("{base}:meta").into(), log: format!("{base}:log").into(), base: base.into() }
    }

    pub(super) fn snapshot(&self, shard: &Shard) -> String {
        format!("{}:snap:{shard}", self.base)
    }

    /// Where a large snapshot lies until all of it is there.
    pub(super) fn stage(&self, shard: &Shard) -> String {
        format!("{}:stage:{shard}", self.base)
    }
}
