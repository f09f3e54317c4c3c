//! Whether Redis is asked at all: the circuit breaker, and who may pass it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ingress_core::resilience::breaker::{Breaker, BreakerPolicy, BreakerState, Outcome, Permit, Transition};
use tokio::sync::watch;
use tokio::time::Instant;

use super::fault::{FaultKind, RedisFault};

/// A breaker that many share.
#[derive(Debug)]
pub(super) struct Gate {
    breaker: Mutex<Breaker>,
    state: watch::Sender<BreakerState>,
}

/// Leave to make one call. Dropping it says that the call was abandoned.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gate: &'a Gate,
    permit: Option<Permit>,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self { breaker: Mutex::new(Breaker::new(policy())), state: watch::Sender::new(BreakerState::Closed) }
    }

    /// Asks for leave to make a call.
    pub(super) fn enter(&self) -> Result<Pass<'_>, RedisFault> {
        let (leave, transition) = self.locked(|breaker| breaker.acquire(Instant::now()));
        self.tell(transition);
        match leave {
            Ok(permit) => Ok(Pass { gate: self, permit: Some(permit) }),
            Err(_) => Err(RedisFault::new(FaultKind::Open)),
        }
    }

    /// Takes note of something that needed no leave.
    pub(super) fn observe(&self, outcome: Outcome) {
        let transition = self.locked(|breaker| breaker.observe(outcome, Instant::now()));
        self.tell(transition);
    }

    pub(super) fn state(&self) -> BreakerState {
        *self.state.borrow()
    }

    /// Waits until it is open, or returns at once while it is.
    pub(super) async fn opened(&self) {
        let mut states = self.state.subscribe();
        // The sender is `self`, so there is always one.
        drop(states.wait_for(|state| *state == BreakerState::Open).await.map(|_| ()));
    }

    fn tell(&self, transition: Option<Transition>) {
        let Some(Transition { from, to, .. }) = transition else { return };
        tracing::info!(from = from.as_str(), to = to.as_str(), "the circuit breaker of Redis turned");
        self.state.send_replace(to);
    }

    fn locked<T>(&self, work: impl FnOnce(&mut Breaker) -> T) -> T {
        work(&mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pass<'_> {
    /// Tells how the call ended; answers with the state that this led to, if it did.
    pub(super) fn record(mut self, outcome: Outcome) -> Option<BreakerState> {
        self.end(outcome)
    }

    fn end(&mut self, outcome: Outcome) -> Option<BreakerState> {
        let permit = self.permit.take()?;
        let transition = self.gate.locked(|breaker| breaker.record(permit, outcome, Instant::now()));
        self.gate.tell(transition);
        transition.map(|transition| transition.to)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.end(Outcome::Abandoned);
    }
}

/// Half of at least ten calls within ten seconds. Connections are watched and probed meanwhile (`slot.rs`), and a sign of life lets
/// test calls begin at once; the 10 s are for what no probe shows.
fn policy() -> BreakerPolicy {
    let policy = BreakerPolicy::default()
        .window(Duration::from_secs(10))
        .and_then(|policy| policy.open_for(Duration::from_secs(10)))
        .and_then(|policy| policy.test_calls(1));
    policy.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_fails_is_left_alone_until_there_is_a_sign_of_life() {
        let gate = Gate::new();
        for _ in 0..10 {
            gate.enter().unwrap().record(Outcome::Failure);
        }
        gate.opened().await;
        assert_eq!(gate.enter().unwrap_err().kind(), FaultKind::Open);
        gate.observe(Outcome::Success);
        // One test call at a time; one that is abandoned gives its place back.
        let test = gate.enter().unwrap();
        assert_eq!(gate.enter().unwrap_err().kind(), FaultKind::Open);
        drop(test);
        gate.enter().unwrap().record(Outcome::Success);
        assert_eq!(gate.state(), BreakerState::Closed);
    }

    #[tokio::test(start_paused = true)]
    async fn it_tries_by_itself_in_the_end() {
        let gate = Gate::new();
        for _ in 0..10 {
            gate.enter().unwrap().record(Outcome::Failure);
        }
        tokio::time::advance(Duration::from_secs(10)).await;
        gate.enter().unwrap().record(Outcome::Success);
        assert_eq!(gate.state(), BreakerState::Closed);
    }
}
