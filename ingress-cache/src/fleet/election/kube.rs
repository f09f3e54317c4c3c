//! Leases of a real cluster, for the election.

use async_trait::async_trait;
use ingress_core::source::kube::{KubeLeases, Lease};
use ingress_core::{ErrorKind, SourceError};

use super::{ElectionError, ElectionErrorKind, LeaseRecord, LeaseStore, Written};

#[async_trait]
impl LeaseStore for KubeLeases {
    async fn read(&self, name: &str) -> Result<Option<LeaseRecord>, ElectionError> {
        let lease = Self::read(self, name).await?;
        Ok(lease.map(|lease| LeaseRecord {
            acquire_time: lease.acquire_time,
            renew_time: lease.renew_time,
            transitions: lease.transitions,
            version: lease.version,
            ..LeaseRecord::new(lease.holder, lease.duration_s)
        }))
    }

    async fn write(&self, name: &str, record: &LeaseRecord) -> Result<Written, ElectionError> {
        let mut lease = Lease::default();
        lease.holder.clone_from(&record.holder);
        lease.duration_s = record.duration_s;
        lease.acquire_time = record.acquire_time;
        lease.renew_time = record.renew_time;
        lease.transitions = record.transitions;
        lease.version.clone_from(&record.version);
        let written = Self::write(self, name, &lease).await?;
        Ok(written.map_or(Written::Conflict, |version| Written::Done { version }))
    }
}

impl From<SourceError> for ElectionError {
    fn from(error: SourceError) -> Self {
        let kind = match error.kind() {
            ErrorKind::Unauthorized | ErrorKind::Forbidden => ElectionErrorKind::Denied,
            ErrorKind::Malformed | ErrorKind::Rejected | ErrorKind::Configuration => {
                ElectionErrorKind::Malformed
            }
            _ => ElectionErrorKind::Unavailable,
        };
        Self::new(kind).with_cause(error)
    }
}
