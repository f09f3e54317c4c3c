//! The judgements, what each depends on, and which are to be made again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use imbl::OrdMap;

use super::{Apply, RouteSnapshot};
use crate::clock::Timestamp;
use crate::diagnose::{Assessed, Settings, assess, makes_routes};
use crate::inventory::{Dependencies, Dependency, Inventory, Reader, Touched};
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
    pending: Vec<Unit>,
}

impl Table {
    pub(super) fn new(inventory: Inventory, settings: Settings) -> Self {
        Self {
            inventory,
            settings,
            units: HashMap::new(),
            dependents: HashMap::new(),
            deadlines: BTreeSet::new(),
            routes: OrdMap::new(),
            touched: Touched::default(),
            pending: Vec::new(),
        }
    }

    /// Takes a change in that was seen now; it is judged later.
    pub(super) fn apply(&mut self, apply: Apply, now: Timestamp) {
        self.touched.at(now);
        apply(&mut self.inventory, &mut self.touched);
    }

    /// The next moment at which a judgement is too old, though nothing changed.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(moment, _)| *moment)
    }

    /// Finds out which objects are to be judged, after all changes so far and at this moment.
    pub(super) fn begin(&mut self, now: Timestamp) {
        let touched = std::mem::take(&mut self.touched);
        let mut pending: BTreeSet<Unit> = std::mem::take(&mut self.pending).into_iter().collect();
        pending.extend(touched.objects().filter(|(kind, _)| makes_routes(*kind)).cloned());
        for dependency in touched.dependencies() {
            pending.extend(self.dependents.get(&dependency).into_iter().flatten().cloned());
        }
        pending.extend(
            self.deadlines.iter().take_while(|(moment, _)| *moment <= now).map(|(_, unit)| unit.clone()),
        );
        self.pending = pending.into_iter().collect();
    }

    /// Judges some of them. Whether there are more.
    pub(super) fn judge(&mut self, some: usize, now: Timestamp) -> bool {
        let from = self.pending.len().saturating_sub(some);
        for unit in self.pending.split_off(from) {
            self.judge_one(unit, now);
        }
        !self.pending.is_empty()
    }

    fn judge_one(&mut self, unit: Unit, now: Timestamp) {
        let before = self.units.remove(&unit);
        let gone = before.as_ref().map(|judged| judged.routes.clone()).unwrap_or_default();
        let (assessed, reader) = {
            let reader = Reader::new(&self.inventory, unit.1.cluster(), now);
            (assess(&reader, &self.settings, unit.0, &unit.1), reader)
        };
        let until = reader.until();
        let dependencies = reader.into_dependencies();
        let routes: Vec<RouteId> = assessed.iter().flatten().map(|assessed| assessed.route.id).collect();
        for id in gone.iter().filter(|id| !routes.contains(id)) {
            self.routes.remove(id);
        }
        for new in assessed.iter().flatten() {
            // What is judged as before stays what it was, so that it doesn't look changed.
            if self.routes.get(&new.route.id).is_none_or(|old| **old != *new) {
                self.routes.insert(new.route.id, Arc::new(new.clone()));
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
