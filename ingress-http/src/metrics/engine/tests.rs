use std::time::Duration;

use ingress_core::resilience::backoff::{BackoffPolicy, Jitter};
use ingress_core::resilience::retry::RetryPolicy;
use ingress_core::source::scripted::{self, ClusterHandle, Feed};
use ingress_core::source::{ClusterInfo, Origin};
use ingress_core::{ErrorKind, Hub, Ingress, SourceError};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use super::*;
use crate::fixture::{cluster, simple};

#[derive(Debug)]
struct Scrape(Hub);

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // An hour from now, so that what is stale has an age that can be told from none.
        let now = ingress_core::clock::wall_now() + Duration::from_secs(3600);
        super::encode(&Engine::read(self.0.stats(), now), &mut Families::new(encoder))
    }
}

/// The samples whose series begin like this.
fn samples(hub: &Hub, prefix: &str) -> Vec<String> {
    let (mut written, mut registry) = (String::new(), Registry::default());
    registry.register_collector(Box::new(Scrape(hub.clone())));
    text::encode(&mut written, &registry).unwrap();
    written.lines().filter(|line| line.starts_with(prefix)).map(str::to_owned).collect()
}

/// The value of one series; 0 where it is not there.
fn value(hub: &Hub, series: &str) -> f64 {
    samples(hub, &format!("{series} "))
        .first()
        .map_or(0.0, |line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
}

/// Waits until a series has a value.
async fn becomes(hub: &Hub, series: &str, wanted: f64) {
    let reached = async {
        while value(hub, series) != wanted {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(60), reached).await.is_err() {
        panic!("{series} is {} and not {wanted}", value(hub, series));
    }
}

async fn synced() -> (Hub, ClusterHandle, Feed<Ingress>) {
    let (source, mut handle) = scripted::cluster(ClusterInfo::new(cluster("prod"), Origin::Demo));
    let second = Duration::from_secs(1);
    let pauses = BackoffPolicy::new(second, 2.0, second * 30, Jitter::None).unwrap();
    let hub = Hub::builder(source).retry(RetryPolicy::new(2, pauses).unwrap()).start();
    let feed = handle.ingresses.next_watch().await.unwrap().accept();
    let objects = ["a", "b"].map(|name| simple("shop", name, 1, "nginx", "h.example.com"));
    feed.listed(objects, "3").await;
    handle.namespaces.next_watch().await.unwrap().refuse(SourceError::from_status(403, "no", None));
    hub.synced().await;
    (hub, handle, feed)
}

#[tokio::test(start_paused = true)]
async fn lanes_are_counted_by_state_and_the_oldest_stale_one_tells_its_age() {
    let (hub, mut handle, feed) = synced().await;
    becomes(&hub, r#"lanes{cluster="prod",kind="Namespace",state="denied"}"#, 1.0).await;
    assert_eq!(value(&hub, r#"lanes{cluster="prod",kind="Ingress",state="live"}"#), 1.0);
    assert_eq!(samples(&hub, "lanes{").len(), 2 * LANE_STATES.len());
    assert_eq!(value(&hub, r#"lanes_oldest_stale_seconds{cluster="prod",kind="Ingress"}"#), 0.0);
    assert_eq!(samples(&hub, "cluster_info"), [r#"cluster_info{cluster="prod",origin="demo"} 1"#]);

    feed.fail(SourceError::new(ErrorKind::Disconnected, "scripted")).await;
    becomes(&hub, r#"lanes{cluster="prod",kind="Ingress",state="reconnecting"}"#, 1.0).await;
    let age = value(&hub, r#"lanes_oldest_stale_seconds{cluster="prod",kind="Ingress"}"#);
    assert!((3500.0..3700.0).contains(&age), "{age}");
    drop(handle.ingresses.next_watch().await);
}

#[tokio::test(start_paused = true)]
async fn relists_failures_and_malformed_answers_are_totals() {
    let (hub, mut handle, feed) = synced().await;
    feed.fail(SourceError::new(ErrorKind::Malformed, "scripted")).await;
    let feed = handle.ingresses.next_watch().await.unwrap().accept();
    feed.listed([simple("shop", "a", 2, "nginx", "h")], "4").await;
    becomes(&hub, r#"objects{cluster="prod",kind="Ingress"}"#, 1.0).await;
    for (series, wanted) in [
        (r#"relists_total{cluster="prod",kind="Ingress"}"#, 1.0),
        (r#"relists_total{cluster="prod",kind="Namespace"}"#, 0.0),
        (r#"malformed_answers_total{cluster="prod",kind="Ingress"}"#, 1.0),
        (r#"lane_failures_total{cluster="prod",kind="Ingress",reason="Malformed"}"#, 1.0),
        (r#"lane_failures_total{cluster="prod",kind="Namespace",reason="Forbidden"}"#, 1.0),
        (r#"store_changes_total{kind="Ingress",type="added"}"#, 2.0),
        (r#"store_changes_total{kind="Ingress",type="modified"}"#, 1.0),
        (r#"store_changes_total{kind="Ingress",type="deleted"}"#, 1.0),
    ] {
        assert_eq!(value(&hub, series), wanted, "{series}");
    }
    let published: f64 = samples(&hub, r#"store_changes_total{kind="Ingress""#)
        .iter()
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum();
    assert_eq!(published, hub.ingresses().snapshot().position().seq as f64);
    assert_eq!(value(&hub, r#"store_position{kind="Ingress"}"#), published);
}

#[tokio::test(start_paused = true)]
async fn questions_are_counted_by_verb_and_answer() {
    let (hub, mut handle, feed) = synced().await;
    drop(feed);
    let _feed = handle.ingresses.next_watch().await.unwrap().accept();
    let key = hub.ingresses().snapshot().iter().next().unwrap().0.clone();
    let answers = async {
        handle.ingresses.next_get().await.unwrap().answer(Err(SourceError::from_status(500, "etcd", None)));
        handle.ingresses.next_get().await.unwrap().answer(Ok("{}".into()));
    };
    tokio::join!(hub.ingress_object(&key), answers).0.unwrap();
    let calls = |verb: &str, kind: &str, code: &str| {
        let series =
            format!(r#"upstream_calls_total{{cluster="prod",verb="{verb}",kind="{kind}",code="{code}"}}"#);
        value(&hub, &series)
    };
    assert_eq!(calls("list", "Ingress", "OK"), 1.0);
    assert!(calls("watch", "Ingress", "OK") + calls("watch", "Ingress", "Canceled") >= 1.0);
    assert_eq!((calls("get", "Ingress", "OK"), calls("get", "Ingress", "ServerError")), (1.0, 1.0));
    assert_eq!(calls("list", "Namespace", "Forbidden"), 1.0);
    assert_eq!(value(&hub, r#"upstream_retries_total{cluster="prod"}"#), 1.0);
    assert!(calls("probe", "", "OK") >= 1.0);
    assert_eq!(value(&hub, r#"probe_up{cluster="prod"}"#), 1.0);
    assert_eq!(samples(&hub, "probe_latency_seconds").len(), 1);

    handle.set_probe(Err(SourceError::new(ErrorKind::Unauthorized, "scripted")));
    becomes(&hub, r#"upstream_calls_total{cluster="prod",verb="probe",kind="",code="Unauthorized"}"#, 1.0)
        .await;
    assert_eq!(value(&hub, r#"probe_up{cluster="prod"}"#), 0.0);
}

#[tokio::test(start_paused = true)]
async fn the_breaker_shows_its_state_and_how_it_came_there() {
    let (hub, mut handle, _feed) = synced().await;
    let state = |state: &str| value(&hub, &format!(r#"breaker_state{{cluster="prod",state="{state}"}}"#));
    assert_eq!(["closed", "open", "half-open"].map(state), [1.0, 0.0, 0.0]);
    let key = hub.ingresses().snapshot().iter().next().unwrap().0.clone();
    while state("open") == 0.0 {
        let mut call = std::pin::pin!(hub.ingress_object(&key));
        loop {
            tokio::select! {
                answer = &mut call => { answer.unwrap_err(); break; }
                get = handle.ingresses.next_get() =>
                    get.unwrap().answer(Err(SourceError::from_status(500, "etcd", None))),
            }
        }
    }
    hub.ingress_object(&key).await.unwrap_err();
    assert_eq!(["closed", "open", "half-open"].map(state), [0.0, 1.0, 0.0]);
    assert_eq!(value(&hub, r#"breaker_transitions_total{cluster="prod",to="open"}"#), 1.0);
    assert!(value(&hub, r#"breaker_refused_total{cluster="prod"}"#) >= 1.0);
}
