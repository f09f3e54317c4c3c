//! This project's engine: a hub on a source that reads the kubeconfig as any program would.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::MutexGuard;

use anyhow::Result;
use async_trait::async_trait;
use ingress_core::{Change, Deltas, Hub, Ingress, Kind as _, KubeSource, ObjectKey, Scope, Snapshot, Update};
use tokio::task::JoinSet;

use crate::fault::engine::{Engine, Notes, Running};
use crate::fault::journal::Journal;
use crate::objects::State;

/// `ingress-core` with all its defaults.
#[derive(Debug)]
#[expect(clippy::exhaustive_structs, reason = "it is a name without contents, made by naming it")]
pub struct IngressCore;

struct Following {
    hub: Hub,
    notes: Notes,
    // Ends the reading when dropped.
    _task: JoinSet<()>,
}

#[async_trait]
impl Engine for IngressCore {
    fn name(&self) -> &'static str {
        "ingress-core"
    }

    async fn start(&self, kubeconfig: &Path, namespace: Option<&str>) -> Result<Box<dyn Running>> {
        let source = KubeSource::builder().kubeconfig(Some(kubeconfig.to_owned())).connect().await?;
        let scope = namespace.map_or(Ok(Scope::All), |name| Scope::namespaces([name]))?;
        let hub = Hub::builder(source).scope(scope).start();
        let notes = Notes::default();
        let (snapshot, deltas) = hub.ingresses().subscribe();
        notes.lock().replace(&states(&snapshot));
        let mut task = JoinSet::new();
        task.spawn(read(deltas, notes.clone()));
        Ok(Box::new(Following { hub, notes, _task: task }))
    }
}

impl Running for Following {
    fn state(&self) -> BTreeMap<String, State> {
        states(&self.hub.ingresses().snapshot())
    }

    fn says_current(&self) -> Option<bool> {
        let snapshot = self.hub.ingresses().snapshot();
        Some(self.hub.is_ready() && snapshot.lanes().all(|lane| lane.is_live()))
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.notes.lock()
    }

    fn describe(&self) -> String {
        let snapshot = self.hub.ingresses().snapshot();
        let lanes = snapshot.lanes().map(|lane| {
            let error = lane.error.as_ref().map(ToString::to_string).unwrap_or_default();
            let (id, state) = (&lane.id, lane.state.as_str());
            format!("{id} is {state}, {} failures, {} relists {error}", lane.failures, lane.relists)
        });
        lanes.collect::<Vec<_>>().join("; ")
    }
}

async fn read(mut deltas: Deltas<Ingress>, notes: Notes) {
    while let Some(update) = deltas.next().await {
        let mut journal = notes.lock();
        match update {
            Update::Reset(snapshot) => journal.replace(&states(&snapshot)),
            Update::Changes(batch) => batch.changes.iter().for_each(|change| note(change, &mut journal)),
            _ => {}
        }
    }
}

fn note(change: &Change<Ingress>, journal: &mut Journal) {
    match change {
        Change::Added(key, object) | Change::Modified { key, new: object, .. } => {
            let (name, state) = (name(key), state(object));
            journal.told(&name, &state);
            journal.show(&name, state);
        }
        Change::Deleted(key, _) => journal.remove(&name(key)),
        _ => {}
    }
}

fn states(snapshot: &Snapshot<Ingress>) -> BTreeMap<String, State> {
    snapshot.iter().map(|(key, object)| (name(key), state(object))).collect()
}

fn name(key: &ObjectKey) -> String {
    format!("{}/{}", key.namespace().unwrap_or_default(), key.name())
}

fn state(object: &Ingress) -> State {
    State::new(object.uid(), object.resource_version())
}
