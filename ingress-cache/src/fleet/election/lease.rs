//! Leases in Kubernetes (`coordination.k8s.io/v1`), by the rules of client-go's leader election, so that they read as anybody expects.
//!
//! Nobody compares clocks: a lease is over when its record didn't change for its duration, by the clock of whoever is looking. What
//! two write at the same time is settled by the object's `resourceVersion`. Its `leaseTransitions` count the changes of holder, and the
//! term's epoch is one more than these. A lease that somebody deletes counts anew; the log notices, and [`raise`](Election::raise) mends it.
//!
//! It works while Redis is away, and costs the API server a write per [renewal](super::Ttl::renewal) and shard, and about as many reads by whoever
//! is next in line.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use ingress_core::clock::{Timestamp, wall_now};
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout};

use super::{Election, ElectionError, ElectionErrorKind, Term, Ttl};
use crate::fleet::shard::{FleetName, MemberId, Shard};

/// What a lease says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeaseRecord {
    /// Who holds it; empty when it was let go.
    pub holder: String,
    /// For how long others are to leave it alone after each change, in seconds.
    pub duration_s: u32,
    /// When the holder got it, by the holder's clock. For people only.
    pub acquire_time: Option<Timestamp>,
    /// When it was renewed last, by the holder's clock. It makes one record differ from the next; nobody computes with it.
    pub renew_time: Option<Timestamp>,
    /// How often it changed hands.
    pub transitions: u32,
    /// Which version of the object this is; empty for one that is to be created.
    pub version: String,
}

impl LeaseRecord {
    /// A record that isn't anywhere yet.
    #[must_use]
    pub fn new(holder: impl Into<String>, duration_s: u32) -> Self {
        Self {
            holder: holder.into(),
            duration_s,
            acquire_time: None,
            renew_time: None,
            transitions: 0,
            version: String::new(),
        }
    }

    /// For how long others are to leave it alone: no longer than any term may last, whatever it says.
    fn duration(&self) -> Duration {
        Duration::from_secs(self.duration_s.min(60).into())
    }
}

/// How writing a lease ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    /// It is written; the object has this version now.
    Done {
        /// The version.
        version: String,
    },
    /// It has another version, or is there although it was to be created, or isn't although it was to be changed.
    Conflict,
}

/// Where leases lie.
#[async_trait]
pub trait LeaseStore: Send + Sync + 'static {
    /// Reads a lease; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When there is no answer, or one that makes no sense.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the question.
    async fn read(&self, name: &str) -> Result<Option<LeaseRecord>, ElectionError>;

    /// Writes a lease if its version is still that of the record, or creates it if that has none.
    ///
    /// # Errors
    ///
    /// When there is no answer; it may be written all the same.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves it written or not.
    async fn write(&self, name: &str, record: &LeaseRecord) -> Result<Written, ElectionError>;
}

/// An election by leases.
pub struct LeaseElection<S> {
    store: S,
    fleet: FleetName,
    me: MemberId,
    ttl: Ttl,
    seen: Mutex<HashMap<Shard, Seen>>,
}

impl<S> std::fmt::Debug for LeaseElection<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeaseElection")
            .field("fleet", &self.fleet)
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
}

/// What one knows of a lease.
#[derive(Debug, Clone)]
struct Seen {
    record: LeaseRecord,
    /// When this record was first seen.
    since: Instant,
    /// The highest number of transitions that it ever had.
    top: u32,
    /// Whether it was so when it was last asked about; not after a write that was refused or not answered.
    sure: bool,
}

/// What to do about a lease.
enum Move {
    Write(LeaseRecord),
    LeaveAlone,
}

impl<S: LeaseStore> LeaseElection<S> {
    /// Takes part as this member. Nothing is asked yet.
    #[must_use]
    pub fn new(store: S, fleet: FleetName, me: MemberId, ttl: Ttl) -> Self {
        Self { store, fleet, me, ttl, seen: Mutex::default() }
    }

    /// The name of a shard's Lease: the fleet's, what an object's name may hold of the cluster's, the bucket, and a hash that makes it
    /// unique.
    #[must_use]
    pub fn lease_name(&self, shard: &Shard) -> String {
        let readable: String = shard.cluster().as_str().chars().take(40).map(name_char).collect();
        let hash: String =
            Sha256::digest(shard.to_string()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{hash}", self.fleet.as_str(), readable.trim_matches('-'), shard.bucket())
    }

    /// Takes note of a record, and tells since when it is so.
    fn note(&self, shard: &Shard, record: &LeaseRecord) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let fresh = || Seen { record: record.clone(), since: now, top: record.transitions, sure: true };
        let known = seen.entry(shard.clone()).or_insert_with(fresh);
        if known.record != *record {
            *known = Seen { top: known.top.max(record.transitions), ..fresh() };
        }
        known.sure = true;
        known.clone()
    }

    fn known(&self, shard: &Shard) -> Option<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(shard).cloned()
    }

    fn doubt(&self, shard: &Shard) {
        if let Some(seen) = self.seen.lock().unwrap_or_else(PoisonError::into_inner).get_mut(shard) {
            seen.sure = false;
        }
    }

    async fn read(&self, shard: &Shard) -> Result<Option<Seen>, ElectionError> {
        let record = self.in_time(self.store.read(&self.lease_name(shard))).await?;
        Ok(record.map(|record| self.note(shard, &record)))
    }

    async fn write(&self, shard: &Shard, mut record: LeaseRecord) -> Result<Option<Term>, ElectionError> {
        let asked = Instant::now();
        let written = self.in_time(self.store.write(&self.lease_name(shard), &record)).await;
        match written {
            Ok(Written::Done { version }) => {
                record.version = version;
                self.note(shard, &record);
                let epoch = u64::from(record.transitions) + 1;
                Ok(Some(Term::new(shard.clone(), epoch, asked, self.ttl)))
            }
            Ok(Written::Conflict) => {
                self.doubt(shard);
                Ok(None)
            }
            Err(error) => {
                self.doubt(shard);
                Err(error)
            }
        }
    }

    /// A question that takes longer than a renewal may, is none.
    async fn in_time<T>(
        &self,
        question: impl Future<Output = Result<T, ElectionError>>,
    ) -> Result<T, ElectionError> {
        match timeout(self.ttl.renewal(), question).await {
            Ok(answer) => answer,
            Err(late) => Err(ElectionError::new(ElectionErrorKind::Unavailable).with_cause(late)),
        }
    }

    fn mine(&self, record: &LeaseRecord) -> bool {
        record.holder == self.me.as_str()
    }

    fn record(&self) -> LeaseRecord {
        let seconds = u32::try_from(self.ttl.get().as_secs()).unwrap_or(u32::MAX);
        let now = Some(wall_now());
        LeaseRecord { acquire_time: now, renew_time: now, ..LeaseRecord::new(self.me.as_str(), seconds) }
    }

    /// The rules.
    fn next(&self, found: Option<&Seen>, top: Option<u32>) -> Move {
        let next = self.record();
        let Some(Seen { record, since, top, .. }) = found else {
            // There is none, or none any more: then it goes on counting where it is remembered.
            let transitions = top.map_or(0, |top| top.saturating_add(1));
            return Move::Write(LeaseRecord { transitions, ..next });
        };
        let version = record.version.clone();
        if self.mine(record) {
            let (transitions, acquire_time) = (record.transitions, record.acquire_time);
            return Move::Write(LeaseRecord { transitions, acquire_time, version, ..next });
        }
        if !record.holder.is_empty() && since.elapsed() < record.duration() {
            return Move::LeaveAlone;
        }
        Move::Write(LeaseRecord {
            transitions: (*top).max(record.transitions).saturating_add(1),
            version,
            ..next
        })
    }
}

#[async_trait]
impl<S: LeaseStore> Election for LeaseElection<S> {
    async fn campaign(&self, shard: &Shard) -> Result<Option<Term>, ElectionError> {
        let known = self.known(shard);
        // Whoever holds it need not read it first: if it is another one by now, writing tells.
        if let Some(seen) = known.as_ref().filter(|seen| seen.sure && self.mine(&seen.record))
            && let Move::Write(record) = self.next(Some(seen), None)
            && let Some(term) = self.write(shard, record).await?
        {
            return Ok(Some(term));
        }
        let found = self.read(shard).await?;
        match self.next(found.as_ref(), known.map(|seen| seen.top)) {
            Move::Write(record) => self.write(shard, record).await,
            Move::LeaveAlone => Ok(None),
        }
    }

    async fn observe(&self, shard: &Shard) -> Result<(), ElectionError> {
        self.read(shard).await.map(drop)
    }

    async fn raise(&self, term: &Term, above: u64) -> Result<Option<Term>, ElectionError> {
        // Kubernetes keeps 31 bits of it.
        let transitions = u32::try_from(above).ok().filter(|count| *count <= i32::MAX.unsigned_abs());
        let transitions = transitions.ok_or_else(|| ElectionError::new(ElectionErrorKind::Malformed))?;
        match self.read(&term.shard).await? {
            Some(Seen { record, .. }) if self.mine(&record) => {
                let transitions = transitions.max(record.transitions);
                let (version, acquire_time) = (record.version, record.acquire_time);
                self.write(&term.shard, LeaseRecord { transitions, version, acquire_time, ..self.record() })
                    .await
            }
            _ => Ok(None),
        }
    }

    async fn resign(&self, term: &Term) -> Result<(), ElectionError> {
        let shard = &term.shard;
        let known = self.known(shard).filter(|seen| seen.sure && self.mine(&seen.record));
        // Where it is not known what lies there, it ends by itself.
        let Some(Seen { record, .. }) = known else { return Ok(()) };
        // As client-go lets go: nobody holds it, for a second.
        let free =
            LeaseRecord { holder: String::new(), duration_s: 1, renew_time: Some(wall_now()), ..record };
        self.write(shard, free).await.map(drop)
    }

    fn ttl(&self) -> Ttl {
        self.ttl
    }

    fn pace(&self) -> Duration {
        self.ttl.renewal()
    }
}

/// What an object's name may hold (RFC 1123).
fn name_char(c: char) -> char {
    if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }
}

#[cfg(test)]
mod tests;
