//! Kubeconfig files for the programs under test, and the harness's own client.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::lab::Lab;
use crate::pki::Pki;

/// Who a kubeconfig logs in as.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Login<'a> {
    /// The administrator's client certificate.
    Admin,
    /// A bearer token.
    Token(&'a str),
}

/// The text of a kubeconfig with one context named `e2e`, with all keys inside, as most real ones have it.
///
/// # Errors
///
/// When one of the keys cannot be read.
pub fn text(pki: &Pki, server: &str, login: Login<'_>) -> Result<String> {
    let user = match login {
        Login::Admin => format!(
            "client-certificate-data: {}\n    client-key-data: {}",
            inline(&pki.admin_certificate)?,
            inline(&pki.admin_key)?
        ),
        Login::Token(token) => format!("token: {token}"),
    };
    let ca = inline(&pki.ca)?;
    Ok(format!(
        "apiVersion: v1
kind: Config
current-context: e2e
clusters:
- name: e2e
  cluster:
    server: {server}
    certificate-authority-data: {ca}
users:
- name: e2e
  user:
    {user}
contexts:
- name: e2e
  context:
    cluster: e2e
    user: e2e
"
    ))
}

/// Writes [`text`] into `NAME.kubeconfig` in the lab.
///
/// # Errors
///
/// When a key cannot be read or the file cannot be written.
pub fn write(lab: &Lab, name: &str, pki: &Pki, server: &str, login: Login<'_>) -> Result<PathBuf> {
    lab.write(&format!("{name}.kubeconfig"), &text(pki, server, login)?)
}

/// A client with the administrator's certificate.
///
/// # Errors
///
/// When a key cannot be read.
pub async fn admin_client(pki: &Pki, server: &str) -> Result<kube::Client> {
    client_of(Kubeconfig::from_yaml(&text(pki, server, Login::Admin)?)?).await
}

/// A client that logs in as this file says.
///
/// # Errors
///
/// When the file cannot be read.
pub async fn client(file: &Path) -> Result<kube::Client> {
    client_of(Kubeconfig::read_from(file)?).await
}

async fn client_of(kubeconfig: Kubeconfig) -> Result<kube::Client> {
    let options = KubeConfigOptions::default();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    // Hidden retries would blur what a test asks of a server that is down on purpose.
    config.default_retry = false;
    Ok(kube::Client::try_from(config)?)
}

fn inline(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(STANDARD.encode(bytes))
}
