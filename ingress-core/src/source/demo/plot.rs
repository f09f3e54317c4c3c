//! One simulated ingress, and what may happen to it.

use std::sync::Arc;

use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::character::{Character, Dice, Shape, TlsStyle};
use super::space::Space;
use super::vocabulary::Component;

/// One ingress: all that decides how it looks, in about a hundred bytes. The object itself is a pure function of this, made
/// when somebody reads it; that is what lets 200,000 of them and a history of changes lie in memory.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) space: Arc<Space>,
    pub(super) name: Arc<str>,
    pub(super) component: &'static Component,
    pub(super) seed: u64,
    /// Seconds since 1970.
    pub(super) created: i64,
    /// Seconds since 1970.
    pub(super) changed: i64,
    pub(super) revision: u64,
    pub(super) generation: u32,
    pub(super) edits: Edits,
}

/// What was done to an ingress since it was created.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Edits {
    /// New versions of what it serves.
    pub(super) deploys: u16,
    /// The share of requests that a canary gets, in percent.
    pub(super) weight: u8,
    /// How often its annotations were tuned.
    pub(super) tuning: u8,
    /// How often its certificate was renamed.
    pub(super) secret: u8,
    /// Which of two deployments gets the requests.
    pub(super) green: bool,
    /// Whether it serves a second host as well.
    pub(super) alias: bool,
    /// Whether it serves one path more.
    pub(super) extra_path: bool,
    pub(super) address: AddressState,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum AddressState {
    /// The controller has not taken it up yet.
    #[default]
    Pending,
    Assigned,
    /// Served by the second load balancer.
    Moved,
}

/// One kind of change.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Deploy,
    Weight,
    Tune,
    Switch,
    Alias,
    ExtraPath,
    Secret,
    Move,
}

impl Plot {
    pub(super) fn character(&self) -> Character {
        Character::draw(self.seed, &self.space, self.component)
    }

    /// Dice for one part of the object; the same each time.
    pub(super) fn dice(&self, part: u64) -> Dice {
        Dice::seed_from_u64(self.seed ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(super) fn uid(&self) -> u128 {
        self.dice(1).random()
    }

    /// Changes one thing about it, whatever fits its character.
    pub(super) fn edit(&mut self, dice: &mut Dice) {
        let edit = self.choose(dice);
        let edits = &mut self.edits;
        match edit {
            Edit::Deploy => edits.deploys = edits.deploys.wrapping_add(1),
            Edit::Weight => edits.weight = if edits.weight >= 90 { 5 } else { edits.weight + 5 },
            Edit::Tune => edits.tuning = edits.tuning.wrapping_add(1),
            Edit::Switch => edits.green = !edits.green,
            Edit::Alias => edits.alias = !edits.alias,
            Edit::ExtraPath => edits.extra_path = !edits.extra_path,
            Edit::Secret => edits.secret = edits.secret.wrapping_add(1),
            Edit::Move => edits.address = edits.address.next(),
        }
        // A generation counts changes of what is wanted; metadata and status are not part of that.
        if matches!(edit, Edit::Switch | Edit::Alias | Edit::ExtraPath | Edit::Secret) {
            self.generation += 1;
        }
    }

    fn choose(&self, dice: &mut Dice) -> Edit {
        let Character { shape, tls, .. } = self.character();
        let mut fitting = vec![Edit::Deploy, Edit::Deploy, Edit::Deploy, Edit::Tune, Edit::Tune, Edit::Move];
        if shape == Shape::Canary {
            fitting.extend([Edit::Weight; 6]);
        }
        if !matches!(shape, Shape::Bucket | Shape::Fallback) {
            fitting.push(Edit::Switch);
        }
        if matches!(shape, Shape::Single | Shape::Gateway) {
            fitting.extend([Edit::Alias, Edit::ExtraPath]);
        }
        if matches!(tls, TlsStyle::All | TlsStyle::Partial) {
            fitting.push(Edit::Secret);
        }
        fitting.choose(dice).copied().unwrap_or(Edit::Deploy)
    }
}

impl AddressState {
    fn next(self) -> Self {
        match self {
            Self::Pending | Self::Moved => Self::Assigned,
            Self::Assigned => Self::Moved,
        }
    }
}
