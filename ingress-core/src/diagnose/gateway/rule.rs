//! Checks of a rule among all others, and of what it refers to.

use super::super::check::{GW009, RT007, RT009, RT012};
use super::super::expression::{self, Place};
use super::{Case, Exam, Reader};
use crate::inventory::{Held, Lookup, Tag};
use crate::kind::{
    BackendTrafficPolicy, GATEWAY_API, HttpRoute, Kind, PolicyTargetRef, ReferenceGrant, Service,
    ServicePort, TlsRoute,
};
use crate::route::{Backend, BackendPort, Entry, HostPattern, ObjectRef, Route, gateway_api};

/// Whether the rule can match, and leads anywhere.
pub(super) fn examine(exam: &mut Exam<'_, '_>, case: &Case<'_, '_>, route: &Route) {
    expressions(exam, route);
    shadowed(exam, case, route);
    if !route.answers && route.backends.iter().all(|backend| backend.weight == 0) {
        let why = if route.backends.is_empty() {
            "The rule names no backend"
        } else {
            "All backends of the rule have the weight 0"
        };
        // Without HTTP there is no answer to give.
        let so = if route.object.kind == "TLSRoute" {
            "every connection is closed"
        } else {
            "every request is answered with 500"
        };
        exam.find(
            RT012,
            &route.object,
            format!("{}.backendRefs", rule_field(route)),
            format!("{why}, so {so}."),
            "Name a backend with a weight above 0, or remove the rule.".to_owned(),
        );
    }
    policies(exam, route);
}

fn rule_field(route: &Route) -> &str {
    route.field.split(".matches").next().unwrap_or_default()
}

fn expressions(exam: &mut Exam<'_, '_>, route: &Route) {
    expression::examine(exam, route, |place| match place {
        Place::Path | Place::Condition => format!("{}.path.value", route.field),
        Place::Header(at, _) => format!("{}.headers[{at}].value", route.field),
        Place::QueryParam(at, _) => format!("{}.queryParams[{at}].value", route.field),
    });
}

/// Others that say the same, and come first.
fn shadowed(exam: &mut Exam<'_, '_>, case: &Case<'_, '_>, route: &Route) {
    let same = |other: &Route| other.host == route.host && other.matches == route.matches;
    let before = case.siblings.iter().find(|other| other.order < route.order && same(other));
    if let Some(other) = before {
        exam.find(
            RT009,
            &route.object,
            route.field.clone(),
            format!(
                "It never gets a request: {} of the same object matches the same, and comes first.",
                other.field
            ),
            "Remove it, or let it match something else.".to_owned(),
        );
        return;
    }
    match &*route.object.kind {
        "HTTPRoute" => {
            let claim = |host: &HostPattern| Tag::claim(host, &route.matches.path);
            shadowed_by::<HttpRoute>(exam, case, route, claim, gateway_api::http_routes);
        }
        "TLSRoute" => {
            let named = |host: &HostPattern| Tag::host(&host.written().unwrap_or_default());
            shadowed_by::<TlsRoute>(exam, case, route, named, gateway_api::tls_routes);
        }
        _ => {}
    }
}

/// Other objects of the kind that say the same at the same listeners, and come first.
fn shadowed_by<K: Held>(
    exam: &mut Exam<'_, '_>,
    case: &Case<'_, '_>,
    route: &Route,
    tag: impl Fn(&HostPattern) -> Tag,
    routes: impl Fn(&Reader<'_>, &K) -> Vec<Route>,
) {
    let taken = |entry: &Entry, other: &Route| other.entries.contains(entry);
    let rank = |route: &Route| (route.created.is_none(), route.created);
    let name = |route: &Route| (route.object.namespace.clone(), route.object.name.clone());
    for host in case.common.hosts() {
        for other in exam.reader.tagged::<K>(None, tag(&host)).objects {
            if (other.namespace(), other.name())
                == (route.object.namespace.as_deref(), route.object.name.as_str())
            {
                continue;
            }
            let winner = routes(exam.reader, other).into_iter().find(|other| {
                let first = (rank(other), name(other)) < (rank(route), name(route));
                // Wherever it comes in, the other one does.
                first
                    && other.host == route.host
                    && other.matches == route.matches
                    && route.entries.iter().all(|entry| taken(entry, other))
            });
            if let (Some(winner), false) = (winner, route.entries.is_empty()) {
                exam.find(
                    RT009,
                    &route.object,
                    route.field.clone(),
                    format!(
                        "It never gets a request: {} matches the same at the same listeners, and is older or comes first by name.",
                        winner.object
                    ),
                    "Leave the match in one of the two.".to_owned(),
                );
                return;
            }
        }
    }
}

/// The policies that are in effect, the one that is nearest to the route first.
fn policies(exam: &mut Exam<'_, '_>, route: &Route) {
    let mut targets = vec![route.object.clone()];
    for entry in &route.entries {
        if let Entry::Listener { namespace, gateway, .. } = entry {
            let gateway = ObjectRef::new("Gateway", Some(namespace), gateway);
            if !targets.contains(&gateway) {
                targets.push(gateway);
            }
        }
    }
    for target in targets {
        let tag = Tag::target(&target.kind, &target.name);
        for policy in exam.reader.tagged::<BackendTrafficPolicy>(target.namespace.as_deref(), tag).objects {
            let aims = |each: &PolicyTargetRef| each.kind == target.kind && each.name == target.name;
            let section = policy.targets().find(|each| aims(each)).and_then(|each| each.section_name.clone());
            let part = section.map_or_else(String::new, |section| format!(", its part {section} only"));
            exam.find(
                GW009,
                &route.object,
                format!("BackendTrafficPolicy {}", policy.name()),
                format!(
                    "BackendTrafficPolicy {}/{} applies by way of {target}{part}: it sets {}.",
                    policy.metadata.namespace,
                    policy.name(),
                    settings(policy)
                ),
                "Nothing has to be done; know that what applies is not in the route alone.".to_owned(),
            );
        }
    }
}

fn settings(policy: &BackendTrafficPolicy) -> String {
    let spec = &policy.spec;
    let parts = [
        ("timeouts", spec.timeout.is_some()),
        ("retries", spec.retry.is_some()),
        ("a rate limit", spec.rate_limit.is_some()),
        ("a circuit breaker", spec.circuit_breaker),
    ];
    let parts: Vec<&str> = parts.into_iter().filter(|(_, set)| *set).map(|(name, _)| name).collect();
    if parts.is_empty() { "none of what is read here".to_owned() } else { parts.join(", ") }
}

/// Whether the route may use a backend, which is asked of those of other namespaces; tells it if not.
pub(in super::super) fn granted(exam: &mut Exam<'_, '_>, route: &Route, backend: &Backend) -> bool {
    let (Some(own), Some(namespace)) =
        (route.object.namespace.as_deref(), backend.object.namespace.as_deref())
    else {
        return true;
    };
    if own == namespace {
        return true;
    }
    match grant(exam.reader, route, backend) {
        Lookup::Found(_) => true,
        Lookup::Unknown(unknown) => {
            exam.unknown(unknown);
            true
        }
        Lookup::Missing => {
            exam.find(
                RT007,
                &route.object,
                format!("{}.namespace", backend.field),
                format!(
                    "The backend is in namespace {namespace}, where no ReferenceGrant lets routes of kind {} of {own} use it.",
                    route.object.kind
                ),
                format!(
                    "Create a ReferenceGrant in {namespace} from {} of {own} to the Service {}.",
                    route.object.kind, backend.object.name
                ),
            );
            false
        }
    }
}

/// The grant for a backend; a backend of the route's own namespace needs none.
fn grant<'a>(reader: &Reader<'a>, route: &Route, backend: &Backend) -> Lookup<'a, ReferenceGrant> {
    let own = route.object.namespace.as_deref().unwrap_or_default();
    let namespace = backend.object.namespace.as_deref().unwrap_or_default();
    let grants = reader.in_namespace::<ReferenceGrant>(namespace);
    let (from, to) =
        ((GATEWAY_API, route.object.kind.as_ref(), own), ("", "Service", backend.object.name.as_str()));
    let found = grants.objects.into_iter().find(|grant| grant.grants(from, to));
    match (found, grants.unknown) {
        (Some(grant), _) => Lookup::Found(grant),
        (None, Some(unknown)) => Lookup::Unknown(unknown),
        (None, None) => Lookup::Missing,
    }
}

/// Whether some backend of these routes can't be followed for a reason that is found here, too.
pub(super) fn explains(reader: &Reader<'_>, routes: &[Route]) -> bool {
    let cant_be_followed = |route: &Route, backend: &Backend| {
        if backend.object.kind != "Service" {
            return false;
        }
        if backend.object.namespace != route.object.namespace
            && matches!(grant(reader, route, backend), Lookup::Missing)
        {
            return true;
        }
        match reader.get::<Service>(backend.object.namespace.as_deref(), &backend.object.name) {
            Lookup::Missing => true,
            Lookup::Unknown(_) => false,
            Lookup::Found(service) => match backend.port {
                Some(BackendPort::Number(number)) => service.port(ServicePort::Number(number)).is_none(),
                Some(BackendPort::Name(_)) => false,
                None => true,
            },
        }
    };
    routes.iter().any(|route| route.backends.iter().any(|backend| cant_be_followed(route, backend)))
}
