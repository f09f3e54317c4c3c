//! What a follower shows of lanes: what their watcher says of them, and what the follower knows better.
//!
//! A lane says of itself that it is live, and that stays true for as long as somebody says so. When the log can't be read, or the replica
//! that watches a shard gives no sign of life, what was said before is what is known, and since when nobody knows more.

use std::collections::{BTreeMap, BTreeSet};

use ingress_core::clock::Timestamp;
use ingress_core::{ErrorKind, Kind, LaneId, LaneState, LaneStatus, SourceError, Writer};

use super::cut::Cut;
use super::shard::Shard;

/// Why what lanes say is not to be relied on.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    /// Since when.
    pub(super) since: Timestamp,
    /// What is the matter, for people.
    pub(super) message: &'static str,
}

/// The lanes of a kind.
#[derive(Debug)]
pub(super) struct Lanes {
    /// As their watchers say.
    said: BTreeMap<LaneId, LaneStatus>,
    /// Those of which nobody has said anything.
    unheard: BTreeMap<LaneId, LaneStatus>,
    /// With all of them.
    log: Option<Trouble>,
    /// With those of one shard.
    shards: BTreeMap<Shard, Trouble>,
}

impl Lanes {
    /// Lanes that nobody has spoken of yet; shows them.
    pub(super) fn new<K: Kind>(cut: &Cut, writer: &mut Writer<K>) -> Self {
        let lane = |id: &LaneId| (id.clone(), LaneStatus::new(id.clone(), K::resource().kind));
        let unheard: BTreeMap<_, _> = cut.lanes().iter().map(lane).collect();
        for status in unheard.values() {
            writer.set_lane(status.clone());
        }
        Self { said: BTreeMap::new(), unheard, log: None, shards: BTreeMap::new() }
    }

    /// Takes what a lane says now, and shows it.
    pub(super) fn say<K: Kind>(&mut self, cut: &Cut, status: LaneStatus, writer: &mut Writer<K>) {
        let id = status.id.clone();
        self.said.insert(id.clone(), status);
        if let Some(shown) = self.shown(cut, &id) {
            writer.set_lane(shown);
        }
    }

    /// Forgets a lane that is no more.
    pub(super) fn remove<K: Kind>(&mut self, id: &LaneId, writer: &mut Writer<K>) {
        self.said.remove(id);
        writer.remove_lane(id);
    }

    /// Takes what some shards' lanes say for all that they say; shows nothing yet.
    pub(super) fn replace(&mut self, cut: &Cut, shards: &BTreeSet<Shard>, said: Vec<LaneStatus>) {
        self.said.retain(|id, _| !shards.iter().any(|shard| cut.lane_is_of(id, shard)));
        self.said.extend(said.into_iter().map(|status| (status.id.clone(), status)));
    }

    /// Takes over what a watch of one's own says instead of all others.
    pub(super) fn replace_all(&mut self, said: Vec<LaneStatus>) {
        self.said = said.into_iter().map(|status| (status.id.clone(), status)).collect();
        (self.log, self.shards) = (None, BTreeMap::new());
    }

    /// Sets what is the matter with the log; whether that changed.
    pub(super) fn set_log_trouble(&mut self, trouble: Option<Trouble>) -> bool {
        let changed = self.log.is_some() != trouble.is_some();
        if changed {
            self.log = trouble;
        }
        changed
    }

    /// Sets which shards' watchers are silent; whether that changed.
    pub(super) fn set_shard_troubles(&mut self, troubles: BTreeMap<Shard, Trouble>) -> bool {
        let changed = !self.shards.keys().eq(troubles.keys());
        if changed {
            self.shards = troubles;
        }
        changed
    }

    /// Sets what is read of lanes when asked for, as their watcher told it last.
    pub(super) fn gauge(&self, shown: &LaneStatus, told: &LaneStatus) {
        let contact = told.last_contact().map(|time| time.as_millisecond());
        shown.set_gauges(contact, told.objects());
        if let Some(said) = self.said.get(&told.id) {
            said.set_gauges(contact, told.objects());
        }
    }

    /// Makes what is shown what should be.
    pub(super) fn show<K: Kind>(&mut self, cut: &Cut, writer: &mut Writer<K>) {
        // One who is heard of speaks for the shard.
        let heard: Vec<&Shard> = cut
            .shards()
            .iter()
            .filter(|shard| self.said.keys().any(|id| cut.lane_is_of(id, shard)))
            .collect();
        let mut wanted: BTreeMap<LaneId, LaneStatus> =
            self.said.keys().filter_map(|id| Some((id.clone(), self.shown(cut, id)?))).collect();
        for (id, status) in &self.unheard {
            if !heard.iter().any(|shard| cut.lane_is_of(id, shard)) {
                wanted.insert(id.clone(), self.marked(cut, status.clone()));
            }
        }
        let now: Vec<LaneId> = writer.state().lanes().map(|lane| lane.id.clone()).collect();
        for id in now.iter().filter(|id| !wanted.contains_key(id)) {
            writer.remove_lane(id);
        }
        for (id, status) in wanted {
            if writer.state().lane(&id).is_none_or(|shown| !alike(shown, &status)) {
                writer.set_lane(status);
            }
        }
    }

    fn shown(&self, cut: &Cut, id: &LaneId) -> Option<LaneStatus> {
        self.said.get(id).map(|status| self.marked(cut, status.clone()))
    }

    fn marked(&self, cut: &Cut, status: LaneStatus) -> LaneStatus {
        let silent = self.shards.iter().find(|(shard, _)| cut.lane_is_of(&status.id, shard));
        match self.log.as_ref().or(silent.map(|(_, trouble)| trouble)) {
            Some(trouble) => trouble.mark(status),
            None => status,
        }
    }
}

impl Trouble {
    /// What a lane is to those who can't hear it.
    fn mark(&self, mut status: LaneStatus) -> LaneStatus {
        if status.last_sync.is_some() {
            status.stale_since = Some(status.stale_since.map_or(self.since, |since| since.min(self.since)));
        }
        if status.state != LaneState::Denied {
            status.state =
                if status.last_sync.is_some() { LaneState::Reconnecting } else { LaneState::Connecting };
            status.since = self.since;
            status.error = Some(SourceError::new(ErrorKind::Disconnected, self.message));
        }
        status
    }
}

fn alike(one: &LaneStatus, other: &LaneStatus) -> bool {
    let facts = |of: &LaneStatus| {
        (
            (of.state, of.since, of.last_sync, of.stale_since, of.failures, of.retry_at),
            (
                of.relists,
                of.malformed,
                of.error.as_ref().map(|error| (error.kind(), error.message().to_owned())),
            ),
        )
    };
    facts(one) == facts(other)
}

#[cfg(test)]
mod tests {
    use ingress_core::clock::wall_now;
    use ingress_core::{ClusterId, Ingress, LaneScope, Namespace, Store};

    use super::*;

    fn id(namespace: &str) -> LaneId {
        let scope = LaneScope::Namespace(Namespace::new(namespace).unwrap());
        LaneId::new(ClusterId::new("c").unwrap(), &Ingress::resource(), scope)
    }

    fn said(namespace: &str, state: LaneState) -> LaneStatus {
        let mut status = LaneStatus::new(id(namespace), "Ingress");
        status.state = state;
        status.last_sync = (state == LaneState::Live).then(wall_now);
        status
    }

    fn shown(writer: &Writer<Ingress>) -> Vec<(String, LaneState, bool)> {
        let fact =
            |lane: &std::sync::Arc<LaneStatus>| (lane.id.to_string(), lane.state, lane.stale_since.is_some());
        writer.state().lanes().map(fact).collect()
    }

    fn lane(namespace: &str, state: LaneState, stale: bool) -> (String, LaneState, bool) {
        (format!("c/ingresses/{namespace}"), state, stale)
    }

    fn trouble() -> Trouble {
        Trouble { since: wall_now(), message: "it is silent" }
    }

    #[test]
    fn what_is_said_is_shown_until_nobody_can_know() {
        let (mut writer, _store) = Store::<Ingress>::new(1, 100);
        let cut = Cut::of_namespaces(&["a", "b"], 1);
        let mut lanes = Lanes::new(&cut, &mut writer);
        assert_eq!(shown(&writer).len(), 2, "there are lanes before anybody spoke of them");
        lanes.say(&cut, said("a", LaneState::Live), &mut writer);
        lanes.say(&cut, said("b", LaneState::Denied), &mut writer);
        lanes.show(&cut, &mut writer);
        let fine = [lane("a", LaneState::Live, false), lane("b", LaneState::Denied, false)];
        assert_eq!(shown(&writer), fine);

        assert!(lanes.set_log_trouble(Some(trouble())) && !lanes.set_log_trouble(Some(trouble())));
        lanes.show(&cut, &mut writer);
        let stale = [lane("a", LaneState::Reconnecting, true), lane("b", LaneState::Denied, false)];
        assert_eq!(shown(&writer), stale);
        let error = writer.state().lane(&id("a")).unwrap().error.clone().unwrap();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Disconnected, "it is silent"));

        lanes.set_log_trouble(None);
        lanes.show(&cut, &mut writer);
        assert_eq!(shown(&writer), fine);
        let changes = writer.unpublished();
        lanes.show(&cut, &mut writer);
        assert_eq!(writer.unpublished(), changes, "what is shown already is not said again");
    }

    #[test]
    fn a_silent_watcher_makes_its_own_lanes_stale_and_no_others() {
        let (mut writer, _store) = Store::<Ingress>::new(1, 100);
        let cut = Cut::of_namespaces(&["a", "b", "c", "d", "e", "f"], 3);
        let mut lanes = Lanes::new(&cut, &mut writer);
        for namespace in ["a", "b", "c", "d", "e", "f"] {
            lanes.say(&cut, said(namespace, LaneState::Live), &mut writer);
        }
        let silent = cut.shards().iter().find(|shard| !cut.lanes_of(shard).is_empty()).unwrap();
        assert!(lanes.set_shard_troubles([(silent.clone(), trouble())].into()));
        lanes.show(&cut, &mut writer);
        for status in writer.state().lanes() {
            assert_eq!(status.is_live(), !cut.lane_is_of(&status.id, silent), "{}", status.id);
        }
    }

    #[test]
    fn lanes_that_are_no_more_are_forgotten_with_their_shard() {
        let (mut writer, _store) = Store::<Ingress>::new(1, 100);
        let cut = Cut::of_namespaces(&["a", "b"], 1);
        let mut lanes = Lanes::new(&cut, &mut writer);
        lanes.say(&cut, said("a", LaneState::Live), &mut writer);
        lanes.say(&cut, said("b", LaneState::Live), &mut writer);
        lanes.replace(&cut, cut.shards(), vec![said("b", LaneState::Live)]);
        lanes.show(&cut, &mut writer);
        assert_eq!(shown(&writer), [lane("b", LaneState::Live, false)]);
        lanes.remove(&id("b"), &mut writer);
        lanes.show(&cut, &mut writer);
        assert_eq!(shown(&writer).len(), 2, "nobody speaks of them any more, but they are still to be");
        assert!(writer.state().lanes().all(|lane| lane.state == LaneState::Connecting));
    }
}
