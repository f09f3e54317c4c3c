//! A node that stops reporting: what the real node controller then says of its pods, which is less than one would think.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::judge::Judge;
use e2e::manifest::{Manifests, text};
use e2e::scenarios::Scenario;
use e2e::wait;
use ingress_core::clock::wall_now;
use ingress_core::diagnose::{Finding, Verdict};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

const NAME: &str = "lost-node";
/// The node controller believes a node for 50 seconds.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) async fn one_is_lost(manifests: &Manifests, judge: &Judge) -> Result<()> {
    // A node that kwok does not play: its only report is this one.
    let now = wall_now().to_string();
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": NAME, "labels": {"kubernetes.io/hostname": NAME}},
        "spec": {"taints": [{"key": "e2e/lost", "effect": "NoSchedule"}]},
    });
    manifests.create([node.clone()]).await?;
    let room = json!({"cpu": "8", "memory": "8Gi", "pods": "20"});
    let ready =
        json!({"type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now});
    let status = json!({"status": {"conditions": [ready], "allocatable": room, "capacity": room}});
    let nodes = manifests.api(&node).await?;
    nodes.patch_status(NAME, &PatchParams::default(), &Patch::Merge(&status)).await?;

    let healthy = Scenario::healthy("ingress", NAME)?;
    for object in &healthy {
        let mut object = object.clone();
        if text(&object, "/kind") == "Deployment" {
            let template = &mut object["spec"]["template"]["spec"];
            template["nodeSelector"] = json!({"kubernetes.io/hostname": NAME});
            template["tolerations"] = json!([{"key": "e2e/lost", "operator": "Exists"}]);
        }
        manifests.apply(&object).await?;
    }
    let sample = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any", "namespace": NAME}});
    let pods = manifests.api(&sample).await?;
    let listed = async || -> Result<Vec<DynamicObject>> {
        let on_node = ListParams::default().fields(&format!("spec.nodeName={NAME}"));
        Ok(pods.list(&on_node).await?.items)
    };
    wait::until("the pods to be scheduled to the node", PATIENCE, async || Ok(listed().await?.len() == 2))
        .await?;
    for (pod, last) in listed().await?.iter().zip(1..) {
        let name = pod.metadata.name.as_deref().context("no name")?;
        let status = running(&now, &format!("10.127.0.{last}"));
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await?;
    }
    verdict(judge, Verdict::Ok).await?;

    wait::until("the node controller to take back that the pods are ready", PATIENCE, async || {
        let taken_back = |pod: &DynamicObject| {
            let conditions = pod.data["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(|each| each["type"] == "Ready" && each["status"] != "True")
        };
        Ok(listed().await?.iter().all(taken_back))
    })
    .await?;
    let mine = |finding: &Finding| finding.object.namespace.as_deref() == Some(NAME);
    let found = judge.until("POD006", true, mine).await?;
    judge.until("SVC002", true, mine).await?;
    verdict(judge, Verdict::Broken).await?;

    // Somebody gives the node up: its pods are deleted without waiting for it, and others take over elsewhere.
    nodes.delete(NAME, &DeleteParams::default()).await?;
    for object in healthy.iter().filter(|object| text(object, "/kind") == "Deployment") {
        manifests.apply(object).await?;
    }
    for pod in listed().await? {
        let name = pod.metadata.name.as_deref().context("no name")?;
        drop(pods.delete(name, &DeleteParams::default().grace_period(0)).await);
    }
    verdict(judge, Verdict::Ok).await?;
    let gone = judge.until("POD006", false, mine).await?;
    println!("{NAME}: POD006 found after {found:.0?}, gone {gone:.0?} after it was mended");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}});
    manifests.api(&namespace).await?.delete(NAME, &DeleteParams::default()).await?;
    Ok(())
}

/// The status of a pod as kubelet writes it.
fn running(now: &str, address: &str) -> Value {
    let condition = |what: &str| json!({"type": what, "status": "True", "lastTransitionTime": now});
    let conditions: Vec<Value> =
        ["PodScheduled", "Initialized", "ContainersReady", "Ready"].into_iter().map(condition).collect();
    json!({"status": {
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "startTime": now,
        "conditions": conditions,
        "containerStatuses": [{
            "name": "main", "image": "example.com/cart:1", "imageID": "", "ready": true, "started": true,
            "restartCount": 0, "state": {"running": {"startedAt": now}},
        }],
    }})
}

async fn verdict(judge: &Judge, wanted: Verdict) -> Result<()> {
    wait::until(&format!("{NAME} to be {}", wanted.as_str()), wait::PATIENCE, async || {
        let snapshot = judge.snapshot()?;
        let mut mine =
            snapshot.iter().filter(|assessed| assessed.route.object.namespace.as_deref() == Some(NAME));
        let route = mine.next().context("no route")?;
        ensure!(route.diagnosis.verdict == wanted, "{:#?}", route.diagnosis);
        Ok(true)
    })
    .await
}
