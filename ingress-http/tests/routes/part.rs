//! Who may read part of what routes are judged by is told what that part says, and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::live::{
    Grants, Live, MAX_AGE, Stage, Stream, class, ingress, pod, request, secret, service, slice,
};

/// Each with a name that occurs nowhere else.
const NAMESPACES: [&str; 3] = ["zq0", "zq1", "zq2"];
const KINDS: [(&str, &str); 6] = [
    ("Ingress", "ingresses"),
    ("IngressClass", "ingressclasses"),
    ("Service", "services"),
    ("EndpointSlice", "endpointslices"),
    ("Pod", "pods"),
    ("Secret", "secrets"),
];

/// Everything in one namespace.
fn everything_in(namespace: &'static str) -> Grants {
    KINDS.iter().map(|(_, plural)| (*plural, Some(namespace))).collect()
}

#[tokio::test(start_paused = true)]
async fn somebody_with_one_namespace_is_shown_its_routes_by_what_they_may_read() {
    let live = Live::new(&everything_in("zq0"));
    live.put(&class());
    for namespace in NAMESPACES {
        live.put(&ingress(namespace, "shop", "shop.example.com", "tls", 1));
        live.put(&service(namespace));
    }
    live.put(&secret("zq0", "unused"));
    live.put(&secret("zq1", "tls"));
    let stage = Stage::set(live).await;
    assert_eq!(stage.get("all", "/api/routes").await["total"], 3);

    let list = stage.get("part", "/api/routes").await;
    assert_eq!((&list["total"], &list["items"][0]["namespace"]), (&json!(1), &json!("zq0")));
    let forbidden =
        json!({"cluster": "prod", "kind": "Ingress", "namespace": null, "name": null, "why": "forbidden"});
    assert!(list["unknown"].as_array().unwrap().contains(&forbidden), "{list}");
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    let route = stage.get("part", &format!("/api/routes/{id}")).await;
    let step = |kind: &str| {
        let steps = route["diagnosis"]["steps"].as_array().unwrap().clone();
        steps.into_iter().find(|step| step["kind"] == kind).unwrap()
    };
    // A class is the cluster's, and they may read what lies in one namespace.
    assert_eq!(
        (&step("entry")["state"], &step("entry")["unknown"][0]["why"]),
        (&json!("unknown"), &json!("forbidden"))
    );
    let codes: Vec<_> = route["codes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(codes.contains(&"SVC001") && codes.contains(&"ING012"), "{codes:?}");
    assert!(!codes.contains(&"ING011") && !codes.contains(&"TRC001"), "{codes:?}");
    assert!(step("route")["unknown"].as_array().unwrap().iter().any(|it| it["kind"] == "Ingress"), "{route}");

    let found = stage.get("part", "/api/match?host=shop.example.com").await;
    assert_eq!(found["entries"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["entries"][0]["winner"]["namespace"], "zq0");
    assert!(found["unknown"].as_array().unwrap().contains(&forbidden), "{found}");
    let certificates = stage.get("part", "/api/certificates").await;
    assert_eq!((&certificates["total"], &certificates["items"][0]["name"]), (&json!(1), &json!("unused")));
    assert_eq!(certificates["unknown"][0]["why"], "forbidden");
    let topology = stage.get("part", &format!("/api/topology?route={id}")).await;
    let kinds: Vec<_> =
        topology["nodes"].as_array().unwrap().iter().map(|node| node["kind"].clone()).collect();
    assert!(kinds.contains(&json!("Service")) && !topology.to_string().contains("zq1"), "{topology}");

    let others = stage.get("all", "/api/routes?namespace=zq1").await;
    let other = others["items"][0]["id"].as_str().unwrap().to_owned();
    for path in [
        format!("/api/routes/{other}"),
        format!("/api/routes/{other}/diagnosis"),
        format!("/api/topology?route={other}"),
    ] {
        let (status, _, body) = stage.ask("part", &path).await;
        assert_eq!(status, 404, "{path}: {body}");
    }
    assert_eq!(stage.get("part", "/api/topology?namespace=zq1").await["nodes"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_may_be_read_is_asked_once_for_all_requests_and_believed_for_a_while() {
    let live = Live::new(&everything_in("zq0"));
    live.put(&ingress("zq0", "shop", "shop.example.com", "tls", 1));
    let stage = Stage::set(live).await;
    let reviews = || *stage.live.reviews.lock().unwrap();
    assert_eq!(stage.get("part", "/api/routes").await["total"], 1);
    let asked = reviews();
    assert!(asked < 60, "{asked}");
    for path in ["/api/routes", "/api/routes", "/api/match?host=shop.example.com"] {
        stage.get("part", path).await;
    }
    assert_eq!(reviews(), asked);
    // Whoever may read everything costs a question for each kind.
    let before = reviews();
    stage.get("all", "/api/routes").await;
    assert_eq!(reviews() - before, ingress_core::inventory::kinds().len());

    // An outage takes nothing away for a while.
    stage.live.grant(None);
    tokio::time::sleep(MAX_AGE).await;
    assert_eq!(stage.get("part", "/api/routes").await["total"], 1);
    assert_eq!(stage.ask("stranger", "/api/routes").await.0, 503);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(stage.ask("part", "/api/routes").await.0, 503);

    // What is taken away is not shown any more.
    stage.live.grant(Some(Grants::new()));
    tokio::time::sleep(MAX_AGE).await;
    assert_eq!(stage.get("part", "/api/routes").await["total"], 0);
}

#[tokio::test(start_paused = true)]
async fn what_may_be_read_and_what_not_any_more_is_told_like_any_difference() {
    let live = Live::new(&everything_in("zq0"));
    for namespace in NAMESPACES {
        live.put(&ingress(namespace, "shop", "shop.example.com", "tls", 1));
    }
    let stage = Stage::set(live).await;
    let mut stream = Stream::open(&stage, "part", "", None).await;
    stream.read().await;
    assert_eq!(stream.routes.len(), 1);
    stage.live.grant(Some(everything_in("zq0").into_iter().chain(everything_in("zq1")).collect()));
    tokio::time::sleep(MAX_AGE + Duration::from_secs(5)).await;
    let events = stream.read().await;
    assert!(
        events.iter().all(|(event, _)| ["added", "stale", "verdict"].contains(&event.as_str())),
        "{events:?}"
    );
    assert_eq!(stream.routes.len(), 2);
    stage.live.grant(Some(Grants::new()));
    tokio::time::sleep(MAX_AGE + Duration::from_secs(5)).await;
    stream.read().await;
    assert!(stream.routes.is_empty());
}

/// An object that may be there.
fn object(kind: usize, namespace: usize, variant: usize, version: usize) -> Value {
    let namespace = NAMESPACES[namespace];
    match KINDS[kind].0 {
        // Some claim the same.
        "Ingress" => ingress(
            namespace,
            &format!("app-{variant}"),
            ["a.example.com", "b.example.com"][variant % 2],
            "tls",
            version,
        ),
        "IngressClass" => class(),
        "Service" => service(namespace),
        "EndpointSlice" => slice(namespace, variant),
        "Pod" => pod(namespace, variant % 2, variant > 0),
        _ => secret(namespace, ["tls", "unused"][variant % 2]),
    }
}

fn may_read(grants: &Grants, object: &Value) -> bool {
    let kind = object["kind"].as_str().unwrap();
    let (_, plural) = KINDS.iter().find(|(name, _)| *name == kind).unwrap();
    let namespace = object["metadata"]["namespace"].as_str();
    grants.contains(&(plural, None))
        || grants.iter().any(|(of, name)| of == plural && name.is_some() && *name == namespace)
}

fn grants() -> impl Strategy<Value = Grants> {
    let each = (0..KINDS.len(), prop::option::weighted(0.85, 0..2_usize));
    proptest::collection::vec(each, 0..18).prop_map(|all| {
        all.into_iter().map(|(kind, at)| (KINDS[kind].1, at.map(|at| NAMESPACES[at]))).collect()
    })
}

/// Every answer to somebody, whole, but for the time of day.
async fn answers(stage: &Stage) -> BTreeMap<String, (u16, Option<String>, Value)> {
    let mut paths = vec![
        "/api/routes".to_owned(),
        "/api/routes?sort=verdict&limit=1".to_owned(),
        "/api/certificates".to_owned(),
        "/api/match?host=a.example.com".to_owned(),
        "/api/routes?code=ING011".to_owned(),
    ];
    paths.extend(NAMESPACES.map(|name| format!("/api/topology?namespace={name}")));
    // Of all routes that there are, whether they may see them or not.
    let all = stage.get("all", "/api/routes").await;
    for route in all["items"].as_array().unwrap() {
        let id = route["id"].as_str().unwrap();
        paths.push(format!("/api/routes/{id}"));
        paths.push(format!("/api/routes/{id}/diagnosis"));
        paths.push(format!("/api/topology?route={id}"));
    }
    let mut answers = BTreeMap::new();
    for path in paths {
        let (status, headers, mut body) = stage.ask("part", &path).await;
        for changing in ["timestamp", "requestId"] {
            body.as_object_mut().unwrap().remove(changing);
        }
        let tag = headers.get("etag").map(|tag| tag.to_str().unwrap().to_owned());
        answers.insert(path, (status, tag, body));
    }
    answers
}

/// Without the positions, which are another cluster's.
fn bare(answers: &BTreeMap<String, (u16, Option<String>, Value)>) -> BTreeMap<&str, (u16, Value)> {
    let bare = answers.iter().map(|(path, (status, _, body))| {
        let mut body = body.clone();
        body.as_object_mut().unwrap().remove("revision");
        (path.as_str(), (*status, body))
    });
    // What is not there in the other cluster is answered like what may not be seen in this one.
    bare.filter(|(_, (status, _))| *status != 404).collect()
}

async fn run(grants: Grants, steps: Vec<(usize, usize, usize, bool)>) {
    let (live, less) = (Live::new(&grants), Live::new(&grants));
    for cluster in [&live, &less] {
        if cluster.is_same(&live) || may_read(&grants, &class()) {
            cluster.put(&class());
        }
    }
    // Beside it one that has nothing but what they may read.
    let (stage, less) = (Stage::set(live).await, Stage::set(less).await);
    let mut stream = Stream::open(&stage, "part", "", None).await;
    stream.read().await;
    // What answers look for is asked when they first do, so that whoever asks twice may be told another position.
    answers(&stage).await;
    let mut before = answers(&stage).await;
    for (version, (kind, namespace, variant, there)) in (2..).zip(steps) {
        let object = object(kind, namespace, variant, version);
        let may_see = may_read(&grants, &object);
        for cluster in [&stage, &less] {
            if std::ptr::eq(cluster, &stage) || may_see {
                if there { cluster.live.put(&object) } else { cluster.live.delete(&object) }
            }
        }
        stage.settle().await;
        less.settle().await;
        if may_see {
            answers(&stage).await;
        }
        let now = answers(&stage).await;
        answers(&less).await;
        assert_eq!(bare(&now), bare(&answers(&less).await), "{object} {grants:?}");
        let events = stream.read().await;
        if !may_see {
            // Nothing that they may see changed, so nothing at all did: to the byte, positions and tags included.
            for (path, answer) in &before {
                assert_eq!(now.get(path).unwrap_or(answer), answer, "{path} after {object}");
            }
            assert!(events.is_empty(), "{events:?} after {object}");
        }
        let list = now["/api/routes"].2["items"].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let listed: BTreeMap<_, _> = list.iter().map(|it| (text(&it["id"]), text(&it["verdict"]))).collect();
        assert_eq!(stream.routes, listed, "{events:?}");
        before = now;
    }
    // Positions are taken for what they are by those to whom they were told.
    let tag = before["/api/routes"].1.clone().unwrap();
    let again = request(&stage.router, "part", "/api/routes", Some(("if-none-match", &tag))).await;
    assert_eq!(again.status(), 304);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]
    #[test]
    fn nobody_is_told_of_what_they_may_not_read(
        grants in grants(),
        steps in proptest::collection::vec((0..KINDS.len(), 0..NAMESPACES.len(), 0..3_usize, prop::bool::weighted(0.75)), 1..14),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(run(grants, steps));
    }
}
