//! Every scenario: broken, found, mended, gone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use e2e::judge::{BAR, Judge};
use e2e::manifest::{Manifests, id, text};
use e2e::scenarios::Scenario;
use e2e::wait;
use futures::StreamExt as _;
use futures::stream;
use ingress_core::diagnose::{Finding, Severity, Verdict};
use ingress_core::route::matcher::{Matcher, Request};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// How many scenarios are played at a time: the controllers' own pauses are most of what each takes.
const AT_A_TIME: usize = 4;
/// How long controllers may take to bring a cluster into the state that is asked for.
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) async fn every_scenario(manifests: &Manifests, judge: &Judge) -> Result<()> {
    let mut scenarios = Scenario::all()?;
    if let Ok(only) = std::env::var("E2E_SCENARIO") {
        scenarios.retain(|scenario| scenario.name.contains(&only) || scenario.expect.base == only);
        ensure!(!scenarios.is_empty(), "no scenario is named {only}");
    }
    let total = scenarios.len();
    let begun = Instant::now();
    let play = async |scenario: Scenario| {
        let outcome = play(manifests, judge, &scenario).await;
        match &outcome {
            Ok((found, gone)) => println!(
                "{}: {} found after {found:.0?}, gone {gone:.0?} after it was mended",
                scenario.name,
                scenario.expect.codes.join(", ")
            ),
            Err(error) => println!("{}: failed: {error:#}", scenario.name),
        }
        outcome.map(drop).map_err(|error| format!("{}: {error:#}", scenario.name))
    };
    let outcomes: Vec<Result<(), String>> =
        stream::iter(scenarios).map(play).buffer_unordered(AT_A_TIME).collect().await;
    let failed: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    println!("{} of {total} scenarios in {:.1?}", total - failed.len(), begun.elapsed());
    ensure!(failed.is_empty(), "{} scenarios failed:\n{}", failed.len(), failed.join("\n"));
    Ok(())
}

/// Breaks and mends; how long the finding took to come, and to go.
async fn play(manifests: &Manifests, judge: &Judge, scenario: &Scenario) -> Result<(Duration, Duration)> {
    let outcome = Box::pin(break_and_mend(manifests, judge, scenario)).await;
    // What is left of it would be looked at again and again. The class of ingresses is everybody's.
    for object in scenario.broken.iter().chain(&scenario.fixed) {
        let name = text(object, "/metadata/name");
        if ["Namespace", "GatewayClass"].contains(&text(object, "/kind")) {
            drop(manifests.api(object).await?.delete(name, &DeleteParams::default()).await);
        }
    }
    outcome
}

async fn break_and_mend(
    manifests: &Manifests,
    judge: &Judge,
    scenario: &Scenario,
) -> Result<(Duration, Duration)> {
    let expect = &scenario.expect;
    apply(manifests, &scenario.broken).await?;
    settled(manifests, &scenario.broken, expect.awaits.as_deref()).await?;
    for deleted in &expect.deletes {
        let which = |object: &&Value| named(object) == *deleted;
        let object = scenario.broken.iter().find(which).with_context(|| format!("there is no {deleted}"))?;
        let name = text(object, "/metadata/name");
        running(manifests, object).await?;
        manifests.api(object).await?.delete(name, &DeleteParams::default()).await?;
    }
    let (mut found, mut gone) = (Duration::ZERO, Duration::ZERO);
    for code in &expect.codes {
        found = found.max(judge.until(code, true, |finding| concerns(scenario, finding)).await?);
    }
    verdict(judge, scenario, &expect.verdict).await?;
    if let Some(says) = &expect.says {
        let findings = judge.findings()?;
        let said = |finding: &Finding| concerns(scenario, finding) && finding.cause.contains(says);
        ensure!(findings.iter().any(said), "nothing says {says:?}: {findings:#?}");
    }
    mend(manifests, scenario).await?;
    settled(manifests, &scenario.fixed, None).await?;
    for code in &expect.codes {
        gone = gone.max(judge.until(code, false, |finding| concerns(scenario, finding)).await?);
    }
    verdict(judge, scenario, &expect.fixed).await?;
    let left: Vec<Finding> = judge.findings()?;
    let left: Vec<&Finding> = left
        .iter()
        .filter(|finding| concerns(scenario, finding) && finding.severity > Severity::Info)
        .filter(|finding| !expect.stays.iter().any(|stays| stays == finding.code))
        .collect();
    ensure!(left.is_empty(), "it is mended, and there is still {left:#?}");
    Ok((found, gone))
}

async fn apply(manifests: &Manifests, objects: &[Value]) -> Result<()> {
    let (namespaces, others): (Vec<&Value>, Vec<&Value>) =
        objects.iter().partition(|object| text(object, "/kind") == "Namespace");
    for object in namespaces.into_iter().chain(others) {
        manifests.apply(object).await?;
    }
    Ok(())
}

async fn mend(manifests: &Manifests, scenario: &Scenario) -> Result<()> {
    // First what takes over: Envoy Gateway keeps a class for as long as a Gateway is of it.
    apply(manifests, &scenario.fixed).await?;
    let kept: BTreeSet<String> = scenario.fixed.iter().map(id).collect();
    for object in scenario.broken.iter().filter(|object| !kept.contains(&id(object))) {
        if let Some(mut left) = manifests.get(object).await? {
            // Whoever held it back lets it go.
            if text(object, "/kind") == "Pod" {
                let freed = json!({"metadata": {"finalizers": null, "annotations": {"e2e/hangs": null}}});
                let api = manifests.api(&left).await?;
                let name = text(&left, "/metadata/name").to_owned();
                let patch = Patch::Merge(&freed);
                left = serde_json::to_value(api.patch(&name, &PatchParams::default(), &patch).await?)?;
            }
            manifests.delete(&left).await?;
        }
    }
    Ok(())
}

/// Whether a finding is about this scenario.
fn concerns(scenario: &Scenario, finding: &Finding) -> bool {
    match &finding.object.namespace {
        Some(namespace) => scenario.namespaces().contains(&&**namespace),
        None => finding.object.name.starts_with(&*scenario.name),
    }
}

/// Waits until the controllers have done with these objects.
async fn settled(manifests: &Manifests, objects: &[Value], awaits: Option<&[String]>) -> Result<()> {
    for object in objects.iter().filter(|object| text(object, "/kind") == "Deployment") {
        wait::until(&format!("{} to be rolled out", id(object)), PATIENCE, async || {
            let now = manifests.get(object).await?.context("it is gone")?;
            let number = |pointer: &str| now.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
            let wanted = number("/spec/replicas");
            let template = &object["spec"]["template"];
            // Pods that are to fail never become ready; they have a status that says why.
            let fails = template.pointer("/metadata/labels/e2e~1plays").is_some()
                || template.pointer("/spec/nodeSelector").is_some()
                || template.to_string().contains("requests");
            let ready = if fails { told(manifests, object).await? } else { number("/status/readyReplicas") };
            ensure!(
                number("/status/observedGeneration") == number("/metadata/generation")
                    && number("/status/updatedReplicas") == wanted
                    && number("/status/replicas") == wanted
                    && ready == wanted,
                "{}",
                now["status"]
            );
            Ok(true)
        })
        .await?;
    }
    let gateways = || objects.iter().filter(|object| text(object, "/kind") == "Gateway");
    let usual: Vec<String> = gateways()
        .map(|object| format!("Gateway/{} Programmed=True", text(object, "/metadata/name")))
        .collect();
    for awaited in awaits.unwrap_or(&usual) {
        condition(manifests, objects, awaited).await?;
    }
    Ok(())
}

/// An object as scenarios name it.
fn named(object: &Value) -> String {
    format!("{}/{}", text(object, "/kind"), text(object, "/metadata/name"))
}

/// Waits until a pod runs.
async fn running(manifests: &Manifests, pod: &Value) -> Result<()> {
    wait::until(&format!("{} to run", id(pod)), PATIENCE, async || {
        let now = manifests.get(pod).await?.context("it is gone")?;
        Ok(text(&now, "/status/phase") == "Running")
    })
    .await
}

/// How many pods of a Deployment have a status that says why they are not ready.
async fn told(manifests: &Manifests, deployment: &Value) -> Result<i64> {
    let labels = deployment.pointer("/spec/template/metadata/labels").and_then(Value::as_object);
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    let namespace = text(deployment, "/metadata/namespace");
    let sample =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any", "namespace": namespace}});
    let params = ListParams::default().labels(&selector.join(","));
    let pods = manifests.api(&sample).await?.list(&params).await?;
    let says = |pod: &&DynamicObject| {
        let status = &pod.data["status"];
        let unscheduled = status["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|each| each["type"] == "PodScheduled" && each["status"] == "False");
        unscheduled || status["containerStatuses"].is_array()
    };
    Ok(pods.items.iter().filter(says).count().try_into()?)
}

/// Waits for what a controller has to say of an object, as `KIND/NAME TYPE=STATUS` or, for a route, `KIND/NAME parent TYPE=STATUS`.
async fn condition(manifests: &Manifests, objects: &[Value], awaited: &str) -> Result<()> {
    let wrong = || format!("no such wait: {awaited}");
    let mut words = awaited.split_whitespace();
    let which = words.next().with_context(wrong)?;
    let (what, status) = words.next_back().and_then(|last| last.split_once('=')).with_context(wrong)?;
    let pointer =
        if words.next() == Some("parent") { "/status/parents/0/conditions" } else { "/status/conditions" };
    let object = objects.iter().find(|object| named(object) == which).with_context(wrong)?;
    wait::until(awaited, PATIENCE, async || {
        let now = manifests.get(object).await?.context("it is gone")?;
        let conditions = now.pointer(pointer).and_then(Value::as_array);
        let said = conditions.into_iter().flatten().any(|each| {
            each["type"] == *what
                && each["status"] == *status
                && each["observedGeneration"] == now["metadata"]["generation"]
        });
        ensure!(said, "{} says {}", id(object), now["status"]);
        Ok(true)
    })
    .await
}

/// Waits until the verdict on the URL is this.
async fn verdict(judge: &Judge, scenario: &Scenario, wanted: &str) -> Result<()> {
    let url: http::Uri = scenario.url().parse()?;
    let request = Request::new(url.host().context("no host")?, url.path());
    let begun = Instant::now();
    loop {
        let snapshot = judge.snapshot()?;
        let matcher: Matcher = snapshot
            .iter()
            .filter(|assessed| {
                let namespace = assessed.route.object.namespace.as_deref().unwrap_or_default();
                scenario.namespaces().contains(&namespace)
            })
            .map(|assessed| Arc::new(assessed.route.clone()))
            .collect();
        let found = matcher.match_request(&request);
        let winners = found.entries.iter().filter_map(|entry| entry.winner.as_ref());
        let verdicts: Vec<Verdict> = winners
            .chain(&found.without_entry)
            .filter_map(|route| Some(snapshot.get(route.id)?.diagnosis.verdict))
            .collect();
        let verdict = verdicts.iter().min().map_or("none", |verdict| verdict.as_str());
        if verdict == wanted {
            return Ok(());
        }
        if begun.elapsed() > BAR {
            let diagnoses: Vec<_> =
                found.entries.iter().filter_map(|entry| snapshot.get(entry.winner.as_ref()?.id)).collect();
            bail!("the verdict on {url} is {verdict} and not {wanted}: {diagnoses:#?}");
        }
        sleep(Duration::from_millis(50)).await;
    }
}
