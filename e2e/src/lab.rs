//! One test's folder, and the frame around a test that prints what is in it when the test fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use tempfile::TempDir;

use crate::assets::{self, Servers};
use crate::process::tail;

/// How many lines of each log a failed scenario prints.
const TAIL_LINES: usize = 40;

/// The folder of one scenario: data folders, keys, kubeconfigs and the log of every process.
///
/// It is removed at the end unless `E2E_KEEP` is set, in which case its path is printed.
#[derive(Debug)]
pub struct Lab {
    folder: TempDir,
}

impl Lab {
    /// # Errors
    ///
    /// When the temporary folder cannot be made.
    pub fn new() -> Result<Self> {
        let mut folder =
            tempfile::Builder::new().prefix("ingress-e2e-").tempdir().context("making a temporary folder")?;
        if std::env::var_os("E2E_KEEP").is_some() {
            folder.disable_cleanup(true);
            eprintln!("e2e: keeping {}", folder.path().display());
        }
        Ok(Self { folder })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path for a file of this name; nothing is created.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file that only the current user may read, and returns its path.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.file(name);
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }

    /// Prints the last lines of every log in the folder to standard error.
    fn print_tails(&self) {
        let Ok(entries) = fs::read_dir(self.path()) else { return };
        let mut logs: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .collect();
        logs.sort();
        for log in logs {
            eprintln!("---- the end of {}\n{}", log.display(), tail(&log, TAIL_LINES));
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.print_tails();
        }
    }
}

/// Runs one test with a [`Lab`] of its own, at most for `within`; prints the ends of all logs if it fails.
///
/// # Errors
///
/// Those of the body, or that it took too long, or that the servers cannot be built.
pub fn scenario(within: Duration, body: impl AsyncFnOnce(&Lab) -> Result<()>) -> Result<()> {
    scenario_with(&[], within, body)
}

/// [`scenario`] with programs that it starts. Like the servers they are built first, which may take minutes
/// and does not count.
///
/// # Errors
///
/// Those of the body, or that it took too long, or that something cannot be built.
pub fn scenario_with(
    programs: &[&str],
    within: Duration,
    body: impl AsyncFnOnce(&Lab) -> Result<()>,
) -> Result<()> {
    Servers::find()?;
    for program in programs {
        assets::example(program)?;
    }
    play(within, body)
}

/// A scenario that needs no API server.
///
/// # Errors
///
/// Those of the body, or that it took too long.
pub fn play(within: Duration, body: impl AsyncFnOnce(&Lab) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let lab = Lab::new()?;
    let outcome = runtime.block_on(async {
        match tokio::time::timeout(within, Box::pin(body(&lab))).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow!("the scenario was not done after {within:?}")),
        }
    });
    if outcome.is_err() {
        lab.print_tails();
    }
    outcome
}
