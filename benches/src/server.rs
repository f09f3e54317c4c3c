//! A loopback server that speaks as much of the API server's HTTP as a watch engine asks for, and costs as little as it can.
//!
//! Lists in pages or whole, streaming lists, watches, of all namespaces or one, in JSON or protobuf by the request's `Accept`.
//! It runs in a thread of its own. A watch says nothing until [`Server::say`] lets it: so a round can wait until an
//! engine is synced and its watch is open, and time nothing but the changes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Form;
use crate::data::{World, bookmark, expired, namespace_name};

/// What the watches say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Say {
    /// Nothing.
    Nothing,
    /// All changes, as fast as the connection takes them.
    Changes,
    /// That their revision has expired; whoever lists again, lists other objects.
    Expired,
}

/// How a server behaves.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Manner {
    /// Answers JSON even to those who would rather have protobuf.
    pub json_only: bool,
    /// Answers 500 to whatever is asked about the first namespace.
    pub first_namespace_fails: bool,
}

impl Manner {
    /// A server that answers in this form, if asked for it.
    #[must_use]
    pub fn speaking(form: Form) -> Self {
        Self { json_only: form == Form::Json, first_namespace_fails: false }
    }

    /// One whose first namespace always fails.
    #[must_use]
    pub fn first_namespace_fails(mut self, fails: bool) -> Self {
        self.first_namespace_fails = fails;
        self
    }
}

/// A running server. It ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    world: Arc<World>,
    manner: Manner,
    say: watch::Sender<Say>,
    watches: AtomicUsize,
    listed_again: Mutex<Option<Instant>>,
}

impl Server {
    /// Starts a server on a free port of loopback.
    ///
    /// # Errors
    ///
    /// When there is no port, or no thread.
    pub fn start(world: Arc<World>, manner: Manner) -> Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no port on loopback")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            world,
            manner,
            say: watch::Sender::new(Say::Nothing),
            watches: AtomicUsize::new(0),
            listed_again: Mutex::new(None),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let served = shared.clone();
        let thread = std::thread::Builder::new().name("server".into()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, served) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it replays.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.shared.world
    }

    /// Tells all watches of ingresses, open and to come, what to say.
    pub fn say(&self, what: Say) {
        self.shared.say.send_replace(what);
    }

    /// Waits until so many watches of ingresses are open.
    ///
    /// # Errors
    ///
    /// When that takes more than a minute.
    pub async fn watched_by(&self, watches: usize) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.shared.watches.load(Ordering::Relaxed) < watches {
            anyhow::ensure!(Instant::now() < deadline, "the engine does not watch");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// When the first request for the altered state came.
    #[must_use]
    pub fn listed_again(&self) -> Option<Instant> {
        *self.shared.listed_again.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended by itself.
            stop.send(()).ok();
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // Without it the last bytes of a burst wait for an acknowledgement.
        drop(stream.set_nodelay(true));
        let shared = shared.clone();
        connections.spawn(async move { drop(serve(stream, &shared).await) });
        while connections.try_join_next().is_some() {}
    }
}

/// What a request asks for.
struct Asked {
    path: String,
    query: Vec<(String, String)>,
    form: Form,
}

impl Asked {
    fn parse(head: &str, json_only: bool) -> Option<Self> {
        let target = head.split(' ').nth(1)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let wants_protobuf = head.lines().any(|line| {
            line.split_once(':').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("accept") && value.contains("protobuf")
            })
        });
        let form = if wants_protobuf && !json_only { Form::Protobuf } else { Form::Json };
        Some(Self { path: path.to_owned(), query, form })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn watches(&self) -> bool {
        self.get("watch").is_some_and(|value| value != "false")
    }
}

/// Serves requests until the peer closes.
async fn serve(mut stream: TcpStream, shared: &Shared) -> Result<()> {
    let mut head = Vec::new();
    loop {
        head.clear();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let asked = Asked::parse(&text, shared.manner.json_only).context("no request")?;
        answer(&mut stream, shared, &asked).await?;
    }
}

async fn answer(stream: &mut TcpStream, shared: &Shared, asked: &Asked) -> Result<()> {
    let place = asked.path.strip_prefix("/apis/networking.k8s.io/v1/").and_then(|rest| match rest {
        "ingresses" => Some(None),
        rest => rest.strip_prefix("namespaces/")?.strip_suffix("/ingresses").map(Some),
    });
    match place {
        Some(name) => {
            let namespace = name.and_then(|name| name.rsplit('-').next()?.parse::<usize>().ok());
            let fails = shared.manner.first_namespace_fails && name == Some(namespace_name(0).as_str());
            if fails {
                let body = br#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"etcdserver: request timed out","code":500}"#;
                whole(stream, "500 Internal Server Error", "application/json", body).await
            } else if asked.watches() {
                watch(stream, shared, asked, namespace).await
            } else {
                list(stream, shared, asked, namespace).await
            }
        }
        None if asked.path == "/readyz" => whole(stream, "200 OK", "text/plain", b"ok").await,
        None if asked.path == "/api/v1/namespaces" && asked.watches() => idle(stream, asked).await,
        None => {
            let body = br#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"not found","code":404}"#;
            whole(stream, "404 Not Found", "application/json", body).await
        }
    }
}

async fn whole(stream: &mut TcpStream, status: &str, content_type: &str, body: &[u8]) -> Result<()> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    Ok(())
}

async fn begin_watch(stream: &mut TcpStream, form: Form) -> Result<()> {
    let content_type = match form {
        Form::Json => "application/json",
        Form::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
    };
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    Ok(())
}

async fn list(
    stream: &mut TcpStream,
    shared: &Shared,
    asked: &Asked,
    namespace: Option<usize>,
) -> Result<()> {
    let again = *shared.say.borrow() == Say::Expired;
    if again {
        shared.note_listed_again();
    }
    let all = shared.world.range(namespace);
    let from = asked.get("continue").and_then(|token| token.parse().ok()).unwrap_or(all.start);
    let limit = asked.get("limit").and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
    let to = limit.map_or(all.end, |limit: usize| all.end.min(from + limit));
    let body = shared.world.page(asked.form, from..to, all.end - to, again);
    let content_type = match asked.form {
        Form::Json => "application/json",
        Form::Protobuf => "application/vnd.kubernetes.protobuf",
    };
    whole(stream, "200 OK", content_type, &body).await
}

/// How much of a streaming list is written at once.
const BURST: usize = 256 * 1024;

async fn watch(
    stream: &mut TcpStream,
    shared: &Shared,
    asked: &Asked,
    namespace: Option<usize>,
) -> Result<()> {
    begin_watch(stream, asked.form).await?;
    let mut revision = asked.get("resourceVersion").and_then(|revision| revision.parse().ok()).unwrap_or(0);
    if asked.get("sendInitialEvents") == Some("true") {
        revision = initial_events(stream, shared, asked.form, namespace).await?;
    }
    let mut say = shared.say.subscribe();
    shared.watches.fetch_add(1, Ordering::Relaxed);
    loop {
        let what = *say.borrow_and_update();
        match what {
            Say::Changes => {
                stream.write_all(shared.world.script(namespace).bytes(asked.form)).await?;
                return until_closed(stream).await;
            }
            Say::Expired if revision < World::revision(true) => {
                let mut last = Vec::new();
                expired(asked.form, &mut last)?;
                last.extend_from_slice(b"0\r\n\r\n");
                stream.write_all(&last).await?;
                return Ok(());
            }
            Say::Expired | Say::Nothing => {}
        }
        tokio::select! {
            changed = say.changed() => changed?,
            closed = until_closed(stream) => return closed,
        }
    }
}

/// The events of a streaming list; the revision that it is of.
async fn initial_events(
    stream: &mut TcpStream,
    shared: &Shared,
    form: Form,
    namespace: Option<usize>,
) -> Result<u64> {
    let again = *shared.say.borrow() == Say::Expired;
    if again {
        shared.note_listed_again();
    }
    let mut burst = Vec::with_capacity(BURST + 8192);
    for at in shared.world.range(namespace) {
        shared.world.added(form, at, again, &mut burst)?;
        if burst.len() > BURST {
            stream.write_all(&burst).await?;
            burst.clear();
        }
    }
    let revision = World::revision(again);
    bookmark(form, revision, &mut burst)?;
    stream.write_all(&burst).await?;
    Ok(revision)
}

/// The namespaces: none, for ever. Only ours asks for them.
async fn idle(stream: &mut TcpStream, asked: &Asked) -> Result<()> {
    begin_watch(stream, asked.form).await?;
    if asked.get("sendInitialEvents") == Some("true") {
        let mut end = Vec::new();
        bookmark(asked.form, World::revision(false), &mut end)?;
        stream.write_all(&end).await?;
    }
    until_closed(stream).await
}

/// A watch ends when its reader goes.
async fn until_closed(stream: &mut TcpStream) -> Result<()> {
    let mut byte = [0];
    if stream.read(&mut byte).await? > 0 {
        anyhow::bail!("a request in the middle of a watch");
    }
    anyhow::bail!("closed")
}

impl Shared {
    fn note_listed_again(&self) {
        let mut noted = self.listed_again.lock().unwrap_or_else(PoisonError::into_inner);
        noted.get_or_insert_with(Instant::now);
    }
}
