//! Viewers, thousands of them in one thread.
//!
//! One epoll, one buffer for all, and a parser of some hundred bytes each. Every wait has a deadline.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::time::Timespec;

use super::now;
use super::parser::{Parser, Seen};

/// How many connections are opened before their answers are waited for: the server's queue of those is not endless.
const AT_ONCE: usize = 128;
/// How much is read at a time.
const BUFFER: usize = 128 * 1024;

/// How long a wait may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Many viewers.
pub struct Crowd {
    epoll: OwnedFd,
    address: SocketAddr,
    viewers: Vec<Viewer>,
    ready: Vec<Event>,
    buffer: Vec<u8>,
    tally: Tally,
}

#[derive(Debug)]
struct Viewer {
    tcp: TcpStream,
    parser: Parser,
    /// The number of the change that comes next.
    next: u64,
    complete: Option<u64>,
}

/// What all viewers saw together.
#[derive(Debug, Default)]
struct Tally {
    /// Of each change that a viewer saw, how long it took, in microseconds.
    latencies: Vec<u32>,
    lost: u64,
    again: u64,
    resets: u64,
    begun: usize,
    complete: usize,
    /// How many viewers have seen all changes up to the one before this.
    up_to: u64,
    there: usize,
    bytes: u64,
}

/// How changes reached viewers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// How long each took to each viewer, in milliseconds, the shortest first.
    milliseconds: Vec<f64>,
    /// Changes that a viewer did not see, or saw again, over all viewers.
    pub lost: u64,
    /// Viewers that had to start anew.
    pub resets: u64,
}

impl Outcome {
    /// The time within which this share of all was seen.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let last = self.milliseconds.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of an index is one"
        )]
        let at = (last as f64 * share).ceil() as usize;
        self.milliseconds.get(at).copied().unwrap_or(f64::NAN)
    }

    /// How many changes were seen, over all viewers.
    #[must_use]
    pub fn seen(&self) -> usize {
        self.milliseconds.len()
    }
}

impl std::fmt::Debug for Crowd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crowd").field("viewers", &self.viewers.len()).finish_non_exhaustive()
    }
}

impl Crowd {
    /// Nobody yet.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn new(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            address,
            viewers: Vec::new(),
            ready: Vec::with_capacity(1024),
            buffer: vec![0; BUFFER],
            tally: Tally::default(),
        })
    }

    /// So many viewers more, each of whom sends this query and expects `next` as its first change. Returns when all have been
    /// answered.
    ///
    /// # Errors
    ///
    /// When one of them isn't in time.
    pub fn join(&mut self, viewers: usize, query: &str, next: u64) -> Result<()> {
        let request = format!(
            "GET /api/ingresses/stream{query} HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\n\r\n"
        );
        let wanted = self.viewers.len() + viewers;
        while self.viewers.len() < wanted {
            let until = wanted.min(self.viewers.len() + AT_ONCE);
            while self.viewers.len() < until {
                let mut tcp = TcpStream::connect(self.address)
                    .with_context(|| format!("viewer {}", self.viewers.len()))?;
                tcp.write_all(request.as_bytes())?;
                tcp.set_nonblocking(true)?;
                let at = self.viewers.len() as u64;
                epoll::add(&self.epoll, &tcp, EventData::new_u64(at), EventFlags::IN)?;
                self.viewers.push(Viewer { tcp, parser: Parser::default(), next, complete: None });
            }
            self.until("the answers", PATIENCE, |tally| tally.begun >= until)?;
        }
        Ok(())
    }

    /// Reads until all have their snapshot.
    ///
    /// # Errors
    ///
    /// When one of them isn't in time.
    pub fn complete(&mut self) -> Result<()> {
        let all = self.viewers.len();
        self.until("the snapshots", PATIENCE, |tally| tally.complete >= all)
    }

    /// The moment when the last snapshot was complete.
    #[must_use]
    pub fn last_complete(&self) -> Option<u64> {
        self.viewers.iter().filter_map(|viewer| viewer.complete).max()
    }

    /// Reads until all have seen the changes up to, and without, this one, at most for so long after that.
    ///
    /// # Errors
    ///
    /// When a stream breaks off. Changes that don't come are no error; they are told.
    pub fn follow(&mut self, end: u64, within: Duration) -> Result<Outcome> {
        let (lost, again, resets) = (self.tally.lost, self.tally.again, self.tally.resets);
        self.tally.latencies.clear();
        self.tally.up_to = end;
        self.tally.there = self.viewers.iter().filter(|viewer| viewer.next >= end).count();
        let all = self.viewers.len();
        if let Err(error) = self.until("the changes", within, |tally| tally.there >= all)
            && error.downcast_ref::<Late>().is_none()
        {
            return Err(error);
        }
        let missing: u64 = self.viewers.iter().map(|viewer| end.saturating_sub(viewer.next)).sum();
        let tally = &mut self.tally;
        tally.latencies.sort_unstable();
        Ok(Outcome {
            milliseconds: tally.latencies.iter().map(|micros| f64::from(*micros) / 1000.0).collect(),
            lost: tally.lost - lost + tally.again - again + missing,
            resets: tally.resets - resets,
        })
    }

    /// Reads for so long, whatever comes.
    ///
    /// # Errors
    ///
    /// When a stream breaks off.
    pub fn read_for(&mut self, time: Duration) -> Result<()> {
        match self.until("nothing", time, |_| false) {
            Err(error) if error.downcast_ref::<Late>().is_none() => Err(error),
            _ => Ok(()),
        }
    }

    /// How many bytes came in all.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.tally.bytes
    }

    fn until(&mut self, what: &'static str, within: Duration, holds: impl Fn(&Tally) -> bool) -> Result<()> {
        let deadline = now() + u64::try_from(within.as_nanos())?;
        while !holds(&self.tally) {
            if now() >= deadline {
                return Err(Late(what).into());
            }
            self.ready.clear();
            let timeout = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.ready), Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for at in 0..self.ready.len() {
                let Some(data) = self.ready.get(at).map(|event| event.data.u64()) else { break };
                let viewer = self.viewers.get_mut(usize::try_from(data)?).context("a stranger")?;
                viewer.read(&mut self.buffer, &mut self.tally).with_context(|| format!("viewer {data}"))?;
            }
        }
        Ok(())
    }
}

/// Something did not come in time.
#[derive(Debug)]
struct Late(&'static str);

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "waited in vain for {}", self.0)
    }
}

impl std::error::Error for Late {}

impl Viewer {
    /// Reads once; epoll tells when there is more.
    fn read(&mut self, buffer: &mut [u8], tally: &mut Tally) -> Result<()> {
        let read = match self.tcp.read(buffer) {
            Ok(0) => bail!("the server ended the connection"),
            Ok(read) => read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        tally.bytes += read as u64;
        let arrived = now();
        let had_begun = self.parser.has_begun();
        let Self { parser, next, complete, .. } = self;
        parser.take(buffer.get(..read).unwrap_or_default(), &mut |seen| match seen {
            Seen::Change { number, .. } if number < *next => tally.again += 1,
            Seen::Change { number, sent } => {
                tally.lost += number - *next;
                let was_there = *next >= tally.up_to;
                *next = number + 1;
                if !was_there && *next >= tally.up_to {
                    tally.there += 1;
                }
                let micros = arrived.saturating_sub(sent) / 1000;
                tally.latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
            }
            Seen::Complete => {
                if complete.replace(arrived).is_none() {
                    tally.complete += 1;
                }
            }
            Seen::Reset => tally.resets += 1,
        })?;
        if !had_begun && self.parser.has_begun() {
            tally.begun += 1;
        }
        Ok(())
    }
}

/// Asks one thing, and waits for the answer.
///
/// # Errors
///
/// When there is none within a few seconds.
pub fn ask(address: SocketAddr, path: &str) -> Result<String> {
    let mut tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(tcp, "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
    Ok(body.to_owned())
}

/// A viewer that reads a kilobyte per second, over a line that holds hardly more.
#[derive(Debug)]
pub struct Slow {
    tcp: TcpStream,
    reads: std::thread::JoinHandle<u64>,
}

impl Slow {
    /// Asks for everything.
    ///
    /// # Errors
    ///
    /// When it can't connect.
    pub fn join(address: SocketAddr) -> Result<Self> {
        let socket =
            socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
        socket.set_recv_buffer_size(2048)?;
        socket.connect(&address.into())?;
        let mut tcp = TcpStream::from(socket);
        tcp.write_all(b"GET /api/ingresses/stream HTTP/1.1\r\nhost: bench\r\n\r\n")?;
        let mut reader = tcp.try_clone()?;
        let reads = std::thread::Builder::new().name("slow".into()).spawn(move || {
            let (mut buffer, mut read) = ([0; 1024], 0);
            while let Ok(more @ 1..) = reader.read(&mut buffer) {
                read += more as u64;
                std::thread::sleep(Duration::from_secs(1));
            }
            read
        })?;
        Ok(Self { tcp, reads })
    }

    /// Leaves; tells how many bytes it took, and whether the server had cut it off before.
    #[must_use]
    pub fn leave(self) -> (u64, bool) {
        let was_cut_off = self.reads.is_finished();
        drop(self.tcp.shutdown(std::net::Shutdown::Both));
        (self.reads.join().unwrap_or_default(), was_cut_off)
    }
}
