//! The follower: keeps this replica's store as the fleet's log has it.
//!
//! ```text
//!   Load ── snapshots and log read ──► Follow ──┐
//!    ▲                                    │     │ lost its place
//!    │◄───────────────────────────────────┼─────┘
//!    │                                    │ no log, or no watcher, for too long
//!    └──── the log is whole again ──── Alone
//! ```
//!
//! Everything it shows it has from the log, also where this replica is the one that watches: so a number means the same everywhere, and a viewer
//! goes on at any replica. What the log can't tell (that nobody writes it) the follower finds by itself and shows of the lanes.
//!
//! *Alone*, it watches by itself, as a program without a fleet would, beginning with what it knew. Replicas begin at times of their own, so that
//! an outage of Redis does not become one of the API server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::share::{Known, Watcher, Watching};
use ingress_core::stored::{Statement, StatementReader};
use ingress_core::{Batch, Change, ClusterId, Deltas, Kind, LaneStatus, ObjectKey, Position, Update, Writer};
use tokio::time::{Instant, sleep, timeout};

use super::cut::Cut;
use super::lanes::{Lanes, Trouble};
use super::load::{LoadError, Loaded, Until, load};
use super::log::{Entry, Log, LogFaultKind, Meta, Tail, Tailed};
use super::shard::Shard;
use super::status::{KindGauge, Mode};

/// How long a watcher may give no sign of life before what it said is no longer current.
pub(super) const SILENCE: Duration = Duration::from_secs(3);
/// How long the log may not answer before what it said is no longer current: a failover that is over sooner is not worth a word.
const GRACE: Duration = Duration::from_secs(2);
/// How often signs of life are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How long to wait before the log is asked again.
const AGAIN: Duration = Duration::from_millis(250);
/// How long to watch alone before the log is asked again.
const ALONE: Duration = Duration::from_secs(1);

const UNREADABLE: &str = "the fleet's log can't be read";
const BEHIND: &str = "the fleet's log is being read";
const SILENT: &str = "the replica that watches this gives no sign of life";

/// When a follower watches by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long the fleet may be of no use, once it was.
    pub(super) lost: Duration,
    /// How long it may be of no use at first.
    pub(super) start: Duration,
    /// Over how long replicas are spread that lose patience together.
    pub(super) spread: Duration,
}

pub(super) struct Follower<K> {
    log: Log,
    cut: Cut,
    watcher: Arc<Watcher<K>>,
    writer: Writer<K>,
    lanes: Lanes,
    patience: Patience,
    gauge: Arc<KindGauge>,
    alone: Option<Alone<K>>,
    /// Where the log ended when the snapshot of each shard was read.
    read_at: BTreeMap<Shard, u64>,
    /// Shards whose watcher is silent, and when that was found.
    silent: BTreeMap<Shard, Instant>,
    /// When what is shown was last known to be what the log has.
    good: Instant,
    /// What of the counters of objects is this store's.
    counted: BTreeMap<ClusterId, usize>,
}

struct Alone<K> {
    deltas: Deltas<K>,
    _watching: Watching<K>,
}

/// Why a log is no longer followed.
enum End {
    /// It is to be loaded anew.
    Reload,
    /// The fleet has been of no use for too long.
    GiveUp,
}

impl<K: Kind> Follower<K> {
    /// Shows that there are lanes, and nothing known of them yet.
    pub(super) fn new(
        log: Log,
        cut: Cut,
        watcher: Arc<Watcher<K>>,
        mut writer: Writer<K>,
        patience: Patience,
        gauge: Arc<KindGauge>,
    ) -> Self {
        let lanes = Lanes::new(&cut, &mut writer);
        writer.publish();
        let counted = cut.shards().iter().map(|shard| (shard.cluster().clone(), 0)).collect();
        let silent = BTreeMap::new();
        let (good, read_at) = (Instant::now(), BTreeMap::new());
        Self {
            log,
            cut,
            watcher,
            writer,
            lanes,
            patience,
            gauge,
            alone: None,
            read_at,
            silent,
            good,
            counted,
        }
    }

    /// Follows for ever.
    pub(super) async fn run(mut self) {
        let spread = self.patience.spread.mul_f64(rand::random());
        let mut deadline = Instant::now() + self.patience.start + spread;
        let mut given_up = false;
        loop {
            // What is shown already must not go back to an older snapshot on the way.
            let until = if self.writer.state().is_empty() { Until::Snapshots } else { Until::End };
            match load::<K>(&self.log, until, |shard| self.cut.shards().contains(shard)).await {
                Ok(Some(loaded)) if self.alone.is_none() || self.is_whole(&loaded).await => {
                    self.alone = None;
                    let tail = self.adopt(loaded);
                    let end = match self.catch_up(tail).await {
                        Some(tail) => self.follow(tail).await,
                        None => End::Reload,
                    };
                    match end {
                        End::Reload => {
                            given_up = false;
                            deadline = Instant::now() + self.patience.lost + spread;
                        }
                        End::GiveUp if given_up => {}
                        End::GiveUp => {
                            given_up = true;
                            deadline = Instant::now() + spread;
                        }
                    }
                }
                Ok(_) => {}
                Err(error) => self.could_not_load(&error).await,
            }
            match &self.alone {
                Some(_) => self.watch_alone().await,
                None if Instant::now() >= deadline => {
                    given_up = false;
                    self.begin_alone();
                }
                None => sleep(AGAIN).await,
            }
        }
    }

    async fn could_not_load(&mut self, error: &LoadError) {
        tracing::debug!(kind = %K::resource().kind, %error, "the fleet's log can't be loaded");
        self.gauge.failed(&error.to_string());
        let damaged = match error {
            LoadError::Stored(_) => true,
            LoadError::Log(fault) => fault.kind() == LogFaultKind::Broken,
            LoadError::Moved => false,
        };
        if damaged && let Ok(Some(meta)) = self.log.meta().await {
            // Nobody can read it any more; whoever holds its shards writes them again.
            tracing::warn!(kind = %K::resource().kind, %error, "beginning the fleet's log anew");
            drop(self.log.start_anew(meta.place.epoch).await);
        }
        if self.alone.is_none() && self.good.elapsed() >= GRACE {
            self.distrust_log();
        }
    }

    /// Whether all shards are there, and looked after: worth giving up a watch of one's own for.
    async fn is_whole(&self, loaded: &Loaded<K>) -> bool {
        let Ok(now) = self.log.now().await else { return false };
        let fresh = |shard: &Shard| silent_since(&loaded.meta, shard, now).is_none();
        self.cut.shards().iter().all(|shard| loaded.shards.contains_key(shard) && fresh(shard))
    }

    /// Makes the store what was loaded: only what differs changes.
    fn adopt(&mut self, loaded: Loaded<K>) -> (Tail, u64) {
        let Loaded { meta, shards, tail } = loaded;
        let there: BTreeSet<Shard> = shards.keys().cloned().collect();
        self.read_at = shards.iter().map(|(shard, known)| (shard.clone(), known.read_at)).collect();
        let gone: Vec<ObjectKey> = self
            .writer
            .state()
            .iter()
            .map(|(key, _)| key)
            .filter(|key| {
                let of = shards.iter().find(|(shard, _)| self.cut.key_is_of(key, shard));
                of.is_some_and(|(_, known)| !known.objects.contains_key(*key))
            })
            .cloned()
            .collect();
        for key in &gone {
            self.writer.delete(key);
        }
        let mut said: Vec<LaneStatus> = Vec::new();
        for known in shards.into_values() {
            for (key, object) in known.objects {
                self.writer.apply_shared(key, object);
            }
            said.extend(known.lanes.into_values());
        }
        self.lanes.replace(&self.cut, &there, said);
        // Until the rest of the log is read, this is what was so some seconds ago.
        self.lanes.set_log_trouble(Some(Trouble { since: wall_now(), message: BEHIND }));
        self.lanes.show(&self.cut, &mut self.writer);
        self.writer.publish_jump(Position::new(tail.epoch(), tail.seq()));
        self.count();
        (tail, meta.place.seq)
    }

    /// Reads what came after the snapshots, one by one, so that a viewer who knows some of it can go on from there. `None` when it is to be
    /// loaded anew.
    async fn catch_up(&mut self, (mut tail, end): (Tail, u64)) -> Option<Tail> {
        while tail.seq() < end {
            let Ok(Tailed::Entries(entries)) = tail.next().await else { return None };
            for entry in entries {
                if !self.apply(entry) {
                    return None;
                }
            }
        }
        self.lanes.set_log_trouble(None);
        // Signs of life may be younger than what was loaded.
        self.look().await;
        self.lanes.show(&self.cut, &mut self.writer);
        self.writer.publish();
        self.gauge.entered(Mode::Following);
        tracing::info!(
            kind = %K::resource().kind,
            objects = self.writer.state().len(),
            position = %self.writer.state().position(),
            "follows the fleet's log"
        );
        Some(tail)
    }

    async fn follow(&mut self, mut tail: Tail) -> End {
        self.good = Instant::now();
        let mut looked = Instant::now();
        let mut pause = Duration::from_millis(50);
        loop {
            match tail.next().await {
                Ok(Tailed::Entries(entries)) => {
                    for entry in entries {
                        if !self.apply(entry) {
                            return End::Reload;
                        }
                    }
                    self.good = Instant::now();
                }
                Ok(Tailed::Idle) => self.good = Instant::now(),
                Ok(Tailed::Lost(lost)) => {
                    self.gauge.lost(lost);
                    return End::Reload;
                }
                Err(fault) => {
                    self.gauge.failed(&fault.to_string());
                    if self.good.elapsed() >= GRACE {
                        self.distrust_log();
                    }
                    if self.good.elapsed() >= self.patience.lost {
                        return End::GiveUp;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                    continue;
                }
            }
            pause = Duration::from_millis(50);
            if self.lanes.set_log_trouble(None) {
                tracing::info!(kind = %K::resource().kind, "the fleet's log can be read again");
                self.gauge.entered(Mode::Following);
                self.lanes.show(&self.cut, &mut self.writer);
                self.writer.publish();
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                match self.look().await {
                    Some(worst) if worst >= self.patience.lost => return End::GiveUp,
                    _ => {}
                }
            }
        }
    }

    /// Takes one entry of the log; `false` when it tells to load anew.
    fn apply(&mut self, entry: Entry) -> bool {
        let first = Position::new(self.writer.state().position().epoch, entry.first);
        let ours = self.cut.shards().contains(&entry.shard);
        let Some(data) = entry.data else {
            if ours && self.read_at.get(&entry.shard).is_none_or(|read_at| entry.last > *read_at) {
                return false;
            }
            // The snapshot that it tells to read is what was read. What came before it, nobody can go on from.
            self.writer.publish_jump(Position::new(first.epoch, entry.last));
            return true;
        };
        let mut of_lanes = false;
        if ours {
            let mut reader = StatementReader::new(&data);
            loop {
                match reader.read::<K>() {
                    Ok(Some(statement)) => {
                        of_lanes |= matches!(statement, Statement::Lane(_) | Statement::LaneRemoved(_));
                        self.state(statement);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(kind = %K::resource().kind, %error, "an entry of the fleet's log can't be read");
                        return false;
                    }
                }
            }
        }
        // Whatever there was to say is in the log, one number each; only then is every number in between one to go on from.
        let (made, told) = (self.writer.unpublished() as u64, entry.last - entry.first + 1);
        if made == told {
            self.writer.publish_as(first);
        } else {
            self.writer.publish_jump(Position::new(first.epoch, entry.last));
        }
        if of_lanes {
            // Those of which nobody had spoken make way for those of which somebody did.
            self.lanes.show(&self.cut, &mut self.writer);
            self.writer.publish();
        }
        true
    }

    fn state(&mut self, statement: Statement<K>) {
        match statement {
            Statement::Applied(key, object) => self.put(key, Arc::new(object)),
            Statement::Deleted(key) => self.remove(&key),
            Statement::Lane(status) => self.lanes.say(&self.cut, status, &mut self.writer),
            Statement::LaneRemoved(id) => self.lanes.remove(&id, &mut self.writer),
            _ => {}
        }
    }

    /// Looks for signs of life; for how long the most silent shard is known to have given none, if any is silent.
    async fn look(&mut self) -> Option<Duration> {
        let meta = self.log.meta().await.ok()??;
        let worst = self.look_at(&meta).await;
        self.lanes.show(&self.cut, &mut self.writer);
        self.writer.publish();
        worst
    }

    async fn look_at(&mut self, meta: &Meta) -> Option<Duration> {
        let now = self.log.now().await.ok()?;
        let mut troubles = BTreeMap::new();
        for shard in self.cut.shards() {
            let beat = meta.shards.get(shard).and_then(|shard| shard.beat.as_ref());
            if let Some(beat) = beat {
                self.gauge_lanes(&beat.note);
            }
            if let Some(silence) = silent_since(meta, shard, now) {
                let since = wall_now().checked_sub(silence).unwrap_or(Timestamp::UNIX_EPOCH);
                troubles.insert(shard.clone(), Trouble { since, message: SILENT });
            }
        }
        self.silent.retain(|shard, _| troubles.contains_key(shard));
        for shard in troubles.keys() {
            self.silent.entry(shard.clone()).or_insert_with(Instant::now);
        }
        self.lanes.set_shard_troubles(troubles);
        self.silent.values().map(Instant::elapsed).max()
    }

    fn gauge_lanes(&self, note: &[u8]) {
        let mut reader = StatementReader::new(note);
        while let Ok(Some(statement)) = reader.read::<K>() {
            if let Statement::Lane(told) = statement
                && let Some(shown) = self.writer.state().lane(&told.id)
            {
                self.lanes.gauge(shown, &told);
            }
        }
    }

    fn distrust_log(&mut self) {
        if self.lanes.set_log_trouble(Some(Trouble { since: wall_now(), message: UNREADABLE })) {
            tracing::warn!(kind = %K::resource().kind, "the fleet's log can't be read");
            self.gauge.entered(Mode::Waiting);
            self.lanes.show(&self.cut, &mut self.writer);
            self.writer.publish();
        }
    }

    fn begin_alone(&mut self) {
        tracing::warn!(kind = %K::resource().kind, "the fleet is of no use: watching alone");
        self.gauge.entered(Mode::Alone);
        let known = Known::of(self.writer.state(), |_| true, |_| true, wall_now());
        let watching = self.watcher.watch(self.cut.lanes(), Some(known));
        let (snapshot, deltas) = watching.store().subscribe();
        self.lanes.replace_all(snapshot.lanes().map(|lane| (**lane).clone()).collect());
        self.lanes.show(&self.cut, &mut self.writer);
        // What is numbered from now on, nobody else can go on from.
        self.writer.publish_jump(Position::new(rand::random(), 1 << 32));
        self.alone = Some(Alone { deltas, _watching: watching });
    }

    async fn watch_alone(&mut self) {
        let until = Instant::now() + ALONE;
        while let Some(alone) = &mut self.alone {
            match timeout(until.saturating_duration_since(Instant::now()), alone.deltas.next()).await {
                Ok(Some(Update::Changes(batch))) => self.mirror(&batch),
                Ok(Some(Update::Reset(_)) | None) => self.begin_alone(),
                Ok(Some(_)) => {}
                Err(_) => return,
            }
        }
    }

    fn mirror(&mut self, batch: &Batch<K>) {
        for change in &batch.changes {
            match change {
                Change::Added(key, object) | Change::Modified { key, new: object, .. } => {
                    self.put(key.clone(), object.clone());
                }
                Change::Deleted(key, _) => self.remove(key),
                Change::Lane(status) => self.lanes.say(&self.cut, (**status).clone(), &mut self.writer),
                Change::LaneRemoved(id) => self.lanes.remove(id, &mut self.writer),
                _ => {}
            }
        }
        let now = self.writer.state().position();
        self.writer.publish_as(Position::new(now.epoch, now.seq + 1));
    }

    fn put(&mut self, key: ObjectKey, object: Arc<K>) {
        let cluster = key.cluster().clone();
        if self.writer.apply_shared(key, object) {
            self.recount(&cluster, |count| count + 1);
        }
    }

    fn remove(&mut self, key: &ObjectKey) {
        if self.writer.delete(key) {
            self.recount(key.cluster(), |count| count.saturating_sub(1));
        }
    }

    fn recount(&mut self, cluster: &ClusterId, change: impl FnOnce(usize) -> usize) {
        if let Some(count) = self.counted.get_mut(cluster) {
            let before = std::mem::replace(count, change(*count));
            self.watcher.count(cluster, before, *count);
        }
    }

    fn count(&mut self) {
        let state = self.writer.state();
        for (cluster, count) in &mut self.counted {
            let before = std::mem::replace(count, state.range(cluster, None).count());
            self.watcher.count(cluster, before, *count);
        }
    }
}

/// For how long a shard's watcher has given no sign of life, if that is too long; `now` is in the log's time.
fn silent_since(meta: &Meta, shard: &Shard, now: u64) -> Option<Duration> {
    let beat = meta.shards.get(shard).and_then(|shard| shard.beat.as_ref());
    let Some(beat) = beat else { return Some(Duration::ZERO) };
    let silence = Duration::from_millis(now.saturating_sub(beat.at_ms));
    (silence > SILENCE).then_some(silence)
}
