//! One watch of the simulated cluster.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::faults::{Effect, FaultTable};
use super::history::What;
use super::plot::Plot;
use super::simulation::Simulation;
use super::space::Space;
use super::world::World;
use crate::error::{ErrorKind, SourceError};
use crate::key::{LaneScope, Revision};
use crate::kind::{Ingress, Kind, NamespaceRecord};
use crate::source::{Tombstone, WatchEvent, WatchRequest};

/// How many objects or changes are rendered in one go.
const BATCH: usize = 500;

/// How long changes are collected before they are handed on. It bounds what a watch costs, however many changes there
/// are; nobody sees a delay of this length.
const TICK: Duration = Duration::from_millis(20);

/// How often an idle watch tells how far it has come; the API server does so about every minute.
const BOOKMARKS: Duration = Duration::from_secs(60);

/// A kind that the simulated cluster has objects of.
pub(super) trait Simulated: Kind {
    /// What an object is made of.
    type Seedling: Send + 'static;
    /// The current objects of a scope.
    fn current(world: &World, scope: &LaneScope) -> Vec<Self::Seedling>;
    /// What a change means to watches of a scope; nothing when it does not concern them.
    fn told(what: &What, scope: &LaneScope) -> Vec<Told<Self::Seedling>>;
    /// One object by its name.
    fn find(world: &World, namespace: Option<&str>, name: &str) -> Option<Self::Seedling>;
    /// Whether its objects stand behind ingresses.
    const BEHIND: bool = false;

    /// The whole object. A kind whose objects are never handed out has none to render.
    fn render(_: &Self::Seedling) -> serde_json::Result<Vec<u8>> {
        Err(serde::ser::Error::custom("it is never written"))
    }

    /// What is kept of an object.
    fn record(seedling: &Self::Seedling) -> Result<Self, SourceError> {
        let unreadable =
            |error| SourceError::new(ErrorKind::Malformed, "a simulated object").with_cause(error);
        let json = Self::render(seedling).map_err(unreadable)?;
        Self::decode_json(&mut serde_json::Deserializer::from_slice(&json)).map_err(unreadable)
    }
}

pub(super) enum Told<S> {
    Applied(S),
    Deleted { namespace: Option<Arc<str>>, name: Arc<str> },
}

pub(super) fn covers(scope: &LaneScope, namespace: &str) -> bool {
    scope.namespace().is_none_or(|wanted| wanted.as_str() == namespace)
}

impl Simulated for Ingress {
    type Seedling = Plot;

    fn current(world: &World, scope: &LaneScope) -> Vec<Plot> {
        world.plots(scope.namespace().map(|namespace| namespace.as_str())).cloned().collect()
    }

    fn told(what: &What, scope: &LaneScope) -> Vec<Told<Plot>> {
        match what {
            What::Ingress(plot) if covers(scope, &plot.space.name) => vec![Told::Applied(plot.clone())],
            What::IngressGone { namespace, name } if covers(scope, namespace) => {
                vec![Told::Deleted { namespace: Some(namespace.clone()), name: name.clone() }]
            }
            _ => Vec::new(),
        }
    }

    fn find(world: &World, namespace: Option<&str>, name: &str) -> Option<Plot> {
        world.plot(namespace?, name).cloned()
    }

    fn render(plot: &Plot) -> serde_json::Result<Vec<u8>> {
        plot.render()
    }
}

/// Namespaces live in no namespace; a scope of one means all of them, as in the API.
impl Simulated for NamespaceRecord {
    type Seedling = Arc<Space>;

    fn current(world: &World, _: &LaneScope) -> Vec<Arc<Space>> {
        world.spaces().cloned().collect()
    }

    fn told(what: &What, _: &LaneScope) -> Vec<Told<Arc<Space>>> {
        match what {
            What::Space(space) => vec![Told::Applied(space.clone())],
            What::SpaceGone { name } => vec![Told::Deleted { namespace: None, name: name.clone() }],
            _ => Vec::new(),
        }
    }

    fn find(world: &World, _: Option<&str>, name: &str) -> Option<Arc<Space>> {
        world.space(name).cloned()
    }

    fn render(space: &Arc<Space>) -> serde_json::Result<Vec<u8>> {
        space.render()
    }
}

/// What a look into the world gave: what happened, up to where, and when there is something next.
type News<S> = (Vec<(u64, Told<S>)>, u64, Duration);

enum Phase<S> {
    /// The current state as it was at a revision, partly handed on.
    Listing {
        rest: std::vec::IntoIter<S>,
        revision: u64,
    },
    Following,
    Ended,
}

pub(super) struct Watch<K: Simulated> {
    simulation: Arc<Simulation>,
    faults: tokio::sync::watch::Receiver<FaultTable>,
    scope: LaneScope,
    /// Everything up to here was handed on.
    cursor: u64,
    phase: Phase<K::Seedling>,
    not_before: Instant,
    bookmark_at: Instant,
}

impl<K: Simulated> Watch<K> {
    /// Starts a watch, if the revision that it shall resume from is one that it can resume from.
    pub(super) async fn start(
        simulation: Arc<Simulation>,
        request: WatchRequest,
    ) -> Result<Self, SourceError> {
        let WatchRequest { scope, resume } = request;
        if K::BEHIND {
            simulation.look_behind().await;
        }
        let (cursor, phase) = match resume {
            Some(revision) => (resume_point::<K>(&simulation, &revision).await?, Phase::Following),
            None => {
                let see = |world: &World| (world.revision, K::current(world, &scope).into_iter());
                let (revision, rest) = simulation.look(see).await;
                (revision, Phase::Listing { rest, revision })
            }
        };
        let faults = simulation.faults().subscribe();
        let now = Instant::now();
        Ok(Self { simulation, faults, scope, cursor, phase, not_before: now, bookmark_at: now + BOOKMARKS })
    }

    /// The next batch; `None` after an error.
    pub(super) async fn next(&mut self) -> Option<Result<Vec<WatchEvent<K>>, SourceError>> {
        loop {
            let effect = self.faults.borrow_and_update().effect(true, &K::resource(), &self.scope);
            let step = match (effect, &mut self.phase) {
                (_, Phase::Ended) => return None,
                (Some(Effect::Waits), _) => {
                    self.faults.changed().await.ok()?;
                    continue;
                }
                (Some(Effect::Fails(error)), _) => Err(error),
                (None, Phase::Listing { .. }) => self.list().await,
                (None, Phase::Following) => self.follow().await,
            };
            match step {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return Some(Ok(events)),
                Err(error) => {
                    self.phase = Phase::Ended;
                    return Some(Err(error));
                }
            }
        }
    }

    async fn list(&mut self) -> Result<Vec<WatchEvent<K>>, SourceError> {
        let Phase::Listing { rest, revision } = &mut self.phase else { return Ok(Vec::new()) };
        let listed = rest.by_ref().take(BATCH).map(|seedling| K::record(&seedling).map(WatchEvent::Listed));
        let mut events = listed.collect::<Result<Vec<_>, _>>()?;
        if rest.len() == 0 {
            events.push(WatchEvent::Synced(mark(*revision)));
            self.phase = Phase::Following;
        } else {
            // A state of many objects takes seconds to make; others have their turn in between.
            tokio::task::yield_now().await;
        }
        Ok(events)
    }

    /// Waits for something to happen in the scope, or for a change of the faults, which gives no events.
    async fn follow(&mut self) -> Result<Vec<WatchEvent<K>>, SourceError> {
        if !self.sleep_until(self.not_before).await {
            return Ok(Vec::new());
        }
        let (scope, cursor) = (&self.scope, self.cursor);
        let news = self.simulation.look(|world| news::<K>(world, scope, cursor)).await;
        let (told, cursor, due) = news?;
        let now = Instant::now();
        self.not_before = now + TICK;
        self.cursor = cursor;
        let mut events = told.into_iter().map(event).collect::<Result<Vec<_>, _>>()?;
        if now >= self.bookmark_at {
            self.bookmark_at = now + BOOKMARKS;
            events.push(WatchEvent::Bookmark(mark(cursor)));
        }
        if events.is_empty() {
            let next = self.simulation.at(due).map_or(self.bookmark_at, |due| due.min(self.bookmark_at));
            self.sleep_until(next).await;
        }
        Ok(events)
    }

    /// Sleeps; whether nothing changed about the faults meanwhile.
    async fn sleep_until(&mut self, until: Instant) -> bool {
        tokio::select! {
            biased;
            _ = self.faults.changed() => false,
            () = tokio::time::sleep_until(until) => true,
        }
    }
}

/// What happened in a scope since a revision, at most a batch of it.
fn news<K: Simulated>(
    world: &World,
    scope: &LaneScope,
    cursor: u64,
) -> Result<News<K::Seedling>, SourceError> {
    let floor = world.floor(K::BEHIND);
    let Some(events) = world.history.after(cursor).filter(|_| cursor >= floor) else {
        return Err(expired(cursor, floor));
    };
    let mut told: Vec<(u64, _)> = Vec::new();
    let mut reached = world.revision;
    for event in events {
        // What happens at one revision is told in one batch: a watch can't resume from the midst of it.
        if let Some((last, _)) = told.last().filter(|(last, _)| told.len() >= BATCH && *last < event.revision)
        {
            reached = *last;
            break;
        }
        told.extend(K::told(&event.what, scope).into_iter().map(|told| (event.revision, told)));
    }
    Ok((told, reached, world.due()))
}

fn event<K: Simulated>((revision, told): (u64, Told<K::Seedling>)) -> Result<WatchEvent<K>, SourceError> {
    Ok(match told {
        Told::Applied(seedling) => WatchEvent::Applied(K::record(&seedling)?),
        Told::Deleted { namespace, name } => {
            WatchEvent::Deleted(Tombstone::new(namespace.as_deref(), &name, mark(revision)))
        }
    })
}

async fn resume_point<K: Simulated>(
    simulation: &Simulation,
    revision: &Revision,
) -> Result<u64, SourceError> {
    let Ok(from) = revision.as_str().parse::<u64>() else {
        return Err(SourceError::from_status(400, "resourceVersion: must be a number", None));
    };
    let (floor, now) = simulation.look(|world| (world.floor(K::BEHIND), world.revision)).await;
    match from {
        from if from < floor => Err(expired(from, floor)),
        from if from > now => {
            let wait = Some(Duration::from_secs(1));
            Err(SourceError::from_status(
                504,
                format!("Too large resource version: {from}, current: {now}"),
                wait,
            ))
        }
        from => Ok(from),
    }
}

fn expired(from: u64, floor: u64) -> SourceError {
    SourceError::from_status(410, format!("too old resource version: {from} ({floor})"), None)
}

fn mark(revision: u64) -> Revision {
    Revision::new(&revision.to_string())
}
