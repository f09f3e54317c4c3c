//! What made the pods: the deployment, or whatever else, that somebody who wants to change them has to change.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::inventory::{Lookup, Reader};
use crate::kind::{DeploymentMeta, OwnerReference, Pod, ReplicaSetMeta};

/// The workloads of pods, such as `Deployment cart`, each once.
///
/// A pod says itself what made it. Of a replica set, which nobody edits, the deployment is named instead where that may be known.
pub(super) fn of(reader: &Reader<'_>, pods: &[&Arc<Pod>]) -> BTreeSet<String> {
    let makers: BTreeSet<(&str, &str, &str)> = pods
        .iter()
        .filter_map(|pod| {
            let OwnerReference { kind, name, .. } = pod.metadata.controller()?;
            Some((pod.metadata.namespace.as_str(), kind.as_str(), name.as_str()))
        })
        .collect();
    makers.into_iter().map(|(namespace, kind, name)| workload(reader, namespace, kind, name)).collect()
}

fn workload(reader: &Reader<'_>, namespace: &str, kind: &str, name: &str) -> String {
    let itself = format!("{kind} {name}");
    if kind != "ReplicaSet" {
        return itself;
    }
    let Some(set) = reader.get::<ReplicaSetMeta>(Some(namespace), name).found() else { return itself };
    let Some(owner) = set.metadata.controller() else { return itself };
    let is_gone = owner.kind == "Deployment"
        && matches!(reader.get::<DeploymentMeta>(Some(namespace), &owner.name), Lookup::Missing);
    let gone = if is_gone { ", which is gone" } else { "" };
    format!("{} {}{gone}", owner.kind, owner.name)
}
