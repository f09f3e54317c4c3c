//! Which route gets a request.
//!
//! A [`Matcher`] holds routes by their hosts, and answers for a [`Request`], door by door, which of them wins, and why each of the
//! others that came near did not. What it costs is what there are of routes for that host, whatever else there is: a host is looked up as itself and under
//! each of its suffixes. Cloning a matcher copies a pointer.
//!
//! The order is that of the specifications (see `order`), and of Istio and Traefik at their doors. Where they leave it to the controller, the answer is the most usual one, and a
//! [`Doubt`] says so.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;

use super::host::{normal, without_port};
use super::{Entry, HostPattern, Precedence, Route, RouteId};
use crate::key::ClusterId;

mod fit;
mod order;

use fit::{Fit, fit};
pub(crate) use fit::{expression, expression_within};

/// How many routes are told of for one door, besides the one that wins.
pub const NEAR: usize = 64;

/// No host has more labels (RFC 1035: 253 characters).
const LABELS: usize = 127;

/// A request, as far as routes are chosen by it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The host, with or without a port.
    pub host: String,
    /// The path, without a query.
    pub path: String,
    /// The method; `GET` unless set.
    pub method: String,
    /// Headers, by name and value.
    pub headers: Vec<(String, String)>,
    /// Query parameters, by name and value. Of equal names the first counts.
    pub query: Vec<(String, String)>,
    /// Whether it is sent by way of TLS; `None` where that isn't said.
    pub tls: Option<bool>,
}

impl Request {
    /// A request for a path, which may have a query. Nothing of either is decoded.
    #[must_use]
    pub fn new(host: &str, path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        };
        Self {
            host: host.to_owned(),
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            method: "GET".to_owned(),
            headers: Vec::new(),
            query: query.split('&').filter(|text| !text.is_empty()).map(pair).collect(),
            tls: None,
        }
    }

    /// The same with another method.
    #[must_use]
    pub fn method(self, method: &str) -> Self {
        Self { method: method.to_owned(), ..self }
    }

    /// The same, sent by way of TLS or not: `https` or `http`.
    #[must_use]
    pub fn tls(self, tls: bool) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Why a route that came near doesn't get a request: something of it doesn't fit, or another one comes first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Lost {
    /// Its wildcard stands for exactly one label, and the host has more there.
    WildcardLabels,
    /// Its path doesn't fit.
    Path,
    /// Its path is the controller's business, and isn't a prefix of the request's; it may fit nevertheless.
    ImplementationSpecific,
    /// Its expression can't be read, so nobody knows what it fits.
    InvalidExpression(String),
    /// Its method is another one.
    Method,
    /// This header is missing, or has another value.
    Header(String),
    /// This query parameter is missing, or has another value.
    QueryParam(String),
    /// This other condition is not met.
    Condition(String),
    /// It is for connections by way of TLS, and the request comes without.
    NeedsTls,
    /// It is attached to a listener that gets no requests for this host, since another one of the same gateway and port is more specific.
    LessSpecificListener,
    /// The winner's host is more specific.
    LessSpecificHost,
    /// The winner's path is exact, or longer.
    LessSpecificPath,
    /// The winner asks for a method, and it doesn't.
    WithoutMethod,
    /// The winner asks for more headers.
    FewerHeaders,
    /// The winner asks for more query parameters.
    FewerQueryParams,
    /// The winner's object is older.
    Younger,
    /// The winner's object comes first by namespace and name.
    LaterName,
    /// The winner comes first in their object.
    LaterRule,
    /// The winner has a higher priority.
    LowerPriority,
}

impl Lost {
    /// The reason's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::WildcardLabels => "wildcard_labels",
            Self::Path => "path",
            Self::ImplementationSpecific => "implementation_specific",
            Self::InvalidExpression(_) => "invalid_expression",
            Self::Method => "method",
            Self::Header(_) => "header",
            Self::QueryParam(_) => "query_param",
            Self::Condition(_) => "condition",
            Self::NeedsTls => "needs_tls",
            Self::LessSpecificListener => "less_specific_listener",
            Self::LessSpecificHost => "less_specific_host",
            Self::LessSpecificPath => "less_specific_path",
            Self::WithoutMethod => "without_method",
            Self::FewerHeaders => "fewer_headers",
            Self::FewerQueryParams => "fewer_query_params",
            Self::Younger => "younger",
            Self::LaterName => "later_name",
            Self::LaterRule => "later_rule",
            Self::LowerPriority => "lower_priority",
        }
    }
}

/// Why a controller may choose otherwise: the specifications leave it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Doubt {
    /// A path is the controller's business. It is taken for a prefix here.
    ImplementationSpecific,
    /// A regular expression decides: its language and its place in the order are the controller's business. Here it has to fit
    /// all of the text, in RE2's language, and comes after exact paths and before prefixes.
    RegularExpression,
    /// Several objects say the same, or one of Istio's hosts has several; which one wins is said nowhere. The oldest is named here.
    Tie,
    /// An ingress has rules for a more specific host, and none of them fits. Some controllers then look no further.
    OtherHost,
    /// It hangs on something that the request doesn't tell, such as the client's address. It is taken to be as the winner wants it.
    UnseenCondition,
    /// The winner is for those of Traefik's entry points that are used by default, and this one may not be among them.
    DefaultEntryPoint,
}

impl Doubt {
    /// The doubt's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImplementationSpecific => "implementation_specific",
            Self::RegularExpression => "regular_expression",
            Self::Tie => "tie",
            Self::OtherHost => "other_host",
            Self::UnseenCondition => "unseen_condition",
            Self::DefaultEntryPoint => "default_entry_point",
        }
    }
}

/// A route that came near.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Loser {
    /// The route.
    pub route: Arc<Route>,
    /// Why it doesn't get the request.
    pub why: Lost,
}

/// What happens to a request at one door.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EntryMatch {
    /// The cluster.
    pub cluster: ClusterId,
    /// The door.
    pub entry: Entry,
    /// The route that gets the request; `None` when no one does.
    pub winner: Option<Arc<Route>>,
    /// Why it may be another one.
    pub doubts: Vec<Doubt>,
    /// Those that came near, those that would have got it first. At most [`NEAR`].
    pub losers: Vec<Loser>,
    /// How many more there are.
    pub more: usize,
}

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Match {
    /// At each door where a route came near.
    pub entries: Vec<EntryMatch>,
    /// Routes that fit, but to which no known door leads. At most [`NEAR`].
    pub without_entry: Vec<Arc<Route>>,
}

/// Routes, by host.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    hosts: OrdMap<HostPattern, OrdMap<(ClusterId, RouteId), Arc<Route>>>,
}

impl FromIterator<Arc<Route>> for Matcher {
    fn from_iter<I: IntoIterator<Item = Arc<Route>>>(routes: I) -> Self {
        let mut matcher = Self::default();
        for route in routes {
            matcher.insert(route);
        }
        matcher
    }
}

impl Matcher {
    /// Adds a route, in place of the one with its id.
    pub fn insert(&mut self, route: Arc<Route>) {
        self.hosts.entry(route.host.clone()).or_default().insert((route.cluster.clone(), route.id), route);
    }

    /// Removes a route.
    pub fn remove(&mut self, route: &Route) {
        if let Some(routes) = self.hosts.get_mut(&route.host) {
            routes.remove(&(route.cluster.clone(), route.id));
            if routes.is_empty() {
                self.hosts.remove(&route.host);
            }
        }
    }

    /// Which routes get a request, and why others don't.
    #[must_use]
    pub fn match_request(&self, request: &Request) -> Match {
        let mut doors: BTreeMap<(&ClusterId, &Entry), Vec<Candidate<'_>>> = BTreeMap::new();
        let mut without_entry = Vec::new();
        for (pattern, near) in patterns(&request.host) {
            for route in self.hosts.get(&pattern).into_iter().flat_map(OrdMap::values) {
                let Fit { lost, unseen } = fit(&route.matches, request);
                let lost = near.clone().or(lost);
                if route.entries.is_empty() && lost.is_none() && without_entry.len() < NEAR {
                    without_entry.push(route.clone());
                }
                for entry in &route.entries {
                    let plain = request.tls == Some(false) && needs_tls(entry, route);
                    let lost = lost.clone().or(plain.then_some(Lost::NeedsTls));
                    let candidate = Candidate { route, lost, unseen };
                    doors.entry((&route.cluster, entry)).or_default().push(candidate);
                }
            }
        }
        isolate(&mut doors);
        by_default(&mut doors);
        let entries =
            doors.into_iter().map(|((cluster, entry), candidates)| judge(cluster, entry, candidates));
        Match { entries: entries.collect(), without_entry }
    }
}

/// A route for a request's host, and what of it does not fit.
#[derive(Clone)]
struct Candidate<'a> {
    route: &'a Arc<Route>,
    lost: Option<Lost>,
    // Whether it fits only if something is so that the request doesn't tell.
    unseen: bool,
}

/// Whether nobody who speaks plain HTTP gets to a route by this door. Listeners for HTTPS are not meant: proxies before them may speak it.
fn needs_tls(entry: &Entry, route: &Route) -> bool {
    match entry {
        Entry::Listener { protocol, .. } => protocol == "TLS",
        Entry::EntryPoint { .. } => route.tls.is_some(),
        Entry::IngressClass { .. } | Entry::IstioGateway { .. } | Entry::Mesh => false,
    }
}

/// The patterns that are for a host, and those that look as if they were, with what they lack.
fn patterns(host: &str) -> Vec<(HostPattern, Option<Lost>)> {
    let host = normal(without_port(host));
    let mut patterns = vec![(HostPattern::Any, None)];
    for (nth, (at, _)) in host.match_indices('.').take(LABELS).enumerate() {
        let suffix = host.get(at + 1..).unwrap_or_default();
        if at == 0 || suffix.is_empty() {
            continue;
        }
        patterns.push((HostPattern::OneLabel(suffix.to_owned()), (nth > 0).then_some(Lost::WildcardLabels)));
        patterns.push((HostPattern::Labels(suffix.to_owned()), None));
    }
    patterns.push((HostPattern::Exact(host), None));
    patterns
}

/// Of a gateway's listeners on one port only the most specific one for a host gets its requests, and only the routes attached to that one
/// count, as Gateway API has it (listener isolation). Listeners to which no route is attached are not known here.
fn isolate(doors: &mut BTreeMap<(&ClusterId, &Entry), Vec<Candidate<'_>>>) {
    type Port<'a> = (&'a ClusterId, &'a str, &'a str, u16);
    fn port<'a>(cluster: &'a ClusterId, entry: &'a Entry) -> Option<(Port<'a>, (u8, usize))> {
        match entry {
            Entry::Listener { namespace, gateway, port, host, .. } => {
                Some(((cluster, namespace, gateway, *port), host.specificity()))
            }
            Entry::IngressClass { .. }
            | Entry::IstioGateway { .. }
            | Entry::Mesh
            | Entry::EntryPoint { .. } => None,
        }
    }
    let mut best: BTreeMap<Port<'_>, (u8, usize)> = BTreeMap::new();
    for (cluster, entry) in doors.keys() {
        if let Some((port, specificity)) = port(cluster, entry) {
            let known = best.entry(port).or_default();
            *known = specificity.max(*known);
        }
    }
    for ((cluster, entry), candidates) in doors.iter_mut() {
        let Some((port, specificity)) = port(cluster, entry) else { continue };
        if best.get(&port).is_some_and(|best| specificity < *best) {
            for candidate in candidates {
                candidate.lost.get_or_insert(Lost::LessSpecificListener);
            }
        }
    }
}

/// Routes that name no entry point come in by those that are used by default, which are all of them unless Traefik's configuration says
/// otherwise: at each one that others name, these are in the running, too.
fn by_default(doors: &mut BTreeMap<(&ClusterId, &Entry), Vec<Candidate<'_>>>) {
    let of_default = |(cluster, entry): &(&ClusterId, &Entry)| {
        (**entry == Entry::EntryPoint { name: None }).then(|| (*cluster).clone())
    };
    let clusters: Vec<ClusterId> = doors.keys().filter_map(of_default).collect();
    for cluster in clusters {
        let Some(default) = doors.get(&(&cluster, &Entry::EntryPoint { name: None })).cloned() else {
            continue;
        };
        for ((at, entry), candidates) in doors.iter_mut() {
            if **at == cluster && matches!(entry, Entry::EntryPoint { name: Some(_) }) {
                // One that names none names no other, either.
                candidates.extend(default.iter().cloned());
            }
        }
    }
}

/// Of routes that are taken in order, only those for the most specific pattern of a host count, whether or not one of them fits.
fn most_specific_host(candidates: &mut [Candidate<'_>]) {
    let ordered = |candidate: &&mut Candidate<'_>| candidate.route.precedence == Precedence::Position;
    let is_host = |lost: &Option<Lost>| !matches!(lost, Some(Lost::WildcardLabels));
    let best = candidates.iter_mut().filter(ordered).filter(|candidate| is_host(&candidate.lost));
    let Some(best) = best.map(|candidate| candidate.route.host.specificity()).max() else { return };
    for candidate in candidates.iter_mut().filter(ordered) {
        if candidate.route.host.specificity() < best {
            candidate.lost.get_or_insert(Lost::LessSpecificHost);
        }
    }
}

fn judge(cluster: &ClusterId, entry: &Entry, mut candidates: Vec<Candidate<'_>>) -> EntryMatch {
    most_specific_host(&mut candidates);
    candidates.sort_by(|one, other| {
        let fits = one.lost.is_some().cmp(&other.lost.is_some());
        fits.then_with(|| certain(one, other)).then_with(|| order::compare(one.route, other.route).0)
    });
    let winner = candidates.first().filter(|first| first.lost.is_none()).map(|first| first.route.clone());
    let doubts = winner.as_ref().map_or_else(Vec::new, |winner| doubts(entry, winner, &candidates));
    let rest = candidates.iter().skip(usize::from(winner.is_some()));
    let why = |candidate: &Candidate<'_>| match (&candidate.lost, &winner) {
        (Some(lost), _) => lost.clone(),
        (None, Some(winner)) => order::compare(winner, candidate.route).1,
        // What fits wins, unless something else does.
        (None, None) => Lost::Path,
    };
    let losers: Vec<_> =
        rest.take(NEAR).map(|near| Loser { route: near.route.clone(), why: why(near) }).collect();
    EntryMatch {
        cluster: cluster.clone(),
        entry: entry.clone(),
        more: candidates.len() - losers.len() - usize::from(winner.is_some()),
        winner,
        doubts,
        losers,
    }
}

/// Of the alternatives of one rule, those come first that the request tells all about.
fn certain(one: &Candidate<'_>, other: &Candidate<'_>) -> Ordering {
    let (this, that) = (one.route, other.route);
    if rule(this).is_some() && rule(this) == rule(that) && this.object == that.object {
        return one.unseen.cmp(&other.unseen);
    }
    Ordering::Equal
}

fn doubts(entry: &Entry, winner: &Route, candidates: &[Candidate<'_>]) -> Vec<Doubt> {
    let mut doubts = std::collections::BTreeSet::new();
    let ingress = matches!(entry, Entry::IngressClass { .. });
    if candidates.first().is_some_and(|first| first.unseen) {
        doubts.insert(Doubt::UnseenCondition);
    }
    if matches!(entry, Entry::EntryPoint { name: Some(_) }) && !winner.entries.contains(entry) {
        doubts.insert(Doubt::DefaultEntryPoint);
    }
    for candidate in candidates {
        let route = candidate.route.as_ref();
        if winner.precedence != Precedence::Specificity {
            let apart = (&route.object, rule(route)) != (&winner.object, rule(winner));
            if apart && candidate.lost.is_none() && is_tie(winner, route) {
                doubts.insert(Doubt::Tie);
            }
            continue;
        }
        match route.host.specificity().cmp(&winner.host.specificity()) {
            Ordering::Equal => {}
            Ordering::Greater if ingress && candidate.lost != Some(Lost::WildcardLabels) => {
                doubts.insert(Doubt::OtherHost);
                continue;
            }
            _ => continue,
        }
        let open =
            matches!(candidate.lost, None | Some(Lost::ImplementationSpecific | Lost::InvalidExpression(_)));
        if open {
            doubts.extend(fit::doubt(winner, route));
        }
        let same = route.id != winner.id && candidate.lost.is_none();
        if ingress && same && matches!(order::compare(winner, route).1, Lost::Younger | Lost::LaterName) {
            doubts.insert(Doubt::Tie);
        }
    }
    doubts.into_iter().collect()
}

/// Which rule of its object a route is of, where rules of one object may be in each other's way.
fn rule(route: &Route) -> Option<usize> {
    matches!(route.precedence, Precedence::Priority(_)).then_some(route.order.0)
}

/// Whether nothing that anybody has set down says which of two that fit comes first.
fn is_tie(winner: &Route, route: &Route) -> bool {
    winner.precedence == route.precedence
        && (winner.precedence != Precedence::Position
            || winner.host.specificity() == route.host.specificity())
}

#[cfg(test)]
mod tests;
