//! A child process that is stopped by its handle and whose output is kept in a file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::lab::Lab;
use crate::wait;

/// A running program. Dropping it kills it and waits until it is gone, so that its ports are free again.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; both its outputs are appended to `NAME.log` in the lab.
    ///
    /// # Errors
    ///
    /// When the log cannot be opened or the program cannot be started.
    pub fn start(lab: &Lab, name: &str, mut command: Command) -> Result<Self> {
        let log = lab.file(&format!("{name}.log"));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("opening {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("starting {name} ({})", command.get_program().display()))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The file that holds both outputs.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Everything that the program has printed so far.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn output(&self) -> Result<String> {
        let bytes = fs::read(&self.log).with_context(|| format!("reading {}", self.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// # Errors
    ///
    /// When the program has ended; the message holds the end of its log.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                Err(anyhow!("{} ended unexpectedly ({status}):\n{}", self.name, tail(&self.log, 20)))
            }
        }
    }

    /// Asks the program to end, as a service manager does.
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Ends the program without letting it clean up, and waits until it is gone.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("killing {}", self.name))?;
        self.child.wait().with_context(|| format!("waiting for {}", self.name))?;
        Ok(())
    }

    /// Freezes the program: its connections stay open and nothing answers on them any more.
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen program go on.
    ///
    /// # Errors
    ///
    /// When the signal cannot be sent.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Waits until the program has ended by itself; tells how and after which time.
    ///
    /// # Errors
    ///
    /// When it still runs after `within`.
    pub async fn ended(&mut self, within: Duration) -> Result<(ExitStatus, Duration)> {
        let asked = Instant::now();
        let Self { name, child, .. } = self;
        let status =
            wait::eventually(&format!("{name} to end"), within, async || Ok(child.try_wait()?)).await?;
        Ok((status, asked.elapsed()))
    }

    /// Resident memory in bytes, as the system counts it (`VmRSS`).
    ///
    /// # Errors
    ///
    /// When `/proc` does not tell.
    pub fn resident_bytes(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let kibibytes: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().strip_suffix("kB"))
            .context("no VmRSS in the status")?
            .trim()
            .parse()?;
        Ok(kibibytes * 1024)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // A pid can only be somebody else's after the child was waited for, which takes `&mut self`.
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw).context("not a process id")?;
        kill_process(pid, signal).with_context(|| format!("signalling {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A failure here means that it has ended already, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The last `lines` lines of a file, or why it cannot be read.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    match fs::read(path) {
        Err(error) => format!("(cannot read it: {error})"),
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let all: Vec<&str> = text.lines().collect();
            all.iter().skip(all.len().saturating_sub(lines)).copied().collect::<Vec<_>>().join("\n")
        }
    }
}
