use std::sync::Mutex;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio::time::advance;

use super::*;
use crate::fleet::election::{ElectionErrorKind, Ttl};

/// What replicas share: who beat when, and the locks. Tests cut replicas off from either.
#[derive(Default)]
struct World {
    beats: BTreeMap<MemberId, (Instant, Told)>,
    locks: BTreeMap<Shard, (MemberId, u64, Instant)>,
    epochs: BTreeMap<Shard, u64>,
    without_roll: BTreeSet<MemberId>,
    without_election: BTreeSet<MemberId>,
    /// Every change of a lock's holder.
    moves: Vec<(Instant, Shard, MemberId)>,
}

type Shared = Arc<Mutex<World>>;

struct Place {
    world: Shared,
    me: MemberId,
}

#[async_trait]
impl Roll for Place {
    async fn beat(&self, told: &Told) -> Option<Vec<Member>> {
        let mut world = self.world.lock().unwrap();
        if world.without_roll.contains(&self.me) {
            return None;
        }
        let now = Instant::now();
        world.beats.insert(self.me.clone(), (now, told.clone()));
        let ages =
            world.beats.iter().map(|(id, (at, told))| Member::new(id.clone(), told.clone(), now - *at));
        Some(ages.filter(|member| member.age < ALIVE).collect())
    }

    async fn leave(&self) {
        self.world.lock().unwrap().beats.remove(&self.me);
    }
}

#[async_trait]
impl Election for Place {
    async fn campaign(&self, shard: &Shard) -> Result<Option<Term>, ElectionError> {
        let mut world = self.world.lock().unwrap();
        if world.without_election.contains(&self.me) {
            return Err(ElectionError::new(ElectionErrorKind::Unavailable));
        }
        let now = Instant::now();
        let until = now + self.ttl().get();
        if let Some((holder, epoch, end)) = world.locks.get_mut(shard).filter(|(_, _, end)| *end > now) {
            if *holder != self.me {
                return Ok(None);
            }
            *end = until;
            return Ok(Some(Term::new(shard.clone(), *epoch, now, self.ttl())));
        }
        let epoch = world.epochs.entry(shard.clone()).or_default();
        *epoch += 1;
        let epoch = *epoch;
        world.locks.insert(shard.clone(), (self.me.clone(), epoch, until));
        world.moves.push((now, shard.clone(), self.me.clone()));
        Ok(Some(Term::new(shard.clone(), epoch, now, self.ttl())))
    }

    async fn observe(&self, _: &Shard) -> Result<(), ElectionError> {
        match self.world.lock().unwrap().without_election.contains(&self.me) {
            true => Err(ElectionError::new(ElectionErrorKind::Unavailable)),
            false => Ok(()),
        }
    }

    async fn raise(&self, term: &Term, above: u64) -> Result<Option<Term>, ElectionError> {
        let mut world = self.world.lock().unwrap();
        let Some((holder, epoch, _)) = world.locks.get_mut(&term.shard) else { return Ok(None) };
        if *holder != self.me {
            return Ok(None);
        }
        *epoch = above + 1;
        Ok(Some(Term::new(term.shard.clone(), above + 1, Instant::now(), self.ttl())))
    }

    async fn resign(&self, term: &Term) -> Result<(), ElectionError> {
        let mut world = self.world.lock().unwrap();
        if world.without_election.contains(&self.me) {
            return Err(ElectionError::new(ElectionErrorKind::Unavailable));
        }
        if world.locks.get(&term.shard).is_some_and(|(holder, _, _)| *holder == self.me) {
            world.locks.remove(&term.shard);
        }
        Ok(())
    }

    fn ttl(&self) -> Ttl {
        Ttl::default()
    }

    fn pace(&self) -> Duration {
        Duration::from_millis(250)
    }
}

/// A replica in the world. Dropping it is `kill -9`.
struct Replica {
    me: MemberId,
    held: watch::Receiver<Held>,
    commands: mpsc::Sender<Command>,
    unreachable: watch::Sender<Arc<BTreeSet<ClusterId>>>,
    shards: watch::Sender<Arc<BTreeSet<Shard>>>,
    tasks: JoinSet<()>,
}

fn cluster() -> ClusterId {
    ClusterId::new("east").unwrap()
}

fn shards() -> Vec<Shard> {
    Shard::all(&cluster(), 12).collect()
}

impl Replica {
    fn start(world: &Shared, name: &str) -> Self {
        let me = MemberId::new(name).unwrap();
        let place = || Place { world: world.clone(), me: me.clone() };
        let (shards, wanted) = watch::channel(Arc::new(shards().into_iter().collect()));
        let (unreachable, found) = watch::channel(Arc::default());
        let (outlets, held, _) = Outlets::new();
        let (commands, orders) = mpsc::channel(4);
        let run =
            Run::new(SeatsConfig::default(), me.clone(), place(), Arc::new(place()), wanted, found, outlets);
        let mut tasks = JoinSet::new();
        tasks.spawn(run.run(orders));
        Self { me, held, commands, unreachable, shards, tasks }
    }

    fn holds(&self) -> BTreeSet<Shard> {
        let now = Instant::now();
        self.held.borrow().values().filter(|term| term.is_valid(now)).map(|term| term.shard.clone()).collect()
    }

    async fn leave(mut self) {
        self.commands.send(Command::Leave).await.unwrap();
        self.tasks.join_next().await.unwrap().unwrap();
        assert!(self.held.borrow().is_empty());
    }
}

/// Lets time pass in steps, in none of which two may hold the same shard.
async fn pass(seconds: f64, replicas: &[&Replica]) {
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    while Instant::now() < end {
        advance(Duration::from_millis(20)).await;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        let mut all = BTreeSet::new();
        for shard in replicas.iter().flat_map(|replica| replica.holds()) {
            assert!(all.insert(shard.clone()), "{shard} is held twice");
        }
    }
}

fn covered(replicas: &[&Replica]) -> bool {
    replicas.iter().flat_map(|replica| replica.holds()).collect::<BTreeSet<_>>().len() == shards().len()
}

fn preferred(replicas: &[&Replica]) -> bool {
    shards().iter().all(|shard| {
        let best = shard.preferred(replicas.iter().map(|replica| &replica.me));
        replicas.iter().all(|replica| replica.holds().contains(shard) == (best == Some(&replica.me)))
    })
}

fn moves(world: &Shared) -> usize {
    std::mem::take(&mut world.lock().unwrap().moves).len()
}

#[tokio::test(start_paused = true)]
async fn one_alone_holds_everything_at_once_and_shares_it_when_others_come() {
    let world = Shared::default();
    let ann = Replica::start(&world, "ann");
    pass(0.5, &[&ann]).await;
    assert!(covered(&[&ann]));
    moves(&world);
    let (ben, cid) = (Replica::start(&world, "ben"), Replica::start(&world, "cid"));
    pass(10.0, &[&ann, &ben, &cid]).await;
    assert!(preferred(&[&ann, &ben, &cid]));
    assert_eq!(moves(&world), ben.holds().len() + cid.holds().len(), "what moves, moves once");
    pass(60.0, &[&ann, &ben, &cid]).await;
    assert_eq!(moves(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_killed_is_followed_in_time() {
    for phase in 0..10 {
        let world = Shared::default();
        let (ann, ben) = (Replica::start(&world, "ann"), Replica::start(&world, "ben"));
        pass(20.0 + f64::from(phase) / 7.0, &[&ann, &ben]).await;
        assert!(preferred(&[&ann, &ben]) && !ben.holds().is_empty());
        drop(ben);
        pass(3.5, &[&ann]).await;
        assert!(covered(&[&ann]), "killed in phase {phase}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_leaves_is_followed_within_a_second() {
    let world = Shared::default();
    let (ann, ben) = (Replica::start(&world, "ann"), Replica::start(&world, "ben"));
    pass(20.0, &[&ann, &ben]).await;
    let rest = [&ann];
    tokio::join!(ben.leave(), pass(1.3, &rest));
    assert!(covered(&[&ann]));
}

#[tokio::test(start_paused = true)]
async fn whoever_can_not_reach_the_others_lets_go() {
    let world = Shared::default();
    let (ann, ben) = (Replica::start(&world, "ann"), Replica::start(&world, "ben"));
    pass(20.0, &[&ann, &ben]).await;
    world.lock().unwrap().without_roll.insert(ben.me.clone());
    pass(4.5, &[&ann, &ben]).await;
    assert!(covered(&[&ann]) && ben.holds().is_empty());
    world.lock().unwrap().without_roll.clear();
    pass(10.0, &[&ann, &ben]).await;
    assert!(preferred(&[&ann, &ben]));
}

#[tokio::test(start_paused = true)]
async fn a_term_that_can_not_be_renewed_ends_before_its_lock() {
    let world = Shared::default();
    let (ann, ben) = (Replica::start(&world, "ann"), Replica::start(&world, "ben"));
    pass(20.0, &[&ann, &ben]).await;
    world.lock().unwrap().without_election.insert(ben.me.clone());
    // pass() fails if Ann gets a lock while Ben believes in his term.
    pass(5.5, &[&ann, &ben]).await;
    assert!(ben.holds().is_empty() && covered(&[&ann]), "others don't wait for the preferred one");
    moves(&world);
    pass(60.0, &[&ann, &ben]).await;
    assert_eq!(moves(&world), 0, "nobody gives it to one who can't hold it");
    world.lock().unwrap().without_election.clear();
    pass(30.0, &[&ann, &ben]).await;
    assert!(preferred(&[&ann, &ben]));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_out_of_reach_is_given_to_who_reaches_it() {
    let world = Shared::default();
    let (ann, ben) = (Replica::start(&world, "ann"), Replica::start(&world, "ben"));
    pass(20.0, &[&ann, &ben]).await;
    moves(&world);
    let cut = Arc::new(BTreeSet::from([cluster()]));
    ben.unreachable.send_replace(cut.clone());
    pass(4.0, &[&ann, &ben]).await;
    ben.unreachable.send_replace(Arc::default());
    pass(10.0, &[&ann, &ben]).await;
    assert_eq!(moves(&world), 0, "a short outage moves nothing");
    ben.unreachable.send_replace(cut.clone());
    pass(8.0, &[&ann, &ben]).await;
    assert!(covered(&[&ann]));
    ann.unreachable.send_replace(cut);
    pass(30.0, &[&ann, &ben]).await;
    assert!(preferred(&[&ann, &ben]), "where nobody reaches it, all are alike");
}

#[tokio::test(start_paused = true)]
async fn members_that_come_and_go_move_nothing_more_often_than_they_rest() {
    let world = Shared::default();
    let ann = Replica::start(&world, "ann");
    pass(20.0, &[&ann]).await;
    moves(&world);
    for _ in 0..8 {
        let ben = Replica::start(&world, "ben");
        pass(1.0, &[&ann, &ben]).await;
        ben.leave().await;
        pass(2.0, &[&ann]).await;
    }
    assert!(covered(&[&ann]));
    let world = world.lock().unwrap();
    for shard in shards() {
        let moves: Vec<_> = world.moves.iter().filter(|(_, moved, _)| *moved == shard).collect();
        for pair in moves.windows(2) {
            let [(since, _, holder), (until, _, _)] = pair else { panic!() };
            assert!(*holder != ann.me || *until - *since >= Duration::from_secs(5), "{shard} had no rest");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_raised_term_is_told() {
    let world = Shared::default();
    let ann = Replica::start(&world, "ann");
    pass(1.0, &[&ann]).await;
    let shard = shards()[0].clone();
    let (answer, told) = oneshot::channel();
    ann.commands.send(Command::Raise { shard: shard.clone(), above: 41, answer }).await.unwrap();
    pass(0.1, &[&ann]).await;
    assert_eq!(told.await.unwrap().unwrap().epoch, 42);
    assert_eq!(ann.held.borrow()[&shard].epoch, 42);
    pass(5.0, &[&ann]).await;
    assert_eq!(ann.held.borrow()[&shard].epoch, 42);
    // What isn't held can't be raised.
    let (answer, told) = oneshot::channel();
    let other: Shard = "west#0".parse().unwrap();
    ann.commands.send(Command::Raise { shard: other, above: 1, answer }).await.unwrap();
    pass(0.1, &[&ann]).await;
    assert!(told.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn shards_come_and_go() {
    let world = Shared::default();
    let ann = Replica::start(&world, "ann");
    pass(1.0, &[&ann]).await;
    let west: BTreeSet<Shard> = Shard::all(&ClusterId::new("west").unwrap(), 2).collect();
    ann.shards.send_replace(Arc::new(west.clone()));
    pass(1.0, &[&ann]).await;
    assert_eq!(ann.holds(), west);
    assert!(world.lock().unwrap().locks.keys().all(|shard| west.contains(shard)));
}
