//! The programs under test that serve HTTP: `dashboard`, and `embed` with the same flags.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use http::StatusCode;

use crate::lab::Lab;
use crate::process::Process;
use crate::rest::Rest;
use crate::sse::SseClient;
use crate::{assets, ports, wait};

/// How a program is to be started.
#[derive(Debug)]
pub struct Launch<'lab> {
    lab: &'lab Lab,
    package: &'static str,
    name: String,
    prefix: &'static str,
    port: u16,
    command: Command,
}

impl<'lab> Launch<'lab> {
    /// The dashboard, with a free port, JSON logs, and no limit to how often it may be asked: all of a test comes from one address.
    ///
    /// # Errors
    ///
    /// When the binary cannot be built.
    pub fn dashboard(lab: &'lab Lab) -> Result<Self> {
        let mut launch = Self::example(lab, "dashboard", "")?;
        launch.command.args(["--log-format", "json", "--rate-limit", "off", "--stream-rate-limit", "off"]);
        Ok(launch)
    }

    /// Another example that serves the router under `prefix`.
    ///
    /// # Errors
    ///
    /// When the binary cannot be built.
    pub fn example(lab: &'lab Lab, package: &'static str, prefix: &'static str) -> Result<Self> {
        let port = ports::free()?;
        Ok(Self { lab, package, name: package.to_owned(), prefix, port, command: command(lab, package)? })
    }

    /// Another name for the log, for a second program in the same lab.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Listens on this port instead.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Points it at a cluster.
    #[must_use]
    pub fn kubeconfig(self, file: &Path) -> Self {
        self.args(["--kubeconfig".to_owned(), file.display().to_string()])
    }

    /// Limits it to namespaces.
    #[must_use]
    pub fn namespaces<S: AsRef<str>>(self, names: &[S]) -> Self {
        let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
        self.args(["--namespaces".to_owned(), names.join(",")])
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Any other arguments.
    #[must_use]
    pub fn args<S: AsRef<str>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        for argument in arguments {
            self.command.arg(argument.as_ref());
        }
        self
    }

    /// Starts it and waits until it answers at all.
    ///
    /// # Errors
    ///
    /// When it ends or does not answer in time.
    pub async fn start(self) -> Result<Dashboard> {
        let base = format!("http://127.0.0.1:{}{}", self.port, self.prefix);
        let package = self.package;
        let process = self.spawn()?;
        let mut dashboard = Dashboard { process, rest: Rest::new(&base) };
        wait::until(&format!("{package} to answer /livez"), wait::PATIENCE, async || {
            dashboard.process.ensure_running()?;
            Ok(dashboard.rest.get("/livez").await?.status == StatusCode::OK)
        })
        .await?;
        Ok(dashboard)
    }

    /// Starts it in the expectation that it ends by itself; tells how, and all that it printed.
    ///
    /// # Errors
    ///
    /// When it goes on running.
    pub async fn run(self) -> Result<(ExitStatus, String)> {
        let mut process = self.spawn()?;
        let (status, _) = process.ended(wait::PATIENCE).await?;
        Ok((status, process.output()?))
    }

    /// Starts it and waits for nothing; tells on which port it is going to listen.
    ///
    /// # Errors
    ///
    /// When it can't be started.
    pub fn process(self) -> Result<(Process, u16)> {
        let port = self.port;
        Ok((self.spawn()?, port))
    }

    fn spawn(mut self) -> Result<Process> {
        self.command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        Process::start(self.lab, &self.name, self.command)
    }
}

/// A command for one of the examples, with an environment in which it finds no cluster by itself.
///
/// # Errors
///
/// When the binary cannot be built.
pub fn command(lab: &Lab, package: &str) -> Result<Command> {
    let mut command = Command::new(assets::example(package)?);
    for variable in
        ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "RUST_LOG", "NO_COLOR"]
    {
        command.env_remove(variable);
    }
    command.env("HOME", lab.path()).current_dir(lab.path());
    Ok(command)
}

/// A running program; dropping it kills it.
#[derive(Debug)]
pub struct Dashboard {
    process: Process,
    rest: Rest,
}

impl Dashboard {
    /// Its HTTP interface.
    #[must_use]
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Its process.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn ready(&mut self) -> Result<()> {
        let Self { process, rest } = self;
        wait::until("/readyz", wait::PATIENCE, async || {
            process.ensure_running()?;
            rest.is_ready().await
        })
        .await
    }

    /// Opens its stream, with a query such as `namespace=shop` or an empty one.
    ///
    /// # Errors
    ///
    /// When it does not answer with a stream.
    pub async fn stream(&self, query: &str) -> Result<SseClient> {
        self.rest.stream(query).await
    }

    /// Asks it to end as a service manager does; it has to exit with 0 within 5 seconds.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn stop(mut self) -> Result<Duration> {
        self.process.terminate()?;
        let (status, after) = self.process.ended(Duration::from_secs(5)).await.context("after SIGTERM")?;
        if status.code() != Some(0) {
            bail!("SIGTERM made it end with {status}");
        }
        Ok(after)
    }
}
