//! What this replica holds, and what it does about it: members, rendezvous hashing and election put together, in one task.
//!
//! Every 250 ms, and whenever something it knows changes, a pure function decides what to do about each shard, and does it: a beat a second to
//! the other members, a campaign for what it should hold, a renewal three times per term for what it does. It ends terms by itself that
//! couldn't be renewed in time, and tells what it holds *before* it lets go, never after.
//!
//! When a holder dies, its beat is too old after 3 s, everybody computes who is next, and its lock is over at about the same time: the
//! shard has a new holder some 3.3 s after the last sign of life. A holder that leaves in order is followed within a second.
//!
//! It costs a command a second for the beat, and one a second for each shard held.

mod config;
mod decide;
mod reach;
mod roll;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ingress_core::ClusterId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::election::{Election, Term};
use super::members::{Member, Members};
use super::shard::Shard;

use self::run::{Command, Outlets, Run};

pub use config::{InvalidSeats, SeatsConfig};

/// The shards that one holds, each with its term.
pub type Held = Arc<BTreeMap<Shard, Term>>;

/// Who is alive, as this replica was told last.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Roster {
    /// Who is alive, this one included.
    pub members: Vec<Member>,
    /// When it was told so; `None` before the first time. What is older than [`ALIVE`](super::members::ALIVE) is hearsay.
    pub told: Option<Instant>,
}

/// The seats of this replica. Dropping it ends the task; what is held then ends by itself, and others know after a while.
/// [`leave`](Self::leave) is the better end.
#[derive(Debug)]
pub struct Seats {
    held: watch::Receiver<Held>,
    roster: watch::Receiver<Arc<Roster>>,
    commands: mpsc::Sender<Command>,
    task: JoinSet<()>,
}

impl Seats {
    /// Takes part, beginning now, for these shards. `unreachable` is what this replica's own probes say; only what has lasted for
    /// [a while](SeatsConfig::patience) counts. Both may change at any time; when their senders go, the last value stays.
    ///
    /// The election has to be that of the same member.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn start(
        config: SeatsConfig,
        members: Members,
        election: Arc<dyn Election>,
        shards: watch::Receiver<Arc<BTreeSet<Shard>>>,
        unreachable: watch::Receiver<Arc<BTreeSet<ClusterId>>>,
    ) -> Self {
        let me = members.me().clone();
        let (outlets, held, roster) = Outlets::new();
        let (commands, orders) = mpsc::channel(16);
        let mut task = JoinSet::new();
        task.spawn(Run::new(config, me, members, election, shards, unreachable, outlets).run(orders));
        Self { held, roster, commands, task }
    }

    /// What is held. It changes with every renewal, which moves [`Term::valid_until`]; a process that was paused may see a term here that is
    /// over, so ask [`Term::is_valid`] before relying on one.
    #[must_use]
    pub fn held(&self) -> watch::Receiver<Held> {
        self.held.clone()
    }

    /// Who is alive.
    #[must_use]
    pub fn roster(&self) -> watch::Receiver<Arc<Roster>> {
        self.roster.clone()
    }

    /// Begins a later term for a shard that is held, above `above`: the log refused this one, having seen that. `None` when the shard isn't held (any
    /// more), or the election doesn't answer; try again, or find it gone from [`held`](Self::held).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the answer; [`held`](Self::held) tells.
    pub async fn raise(&self, shard: &Shard, above: u64) -> Option<Term> {
        let (answer, told) = oneshot::channel();
        self.commands.send(Command::Raise { shard: shard.clone(), above, answer }).await.ok()?;
        told.await.ok().flatten()
    }

    /// Leaves: lets go of everything and tells the others, so that they follow within a second. It takes 2 s at most.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the task where it is.
    pub async fn leave(mut self) {
        if self.commands.send(Command::Leave).await.is_ok() {
            while self.task.join_next().await.is_some() {}
        }
    }
}
