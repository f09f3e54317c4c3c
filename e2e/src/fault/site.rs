//! One cluster on which many schedules are played at the same time, each in a namespace of its own.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use k8s_openapi::api::networking::v1::Ingress;
use kube::Api;
use kube::api::ListParams;

use crate::access::Account;
use crate::cluster::Cluster;
use crate::fault::proxy::Proxy;
use crate::kubeconfig::Login;
use crate::lab::Lab;
use crate::objects::{self, State};

/// A running cluster, and an account that may read what an engine reads.
pub struct Site<'lab> {
    cluster: Cluster<'lab>,
    account: Account,
    client: kube::Client,
}

impl std::fmt::Debug for Site<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Site").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl<'lab> Site<'lab> {
    /// Starts the cluster.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub async fn start(lab: &'lab Lab) -> Result<Self> {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        let account = Account::create(&client, "engine").await?;
        account.allow_everything(&client).await?;
        Ok(Self { cluster, account, client })
    }

    /// The administrator's client, which does not go through any proxy.
    #[must_use]
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    /// Opens a proxy of its own for one engine, and writes the kubeconfig that leads to it.
    ///
    /// # Errors
    ///
    /// When there is no port, or the file cannot be written.
    pub async fn proxy(&self, name: &str) -> Result<(Proxy, PathBuf)> {
        let proxy = Proxy::start(self.cluster.pki(), self.cluster.port()).await?;
        let file = self.cluster.kubeconfig_via(name, &proxy.url(), Login::Token(&self.account.token))?;
        Ok((proxy, file))
    }

    /// Lets engines read one more resource.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn allow_to_read(&self, group: &str, plural: &str) -> Result<()> {
        self.account.allow_resource(&self.client, group, plural).await
    }

    /// Makes a namespace with so many ingresses.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn namespace(&self, name: &str, ingresses: usize) -> Result<()> {
        let names = [name.to_owned()];
        objects::create_namespaces(&self.client, &names).await?;
        objects::populate(&self.client, &names, ingresses).await
    }

    /// The ingresses of one namespace as the API server lists them now.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn truth(&self, namespace: &str) -> Result<BTreeMap<String, State>> {
        let api: Api<Ingress> = Api::namespaced(self.client.clone(), namespace);
        let list = api.list_metadata(&ListParams::default()).await.context("a fresh list")?;
        let mut truth = BTreeMap::new();
        for object in list.items {
            let metadata = object.metadata;
            let name = metadata.name.context("a nameless ingress")?;
            let state = State::new(
                &metadata.uid.context("no uid")?,
                &metadata.resource_version.context("no resource version")?,
            );
            truth.insert(format!("{namespace}/{name}"), state);
        }
        Ok(truth)
    }

    /// The cluster's revision now.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn revision(&self) -> Result<u64> {
        let api: Api<Ingress> = Api::all(self.client.clone());
        let list = api.list_metadata(&ListParams::default().limit(1)).await?;
        Ok(list.metadata.resource_version.context("a list without a revision")?.parse()?)
    }
}
