//! One etcd member on loopback.

use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::assets::Servers;
use crate::lab::Lab;
use crate::process::Process;
use crate::{ports, wait};

/// A running etcd; its data lies in the lab.
#[derive(Debug)]
pub struct Etcd {
    process: Process,
    url: String,
    http: reqwest::Client,
}

impl Etcd {
    /// Starts etcd and waits until it is healthy.
    ///
    /// # Errors
    ///
    /// When it cannot be started or is not healthy in time.
    pub async fn start(lab: &Lab) -> Result<Self> {
        let url = format!("http://127.0.0.1:{}", ports::free()?);
        let peer = format!("http://127.0.0.1:{}", ports::free()?);
        let mut command = Command::new(Servers::find()?.etcd);
        command
            .arg("--name=e2e")
            .arg(format!("--data-dir={}", lab.file("etcd").display()))
            .arg(format!("--listen-client-urls={url}"))
            .arg(format!("--advertise-client-urls={url}"))
            .arg(format!("--listen-peer-urls={peer}"))
            .arg(format!("--initial-advertise-peer-urls={peer}"))
            .arg(format!("--initial-cluster=e2e={peer}"))
            // Durability across a power cut is of no use here, and costs a disk flush per write.
            .arg("--unsafe-no-fsync")
            .arg("--log-level=warn");
        let process = Process::start(lab, "etcd", command)?;
        let mut etcd = Self { process, url, http: reqwest::Client::new() };
        wait::until("etcd to be healthy", wait::PATIENCE, async || {
            etcd.process.ensure_running()?;
            let answer = etcd.http.get(format!("{}/health", etcd.url)).send().await?;
            Ok(answer.text().await?.contains("true"))
        })
        .await?;
        Ok(etcd)
    }

    /// What the API server is given as `--etcd-servers`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Forgets all history before the newest revision and returns that revision. A watch that wants to go
    /// on from anything older is refused from now on.
    ///
    /// # Errors
    ///
    /// When etcd refuses.
    pub async fn compact(&self) -> Result<i64> {
        // The gateway writes 64-bit integers as strings, as protobuf's JSON mapping says.
        let newest = self.post("kv/range", &json!({"key": "AA==", "limit": 1})).await?;
        let revision: i64 = newest
            .pointer("/header/revision")
            .and_then(Value::as_str)
            .context("no revision in etcd's answer")?
            .parse()?;
        self.post("kv/compaction", &json!({"revision": revision.to_string(), "physical": true})).await?;
        Ok(revision)
    }

    /// One call of etcd's HTTP gateway, which speaks JSON for its gRPC API.
    async fn post(&self, call: &str, body: &Value) -> Result<Value> {
        let answer = self
            .http
            .post(format!("{}/v3/{call}", self.url))
            .body(body.to_string())
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .with_context(|| format!("asking etcd for {call}"))?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }
}
