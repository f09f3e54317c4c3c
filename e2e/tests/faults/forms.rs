//! However the state is read, streaming or in pages, in protobuf or JSON, the records are the same.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use e2e::fault::plan::{Asks, Fault, Step};
use e2e::fault::site::Site;
use e2e::objects::{self, name};
use futures::StreamExt as _;
use ingress_core::{
    Ingress, Kind as _, KubeSource, LaneScope, Namespace, ResourceSource, WatchEvent, WatchRequest,
};
use serde_json::json;

const NAMESPACE: &str = "forms";
const INGRESSES: usize = 500;

/// Reads the same 500 objects in four ways.
pub(crate) async fn agree(site: &Site<'_>) -> Result<()> {
    site.namespace(NAMESPACE, INGRESSES).await?;
    vary(site.client()).await?;
    let refused = Step::always(Asks::Streaming, Fault::Answer { status: 422, retry_after: None });
    let pages = Step::always(Asks::Any, Fault::Pages(70));
    let json = Step::always(Asks::Any, Fault::OnlyJson);
    let streamed = read(site, "forms-streamed", &[]).await?;
    ensure!(streamed.len() == INGRESSES, "{} objects", streamed.len());
    let truth = site.truth(NAMESPACE).await?;
    for (name, object) in &streamed {
        let now = truth.get(&format!("{NAMESPACE}/{name}")).context("one too many")?;
        ensure!((object.uid(), object.resource_version()) == (&*now.uid, &*now.version), "{name} differs");
    }
    for (how, steps) in [
        ("forms-streamed-json", &[json][..]),
        ("forms-paged", &[refused, pages]),
        ("forms-paged-json", &[refused, pages, json]),
    ] {
        let read = read(site, how, steps).await?;
        ensure!(read.len() == streamed.len(), "{how}: {} objects", read.len());
        for (name, object) in read {
            let other = streamed.get(&name);
            ensure!(other == Some(&object), "{how}: {object:?}\nand streamed {other:?}");
        }
    }
    Ok(())
}

/// Gives some of them what people also write: addresses, a default backend, texts of all kinds.
async fn vary(client: &kube::Client) -> Result<()> {
    let long = "long ".repeat(2000);
    let texts = ["", "Grüße, \"quoted\"\n\tand more \u{1f980}", &long];
    for (number, text) in (0..60).step_by(3).zip(texts.into_iter().cycle()) {
        objects::set_address(client, NAMESPACE, &name(number), "192.0.2.7").await?;
        let backend =
            json!({"spec": {"defaultBackend": {"service": {"name": "fallback", "port": {"number": 80}}}}});
        objects::patch(client, NAMESPACE, &name(number + 1), &backend).await?;
        objects::annotate(client, NAMESPACE, &name(number + 2), "example.com/text", text).await?;
    }
    Ok(())
}

async fn read(site: &Site<'_>, how: &str, steps: &[Step]) -> Result<BTreeMap<String, Ingress>> {
    let (proxy, kubeconfig) = site.proxy(how).await?;
    proxy.plan(steps);
    let source = KubeSource::builder().kubeconfig(Some(kubeconfig)).connect().await?;
    let scope = LaneScope::Namespace(Namespace::new(NAMESPACE)?);
    let mut events = ResourceSource::<Ingress>::watch(&source, WatchRequest::new(scope)).await?;
    let mut read = BTreeMap::new();
    while let Some(batch) = events.next().await {
        for event in batch? {
            match event {
                WatchEvent::Listed(object) => {
                    let twice = read.insert(object.name().to_owned(), object);
                    ensure!(twice.is_none(), "{how}: twice {twice:?}");
                }
                WatchEvent::Synced(_) => {
                    ensure!(proxy.unmet().is_empty(), "{how} was read in another way: {}", proxy.log());
                    return Ok(read);
                }
                other => anyhow::bail!("{how}: {other:?} before the state was complete"),
            }
        }
    }
    anyhow::bail!("{how}: the state was never complete")
}
