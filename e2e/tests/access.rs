//! What a program may not see: said plainly, retried rarely, and no obstacle to the rest.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::access::Account;
use e2e::audit;
use e2e::cluster::Cluster;
use e2e::dashboard::Launch;
use e2e::gate::Gate;
use e2e::kubeconfig::{self, Login};
use e2e::lab::scenario_with;
use e2e::objects::{self, name};
use e2e::rest;
use e2e::stage::Stage;
use e2e::wait::{self, PATIENCE};
use tokio::time::sleep;

const ALLOWED: [&str; 3] = ["team-02", "team-07", "team-11"];

fn refused() -> (String, String) {
    ("denied".to_owned(), "Forbidden".to_owned())
}

/// The namespaces that hold an item of the list, with how many.
fn namespaces_of(list: &serde_json::Value) -> Result<BTreeMap<String, usize>> {
    let mut namespaces = BTreeMap::new();
    for key in rest::states(list)?.into_keys() {
        let (namespace, _) = key.split_once('/').context("a key without a namespace")?;
        *namespaces.entry(namespace.to_owned()).or_default() += 1;
    }
    Ok(namespaces)
}

#[test]
fn three_namespaces_of_twenty_and_a_fourth_at_runtime() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        let namespaces = cluster.fill(20, 400).await?;
        let account = Account::create(&client, "limited").await?;
        account.allow_namespaces(&client).await?;
        for namespace in ALLOWED {
            account.allow_ingresses_in(&client, namespace).await?;
        }
        let file = cluster.kubeconfig("limited", Login::Token(&account.token))?;
        let launch = Launch::dashboard(lab)?.kubeconfig(&file).args(["--denied-retry", "2s"]);
        let mut dashboard = launch.start().await?;
        dashboard.ready().await?;
        let rest = dashboard.rest();
        let stream = dashboard.stream("").await?;
        stream.wait("the snapshot", PATIENCE, |model| model.items().len() == 60).await?;

        // The three are there and current; of each other one it is said why not.
        wait::until("the rest to be refused", PATIENCE, async || {
            Ok(rest::partial(&rest.json("/api/ingresses").await?)?.len() >= 17)
        })
        .await?;
        let list = rest.json("/api/ingresses").await?;
        let expected: BTreeMap<String, usize> =
            ALLOWED.iter().map(|namespace| ((*namespace).to_owned(), 20)).collect();
        ensure!(namespaces_of(&list)? == expected, "{:?}", namespaces_of(&list)?);
        let partial = rest::partial(&list)?;
        for namespace in &namespaces {
            let entry = partial.get(namespace);
            if ALLOWED.contains(&namespace.as_str()) {
                ensure!(entry.is_none(), "{namespace}: {entry:?}");
                ensure!(
                    stream.look(|model| model.lane_state(namespace) == Some("live")),
                    "{namespace} is not live"
                );
            } else {
                ensure!(entry == Some(&refused()), "{namespace}: {entry:?}");
            }
        }
        let health = rest.json("/api/health").await?;
        ensure!(health["status"] == "healthy", "a refusal is no illness: {health}");
        let listed = rest.json("/api/namespaces").await?;
        let lanes = listed["items"].as_array().context("no items")?;
        let denied = lanes.iter().filter(|item| item["lane"]["state"] == "denied").count();
        ensure!(denied >= 17, "{denied} denied lanes in /api/namespaces");

        // The object in a forbidden namespace is refused by the cluster, not by us.
        let answer = rest.get("/api/ingresses/team-00/app-0000/yaml").await?;
        ensure!(answer.status == 403 && answer.text().contains("#cluster-forbidden"), "{}", answer.text());

        // Changes inside keep coming.
        let version = objects::annotate(&client, "team-07", &name(7), "example.com/note", "1").await?;
        stream.wait("the change", PATIENCE, |model| model.has_version("team-07", &name(7), &version)).await?;

        // A grant shows by itself, and so does a namespace that is new.
        account.allow_ingresses_in(&client, "team-13").await?;
        stream
            .wait("the granted namespace", PATIENCE, |model| {
                model.has("team-13", &name(13)) && model.lane_state("team-13") == Some("live")
            })
            .await?;
        objects::create_namespaces(&client, &["late".to_owned()]).await?;
        objects::create(&client, "late", 1).await?;
        stream
            .wait("the new namespace", PATIENCE, |model| model.lane_state("late") == Some("denied"))
            .await?;
        account.allow_ingresses_in(&client, "late").await?;
        stream.wait("what is in it", PATIENCE, |model| model.has("late", &name(1))).await?;
        objects::delete_namespace(&client, "late").await?;
        stream
            .wait("its end", PATIENCE, |model| {
                model.lane_state("late").is_none() && !model.has("late", &name(1))
            })
            .await?;

        let partial = rest::partial(&rest.json("/api/ingresses").await?)?;
        ensure!(!partial.contains_key("team-13") && !partial.contains_key("late"), "{partial:?}");
        stream.check()
    })
}

#[test]
fn named_namespaces_need_no_right_to_list_namespaces() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(120), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        let namespaces = cluster.fill(20, 400).await?;
        let account = Account::create(&client, "limited").await?;
        for namespace in ALLOWED {
            account.allow_ingresses_in(&client, namespace).await?;
        }
        let file = cluster.kubeconfig("limited", Login::Token(&account.token))?;
        let mark = cluster.audit()?.mark();
        let mut dashboard = Launch::dashboard(lab)?.kubeconfig(&file).namespaces(&namespaces).start().await?;
        dashboard.ready().await?;
        let rest = dashboard.rest();
        let list = wait::eventually("seventeen refusals", PATIENCE, async || {
            let list = rest.json("/api/ingresses").await?;
            Ok((rest::partial(&list)?.len() == 17).then_some(list))
        })
        .await?;
        ensure!(list["total"] == 60, "{}", list["total"]);
        ensure!(namespaces_of(&list)?.len() == 3, "{:?}", namespaces_of(&list)?);
        ensure!(
            rest::partial(&list)?.values().all(|entry| *entry == refused()),
            "{:?}",
            rest::partial(&list)?
        );
        let health = rest.json("/api/health").await?;
        ensure!(health["status"] == "healthy", "a refusal is no illness: {health}");

        // Namespaces that cannot be read themselves are in view all the same.
        let listed = rest.json("/api/namespaces").await?;
        let items = listed["items"].as_array().context("no items")?;
        ensure!(items.len() == 20 && items.iter().all(|item| item["phase"].is_null()), "{listed}");

        // Seventeen lanes that are refused do not hammer: by default each asks again after 2 s, then ever more
        // rarely. The time is the point here, so it simply passes.
        sleep(Duration::from_secs(10)).await;
        let entries = cluster.audit()?.since(mark)?;
        let of_ours = |entry: &audit::Entry| entry.user.username == account.user();
        let refusals = audit::count(&entries, |entry| of_ours(entry) && entry.response_status.code == 403);
        ensure!((17..=17 * 6).contains(&refusals), "{refusals} refusals in 10 s");
        let lists = audit::count(&entries, |entry| {
            of_ours(entry) && entry.object_ref.namespace == "team-02" && entry.response_status.code == 200
        });
        // Its list, its watch, and on a slow machine the short watch by which a quiet lane makes sure.
        ensure!(lists <= 3, "{lists} requests for a namespace that works");
        Ok(())
    })
}

#[test]
fn nothing_allowed_at_all_is_said_of_the_cluster() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(60), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        cluster.fill(3, 6).await?;
        let account = Account::create(&client, "nobody").await?;
        let file = cluster.kubeconfig("nobody", Login::Token(&account.token))?;
        let dashboard =
            Launch::dashboard(lab)?.kubeconfig(&file).args(["--denied-retry", "2s"]).start().await?;
        let rest = dashboard.rest();
        wait::until("the refusal", PATIENCE, async || {
            let partial = rest::partial(&rest.json("/api/ingresses").await?)?;
            // Besides the cluster, the namespace that the kubeconfig names (or `default`) was tried.
            ensure!(
                partial.contains_key("*") && partial.values().all(|entry| *entry == refused()),
                "{partial:?}"
            );
            Ok(true)
        })
        .await?;
        // With the documented rights it comes to life without a restart.
        account.allow_everything(&client).await?;
        wait::until("everything", PATIENCE, async || {
            let list = rest.json("/api/ingresses").await?;
            Ok(list["total"] == 6 && list["partial"].as_array().is_some_and(Vec::is_empty))
        })
        .await
    })
}

/// How many refused requests twenty seconds may cost: two lanes that ask after 2, 4, 8 s and so on, their first
/// calls, and a probe now and then.
const REFUSALS: usize = 40;

#[test]
fn a_wrong_token_is_a_clear_state_and_no_storm() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(90), async |lab| {
        let cluster = Cluster::start(lab).await?;
        cluster.fill(2, 4).await?;
        let gate = Gate::to(cluster.port()).await?;
        let file = cluster.kubeconfig_via("wrong", &gate.url(), Login::Token("not-a-token"))?;
        let mark = cluster.audit()?.mark();
        let dashboard = Launch::dashboard(lab)?.kubeconfig(&file).start().await?;
        let rest = dashboard.rest();
        let stream = dashboard.stream("").await?;
        stream.wait("the refusal", PATIENCE, |model| model.lane_state("*") == Some("denied")).await?;
        let error = stream
            .look(|model| model.lanes().get("*").map(|lane| lane["error"].clone()))
            .context("no lane")?;
        ensure!(error["reason"] == "Unauthorized" && error["class"] == "permanent", "{error}");
        ensure!(!error.to_string().contains("not-a-token"), "the token is told: {error}");

        // Before the first probe has an answer, health is down without a reason.
        let health = wait::eventually("the health to say why", PATIENCE, async || {
            let answer = rest.get("/api/health").await?;
            let health = answer.json()?;
            let says_why = answer.status == 503 && health["checks"]["kubernetes"]["error"].is_object();
            Ok(says_why.then_some(health))
        })
        .await?;
        let check = &health["checks"]["kubernetes"];
        ensure!(check["status"] == "down" && check["error"]["reason"] == "Unauthorized", "{health}");
        let partial = rest::partial(&rest.json("/api/ingresses").await?)?;
        ensure!(partial.get("*").is_some_and(|(_, reason)| reason == "Unauthorized"), "{partial:?}");
        ensure!(rest.get("/livez").await?.status == 200, "/livez fails");
        let yaml = rest.get("/api/ingresses/team-00/app-0000/yaml").await?;
        ensure!(
            yaml.status == 502 && yaml.text().contains("#cluster-error"),
            "{}: {}",
            yaml.status,
            yaml.text()
        );

        // How often it asks is the point, so time simply passes.
        sleep(Duration::from_secs(20)).await;
        let entries = cluster.audit()?.since(mark)?;
        let refusals = audit::count(&entries, |entry| entry.response_status.code == 401);
        eprintln!("{refusals} refused requests, {} connections in 20 s", gate.accepted());
        ensure!((2..=REFUSALS).contains(&refusals), "{refusals} refused requests in 20 s");
        ensure!(gate.accepted() <= REFUSALS, "{} connections in 20 s", gate.accepted());
        let log = dashboard.process().output()?;
        ensure!(!log.contains("not-a-token"), "the token is in the log");
        Ok(())
    })
}

#[test]
fn a_token_that_stops_working_keeps_what_was_known() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(90), async |lab| {
        let stage = Stage::set(lab, 2, 10, |launch| launch.args(["--denied-retry", "2s"])).await?;
        let stream = stage.dashboard.stream("").await?;
        stream.wait("the snapshot", PATIENCE, |model| model.is_following() && model.is_live()).await?;

        // A token dies with its account; the open watch would go on, so the connection is cut as well.
        stage.account.delete(&stage.client).await?;
        stage.gate.cut();
        stream.wait("the cut", PATIENCE, |model| model.lane_state("*") == Some("reconnecting")).await?;
        // The API server goes on believing in a token that it has just seen for some seconds.
        let file = stage.cluster.kubeconfig("direct", Login::Token(&stage.account.token))?;
        let own = kubeconfig::client(&file).await?;
        wait::until("the token to be refused", PATIENCE, async || {
            Ok(matches!(own.apiserver_version().await, Err(kube::Error::Api(status)) if status.code == 401))
        })
        .await?;
        stage.gate.open();
        stream.wait("the refusal", PATIENCE, |model| model.lane_state("*") == Some("denied")).await?;
        let lane =
            stream.look(|model| model.lanes().get("*").map(|lane| (*lane).clone())).context("no lane")?;
        ensure!(lane["error"]["reason"] == "Unauthorized" && lane["staleSince"].is_string(), "{lane}");
        ensure!(stream.look(|model| model.items().len()) == 10, "what was known is gone");
        let list = stage.dashboard.rest().json("/api/ingresses").await?;
        ensure!(list["total"] == 10 && list["partial"][0]["staleSince"].is_string(), "{}", list["partial"]);
        ensure!(stage.dashboard.rest().is_ready().await?, "/readyz fails");
        stream.check()
    })
}
