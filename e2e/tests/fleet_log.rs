//! The fleet's log on real servers: whoever may not write can't, whoever reads misses nothing without being told, and whatever happens
//! to Redis ends with everybody reading the same again.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use e2e::redis::{Options, RedisCluster, RedisSentinels, RedisServer, scenario};
use e2e::wait;
use ingress_cache::fleet::log::{Entry, GAP, LogBounds, Lost, Segments, Tail, Tailed, Writing};
use ingress_cache::fleet::{FleetName, Log, LogFault, LogFaultKind, Shard};
use ingress_cache::redis::{FaultKind, Redis, RedisConfig};
use redis::Cmd;
use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_secs(60);

fn redis_at(url: &str) -> Result<Redis> {
    // Writers of a fleet can wait longer than a cache may.
    Ok(Redis::connect(RedisConfig::from_url(url)?.prefix("e2e")?.timeout(Duration::from_secs(1))?))
}

fn log_with(url: &str, bounds: LogBounds) -> Result<Log> {
    Ok(Log::new(redis_at(url)?, &FleetName::new("f")?, "ingresses", bounds)?)
}

fn log_at(url: &str) -> Result<Log> {
    log_with(url, LogBounds::default())
}

fn key(rest: &str) -> String {
    format!("e2e:{{f/ingresses}}:{rest}")
}

fn shard(name: &str) -> Result<Shard> {
    Ok(name.parse()?)
}

fn kind<T>(result: Result<T, LogFault>) -> Result<LogFaultKind> {
    match result {
        Ok(_) => bail!("it was not refused"),
        Err(fault) => Ok(fault.kind()),
    }
}

fn whole(text: &[(u32, &str)]) -> Segments {
    Segments::Whole(text.iter().map(|(id, text)| (*id, Bytes::copy_from_slice(text.as_bytes()))).collect())
}

/// Reads from wherever the log begins.
async fn tail(log: &Log) -> Result<Tail> {
    let meta = log.meta().await?.context("no log")?;
    Ok(log.tail(meta.place.epoch, meta.trimmed, [meta.place]))
}

/// Everything there is now.
async fn rest(tail: &mut Tail) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    loop {
        match tail.next().await? {
            Tailed::Entries(entries) => all.extend(entries),
            Tailed::Idle => return Ok(all),
            other => bail!("{other:?} after {} entries", all.len()),
        }
    }
}

fn texts(entries: &[Entry]) -> Vec<String> {
    let text = |entry: &Entry| entry.data.as_ref().map(|data| String::from_utf8_lossy(data).into_owned());
    entries.iter().map(|entry| text(entry).unwrap_or_else(|| "anew".into())).collect()
}

/// Waits until a reader says that it lost its place.
async fn lost(tail: &mut Tail) -> Result<Lost> {
    let end = Instant::now() + wait::PATIENCE;
    while Instant::now() < end {
        match tail.next().await {
            Ok(Tailed::Lost(lost)) => return Ok(lost),
            Ok(_) => {}
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    bail!("a reader lost nothing")
}

#[test]
fn an_old_term_writes_nothing() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let (old, new) = (log_at(&server.url())?, log_at(&server.url())?);
        let shard = shard("east#0")?;
        let mut writing = old.open(&shard, 4).await?.writing;
        old.append(&mut writing, 1, b"one").await?;
        old.write_snapshot(&writing, writing.last.unwrap_or(0), &whole(&[(0, "one")])).await?;
        old.beat(&writing, b"alive").await?;

        let opened = new.open(&shard, 5).await?;
        ensure!(opened.writing.last == writing.last && opened.has_snapshot);
        let fenced = LogFaultKind::Fenced { current: 5 };
        let before = new.meta().await?;
        ensure!(kind(old.append(&mut writing, 1, b"two").await)? == fenced);
        ensure!(kind(old.announce_anew(&mut writing).await)? == fenced);
        let snapshots =
            [whole(&[(0, "x")]), Segments::Changes { changed: vec![(0, "x".into())], gone: vec![] }];
        for segments in snapshots {
            ensure!(kind(old.write_snapshot(&writing, 9, &segments).await)? == fenced);
        }
        ensure!(kind(old.beat(&writing, b"still").await)? == fenced);
        ensure!(kind(old.retire(&writing).await)? == fenced);
        ensure!(kind(old.open(&shard, 4).await)? == fenced);
        ensure!(new.meta().await? == before, "a refused writer changed something");
        let snapshot = new.read_snapshot(&shard).await?.context("a snapshot")?;
        ensure!(snapshot.segments == [(0, Bytes::from("one"))]);

        // An election that went wrong gave two of them the same term: the one that opened last writes.
        let mut second = new.open(&shard, 5).await?.writing;
        let mut third = old.open(&shard, 5).await?.writing;
        ensure!(kind(new.append(&mut second, 1, b"two").await)? == fenced);
        old.append(&mut third, 1, b"two").await?;
        // Terms are numbers, not text.
        new.open(&shard, 10).await?;
        ensure!(kind(old.open(&shard, 9).await)? == LogFaultKind::Fenced { current: 10 });
        Ok(())
    })
}

#[test]
fn shards_share_their_numbers() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let (east, west) = (log_at(&server.url())?, log_at(&server.url())?);
        let mut reader = {
            east.open(&shard("east#0")?, 1).await?;
            tail(&east).await?
        };
        let write = async |log: &Log, name: &str| -> Result<Vec<(u64, u64)>> {
            let mut writing = log.open(&shard(name)?, 1).await?.writing;
            let mut numbers = Vec::new();
            for at in 0..100_u32 {
                let appended =
                    log.append(&mut writing, at % 7 + 1, format!("{name} {at}").as_bytes()).await?;
                numbers.push((appended.first, appended.last));
            }
            Ok(numbers)
        };
        let (one, other) = tokio::join!(write(&east, "east#0"), write(&west, "west#0"));
        let mut expected: Vec<(u64, u64)> = one?.into_iter().chain(other?).collect();
        expected.sort_unstable();
        for pair in expected.windows(2) {
            let [(_, last), (first, _)] = pair else { bail!("pairs") };
            ensure!(first - last == GAP, "{first} follows {last}");
        }
        let entries = rest(&mut reader).await?;
        let read: Vec<(u64, u64)> = entries.iter().map(|entry| (entry.first, entry.last)).collect();
        ensure!(read == expected, "the order of reading is that of the numbers");
        for name in ["east#0", "west#0"] {
            let texts = texts(&entries).into_iter().filter(|text| text.starts_with(name));
            ensure!(texts.eq((0..100).map(|at| format!("{name} {at}"))), "each shard's own order");
        }
        ensure!(entries.iter().all(|entry| entry.count() == entry.last - entry.first + 1));
        ensure!(reader.seq() == expected.last().map_or(0, |(_, last)| *last));
        Ok(())
    })
}

#[test]
fn an_append_whose_answer_was_lost_happens_once() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let log = log_at(&server.url())?;
        let shard = shard("east#0")?;
        let mut writing = log.open(&shard, 1).await?.writing;
        let mut reader = tail(&log).await?;
        log.append(&mut writing, 1, b"one").await?;

        // It was written; the writer doesn't know.
        let before = writing.clone();
        log.append(&mut before.clone(), 1, b"two").await?;
        let LogFaultKind::RolledBack { stored } = kind(log.append(&mut writing, 1, b"two").await)? else {
            bail!("it was written twice")
        };
        writing = log.open(&shard, 1).await?.writing;
        ensure!(writing.last == stored && stored > before.last);

        // The same for real: the server takes it and answers too late.
        server.freeze()?;
        let gone = kind(log.append(&mut writing.clone(), 1, b"three").await)?;
        ensure!(gone == LogFaultKind::Redis(FaultKind::Timeout), "{gone:?}");
        server.thaw()?;
        let opened = wait::eventually("the writer to be back", wait::PATIENCE, async || {
            Ok(log.open(&shard, 1).await.map(Some)?)
        })
        .await?;
        ensure!(opened.writing.last > writing.last, "it happened");
        let texts = texts(&rest(&mut reader).await?);
        ensure!(texts == ["one", "two", "three"], "{texts:?}");
        Ok(())
    })
}

#[test]
fn a_reader_that_is_too_slow_is_told() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let log = log_with(&server.url(), LogBounds::default().entries(16)?.bytes(1 << 20)?)?;
        let shard = shard("east#0")?;
        let mut writing = log.open(&shard, 1).await?.writing;
        let (mut slow, mut quick) = (tail(&log).await?, tail(&log).await?);
        log.append(&mut writing, 1, b"first").await?;
        ensure!(texts(&rest(&mut slow).await?) == ["first"]);
        for at in 0..40_u32 {
            log.append(&mut writing, 1, at.to_string().as_bytes()).await?;
            if at % 10 == 0 {
                rest(&mut quick).await?;
            }
        }
        let length: u64 = server.command(redis::cmd("XLEN").arg(key("log"))).await?;
        ensure!(length == 16);
        ensure!(lost(&mut slow).await? == Lost::Trimmed);
        ensure!(slow.next().await? == Tailed::Lost(Lost::Trimmed), "and stays so");
        rest(&mut quick).await?;
        // Whoever begins where nothing was trimmed reads on; one before, not.
        let meta = log.meta().await?.context("no log")?;
        ensure!(rest(&mut log.tail(meta.place.epoch, meta.trimmed, [])).await?.len() == 16);
        ensure!(lost(&mut log.tail(meta.place.epoch, meta.trimmed - 1, [])).await? == Lost::Trimmed);

        // Bytes are bounded as well; one append trims many small entries for a large one.
        let large = vec![b'x'; 400 << 10];
        for _ in 0..6 {
            log.append(&mut writing, 1, &large).await?;
            let entries: Vec<redis::Value> =
                server.command(redis::cmd("XRANGE").arg(key("log")).arg("-").arg("+")).await?;
            ensure!(entries.len() <= 16);
        }
        let length: u64 = server.command(redis::cmd("XLEN").arg(key("log"))).await?;
        ensure!(length == 2, "two of them fit into a mebibyte, {length} are there");
        ensure!(kind(log.append(&mut writing, 1, &vec![0; (1 << 20) + 1]).await)? == LogFaultKind::TooLarge);
        Ok(())
    })
}

#[test]
fn snapshots_are_whole_or_not_there() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let log = log_at(&server.url())?;
        let shard = shard("east#0")?;
        let mut writing = log.open(&shard, 1).await?.writing;
        ensure!(log.read_snapshot(&shard).await?.is_none());
        let changes = |changed: &[(u32, &str)], gone: &[u32]| Segments::Changes {
            changed: changed
                .iter()
                .map(|(id, text)| (*id, Bytes::copy_from_slice(text.as_bytes())))
                .collect(),
            gone: gone.to_vec(),
        };
        ensure!(
            kind(log.write_snapshot(&writing, 1, &changes(&[(0, "x")], &[])).await)?
                == LogFaultKind::NoSnapshot
        );

        let last = log.append(&mut writing, 1, b"one").await?.last;
        log.write_snapshot(&writing, last, &whole(&[(2, "two"), (0, "zero"), (10, "ten")])).await?;
        log.write_snapshot(&writing, last + 1, &changes(&[(3, "three"), (0, "null")], &[10])).await?;
        let snapshot = log.read_snapshot(&shard).await?.context("a snapshot")?;
        let segments = [(0, Bytes::from("null")), (2, Bytes::from("two")), (3, Bytes::from("three"))];
        ensure!(snapshot.pos == last + 1 && snapshot.segments == segments, "{snapshot:?}");
        ensure!(log.meta().await?.context("no log")?.place == snapshot.place);

        // Megabytes come in pieces, and appear at once.
        let large = |byte: u8| Bytes::from(vec![byte; 300 << 10]);
        let all: Vec<(u32, Bytes)> = (0..20).map(|id| (id, large(1))).collect();
        log.write_snapshot(&writing, last + 2, &Segments::Whole(all.clone())).await?;
        ensure!(log.read_snapshot(&shard).await?.context("a snapshot")?.segments == all);
        let some: Vec<(u32, Bytes)> = (5..10).map(|id| (id, large(2))).collect();
        log.write_snapshot(&writing, last + 3, &Segments::Changes { changed: some.clone(), gone: vec![0] })
            .await?;
        let snapshot = log.read_snapshot(&shard).await?.context("a snapshot")?;
        ensure!(
            snapshot.segments.len() == 19 && some.iter().all(|segment| snapshot.segments.contains(segment))
        );
        let left: Vec<String> = server.command(redis::cmd("KEYS").arg("*stage*")).await?;
        ensure!(left.is_empty(), "{left:?}");
        let ttl: i64 = server.command(redis::cmd("TTL").arg(key("snap:east#0"))).await?;
        ensure!(ttl == -1, "a snapshot stays");

        // A reader that begins with it needs nothing older.
        let mut reader = log.tail(snapshot.place.epoch, last, [snapshot.place]);
        log.announce_anew(&mut writing).await?;
        ensure!(texts(&rest(&mut reader).await?) == ["anew"]);

        log.retire(&writing).await?;
        ensure!(log.read_snapshot(&shard).await?.is_none());
        ensure!(log.meta().await?.context("no log")?.shards[&shard].last.is_none());
        Ok(())
    })
}

#[test]
fn a_log_that_is_gone_begins_anew() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let mut server = RedisServer::start(lab, "redis").await?;
        let log = log_at(&server.url())?;
        let shard = shard("east#0")?;
        let mut before = 0;
        for what in ["flushed", "restarted"] {
            let mut writing = log.open(&shard, 3).await?.writing;
            let last = log.append(&mut writing, 1, b"one").await?.last;
            log.write_snapshot(&writing, last, &whole(&[(0, "one")])).await?;
            let mut reader = tail(&log).await?;
            rest(&mut reader).await?;
            ensure!(last > before, "numbers only ever grow");
            before = last;
            match what {
                "flushed" => server.flush().await?,
                _ => server.restart(lab).await?,
            }
            ensure!(lost(&mut reader).await? == Lost::Epoch, "{what}");
            let refused = wait::eventually("the server to answer", wait::PATIENCE, async || {
                Ok(match kind(log.append(&mut writing, 1, b"two").await)? {
                    LogFaultKind::Redis(_) => None,
                    kind => Some(kind),
                })
            });
            ensure!(refused.await? == LogFaultKind::EpochChanged, "{what}");
            ensure!(kind(log.beat(&writing, b"").await)? == LogFaultKind::EpochChanged);
            ensure!(kind(log.write_snapshot(&writing, 1, &whole(&[])).await)? == LogFaultKind::EpochChanged);
            let opened = log.open(&shard, 3).await?;
            ensure!(
                opened.writing.epoch != writing.epoch
                    && !opened.has_snapshot
                    && opened.writing.last.is_none()
            );
        }
        Ok(())
    })
}

/// What a failover to a replica that was behind leaves: an earlier state of everything.
async fn take_back(server: &RedisServer, to: &[(String, Vec<u8>)]) -> Result<()> {
    for (name, dump) in to {
        let mut restore = Cmd::new();
        restore.arg("RESTORE").arg(name).arg(0).arg(dump.as_slice()).arg("REPLACE");
        server.command::<()>(&restore).await?;
    }
    Ok(())
}

async fn state(server: &RedisServer) -> Result<Vec<(String, Vec<u8>)>> {
    let mut state = Vec::new();
    for name in [key("meta"), key("log"), key("snap:east#0")] {
        let dump: Option<Vec<u8>> = server.command(redis::cmd("DUMP").arg(&name)).await?;
        state.extend(dump.map(|dump| (name, dump)));
    }
    Ok(state)
}

#[test]
fn what_a_failover_took_back_is_noticed_by_writers() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let log = log_at(&server.url())?;
        let shard = shard("east#0")?;
        let mut writing = log.open(&shard, 1).await?.writing;
        log.append(&mut writing, 1, b"one").await?;
        let earlier = state(&server).await?;
        let kept = writing.last;
        log.append(&mut writing, 1, b"two").await?;
        take_back(&server, &earlier).await?;

        let refused = kind(log.append(&mut writing, 1, b"three").await)?;
        ensure!(refused == LogFaultKind::RolledBack { stored: kept });
        let opened = log.open(&shard, 1).await?.writing;
        ensure!(opened.last < writing.last, "fewer than were written: it was taken back");
        log.start_anew(opened.epoch).await?;
        log.start_anew(opened.epoch).await?;
        let anew = log.open(&shard, 1).await?;
        ensure!(anew.writing.epoch != opened.epoch && anew.seq > writing.last.unwrap_or(0));
        Ok(())
    })
}

#[test]
fn what_a_failover_took_back_is_noticed_by_readers() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let log = log_at(&server.url())?;
        let shard = shard("east#0")?;
        // How many entries follow where the log went back to: fewer than were lost, as many, more.
        for more in [0, 1, 2, 5] {
            let mut writing = log.open(&shard, 1).await?.writing;
            log.append(&mut writing, 1, b"one").await?;
            let earlier = state(&server).await?;
            let mut other = writing.clone();
            let mut reader = tail(&log).await?;
            log.append(&mut writing, 1, b"two").await?;
            log.append(&mut writing, 1, b"three").await?;
            ensure!(texts(&rest(&mut reader).await?).ends_with(&["two".into(), "three".into()]));
            // This one comes from a snapshot and has read nothing of it.
            let anchored = log.meta().await?.context("no log")?.place;
            let mut fresh = log.tail(anchored.epoch, other.last.unwrap_or(0), [anchored]);

            take_back(&server, &earlier).await?;
            for _ in 0..more {
                log.append(&mut other, 1, b"other").await?;
            }
            ensure!(lost(&mut reader).await? == Lost::TookBack, "with {more} more");
            let meta = log.meta().await?.context("no log")?;
            ensure!(meta.place.epoch != writing.epoch, "it is another log now");
            ensure!(meta.place.seq > anchored.seq && meta.shards[&shard].last.is_none());
            ensure!(lost(&mut fresh).await? == Lost::Epoch);
            ensure!(kind(log.append(&mut other, 1, b"x").await)? == LogFaultKind::EpochChanged);
        }
        // The same for one that has only its anchor to go by.
        let mut writing = log.open(&shard, 1).await?.writing;
        log.append(&mut writing, 1, b"one").await?;
        let earlier = state(&server).await?;
        let mut other = writing.clone();
        log.append(&mut writing, 1, b"two").await?;
        let anchored = log.meta().await?.context("no log")?.place;
        take_back(&server, &earlier).await?;
        log.append(&mut other, 1, b"other").await?;
        let mut fresh = log.tail(anchored.epoch, anchored.seq, [anchored]);
        ensure!(lost(&mut fresh).await? == Lost::TookBack);
        Ok(())
    })
}

#[test]
fn what_was_evicted_is_made_anew() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let log = log_at(&server.url())?;
        let shard = shard("east#0")?;
        let evict = async |what: &str| -> Result<()> {
            let gone: u64 = server.command(redis::cmd("DEL").arg(key(what))).await?;
            ensure!(gone == 1, "{what} was not there");
            Ok(())
        };
        let mut writing = log.open(&shard, 1).await?.writing;
        let last = log.append(&mut writing, 1, b"one").await?.last;
        log.write_snapshot(&writing, last, &whole(&[(0, "one")])).await?;

        evict("snap:east#0").await?;
        let changes = Segments::Changes { changed: vec![(0, "uno".into())], gone: vec![] };
        ensure!(kind(log.write_snapshot(&writing, last, &changes).await)? == LogFaultKind::NoSnapshot);
        ensure!(log.read_snapshot(&shard).await?.is_none());
        log.write_snapshot(&writing, last, &whole(&[(0, "one")])).await?;

        // The stream: a reader that has everything loses nothing, one that hasn't does.
        let (mut done, mut behind) = (tail(&log).await?, tail(&log).await?);
        rest(&mut done).await?;
        evict("log").await?;
        ensure!(rest(&mut done).await?.is_empty());
        ensure!(lost(&mut behind).await? == Lost::Evicted);
        ensure!(
            kind(log.append(&mut writing, 1, b"two").await)?
                == LogFaultKind::RolledBack { stored: Some(last) }
        );
        let opened = log.open(&shard, 1).await?;
        ensure!(opened.writing.epoch != writing.epoch, "which makes another one of it");
        ensure!(!opened.has_snapshot, "with no snapshot of its own");
        ensure!(log.read_snapshot(&shard).await?.is_none());
        ensure!(lost(&mut done).await? == Lost::Epoch);

        writing = opened.writing;
        let last = log.append(&mut writing, 1, b"three").await?.last;
        log.write_snapshot(&writing, last, &whole(&[(0, "three")])).await?;
        let mut reader = tail(&log).await?;
        rest(&mut reader).await?;
        evict("meta").await?;
        ensure!(lost(&mut reader).await? == Lost::Epoch);
        ensure!(kind(log.read_snapshot(&shard).await)? == LogFaultKind::EpochChanged);
        ensure!(kind(log.append(&mut writing, 1, b"four").await)? == LogFaultKind::EpochChanged);
        let opened = log.open(&shard, 1).await?;
        ensure!(!opened.has_snapshot && opened.seq > last, "what was left of the old one is no part of it");
        ensure!(rest(&mut tail(&log).await?).await?.is_empty());
        Ok(())
    })
}

#[test]
fn a_full_server_refuses_and_nothing_is_half_written() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server =
            RedisServer::start_with(lab, "redis", Options::default().memory("8mb", "noeviction")).await?;
        let log = log_at(&server.url())?;
        let mut writing = log.open(&shard("east#0")?, 1).await?.writing;
        let mut reader = tail(&log).await?;
        let mut written = 0;
        let payload = vec![7; 200 << 10];
        let fault = loop {
            match log.append(&mut writing, 1, &payload).await {
                Ok(_) => written += 1,
                Err(fault) => break fault.kind(),
            }
            ensure!(written < 100, "it never fills up");
        };
        ensure!(fault == LogFaultKind::Redis(FaultKind::Full), "{fault:?}");
        ensure!(rest(&mut reader).await?.len() == written);
        server.configure("maxmemory", "0").await?;
        log.append(&mut writing, 1, b"again").await?;
        ensure!(rest(&mut reader).await?.len() == 1);
        Ok(())
    })
}

#[test]
fn a_broken_payload_is_told_and_counted() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let log = log_at(&server.url())?;
        let shard = shard("east#0")?;
        let mut writing = log.open(&shard, 1).await?.writing;
        let last = log.append(&mut writing, 1, b"one").await?.last;
        log.write_snapshot(&writing, last, &whole(&[(0, "one")])).await?;
        let mut reader = tail(&log).await?;
        rest(&mut reader).await?;

        // A snapshot with a segment that somebody else wrote.
        server.command::<()>(redis::cmd("HSET").arg(key("snap:east#0")).arg(0).arg("junk")).await?;
        ensure!(kind(log.read_snapshot(&shard).await)? == LogFaultKind::Broken);
        ensure!(log.broken() == 1);

        let mut junk = redis::cmd("XADD");
        junk.arg(key("log")).arg(format!("{}-0", last + 5)).arg(&["s", "east#0", "t", "1", "d", "junk"]);
        server.command::<()>(&junk).await?;
        ensure!(matches!(lost(&mut reader).await?, Lost::Broken | Lost::TookBack));
        // No writer adds to a log with something in it that none of them wrote.
        ensure!(log.append(&mut writing, 1, b"two").await.is_err());
        log.open(&shard, 1).await?;

        // A frame that was changed on its way.
        let mut reader = tail(&log).await?;
        let mut writing = log.open(&shard, 1).await?.writing;
        log.append(&mut writing, 1, b"whole").await?;

        let raw: Vec<(String, Vec<Vec<u8>>)> =
            server.command(redis::cmd("XRANGE").arg(key("log")).arg("-").arg("+")).await?;
        let (id, mut fields) = raw.into_iter().next().context("an entry")?;
        if let Some(byte) = fields.last_mut().and_then(|frame| frame.last_mut()) {
            *byte ^= 1;
        }
        server.command::<()>(redis::cmd("DEL").arg(key("log"))).await?;
        server.command::<()>(redis::cmd("XADD").arg(key("log")).arg(id).arg(fields)).await?;
        let before = log.broken();
        ensure!(lost(&mut reader).await? == Lost::Broken);
        ensure!(log.broken() == before + 1);
        Ok(())
    })
}

#[test]
fn a_beat_tells_when_and_what() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let log = log_at(&server.url())?;
        ensure!(log.meta().await?.is_none());
        let before = log.now().await?;
        let writing = log.open(&shard("a:b/c#1#7")?, 6).await?.writing;
        log.beat(&writing, b"two words \0").await?;
        let after = log.now().await?;
        let meta = log.meta().await?.context("no log")?;
        let found = &meta.shards[&shard("a:b/c#1#7")?];
        let beat = found.beat.as_ref().context("a beat")?;
        ensure!(found.fence == 6 && found.last.is_none() && beat.note.as_ref() == b"two words \0");
        ensure!((before..=after).contains(&beat.at_ms));
        Ok(())
    })
}

#[test]
fn a_cluster_keeps_a_log_in_one_slot() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let cluster = RedisCluster::start(lab).await?;
        // Several kinds, so that they lie on several nodes.
        for kind in ["ingresses", "namespaces", "services", "secrets"] {
            let log = Log::new(redis_at(&cluster.url())?, &FleetName::new("f")?, kind, LogBounds::default())?;
            let shard = shard("east#0")?;
            let mut writing = log.open(&shard, 1).await?.writing;
            let mut reader = tail(&log).await?;
            let last = log.append(&mut writing, 3, b"one").await?.last;
            log.beat(&writing, b"alive").await?;
            let all: Vec<(u32, Bytes)> = (0..5).map(|id| (id, Bytes::from(vec![1; 200 << 10]))).collect();
            log.write_snapshot(&writing, last, &Segments::Whole(all.clone())).await?;
            let snapshot = log.read_snapshot(&shard).await?.context("a snapshot")?;
            ensure!(snapshot.segments == all && snapshot.place.seq == last);
            ensure!(texts(&rest(&mut reader).await?) == ["one"]);
            log.now().await?;
            log.start_anew(writing.epoch).await?;
            ensure!(lost(&mut reader).await? == Lost::Epoch);
            log.retire(&log.open(&shard, 1).await?.writing).await?;
        }
        Ok(())
    })
}

/// How long a failover is watched after its first sign.
const AFTERWARDS: Duration = Duration::from_secs(5);

/// Writes through whatever happens, as a publisher does, until some seconds after the first fault; answers with what it was promised is
/// written, by epoch.
async fn publish(log: &Log) -> Result<(BTreeSet<(u64, u64)>, usize)> {
    let mut until = Instant::now() + wait::PATIENCE;
    let shard = shard("east#0")?;
    let (mut acknowledged, mut faults) = (BTreeSet::new(), 0);
    let mut writing: Option<Writing> = None;
    while Instant::now() < until {
        let Some(current) = &mut writing else {
            match log.open(&shard, 1).await {
                Ok(opened) => writing = Some(opened.writing),
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
            continue;
        };
        match log.append(current, 1, b"change").await {
            Ok(appended) => {
                acknowledged.insert((current.epoch, appended.last));
            }
            Err(_) => {
                if faults == 0 {
                    until = Instant::now() + AFTERWARDS;
                }
                faults += 1;
                writing = None;
            }
        }
        sleep(Duration::from_millis(2)).await;
    }
    Ok((acknowledged, faults))
}

#[test]
fn a_failover_loses_nothing_unnoticed() -> Result<()> {
    scenario(Duration::from_secs(180), async |lab| {
        let mut sentinels = RedisSentinels::start(lab).await?;
        let log = log_at(&sentinels.url())?;
        log.open(&shard("east#0")?, 1).await?;
        for how in ["orderly", "killed"] {
            let epoch = log.meta().await?.context("no log")?.place.epoch;
            let mut reader = tail(&log).await?;
            let begun = reader.seq();
            // Sentinels leave the old master one for some seconds after an orderly failover: what is written there is lost.
            let (over, ended) = tokio::sync::watch::channel(false);
            let write = async {
                let published = publish(&log).await;
                sleep(Duration::from_secs(2)).await;
                over.send_replace(true);
                published
            };
            let fail = async {
                sleep(Duration::from_secs(1)).await;
                match how {
                    "orderly" => sentinels.fail_over().await,
                    _ => {
                        let master = sentinels.master().await?;
                        sentinels.servers()[master].kill()?;
                        sentinels.moved(master).await
                    }
                }
            };
            let read = async {
                let (mut seen, mut lost) = (BTreeSet::new(), None);
                while !*ended.borrow() {
                    match reader.next().await {
                        Ok(Tailed::Entries(entries)) => {
                            seen.extend(entries.iter().map(|entry| (epoch, entry.last)));
                        }
                        Ok(Tailed::Lost(why)) => {
                            lost = Some(why);
                            break;
                        }
                        Ok(_) => {}
                        Err(_) => sleep(Duration::from_millis(20)).await,
                    }
                }
                Ok::<_, anyhow::Error>((seen, lost))
            };
            let (published, read, failed) = tokio::join!(write, read, fail);
            failed?;
            let ((acknowledged, faults), (seen, lost)) = (published?, read?);
            ensure!(faults > 0, "{how}: nobody noticed the failover");
            // Either everything that was promised was read, or the reader was told.
            let missed = acknowledged
                .iter()
                .filter(|(of, seq)| *of == epoch && *seq > begun && !seen.contains(&(epoch, *seq)));
            match lost {
                None => ensure!(missed.count() == 0, "{how}: entries were missed unnoticed"),
                Some(why) => ensure!(matches!(why, Lost::TookBack | Lost::Epoch), "{how}: {why:?}"),
            }
            println!("{how}: {} acknowledged, {faults} faults, lost {lost:?}", acknowledged.len());
        }
        Ok(())
    })
}

#[test]
fn twenty_thousand_changes_a_second() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let (writer, log) = (log_at(&server.url())?, log_at(&server.url())?);
        let mut writing = writer.open(&shard("east#0")?, 1).await?.writing;
        for (appends, changes) in [(1000, 1), (1000, 32), (300, 256)] {
            let mut reader = tail(&log).await?;
            rest(&mut reader).await?;
            // A change of a route is some 300 bytes in the fleet's form.
            let payload = vec![b'x'; 300 * changes as usize];
            server.command::<()>(redis::cmd("CONFIG").arg("RESETSTAT")).await?;
            let begun = Instant::now();
            let write = async {
                for _ in 0..appends {
                    writer.append(&mut writing, changes, &payload).await?;
                }
                Ok::<_, anyhow::Error>(begun.elapsed())
            };
            let read = async {
                let mut count = 0;
                while count < u64::from(appends * changes) {
                    match reader.next().await? {
                        Tailed::Entries(entries) => count += entries.iter().map(Entry::count).sum::<u64>(),
                        other => ensure!(other == Tailed::Idle, "{other:?}"),
                    }
                }
                Ok(begun.elapsed())
            };
            let (written, read) = tokio::join!(write, read);
            let (written, read) = (written?, read?);
            let rate = f64::from(appends * changes) / read.as_secs_f64();
            let stats: String = server.command(redis::cmd("INFO").arg("commandstats")).await?;
            let inside = stats.lines().find(|line| line.starts_with("cmdstat_evalsha:")).unwrap_or_default();
            println!(
                "{changes} changes per append: {rate:.0} changes/s; {:?} per append; {inside}",
                written / appends
            );
            ensure!(changes < 256 || rate >= 20_000.0, "{rate:.0} changes/s in appends of {changes}");
        }
        Ok(())
    })
}
