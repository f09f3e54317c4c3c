//! Over real sockets, with short deadlines: what is to happen "in time" is waited for, with much more patience than it needs.

use std::convert::Infallible;
use std::io::{BufReader, Read as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Extension};
use axum::http::{HeaderValue, Request, StatusCode, Version};
use axum::routing::{get, post};
use futures::stream;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::{Ended, Refusal, Server, ServerBuilder, ServerStats, Timeout, Tls};
use crate::transport::Transport;

const SHORT: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(10);

/// A server and what it does.
struct Running {
    address: SocketAddr,
    stats: ServerStats,
    /// How many endless answers are held.
    held: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<Ended>,
}

/// An answer that is held for as long as this lives.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(held: &Arc<AtomicUsize>) -> Self {
        held.fetch_add(1, Ordering::SeqCst);
        Self(held.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn router(held: &Arc<AtomicUsize>) -> Router {
    let (endless, silent) = (held.clone(), held.clone());
    Router::new()
        .route("/", get(async || "hello"))
        .route("/echo", post(async |body: Result<Bytes, _>| body.map_err(|_| StatusCode::REQUEST_TIMEOUT)))
        .route(
            "/who",
            get(
                async |ConnectInfo(peer): ConnectInfo<SocketAddr>,
                       Extension(transport): Extension<Transport>| {
                    format!("{} {}", peer.ip(), transport.tls)
                },
            ),
        )
        .route("/large", get(async || vec![7; 1_000_000]))
        .route(
            "/endless",
            get(async move || {
                let pieces = stream::unfold(Held::new(&endless), async |held| {
                    Some((Ok::<_, Infallible>(Bytes::from_static(&[0; 64 * 1024])), held))
                });
                Body::from_stream(pieces)
            }),
        )
        .route(
            "/silent",
            get(async move || {
                let first = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"first"))]);
                let held = Held::new(&silent);
                let rest = stream::once(async move {
                    let _held = held;
                    std::future::pending::<Result<Bytes, Infallible>>().await
                });
                Body::from_stream(futures::StreamExt::chain(first, rest))
            }),
        )
}

async fn start(configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stats, held) = (ServerStats::new(), Arc::<AtomicUsize>::default());
    let server = configure(Server::builder()).stats(stats.clone()).build();
    let (stop, stopped) = oneshot::channel();
    let (router, mut tasks) = (router(&held), JoinSet::new());
    tasks.spawn(async move { server.serve(listener, router, async { drop(stopped.await) }).await });
    Running { address, stats, held, stop: Some(stop), tasks }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends this and does nothing more.
    async fn say(&self, text: &str) -> TcpStream {
        let mut tcp = self.connect().await;
        tcp.write_all(text.as_bytes()).await.unwrap();
        tcp
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    async fn ended(&mut self) -> Ended {
        timeout(PATIENCE, self.tasks.join_next()).await.unwrap().unwrap().unwrap()
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// All that comes until the end; a reset is one.
async fn rest(tcp: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    drop(timeout(PATIENCE, tcp.read_to_end(&mut bytes)).await.expect("the connection stays open"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As much as holds this.
async fn read_until(tcp: &mut TcpStream, wanted: &str) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.contains(wanted) {
        let read = timeout(PATIENCE, tcp.read(&mut buffer)).await.expect("no answer").unwrap();
        assert!(read > 0, "it ended: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

const HELLO: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test]
async fn a_request_knows_its_peer_and_connection() {
    let server = start(|server| server).await;
    let mut tcp = server.say("GET /who HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(read_until(&mut tcp, "false").await.contains("127.0.0.1 false"));
    assert_eq!((server.stats.open(), server.stats.accepted()), (1, 1));
    drop(tcp);
    until("the connection to be forgotten", || server.stats.open() == 0).await;
}

#[tokio::test]
async fn a_slow_head_ends_the_connection_whatever_it_begins_with() {
    let server = start(|server| server.head_timeout(SHORT).unwrap()).await;
    for beginning in
        ["", "G", "GET / HTTP/1.1\r\nhost: a\r\nx-", "PRI * HTT", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let before = server.stats.timeouts(Timeout::Head);
        let mut tcp = server.say(beginning).await;
        rest(&mut tcp).await;
        assert_eq!(server.stats.timeouts(Timeout::Head), before + 1, "{beginning:?}");
    }
}

#[tokio::test]
async fn a_byte_now_and_then_gains_no_time() {
    let server = start(|server| server.head_timeout(SHORT).unwrap()).await;
    let mut tcp = server.say(HELLO).await;
    read_until(&mut tcp, "hello").await;
    let begun = Instant::now();
    while tcp.write_all(b"G").await.is_ok() {
        assert!(begun.elapsed() < PATIENCE, "it may go on for ever");
        sleep(SHORT / 10).await;
    }
    until("a timeout", || server.stats.timeouts(Timeout::Head) == 1).await;
}

#[tokio::test]
async fn a_connection_that_asks_nothing_more_is_closed() {
    let server = start(|server| server.idle_timeout(SHORT).unwrap()).await;
    let mut tcp = server.say(HELLO).await;
    assert!(rest(&mut tcp).await.contains("hello"));
    assert_eq!(server.stats.timeouts(Timeout::Idle), 1);
}

#[tokio::test]
async fn an_open_stream_is_not_idle() {
    let server = start(|server| server.idle_timeout(SHORT).unwrap().head_timeout(SHORT).unwrap()).await;
    let mut tcp = server.say("GET /silent HTTP/1.1\r\nhost: a\r\n\r\n").await;
    read_until(&mut tcp, "first").await;
    sleep(3 * SHORT).await;
    assert_eq!(server.stats.open(), 1);
    drop(tcp);
    until("its answer to be dropped", || server.held.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_an_error() {
    let server = start(|server| server.body_timeout(SHORT).unwrap()).await;
    let mut tcp = server.say("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert!(rest(&mut tcp).await.starts_with("HTTP/1.1 408"));
    assert_eq!(server.stats.timeouts(Timeout::Body), 1);
    let mut tcp = server.say("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nwhole").await;
    assert!(read_until(&mut tcp, "whole").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_cut_off_and_forgotten() {
    let server = start(|server| server.write_stall(SHORT).unwrap()).await;
    let _tcp = server.say("GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await;
    until("the answer", || server.held.load(Ordering::SeqCst) == 1).await;
    until("the stall", || server.stats.timeouts(Timeout::Write) == 1).await;
    until("the answer to be dropped", || server.held.load(Ordering::SeqCst) == 0).await;
    until("the connection to be forgotten", || server.stats.open() == 0).await;
}

#[tokio::test]
async fn a_slow_reader_is_not_a_stalled_one() {
    let server = start(|server| server.write_stall(SHORT).unwrap()).await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let mut tcp = socket.connect(server.address).await.unwrap();
    tcp.write_all(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let begun = Instant::now();
    let mut buffer = vec![0; 16 * 1024];
    // Far too slow for what the system calls writable to come round in time.
    while begun.elapsed() < 6 * SHORT {
        assert!(tcp.read(&mut buffer).await.unwrap() > 0);
        sleep(SHORT / 8).await;
    }
    assert_eq!(server.stats.timeouts(Timeout::Write), 0);
}

#[tokio::test]
async fn heads_have_bounds() {
    let server = start(|server| server).await;
    let head = |uri: usize, headers: usize, value: usize| {
        let mut text = format!("GET /{} HTTP/1.1\r\nhost: a\r\n", "u".repeat(uri));
        for number in 1..headers {
            text.push_str(&format!("x-{number}: {}\r\n", "v".repeat(value)));
        }
        text + "\r\n"
    };
    let cases = [
        (head(1, 100, 1), "404"),
        (head(1, 101, 1), "431"),
        (head(8191, 1, 1), "404"),
        (head(8192, 1, 1), "414"),
        (head(1, 10, 1500), "404"),
        (head(1, 10, 2000), "431"),
    ];
    for (at, (text, status)) in cases.into_iter().enumerate() {
        let mut tcp = server.say(&text).await;
        let answer = read_until(&mut tcp, "\r\n\r\n").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "case {at}: {answer}");
    }
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let server = start(|server| server.max_connections(1)).await;
    let mut first = server.say(HELLO).await;
    read_until(&mut first, "hello").await;
    let mut second = server.connect().await;
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 503"));
    assert_eq!(server.stats.refused(Refusal::Limit), 1);
    drop(first);
    until("a place", || server.stats.open() == 0).await;
    let mut third = server.say(HELLO).await;
    read_until(&mut third, "hello").await;
}

#[tokio::test]
async fn an_address_has_its_share() {
    let server = start(|server| server.max_connections_per_address(1)).await;
    let mut first = server.say(HELLO).await;
    read_until(&mut first, "hello").await;
    let mut second = server.connect().await;
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 503"));
    assert_eq!(server.stats.refused(Refusal::Address), 1);
}

#[tokio::test]
async fn stopping_finishes_answers_and_closes_what_is_idle() {
    let mut server = start(|server| server).await;
    let mut idle = server.say(HELLO).await;
    read_until(&mut idle, "hello").await;
    let mut silent = server.connect().await;
    let mut asking = server.say("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n").await;
    until("all to be open", || server.stats.accepted() == 3).await;
    sleep(SHORT / 4).await;
    server.stop();
    assert_eq!(rest(&mut idle).await, "");
    assert_eq!(rest(&mut silent).await, "");
    assert!(TcpStream::connect(server.address).await.is_err(), "it still accepts");
    asking.write_all(b"whole").await.unwrap();
    assert!(rest(&mut asking).await.contains("whole"));
    assert_eq!(server.ended().await.cut_off(), 0);
}

#[tokio::test]
async fn what_does_not_finish_is_cut_off() {
    let mut server = start(|server| server.grace(SHORT).unwrap()).await;
    let mut tcp = server.say("GET /silent HTTP/1.1\r\nhost: a\r\n\r\n").await;
    read_until(&mut tcp, "first").await;
    server.stop();
    assert_eq!(server.ended().await.cut_off(), 1);
    assert_eq!((server.stats.open(), server.held.load(Ordering::SeqCst)), (0, 0));
    rest(&mut tcp).await;
}

#[tokio::test]
async fn dropping_the_server_closes_everything() {
    let mut server = start(|server| server).await;
    let mut tcp = server.say("GET /silent HTTP/1.1\r\nhost: a\r\n\r\n").await;
    read_until(&mut tcp, "first").await;
    server.tasks.shutdown().await;
    rest(&mut tcp).await;
    assert_eq!((server.stats.open(), server.held.load(Ordering::SeqCst)), (0, 0));
}

#[test]
fn options_have_bounds() {
    let builder = Server::builder;
    assert!(builder().head_timeout(Duration::from_millis(99)).is_err());
    assert!(builder().idle_timeout(Duration::from_secs(601)).is_err());
    assert!(builder().grace(Duration::ZERO).is_ok());
    let message = builder().write_stall(Duration::ZERO).unwrap_err().to_string();
    assert!(message.starts_with("write_stall must be 100ms to 600s"), "{message}");
}

// ---------------------------------------------------------------------------------------------------------- HTTP/2

type H2 = http2::SendRequest<Empty<Bytes>>;

/// An HTTP/2 client whose streams may hold as much as `window` before they are read.
async fn h2(
    io: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    window: u32,
    tasks: &mut JoinSet<()>,
) -> H2 {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window).initial_connection_window_size(16 * 1024 * 1024);
    let (send, connection) = builder.handshake(TokioIo::new(io)).await.unwrap();
    tasks.spawn(async { drop(connection.await) });
    send
}

fn ask(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("http://a{path}")).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn http2_needs_no_tls() {
    let server = start(|server| server).await;
    let mut tasks = JoinSet::new();
    let mut client = h2(server.connect().await, 1024 * 1024, &mut tasks).await;
    let answer = client.send_request(ask("/who")).await.unwrap();
    assert_eq!(answer.version(), Version::HTTP_2);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "127.0.0.1 false");
    let answer = client.send_request(ask("/large")).await.unwrap();
    assert_eq!(answer.headers()["content-length"], "1000000");
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 1_000_000);
}

#[tokio::test]
async fn a_stream_that_takes_nothing_is_reset_and_its_connection_goes_on() {
    let server = start(|server| server.write_stall(SHORT).unwrap()).await;
    let mut tasks = JoinSet::new();
    let mut client = h2(server.connect().await, 32 * 1024, &mut tasks).await;
    let stalled = client.send_request(ask("/endless")).await.unwrap();
    let silent = client.send_request(ask("/silent")).await.unwrap();
    until("the stall", || server.stats.timeouts(Timeout::Stream) == 1).await;
    until("its answer to be dropped", || server.held.load(Ordering::SeqCst) == 1).await;
    assert!(stalled.into_body().collect().await.is_err());
    assert_eq!(client.send_request(ask("/")).await.unwrap().status(), StatusCode::OK);
    sleep(2 * SHORT).await;
    assert_eq!(server.stats.timeouts(Timeout::Stream), 1, "a silent stream is none that takes nothing");
    drop((silent, client));
    until("all to be forgotten", || server.stats.open() == 0 && server.held.load(Ordering::SeqCst) == 0)
        .await;
}

#[tokio::test]
async fn an_answer_that_ended_does_not_stay_in_the_connection() {
    let server = start(|server| server.write_stall(SHORT).unwrap()).await;
    let mut tasks = JoinSet::new();
    let mut client = h2(server.connect().await, 32 * 1024, &mut tasks).await;
    let _stalled = client.send_request(ask("/large")).await.unwrap();
    until("the stall", || server.stats.timeouts(Timeout::Stream) == 1).await;
}

#[tokio::test]
async fn an_http2_connection_that_asks_nothing_more_is_told_to_go() {
    let server = start(|server| server.idle_timeout(SHORT).unwrap()).await;
    let mut tasks = JoinSet::new();
    let mut client = h2(server.connect().await, 1024 * 1024, &mut tasks).await;
    client.send_request(ask("/")).await.unwrap().into_body().collect().await.unwrap();
    timeout(PATIENCE, tasks.join_next()).await.expect("it stays open");
    assert_eq!(server.stats.timeouts(Timeout::Idle), 1);
    until("it to be forgotten", || server.stats.open() == 0).await;
}

#[tokio::test]
async fn http2_heads_have_bounds_too() {
    let server = start(|server| server).await;
    let mut tasks = JoinSet::new();
    let mut client = h2(server.connect().await, 1024 * 1024, &mut tasks).await;
    let status =
        async |client: &mut H2, request| client.send_request(request).await.map(|answer| answer.status());
    let mut many = ask("/");
    for number in 0..100 {
        many.headers_mut().append("x", HeaderValue::from(number));
    }
    assert_eq!(status(&mut client, many.clone()).await.unwrap(), StatusCode::OK);
    many.headers_mut().append("x", HeaderValue::from(100));
    assert_eq!(status(&mut client, many).await.unwrap(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let long = ask(&format!("/{}", "u".repeat(8192)));
    assert_eq!(status(&mut client, long).await.unwrap(), StatusCode::URI_TOO_LONG);
    let mut large = ask("/");
    large.headers_mut().insert("x", HeaderValue::from_str(&"v".repeat(17_000)).unwrap());
    assert_eq!(status(&mut client, large).await.unwrap(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn stopping_ends_http2_connections_too() {
    let mut server = start(|server| server).await;
    let mut tasks = JoinSet::new();
    let mut client = h2(server.connect().await, 1024 * 1024, &mut tasks).await;
    client.send_request(ask("/")).await.unwrap().into_body().collect().await.unwrap();
    server.stop();
    assert_eq!(server.ended().await.cut_off(), 0);
}

// ------------------------------------------------------------------------------------------------------------- TLS

/// Writes a certificate for `a`, and gives a client configuration that trusts no other.
pub(super) fn certificate(folder: &Path) -> Arc<rustls::ClientConfig> {
    let made = rcgen::generate_simple_self_signed(["a".to_owned()]).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

fn tls(folder: &Path) -> Tls {
    Tls::from_files(folder.join("tls.crt"), folder.join("tls.key")).unwrap()
}

async fn shake(
    server: &Running,
    config: &Arc<rustls::ClientConfig>,
    protocol: &str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut config = (**config).clone();
    config.alpn_protocols = vec![protocol.into()];
    // A session that is resumed shows no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from("a").unwrap(), server.connect().await).await
}

async fn http1_get(client: &mut http1::SendRequest<Full<Bytes>>, path: &str) -> Bytes {
    let request = Request::get(path).header("host", "a").body(Full::default()).unwrap();
    client.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes()
}

#[tokio::test]
async fn tls_speaks_both_protocols_as_agreed() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certificate(folder.path());
    let server = start(|server| server.tls(tls(folder.path()))).await;
    let mut tasks = JoinSet::new();

    let stream = shake(&server, &trusted, "h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut client = h2(stream, 1024 * 1024, &mut tasks).await;
    let answer = client.send_request(ask("/who")).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "127.0.0.1 true");
    let answer = client.send_request(ask("/large")).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 1_000_000);

    let stream = shake(&server, &trusted, "http/1.1").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tasks.spawn(async { drop(connection.await) });
    assert_eq!(http1_get(&mut client, "/who").await, "127.0.0.1 true");
    assert_eq!(http1_get(&mut client, "/large").await.len(), 1_000_000);
}

#[tokio::test]
async fn a_handshake_that_fails_or_hangs_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path());
    let server = start(|server| server.tls(tls(folder.path())).handshake_timeout(SHORT).unwrap()).await;
    let mut plain = server.say(HELLO).await;
    rest(&mut plain).await;
    assert_eq!(server.stats.handshakes_failed(), 1);
    let mut silent = server.connect().await;
    rest(&mut silent).await;
    assert_eq!(server.stats.timeouts(Timeout::Handshake), 1);
}

#[tokio::test]
async fn deadlines_hold_under_tls() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = certificate(folder.path());
    let server = start(|server| {
        server.tls(tls(folder.path())).write_stall(SHORT).unwrap().head_timeout(SHORT).unwrap()
    })
    .await;
    let _silent = shake(&server, &trusted, "http/1.1").await.unwrap();
    until("a head timeout", || server.stats.timeouts(Timeout::Head) == 1).await;
    let mut stalled = shake(&server, &trusted, "http/1.1").await.unwrap();
    stalled.write_all(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    until("the stall", || server.stats.timeouts(Timeout::Write) == 1).await;
    until("the answer to be dropped", || server.held.load(Ordering::SeqCst) == 0).await;
    until("both to be forgotten", || server.stats.open() == 0).await;
}

#[tokio::test]
async fn a_new_certificate_serves_new_connections_and_a_broken_one_none() {
    let every = Duration::from_millis(100);
    let folder = tempfile::tempdir().unwrap();
    let old = certificate(folder.path());
    let server = start(|server| server.tls(tls(folder.path())).tls_reload(every).unwrap()).await;
    let stream = shake(&server, &old, "http/1.1").await.unwrap();
    let (mut open, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async { drop(connection.await) });
    assert_eq!(http1_get(&mut open, "/").await, "hello");

    let new = certificate(folder.path());
    until("the new certificate", || server.stats.reloads() == 1).await;
    assert!(shake(&server, &new, "http/1.1").await.is_ok());
    assert!(shake(&server, &old, "http/1.1").await.is_err());
    assert_eq!(http1_get(&mut open, "/").await, "hello", "the open connection goes on");

    std::fs::write(folder.path().join("tls.key"), "garbage").unwrap();
    until("the broken key to be told", || server.stats.reloads_failed() == 1).await;
    sleep(4 * every).await;
    assert_eq!(server.stats.reloads_failed(), 1, "told once");
    assert!(shake(&server, &new, "http/1.1").await.is_ok(), "the one before goes on");

    let newest = certificate(folder.path());
    until("the newest certificate", || server.stats.reloads() == 2).await;
    assert!(shake(&server, &newest, "http/1.1").await.is_ok());
}

// ------------------------------------------------------------------------------------------------------- resources

/// Runs this test again in a process that may open few files, and looks at how it ends.
#[test]
fn a_system_without_file_descriptors_does_not_end_the_server() {
    const CHILD: &str = "INGRESS_TEST_FEW_FILES";
    if std::env::var_os(CHILD).is_none() {
        let name = "server::tests::a_system_without_file_descriptors_does_not_end_the_server";
        let binary = std::env::current_exe().unwrap();
        let mut child = std::process::Command::new("sh")
            .args(["-c", "ulimit -n 64 && exec \"$0\" --exact --nocapture --test-threads=1 \"$1\""])
            .arg(binary)
            .arg(name)
            .env(CHILD, "1")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_to_string(&mut output).unwrap();
        assert!(child.wait().unwrap().success(), "{output}");
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = start(|server| server).await;
        let mut clients = Vec::new();
        // Both ends are in this process: sooner or later a client gets its connection, and the server none.
        while let Ok(tcp) = TcpStream::connect(server.address).await {
            clients.push(tcp);
            tokio::task::yield_now().await;
        }
        until("the trouble to be seen", || server.stats.accept_errors() > 0).await;
        let before = server.stats.accept_errors();
        sleep(Duration::from_millis(700)).await;
        let more = server.stats.accept_errors() - before;
        assert!(more <= 10, "it asked {more} times in 700 ms");
        clients.clear();
        until("all to be closed", || server.stats.open() == 0).await;
        let mut tcp = server.say(HELLO).await;
        read_until(&mut tcp, "hello").await;
    });
}
