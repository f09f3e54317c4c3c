//! A fleet: several dashboards on one Redis, each with a way of its own to the API server.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::time::{Instant, interval};

use crate::access::Account;
use crate::cluster::Cluster;
use crate::dashboard::{Dashboard, Launch};
use crate::gate::Gate;
use crate::kubeconfig::Login;
use crate::lab::Lab;
use crate::objects::{self, truth};
use crate::sse::SseClient;
use crate::wait;

/// A replica; dropping it kills it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Replica {
    /// The program.
    pub dashboard: Dashboard,
    /// Its way to the API server.
    pub gate: Gate,
    /// Its way to Redis.
    pub redis: Gate,
    name: String,
}

/// A fleet, and the cluster that it shows.
#[non_exhaustive]
pub struct Fleet<'lab> {
    /// The replicas; those that were killed are gone.
    pub replicas: Vec<Replica>,
    /// What they show.
    pub cluster: Cluster<'lab>,
    /// The cluster's administrator.
    pub client: kube::Client,
    /// Who the replicas are.
    pub account: Account,
    lab: &'lab Lab,
    redis: u16,
    flags: Vec<String>,
    started: usize,
}

impl std::fmt::Debug for Fleet<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Fleet").field("replicas", &self.replicas).finish_non_exhaustive()
    }
}

impl<'lab> Fleet<'lab> {
    /// A filled cluster, and no replica yet. `redis` is the port of a Redis on loopback; `flags` are given to each replica.
    ///
    /// # Errors
    ///
    /// When a server does not come up.
    pub async fn set(
        lab: &'lab Lab,
        redis: u16,
        namespaces: usize,
        ingresses: usize,
        flags: &[&str],
    ) -> Result<Self> {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        cluster.fill(namespaces, ingresses).await?;
        let account = Account::create(&client, "dashboard").await?;
        account.allow_everything(&client).await?;
        let flags = flags.iter().map(|&flag| flag.to_owned()).collect();
        Ok(Self { replicas: Vec::new(), cluster, client, account, lab, redis, flags, started: 0 })
    }

    /// Starts one more replica and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub async fn add(&mut self) -> Result<usize> {
        self.started += 1;
        let name = format!("replica-{}", self.started);
        let gate = Gate::to(self.cluster.port()).await?;
        let redis = Gate::to(self.redis).await?;
        let kubeconfig =
            self.cluster.kubeconfig_via(&name, &gate.url(), Login::Token(&self.account.token))?;
        let address = redis.url().replacen("https://", "redis://", 1);
        let dashboard = Launch::dashboard(self.lab)?
            .named(&name)
            .kubeconfig(&kubeconfig)
            .environment("RUST_LOG", "info,ingress_cache=debug")
            .args(["--redis", &address, "--fleet", "shop", "--fleet-replica", &name])
            .args(&self.flags)
            .start()
            .await?;
        self.replicas.push(Replica { dashboard, gate, redis, name });
        let added = self.replicas.len() - 1;
        self.replica_mut(added)?.dashboard.ready().await?;
        Ok(added)
    }

    fn replica_mut(&mut self, at: usize) -> Result<&mut Replica> {
        self.replicas.get_mut(at).context("no such replica")
    }

    /// Which replica watches: the one that says so.
    ///
    /// # Errors
    ///
    /// When none or several say so for long.
    pub async fn holder(&self) -> Result<usize> {
        wait::eventually("one replica to watch", wait::PATIENCE, async || {
            let mut holders = Vec::new();
            for (at, replica) in self.replicas.iter().enumerate() {
                if replica.held().await.is_ok_and(|held| held > 0) {
                    holders.push(at);
                }
            }
            match holders.as_slice() {
                [holder] => Ok(Some(*holder)),
                several => bail!("{several:?} watch"),
            }
        })
        .await
    }

    /// Kills a replica.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn kill(&mut self, at: usize) -> Result<()> {
        anyhow::ensure!(at < self.replicas.len(), "no such replica");
        // Killed when it is dropped.
        drop(self.replicas.remove(at));
        Ok(())
    }

    /// Opens a viewer's stream at a replica, and waits until it has everything.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn viewer(&self, at: usize) -> Result<SseClient> {
        let replica = self.replicas.get(at).context("no such replica")?;
        let viewer = replica.dashboard.stream("").await?.of_fleet();
        viewer.wait("the snapshot", wait::PATIENCE, |model| model.is_following() && model.is_live()).await?;
        Ok(viewer)
    }

    /// How many watches the API server has, its own among them, once that is the same twice.
    ///
    /// # Errors
    ///
    /// When it changes for long.
    pub async fn settled_watches(&self) -> Result<u64> {
        let mut before = None;
        wait::eventually("the number of watches to settle", wait::PATIENCE, async || {
            let now = self.cluster.server()?.lasting_watches().await?;
            Ok((before.replace(now) == Some(now)).then_some(now))
        })
        .await
    }

    /// Waits until the API server has so many watches.
    ///
    /// # Errors
    ///
    /// When it has another number for long.
    pub async fn watches(&self, expected: u64) -> Result<()> {
        wait::until(&format!("{expected} watches"), wait::PATIENCE, async || {
            let watches = self.cluster.server()?.lasting_watches().await?;
            anyhow::ensure!(watches == expected, "there are {watches}");
            Ok(true)
        })
        .await
    }

    /// Waits until these viewers see the cluster as it is, live, and tells how long that took.
    ///
    /// # Errors
    ///
    /// When one of them does not in time, or was told something that can't be.
    pub async fn converged(
        &self,
        viewers: impl IntoIterator<Item = &SseClient>,
        within: Duration,
    ) -> Result<Duration> {
        let (begun, truth) = (Instant::now(), truth(&self.client).await?);
        for (nth, viewer) in viewers.into_iter().enumerate() {
            let left = within.saturating_sub(begun.elapsed());
            viewer
                .wait("the cluster as it is", left, |model| model.is_live() && model.states() == truth)
                .await
                .with_context(|| format!("viewer {nth}"))?;
            viewer.check().with_context(|| format!("viewer {nth}"))?;
        }
        Ok(begun.elapsed())
    }
}

impl Replica {
    /// How many shards it watches for all, as it says itself.
    ///
    /// # Errors
    ///
    /// When it doesn't say.
    pub async fn held(&self) -> Result<u64> {
        let health = self.health().await?;
        health.pointer("/holds").and_then(serde_json::Value::as_u64).context("it tells of no fleet")
    }

    /// What it says of its fleet.
    ///
    /// # Errors
    ///
    /// When it doesn't.
    pub async fn health(&self) -> Result<serde_json::Value> {
        let answer = self.dashboard.rest().get("/api/health").await?;
        let health: serde_json::Value = serde_json::from_slice(&answer.body)?;
        health.pointer("/checks/fleet").cloned().with_context(|| format!("{} tells of no fleet", self.name))
    }

    /// Waits until it has its state from there: `following`, `waiting` or `alone`.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn mode(&self, mode: &str, within: Duration) -> Result<()> {
        wait::until(&format!("{} to be {mode}", self.name), within, async || {
            Ok(self.health().await?.pointer("/mode").and_then(serde_json::Value::as_str) == Some(mode))
        })
        .await
    }
}

/// The number of the next ingress that comes and goes: beyond those that clusters are filled with.
static EXTRA: AtomicUsize = AtomicUsize::new(900_000);

/// Changes ingresses for a while, about so many times a second: most are annotated, some deleted, created or given an address.
///
/// # Errors
///
/// When the API server refuses one.
pub async fn churn(client: &kube::Client, namespaces: usize, per_second: u32, time: Duration) -> Result<u64> {
    let names = objects::namespace_names(namespaces);
    let mut ticks = interval(Duration::from_secs(1) / per_second.max(1));
    let (begun, mut changes) = (Instant::now(), 0_u64);
    let mut extra = VecDeque::new();
    while begun.elapsed() < time {
        ticks.tick().await;
        changes += 1;
        let namespace = names.get(rand::random_range(0..names.len())).context("no namespace")?;
        match rand::random_range(0..20) {
            0 => {
                let number = EXTRA.fetch_add(1, Ordering::Relaxed);
                objects::create(client, namespace, number).await?;
                extra.push_back((namespace, number));
            }
            1 if extra.len() > 2 => {
                let Some((namespace, number)) = extra.pop_front() else { continue };
                objects::delete(client, namespace, &objects::name(number)).await?;
            }
            _ => {
                let number = names.iter().position(|name| name == namespace).unwrap_or(0);
                let name = objects::name(number);
                objects::annotate(client, namespace, &name, "example.com/churn", &changes.to_string())
                    .await?;
            }
        }
    }
    Ok(changes)
}
