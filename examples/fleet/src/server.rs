//! A Redis of one's own: on loopback, with a password that only this run knows, and nothing left when it ends.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// How long it may take to start.
const START: Duration = Duration::from_secs(10);

/// A running `redis-server`.
pub(crate) struct RedisServer {
    child: Child,
    url: String,
    folder: TempDir,
}

impl RedisServer {
    /// Starts it on a free port and waits until it listens.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("ingress-fleet-").tempdir().context("no folder for Redis")?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?.port();
        let password = format!("{:032x}", rand::random::<u128>());
        // The password is in a file that nobody else reads: command lines are for all to see.
        let config = folder.path().join("redis.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\nrequirepass {password}\nsave \"\"\nappendonly no\nmaxmemory-policy noeviction\ndir {}\n",
            folder.path().display()
        );
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&config)?;
        file.write_all(text.as_bytes())?;
        let log = fs::File::create(folder.path().join("redis.log"))?;
        let child = Command::new("redis-server")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for this program, which ends Redis last.
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "redis-server is not installed: install it (`apt-get install redis-server`, `brew install redis`), \
                 or name a Redis that is there with --redis redis://HOST"
            ),
            Err(error) => return Err(error).context("cannot start redis-server"),
        };
        let mut server = Self { child, url: format!("redis://:{password}@127.0.0.1:{port}"), folder };
        server.listens((Ipv4Addr::LOCALHOST, port).into()).await?;
        tracing::info!(port, pid = server.child.id(), "redis-server is up");
        Ok(server)
    }

    /// How it is reached, the password included.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Ends it. It has nothing to save.
    pub(crate) async fn stop(mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, "redis-server did not end");
        }
    }

    async fn listens(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let begun = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            let ended = self.child.try_wait()?;
            if ended.is_some() || begun.elapsed() > START {
                let log = fs::read_to_string(self.folder.path().join("redis.log")).unwrap_or_default();
                bail!("redis-server did not start; it said: {}", log.trim_end());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}
