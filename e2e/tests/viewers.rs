//! Who may see what, as Kubernetes says: real tokens, real roles.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::access::Account;
use e2e::cluster::Cluster;
use e2e::dashboard::{Dashboard, Launch};
use e2e::kubeconfig::Login;
use e2e::lab::scenario_with;
use e2e::objects::{self, name};
use e2e::rest::Rest;
use e2e::wait::{self, PATIENCE};
use http::StatusCode;
use serde_json::Value;

/// How long the dashboard believes what somebody may see.
const MAX_AGE: &str = "2s";

fn names(list: &Value, field: &str) -> Result<BTreeSet<String>> {
    let items = list["items"].as_array().context("no items")?;
    Ok(items.iter().filter_map(|item| item[field].as_str()).map(str::to_owned).collect())
}

/// The reviewing program, and a cluster of two namespaces that people may see one of.
async fn start(lab: &e2e::lab::Lab, cluster: &Cluster<'_>) -> Result<Dashboard> {
    let client = cluster.client()?;
    let account = Account::create(&client, "dashboard").await?;
    account.allow_everything(&client).await?;
    account.allow_reviews(&client).await?;
    let file = cluster.kubeconfig("dashboard", Login::Token(&account.token))?;
    let flags =
        ["--authentication", "token-review", "--authorization", "kubernetes", "--access-max-age", MAX_AGE];
    let mut dashboard = Launch::dashboard(lab)?.kubeconfig(&file).args(flags).start().await?;
    dashboard.ready().await?;
    Ok(dashboard)
}

#[test]
fn people_see_what_kubernetes_lets_them_list_and_no_longer_than_it_does() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        let namespaces = cluster.fill(4, 40).await?;
        let dashboard = start(lab, &cluster).await?;
        let (ann, root) = (Account::create(&client, "ann").await?, Account::create(&client, "root").await?);
        root.allow_everything(&client).await?;
        let (mine, other) = (namespaces[0].as_str(), namespaces[1].as_str());
        ann.allow_ingresses_in(&client, mine).await?;
        let as_ann = dashboard.rest().with_token(&ann.token);
        let as_root = dashboard.rest().with_token(&root.token);

        // Nobody unknown gets in; the page, the probes and the way in are for everybody.
        for path in [
            "/api/ingresses",
            "/api/namespaces",
            "/api/health",
            "/api/info",
            "/metrics",
            "/api/ingresses/stream",
        ] {
            let answer = dashboard.rest().get(path).await?;
            ensure!(answer.status == StatusCode::UNAUTHORIZED, "{path}: {}", answer.status);
            ensure!(answer.header("www-authenticate").starts_with("Bearer"), "{path}");
            let forged = dashboard.rest().with_token("nonsense").get(path).await?;
            ensure!(forged.status == StatusCode::UNAUTHORIZED, "{path}: {}", forged.status);
        }
        for path in ["/", "/livez", "/readyz", "/auth/session"] {
            ensure!(dashboard.rest().get(path).await?.status == StatusCode::OK, "{path}");
        }

        // Ann sees one namespace and hears of no other; root sees all.
        wait::until("ann's permission to be known", PATIENCE, async || {
            Ok(as_ann.get("/api/ingresses").await?.status == StatusCode::OK)
        })
        .await?;
        let list = as_ann.json("/api/ingresses").await?;
        ensure!(
            names(&list, "namespace")? == BTreeSet::from([mine.to_owned()]) && list["total"] == 10,
            "{}",
            list["total"]
        );
        ensure!(list["partial"][0]["state"] == "restricted", "{}", list["partial"]);
        ensure!(!list.to_string().contains(other), "a namespace that ann may not see is named");
        ensure!(names(&as_ann.json("/api/namespaces").await?, "name")? == BTreeSet::from([mine.to_owned()]));
        ensure!(as_root.json("/api/ingresses").await?["total"] == 40);
        let hidden = as_ann.get(&format!("/api/ingresses/{other}/{}/yaml", name(1))).await?;
        ensure!(hidden.status == StatusCode::NOT_FOUND, "{}", hidden.text());
        let shown = as_ann.get(&format!("/api/ingresses/{mine}/{}/yaml", name(0))).await?;
        ensure!(shown.status == StatusCode::OK, "{}", shown.text());
        ensure!(as_ann.get("/metrics").await?.status == StatusCode::FORBIDDEN);

        // The stream: a hidden change says nothing, a granted namespace appears, one taken away goes.
        let stream = as_ann.stream("").await?;
        stream.wait("ann's snapshot", PATIENCE, |model| model.items().len() == 10).await?;
        objects::annotate(&client, other, &name(1), "example.com/note", "1").await?;
        ann.allow_ingresses_in(&client, other).await?;
        stream.wait("the granted namespace", PATIENCE, |model| model.items().len() == 20).await?;
        ann.forbid_ingresses_in(&client, other).await?;
        stream.wait("it to be gone", PATIENCE, |model| model.items().len() == 10).await?;
        let version = objects::annotate(&client, mine, &name(0), "example.com/note", "2").await?;
        stream.wait("a change", PATIENCE, |model| model.has_version(mine, &name(0), &version)).await?;

        // An account that is deleted takes its stream with it.
        ann.delete(&client).await?;
        stream.closed(PATIENCE).await?;
        wait::until("ann's token to be refused", PATIENCE, async || {
            Ok(as_ann.get("/api/ingresses").await?.status == StatusCode::UNAUTHORIZED)
        })
        .await?;
        dashboard.stop().await?;
        Ok(())
    })
}

/// What a browser does: a cookie for the token, and no token from then on.
#[test]
fn a_browser_gets_a_cookie_for_its_token() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        cluster.fill(1, 5).await?;
        let dashboard = start(lab, &cluster).await?;
        let root = Account::create(&client, "root").await?;
        root.allow_everything(&client).await?;
        let rest: &Rest = dashboard.rest();
        let session = rest.json("/auth/session").await?;
        ensure!(session["authentication"] == "bearer" && session["user"].is_null(), "{session}");
        let cookie = rest.sign_in(&root.token).await?;
        ensure!(!cookie.contains(&root.token), "the token can be read in its cookie");
        let pair = cookie.split(';').next().context("no cookie")?.to_owned();
        let with_cookie = [("cookie", pair.as_str())];
        let answer = rest.get_with("/auth/session", &with_cookie).await?;
        ensure!(answer.json()?["user"] == root.user(), "{}", answer.text());
        wait::until("the cookie to do", PATIENCE, async || {
            let answer = rest.get_with("/api/ingresses", &with_cookie).await?;
            Ok(answer.status == StatusCode::OK && answer.json()?["total"] == 5)
        })
        .await?;
        let log = dashboard.process().output()?;
        ensure!(!log.contains(&root.token) && !log.contains(&pair), "a secret is in the log");
        dashboard.stop().await?;
        Ok(())
    })
}
