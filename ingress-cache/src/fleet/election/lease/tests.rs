use std::sync::Arc;

use tokio::time::advance;

use super::*;

/// A lease in memory, which tests can break.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    leases: HashMap<String, LeaseRecord>,
    version: u64,
    /// What happens to the next writes, before all others.
    script: Vec<Fate>,
    asked: usize,
}

enum Fate {
    /// Written, but nobody is told.
    ReplyLost,
    /// Never answered.
    Stuck,
}

impl Desk {
    fn lease(&self) -> Option<LeaseRecord> {
        self.0.lock().unwrap().leases.values().next().cloned()
    }

    fn change(&self, change: impl FnOnce(&mut LeaseRecord)) {
        let mut state = self.0.lock().unwrap();
        state.version += 1;
        let version = state.version.to_string();
        let lease = state.leases.values_mut().next().unwrap();
        change(lease);
        lease.version = version;
    }

    fn delete(&self) {
        self.0.lock().unwrap().leases.clear();
    }

    fn next(&self, fate: Fate) {
        self.0.lock().unwrap().script.push(fate);
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

#[async_trait]
impl LeaseStore for Desk {
    async fn read(&self, name: &str) -> Result<Option<LeaseRecord>, ElectionError> {
        let mut state = self.0.lock().unwrap();
        state.asked += 1;
        Ok(state.leases.get(name).cloned())
    }

    async fn write(&self, name: &str, record: &LeaseRecord) -> Result<Written, ElectionError> {
        let (written, fate) = {
            let mut state = self.0.lock().unwrap();
            state.asked += 1;
            let current = state.leases.get(name).map(|lease| lease.version.clone()).unwrap_or_default();
            if current != record.version {
                return Ok(Written::Conflict);
            }
            let fate = state.script.pop();
            if !matches!(fate, Some(Fate::Stuck)) {
                state.version += 1;
                let record = LeaseRecord { version: state.version.to_string(), ..record.clone() };
                state.leases.insert(name.to_owned(), record);
            }
            (state.version.to_string(), fate)
        };
        match fate {
            None => Ok(Written::Done { version: written }),
            Some(Fate::ReplyLost) => Err(ElectionError::new(ElectionErrorKind::Unavailable)),
            Some(Fate::Stuck) => std::future::pending().await,
        }
    }
}

fn shard() -> Shard {
    "arn:aws:eks/Prod_1#3".parse().unwrap()
}

fn of(desk: &Desk, name: &str) -> LeaseElection<Desk> {
    let (fleet, me) = (FleetName::new("f").unwrap(), MemberId::new(name).unwrap());
    LeaseElection::new(desk.clone(), fleet, me, Ttl::default())
}

async fn campaign(election: &LeaseElection<Desk>) -> Option<Term> {
    election.campaign(&shard()).await.unwrap()
}

async fn pass(seconds: f64) {
    advance(Duration::from_secs_f64(seconds)).await;
}

#[test]
fn a_name_is_one_that_kubernetes_takes() {
    let name = of(&Desk::default(), "a").lease_name(&shard());
    assert!(name.starts_with("f-arn-aws-eks-prod-1-3-"), "{name}");
    let odd = of(&Desk::default(), "a").lease_name(&"#é#0".parse().unwrap());
    assert!(
        odd.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') && odd.len() < 253,
        "{odd}"
    );
    assert_ne!(name, of(&Desk::default(), "a").lease_name(&"arn:aws:eks/prod.1#3".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn the_first_one_has_it_until_it_ends() {
    let desk = Desk::default();
    let (ann, ben) = (of(&desk, "ann"), of(&desk, "ben"));
    let before = Instant::now();
    let term = campaign(&ann).await.unwrap();
    assert_eq!((term.epoch, term.valid_until), (1, before + Duration::from_millis(2700)));
    assert_eq!(campaign(&ben).await, None);
    // It is renewed, as the same term, without being read.
    desk.asked();
    for _ in 0..10 {
        pass(1.0).await;
        assert_eq!(campaign(&ann).await.unwrap().epoch, 1);
        assert_eq!(desk.asked(), 1);
        assert_eq!(campaign(&ben).await, None);
        desk.asked();
    }
    // Nobody renews it: three seconds after the last change was seen, it is over.
    pass(2.9).await;
    assert_eq!(campaign(&ben).await, None);
    pass(0.1).await;
    let taken = campaign(&ben).await.unwrap();
    assert_eq!(taken.epoch, 2);
    assert_eq!(desk.lease().map(|lease| (lease.holder, lease.transitions)), Some(("ben".into(), 1)));
    // Whoever was paused finds it taken.
    assert_eq!(campaign(&ann).await, None);
    assert!(!term.is_valid(Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_late_waits_as_long_as_anybody() {
    let desk = Desk::default();
    campaign(&of(&desk, "ann")).await.unwrap();
    pass(100.0).await;
    // It may have been renewed a moment ago: only what one has seen oneself counts.
    let ben = of(&desk, "ben");
    ben.observe(&shard()).await.unwrap();
    pass(2.9).await;
    assert_eq!(campaign(&ben).await, None);
    pass(0.1).await;
    assert_eq!(campaign(&ben).await.unwrap().epoch, 2);
}

#[tokio::test(start_paused = true)]
async fn clocks_are_never_compared() {
    let desk = Desk::default();
    let (ann, ben) = (of(&desk, "ann"), of(&desk, "ben"));
    campaign(&ann).await.unwrap();
    for seconds in [-1_000_000, 1_000_000] {
        // Ann's clock is off by days; her lease is as good as any, and as long.
        let skewed = wall_now() + jiff::SignedDuration::from_secs(seconds);
        desk.change(|lease| lease.renew_time = Some(skewed));
        assert_eq!(campaign(&ben).await, None);
        pass(2.9).await;
        assert_eq!(campaign(&ben).await, None);
    }
    pass(0.1).await;
    assert!(campaign(&ben).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn of_two_who_write_one_wins() {
    let desk = Desk::default();
    campaign(&of(&desk, "old")).await.unwrap();
    let (ann, ben) = (of(&desk, "ann"), of(&desk, "ben"));
    ann.observe(&shard()).await.unwrap();
    ben.observe(&shard()).await.unwrap();
    pass(3.0).await;
    let (one, other) = tokio::join!(campaign(&ann), campaign(&ben));
    assert_eq!(one.is_some() as u8 + other.is_some() as u8, 1);
    // Both have read the same version, and Ben writes first.
    let record = desk.lease().unwrap();
    let stale = LeaseRecord { version: "0".into(), ..record };
    assert_eq!(ann.write(&shard(), stale).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_deleted_goes_on_counting_where_it_is_remembered() {
    let desk = Desk::default();
    let ann = of(&desk, "ann");
    campaign(&ann).await.unwrap();
    desk.delete();
    assert_eq!(campaign(&ann).await.unwrap().epoch, 2, "others may have had it meanwhile");
    desk.delete();
    // Ben remembers nothing. The log does, and he is told.
    let ben = of(&desk, "ben");
    let term = campaign(&ben).await.unwrap();
    assert_eq!(term.epoch, 1);
    let raised = ben.raise(&term, 7).await.unwrap().unwrap();
    assert_eq!(raised.epoch, 8);
    assert_eq!(campaign(&ben).await.unwrap().epoch, 8, "it stays");
    assert_eq!(ann.raise(&term, 9).await.unwrap(), None, "nobody raises what isn't theirs");
    let error = ben.raise(&raised, u64::from(u32::MAX)).await.unwrap_err();
    assert_eq!(error.kind(), ElectionErrorKind::Malformed);
}

#[tokio::test(start_paused = true)]
async fn what_is_let_go_is_free_at_once() {
    let desk = Desk::default();
    let (ann, ben) = (of(&desk, "ann"), of(&desk, "ben"));
    let term = campaign(&ann).await.unwrap();
    assert_eq!(campaign(&ben).await, None);
    ann.resign(&term).await.unwrap();
    assert_eq!(desk.lease().map(|lease| (lease.holder, lease.duration_s)), Some((String::new(), 1)));
    let taken = campaign(&ben).await.unwrap();
    assert_eq!(taken.epoch, 2);
    ann.resign(&term).await.unwrap();
    assert_eq!(desk.lease().unwrap().holder, "ben", "nobody lets go of what isn't theirs");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_found_again() {
    let desk = Desk::default();
    let ann = of(&desk, "ann");
    desk.next(Fate::ReplyLost);
    assert_eq!(ann.campaign(&shard()).await.unwrap_err().kind(), ElectionErrorKind::Unavailable);
    assert_eq!(campaign(&ann).await.unwrap().epoch, 1, "it is hers, and she reads so");
    desk.next(Fate::ReplyLost);
    assert!(ann.campaign(&shard()).await.is_err());
    assert_eq!(campaign(&ann).await.unwrap().epoch, 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_ends() {
    let desk = Desk::default();
    let ann = of(&desk, "ann");
    desk.next(Fate::Stuck);
    let before = Instant::now();
    assert_eq!(ann.campaign(&shard()).await.unwrap_err().kind(), ElectionErrorKind::Unavailable);
    assert_eq!(before.elapsed(), Ttl::default().renewal());
}

#[tokio::test(start_paused = true)]
async fn a_foreign_lease_holds_no_longer_than_any() {
    let desk = Desk::default();
    let (ann, ben) = (of(&desk, "ann"), of(&desk, "ben"));
    campaign(&ann).await.unwrap();
    desk.change(|lease| lease.duration_s = u32::MAX);
    assert_eq!(campaign(&ben).await, None);
    pass(60.0).await;
    assert!(campaign(&ben).await.is_some());
}
