//! Everything in the cluster can be asked for over REST, as `docs/http-api.md` says.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null where there is nothing")]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::lab::scenario_with;
use e2e::objects::{self, host, name};
use e2e::rest::{self, Rest};
use e2e::stage::Stage;
use e2e::wait::{self, PATIENCE};
use serde_json::{Value, json};

const NAMESPACES: usize = 20;
const INGRESSES: usize = 2_000;

#[test]
fn two_thousand_ingresses_appear_and_can_be_asked_for() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let stage =
            Stage::set(lab, NAMESPACES, INGRESSES, |launch| launch.args(["--context", "e2e"])).await?;
        let rest = stage.dashboard.rest();
        everything_is_listed(rest, &stage.client).await?;
        filters_select_exactly_what_they_say(rest).await?;
        pages_cover_everything_once(rest).await?;
        bad_questions_are_named(rest).await?;
        an_etag_saves_the_body_until_something_changes(rest, &stage.client).await?;
        one_object_as_json_and_yaml(rest, &stage).await?;
        namespaces_health_and_info(rest).await?;
        stage.dashboard.stop().await.map(drop)
    })
}

async fn everything_is_listed(rest: &Rest, client: &kube::Client) -> Result<()> {
    let list = rest.json("/api/ingresses").await?;
    ensure!(list["total"] == INGRESSES, "total is {}", list["total"]);
    ensure!(list["partial"] == json!([]), "partial is {}", list["partial"]);
    ensure!(list["revision"].as_str().is_some_and(|revision| revision.contains(':')), "{}", list["revision"]);
    ensure!(list.get("demo").is_none(), "a real cluster is called a demo");
    ensure!(rest::states(&list)? == objects::truth(client).await?, "the list is not the cluster's");

    let item =
        list["items"].as_array().and_then(|items| items.iter().find(|item| item["name"] == "app-0021"));
    let item = item.context("app-0021 is not listed")?;
    let host = host("team-01", 21);
    ensure!(item["hosts"] == json!([host, format!("www.{host}")]), "{item}");
    ensure!(item["ingressClassName"] == "internal" && item["defaultBackend"].is_null(), "{item}");
    let path = json!({"path": "/api", "pathType": "Prefix",
        "backend": {"service": {"name": "app-0021-api", "port": {"number": 8080}}}});
    ensure!(item["rules"][0]["paths"][1] == path, "{item}");
    let annotations = item["annotations"].as_object().context("no annotations")?;
    ensure!(annotations.contains_key("cert-manager.io/cluster-issuer"), "{item}");
    ensure!(!annotations.keys().any(|key| key.contains("last-applied")), "{item}");
    Ok(())
}

async fn filters_select_exactly_what_they_say(rest: &Rest) -> Result<()> {
    let numbers = || 0..INGRESSES;
    let expected: BTreeMap<&str, usize> = BTreeMap::from([
        ("namespace=team-07", INGRESSES / NAMESPACES),
        ("namespaces=team-07,team-08", 2 * INGRESSES / NAMESPACES),
        ("class=internal", numbers().filter(|number| number % 3 == 0).count()),
        ("class=", 0),
        ("tls=false", numbers().filter(|number| number % 3 == 0).count()),
        (
            "tls=true&namespace=team-00",
            numbers().filter(|number| number % 20 == 0 && number % 3 != 0).count(),
        ),
        (
            "label=tier%3Dfront,app.kubernetes.io/part-of+in+(suite-1,suite-2)",
            numbers().filter(|number| number % 2 == 0 && (number % 7 == 1 || number % 7 == 2)).count(),
        ),
        ("label=tier%3Dfront&label=!nothing", INGRESSES / 2),
        ("label=tier!%3Dfront", INGRESSES / 2),
        ("host=app-0033.team-13.example.com", 1),
        ("search=APP-0033+team-13", 1),
        ("search=app-0033-web", 1),
        ("search=no-such-thing", 0),
    ]);
    for (query, expected) in expected {
        let total = rest.json(&format!("/api/ingresses?{query}")).await?["total"].as_u64();
        ensure!(total == u64::try_from(expected).ok(), "{query}: {total:?} instead of {expected}");
    }
    Ok(())
}

async fn pages_cover_everything_once(rest: &Rest) -> Result<()> {
    let mut names = Vec::new();
    let mut path = "/api/ingresses?sort=-name&limit=700".to_owned();
    for page in 0.. {
        ensure!(page < 3, "a fourth page");
        let answer = rest.json(&path).await?;
        ensure!(answer["total"] == INGRESSES, "the total changes with the page: {}", answer["total"]);
        for item in answer["items"].as_array().context("no items")? {
            names.push(item["name"].as_str().context("no name")?.to_owned());
        }
        let Some(cursor) = answer["cursor"].as_str() else { break };
        path = format!("/api/ingresses?sort=-name&limit=700&cursor={}", escape(cursor));
    }
    let expected: Vec<String> = (0..INGRESSES).rev().map(name).collect();
    ensure!(names == expected, "{} names, from {:?}", names.len(), names.first());
    Ok(())
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

async fn bad_questions_are_named(rest: &Rest) -> Result<()> {
    let cases = [
        ("/api/ingresses?nmespace=x", 400, "bad-parameter", Some("nmespace")),
        ("/api/ingresses?limit=5&limit=6", 400, "bad-parameter", Some("limit")),
        ("/api/ingresses?limit=0", 400, "bad-parameter", Some("limit")),
        ("/api/ingresses?cursor=nonsense", 400, "bad-parameter", Some("cursor")),
        ("/api/ingresses?label=a+in+(", 400, "bad-parameter", Some("label")),
        ("/api/ingresses?tls=perhaps", 400, "bad-parameter", Some("tls")),
        ("/api/ingresses/stream?sort=name", 400, "bad-parameter", Some("sort")),
        ("/api/ingresses/team-00/none", 404, "not-found", None),
        ("/api/ingresses/team-00/none/yaml", 404, "not-found", None),
        ("/api/no-such-path", 404, "not-found", None),
    ];
    for (path, status, kind, parameter) in cases {
        problem(rest, path, &[], status, kind, parameter).await?;
    }
    problem(rest, "/api/ingresses/team-00/app-0000", &[("accept", "text/csv")], 406, "not-acceptable", None)
        .await
}

async fn problem(
    rest: &Rest,
    path: &str,
    headers: &[(&str, &str)],
    status: u16,
    kind: &str,
    parameter: Option<&str>,
) -> Result<()> {
    let answer = rest.get_with(path, headers).await?;
    let text = answer.text();
    ensure!(answer.status == status, "{path}: {} {text}", answer.status);
    ensure!(answer.header("content-type") == "application/problem+json", "{path}: {:?}", answer.headers);
    let body = answer.json()?;
    ensure!(body["type"].as_str().is_some_and(|link| link.ends_with(&format!("#{kind}"))), "{path}: {text}");
    ensure!(body["status"] == status && body["title"].is_string(), "{path}: {text}");
    ensure!(body["parameter"].as_str() == parameter, "{path}: {text}");
    Ok(())
}

async fn an_etag_saves_the_body_until_something_changes(rest: &Rest, client: &kube::Client) -> Result<()> {
    let path = "/api/ingresses?namespace=team-04";
    let first = rest.get(path).await?;
    let tag = first.header("etag").to_owned();
    ensure!(!tag.is_empty(), "no ETag: {:?}", first.headers);
    let again = rest.get_with(path, &[("if-none-match", &tag)]).await?;
    ensure!(again.status == 304 && again.body.is_empty(), "{} with {} bytes", again.status, again.body.len());
    ensure!(again.header("etag") == tag, "another tag on the 304");
    let other = rest.get_with("/api/ingresses?namespace=team-05", &[("if-none-match", &tag)]).await?;
    ensure!(other.status == 200, "the tag of other parameters gave {}", other.status);

    objects::annotate(client, "team-04", &name(4), "example.com/touched", "yes").await?;
    wait::until("the tag to change", PATIENCE, async || {
        Ok(rest.get_with(path, &[("if-none-match", &tag)]).await?.status == 200)
    })
    .await
}

async fn one_object_as_json_and_yaml(rest: &Rest, stage: &Stage<'_>) -> Result<()> {
    let path = "/api/ingresses/team-02/app-0042";
    let item = rest.json(path).await?;
    ensure!(item["namespace"] == "team-02" && item["hosts"][0] == host("team-02", 42), "{item}");
    let object = stage
        .cluster
        .server()?
        .get("/apis/networking.k8s.io/v1/namespaces/team-02/ingresses/app-0042")
        .await?;
    for (path, headers) in
        [(format!("{path}/yaml"), &[][..]), (path.to_owned(), &[("accept", "application/yaml")][..])]
    {
        let answer = rest.get_with(&path, headers).await?;
        let yaml = answer.text();
        ensure!(answer.status == 200, "{path}: {} {yaml}", answer.status);
        ensure!(
            answer.header("content-type").starts_with("application/yaml"),
            "{path}: {:?}",
            answer.headers
        );
        let uid = object["metadata"]["uid"].as_str().context("no uid")?;
        for wanted in
            ["apiVersion: networking.k8s.io/v1", "kind: Ingress", "name: app-0042", "pathType: Prefix", uid]
        {
            ensure!(yaml.contains(wanted), "{path} lacks {wanted:?}:\n{yaml}");
        }
    }
    Ok(())
}

async fn namespaces_health_and_info(rest: &Rest) -> Result<()> {
    let namespaces = rest.json("/api/namespaces").await?;
    let items = namespaces["items"].as_array().context("no items")?;
    // Besides ours there are those that every API server makes for itself.
    let ours: Vec<&Value> = items
        .iter()
        .filter(|item| item["name"].as_str().is_some_and(|name| name.starts_with("team-")))
        .collect();
    ensure!(
        ours.len() == NAMESPACES && items.len() > NAMESPACES,
        "{} namespaces of {}",
        ours.len(),
        items.len()
    );
    for item in ours {
        ensure!(item["ingresses"] == INGRESSES / NAMESPACES && item["phase"] == "Active", "{item}");
        ensure!(item["lane"]["state"] == "live", "{item}");
    }
    ensure!(
        items.iter().any(|item| item["name"] == "kube-system" && item["ingresses"] == 0),
        "no kube-system"
    );

    let health = rest.json("/api/health").await?;
    ensure!(health["status"] == "healthy" && health["checks"]["kubernetes"]["status"] == "up", "{health}");
    ensure!(health["checks"]["kubernetes"]["latency"].is_number(), "{health}");
    let info = rest.json("/api/info").await?;
    ensure!(info["clusters"][0]["origin"] == "argument" && info["scope"]["namespaces"].is_null(), "{info}");
    Ok(())
}
