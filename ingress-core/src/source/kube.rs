//! A real cluster, through [`kube::Client`].
//!
//! Authentication, TLS, proxies and exec plugins are the client's; lists and watches are read raw and decoded here, so
//! that nothing is parsed that is not kept. Built-in kinds are asked for in protobuf with JSON as the second choice, in one
//! request; the answer's content type says which it is.
//!
//! The current state is read as a streaming list (`sendInitialEvents`, KEP-3157), which costs the server least and goes over
//! into the watch by itself. A server that refuses or ignores that, or where it failed twice in a row, is asked for
//! pages of [`PAGE`] objects and then for a watch from the list's revision. Every watch asks for bookmarks, and asks the
//! server to end it after 5 to 10 minutes, so that connections rebalance.
//!
//! A kind may say that only some objects are to be watched, that their metadata is enough, and in which older versions it can be read
//! (`versions` says how the one that a cluster serves is found). One that stands for every kind of a group is watched as all of them (`group`).
//!
//! [`kube::Config::default_retry`] is off in clients built here: retrying is the engine's, which knows what it is for. A client
//! that the host hands in ([`KubeSource::from_client`]) keeps its own; with kube's default that means up to 15 hidden tries
//! of a call before the engine hears of a 429, 503 or 504.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::{self, Either};
use futures::stream::{self, BoxStream, FuturesUnordered};
use http::{Request, StatusCode, header, request};
use http_body_util::BodyExt;
use kube::client::Body;
use rand::RngExt;

use crate::access::{Attributes, Token, UserInfo};
use crate::classify::Class;
use crate::error::{ErrorKind, SourceError};
use crate::key::{LaneScope, Namespace, ObjectKey, Revision};
use crate::kind::Kind;
use crate::source::{Cluster, ClusterInfo, Origin, ResourceSource, WatchEvent, WatchRequest, WatchStream};
use crate::wire::json::{Lines, Page, decode_status};
use crate::wire::proto::Frames;
use crate::wire::{MAX_FRAME, json, proto};

mod config;
mod failure;
mod group;
mod lease;
mod review;
mod versions;

use versions::{Attempts, Versions};

pub use config::{ConfigError, ConfigErrorKind, KubeSourceBuilder};
pub use lease::{KubeLeases, Lease};

/// How many objects one page of a list holds.
pub const PAGE: usize = 1000;

/// How large one page may be, and any single object.
const MAX_BODY: usize = 256 * 1024 * 1024;
/// How much of an error's body is read.
const MAX_ERROR_BODY: usize = 64 * 1024;
/// How many events cross the seam in one batch at most.
const MAX_BATCH: usize = 1024;

/// A cluster behind a [`kube::Client`]. Cloning is cheap.
#[derive(Clone)]
pub struct KubeSource {
    shared: Arc<Shared>,
}

struct Shared {
    client: kube::Client,
    info: ClusterInfo,
    // Set when the server refused a streaming list, or ignored that one was asked for.
    no_streaming: AtomicBool,
    // Streaming lists that failed in a row.
    streaming_failures: AtomicU32,
    // Set when a continue token expired: the next list is read in one piece, so that it ends.
    list_whole: AtomicBool,
    versions: Versions,
}

impl std::fmt::Debug for KubeSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeSource").field("info", &self.shared.info).finish_non_exhaustive()
    }
}

impl KubeSource {
    /// Finds a cluster as `kubectl` would, and more: see [`KubeSourceBuilder::connect`].
    ///
    /// # Errors
    ///
    /// When nothing is configured, or what is configured can't be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the search.
    pub async fn infer() -> Result<Self, ConfigError> {
        Self::builder().connect().await
    }

    /// Begins to say which cluster.
    #[must_use]
    pub fn builder() -> KubeSourceBuilder {
        KubeSourceBuilder::default()
    }

    /// Reads the cluster that a client of the host's own reaches, under this name. `info.default_namespace` is filled from
    /// the client where it is not set.
    #[must_use]
    pub fn from_client(client: kube::Client, mut info: ClusterInfo) -> Self {
        if info.default_namespace.is_none() {
            info.default_namespace = Namespace::new(client.default_namespace()).ok();
        }
        info.origin = Origin::Client;
        Self::new(client, info)
    }

    fn new(client: kube::Client, info: ClusterInfo) -> Self {
        let shared = Shared {
            client,
            info,
            no_streaming: AtomicBool::new(false),
            streaming_failures: AtomicU32::new(0),
            list_whole: AtomicBool::new(false),
            versions: Versions::default(),
        };
        Self { shared: Arc::new(shared) }
    }
}

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Protobuf,
}

/// A good answer: its form, and its body in chunks.
struct Answer {
    form: Form,
    chunks: BodyChunks,
}

/// What a request wants for an answer.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Json,
    /// A list.
    List(Shape),
    Watch(Shape),
    /// One object's metadata, as JSON.
    Metadata,
}

/// In which form objects are wanted.
#[derive(Debug, Clone, Copy)]
struct Shape {
    protobuf: bool,
    only_metadata: bool,
}

impl Shape {
    fn of<K: Kind>() -> Self {
        Self { protobuf: K::PROTOBUF, only_metadata: K::resource().only_metadata }
    }
}

/// Asks for an answer in the form of protobuf, then in that of JSON, each of a metadata type, and last for whole objects: a server behind
/// an aggregation layer may know none of these types.
macro_rules! metadata {
    ($protobuf:literal, $kind:literal) => {
        concat!(
            $protobuf,
            ";as=",
            $kind,
            ";g=meta.k8s.io;v=v1,",
            "application/json;as=",
            $kind,
            ";g=meta.k8s.io;v=v1,application/json"
        )
    };
    ($kind:literal) => {
        concat!("application/json;as=", $kind, ";g=meta.k8s.io;v=v1,application/json")
    };
}

impl Wanted {
    fn accept(self) -> &'static str {
        let (Self::List(shape) | Self::Watch(shape)) = self else {
            return match self {
                Self::Metadata => metadata!("PartialObjectMetadata"),
                _ => "application/json",
            };
        };
        let list = matches!(self, Self::List(_));
        match (list, shape.only_metadata, shape.protobuf) {
            (_, false, false) => "application/json",
            (true, false, true) => "application/vnd.kubernetes.protobuf,application/json",
            (false, false, true) => "application/vnd.kubernetes.protobuf;stream=watch,application/json",
            (true, true, true) => {
                metadata!("application/vnd.kubernetes.protobuf", "PartialObjectMetadataList")
            }
            (false, true, true) => {
                metadata!("application/vnd.kubernetes.protobuf;stream=watch", "PartialObjectMetadata")
            }
            (true, true, false) => metadata!("PartialObjectMetadataList"),
            (false, true, false) => metadata!("PartialObjectMetadata"),
        }
    }
}

/// Adds the field selector of a kind to a query.
fn select<K: Kind>(query: &mut String) {
    let fields = K::resource().fields;
    if !fields.is_empty() {
        query.push_str(if query.is_empty() { "fieldSelector=" } else { "&fieldSelector=" });
        encode_query(fields, query);
    }
}

impl Shared {
    /// Sends a GET; a good answer's body is left to be read.
    async fn send(&self, path: &str, query: &str, wanted: Wanted) -> Result<Answer, SourceError> {
        let uri = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let request = Request::get(uri).header(header::ACCEPT, wanted.accept());
        self.send_request(request, Body::empty()).await
    }

    /// Asks a question that is a resource of its own: nothing is kept of it.
    async fn review(&self, path: &str, question: Vec<u8>) -> Result<Bytes, SourceError> {
        let request = Request::post(path)
            .header(header::ACCEPT, Wanted::Json.accept())
            .header(header::CONTENT_TYPE, "application/json");
        let answer = self.send_request(request, Body::from(question)).await?;
        read(answer.chunks, MAX_ERROR_BODY).await
    }

    async fn send_request(&self, request: request::Builder, body: Body) -> Result<Answer, SourceError> {
        let request = request
            .body(body)
            .map_err(|error| SourceError::new(ErrorKind::Configuration, format!("bad request: {error}")))?;
        let response = self.client.send(request).await.map_err(failure::of_client)?;
        let (parts, body) = response.into_parts();
        let chunks = body.into_data_stream().map(|chunk| chunk.map_err(failure::of_body)).boxed();
        if matches!(parts.status, StatusCode::OK | StatusCode::CREATED) {
            return Ok(Answer { form: form_of(&parts.headers)?, chunks });
        }
        let told = failure::of_headers(&parts.headers);
        // An error whose body breaks is still that error.
        let body = read(chunks, MAX_ERROR_BODY).await.unwrap_or_default();
        let error = decode_status(&body, Some(parts.status.as_u16()));
        if let Some(flow_schema) = told.flow_schema.filter(|_| error.kind() == ErrorKind::TooManyRequests) {
            tracing::warn!(
                flow_schema,
                priority_level = told.priority_level,
                "the API server asks to slow down"
            );
        }
        Err(match told.retry_after.or(error.retry_after()) {
            Some(wait) => error.with_retry_after(wait),
            None => error,
        })
    }

    async fn list_page<K: Kind>(
        &self,
        path: &str,
        continue_token: Option<&str>,
    ) -> Result<Page<K>, SourceError> {
        let mut query = String::new();
        if !self.list_whole.load(Ordering::Relaxed) {
            query = format!("limit={PAGE}");
            if let Some(token) = continue_token {
                query.push_str("&continue=");
                encode_query(token, &mut query);
            }
        }
        select::<K>(&mut query);
        let answer = self.send(path, &query, Wanted::List(Shape::of::<K>())).await?;
        let body = read(answer.chunks, MAX_BODY).await?;
        match answer.form {
            Form::Json => json::decode_list(&body),
            Form::Protobuf => proto::decode_list(&body),
        }
    }

    async fn watch_from<K: Kind>(
        &self,
        path: &str,
        revision: &Revision,
    ) -> Result<WatchStream<K>, SourceError> {
        let mut query = watch_query();
        query.push_str("&resourceVersion=");
        encode_query(revision.as_str(), &mut query);
        select::<K>(&mut query);
        let answer = self.send(path, &query, Wanted::Watch(Shape::of::<K>())).await?;
        Ok(only_news(events(answer), revision))
    }

    /// A streaming list; `None` when the server is known not to have it.
    async fn streaming_list<K: Kind>(
        self: Arc<Self>,
        path: &str,
    ) -> Option<Result<WatchStream<K>, SourceError>> {
        if self.no_streaming.load(Ordering::Relaxed)
            || self.streaming_failures.load(Ordering::Relaxed) >= STREAMING_FAILURES
        {
            return None;
        }
        let mut query = watch_query();
        query.push_str("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
        select::<K>(&mut query);
        match self.send(path, &query, Wanted::Watch(Shape::of::<K>())).await {
            Ok(answer) => Some(Ok(initial_events(self, events(answer)))),
            // 400 and 422: the server knows the parameter and does not allow it.
            Err(error) if error.kind() == ErrorKind::Rejected => {
                self.give_streaming_up("refused");
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    fn give_streaming_up(&self, why: &str) {
        if !self.no_streaming.swap(true, Ordering::Relaxed) {
            tracing::info!(cluster = %self.info.id, why, "no streaming lists here: listing in pages");
        }
    }
}

/// After how many failures in a row pages are tried instead.
const STREAMING_FAILURES: u32 = 2;
/// How long a streaming list may say nothing. A server that ignores the wish for one sends the state and then waits for
/// changes, without a word about the state being complete.
const STREAMING_SILENCE: Duration = Duration::from_secs(10);

fn watch_query() -> String {
    let seconds = rand::rng().random_range(300..600);
    format!("watch=1&allowWatchBookmarks=true&timeoutSeconds={seconds}")
}

fn form_of(headers: &http::HeaderMap) -> Result<Form, SourceError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Form::Json) };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence {
        "application/json" => Ok(Form::Json),
        "application/vnd.kubernetes.protobuf" => Ok(Form::Protobuf),
        // Probes answer in plain text.
        "text/plain" => Ok(Form::Json),
        other => {
            let other: String = other.chars().take(80).collect();
            let message = format!("an answer of type {other:?}: something other than the API server answers");
            Err(SourceError::new(ErrorKind::Malformed, message))
        }
    }
}

type BodyChunks = BoxStream<'static, Result<Bytes, SourceError>>;

async fn read(mut chunks: BodyChunks, max: usize) -> Result<Bytes, SourceError> {
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if whole.len() + chunk.len() > max {
            let message = format!("an answer is larger than the bound of {max} bytes");
            return Err(SourceError::new(ErrorKind::Malformed, message));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.into())
}

/// Cuts a watch's body, whatever its form.
enum Cutter {
    Json(Lines),
    Protobuf(Frames),
}

impl Cutter {
    fn new(form: Form) -> Self {
        match form {
            Form::Json => Self::Json(Lines::new(MAX_FRAME)),
            Form::Protobuf => Self::Protobuf(Frames::new(MAX_FRAME)),
        }
    }

    /// Decodes what a chunk completes. What came whole before an error is still true, and stays in the batch.
    fn feed<K: Kind>(&mut self, chunk: &[u8], batch: &mut Vec<WatchEvent<K>>) -> Result<(), SourceError> {
        match self {
            Self::Json(lines) => lines.feed(chunk, |line| {
                batch.push(json::decode_event(line)?);
                Ok(())
            }),
            Self::Protobuf(frames) => frames.feed(chunk, |frame| {
                batch.push(proto::decode_event(frame)?);
                Ok(())
            }),
        }
    }

    fn is_truncated(&self) -> bool {
        match self {
            Self::Json(lines) => lines.is_truncated(),
            Self::Protobuf(frames) => frames.is_truncated(),
        }
    }
}

/// A watch's body, as it is read.
struct Reading {
    chunks: BodyChunks,
    cutter: Cutter,
    /// What ends the stream, once what came before it was handed on.
    end: Option<Result<(), SourceError>>,
}

impl Reading {
    /// The next batch: all that is there, up to [`MAX_BATCH`] events. The API server sends each event by itself; handing
    /// them on one by one would pay for a wake-up of everything behind it each time.
    ///
    /// The connection hands its chunks over one by one, from a task of its own, which has more of them until it has to ask
    /// the kernel. So a batch is what comes before the runtime asks the kernel next: what `yield_now` waits for. It stands in
    /// a set of its own because only a set polls it no sooner than it was woken.
    async fn next<K: Kind>(&mut self) -> Option<Result<Vec<WatchEvent<K>>, SourceError>> {
        let mut batch = Vec::new();
        let mut turn = FuturesUnordered::new();
        while self.end.is_none() && batch.len() < MAX_BATCH {
            let chunk = if batch.is_empty() {
                self.chunks.next().await
            } else {
                if turn.is_empty() {
                    turn.push(tokio::task::yield_now());
                }
                match future::select(self.chunks.next(), turn.next()).await {
                    Either::Left((chunk, _)) => chunk,
                    Either::Right(_) => break,
                }
            };
            self.end = match chunk {
                Some(Ok(chunk)) => self.cutter.feed(&chunk, &mut batch).err().map(Err),
                Some(Err(error)) => Some(Err(error)),
                None if self.cutter.is_truncated() => {
                    let message = "the watch broke in the middle of an event";
                    Some(Err(SourceError::new(ErrorKind::Disconnected, message)))
                }
                None => Some(Ok(())),
            };
        }
        if batch.is_empty() {
            // The error is the last item; after it, as after an end in order, there is nothing.
            let end = self.end.replace(Ok(()));
            return end.and_then(Result::err).map(Err);
        }
        Some(Ok(batch))
    }
}

/// The events in a watch's body. The stream ends with the body, or with the first error.
fn events<K: Kind>(answer: Answer) -> WatchStream<K> {
    let reading = Reading { chunks: answer.chunks, cutter: Cutter::new(answer.form), end: None };
    stream::unfold(reading, async |mut reading| reading.next().await.map(|batch| (batch, reading))).boxed()
}

/// Leaves out of a resumed watch what is not newer than its resume point: a cache on the way that goes back in time must not
/// make readers go back, too. Kubernetes' revisions are decimal numbers that grow with every event of a watch (KEP-5504); of
/// an API whose are not, everything is passed on.
fn only_news<K: Kind>(watch: WatchStream<K>, resume: &Revision) -> WatchStream<K> {
    let Ok(mut last) = resume.as_str().parse::<u64>() else { return watch };
    let mut told = false;
    let news = watch.map(move |batch| {
        let mut batch = batch?;
        let before = batch.len();
        batch.retain(|event| {
            let revision = match event {
                WatchEvent::Applied(object) => object.resource_version(),
                WatchEvent::Deleted(gone) => gone.revision.as_str(),
                WatchEvent::Bookmark(revision) => revision.as_str(),
                WatchEvent::Listed(_) | WatchEvent::Synced(_) => return true,
            };
            let Ok(revision) = revision.parse::<u64>() else { return true };
            // A bookmark may repeat the resume point; nothing else may.
            let news = revision > last || (revision == last && matches!(event, WatchEvent::Bookmark(_)));
            last = last.max(revision);
            news
        });
        let old = before - batch.len();
        if old > 0 && !std::mem::replace(&mut told, true) {
            tracing::warn!(kind = %K::resource().kind, old, "a watch began before its resume point; what is old is left out");
        }
        Ok(batch)
    });
    news.boxed()
}

/// Makes a streaming list of a watch's events: what is added before the state is complete, is listed.
fn initial_events<K: Kind>(shared: Arc<Shared>, watch: WatchStream<K>) -> WatchStream<K> {
    let listing = stream::unfold(Some((watch, false)), move |state| {
        let shared = shared.clone();
        async move {
            let (mut watch, synced) = state?;
            if synced {
                let batch = watch.next().await?;
                return Some((batch, Some((watch, true))));
            }
            let failed = |error| {
                shared.streaming_failures.fetch_add(1, Ordering::Relaxed);
                Some((Err(error), None))
            };
            let mut batch = match tokio::time::timeout(STREAMING_SILENCE, watch.next()).await {
                Ok(Some(Ok(batch))) => batch,
                Ok(Some(Err(error))) => return failed(error),
                Ok(None) => {
                    shared.streaming_failures.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
                Err(_) => {
                    let message = "a streaming list said nothing more before it was complete";
                    return failed(SourceError::new(ErrorKind::Timeout, message));
                }
            };
            let mut synced = false;
            for event in &mut batch {
                match event {
                    WatchEvent::Synced(_) => synced = true,
                    WatchEvent::Bookmark(_) if !synced => {
                        shared.give_streaming_up("ignored");
                        let message = "the server ignored the wish for a streaming list";
                        return Some((Err(SourceError::new(ErrorKind::Disconnected, message)), None));
                    }
                    WatchEvent::Applied(_) if !synced => as_listed(event),
                    _ => {}
                }
            }
            if synced {
                shared.streaming_failures.store(0, Ordering::Relaxed);
            }
            Some((Ok(batch), Some((watch, synced))))
        }
    });
    listing.boxed()
}

fn as_listed<K>(event: &mut WatchEvent<K>) {
    let placeholder = WatchEvent::Bookmark(Revision::new(""));
    *event = match std::mem::replace(event, placeholder) {
        WatchEvent::Applied(object) => WatchEvent::Listed(object),
        other => other,
    };
}

/// Where a list stands.
enum Listing {
    Page { continue_token: Option<String> },
    Watch { revision: Revision },
}

#[async_trait]
impl<K: Kind> ResourceSource<K> for KubeSource {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<K>, SourceError> {
        let namespace = match &request.scope {
            LaneScope::Namespace(namespace) => Some(namespace.as_str()),
            LaneScope::Cluster => None,
        };
        let resource = K::resource();
        if resource.whole_group {
            return group::watch(self, &request).await;
        }
        let mut attempts = Attempts::new(&self.shared, resource.clone());
        let mut said = None;
        while let Some(version) = attempts.next().await {
            match self.watch_at(resource.path_in(&version, namespace), &request).await {
                Err(error) if error.kind() == ErrorKind::NotFound => said = Some(error),
                Err(error) => return Err(error),
                Ok(stream) => {
                    attempts.found(&version);
                    return Ok(stream);
                }
            }
        }
        Err(attempts.absent(said))
    }

    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        let resource = K::resource();
        if resource.confidential {
            let message = format!("a {} is not handed out", resource.kind);
            return Err(SourceError::new(ErrorKind::Configuration, message));
        }
        // Names come from whoever asks; only what can be a name may become part of a path.
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= 253
                && name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
                && !name.starts_with('.')
        };
        if !is_name(key.name()) || !key.namespace().is_none_or(is_name) {
            return Err(SourceError::new(
                ErrorKind::NotFound,
                format!("{key} can't be the name of an object"),
            ));
        }
        let collection = resource.path_in(&self.shared.versions.of(&resource), key.namespace());
        let wanted = if resource.only_metadata { Wanted::Metadata } else { Wanted::Json };
        let answer = self.shared.send(&format!("{collection}/{}", key.name()), "", wanted).await?;
        read(answer.chunks, MAX_BODY).await
    }
}

impl KubeSource {
    /// Starts a watch of the collection at this path.
    async fn watch_at<K: Kind>(
        &self,
        path: String,
        request: &WatchRequest,
    ) -> Result<WatchStream<K>, SourceError> {
        let shared = self.shared.clone();
        if let Some(revision) = &request.resume {
            return shared.watch_from(&path, revision).await;
        }
        if let Some(stream) = shared.clone().streaming_list(&path).await {
            return stream;
        }
        // The first page is asked for here, so that a refusal is an answer to this call.
        let (first, next) = list_step(&shared, &path, None).await?;
        let rest = stream::unfold(next, move |listing| {
            let (shared, path) = (shared.clone(), path.clone());
            async move {
                match listing? {
                    Listing::Page { continue_token } => match list_step(&shared, &path, continue_token).await
                    {
                        Ok((batches, next)) => Some((batches_stream(batches), next)),
                        Err(error) => Some((stream::iter([Err(error)]).boxed(), None)),
                    },
                    Listing::Watch { revision } => match shared.watch_from(&path, &revision).await {
                        Ok(events) => Some((events, None)),
                        Err(error) => Some((stream::iter([Err(error)]).boxed(), None)),
                    },
                }
            }
        });
        Ok(batches_stream(first).chain(rest.flatten()).boxed())
    }
}

fn batches_stream<K: Kind>(batches: Vec<Vec<WatchEvent<K>>>) -> WatchStream<K> {
    stream::iter(batches.into_iter().map(Ok)).boxed()
}

/// Reads one page, as batches, and says what comes next.
async fn list_step<K: Kind>(
    shared: &Shared,
    path: &str,
    continue_token: Option<String>,
) -> Result<(Vec<Vec<WatchEvent<K>>>, Option<Listing>), SourceError> {
    let continuing = continue_token.is_some();
    let page = match shared.list_page::<K>(path, continue_token.as_deref()).await {
        Ok(page) => page,
        Err(error) => {
            if continuing && error.kind() == ErrorKind::Expired {
                // The list took longer than the server keeps history. The lane begins anew; this time, in one piece.
                shared.list_whole.store(true, Ordering::Relaxed);
            }
            if !matches!(error.class(), Class::Permanent) {
                // Neither way works just now; the better one is tried first again.
                shared.streaming_failures.store(0, Ordering::Relaxed);
            }
            return Err(error);
        }
    };
    let mut batches = Vec::new();
    let mut items = page.items.into_iter().map(WatchEvent::Listed).peekable();
    while items.peek().is_some() {
        batches.push(items.by_ref().take(MAX_BATCH).collect());
    }
    let next = match page.continue_token {
        Some(token) => Listing::Page { continue_token: Some(token) },
        None => {
            shared.list_whole.store(false, Ordering::Relaxed);
            batches.push(vec![WatchEvent::Synced(page.revision.clone())]);
            Listing::Watch { revision: page.revision }
        }
    };
    Ok((batches, Some(next)))
}

#[async_trait]
impl Cluster for KubeSource {
    fn info(&self) -> ClusterInfo {
        self.shared.info.clone()
    }

    async fn probe(&self) -> Result<(), SourceError> {
        let answer = self.shared.send("/readyz", "", Wanted::Json).await?;
        read(answer.chunks, MAX_ERROR_BODY).await.map(drop)
    }

    async fn review_token(
        &self,
        token: &Token,
        audiences: &[String],
    ) -> Result<Option<UserInfo>, SourceError> {
        let answer = self.shared.review(review::TOKEN_REVIEWS, review::of_token(token, audiences)?).await?;
        review::user_in(&answer, audiences)
    }

    async fn review_access(&self, user: &UserInfo, attributes: &Attributes) -> Result<bool, SourceError> {
        let answer = self.shared.review(review::ACCESS_REVIEWS, review::of_access(user, attributes)?).await?;
        review::allowed_in(&answer)
    }
}

/// Percent-encodes a query's value (RFC 3986, section 2.3: all but unreserved characters).
fn encode_query(value: &str, query: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// How long a TCP connection may be idle before the kernel asks whether the peer is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
