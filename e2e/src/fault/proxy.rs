//! The proxy: accepts the engine's connections, and hands each request to [`relay`] with what the
//! plan has for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::fault::plan::{Ask, Fault, Step};
use crate::fault::relay;
use crate::pki::Pki;

/// How many requests the log keeps.
const LOGGED: usize = 60;

/// How the line is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Line {
    /// Grows when every connection is to be cut.
    cuts: usize,
    /// Grows when every connection is to go silent.
    deaths: usize,
    /// Whether new connections are served, closed at once, or left to wait.
    service: Service,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Service {
    #[default]
    Open,
    Refused,
    Dead,
}

/// A running proxy. Dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    line: watch::Sender<Line>,
    desk: Arc<Desk>,
    // Owns the accepting task, which owns those of the connections.
    _task: JoinSet<()>,
}

/// What all connections share.
#[derive(Debug, Default)]
pub struct Desk {
    steps: Mutex<Vec<Planned>>,
    log: Mutex<Vec<String>>,
    asked: AtomicUsize,
    impatient: AtomicUsize,
    not_before: Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Planned {
    step: Step,
    seen: usize,
    happened: bool,
}

/// The API server behind the proxy.
#[derive(Clone)]
pub struct Upstream {
    /// Its port.
    pub(crate) port: u16,
    /// Trusts the test's authority.
    pub(crate) tls: TlsConnector,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Upstream").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Opens a proxy to the API server on this port of loopback.
    ///
    /// # Errors
    ///
    /// When a key cannot be read, or there is no port to listen on.
    pub async fn start(pki: &Pki, port: u16) -> Result<Self> {
        let acceptor = TlsAcceptor::from(Arc::new(server_side(pki)?));
        let upstream = Upstream { port, tls: TlsConnector::from(Arc::new(client_side(pki)?)) };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("opening the fault proxy")?;
        let own = listener.local_addr()?.port();
        let (line, lines) = watch::channel(Line::default());
        let desk = Arc::new(Desk::default());
        let mut task = JoinSet::new();
        task.spawn(accept(listener, acceptor, upstream, lines, Arc::clone(&desk)));
        Ok(Self { port: own, line, desk, _task: task })
    }

    /// The address to give to the engine.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Replaces the plan.
    pub fn plan(&self, steps: &[Step]) {
        let mut planned = lock(&self.desk.steps);
        *planned = steps.iter().map(|step| Planned { step: *step, seen: 0, happened: false }).collect();
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        self.line.send_modify(|line| line.cuts += 1);
    }

    /// Cuts every connection, and each new one at once.
    pub fn refuse(&self) {
        self.line.send_modify(|line| {
            line.cuts += 1;
            line.service = Service::Refused;
        });
    }

    /// Goes silent: whatever is open now stays open and says nothing any more, for ever, and new connections wait.
    pub fn die(&self) {
        self.line.send_modify(|line| {
            line.deaths += 1;
            line.service = Service::Dead;
        });
    }

    /// The steps of the plan that no request ran into so far.
    #[must_use]
    pub fn unmet(&self) -> Vec<Step> {
        lock(&self.desk.steps)
            .iter()
            .filter(|planned| !planned.happened)
            .map(|planned| planned.step)
            .collect()
    }

    /// Serves new connections well again, apart from history that is forgotten for good.
    pub fn heal(&self) {
        lock(&self.desk.steps).retain(|planned| matches!(planned.step.fault, Fault::Forgotten { .. }));
        self.line.send_modify(|line| line.service = Service::Open);
    }

    /// How many requests for ingresses there were so far.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.desk.asked.load(Ordering::Relaxed)
    }

    /// How many of them came before the time that an earlier answer's `Retry-After` named.
    #[must_use]
    pub fn impatient(&self) -> usize {
        self.desk.impatient.load(Ordering::Relaxed)
    }

    /// The last requests for ingresses, one a line.
    #[must_use]
    pub fn log(&self) -> String {
        lock(&self.desk.log).join("\n")
    }
}

impl Desk {
    /// Counts a request and says what is to happen to it.
    pub(crate) fn judge(&self, ask: Ask, uri: &str) -> Vec<Fault> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        let waited = lock(&self.not_before).take_if(|_| true);
        if waited.is_some_and(|until| Instant::now() < until) {
            self.impatient.fetch_add(1, Ordering::Relaxed);
        }
        let mut faults = Vec::new();
        for planned in lock(&self.steps).iter_mut().filter(|planned| planned.step.asks.covers(ask)) {
            let nth = planned.seen;
            planned.seen += 1;
            if nth >= planned.step.skip && nth - planned.step.skip < planned.step.times {
                planned.happened = true;
                faults.push(planned.step.fault);
            }
        }
        let mut log = lock(&self.log);
        if log.len() >= LOGGED {
            log.remove(0);
        }
        log.push(format!("{number} {ask:?} {faults:?} {uri}"));
        faults
    }

    /// Remembers that the engine was asked to wait.
    pub(crate) fn asked_to_wait(&self, wait: Duration) {
        // What is measured here includes the way of the answer; a little less is no impatience.
        *lock(&self.not_before) = Some(Instant::now() + wait.saturating_sub(Duration::from_millis(100)));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn server_side(pki: &Pki) -> Result<ServerConfig> {
    let chain =
        vec![CertificateDer::from_pem_file(&pki.serving_certificate).context("the proxy's certificate")?];
    let key = PrivateKeyDer::from_pem_file(&pki.serving_key).context("the proxy's key")?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(config)
}

fn client_side(pki: &Pki) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&pki.ca).context("the test's authority")?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    upstream: Upstream,
    lines: watch::Receiver<Line>,
    desk: Arc<Desk>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            incoming = listener.accept() => {
                let Ok((incoming, _)) = incoming else { continue };
                let serve = serve(incoming, acceptor.clone(), upstream.clone(), lines.clone(), Arc::clone(&desk));
                connections.spawn(serve);
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection, until either end closes it or the line is cut.
async fn serve(
    mut incoming: TcpStream,
    acceptor: TlsAcceptor,
    upstream: Upstream,
    mut lines: watch::Receiver<Line>,
    desk: Arc<Desk>,
) {
    let begun = *lines.borrow_and_update();
    match begun.service {
        Service::Open => {}
        Service::Refused => return,
        Service::Dead => return swallow(&mut incoming).await,
    }
    // A write of a few bytes must leave as a packet of its own.
    if incoming.set_nodelay(true).is_err() {
        return;
    }
    let handshake = timeout(Duration::from_secs(10), acceptor.accept(incoming));
    let Ok(Ok(mut stream)) = handshake.await else { return };
    let dead = {
        let mut relayed = std::pin::pin!(relay::requests(&mut stream, &upstream, &desk));
        tokio::select! {
            () = &mut relayed => false,
            line = lines.wait_for(|line| line.cuts > begun.cuts || line.deaths > begun.deaths) => {
                line.is_ok_and(|line| line.cuts == begun.cuts)
            }
        }
    };
    if dead {
        swallow(stream.get_mut().0).await;
    }
}

/// Reads and forgets until the other end gives up.
pub(crate) async fn swallow(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}
