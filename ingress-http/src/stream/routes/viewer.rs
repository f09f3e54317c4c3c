//! What comes next for one client: how well routes are known, all of them in chunks, then what changes.

use std::sync::Arc;
use std::time::Duration;

use ingress_core::routes::{RouteSnapshot, RouteTicks};
use tokio::time::{Instant, sleep_until};

use super::feed::{RouteFeed, Span};
use crate::app::App;
use crate::metrics::http_side::{EventType, Reset, Written};
use crate::problem::ProblemType;
use crate::stream::events::{Follow, SHUTDOWN};
use crate::stream::frames::Frames;
use crate::view::{Mark, ShownRoutes, View};

/// How often routes are looked at for those for whom they are judged apart.
const PACE: Duration = Duration::from_secs(1);

/// How a client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// With everything.
    Fresh,
    /// It has the present state.
    Resumed,
    /// It has a state that is over: with everything, once it has forgotten that.
    Expired,
}

pub(super) struct RouteViewer {
    view: View,
    app: App,
    feed: Arc<RouteFeed>,
    ticks: RouteTicks,
    step: Step,
    /// The state that the client has, or will have once this step is done, and its mark.
    last: (RouteSnapshot, Mark),
    /// The last id that the client was given.
    told: Mark,
    standing: Arc<[u8]>,
    /// A state that was not compared yet.
    next: Option<ShownRoutes>,
    /// Whether there may be another state than was looked at.
    stale: bool,
    /// When to look again at the earliest, and at the latest.
    pace: Instant,
    due: Option<Instant>,
}

enum Step {
    /// Tell of everything, after a reset if there is a reason for one.
    Begin { shown: ShownRoutes, reset: Option<Reset> },
    /// Tell how well it is known to a client that has it already.
    Resume { shown: ShownRoutes },
    /// Send the rest of a state.
    Everything { span: Arc<Span>, next: usize },
    /// Send the rest of what differs.
    Changes { span: Arc<Span>, next: usize },
    /// Everything was sent.
    Follow,
}

impl RouteViewer {
    pub(super) fn new(
        view: View,
        app: App,
        feed: Arc<RouteFeed>,
        ticks: RouteTicks,
        shown: ShownRoutes,
        start: Start,
    ) -> Self {
        let (last, told, due) = ((shown.bare(), shown.mark()), shown.mark(), shown.due());
        let step = match start {
            Start::Fresh => Step::Begin { shown, reset: None },
            Start::Resumed => Step::Resume { shown },
            Start::Expired => Step::Begin { shown, reset: Some(Reset::ResumeExpired) },
        };
        let (standing, pace) = (Arc::from([]), Instant::now());
        Self { view, app, feed, ticks, step, last, told, standing, next: None, stale: false, pace, due }
    }

    /// Compares a state with the one that the client has.
    fn receive(&mut self, shown: &ShownRoutes, frames: &mut Frames) -> Result<(), serde_json::Error> {
        // What may be read from now on differs from what might be in the same way as two states do: something is there, and something is gone.
        if !self.feed.is_for(shown) {
            self.feed = self.app.route_feed_of(self.feed.filter().clone(), shown.reads());
        }
        if shown.mark() == self.last.1 {
            return Ok(());
        }
        self.write_standing(shown, frames)?;
        let span = self.feed.since(&self.last.0, self.last.1, shown);
        self.last = (shown.bare(), shown.mark());
        self.step = Step::Changes { span, next: 0 };
        Ok(())
    }

    fn write_standing(&mut self, shown: &ShownRoutes, frames: &mut Frames) -> Result<(), serde_json::Error> {
        let standing = self.feed.standing(shown)?;
        if *standing != *self.standing {
            frames.begin(EventType::Stale, None);
            frames.raw(&standing);
            frames.finish();
            self.standing = standing;
        }
        Ok(())
    }

    /// Some of the state, in an event of its own; the last one, also of none, has the id.
    fn write_chunk(
        &mut self,
        span: Arc<Span>,
        next: usize,
        frames: &mut Frames,
    ) -> Result<(), serde_json::Error> {
        let (done, mark) = (next + 1 >= span.parts(), span.to);
        frames.begin(EventType::Snapshot, done.then_some(mark));
        // Around bytes that are shared, so put together by hand; a mark has nothing that JSON would escape.
        frames.text(&format!("{{\"revision\":\"{mark}\",\"items\":["));
        let (items, _) = span.part(next, self.has_company())?;
        frames.lend(items, &Written::default());
        let demo = if self.feed.demo { ",\"demo\":true" } else { "" };
        frames.text(&format!("],\"done\":{done}{demo}}}"));
        frames.finish();
        if done {
            self.told = mark;
        } else {
            self.step = Step::Everything { span, next: next + 1 };
        }
        Ok(())
    }

    fn write_changes(
        &mut self,
        span: Arc<Span>,
        next: usize,
        frames: &mut Frames,
    ) -> Result<(), serde_json::Error> {
        if next >= span.parts() {
            return Ok(());
        }
        let (events, written) = span.part(next, self.has_company())?;
        frames.lend(events, &written);
        if next + 1 < span.parts() {
            self.step = Step::Changes { span, next: next + 1 };
        } else {
            self.told = span.to;
        }
        Ok(())
    }

    fn has_company(&self) -> bool {
        Arc::strong_count(&self.feed) > 1
    }
}

impl Follow for RouteViewer {
    fn advance(&mut self, frames: &mut Frames) -> Result<bool, serde_json::Error> {
        match std::mem::replace(&mut self.step, Step::Follow) {
            Step::Begin { shown, reset } => {
                if let Some(reason) = reset {
                    frames.reset(reason)?;
                    self.standing = Arc::from([]);
                }
                self.write_standing(&shown, frames)?;
                self.last = (shown.bare(), shown.mark());
                self.step = Step::Everything { span: self.feed.everything(&shown), next: 0 };
            }
            Step::Resume { shown } => {
                self.write_standing(&shown, frames)?;
                frames.resumed();
            }
            Step::Everything { span, next } => self.write_chunk(span, next, frames)?,
            Step::Changes { span, next } => self.write_changes(span, next, frames)?,
            Step::Follow => match self.next.take() {
                None => return Ok(false),
                Some(shown) => self.receive(&shown, frames)?,
            },
        }
        Ok(true)
    }

    async fn wait(&mut self) -> Result<(), &'static str> {
        if !self.stale {
            let due = self.due;
            let until_due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                more = self.ticks.changed() => if !more {
                    return Err(SHUTDOWN);
                },
                () = until_due => {}
            }
            // Noted, so that nothing is lost if this is dropped from here on.
            self.stale = true;
        }
        sleep_until(self.pace).await;
        // On the heap for as long as it takes, so that a stream that waits holds no room for it.
        let shown = match Box::pin(self.view.routes()).await {
            Ok(shown) => shown,
            Err(problem) if problem.kind() == ProblemType::AccessUnknown => return Err("access-unknown"),
            Err(_) => return Err("internal"),
        };
        self.stale = false;
        self.due = shown.due();
        if shown.is_part() {
            self.pace = Instant::now() + PACE;
        }
        self.next = Some(shown);
        Ok(())
    }

    fn untold(&mut self) -> Option<Mark> {
        self.feed.tidy();
        let at_rest = matches!(self.step, Step::Follow);
        (at_rest && self.told != self.last.1).then(|| {
            self.told = self.last.1;
            self.told
        })
    }

    fn look_through(&mut self, view: &View, _: &App) {
        self.view = view.clone();
        self.stale = true;
    }
}
