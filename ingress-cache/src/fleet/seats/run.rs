//! The task: it carries out what is decided, one thing at a time per shard, and never waits for one of them alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use ingress_core::ClusterId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::config::SeatsConfig;
use super::decide::{Step, View, decide};
use super::reach::Reach;
use super::roll::Roll;
use super::{Held, Roster};
use crate::fleet::election::{Election, ElectionError, Term};
use crate::fleet::members::{ALIVE, BEAT, Member, Told};
use crate::fleet::shard::{MemberId, Shard};

/// How often everything is looked at, at least.
const TICK: Duration = Duration::from_millis(250);
/// How often at most, however much happens.
const CALM: Duration = Duration::from_millis(20);
/// How soon after a beat the next one may follow, when there is something to tell or to ask.
const HASTE: Duration = Duration::from_millis(100);
/// How long to wait after a beat that failed.
const AGAIN: Duration = Duration::from_millis(500);
/// How many questions are asked of the election at once.
const AT_ONCE: usize = 32;
/// How long leaving may take.
const LEAVING: Duration = Duration::from_secs(2);

/// What the task is asked for.
#[derive(Debug)]
pub(super) enum Command {
    Raise { shard: Shard, above: u64, answer: oneshot::Sender<Option<Term>> },
    Leave,
}

/// Where it tells what it has.
#[derive(Debug)]
pub(super) struct Outlets {
    held: watch::Sender<Held>,
    roster: watch::Sender<Arc<Roster>>,
}

impl Outlets {
    pub(super) fn new() -> (Self, watch::Receiver<Held>, watch::Receiver<Arc<Roster>>) {
        let (held, holding) = watch::channel(Held::default());
        let (roster, members) = watch::channel(Arc::default());
        (Self { held, roster }, holding, members)
    }
}

/// What came of something.
enum Done {
    Beaten {
        asked: Instant,
        told: Told,
        members: Option<Vec<Member>>,
    },
    Campaigned {
        shard: Shard,
        asked: Instant,
        result: Result<Option<Term>, ElectionError>,
    },
    Observed {
        shard: Shard,
        result: Result<(), ElectionError>,
    },
    Resigned {
        shard: Shard,
    },
    Raised {
        shard: Shard,
        result: Result<Option<Term>, ElectionError>,
        answer: oneshot::Sender<Option<Term>>,
    },
}

/// The state of the task.
pub(super) struct Run<R> {
    config: SeatsConfig,
    roll: Arc<R>,
    election: Arc<dyn Election>,
    shards: watch::Receiver<Arc<BTreeSet<Shard>>>,
    unreachable: watch::Receiver<Arc<BTreeSet<ClusterId>>>,
    outlets: Outlets,
    view: View,
    reach: Reach,
    terms: BTreeMap<Shard, Term>,
    /// Who held a shard last, as far as one knows.
    holder: BTreeMap<Shard, MemberId>,
    /// The youngest beat of the others that could be too old by now: when to ask again.
    suspect: Option<Instant>,
    /// When to ask the election again about a shard.
    due: BTreeMap<Shard, Instant>,
    busy: BTreeSet<Shard>,
    raises: Vec<(Shard, u64, oneshot::Sender<Option<Term>>)>,
    /// Since when the election doesn't answer.
    trouble: Option<Instant>,
    beating: bool,
    beaten: Option<Instant>,
    beat_due: Instant,
    said: Told,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
}

impl<R: Roll> Run<R> {
    pub(super) fn new(
        config: SeatsConfig,
        me: MemberId,
        roll: R,
        election: Arc<dyn Election>,
        shards: watch::Receiver<Arc<BTreeSet<Shard>>>,
        unreachable: watch::Receiver<Arc<BTreeSet<ClusterId>>>,
        outlets: Outlets,
    ) -> Self {
        let view = View {
            me,
            shards: BTreeSet::new(),
            members: BTreeMap::new(),
            told: None,
            held: BTreeSet::new(),
            holders: BTreeMap::new(),
            vacant: BTreeMap::new(),
            moved: BTreeMap::new(),
        };
        Self {
            roll: Arc::new(roll),
            election,
            shards,
            unreachable,
            outlets,
            view,
            reach: Reach::new(config.patience),
            config,
            terms: BTreeMap::new(),
            holder: BTreeMap::new(),
            suspect: None,
            due: BTreeMap::new(),
            busy: BTreeSet::new(),
            raises: Vec::new(),
            trouble: None,
            beating: false,
            beaten: None,
            beat_due: Instant::now(),
            said: Told::default(),
            work: FuturesUnordered::new(),
        }
    }

    /// Runs until it is told to leave, or nobody is there to tell.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            let now = Instant::now();
            self.look(now);
            self.publish();
            let wake = self.wake(now);
            // Whatever comes is taken until then, at once; only what has to be done about it waits for a moment.
            let calm = now + CALM;
            let mut until = wake;
            while Instant::now() < until {
                tokio::select! {
                    biased;
                    command = commands.recv() => match command {
                        Some(Command::Raise { shard, above, answer }) => self.raises.push((shard, above, answer)),
                        Some(Command::Leave) | None => return self.leave().await,
                    },
                    Some(done) = self.work.next() => self.done(done),
                    () = sleep_until(until) => break,
                }
                until = until.min(calm);
            }
        }
    }

    /// Takes stock, and begins what is to be done.
    fn look(&mut self, now: Instant) {
        self.view.shards = self.shards.borrow_and_update().as_ref().clone();
        self.expire(now);
        self.keep_track(now);
        let mut unreachable = self.unreachable.borrow_and_update().as_ref().clone();
        if self.trouble.is_some() {
            // Whoever can't hold anything is to the others as one who reaches nothing.
            unreachable.extend(self.view.shards.iter().map(|shard| shard.cluster().clone()));
        }
        self.reach.found(now, &unreachable);
        for (shard, above, answer) in std::mem::take(&mut self.raises) {
            self.begin_raise(shard, above, answer);
        }
        let steps = decide(now, &self.view, self.config.rules);
        let idle = steps.is_empty();
        for (shard, step) in steps {
            self.take(now, shard, step);
        }
        // Whoever had no answer, and has nothing to ask for since, asks whether there are answers again.
        if idle
            && self.trouble.is_some()
            && let Some(shard) = self.view.shards.first().cloned()
        {
            self.take(now, shard, Step::Observe);
        }
        self.beat(now);
    }

    /// When there is something to look at, unless something happens before.
    fn wake(&self, now: Instant) -> Instant {
        let ends = self.terms.values().map(|term| term.valid_until);
        let beat = (!self.beating).then_some(self.beat_due);
        let wake = ends.chain(beat).fold(now + TICK, Instant::min);
        wake.max(now + CALM)
    }

    /// Ends terms that were not renewed in time.
    fn expire(&mut self, now: Instant) {
        let over: Vec<Shard> =
            self.terms.values().filter(|term| !term.is_valid(now)).map(|term| term.shard.clone()).collect();
        for shard in over {
            tracing::warn!(%shard, "a term could not be renewed in time");
            self.drop_term(&shard);
        }
    }

    fn drop_term(&mut self, shard: &Shard) {
        self.terms.remove(shard);
        self.view.held.remove(shard);
    }

    /// Keeps track of who holds what, and since when nobody does.
    fn keep_track(&mut self, now: Instant) {
        let Self { view, holder, due, .. } = self;
        for shard in &view.shards {
            let current = if view.held.contains(shard) { Some(&view.me) } else { view.holders.get(shard) };
            match current {
                None => {
                    view.vacant.entry(shard.clone()).or_insert(now);
                }
                Some(current) => {
                    view.vacant.remove(shard);
                    if holder.get(shard) != Some(current) {
                        holder.insert(shard.clone(), current.clone());
                        view.moved.insert(shard.clone(), now);
                    }
                }
            }
        }
        for times in [&mut view.vacant, &mut view.moved, due] {
            times.retain(|shard, _| view.shards.contains(shard));
        }
        holder.retain(|shard, _| view.shards.contains(shard));
    }

    fn take(&mut self, now: Instant, shard: Shard, step: Step) {
        let early = self.due.get(&shard).is_some_and(|due| now < *due);
        if self.busy.contains(&shard) || (step != Step::Resign && (early || self.busy.len() >= AT_ONCE)) {
            return;
        }
        let election = self.election.clone();
        match step {
            Step::Campaign => {
                self.begin(shard.clone(), async move {
                    let asked = Instant::now();
                    Done::Campaigned { result: election.campaign(&shard).await, shard, asked }
                });
            }
            Step::Observe => {
                self.due.insert(shard.clone(), now + election.pace());
                self.begin(shard.clone(), async move {
                    Done::Observed { result: election.observe(&shard).await, shard }
                });
            }
            Step::Resign => {
                let Some(term) = self.terms.get(&shard).cloned() else { return };
                tracing::info!(%shard, epoch = term.epoch, "lets go of a shard");
                // First the word that it is over, then the lock.
                self.drop_term(&shard);
                self.publish();
                self.due.insert(shard.clone(), now + election.pace());
                self.begin(shard.clone(), async move {
                    if let Err(error) = election.resign(&term).await {
                        tracing::debug!(%shard, %error, "can't let go of a shard: its term ends by itself");
                    }
                    Done::Resigned { shard }
                });
            }
        }
    }

    fn begin_raise(&mut self, shard: Shard, above: u64, answer: oneshot::Sender<Option<Term>>) {
        if self.busy.contains(&shard) {
            self.raises.push((shard, above, answer));
            return;
        }
        // Without a term there is nothing to raise; whoever asked finds the channel closed.
        let Some(term) = self.terms.get(&shard).cloned() else { return };
        let election = self.election.clone();
        self.begin(shard.clone(), async move {
            Done::Raised { result: election.raise(&term, above).await, shard, answer }
        });
    }

    fn begin(&mut self, shard: Shard, work: impl Future<Output = Done> + Send + 'static) {
        self.busy.insert(shard);
        self.work.push(Box::pin(work));
    }

    fn beat(&mut self, now: Instant) {
        let unreachable = self.reach.told(now).clone();
        let holds = self.terms.iter().map(|(shard, term)| (shard.clone(), term.epoch)).collect();
        let told = Told { unreachable, holds };
        let news = told != self.said || self.suspect.is_some_and(|at| at <= now);
        if news && let Some(beaten) = self.beaten {
            self.beat_due = self.beat_due.min(beaten + HASTE);
        }
        if self.beating || now < self.beat_due {
            return;
        }
        self.beating = true;
        let roll = self.roll.clone();
        self.work.push(Box::pin(async move {
            let asked = Instant::now();
            Done::Beaten { asked, members: roll.beat(&told).await, told }
        }));
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Beaten { asked, told, members } => self.beaten(asked, told, members),
            Done::Campaigned { shard, asked, result } => self.campaigned(shard, asked, result),
            Done::Observed { shard, result } => {
                self.busy.remove(&shard);
                match result {
                    Ok(()) => self.trouble = None,
                    Err(error) => self.note_trouble(&shard, &error),
                }
            }
            Done::Resigned { shard } => {
                self.busy.remove(&shard);
            }
            Done::Raised { shard, result, answer } => {
                self.busy.remove(&shard);
                let term = result
                    .inspect_err(|error| tracing::warn!(%shard, %error, "can't raise a term"))
                    .ok()
                    .flatten();
                if let Some(term) = &term {
                    tracing::info!(%shard, epoch = term.epoch, "a later term, since the log has seen later ones");
                    self.hold(term.clone());
                }
                // Before the answer, so that whoever gets it finds it there.
                self.publish();
                drop(answer.send(term));
            }
        }
    }

    fn beaten(&mut self, asked: Instant, told: Told, members: Option<Vec<Member>>) {
        self.beating = false;
        self.beaten = Some(asked);
        let Some(members) = members else {
            self.beat_due = asked + AGAIN;
            return;
        };
        self.beat_due = asked + BEAT;
        self.said = told;
        let others = || members.iter().filter(|member| member.id != self.view.me);
        self.suspect = others().map(|member| asked + ALIVE.saturating_sub(member.age)).min();
        let mut claims = BTreeMap::<Shard, (u64, MemberId)>::new();
        for member in others() {
            for (shard, epoch) in &member.told.holds {
                let claim = (*epoch, member.id.clone());
                let best = claims.entry(shard.clone()).or_insert_with(|| claim.clone());
                if *best < claim {
                    *best = claim;
                }
            }
        }
        self.view.holders = claims.into_iter().map(|(shard, (_, id))| (shard, id)).collect();
        self.view.members =
            members.iter().map(|member| (member.id.clone(), member.told.unreachable.clone())).collect();
        self.view.told = Some(asked);
        self.outlets.roster.send_replace(Arc::new(Roster { members, told: Some(asked) }));
    }

    fn campaigned(&mut self, shard: Shard, asked: Instant, result: Result<Option<Term>, ElectionError>) {
        self.busy.remove(&shard);
        let ttl = self.election.ttl();
        match result {
            Ok(term) => {
                self.trouble = None;
                let mine = term.is_some();
                match term {
                    Some(term) => self.hold(term),
                    None if self.terms.contains_key(&shard) => {
                        tracing::warn!(%shard, "a shard was taken by somebody else");
                        self.drop_term(&shard);
                    }
                    None => {}
                }
                let wait = if mine { ttl.renewal() } else { self.election.pace() };
                self.due.insert(shard, asked + wait);
            }
            Err(error) => {
                self.note_trouble(&shard, &error);
                self.due.insert(shard, Instant::now() + ttl.get() / 10);
            }
        }
    }

    fn note_trouble(&mut self, shard: &Shard, error: &ElectionError) {
        if self.trouble.is_none() {
            self.trouble = Some(Instant::now());
            tracing::warn!(%shard, %error, "no answer from the election");
        }
    }

    fn hold(&mut self, term: Term) {
        if !term.is_valid(Instant::now()) {
            return;
        }
        if self.view.held.insert(term.shard.clone()) {
            // It moved, even if nobody here ever heard who had it in between.
            self.view.moved.insert(term.shard.clone(), Instant::now());
            tracing::info!(shard = %term.shard, epoch = term.epoch, "holds a shard");
        }
        self.terms.insert(term.shard.clone(), term);
    }

    fn publish(&self) {
        let terms = &self.terms;
        self.outlets.held.send_if_modified(|held| {
            let changed = **held != *terms;
            if changed {
                *held = Arc::new(terms.clone());
            }
            changed
        });
    }

    /// Lets go of everything. The roll first: whoever is next then doesn't wait for the one who leaves.
    async fn leave(mut self) {
        let terms = std::mem::take(&mut self.terms);
        self.publish();
        // What is on its way might still win something.
        let pending = std::mem::take(&mut self.work);
        let (election, roll) = (&self.election, &self.roll);
        let leaving = async {
            let won = pending.filter_map(|done| async move {
                match done {
                    Done::Campaigned { result: Ok(Some(term)), .. }
                    | Done::Raised { result: Ok(Some(term)), .. } => Some(term),
                    _ => None,
                }
            });
            let won: Vec<Term> = won.collect().await;
            roll.leave().await;
            let mut last = terms;
            last.extend(won.into_iter().map(|term| (term.shard.clone(), term)));
            join_all(last.values().map(|term| election.resign(term))).await;
        };
        if timeout(LEAVING, leaving).await.is_err() {
            tracing::debug!("not everything was let go of in time; it ends by itself");
        }
    }
}

#[cfg(test)]
mod tests;
