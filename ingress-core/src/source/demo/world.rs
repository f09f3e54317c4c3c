//! The simulated cluster: its objects, and what happens to them as time passes.
//!
//! Nothing runs in the background. Whoever looks first brings the world forward to the present, change by change, each
//! drawn from one generator; the state is therefore a function of the seed and of virtual time alone, however often and by
//! how many watches it is looked at. It costs about a microsecond per change that nobody has looked at yet.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::backing::{Backings, Certificate, Workload};
use super::builder::Settings;
use super::character::{self, Character, Dice};
use super::history::{Event, History, What};
use super::plot::{AddressState, Edits, Plot};
use super::space::{Space, permanent};

/// What remains to be done of something that takes several changes.
#[derive(Debug)]
pub(super) enum Step {
    /// The controller takes up a new ingress.
    Assign { namespace: Arc<str>, name: Arc<str> },
    /// A new namespace gets an ingress.
    Fill { namespace: Arc<str> },
    /// A namespace that terminates loses an ingress.
    Remove { namespace: Arc<str>, name: Arc<str> },
    /// A namespace that terminates is gone.
    Close { namespace: Arc<str> },
}

#[derive(Debug)]
pub(super) struct World {
    target: usize,
    rate: f64,
    base: i64,
    dice: Dice,
    pub(super) revision: u64,
    /// When the next change happens, in virtual time.
    due: Duration,
    spaces: BTreeMap<Arc<str>, Arc<Space>>,
    /// The permanent namespaces, each with the sum of the weights up to its own.
    shares: Vec<(u64, Arc<str>)>,
    previews: VecDeque<Arc<str>>,
    pull_request: u32,
    plots: Vec<Plot>,
    index: BTreeMap<Arc<str>, BTreeMap<Arc<str>, usize>>,
    steps: VecDeque<Step>,
    pub(super) history: History,
    /// What stands behind the ingresses, once somebody looks at it.
    backings: Option<Backings>,
}

impl World {
    pub(super) fn new(settings: &Settings, base: i64) -> Self {
        let mut dice = Dice::seed_from_u64(settings.seed);
        let revision = dice.random_range(40_000_000..60_000_000);
        let mut world = Self {
            target: settings.ingresses,
            rate: settings.changes_per_second,
            base,
            revision,
            due: Duration::MAX,
            spaces: BTreeMap::new(),
            shares: Vec::new(),
            previews: VecDeque::new(),
            pull_request: dice.random_range(300..900),
            plots: Vec::with_capacity(settings.ingresses),
            index: BTreeMap::new(),
            steps: VecDeque::new(),
            history: History::new(settings.history, revision),
            backings: None,
            dice,
        };
        world.settle(settings);
        if settings.ingresses > 0 {
            world.due = world.gap();
        }
        world
    }

    /// Makes what was there before anybody looked.
    fn settle(&mut self, settings: &Settings) {
        let mut sum = 0;
        for site in permanent(settings.namespaces) {
            sum += u64::from(site.weight);
            self.shares.push((sum, site.name.clone()));
            let space = Space {
                name: site.name.clone(),
                zone: site.zone,
                product: site.product,
                stage: site.stage,
                uid: self.dice.random(),
                created: self.base - days(self.dice.random_range(700.0..1100.0)),
                revision: self.dice.random_range(1_000..900_000),
                terminating: false,
            };
            self.spaces.insert(site.name, Arc::new(space));
        }
        for number in 0..settings.ingresses {
            // Each namespace has one, as far as they go round.
            let space = match self.shares.get(number).and_then(|(_, name)| self.spaces.get(name)) {
                Some(space) => Some(space.clone()),
                None => self.draw_space(),
            };
            let Some(space) = space else { break };
            let mut plot = self.draw_plot(space);
            // Most of what a cluster holds is recent; some of it has been there from the beginning.
            let age = self.dice.random_range(0.0_f64..1.0).powi(2) * 690.0;
            plot.created = self.base - days(age);
            plot.changed = self.base - days(age * self.dice.random_range(0.0..1.0));
            plot.revision = self.dice.random_range(1_000_000..self.revision);
            plot.generation = self.dice.random_range(1..14);
            plot.edits = Edits {
                deploys: self.dice.random_range(0..60),
                weight: self.dice.random_range(1..10) * 5,
                tuning: self.dice.random_range(0..6),
                secret: u8::from(self.dice.random_ratio(1, 12)),
                green: self.dice.random_ratio(1, 10),
                alias: self.dice.random_ratio(1, 10),
                extra_path: self.dice.random_ratio(1, 15),
                address: match self.dice.random_range(0..100) {
                    ..3 => AddressState::Pending,
                    3..88 => AddressState::Assigned,
                    _ => AddressState::Moved,
                },
            };
            self.insert(plot);
        }
    }

    /// Brings the world forward to `now`, by at most `limit` changes; whether it has arrived.
    pub(super) fn advance(&mut self, now: Duration, limit: usize) -> bool {
        for _ in 0..limit {
            if self.due > now {
                return true;
            }
            let at = self.base.saturating_add_unsigned(self.due.as_secs());
            self.change(at);
            self.due = self.due.saturating_add(self.gap());
        }
        self.due > now
    }

    /// When the next change happens.
    pub(super) fn due(&self) -> Duration {
        self.due
    }

    /// The time between two changes: exponential, as of many things that happen independently.
    fn gap(&mut self) -> Duration {
        if self.rate <= 0.0 {
            return Duration::MAX;
        }
        let chance: f64 = self.dice.random_range(0.0..1.0);
        Duration::try_from_secs_f64(-(1.0 - chance).ln() / self.rate).unwrap_or(Duration::MAX)
    }

    pub(super) fn spaces(&self) -> impl Iterator<Item = &Arc<Space>> {
        self.spaces.values()
    }

    pub(super) fn space(&self, name: &str) -> Option<&Arc<Space>> {
        self.spaces.get(name)
    }

    /// The ingresses of one namespace, or of all, in order.
    pub(super) fn plots(&self, namespace: Option<&str>) -> impl Iterator<Item = &Plot> {
        let one = namespace.and_then(|namespace| self.index.get(namespace)).into_iter();
        let all = namespace.is_none().then(|| self.index.values()).into_iter().flatten();
        one.chain(all).flat_map(|names| names.values()).filter_map(|at| self.plots.get(*at))
    }

    pub(super) fn plot(&self, namespace: &str, name: &str) -> Option<&Plot> {
        self.plots.get(*self.index.get(namespace)?.get(name)?)
    }

    /// Stops all change.
    #[cfg(test)]
    pub(super) fn freeze(&mut self) {
        self.due = Duration::MAX;
    }

    #[cfg(test)]
    pub(super) fn population(&self) -> usize {
        self.plots.len()
    }

    fn draw_space(&mut self) -> Option<Arc<Space>> {
        let (total, _) = self.shares.last()?;
        let drawn = self.dice.random_range(0..*total);
        let at = self.shares.partition_point(|(sum, _)| *sum <= drawn);
        self.shares.get(at).and_then(|(_, name)| self.spaces.get(name)).cloned()
    }

    /// A new ingress in a namespace, created at the base time.
    fn draw_plot(&mut self, space: Arc<Space>) -> Plot {
        let Self { dice, index, .. } = self;
        let component = space.product.components.choose(dice).unwrap_or(&super::vocabulary::FRONT);
        let seed = dice.random();
        let character = Character::draw(seed, &space, component);
        let names = index.get(&space.name);
        let taken = |name: &str| names.is_some_and(|names| names.contains_key(name));
        let name = character::name(dice, &space, component, character.shape, taken);
        Plot {
            space,
            name: name.into(),
            component,
            seed,
            created: self.base,
            changed: self.base,
            revision: self.revision,
            generation: 1,
            edits: Edits { weight: 5, ..Edits::default() },
        }
    }

    fn insert(&mut self, plot: Plot) {
        let names = self.index.entry(plot.space.name.clone()).or_default();
        names.insert(plot.name.clone(), self.plots.len());
        self.plots.push(plot);
    }

    fn next_revision(&mut self) -> u64 {
        // Other kinds change as well; their revisions are the gaps.
        self.revision += self.dice.random_range(1..6);
        self.revision
    }

    fn log(&mut self, revision: u64, what: What) {
        let behind = self.backings.as_mut().map(|backings| backings.follow(&what, revision));
        for what in std::iter::once(what).chain(behind.into_iter().flatten()) {
            self.history.push(Event { revision, what });
        }
    }

    /// Begins to follow what stands behind the ingresses, unless it does.
    pub(super) fn look_behind(&mut self) {
        if self.backings.is_none() {
            self.backings = Some(Backings::of(self.plots(None), self.base, self.revision));
        }
    }

    /// The least revision that everything after is still known of; of what stands behind ingresses, if that is meant.
    pub(super) fn floor(&self, behind: bool) -> u64 {
        let since = self.backings.as_ref().filter(|_| behind).map_or(0, |backings| backings.since);
        self.history.floor().max(since)
    }

    /// The workloads of a namespace, or of all, in order.
    pub(super) fn workloads(&self, namespace: Option<&str>) -> impl Iterator<Item = &Arc<Workload>> {
        self.backings.iter().flat_map(move |backings| backings.workloads(namespace))
    }

    /// The certificates of a namespace, or of all, in order.
    pub(super) fn certificates(&self, namespace: Option<&str>) -> impl Iterator<Item = &Arc<Certificate>> {
        self.backings.iter().flat_map(move |backings| backings.certificates(namespace))
    }

    /// Makes every revision so far too old to resume from, and every running watch with it.
    pub(super) fn compact(&mut self) {
        let revision = self.next_revision();
        self.history.compact(revision);
    }
}

/// Seconds.
fn days(days: f64) -> i64 {
    Duration::from_secs_f64(days * 86_400.0).as_secs().try_into().unwrap_or(i64::MAX)
}

mod changes;
