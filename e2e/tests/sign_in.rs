//! People who sign in with an OpenID Connect provider: a real provider, a real browser's cookies, and what a real API server lets them see.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::cluster::Cluster;
use e2e::dashboard::{Dashboard, Launch};
use e2e::kubeconfig::Login;
use e2e::lab::{Lab, scenario_with};
use e2e::provider::{Browser, Provider, SECRET};
use e2e::wait::{self, PATIENCE};
use e2e::{objects, ports};
use http::StatusCode;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{Api, PostParams};
use serde_json::{Value, json};
use tokio::time::timeout;

/// How a dashboard is told of a provider.
fn told<'lab>(lab: &'lab Lab, launch: Launch<'lab>, issuer: &str, scopes: &str) -> Result<Launch<'lab>> {
    let secret = lab.write("client-secret", &format!("{SECRET}\n"))?.display().to_string();
    Ok(launch.args([
        "--authentication",
        "oidc",
        "--oidc-issuer",
        issuer,
        "--oidc-client-id",
        "dashboard",
        "--oidc-client-secret-file",
        &secret,
        "--oidc-scopes",
        scopes,
        "--oidc-username-claim",
        "preferred_username",
    ]))
}

/// Lets a user or a group read the ingresses of a namespace.
async fn allow(client: &kube::Client, namespace: &str, kind: &str, name: &str) -> Result<()> {
    let role: Role = serde_json::from_value(json!({"metadata": {"name": "reads"}, "rules": [
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses"], "verbs": ["get", "list", "watch"]}]}))?;
    let group = "rbac.authorization.k8s.io";
    let binding: RoleBinding = serde_json::from_value(json!({"metadata": {"name": "reads"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "reads"},
        "subjects": [{"apiGroup": group, "kind": kind, "name": name}]}))?;
    Api::namespaced(client.clone(), namespace).create(&PostParams::default(), &role).await?;
    Api::namespaced(client.clone(), namespace).create(&PostParams::default(), &binding).await?;
    Ok(())
}

async fn namespaces(browser: &mut Browser, base: &str) -> Result<BTreeSet<String>> {
    let answer = browser.get(&format!("{base}/api/ingresses")).await?;
    ensure!(answer.status == StatusCode::OK, "{}: {}", answer.status, answer.text());
    let list = answer.json()?;
    let items = list["items"].as_array().context("no items")?;
    Ok(items.iter().filter_map(|item| Some(item["namespace"].as_str()?.to_owned())).collect())
}

async fn user(browser: &mut Browser, base: &str) -> Result<Value> {
    Ok(browser.get(&format!("{base}/auth/session")).await?.json()?["user"].clone())
}

fn holds_no_secret(dashboard: &Dashboard, more: &[&str]) -> Result<()> {
    let log = dashboard.process().output()?;
    for secret in [&[SECRET, "code=", "eyJ"], more].concat() {
        ensure!(!log.contains(secret), "`{secret}` is in the log: {log}");
    }
    Ok(())
}

#[test]
fn people_see_what_the_cluster_lets_them_under_the_names_that_it_knows_them_by() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        cluster.fill(4, 8).await?;
        let (port, provider_port) = (ports::free()?, ports::free()?);
        let base = format!("http://127.0.0.1:{port}");
        let lasts = Duration::from_secs(6);
        let provider = Provider::start(lab, provider_port, &format!("{base}/auth/callback"), lasts).await?;
        allow(&client, "team-01", "Group", "id:dev").await?;
        allow(&client, "team-02", "User", &format!("{}#bob", provider.issuer())).await?;

        let file = cluster.kubeconfig("admin", Login::Admin)?;
        let launch = Launch::dashboard(lab)?.port(port).kubeconfig(&file);
        let launch = told(lab, launch, provider.issuer(), "profile,offline_access")?.args([
            "--authorization",
            "kubernetes",
            "--access-max-age",
            "1s",
            "--oidc-groups-claim",
            "groups",
            "--oidc-groups-prefix",
            "id:",
        ]);
        let mut dashboard = launch.start().await?;
        dashboard.ready().await?;

        let (mut ann, mut bob) = (Browser::new()?, Browser::new()?);
        let refused = ann.get(&format!("{base}/api/ingresses")).await?;
        ensure!(refused.status == StatusCode::UNAUTHORIZED, "{}", refused.status);
        ensure!(ann.sign_in(&base, "ann+dev+ops").await?.status == StatusCode::OK, "ann can't sign in");
        ensure!(bob.sign_in(&base, "bob").await?.status == StatusCode::OK, "bob can't sign in");
        ensure!(user(&mut ann, &base).await? == format!("{}#ann", provider.issuer()), "who is ann?");
        ensure!(namespaces(&mut ann, &base).await? == BTreeSet::from(["team-01".to_owned()]), "ann, of dev");
        ensure!(namespaces(&mut bob, &base).await? == BTreeSet::from(["team-02".to_owned()]), "bob himself");

        // A stream lives as long as the session that it was opened with; its browser comes back, and goes on.
        let url = format!("{base}/api/ingresses/stream");
        let stream = reqwest::Client::builder().http1_only().build()?.get(&url);
        let stream = stream.header("cookie", ann.cookies_for(&url)).send().await?;
        ensure!(stream.status() == StatusCode::OK, "{}", stream.status());
        let text = timeout(lasts + PATIENCE, stream.text()).await.context("the stream does not end")??;
        ensure!(text.contains("team-01") && !text.contains("team-02"), "{text}");
        let end = text.rsplit_once("event: end").context("no `end`")?.1;
        ensure!(end.contains("unauthenticated"), "{end}");
        let before = ann.cookies_for(&url);
        ensure!(namespaces(&mut ann, &base).await? == BTreeSet::from(["team-01".to_owned()]), "renewed");
        ensure!(ann.cookies_for(&url) != before, "a new cookie came with it");

        // What is granted later shows without signing in again.
        allow(&client, "team-03", "Group", "id:ops").await?;
        wait::until("the granted namespace", PATIENCE, async || {
            Ok(namespaces(&mut ann, &base).await?.contains("team-03"))
        })
        .await?;
        ensure!(!namespaces(&mut bob, &base).await?.contains("team-03"), "bob is not of ops");

        let out = ann.sign_out(&base).await?;
        let end = out.json()?["endSession"].as_str().unwrap_or_default().to_owned();
        ensure!(end.starts_with(&format!("{}/session/end?", provider.issuer())), "{}", out.text());
        let refused = ann.get(&format!("{base}/api/ingresses")).await?;
        ensure!(refused.status == StatusCode::UNAUTHORIZED, "{}", refused.status);
        ensure!(!ann.cookies().contains(&"ingress-session"), "{:?}", ann.cookies());
        ensure!(objects::truth(&client).await?.len() == 8, "nothing was written");
        holds_no_secret(&dashboard, &[])
    })
}

#[test]
fn a_provider_that_comes_late_or_goes_ends_nothing_but_sign_ins() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(90), async |lab| {
        let (port, provider_port) = (ports::free()?, ports::free()?);
        let base = format!("http://127.0.0.1:{port}");
        let launch = Launch::dashboard(lab)?.port(port).args(["--demo", "20"]);
        let dashboard = told(lab, launch, &Provider::issuer_at(provider_port), "profile")?.start().await?;
        let mut browser = Browser::new()?;
        let early = browser.get(&format!("{base}/auth/login")).await?;
        ensure!(early.status == StatusCode::SERVICE_UNAVAILABLE, "{}: {}", early.status, early.text());
        ensure!(
            early.text().contains("#access-unknown") && !early.header("retry-after").is_empty(),
            "{}",
            early.text()
        );

        let lasts = Duration::from_secs(6);
        let mut provider =
            Provider::start(lab, provider_port, &format!("{base}/auth/callback"), lasts).await?;
        wait::until("the provider to be found", PATIENCE, async || {
            Ok(browser.get(&format!("{base}/auth/login")).await?.status == StatusCode::SEE_OTHER)
        })
        .await?;
        ensure!(browser.sign_in(&base, "ann").await?.status == StatusCode::OK, "ann can't sign in");
        ensure!(!namespaces(&mut browser, &base).await?.is_empty(), "nothing to see");

        // Without a refresh token, that is that; and a session needs no provider.
        provider.kill()?;
        ensure!(!namespaces(&mut browser, &base).await?.is_empty(), "a session needs no provider");
        wait::until("the session to expire", lasts + PATIENCE, async || {
            let answer = browser.get(&format!("{base}/api/ingresses")).await?;
            ensure!([StatusCode::OK, StatusCode::UNAUTHORIZED].contains(&answer.status), "{}", answer.status);
            Ok(answer.status == StatusCode::UNAUTHORIZED)
        })
        .await?;
        holds_no_secret(&dashboard, &[])
    })
}
