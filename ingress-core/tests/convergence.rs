//! Whatever a cluster goes through, the hub ends with its state, and a reader who follows is told of it without a lie.
//!
//! A simulated cluster that changes all the time has faults switched on and off at random, for the whole of it or for single
//! namespaces, in virtual time; when they are over, what the hub and the reader hold must equal a fresh list.

mod lab;

use lab::{Lab, event, in_virtual_time};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_hub_and_its_readers_converge(
        seed in any::<u64>(), few in any::<bool>(), history in prop_oneof![Just(8_usize), Just(8192)],
        schedule in proptest::collection::vec(event(), 1..24),
    ) {
        in_virtual_time(async {
            let mut lab = Lab::start(seed, few, history).await;
            lab.live_through(&schedule).await;
            lab.converge().await;
        });
    }
}
