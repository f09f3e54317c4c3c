//! A proxy for any protocol over TCP, with faults that can be switched while connections last.
//!
//! It passes bytes on without knowing what they mean. Unlike the [`gate`](crate::gate), it forgets nothing while it stalls: when it goes on, so do the
//! connections, as with a server that was busy with something else.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use rand::RngExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: all goes through.
    None,
    /// Every connection is closed, and each new one at once.
    Cut,
    /// Connections last, new ones are taken, and no byte goes either way until this ends; then all go on.
    Stall,
    /// What the server says is replaced by noise of the same length.
    Garbage,
}

/// A listening proxy. Dropping it closes everything.
#[derive(Debug)]
pub struct TcpProxy {
    port: u16,
    fault: watch::Sender<Fault>,
    accepted: Arc<AtomicUsize>,
    // Owns the accepting task, which owns those of the connections.
    _task: JoinSet<()>,
}

impl TcpProxy {
    /// Opens a proxy to a port on loopback.
    ///
    /// # Errors
    ///
    /// When there is no port to listen on.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("opening a proxy")?;
        let own = listener.local_addr()?.port();
        let (fault, faults) = watch::channel(Fault::None);
        let accepted = Arc::new(AtomicUsize::new(0));
        let mut task = JoinSet::new();
        task.spawn(accept(listener, port, faults, Arc::clone(&accepted)));
        Ok(Self { port: own, fault, accepted, _task: task })
    }

    /// The port to give to the client.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Switches.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

async fn accept(
    listener: TcpListener,
    port: u16,
    faults: watch::Receiver<Fault>,
    accepted: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            incoming = listener.accept() => {
                let Ok((incoming, _)) = incoming else { continue };
                accepted.fetch_add(1, Ordering::Relaxed);
                connections.spawn(pass(incoming, port, faults.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection until an end closes it or it is cut.
async fn pass(client: TcpStream, port: u16, mut faults: watch::Receiver<Fault>) {
    if *faults.borrow() == Fault::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let (Ok(()), Ok(())) = (client.set_nodelay(true), server.set_nodelay(true)) else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = carry(from_client, to_server, faults.clone(), false) => {}
        () = carry(from_server, to_client, faults.clone(), true) => {}
        _ = faults.wait_for(|fault| *fault == Fault::Cut) => {}
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut faults: watch::Receiver<Fault>,
    answers: bool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let Ok(fault) = faults.wait_for(|fault| *fault != Fault::Stall).await.map(|fault| *fault) else {
            return;
        };
        let Some(bytes) = buffer.get_mut(..length) else { return };
        if answers && fault == Fault::Garbage {
            rand::rng().fill(bytes);
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
