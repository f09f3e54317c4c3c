//! One watch of files.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::reading::{Reading, same};
use super::{INTERVAL, Inner, unreachable};
use crate::error::{ErrorKind, SourceError};
use crate::inventory::{decode, is_known, is_of};
use crate::key::{LaneScope, Revision};
use crate::kind::Kind;
use crate::manifest::{Document, Id};
use crate::source::{Tombstone, WatchEvent, WatchRequest};

/// How often a watch without news says that it is there: often enough that nobody doubts it.
const BOOKMARKS: Duration = Duration::from_secs(10);

pub(super) struct Watch<K> {
    inner: Arc<Inner>,
    scope: LaneScope,
    /// What was told of.
    seen: Arc<Reading>,
    phase: Phase,
    bookmark_at: Instant,
    kind: PhantomData<fn() -> K>,
}

enum Phase {
    Listing,
    Following,
    Failing(SourceError),
    Ended,
}

type Batch<K> = Result<Vec<WatchEvent<K>>, SourceError>;

impl<K: Kind> Watch<K> {
    pub(super) async fn start(inner: Arc<Inner>, request: WatchRequest) -> Result<Self, SourceError> {
        let seen = inner.look().await;
        if let Some(problem) = &seen.missing {
            return Err(unreachable(problem));
        }
        offline::<K>(&seen)?;
        let phase = match request.resume {
            None => Phase::Listing,
            Some(revision) if revision == inner.revision(&seen) => Phase::Following,
            Some(_) => return Err(SourceError::new(ErrorKind::Expired, "files keep no history")),
        };
        let bookmark_at = Instant::now() + BOOKMARKS;
        Ok(Self { inner, scope: request.scope, seen, phase, bookmark_at, kind: PhantomData })
    }

    /// The next batch; `None` after an error.
    pub(super) async fn next(&mut self) -> Option<Batch<K>> {
        loop {
            match std::mem::replace(&mut self.phase, Phase::Following) {
                Phase::Ended => return None,
                Phase::Failing(error) => {
                    self.phase = Phase::Ended;
                    return Some(Err(error));
                }
                Phase::Listing => return Some(Ok(self.list())),
                Phase::Following => {
                    sleep(INTERVAL).await;
                    let events = self.follow().await;
                    if !events.is_empty() {
                        return Some(Ok(events));
                    }
                }
            }
        }
    }

    fn list(&self) -> Vec<WatchEvent<K>> {
        let documents = self.mine(&self.seen);
        let records = documents.values().filter_map(|document| record(document));
        let mut events: Vec<_> = records.map(WatchEvent::Listed).collect();
        events.push(WatchEvent::Synced(self.inner.revision(&self.seen)));
        events
    }

    async fn follow(&mut self) -> Vec<WatchEvent<K>> {
        let now = self.inner.look().await;
        if let Some(problem) = &now.missing {
            self.phase = Phase::Failing(unreachable(problem));
            return Vec::new();
        }
        let revision = self.inner.revision(&now);
        let mut events = self.changes(&now, &revision);
        if now.generation != self.seen.generation || Instant::now() >= self.bookmark_at {
            self.bookmark_at = Instant::now() + BOOKMARKS;
            // An object's own revision is none to resume from, so the last word of a batch is this.
            events.push(WatchEvent::Bookmark(revision));
        }
        self.seen = now;
        if let Err(error) = offline::<K>(&self.seen) {
            self.phase = Phase::Failing(error);
        }
        events
    }

    /// What of this kind and scope differs from what was told of.
    fn changes(&self, now: &Reading, revision: &Revision) -> Vec<WatchEvent<K>> {
        if now.generation == self.seen.generation {
            return Vec::new();
        }
        let (before, after) = (self.mine(&self.seen), self.mine(now));
        let gone = before.iter().filter(|(id, _)| !after.contains_key(*id));
        let resource = K::resource();
        let deleted = gone.map(|(id, document)| {
            let name = resource.name_of(&document.kind, &id.name);
            Tombstone::new(id.namespace.as_deref(), &name, revision.clone())
        });
        let new =
            after.iter().filter(|(id, document)| !before.get(*id).is_some_and(|known| same(known, document)));
        let applied = new.filter_map(|(_, document)| record(document));
        deleted.map(WatchEvent::Deleted).chain(applied.map(WatchEvent::Applied)).collect()
    }

    fn mine<'a>(&self, reading: &'a Reading) -> BTreeMap<&'a Id, &'a Arc<Document>> {
        let wanted = self.scope.namespace().filter(|_| K::resource().namespaced);
        let covers = |id: &Id| wanted.is_none_or(|wanted| id.namespace.as_deref() == Some(wanted.as_str()));
        let mine = reading.documents.iter().filter(|(id, document)| covers(id) && is_of::<K>(document));
        mine.collect()
    }
}

impl Inner {
    fn revision(&self, reading: &Reading) -> Revision {
        Revision::new(&format!("{:016x}-{}", self.epoch, reading.generation))
    }
}

/// Fails for a kind of which files can't tell what is missing.
fn offline<K: Kind>(reading: &Reading) -> Result<(), SourceError> {
    if is_known::<K>(reading.documents.values().map(|document| &**document)) {
        return Ok(());
    }
    let kind = K::resource().kind;
    let message = format!("these files can't say which objects of kind {kind} a cluster has");
    Err(SourceError::new(ErrorKind::Configuration, message))
}

/// The record of a document. Its revision is what it says, hashed: equal again after a restart, and for equal objects only.
fn record<K: Kind>(document: &Document) -> Option<K> {
    let mut document = document.clone();
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(document.value.to_string());
    let metadata = document.value.get_mut("metadata").and_then(Value::as_object_mut)?;
    metadata.insert("resourceVersion".to_owned(), Value::String(format!("{hash:016x}")));
    // Of the kinds that are known here, the source told of what can't be decoded when it was read.
    decode(&document).inspect_err(|problem| tracing::debug!(%problem, "a manifest can't be used")).ok()
}
