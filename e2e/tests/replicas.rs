//! Replicas that share a Redis and a secret: the cluster is asked once for all of them, a viewer goes on at another one, and Redis in trouble
//! costs nobody an answer.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::access::Account;
use e2e::audit;
use e2e::cluster::Cluster;
use e2e::dashboard::{Dashboard, Launch};
use e2e::kubeconfig::Login;
use e2e::lab::{Lab, scenario_with};
use e2e::objects::{self, name};
use e2e::redis::{Options, RedisServer};
use e2e::rest::Rest;
use e2e::wait::PATIENCE;
use tokio::time::Instant;

const YAML: &str = "/api/ingresses/team-00/app-0000/yaml";

/// A cluster, a Redis, and who reads the one and shares through the other.
struct Scene<'lab> {
    lab: &'lab Lab,
    cluster: Cluster<'lab>,
    redis: RedisServer,
    kubeconfig: PathBuf,
    key: PathBuf,
}

impl<'lab> Scene<'lab> {
    async fn set(lab: &'lab Lab) -> Result<Self> {
        let cluster = Cluster::start(lab).await?;
        let client = cluster.client()?;
        cluster.fill(4, 40).await?;
        let account = Account::create(&client, "dashboard").await?;
        account.allow_everything(&client).await?;
        account.allow_reviews(&client).await?;
        let kubeconfig = cluster.kubeconfig("dashboard", Login::Token(&account.token))?;
        let redis = RedisServer::start_with(lab, "redis", Options::default()).await?;
        let key = lab.file("key");
        std::fs::write(&key, "0123456789abcdef0123456789abcdef")?;
        Ok(Self { lab, cluster, redis, kubeconfig, key })
    }

    async fn replica(&self, name: &str, more: &[&str]) -> Result<Dashboard> {
        let launch = Launch::dashboard(self.lab)?.named(name).kubeconfig(&self.kubeconfig);
        let launch = launch.args(["--redis".to_owned(), self.redis.url()]);
        let mut dashboard = launch.args(more).start().await?;
        dashboard.ready().await?;
        Ok(dashboard)
    }

    /// One that asks the cluster who people are and what they may see.
    async fn guarded(&self, name: &str, more: &[&str]) -> Result<Dashboard> {
        let key = self.key.display().to_string();
        let guarded = [
            "--authentication",
            "token-review",
            "--authorization",
            "kubernetes",
            "--access-max-age",
            "5s",
            "--cookie-key-file",
            &key,
        ];
        self.replica(name, &[&guarded, more].concat()).await
    }
}

async fn yaml(rest: &Rest) -> Result<(String, String)> {
    let answer = rest.get(YAML).await?;
    ensure!(answer.status == 200, "{}: {}", answer.status, answer.text());
    Ok((answer.header("cache-status").to_owned(), answer.text()))
}

#[test]
fn the_cluster_is_asked_once_for_all_replicas() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(150), async |lab| {
        let scene = Scene::set(lab).await?;
        let client = scene.cluster.client()?;
        let viewer = Account::create(&client, "viewer").await?;
        viewer.allow_ingresses_in(&client, "team-00").await?;
        let (one, other) = (scene.guarded("one", &[]).await?, scene.guarded("other", &[]).await?);
        let (one, other) = (one.rest().with_token(&viewer.token), other.rest().with_token(&viewer.token));
        let log = scene.cluster.audit()?;

        let asked = |since| -> Result<(usize, usize)> {
            let entries = log.since(since)?;
            let reviews = |resource: &str| {
                audit::count(&entries, |entry| {
                    entry.object_ref.resource == resource && entry.verb == "create"
                })
            };
            Ok((reviews("tokenreviews"), reviews("subjectaccessreviews")))
        };
        let begun = log.mark();
        ensure!(one.json("/api/ingresses").await?["total"] == 10, "not what the viewer may see");
        let first = asked(begun)?;
        ensure!(first.0 == 1 && first.1 >= 5, "{first:?}");
        ensure!(other.json("/api/ingresses").await?["total"] == 10, "not what the viewer may see");
        ensure!(asked(begun)? == first, "the other replica asked as well: {:?}", asked(begun)?);

        let begun = log.mark();
        let (came, text) = yaml(&one).await?;
        ensure!(came == "ingress; fwd=uri-miss; stored", "{came}");
        let (came, same) = yaml(&other).await?;
        ensure!(came.starts_with("ingress; hit; ttl="), "{came}");
        ensure!(text == same, "another object");
        let gets = |since| -> Result<usize> {
            let entries = log.since(since)?;
            Ok(audit::count(&entries, |entry| {
                entry.verb == "get" && entry.object_ref.resource == "ingresses"
            }))
        };
        ensure!(gets(begun)? == 1, "{} of one", gets(begun)?);

        // What changed is another one, at once.
        let version = objects::annotate(&client, "team-00", &name(0), "example.com/note", "1").await?;
        let stream = other.stream("").await?;
        stream.wait("the change", PATIENCE, |model| model.has_version("team-00", &name(0), &version)).await?;
        let (came, text) = yaml(&other).await?;
        ensure!(came.starts_with("ingress; fwd=uri-miss") && text.contains("example.com/note"), "{came}");

        // Nothing of it tells who asked, and of a permission that is taken away nothing is left.
        let keys: Vec<String> = scene.redis.command(redis::cmd("KEYS").arg("*")).await?;
        ensure!(keys.iter().any(|key| key.contains("access-reviews")), "{keys:?}");
        ensure!(!keys.iter().any(|key| key.contains("viewer")), "{keys:?}");
        viewer.forbid_ingresses_in(&client, "team-00").await?;
        stream.wait("the end of it", PATIENCE, |model| model.items().is_empty()).await?;
        let (one, other) = (one.get(YAML).await?, other.get(YAML).await?);
        ensure!(other.status == 404, "{}", other.status);
        ensure!(one.status == 404 || one.status == 200, "{}", one.status);
        Ok(())
    })
}

#[test]
fn who_may_see_a_part_goes_on_at_another_replica() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(150), async |lab| {
        let scene = Scene::set(lab).await?;
        let client = scene.cluster.client()?;
        let (viewer, stranger) =
            (Account::create(&client, "viewer").await?, Account::create(&client, "stranger").await?);
        viewer.allow_ingresses_in(&client, "team-00").await?;
        stranger.allow_ingresses_in(&client, "team-01").await?;
        let fleet = ["--fleet", "e2e"];
        let one = scene.guarded("one", &fleet).await?;
        let other = scene.guarded("other", &fleet).await?;
        let (here, there) = (one.rest().with_token(&viewer.token), other.rest().with_token(&viewer.token));

        let mut stream = here.stream("").await?;
        stream.wait("what the viewer may see", PATIENCE, |model| model.items().len() == 10).await?;
        let version = objects::annotate(&client, "team-00", &name(0), "example.com/note", "1").await?;
        stream.wait("a change", PATIENCE, |model| model.has_version("team-00", &name(0), &version)).await?;
        stream.disconnect();
        let last = stream.last_id();
        ensure!(last.len() == 32, "{last} is told as it is");

        // Changes that the viewer may see, and one that they may not.
        let version = objects::annotate(&client, "team-00", &name(4), "example.com/note", "2").await?;
        objects::annotate(&client, "team-01", &name(1), "example.com/note", "2").await?;
        let mut roaming = there.stream("").await?;
        roaming.wait("all of it", PATIENCE, |model| model.has_version("team-00", &name(4), &version)).await?;
        roaming.resume_from(&last).await?;
        roaming.wait("the other change", PATIENCE, |model| model.counts().modified >= 1).await?;
        let counts = roaming.look(|model| model.counts());
        ensure!((counts.resets, counts.snapshots, counts.modified) == (0, 1, 1), "{counts:?}");

        // To somebody else it is worth nothing.
        let mut theirs = other.rest().with_token(&stranger.token).stream("").await?;
        theirs.wait("what the stranger may see", PATIENCE, |model| model.items().len() == 10).await?;
        theirs.resume_from(&last).await?;
        theirs.wait("a reset", PATIENCE, |model| model.counts().resets == 1).await?;

        // A page of a list goes on there, too.
        let page = here.json("/api/ingresses?limit=6").await?;
        let cursor = page["cursor"].as_str().context("no cursor")?;
        let rest = there.json(&format!("/api/ingresses?limit=6&cursor={cursor}")).await?;
        ensure!(rest["items"].as_array().map(Vec::len) == Some(4), "{rest}");
        Ok(())
    })
}

#[test]
fn redis_in_trouble_costs_nobody_an_answer() -> Result<()> {
    scenario_with(&["dashboard"], Duration::from_secs(150), async |lab| {
        let mut scene = Scene::set(lab).await?;
        let dashboard = scene.replica("one", &[]).await?;
        let rest = dashboard.rest();
        yaml(rest).await?;
        let caches = async || -> Result<(String, serde_json::Value)> {
            let health = rest.json("/api/health").await?;
            ensure!(health["status"] == "healthy", "{health}");
            let redis = health["checks"]["caches"].as_array().and_then(|places| places.get(1).cloned());
            let redis = redis.context("no Redis in health")?;
            Ok((redis["state"].as_str().unwrap_or_default().to_owned(), redis))
        };
        ensure!(caches().await?.0 == "up", "{:?}", caches().await?);

        for gone in [false, true] {
            if gone {
                scene.redis.kill()?;
            } else {
                scene.redis.freeze()?;
            }
            let mut slowest = Duration::ZERO;
            for number in 0..20 {
                let begun = Instant::now();
                let path = format!("/api/ingresses/team-{:02}/{}/yaml", number % 4, name(number));
                let answer = rest.get(&path).await?;
                ensure!(answer.status == 200, "{path}: {}", answer.status);
                slowest = slowest.max(begun.elapsed());
            }
            eprintln!(
                "Redis is {}: the slowest of 20 answers took {slowest:?}",
                if gone { "gone" } else { "frozen" }
            );
            ensure!(slowest < Duration::from_secs(1), "{slowest:?}");
            let (state, told) = caches().await?;
            ensure!(["down", "degraded"].contains(&state.as_str()), "{told}");
            ensure!(told["lastError"]["kind"].is_string(), "{told}");
            let metrics = rest.get("/metrics").await?.text();
            ensure!(metrics.contains("ingress_cache_state{place=\"redis\""), "no state in metrics");
            if gone {
                scene.redis.restart(lab).await?;
            } else {
                scene.redis.thaw()?;
            }
            e2e::wait::until("Redis to be of use again", PATIENCE, async || {
                yaml(rest).await?;
                Ok(caches().await?.0 != "down")
            })
            .await?;
        }
        Ok(())
    })
}
