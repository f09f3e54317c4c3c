//! The engine as programs use it, watching a cluster and judging its routes; and waiting for what it says.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use ingress_core::clock::wall_now;
use ingress_core::diagnose::{Assessed, Finding, Settings, Verdict, diagnose_all, lint};
use ingress_core::routes::{RouteSnapshot, Routes};
use ingress_core::{ClusterId, ClusterInfo, Hub, KubeSource, Origin};
use kube::Client;
use tokio::time::{Instant, sleep};

use crate::wait;

/// How long a finding may take to appear, and to go.
pub const BAR: Duration = Duration::from_secs(5);

/// How long to pause between two looks. One costs as much as the routes that there are.
const PAUSE: Duration = Duration::from_millis(25);

/// A hub that watches one cluster.
pub struct Judge {
    hub: Hub,
    cluster: ClusterId,
    settings: Settings,
}

impl std::fmt::Debug for Judge {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Judge").field("cluster", &self.cluster).finish_non_exhaustive()
    }
}

impl Judge {
    /// Watches the cluster of this client, and waits until every kind was read, or it is clear that it is not there.
    ///
    /// # Errors
    ///
    /// When that takes too long.
    pub async fn start(client: Client, settings: Settings) -> Result<Self> {
        let cluster = ClusterId::new("e2e")?;
        let source = KubeSource::from_client(client, ClusterInfo::new(cluster.clone(), Origin::Client));
        let hub = Hub::builder(source.clone()).routes(source)?.diagnosis(settings.clone()).start();
        let judge = Self { hub, cluster, settings };
        wait::until("every kind to be read", wait::PATIENCE, async || {
            let snapshot = judge.routes()?.snapshot();
            let unread = snapshot.inventory().unread();
            ensure!(unread.is_empty(), "not read: {unread:?}");
            Ok(snapshot.revision() > 0)
        })
        .await?;
        Ok(judge)
    }

    /// What it watches.
    ///
    /// # Errors
    ///
    /// Never, since it always watches routes.
    pub fn routes(&self) -> Result<&Routes> {
        self.hub.routes().context("the hub watches no routes")
    }

    /// The routes as they are judged now.
    ///
    /// # Errors
    ///
    /// As [`routes`](Self::routes).
    pub fn snapshot(&self) -> Result<RouteSnapshot> {
        Ok(self.routes()?.snapshot())
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &ClusterId {
        &self.cluster
    }

    /// Waits until these kinds are known, which takes as long as a lane whose kind was not there waits before it looks again. Tells how long it took.
    ///
    /// # Errors
    ///
    /// When that takes too long.
    pub async fn know(&self, kinds: &[&str], within: Duration) -> Result<Duration> {
        let begun = Instant::now();
        wait::until("kinds to be noticed", within, async || {
            let snapshot = self.snapshot()?;
            let known = |kind: &&&str| !snapshot.inventory().is_known(kind, &self.cluster);
            let missing: Vec<&&str> = kinds.iter().filter(known).collect();
            ensure!(missing.is_empty(), "not noticed: {missing:?}");
            Ok(true)
        })
        .await?;
        Ok(begun.elapsed())
    }

    /// Everything that is found now: about routes, and about what stands by itself.
    ///
    /// # Errors
    ///
    /// As [`routes`](Self::routes).
    pub fn findings(&self) -> Result<Vec<Finding>> {
        Ok(lint(self.snapshot()?.inventory(), &self.cluster, wall_now(), &self.settings).findings)
    }

    /// Waits until a code is found, or isn't any more, among the findings that `concerns` picks; how long it took, or what is found instead.
    ///
    /// # Errors
    ///
    /// When that takes longer than [`BAR`].
    pub async fn until(
        &self,
        code: &str,
        wanted: bool,
        concerns: impl Fn(&Finding) -> bool,
    ) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            // A look that began in time counts, however long it takes on a busy machine.
            let late = begun.elapsed() > BAR;
            let found: Vec<Finding> = self.findings()?.into_iter().filter(&concerns).collect();
            let took = begun.elapsed();
            if found.iter().any(|finding| finding.code == code) == wanted {
                return Ok(took);
            }
            if late {
                let what = if wanted { "was not found" } else { "is still found" };
                bail!("{code} {what} after {took:.1?}; there is {found:#?}");
            }
            sleep(PAUSE).await;
        }
    }

    /// Waits until the judgements that are kept are those that would be made from scratch.
    ///
    /// # Errors
    ///
    /// When they are not.
    pub async fn kept_is_true(&self) -> Result<()> {
        let verdicts = |all: &mut dyn Iterator<Item = &Assessed>| -> BTreeMap<_, Verdict> {
            all.map(|assessed| (assessed.route.id, assessed.diagnosis.verdict)).collect()
        };
        wait::until("the kept judgements to be those from scratch", BAR, async || {
            let snapshot = self.snapshot()?;
            let scratch = diagnose_all(snapshot.inventory(), &self.cluster, wall_now(), &self.settings);
            let kept = verdicts(&mut snapshot.iter().map(|assessed| &**assessed));
            let scratch = verdicts(&mut scratch.iter());
            // What time alone changes is kept a moment later.
            ensure!(kept == scratch, "kept {kept:?}, from scratch {scratch:?}");
            Ok(true)
        })
        .await
    }

    /// Ends it.
    pub async fn shutdown(self) {
        self.hub.shutdown().await;
    }
}
