//! Where answers of the cluster are kept, and the state for the next start, as the command line says.

use std::sync::Arc;

use ingress_cache::redis::{Redis, RedisCache, RedisConfig, RedisTurns};
use ingress_cache::{Cache, Clock, FileKeep, MemoryCache, Policy, RedisKeep, Tiered};
use ingress_core::HubBuilder;
use ingress_http::DashboardBuilder;

use crate::args::Args;

/// How much memory holds of what lies in Redis: 64 MiB.
const MEMORY: u64 = 64 << 20;

/// What replicas share through Redis, but for their state, which is the fleet's affair.
#[derive(Clone)]
pub(crate) struct SharedCache {
    redis: Redis,
    cache: Arc<dyn Cache>,
}

impl SharedCache {
    /// Must be made within the runtime.
    pub(crate) fn new(config: RedisConfig) -> Self {
        let redis = Redis::connect(config);
        let policy = Policy::INGRESS_DETAIL.change().total(MEMORY).build().unwrap_or(Policy::INGRESS_DETAIL);
        let memory = MemoryCache::new(&policy, Clock::wall());
        let cache = Arc::new(Tiered::new(memory, Arc::new(RedisCache::new(redis.clone()))));
        Self { redis, cache }
    }

    /// The cache itself.
    pub(crate) fn cache(&self) -> Arc<dyn Cache> {
        self.cache.clone()
    }

    /// Has the dashboard keep there what it asks of the cluster.
    pub(crate) fn serve(&self, dashboard: DashboardBuilder) -> DashboardBuilder {
        dashboard.cache(self.cache()).cache_turns(Arc::new(RedisTurns::new(self.redis.clone())))
    }
}

/// Has the hub keep its state: in the directory that is named, else in Redis. A fleet's is there anyway.
pub(crate) fn keep(args: &Args, shared: Option<&SharedCache>, hub: HubBuilder) -> HubBuilder {
    match (&args.state.state_dir, shared) {
        (Some(directory), _) => hub.keep(FileKeep::new(directory)),
        (None, Some(shared)) if args.redis.fleet.is_none() => hub.keep(RedisKeep::new(shared.redis.clone())),
        (None, _) => hub,
    }
}
