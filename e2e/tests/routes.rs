//! Every check on a real API server: what it is for is applied and found within five seconds, what mends it is applied, and the finding goes.
//!
//! The scenarios are the fixtures of the checks (`ingress-core/tests/checks/CODE/{bad,good}.yaml`), so that what is said of files is also said of a
//! cluster that was watched: through protobuf, field selectors, and definitions that are installed while the engine runs. No controller runs
//! here; what one would write into a status is in the fixtures. `controllers.rs` is about what real ones write.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::access::Account;
use e2e::cluster::Cluster;
use e2e::definitions::Of;
use e2e::fixtures;
use e2e::judge::Judge;
use e2e::kubeconfig::Login;
use e2e::lab::scenario_with;
use e2e::manifest::{Manifests, id, text};
use ingress_core::diagnose::{Settings, Verdict};
use ingress_core::{Hub, KubeSource};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// Scenarios that can't be here, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("ING003", "the API server gives an ingress without a class the newest of the default ones"),
    ("GW003", "the API server refuses such a gateway"),
    ("ING006", "the API server refuses such an ingress"),
    ("ING008", "the API server refuses such an ingress"),
    ("ING014", "the API server refuses such an ingress"),
    ("ING017", "the API server refuses such an object"),
    ("ING022", "what changed is told of for an hour"),
    ("POD007", "a deletion time can't be set; controllers.rs has a pod that hangs"),
    ("SVC012", "a deletion time can't be set; controllers.rs has pods that end"),
    ("SVC013", "it is mended by an hour in which nothing is warned of"),
    ("GW007", "the condition is the controller's, and its definition is the current one"),
];

/// What is noticed while the engine runs, when its definitions are installed.
const CUSTOM: &[&str] = &[
    "GatewayClass",
    "Gateway",
    "HTTPRoute",
    "GRPCRoute",
    "ReferenceGrant",
    "BackendTrafficPolicy",
    "Certificate",
    "Issuer",
    "ClusterIssuer",
];

/// As people have them, but for patience.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.grace = Duration::from_secs(1);
    settings
}

#[test]
fn what_is_wrong_in_a_cluster_is_found_and_goes_when_it_is_mended() -> Result<()> {
    scenario_with(&[], Duration::from_secs(600), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let manifests = Manifests::new(cluster.client()?);
        let judge = Judge::start(cluster.client()?, settings()).await?;

        // Custom resources come while the engine runs.
        for of in [Of::GatewayApi, Of::EnvoyGateway, Of::CertManager] {
            of.install(&manifests).await?;
        }
        let (mut scenarios, mut skipped) = (Vec::new(), Vec::new());
        for code in fixtures::codes()? {
            if let Some((_, why)) = NOT_HERE.iter().find(|(known, _)| *known == code) {
                skipped.push(format!("{code}: {why}"));
                continue;
            }
            match (fixtures::documents(&code, "bad")?, fixtures::documents(&code, "good")?) {
                (Some(bad), Some(good)) => scenarios.push((code, bad, good)),
                _ => skipped.push(format!("{code}: it is about what may not be read")),
            }
        }
        let took = judge.know(CUSTOM, Duration::from_secs(90)).await?;
        println!("custom resources were noticed {took:.1?} after they were installed");
        // Kinds whose definitions nobody hands out get some that admit everything.
        let mut stand_ins = BTreeSet::new();
        for object in scenarios.iter().flat_map(|(_, bad, good)| bad.iter().chain(good)) {
            if !manifests.serve(object).await? {
                stand_ins.insert(text(object, "/kind").to_owned());
            }
        }
        let kinds: Vec<&str> = stand_ins.iter().map(String::as_str).collect();
        judge.know(&kinds, Duration::from_secs(90)).await?;

        for name in ["shop", "bank", "infra", "gateways"] {
            manifests.namespace(name).await?;
        }
        let (mut matrix, mut failed) = (BTreeMap::new(), Vec::new());
        for (code, bad, good) in scenarios {
            match scenario(&manifests, &judge, &code, &bad, &good).await {
                Ok(times) => drop(matrix.insert(code, times)),
                Err(error) => failed.push(format!("{code}: {error:#}")),
            }
            let gone: BTreeMap<String, &Value> =
                bad.iter().chain(&good).map(|object| (id(object), object)).collect();
            for object in gone.into_values().filter(|object| object["kind"] != "Namespace") {
                manifests.delete(object).await?;
            }
        }
        for (code, (found, mended)) in &matrix {
            println!("{code}: found after {found:.0?}, gone {mended:.0?} after it was mended");
        }
        println!("{} scenarios; not here: {}", matrix.len(), skipped.join("; "));
        println!("definitions that stand in for real ones: {kinds:?}");
        ensure!(failed.is_empty(), "{} scenarios failed:\n{}", failed.len(), failed.join("\n"));
        ensure!(matrix.len() >= 25, "{} scenarios are too few", matrix.len());
        judge.shutdown().await;
        Ok(())
    })
}

async fn scenario(
    manifests: &Manifests,
    judge: &Judge,
    code: &str,
    bad: &[Value],
    good: &[Value],
) -> Result<(Duration, Duration)> {
    let namespaces = bad.iter().chain(good).map(|object| text(object, "/metadata/namespace"));
    for namespace in namespaces.filter(|name| !name.is_empty()).collect::<BTreeSet<_>>() {
        manifests.namespace(namespace).await?;
    }
    for object in bad {
        manifests.apply(object).await?;
    }
    let found = judge.until(code, true, |_| true).await?;
    judge.kept_is_true().await?;
    let kept: BTreeSet<String> = good.iter().map(id).collect();
    for object in bad.iter().filter(|object| !kept.contains(&id(object)) && object["kind"] != "Namespace") {
        manifests.delete(object).await?;
    }
    for object in good {
        manifests.apply(object).await?;
    }
    let gone = judge.until(code, false, |_| true).await?;
    judge.kept_is_true().await?;
    Ok((found, gone))
}

#[test]
fn what_may_not_be_read_is_unknown_until_it_may() -> Result<()> {
    scenario_with(&[], Duration::from_secs(180), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        let manifests = Manifests::new(client.clone());
        manifests.namespace("shop").await?;
        for object in fixtures::documents("ING004", "good")?.context("it is all about permissions")? {
            manifests.apply(&object).await?;
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
