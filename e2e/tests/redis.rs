//! The handle to Redis, on real servers: what it does when they go away, come back, freeze, fill up, refuse, or turn out to be something
//! else. Nobody who asks waits longer than the timeout, what is wrong is told, and all is well again by itself.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::fault::tcp::{Fault, TcpProxy};
use e2e::pki::Pki;
use e2e::redis::{Options, RedisCluster, RedisSentinels, RedisServer, User, scenario};
use e2e::wait;
use ingress_cache::redis::{FaultKind, Redis, RedisConfig, RedisState, Script};
use redis::Cmd;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);

/// What one command may take at most: its timeout, and what a busy machine adds.
const BOUND: Duration = Duration::from_millis(50 + 100);

fn handle(url: &str) -> Result<Redis> {
    Ok(Redis::connect(RedisConfig::from_url(url)?.prefix("e2e")?))
}

fn set(key: &str, value: &str) -> Cmd {
    let mut command = redis::cmd("SET");
    command.arg(key).arg(value);
    command
}

fn get(key: &str) -> Cmd {
    let mut command = redis::cmd("GET");
    command.arg(key);
    command
}

/// Writes and reads until both succeed.
async fn works(redis: &Redis) -> Result<Duration> {
    let begun = Instant::now();
    wait::until("Redis to work", wait::PATIENCE, async || {
        for at in 0..8 {
            let (key, value) = (redis.key(&format!("works:{at}")), at.to_string());
            redis.query::<()>(&set(&key, &value)).await?;
            ensure!(redis.query::<Option<String>>(&get(&key)).await? == Some(value));
        }
        Ok(true)
    })
    .await?;
    Ok(begun.elapsed())
}

/// Asks for a while and tells with which kinds of faults that ended; none may take longer than it may.
async fn ask(redis: &Redis, calls: usize) -> Result<Vec<Option<FaultKind>>> {
    let mut kinds = Vec::new();
    for _ in 0..calls {
        let begun = Instant::now();
        let answer = redis.query::<Option<String>>(&get(&redis.key("asked"))).await;
        ensure!(begun.elapsed() < BOUND, "a command took {:?}", begun.elapsed());
        kinds.push(answer.err().map(|fault| fault.kind()));
    }
    Ok(kinds)
}

#[test]
fn one_server_is_there_gone_and_back() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let mut server = RedisServer::start(lab, "redis").await?;
        let redis = handle(&server.url())?;
        ensure!(redis.status().state == RedisState::Idle);
        works(&redis).await?;
        ensure!(redis.status().state == RedisState::Up && redis.status().trouble(MINUTE).is_none());

        server.kill()?;
        let kinds = ask(&redis, 50).await?;
        ensure!(kinds.contains(&Some(FaultKind::Unreachable)), "{kinds:?}");
        ensure!(kinds.last() == Some(&Some(FaultKind::Open)), "the breaker leaves it alone: {kinds:?}");
        let begun = Instant::now();
        ask(&redis, 1000).await?;
        ensure!(
            begun.elapsed() < Duration::from_millis(100),
            "a dead Redis costs next to nothing: {:?}",
            begun.elapsed()
        );
        let status = redis.status();
        ensure!(
            status.state == RedisState::Down && status.trouble(MINUTE) == Some(FaultKind::Unreachable),
            "{status:?}"
        );

        server.restart(lab).await?;
        let back = works(&redis).await?;
        ensure!(back < Duration::from_secs(3), "it took {back:?}");
        ensure!(redis.status().state == RedisState::Up);
        // What is idle while the server restarts notices nothing: the connection is made anew before somebody asks.
        server.restart(lab).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        ensure!(ask(&redis, 1).await? == [None]);
        Ok(())
    })
}

#[test]
fn a_script_is_sent_in_full_only_where_it_is_unknown() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let redis = handle(&server.url())?;
        works(&redis).await?;
        let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        let count = redis.key("count");
        for expected in [5, 10] {
            ensure!(redis.script::<i64>(&script, &[&count], &[b"5"]).await? == expected);
        }
        let stats: String = server.command(redis::cmd("INFO").arg("commandstats")).await?;
        ensure!(
            stats.contains("cmdstat_eval:calls=1,") && stats.contains("cmdstat_evalsha:calls=2,"),
            "{stats}"
        );
        Ok(())
    })
}

#[test]
fn what_freezes_is_given_up_and_found_again() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let redis = handle(&server.url())?;
        works(&redis).await?;
        server.freeze()?;
        let kinds = ask(&redis, 100).await?;
        ensure!(
            kinds.contains(&Some(FaultKind::Timeout)) && kinds.last() == Some(&Some(FaultKind::Open)),
            "{kinds:?}"
        );
        ensure!(redis.status().state == RedisState::Down);
        tokio::time::sleep(Duration::from_secs(2)).await;
        ensure!(ask(&redis, 1).await? == [Some(FaultKind::Open)]);
        server.thaw()?;
        let back = works(&redis).await?;
        ensure!(back < Duration::from_secs(3), "it took {back:?}");
        Ok(())
    })
}

#[test]
fn faults_of_the_network_are_told_apart() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let proxy = TcpProxy::to(server.port()).await?;
        let redis = handle(&format!("redis://127.0.0.1:{}", proxy.port()))?;
        works(&redis).await?;
        wait::until("both connections", wait::PATIENCE, async || Ok(redis.status().connections == 2)).await?;
        // A hiccup costs some answers and no connection.
        proxy.set(Fault::Stall);
        ask(&redis, 2).await?;
        proxy.set(Fault::None);
        works(&redis).await?;
        ensure!((proxy.accepted(), redis.status().connections) == (2, 2));

        for (fault, kind) in [
            (Fault::Cut, FaultKind::Unreachable),
            (Fault::Stall, FaultKind::Timeout),
            (Fault::Garbage, FaultKind::Garbage),
        ] {
            proxy.set(fault);
            let kinds = ask(&redis, 50).await?;
            ensure!(kinds.contains(&Some(kind)), "{fault:?}: {kinds:?}");
            ensure!(kinds.iter().all(Option::is_some), "{fault:?}: {kinds:?}");
            ensure!(redis.status().trouble(MINUTE).is_some());
            proxy.set(Fault::None);
            let back = works(&redis).await?;
            ensure!(back < Duration::from_secs(3), "{fault:?}: it took {back:?}");
        }
        Ok(())
    })
}

#[test]
fn what_is_full_or_takes_no_writes_is_still_read() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let redis = handle(&server.url())?;
        works(&redis).await?;
        let write =
            async || redis.query::<()>(&set(&redis.key("more"), "x")).await.err().map(|fault| fault.kind());
        server.configure("maxmemory", "1").await?;
        for _ in 0..30 {
            ensure!(write().await == Some(FaultKind::Full));
            ensure!(ask(&redis, 1).await? == [None]);
        }
        ensure!(redis.status().trouble(MINUTE) == Some(FaultKind::Full));
        server.configure("maxmemory", "0").await?;
        ensure!(write().await.is_none());

        // A replica of nobody that is there.
        server.command::<()>(redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1)).await?;
        for _ in 0..30 {
            let kind = write().await;
            ensure!(kind == Some(FaultKind::ReadOnly), "{kind:?}");
            ensure!(ask(&redis, 1).await? == [None]);
        }
        server.command::<()>(redis::cmd("REPLICAOF").arg("NO").arg("ONE")).await?;
        works(&redis).await?;
        Ok(())
    })
}

#[test]
fn whoever_may_not_is_told_and_nobody_is_told_a_password() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let user = User::new("cache", "hunter2", "~e2e:* &* +@all -@admin");
        let server = RedisServer::start_with(lab, "redis", Options::default().user(user.clone())).await?;
        let redis = handle(&server.url_of(&user))?;
        works(&redis).await?;
        let denied = redis.query::<()>(&set("else:where", "x")).await.err().context("another prefix")?;
        ensure!(denied.kind() == FaultKind::Denied);
        ensure!(ask(&redis, 1).await? == [None], "one command that is refused is no trouble");

        for url in [server.url(), server.url_of(&User::new("cache", "hunter3", ""))] {
            let redis = handle(&url)?;
            let kinds = ask(&redis, 30).await?;
            ensure!(kinds.contains(&Some(FaultKind::Denied)), "{kinds:?}");
            let (fault, _) = redis.status().last_fault.context("a fault")?;
            let told = format!("{fault} {fault:?} {redis:?} {:?}", redis.status());
            ensure!(fault.kind() == FaultKind::Denied && !told.contains("hunter"), "{told}");
        }
        Ok(())
    })
}

#[test]
fn tls_is_spoken_and_checked() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let pki = Pki::create(lab)?;
        let server = RedisServer::start_with(lab, "redis", Options::default().tls(&pki)).await?;
        let roots = server.authority()?.context("an authority")?;
        let config = RedisConfig::from_url(&server.url())?;
        works(&Redis::connect(config.clone().tls_roots(&roots)?)).await?;
        // Without the authority, nobody vouches for the certificate.
        let stranger = Redis::connect(config);
        let kinds = ask(&stranger, 30).await?;
        ensure!(kinds.iter().all(Option::is_some), "{kinds:?}");
        Ok(())
    })
}

#[test]
fn sentinels_are_asked_who_is_the_master() -> Result<()> {
    scenario(MINUTE * 2, async |lab| {
        let mut group = RedisSentinels::start(lab).await?;
        let redis = handle(&group.url())?;
        works(&redis).await?;
        group.fail_over().await?;
        let back = works(&redis).await?;
        ensure!(back < Duration::from_secs(5), "after a failover it took {back:?}");

        // The Sentinels need a while after one failover before they begin the next.
        for freeze in [true, false] {
            wait::until("the other server to follow", wait::PATIENCE, async || {
                let master = group.master().await?;
                let role: Vec<redis::Value> =
                    group.servers()[1 - master].command(&redis::cmd("ROLE")).await?;
                Ok(role.get(3) == Some(&redis::Value::BulkString(b"connected".to_vec())))
            })
            .await?;
            tokio::time::sleep(Duration::from_secs(11)).await;
            let master = group.master().await?;
            let server = &mut group.servers()[master];
            if freeze {
                server.freeze()?;
            } else {
                server.kill()?;
            }
            let asked = ask(&redis, 20).await?;
            ensure!(asked.iter().any(Option::is_some));
            group.moved(master).await?;
            let back = works(&redis).await?;
            ensure!(back < Duration::from_secs(5), "after losing the master it took {back:?}");
            if freeze {
                group.servers()[master].thaw()?;
            }
        }
        Ok(())
    })
}

#[test]
fn a_cluster_is_one_handle() -> Result<()> {
    scenario(MINUTE * 2, async |lab| {
        let mut cluster = RedisCluster::start(lab).await?;
        let redis = handle(&cluster.url())?;
        works(&redis).await?;
        let script = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1])");
        for at in 0..8 {
            let key = redis.key(&format!("count:{at}"));
            ensure!(redis.script::<i64>(&script, &[&key], &[b"5"]).await? == 5);
        }
        cluster.nodes()[1].kill()?;
        for at in 0..100 {
            let begun = Instant::now();
            drop(redis.query::<Option<String>>(&get(&redis.key(&format!("works:{at}")))).await);
            ensure!(begun.elapsed() < BOUND, "a command took {:?}", begun.elapsed());
        }
        ensure!(redis.status().trouble(MINUTE).is_some());
        cluster.nodes()[1].restart(lab).await?;
        cluster.whole().await?;
        let back = works(&redis).await?;
        ensure!(back < Duration::from_secs(10), "after a node's restart it took {back:?}");

        cluster.nodes()[2].freeze()?;
        for at in 0..100 {
            let begun = Instant::now();
            drop(redis.query::<Option<String>>(&get(&redis.key(&format!("works:{at}")))).await);
            ensure!(begun.elapsed() < BOUND, "a command took {:?}", begun.elapsed());
        }
        cluster.nodes()[2].thaw()?;
        cluster.whole().await?;
        let back = works(&redis).await?;
        ensure!(back < Duration::from_secs(10), "after a node froze it took {back:?}");
        Ok(())
    })
}

/// Waits for an entry of a stream on a connection of its own.
async fn follow(redis: &Redis) -> Result<()> {
    let stream = redis.key("{stream}");
    let mut read = redis::cmd("XREAD");
    read.arg("BLOCK").arg(500).arg("STREAMS").arg(&stream).arg("$");
    let mut own = redis.dedicated().await?;
    let nothing: redis::streams::StreamReadReply = own.query(&read, Duration::from_secs(2)).await?;
    ensure!(nothing.keys.is_empty());
    read = redis::cmd("XREAD");
    read.arg("BLOCK").arg(5000).arg("STREAMS").arg(&stream).arg("$");
    let (entries, added) = tokio::join!(own.query(&read, Duration::from_secs(6)), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        // Others are not held up meanwhile.
        works(redis).await?;
        let mut add = redis::cmd("XADD");
        add.arg(&stream).arg("*").arg("field").arg("value");
        Ok::<String, anyhow::Error>(redis.query(&add).await?)
    });
    let entries: redis::streams::StreamReadReply = entries?;
    let id = entries.keys.first().and_then(|key| key.ids.first()).map(|entry| entry.id.clone());
    ensure!(id == Some(added?), "{entries:?}");
    Ok(())
}

#[test]
fn a_connection_of_ones_own_may_wait() -> Result<()> {
    scenario(MINUTE * 2, async |lab| {
        follow(&handle(&RedisServer::start(lab, "redis").await?.url())?).await.context("one server")?;
        follow(&handle(&RedisSentinels::start(lab).await?.url())?).await.context("Sentinels")?;
        follow(&handle(&RedisCluster::start(lab).await?.url())?).await.context("a Cluster")?;
        Ok(())
    })
}
