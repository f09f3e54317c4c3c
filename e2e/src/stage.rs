//! Where most scenarios begin: a filled cluster and a dashboard that has read it.

use anyhow::Result;

use crate::access::Account;
use crate::cluster::Cluster;
use crate::dashboard::{Dashboard, Launch};
use crate::gate::Gate;
use crate::kubeconfig::Login;
use crate::lab::Lab;

/// A cluster, its administrator, and a dashboard that may read what the documentation says it needs, and no
/// more. The dashboard reaches the cluster through a gate.
#[non_exhaustive]
pub struct Stage<'lab> {
    // The dashboard goes first, so that its log does not end in complaints about a vanished cluster.
    /// The program under test.
    pub dashboard: Dashboard,
    /// What it reads.
    pub cluster: Cluster<'lab>,
    /// The way between the two.
    pub gate: Gate,
    /// The administrator. The clients of a server do not outlive it: after a restart, ask the cluster anew.
    pub client: kube::Client,
    /// Who the dashboard is.
    pub account: Account,
    /// The namespaces that hold the ingresses.
    pub namespaces: Vec<String>,
}

impl std::fmt::Debug for Stage<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stage").field("namespaces", &self.namespaces).finish_non_exhaustive()
    }
}

impl<'lab> Stage<'lab> {
    /// Sets everything up on a new cluster; `launch` may add to how the dashboard is started.
    ///
    /// # Errors
    ///
    /// When a server or the dashboard does not come up.
    pub async fn set(
        lab: &'lab Lab,
        namespaces: usize,
        ingresses: usize,
        launch: impl FnOnce(Launch<'lab>) -> Launch<'lab>,
    ) -> Result<Self> {
        Self::set_on(lab, Cluster::start(lab).await?, namespaces, ingresses, launch).await
    }

    /// [`set`](Self::set) on a cluster that was started in a special way.
    ///
    /// # Errors
    ///
    /// When the dashboard does not come up.
    pub async fn set_on(
        lab: &'lab Lab,
        cluster: Cluster<'lab>,
        namespaces: usize,
        ingresses: usize,
        launch: impl FnOnce(Launch<'lab>) -> Launch<'lab>,
    ) -> Result<Self> {
        let client = cluster.client()?;
        let namespaces = cluster.fill(namespaces, ingresses).await?;
        let account = Account::create(&client, "dashboard").await?;
        account.allow_everything(&client).await?;
        let gate = Gate::to(cluster.port()).await?;
        let file = cluster.kubeconfig_via("dashboard", &gate.url(), Login::Token(&account.token))?;
        let mut dashboard = launch(Launch::dashboard(lab)?.kubeconfig(&file)).start().await?;
        dashboard.ready().await?;
        Ok(Self { dashboard, cluster, gate, client, account, namespaces })
    }
}
