//! A cluster with real controllers: what they make and say of objects, judged by the engine.
//!
//! kube-controller-manager, kube-scheduler and Envoy Gateway are the real ones, and kwok plays nodes and pods. All tests here share one cluster, since it takes longer to
//! start than any of them.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test: what is printed are its figures, and a field that is not there ends it or is null"
)]

use std::time::Duration;

use anyhow::Result;
use e2e::addresses::Addresses;
use e2e::cluster::Cluster;
use e2e::controllers::Controllers;
use e2e::definitions::Of;
use e2e::envoy_gateway::EnvoyGateway;
use e2e::judge::Judge;
use e2e::lab::{Lab, scenario_with};
use e2e::manifest::Manifests;
use ingress_core::diagnose::Settings;
use tokio::time::Instant;

#[path = "controllers/broken.rs"]
mod broken;
#[path = "controllers/healthy.rs"]
mod healthy;
#[path = "controllers/nodes.rs"]
mod nodes;
#[path = "controllers/versions.rs"]
mod versions;
#[path = "controllers/why.rs"]
mod why;

/// As people have them, but for patience.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.grace = Duration::from_secs(2);
    settings
}

#[test]
fn a_cluster_with_real_controllers_is_judged_rightly() -> Result<()> {
    scenario_with(&["why"], Duration::from_secs(600), async |lab| {
        // Programs are built before time is taken.
        let begun = Instant::now();
        let cluster = Cluster::start_with(lab, |settings| settings.controllers = true).await?;
        let mut controllers = Controllers::start(lab, &cluster).await?;
        let manifests = Manifests::new(cluster.client()?);
        Of::GatewayApi.install(&manifests).await?;
        Of::CertManager.install(&manifests).await?;
        let mut gateway = EnvoyGateway::start(lab, &cluster).await?;
        let _addresses = Addresses::given_by(cluster.client()?);
        let judge = Judge::start(cluster.client()?, settings()).await?;
        println!("a cluster with controllers, judged: after {:.1?}", begun.elapsed());

        let outcome = play(lab, &cluster, &manifests, &judge).await;
        // Why a program ended says more than what was missed for want of it.
        controllers.ensure_running()?;
        gateway.ensure_running()?;
        outcome?;
        judge.shutdown().await;
        Ok(())
    })
}

async fn play(lab: &Lab, cluster: &Cluster<'_>, manifests: &Manifests, judge: &Judge) -> Result<()> {
    // A node is believed for most of a minute, in which the others are played.
    let scenarios = async {
        broken::every_scenario(manifests, judge).await?;
        versions::come_change_and_go(manifests).await
    };
    tokio::try_join!(scenarios, nodes::one_is_lost(manifests, judge))?;
    judge.kept_is_true().await?;
    healthy::nothing_is_found(manifests, judge).await?;
    why::says_where_it_stops(lab, cluster, manifests).await
}
