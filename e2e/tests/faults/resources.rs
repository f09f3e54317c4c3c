//! A custom resource whose definition is removed and installed again under a lane that runs all the time: once under
//! the engine's eyes, and once while it can see nothing.
//!
//! With the definition, the API server deletes its objects, ends their watches, and then answers 404. What the lane saw
//! before that is no point to resume from in what is installed later.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::fault::journal::Journal;
use e2e::fault::site::Site;
use e2e::objects::{self, State};
use e2e::wait;
use ingress_core::{
    Change, Deltas, ErrorKind, Hub, Kind as _, KubeSource, LaneState, LaneStatus, Snapshot, Store, Typed,
    Update,
};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const WITHIN: Duration = Duration::from_secs(30);

/// How long the lane may take to see that what it follows is gone.
const NOTICE: Duration = Duration::from_secs(5);

/// How long there is no such resource.
const ABSENT: Duration = Duration::from_secs(10);

/// Removed and installed again under the engine's eyes.
#[derive(kube::CustomResource, Debug, Clone, Serialize, Deserialize)]
#[kube(group = "workshop.example", version = "v1", kind = "Gadget", namespaced, schema = "disabled")]
struct GadgetSpec {
    size: u32,
}

/// The same while it can see nothing.
#[derive(kube::CustomResource, Debug, Clone, Serialize, Deserialize)]
#[kube(group = "workshop.example", version = "v1", kind = "Widget", namespaced, schema = "disabled")]
struct WidgetSpec {
    size: u32,
}

/// Anything that `#[derive(CustomResource)]` makes of a namespaced kind.
trait Custom:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + DeserializeOwned
    + Serialize
    + Clone
    + Debug
    + Send
    + Sync
    + 'static
{
}

impl Custom for Gadget {}
impl Custom for Widget {}

pub(crate) async fn come_and_go_in_sight(site: &Site<'_>) -> Result<()> {
    let (_proxy, kubeconfig) = site.proxy("custom-in-sight").await?;
    let workshop = Workshop::<Gadget>::open(site, "custom-in-sight").await?;
    workshop.install().await?;
    workshop.create(0..8).await?;
    let engine = Engine::<Gadget>::start(&kubeconfig).await?;
    engine.equals(&workshop, 8, WITHIN).await?;

    workshop.remove().await?;
    let gone = Instant::now();
    engine.shows_nothing().await?;
    engine.misses_the_resource().await?;
    sleep(ABSENT).await;
    let (absent, back) = (gone.elapsed(), Instant::now());
    engine.was_not_live(gone + NOTICE, back)?;
    workshop.install().await?;
    // Some names are those of before, and none of the objects is.
    workshop.create(5..12).await?;
    // No pause of a refused lane is longer than twice all before it, and 2 s.
    engine.equals(&workshop, 7, 2 * absent + NOTICE).await?;

    // So soon that the lane may never hear of it.
    workshop.remove().await?;
    workshop.install().await?;
    workshop.create(6..9).await?;
    engine.equals(&workshop, 3, WITHIN).await?;
    engine.in_order()
}

pub(crate) async fn come_and_go_out_of_sight(site: &Site<'_>) -> Result<()> {
    let (proxy, kubeconfig) = site.proxy("custom-out-of-sight").await?;
    let workshop = Workshop::<Widget>::open(site, "custom-out-of-sight").await?;
    let engine = Engine::<Widget>::start(&kubeconfig).await?;
    // It is asked for before anybody installs it.
    engine.misses_the_resource().await?;
    workshop.install().await?;
    workshop.create(0..8).await?;
    engine.equals(&workshop, 8, WITHIN).await?;

    proxy.refuse();
    engine.is_not_live().await?;
    workshop.remove().await?;
    workshop.install().await?;
    workshop.create(5..12).await?;
    proxy.heal();
    engine.equals(&workshop, 7, WITHIN).await?;

    proxy.refuse();
    engine.is_not_live().await?;
    workshop.remove().await?;
    proxy.heal();
    let gone = Instant::now();
    engine.misses_the_resource().await?;
    // Nobody said that the objects are gone, so they stay, and are called stale.
    let lane = engine.lane().context("no lane")?;
    ensure!(lane.stale_since.is_some(), "{} objects that are not there, unmarked", engine.state().len());
    sleep(NOTICE).await;
    engine.was_not_live(gone, Instant::now())?;
    workshop.install().await?;
    workshop.create(10..14).await?;
    engine.equals(&workshop, 4, WITHIN).await?;
    engine.in_order()
}

/// The definition of a custom resource, and its objects, by the administrator's hand.
struct Workshop<T> {
    client: kube::Client,
    namespace: &'static str,
    objects: Api<T>,
}

impl<T: Custom> Workshop<T> {
    async fn open(site: &Site<'_>, namespace: &'static str) -> Result<Self> {
        let client = site.client().clone();
        objects::create_namespaces(&client, &[namespace.to_owned()]).await?;
        site.allow_to_read(&T::group(&()), &T::plural(&())).await?;
        let objects = Api::namespaced(client.clone(), namespace);
        Ok(Self { client, namespace, objects })
    }

    fn name() -> String {
        format!("{}.{}", T::plural(&()), T::group(&()))
    }

    /// Installs the definition, and waits until its objects can be listed.
    async fn install(&self) -> Result<()> {
        let (plural, kind) = (T::plural(&()), T::kind(&()));
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let definition: CustomResourceDefinition = serde_json::from_value(json!({
            "metadata": {"name": Self::name()},
            "spec": {
                "group": T::group(&()), "scope": "Namespaced",
                "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind},
                "versions": [{
                    "name": T::version(&()), "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": schema},
                }],
            },
        }))?;
        Api::all(self.client.clone()).create(&PostParams::default(), &definition).await?;
        wait::until("the resource to be served", WITHIN, async || {
            Ok(self.objects.list(&ListParams::default()).await.is_ok())
        })
        .await
    }

    /// Removes the definition, and waits until there is no such resource.
    async fn remove(&self) -> Result<()> {
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        definitions.delete(&Self::name(), &DeleteParams::default()).await?;
        wait::until("the resource to be gone", WITHIN, async || {
            let known = definitions.get_opt(&Self::name()).await?.is_some();
            let listed = self.objects.list(&ListParams::default()).await;
            Ok(!known && matches!(listed, Err(kube::Error::Api(status)) if status.code == 404))
        })
        .await
    }

    async fn create(&self, numbers: std::ops::Range<usize>) -> Result<()> {
        for number in numbers {
            let name = objects::name(number);
            let object: T = serde_json::from_value(json!({
                "apiVersion": T::api_version(&()), "kind": T::kind(&()),
                "metadata": {"name": name, "namespace": self.namespace}, "spec": {"size": number},
            }))?;
            // A definition that was just installed is not known to all of the server at the same time.
            wait::until("an object to be created", WITHIN, async || {
                self.objects.create(&PostParams::default(), &object).await?;
                Ok(true)
            })
            .await?;
        }
        Ok(())
    }

    async fn truth(&self) -> Result<BTreeMap<String, State>> {
        let list = self.objects.list(&ListParams::default()).await.context("a fresh list")?;
        let state = |object: &T| -> Result<(String, State)> {
            let uid = object.uid().context("no uid")?;
            let version = object.resource_version().context("no resource version")?;
            Ok((format!("{}/{}", self.namespace, object.name_any()), State::new(&uid, &version)))
        };
        list.items.iter().map(state).collect()
    }
}

/// The engine, with its lane of the custom resource, and a reader who writes down what it is told.
struct Engine<T> {
    hub: Hub,
    kind: std::marker::PhantomData<T>,
    notes: Arc<Mutex<Notes>>,
    // Ends the reading when dropped.
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Notes {
    journal: Journal,
    /// What the lane said of itself, and when.
    said: Vec<(Instant, LaneState)>,
}

impl<T: Custom> Engine<T> {
    async fn start(kubeconfig: &std::path::Path) -> Result<Self> {
        let source = KubeSource::builder().kubeconfig(Some(kubeconfig.to_owned())).connect().await?;
        let hub = Hub::builder(source.clone()).watch::<Typed<T>>(source)?.start();
        let (snapshot, deltas) = store::<T>(&hub)?.subscribe();
        let notes = Arc::<Mutex<Notes>>::default();
        reset(&mut lock(&notes), &snapshot);
        let mut task = JoinSet::new();
        task.spawn(read(deltas, Arc::clone(&notes)));
        Ok(Self { hub, kind: std::marker::PhantomData, notes, _task: task })
    }

    fn snapshot(&self) -> Option<Snapshot<Typed<T>>> {
        self.hub.store::<Typed<T>>().map(Store::snapshot)
    }

    fn lane(&self) -> Option<Arc<LaneStatus>> {
        self.snapshot()?.lanes().next().cloned()
    }

    fn state(&self) -> BTreeMap<String, State> {
        self.snapshot().map(|snapshot| states(&snapshot)).unwrap_or_default()
    }

    fn shows(&self, truth: &BTreeMap<String, State>) -> bool {
        self.state() == *truth && lock(&self.notes).journal.shown() == truth
    }

    /// Waits until state and reader have what the cluster has, and the lane says so.
    async fn equals(&self, workshop: &Workshop<T>, count: usize, within: Duration) -> Result<()> {
        let truth = workshop.truth().await?;
        ensure!(truth.len() == count, "the cluster has {} instead of {count}", truth.len());
        let outcome = wait::until("the objects as they are", within, async || {
            Ok(self.shows(&truth) && self.lane().is_some_and(|lane| lane.is_live()))
        })
        .await;
        outcome.with_context(|| format!("{:?}, {:?}", self.state(), self.lane()))
    }

    async fn shows_nothing(&self) -> Result<()> {
        let outcome = wait::until("no object", NOTICE, async || Ok(self.shows(&BTreeMap::new()))).await;
        outcome.with_context(|| format!("{:?}, {:?}", self.state(), self.lane()))
    }

    async fn is_not_live(&self) -> Result<()> {
        wait::until("the lane to notice", WITHIN, async || {
            Ok(self.lane().is_some_and(|lane| !lane.is_live()))
        })
        .await
    }

    /// Waits until the lane says that there is no such resource.
    async fn misses_the_resource(&self) -> Result<()> {
        let outcome = wait::until("the lane to miss the resource", WITHIN, async || {
            let lane = self.lane().context("no lane")?;
            let not_found = lane.error.as_ref().is_some_and(|error| error.kind() == ErrorKind::NotFound);
            Ok(lane.state == LaneState::Denied && not_found)
        })
        .await;
        outcome.with_context(|| format!("{:?}", self.lane()))
    }

    /// At no moment between these two did the lane say that it was live.
    fn was_not_live(&self, from: Instant, to: Instant) -> Result<()> {
        let notes = lock(&self.notes);
        let ends = notes.said.iter().skip(1).map(|(at, _)| *at).chain([to]);
        for ((begun, state), end) in notes.said.iter().zip(ends) {
            let live = *state == LaneState::Live && *begun < to && end > from;
            ensure!(
                !live,
                "live until {:.1?} after the resource was gone",
                end.saturating_duration_since(from)
            );
        }
        Ok(())
    }

    fn in_order(&self) -> Result<()> {
        let notes = lock(&self.notes);
        let (disorder, flicker) = (notes.journal.disorder(), notes.journal.flicker());
        ensure!(disorder.is_empty() && flicker.is_empty(), "{disorder:?}, {flicker:?}");
        Ok(())
    }
}

fn store<T: Custom>(hub: &Hub) -> Result<&Store<Typed<T>>> {
    hub.store().context("the hub does not watch it")
}

async fn read<T: Custom>(mut deltas: Deltas<Typed<T>>, notes: Arc<Mutex<Notes>>) {
    while let Some(update) = deltas.next().await {
        let mut notes = lock(&notes);
        match update {
            Update::Reset(snapshot) => reset(&mut notes, &snapshot),
            Update::Changes(batch) => batch.changes.iter().for_each(|change| note(change, &mut notes)),
            _ => {}
        }
    }
}

fn reset<T: Custom>(notes: &mut Notes, snapshot: &Snapshot<Typed<T>>) {
    notes.journal.replace(&states(snapshot));
    notes.said.extend(snapshot.lanes().map(|lane| (Instant::now(), lane.state)));
}

fn note<T: Custom>(change: &Change<Typed<T>>, notes: &mut Notes) {
    match change {
        Change::Added(_, object) | Change::Modified { new: object, .. } => {
            let (key, state) = state(object);
            notes.journal.show(&key, state);
        }
        Change::Deleted(_, object) => notes.journal.remove(&state(object).0),
        Change::Lane(lane) => notes.said.push((Instant::now(), lane.state)),
        _ => {}
    }
}

fn states<T: Custom>(snapshot: &Snapshot<Typed<T>>) -> BTreeMap<String, State> {
    snapshot.iter().map(|(_, object)| state(object)).collect()
}

fn state<T: Custom>(object: &Typed<T>) -> (String, State) {
    let key = format!("{}/{}", object.namespace().unwrap_or_default(), object.name());
    (key, State::new(object.uid(), object.resource_version()))
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}
