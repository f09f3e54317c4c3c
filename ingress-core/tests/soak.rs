//! One engine, hours of trouble: it converges after every round, and needs no more memory at the end than early on.
//!
//! In virtual time, so that an hour takes seconds. In a program of its own, so that the heap it counts is its own.

mod lab;

use std::time::Duration;

use lab::{Lab, event, in_virtual_time};
use peak_alloc::PeakAlloc;
use proptest::collection::vec;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use tokio::time::Instant;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const SOAK: Duration = Duration::from_secs(6 * 3600);

/// By when the ring of changes is full, and whatever else may grow has grown.
const WARM: Duration = Duration::from_secs(3 * 3600);

const HISTORY: usize = 512;

#[test]
fn hours_of_faults_leave_no_divergence_and_no_memory_behind() {
    in_virtual_time(async {
        let schedules = vec(event(), 1..12);
        let mut chance = TestRunner::deterministic();
        let mut lab = Lab::start(7, false, HISTORY).await;
        let begun = Instant::now();
        let (mut rounds, mut warm) = (0, None);
        while begun.elapsed() < SOAK {
            let schedule = schedules.new_tree(&mut chance).unwrap().current();
            lab.live_through(&schedule).await;
            lab.converge().await;
            rounds += 1;
            if begun.elapsed() > WARM && warm.is_none() {
                warm = Some(HEAP.current_usage());
            }
        }
        let (warm, end) = (warm.unwrap(), HEAP.current_usage());
        assert!(rounds > 20, "{rounds} rounds");
        // The simulated cluster itself may hold some more or fewer objects, and remembers what it did.
        assert!(end < warm + warm / 4 + 512 * 1024, "{warm} bytes half way, {end} at the end");
    });
}
