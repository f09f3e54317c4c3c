//! One kube-apiserver on loopback: TLS, RBAC, service account tokens and an audit log.
//!
//! It runs without any controller, unless a test starts them. Admission plugins that wait for what a controller makes are off;
//! everything that concerns namespaces, ingresses, authentication and authorisation is as in production.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::Request;
use serde_json::Value;
use tokio::time::sleep;

use crate::assets::Servers;
use crate::audit::Audit;
use crate::kubeconfig;
use crate::lab::Lab;
use crate::pki::Pki;
use crate::process::Process;
use crate::wait;

/// How long a cold start may take on a busy machine.
const START: Duration = Duration::from_secs(90);

/// How an API server is run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Distinguishes the logs of several servers in one lab.
    pub name: String,
    /// Where it listens; the same again after a restart.
    pub port: u16,
    /// Its etcd.
    pub etcd: String,
    /// Serve watches from memory, as every real cluster does. Without it each watch reads etcd, so that a
    /// compaction there expires it at once.
    pub watch_cache: bool,
    /// Admit as a cluster does whose [controllers](crate::controllers::Controllers) run.
    pub controllers: bool,
}

impl Settings {
    /// The usual way, on this port with this etcd.
    #[must_use]
    pub fn new(name: &str, port: u16, etcd: &str) -> Self {
        Self { name: name.to_owned(), port, etcd: etcd.to_owned(), watch_cache: true, controllers: false }
    }
}

/// A running kube-apiserver.
pub struct ApiServer {
    process: Process,
    settings: Settings,
    client: kube::Client,
    audit: Audit,
}

impl std::fmt::Debug for ApiServer {
    // By hand, because the client has none.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ApiServer").field("process", &self.process).finish_non_exhaustive()
    }
}

impl ApiServer {
    /// Starts it and waits until it is ready, RBAC's own bootstrap roles included.
    ///
    /// # Errors
    ///
    /// When it cannot be started or is not ready in time.
    pub async fn start(lab: &Lab, pki: &Pki, settings: Settings) -> Result<Self> {
        let audit = Audit::of(lab.file(&format!("{}-audit.jsonl", settings.name)));
        let process = Process::start(lab, &settings.name, command(lab, pki, &settings, &audit)?)?;
        let client = kubeconfig::admin_client(pki, &url(settings.port)).await?;
        let mut server = Self { process, settings, client, audit };
        wait::until("the API server to be ready", START, async || {
            // The error that says why it ended is worth more than the one about the refused connection.
            server.process.ensure_running()?;
            let ready = Request::get("/readyz").body(Vec::new())?;
            Ok(server.client.request_text(ready).await? == "ok")
        })
        .await?;
        Ok(server)
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.settings.port)
    }

    /// The port alone.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.settings.port
    }

    /// How it was started: what a restart needs.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A client that may do everything.
    #[must_use]
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Its audit log, which goes on over restarts.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Freezes it; see [`Process::freeze`].
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// Ends it at once, as a crash would, and hands back what starts it again.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn kill(mut self) -> Result<Settings> {
        self.process.kill()?;
        Ok(self.settings)
    }

    /// The sum of a gauge of whole numbers over all series whose labels hold every one of `labels`, written as in
    /// the metrics page (`resource="ingresses"`).
    ///
    /// # Errors
    ///
    /// When the metrics cannot be read.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Result<u64> {
        let page = self.client.request_text(Request::get("/metrics").body(Vec::new())?).await?;
        let mut sum = 0;
        for line in page.lines() {
            let Some(rest) = line.strip_prefix(name) else { continue };
            if !rest.starts_with('{') || !labels.iter().all(|label| rest.contains(label)) {
                continue;
            }
            let value = rest.rsplit(' ').next().context("a sample without a value")?;
            sum += value.parse::<u64>().with_context(|| format!("not a whole number: {line}"))?;
        }
        Ok(sum)
    }

    /// How many watches of ingresses and namespaces last, those of the API server itself among them: the engine opens
    /// another one for about a second now and then, to see whether a quiet one missed something.
    ///
    /// # Errors
    ///
    /// When the metrics cannot be read.
    pub async fn lasting_watches(&self) -> Result<u64> {
        let mut fewest = u64::MAX;
        for _ in 0..10 {
            let mut open = 0;
            for resource in ["resource=\"ingresses\"", "resource=\"namespaces\""] {
                open += self.metric("apiserver_longrunning_requests", &["verb=\"WATCH\"", resource]).await?;
            }
            fewest = fewest.min(open);
            sleep(Duration::from_millis(500)).await;
        }
        Ok(fewest)
    }

    /// One request as the administrator, answered with JSON.
    ///
    /// # Errors
    ///
    /// Those of the request.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let request = Request::get(path).body(Vec::new())?;
        self.client.request(request).await.with_context(|| format!("GET {path}"))
    }
}

/// The address of a server on this port.
#[must_use]
pub fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// Every request once when its answer starts and once when it is done, by whom and with which code. The
/// server's own traffic would only drown the rest.
const AUDIT_POLICY: &str = r#"apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: ["RequestReceived"]
rules:
  - level: None
    users: ["system:apiserver"]
  - level: None
    nonResourceURLs: ["/readyz*", "/livez*", "/healthz*", "/metrics"]
    users: ["e2e-admin"]
  - level: Metadata
"#;

/// Admission that needs a controller or costs work and has nothing to do with ingresses.
const NOT_ADMITTED: &str = "ServiceAccount,LimitRanger,ResourceQuota,RuntimeClass,Priority,DefaultTolerationSeconds,\
                            TaintNodesByCondition,DefaultStorageClass,StorageObjectInUseProtection,\
                            PersistentVolumeClaimResize,PodSecurity";

/// What is not admitted beside controllers: pods would wait for the account of a namespace that is new, and nothing runs in them that could use it.
const NOT_ADMITTED_BESIDE_CONTROLLERS: &str = "ServiceAccount";

fn command(lab: &Lab, pki: &Pki, settings: &Settings, audit: &Audit) -> Result<Command> {
    if settings.port == 0 {
        bail!("an API server that may be restarted needs a fixed port");
    }
    let policy = lab.write("audit-policy.yaml", AUDIT_POLICY)?;
    let mut command = Command::new(Servers::find()?.apiserver);
    let mut flag = |name: &str, value: &str| {
        command.arg(format!("--{name}={value}"));
    };
    flag("etcd-servers", &settings.etcd);
    flag("bind-address", "127.0.0.1");
    flag("advertise-address", "127.0.0.1");
    flag("secure-port", &settings.port.to_string());
    flag("cert-dir", &lab.file("certificates").display().to_string());
    flag("tls-cert-file", &pki.serving_certificate.display().to_string());
    flag("tls-private-key-file", &pki.serving_key.display().to_string());
    flag("client-ca-file", &pki.ca.display().to_string());
    flag("authorization-mode", "RBAC");
    flag("service-account-issuer", "https://kubernetes.default.svc");
    flag("service-account-key-file", &pki.accounts_public.display().to_string());
    flag("service-account-signing-key-file", &pki.accounts_key.display().to_string());
    flag("service-cluster-ip-range", "10.96.0.0/24");
    flag("endpoint-reconciler-type", "none");
    let not_admitted = if settings.controllers { NOT_ADMITTED_BESIDE_CONTROLLERS } else { NOT_ADMITTED };
    flag("disable-admission-plugins", not_admitted);
    flag("audit-policy-file", &policy.display().to_string());
    flag("audit-log-path", &audit.path().display().to_string());
    flag("audit-log-format", "json");
    // Written before the answer goes out: a test that has seen the answer also sees the entry.
    flag("audit-log-mode", "blocking-strict");
    flag("watch-cache", if settings.watch_cache { "true" } else { "false" });
    flag("profiling", "false");
    Ok(command)
}
