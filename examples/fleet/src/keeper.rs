//! Keeps the replicas running: processes of this program, each started again a second after it ended.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::relay::Replicas;

/// How long to wait before a replica that ended is started again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a replica may take until it listens.
const START: Duration = Duration::from_secs(30);
/// How long a replica may take to end once it is told to.
const GRACE: Duration = Duration::from_secs(10);

/// The replicas' processes. Dropping it kills them.
pub(crate) struct Keeper {
    replicas: JoinSet<anyhow::Result<()>>,
    stop: watch::Sender<bool>,
}

/// How one replica is started.
struct Launch {
    name: String,
    redis: String,
    flags: Vec<String>,
}

impl Keeper {
    /// Starts so many replicas with these flags.
    pub(crate) fn start(count: u16, redis: &str, flags: &[String], running: &Arc<Replicas>) -> Self {
        let stop = watch::Sender::new(false);
        let mut replicas = JoinSet::new();
        for number in 1..=count {
            let name = format!("replica-{number}");
            let launch = Launch { name, redis: redis.to_owned(), flags: flags.to_vec() };
            replicas.spawn(keep(launch, running.clone(), stop.subscribe()));
        }
        Self { replicas, stop }
    }

    /// Waits until one can't be started at all; that they end later is mended.
    pub(crate) async fn failed(&mut self) -> anyhow::Result<()> {
        while let Some(ended) = self.replicas.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Tells all to end, and waits until they have.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.replicas.join_next().await.is_some() {}
    }
}

async fn keep(launch: Launch, running: Arc<Replicas>, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let mut first = true;
    loop {
        let started = tokio::select! {
            started = Process::start(&launch) => started,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        match started {
            Ok(process) => process.run(&launch.name, &running, &mut stop).await,
            Err(error) if first => return Err(error),
            Err(error) => {
                tracing::warn!(replica = launch.name, error = format!("{error:#}"), "did not start");
            }
        }
        first = false;
        tokio::select! {
            () = sleep(AGAIN) => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        }
    }
}

/// A running replica.
struct Process {
    child: Child,
    /// The replica ends when this does: so it is told to, and so it ends even if this program is killed.
    input: Option<ChildStdin>,
    address: SocketAddr,
    _log: JoinSet<()>,
}

impl Process {
    /// Starts a replica and waits until it tells where it listens.
    async fn start(launch: &Launch) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(program)
            .args(["replica", "--name", &launch.name])
            .args(&launch.flags)
            // It may hold a password.
            .env("FLEET_REDIS", &launch.redis)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for this program, which tells the replicas.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", launch.name))?;
        let mut log = JoinSet::new();
        if let Some(stderr) = child.stderr.take() {
            log.spawn(pass_on(launch.name.clone(), stderr));
        }
        let output = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(output).lines();
        let Ok(line) = timeout(START, lines.next_line()).await else {
            bail!("{} does not listen after {START:?}", launch.name);
        };
        let Some(line) = line? else {
            let status = child.wait().await?;
            // What it said is worth more than that it ended.
            drop(timeout(AGAIN, log.join_next()).await);
            bail!("{} ended before it listened ({status})", launch.name);
        };
        let address = line.parse().with_context(|| format!("{} listens at {line:?}", launch.name))?;
        Ok(Self { input: child.stdin.take(), child, address, _log: log })
    }

    /// Has it serve until it ends, or is to.
    async fn run(mut self, name: &str, running: &Replicas, stop: &mut watch::Receiver<bool>) {
        let pid = self.child.id().unwrap_or_default();
        let replica = running.add(self.address);
        tracing::info!(replica = name, pid, address = %format_args!("http://{}/", self.address), "is up");
        let died = tokio::select! {
            status = self.child.wait() => Some(status),
            never = replica.look_after() => match never {},
            _ = stop.wait_for(|stop| *stop) => None,
        };
        match died {
            Some(status) => {
                running.remove(&replica);
                tracing::warn!(replica = name, pid, how = told(status), "has died; starting it again");
            }
            None => {
                // Streams are told to reconnect, and must not come back here.
                replica.leave_out();
                let status = self.end().await;
                running.remove(&replica);
                tracing::info!(replica = name, pid, how = told(status), "has ended");
            }
        }
    }

    async fn end(&mut self) -> io::Result<ExitStatus> {
        self.input = None;
        if let Ok(status) = timeout(GRACE, self.child.wait()).await {
            return status;
        }
        self.child.start_kill()?;
        self.child.wait().await
    }
}

fn told(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// Passes a replica's log on, each line with its name.
async fn pass_on(name: String, log: ChildStderr) {
    let mut lines = BufReader::new(log).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // Without anybody to read it, nobody misses it.
        drop(writeln!(io::stderr(), "{name} | {line}"));
    }
}
