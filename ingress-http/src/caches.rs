//! What is remembered between requests, and where.
//!
//! Two things are worth a cache: an object that was read whole from its cluster, and what a cluster said about somebody. Lists, snapshots
//! and streams are not: what they are made of is in memory, and what was encoded for one viewer is lent to the next one anyway.
//!
//! Nothing here fails a request: what a cache doesn't have, or can't say in time, is asked of the cluster.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ingress_cache::stats::ReadStats;
use ingress_cache::{Cache, Cached, Clock, MemoryCache, Place, Policy, Status, Turns, Use, uses};
use ingress_core::{ErrorKind, Ingress, Kind as _, ObjectKey, SourceError};

use crate::reviews::Reviews;
use crate::shared_key::SharedKey;
use crate::upstream::Upstream;

/// How much the memory holds that is used unless a host gives another cache: 64 MiB.
const MEMORY: u64 = 64 << 20;

/// A cache, and what it needs.
#[derive(Clone)]
pub(crate) struct Caching {
    pub(crate) cache: Arc<dyn Cache>,
    pub(crate) turns: Option<Arc<dyn Turns>>,
    pub(crate) clock: Clock,
}

impl fmt::Debug for Caching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caching").finish_non_exhaustive()
    }
}

impl Caching {
    /// A cache of the host's, which replicas may share, and which goes by the system's clock.
    pub(crate) fn of(cache: Arc<dyn Cache>) -> Self {
        Self { cache, turns: None, clock: Clock::wall() }
    }

    /// This process's memory.
    pub(crate) fn memory() -> Self {
        let clock = Clock::tokio();
        let policy = Policy::INGRESS_DETAIL.change().total(MEMORY).build().unwrap_or(Policy::INGRESS_DETAIL);
        Self { cache: Arc::new(MemoryCache::new(&policy, clock)), turns: None, clock }
    }

    /// What is remembered about people, for no longer than this.
    pub(crate) fn reviews(&self, of: Use, longest: Duration, key: &SharedKey) -> Reviews {
        Reviews::new(of, longest, self.cache.clone(), self.clock, key)
    }
}

/// Objects, as they were read whole from their clusters, each under its revision: one that changed is another one.
#[derive(Clone)]
pub(crate) struct Objects {
    reader: Cached,
    cache: Arc<dyn Cache>,
    upstream: Upstream<ObjectKey, Bytes>,
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl Objects {
    pub(crate) fn new(caching: &Caching, upstream: Upstream<ObjectKey, Bytes>) -> Self {
        let Caching { cache, turns, clock } = caching.clone();
        let builder =
            Cached::builder(uses::INGRESS_DETAIL, Policy::INGRESS_DETAIL, cache.clone()).clock(clock);
        let builder = match turns {
            Some(turns) => builder.turns(turns),
            None => builder,
        };
        Self { reader: builder.build(), cache, upstream }
    }

    /// An object as `read` reads it from its cluster, and how it came; `known` is what the store knows of it. One that the store doesn't know is
    /// read anew each time, since nothing would tell that it changed.
    ///
    /// # Errors
    ///
    /// Whatever `read` failed with.
    ///
    /// # Cancel safety
    ///
    /// Whoever waits may go away: the others get their answer.
    pub(crate) async fn get<F, Fut>(
        &self,
        key: &ObjectKey,
        known: Option<&Ingress>,
        read: F,
    ) -> Result<(Bytes, Option<Status>), SourceError>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<Bytes, SourceError>> + Send + 'static,
    {
        let Some(known) = known else {
            let object = self.upstream.call(key.cluster(), key.clone(), read).await?;
            return Ok((object, None));
        };
        let names = [key.cluster().as_str(), key.namespace().unwrap_or_default(), key.name()];
        let revision = [known.uid(), known.resource_version()];
        let cached = self.reader.hashed_key(names.iter().chain(&revision).map(|part| part.as_bytes()));
        let (upstream, cache, wanted, of) =
            (self.upstream.clone(), self.cache.clone(), key.clone(), cached.clone());
        let load = move || async move {
            match upstream.call(wanted.cluster(), wanted.clone(), read).await {
                Ok(object) => Ok(Some(object)),
                // It is gone, and the store will hear of it: what was read before is no answer any more.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => {
                    if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Unauthorized) {
                        // Not an outage, through which what was read before would help.
                        cache.remove(&of).await;
                    }
                    Err(error)
                }
            }
        };
        let answer = self.reader.get_or_load(&cached, load).await?;
        if answer.status.collapsed {
            self.upstream.shared();
        }
        let gone = || SourceError::from_status(404, format!("no ingress {key} is there any more"), None);
        Ok((answer.value.ok_or_else(gone)?, Some(answer.status)))
    }

    pub(crate) fn stats(&self) -> (Use, ReadStats) {
        (self.reader.of(), self.reader.stats())
    }

    /// Where values are kept.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.cache.places()
    }
}
