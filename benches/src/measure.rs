//! Rounds: one engine, one fresh server, one duration.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ingress_core::wire::json;
use ingress_core::{ClusterId, Hub, Ingress, Kind as _, Namespace, ObjectKey, Scope, Store};
use k8s_openapi::api::networking::v1 as typed;
use kube::runtime::reflector;
use kube::runtime::watcher::Event;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Form;
use crate::data::{World, namespace_name};
use crate::engine::{Engine, Running, client, source};
use crate::server::{Manner, Say, Server};

/// How long any round may take before it counts as failed.
const DEADLINE: Duration = Duration::from_secs(180);

/// Runs a round as programs run: on tokio's default runtime, a thread per core, in a task of its own. (The thread that waits
/// for the runtime is no worker; an engine polled there would pay for a switch of threads at every chunk.)
///
/// # Errors
///
/// What the round fails with, or when the threads can't be started.
pub fn run<T: Send + 'static>(round: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        tasks.spawn(round);
        tasks.join_next().await.context("no round")?.context("the round panicked")?
    })
}

/// Waits for a round, but not for ever.
async fn bounded<T>(what: &str, round: impl Future<Output = Result<T>> + Send) -> Result<T> {
    // Boxed: a round holds whole engines.
    tokio::time::timeout(DEADLINE, Box::pin(round)).await.with_context(|| format!("{what} hangs"))?
}

/// The time from the moment when the server may write the first change until the last one is visible.
///
/// # Errors
///
/// When the engine fails or loses a change.
pub async fn watch(engine: Engine, world: Arc<World>) -> Result<Duration> {
    bounded("a watch", async {
        let server = Server::start(world.clone(), engine.manner())?;
        let mut running = engine.start(&server).await?;
        let begin = async {
            server.watched_by(1).await?;
            // The engine's own work of its first list must not count.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let begun = Instant::now();
            server.say(Say::Changes);
            anyhow::Ok(begun)
        };
        let end = async {
            // kube-rs asks for its watch only when it is polled, so this begins before that.
            running.changes(world.size().changes).await?;
            anyhow::Ok(Instant::now())
        };
        let (begun, ended) = tokio::try_join!(begin, end)?;
        let took = ended.duration_since(begun);
        Ok(took)
    })
    .await
}

/// The time from nothing until the whole state is visible.
///
/// # Errors
///
/// When the engine fails.
pub async fn initial_list(engine: Engine, world: Arc<World>) -> Result<Duration> {
    bounded("a list", async {
        let server = Server::start(world.clone(), engine.manner())?;
        let begun = Instant::now();
        let running = engine.start(&server).await?;
        let took = begun.elapsed();
        let (has, wanted) = (running.objects(), world.size().objects);
        anyhow::ensure!(has == wanted, "{has} objects of {wanted}");
        Ok(took)
    })
    .await
}

/// The time from the moment when an engine, told that its watch had expired, asks for the state again, until what differs is
/// visible. How long it waits before it asks is not counted.
///
/// # Errors
///
/// When the engine fails.
pub async fn relist(engine: Engine, world: Arc<World>) -> Result<Duration> {
    bounded("a second list", async {
        let server = Server::start(world.clone(), engine.manner())?;
        let mut running = engine.start(&server).await?;
        let say = async {
            server.watched_by(1).await?;
            server.say(Say::Expired);
            anyhow::Ok(())
        };
        let seen = async {
            running.listed_again(world.size().altered).await?;
            anyhow::Ok(Instant::now())
        };
        let ((), seen) = tokio::try_join!(say, seen)?;
        let asked = server.listed_again().context("nobody listed again")?;
        Ok(seen.duration_since(asked))
    })
    .await
}

/// A lane per namespace, the first of which fails or not: the time until all changes of all the others are visible.
///
/// # Errors
///
/// When the engine fails or loses a change.
pub async fn lanes(world: Arc<World>, one_fails: bool) -> Result<Duration> {
    bounded("lanes", async {
        let size = world.size();
        // Both cases are about the same events: those of all namespaces but the first.
        let others = size.namespaces - 1;
        let server =
            Server::start(world.clone(), Manner::speaking(Form::Protobuf).first_namespace_fails(one_fails))?;
        let names =
            (0..size.namespaces).map(|at| Namespace::new(namespace_name(at))).collect::<Result<_, _>>()?;
        let hub = Hub::builder(source(client(&server)?)?).scope(Scope::Namespaces(names)).start();
        hub.synced().await;
        let open = if one_fails { others } else { size.namespaces };
        server.watched_by(open).await?;
        let each = size.objects / size.namespaces;
        let mut running = Running::of_hub(hub, each * open)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = Instant::now();
        server.say(Say::Changes);
        running.changes(size.changes / size.namespaces * open).await?;
        Ok(begun.elapsed())
    })
    .await
}

/// How many changes [`lanes`] delivers.
#[must_use]
pub fn lane_changes(world: &World, one_fails: bool) -> usize {
    let size = world.size();
    size.changes / size.namespaces * (size.namespaces - usize::from(one_fails))
}

/// Our store, filled with a world's objects.
///
/// # Errors
///
/// When an object can't be decoded.
pub fn our_store(world: &World) -> Result<(ingress_core::Writer<Ingress>, Store<Ingress>)> {
    let cluster = ClusterId::new("loopback")?;
    let (mut writer, store) = Store::new(1, ingress_core::store::DEFAULT_HISTORY);
    for json in world.objects_json() {
        let event = json::decode_event::<Ingress>(&[br#"{"type":"ADDED","object":"#, json, b"}"].concat())?;
        let ingress_core::WatchEvent::Applied(object) = event else { anyhow::bail!("no object") };
        let key = ObjectKey::new(cluster.clone(), object.namespace(), object.name());
        writer.apply(key, object);
    }
    writer.publish();
    Ok((writer, store))
}

/// kube-rs's reflector store, filled with a world's objects.
///
/// # Errors
///
/// When an object can't be decoded.
pub fn peer_store(
    world: &World,
) -> Result<(reflector::store::Writer<typed::Ingress>, reflector::Store<typed::Ingress>)> {
    let (reader, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Init);
    for json in world.objects_json() {
        writer.apply_watcher_event(&Event::InitApply(serde_json::from_slice(json)?));
    }
    writer.apply_watcher_event(&Event::InitDone);
    Ok((writer, reader))
}

/// The median time of one call, over batches of calls.
pub fn median_call(batches: usize, calls: u32, mut call: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..batches)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..calls {
                call();
            }
            begun.elapsed() / calls
        })
        .collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The results of engines that took turns, round by round.
#[derive(Debug, Default)]
pub struct Rounds<K> {
    times: HashMap<K, Vec<f64>>,
}

impl<K: std::hash::Hash + Eq + Copy> Rounds<K> {
    /// No results yet.
    #[must_use]
    pub fn new() -> Self {
        Self { times: HashMap::new() }
    }

    /// Adds the result of a round.
    pub fn add(&mut self, key: K, value: f64) {
        self.times.entry(key).or_default().push(value);
    }

    /// All results of one engine, in the order of the rounds.
    #[must_use]
    pub fn all(&self, key: K) -> &[f64] {
        self.times.get(&key).map_or(&[], Vec::as_slice)
    }

    /// The median of one engine's results.
    #[must_use]
    pub fn median(&self, key: K) -> f64 {
        median(self.all(key).to_vec())
    }

    /// The median of the ratios of two engines within each round: what slows a whole round down cancels out.
    #[must_use]
    pub fn ratio(&self, one: K, other: K) -> f64 {
        median(self.all(one).iter().zip(self.all(other)).map(|(one, other)| one / other).collect())
    }
}

/// The median; not a number for nothing.
#[must_use]
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values.get(n / 2).copied().unwrap_or(f64::NAN),
        n => {
            let pair = values.get(n / 2 - 1).zip(values.get(n / 2));
            pair.map_or(f64::NAN, |(low, high)| f64::midpoint(*low, *high))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Size;

    const ALL: [Engine; 8] = [
        Engine::Ours(Form::Json),
        Engine::Ours(Form::Protobuf),
        Engine::OursTyped,
        Engine::KubeTyped,
        Engine::KubeTypedStreaming,
        Engine::KubeDynamic,
        Engine::Floor(Form::Json),
        Engine::Floor(Form::Protobuf),
    ];

    #[test]
    fn every_engine_sees_every_change() {
        let world = Arc::new(World::new(Size::new(60, 300)).unwrap());
        for engine in ALL {
            run(watch(engine, world.clone())).unwrap();
        }
    }

    #[test]
    fn every_engine_lists_and_lists_again() {
        let world = Arc::new(World::new(Size::new(1200, 20).altered(4)).unwrap());
        for engine in &ALL[..6] {
            run(initial_list(*engine, world.clone())).unwrap();
            run(relist(*engine, world.clone())).unwrap();
        }
    }

    #[test]
    fn lanes_deliver_beside_one_that_fails() {
        let world = Arc::new(World::new(Size::new(200, 400).namespaces(100)).unwrap());
        for one_fails in [false, true] {
            run(lanes(world.clone(), one_fails)).unwrap();
        }
    }

    #[test]
    fn medians() {
        assert!(median(Vec::new()).is_nan());
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
