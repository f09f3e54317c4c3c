//! An etcd, its keys and an API server: what most tests start with.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::apiserver::{self, ApiServer, Settings};
use crate::audit::Audit;
use crate::etcd::Etcd;
use crate::kubeconfig::{self, Login};
use crate::lab::Lab;
use crate::pki::Pki;
use crate::{objects, ports};

/// One small cluster. Its main API server can be killed and started again on the same port and data, and a
/// second one can serve the same etcd meanwhile.
#[derive(Debug)]
pub struct Cluster<'lab> {
    // The server goes before the etcd that it uses, so that its log does not fill with complaints.
    server: Option<ApiServer>,
    settings: Settings,
    etcd: Etcd,
    pki: Pki,
    lab: &'lab Lab,
}

impl<'lab> Cluster<'lab> {
    /// Starts everything and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When a server is missing or not ready in time.
    pub async fn start(lab: &'lab Lab) -> Result<Self> {
        Self::start_with(lab, |_| {}).await
    }

    /// [`start`](Self::start) with changed settings of the API server.
    ///
    /// # Errors
    ///
    /// When a server is missing or not ready in time.
    pub async fn start_with(lab: &'lab Lab, change: impl FnOnce(&mut Settings)) -> Result<Self> {
        let pki = Pki::create(lab)?;
        let etcd = Etcd::start(lab).await?;
        let mut settings = Settings::new("apiserver", ports::free()?, etcd.url());
        change(&mut settings);
        let server = ApiServer::start(lab, &pki, settings.clone()).await?;
        Ok(Self { server: Some(server), settings, etcd, pki, lab })
    }

    /// Puts `total` ingresses into as many namespaces as given, and returns the names of the namespaces.
    ///
    /// # Errors
    ///
    /// When the server refuses.
    pub async fn fill(&self, namespaces: usize, total: usize) -> Result<Vec<String>> {
        let client = self.client()?;
        let names = objects::namespace_names(namespaces);
        objects::create_namespaces(&client, &names).await?;
        objects::populate(&client, &names, total).await?;
        Ok(names)
    }

    /// The main API server.
    ///
    /// # Errors
    ///
    /// While it is down.
    pub fn server(&self) -> Result<&ApiServer> {
        self.server.as_ref().context("the API server is down")
    }

    /// The administrator's client of the main API server.
    ///
    /// # Errors
    ///
    /// While it is down.
    pub fn client(&self) -> Result<kube::Client> {
        Ok(self.server()?.client())
    }

    /// The main API server's audit log.
    ///
    /// # Errors
    ///
    /// While it is down.
    pub fn audit(&self) -> Result<&Audit> {
        Ok(self.server()?.audit())
    }

    /// The address of the main API server, also while it is down.
    #[must_use]
    pub fn url(&self) -> String {
        apiserver::url(self.settings.port)
    }

    /// The port of the main API server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.settings.port
    }

    /// Its keys and certificates.
    #[must_use]
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// The etcd behind it all.
    #[must_use]
    pub fn etcd(&self) -> &Etcd {
        &self.etcd
    }

    /// Ends the main API server as a crash would.
    ///
    /// # Errors
    ///
    /// When it is down already.
    pub fn kill_server(&mut self) -> Result<()> {
        self.settings = self.server.take().context("the API server is down already")?.kill()?;
        Ok(())
    }

    /// Starts the main API server again, on the same port and data.
    ///
    /// # Errors
    ///
    /// When it is not ready in time.
    pub async fn restart_server(&mut self) -> Result<()> {
        self.server = Some(ApiServer::start(self.lab, &self.pki, self.settings.clone()).await?);
        Ok(())
    }

    /// A second API server with the same data on another port, which works while the main one is down.
    ///
    /// # Errors
    ///
    /// When it is not ready in time.
    pub async fn second_server(&self) -> Result<ApiServer> {
        let settings = Settings::new("apiserver-2", ports::free()?, self.etcd.url());
        ApiServer::start(self.lab, &self.pki, settings).await
    }

    /// A kubeconfig for the main API server.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn kubeconfig(&self, name: &str, login: Login<'_>) -> Result<PathBuf> {
        self.kubeconfig_via(name, &self.url(), login)
    }

    /// A kubeconfig with another address, for example that of a [`Gate`](crate::gate::Gate).
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn kubeconfig_via(&self, name: &str, server: &str, login: Login<'_>) -> Result<PathBuf> {
        kubeconfig::write(self.lab, name, &self.pki, server, login)
    }
}
