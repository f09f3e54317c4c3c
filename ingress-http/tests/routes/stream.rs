//! The stream of routes.

use std::time::Duration;

use http_body_util::BodyExt as _;
use serde_json::{Value, json};

use crate::live::{Grants, Live, Stage, Stream, class, ingress, pod, request, service, slice};
use crate::validator;

fn shop() -> Live {
    let live = Live::new(&Grants::new());
    live.put(&class());
    live.put(&json!({"kind": "Ingress",
        "metadata": {"namespace": "shop", "name": "web", "uid": "web", "creationTimestamp": "2026-03-01T10:00:00Z"},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": "shop.example.com", "http": {"paths": [
            {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "web", "port": {"number": 80}}}}]}}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}));
    live.put(&service("shop"));
    live.put(&slice("shop", 2));
    live.put(&pod("shop", 0, true));
    live.put(&pod("shop", 1, true));
    live
}

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(event, _)| event.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn verdicts_are_told_as_they_change() {
    let stage = Stage::set(shop()).await;
    let document = stage.get("all", "/openapi.json").await;
    let validator = validator(&document, &json!({"$ref": "#/components/schemas/RouteStreamEvent"}));
    let mut stream = Stream::open(&stage, "all", "", None).await;
    let mut all = stream.read().await;
    assert_eq!(names(&all), ["stale", "snapshot"]);
    assert_eq!(all[1].1["done"], true);
    assert_eq!(stream.routes.values().collect::<Vec<_>>(), ["ok"]);
    let id = stream.routes.keys().next().unwrap().clone();

    stage.live.delete(&service("shop"));
    stage.settle().await;
    let events = stream.read().await;
    let [(event, told)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event, "verdict");
    assert_eq!(
        *told,
        json!({"id": id, "cluster": "prod", "verdict": "broken", "was": "ok", "codes": ["ING004"], "fault": "backend"})
    );
    all.extend(events);

    // The last state counts, whatever came between.
    for _ in 0..10 {
        stage.live.put(&service("shop"));
        stage.live.delete(&service("shop"));
    }
    stage.live.put(&service("shop"));
    stage.live.put(&ingress("team", "wiki", "wiki.example.com", "tls", 1));
    stage.settle().await;
    let events = stream.read().await;
    assert_eq!(stream.routes[&id], "ok", "{events:?}");
    assert_eq!(stream.routes.len(), 2);
    all.extend(events);

    stage.live.put(&ingress("team", "wiki", "wiki.example.com", "other", 2));
    stage.settle().await;
    let events = stream.read().await;
    assert_eq!(names(&events), ["modified"], "{events:?}");
    all.extend(events);
    stage.live.delete(&ingress("team", "wiki", "wiki.example.com", "other", 3));
    stage.settle().await;
    let events = stream.read().await;
    assert_eq!(names(&events), ["removed"], "{events:?}");
    all.extend(events);
    for (event, data) in &all {
        let whole = json!({"event": event, "data": data});
        let errors: Vec<_> = validator.iter_errors(&whole).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{whole:#}: {errors:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_is_followed() {
    let stage = Stage::set(shop()).await;
    let mut broken = Stream::open(&stage, "all", "?verdict=broken", None).await;
    broken.read().await;
    assert!(broken.routes.is_empty());
    stage.live.delete(&service("shop"));
    stage.settle().await;
    assert_eq!(names(&broken.read().await), ["added"]);
    stage.live.put(&service("shop"));
    stage.settle().await;
    assert_eq!(names(&broken.read().await), ["removed"]);
    for (query, parameter) in [("?verdict=bad", "verdict"), ("?sort=host", "sort"), ("?limit=1", "limit")] {
        let (status, _, problem) = stage.ask("all", &format!("/api/routes/stream{query}")).await;
        assert_eq!((status, &problem["parameter"]), (400, &json!(parameter)));
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_the_present_state_is_not_sent_it_again() {
    let stage = Stage::set(shop()).await;
    let mut stream = Stream::open(&stage, "all", "", None).await;
    stream.read().await;
    let id = stream.last_id.clone().unwrap();
    let list = stage.get("all", "/api/routes").await;
    assert_eq!(list["revision"], json!(id));
    let mut again = Stream::open(&stage, "all", "", Some(&id)).await;
    again.routes = stream.routes.clone();
    assert_eq!(names(&again.read().await), ["stale", "resumed"]);
    let mut since = Stream::open(&stage, "all", &format!("?since={id}"), None).await;
    assert_eq!(names(&since.read().await), ["stale", "resumed"]);
    stage.live.delete(&service("shop"));
    stage.settle().await;
    assert_eq!(names(&again.read().await), ["verdict"]);
    let mut late = Stream::open(&stage, "all", "", Some(&id)).await;
    let events = late.read().await;
    assert_eq!(names(&events), ["reset", "stale", "snapshot"]);
    assert_eq!(events[0].1["reason"], "resume-expired");
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_told_the_last_state_and_holds_up_nobody() {
    let stage = Stage::set(shop()).await;
    let (mut slow, mut quick) =
        (Stream::open(&stage, "all", "", None).await, Stream::open(&stage, "all", "", None).await);
    slow.read().await;
    quick.read().await;
    let mut told = 0;
    for _ in 0..20 {
        stage.live.delete(&service("shop"));
        stage.settle().await;
        told += quick.read().await.len();
        stage.live.put(&service("shop"));
        stage.settle().await;
        told += quick.read().await.len();
    }
    assert_eq!(told, 40);
    let events = slow.read().await;
    assert!(events.len() <= 1, "{events:?}");
    assert_eq!(slow.routes, quick.routes);
}

#[tokio::test(start_paused = true)]
async fn streams_are_counted_and_say_that_they_live() {
    let stage = Stage::set(shop()).await;
    let mut stream = Stream::open(&stage, "all", "", None).await;
    stream.read().await;
    let metrics = request(&stage.router, "all", "/metrics", None).await.into_body().collect().await.unwrap();
    let metrics = String::from_utf8(metrics.to_bytes().to_vec()).unwrap();
    for line in [
        "ingress_stream_viewers 1",
        "ingress_stream_events_total{type=\"stale\"} 1",
        "ingress_routes{verdict=\"ok\"} 1",
        "ingress_routes{verdict=\"broken\"} 0",
        "ingress_route_findings{code=\"ING004\",severity=\"critical\"} 0",
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} is not in {metrics}");
    }
    let families = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ingress_route"));
    let named = |family: &str| {
        let (name, of) = family.split_once(' ').unwrap();
        format!("| `ingress_route{name}{}` |", if of == "counter" { "_total" } else { "" })
    };
    let families: Vec<_> = families.map(named).collect();
    let page = include_str!("../../../docs/http-api.md");
    assert!(families.len() == 6 && families.iter().all(|family| page.contains(family)), "{families:?}");
    assert_eq!(page.matches("| `ingress_route").count(), 6);
    // What nobody is shown moves on all the same, and so does the place to go on from.
    let before = stream.last_id.clone();
    stage.live.put(&json!({"kind": "Service", "metadata": {"namespace": "other", "name": "x"}, "spec": {}}));
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(names(&stream.read().await), Vec::<&str>::new());
    }
    assert_ne!(stream.last_id, before);
}
