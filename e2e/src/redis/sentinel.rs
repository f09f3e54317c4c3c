//! A master, a replica, and three Sentinels that decide which is which.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use redis::{Client, Value};

use super::server::{Options, RedisServer};
use crate::lab::Lab;
use crate::process::Process;
use crate::{ports, wait};

/// The name of the service.
const SERVICE: &str = "main";

/// How long a master has to be silent before the Sentinels look for another one.
const DOWN_AFTER: Duration = Duration::from_secs(1);

/// Two servers and their Sentinels.
#[derive(Debug)]
pub struct RedisSentinels {
    servers: [RedisServer; 2],
    sentinels: Vec<(u16, Process)>,
}

impl RedisSentinels {
    /// Starts all of them and waits until the Sentinels know each other and the replica.
    ///
    /// # Errors
    ///
    /// When one can't be started, or they don't find each other in time.
    pub async fn start(lab: &Lab) -> Result<Self> {
        let options = Options::default().set("repl-diskless-sync-delay", "0");
        let master = RedisServer::start_with(lab, "redis-0", options.clone()).await?;
        let options = options.set("replicaof", &format!("127.0.0.1 {}", master.port()));
        let replica = RedisServer::start_with(lab, "redis-1", options).await?;
        wait::until("the replica to follow", wait::PATIENCE, async || {
            let role: Vec<Value> = replica.command(&redis::cmd("ROLE")).await?;
            Ok(role.get(3).and_then(text).as_deref() == Some("connected"))
        })
        .await?;
        let mut sentinels = Vec::new();
        for at in 0..3 {
            sentinels.push(sentinel(lab, at, master.port())?);
        }
        let these = Self { servers: [master, replica], sentinels };
        wait::until("the Sentinels to know each other", wait::PATIENCE, async || these.know_all().await)
            .await?;
        Ok(these)
    }

    /// The URL by which the service is found.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|(port, _)| format!("127.0.0.1:{port}")).collect();
        format!("redis-sentinel://{}/{SERVICE}", hosts.join(","))
    }

    /// Both servers; which of them is the master is for the Sentinels to say.
    pub fn servers(&mut self) -> &mut [RedisServer; 2] {
        &mut self.servers
    }

    /// Which of the servers the Sentinels call the master: most of them, since they learn of it one after the other.
    ///
    /// # Errors
    ///
    /// When they don't answer, or don't agree.
    pub async fn master(&self) -> Result<usize> {
        let mut votes = [0_usize; 2];
        for (port, _) in &self.sentinels {
            let mut connection = connect(*port).await?;
            let named: (String, u16) = redis::cmd("SENTINEL")
                .arg("get-master-addr-by-name")
                .arg(SERVICE)
                .query_async(&mut connection)
                .await?;
            for (vote, server) in votes.iter_mut().zip(&self.servers) {
                *vote += usize::from(named.1 == server.port());
            }
        }
        votes.iter().position(|votes| *votes >= 2).context("the Sentinels don't agree")
    }

    /// Has the Sentinels make the replica the master, and waits until most of them say that it is.
    ///
    /// # Errors
    ///
    /// When they don't in time.
    pub async fn fail_over(&self) -> Result<()> {
        let before = self.master().await?;
        wait::until("a Sentinel to begin a failover", wait::PATIENCE, async || {
            let (port, _) = self.sentinels.first().context("no Sentinel")?;
            let mut connection = connect(*port).await?;
            let begun =
                redis::cmd("SENTINEL").arg("FAILOVER").arg(SERVICE).query_async::<()>(&mut connection).await;
            Ok(begun.is_ok())
        })
        .await?;
        self.moved(before).await
    }

    /// Waits until most of the Sentinels call another server the master than this one.
    ///
    /// # Errors
    ///
    /// When they don't in time.
    pub async fn moved(&self, from: usize) -> Result<()> {
        wait::until("another master", wait::PATIENCE, async || {
            let master = self.master().await?;
            let server = self.servers.get(master).context("no such server")?;
            let role: Vec<Value> = server.command(&redis::cmd("ROLE")).await?;
            Ok(master != from && role.first().and_then(text).as_deref() == Some("master"))
        })
        .await
    }

    async fn know_all(&self) -> Result<bool> {
        for (port, _) in &self.sentinels {
            let mut connection = connect(*port).await?;
            let info: String = redis::cmd("INFO").arg("sentinel").query_async(&mut connection).await?;
            if !info.contains("slaves=1,sentinels=3") {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn sentinel(lab: &Lab, at: usize, master: u16) -> Result<(u16, Process)> {
    let port = ports::kept()?;
    let name = format!("sentinel-{at}");
    let folder = lab.file(&name);
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    // It writes what it learns into this file.
    let config = lab.write(
        &format!("{name}/sentinel.conf"),
        &format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {SERVICE} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {SERVICE} {}\nsentinel failover-timeout {SERVICE} 5000\n",
            folder.display(),
            DOWN_AFTER.as_millis(),
        ),
    )?;
    let mut command = Command::new(super::find()?);
    command.arg(config).arg("--sentinel");
    Ok((port, Process::start(lab, &name, command)?))
}

async fn connect(port: u16) -> Result<redis::aio::MultiplexedConnection> {
    Ok(Client::open(("127.0.0.1", port))?.get_multiplexed_async_connection().await?)
}

fn text(value: &Value) -> Option<String> {
    redis::from_redis_value(value.clone()).ok()
}
