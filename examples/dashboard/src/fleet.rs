//! Redis and the fleet, as the command line says.

use std::sync::Arc;
use std::time::Duration;

use ingress_cache::fleet::{Fleet, FleetConfig, LeaseElection};
use ingress_cache::redis::{Redis, RedisConfig};
use ingress_core::KubeSource;

use crate::args::redis::RedisArgs;
use crate::failure::Failure;

/// How long the fleet waits for Redis, whose scripts do more than a look-up in a cache.
const FLEET_TIMEOUT: Duration = Duration::from_secs(1);

/// Where Redis is, if it is anywhere.
pub(crate) fn redis(args: &RedisArgs) -> Result<Option<RedisConfig>, Failure> {
    let Some(url) = &args.redis else { return Ok(None) };
    let mut config = RedisConfig::from_url(url).map_err(|error| flagged("--redis", error))?;
    if let Some(path) = &args.redis_password_file {
        let password = std::fs::read_to_string(path)
            .map_err(|error| flagged("--redis-password-file", format!("{}: {error}", path.display())))?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        config = config.credentials(args.redis_user.as_deref(), password.into());
    }
    if let Some(path) = &args.redis_ca_file {
        let pem = std::fs::read(path)
            .map_err(|error| flagged("--redis-ca-file", format!("{}: {error}", path.display())))?;
        config = config.tls_roots(&pem).map_err(|error| flagged("--redis-ca-file", error))?;
    }
    let config = config.prefix(&args.redis_prefix).map_err(|error| flagged("--redis-prefix", error))?;
    Ok(Some(config))
}

/// The fleet that this is a replica of, if it is one.
pub(crate) fn join(
    args: &RedisArgs,
    redis: Option<RedisConfig>,
    kube: Option<&KubeSource>,
) -> Result<Option<Fleet>, Failure> {
    let (Some(name), Some(redis)) = (&args.fleet, redis) else { return Ok(None) };
    let replica = args.fleet_replica.clone().unwrap_or_else(host_name);
    let config = FleetConfig::new(name, &replica).map_err(|error| flagged("--fleet", error))?;
    let config = config
        .shards_per_cluster(args.fleet_shards)
        .map_err(|error| flagged("--fleet-shards", error))?
        .watch_alone_after(args.fleet_patience)
        .map_err(|error| flagged("--fleet-patience", error))?;
    let redis = redis.timeout(FLEET_TIMEOUT).map_err(|error| flagged("--redis", error))?;
    let redis = Redis::connect(redis);
    let Some(namespace) = &args.fleet_leases else { return Ok(Some(Fleet::join(redis, config))) };
    let kube = kube.ok_or_else(|| flagged("--fleet-leases", "a simulated cluster has no Leases"))?;
    let leases = kube.leases(namespace);
    let election = LeaseElection::new(leases, config.name().clone(), config.me().clone(), config.term());
    Ok(Some(Fleet::join_by(redis, config, Arc::new(election))))
}

/// What names this computer, in letters that a replica's name may have.
fn host_name() -> String {
    let name = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name: String = name.unwrap_or_default().trim().chars().filter(fits).take(40).collect();
    if name.is_empty() { "replica".to_owned() } else { name }
}

fn flagged(flag: &str, error: impl std::fmt::Display) -> Failure {
    Failure::configuration(format!("{flag}: {error}"))
}
