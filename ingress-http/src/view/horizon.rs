//! Since when somebody's view is as it is.
//!
//! Who may see part of the state must not learn from a revision or an entity tag that something else changed. So what they see has
//! the position at which it became so, which is as good to go on from: nothing that they may see happened since. It is found by
//! comparing: a fingerprint of everything that may be seen, with the one of last time. That costs a walk over what may be seen, and
//! is paid by those only who may not see everything.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use ingress_core::{ClusterId, Ingress, Kind as _, Position, Snapshot};

use super::grants::{Grants, LaneSight};

/// Of how many different views the horizon is known at most. One that is forgotten begins anew, which tells nothing: the position is
/// sealed.
const KNOWN: usize = 4096;

/// The horizon of each view.
#[derive(Debug, Default)]
pub(crate) struct Horizons {
    by_grants: Mutex<HashMap<Grants, (u64, Position)>>,
}

impl Horizons {
    /// The position since which these grants show what they show in this snapshot. `clusters` are those of the snapshot, in order.
    pub(crate) fn of(
        &self,
        grants: &Grants,
        clusters: &[ClusterId],
        snapshot: &Snapshot<Ingress>,
    ) -> Position {
        let now = snapshot.position();
        if grants.is_all() {
            return now;
        }
        let print = fingerprint(grants, clusters, snapshot);
        let mut by_grants = self.by_grants.lock().unwrap_or_else(PoisonError::into_inner);
        match by_grants.get_mut(grants) {
            Some((known, position)) if position.epoch == now.epoch => {
                // Of two requests at once, the one with the older snapshot may come last: it neither moves the horizon nor takes part
                // of the newer one's.
                if now.seq < position.seq {
                    return now;
                }
                if *known != print {
                    (*known, *position) = (print, now);
                }
                *position
            }
            _ => {
                if by_grants.len() >= KNOWN {
                    by_grants.clear();
                }
                by_grants.insert(grants.clone(), (print, now));
                now
            }
        }
    }
}

fn fingerprint(grants: &Grants, clusters: &[ClusterId], snapshot: &Snapshot<Ingress>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for cluster in clusters {
        let mut take = |namespace| {
            for (key, ingress) in snapshot.range(cluster, namespace) {
                (key, ingress.uid(), ingress.resource_version()).hash(&mut hasher);
            }
        };
        match grants.namespaces(cluster) {
            None => take(None),
            Some(names) => names.iter().for_each(|name| take(Some(name))),
        }
    }
    for status in snapshot.lanes().filter(|status| grants.lane(&status.id) != LaneSight::Hidden) {
        (&status.id, status.state.as_str(), status.since.to_string(), status.failures).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use ingress_core::{LaneState, Store};

    use super::*;
    use crate::fixture::{cluster, grants, key, lane, simple};

    #[test]
    fn only_what_may_be_seen_moves_it() {
        let (mut writer, store) = Store::new(1, 100);
        let (horizons, grants, clusters) = (Horizons::default(), grants(&[("c", &["shop"])]), [cluster("c")]);
        let at = || horizons.of(&grants, &clusters, &store.snapshot()).seq;
        let object = |namespace: &str, version| simple(namespace, "x", version, "nginx", "h.example.com");
        assert_eq!(at(), 0);
        writer.apply(key("c", "pay", "x"), object("pay", 1));
        writer.set_lane(lane("c", "pay", LaneState::Live));
        writer.publish();
        assert_eq!(at(), 0, "nothing that may be seen changed");
        writer.apply(key("c", "shop", "x"), object("shop", 2));
        writer.publish();
        assert_eq!(at(), 3);
        writer.apply(key("c", "pay", "x"), object("pay", 3));
        writer.publish();
        assert_eq!(at(), 3);
        writer.set_lane(lane("c", "shop", LaneState::Reconnecting));
        writer.publish();
        assert_eq!(at(), 5);
        assert_eq!(horizons.of(&Grants::All, &clusters, &store.snapshot()).seq, 5);
    }
}
