//! How a store's state and its changes lie outside the process: in a file, in Redis, on the way to another replica.
//!
//! One form serves all: a row of statements, each of which says what an object or a lane is now. A snapshot is the statements of all
//! its objects and lanes; a batch is those of its changes, in order and as many. Records are written as they are held
//! ([`Kind::stored`]): packing them was the work, and nobody does it twice.
//!
//! The form is for processes of one version of this crate, not for an archive. Each kind's form has a name ([`Kind::STORED`]) that
//! changes with it, and whoever keeps statements keeps that name beside them; what was damaged on the way is for whoever kept it to find
//! out (a checksum). Reading never panics, and never allocates more than a multiple of what it was given.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, SourceError};
use crate::key::{ClusterId, LaneScope, Namespace, ObjectKey};
use crate::kind::Kind;
use crate::status::{LaneId, LaneState, LaneStatus};
use crate::store::{Change, Snapshot};

/// Bytes that are no statements, or not of this kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not what was stored: {0}")]
pub struct InvalidStored(&'static str);

impl InvalidStored {
    /// Says what is wrong with it.
    #[must_use]
    pub const fn new(problem: &'static str) -> Self {
        Self(problem)
    }
}

/// What an object or a lane is from now on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Statement<K> {
    /// There is this object.
    Applied(ObjectKey, K),
    /// There is no such object.
    Deleted(ObjectKey),
    /// A lane says this of itself.
    Lane(LaneStatus),
    /// There is no such lane.
    LaneRemoved(LaneId),
}

#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    Applied {
        cluster: &'a str,
        #[serde(borrow)]
        record: Cow<'a, str>,
    },
    Deleted {
        cluster: &'a str,
        namespace: Option<&'a str>,
        name: &'a str,
    },
    Lane(#[serde(borrow)] Box<StoredLane<'a>>),
    LaneRemoved(#[serde(borrow)] StoredLaneId<'a>),
}

#[derive(Serialize, Deserialize)]
struct StoredLaneId<'a> {
    cluster: &'a str,
    plural: &'a str,
    namespace: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct StoredLane<'a> {
    #[serde(borrow)]
    id: StoredLaneId<'a>,
    kind: &'a str,
    state: &'a str,
    /// Times are milliseconds since 1970.
    since: i64,
    last_sync: Option<i64>,
    stale_since: Option<i64>,
    failures: u32,
    retry_at: Option<i64>,
    relists: u64,
    malformed: u64,
    error: Option<StoredError<'a>>,
    last_contact: Option<i64>,
    objects: u64,
}

#[derive(Serialize, Deserialize)]
struct StoredError<'a> {
    kind: &'a str,
    message: &'a str,
    status: Option<u16>,
}

/// Writes statements, one after the other.
#[derive(Debug, Default)]
pub struct StatementWriter {
    bytes: Vec<u8>,
    count: usize,
}

impl StatementWriter {
    /// Writes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes that there is an object.
    pub fn applied<K: Kind>(&mut self, key: &ObjectKey, object: &K) {
        self.push(&Stored::Applied { cluster: key.cluster().as_str(), record: object.stored() });
    }

    /// Writes that there is no such object.
    pub fn deleted(&mut self, key: &ObjectKey) {
        self.push(&Stored::Deleted {
            cluster: key.cluster().as_str(),
            namespace: key.namespace(),
            name: key.name(),
        });
    }

    /// Writes that there is no such lane.
    pub fn lane_removed(&mut self, id: &LaneId) {
        self.push(&Stored::LaneRemoved(StoredLaneId::of(id)));
    }

    /// Writes what a lane says of itself.
    pub fn lane(&mut self, status: &LaneStatus) {
        self.push(&Stored::Lane(Box::new(StoredLane::of(status))));
    }

    /// Writes a change: what is so after it.
    pub fn change<K: Kind>(&mut self, change: &Change<K>) {
        match change {
            Change::Added(key, object) | Change::Modified { key, new: object, .. } => {
                self.applied(key, &**object);
            }
            Change::Deleted(key, _) => self.deleted(key),
            Change::Lane(status) => self.lane(status),
            Change::LaneRemoved(id) => self.lane_removed(id),
        }
    }

    /// Writes everything of a snapshot.
    pub fn snapshot<K: Kind>(&mut self, snapshot: &Snapshot<K>) {
        for status in snapshot.lanes() {
            self.lane(status);
        }
        for (key, object) in snapshot.iter() {
            self.applied(key, &**object);
        }
    }

    fn push(&mut self, stored: &Stored<'_>) {
        match postcard::to_stdvec(stored) {
            Ok(bytes) => {
                self.bytes.extend_from_slice(&bytes);
                self.count += 1;
            }
            Err(error) => debug_assert!(false, "texts and numbers can always be written: {error}"),
        }
    }

    /// How many statements were written.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many bytes they take.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What was written; the next statement begins anew.
    pub fn take(&mut self) -> Vec<u8> {
        self.count = 0;
        std::mem::take(&mut self.bytes)
    }
}

/// Reads statements, one after the other.
#[derive(Debug)]
pub struct StatementReader<'a> {
    rest: &'a [u8],
    /// The last cluster that was named: all keys of one share its name.
    cluster: Option<ClusterId>,
}

impl<'a> StatementReader<'a> {
    /// Reads what a [`StatementWriter`] wrote.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, cluster: None }
    }

    /// The next statement; `None` after the last one.
    ///
    /// # Errors
    ///
    /// For bytes that are no statement about this kind.
    pub fn read<K: Kind>(&mut self) -> Result<Option<Statement<K>>, InvalidStored> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (stored, rest) = postcard::take_from_bytes::<Stored<'a>>(self.rest)
            .map_err(|_| InvalidStored("it ends in the middle, or is of another version"))?;
        self.rest = rest;
        Ok(Some(match stored {
            Stored::Applied { cluster, record } => {
                let object = K::restore(&record)?;
                let key = ObjectKey::new(self.cluster(cluster)?, object.namespace(), object.name());
                Statement::Applied(key, object)
            }
            Stored::Deleted { cluster, namespace, name } => {
                Statement::Deleted(ObjectKey::new(self.cluster(cluster)?, namespace, name))
            }
            Stored::Lane(lane) => Statement::Lane(self.lane(*lane)?),
            Stored::LaneRemoved(id) => Statement::LaneRemoved(self.lane_id(&id)?),
        }))
    }

    /// All statements that are left.
    ///
    /// # Errors
    ///
    /// For bytes that are no statements about this kind.
    pub fn all<K: Kind>(mut self) -> Result<Vec<Statement<K>>, InvalidStored> {
        let mut all = Vec::new();
        while let Some(statement) = self.read()? {
            all.push(statement);
        }
        Ok(all)
    }

    fn cluster(&mut self, name: &str) -> Result<ClusterId, InvalidStored> {
        match &self.cluster {
            Some(known) if known.as_str() == name => Ok(known.clone()),
            _ => {
                let cluster = ClusterId::new(name).map_err(|_| InvalidStored("a cluster has no name"))?;
                self.cluster = Some(cluster.clone());
                Ok(cluster)
            }
        }
    }

    fn lane_id(&mut self, id: &StoredLaneId<'_>) -> Result<LaneId, InvalidStored> {
        let scope = match id.namespace {
            None => LaneScope::Cluster,
            Some(name) => LaneScope::Namespace(
                Namespace::new(name).map_err(|_| InvalidStored("a lane has no namespace"))?,
            ),
        };
        Ok(LaneId { cluster: self.cluster(id.cluster)?, plural: id.plural.to_owned().into(), scope })
    }

    fn lane(&mut self, lane: StoredLane<'_>) -> Result<LaneStatus, InvalidStored> {
        let time =
            |ms: i64| Timestamp::from_millisecond(ms).map_err(|_| InvalidStored("a time is in no calendar"));
        let state = LaneState::ALL
            .into_iter()
            .find(|state| state.as_str() == lane.state)
            .ok_or(InvalidStored("a lane is in no state"))?;
        let mut status = LaneStatus::new(self.lane_id(&lane.id)?, lane.kind.to_owned());
        status.state = state;
        status.since = time(lane.since)?;
        status.last_sync = lane.last_sync.map(time).transpose()?;
        status.stale_since = lane.stale_since.map(time).transpose()?;
        status.failures = lane.failures;
        status.retry_at = lane.retry_at.map(time).transpose()?;
        status.relists = lane.relists;
        status.malformed = lane.malformed;
        status.error = lane.error.map(StoredError::restore).transpose()?;
        status.set_gauges(lane.last_contact, lane.objects);
        Ok(status)
    }
}

impl<'a> StoredLaneId<'a> {
    fn of(id: &'a LaneId) -> Self {
        Self {
            cluster: id.cluster.as_str(),
            plural: &id.plural,
            namespace: id.scope.namespace().map(Namespace::as_str),
        }
    }
}

impl<'a> StoredLane<'a> {
    fn of(status: &'a LaneStatus) -> Self {
        let ms = |time: &Timestamp| time.as_millisecond();
        Self {
            id: StoredLaneId::of(&status.id),
            kind: &status.kind,
            state: status.state.as_str(),
            since: ms(&status.since),
            last_sync: status.last_sync.as_ref().map(ms),
            stale_since: status.stale_since.as_ref().map(ms),
            failures: status.failures,
            retry_at: status.retry_at.as_ref().map(ms),
            relists: status.relists,
            malformed: status.malformed,
            error: status.error.as_ref().map(StoredError::of),
            last_contact: status.last_contact().as_ref().map(ms),
            objects: status.objects(),
        }
    }
}

impl<'a> StoredError<'a> {
    fn of(error: &'a SourceError) -> Self {
        Self { kind: error.kind().as_str(), message: error.message(), status: error.status() }
    }

    fn restore(self) -> Result<SourceError, InvalidStored> {
        let kind = ErrorKind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == self.kind)
            .ok_or(InvalidStored("an error is of no kind"))?;
        Ok(match self.status {
            Some(status) if ErrorKind::of_status(status) == Some(kind) => {
                SourceError::from_status(status, self.message, None)
            }
            _ => SourceError::new(kind, self.message),
        })
    }
}

#[cfg(test)]
mod tests;
