//! Where a hub's state is kept for its next start, so that it has an answer at once.
//!
//! A hub that keeps its state ([`HubBuilder::keep`](crate::HubBuilder::keep)) writes each of its stores now and then, whole, and reads
//! them when it starts. What it reads is shown at once, marked stale since it was written; the lanes, which start meanwhile, then make
//! only the real differences visible.
//!
//! What is kept is bytes with a name; where it lies, and how it is told that nobody damaged it, is for the [`Keep`] to know:
//! `ingress-cache` has one in a file and one in Redis.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::clock::wall_now;
use crate::kind::Kind;
use crate::share::Known;
use crate::store::{Snapshot, Store};
use crate::stored::{InvalidStored, Statement, StatementReader, StatementWriter};

/// How often a store that changed is written.
const EVERY: Duration = Duration::from_secs(10);

/// How often one that didn't is written all the same: so that it says nearly when it was last current, and isn't taken for forgotten by
/// a place that keeps nothing for ever.
const AT_LEAST_EVERY: Duration = Duration::from_secs(3600);

/// A place for a hub's state.
#[async_trait]
pub trait Keep: Send + Sync + 'static {
    /// What was saved last under a name; `None` when nothing was, or when it can't be read: that is worth a warning, but never stops a
    /// start.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    async fn load(&self, name: &str) -> Option<Bytes>;

    /// Saves a state in place of the last one, whole or not at all. What goes wrong is for the place to tell; the next state comes
    /// soon enough.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the last state or the new one.
    async fn save(&self, name: &str, state: Bytes);
}

/// The name of a kind's state: its plural and its group.
fn name_of<K: Kind>() -> String {
    let resource = K::resource();
    format!("{}.{}", resource.plural, if resource.group.is_empty() { "core" } else { &resource.group })
}

/// Reads what was kept of a kind.
pub(crate) async fn recall<K: Kind>(keep: Arc<dyn Keep>) -> Option<Known<K>> {
    let name = name_of::<K>();
    let state = keep.load(&name).await?;
    match read(&state) {
        Ok(known) => Some(known),
        Err(problem) => {
            tracing::warn!(name, %problem, "what was kept of the last run is of no use; beginning without it");
            None
        }
    }
}

/// Writes a store whenever it changed, and now and then when it didn't, for ever.
pub(crate) async fn run<K: Kind>(keep: Arc<dyn Keep>, store: Store<K>) {
    let name = name_of::<K>();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, and there is nothing yet.
    ticks.tick().await;
    let (mut saved, mut since) = (0, Instant::now());
    loop {
        ticks.tick().await;
        if since.elapsed() >= AT_LEAST_EVERY {
            (saved, since) = (0, Instant::now());
        }
        saved = save(&*keep, &name, &store, saved).await;
    }
}

/// Writes a store a last time.
pub(crate) async fn last<K: Kind>(keep: Arc<dyn Keep>, store: Store<K>) {
    save(&*keep, &name_of::<K>(), &store, 0).await;
}

async fn save<K: Kind>(keep: &dyn Keep, name: &str, store: &Store<K>, saved: u64) -> u64 {
    let snapshot = store.snapshot();
    // Before the first sync there is less than what was kept before.
    if snapshot.ordinal() == saved || !snapshot.is_synced() {
        return saved;
    }
    let ordinal = snapshot.ordinal();
    // Boxed, so that what runs it is compiled once.
    let work: Box<dyn FnOnce() -> Bytes + Send> = Box::new(move || write(&snapshot));
    let written = tokio::task::spawn_blocking(work).await;
    if let Ok(state) = written {
        keep.save(name, state).await;
    }
    ordinal
}

fn write<K: Kind>(snapshot: &Snapshot<K>) -> Bytes {
    let mut writer = StatementWriter::new();
    writer.snapshot(snapshot);
    let mut state = Vec::with_capacity(writer.len() + 64);
    state.extend_from_slice(&wall_now().as_millisecond().to_le_bytes());
    state.push(u8::try_from(K::STORED.len()).unwrap_or(u8::MAX));
    state.extend_from_slice(K::STORED.as_bytes());
    state.append(&mut writer.take());
    state.into()
}

fn read<K: Kind>(state: &[u8]) -> Result<Known<K>, InvalidStored> {
    let cut = InvalidStored::new("it is cut off");
    let (at, rest) = state.split_first_chunk().ok_or(cut)?;
    let at = Timestamp::from_millisecond(i64::from_le_bytes(*at))
        .map_err(|_| InvalidStored::new("its time is in no calendar"))?;
    let (length, rest) = rest.split_first().ok_or(cut)?;
    let (form, rest) = rest.split_at_checked(usize::from(*length)).ok_or(cut)?;
    if form != K::STORED.as_bytes() || K::STORED.is_empty() {
        return Err(InvalidStored::new("it is of another version"));
    }
    let mut known = Known::new(at);
    let mut reader = StatementReader::new(rest);
    while let Some(statement) = reader.read()? {
        match statement {
            Statement::Applied(key, object) => known.objects.push((key, Arc::new(object))),
            Statement::Lane(status) => known.lanes.push(status),
            Statement::Deleted(_) | Statement::LaneRemoved(_) => {}
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests;
