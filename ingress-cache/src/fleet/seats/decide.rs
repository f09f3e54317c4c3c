//! Which step to take next for each shard: a pure function of what this member knows.
//!
//! The rules, in the order in which they are asked:
//!
//! 1. Whoever hasn't beaten for [`ALIVE`] knows nothing of the others, and is dead to them: it lets go of everything. So a member that can't
//!    reach Redis gives up its Leases, too, and another one can work.
//! 2. What is held and is no shard (any more) is let go.
//! 3. A shard's *preferred* member is the first by rendezvous hashing among those who reach its cluster; among all, if nobody does. It
//!    campaigns at once.
//! 4. Others campaign for what nobody has held for a *grace*, so that a preferred member which is alive and can't win leaves no gap.
//! 5. A holder that isn't preferred lets go once the preferred one is alive and the shard hasn't moved for a *rest*: so a fleet in which
//!    members come and go, or a cluster that is there and gone, moves no shard more often than that.
//! 6. Whoever would be next without the holder looks at the lock meanwhile, where taking over takes having looked.
//!
//! It costs a hash per shard and member.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ingress_core::ClusterId;
use tokio::time::Instant;

use crate::fleet::members::ALIVE;
use crate::fleet::shard::{MemberId, Shard};

/// How patient members are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// For how long nobody has to hold a shard before members that are not preferred want it.
    pub(super) grace: Duration,
    /// How long a shard stays where it is, at least.
    pub(super) rest: Duration,
}

/// What a member knows.
#[derive(Debug, Clone)]
pub(super) struct View {
    pub(super) me: MemberId,
    /// All shards that are to be held by somebody.
    pub(super) shards: BTreeSet<Shard>,
    /// Who is alive, and which clusters each of them can't reach; this one included.
    pub(super) members: BTreeMap<MemberId, BTreeSet<ClusterId>>,
    /// When this one was last told so.
    pub(super) told: Option<Instant>,
    /// What this one holds.
    pub(super) held: BTreeSet<Shard>,
    /// Who else says that they hold a shard.
    pub(super) holders: BTreeMap<Shard, MemberId>,
    /// Since when nobody holds a shard, as far as one knows.
    pub(super) vacant: BTreeMap<Shard, Instant>,
    /// When a shard changed its holder last, as far as one knows.
    pub(super) moved: BTreeMap<Shard, Instant>,
}

/// What to do about a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// Get it, or keep it.
    Campaign,
    /// Look who has it.
    Observe,
    /// Let go of it.
    Resign,
}

/// The steps, of those shards for which there is one.
pub(super) fn decide(now: Instant, view: &View, rules: Rules) -> BTreeMap<Shard, Step> {
    let current = view.told.is_some_and(|told| now.saturating_duration_since(told) < ALIVE);
    if !current || !view.members.contains_key(&view.me) {
        return view.held.iter().map(|shard| (shard.clone(), Step::Resign)).collect();
    }
    let strays = view.held.difference(&view.shards).map(|shard| (shard.clone(), Step::Resign));
    let steps = view.shards.iter().filter_map(|shard| Some((shard.clone(), step(now, view, rules, shard)?)));
    strays.chain(steps).collect()
}

fn step(now: Instant, view: &View, rules: Rules, shard: &Shard) -> Option<Step> {
    let since =
        |times: &BTreeMap<Shard, Instant>| times.get(shard).map(|at| now.saturating_duration_since(*at));
    let preferred = preferred(view, shard, None);
    if view.held.contains(shard) {
        let rested = since(&view.moved).is_none_or(|moved| moved >= rules.rest);
        let stays = preferred == Some(&view.me) || !rested;
        return Some(if stays { Step::Campaign } else { Step::Resign });
    }
    let holder = view.holders.get(shard);
    if preferred == Some(&view.me)
        || holder.is_none() && since(&view.vacant).is_some_and(|vacant| vacant >= rules.grace)
    {
        return Some(Step::Campaign);
    }
    let without = holder.or(preferred);
    (self::preferred(view, shard, without) == Some(&view.me)).then_some(Step::Observe)
}

/// Who should hold a shard, or should if somebody didn't.
fn preferred<'a>(view: &'a View, shard: &Shard, without: Option<&MemberId>) -> Option<&'a MemberId> {
    let others = || view.members.iter().filter(|(id, _)| Some(*id) != without);
    let reaching =
        others().filter(|(_, unreachable)| !unreachable.contains(shard.cluster())).map(|(id, _)| id);
    shard.preferred(reaching).or_else(|| shard.preferred(others().map(|(id, _)| id)))
}

#[cfg(test)]
mod tests;
