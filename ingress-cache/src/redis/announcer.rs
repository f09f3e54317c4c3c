//! Hears what changed in Redis, and tells those who keep copies.
//!
//! One server and Sentinels: Redis itself tells of every key with our prefix that is written, removed, evicted or expires, and of
//! `FLUSHALL` (`CLIENT TRACKING` with `BCAST`). It costs the server nothing per key. A Cluster tells its clients of the keys of one node only, so there
//! it is messages: whoever writes or removes through this publishes the path, and the Cluster carries it to every node. So in a Cluster, what
//! is evicted, flushed or written by others is not announced; nor is it where `CLIENT TRACKING` is refused, where messages are listened to as well. A
//! server that doesn't speak RESP3, which is one before Redis 6, tells nothing, and [`listening`](Announcements::listening) stays false.
//!
//! One's own writes are announced like others': Redis tells of several writes in a row once, so that leaving one's own out could hide somebody
//! else's.
//!
//! Whether it is heard is asked once in [`PING`]; what is not answered within [`ANSWER`] is lost, and everything may have changed. A node
//! of a Cluster is also asked whether the Cluster is well, since a node that lost the others answers and hears nothing: it says
//! so after its node timeout.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt as _;
use redis::{FromRedisValue as _, PushInfo, PushKind, Value};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{sleep, timeout};

use super::wire::{Job, Pushes, Wire};
use super::{Redis, RedisFault, keys};
use crate::announce::{Announcements, Invalidation};

/// How often the connection is asked for a sign of life.
const PING: Duration = Duration::from_millis(1000);

/// How long that may take.
const ANSWER: Duration = Duration::from_millis(500);

/// A Cluster's usual `cluster-node-timeout`.
const NODE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long to wait between two connections, at least and at most.
const PAUSE: std::ops::Range<u64> = 100..400;

/// How many announcements a listener may be behind before it has to take everything for changed.
const BEHIND: usize = 4096;

/// Who hears, and who is told.
pub(super) struct Announcer {
    prefix: Box<str>,
    cluster: bool,
    changed: broadcast::Sender<Invalidation>,
    listening: watch::Sender<bool>,
    // The connection ended.
    ended: Notify,
}

impl Announcer {
    pub(super) fn new(redis: &Redis) -> Self {
        Self {
            prefix: redis.prefix().into(),
            cluster: redis.core.is_cluster(),
            changed: broadcast::Sender::new(BEHIND),
            listening: watch::Sender::new(false),
            ended: Notify::new(),
        }
    }

    pub(super) fn subscribe(&self) -> Announcements {
        Announcements::new(self.changed.subscribe(), self.listening.subscribe())
    }

    pub(super) fn unheard(&self) -> Duration {
        let asked = PING + ANSWER;
        if self.cluster { asked + NODE_TIMEOUT } else { asked }
    }

    /// Listens for ever, over one connection after the other.
    pub(super) async fn run(self: Arc<Self>, redis: Redis) {
        loop {
            if let Err(fault) = self.listen(&redis).await {
                tracing::debug!(place = redis.place(), error = %fault, "changes in Redis are not heard");
            }
            self.listening.send_replace(false);
            let pause = rand::rng().random_range(PAUSE);
            sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Listens over one connection, until it is lost.
    async fn listen(self: &Arc<Self>, redis: &Redis) -> Result<(), RedisFault> {
        // A permit that the last connection left behind says nothing about this one.
        self.ended.notify_one();
        self.ended.notified().await;
        let mut wire = redis.core.listen(self.pushes()).await?;
        self.ask(&mut wire).await?;
        // What changed between two connections was not heard.
        self.tell(Invalidation::Everything);
        self.listening.send_replace(true);
        loop {
            tokio::select! {
                () = self.ended.notified() => return Ok(()),
                () = sleep(PING) => self.check(&mut wire).await?,
            }
        }
    }

    /// Asks to be told.
    async fn ask(&self, wire: &mut Wire) -> Result<(), RedisFault> {
        if !self.cluster {
            let mut tracking = redis::cmd("CLIENT");
            tracking.arg("TRACKING").arg("ON").arg("BCAST").arg("PREFIX").arg(keys::values(&self.prefix));
            match bounded(wire.run::<()>(Job::Command(&tracking))).await {
                Err(fault) if !fault.kind().counts_against_server() => {
                    tracing::info!(error = %fault, "Redis doesn't track keys for us; messages are listened to instead");
                }
                result => return result,
            }
        }
        bounded(wire.subscribe(&keys::channel(&self.prefix))).await
    }

    async fn check(&self, wire: &mut Wire) -> Result<(), RedisFault> {
        if !self.cluster {
            return bounded(wire.ping()).await;
        }
        let mut info = redis::cmd("CLUSTER");
        info.arg("INFO");
        let info: String = bounded(wire.run(Job::Command(&info))).await?;
        match info.contains("cluster_state:ok") {
            true => Ok(()),
            false => Err(RedisFault::with(super::FaultKind::Unreachable, "the node lost its Cluster")),
        }
    }

    fn pushes(self: &Arc<Self>) -> Pushes {
        let told = Arc::downgrade(self);
        Arc::new(move |push: PushInfo| {
            if let Some(announcer) = told.upgrade() {
                announcer.hear(push);
            }
            Ok::<(), redis::aio::SendError>(())
        })
    }

    fn hear(&self, push: PushInfo) {
        match push.kind {
            PushKind::Disconnection => {
                self.listening.send_replace(false);
                self.ended.notify_one();
            }
            PushKind::Invalidate => match push.data.into_iter().next() {
                Some(Value::Array(places)) => {
                    for place in places {
                        self.changed(
                            text(place).as_deref().and_then(|place| keys::path(&self.prefix, place)),
                        );
                    }
                }
                // Nothing in particular: everything is gone.
                _ => self.tell(Invalidation::Everything),
            },
            PushKind::Message => self.changed(push.data.into_iter().nth(1).and_then(text).as_deref()),
            _ => {}
        }
    }

    /// Tells of a path; of what can't be read, that it may be anything.
    fn changed(&self, path: Option<&str>) {
        self.tell(path.map_or(Invalidation::Everything, |path| Invalidation::Key(path.into())));
    }

    fn tell(&self, invalidation: Invalidation) {
        // Nobody may be there.
        drop(self.changed.send(invalidation));
    }
}

fn text(value: Value) -> Option<String> {
    String::from_redis_value(value).ok()
}

async fn bounded<T>(work: impl Future<Output = redis::RedisResult<T>>) -> Result<T, RedisFault> {
    match timeout(ANSWER, work).await {
        Ok(result) => result.map_err(|error| RedisFault::of(&error)),
        Err(_) => Err(RedisFault::new(super::FaultKind::Timeout)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::RedisConfig;

    #[test]
    fn what_is_heard_is_told() {
        let redis = Redis::connect(RedisConfig::from_url("redis://localhost").unwrap().prefix("p").unwrap());
        let announcer = Arc::new(Announcer::new(&redis));
        let mut heard = announcer.subscribe();
        let bulk = |text: &str| Value::BulkString(text.into());
        let push = |kind, data| announcer.hear(PushInfo { kind, data });
        push(PushKind::Invalidate, vec![Value::Array(vec![bulk("p:{detail:a}"), bulk("p:{detail:b{}}")])]);
        push(PushKind::Message, vec![bulk("p:changed"), bulk("detail:c")]);
        push(PushKind::Invalidate, vec![Value::Nil]);
        push(PushKind::Message, vec![]);
        let key = |path: &str| Invalidation::Key(path.into());
        let expected = [
            key("detail:a"),
            key("detail:b{}"),
            key("detail:c"),
            Invalidation::Everything,
            Invalidation::Everything,
        ];
        for expected in expected {
            assert_eq!(heard.changed.try_recv().unwrap(), expected);
        }
        assert!(heard.changed.try_recv().is_err());
    }
}
