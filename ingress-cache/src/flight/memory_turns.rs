//! Turns among those in one process, such as the replicas of a test.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::turns::{Turn, Turns};
use crate::cache::{Key, Version};
use crate::clock::Clock;

/// Gives turns to whoever shares it. A turn that nobody gave back is forgotten when it is over and turns are asked for.
#[derive(Debug)]
pub struct MemoryTurns {
    taken: Mutex<Taken>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Taken {
    turns: HashMap<Key, (Version, Instant)>,
    last: Version,
}

impl MemoryTurns {
    /// Nobody has a turn yet. Versions come from this clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { taken: Mutex::default(), clock }
    }
}

#[async_trait]
impl Turns for MemoryTurns {
    async fn take(&self, key: &Key, held: Duration) -> Turn {
        let now = Instant::now();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.turns.retain(|_, (_, until)| now < *until);
        if taken.turns.contains_key(key) {
            return Turn::Others;
        }
        let version = self.clock.version().max(taken.last.next());
        taken.last = version;
        let Some(until) = now.checked_add(held) else { return Turn::Unavailable };
        taken.turns.insert(key.clone(), (version, until));
        Turn::Mine(version)
    }

    async fn release(&self, key: &Key, version: Version) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.turns.get(key).is_some_and(|(held, _)| *held == version) {
            taken.turns.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Use;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn a_turn_is_one_s_own_until_it_is_given_back_or_over() {
        let turns = MemoryTurns::new(Clock::tokio());
        let key = Key::new(Use::new("test"), "a");
        let Turn::Mine(first) = turns.take(&key, SECOND).await else { panic!("it is free") };
        assert_eq!(turns.take(&key, SECOND).await, Turn::Others);
        assert!(matches!(turns.take(&Key::new(Use::new("test"), "b"), SECOND).await, Turn::Mine(_)));
        turns.release(&key, first).await;
        let Turn::Mine(second) = turns.take(&key, SECOND).await else { panic!("it was given back") };
        turns.release(&key, first).await;
        assert_eq!(turns.take(&key, SECOND).await, Turn::Others, "a turn long gone can't be given back");
        tokio::time::sleep(SECOND).await;
        let Turn::Mine(third) = turns.take(&key, SECOND).await else { panic!("it is over") };
        assert!(first < second && second < third);
    }
}
