//! A Cluster of three nodes.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::server::{Options, RedisServer};
use crate::lab::Lab;
use crate::{ports, wait};

/// Three masters, each with a third of the slots and without a replica.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts the nodes and makes them a Cluster.
    ///
    /// # Errors
    ///
    /// When one can't be started, or they don't become a Cluster in time.
    pub async fn start(lab: &Lab) -> Result<Self> {
        let mut nodes = Vec::new();
        for at in 0..3 {
            let options = Options::default()
                .set("cluster-enabled", "yes")
                .set("cluster-node-timeout", "1000")
                .set("cluster-port", &ports::kept()?.to_string());
            nodes.push(RedisServer::start_with(lab, &format!("node-{at}"), options).await?);
        }
        let made = Command::new(cli())
            .args(["--cluster", "create"])
            .args(nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())))
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .stdin(Stdio::null())
            .output()
            .context("redis-cli is needed to make a Cluster: `apt-get install redis-tools`")?;
        ensure!(made.status.success(), "no Cluster was made:\n{}", String::from_utf8_lossy(&made.stdout));
        let cluster = Self { nodes };
        cluster.whole().await?;
        Ok(cluster)
    }

    /// The URL by which the Cluster is found.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port())).collect();
        format!("redis-cluster://{}", hosts.join(","))
    }

    /// Its nodes.
    pub fn nodes(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }

    /// Waits until every node says that the Cluster is well.
    ///
    /// # Errors
    ///
    /// When one doesn't in time.
    pub async fn whole(&self) -> Result<()> {
        wait::until("the Cluster to be whole", wait::PATIENCE, async || {
            for node in &self.nodes {
                let info: String = node.command(redis::cmd("CLUSTER").arg("INFO")).await?;
                if !info.contains("cluster_state:ok") {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// Forgets everything on every node.
    ///
    /// # Errors
    ///
    /// When one doesn't answer.
    pub async fn flush(&self) -> Result<()> {
        for node in &self.nodes {
            node.flush().await?;
        }
        Ok(())
    }
}

/// Beside the server's program, if that was named.
fn cli() -> OsString {
    std::env::var_os("REDIS_CLI").unwrap_or_else(|| "redis-cli".into())
}
