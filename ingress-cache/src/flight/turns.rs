//! Whose turn it is to load a value, among replicas.
//!
//! A turn is a short lock with a fencing token. It saves calls and decides nothing: whoever can't get one in time loads without, and
//! whoever had one for too long has its value refused by the cache, because the token of whoever came next is higher.

use std::time::Duration;

use async_trait::async_trait;

use crate::cache::{Key, Version};

/// What came of asking for a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Turn {
    /// It is the asker's, and the value is to be written with this version.
    Mine(Version),
    /// Somebody else has it, for now.
    Others,
    /// Nobody can tell: load without.
    Unavailable,
}

/// Gives turns. Nothing here fails: what goes wrong is [`Turn::Unavailable`], and soon, since somebody waits.
///
/// Versions come from one clock, that of whoever gives the turns, and each is higher than all that were given for the key before. The clock makes
/// this hold when all turns are forgotten: the next version is the time in microseconds, or the last one and 1, whichever is higher.
#[async_trait]
pub trait Turns: Send + Sync + 'static {
    /// Takes the turn for a key, unless somebody has it. It ends by itself after `held`, whatever became of its holder.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave a turn taken that nobody uses, until it ends by itself.
    async fn take(&self, key: &Key, held: Duration) -> Turn;

    /// Gives a turn back, if it is still the one that this version was given for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the turn taken until it ends by itself.
    async fn release(&self, key: &Key, version: Version);
}
