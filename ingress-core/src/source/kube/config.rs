//! Which cluster: the search for a configuration, and the client made of it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{ClientBuilder, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use secrecy::ExposeSecret;
use tower::{BoxError, ServiceBuilder};

use super::{KEEPALIVE, KubeSource, failure};
use crate::key::{ClusterId, Namespace};
use crate::source::{ClusterInfo, Origin};

/// Why no cluster could be configured.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    kind: ConfigErrorKind,
    message: String,
    path: Option<PathBuf>,
}

/// What kind of thing is wrong with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigErrorKind {
    /// Nothing is configured, anywhere.
    NotConfigured,
    /// A file that is named, or exists, can't be read.
    Unreadable,
    /// A file does not hold a usable configuration.
    Invalid,
    /// The configuration has no context of the name asked for, or names no current one.
    NoSuchContext,
    /// The credentials that the configuration names can't be obtained.
    Credentials,
}

impl ConfigError {
    fn new(kind: ConfigErrorKind, message: String) -> Self {
        Self { kind, message, path: None }
    }

    fn of(path: &Path, kind: ConfigErrorKind, problem: impl std::fmt::Display) -> Self {
        Self { kind, message: format!("{}: {problem}", path.display()), path: Some(path.to_owned()) }
    }

    /// What kind of thing is wrong.
    #[must_use]
    pub fn kind(&self) -> ConfigErrorKind {
        self.kind
    }

    /// The file at fault, where there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

/// Says which cluster to read.
#[derive(Debug, Default)]
pub struct KubeSourceBuilder {
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    cluster: Option<ClusterId>,
}

impl KubeSourceBuilder {
    /// Reads this kubeconfig and looks nowhere else; `None` leaves the search as it is.
    #[must_use]
    pub fn kubeconfig(mut self, file: Option<PathBuf>) -> Self {
        self.kubeconfig = file;
        self
    }

    /// Uses this context of the kubeconfig instead of its current one.
    #[must_use]
    pub fn context(mut self, context: Option<String>) -> Self {
        self.context = context;
        self
    }

    /// Names the cluster in every key, instead of naming it after its context.
    #[must_use]
    pub fn cluster(mut self, id: ClusterId) -> Self {
        self.cluster = Some(id);
        self
    }

    /// Finds the configuration and makes a client of it; connects to nothing yet.
    ///
    /// The first that is there is used: the file given; `$KUBECONFIG`; the pod's service account (its token and CA are read
    /// again when they rotate); `~/.kube/config`; `/etc/rancher/rke2/rke2.yaml`; `/etc/kubernetes/admin.conf`.
    /// [`ClusterInfo::origin`] and [`detail`](ClusterInfo::detail) tell which it was.
    ///
    /// # Errors
    ///
    /// [`ConfigErrorKind::NotConfigured`] when there is none of them. One that is there and can't be used is an error that
    /// names it, never a reason to look further.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the search.
    pub async fn connect(self) -> Result<KubeSource, ConfigError> {
        self.connect_at(&Places::of_this_process()).await
    }

    async fn connect_at(self, places: &Places) -> Result<KubeSource, ConfigError> {
        let found = find(self.kubeconfig.as_deref(), places)?;
        let (config, mut info) = match found {
            Found::InCluster => in_cluster(self.context.as_deref())?,
            Found::Files { files, origin } => from_files(&files, origin, self.context).await?,
        };
        if let Some(id) = self.cluster {
            info.id = id;
        }
        let client = client(config).map_err(|problem| {
            ConfigError::new(ConfigErrorKind::Credentials, format!("{}: {problem}", info.detail))
        })?;
        Ok(KubeSource::new(client, info))
    }
}

/// Where configurations may lie.
#[derive(Debug)]
struct Places {
    variable: Option<OsString>,
    in_cluster: bool,
    home: Option<PathBuf>,
    rke2: PathBuf,
    kubeadm: PathBuf,
}

impl Places {
    fn of_this_process() -> Self {
        Self {
            variable: std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty()),
            in_cluster: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
                && Path::new("/var/run/secrets/kubernetes.io/serviceaccount/token").exists(),
            home: std::env::home_dir().map(|home| home.join(".kube/config")),
            rke2: "/etc/rancher/rke2/rke2.yaml".into(),
            kubeadm: "/etc/kubernetes/admin.conf".into(),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Found {
    InCluster,
    Files { files: Vec<PathBuf>, origin: Origin },
}

fn find(argument: Option<&Path>, places: &Places) -> Result<Found, ConfigError> {
    if let Some(file) = argument {
        return Ok(Found::Files { files: vec![file.to_owned()], origin: Origin::Argument });
    }
    if let Some(variable) = &places.variable {
        let named: Vec<PathBuf> =
            std::env::split_paths(variable).filter(|path| !path.as_os_str().is_empty()).collect();
        // As kubectl does, a list may name files that are not there; but if none is, somebody is mistaken.
        let there: Vec<PathBuf> = named.iter().filter(|path| exists(path)).cloned().collect();
        if there.is_empty() {
            let message = format!("KUBECONFIG names {}, which does not exist", variable.display());
            return Err(ConfigError::new(ConfigErrorKind::Unreadable, message));
        }
        return Ok(Found::Files { files: there, origin: Origin::KubeconfigVariable });
    }
    if places.in_cluster {
        return Ok(Found::InCluster);
    }
    let home = places.home.as_ref().map(|path| (path, Origin::Home));
    let rest = [(&places.rke2, Origin::Rke2), (&places.kubeadm, Origin::Kubeadm)];
    for (path, origin) in home.into_iter().chain(rest) {
        if exists(path) {
            return Ok(Found::Files { files: vec![path.clone()], origin });
        }
    }
    let message =
        "no cluster is configured: no --kubeconfig, no KUBECONFIG, no service account, no ~/.kube/config";
    Err(ConfigError::new(ConfigErrorKind::NotConfigured, message.into()))
}

/// Whether something is there. What can't be looked at counts as there: reading it will say what is wrong.
fn exists(path: &Path) -> bool {
    !matches!(path.symlink_metadata(), Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
}

fn in_cluster(context: Option<&str>) -> Result<(kube::Config, ClusterInfo), ConfigError> {
    if let Some(context) = context {
        let message = format!("there is no context {context:?}: the pod's service account has no contexts");
        return Err(ConfigError::new(ConfigErrorKind::NoSuchContext, message));
    }
    let config = kube::Config::incluster().map_err(|error| {
        ConfigError::new(ConfigErrorKind::Unreadable, format!("the pod's service account: {error}"))
    })?;
    let mut info = ClusterInfo::new(ClusterId::sanitized("in-cluster"), Origin::InCluster);
    info.detail = format!("service account in namespace {}", config.default_namespace);
    describe(&mut info, &config);
    Ok((config, info))
}

fn describe(info: &mut ClusterInfo, config: &kube::Config) {
    info.server = config.cluster_url.to_string();
    info.default_namespace = Namespace::new(&config.default_namespace).ok();
}

async fn from_files(
    files: &[PathBuf],
    origin: Origin,
    context: Option<String>,
) -> Result<(kube::Config, ClusterInfo), ConfigError> {
    let Some((first, more)) = files.split_first() else {
        return Err(ConfigError::new(ConfigErrorKind::NotConfigured, "no file is named".into()));
    };
    let mut merged = read(first)?;
    for file in more {
        merged = merged.merge(read(file)?).map_err(|error| invalid(file, &error))?;
    }
    let name = context.clone().or_else(|| merged.current_context.clone()).unwrap_or_default();
    if name.is_empty() {
        let problem = "names no current context; say which with --context";
        return Err(ConfigError::of(first, ConfigErrorKind::NoSuchContext, problem));
    }
    if !merged.contexts.iter().any(|context| context.name == name) {
        let known: Vec<&str> = merged.contexts.iter().map(|context| context.name.as_str()).collect();
        let problem = format!("has no context {name:?}; it has {}", known.join(", "));
        return Err(ConfigError::of(first, ConfigErrorKind::NoSuchContext, problem));
    }
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(merged, &options)
        .await
        .map_err(|error| invalid(first, &error))?;
    let mut info = ClusterInfo::new(ClusterId::sanitized(&name), origin);
    let shown: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    info.detail = format!("{}, context {name}", shown.join(":"));
    describe(&mut info, &config);
    Ok((config, info))
}

fn read(file: &Path) -> Result<Kubeconfig, ConfigError> {
    let config = Kubeconfig::read_from(file).map_err(|error| invalid(file, &error))?;
    if config.clusters.is_empty() && config.contexts.is_empty() {
        let problem = "holds neither clusters nor contexts: not a kubeconfig";
        return Err(ConfigError::of(file, ConfigErrorKind::Invalid, problem));
    }
    Ok(config)
}

/// What is wrong with a kubeconfig, without quoting it: it holds credentials.
fn invalid(file: &Path, error: &KubeconfigError) -> ConfigError {
    let (kind, problem) = match error {
        KubeconfigError::ReadConfig(error, _) => {
            (ConfigErrorKind::Unreadable, format!("can't be read: {error}"))
        }
        KubeconfigError::Parse(error) => {
            let place = error.location().map_or_else(String::new, |place| {
                format!(" at line {}, column {}", place.line(), place.column())
            });
            (ConfigErrorKind::Invalid, format!("is not a kubeconfig: the YAML can't be understood{place}"))
        }
        KubeconfigError::LoadCertificateAuthority(error)
        | KubeconfigError::LoadClientCertificate(error)
        | KubeconfigError::LoadClientKey(error) => (ConfigErrorKind::Invalid, load_problem(error)),
        KubeconfigError::ParseCertificates(_) => {
            (ConfigErrorKind::Invalid, "holds a certificate that is not PEM".into())
        }
        KubeconfigError::CurrentContextNotSet => {
            (ConfigErrorKind::NoSuchContext, "names no current context; say which with --context".into())
        }
        other => (ConfigErrorKind::Invalid, other.to_string()),
    };
    ConfigError::of(file, kind, problem)
}

fn load_problem(error: &kube::config::LoadDataError) -> String {
    use kube::config::LoadDataError as Load;
    match error {
        Load::ReadFile(error, path) => format!("names {}, which can't be read: {error}", path.display()),
        Load::DecodeBase64(_) => "holds certificate or key data that is not base64".into(),
        Load::NoBase64DataOrFile => "names neither data nor a file for a certificate or key".into(),
    }
}

fn client(mut config: kube::Config) -> Result<kube::Client, String> {
    // The layer that adds a token panics on one that HTTP does not allow.
    let token = config.auth_info.token.as_ref().map(ExposeSecret::expose_secret);
    if token.is_some_and(|token| HeaderValue::from_str(token).is_err()) {
        return Err("credentials: the token holds characters that HTTP does not allow".into());
    }
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(10));
    let result = if config.proxy_url.is_some() {
        // The proxy's tunnel is kube's own stack; there, a dead peer is noticed by the lane's deadline alone.
        ClientBuilder::try_from(config).map(ClientBuilder::build)
    } else {
        direct_client(&config)
    };
    result.map_err(|error| match &error {
        kube::Error::Auth(error) => format!("credentials: {}", failure::of_auth(error)),
        kube::Error::RustlsTls(_) => {
            "the certificates or the key that the configuration names can't be used".into()
        }
        kube::Error::InferKubeconfig(_) => "the client certificate or key can't be loaded".into(),
        other => format!("the configuration can't be used: {}", failure_kind(other)),
    })
}

fn failure_kind(error: &kube::Error) -> &'static str {
    match error {
        kube::Error::TlsRequired => "it needs TLS",
        kube::Error::HttpError(_) => "it names a header that HTTP does not allow",
        kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. } => {
            "its proxy speaks an unsupported protocol"
        }
        _ => "no client can be made of it",
    }
}

/// kube's own stack, less its tracing (which logs every refusal as an error) and with TCP keepalive.
fn direct_client(config: &kube::Config) -> kube::Result<kube::Client> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(config.connect_timeout);
    http.set_keepalive(Some(KEEPALIVE));
    http.set_keepalive_interval(Some(KEEPALIVE / 3));
    http.set_keepalive_retries(Some(3));
    let https = config.rustls_https_connector_with_connector(http)?;
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(https);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(client);
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}

#[cfg(test)]
mod tests;
