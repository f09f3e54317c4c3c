//! Flags for Redis (or Valkey): what replicas share, and what they remember.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use ingress_cache::redis::RedisConfig;
use ingress_core::Namespace;

/// Redis, and the fleet of replicas that share their state through it.
#[derive(Debug, Clone, Args)]
pub(crate) struct RedisArgs {
    /// Share with other replicas through this Redis or Valkey: redis://HOST, redis-sentinel://HOST,HOST/SERVICE or
    /// redis-cluster://HOST,HOST, with rediss for TLS.
    #[arg(long, env = "DASHBOARD_REDIS", value_name = "URL", value_parser = url, hide_env_values = true)]
    pub(crate) redis: Option<String>,

    /// The file with the password for Redis, for those who don't want it in the URL.
    #[arg(long, env = "DASHBOARD_REDIS_PASSWORD_FILE", value_name = "FILE", requires = "redis")]
    pub(crate) redis_password_file: Option<PathBuf>,

    /// The user whose password that is; Redis' default user unless given.
    #[arg(long, env = "DASHBOARD_REDIS_USER", value_name = "NAME", requires = "redis_password_file")]
    pub(crate) redis_user: Option<String>,

    /// Certificates (PEM) of the authorities that are believed when Redis shows its own, instead of the system's.
    #[arg(long, env = "DASHBOARD_REDIS_CA_FILE", value_name = "FILE", requires = "redis")]
    pub(crate) redis_ca_file: Option<PathBuf>,

    /// What every key in Redis begins with.
    #[arg(long, env = "DASHBOARD_REDIS_PREFIX", value_name = "PREFIX", default_value = "ingress")]
    pub(crate) redis_prefix: String,

    /// Be a replica of the fleet of this name: one of its replicas watches the cluster, all of them serve.
    #[arg(long, env = "DASHBOARD_FLEET", value_name = "NAME", requires = "redis")]
    pub(crate) fleet: Option<String>,

    /// This replica's name, for people; the name of the host unless given.
    #[arg(long, env = "DASHBOARD_FLEET_REPLICA", value_name = "NAME", requires = "fleet")]
    pub(crate) fleet_replica: Option<String>,

    /// Into how many shards the namespaces that --namespaces names are cut; the replicas share them out.
    #[arg(long, env = "DASHBOARD_FLEET_SHARDS", value_name = "N", requires = "fleet", default_value_t = 1)]
    pub(crate) fleet_shards: u16,

    /// Agree on who watches by Leases in this namespace of the cluster, instead of by locks in Redis.
    #[arg(
        long,
        env = "DASHBOARD_FLEET_LEASES",
        value_name = "NAMESPACE",
        requires = "fleet",
        value_parser = super::namespace
    )]
    pub(crate) fleet_leases: Option<Namespace>,

    /// How long the fleet may be of no use before this replica watches by itself; 1s to 1h.
    #[arg(
        long,
        env = "DASHBOARD_FLEET_PATIENCE",
        value_name = "DURATION",
        requires = "fleet",
        default_value = "15s",
        value_parser = super::duration
    )]
    pub(crate) fleet_patience: Duration,
}

fn url(text: &str) -> Result<String, String> {
    RedisConfig::from_url(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
