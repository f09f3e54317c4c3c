//! The circuit breaker of one endpoint: closed, open, half-open.
//!
//! While *closed*, calls pass and their outcomes are counted over a sliding window. When at least
//! [`min_calls`](BreakerPolicy::min_calls) were made in the window and the share that failed reaches
//! [`failure_ratio`](BreakerPolicy::failure_ratio), it *opens*: calls are refused at once, so that an endpoint in trouble is
//! left alone and whoever asks gets a quick answer. After [`open_for`](BreakerPolicy::open_for) it is *half-open*: a few
//! test calls pass; when all of them succeed it closes with a clean window, when one fails it opens again.
//!
//! Which outcomes count is the classification's business ([`Class::counts_against_endpoint`](crate::Class)): permanent
//! answers, 410 and 429 are answers of a working endpoint and count as successes.
//!
//! Pure: `now` is an argument, and every transition is returned to the caller, who makes it seen.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::backoff::InvalidPolicy;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerPolicy {
    window: Duration,
    failure_ratio: f64,
    min_calls: u32,
    open_for: Duration,
    test_calls: u32,
}

impl Default for BreakerPolicy {
    /// Opens when at least 10 calls were made within 30 s and half of them failed; waits 60 s; 3 test calls.
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            failure_ratio: 0.5,
            min_calls: 10,
            open_for: Duration::from_secs(60),
            test_calls: 3,
        }
    }
}

impl BreakerPolicy {
    /// Sets the length of the sliding window; 1 s to 1 h.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn window(mut self, window: Duration) -> Result<Self, InvalidPolicy> {
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&window) {
            return Err(InvalidPolicy { field: "window", problem: "must be 1 s to 1 h" });
        }
        self.window = window;
        Ok(self)
    }

    /// Sets the share of failed calls that opens the breaker; above 0, at most 1.
    ///
    /// # Errors
    ///
    /// When it is outside these bounds.
    pub fn failure_ratio(mut self, ratio: f64) -> Result<Self, InvalidPolicy> {
        if !(ratio > 0.0 && ratio <= 1.0) {
            return Err(InvalidPolicy { field: "failure_ratio", problem: "must be above 0 and at most 1" });
        }
        self.failure_ratio = ratio;
        Ok(self)
    }

    /// Sets how many calls the window must hold before their share of failures says anything; at least 1.
    ///
    /// # Errors
    ///
    /// When it is zero.
    pub fn min_calls(mut self, calls: u32) -> Result<Self, InvalidPolicy> {
        if calls == 0 {
            return Err(InvalidPolicy { field: "min_calls", problem: "must be at least 1" });
        }
        self.min_calls = calls;
        Ok(self)
    }

    /// Sets how long an open breaker waits before it lets test calls through; longer than zero.
    ///
    /// # Errors
    ///
    /// When it is zero.
    pub fn open_for(mut self, wait: Duration) -> Result<Self, InvalidPolicy> {
        if wait.is_zero() {
            return Err(InvalidPolicy { field: "open_for", problem: "must be longer than zero" });
        }
        self.open_for = wait;
        Ok(self)
    }

    /// Sets how many test calls must succeed before it closes; at least 1.
    ///
    /// # Errors
    ///
    /// When it is zero.
    pub fn test_calls(mut self, calls: u32) -> Result<Self, InvalidPolicy> {
        if calls == 0 {
            return Err(InvalidPolicy { field: "test_calls", problem: "must be at least 1" });
        }
        self.test_calls = calls;
        Ok(self)
    }
}

/// A breaker's state, without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused.
    Open,
    /// A few test calls pass.
    HalfOpen,
}

impl BreakerState {
    /// The state's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// What it was.
    pub from: BreakerState,
    /// What it is.
    pub to: BreakerState,
}

/// How a call ended, as far as the endpoint is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The endpoint answered; also when it refused.
    Success,
    /// The endpoint failed.
    Failure,
    /// The call was abandoned before it ended: it says nothing, but gives its place as a test call back.
    Abandoned,
}

/// Leave to make one call; hand it back with the outcome. It remembers which state gave it, so that a call that took
/// long does not count in a state it knows nothing of.
#[derive(Debug)]
#[must_use = "a permit that isn't recorded occupies a test call's place"]
pub struct Permit {
    generation: u64,
}

/// The breaker of one endpoint.
#[derive(Debug)]
pub struct Breaker {
    policy: BreakerPolicy,
    state: State,
    // Counts transitions.
    generation: u64,
}

#[derive(Debug)]
enum State {
    Closed { window: Window },
    Open { until: Instant },
    HalfOpen { in_flight: u32, succeeded: u32 },
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(policy: BreakerPolicy) -> Self {
        Self { state: State::Closed { window: Window::new(policy.window) }, policy, generation: 0 }
    }

    /// The state. An open breaker stays open until somebody asks to make a call after its time is up.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Asks to make a call.
    ///
    /// # Errors
    ///
    /// While calls are refused; with how long to wait before asking again.
    pub fn acquire(&mut self, now: Instant) -> (Result<Permit, Duration>, Option<Transition>) {
        let mut transition = None;
        if let State::Open { until } = self.state {
            if now < until {
                return (Err(until - now), None);
            }
            transition = Some(self.turn(State::HalfOpen { in_flight: 0, succeeded: 0 }));
        }
        if let State::HalfOpen { in_flight, succeeded } = &mut self.state {
            if *in_flight + *succeeded >= self.policy.test_calls {
                // All places are taken; the answers are due within a call's own time.
                return (Err(Duration::from_secs(1)), transition);
            }
            *in_flight += 1;
        }
        (Ok(Permit { generation: self.generation }), transition)
    }

    /// Tells how a call ended.
    #[expect(clippy::needless_pass_by_value, reason = "a permit is spent once")]
    pub fn record(&mut self, permit: Permit, outcome: Outcome, now: Instant) -> Option<Transition> {
        if permit.generation != self.generation {
            return None;
        }
        let open = State::Open { until: now + self.policy.open_for };
        match (&mut self.state, outcome) {
            (State::Closed { .. }, Outcome::Success | Outcome::Failure) => self.observe(outcome, now),
            (State::HalfOpen { in_flight, .. }, Outcome::Abandoned) => {
                *in_flight = in_flight.saturating_sub(1);
                None
            }
            (State::HalfOpen { .. }, Outcome::Failure) => Some(self.turn(open)),
            (State::HalfOpen { in_flight, succeeded }, Outcome::Success) => {
                *in_flight = in_flight.saturating_sub(1);
                *succeeded += 1;
                (*succeeded >= self.policy.test_calls).then(|| self.close())
            }
            (State::Closed { .. }, Outcome::Abandoned) | (State::Open { .. }, _) => None,
        }
    }

    /// Takes note of a call that needed no leave: those of lanes and probes, which go on for ever at their own pace. While
    /// closed it counts like any other. While open, a success is proof that the endpoint is back, and test calls may begin
    /// before the time is up.
    pub fn observe(&mut self, outcome: Outcome, now: Instant) -> Option<Transition> {
        match (&mut self.state, outcome) {
            (_, Outcome::Abandoned) => None,
            (State::Closed { window }, _) => {
                window.add(outcome == Outcome::Failure, now);
                let (calls, failures) = window.totals();
                let enough = calls >= self.policy.min_calls;
                let share = f64::from(failures) / f64::from(calls.max(1));
                (enough && share >= self.policy.failure_ratio)
                    .then(|| self.turn(State::Open { until: now + self.policy.open_for }))
            }
            (State::Open { .. }, Outcome::Success) => {
                Some(self.turn(State::HalfOpen { in_flight: 0, succeeded: 0 }))
            }
            (State::Open { .. }, Outcome::Failure) => None,
            (State::HalfOpen { .. }, Outcome::Failure) => {
                Some(self.turn(State::Open { until: now + self.policy.open_for }))
            }
            (State::HalfOpen { succeeded, .. }, Outcome::Success) => {
                *succeeded += 1;
                (*succeeded >= self.policy.test_calls).then(|| self.close())
            }
        }
    }

    fn close(&mut self) -> Transition {
        self.turn(State::Closed { window: Window::new(self.policy.window) })
    }

    fn turn(&mut self, state: State) -> Transition {
        let from = self.state();
        self.state = state;
        self.generation += 1;
        Transition { from, to: self.state() }
    }
}

/// Outcomes of the last while, in slots of a thirtieth of it: bounded, and exact to one slot.
#[derive(Debug)]
struct Window {
    slot: Duration,
    length: Duration,
    slots: VecDeque<Slot>,
}

#[derive(Debug)]
struct Slot {
    begun: Instant,
    calls: u32,
    failures: u32,
}

const SLOTS: u32 = 30;

impl Window {
    fn new(length: Duration) -> Self {
        Self { slot: length / SLOTS, length, slots: VecDeque::new() }
    }

    fn add(&mut self, failed: bool, now: Instant) {
        while self.slots.front().is_some_and(|slot| slot.begun + self.length <= now) {
            self.slots.pop_front();
        }
        if self.slots.back().is_none_or(|slot| slot.begun + self.slot <= now) {
            self.slots.push_back(Slot { begun: now, calls: 0, failures: 0 });
        }
        if let Some(slot) = self.slots.back_mut() {
            slot.calls = slot.calls.saturating_add(1);
            slot.failures = slot.failures.saturating_add(u32::from(failed));
        }
    }

    fn totals(&self) -> (u32, u32) {
        self.slots.iter().fold((0, 0), |(calls, failures), slot| {
            (slot.calls.saturating_add(calls), slot.failures.saturating_add(failures))
        })
    }
}

#[cfg(test)]
mod tests;
