//! `why` as people run it, about routes of the healthy fleet, one of which is broken first.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use e2e::assets;
use e2e::cluster::Cluster;
use e2e::kubeconfig::Login;
use e2e::lab::Lab;
use e2e::manifest::Manifests;
use e2e::process::Process;
use e2e::wait;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::healthy::namespace;

pub(crate) async fn says_where_it_stops(
    lab: &Lab,
    cluster: &Cluster<'_>,
    manifests: &Manifests,
) -> Result<()> {
    let name = namespace(0);
    let file = cluster.kubeconfig("why", Login::Admin)?;
    let mut asked = 0;
    let mut ask = async |file: &Path, url: &str| -> Result<(i32, String)> {
        asked += 1;
        let mut command = Command::new(assets::example("why")?);
        command.arg("--kubeconfig").arg(file).arg(url);
        let mut why = Process::start(lab, &format!("why-{asked}"), command)?;
        let (status, took) = why.ended(wait::PATIENCE).await?;
        let (code, text) = (status.code().context("it was killed")?, why.output()?);
        println!("$ why {url}\n{text}(exit code {code}, after {took:.1?})\n");
        Ok((code, text))
    };

    let web = format!("https://web-0.{name}.example.com/cart");
    let (code, text) = ask(&file, &web).await?;
    ensure!(code == 0 && text.contains("2 of 2 endpoints are ready"), "{text}");
    let api = format!("https://api-0.{name}.example.com/v1");
    let (code, text) = ask(&file, &api).await?;
    ensure!(code == 0 && text.contains("Gateway"), "{text}");

    let service =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "service-0", "namespace": name}});
    let wrong = Patch::Merge(json!({"spec": {"selector": {"app": "service-O"}}}));
    manifests.api(&service).await?.patch("service-0", &PatchParams::default(), &wrong).await?;
    let (code, text) = ask(&file, &web).await?;
    ensure!(code == 1 && text.contains("SVC001") && text.contains("app=service-O"), "{text}");
    let (code, text) = ask(&file, "https://nobody.example.org/").await?;
    ensure!(code == 1 && text.contains("No route is for the host"), "{text}");

    let elsewhere = cluster.kubeconfig_via("nowhere", "https://127.0.0.1:9", Login::Admin)?;
    let (code, text) = ask(&elsewhere, &web).await?;
    ensure!(code == 3 && text.contains("did not say"), "{text}");
    Ok(())
}
