//! The server process.
//!
//! It says one line when it is ready, `listening ADDRESS`, and reads its orders from standard input: `changes RATE COUNT` makes so
//! many changes, and answers `made NUMBER`, the number of all so far, when the last one was handed over. It ends with its input.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use ingress_core::Hub;
use ingress_http::server::{Server, ServerStats};
use ingress_http::{DEFAULT_MAX_STREAMS, Dashboard};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use super::source::{Changes, source};

/// Serves so many ingresses until standard input ends.
///
/// # Errors
///
/// When it can't listen, or an order makes no sense.
pub fn run(ingresses: usize) -> Result<()> {
    // As the dashboard runs.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (cluster, changes) = source(ingresses);
        let hub = Hub::builder(cluster).start();
        hub.synced().await;
        let stats = ServerStats::new();
        // All viewers come from one address, and at once.
        let dashboard = Dashboard::builder(hub.clone())
            .max_streams_per_address(DEFAULT_MAX_STREAMS)
            .max_streams_per_user(DEFAULT_MAX_STREAMS)
            .rate_limit(None)
            .stream_rate_limit(None)
            .server_stats(stats.clone())
            .build();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        say(&format!("listening {}", listener.local_addr()?))?;
        let (streams, server) = (dashboard.shutdown(), Server::builder().stats(stats).build());
        let mut obeyed = Ok(());
        let stop = async {
            obeyed = obey(changes).await;
            streams.begin();
        };
        let ended = server.serve(listener, dashboard.into_router(), stop).await;
        if ended.cut_off() > 0 {
            say(&format!("cut off {}", ended.cut_off()))?;
        }
        obeyed
    })
}

fn say(line: &str) -> Result<()> {
    let mut output = std::io::stdout();
    writeln!(output, "{line}")?;
    Ok(output.flush()?)
}

async fn obey(mut changes: Changes) -> Result<()> {
    let (to, mut orders) = mpsc::channel(16);
    // Standard input has no way to be waited for but a thread; it ends with the input or the process.
    std::thread::Builder::new().name("orders".into()).spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if to.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    while let Some(order) = orders.recv().await {
        let mut words = order.split(' ');
        let (Some("changes"), Some(rate), Some(count)) = (words.next(), words.next(), words.next()) else {
            bail!("an order that makes no sense: {order}");
        };
        let (rate, count): (f64, u64) = (rate.parse()?, count.parse()?);
        let mut ticks = interval(Duration::try_from_secs_f64(1.0 / rate).context("the rate")?);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for _ in 0..count {
            ticks.tick().await;
            changes.one().await?;
        }
        say(&format!("made {}", changes.made()))?;
    }
    Ok(())
}
