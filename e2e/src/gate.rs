//! A gate between a program and a server: counts its connections, and can cut or stall them.
//!
//! It passes bytes on without looking into them, so TLS goes through it as if it were not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Cut,
    Stalled,
}

/// A listening gate. Dropping it closes everything.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    state: watch::Sender<State>,
    accepted: Arc<AtomicUsize>,
    // Owns the accepting task, which owns those of the connections.
    _task: JoinSet<()>,
}

impl Gate {
    /// Opens a gate to a port on loopback.
    ///
    /// # Errors
    ///
    /// When there is no port to listen on.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("opening a gate")?;
        let own = listener.local_addr()?.port();
        let (state, states) = watch::channel(State::Open);
        let accepted = Arc::new(AtomicUsize::new(0));
        let mut task = JoinSet::new();
        task.spawn(accept(listener, port, states, Arc::clone(&accepted)));
        Ok(Self { port: own, state, accepted, _task: task })
    }

    /// The address to give to the program.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Closes every connection, and each new one at once.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Keeps every connection open and lets no byte through any more, as a network that drops packets does.
    pub fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    /// Lets new connections through again. Those that were stalled are closed.
    pub fn open(&self) {
        self.state.send_replace(State::Open);
    }
}

async fn accept(
    listener: TcpListener,
    port: u16,
    states: watch::Receiver<State>,
    accepted: Arc<AtomicUsize>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            incoming = listener.accept() => {
                let Ok((incoming, _)) = incoming else { continue };
                accepted.fetch_add(1, Ordering::Relaxed);
                connections.spawn(pass(incoming, port, states.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection until an end closes it or the gate's state changes.
async fn pass(mut incoming: TcpStream, port: u16, mut states: watch::Receiver<State>) {
    let state = *states.borrow_and_update();
    if state == State::Open {
        let Ok(mut outgoing) = TcpStream::connect(("127.0.0.1", port)).await else { return };
        tokio::select! {
            _ = copy_bidirectional(&mut incoming, &mut outgoing) => return,
            _ = states.wait_for(|state| *state != State::Open) => {}
        }
    }
    // A stalled connection is held, with both ends believing in it, until the gate does something else.
    drop(states.wait_for(|state| *state != State::Stalled).await.map(|_| ()));
}
