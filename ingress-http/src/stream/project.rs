//! What a change of the store means to somebody who sees only part of it.

use ingress_core::{Change, Ingress, LaneId, LaneStatus, ObjectKey};

use crate::filter::Filter;

/// A change as one filter shows it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event<'a> {
    Added(&'a ObjectKey, &'a Ingress),
    Modified(&'a ObjectKey, &'a Ingress),
    /// With the object as it was last shown.
    Deleted(&'a ObjectKey, &'a Ingress),
    Lane(&'a LaneStatus),
    LaneRemoved(&'a LaneId),
}

/// An object that begins to match was never shown, so it is added; one that ceases to is gone. `None` when nothing that
/// is shown changed.
pub(super) fn project<'a>(filter: &Filter, change: &'a Change<Ingress>) -> Option<Event<'a>> {
    match change {
        Change::Added(key, new) => filter.matches(new).then_some(Event::Added(key, new)),
        Change::Modified { key, old, new } => match (filter.matches(old), filter.matches(new)) {
            (true, true) => Some(Event::Modified(key, new)),
            (false, true) => Some(Event::Added(key, new)),
            (true, false) => Some(Event::Deleted(key, old)),
            (false, false) => None,
        },
        Change::Deleted(key, old) => filter.matches(old).then_some(Event::Deleted(key, old)),
        Change::Lane(status) => filter.concerns_lane(&status.id).then_some(Event::Lane(status)),
        Change::LaneRemoved(lane) => filter.concerns_lane(lane).then_some(Event::LaneRemoved(lane)),
        _ => None,
    }
}
