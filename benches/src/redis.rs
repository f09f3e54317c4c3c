//! A Redis of one's own on loopback, for as long as something is measured.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use redis::Client;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// How long it may take to start.
const START: Duration = Duration::from_secs(10);

/// A running `redis-server`, without a disk. Dropping it ends it.
#[derive(Debug)]
pub struct RedisServer {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl RedisServer {
    /// Starts one and waits until it answers.
    ///
    /// # Errors
    ///
    /// When there is no `redis-server` in `PATH`, or it doesn't answer in time.
    pub async fn start() -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context(
                "this is measured with redis-server 7, which isn't there: `apt-get install redis-server`",
            )?;
        let server = Self { process, port, _folder: folder };
        let deadline = Instant::now() + START;
        while let Err(error) = server.connect().await {
            if Instant::now() > deadline {
                return Err(error.context("redis-server doesn't answer"));
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(server)
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The peer: a connection of the `redis` crate, as it comes, with RESP3 and without Nagle's algorithm.
    ///
    /// # Errors
    ///
    /// When it doesn't answer.
    pub async fn connect(&self) -> Result<MultiplexedConnection> {
        use redis::IntoConnectionInfo as _;
        use redis::io::tcp::TcpSettings;
        use redis::{ProtocolVersion, RedisConnectionInfo};
        let info = redis::ConnectionAddr::Tcp(Ipv4Addr::LOCALHOST.to_string(), self.port)
            .into_connection_info()?
            .set_redis_settings(RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3))
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        Ok(Client::open(info)?.get_multiplexed_async_connection().await?)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
