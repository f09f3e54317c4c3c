//! The objects that tests fill a cluster with, and the truth to compare with.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use http::Request;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// How many requests the harness has under way at a time.
const PARALLEL: usize = 16;

/// `team-00`, `team-01`, …
#[must_use]
pub fn namespace_names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("team-{number:02}")).collect()
}

/// The name of the ingress with this number.
#[must_use]
pub fn name(number: usize) -> String {
    format!("app-{number:04}")
}

/// The host of the ingress with this number.
#[must_use]
pub fn host(namespace: &str, number: usize) -> String {
    format!("app-{number:04}.{namespace}.example.com")
}

/// An ingress as people write them: two hosts, three paths, TLS, the annotations of a common controller, and
/// the copy of itself that `kubectl apply` leaves behind. As the API server sends it, with its managed
/// fields, it is some 2.8 KB of JSON. Every third one has no TLS and another class, so that filters have
/// something to tell apart.
#[must_use]
pub fn ingress(namespace: &str, number: usize) -> Value {
    let (name, host) = (name(number), host(namespace, number));
    let path = |path: &str, service: &str, port: Value| json!({"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": port}}});
    let web = format!("{name}-web");
    let mut object = json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": name, "namespace": namespace,
            "labels": {
                "app.kubernetes.io/name": name,
                "app.kubernetes.io/part-of": format!("suite-{}", number % 7),
                "tier": if number.is_multiple_of(2) { "front" } else { "back" },
            },
            "annotations": {
                "cert-manager.io/cluster-issuer": "letsencrypt-production",
                "nginx.ingress.kubernetes.io/proxy-body-size": "16m",
            },
        },
        "spec": {
            "ingressClassName": if number.is_multiple_of(3) { "internal" } else { "nginx" },
            "rules": [
                {"host": host, "http": {"paths": [
                    path("/", &web, json!({"name": "http"})),
                    path("/api", &format!("{name}-api"), json!({"number": 8080})),
                ]}},
                {"host": format!("www.{host}"), "http": {"paths": [
                    path("/", &web, json!({"name": "http"})),
                ]}},
            ],
        },
    });
    if !number.is_multiple_of(3)
        && let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut)
    {
        spec.insert(
            "tls".into(),
            json!([{"hosts": [host, format!("www.{host}")], "secretName": format!("{name}-tls")}]),
        );
    }
    let applied = object.to_string();
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.insert("kubectl.kubernetes.io/last-applied-configuration".into(), applied.into());
    }
    object
}

/// Creates namespaces.
///
/// # Errors
///
/// When one cannot be created.
pub async fn create_namespaces(client: &kube::Client, names: &[String]) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    stream::iter(names)
        .map(Ok)
        .try_for_each_concurrent(PARALLEL, async |name| {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": name}}))?;
            namespaces
                .create(&PostParams::default(), &namespace)
                .await
                .with_context(|| format!("creating the namespace {name}"))?;
            Ok(())
        })
        .await
}

/// Creates `total` ingresses, numbered from 0, dealt out to the namespaces in turn.
///
/// # Errors
///
/// When one cannot be created.
pub async fn populate(client: &kube::Client, namespaces: &[String], total: usize) -> Result<()> {
    if namespaces.is_empty() {
        bail!("no namespaces to put ingresses into");
    }
    stream::iter(namespaces.iter().cycle().enumerate().take(total))
        .map(Ok)
        .try_for_each_concurrent(PARALLEL, async |(number, namespace)| {
            create(client, namespace, number).await
        })
        .await
}

/// Creates the ingress with this number.
///
/// # Errors
///
/// When the server refuses.
pub async fn create(client: &kube::Client, namespace: &str, number: usize) -> Result<()> {
    let object: Ingress = serde_json::from_value(ingress(namespace, number))?;
    let params =
        PostParams { field_manager: Some("kubectl-client-side-apply".into()), ..PostParams::default() };
    ingresses(client, namespace)
        .create(&params, &object)
        .await
        .with_context(|| format!("creating ingress {number} in {namespace}"))?;
    Ok(())
}

/// Changes an ingress with a JSON merge patch and returns its new resource version.
///
/// # Errors
///
/// When the server refuses.
pub async fn patch(client: &kube::Client, namespace: &str, name: &str, patch: &Value) -> Result<String> {
    let patched = ingresses(client, namespace)
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .with_context(|| format!("patching {namespace}/{name}"))?;
    patched.metadata.resource_version.context("no resource version")
}

/// Sets one annotation, the smallest of changes.
///
/// # Errors
///
/// When the server refuses.
pub async fn annotate(
    client: &kube::Client,
    namespace: &str,
    name: &str,
    key: &str,
    value: &str,
) -> Result<String> {
    patch(client, namespace, name, &json!({"metadata": {"annotations": {key: value}}})).await
}

/// Gives an ingress an address, as its controller would, through the status subresource.
///
/// # Errors
///
/// When the server refuses.
pub async fn set_address(client: &kube::Client, namespace: &str, name: &str, ip: &str) -> Result<()> {
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": ip}]}}});
    ingresses(client, namespace)
        .patch_status(name, &PatchParams::default(), &Patch::Merge(&status))
        .await
        .with_context(|| format!("giving {namespace}/{name} an address"))?;
    Ok(())
}

/// Deletes an ingress.
///
/// # Errors
///
/// When the server refuses.
pub async fn delete(client: &kube::Client, namespace: &str, name: &str) -> Result<()> {
    ingresses(client, namespace)
        .delete(name, &DeleteParams::default())
        .await
        .with_context(|| format!("deleting {namespace}/{name}"))?;
    Ok(())
}

/// Deletes a namespace with all its ingresses. Emptying and finalising it is the work of a controller that
/// does not run here, so this does both.
///
/// # Errors
///
/// When the server refuses.
pub async fn delete_namespace(client: &kube::Client, name: &str) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.delete(name, &DeleteParams::default()).await.with_context(|| format!("deleting {name}"))?;
    ingresses(client, name).delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    let mut namespace = namespaces.get(name).await?;
    namespace.spec.get_or_insert_default().finalizers = None;
    let request = Request::put(format!("/api/v1/namespaces/{name}/finalize"))
        .header("content-type", "application/json")
        .body(serde_json::to_vec(&namespace)?)?;
    client.request::<Value>(request).await.with_context(|| format!("finalising {name}"))?;
    Ok(())
}

/// What identifies one state of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.resourceVersion`
    pub version: String,
}

impl State {
    /// The state with these two.
    #[must_use]
    pub fn new(uid: &str, version: &str) -> Self {
        Self { uid: uid.to_owned(), version: version.to_owned() }
    }
}

/// Every ingress of the cluster as the API server lists it now, by `namespace/name`.
///
/// # Errors
///
/// When the server refuses.
pub async fn truth(client: &kube::Client) -> Result<BTreeMap<String, State>> {
    let list = Api::<Ingress>::all(client.clone()).list_metadata(&ListParams::default()).await?;
    let mut truth = BTreeMap::new();
    for object in list.items {
        let metadata = object.metadata;
        let (Some(namespace), Some(name)) = (metadata.namespace, metadata.name) else {
            bail!("a nameless ingress")
        };
        let state = State {
            uid: metadata.uid.context("no uid")?,
            version: metadata.resource_version.context("no resource version")?,
        };
        truth.insert(format!("{namespace}/{name}"), state);
    }
    Ok(truth)
}

fn ingresses(client: &kube::Client, namespace: &str) -> Api<Ingress> {
    Api::namespaced(client.clone(), namespace)
}
