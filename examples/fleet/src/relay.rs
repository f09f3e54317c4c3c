//! The one address: each connection to it is relayed to one of the replicas, byte for byte, so that whatever they speak passes.
//!
//! Connections go round the replicas that say they are ready. One that has died is left out at once and one that answers nothing after two
//! seconds, and what was relayed to it is cut: a browser then opens its stream again, arrives at another replica, and goes on where it was.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

#[cfg(test)]
mod tests;

/// How often a replica is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(250);
/// How long it has to answer, and how long a connection to it may take.
const ANSWER: Duration = Duration::from_secs(1);
/// How long it may answer nothing before what is relayed to it is cut.
const SILENCE: Duration = Duration::from_secs(2);

/// What a client is told while no replica is ready.
const NOBODY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\ncontent-length: 20\r\n\
                        retry-after: 1\r\nconnection: close\r\n\r\nno replica is ready\n";

/// The replicas that run.
#[derive(Debug, Default)]
pub(crate) struct Replicas {
    running: Mutex<Vec<Arc<Replica>>>,
    turn: AtomicUsize,
}

/// One of them, from its start to its end.
#[derive(Debug)]
pub(crate) struct Replica {
    address: SocketAddr,
    ready: AtomicBool,
    /// Each change cuts what is relayed.
    cuts: watch::Sender<()>,
}

impl Replicas {
    /// Takes one in. Nothing is relayed to it before it is [looked after](Replica::look_after).
    pub(crate) fn add(&self, address: SocketAddr) -> Arc<Replica> {
        let replica = Replica { address, ready: AtomicBool::new(false), cuts: watch::Sender::default() };
        let replica = Arc::new(replica);
        self.lock().push(replica.clone());
        replica
    }

    /// Leaves one out that has ended.
    pub(crate) fn remove(&self, ended: &Arc<Replica>) {
        self.lock().retain(|replica| !Arc::ptr_eq(replica, ended));
        ended.leave_out();
        ended.cut();
    }

    /// Waits until one is ready.
    pub(crate) async fn ready(&self) {
        while self.in_turn().is_empty() {
            sleep(LOOK).await;
        }
    }

    /// Those that are ready, from the one whose turn it is.
    fn in_turn(&self) -> Vec<Arc<Replica>> {
        let mut ready: Vec<_> = self.lock().iter().filter(|replica| replica.is_ready()).cloned().collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % ready.len().max(1);
        ready.rotate_left(turn);
        ready
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Replica>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replica {
    /// Asks again and again whether it is ready, and cuts what is relayed to it while it does not answer.
    pub(crate) async fn look_after(&self) -> Infallible {
        let mut answered = Instant::now();
        loop {
            match self.ask().await {
                Ok(ready) => {
                    self.ready.store(ready, Ordering::Relaxed);
                    answered = Instant::now();
                }
                Err(_) => {
                    self.leave_out();
                    if answered.elapsed() >= SILENCE {
                        self.cut();
                    }
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Relays nothing new to it.
    pub(crate) fn leave_out(&self) {
        self.ready.store(false, Ordering::Relaxed);
    }

    fn cut(&self) {
        self.cuts.send_replace(());
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    async fn ask(&self) -> io::Result<bool> {
        let asked = async {
            let mut replica = TcpStream::connect(self.address).await?;
            let question =
                format!("GET /readyz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address);
            replica.write_all(question.as_bytes()).await?;
            let mut status = *b"HTTP/1.1 nnn";
            replica.read_exact(&mut status).await?;
            Ok(status.ends_with(b" 200"))
        };
        timeout(ANSWER, asked).await?
    }
}

/// Relays what comes to this address for ever.
pub(crate) async fn run(listener: TcpListener, replicas: Arc<Replicas>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((client, _)) => drop(connections.spawn(relay(client, replicas.clone()))),
            Err(error) => {
                // Too many open files, most often: some will be closed.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(LOOK).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Relays one connection until both sides are done, or either is gone; what went wrong is between them.
async fn relay(mut client: TcpStream, replicas: Arc<Replicas>) {
    let Some((mut server, mut cuts)) = connect(&replicas).await else {
        return drop(refuse(client).await);
    };
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = cuts.changed() => {}
    }
}

/// A connection to the replica whose turn it is, or the next one that takes it.
async fn connect(replicas: &Replicas) -> Option<(TcpStream, watch::Receiver<()>)> {
    for replica in replicas.in_turn() {
        let cuts = replica.cuts.subscribe();
        match timeout(ANSWER, TcpStream::connect(replica.address)).await {
            Ok(Ok(server)) => return Some((server, cuts)),
            // It has died, and nobody has noticed yet.
            _ => replica.leave_out(),
        }
    }
    None
}

async fn refuse(mut client: TcpStream) -> io::Result<()> {
    // What is closed with something unread is reset, and the client might not see the answer.
    timeout(ANSWER, client.read(&mut [0; 8192])).await??;
    client.write_all(NOBODY).await?;
    client.shutdown().await
}
