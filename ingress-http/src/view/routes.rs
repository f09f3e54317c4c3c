//! What is known of routes, for those who may see all of it.
//!
//! A diagnosis reads many kinds: services, pods, certificates and more. Nobody is asked yet who may see which of them, so routes are shown
//! to those alone from whom nothing is kept. [`View::routes`] is the only way to them, so that no handler can forget that.

use std::sync::{Arc, Mutex, PoisonError};

use ingress_core::Position;
use ingress_core::diagnose::Assessed;
use ingress_core::inventory::Inventory;
use ingress_core::route::RouteId;
use ingress_core::route::matcher::Matcher;
use ingress_core::routes::{RouteChange, RouteSnapshot, Routes};

use super::{Guard, Mark, View};
use crate::problem::{Problem, ProblemType};

/// What a process keeps to answer questions about routes.
#[derive(Debug)]
pub(super) struct RouteDesk {
    /// Revisions of routes are counted by each process for itself, so that they say nothing without it.
    epoch: u64,
    /// All routes by host, as they were when somebody last asked.
    matching: Mutex<Option<(RouteSnapshot, Matcher)>>,
}

impl Default for RouteDesk {
    fn default() -> Self {
        Self { epoch: rand::random(), matching: Mutex::new(None) }
    }
}

impl RouteDesk {
    /// The routes now, and what finds them by request. What differs from the last time is all that it costs.
    fn matching(&self, routes: &Routes) -> (RouteSnapshot, Matcher) {
        let mut held = self.matching.lock().unwrap_or_else(PoisonError::into_inner);
        // Taken under the lock, so that nobody goes back to a state that was followed before.
        let now = routes.snapshot();
        let (known, mut matcher) = held.take().unwrap_or_default();
        if known.revision() != now.revision() {
            for change in now.since(&known) {
                follow(&mut matcher, &change);
            }
        }
        *held = Some((now.clone(), matcher.clone()));
        (now, matcher)
    }

    /// Lets go of a state that is over: it would hold every object that was replaced since.
    fn tidy(&self, routes: &Routes) {
        let mut held = self.matching.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|(known, _)| known.revision() != routes.snapshot().revision()) {
            *held = None;
        }
    }
}

fn follow(matcher: &mut Matcher, change: &RouteChange) {
    match change {
        RouteChange::Added(new) => matcher.insert(Arc::new(new.route.clone())),
        // It may only have been judged otherwise.
        RouteChange::Modified { old, new } if old.route == new.route => {}
        RouteChange::Modified { old, new } => {
            matcher.remove(&old.route);
            matcher.insert(Arc::new(new.route.clone()));
        }
        RouteChange::Removed(old) => matcher.remove(&old.route),
        _ => {}
    }
}

impl Guard {
    /// Lets go of what nobody asked for lately.
    pub(crate) fn tidy(&self) {
        if let Some(routes) = self.inner.hub.routes() {
            self.inner.desk.tidy(routes);
        }
    }
}

impl View {
    /// The routes now.
    ///
    /// # Errors
    ///
    /// 403 for whoever may not see everything, 404 where nobody watches routes.
    pub(crate) fn routes(&self) -> Result<ShownRoutes, Problem> {
        let routes = self.watched_routes()?;
        Ok(self.shown(routes.snapshot()))
    }

    /// The same, and what finds routes by request.
    ///
    /// # Errors
    ///
    /// As [`routes`](Self::routes).
    pub(crate) fn matcher(&self) -> Result<(ShownRoutes, Matcher), Problem> {
        let routes = self.watched_routes()?;
        let (snapshot, matcher) = self.guard.inner.desk.matching(routes);
        Ok((self.shown(snapshot), matcher))
    }

    fn watched_routes(&self) -> Result<&Routes, Problem> {
        if !self.sight.grants.is_all() {
            let detail = "routes are shown to those only who may see every namespace of every cluster: what is said of a route \
                          tells of services, pods and certificates, too";
            return Err(Problem::new(ProblemType::Forbidden, detail));
        }
        let detail = "this program does not watch what routes depend on; `HubBuilder::routes` has it do so";
        self.guard.inner.hub.routes().ok_or_else(|| Problem::new(ProblemType::NotFound, detail))
    }

    fn shown(&self, snapshot: RouteSnapshot) -> ShownRoutes {
        ShownRoutes { snapshot, epoch: self.guard.inner.desk.epoch, clusters: self.clusters() }
    }
}

/// The routes at one moment, for somebody who may see all of them.
#[derive(Debug)]
pub(crate) struct ShownRoutes {
    snapshot: RouteSnapshot,
    epoch: u64,
    clusters: Vec<ingress_core::ClusterId>,
}

impl ShownRoutes {
    /// All of them, ordered by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Assessed>> {
        self.snapshot.iter()
    }

    /// One of them.
    pub(crate) fn get(&self, id: RouteId) -> Option<&Arc<Assessed>> {
        self.snapshot.get(id)
    }

    /// What they were judged by.
    pub(crate) fn inventory(&self) -> &Inventory {
        self.snapshot.inventory()
    }

    /// The clusters, in order.
    pub(crate) fn clusters(&self) -> &[ingress_core::ClusterId] {
        &self.clusters
    }

    /// Which state this is. Everything that an answer tells of routes is the same as long as this is.
    pub(crate) fn mark(&self) -> Mark {
        Mark::Plain(Position::new(self.epoch, self.snapshot.revision()))
    }
}
