//! The engines, made to look alike: each says, step by step, how many changes it has made visible.

use anyhow::{Context as _, Result, anyhow, bail};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::{Request, header};
use http_body_util::BodyExt as _;
use ingress_core::source::WatchStream;
use ingress_core::{
    Change, Cluster, ClusterId, ClusterInfo, Deltas, Hub, Ingress, Kind, KubeSource, NamespaceRecord,
    ObjectKey, Origin, ResourceSource, Revision, Scope, SourceError, Store, Typed, Update, WatchEvent,
    WatchRequest,
};
use k8s_openapi::api::networking::v1 as typed;
use kube::api::{ApiResource, DynamicObject};
use kube::client::Body;
use kube::runtime::reflector;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, Config};

use crate::Form;
use crate::data::World;
use crate::server::{Manner, Server};

/// The release of kube-rs that this is measured against.
pub const PEER: &str = "kube-rs 5.0";

/// An engine to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Engine {
    /// This project's, reading this form.
    Ours(Form),
    /// This project's, keeping `k8s_openapi`'s type whole: what [`Typed`] costs. It reads JSON only.
    OursTyped,
    /// kube-rs: `watcher` and `reflector` of `k8s_openapi`'s type, with their default settings.
    KubeTyped,
    /// The same, reading the first state as a streaming list.
    KubeTypedStreaming,
    /// kube-rs: `watcher` and `reflector` of `DynamicObject`.
    KubeDynamic,
    /// No engine: the body's bytes through kube's client, and where each event ends.
    Floor(Form),
}

impl Engine {
    /// What it is called in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours(Form::Json) => "ours, JSON",
            Self::Ours(Form::Protobuf) => "ours, protobuf",
            Self::OursTyped => "ours, typed",
            Self::KubeTyped => "kube-rs 5.0, typed",
            Self::KubeTypedStreaming => "kube-rs 5.0, typed, streaming list",
            Self::KubeDynamic => "kube-rs 5.0, DynamicObject",
            Self::Floor(Form::Json) => "transport floor, JSON",
            Self::Floor(Form::Protobuf) => "transport floor, protobuf",
        }
    }

    /// How the server has to behave for it.
    #[must_use]
    pub fn manner(self) -> Manner {
        match self {
            Self::Ours(form) | Self::Floor(form) => Manner::speaking(form),
            Self::OursTyped | Self::KubeTyped | Self::KubeTypedStreaming | Self::KubeDynamic => {
                Manner::speaking(Form::Json)
            }
        }
    }

    /// Starts it on a server, over everything that the server has, and waits until it has the first state.
    ///
    /// # Errors
    ///
    /// When it can't start or fails on the way.
    pub async fn start(self, server: &Server) -> Result<Running> {
        let client = client(server)?;
        match self {
            Self::Ours(_) => {
                let hub = Hub::builder(source(client)?).scope(Scope::All).start();
                hub.synced().await;
                Running::of_hub(hub, server.world().size().objects)
            }
            Self::OursTyped => {
                let source = source(client)?;
                let hub = Hub::builder(NoIngresses(source.clone()));
                let hub = hub.watch::<Typed<typed::Ingress>>(source)?.scope(Scope::All).start();
                let store = hub.store::<Typed<typed::Ingress>>().context("no such store")?;
                store.synced().await.context("the hub ended")?;
                let deltas = subscribe(store, server.world().size().objects)?;
                Ok(Running(Inner::OursTyped { hub, deltas }))
            }
            Self::KubeTyped => {
                let api: Api<typed::Ingress> = Api::all(client);
                let (reader, writer) = reflector::store();
                let stream = watch(api, watcher::Config::default()).default_backoff();
                Running::of_kube(
                    Kept::Typed(reader),
                    reflector::reflector(writer, stream).map(|event| note(&event)).boxed(),
                )
                .await
            }
            Self::KubeTypedStreaming => {
                let api: Api<typed::Ingress> = Api::all(client);
                let (reader, writer) = reflector::store();
                let stream = watch(api, watcher::Config::default().streaming_lists()).default_backoff();
                Running::of_kube(
                    Kept::Typed(reader),
                    reflector::reflector(writer, stream).map(|event| note(&event)).boxed(),
                )
                .await
            }
            Self::KubeDynamic => {
                let resource = ApiResource::erase::<typed::Ingress>(&());
                let api: Api<DynamicObject> = Api::all_with(client, &resource);
                let writer = reflector::store::Writer::new(resource);
                let reader = writer.as_reader();
                let stream = watch(api, watcher::Config::default()).default_backoff();
                Running::of_kube(
                    Kept::Dynamic(reader),
                    reflector::reflector(writer, stream).map(|event| note(&event)).boxed(),
                )
                .await
            }
            Self::Floor(form) => floor(client, form).await,
        }
    }
}

/// kube's client, with its default settings, for a server.
///
/// # Errors
///
/// When it can't be built.
pub fn client(server: &Server) -> Result<Client> {
    let uri = server.url().parse().context("no address")?;
    Ok(Client::try_from(Config::new(uri))?)
}

/// Our source on a client.
///
/// # Errors
///
/// Never: the cluster's name is a good one.
pub fn source(client: Client) -> Result<KubeSource> {
    Ok(KubeSource::from_client(client, ClusterInfo::new(ClusterId::new("loopback")?, Origin::Custom)))
}

/// A cluster whose ingresses look like none: a hub always watches them as records, which a measurement of another type must
/// not pay for.
struct NoIngresses(KubeSource);

#[async_trait]
impl ResourceSource<Ingress> for NoIngresses {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<Ingress>, SourceError> {
        let synced = WatchEvent::Synced(Revision::new("1"));
        let first = request.resume.is_none().then(|| Ok(vec![synced]));
        Ok(futures::stream::iter(first).chain(futures::stream::pending()).boxed())
    }
    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        ResourceSource::<Ingress>::get(&self.0, key).await
    }
}

#[async_trait]
impl ResourceSource<NamespaceRecord> for NoIngresses {
    async fn watch(&self, request: WatchRequest) -> Result<WatchStream<NamespaceRecord>, SourceError> {
        self.0.watch(request).await
    }
    async fn get(&self, key: &ObjectKey) -> Result<Bytes, SourceError> {
        ResourceSource::<NamespaceRecord>::get(&self.0, key).await
    }
}

#[async_trait]
impl Cluster for NoIngresses {
    fn info(&self) -> ClusterInfo {
        self.0.info()
    }
    async fn probe(&self) -> Result<(), SourceError> {
        self.0.probe().await
    }
}

/// What an engine made visible.
enum Seen {
    Change,
    Synced,
    Nothing,
    Trouble,
}

fn note<K>(event: &watcher::Result<Event<K>>) -> Seen {
    match event {
        Ok(Event::Apply(_) | Event::Delete(_)) => Seen::Change,
        Ok(Event::InitDone) => Seen::Synced,
        Ok(Event::Init | Event::InitApply(_)) => Seen::Nothing,
        Err(_) => Seen::Trouble,
    }
}

/// Holds a peer's store, as the program that reads it would.
#[derive(Debug)]
enum Kept {
    Typed(reflector::Store<typed::Ingress>),
    Dynamic(reflector::Store<DynamicObject>),
}

impl Kept {
    fn len(&self) -> usize {
        match self {
            Self::Typed(store) => store.len(),
            Self::Dynamic(store) => store.len(),
        }
    }
}

/// An engine that has the first state.
pub struct Running(Inner);

enum Inner {
    Ours { hub: Hub, deltas: Deltas<Ingress> },
    OursTyped { hub: Hub, deltas: Deltas<Typed<typed::Ingress>> },
    Kube { kept: Kept, stream: BoxStream<'static, Seen> },
    Floor { chunks: BoxStream<'static, Result<Bytes>>, counter: Counter },
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("objects", &self.objects()).finish_non_exhaustive()
    }
}

impl Running {
    /// A hub that is synced, seen by a subscriber.
    ///
    /// # Errors
    ///
    /// When it does not hold that many objects.
    pub fn of_hub(hub: Hub, objects: usize) -> Result<Self> {
        let deltas = subscribe(hub.ingresses(), objects)?;
        Ok(Self(Inner::Ours { hub, deltas }))
    }

    async fn of_kube(kept: Kept, mut stream: BoxStream<'static, Seen>) -> Result<Self> {
        loop {
            match stream.next().await {
                Some(Seen::Synced) => return Ok(Self(Inner::Kube { kept, stream })),
                Some(Seen::Nothing | Seen::Change) => {}
                Some(Seen::Trouble) | None => bail!("kube-rs failed in its first list"),
            }
        }
    }

    /// How many objects it knows.
    #[must_use]
    pub fn objects(&self) -> usize {
        match &self.0 {
            Inner::Ours { hub, .. } => hub.ingresses().snapshot().len(),
            Inner::OursTyped { hub, .. } => {
                hub.store::<Typed<typed::Ingress>>().map_or(0, |store| store.snapshot().len())
            }
            Inner::Kube { kept, .. } => kept.len(),
            Inner::Floor { .. } => 0,
        }
    }

    /// Waits until so many changes were visible.
    ///
    /// # Errors
    ///
    /// When the engine fails, ends, or loses one.
    pub async fn changes(&mut self, wanted: usize) -> Result<()> {
        let mut seen = 0;
        while seen < wanted {
            seen += match &mut self.0 {
                Inner::Ours { deltas, .. } => of_update(deltas.next().await)?,
                Inner::OursTyped { deltas, .. } => of_update(deltas.next().await)?,
                Inner::Kube { stream, .. } => match stream.next().await {
                    Some(Seen::Change) => 1,
                    Some(Seen::Nothing | Seen::Synced) => 0,
                    Some(Seen::Trouble) | None => bail!("kube-rs failed in its watch"),
                },
                Inner::Floor { chunks, counter } => {
                    counter.count(&chunks.next().await.context("the watch ended")??)
                }
            };
        }
        anyhow::ensure!(seen == wanted, "{seen} changes of {wanted}");
        Ok(())
    }

    /// Waits until a state that was listed again is visible: so many objects are other ones.
    ///
    /// # Errors
    ///
    /// When the engine ends before that, or sees another number.
    pub async fn listed_again(&mut self, altered: usize) -> Result<()> {
        match &mut self.0 {
            Inner::Ours { .. } | Inner::OursTyped { .. } => self.changes(altered).await,
            Inner::Kube { stream, .. } => loop {
                match stream.next().await {
                    // The expired watch is an error on the way.
                    Some(Seen::Nothing | Seen::Trouble) => {}
                    Some(Seen::Synced) => return Ok(()),
                    Some(Seen::Change) | None => bail!("kube-rs did not list again"),
                }
            },
            Inner::Floor { .. } => bail!("nothing lists here"),
        }
    }
}

/// Subscribes to a store that has so many objects.
fn subscribe<K: Kind>(store: &Store<K>, objects: usize) -> Result<Deltas<K>> {
    let (snapshot, deltas) = store.subscribe();
    anyhow::ensure!(snapshot.len() == objects, "the hub has {} of {objects} objects", snapshot.len());
    Ok(deltas)
}

fn of_update<K>(update: Option<Update<K>>) -> Result<usize> {
    match update {
        Some(Update::Changes(batch)) => Ok(batch
            .changes
            .iter()
            .filter(|change| {
                matches!(change, Change::Added(..) | Change::Modified { .. } | Change::Deleted(..))
            })
            .count()),
        Some(Update::Reset(_)) => Err(anyhow!("the subscriber fell behind")),
        _ => Err(anyhow!("the hub ended")),
    }
}

/// Counts the ends of events, and does nothing else.
enum Counter {
    Lines,
    Frames {
        // What is left of the frame at hand, and the length bytes of the next one read so far.
        left: usize,
        prefix: Vec<u8>,
    },
}

impl Counter {
    fn count(&mut self, mut bytes: &[u8]) -> usize {
        match self {
            Self::Lines => memchr::memchr_iter(b'\n', bytes).count(),
            Self::Frames { left, prefix } => {
                let mut frames = 0;
                while !bytes.is_empty() {
                    if *left == 0 {
                        let (part, rest) = bytes.split_at(bytes.len().min(4 - prefix.len()));
                        prefix.extend_from_slice(part);
                        bytes = rest;
                        if let Some(length) = prefix.first_chunk::<4>() {
                            *left = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                            prefix.clear();
                        }
                        continue;
                    }
                    let step = bytes.len().min(*left);
                    bytes = bytes.get(step..).unwrap_or_default();
                    *left -= step;
                    frames += usize::from(*left == 0);
                }
                frames
            }
        }
    }
}

async fn floor(client: Client, form: Form) -> Result<Running> {
    let (accept, counter) = match form {
        Form::Json => ("application/json", Counter::Lines),
        Form::Protobuf => (
            "application/vnd.kubernetes.protobuf;stream=watch",
            Counter::Frames { left: 0, prefix: Vec::with_capacity(4) },
        ),
    };
    let revision = World::revision(false);
    let request =
        Request::get(format!("/apis/networking.k8s.io/v1/ingresses?watch=1&resourceVersion={revision}"))
            .header(header::ACCEPT, accept)
            .body(Body::empty())?;
    let response = client.send(request).await?;
    let chunks =
        response.into_body().into_data_stream().map(|chunk| chunk.map_err(anyhow::Error::from)).boxed();
    Ok(Running(Inner::Floor { chunks, counter }))
}
