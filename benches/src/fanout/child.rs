//! The server process, as the other one sees it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Served {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    address: SocketAddr,
    made: u64,
}

impl Served {
    /// Starts this very program as a server of so many ingresses.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start(ingresses: usize) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["serve", &ingresses.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = process.stdin.take().context("no input")?;
        let mut answers = BufReader::new(process.stdout.take().context("no output")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening ").context("it does not listen")?.parse()?;
        Ok(Self { process, orders, answers, address, made: 0 })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many changes were ordered so far; the number of the next one.
    #[must_use]
    pub fn ordered(&self) -> u64 {
        self.made
    }

    /// Orders changes, and does not wait for them.
    ///
    /// # Errors
    ///
    /// When the server is gone.
    pub fn change(&mut self, rate: f64, count: u64) -> Result<()> {
        writeln!(self.orders, "changes {rate} {count}").context("the server ended")?;
        self.made += count;
        Ok(())
    }

    /// Waits until all that was ordered last was handed over.
    ///
    /// # Errors
    ///
    /// When the server ends before, or counts otherwise.
    pub fn changed(&mut self) -> Result<()> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        if line.trim() != format!("made {}", self.made) {
            bail!("the server says {line:?}, and {} changes were ordered", self.made);
        }
        Ok(())
    }

    /// Its memory now, in KiB.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn resident(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// Its memory at its largest since [`forget_peak`](Self::forget_peak), in KiB.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn peak(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Begins to look for the peak anew.
    ///
    /// # Errors
    ///
    /// When the system does not let us.
    pub fn forget_peak(&self) -> Result<()> {
        Ok(std::fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5")?)
    }

    fn status(&self, field: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).context("no such field")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// CPU time that it took so far, in seconds.
    ///
    /// # Errors
    ///
    /// When the system does not say.
    pub fn cpu(&self) -> Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let after = text.rsplit_once(") ").context("no name")?.1;
        let ticks = after.split(' ').skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
        // What Linux has told user programs for ever.
        Ok(ticks / 100.0)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Killed, since nothing that it holds is worth a goodbye to thousands of viewers.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
