//! A namespace that comes, goes and comes back, once under the engine's eyes and once while it can see nothing.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::fault::engine::{Engine as _, Running};
use e2e::fault::ours::IngressCore;
use e2e::fault::site::Site;
use e2e::objects::{self, State};
use e2e::wait;

const WITHIN: Duration = Duration::from_secs(30);

/// Follows it by name, or as one of all.
pub(crate) async fn come_and_go(site: &Site<'_>, by_name: bool) -> Result<()> {
    let namespace = if by_name { "returning-by-name" } else { "returning-among-all" };
    let (proxy, kubeconfig) = site.proxy(namespace).await?;
    let engine = IngressCore.start(&kubeconfig, by_name.then_some(namespace)).await?;
    wait::until("an engine without a namespace", WITHIN, async || Ok(engine.says_current() == Some(true)))
        .await?;
    site.namespace(namespace, 12).await?;
    equal(site, &*engine, namespace, 12).await?;

    objects::delete_namespace(site.client(), namespace).await?;
    equal(site, &*engine, namespace, 0).await?;
    site.namespace(namespace, 9).await?;
    equal(site, &*engine, namespace, 9).await?;

    proxy.refuse();
    wait::until("the engine to notice", WITHIN, async || Ok(engine.says_current() == Some(false))).await?;
    objects::delete_namespace(site.client(), namespace).await?;
    site.namespace(namespace, 5).await?;
    proxy.heal();
    equal(site, &*engine, namespace, 5).await?;
    wait::until("the engine to recover", WITHIN, async || Ok(engine.says_current() == Some(true))).await?;
    let journal = engine.journal();
    ensure!(journal.disorder().is_empty(), "{:?}", journal.disorder());
    ensure!(journal.flicker().is_empty(), "{:?}", journal.flicker());
    Ok(())
}

async fn equal(site: &Site<'_>, engine: &dyn Running, namespace: &str, count: usize) -> Result<()> {
    let truth = site.truth(namespace).await?;
    ensure!(truth.len() == count, "the cluster has {} instead of {count}", truth.len());
    let prefix = format!("{namespace}/");
    let of_it =
        |(key, state): (&String, &State)| key.starts_with(&prefix).then(|| (key.clone(), state.clone()));
    wait::until("the namespace as it is", WITHIN, async || {
        let seen = engine.journal().shown().iter().filter_map(of_it).eq(truth.clone());
        Ok(seen && engine.state().iter().filter_map(of_it).eq(truth.clone()))
    })
    .await
}
