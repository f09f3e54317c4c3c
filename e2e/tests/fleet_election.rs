//! Who holds what, on real servers: members that beat, locks in Redis, Leases of a real API server, and replicas that are killed, leave, or
//! lose their Redis.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::cluster::Cluster;
use e2e::fault::tcp::{Fault, TcpProxy};
use e2e::redis::{RedisCluster, RedisServer, scenario};
use e2e::{lab, wait};
use ingress_cache::fleet::members::{ALIVE, Told};
use ingress_cache::fleet::{
    Election, FleetName, LeaseElection, MemberId, Members, RedisElection, Seats, SeatsConfig, Shard, Ttl,
};
use ingress_cache::redis::{Redis, RedisConfig};
use ingress_core::source::kube::KubeLeases;
use ingress_core::{ClusterId, ClusterInfo, KubeSource, Namespace, Origin};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_secs(60);

fn redis_at(url: &str) -> Result<Redis> {
    Ok(Redis::connect(RedisConfig::from_url(url)?.prefix("e2e")?.timeout(Duration::from_millis(500))?))
}

fn fleet() -> Result<FleetName> {
    Ok(FleetName::new("f")?)
}

fn east() -> Result<ClusterId> {
    Ok(ClusterId::new("east")?)
}

fn election_at(url: &str, name: &str) -> Result<RedisElection> {
    Ok(RedisElection::new(redis_at(url)?, &fleet()?, MemberId::new(name)?, Ttl::default()))
}

#[test]
fn members_come_beat_and_go() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let member = |name: &str| -> Result<Members> {
            Ok(Members::new(redis_at(&server.url())?, &fleet()?, MemberId::new(name)?))
        };
        let (ann, ben) = (member("ann")?, member("ben")?);
        ensure!(ann.list().await?.is_empty());
        let mut told = Told::default();
        told.unreachable.insert(east()?);
        told.holds.insert(Shard::new(east()?, 3)?, 9);
        let first = ann.beat(&told).await?;
        ensure!(first.len() == 1 && first.iter().all(|member| member.id == *ann.me() && member.told == told));
        sleep(Duration::from_millis(500)).await;
        let both: BTreeMap<MemberId, _> = ben
            .beat(&Told::default())
            .await?
            .into_iter()
            .map(|member| (member.id, (member.told, member.age)))
            .collect();
        ensure!(
            both.len() == 2 && both[ann.me()].0 == told && both[ann.me()].1 >= Duration::from_millis(400)
        );
        ensure!(ann.list().await?.len() == 2, "to look is not to beat");

        // Whoever beats no more is gone after a while; whoever leaves, at once.
        let begun = Instant::now();
        wait::until("Ann to be gone", wait::PATIENCE, async || {
            Ok(ben.beat(&Told::default()).await?.len() == 1)
        })
        .await?;
        ensure!(
            begun.elapsed() > ALIVE - Duration::from_secs(1)
                && begun.elapsed() < ALIVE + Duration::from_secs(1)
        );
        ben.leave().await?;
        ensure!(ann.list().await?.is_empty());

        // What makes no sense is a member that tells nothing.
        ben.beat(&told).await?;
        server.command::<()>(redis::cmd("HSET").arg("e2e:{f/members}:told").arg("ben").arg("junk")).await?;
        let found = ann.list().await?;
        ensure!(found.len() == 1 && found.iter().all(|member| member.told == Told::default()));
        Ok(())
    })
}

/// The rules of an election, whatever it is made of.
async fn contest(ann: &dyn Election, ben: &dyn Election, shard: &Shard) -> Result<()> {
    let asked = Instant::now();
    let first = ann.campaign(shard).await?.context("nobody has it")?;
    ensure!(
        first.valid_until >= asked + ann.ttl().trusted()
            && first.valid_until < Instant::now() + ann.ttl().get()
    );
    ensure!(ben.campaign(shard).await?.is_none());
    // Renewed for longer than it lasts.
    for _ in 0..5 {
        sleep(ann.ttl().renewal()).await;
        ensure!(ann.campaign(shard).await?.context("it is hers")?.epoch == first.epoch);
        ensure!(ben.campaign(shard).await?.is_none());
    }
    // Not renewed: somebody else gets it, not before it is over.
    let last = ann.campaign(shard).await?.context("it is hers")?;
    let taken =
        wait::eventually("Ben's turn", wait::PATIENCE, async || Ok(ben.campaign(shard).await?)).await?;
    ensure!(taken.epoch > last.epoch && !last.is_valid(Instant::now()), "he got it while she believed in it");
    ensure!(last.valid_until.elapsed() < Duration::from_secs(2));
    ensure!(ann.campaign(shard).await?.is_none());
    // Nobody lets go of, or raises, what isn't theirs.
    ann.resign(&last).await?;
    ensure!(ann.campaign(shard).await?.is_none() && ann.raise(&last, 77).await?.is_none());
    let raised = ben.raise(&taken, 77).await?.context("it is his")?;
    ensure!(raised.epoch == 78 && ben.campaign(shard).await?.context("it is his")?.epoch == 78);
    ensure!(ben.raise(&raised, 5).await?.is_some_and(|term| term.epoch >= 78), "epochs never go down");
    let held = ben.campaign(shard).await?.context("it is his")?;
    ben.resign(&held).await?;
    let back = ann.campaign(shard).await?.context("it was let go")?;
    ensure!(back.epoch > held.epoch);
    ann.observe(shard).await?;
    Ok(())
}

#[test]
fn a_lock_in_redis_keeps_the_rules() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let (ann, ben) = (election_at(&server.url(), "ann")?, election_at(&server.url(), "ben")?);
        let shard = Shard::new(east()?, 0)?;
        contest(&ann, &ben, &shard).await?;
        // What forgets everything counts anew; the log tells, and the holder mends it.
        server.flush().await?;
        let term = ben.campaign(&shard).await?.context("nobody has it")?;
        ensure!(term.epoch == 1);
        ensure!(ben.raise(&term, 500).await?.is_some_and(|term| term.epoch == 501));
        Ok(())
    })
}

#[test]
fn a_lock_in_a_cluster_keeps_the_rules() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let cluster = RedisCluster::start(lab).await?;
        let (ann, ben) = (election_at(&cluster.url(), "ann")?, election_at(&cluster.url(), "ben")?);
        contest(&ann, &ben, &Shard::new(east()?, 0)?).await?;
        let members = Members::new(redis_at(&cluster.url())?, &fleet()?, MemberId::new("ann")?);
        ensure!(members.beat(&Told::default()).await?.len() == 1);
        members.leave().await?;
        ensure!(members.list().await?.is_empty());
        Ok(())
    })
}

#[test]
fn a_lease_of_a_real_cluster_keeps_the_rules() -> Result<()> {
    lab::scenario(Duration::from_secs(120), async |lab| {
        let cluster = Cluster::start(lab).await?;
        let info = || -> Result<ClusterInfo> { Ok(ClusterInfo::new(east()?, Origin::Client)) };
        let source = KubeSource::from_client(cluster.client()?, info()?);
        let leases: KubeLeases = source.leases(&Namespace::new("default")?);
        let of = |name: &str| -> Result<LeaseElection<KubeLeases>> {
            Ok(LeaseElection::new(leases.clone(), fleet()?, MemberId::new(name)?, Ttl::default()))
        };
        let (ann, ben) = (of("ann")?, of("ben")?);
        let shard = Shard::new(ClusterId::new("arn:aws:eks/Prod")?, 12)?;
        contest(&ann, &ben, &shard).await?;

        // It is an object as anybody knows them, and what others put into it stays.
        let name = ann.lease_name(&shard);
        let path = format!("/apis/coordination.k8s.io/v1/namespaces/default/leases/{name}");
        let object = cluster.server()?.get(&path).await?;
        ensure!(
            object["spec"]["holderIdentity"] == "ann" && object["spec"]["leaseDurationSeconds"] == 3,
            "{object}"
        );
        ensure!(object["spec"]["renewTime"].is_string(), "{object}");
        let api: kube::Api<k8s_openapi::api::coordination::v1::Lease> =
            kube::Api::namespaced(cluster.client()?, "default");
        let label = serde_json::json!({"metadata": {"labels": {"team": "edge"}}});
        api.patch(&name, &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&label)).await?;
        ensure!(
            ann.campaign(&shard).await?.is_some(),
            "a change of others costs another look, and nothing else"
        );
        ensure!(cluster.server()?.get(&path).await?["metadata"]["labels"]["team"] == "edge");

        // Deleted: whoever remembers counts on, whoever doesn't is told by the log.
        let before = ann.campaign(&shard).await?.context("it is hers")?;
        api.delete(&name, &kube::api::DeleteParams::default()).await?;
        let again = ann.campaign(&shard).await?.context("it is hers")?;
        ensure!(again.epoch > before.epoch);
        api.delete(&name, &kube::api::DeleteParams::default()).await?;
        let cid = of("cid")?;
        let anew = cid.campaign(&shard).await?.context("nobody has it")?;
        ensure!(anew.epoch == 1);
        ensure!(cid.raise(&anew, again.epoch).await?.is_some_and(|term| term.epoch == again.epoch + 1));
        Ok(())
    })
}

/// A replica of a fleet: its seats, and the way to its Redis.
struct Replica {
    id: MemberId,
    seats: Seats,
    // What it is told of; it ends with them.
    _shards: watch::Sender<Arc<BTreeSet<Shard>>>,
    _unreachable: watch::Sender<Arc<BTreeSet<ClusterId>>>,
}

impl Replica {
    fn start(url: &str, name: &str) -> Result<Self> {
        let (redis, id) = (redis_at(url)?, MemberId::of_run(name)?);
        let members = Members::new(redis.clone(), &fleet()?, id.clone());
        let election = RedisElection::new(redis, &fleet()?, id.clone(), Ttl::default());
        let (shards, wanted) = watch::channel(Arc::new(all()?.into_iter().collect::<BTreeSet<_>>()));
        let (unreachable, found) = watch::channel(Arc::default());
        let seats = Seats::start(SeatsConfig::default(), members, Arc::new(election), wanted, found);
        Ok(Self { id, seats, _shards: shards, _unreachable: unreachable })
    }

    fn holds(&self) -> BTreeSet<Shard> {
        let now = Instant::now();
        self.seats
            .held()
            .borrow()
            .values()
            .filter(|term| term.is_valid(now))
            .map(|term| term.shard.clone())
            .collect()
    }
}

fn all() -> Result<Vec<Shard>> {
    let east = east()?;
    Ok(Shard::all(&east, 16).collect())
}

/// Whether every shard is held by whom it prefers, once.
fn at_rest(replicas: &[&Replica]) -> Result<bool> {
    Ok(all()?.iter().all(|shard| {
        let preferred = shard.preferred(replicas.iter().map(|replica| &replica.id));
        replicas.iter().all(|replica| replica.holds().contains(shard) == (preferred == Some(&replica.id)))
    }))
}

async fn rested(replicas: &[&Replica]) -> Result<()> {
    wait::until("the fleet to be at rest", wait::PATIENCE, async || at_rest(replicas)).await
}

#[test]
fn a_holder_that_dies_is_followed_in_three_and_a_half_seconds() -> Result<()> {
    scenario(Duration::from_secs(180), async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let ann = Replica::start(&server.url(), "ann")?;
        rested(&[&ann]).await?;
        let ben = Replica::start(&server.url(), "ben")?;
        let mut slowest = Duration::ZERO;
        for round in 0..4_u32 {
            let cid = Replica::start(&server.url(), "cid")?;
            rested(&[&ann, &ben, &cid]).await?;
            sleep(Duration::from_millis(u64::from(round) * 270)).await;
            // As if it were killed: its task ends in the middle of whatever it does, and says nothing.
            let orphans = cid.holds();
            drop(cid);
            let begun = Instant::now();
            wait::until("followers", wait::PATIENCE, async || {
                let held: BTreeSet<Shard> = ann.holds().union(&ben.holds()).cloned().collect();
                Ok(orphans.is_subset(&held))
            })
            .await?;
            slowest = slowest.max(begun.elapsed());
            rested(&[&ann, &ben]).await?;
        }
        println!("followed after {slowest:?} at most");
        ensure!(slowest < Duration::from_secs(4), "{slowest:?}: 3.5 s, and what a busy machine adds");
        Ok(())
    })
}

#[test]
fn a_holder_that_leaves_is_followed_at_once() -> Result<()> {
    scenario(MINUTE, async |lab| {
        let server = RedisServer::start(lab, "redis").await?;
        let (ann, ben) = (Replica::start(&server.url(), "ann")?, Replica::start(&server.url(), "ben")?);
        rested(&[&ann, &ben]).await?;
        let held = ben.seats.held();
        let begun = Instant::now();
        ben.seats.leave().await;
        ensure!(held.borrow().is_empty());
        wait::until("Ann to have everything", wait::PATIENCE, async || Ok(ann.holds().len() == 16)).await?;
        println!("followed after {:?}", begun.elapsed());
        ensure!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        Ok(())
    })
}

#[test]
fn whoever_loses_redis_lets_go_and_comes_back() -> Result<()> {
    scenario(Duration::from_secs(120), async |lab| {
        let mut server = RedisServer::start(lab, "redis").await?;
        let proxy = TcpProxy::to(server.port()).await?;
        let ann = Replica::start(&server.url(), "ann")?;
        let ben = Replica::start(&format!("redis://127.0.0.1:{}", proxy.port()), "ben")?;
        rested(&[&ann, &ben]).await?;
        let both = || ann.holds().intersection(&ben.holds()).count();

        proxy.set(Fault::Stall);
        wait::until("Ann to have everything", wait::PATIENCE, async || {
            ensure!(both() == 0, "two believe that they hold the same");
            Ok(ann.holds().len() == 16)
        })
        .await?;
        ensure!(ben.holds().is_empty());
        proxy.set(Fault::None);
        rested(&[&ann, &ben]).await?;

        // Everybody loses it, and everything in it.
        server.kill()?;
        wait::until("nobody to hold anything", wait::PATIENCE, async || {
            Ok(ann.holds().is_empty() && ben.holds().is_empty())
        })
        .await?;
        server.restart(lab).await?;
        rested(&[&ann, &ben]).await
    })
}
