//! One Redis server.

use std::process::Command;

use anyhow::{Context as _, Result};
use redis::{
    Client, Cmd, ConnectionAddr, FromRedisValue, IntoConnectionInfo as _, RedisConnectionInfo,
    TlsCertificates,
};

use crate::lab::Lab;
use crate::pki::Pki;
use crate::process::Process;
use crate::{ports, wait};

/// The password of the server's own administrator, the user `default`, once there are users.
const ADMIN: &str = "e2e-administrator";

/// Somebody who may sign in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct User {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
    /// What they may do, as `ACL SETUSER` has it: `~prefix:* &* +@all`.
    pub rules: String,
}

impl User {
    /// A user who may do all of this.
    #[must_use]
    pub fn new(name: &str, password: &str, rules: &str) -> Self {
        Self { name: name.to_owned(), password: password.to_owned(), rules: rules.to_owned() }
    }
}

/// How a server is to be.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    users: Vec<User>,
    tls: Option<Pki>,
    more: Vec<String>,
    keeps: bool,
}

impl Options {
    /// Lets somebody sign in; whoever doesn't may do nothing from then on.
    #[must_use]
    pub fn user(mut self, user: User) -> Self {
        self.users.push(user);
        self
    }

    /// Speaks TLS, and nothing else, with the serving certificate.
    #[must_use]
    pub fn tls(mut self, pki: &Pki) -> Self {
        self.tls = Some(pki.clone());
        self
    }

    /// Bounds the memory, such as `2mb`, with a policy such as `noeviction` or `allkeys-lru`.
    #[must_use]
    pub fn memory(self, bytes: &str, policy: &str) -> Self {
        self.set("maxmemory", bytes).set("maxmemory-policy", policy)
    }

    /// Keeps what it has over restarts.
    #[must_use]
    pub fn keeps(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// Sets anything else of `redis.conf`; words are separate arguments.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.more.push(format!("--{name}"));
        self.more.extend(value.split(' ').map(ToOwned::to_owned));
        self
    }
}

/// A running Redis, or one that was stopped and can be started again on the same port.
#[derive(Debug)]
pub struct RedisServer {
    name: String,
    port: u16,
    options: Options,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts a server without any options.
    ///
    /// # Errors
    ///
    /// When it can't be started or doesn't answer in time.
    pub async fn start(lab: &Lab, name: &str) -> Result<Self> {
        Self::start_with(lab, name, Options::default()).await
    }

    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it can't be started or doesn't answer in time.
    pub async fn start_with(lab: &Lab, name: &str, options: Options) -> Result<Self> {
        let mut server = Self { name: name.to_owned(), port: ports::kept()?, options, process: None };
        server.restart(lab).await?;
        Ok(server)
    }

    /// The port on loopback.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL, without user and password.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", if self.options.tls.is_some() { "rediss" } else { "redis" }, self.port)
    }

    /// Its URL for one who signs in.
    #[must_use]
    pub fn url_of(&self, user: &User) -> String {
        self.url().replacen("://", &format!("://{}:{}@", user.name, user.password), 1)
    }

    /// The authority that signed its certificate, as PEM, if it speaks TLS.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn authority(&self) -> Result<Option<Vec<u8>>> {
        self.options
            .tls
            .as_ref()
            .map(|pki| std::fs::read(&pki.ca))
            .transpose()
            .context("reading the authority")
    }

    /// Sends a command as the administrator, over a connection of its own.
    ///
    /// # Errors
    ///
    /// When it isn't answered, or refused.
    pub async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let mut connection = self.client()?.get_multiplexed_async_connection().await?;
        Ok(command.query_async(&mut connection).await?)
    }

    /// Forgets everything.
    ///
    /// # Errors
    ///
    /// When it isn't answered.
    pub async fn flush(&self) -> Result<()> {
        self.command(&redis::cmd("FLUSHALL")).await
    }

    /// Sets something of its configuration while it runs.
    ///
    /// # Errors
    ///
    /// When it is refused.
    pub async fn configure(&self, name: &str, value: &str) -> Result<()> {
        self.command(redis::cmd("CONFIG").arg("SET").arg(name).arg(value)).await
    }

    /// Ends it as a service manager does, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When it doesn't end.
    pub async fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.terminate()?;
        process.ended(wait::PATIENCE).await?;
        Ok(())
    }

    /// Ends it without letting it clean up.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut process| process.kill())
    }

    /// Starts it (again), on its port and with the same options, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it doesn't in time.
    pub async fn restart(&mut self, lab: &Lab) -> Result<()> {
        self.kill()?;
        self.process = Some(Process::start(lab, &self.name, self.program(lab)?)?);
        wait::until(&format!("{} to answer", self.name), wait::PATIENCE, async || {
            if let Some(process) = &mut self.process {
                process.ensure_running()?;
            }
            let answer: String = self.command(&redis::cmd("PING")).await?;
            Ok(answer == "PONG")
        })
        .await
    }

    /// Freezes it: its connections stay open and nothing answers on them any more.
    ///
    /// # Errors
    ///
    /// When it doesn't run.
    pub fn freeze(&self) -> Result<()> {
        self.running()?.freeze()
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// When it doesn't run.
    pub fn thaw(&self) -> Result<()> {
        self.running()?.thaw()
    }

    /// The process.
    ///
    /// # Errors
    ///
    /// When it doesn't run.
    pub fn running(&self) -> Result<&Process> {
        self.process.as_ref().with_context(|| format!("{} doesn't run", self.name))
    }

    fn program(&self, lab: &Lab) -> Result<Command> {
        let folder = lab.file(&self.name);
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let mut command = Command::new(super::find()?);
        let port = self.port.to_string();
        match &self.options.tls {
            None => command.args(["--port", &port]),
            Some(pki) => command
                .args(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"])
                .arg("--tls-cert-file")
                .arg(&pki.serving_certificate)
                .arg("--tls-key-file")
                .arg(&pki.serving_key)
                .arg("--tls-ca-cert-file")
                .arg(&pki.ca),
        };
        command.args(["--bind", "127.0.0.1", "--enable-debug-command", "local", "--dir"]).arg(&folder);
        match self.options.keeps {
            true => command.args(["--appendonly", "yes", "--appendfsync", "no"]),
            false => command.args(["--save", "", "--appendonly", "no"]),
        };
        if !self.options.users.is_empty() {
            command.args(["--requirepass", ADMIN]);
        }
        for User { name, password, rules } in &self.options.users {
            command.args(["--user", name, "on", &format!(">{password}")]).args(rules.split(' '));
        }
        command.args(&self.options.more);
        Ok(command)
    }

    fn client(&self) -> Result<Client> {
        let (host, port) = ("127.0.0.1".to_owned(), self.port);
        let mut settings = RedisConnectionInfo::default();
        if !self.options.users.is_empty() {
            settings = settings.set_password(ADMIN);
        }
        let address = match self.options.tls {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        };
        let info = address.into_connection_info()?.set_redis_settings(settings);
        Ok(match self.authority()? {
            None => Client::open(info)?,
            root_cert => Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?,
        })
    }
}
