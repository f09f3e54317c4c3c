//! The routes of one object, while they are made.

use std::collections::BTreeMap;

use super::{
    Backend, Entry, HostPattern, ObjectRef, Owner, Precedence, Route, RouteId, RouteMatch, TlsSource,
};
use crate::clock::Timestamp;
use crate::key::ClusterId;
use crate::kind::{Metadata, Time};

/// The routes of one object so far, and what all of them have in common.
pub(super) struct Draft<'a> {
    cluster: &'a ClusterId,
    object: ObjectRef,
    owner: Option<Owner>,
    created: Option<Timestamp>,
    // How many routes of one host and match there are so far.
    copies: BTreeMap<(HostPattern, String), usize>,
    routes: Vec<Route>,
}

/// What one route has of its own.
pub(super) struct Part {
    pub(super) field: String,
    pub(super) host: HostPattern,
    pub(super) matches: RouteMatch,
    pub(super) entries: Vec<Entry>,
    pub(super) backends: Vec<Backend>,
    pub(super) answers: bool,
    pub(super) tls: Option<TlsSource>,
    pub(super) precedence: Precedence,
    pub(super) order: (usize, usize),
}

impl<'a> Draft<'a> {
    pub(super) fn new(cluster: &'a ClusterId, object: ObjectRef, metadata: &Metadata) -> Self {
        Self {
            cluster,
            object,
            owner: Owner::of(
                |key| metadata.labels.get(key).map(String::as_str),
                |key| metadata.annotations.get(key).map(String::as_str),
            ),
            created: metadata.creation_timestamp.and_then(Time::timestamp),
            copies: BTreeMap::new(),
            routes: Vec::new(),
        }
    }

    /// Adds a route.
    pub(super) fn push(&mut self, part: Part) {
        let Part { field, host, matches, entries, backends, answers, tls, precedence, order } = part;
        let copies = self.copies.entry((host.clone(), matches.to_string())).or_default();
        let copy = *copies;
        *copies += 1;
        self.routes.push(Route {
            id: RouteId::derive(self.cluster, &self.object, &host, &matches, copy),
            cluster: self.cluster.clone(),
            object: self.object.clone(),
            field,
            host,
            matches,
            entries,
            backends,
            answers,
            addresses: Vec::new(),
            tls,
            settings: Vec::new(),
            owner: self.owner.clone(),
            precedence,
            order,
            created: self.created,
        });
    }

    /// How many there are so far.
    pub(super) fn len(&self) -> usize {
        self.routes.len()
    }

    /// All of them.
    pub(super) fn into_routes(self) -> Vec<Route> {
        self.routes
    }
}
