//! What one lens shows, encoded once for all who look through it.
//!
//! A thousand open pages look through the same few lenses. So what a lens makes of a batch of changes, or of a snapshot, is
//! worked out and written by the first viewer that needs it, and lent to the others as bytes. Viewers keep their own pace: each
//! has its cursor in the store's ring, and whoever reads what nobody holds any more encodes it again, for itself.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use ingress_core::{Batch, ClusterId, Ingress, Position, Snapshot};
use tokio::time::Instant;

use super::frames::{Form, Frames};
use super::run::{Run, Span, Told};
use super::segments::{self, Segments};
use crate::coding::Shared;
use crate::dashboard::DEFAULT_MAX_BACKLOG;
use crate::metrics::http_side::Written;
use crate::view::{Lens, Mark};
use crate::wire::BreakerOf;

/// How many bytes of encoded changes one feed holds for the viewers that come by later.
const HELD: usize = 1 << 20;

/// What the runs may cost that one feed holds for viewers that missed the same, and how many these are at most.
const HELD_RUNS: usize = 8 << 20;
const RUNS: usize = 8;

/// How many feeds are held for lists that may be asked for again.
const RECENT: usize = 4;

/// How long encoded changes are held for viewers that come by later, and an encoded snapshot, or a run, after the last one asked for it.
/// There may be as many feeds as viewers, so nothing is held just because there is room.
const KEPT: Duration = Duration::from_secs(10);

/// The feeds of a router, by their lenses. A feed lives as long as somebody looks through it.
#[derive(Debug, Default)]
pub(crate) struct Feeds {
    by_lens: Mutex<HashMap<Lens, Weak<Feed>>>,
    /// Those that lists were answered from lately, for the next list.
    recent: Mutex<VecDeque<(Arc<Feed>, Instant)>>,
}

/// Everything that is the same for all viewers of one lens.
pub(crate) struct Feed {
    pub(super) lens: Lens,
    clusters: Vec<ClusterId>,
    demo: bool,
    breaker_of: BreakerOf,
    /// How much may wait for one viewer, in bytes.
    backlog: usize,
    /// For each form, by the ordinal of their first change.
    pieces: [Mutex<BTreeMap<u64, (Piece, Instant)>>; Form::COUNT],
    runs: Mutex<VecDeque<(Arc<Run>, Instant)>>,
    snapshot: Mutex<Option<Held>>,
}

struct Held {
    position: Position,
    segments: Arc<Segments>,
    asked: Instant,
}

/// Some changes in a row, as events.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// Empty when nothing that is shown changed.
    pub(super) bytes: Shared,
    pub(super) written: Written,
    /// The index in the batch of the first change that is not in it.
    pub(super) next: usize,
    /// The last change that is in it, shown or not.
    pub(super) seen: Position,
    /// The last id that it gives.
    pub(super) told: Option<Position>,
}

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("lens", &self.lens).finish_non_exhaustive()
    }
}

impl Feeds {
    /// The feed of a lens: the one that is there already, or the one that `make` makes.
    pub(crate) fn of(&self, lens: Lens, make: impl FnOnce(Lens) -> Feed) -> Arc<Feed> {
        let mut by_lens = self.by_lens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = by_lens.get(&lens).and_then(Weak::upgrade) {
            return feed;
        }
        by_lens.retain(|_, feed| feed.strong_count() > 0);
        let feed = Arc::new(make(lens.clone()));
        by_lens.insert(lens, Arc::downgrade(&feed));
        feed
    }

    /// Holds on to a feed for a while, though nobody looks through it: somebody asked for a list, and more may.
    pub(crate) fn remember(&self, feed: &Arc<Feed>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|(known, since)| !Arc::ptr_eq(known, feed) && since.elapsed() <= KEPT);
        recent.push_back((feed.clone(), Instant::now()));
        if recent.len() > RECENT {
            recent.pop_front();
        }
    }

    /// Lets go of feeds that no list was asked for of lately.
    pub(crate) fn tidy(&self) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|(_, since)| since.elapsed() <= KEPT);
    }
}

impl Feed {
    /// What is seen through a lens of these clusters, which are in the order of their names.
    pub(crate) fn new(lens: Lens, clusters: Vec<ClusterId>, demo: bool, breaker_of: BreakerOf) -> Self {
        Self {
            lens,
            clusters,
            demo,
            breaker_of,
            backlog: DEFAULT_MAX_BACKLOG,
            pieces: Default::default(),
            runs: Mutex::default(),
            snapshot: Mutex::default(),
        }
    }

    /// The same with another bound on what may wait for one viewer, in bytes.
    pub(crate) fn with_backlog(self, backlog: usize) -> Self {
        Self { backlog, ..self }
    }

    pub(super) fn is_demo(&self) -> bool {
        self.demo
    }

    pub(super) fn breaker_of(&self) -> &BreakerOf {
        &self.breaker_of
    }

    /// The changes of a batch from an index on, as many as are sent at once; held for others if there are any.
    pub(super) fn piece(
        &self,
        batch: &Batch<Ingress>,
        from: usize,
        form: Form,
        has_company: bool,
    ) -> Result<Piece, serde_json::Error> {
        let first = batch.first_ordinal + from as u64;
        let [events, messages] = &self.pieces;
        let pieces = match form {
            Form::Events => events,
            Form::Messages => messages,
        };
        let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((piece, _)) = pieces.get(&first) {
            return Ok(piece.clone());
        }
        // Under the lock: whoever else wants it would only do the same work.
        let piece = self.encode(batch, from, form)?;
        if has_company {
            pieces.insert(first, (piece.clone(), Instant::now()));
            let mut held: usize = pieces.values().map(|(piece, _)| piece.cost()).sum();
            while held > HELD && pieces.len() > 1 {
                let Some((_, (oldest, _))) = pieces.pop_first() else { break };
                held -= oldest.cost();
            }
        }
        drop(pieces);
        self.tidy();
        Ok(piece)
    }

    fn encode(&self, batch: &Batch<Ingress>, from: usize, form: Form) -> Result<Piece, serde_json::Error> {
        let mut frames = Frames::new(form);
        let mut told = None;
        let mut next = from;
        for change in batch.changes.get(from..).unwrap_or_default() {
            if frames.is_full() {
                break;
            }
            if let Some(event) = self.lens.project(change) {
                let position = Position::new(batch.epoch, batch.first_seq + next as u64);
                frames.change(&event, Some(self.lens.mark(position)), &self.breaker_of)?;
                told = Some(position);
            }
            next += 1;
        }
        let seen = Position::new(batch.epoch, (batch.first_seq + next as u64).saturating_sub(1));
        let (bytes, written) = frames.into_shared();
        Ok(Piece { bytes, written, next, seen, told })
    }

    /// Everything after one position up to another, folded; `batches` hold it. Who missed the same is given the same.
    pub(super) fn run(
        &self,
        from: Position,
        to: Position,
        told: Told,
        batches: &[(Arc<Batch<Ingress>>, usize)],
    ) -> Arc<Run> {
        let span = Span { from, to, told };
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((run, _)) = runs.iter().find(|(run, _)| run.span() == span) {
            return run.clone();
        }
        let run = Arc::new(Run::fold(span, batches, &self.lens, self.backlog));
        runs.push_back((run.clone(), Instant::now()));
        let mut held: usize = runs.iter().map(|(run, _)| run.cost()).sum();
        while runs.len() > RUNS || held > HELD_RUNS {
            let Some((oldest, _)) = runs.pop_front() else { break };
            held -= oldest.cost();
        }
        run
    }

    /// Whether a run is more than may wait for a viewer.
    pub(super) fn is_too_heavy(&self, run: &Run) -> bool {
        run.is_too_heavy(self.backlog)
    }

    /// Where a viewer goes on after a snapshot.
    pub(super) fn since(&self, snapshot: &Snapshot<Ingress>) -> Mark {
        self.lens.since(snapshot, &self.clusters)
    }

    /// A snapshot in segments. What did not change since the last one was asked for is not encoded again.
    pub(crate) fn segments(&self, snapshot: &Snapshot<Ingress>) -> Arc<Segments> {
        let position = snapshot.position();
        let mut held = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.take();
        let segments = match &known {
            Some(known) if known.position == position => known.segments.clone(),
            _ => {
                let known = known.as_ref().map(|known| known.segments.as_slice()).unwrap_or_default();
                let shown = self.lens.select(snapshot, &self.clusters);
                Arc::new(segments::cut(shown, known))
            }
        };
        *held = Some(Held { position, segments: segments.clone(), asked: Instant::now() });
        segments
    }

    /// Lets go of a snapshot that nobody asked for lately, and of changes and runs that are old.
    pub(super) fn tidy(&self) {
        for pieces in &self.pieces {
            let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
            while let Some(oldest) = pieces.first_entry() {
                let (_, since) = oldest.get();
                if since.elapsed() <= KEPT {
                    break;
                }
                oldest.remove();
            }
        }
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).retain(|(_, since)| since.elapsed() <= KEPT);
        let mut held = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        held.take_if(|held| held.asked.elapsed() > KEPT);
    }
}

impl Piece {
    /// What it costs to hold, also when it is empty.
    fn cost(&self) -> usize {
        self.bytes.cost() + 256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{closed, cluster, key, lens, simple};
    use ingress_core::{Store, Update};

    fn feed(query: &str) -> Feed {
        Feed::new(lens(query), vec![cluster("c")], false, closed())
    }

    #[test]
    fn equal_lenses_share_a_feed_while_somebody_looks_through_it() {
        let feeds = Feeds::default();
        let of =
            |query: &str| feeds.of(lens(query), |lens| Feed::new(lens, vec![cluster("c")], false, closed()));
        let (one, other, third) = (of("class=nginx"), of("class=nginx"), of(""));
        assert!(Arc::ptr_eq(&one, &other) && !Arc::ptr_eq(&one, &third));
        drop((one, other));
        drop(of("class=other"));
        assert_eq!(feeds.by_lens.lock().unwrap().len(), 2, "the first is forgotten");
    }

    #[test]
    fn changes_are_encoded_once_and_not_held_for_ever() {
        let (mut writer, store) = Store::new(0xe, 100_000);
        let (_, mut deltas) = store.subscribe();
        let feed = feed("");
        let piece = |batch: &Batch<Ingress>, from| feed.piece(batch, from, Form::Events, true).unwrap();
        for round in 0..150 {
            for number in 0..100 {
                let name = format!("x{number}");
                writer.apply(key("c", "n", &name), simple("n", &name, round, "nginx", "h.example.com"));
            }
            writer.publish();
            let Some(Update::Changes(batch)) = deltas.try_next() else { panic!("a batch") };
            let mut from = 0;
            while from < batch.changes.len() {
                let (one, other) = (piece(&batch, from), piece(&batch, from));
                assert_eq!(one.bytes.plain().as_ptr(), other.bytes.plain().as_ptr(), "the same bytes");
                assert!(one.next > from);
                from = one.next;
            }
        }
        let pieces = feed.pieces[0].lock().unwrap();
        assert!(pieces.values().map(|(piece, _)| piece.cost()).sum::<usize>() <= HELD);
        assert!(pieces.len() > 1 && *pieces.keys().next().unwrap() > 1000, "the newest are held");
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_lenses_hold_nothing_that_nobody_comes_for() {
        let (mut writer, store) = Store::new(0xe, 100_000);
        let (_, mut deltas) = store.subscribe();
        let (alone, shared) = (feed("class=nginx"), feed("class=other"));
        let held = |feed: &Feed| feed.pieces[0].lock().unwrap().len();
        for round in 0..100 {
            writer.apply(key("c", "n", "x"), simple("n", "x", round, "nginx", "h.example.com"));
            writer.publish();
            let Some(Update::Changes(batch)) = deltas.try_next() else { panic!("a batch") };
            alone.piece(&batch, 0, Form::Events, false).unwrap();
            // Where nothing is shown, there is something to hold as well.
            shared.piece(&batch, 0, Form::Events, true).unwrap();
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(held(&alone), 0);
        assert!((1..=11).contains(&held(&shared)), "{}", held(&shared));
        tokio::time::advance(KEPT).await;
        shared.tidy();
        assert_eq!(held(&shared), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_s_feed_is_there_for_the_next_list_and_not_for_ever() {
        let feeds = Feeds::default();
        let of =
            |query: &str| feeds.of(lens(query), |lens| Feed::new(lens, vec![cluster("c")], false, closed()));
        let asked = of("class=x0");
        feeds.remember(&asked);
        let first = Arc::downgrade(&asked);
        drop(asked);
        assert!(first.upgrade().is_some_and(|first| Arc::ptr_eq(&first, &of("class=x0"))));
        for other in 1..=RECENT {
            feeds.remember(&of(&format!("class=x{other}")));
        }
        assert!(first.upgrade().is_none(), "only so many are held");
        assert_eq!(feeds.recent.lock().unwrap().len(), RECENT);
        tokio::time::advance(KEPT * 2).await;
        feeds.tidy();
        assert!(feeds.recent.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_snapshot_is_shared_within_a_revision_and_forgotten_after_a_while() {
        let (mut writer, store) = Store::new(0xe, 100);
        writer.apply(key("c", "n", "a"), simple("n", "a", 1, "nginx", "h.example.com"));
        writer.publish();
        let feed = feed("");
        let (one, other) = (feed.segments(&store.snapshot()), feed.segments(&store.snapshot()));
        assert!(Arc::ptr_eq(&one, &other));
        feed.tidy();
        assert!(feed.snapshot.lock().unwrap().is_some());
        tokio::time::advance(KEPT * 2).await;
        feed.tidy();
        assert!(feed.snapshot.lock().unwrap().is_none());
    }
}
