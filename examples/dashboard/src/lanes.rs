//! Logs what becomes of the lanes: a line for each that changes, one line for all when many do.
//!
//! The engine logs every loss of every lane. A cluster that goes away takes all of them along, hundreds where each
//! namespace has its own, and says so often; who reads the log needs one line then. So this program turns those off
//! and writes its own, from the same changes that its clients see.

use std::collections::BTreeMap;
use std::time::Duration;

use ingress_core::{Change, Kind, LaneId, LaneState, LaneStatus, Store, Update};
use tokio::time::{Instant, timeout_at};

/// How long changes of lanes are collected.
const WINDOW: Duration = Duration::from_secs(1);
/// Up to how many lanes get a line of their own.
const FEW: usize = 3;

/// What is worth a line, of all that a lane goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Live,
    Lost,
    Denied,
    Ended,
}

impl Outcome {
    fn of(status: &LaneStatus) -> Option<Self> {
        match status.state {
            LaneState::Live => Some(Self::Live),
            LaneState::Denied => Some(Self::Denied),
            LaneState::Reconnecting => Some(Self::Lost),
            LaneState::Connecting if status.error.is_some() => Some(Self::Lost),
            // On the way to one of the others.
            _ => None,
        }
    }
}

/// What a lane came to, and why.
struct News {
    outcome: Outcome,
    error: Option<String>,
}

/// Follows the lanes of a store until the engine ends.
pub(crate) async fn report<K: Kind>(store: Store<K>) {
    let (snapshot, mut deltas) = store.subscribe();
    let mut told: BTreeMap<LaneId, Outcome> = BTreeMap::new();
    let plural = K::resource().plural;
    let mut fresh: BTreeMap<LaneId, News> = BTreeMap::new();
    for status in snapshot.lanes() {
        note(&mut fresh, status);
    }
    loop {
        while fresh.is_empty() {
            let Some(update) = deltas.next().await else { return };
            take(&mut fresh, update);
        }
        let until = Instant::now() + WINDOW;
        while let Ok(update) = timeout_at(until, deltas.next()).await {
            let Some(update) = update else { return };
            take(&mut fresh, update);
        }
        let changed: Vec<(LaneId, News)> = std::mem::take(&mut fresh)
            .into_iter()
            .filter(|(id, news)| told.get(id) != Some(&news.outcome))
            .collect();
        for (id, news) in &changed {
            match news.outcome {
                Outcome::Ended => told.remove(id),
                outcome => told.insert(id.clone(), outcome),
            };
        }
        write(&plural, &changed);
    }
}

fn take<K>(fresh: &mut BTreeMap<LaneId, News>, update: Update<K>) {
    match update {
        Update::Changes(batch) => {
            for change in &batch.changes {
                match change {
                    Change::Lane(status) => note(fresh, status),
                    Change::LaneRemoved(id) => {
                        fresh.insert(id.clone(), News { outcome: Outcome::Ended, error: None });
                    }
                    _ => {}
                }
            }
        }
        Update::Reset(snapshot) => {
            for status in snapshot.lanes() {
                note(fresh, status);
            }
        }
        _ => {}
    }
}

fn note(fresh: &mut BTreeMap<LaneId, News>, status: &LaneStatus) {
    if let Some(outcome) = Outcome::of(status) {
        let error = status.error.as_ref().map(|error| format!("{}: {error}", error.kind().as_str()));
        fresh.insert(status.id.clone(), News { outcome, error });
    }
}

fn write(resource: &str, changed: &[(LaneId, News)]) {
    if changed.len() <= FEW {
        for (lane, News { outcome, error }) in changed {
            let error = error.as_deref().unwrap_or_default();
            match outcome {
                Outcome::Live => tracing::info!(%lane, "live"),
                Outcome::Lost => {
                    tracing::warn!(%lane, error, "not current, trying again");
                }
                Outcome::Denied => tracing::warn!(%lane, error, "refused by the cluster"),
                Outcome::Ended => tracing::info!(%lane, "ended"),
            }
        }
        return;
    }
    let count = |wanted| changed.iter().filter(|(_, news)| news.outcome == wanted).count();
    let first = changed.iter().find_map(|(_, news)| news.error.as_deref()).unwrap_or_default();
    let (live, lost, denied, ended) =
        (count(Outcome::Live), count(Outcome::Lost), count(Outcome::Denied), count(Outcome::Ended));
    if lost + denied > 0 {
        tracing::warn!(resource, live, lost, denied, ended, error = first, "lanes changed");
    } else {
        tracing::info!(resource, live, ended, "lanes changed");
    }
}
