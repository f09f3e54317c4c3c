//! `GET /api/certificates`: the certificates that routes are served with, and those that none uses, the next to expire first.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::HeaderMap;
use ingress_core::clock::{Timestamp, wall_now};
use ingress_core::inventory::Refusal;
use ingress_core::kind::{Time, TlsSecret};
use ingress_core::route::RouteId;
use ingress_core::{ClusterId, Kind as _};
use serde::Serialize;

use super::reply::reply;
use super::wire::{Gap, stale_since};
use crate::app::App;
use crate::conditional::Tag;
use crate::params::Params;
use crate::problem::Problem;
use crate::view::{self, Mark, ShownRoutes, View};
use crate::wire::{Text, is_false};

pub(crate) async fn certificates(
    State(app): State<App>,
    view: View,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    view.watched_routes()?;
    Params::none(query.as_deref())?;
    let shown = view.routes_and(everywhere).await?;
    let tag = Tag::new(shown.mark(), &"certificates");
    reply(&tag, &headers, || answer(&shown, app.is_demo()))
}

/// Where there are certificates that may not be read, as far as is known: also those that no route names are told of.
fn everywhere(shown: &ShownRoutes) -> BTreeSet<Refusal> {
    let look = |cluster| {
        let reader = shown.reader(cluster, wall_now());
        drop(reader.all::<TlsSecret>());
        reader.refused()
    };
    shown.clusters().iter().flat_map(look).collect()
}

fn answer(shown: &ShownRoutes, demo: bool) -> Result<Vec<u8>, Problem> {
    let (now, uses) = (wall_now(), uses(shown));
    let gaps: Vec<_> = shown.clusters().iter().filter_map(|cluster| gap(shown, cluster, now)).collect();
    let readers: Vec<_> = shown.clusters().iter().map(|cluster| shown.reader(cluster, now)).collect();
    let mut items = Vec::new();
    for reader in &readers {
        for secret in reader.all::<TlsSecret>().objects {
            items.push(Item::new(reader.cluster(), secret, &uses));
        }
    }
    // What can't be read has no end that could be told.
    items.sort_by_key(|item| {
        (item.not_after.is_none(), item.not_after.as_ref().map(|Text(end)| end.timestamp()))
    });
    let answer = Answer {
        total: items.len(),
        items,
        unknown: gaps.iter().map(Gap::from).collect(),
        revision: Text(shown.mark()),
        stale_since: stale_since(shown),
        timestamp: Text(now),
        demo,
    };
    Ok(serde_json::to_vec(&answer)?)
}

/// A secret, by cluster, namespace and name.
type Place<'a> = (&'a ClusterId, Option<&'a str>, &'a str);

/// Which routes name which secret.
fn uses(shown: &ShownRoutes) -> BTreeMap<Place<'_>, Vec<Text<RouteId>>> {
    let mut uses: BTreeMap<Place<'_>, Vec<_>> = BTreeMap::new();
    for route in shown.iter().map(|assessed| &assessed.route) {
        for secret in route.tls.iter().flat_map(|tls| &tls.secrets) {
            let place = (&route.cluster, secret.namespace.as_deref(), secret.name.as_str());
            uses.entry(place).or_default().push(Text(route.id));
        }
    }
    uses
}

/// Why a cluster may have more of them.
fn gap(shown: &ShownRoutes, cluster: &ClusterId, now: Timestamp) -> Option<view::Gap> {
    let what = if shown.is_withheld(cluster) {
        None
    } else {
        Some(shown.reader(cluster, now).unknown::<TlsSecret>(None)?)
    };
    Some(view::Gap { cluster: cluster.clone(), what })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    items: Vec<Item<'a>>,
    total: usize,
    unknown: Vec<Gap<'a>>,
    revision: Text<Mark>,
    stale_since: BTreeMap<&'a str, Text<Timestamp>>,
    timestamp: Text<Timestamp>,
    #[serde(skip_serializing_if = "is_false")]
    demo: bool,
}

/// What the server's own certificate in a secret says; `null` throughout where it can't be read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item<'a> {
    cluster: &'a str,
    namespace: Option<&'a str>,
    name: &'a str,
    subject: Option<&'a str>,
    dns_names: &'a [String],
    ip_addresses: &'a [String],
    issuer: Option<&'a str>,
    not_before: Option<Text<Time>>,
    not_after: Option<Text<Time>>,
    fingerprint: Option<&'a str>,
    problem: Option<&'a str>,
    routes: Vec<Text<RouteId>>,
}

impl<'a> Item<'a> {
    fn new(
        cluster: &'a ClusterId,
        secret: &'a TlsSecret,
        uses: &BTreeMap<Place<'a>, Vec<Text<RouteId>>>,
    ) -> Self {
        let certificate = secret.certificate();
        let place = (cluster, secret.namespace(), secret.name());
        Self {
            cluster: cluster.as_str(),
            namespace: secret.namespace(),
            name: secret.name(),
            subject: certificate.map(|certificate| certificate.subject.as_str()),
            dns_names: certificate.map_or(&[], |certificate| &certificate.dns_names),
            ip_addresses: certificate.map_or(&[], |certificate| &certificate.ip_addresses),
            issuer: certificate.map(|certificate| certificate.issuer.as_str()),
            not_before: certificate.map(|certificate| Text(certificate.not_before)),
            not_after: certificate.map(|certificate| Text(certificate.not_after)),
            fingerprint: certificate.map(|certificate| certificate.sha256.as_str()),
            problem: secret.problem.as_deref(),
            routes: uses.get(&place).cloned().unwrap_or_default(),
        }
    }
}
