use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use futures::poll;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::*;
use crate::cache::Use;

fn key(text: &str) -> Key {
    Key::new(Use::new("test"), text)
}

#[derive(Default)]
struct Stage {
    flights: Flights<Result<usize, &'static str>>,
    begun: Arc<AtomicUsize>,
}

impl Stage {
    /// Loads, and has the number of the load for an answer, after a second.
    async fn load(&self, text: &str) -> (usize, bool) {
        let begun = self.begun.clone();
        let seat = self.flights.board(&key(text), || async move {
            let number = begun.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_secs(1)).await;
            Ok(number)
        });
        let joined = seat.joined();
        (seat.land().await.unwrap(), joined)
    }
}

#[tokio::test(start_paused = true)]
async fn equal_loads_at_the_same_time_are_one() {
    let stage = Stage::default();
    let answers = join_all(["a", "b", "a", "a", "b"].map(|text| stage.load(text))).await;
    assert_eq!(answers, [(0, false), (1, false), (0, true), (0, true), (1, true)]);
    assert_eq!(stage.flights.under_way(), 0);
    assert_eq!(stage.load("a").await, (2, false), "nothing is remembered");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_are_one_though_every_other_one_goes_away() {
    let stage = Stage::default();
    let mut waiting: Vec<_> = (0..1000).map(|_| Some(Box::pin(stage.load("a")))).collect();
    for load in waiting.iter_mut().flatten() {
        assert!(poll!(load).is_pending());
    }
    for load in waiting.iter_mut().step_by(2) {
        *load = None;
    }
    let answers = join_all(waiting.into_iter().flatten()).await;
    assert!(answers.len() == 500 && answers.iter().all(|(number, _)| *number == 0));
    assert_eq!(stage.begun.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_takes_nobody_along() {
    let stage = Stage::default();
    let mut first = Box::pin(stage.load("a"));
    let mut second = pin!(stage.load("a"));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(second.await, (0, true));
    assert_eq!(stage.begun.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_nobody_waits_for_is_dropped() {
    let stage = Stage::default();
    let (held, dropped) = oneshot::channel::<()>();
    let seat = stage.flights.board(&key("a"), move || async move {
        let _held = held;
        std::future::pending().await
    });
    let mut forgotten = Box::pin(seat.land());
    assert!(poll!(&mut forgotten).is_pending());
    assert_eq!(stage.flights.under_way(), 1);
    drop(forgotten);
    assert_eq!(stage.flights.under_way(), 0);
    assert!(dropped.await.is_err(), "it still runs");
    assert_eq!(stage.load("a").await, (0, false), "the next loads anew");
}

#[tokio::test(start_paused = true)]
async fn errors_are_shared_but_not_remembered() {
    let stage = Stage::default();
    let fail = || {
        let seat = stage.flights.board(&key("a"), || async {
            sleep(Duration::from_secs(1)).await;
            Err("refused")
        });
        seat.land()
    };
    let (one, other) = tokio::join!(fail(), fail());
    assert_eq!((one, other), (Err("refused"), Err("refused")));
    assert_eq!(stage.load("a").await, (0, false));
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_what_is_closed() {
    let stage = Stage::default();
    let mut early = pin!(stage.load("a"));
    assert!(poll!(&mut early).is_pending());
    stage.flights.close(&key("a"));
    let late = stage.load("a");
    assert_eq!(tokio::join!(early, late), ((0, false), (1, false)));
    assert_eq!(stage.flights.under_way(), 0);
}
