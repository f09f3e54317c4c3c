use proptest::prelude::*;

use super::*;

const RULES: Rules = Rules { grace: Duration::from_secs(1), rest: Duration::from_secs(5) };

fn member(name: u8) -> MemberId {
    MemberId::new(&format!("m{name}")).unwrap()
}

fn east() -> ClusterId {
    ClusterId::new("east").unwrap()
}

fn shard() -> Shard {
    Shard::new(east(), 0).unwrap()
}

/// The members in the order in which the shard prefers them.
fn ranked(count: u8) -> Vec<MemberId> {
    let mut left: Vec<MemberId> = (0..count).map(member).collect();
    let mut ranked = Vec::new();
    while let Some(first) = shard().preferred(&left).cloned() {
        left.retain(|id| *id != first);
        ranked.push(first);
    }
    ranked
}

/// What one of them knows: all are alive and reach everything, and nobody holds the shard, as of just now.
fn view(now: Instant, me: &MemberId, members: &[MemberId]) -> View {
    View {
        me: me.clone(),
        shards: BTreeSet::from([shard()]),
        members: members.iter().map(|id| (id.clone(), BTreeSet::new())).collect(),
        told: Some(now),
        held: BTreeSet::new(),
        holders: BTreeMap::new(),
        vacant: BTreeMap::from([(shard(), now)]),
        moved: BTreeMap::new(),
    }
}

fn ago(seconds: f64) -> Instant {
    Instant::now() - Duration::from_secs_f64(seconds)
}

fn now_of(view: &View) -> Option<Step> {
    decide(Instant::now(), view, RULES).get(&shard()).copied()
}

// Times lie in the past of one moment, so that one must be there.
#[tokio::test(start_paused = true)]
async fn a_table_of_situations() {
    tokio::time::advance(Duration::from_secs(60)).await;
    let now = Instant::now();
    let order = ranked(3);
    let [first, second, third] = order.as_slice() else { panic!() };

    // Nobody has it.
    assert_eq!(now_of(&view(now, first, &order)), Some(Step::Campaign), "the preferred one at once");
    assert_eq!(now_of(&view(now, second, &order)), Some(Step::Observe), "its heir only looks");
    assert_eq!(now_of(&view(now, third, &order)), None);
    let mut vacant = view(now, third, &order);
    vacant.vacant.insert(shard(), ago(0.9));
    assert_eq!(now_of(&vacant), None);
    vacant.vacant.insert(shard(), ago(1.0));
    assert_eq!(now_of(&vacant), Some(Step::Campaign), "anybody after the grace");

    // Somebody else has it.
    let mut taken = view(now, second, &order);
    taken.vacant.clear();
    taken.holders.insert(shard(), first.clone());
    assert_eq!(now_of(&taken), Some(Step::Observe));
    taken.holders.insert(shard(), third.clone());
    assert_eq!(now_of(&taken), None, "the first one is next, and looks");
    taken.me = first.clone();
    assert_eq!(now_of(&taken), Some(Step::Campaign), "until it is let go");

    // One has it.
    let mut held = view(now, second, &order);
    held.held.insert(shard());
    held.moved.insert(shard(), ago(4.9));
    assert_eq!(now_of(&held), Some(Step::Campaign), "it rests");
    held.moved.insert(shard(), ago(5.0));
    assert_eq!(now_of(&held), Some(Step::Resign), "the preferred one is there");
    held.members.remove(first);
    assert_eq!(now_of(&held), Some(Step::Campaign), "one is preferred oneself");
    held.shards.clear();
    assert_eq!(now_of(&held), Some(Step::Resign), "there is no such shard");
}

#[tokio::test(start_paused = true)]
async fn who_reaches_a_cluster_is_preferred() {
    tokio::time::advance(Duration::from_secs(60)).await;
    let now = Instant::now();
    let order = ranked(2);
    let [first, second] = order.as_slice() else { panic!() };
    let cut = BTreeSet::from([east()]);

    let mut holder = view(now, first, &order);
    holder.held.insert(shard());
    holder.moved.insert(shard(), ago(100.0));
    holder.members.insert(first.clone(), cut.clone());
    assert_eq!(now_of(&holder), Some(Step::Resign), "another one reaches it");
    holder.members.insert(second.clone(), cut.clone());
    assert_eq!(now_of(&holder), Some(Step::Campaign), "nobody does, so it stays");
    holder.members = BTreeMap::from([(first.clone(), cut)]);
    assert_eq!(now_of(&holder), Some(Step::Campaign), "there is nobody else");
}

#[tokio::test(start_paused = true)]
async fn whoever_knows_nothing_of_the_others_lets_go() {
    tokio::time::advance(Duration::from_secs(60)).await;
    let now = Instant::now();
    let order = ranked(1);
    let mut holder = view(now, &order[0], &order);
    holder.held.insert(shard());
    holder.told = Some(ago(2.9));
    assert_eq!(now_of(&holder), Some(Step::Campaign));
    holder.told = Some(ago(3.0));
    assert_eq!(now_of(&holder), Some(Step::Resign));
    holder.told = None;
    assert_eq!(now_of(&holder), Some(Step::Resign));
    holder.held.clear();
    assert_eq!(now_of(&holder), None, "and takes nothing");
    holder.told = Some(now);
    holder.members.clear();
    assert_eq!(now_of(&holder), None, "nor does one whom the others don't know");
}

/// A fleet as everybody in it knows it: who is alive and reaches the cluster, and who holds which shard.
#[derive(Debug, Clone)]
struct Fleet {
    alive: Vec<(u8, bool)>,
    held: BTreeMap<Shard, MemberId>,
}

fn fleets() -> impl Strategy<Value = Fleet> {
    let alive = prop::collection::btree_map(0u8..6, any::<bool>(), 1..6);
    (alive, prop::collection::vec(prop::option::of(any::<prop::sample::Index>()), 16)).prop_map(
        |(alive, held)| {
            let alive: Vec<(u8, bool)> = alive.into_iter().collect();
            let cluster = east();
            let held = Shard::all(&cluster, 16)
                .zip(held)
                .filter_map(|(shard, index)| Some((shard, member(index?.get(&alive).0))));
            Fleet { held: held.collect(), alive }
        },
    )
}

impl Fleet {
    fn view(&self, now: Instant, me: u8, since: Instant) -> View {
        let (mine, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
            self.held.clone().into_iter().partition(|(_, holder)| *holder == member(me));
        let shards: BTreeSet<Shard> = Shard::all(&east(), 16).collect();
        let free = shards.iter().filter(|shard| !self.held.contains_key(*shard));
        View {
            me: member(me),
            members: self
                .alive
                .iter()
                .map(|(id, reaches)| {
                    (member(*id), if *reaches { BTreeSet::new() } else { BTreeSet::from([east()]) })
                })
                .collect(),
            told: Some(now),
            held: mine.into_keys().collect(),
            vacant: free.map(|shard| (shard.clone(), since)).collect(),
            moved: self.held.keys().map(|shard| (shard.clone(), since)).collect(),
            holders: others,
            shards,
        }
    }

    /// Everybody takes a step; a lock is somebody else's until it is let go.
    fn step(&mut self, now: Instant, since: Instant) -> usize {
        let before = self.held.clone();
        let steps: Vec<(u8, BTreeMap<Shard, Step>)> =
            self.alive.iter().map(|(id, _)| (*id, decide(now, &self.view(now, *id, since), RULES))).collect();
        for (id, steps) in &steps {
            for (shard, _) in steps.iter().filter(|(_, step)| **step == Step::Resign) {
                assert_eq!(self.held.remove(shard), Some(member(*id)), "only one's own is let go");
            }
        }
        for (id, steps) in steps {
            for (shard, _) in steps.into_iter().filter(|(_, step)| *step == Step::Campaign) {
                self.held.entry(shard).or_insert_with(|| member(id));
            }
        }
        before.iter().filter(|(shard, holder)| self.held.get(*shard) != Some(*holder)).count()
    }
}

proptest! {
    // A fleet takes some thousand hashes, which are slow without optimization.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_fleet_comes_to_rest_with_every_shard_held_by_whom_it_prefers(mut fleet in fleets()) {
        let runtime = tokio::runtime::Builder::new_current_thread().start_paused(true).enable_time().build().unwrap();
        runtime.block_on(async {
            tokio::time::advance(Duration::from_secs(60)).await;
            let now = Instant::now();
            // Nothing moves before it has rested.
            let mut calm = fleet.clone();
            assert_eq!(calm.step(now, now), 0);
            let mut moves = 0;
            for _ in 0..3 {
                moves += fleet.step(now, ago(100.0));
            }
            assert!(moves <= 16, "no shard moves twice");
            assert_eq!(fleet.step(now, ago(100.0)), 0, "it is at rest");
            let reaching: Vec<MemberId> = fleet.alive.iter().filter(|(_, reaches)| *reaches).map(|(id, _)| member(*id)).collect();
            let all: Vec<MemberId> = fleet.alive.iter().map(|(id, _)| member(*id)).collect();
            for shard in Shard::all(&east(), 16) {
                let preferred = shard.preferred(if reaching.is_empty() { &all } else { &reaching });
                assert_eq!(fleet.held.get(&shard), preferred);
            }
        });
    }

    #[test]
    fn one_member_at_most_wants_what_somebody_holds(fleet in fleets()) {
        let runtime = tokio::runtime::Builder::new_current_thread().start_paused(true).enable_time().build().unwrap();
        runtime.block_on(async {
            tokio::time::advance(Duration::from_secs(60)).await;
            let now = Instant::now();
            for shard in fleet.held.keys() {
                let others = fleet.alive.iter().filter(|(id, _)| {
                    let view = fleet.view(now, *id, now);
                    !view.held.contains(shard) && decide(now, &view, RULES).contains_key(shard)
                });
                assert!(others.count() <= 1);
            }
        });
    }
}
