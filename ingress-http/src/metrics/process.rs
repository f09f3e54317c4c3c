//! What the kernel says of this process, where there is a `/proc` (Linux); elsewhere, nothing.
//!
//! Names and meaning are those that Prometheus' own clients use. Kernel ticks are told by the auxiliary vector (`auxv`), which
//! is as `sysconf` knows them, too.

use std::fmt;
use std::fs;

use super::family::{Families, about};

/// Each is there if the kernel told.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Process {
    resident_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
    open_fds: Option<u64>,
    start_seconds: Option<f64>,
}

impl Process {
    pub(super) fn read() -> Self {
        let text = |path| fs::read_to_string(path).ok();
        let ticks =
            fs::read("/proc/self/auxv").ok().and_then(|auxv| ticks_per_second(&auxv)).unwrap_or(100.0);
        let stat = text("/proc/self/stat");
        let stat = stat.as_deref().and_then(Stat::parse);
        let boot = text("/proc/stat").as_deref().and_then(boot_seconds);
        Self {
            resident_bytes: text("/proc/self/status").as_deref().and_then(resident_bytes),
            cpu_seconds: stat.map(|stat| stat.cpu_ticks / ticks),
            open_fds: open_fds(),
            start_seconds: stat.zip(boot).map(|(stat, boot)| boot + stat.start_ticks / ticks),
        }
    }

    pub(super) fn encode(&self, families: &mut Families<'_>) -> fmt::Result {
        if let Some(bytes) = self.resident_bytes {
            let about = about("process_resident_memory", "Memory of this process that is resident").bytes();
            families.gauges(about, [], [([], bytes)])?;
        }
        if let Some(seconds) = self.cpu_seconds {
            let about = about("process_cpu", "CPU time that this process spent, user and system").seconds();
            families.counters(about, [], [([], seconds)])?;
        }
        if let Some(fds) = self.open_fds {
            families.gauges(about("process_open_fds", "File descriptors that are open"), [], [([], fds)])?;
        }
        if let Some(seconds) = self.start_seconds {
            let about =
                about("process_start_time", "When this process started, since the Unix epoch").seconds();
            families.gauges(about, [], [([], seconds)])?;
        }
        Ok(())
    }
}

/// Two lines' worth of `/proc/self/stat` (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stat {
    cpu_ticks: f64,
    /// Since the machine booted.
    start_ticks: f64,
}

impl Stat {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may itself hold anything; the third comes after.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self { cpu_ticks: field(14)? + field(15)?, start_ticks: field(22)? })
    }
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn boot_seconds(stat: &str) -> Option<f64> {
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

/// `AT_CLKTCK` of the auxiliary vector: pairs of native words, type and value.
fn ticks_per_second(auxv: &[u8]) -> Option<f64> {
    const AT_CLKTCK: usize = 17;
    const WORD: usize = size_of::<usize>();
    let word = |bytes: &[u8]| Some(usize::from_ne_bytes(bytes.try_into().ok()?));
    let (_, value) = auxv
        .chunks_exact(2 * WORD)
        .filter_map(|pair| pair.split_at_checked(WORD))
        .find(|(kind, _)| word(kind) == Some(AT_CLKTCK))?;
    let ticks = u32::try_from(word(value)?).ok()?;
    (ticks > 0).then(|| f64::from(ticks))
}

fn open_fds() -> Option<u64> {
    const FDS: &str = "/proc/self/fd";
    // Linux 6.2 and later tell the number as the folder's size, which costs nothing; before that it is 0.
    match fs::metadata(FDS).ok()?.len() {
        // One of those that are seen is what they are seen through.
        0 => Some((fs::read_dir(FDS).ok()?.count() as u64).saturating_sub(1)),
        fds => Some(fds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 150 0 0 20 0 5 0 12345 1000 50 18446744073709551615";
        assert_eq!(Stat::parse(stat), Some(Stat { cpu_ticks: 400.0, start_ticks: 12345.0 }));
        assert_eq!(Stat::parse("7 (short) S 1"), None);
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n"), Some(2048 * 1024));
        assert_eq!(resident_bytes("Name:\tx\n"), None);
        assert_eq!(boot_seconds("cpu 1 2\nbtime 1700000000\nprocesses 3\n"), Some(1_700_000_000.0));
        let words: Vec<u8> =
            [6, 4096, 17, 250, 0, 0].iter().flat_map(|word: &usize| word.to_ne_bytes()).collect();
        assert_eq!(ticks_per_second(&words), Some(250.0));
        assert_eq!(ticks_per_second(&words[..words.len() / 3]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_plausible() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 1 << 20);
        assert!(process.cpu_seconds.unwrap() < 36_000.0);
        assert!((3..100_000).contains(&process.open_fds.unwrap()));
        let now = ingress_core::clock::wall_now().as_millisecond() as f64 / 1000.0;
        let age = now - process.start_seconds.unwrap();
        assert!((-2.0..36_000.0).contains(&age), "{age} s old");
    }
}
