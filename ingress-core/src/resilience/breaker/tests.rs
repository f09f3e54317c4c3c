use super::*;
use proptest::prelude::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Bench {
    breaker: Breaker,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { breaker: Breaker::new(BreakerPolicy::default()), now: Instant::now() }
    }

    fn wait(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self
    }

    fn call(&mut self, outcome: Outcome) -> Option<Transition> {
        let permit = self.breaker.acquire(self.now).0.expect("calls pass");
        self.breaker.record(permit, outcome, self.now)
    }

    fn open(&mut self) {
        for _ in 0..10 {
            self.call(Outcome::Failure);
        }
        assert_eq!(self.breaker.state(), BreakerState::Open);
    }

    fn refused(&mut self) -> Option<Duration> {
        self.breaker.acquire(self.now).0.err()
    }
}

#[test]
fn opens_at_half_of_the_minimum_number_of_calls() {
    let mut bench = Bench::new();
    for _ in 0..5 {
        assert_eq!(bench.call(Outcome::Success), None);
    }
    for _ in 0..4 {
        assert_eq!(bench.call(Outcome::Failure), None, "nine calls are too few to say");
    }
    let opened = Transition { from: BreakerState::Closed, to: BreakerState::Open };
    assert_eq!(bench.call(Outcome::Failure), Some(opened));
    assert_eq!(bench.refused(), Some(secs(60)));
}

#[test]
fn stays_closed_below_half() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.call(Outcome::Success);
        bench.call(Outcome::Success);
        assert_eq!(bench.call(Outcome::Failure), None);
    }
    assert_eq!(bench.breaker.state(), BreakerState::Closed);
}

#[test]
fn failures_leave_the_window_after_thirty_seconds() {
    let mut bench = Bench::new();
    for _ in 0..9 {
        bench.call(Outcome::Failure);
    }
    bench.wait(secs(31));
    assert_eq!(bench.call(Outcome::Failure), None, "the nine are forgotten");
}

#[test]
fn lets_test_calls_through_after_a_minute_and_closes_when_all_succeed() {
    let mut bench = Bench::new();
    bench.open();
    bench.wait(secs(59));
    assert_eq!(bench.refused(), Some(secs(1)));
    bench.wait(secs(1));
    let permits: Vec<Permit> = (0..3).map(|_| bench.breaker.acquire(bench.now).0.unwrap()).collect();
    assert_eq!(bench.breaker.state(), BreakerState::HalfOpen);
    assert!(bench.refused().is_some(), "three are enough");
    let mut last = None;
    for permit in permits {
        last = bench.breaker.record(permit, Outcome::Success, bench.now);
    }
    assert_eq!(last, Some(Transition { from: BreakerState::HalfOpen, to: BreakerState::Closed }));
    assert_eq!(bench.call(Outcome::Failure), None, "the window is clean");
}

#[test]
fn one_failing_test_call_opens_it_again() {
    let mut bench = Bench::new();
    bench.open();
    bench.wait(secs(60));
    let late = bench.breaker.acquire(bench.now).0.unwrap();
    let reopened = Transition { from: BreakerState::HalfOpen, to: BreakerState::Open };
    assert_eq!(bench.call(Outcome::Failure), Some(reopened));
    assert_eq!(bench.breaker.record(late, Outcome::Success, bench.now), None, "of a state that is over");
    assert_eq!(bench.refused(), Some(secs(60)));
}

#[test]
fn an_abandoned_test_call_gives_its_place_back() {
    let mut bench = Bench::new();
    bench.open();
    bench.wait(secs(60));
    for _ in 0..10 {
        assert_eq!(bench.call(Outcome::Abandoned), None);
    }
    assert_eq!(bench.refused(), None);
}

#[test]
fn a_success_seen_elsewhere_ends_the_wait() {
    let mut bench = Bench::new();
    bench.open();
    assert_eq!(bench.breaker.observe(Outcome::Failure, bench.now), None);
    let proven = Transition { from: BreakerState::Open, to: BreakerState::HalfOpen };
    assert_eq!(bench.breaker.observe(Outcome::Success, bench.now), Some(proven));
    assert_eq!(bench.refused(), None);
}

#[test]
fn policies_check_their_fields() {
    let policy = BreakerPolicy::default();
    assert_eq!(policy.window(Duration::ZERO).unwrap_err().field, "window");
    assert_eq!(policy.failure_ratio(0.0).unwrap_err().field, "failure_ratio");
    assert_eq!(policy.failure_ratio(f64::NAN).unwrap_err().field, "failure_ratio");
    assert_eq!(policy.min_calls(0).unwrap_err().field, "min_calls");
    assert_eq!(policy.open_for(Duration::ZERO).unwrap_err().field, "open_for");
    assert_eq!(policy.test_calls(0).unwrap_err().field, "test_calls");
}

proptest! {
    /// While closed, the breaker opens exactly when a naive count over the window says so.
    #[test]
    fn agrees_with_a_naive_window(calls in proptest::collection::vec((0..4000_u64, any::<bool>()), 1..200)) {
        let mut bench = Bench::new();
        let begin = bench.now;
        let mut log: Vec<(Instant, bool)> = Vec::new();
        for (pause, failed) in calls {
            bench.wait(Duration::from_millis(pause));
            if bench.breaker.state() != BreakerState::Closed {
                break;
            }
            // The breaker counts in slots of a second, begun by their first call.
            let slot = match log.last() {
                Some((slot, _)) if *slot + secs(1) > bench.now => *slot,
                _ => bench.now,
            };
            log.push((slot, failed));
            log.retain(|(slot, _)| *slot + secs(30) > bench.now);
            let failures = log.iter().filter(|(_, failed)| *failed).count();
            let expected = log.len() >= 10 && failures * 2 >= log.len();
            let outcome = if failed { Outcome::Failure } else { Outcome::Success };
            prop_assert_eq!(bench.call(outcome).is_some(), expected, "after {:?}", bench.now - begin);
        }
    }
}
