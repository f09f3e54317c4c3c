//! What happens in one change, and how often.

use std::sync::Arc;

use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::{Step, World};
use crate::source::demo::character::Dice;
use crate::source::demo::history::What;
use crate::source::demo::plot::AddressState;
use crate::source::demo::space::{Space, Stage};
use crate::source::demo::vocabulary::PRODUCTS;

// Of a thousand changes, so many open or close a namespace, and create or delete an ingress; the rest are edits.
const NAMESPACES: u32 = 3;
const TURNOVER: u32 = 90;

impl World {
    /// Makes exactly one change.
    pub(super) fn change(&mut self, at: i64) {
        if self.dice.random_ratio(1, 2) && self.take_step(at) {
            return;
        }
        match self.dice.random_range(0..1000) {
            ..NAMESPACES => self.turn_namespaces_over(at),
            NAMESPACES..TURNOVER => self.turn_ingresses_over(at),
            _ => self.edit_any(at),
        }
    }

    /// Takes the next step of something begun; whether there was one.
    fn take_step(&mut self, at: i64) -> bool {
        while let Some(step) = self.steps.pop_front() {
            let taken = match step {
                Step::Assign { namespace, name } => {
                    self.update(&namespace, &name, at, |plot| plot.edits.address = AddressState::Assigned)
                }
                Step::Fill { namespace } => match self.spaces.get(&namespace).cloned() {
                    Some(space) if !space.terminating => {
                        self.create(space, at);
                        true
                    }
                    _ => false,
                },
                Step::Remove { namespace, name } => self.remove(&namespace, &name),
                Step::Close { namespace } => self.close(&namespace),
            };
            if taken {
                return true;
            }
        }
        false
    }

    /// Creates or deletes an ingress, the likelier whatever brings their number back to the target.
    fn turn_ingresses_over(&mut self, at: i64) {
        #[expect(clippy::cast_precision_loss, reason = "there are at most 200,000")]
        let (target, now) = (self.target as f64, self.plots.len() as f64);
        let creates = (0.5 + (target - now) / (target * 0.04 + 4.0)).clamp(0.0, 1.0);
        if self.plots.is_empty() || self.dice.random_bool(creates) {
            if let Some(space) = self.draw_space() {
                self.create(space, at);
            }
            return;
        }
        if let Some((namespace, name)) = self.any() {
            self.remove(&namespace, &name);
        }
    }

    fn edit_any(&mut self, at: i64) {
        let mut dice = Dice::seed_from_u64(self.dice.random());
        match self.any() {
            Some((namespace, name)) => {
                self.update(&namespace, &name, at, |plot| plot.edit(&mut dice));
            }
            None => self.turn_ingresses_over(at),
        }
    }

    fn any(&mut self) -> Option<(Arc<str>, Arc<str>)> {
        self.plots.choose(&mut self.dice).map(|plot| (plot.space.name.clone(), plot.name.clone()))
    }

    fn create(&mut self, space: Arc<Space>, at: i64) {
        let mut plot = self.draw_plot(space);
        plot.created = at;
        plot.changed = at;
        plot.revision = self.next_revision();
        self.steps.push_back(Step::Assign { namespace: plot.space.name.clone(), name: plot.name.clone() });
        self.log(plot.revision, What::Ingress(plot.clone()));
        self.insert(plot);
    }

    fn update(&mut self, namespace: &str, name: &str, at: i64, edit: impl FnOnce(&mut super::Plot)) -> bool {
        let revision = self.next_revision();
        let Some(at_index) = self.index.get(namespace).and_then(|names| names.get(name)) else {
            return false;
        };
        let Some(plot) = self.plots.get_mut(*at_index) else { return false };
        edit(plot);
        plot.revision = revision;
        plot.changed = at;
        let plot = plot.clone();
        self.log(revision, What::Ingress(plot));
        true
    }

    fn remove(&mut self, namespace: &str, name: &str) -> bool {
        let Some(names) = self.index.get_mut(namespace) else { return false };
        let Some(at) = names.remove(name) else { return false };
        if names.is_empty() {
            self.index.remove(namespace);
        }
        let gone = self.plots.swap_remove(at);
        // The last one took the place of the one that is gone.
        if let Some(moved) = self.plots.get(at)
            && let Some(place) =
                self.index.get_mut(&moved.space.name).and_then(|names| names.get_mut(&moved.name))
        {
            *place = at;
        }
        let revision = self.next_revision();
        self.log(revision, What::IngressGone { namespace: gone.space.name.clone(), name: gone.name });
        true
    }

    /// Opens the namespace of a pull request, or begins to close the oldest.
    fn turn_namespaces_over(&mut self, at: i64) {
        let enough = 1 + self.shares.len() / 10;
        let opens = self.previews.len() < enough && (self.previews.is_empty() || self.dice.random_bool(0.5));
        match if opens { None } else { self.previews.pop_front() } {
            None => self.open(at),
            Some(name) => self.terminate(name),
        }
    }

    fn open(&mut self, at: i64) {
        let outward: Vec<_> = PRODUCTS.iter().filter(|product| !product.inward).collect();
        let Some(product) = outward.choose(&mut self.dice).copied() else { return };
        self.pull_request += self.dice.random_range(1..9);
        let name: Arc<str> = format!("{}-pr-{}", product.name, self.pull_request).into();
        let space = Arc::new(Space {
            name: name.clone(),
            zone: product.name.into(),
            product,
            stage: Stage::Preview,
            uid: self.dice.random(),
            created: at,
            revision: self.next_revision(),
            terminating: false,
        });
        for _ in 0..self.dice.random_range(1..5) {
            self.steps.push_back(Step::Fill { namespace: name.clone() });
        }
        self.previews.push_back(name.clone());
        self.log(space.revision, What::Space(space.clone()));
        self.spaces.insert(name, space);
    }

    fn terminate(&mut self, namespace: Arc<str>) {
        let revision = self.next_revision();
        let Some(space) = self.spaces.get_mut(&namespace) else { return };
        let closing = Arc::new(Space { terminating: true, revision, ..(**space).clone() });
        *space = closing.clone();
        self.log(revision, What::Space(closing));
        let names = self.index.get(&namespace).into_iter().flat_map(|names| names.keys());
        let removals = names.map(|name| Step::Remove { namespace: namespace.clone(), name: name.clone() });
        self.steps.extend(removals);
        self.steps.push_back(Step::Close { namespace });
    }

    fn close(&mut self, namespace: &str) -> bool {
        let Some(space) = self.spaces.remove(namespace) else { return false };
        let revision = self.next_revision();
        self.log(revision, What::SpaceGone { name: space.name.clone() });
        true
    }
}
