//! Routes as somebody sees them who may read part of what they are judged by.
//!
//! They are judged anew, by what may be read: a route whose service may not be read is not what somebody else was told with a part cut out, but
//! what they would be told if nobody had looked at services. So there is nothing in it that could tell too much. It is kept current like the judgements for
//! everybody: a change costs what it concerns, among what may be read, and looking for what changed costs what did.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{RouteSnapshot, Routes, TURN, Table};
use crate::clock::{Timestamp, wall_now};
use crate::inventory::{MayRead, Refusal};

/// Routes with their diagnoses, for those who may read the same.
pub struct PartialRoutes {
    may_read: Arc<dyn MayRead>,
    table: Table,
    followed: Option<u64>,
    moves: u64,
}

impl std::fmt::Debug for PartialRoutes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PartialRoutes").field("followed", &self.followed).finish_non_exhaustive()
    }
}

impl Routes {
    /// The routes for somebody who may read part of what they are judged by. Nothing is known of them before [`PartialRoutes::follow`].
    #[must_use]
    pub fn partial(&self, may_read: Arc<dyn MayRead>) -> PartialRoutes {
        let table = Table::through(may_read.clone(), (*self.settings).clone());
        PartialRoutes { may_read, table, followed: None, moves: 0 }
    }
}

impl PartialRoutes {
    /// Judges what a state concerns, and the time that has passed. A state from before the one that was followed last changes nothing.
    ///
    /// # Cancel safety
    ///
    /// What was judged stays; the next call goes on with the rest.
    pub async fn follow(&mut self, to: &RouteSnapshot) {
        let now = wall_now();
        match self.followed {
            None => {
                self.table.begin_with(to.inventory.clone());
                self.moves += 1;
            }
            Some(followed) if followed < to.revision => {
                self.moves += u64::from(self.table.follow(&to.inventory));
            }
            Some(_) if self.is_settled(now) => return,
            Some(_) => {}
        }
        self.followed = self.followed.max(Some(to.revision));
        self.table.begin(now);
        while self.table.judge(TURN, now) {
            tokio::task::yield_now().await;
        }
        self.moves += u64::from(self.table.take_differs());
    }

    fn is_settled(&self, now: Timestamp) -> bool {
        self.table.pending() == 0 && self.table.deadline().is_none_or(|moment| moment > now)
    }

    /// The routes that may be seen, as of the state that was followed last. Its inventory is everybody's, to be read through
    /// [`MayRead`] only; its revision is that of the state.
    #[must_use]
    pub fn snapshot(&self) -> RouteSnapshot {
        let RouteSnapshot { routes, inventory, .. } = self.table.snapshot();
        RouteSnapshot { routes, inventory, revision: self.followed.unwrap_or_default() }
    }

    /// What may be read.
    #[must_use]
    pub fn may_read(&self) -> &Arc<dyn MayRead> {
        &self.may_read
    }

    /// Goes up when something differs that may be read, be it a route or what routes are judged by, and at no other time.
    #[must_use]
    pub fn moves(&self) -> u64 {
        self.moves
    }

    /// What was looked for so far and may not be read.
    #[must_use]
    pub fn refused(&self) -> &BTreeSet<Refusal> {
        self.table.refused()
    }
}
