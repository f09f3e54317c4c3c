//! `GET /api/topology`: what a route, or those of a namespace, are made of, as nodes and edges: from the doors through the objects that say so to services,
//! their endpoints and pods, and to certificates. Each with a verdict: what is not known is unknown here, too.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use ingress_core::Namespace;
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::inventory::Refusal;
use ingress_core::route::RouteId;
use serde::Serialize;

use self::graph::{Edge, Graph, LeftOut, Node};
use super::reply::reply;
use super::wire::{Gap, stale_since};
use crate::app::App;
use crate::conditional::Tag;
use crate::filter::one;
use crate::params::Params;
use crate::problem::{Problem, ProblemType};
use crate::view::{Mark, ShownRoutes, View};
use crate::wire::{Text, is_false};

mod graph;

pub(crate) async fn topology(
    State(app): State<App>,
    view: View,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    view.watched_routes()?;
    let about = About::parse(query.as_deref())?;
    let shown = view.routes_and(|shown| about.refused(shown)).await?;
    if let About::Route(id) = about {
        let none = || Problem::new(ProblemType::NotFound, format!("no route {id} is known"));
        shown.get(id).ok_or_else(none)?;
    }
    let tag = Tag::new(shown.mark(), &("topology", &about));
    reply(&tag, &headers, || about.answer(&shown, app.is_demo()))
}

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum About {
    Route(RouteId),
    Namespace(Namespace),
}

impl About {
    fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut params = Params::parse(query)?;
        let (route, namespace) = (one(&mut params, "route")?, one(&mut params, "namespace")?);
        params.finish()?;
        match (route, namespace) {
            (Some(_), Some(_)) => {
                let detail = "`namespace` is not given together with `route`";
                Err(Problem::parameter("namespace", detail))
            }
            (Some(route), None) => {
                let detail = "`route` must be a route's id: 16 hexadecimal digits, in lower case";
                route.parse().map(Self::Route).map_err(|_| Problem::parameter("route", detail))
            }
            (None, Some(name)) => {
                let detail = "`namespace` must be the name of a namespace";
                Namespace::new(&name)
                    .map(Self::Namespace)
                    .map_err(|_| Problem::parameter("namespace", detail))
            }
            (None, None) => {
                let detail = "`route` or `namespace` is missing: one of them says what is asked about";
                Err(Problem::parameter("route", detail))
            }
        }
    }

    fn graph<'a>(&self, shown: &'a ShownRoutes, now: Timestamp) -> Graph<'a> {
        let mut graph = Graph::new(shown, now);
        match self {
            Self::Route(id) => shown.get(*id).into_iter().for_each(|assessed| graph.add(assessed)),
            Self::Namespace(name) => {
                let is_here = |namespace: Option<&str>| namespace == Some(name.as_str());
                let here = shown.iter().filter(|it| is_here(it.route.object.namespace.as_deref()));
                here.for_each(|assessed| graph.add(assessed));
            }
        }
        graph
    }

    /// What would be shown, if it could be read.
    fn refused(&self, shown: &ShownRoutes) -> BTreeSet<Refusal> {
        self.graph(shown, wall_now()).refused()
    }

    fn answer(&self, shown: &ShownRoutes, demo: bool) -> Result<Vec<u8>, Problem> {
        let now = wall_now();
        let (nodes, edges, left_out) = self.graph(shown, now).into_parts();
        let gaps = match self {
            // One route is what it is, whatever others there are.
            Self::Route(_) => Vec::new(),
            Self::Namespace(name) => shown.gaps_in(name.as_str(), now),
        };
        let answer = Answer {
            nodes,
            edges,
            left_out,
            unknown: gaps.iter().map(Gap::from).collect(),
            revision: Text(shown.mark()),
            stale_since: stale_since(shown),
            timestamp: Text(now),
            demo,
        };
        Ok(serde_json::to_vec(&answer)?)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    nodes: Vec<Node>,
    edges: Vec<Edge>,
    left_out: LeftOut,
    unknown: Vec<Gap<'a>>,
    revision: Text<Mark>,
    stale_since: BTreeMap<&'a str, Text<Timestamp>>,
    timestamp: Text<Timestamp>,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}
