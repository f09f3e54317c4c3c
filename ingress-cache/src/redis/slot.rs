//! One connection of the pool, and the task that keeps it: it connects when somebody first asks, notices that the connection is lost,
//! and makes another.
//!
//! A connection is lost when it ends, when its server answers garbage, or when it answered nothing for a while although it was asked. Then
//! there is none until the next one is made: at once if the last one held, otherwise after a wait that grows. It is stale when its
//! server takes no writes: then the next one, from a name resolved or Sentinels asked anew, replaces it when it is made, and reads go on
//! meanwhile. A Cluster's connection looks after its nodes itself, and is only replaced when nothing of it answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ingress_core::resilience::backoff::{BackoffPolicy, Jitter};
use ingress_core::resilience::breaker::Outcome;
use rand::RngExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::core::Core;
use super::fault::{FaultKind, RedisFault};
use super::status::RedisState;
use super::wire::{Wire, on_end};

/// How long a connection may answer nothing, although it is asked, before it is given up.
const SILENCE: Duration = Duration::from_millis(500);

/// How often a connection that isn't asked (the breaker is open) is asked for a sign of life.
const PROBE: Duration = Duration::from_millis(250);

/// How old a connection is at least before it is replaced for being stale.
const RENEWAL: Duration = Duration::from_secs(1);

/// A connection of the pool, if there is one.
pub(super) struct Slot {
    state: watch::Sender<State>,
    loss: watch::Sender<Loss>,
}

#[derive(Clone)]
enum State {
    Idle,
    Connecting,
    Up(Live),
    Waiting(RedisFault),
}

/// A connection in use.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) wire: Wire,
    generation: u64,
    // Milliseconds of the core's clock at which the first command after the last answer got none; 0 while all is well.
    silent: Arc<AtomicU64>,
}

/// The newest connection that was found to be lost, and the newest that was found to be stale.
#[derive(Clone, Copy, Default)]
struct Loss {
    broken: u64,
    stale: u64,
}

impl Slot {
    pub(super) fn new() -> Self {
        Self { state: watch::Sender::new(State::Idle), loss: watch::Sender::new(Loss::default()) }
    }

    /// The connection, if there is one now.
    pub(super) fn now(&self) -> Option<Live> {
        match &*self.state.borrow() {
            State::Up(live) => Some(live.clone()),
            State::Idle | State::Connecting | State::Waiting(_) => None,
        }
    }

    /// Whether nobody asked for it yet; whoever is told so first starts its keeper.
    pub(super) fn begins(&self) -> bool {
        self.state.send_if_modified(|state| {
            let idle = matches!(state, State::Idle);
            if idle {
                *state = State::Connecting;
            }
            idle
        })
    }

    /// The connection, as soon as there is one or it is clear that there won't be.
    pub(super) async fn live(&self) -> Result<Live, RedisFault> {
        let mut states = self.state.subscribe();
        loop {
            match &*states.borrow_and_update() {
                State::Up(live) => return Ok(live.clone()),
                State::Waiting(fault) => return Err(fault.clone()),
                State::Idle | State::Connecting => {}
            }
            if states.changed().await.is_err() {
                return Err(RedisFault::new(FaultKind::Unreachable));
            }
        }
    }

    /// Nobody is to use this connection any more.
    pub(super) fn lose(&self, generation: u64) {
        self.state.send_if_modified(|state| {
            let current = matches!(state, State::Up(live) if live.generation == generation);
            if current {
                *state = State::Connecting;
            }
            current
        });
        self.loss.send_if_modified(|loss| raise(&mut loss.broken, generation));
    }

    fn doubt(&self, generation: u64) {
        self.loss.send_if_modified(|loss| raise(&mut loss.stale, generation));
    }
}

fn raise(newest: &mut u64, generation: u64) -> bool {
    let newer = *newest < generation;
    *newest = generation.max(*newest);
    newer
}

impl Live {
    /// Takes note of how a command over this connection ended.
    pub(super) fn judge(&self, core: &Core, slot: &Slot, fault: Option<FaultKind>) {
        match fault {
            Some(FaultKind::Timeout) => {
                let now = core.millis();
                let since = self.silent.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
                if since.is_err_and(|since| Duration::from_millis(now.saturating_sub(since)) >= SILENCE) {
                    slot.lose(self.generation);
                }
                return;
            }
            Some(FaultKind::ReadOnly) => slot.doubt(self.generation),
            // A Cluster tells this of one node, and looks for another itself.
            Some(FaultKind::Unreachable) if matches!(self.wire, Wire::Server(_)) => {
                slot.lose(self.generation);
            }
            _ => {}
        }
        if self.silent.load(Ordering::Relaxed) != 0 {
            self.silent.store(0, Ordering::Relaxed);
        }
    }
}

/// Keeps the connection of one slot, for as long as the task lives.
pub(super) async fn keep(core: Arc<Core>, at: usize) {
    let Some(slot) = core.slot(at) else { return };
    let waits = waits();
    let mut failures = 0;
    let mut generation = 0;
    loop {
        generation += 1;
        match connect(&core, at, generation).await {
            Ok(mut live) => {
                let mut begun = Instant::now();
                loop {
                    slot.state.send_replace(State::Up(live.clone()));
                    core.gate.observe(Outcome::Success);
                    // A stale connection is followed by the next one without a gap.
                    generation += 1;
                    match watch_over(&core, at, &live, generation, begun).await {
                        Some(next) => (live, begun) = (next, Instant::now()),
                        None => break,
                    }
                }
                failures = waits.remembered(failures + 1, begun.elapsed());
                if failures <= 1 {
                    continue;
                }
                slot.state.send_replace(State::Waiting(RedisFault::new(FaultKind::Unreachable)));
            }
            Err(fault) => {
                core.tally.turn(RedisState::Down);
                core.tally.remember(&fault);
                if failures == 0 {
                    tracing::warn!(place = core.config().place(), error = %fault, "no connection to Redis");
                }
                failures += 1;
                slot.state.send_replace(State::Waiting(fault));
            }
        }
        let wait = waits.wait(failures, &mut rand::rng());
        sleep(wait).await;
    }
}

/// Waits until a connection is lost; answers with its successor if it was replaced in time.
async fn watch_over(core: &Arc<Core>, at: usize, live: &Live, next: u64, begun: Instant) -> Option<Live> {
    let slot = core.slot(at)?;
    let mut losses = slot.loss.subscribe();
    let mut renewed = begun;
    loop {
        let lost = *losses.borrow_and_update();
        if lost.broken >= live.generation {
            return None;
        }
        tokio::select! {
            changed = losses.changed() => changed.ok()?,
            () = core.gate.opened() => probe(core, slot, live).await,
            () = sleep(RENEWAL.saturating_sub(renewed.elapsed())), if lost.stale >= live.generation => {
                renewed = Instant::now();
                if let Ok(next) = connect(core, at, next).await {
                    return Some(next);
                }
            }
        }
    }
}

/// Asks for a sign of life, after a short while.
async fn probe(core: &Core, slot: &Slot, live: &Live) {
    core.tally.turn(RedisState::Down);
    let wait = PROBE.mul_f64(rand::rng().random_range(0.8..1.2));
    sleep(wait).await;
    let mut wire = live.wire.clone();
    let fault = match timeout(core.config().timeout, wire.ping()).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(RedisFault::of(&error).kind()),
        Err(_) => Some(FaultKind::Timeout),
    };
    live.judge(core, slot, fault);
    if fault.is_none_or(|kind| !kind.counts_against_server()) {
        core.tally.turn(RedisState::Up);
        core.gate.observe(Outcome::Success);
    }
}

async fn connect(core: &Arc<Core>, at: usize, generation: u64) -> Result<Live, RedisFault> {
    let told = Arc::downgrade(core);
    let cluster = core.is_cluster();
    let pushes = on_end(move || {
        if let Some(core) = told.upgrade()
            && let Some(slot) = core.slot(at)
            && !cluster
        {
            slot.lose(generation);
        }
    });
    let wire = core.connect(Some(pushes), core.config().connect_timeout).await?;
    core.tally.connection();
    Ok(Live { wire, generation, silent: Arc::default() })
}

/// 50 ms, ×2, at most 1 s: a server that is back is found within a second, at the price of a connect per second while it is away.
fn waits() -> BackoffPolicy {
    BackoffPolicy::new(Duration::from_millis(50), 2.0, Duration::from_secs(1), Jitter::Equal)
        .unwrap_or(BackoffPolicy::lanes())
}
