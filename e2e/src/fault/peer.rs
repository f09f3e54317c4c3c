//! The peer: kube-rs's reflector with its watcher's defaults and default backoff, as its documentation shows it.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::pin;
use std::sync::MutexGuard;

use anyhow::Result;
use async_trait::async_trait;
use futures::StreamExt as _;
use k8s_openapi::api::networking::v1::Ingress;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::reflector::{self, Store};
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, watcher as watch};
use kube::{Api, Client, Config};
use tokio::task::JoinSet;

use crate::fault::engine::{Engine, Notes, Running};
use crate::fault::journal::Journal;
use crate::objects::State;

/// `kube::runtime` with all its defaults, the client's own retries among them.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is a name without contents, made by naming it")]
pub struct KubeRuntime;

struct Following {
    store: Store<Ingress>,
    notes: Notes,
    // Ends the following when dropped.
    _task: JoinSet<()>,
}

#[async_trait]
impl Engine for KubeRuntime {
    fn name(&self) -> &'static str {
        "kube-rs"
    }

    async fn start(&self, kubeconfig: &Path, namespace: Option<&str>) -> Result<Box<dyn Running>> {
        let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let api = namespace
            .map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace));
        let (store, writer) = reflector::store();
        let notes = Notes::default();
        let mut task = JoinSet::new();
        let (reader, journal) = (store.clone(), notes.clone());
        task.spawn(async move {
            let events = watch(api, watcher::Config::default()).default_backoff();
            let mut events = pin!(reflector::reflector(writer, events));
            while let Some(event) = events.next().await {
                if let Ok(event) = event {
                    note(&event, &reader, &mut journal.lock());
                }
            }
        });
        Ok(Box::new(Following { store, notes, _task: task }))
    }
}

impl Running for Following {
    fn state(&self) -> BTreeMap<String, State> {
        states(&self.store)
    }

    fn says_current(&self) -> Option<bool> {
        None
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.notes.lock()
    }

    fn describe(&self) -> String {
        format!("{} objects in the store", self.store.len())
    }
}

/// Notes what the store shows after an event, and how many events tell of what was known.
fn note(event: &Event<Ingress>, store: &Store<Ingress>, journal: &mut Journal) {
    match event {
        Event::Apply(object) => {
            let (name, state) = (name(object), state(object));
            journal.told(&name, &state);
            journal.show(&name, state);
        }
        Event::Delete(object) => journal.remove(&name(object)),
        Event::InitApply(object) => journal.told(&name(object), &state(object)),
        Event::InitDone => journal.replace(&states(store)),
        Event::Init => {}
    }
}

fn states(store: &Store<Ingress>) -> BTreeMap<String, State> {
    store.state().iter().map(|object| (name(object), state(object))).collect()
}

fn name(object: &Ingress) -> String {
    let metadata = &object.metadata;
    format!(
        "{}/{}",
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default()
    )
}

fn state(object: &Ingress) -> State {
    let metadata = &object.metadata;
    State::new(
        metadata.uid.as_deref().unwrap_or_default(),
        metadata.resource_version.as_deref().unwrap_or_default(),
    )
}
