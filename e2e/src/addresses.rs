//! What the world outside of a cluster would do: a load balancer gives Services addresses, and a controller of ingresses publishes its own.
//!
//! No such program runs here, and what it would write is all that matters, so a task writes it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How often it looks. It lists, because what it missed is what matters, and there is not much.
const PERIOD: Duration = Duration::from_millis(200);

/// The annotation of Services that nobody gives an address to.
pub const UNSERVED: &str = "e2e/unserved";

/// A task that gives addresses to what waits for one: Services of type LoadBalancer, and Ingresses whose class exists. It ends when it is dropped.
#[derive(Debug)]
pub struct Addresses {
    _task: JoinSet<()>,
}

impl Addresses {
    /// Begins.
    #[must_use]
    pub fn given_by(client: Client) -> Self {
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                // A server that is busy is asked again.
                if let Err(error) = look(&client).await {
                    eprintln!("addresses: {error:#}");
                }
                sleep(PERIOD).await;
            }
        });
        Self { _task: task }
    }
}

async fn look(client: &Client) -> Result<()> {
    // From the server's memory, where the newest state is a moment away.
    let params = ListParams::default().match_any();
    for service in Api::<Service>::all(client.clone()).list(&params).await?.items {
        let Some(spec) = &service.spec else { continue };
        let waits =
            spec.type_.as_deref() == Some("LoadBalancer") && !service.annotations().contains_key(UNSERVED);
        let given = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        if waits && given.and_then(|given| given.ingress.as_ref()).is_none_or(Vec::is_empty) {
            let api: Api<Service> = Api::namespaced(client.clone(), &service.namespace().unwrap_or_default());
            give(&api, &service.name_any()).await?;
        }
    }
    let classes = Api::<IngressClass>::all(client.clone()).list(&params).await?.items;
    for ingress in Api::<Ingress>::all(client.clone()).list(&params).await?.items {
        let class = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
        let served = class.is_some_and(|name| classes.iter().any(|class| class.name_any() == name));
        let given = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
        if served && given.and_then(|given| given.ingress.as_ref()).is_none_or(Vec::is_empty) {
            let api: Api<Ingress> = Api::namespaced(client.clone(), &ingress.namespace().unwrap_or_default());
            give(&api, &ingress.name_any()).await?;
        }
    }
    Ok(())
}

async fn give<K>(api: &Api<K>, name: &str) -> Result<()>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    // One of those that RFC 5737 keeps for documentation.
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}});
    match api.patch_status(name, &PatchParams::default(), &Patch::Merge(&status)).await {
        // It was deleted meanwhile.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        answer => answer.map(drop).with_context(|| format!("giving {name} an address")),
    }
}
