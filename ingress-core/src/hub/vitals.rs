//! Whether the engine itself works.
//!
//! Two things can go wrong with a process that still answers: a task that should run for ever ended (a panic, which is a defect), and
//! what it kept current stays as it was for good, looking fine; or tasks no longer get their turn, because something blocks the
//! runtime's threads. The first is seen by its tasks having ended, the second by a task of its own that does nothing but tell the time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, interval};

/// How often the pulse beats.
const BEAT: Duration = Duration::from_secs(1);
/// How long it may be gone: longer than any machine is merely busy.
const SILENCE: Duration = Duration::from_secs(30);

/// What is wrong with an engine that does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stuck {
    /// A task ended that should not have, or the hub was shut down.
    Ended,
    /// Tasks have not had their turn for so long.
    Silent(Duration),
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("a task of the engine ended"),
            Self::Silent(time) => write!(f, "no task had its turn for {} s", time.as_secs()),
        }
    }
}

/// What tells whether the engine works.
#[derive(Debug)]
pub(super) struct Vitals {
    tasks: Vec<AbortHandle>,
    begun: Instant,
    /// When the pulse beat last, in milliseconds since it began.
    pulse: Arc<AtomicU64>,
}

impl Vitals {
    /// Begins to look after these tasks, all of which should run until they are told to end, with one more.
    pub(super) fn begin(tasks: &mut JoinSet<()>, handles: Vec<AbortHandle>) -> Self {
        let (begun, pulse) = (Instant::now(), Arc::<AtomicU64>::default());
        let beat = pulse.clone();
        let heart = tasks.spawn(async move {
            let mut beats = interval(BEAT);
            loop {
                beats.tick().await;
                beat.store(milliseconds(begun.elapsed()), Ordering::Relaxed);
            }
        });
        let tasks = handles.into_iter().chain([heart]).collect();
        Self { tasks, begun, pulse }
    }

    pub(super) fn stuck(&self) -> Option<Stuck> {
        if self.tasks.iter().any(AbortHandle::is_finished) {
            return Some(Stuck::Ended);
        }
        let beat = Duration::from_millis(self.pulse.load(Ordering::Relaxed));
        let silence = self.begun.elapsed().saturating_sub(beat);
        (silence > SILENCE).then_some(Stuck::Silent(silence))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ended_is_noticed() {
        let mut tasks = JoinSet::new();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let handle = tasks.spawn(async { drop(ended.await) });
        let vitals = Vitals::begin(&mut tasks, vec![handle]);
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(vitals.stuck(), None);
        end.send(()).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(vitals.stuck(), Some(Stuck::Ended));
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_without_their_turn_are_noticed() {
        let mut tasks = JoinSet::new();
        let vitals = Vitals::begin(&mut tasks, Vec::new());
        tokio::task::yield_now().await;
        // Time that no task has part in.
        tokio::time::advance(SILENCE + BEAT * 2).await;
        let fresh = Vitals { tasks: Vec::new(), begun: vitals.begun, pulse: Arc::default() };
        assert!(matches!(fresh.stuck(), Some(Stuck::Silent(time)) if time > SILENCE));
        tokio::time::sleep(BEAT).await;
        assert_eq!(vitals.stuck(), None);
    }
}
