//! How Redis is doing, in words and numbers: for health, metrics and people.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::resilience::breaker::BreakerState;

use super::fault::{FaultKind, RedisFault};
use crate::place::{Place, PlaceFault, PlaceState};

/// Whether there is a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RedisState {
    /// Nobody asked yet.
    Idle,
    /// It answers.
    Up,
    /// It can't be reached, or doesn't answer.
    Down,
}

impl RedisState {
    /// Its name, as it stands in health and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// How Redis was doing at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RedisStatus {
    /// Whether there is a connection.
    pub state: RedisState,
    /// Since when.
    pub since: Timestamp,
    /// Whether it is asked.
    pub breaker: BreakerState,
    /// What went wrong last, and when; not that it wasn't asked.
    pub last_fault: Option<(RedisFault, Timestamp)>,
    /// How many commands were to be sent. A pipeline or a script is one.
    pub commands: u64,
    /// How many connections were made.
    pub connections: u64,
    faults: [u64; FaultKind::ALL.len()],
}

impl RedisStatus {
    /// How many commands ended with a fault of this kind.
    #[must_use]
    pub fn faults(&self, kind: FaultKind) -> u64 {
        FaultKind::ALL.iter().zip(self.faults).find(|(each, _)| **each == kind).map_or(0, |(_, count)| count)
    }

    /// What is wrong: the kind of the last fault while there is no connection, or if it is no older than `within`. Redis that is full or
    /// takes no writes answers all the same, so this is what health is made of, and not the state alone.
    #[must_use]
    pub fn trouble(&self, within: Duration) -> Option<FaultKind> {
        let (fault, at) = self.last_fault.as_ref()?;
        let age = wall_now().as_millisecond().saturating_sub(at.as_millisecond());
        let recent = u128::try_from(age).unwrap_or(0) <= within.as_millis();
        (self.state == RedisState::Down || self.breaker != BreakerState::Closed || recent)
            .then(|| fault.kind())
    }

    /// The same, as of a place in which a cache keeps its values.
    #[must_use]
    pub fn place(&self, kind: &'static str) -> Place {
        let state = match self.state {
            _ if self.breaker == BreakerState::Open => PlaceState::Down,
            RedisState::Idle => PlaceState::Idle,
            RedisState::Down => PlaceState::Down,
            RedisState::Up if self.trouble(RECENT).is_some() => PlaceState::Degraded,
            RedisState::Up => PlaceState::Up,
        };
        let fault = self.last_fault.as_ref().map(|(fault, at)| PlaceFault {
            kind: fault.kind().as_str(),
            message: fault.to_string(),
            at: *at,
        });
        Place {
            state,
            since: Some(self.since),
            fault,
            commands: self.commands,
            faults: FaultKind::ALL.into_iter().map(|kind| (kind.as_str(), self.faults(kind))).collect(),
            ..Place::always(kind, Vec::new())
        }
    }
}

/// How long after a fault not everything counts as well.
const RECENT: Duration = Duration::from_secs(30);

/// What is counted.
#[derive(Debug)]
pub(super) struct Tally {
    commands: AtomicU64,
    connections: AtomicU64,
    faults: [AtomicU64; FaultKind::ALL.len()],
    story: Mutex<Story>,
}

#[derive(Debug)]
struct Story {
    state: RedisState,
    since: Timestamp,
    last_fault: Option<(RedisFault, Timestamp)>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            commands: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            faults: Default::default(),
            story: Mutex::new(Story { state: RedisState::Idle, since: wall_now(), last_fault: None }),
        }
    }

    pub(super) fn command(&self) {
        self.commands.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.turn(RedisState::Up);
    }

    /// A command ended with this.
    pub(super) fn fault(&self, fault: &RedisFault) {
        if let Some(count) =
            FaultKind::ALL.iter().position(|kind| *kind == fault.kind()).and_then(|at| self.faults.get(at))
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if fault.kind() != FaultKind::Open {
            self.remember(fault);
        }
    }

    /// This went wrong with no command waiting for it.
    pub(super) fn remember(&self, fault: &RedisFault) {
        let now = wall_now();
        self.locked(|story| story.last_fault = Some((fault.clone(), now)));
    }

    pub(super) fn turn(&self, state: RedisState) {
        self.locked(|story| {
            if story.state != state {
                tracing::info!(from = story.state.as_str(), to = state.as_str(), "Redis");
                (story.state, story.since) = (state, wall_now());
            }
        });
    }

    pub(super) fn status(&self, breaker: BreakerState) -> RedisStatus {
        let (state, since, last_fault) =
            self.locked(|story| (story.state, story.since, story.last_fault.clone()));
        RedisStatus {
            state,
            since,
            breaker,
            last_fault,
            commands: self.commands.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            faults: std::array::from_fn(|at| {
                self.faults.get(at).map_or(0, |count| count.load(Ordering::Relaxed))
            }),
        }
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Story) -> T) -> T {
        work(&mut self.story.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_happened() {
        let tally = Tally::new();
        assert_eq!(tally.status(BreakerState::Closed).trouble(Duration::from_secs(60)), None);
        tally.connection();
        tally.command();
        tally.fault(&RedisFault::new(FaultKind::Full));
        tally.fault(&RedisFault::new(FaultKind::Open));
        let status = tally.status(BreakerState::Closed);
        assert_eq!((status.state, status.commands, status.connections), (RedisState::Up, 1, 1));
        assert_eq!((status.faults(FaultKind::Full), status.faults(FaultKind::Timeout)), (1, 0));
        assert_eq!(status.trouble(Duration::from_secs(60)), Some(FaultKind::Full));
        let place = status.place("redis");
        assert_eq!((place.state, place.fault.map(|fault| fault.kind)), (PlaceState::Degraded, Some("full")));
        assert!(place.faults.contains(&("full", 1)));
    }
}
