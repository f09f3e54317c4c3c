//! Objects as people write them, made, changed and removed as `kubectl` does.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::TryStreamExt as _;
use futures::stream::{self, StreamExt as _};
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::definitions;

/// How many requests are under way at a time where many objects are made.
const PARALLEL: usize = 16;

/// The documents of a YAML file; comments alone are none.
///
/// # Errors
///
/// When one is no YAML.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let text = format!("\n{text}");
    let documents = text.split("\n---\n").filter(|document| {
        document.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    });
    let read = |document: &str| {
        serde_saphyr::from_str::<Value>(document).with_context(|| format!("reading {document}"))
    };
    documents.map(read).collect()
}

/// A text of an object, such as `/metadata/name`; empty where there is none.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What tells an object from others: kind, namespace and name.
#[must_use]
pub fn id(object: &Value) -> String {
    ["/kind", "/metadata/namespace", "/metadata/name"].map(|pointer| text(object, pointer)).join("/")
}

/// A cluster that objects are put into, whatever their kinds.
pub struct Manifests {
    client: Client,
    /// What the cluster said of kinds; it is asked once.
    known: Mutex<BTreeMap<(String, String), (ApiResource, Scope)>>,
}

impl std::fmt::Debug for Manifests {
    // By hand, because the client has none.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Manifests").finish_non_exhaustive()
    }
}

impl Manifests {
    /// Objects go where this client leads.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where objects of this object's kind live.
    ///
    /// # Errors
    ///
    /// When the cluster does not serve the kind in this version.
    pub async fn api(&self, object: &Value) -> Result<Api<DynamicObject>> {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let key = (version.to_owned(), kind.to_owned());
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let (resource, scope) = match known {
            Some(known) => known,
            None => {
                let (group, version) = version.split_once('/').unwrap_or(("", version));
                let (resource, capabilities) =
                    pinned_kind(&self.client, &GroupVersionKind::gvk(group, version, kind))
                        .await
                        .with_context(|| format!("{kind} of {group}/{version} is not served"))?;
                let known = (resource, capabilities.scope);
                self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, known.clone());
                known
            }
        };
        Ok(match (scope, text(object, "/metadata/namespace")) {
            (Scope::Namespaced, "") => bail!("{} has no namespace", id(object)),
            (Scope::Namespaced, namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            (Scope::Cluster, _) => Api::all_with(self.client.clone(), &resource),
        })
    }

    /// Forgets what the cluster said of kinds, after definitions have changed.
    pub fn forget(&self) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Makes an object what it is in a manifest: its spec, and then its status, as its controller would write it.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn apply(&self, object: &Value) -> Result<()> {
        let (api, name) = (self.api(object).await?, text(object, "/metadata/name"));
        let mut wanted = object.clone();
        let status = wanted.as_object_mut().and_then(|fields| fields.remove("status"));
        if let Some(metadata) = wanted.pointer_mut("/metadata").and_then(Value::as_object_mut) {
            // These are the server's.
            for field in ["creationTimestamp", "uid", "resourceVersion", "generation"] {
                metadata.remove(field);
            }
        }
        if let Some(spec) = wanted.pointer_mut("/spec").and_then(Value::as_object_mut) {
            // Of a range that is this server's own.
            spec.remove("clusterIP");
        }
        let params = PatchParams::apply("e2e").force();
        let mut applied = api.patch(name, &params, &Patch::Apply(&wanted)).await;
        if let Err(kube::Error::Api(status)) = &applied
            && status.code == 422
        {
            // What can't be changed is made anew.
            self.delete(object).await?;
            applied = api.patch(name, &params, &Patch::Apply(&wanted)).await;
        }
        let applied = applied.with_context(|| format!("applying {}", id(object)))?;
        if let Some(mut status) = status {
            follow_generation(&mut status, applied.metadata.generation.unwrap_or(1));
            let body = json!({"status": status});
            api.patch_status(name, &PatchParams::default(), &Patch::Merge(&body))
                .await
                .with_context(|| format!("the status of {}", id(object)))?;
        }
        Ok(())
    }

    /// Makes objects that are not there yet, many at a time. What is there already stays as it is.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn create(&self, objects: impl IntoIterator<Item = Value>) -> Result<()> {
        stream::iter(objects)
            .map(Ok)
            .try_for_each_concurrent(PARALLEL, async |object| {
                let api = self.api(&object).await?;
                let wanted: DynamicObject = serde_json::from_value(object.clone())?;
                match api.create(&PostParams::default(), &wanted).await {
                    Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
                    answer => answer.map(drop).with_context(|| format!("creating {}", id(&object))),
                }
            })
            .await
    }

    /// The object as it is now.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn get(&self, object: &Value) -> Result<Option<Value>> {
        let found = self.api(object).await?.get_opt(text(object, "/metadata/name")).await?;
        Ok(found.map(serde_json::to_value).transpose()?)
    }

    /// Deletes an object, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When it does not go.
    pub async fn delete(&self, object: &Value) -> Result<()> {
        let (api, name) = (self.api(object).await?, text(object, "/metadata/name"));
        // One that is not there can't be deleted, and that is as well.
        drop(api.delete(name, &DeleteParams::default().grace_period(0)).await);
        for _ in 0..500 {
            if api.get_opt(name).await?.is_none() {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("{} does not go", id(object))
    }

    /// Makes a namespace with the account that pods need, which a controller would make.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
        let metadata = json!({"name": "default", "namespace": name});
        self.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})).await
    }

    /// Whether the cluster serves this object's kind. If it does not, a definition of it is installed that admits everything; see
    /// [`definitions::permissive`].
    ///
    /// # Errors
    ///
    /// When the definition is refused, or does not come into effect.
    pub async fn serve(&self, object: &Value) -> Result<bool> {
        if self.api(object).await.is_ok() {
            return Ok(true);
        }
        self.define(&definitions::permissive(object)?).await?;
        Ok(false)
    }

    /// Installs a definition, and waits until its kind is served in all the versions that it says.
    ///
    /// # Errors
    ///
    /// When it is refused, or does not come into effect.
    pub async fn define(&self, definition: &Value) -> Result<()> {
        self.apply(definition).await?;
        self.forget();
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
        for version in versions.into_iter().flatten().filter(|version| version["served"] == true) {
            let version = format!("{}/{}", text(definition, "/spec/group"), text(version, "/name"));
            let sample = json!({
                "apiVersion": version,
                "kind": text(definition, "/spec/names/kind"),
                "metadata": {"name": "any", "namespace": "default"},
            });
            crate::wait::until("a definition to come into effect", crate::wait::PATIENCE, async || {
                Ok(self
                    .api(&sample)
                    .await?
                    .list_metadata(&kube::api::ListParams::default().limit(1))
                    .await
                    .is_ok())
            })
            .await
            .with_context(|| id(definition))?;
        }
        Ok(())
    }
}

/// What a controller says is of the generation that it saw. A manifest that has a stale one says so by a smaller number.
fn follow_generation(status: &mut Value, generation: i64) {
    match status {
        Value::Object(fields) => {
            for (key, value) in fields {
                if key == "observedGeneration" && value.as_i64().is_some_and(|observed| observed > 0) {
                    *value = generation.into();
                } else {
                    follow_generation(value, generation);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| follow_generation(item, generation)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_comments_only_is_no_document() {
        let all =
            documents("# what this is\n---\nkind: A\n---\n# nothing\n---\n# a word\nkind: B\n").unwrap();
        assert_eq!(all.iter().map(|each| text(each, "/kind")).collect::<Vec<_>>(), ["A", "B"]);
    }
}
