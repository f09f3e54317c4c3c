//! The judgements, what each depends on, and which are to be made again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use imbl::OrdMap;

use super::{Apply, RouteSnapshot};
use crate::clock::Timestamp;
use crate::diagnose::{Assessed, Settings, assess, makes_routes, units};
use crate::inventory::{Dependencies, Dependency, Inventory, MayRead, Reader, Refusal, Touched};
use crate::key::ObjectKey;
use crate::route::RouteId;

/// An object that makes routes: the number of its kind, and its key.
type Unit = (u8, ObjectKey);

/// How an object was judged.
struct Judged {
    routes: Vec<RouteId>,
    dependencies: Dependencies,
    until: Option<Timestamp>,
}

/// All judgements.
pub(super) struct Table {
    inventory: Inventory,
    settings: Settings,
    units: HashMap<Unit, Judged>,
    dependents: HashMap<Dependency, HashSet<Unit>>,
    deadlines: BTreeSet<(Timestamp, Unit)>,
    routes: OrdMap<RouteId, Arc<Assessed>>,
    touched: Touched,
    pending: BTreeSet<Unit>,
    /// What whoever it is judged for may read; `None` means everything.
    may_read: Option<Arc<dyn MayRead>>,
    /// What was looked at and may not be read.
    refused: BTreeSet<Refusal>,
    /// Whether a judgement differs from the one before since this was last asked.
    differs: bool,
}

impl Table {
    pub(super) fn new(inventory: Inventory, settings: Settings) -> Self {
        Self {
            inventory,
            settings,
            may_read: None,
            refused: BTreeSet::new(),
            differs: false,
            units: HashMap::new(),
            dependents: HashMap::new(),
            deadlines: BTreeSet::new(),
            routes: OrdMap::new(),
            touched: Touched::default(),
            pending: BTreeSet::new(),
        }
    }

    /// Takes a change in that was seen now; it is judged later.
    pub(super) fn apply(&mut self, apply: Apply, now: Timestamp) {
        self.touched.at(now);
        apply(&mut self.inventory, &mut self.touched);
    }

    /// The same for somebody who may read part of it; it follows whole states of the inventory ([`follow`](Self::follow)).
    pub(super) fn through(may_read: Arc<dyn MayRead>, settings: Settings) -> Self {
        Self { may_read: Some(may_read), ..Self::new(Inventory::new(), settings) }
    }

    /// Takes in what another state of the inventory has otherwise; it is judged later. Whether anything differs that may be read.
    pub(super) fn follow(&mut self, to: &Inventory) -> bool {
        let Some(may_read) = &self.may_read else { return false };
        let differs = to.since(&self.inventory, &**may_read, &mut self.touched);
        self.inventory = to.clone();
        differs
    }

    /// Takes a first state in. All of it is judged later, so there is no need to know what else could depend on what.
    pub(super) fn begin_with(&mut self, inventory: Inventory) {
        self.pending.extend(units(&inventory));
        self.inventory = inventory;
    }

    /// What was looked at so far and may not be read.
    pub(super) fn refused(&self) -> &BTreeSet<Refusal> {
        &self.refused
    }

    /// Whether judgements differ since this was last asked.
    pub(super) fn take_differs(&mut self) -> bool {
        std::mem::take(&mut self.differs)
    }

    /// How many objects are to be judged.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// The next moment at which a judgement is too old, though nothing changed.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(moment, _)| *moment)
    }

    /// Finds out which objects are to be judged beside those that are left, after all changes so far and at this moment.
    pub(super) fn begin(&mut self, now: Timestamp) {
        let touched = std::mem::take(&mut self.touched);
        self.pending.extend(touched.objects().filter(|(kind, _)| makes_routes(*kind)).cloned());
        for dependency in touched.dependencies() {
            self.pending.extend(self.dependents.get(&dependency).into_iter().flatten().cloned());
        }
        let due = self.deadlines.iter().take_while(|(moment, _)| *moment <= now);
        self.pending.extend(due.map(|(_, unit)| unit.clone()));
    }

    /// Judges some of them. Whether there are more.
    pub(super) fn judge(&mut self, some: usize, now: Timestamp) -> bool {
        for _ in 0..some {
            let Some(unit) = self.pending.pop_first() else { break };
            self.judge_one(unit, now);
        }
        !self.pending.is_empty()
    }

    fn judge_one(&mut self, unit: Unit, now: Timestamp) {
        let before = self.units.remove(&unit);
        let gone = before.as_ref().map(|judged| judged.routes.clone()).unwrap_or_default();
        let cluster = unit.1.cluster();
        let reader = match &self.may_read {
            None => Reader::new(&self.inventory, cluster, now),
            Some(may_read) => Reader::through(&self.inventory, cluster, now, &**may_read),
        };
        let assessed = assess(&reader, &self.settings, unit.0, &unit.1);
        self.refused.extend(reader.refused());
        let until = reader.until();
        let dependencies = reader.into_dependencies();
        let routes: Vec<RouteId> = assessed.iter().flatten().map(|assessed| assessed.route.id).collect();
        for id in gone.iter().filter(|id| !routes.contains(id)) {
            self.differs |= self.routes.remove(id).is_some();
        }
        for new in assessed.iter().flatten() {
            // What is judged as before stays what it was, so that it doesn't look changed.
            if self.routes.get(&new.route.id).is_none_or(|old| **old != *new) {
                self.routes.insert(new.route.id, Arc::new(new.clone()));
                self.differs = true;
            }
        }
        let judged = assessed.map(|_| Judged { routes, dependencies, until });
        self.note(unit, before, judged);
    }

    /// Changes what an object is known to depend on.
    fn note(&mut self, unit: Unit, before: Option<Judged>, now: Option<Judged>) {
        let none = Dependencies::default();
        let old = before.as_ref().map_or(&none, |judged| &judged.dependencies);
        let new = now.as_ref().map_or(&none, |judged| &judged.dependencies);
        for dependency in old.iter().filter(|dependency| !new.has(*dependency)) {
            if let Some(units) = self.dependents.get_mut(&dependency) {
                units.remove(&unit);
                if units.is_empty() {
                    self.dependents.remove(&dependency);
                }
            }
        }
        for dependency in new.iter().filter(|dependency| !old.has(*dependency)) {
            self.dependents.entry(dependency).or_default().insert(unit.clone());
        }
        if let Some(moment) = before.and_then(|judged| judged.until) {
            self.deadlines.remove(&(moment, unit.clone()));
        }
        if let Some(moment) = now.as_ref().and_then(|judged| judged.until) {
            self.deadlines.insert((moment, unit.clone()));
        }
        if let Some(judged) = now {
            self.units.insert(unit, judged);
        }
    }

    /// The judgements as they are.
    pub(super) fn snapshot(&self) -> RouteSnapshot {
        RouteSnapshot { routes: self.routes.clone(), inventory: self.inventory.clone(), revision: 0 }
    }
}
