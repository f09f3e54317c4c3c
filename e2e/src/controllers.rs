//! What makes a cluster of an API server: the real kube-controller-manager and kube-scheduler, and nodes with pods that kwok plays.
//!
//! A Deployment gets pods from the real controllers; they are scheduled, become ready within a second or fail as their label `e2e/plays` says
//! (`servers/kwok/stages.yaml`), and the real EndpointSlice controller publishes them. Nothing runs in them. What no program here does is what depends on the world
//! outside: [`Addresses`](crate::addresses::Addresses) are another matter.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::assets::{self, Servers};
use crate::cluster::Cluster;
use crate::kubeconfig::Login;
use crate::lab::Lab;
use crate::manifest::Manifests;
use crate::process::Process;
use crate::{ports, wait};

/// The nodes that there are.
pub const NODES: [&str; 3] = ["node-1", "node-2", "node-3"];

/// The annotation of nodes that kwok plays. A node that loses it is one that reports nothing any more.
pub const PLAYED: &str = "e2e/played";

/// The programs that run beside the API server.
#[derive(Debug)]
pub struct Controllers {
    manager: Process,
    scheduler: Process,
    kwok: Process,
}

impl Controllers {
    /// Starts them on a cluster whose API server has [`controllers`](crate::apiserver::Settings::controllers) set, and waits until the nodes are ready and
    /// namespaces get what they should have.
    ///
    /// # Errors
    ///
    /// When a program is missing, can't be built, or does not come up.
    pub async fn start(lab: &Lab, cluster: &Cluster<'_>) -> Result<Self> {
        let programs = Servers::find()?.controllers()?;
        let kwok = assets::made_by("servers/kwok/build")?.join("kwok");
        let file = cluster.kubeconfig("controllers", Login::Admin)?;
        let manifests = Manifests::new(cluster.client()?);
        manifests.create(NODES.map(node)).await?;
        let mut controllers = Self {
            manager: Process::start(
                lab,
                "controller-manager",
                manager(&programs.manager, &file, lab, cluster)?,
            )?,
            scheduler: Process::start(lab, "scheduler", scheduler(&programs.scheduler, &file, lab)?)?,
            kwok: Process::start(lab, "kwok", player(&kwok, &file))?,
        };
        controllers.ready(cluster).await?;
        Ok(controllers)
    }

    async fn ready(&mut self, cluster: &Cluster<'_>) -> Result<()> {
        let nodes: Api<Node> = Api::all(cluster.client()?);
        let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client()?, "default");
        wait::until("the nodes to be ready", wait::PATIENCE, async || {
            self.ensure_running()?;
            let list = nodes.list(&ListParams::default()).await?;
            let able = |node: &Node| {
                let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
                let ready = conditions.is_some_and(|all| {
                    all.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
                });
                let tainted = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
                ready && tainted.is_none_or(Vec::is_empty)
            };
            Ok(list.items.len() == NODES.len() && list.items.iter().all(able))
        })
        .await?;
        wait::until("the controllers to work", wait::PATIENCE, async || {
            self.ensure_running()?;
            Ok(accounts.get_opt("default").await?.is_some())
        })
        .await
    }

    /// # Errors
    ///
    /// When one of the programs has ended.
    pub fn ensure_running(&mut self) -> Result<()> {
        [&mut self.manager, &mut self.scheduler, &mut self.kwok]
            .into_iter()
            .try_for_each(Process::ensure_running)
    }
}

fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "annotations": {PLAYED: "yes"}, "labels": {"kubernetes.io/hostname": name}},
    })
}

fn manager(program: &Path, file: &Path, lab: &Lab, cluster: &Cluster<'_>) -> Result<Command> {
    let mut command = serving(program, file, lab)?;
    let path = |path: &Path| path.display().to_string();
    for (name, value) in [
        ("service-account-private-key-file", path(&cluster.pki().accounts_key)),
        ("root-ca-file", path(&cluster.pki().ca)),
        // Tests make many objects at once, and wait for what becomes of them.
        ("kube-api-qps", "500".to_owned()),
        ("kube-api-burst", "1000".to_owned()),
        ("concurrent-deployment-syncs", "20".to_owned()),
    ] {
        command.arg(format!("--{name}={value}"));
    }
    Ok(command)
}

fn scheduler(program: &Path, file: &Path, lab: &Lab) -> Result<Command> {
    let mut command = serving(program, file, lab)?;
    command.args(["--kube-api-qps=500", "--kube-api-burst=1000"]);
    Ok(command)
}

/// What the servers of Kubernetes have in common.
fn serving(program: &Path, file: &Path, lab: &Lab) -> Result<Command> {
    let mut command = Command::new(program);
    let name = program.file_name().context("a program without a name")?.display();
    command
        .arg(format!("--kubeconfig={}", file.display()))
        .arg("--leader-elect=false")
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--secure-port={}", ports::free()?))
        .arg(format!("--cert-dir={}", lab.file(&format!("{name}-certificates")).display()));
    Ok(command)
}

fn player(program: &Path, file: &Path) -> Command {
    let stages = assets::crate_folder().join("servers/kwok/stages.yaml");
    let mut command = Command::new(program);
    command
        .arg(format!("--kubeconfig={}", file.display()))
        .arg(format!("--config={}", stages.display()))
        .arg(format!("--manage-nodes-with-annotation-selector={PLAYED}=yes"))
        // The node controller takes a node whose lease nobody renews for lost.
        .arg("--node-lease-duration-seconds=40")
        // Pods of all nodes share it.
        .arg("--cidr=10.128.0.1/16")
        .arg("--node-ip=127.0.0.1");
    command
}
