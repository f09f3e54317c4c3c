//! What happened lately: the bounded log that watches read and resume from.

use std::collections::VecDeque;
use std::sync::Arc;

use super::backing::{Certificate, Changed, Workload};
use super::plot::Plot;
use super::space::Space;

/// One change of the simulated cluster. As in etcd, all kinds share one count of revisions.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) revision: u64,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Ingress(Plot),
    IngressGone { namespace: Arc<str>, name: Arc<str> },
    Space(Arc<Space>),
    SpaceGone { name: Arc<str> },
    Workload(Changed<Workload>),
    Certificate(Changed<Certificate>),
}

#[derive(Debug)]
pub(super) struct History {
    events: VecDeque<Event>,
    capacity: usize,
    /// The least revision that everything after is still known of.
    floor: u64,
}

impl History {
    pub(super) fn new(capacity: usize, floor: u64) -> Self {
        Self { events: VecDeque::new(), capacity, floor }
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.events.len() >= self.capacity
            && let Some(oldest) = self.events.pop_front()
        {
            self.floor = oldest.revision;
        }
        self.events.push_back(event);
    }

    /// Forgets everything up to a revision, as a compaction of etcd does.
    pub(super) fn compact(&mut self, revision: u64) {
        self.events.clear();
        self.floor = revision;
    }

    /// Everything after a revision, in order; `None` when some of that is no longer known.
    pub(super) fn after(&self, revision: u64) -> Option<impl Iterator<Item = &Event>> {
        if revision < self.floor {
            return None;
        }
        let from = self.events.partition_point(|event| event.revision <= revision);
        Some(self.events.range(from..))
    }

    pub(super) fn floor(&self) -> u64 {
        self.floor
    }
}
