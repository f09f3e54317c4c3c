//! One engine living through one schedule, and what is to be said about it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::{Instant, sleep};

use crate::fault::engine::{Engine, Running};
use crate::fault::plan::{Fault, Opening, Schedule, Step, Until};
use crate::fault::proxy::Proxy;
use crate::fault::site::Site;
use crate::fault::writer::Writer;
use crate::wait;

/// How many ingresses a namespace has at first.
pub const INGRESSES: usize = 40;

/// Between two changes, and two looks at what the engine says.
const PACE: Duration = Duration::from_millis(200);

/// How long a machine that is busy with everything else may take for a first sync.
const FIRST_SYNC: Duration = Duration::from_secs(45);

/// What must hold whatever goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contract {
    /// When all is quiet, state and readers have what a fresh list has.
    Convergence,
    /// Never an older state of an object after a newer one.
    Order,
    /// What was deleted is gone.
    Deletions,
    /// Nothing that did not change goes and comes back.
    Flicker,
    /// The engine says when it is not current, and when it is again.
    Liveness,
    /// The API server is not stormed, and not asked before the time it named.
    Requests,
}

impl Contract {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 6] =
        [Self::Convergence, Self::Order, Self::Deletions, Self::Flicker, Self::Liveness, Self::Requests];

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Convergence => "convergence",
            Self::Order => "order",
            Self::Deletions => "deletions",
            Self::Flicker => "no flicker",
            Self::Liveness => "says it",
            Self::Requests => "requests",
        }
    }
}

/// Whether a contract held.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It did; with a number worth showing, or nothing.
    Held(String),
    /// It did not, and how.
    Broken(String),
    /// The engine makes no promise that could be checked.
    Silent,
}

/// How a run went.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// Of which schedule.
    pub schedule: String,
    /// Of which engine.
    pub engine: &'static str,
    /// One for each of [`Contract::ALL`].
    pub verdicts: Vec<(Contract, Verdict)>,
    /// How many changes the writer made.
    pub writes: usize,
    /// Events that told the engine's reader of nothing new.
    pub repeated: usize,
    /// Steps that the engine never ran into, because it asks in another way.
    pub unmet: Vec<Step>,
    /// What an engine says of itself at the end, and its last requests: for whoever looks for a reason.
    pub story: String,
}

impl Outcome {
    /// The contracts that did not hold, and how.
    #[must_use]
    pub fn broken(&self) -> Vec<String> {
        let broken = self.verdicts.iter().filter_map(|(contract, verdict)| match verdict {
            Verdict::Broken(how) => Some(format!("{}: {how}", contract.name())),
            Verdict::Held(_) | Verdict::Silent => None,
        });
        broken.collect()
    }
}

/// Plays a schedule.
///
/// # Errors
///
/// When the run itself is impossible: the cluster refuses a write, or an engine does not even sync before anything
/// goes wrong. A contract that is broken is no error but a verdict.
pub async fn play(site: &Site<'_>, engine: &dyn Engine, schedule: &Schedule, seed: u64) -> Result<Outcome> {
    let namespace = format!("{}-{}", schedule.name, engine.name());
    site.namespace(&namespace, INGRESSES).await?;
    let (proxy, kubeconfig) = site.proxy(&namespace).await?;
    let fresh = schedule.opening == Opening::Fresh;
    if fresh {
        proxy.plan(&resolved(site, &schedule.steps).await?);
    }
    let running = engine.start(&kubeconfig, Some(&namespace)).await?;
    if !fresh {
        let truth = site.truth(&namespace).await?;
        wait::until("the first sync", FIRST_SYNC, async || Ok(running.state() == truth))
            .await
            .with_context(|| running.describe())?;
        wait::until("the engine to say so", FIRST_SYNC, async || Ok(running.says_current() != Some(false)))
            .await?;
        proxy.plan(&resolved(site, &schedule.steps).await?);
    }
    let mut run =
        Run { proxy, running, asked: 0, begun: Instant::now(), silent: Duration::ZERO, unmet: Vec::new() };
    let mut writer = Writer::new(site.client(), &namespace, INGRESSES, seed);
    run.faults(schedule, &mut writer).await?;
    let truth = site.truth(&namespace).await?;
    let healed = Instant::now();
    let settled = wait::until("convergence", schedule.settles, async || {
        Ok(run.running.state() == truth && *run.running.journal().shown() == truth)
    });
    let settled = settled.await.is_ok().then(|| healed.elapsed());
    let left = schedule.settles.saturating_sub(healed.elapsed()).max(Duration::from_secs(3));
    let says_so =
        wait::until("the engine to say so", left, async || Ok(run.running.says_current() != Some(false)))
            .await
            .is_ok();
    // A ghost would come with the next list or the next word of an old watch.
    sleep(Duration::from_millis(300)).await;
    let state = run.running.state();
    let lost: Vec<String> = writer.gone().into_iter().filter(|key| state.contains_key(key)).collect();
    let convergence = match settled {
        Some(after) if state == truth => Verdict::Held(format!("{:.1} s", after.as_secs_f64())),
        Some(_) => Verdict::Broken("it held for a moment only".to_owned()),
        None => {
            let wrong = truth.iter().filter(|(key, now)| state.get(*key) != Some(now)).count();
            let extra = state.keys().filter(|key| !truth.contains_key(*key)).count();
            Verdict::Broken(format!("{wrong} wrong, {extra} too many after {:?}", schedule.settles))
        }
    };
    Ok(run.judged(schedule, engine.name(), &convergence, &lost, says_so, writer.writes()))
}

/// Fills in the revisions that are known only now.
pub(crate) async fn resolved(site: &Site<'_>, steps: &[Step]) -> Result<Vec<Step>> {
    let revision = site.revision().await?;
    let resolve = |step: &Step| match step.fault {
        Fault::Forgotten { until: Until::Beginning, as_status } => {
            Step { fault: Fault::Forgotten { until: Until::Revision(revision), as_status }, ..*step }
        }
        Fault::Rewound(Until::Beginning) => {
            Step { fault: Fault::Rewound(Until::Revision(revision)), ..*step }
        }
        _ => *step,
    };
    Ok(steps.iter().map(resolve).collect())
}

/// A run under way.
struct Run {
    proxy: Proxy,
    running: Box<dyn Running>,
    asked: usize,
    begun: Instant,
    /// The longest time for which the engine said that it is current and showed none of the changes.
    silent: Duration,
    unmet: Vec<Step>,
}

impl Run {
    /// From the first fault to the moment when everything works again, with changes all along.
    async fn faults(&mut self, schedule: &Schedule, writer: &mut Writer) -> Result<()> {
        self.begun = Instant::now();
        if schedule.opening != Opening::Fresh {
            self.asked = self.proxy.asked();
        }
        match schedule.opening {
            Opening::Fresh => {}
            Opening::Cut | Opening::Flapping(_) => self.proxy.cut(),
            Opening::Dead => self.proxy.die(),
            Opening::Refused => self.proxy.refuse(),
        }
        writer.burst().await?;
        let (mut cut, mut seen, mut last) = (Instant::now(), 0, Instant::now());
        while self.begun.elapsed() < schedule.lasts {
            if let Opening::Flapping(pause) = schedule.opening
                && cut.elapsed() >= pause
            {
                self.proxy.cut();
                cut = Instant::now();
            }
            let changes = self.running.journal().changes();
            if changes > seen || self.running.says_current() == Some(false) {
                (seen, last) = (changes, Instant::now());
            }
            self.silent = self.silent.max(last.elapsed());
            writer.step().await?;
            sleep(PACE).await;
        }
        self.unmet = self.proxy.unmet();
        self.proxy.heal();
        Ok(())
    }

    fn judged(
        &self,
        schedule: &Schedule,
        engine: &'static str,
        convergence: &Verdict,
        lost: &[String],
        says_so: bool,
        writes: usize,
    ) -> Outcome {
        let journal = self.running.journal();
        let none = |complaints: &[String]| match complaints {
            [] => Verdict::Held(String::new()),
            [only] => Verdict::Broken(only.clone()),
            [first, more @ ..] => Verdict::Broken(format!("{first}, and {} more", more.len())),
        };
        let verdict = |contract| match contract {
            Contract::Convergence => convergence.clone(),
            Contract::Order => none(journal.disorder()),
            Contract::Deletions => none(lost),
            Contract::Flicker => none(journal.flicker()),
            Contract::Liveness => self.liveness(schedule, says_so),
            Contract::Requests => self.requests(schedule),
        };
        Outcome {
            schedule: schedule.name.clone(),
            engine,
            verdicts: Contract::ALL.into_iter().map(|contract| (contract, verdict(contract))).collect(),
            writes,
            repeated: journal.repeated(),
            unmet: self.unmet.clone(),
            story: format!("{}\n{}", self.running.describe(), self.proxy.log()),
        }
    }

    fn liveness(&self, schedule: &Schedule, says_so: bool) -> Verdict {
        if self.running.says_current().is_none() {
            return Verdict::Silent;
        }
        if !says_so {
            return Verdict::Broken("it never said that it is current again".to_owned());
        }
        let silent = format!("{:.1} s", self.silent.as_secs_f64());
        if self.silent > schedule.says_within {
            return Verdict::Broken(format!("said it was current for {silent} and showed nothing"));
        }
        Verdict::Held(silent)
    }

    fn requests(&self, schedule: &Schedule) -> Verdict {
        let asked = self.proxy.asked() - self.asked;
        let impatient = self.proxy.impatient();
        if impatient > 0 {
            return Verdict::Broken(format!("{asked}, {impatient} before the time that Retry-After named"));
        }
        if asked > schedule.most_requests {
            return Verdict::Broken(format!("{asked}, more than {}", schedule.most_requests));
        }
        Verdict::Held(asked.to_string())
    }
}
