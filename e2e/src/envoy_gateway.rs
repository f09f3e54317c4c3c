//! The real controller of Gateway API that runs beside a cluster: Envoy Gateway.
//!
//! It accepts its GatewayClass, makes a Deployment and a Service of each Gateway, and writes the conditions of Gateways and routes. The proxies that it makes are pods
//! like others, and nothing runs in them; a Gateway is programmed once its Service has an address and its pods are ready.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::cluster::Cluster;
use crate::definitions::Of;
use crate::kubeconfig::Login;
use crate::lab::Lab;
use crate::manifest::{Manifests, text};
use crate::process::Process;
use crate::{assets, wait};

/// Where it keeps what is its own, the proxies among it.
pub const HOME: &str = "envoy-gateway-system";

/// The name of the class that is there once it runs.
pub const CLASS: &str = "eg";

/// What [`CLASS`] names.
pub const CONTROLLER: &str = "gateway.envoyproxy.io/gatewayclass-controller";

/// Leader election and the injector are for several replicas and for zones, of which there are none here.
const CONFIGURATION: &str = "apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway:
  controllerName: gateway.envoyproxy.io/gatewayclass-controller
provider:
  type: Kubernetes
  kubernetes:
    leaderElection:
      disable: true
    proxyTopologyInjector:
      disabled: true
    # Tests make many routes at once, each of which gets a status.
    client:
      rateLimit:
        qps: 500
        burst: 1000
telemetry:
  metrics:
    prometheus:
      disable: true
";

/// A running Envoy Gateway. It listens on fixed ports of loopback, so there can be one at a time.
#[derive(Debug)]
pub struct EnvoyGateway {
    process: Process,
}

impl EnvoyGateway {
    /// Installs its definitions, starts it, and waits until it has accepted its class. Those of Gateway API have to be there.
    ///
    /// # Errors
    ///
    /// When it can't be built or does not come up.
    pub async fn start(lab: &Lab, cluster: &Cluster<'_>) -> Result<Self> {
        let program = assets::made_by("servers/gateway/build")?.join("envoy-gateway");
        let file = cluster.kubeconfig("envoy-gateway", Login::Admin)?;
        let manifests = Manifests::new(cluster.client()?);
        Of::EnvoyGateway.install(&manifests).await?;
        manifests.namespace(HOME).await?;
        let home = lab.file("envoy-gateway");
        std::fs::create_dir_all(home.join("certs"))?;
        let certgen =
            command(&program, &file, &home).args(["certgen", "--disable-topology-injector"]).output()?;
        ensure!(certgen.status.success(), "certgen: {}", String::from_utf8_lossy(&certgen.stderr));
        certificates(&manifests, &home.join("certs")).await?;
        let configuration = lab.write("envoy-gateway.yaml", CONFIGURATION)?;
        let mut server = command(&program, &file, &home);
        server.arg("server").arg(format!("--config-path={}", configuration.display()));
        let mut process = Process::start(lab, "envoy-gateway", server)?;
        let class = json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass",
            "metadata": {"name": CLASS}, "spec": {"controllerName": CONTROLLER},
        });
        manifests.apply(&class).await?;
        wait::until("Envoy Gateway to accept its class", Duration::from_secs(60), async || {
            process.ensure_running()?;
            let class = manifests.get(&class).await?.context("the class is gone")?;
            let conditions = class.pointer("/status/conditions").and_then(serde_json::Value::as_array);
            let accepted = conditions.into_iter().flatten().find(|each| each["type"] == "Accepted");
            Ok(accepted.is_some_and(|accepted| text(accepted, "/status") == "True"))
        })
        .await?;
        Ok(Self { process })
    }

    /// # Errors
    ///
    /// When it has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        self.process.ensure_running()
    }
}

/// It is started in a folder of its own, below which it looks for its certificates; that is also its home.
fn command(program: &Path, file: &Path, home: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir(home).env("HOME", home).env("KUBECONFIG", file).env("ENVOY_GATEWAY_NAMESPACE", HOME);
    command
}

/// Puts the certificates that it made for itself where it reads them; in a cluster, its pod mounts the Secret.
async fn certificates(manifests: &Manifests, folder: &Path) -> Result<()> {
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "envoy-gateway", "namespace": HOME},
    });
    let secret = manifests.get(&secret).await?.context("certgen made no Secret")?;
    for key in ["tls.crt", "tls.key", "ca.crt"] {
        let encoded = text(&secret, &format!("/data/{key}"));
        ensure!(!encoded.is_empty(), "certgen made no {key}");
        std::fs::write(folder.join(key), STANDARD.decode(encoded)?)?;
    }
    Ok(())
}
