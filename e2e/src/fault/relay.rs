//! One connection's requests, passed on to the API server, and its answers, passed back with their faults.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::server::TlsStream;

use crate::fault::forge::{self, Events, Form};
use crate::fault::plan::{Ask, Fault, Until, Word};
use crate::fault::proxy::{Desk, Upstream, swallow};

/// The largest head of a request.
const MAX_HEAD: usize = 32 * 1024;

/// What a client of the API may be told by the server's head; the rest is between proxy and server.
const PASSED_BACK: [&str; 4] =
    ["content-type", "retry-after", "x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid"];

/// A request as it came: the engine only ever reads, so there is no body.
struct Head {
    method: String,
    uri: String,
    headers: HeaderMap,
}

/// Serves the requests of a connection until one end closes it or a fault ends it.
pub(crate) async fn requests(stream: &mut TlsStream<TcpStream>, upstream: &Upstream, desk: &Desk) {
    let mut buffer = Vec::new();
    while let Ok(Some(head)) = read_head(stream, &mut buffer).await {
        // The error is the fault that was asked for, or a peer that went: either way the connection is over.
        if answer(stream, upstream, desk, head).await.is_err() {
            return;
        }
    }
}

async fn read_head(stream: &mut TlsStream<TcpStream>, buffer: &mut Vec<u8>) -> Result<Option<Head>> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end;
        }
        if buffer.len() > MAX_HEAD || stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let rest = buffer.split_off(end + 4);
    let text = String::from_utf8(std::mem::replace(buffer, rest))?;
    let mut lines = text.trim_end().split("\r\n");
    let mut first = lines.next().context("an empty head")?.split(' ');
    let (method, uri) = (first.next().unwrap_or_default(), first.next().context("no path")?);
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').context("a header without a colon")?;
        headers.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value.trim())?);
    }
    Ok(Some(Head { method: method.to_owned(), uri: uri.to_owned(), headers }))
}

/// Which request for ingresses it is, if it is one.
fn ask_of(uri: &str) -> Option<Ask> {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    if !path.ends_with("/ingresses") {
        return None;
    }
    let has = |wanted: &str| query.split('&').any(|pair| pair == wanted);
    Some(if has("sendInitialEvents=true") {
        Ask::Streaming
    } else if has("watch=1") || has("watch=true") {
        Ask::Watch
    } else if query.split('&').any(|pair| pair.starts_with("continue=")) {
        Ask::Continue
    } else {
        Ask::List
    })
}

/// The revision that a watch goes on from.
fn revision(uri: &str) -> Option<u64> {
    let (_, query) = uri.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="))?.parse().ok()
}

async fn answer(
    stream: &mut TlsStream<TcpStream>,
    upstream: &Upstream,
    desk: &Desk,
    mut head: Head,
) -> Result<()> {
    let ask = ask_of(&head.uri);
    let faults = ask.map(|ask| desk.judge(ask, &head.uri)).unwrap_or_default();
    let mut effects = Effects::default();
    for fault in faults {
        match fault {
            Fault::Delay(delay) => sleep(delay).await,
            Fault::Answer { status, retry_after } => {
                if let Some(seconds) = retry_after {
                    desk.asked_to_wait(Duration::from_secs(seconds));
                }
                return say_status(stream, status, retry_after).await;
            }
            Fault::Portal => {
                let page = b"<!doctype html><title>Sign in</title><p>Please sign in to go on.";
                return say(stream, "200 OK", "Content-Type: text/html\r\n", page).await;
            }
            Fault::Forgotten { until: Until::Revision(until), as_status }
                if ask == Some(Ask::Watch) && revision(&head.uri).is_some_and(|from| from <= until) =>
            {
                if as_status {
                    return say_status(stream, 410, None).await;
                }
                effects.word = Some((0, Word::Error(410)));
            }
            Fault::Rewound(Until::Revision(to)) => head.uri = rewound(&head.uri, to),
            Fault::Forgotten { .. } | Fault::Rewound(Until::Beginning) => {}
            Fault::OnlyJson => {
                head.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            }
            Fault::NoStreaming => head.uri = without_streaming(&head.uri),
            Fault::Pages(size) => head.uri = paged(&head.uri, size),
            Fault::Cut(after) => effects.cut = Some(after),
            Fault::Stall(after) => effects.stall = Some(after),
            Fault::Pieces(size) => effects.pieces = Some(size),
            Fault::Say(after, word) => effects.word = Some((after, word)),
            Fault::NoBookmarks => effects.no_bookmarks = true,
        }
    }
    let mut tasks = JoinSet::new();
    let Ok(response) = pass_on(upstream, &head, &mut tasks).await else {
        return say_status(stream, 503, None).await;
    };
    let out = Out { stream, effects, written: 0 };
    pass_back(out, response).await
}

async fn say_status(stream: &mut TlsStream<TcpStream>, status: u16, retry_after: Option<u64>) -> Result<()> {
    let wait = retry_after.map(|seconds| format!("Retry-After: {seconds}\r\n")).unwrap_or_default();
    let headers = format!("Content-Type: application/json\r\n{wait}");
    say(stream, &format!("{status} Forged"), &headers, &forge::status(status)).await
}

async fn say(stream: &mut TlsStream<TcpStream>, status: &str, headers: &str, body: &[u8]) -> Result<()> {
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await?;
    stream.flush().await?;
    Ok(())
}

fn without_streaming(uri: &str) -> String {
    change(uri, |pair| {
        let streaming = pair.starts_with("sendInitialEvents=") || pair.starts_with("resourceVersionMatch=");
        (!streaming).then(|| pair.to_owned())
    })
}

fn paged(uri: &str, size: usize) -> String {
    change(uri, |pair| {
        Some(if pair.starts_with("limit=") { format!("limit={size}") } else { pair.to_owned() })
    })
}

fn rewound(uri: &str, to: u64) -> String {
    change(uri, |pair| {
        let from = pair.starts_with("resourceVersion=");
        Some(if from { format!("resourceVersion={to}") } else { pair.to_owned() })
    })
}

fn change(uri: &str, each: impl Fn(&str) -> Option<String>) -> String {
    let Some((path, query)) = uri.split_once('?') else { return uri.to_owned() };
    let pairs: Vec<String> = query.split('&').filter_map(each).collect();
    format!("{path}?{}", pairs.join("&"))
}

/// Sends the request to the API server, on a connection of its own.
async fn pass_on(upstream: &Upstream, head: &Head, tasks: &mut JoinSet<()>) -> Result<Response<Incoming>> {
    let tcp = TcpStream::connect(("127.0.0.1", upstream.port)).await?;
    tcp.set_nodelay(true)?;
    let tls = upstream.tls.connect(ServerName::try_from("localhost")?, tcp).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
    tasks.spawn(async move {
        // Its end is the end of the body that is being read.
        drop(connection.await);
    });
    let mut request =
        Request::builder().method(head.method.as_str()).uri(&head.uri).body(Empty::<Bytes>::new())?;
    *request.headers_mut() = head.headers.clone();
    request.headers_mut().remove(ACCEPT_ENCODING);
    request.headers_mut().remove(CONNECTION);
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    Ok(sender.send_request(request).await?)
}

/// What happens to one answer.
#[derive(Debug, Default)]
struct Effects {
    cut: Option<usize>,
    stall: Option<usize>,
    pieces: Option<usize>,
    word: Option<(usize, Word)>,
    no_bookmarks: bool,
}

/// The way back to the engine, which knows where it breaks.
struct Out<'a> {
    stream: &'a mut TlsStream<TcpStream>,
    effects: Effects,
    written: usize,
}

impl Out<'_> {
    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let room =
            |limit: Option<usize>| limit.map_or(usize::MAX, |limit| limit.saturating_sub(self.written));
        let (cut, stall) = (room(self.effects.cut), room(self.effects.stall));
        let allowed = bytes.len().min(cut).min(stall);
        let (now, never) = bytes.split_at_checked(allowed).unwrap_or((bytes, &[]));
        self.stream.write_all(now).await?;
        self.stream.flush().await?;
        self.written += now.len();
        if never.is_empty() {
            return Ok(());
        }
        if stall < cut {
            swallow(self.stream).await;
        }
        bail!("this is where the answer breaks");
    }

    /// Writes a part of the body, as one chunk of HTTP or as many.
    async fn body(&mut self, bytes: &[u8]) -> Result<()> {
        let size = self.effects.pieces.unwrap_or(usize::MAX).max(1);
        let mut chunks = Vec::with_capacity(bytes.len() + 16);
        for piece in bytes.chunks(size) {
            chunks.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            chunks.extend_from_slice(piece);
            chunks.extend_from_slice(b"\r\n");
        }
        self.write(&chunks).await
    }

    /// Resolves when the engine closes the connection, or says something while it should listen.
    async fn gone(&mut self) {
        let mut byte = [0; 1];
        drop(self.stream.read(&mut byte).await);
    }
}

async fn pass_back(mut out: Out<'_>, response: Response<Incoming>) -> Result<()> {
    let (parts, mut body) = response.into_parts();
    let mut head = format!("HTTP/1.1 {}\r\nTransfer-Encoding: chunked\r\n", parts.status);
    for name in PASSED_BACK {
        if let Some(value) = parts.headers.get(name) {
            head.push_str(&format!("{name}: {}\r\n", value.to_str()?));
        }
    }
    head.push_str("\r\n");
    out.write(head.as_bytes()).await?;
    let protobuf = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let protobuf = protobuf.is_some_and(|value| value.contains("protobuf"));
    let form = if protobuf { Form::Protobuf } else { Form::Json };
    let mut events = Events::new(form);
    let by_event = out.effects.word.is_some() || out.effects.no_bookmarks;
    let mut told = 0;
    loop {
        if let Some((after, word)) = out.effects.word
            && told >= after
        {
            out.body(&forge::word(word, form)).await?;
            break;
        }
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = out.gone() => bail!("the engine hung up"),
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame?.into_data() else { continue };
        if !by_event {
            out.body(&data).await?;
            continue;
        }
        for event in events.feed(&data) {
            if out.effects.no_bookmarks && events.is_bookmark(&event) {
                continue;
            }
            out.body(&event).await?;
            told += 1;
            if out.effects.word.is_some_and(|(after, _)| told >= after) {
                break;
            }
        }
    }
    out.write(b"0\r\n\r\n").await
}
