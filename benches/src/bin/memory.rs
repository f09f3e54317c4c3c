//! How much heap an engine keeps per object.
//!
//! ```text
//! cargo run --release -p benches --bin memory [-- --quick] [-- --json]
//! ```
//!
//! A program of its own, since its allocator counts, which takes time. What is counted is what was asked for; what the
//! allocator adds to each of the many small pieces of a typed object is left out, in the peer's favour. Each engine reads
//! the same objects from the same kind of server, and is looked at twice: as soon as it is synced, and after changes.
#![expect(clippy::print_stdout, reason = "a program that prints its result")]

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use benches::Form;
use benches::data::{Size, World};
use benches::engine::Engine;
use benches::measure::run;
use benches::server::{Say, Server};
use peak_alloc::PeakAlloc;
use serde_json::{Map, json};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const ENGINES: [(&str, Engine); 5] = [
    ("ours_json", Engine::Ours(Form::Json)),
    ("ours_protobuf", Engine::Ours(Form::Protobuf)),
    ("ours_typed", Engine::OursTyped),
    ("kube_typed", Engine::KubeTyped),
    ("kube_dynamic", Engine::KubeDynamic),
];

fn main() -> Result<()> {
    let mut as_json = false;
    let mut size = Size::new(20_000, 20_000);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--json" => as_json = true,
            "--quick" => size = Size::new(5_000, 10_000),
            other => bail!("unknown argument {other}; there are --quick and --json"),
        }
    }
    let world = Arc::new(World::new(size)?);
    let mut results = Map::new();
    for (key, engine) in ENGINES {
        let (synced, changed) = run(kept(engine, world.clone()))?;
        if !as_json {
            println!("{}: {synced} bytes per object when synced, {changed} after changes", engine.name());
        }
        results.insert(key.into(), json!({ "synced": synced, "after_changes": changed }));
    }
    if as_json {
        println!("{}", serde_json::Value::Object(results));
    }
    Ok(())
}

/// Bytes per object, when synced and after all changes.
async fn kept(engine: Engine, world: Arc<World>) -> Result<(usize, usize)> {
    let server = Server::start(world.clone(), engine.manner())?;
    let objects = world.size().objects;
    settle().await;
    let before = HEAP.current_usage();
    let mut running = engine.start(&server).await?;
    settle().await;
    let synced = HEAP.current_usage().saturating_sub(before) / objects;
    let changes = async {
        server.watched_by(1).await?;
        server.say(Say::Changes);
        anyhow::Ok(())
    };
    tokio::try_join!(changes, running.changes(world.size().changes))?;
    settle().await;
    let changed = HEAP.current_usage().saturating_sub(before) / objects;
    anyhow::ensure!(running.objects() == objects, "{} objects of {objects}", running.objects());
    Ok((synced, changed))
}

/// Lets tasks end and buffers be freed.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}
