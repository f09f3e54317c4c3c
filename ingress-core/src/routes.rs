//! All routes with their diagnoses, kept current.
//!
//! Every kind's changes lead into one [`Inventory`]. Each ingress, or other object that makes routes, is judged by itself, and what it was
//! judged by is noted; a change leads to new judgements of just those objects that it concerns, whatever the size of the cluster. Judgements that
//! time alone makes old, such as that of a certificate about to expire, are made again at their moment.
//!
//! Readers see [`RouteSnapshot`]s. Each is a value that shares what did not change with the one before, so that holding one costs nothing, and
//! what differs between two is found without looking at the rest: a reader that is slow misses states in between, and never a difference.

use std::iter;
use std::time::Duration;

use futures::stream::{self, BoxStream, SelectAll};
use futures::{FutureExt as _, StreamExt as _};
use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::{Timestamp, wall_now};
use crate::diagnose::{Assessed, Settings};
use crate::inventory::{Held, Inventory, Touched};
use crate::route::RouteId;
use crate::stats::{RouteCounters, RouteStats};
use crate::store::{Store, Update};

mod partial;
mod table;

pub use partial::PartialRoutes;
use table::Table;

/// How long changes are gathered, unless set otherwise.
const GATHER: Duration = Duration::from_millis(20);
/// How many objects are judged before others get their turn on the thread.
const TURN: usize = 64;
/// How long a round takes in what happens while it lasts.
const OPEN: Duration = Duration::from_secs(5);

/// All routes with their diagnoses at one moment. Cloning it copies pointers.
#[derive(Debug, Clone, Default)]
pub struct RouteSnapshot {
    routes: OrdMap<RouteId, Arc<Assessed>>,
    inventory: Inventory,
    revision: u64,
}

impl RouteSnapshot {
    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// One route.
    #[must_use]
    pub fn get(&self, id: RouteId) -> Option<&Arc<Assessed>> {
        self.routes.get(&id)
    }

    /// All routes, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Assessed>> {
        self.routes.values()
    }

    /// What they were judged by.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The same routes without what they were judged by: for whoever compares them later, and must not keep every object that is replaced
    /// meanwhile.
    #[must_use]
    pub fn without_inventory(&self) -> Self {
        Self { routes: self.routes.clone(), inventory: Inventory::new(), revision: self.revision }
    }

    /// Counts the states of this process, from 1; 0 before anything is known.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What this state has that another hadn't, ordered by id. Costs what differs, where one came from the other.
    #[must_use]
    pub fn since(&self, before: &Self) -> Vec<RouteChange> {
        let change = |item: DiffItem<'_, '_, RouteId, Arc<Assessed>>| match item {
            DiffItem::Add(_, new) => RouteChange::Added(new.clone()),
            DiffItem::Update { old: (_, old), new: (_, new) } => {
                RouteChange::Modified { old: old.clone(), new: new.clone() }
            }
            DiffItem::Remove(_, old) => RouteChange::Removed(old.clone()),
        };
        before.routes.diff(&self.routes).map(change).collect()
    }
}

/// How a route differs between two states.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RouteChange {
    /// A route that was not there.
    Added(Arc<Assessed>),
    /// A route that is another, or is judged otherwise.
    Modified {
        /// What it was.
        old: Arc<Assessed>,
        /// What it is.
        new: Arc<Assessed>,
    },
    /// A route that is gone, as it last was.
    Removed(Arc<Assessed>),
}

/// A reader's handle on the routes. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Routes {
    latest: watch::Receiver<RouteSnapshot>,
    settings: Arc<Settings>,
    counters: Arc<RouteCounters>,
}

impl Routes {
    /// Begins to assemble routes from stores.
    #[must_use]
    pub fn builder() -> RoutesBuilder {
        RoutesBuilder {
            inventory: Inventory::new(),
            streams: SelectAll::new(),
            settings: Settings::default(),
            gather: GATHER,
        }
    }

    /// The routes as they are now.
    #[must_use]
    pub fn snapshot(&self) -> RouteSnapshot {
        self.latest.borrow().clone()
    }

    /// What judging cost so far.
    #[must_use]
    pub fn stats(&self) -> RouteStats {
        self.counters.read()
    }

    /// What says that there is another state than now.
    #[must_use]
    pub fn ticks(&self) -> RouteTicks {
        let mut latest = self.latest.clone();
        latest.mark_unchanged();
        RouteTicks { latest }
    }

    /// The routes as they are now, and what changes from then on.
    #[must_use]
    pub fn subscribe(&self) -> (RouteSnapshot, RouteDeltas) {
        let mut latest = self.latest.clone();
        let last = latest.borrow_and_update().clone();
        (last.clone(), RouteDeltas { latest, last })
    }
}

/// Says that there is another state, and holds none.
#[derive(Debug, Clone)]
pub struct RouteTicks {
    latest: watch::Receiver<RouteSnapshot>,
}

impl RouteTicks {
    /// Waits until the routes were judged once more since this was last waited for, or since it was made; `false` once the hub has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> bool {
        self.latest.changed().await.is_ok()
    }
}

/// What changes from a state on.
#[derive(Debug)]
pub struct RouteDeltas {
    latest: watch::Receiver<RouteSnapshot>,
    last: RouteSnapshot,
}

impl RouteDeltas {
    /// Waits until something differs from what was told last, and tells what. `None` once the hub has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: what it would have told is told next time.
    pub async fn next(&mut self) -> Option<(RouteSnapshot, Vec<RouteChange>)> {
        loop {
            self.latest.changed().await.ok()?;
            let now = self.latest.borrow_and_update().clone();
            let changes = now.since(&self.last);
            self.last = now.clone();
            if !changes.is_empty() {
                return Some((now, changes));
            }
        }
    }

    /// Waits until the routes were judged once more, whether or not any of them differs: what they were judged by may. `None` once the hub has
    /// ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn settled(&mut self) -> Option<RouteSnapshot> {
        self.latest.changed().await.ok()?;
        Some(self.latest.borrow_and_update().clone())
    }
}

/// A change on its way into the inventory, whatever its kind.
type Apply = Box<dyn FnOnce(&mut Inventory, &mut Touched) + Send>;

/// Assembles [`Routes`] from stores. A hub does it by itself; this is for whoever keeps stores without one.
pub struct RoutesBuilder {
    inventory: Inventory,
    streams: SelectAll<BoxStream<'static, Apply>>,
    settings: Settings,
    gather: Duration,
}

impl std::fmt::Debug for RoutesBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoutesBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl RoutesBuilder {
    /// Judges by what this store has, too. A kind that no store is given for is unknown.
    #[must_use]
    #[expect(private_bounds, reason = "what can be held is a closed set")]
    pub fn follow<K: Held>(mut self, store: &Store<K>) -> Self {
        self.inventory.watch::<K>();
        let (snapshot, deltas) = store.subscribe();
        let first: Apply = Box::new(move |inventory, touched| inventory.reset(&snapshot, touched));
        let later = stream::unfold(deltas, async |mut deltas| {
            let update = deltas.next().await?;
            let apply: Apply = Box::new(move |inventory, touched| match &update {
                Update::Changes(batch) => {
                    batch.changes.iter().for_each(|change| inventory.apply(change, touched));
                }
                Update::Reset(snapshot) => inventory.reset(snapshot, touched),
                Update::Lanes(snapshot) => inventory.reset_lanes(snapshot, touched),
            });
            Some((apply, deltas))
        });
        self.streams.push(stream::iter([first]).chain(later).boxed());
        self
    }

    /// Sets what counts as wrong.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Sets how long changes are gathered before they are judged: what is created together, such as a service with its pods, is judged
    /// once. 20 ms unless set.
    #[must_use]
    pub fn gather(mut self, period: Duration) -> Self {
        self.gather = period;
        self
    }

    /// The routes, and the work that keeps them current: it ends with the stores, and has to be polled by somebody, within a tokio runtime.
    #[must_use = "nothing is judged unless the work is polled"]
    pub fn start(self) -> (Routes, impl Future<Output = ()> + Send) {
        let (publish, latest) = watch::channel(RouteSnapshot::default());
        let (settings, counters) = (Arc::new(self.settings.clone()), Arc::<RouteCounters>::default());
        let table = Table::new(self.inventory, self.settings);
        let work = run(table, self.streams, publish, self.gather, counters.clone());
        (Routes { latest, settings, counters }, work)
    }
}

async fn run(
    mut table: Table,
    mut streams: SelectAll<BoxStream<'static, Apply>>,
    publish: watch::Sender<RouteSnapshot>,
    gather: Duration,
    counters: Arc<RouteCounters>,
) {
    let mut revision = 0;
    loop {
        let wait = table.deadline().map(until);
        let first = tokio::select! {
            biased;
            apply = streams.next() => match apply {
                Some(apply) => Some(apply),
                None => return,
            },
            () = sleep(wait) => None,
        };
        if let Some(first) = first {
            table.apply(first, wall_now());
            let gathered = tokio::time::sleep(gather);
            tokio::pin!(gathered);
            // A timer waits for its next tick, however short it is.
            while !gather.is_zero() {
                tokio::select! {
                    biased;
                    () = &mut gathered => break,
                    apply = streams.next() => match apply {
                        Some(apply) => table.apply(apply, wall_now()),
                        None => break,
                    },
                }
            }
        }
        let (mut now, round) = (wall_now(), Instant::now());
        table.begin(now);
        if table.pending() > 0 {
            counters.round();
        }
        loop {
            let (begun, pending) = (Instant::now(), table.pending());
            let more = table.judge(TURN, now);
            counters.judged(pending - table.pending(), begun.elapsed());
            if !more {
                break;
            }
            tokio::task::yield_now().await;
            // What is waiting already spares what is left from being judged twice: when a cluster is first read, most of it would be, with each kind
            // that comes.
            if round.elapsed() < OPEN && take_in(&mut table, &mut streams) {
                now = wall_now();
                table.begin(now);
            }
        }
        revision += 1;
        let RouteSnapshot { routes, inventory, .. } = table.snapshot();
        publish.send_replace(RouteSnapshot { routes, inventory, revision });
    }
}

/// Takes in what is waiting, without waiting for more. Whether there was anything.
fn take_in(table: &mut Table, streams: &mut SelectAll<BoxStream<'static, Apply>>) -> bool {
    let waiting = iter::from_fn(|| streams.next().now_or_never().flatten()).take(TURN);
    let mut any = false;
    for apply in waiting {
        table.apply(apply, wall_now());
        any = true;
    }
    any
}

/// How long it is until a moment. At least a moment, so that nothing turns in circles.
fn until(moment: Timestamp) -> Duration {
    let wait = moment.duration_since(wall_now());
    Duration::try_from(wait).unwrap_or_default().max(Duration::from_millis(1))
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        // Tokio's clock and the calendar's drift apart; whoever waits for months looks again tomorrow.
        Some(wait) => tokio::time::sleep(wait.min(Duration::from_secs(24 * 60 * 60))).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
