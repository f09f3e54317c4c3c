//! A definition that is installed, serves another version, and is removed, while the engine runs.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::definitions;
use e2e::judge::Judge;
use e2e::manifest::Manifests;
use e2e::wait;
use ingress_core::clock::wall_now;
use ingress_core::inventory::Reader;
use ingress_core::kind::VirtualService;
use serde_json::{Value, json};
use tokio::time::Instant;

const GROUP: &str = "networking.istio.io";
/// A lane whose kind is not there waits longer each time before it looks again.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn come_change_and_go(manifests: &Manifests) -> Result<()> {
    // One of its own, which has not waited for the kind since the tests began.
    let judge = Judge::start(manifests.client().clone(), super::settings()).await?;
    let watched = &judge;
    let names = async |expected: Option<&[&str]>, what: &str| -> Result<Duration> {
        let begun = Instant::now();
        wait::until(what, PATIENCE, async || {
            let snapshot = watched.snapshot()?;
            let all =
                Reader::new(snapshot.inventory(), watched.cluster(), wall_now()).all::<VirtualService>();
            let mut seen: Vec<&str> = all.objects.iter().map(|object| &*object.metadata.name).collect();
            seen.sort_unstable();
            let known = all.unknown.is_none();
            ensure!(
                known == expected.is_some() && seen == expected.unwrap_or_default(),
                "{seen:?} are seen, and {:?} is unknown",
                all.unknown
            );
            Ok(true)
        })
        .await?;
        Ok(begun.elapsed())
    };
    names(None, "a kind that is not installed to be unknown").await?;

    let older = definitions::of_versions(GROUP, "VirtualService", "Namespaced", &["v1beta1"]);
    manifests.define(&older).await?;
    manifests.apply(&service("v1beta1", "first")).await?;
    let came = names(Some(&["first"]), "a definition that was installed").await?;

    // The newer version is added before the older one goes, as whoever moves objects does it.
    let mut both = definitions::of_versions(GROUP, "VirtualService", "Namespaced", &["v1", "v1beta1"]);
    manifests.define(&both).await?;
    manifests.apply(&service("v1", "second")).await?;
    let added = names(Some(&["first", "second"]), "a version that was added").await?;
    both["spec"]["versions"][1]["served"] = json!(false);
    manifests.define(&both).await?;
    manifests.apply(&service("v1", "third")).await?;
    let changed = names(Some(&["first", "second", "third"]), "an object of the version that is left").await?;

    manifests.delete(&both).await?;
    manifests.forget();
    let went = names(None, "a definition that was removed").await?;
    println!(
        "a definition: noticed {came:.1?} after it came, an object of a version that was added after {added:.1?}, of the only one left after {changed:.1?}, unknown {went:.1?} after it was removed"
    );
    judge.shutdown().await;
    Ok(())
}

fn service(version: &str, name: &str) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{version}"), "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hosts": ["shop.example.com"]},
    })
}
