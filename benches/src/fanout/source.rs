//! A cluster that changes when it is told to.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use ingress_core::source::WatchStream;
use ingress_core::{
    Cluster, ClusterId, ClusterInfo, ErrorKind, Ingress, Kind, NamespaceRecord, ObjectKey, Origin,
    ResourceSource, Revision, SourceError, WatchEvent, WatchRequest,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{NOTE, note, now};
use crate::data::{ingress_json, namespace_name};

const NAMESPACES: usize = 20;
/// How many objects of the state come at a time.
const BATCH: usize = 500;
/// A sign of life, so often that nobody doubts the watch.
const BOOKMARKS: Duration = Duration::from_secs(3);

/// The state, and the changes that [`Changes`] makes.
#[derive(Debug)]
pub struct Source {
    ingresses: usize,
    /// For the first watch; there is no reason for another.
    changes: Mutex<Option<mpsc::Receiver<WatchEvent<Ingress>>>>,
}

/// Makes changes, each of another object than the last.
#[derive(Debug)]
pub struct Changes {
    ingresses: usize,
    made: u64,
    to: mpsc::Sender<WatchEvent<Ingress>>,
}

/// A cluster of so many ingresses, and what changes them.
#[must_use]
pub fn source(ingresses: usize) -> (Arc<Source>, Changes) {
    let (to, changes) = mpsc::channel(1024);
    let source = Source { ingresses, changes: Mutex::new(Some(changes)) };
    (Arc::new(source), Changes { ingresses, made: 0, to })
}

fn record(at: usize, ingresses: usize, version: u64, turn: usize, note: Option<String>) -> Result<Ingress> {
    let namespace = at * NAMESPACES / ingresses.max(1);
    let json = ingress_json(at, namespace, version, turn, note.map(|note| (NOTE, note)))?;
    Ok(Ingress::decode_json(&mut serde_json::Deserializer::from_slice(&json))?)
}

impl Changes {
    /// How many there were.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    /// One more.
    ///
    /// # Errors
    ///
    /// When nobody watches.
    pub async fn one(&mut self) -> Result<()> {
        let number = self.made;
        self.made += 1;
        let at = usize::try_from(number)? % self.ingresses;
        let version = self.ingresses as u64 + 1 + self.made;
        let change =
            record(at, self.ingresses, version, usize::try_from(number)? + 1, Some(note(number, now())))?;
        self.to.send(WatchEvent::Applied(change)).await.ok().context("nobody watches")
    }
}

#[async_trait]
impl ResourceSource<Ingress> for Source {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<Ingress>, SourceError> {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(changes) = changes.filter(|_| request.resume.is_none()) else {
            return Ok(quiet(Vec::new()));
        };
        let ingresses = self.ingresses;
        let listed = (0..ingresses).step_by(BATCH).map(move |from| {
            let objects = (from..ingresses.min(from + BATCH))
                .map(|at| record(at, ingresses, at as u64 + 1, 0, None).map(WatchEvent::Listed));
            objects
                .collect::<Result<Vec<_>>>()
                .map_err(|error| SourceError::new(ErrorKind::Malformed, error.to_string()))
        });
        let revision = Revision::new(&ingresses.to_string());
        let synced = stream::iter([Ok(vec![WatchEvent::Synced(revision.clone())])]);
        let changed = stream::unfold((changes, revision), async |(mut changes, mut revision)| {
            let event = match timeout(BOOKMARKS, changes.recv()).await {
                Ok(event) => event?,
                Err(_) => WatchEvent::Bookmark(revision.clone()),
            };
            if let WatchEvent::Applied(object) = &event {
                revision = Revision::new(object.resource_version());
            }
            Some((Ok(vec![event]), (changes, revision)))
        });
        Ok(stream::iter(listed).chain(synced).chain(changed).boxed())
    }

    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        Err(SourceError::new(ErrorKind::NotFound, format!("{key}")))
    }
}

#[async_trait]
impl ResourceSource<NamespaceRecord> for Source {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<NamespaceRecord>, SourceError> {
        if request.resume.is_some() {
            return Ok(quiet(Vec::new()));
        }
        let mut events = Vec::new();
        for at in 0..NAMESPACES {
            let name = namespace_name(at);
            let json = format!(r#"{{"metadata":{{"name":"{name}","uid":"{name}","resourceVersion":"1"}}}}"#);
            let namespace = NamespaceRecord::decode_json(&mut serde_json::Deserializer::from_str(&json))
                .map_err(|error| SourceError::new(ErrorKind::Malformed, error.to_string()))?;
            events.push(WatchEvent::Listed(namespace));
        }
        events.push(WatchEvent::Synced(Revision::new("1")));
        Ok(quiet(events))
    }

    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        Err(SourceError::new(ErrorKind::NotFound, format!("{key}")))
    }
}

/// These events, then nothing but signs of life.
fn quiet<K: Kind>(events: Vec<WatchEvent<K>>) -> WatchStream<K> {
    let bookmarks = stream::unfold((), async |()| {
        tokio::time::sleep(BOOKMARKS).await;
        Some((Ok(vec![WatchEvent::Bookmark(Revision::new("1"))]), ()))
    });
    stream::iter([Ok(events)]).chain(bookmarks).boxed()
}

#[async_trait]
impl Cluster for Source {
    fn info(&self) -> ClusterInfo {
        ClusterInfo::new(ClusterId::sanitized("bench"), Origin::Custom)
    }

    async fn probe(&self) -> Result<(), SourceError> {
        Ok(())
    }
}
