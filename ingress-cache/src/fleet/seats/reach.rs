//! Which clusters a member says that it can't reach: only what has been so for a while, either way.
//!
//! A probe that fails once, or succeeds once in an outage, must not move a shard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ingress_core::ClusterId;
use tokio::time::Instant;

/// What probes found, and what is made of it.
#[derive(Debug)]
pub(super) struct Reach {
    patience: Duration,
    told: BTreeSet<ClusterId>,
    /// Clusters of which probes say something else than is told, and since when.
    doubts: BTreeMap<ClusterId, Instant>,
}

impl Reach {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, told: BTreeSet::new(), doubts: BTreeMap::new() }
    }

    /// Takes note of what probes say now.
    pub(super) fn found(&mut self, now: Instant, unreachable: &BTreeSet<ClusterId>) {
        let differing: BTreeSet<ClusterId> = self.told.symmetric_difference(unreachable).cloned().collect();
        self.doubts.retain(|cluster, _| differing.contains(cluster));
        for cluster in differing {
            self.doubts.entry(cluster).or_insert(now);
        }
    }

    /// What to tell.
    pub(super) fn told(&mut self, now: Instant) -> &BTreeSet<ClusterId> {
        let patience = self.patience;
        let told = &mut self.told;
        self.doubts.retain(|cluster, since| {
            let believed = now.saturating_duration_since(*since) >= patience;
            if believed && !told.remove(cluster) {
                told.insert(cluster.clone());
            }
            !believed
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_lasts_is_told() {
        let east = BTreeSet::from([ClusterId::new("east").unwrap()]);
        let mut reach = Reach::new(Duration::from_secs(5));
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        for (second, found, told) in [
            (0, true, false),
            (4, true, false),
            (5, true, true),
            (6, false, true),
            (8, true, true), // back for a moment
            (9, false, true),
            (13, false, true),
            (14, false, false),
            (15, true, false),
            (16, false, false),
            (30, false, false),
        ] {
            reach.found(at(second), if found { &east } else { const { &BTreeSet::new() } });
            assert_eq!(reach.told(at(second)).is_empty(), !told, "after {second} s");
        }
    }
}
