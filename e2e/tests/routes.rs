//! Every check on a real API server: what it is for is applied and found within five seconds, what mends it is applied, and the finding goes.
//!
//! The scenarios are the fixtures of the checks (`ingress-core/tests/checks/CODE/{bad,good}.yaml`), so that what is said of files is also said of a
//! cluster that was watched: through protobuf, field selectors, and definitions that are installed while the engine runs. No controller runs
//! here; what one would write into a status is in the fixtures.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::access::Account;
use e2e::cluster::Cluster;
use e2e::kubeconfig::Login;
use e2e::lab::scenario_with;
use ingress_core::diagnose::{Assessed, Settings, Verdict, diagnose_all, lint};
use ingress_core::routes::Routes;
use ingress_core::{ClusterId, ClusterInfo, Hub, KubeSource, Origin};
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

/// How long a finding may take to appear, and to go.
const BAR: Duration = Duration::from_secs(5);
/// Scenarios that can't be here, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("ING003", "the API server gives an ingress without a class the newest of the default ones"),
    ("GW003", "the API server refuses such a gateway"),
    ("ING006", "the API server refuses such an ingress"),
    ("ING008", "the API server refuses such an ingress"),
    ("ING014", "the API server refuses such an ingress"),
    ("ING017", "the API server refuses such an object"),
    ("ING018", "the definitions of cert-manager are not installed"),
    ("ING022", "what changed is told of for an hour"),
    ("POD007", "a deletion time can't be set"),
    ("SVC012", "a deletion time can't be set"),
    ("SVC013", "events are judged by the time of day, and those of the fixtures by June 2026"),
    ("TLS001", "certificates are judged by the time of day, and those of the fixtures by June 2026"),
    ("TLS002", "as TLS001"),
    ("TLS003", "as TLS001"),
    ("TLS006", "as ING018"),
    ("TLS007", "as ING018"),
    ("TLS008", "as TLS001"),
    ("TLS009", "as TLS001"),
    ("OWN001", "the definitions of Flux are not installed"),
    ("POL001", "the definitions of policy reports are not installed"),
    ("GW007", "the condition is the controller's, and its definition is the current one"),
    ("RT013", "the definitions of Traefik are not installed"),
    ("GW009", "the definitions of Envoy Gateway are not installed"),
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder with the definitions of Gateway API.
fn definitions() -> Result<PathBuf> {
    let output = Command::new(workspace().join("e2e/servers/definitions/build")).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()).join("standard"))
}

/// The documents of a fixture. A fixture that says what may not be read needs a cluster of its own.
fn documents(code: &str, which: &str) -> Result<Option<Vec<Value>>> {
    let path = workspace().join(format!("ingress-core/tests/checks/{code}/{which}.yaml"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    if text.lines().any(|line| line.starts_with("# unknown: ")) {
        return Ok(None);
    }
    let documents = text.split("\n---\n").map(serde_saphyr::from_str::<Value>);
    Ok(Some(documents.collect::<Result<_, _>>()?))
}

/// Where objects of a kind live: all that fixtures have, with plurals as English has them.
fn api(client: &Client, object: &Value) -> Result<Api<DynamicObject>> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
    let (version, kind) = (text("/apiVersion").context("no apiVersion")?, text("/kind").context("no kind")?);
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let lower = kind.to_ascii_lowercase();
    let plural = match lower.as_str() {
        lower if lower.ends_with("policy") => format!("{}ies", lower.trim_end_matches('y')),
        lower if lower.ends_with('s') => format!("{lower}es"),
        lower => format!("{lower}s"),
    };
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), &plural);
    Ok(match text("/metadata/namespace") {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    })
}

fn name(object: &Value) -> Result<&str> {
    object.pointer("/metadata/name").and_then(Value::as_str).context("no name")
}

fn id(object: &Value) -> String {
    let part = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    [part("/kind"), part("/metadata/namespace"), part("/metadata/name")].join("/")
}

/// Makes an object what it is in a fixture: its spec, and then its status.
async fn apply(client: &Client, object: &Value) -> Result<()> {
    let (api, name) = (api(client, object)?, name(object)?);
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
        delete(client, object).await?;
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

/// What a controller says is of the generation that it saw. A fixture that has a stale one says so by a smaller number.
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

/// Deletes an object, and waits until it is gone.
async fn delete(client: &Client, object: &Value) -> Result<()> {
    let (api, name) = (api(client, object)?, name(object)?);
    // One that is not there can't be deleted, and that is as well.
    drop(api.delete(name, &DeleteParams::default().grace_period(0)).await);
    for _ in 0..200 {
        if api.get_opt(name).await?.is_none() {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    bail!("{} does not go", id(object))
}

/// A namespace with the account that pods need, which a controller would make.
async fn namespace(client: &Client, name: &str) -> Result<()> {
    apply(client, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": name}});
    apply(client, &account).await
}

/// As people have them, but for patience.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.grace = Duration::from_secs(1);
    settings
}

/// Whether the judgements that are kept are those that would be made from scratch.
async fn kept_is_true(routes: &Routes, cluster: &ClusterId) -> Result<()> {
    let verdicts = |all: &mut dyn Iterator<Item = &Assessed>| -> BTreeMap<_, _> {
        all.map(|assessed| (assessed.route.id, assessed.diagnosis.verdict)).collect()
    };
    let begun = Instant::now();
    loop {
        let snapshot = routes.snapshot();
        let scratch =
            diagnose_all(snapshot.inventory(), cluster, ingress_core::clock::wall_now(), &settings());
        let kept = verdicts(&mut snapshot.iter().map(|assessed| &**assessed));
        let scratch = verdicts(&mut scratch.iter());
        // What time alone changes is kept a moment later.
        if kept == scratch {
            return Ok(());
        }
        ensure!(begun.elapsed() < BAR, "kept {kept:?}, from scratch {scratch:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a code is found, or isn't any more; how long it took, or what is found instead.
async fn until(routes: &Routes, cluster: &ClusterId, code: &str, wanted: bool) -> Result<Duration> {
    let settings = settings();
    let begun = Instant::now();
    let found = || {
        let snapshot = routes.snapshot();
        lint(snapshot.inventory(), cluster, ingress_core::clock::wall_now(), &settings).findings
    };
    while begun.elapsed() < BAR {
        if found().iter().any(|finding| finding.code == code) == wanted {
            let took = begun.elapsed();
            kept_is_true(routes, cluster).await?;
            return Ok(took);
        }
        sleep(Duration::from_millis(20)).await;
    }
    let what = if wanted { "was not found" } else { "is still found" };
    bail!("{code} {what} after {BAR:?}; there is {:#?}", found())
}

#[test]
fn what_is_wrong_in_a_cluster_is_found_and_goes_when_it_is_mended() -> Result<()> {
    scenario_with(&[], Duration::from_secs(600), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        let id_of = ClusterId::new("e2e")?;
        let source = KubeSource::from_client(client.clone(), ClusterInfo::new(id_of.clone(), Origin::Client));
        let hub = Hub::builder(source.clone()).routes(source)?.diagnosis(settings()).start();
        let routes = hub.routes().context("the hub watches no routes")?;
        timeout(BAR * 4, async {
            while !routes.snapshot().inventory().unread().is_empty() || routes.snapshot().revision() == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .with_context(|| format!("not read: {:?}", routes.snapshot().inventory().unread()))?;

        // Gateway API comes while the engine runs.
        for entry in std::fs::read_dir(definitions()?)? {
            let text = std::fs::read_to_string(entry?.path())?;
            for document in text.split("\n---\n") {
                let Ok(object) = serde_saphyr::from_str::<Value>(document) else { continue };
                if object["kind"] == "CustomResourceDefinition" {
                    apply(&client, &object).await?;
                }
            }
        }
        let begun = Instant::now();
        // Each kind's lane looks by itself.
        let kinds = ["GatewayClass", "Gateway", "HTTPRoute", "GRPCRoute", "ReferenceGrant"];
        let installed = async {
            loop {
                let snapshot = routes.snapshot();
                if kinds.iter().all(|kind| snapshot.inventory().is_known(kind, &id_of)) {
                    return;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(90), installed).await.context("Gateway API was not noticed")?;
        println!("Gateway API was noticed {:.1?} after it was installed", begun.elapsed());

        for name in ["shop", "bank", "infra", "gateways"] {
            namespace(&client, name).await?;
        }
        let (mut matrix, mut skipped, mut failed) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut codes: Vec<String> = std::fs::read_dir(workspace().join("ingress-core/tests/checks"))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect();
        codes.sort();
        for code in codes {
            if let Some((_, why)) = NOT_HERE.iter().find(|(known, _)| *known == code) {
                skipped.push(format!("{code}: {why}"));
                continue;
            }
            let (Some(bad), Some(good)) = (documents(&code, "bad")?, documents(&code, "good")?) else {
                skipped.push(format!("{code}: it is about what may not be read"));
                continue;
            };
            match scenario(&client, routes, &id_of, &code, &bad, &good).await {
                Ok(times) => drop(matrix.insert(code, times)),
                Err(error) => failed.push(format!("{code}: {error:#}")),
            }
            let gone: BTreeMap<String, &Value> =
                bad.iter().chain(&good).map(|object| (id(object), object)).collect();
            for object in gone.into_values().filter(|object| object["kind"] != "Namespace") {
                delete(&client, object).await?;
            }
        }
        for (code, (found, mended)) in &matrix {
            println!("{code}: found after {found:.0?}, gone {mended:.0?} after it was mended");
        }
        println!("{} scenarios; not here: {}", matrix.len(), skipped.join("; "));
        ensure!(failed.is_empty(), "{} scenarios failed:\n{}", failed.len(), failed.join("\n"));
        ensure!(matrix.len() >= 25, "{} scenarios are too few", matrix.len());
        hub.shutdown().await;
        Ok(())
    })
}

async fn scenario(
    client: &Client,
    routes: &Routes,
    cluster: &ClusterId,
    code: &str,
    bad: &[Value],
    good: &[Value],
) -> Result<(Duration, Duration)> {
    for object in bad {
        if let Some(name) = object.pointer("/metadata/namespace").and_then(Value::as_str) {
            namespace(client, name).await?;
        }
        apply(client, object).await?;
    }
    let found = until(routes, cluster, code, true).await?;
    let kept: BTreeSet<String> = good.iter().map(id).collect();
    for object in bad.iter().filter(|object| !kept.contains(&id(object)) && object["kind"] != "Namespace") {
        delete(client, object).await?;
    }
    for object in good {
        apply(client, object).await?;
    }
    Ok((found, until(routes, cluster, code, false).await?))
}

#[test]
fn what_may_not_be_read_is_unknown_until_it_may() -> Result<()> {
    scenario_with(&[], Duration::from_secs(180), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        namespace(&client, "shop").await?;
        for object in documents("ING004", "good")?.context("it is all about permissions")? {
            apply(&client, &object).await?;
        }
        let account = Account::create(&client, "limited").await?;
        account.allow_namespaces(&client).await?;
        account.allow_resource(&client, "networking.k8s.io", "ingresses").await?;
        let file = cluster.kubeconfig("limited", Login::Token(&account.token))?;
        let source = KubeSource::builder().kubeconfig(Some(file)).connect().await?;
        let hub = Hub::builder(source.clone()).routes(source)?.start();
        let routes = hub.routes().context("the hub watches no routes")?;
        let until = async |wanted: Verdict, within: Duration| -> Result<()> {
            let begun = Instant::now();
            loop {
                let snapshot = routes.snapshot();
                let verdict = snapshot.iter().next().map(|assessed| assessed.diagnosis.verdict);
                let read = snapshot.inventory().unread().is_empty();
                if verdict == Some(wanted) && read {
                    return Ok(());
                }
                ensure!(begun.elapsed() < within, "{verdict:?} instead of {wanted:?}; read: {read}");
                sleep(Duration::from_millis(50)).await;
            }
        };
        until(Verdict::Unknown, Duration::from_secs(30)).await?;
        let snapshot = routes.snapshot();
        let assessed = snapshot.iter().next().context("no route")?;
        // Nothing is wrong with the route; it is said what would let it be seen.
        let findings = &assessed.diagnosis.findings;
        ensure!(
            !findings.is_empty() && findings.iter().all(|finding| finding.code == "TRC001"),
            "{findings:#?}"
        );
        let unknown: BTreeSet<_> = assessed
            .diagnosis
            .unknown()
            .into_iter()
            .map(|unknown| (unknown.kind, unknown.why.as_str()))
            .collect();
        ensure!(unknown.contains(&("Service", "denied")), "{unknown:?}");
        for (group, plural) in [
            ("networking.k8s.io", "ingressclasses"),
            ("", "services"),
            ("discovery.k8s.io", "endpointslices"),
            ("", "pods"),
            ("networking.k8s.io", "networkpolicies"),
            ("", "secrets"),
            ("", "events"),
        ] {
            account.allow_resource(&client, group, plural).await?;
        }
        until(Verdict::Ok, Duration::from_secs(90)).await?;
        hub.shutdown().await;
        Ok(())
    })
}
