//! Where the programs under test and the servers are, building them where needed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result, bail};

/// The server programs that every test needs.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Servers {
    /// `kube-apiserver`.
    pub apiserver: PathBuf,
    /// `etcd`.
    pub etcd: PathBuf,
}

/// What runs beside them where a test needs a whole cluster.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ControllerPrograms {
    /// `kube-controller-manager`.
    pub manager: PathBuf,
    /// `kube-scheduler`.
    pub scheduler: PathBuf,
}

impl Servers {
    /// Those in `KUBEBUILDER_ASSETS`, else those that `e2e/servers/build` makes (minutes the first time,
    /// nothing afterwards).
    ///
    /// # Errors
    ///
    /// When the build script fails; its own message says what is missing.
    pub fn find() -> Result<Self> {
        static FOUND: OnceLock<Servers> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Ok(found.clone());
        }
        let folder = made_by("servers/build")?;
        let servers = Self { apiserver: folder.join("kube-apiserver"), etcd: folder.join("etcd") };
        Ok(FOUND.get_or_init(|| servers).clone())
    }

    /// The controllers of the same build.
    ///
    /// # Errors
    ///
    /// When they are not there: a folder in `KUBEBUILDER_ASSETS` need not have them.
    pub fn controllers(&self) -> Result<ControllerPrograms> {
        let beside = |name: &str| {
            let path = self.apiserver.with_file_name(name);
            if path.is_file() {
                return Ok(path);
            }
            bail!(
                "there is no {}: put it there, or unset KUBEBUILDER_ASSETS to have it built",
                path.display()
            )
        };
        Ok(ControllerPrograms {
            manager: beside("kube-controller-manager")?,
            scheduler: beside("kube-scheduler")?,
        })
    }
}

/// The folder that a build script of this crate makes, and prints.
///
/// # Errors
///
/// When the script fails; its own message says why.
pub(crate) fn made_by(script: &str) -> Result<PathBuf> {
    let script = crate_folder().join(script);
    let output = Command::new(&script)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("running {}", script.display()))?;
    if !output.status.success() {
        bail!("{} failed ({}); what it printed says why", script.display(), output.status);
    }
    let folder = String::from_utf8(output.stdout);
    Ok(PathBuf::from(folder.with_context(|| format!("what {} printed", script.display()))?.trim()))
}

/// The binary of one of the workspace's example packages.
///
/// `INGRESS_DASHBOARD_BIN` (or `INGRESS_EMBED_BIN`, `INGRESS_TAIL_BIN`) names one that is there already;
/// otherwise cargo builds it, once per test program. The dashboard is built as people run it; the others,
/// whose speed is nobody's concern, without the minutes that optimising each as a whole takes.
///
/// # Errors
///
/// When the named file is not there, or the build fails.
pub fn example(package: &str) -> Result<PathBuf> {
    static BUILT: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    let variable = format!("INGRESS_{}_BIN", package.to_uppercase());
    if let Some(path) = std::env::var_os(&variable) {
        let path = PathBuf::from(path);
        return if path.is_file() { Ok(path) } else { bail!("{variable} names {}: no file", path.display()) };
    }
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    if let Some(path) = built.get(package) {
        return Ok(path.clone());
    }
    let path = build(package)?;
    built.insert(package.to_owned(), path.clone());
    Ok(path)
}

fn build(package: &str) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--message-format=json-render-diagnostics", "--package", package])
        .args(if package == "dashboard" { &["--release"][..] } else { &[] })
        .current_dir(crate_folder())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo")?;
    if !output.status.success() {
        bail!("cargo could not build {package}");
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message.pointer("/target/name").is_some_and(|name| name == package))
        .find_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .with_context(|| format!("cargo named no executable of {package}"))
}

/// Where this crate lies.
#[must_use]
pub fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
