//! The settings of routes of Gateway API: what their filters, timeouts and retries mean, and what policies of Envoy Gateway set.
//!
//! A policy for the route stands in place of one for its gateway, as Envoy Gateway has it. Policies that choose their targets by labels are not
//! looked for.

use std::sync::Arc;

use super::annotation::bounded;
use super::value::duration;
use super::{AffinityBy, AuthenticationBy, Fact, HeadersOf, PathChange, Setting, TimeoutOf};
use crate::inventory::{Reader, Tag};
use crate::kind::{
    BackendTrafficPolicy, HeaderModifier, HttpRouteRetry, HttpRouteTimeouts, Kind, PathModifier,
    PolicyTargetRef, RateLimitValue, RouteFilter, SessionPersistence,
};
use crate::route::{Entry, ObjectRef};

/// What a rule of a route says of its requests' treatment.
#[derive(Clone, Copy)]
pub(crate) struct Rule<'k> {
    /// The rule's name, by which policies may be for it.
    pub(crate) name: Option<&'k str>,
    pub(crate) filters: &'k [RouteFilter],
    pub(crate) timeouts: Option<&'k HttpRouteTimeouts>,
    pub(crate) retry: Option<&'k HttpRouteRetry>,
    pub(crate) session: Option<&'k SessionPersistence>,
}

/// The settings of a rule, which stands in this field of its object.
pub(crate) fn of_rule(object: &ObjectRef, field: &str, rule: Rule<'_>) -> Vec<Arc<Setting>> {
    let mut settings = Vec::new();
    let mut push = |fact, field: String, raw| {
        settings.push(Arc::new(Setting { fact, object: object.clone(), field, raw }));
    };
    for (at, filter) in rule.filters.iter().enumerate() {
        if let Some((fact, part)) = of_filter(filter, object) {
            push(fact, format!("{field}.filters[{at}].{part}"), None);
        }
    }
    let timeouts = rule.timeouts.map(|timeouts| {
        [
            (TimeoutOf::Request, "request", &timeouts.request),
            (TimeoutOf::BackendRequest, "backendRequest", &timeouts.backend_request),
        ]
    });
    for (of, name, text) in timeouts.into_iter().flatten() {
        let Some(text) = text else { continue };
        push(timeout(of, text), format!("{field}.timeouts.{name}"), Some(bounded(text)));
    }
    if let Some(retry) = rule.retry {
        let attempts = retry.attempts.and_then(|attempts| u32::try_from(attempts).ok());
        let on = retry.codes.iter().map(ToString::to_string).collect();
        push(Fact::Retries { attempts, on, milliseconds: None }, format!("{field}.retry"), None);
    }
    if let Some(session) = rule.session {
        let header = session.r#type.as_deref() == Some("Header");
        let by = if header { AffinityBy::Header } else { AffinityBy::Cookie };
        let fact = Fact::SessionAffinity { by, key: session.session_name.clone() };
        push(fact, format!("{field}.sessionPersistence"), None);
    }
    settings
}

/// A duration of Gateway API (GEP-2257). 0 is no limit.
fn timeout(of: TimeoutOf, text: &str) -> Fact {
    match duration(text) {
        Some(milliseconds) => {
            Fact::Timeout { of, milliseconds: Some(milliseconds).filter(|milliseconds| *milliseconds > 0) }
        }
        None => Fact::Unparsable { expected: "a duration such as 1m30s".into() },
    }
}

fn of_filter(filter: &RouteFilter, object: &ObjectRef) -> Option<(Fact, &'static str)> {
    if let Some(modifier) = &filter.request_header_modifier {
        return Some((headers(HeadersOf::Request, modifier), "requestHeaderModifier"));
    }
    if let Some(modifier) = &filter.response_header_modifier {
        return Some((headers(HeadersOf::Response, modifier), "responseHeaderModifier"));
    }
    if let Some(redirect) = &filter.request_redirect {
        let number = |number: Option<i32>| number.and_then(|number| u16::try_from(number).ok());
        let fact = Fact::Redirect {
            scheme: redirect.scheme.clone(),
            host: redirect.hostname.clone(),
            port: number(redirect.port),
            path: redirect.path.as_ref().and_then(path),
            status: Some(number(redirect.status_code).unwrap_or(302)),
        };
        return Some((fact, "requestRedirect"));
    }
    if let Some(rewrite) = &filter.url_rewrite {
        let path = rewrite.path.as_ref().and_then(path);
        return Some((Fact::Rewrite { host: rewrite.hostname.clone(), path }, "urlRewrite"));
    }
    if let Some(mirror) = &filter.request_mirror {
        let backend = &mirror.backend_ref;
        let namespace = backend.object.namespace(object.namespace.as_deref().unwrap_or_default());
        let port = backend.port.map(|port| format!(":{port}")).unwrap_or_default();
        let to = format!("{namespace}/{}{port}", backend.object.name);
        let percent = mirror.percent.and_then(|percent| u32::try_from(percent).ok());
        return Some((Fact::Mirror { to, percent }, "requestMirror"));
    }
    if let Some(cors) = &filter.cors {
        let fact = Fact::Cors {
            on: Some(true),
            origins: cors.allow_origins.clone(),
            methods: cors.allow_methods.clone(),
            headers: cors.allow_headers.clone(),
            exposed: cors.expose_headers.clone(),
            credentials: cors.allow_credentials,
            max_age_seconds: cors.max_age.and_then(|age| u64::try_from(age).ok()),
        };
        return Some((fact, "cors"));
    }
    if let Some(external) = &filter.external_auth {
        let namespace = external.backend_ref.namespace(object.namespace.as_deref().unwrap_or_default());
        let at = Some(format!("{namespace}/{}", external.backend_ref.name));
        return Some((
            Fact::Authentication { by: AuthenticationBy::External, at, secret: None },
            "externalAuth",
        ));
    }
    let extension = filter.extension_ref.as_ref()?;
    let names = vec![format!("{} {}", extension.kind(""), extension.name).trim_start().to_owned()];
    Some((Fact::Extension { names }, "extensionRef"))
}

fn headers(of: HeadersOf, modifier: &HeaderModifier) -> Fact {
    let names =
        |headers: &[crate::kind::HeaderName]| headers.iter().map(|header| header.name.clone()).collect();
    Fact::Headers {
        of,
        set: names(&modifier.set),
        add: names(&modifier.add),
        remove: modifier.remove.clone(),
    }
}

fn path(path: &PathModifier) -> Option<PathChange> {
    match (&path.replace_full_path, &path.replace_prefix_match) {
        (Some(whole), _) => Some(PathChange::Whole(whole.clone())),
        (None, Some(prefix)) => Some(PathChange::Prefix(prefix.clone())),
        (None, None) => None,
    }
}

/// What Envoy Gateway's policies set for a rule that is reached through these doors.
pub(crate) fn of_policies(
    reader: &Reader<'_>,
    object: &ObjectRef,
    rule: Option<&str>,
    entries: &[Entry],
) -> Vec<Arc<Setting>> {
    let own = nearest(reader, object, |section| section.is_none() || section == rule);
    let policies = if own.is_some() {
        own.into_iter().collect()
    } else {
        let mut found: Vec<&BackendTrafficPolicy> = Vec::new();
        for entry in entries {
            let Entry::Listener { namespace, gateway, listener, .. } = entry else { continue };
            let gateway = ObjectRef::new("Gateway", Some(namespace), gateway);
            let policy =
                nearest(reader, &gateway, |section| section.is_none_or(|section| section == listener));
            found.extend(policy.filter(|policy| !found.iter().any(|known| std::ptr::eq(*known, *policy))));
        }
        found
    };
    policies.into_iter().flat_map(of_policy).collect()
}

/// The policy that applies to an object: one for a part of it before one for the whole, and of several the oldest.
fn nearest<'a>(
    reader: &Reader<'a>,
    target: &ObjectRef,
    applies: impl Fn(Option<&str>) -> bool,
) -> Option<&'a BackendTrafficPolicy> {
    let tag = Tag::target(&target.kind, &target.name);
    let policies = reader.tagged::<BackendTrafficPolicy>(target.namespace.as_deref(), tag).objects;
    let rank = |policy: &&'a BackendTrafficPolicy| {
        let aims = |each: &&PolicyTargetRef| each.kind == target.kind && each.name == target.name;
        let sections = policy.targets().filter(aims).map(|each| each.section_name.as_deref());
        let whole = sections.filter(|section| applies(*section)).map(|section| section.is_none()).min()?;
        let created = policy.metadata.creation_timestamp;
        Some((whole, created.is_none(), created, policy.name()))
    };
    let ranked = policies.into_iter().map(AsRef::as_ref).filter_map(|policy| Some((rank(&policy)?, policy)));
    ranked.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, policy)| policy)
}

fn of_policy(policy: &BackendTrafficPolicy) -> Vec<Arc<Setting>> {
    let object = ObjectRef::new("BackendTrafficPolicy", policy.namespace(), policy.name());
    let mut settings = Vec::new();
    let mut push = |fact, field: String, raw: Option<&str>| {
        settings.push(Arc::new(Setting { fact, object: object.clone(), field, raw: raw.map(bounded) }));
    };
    let spec = &policy.spec;
    let (tcp, http) = spec.timeout.as_ref().map_or((None, None), |all| (all.tcp.as_ref(), all.http.as_ref()));
    let timeouts = [
        (TimeoutOf::Connect, "tcp.connectTimeout", tcp.and_then(|tcp| tcp.connect_timeout.as_deref())),
        (TimeoutOf::Request, "http.requestTimeout", http.and_then(|http| http.request_timeout.as_deref())),
        (
            TimeoutOf::Idle,
            "http.connectionIdleTimeout",
            http.and_then(|http| http.connection_idle_timeout.as_deref()),
        ),
    ];
    for (of, name, text) in timeouts {
        let Some(text) = text else { continue };
        push(timeout(of, text), format!("spec.timeout.{name}"), Some(text));
    }
    if let Some(retry) = &spec.retry {
        let attempts = Some(retry.num_retries.and_then(|number| u32::try_from(number).ok()).unwrap_or(2));
        let codes = retry.retry_on.http_status_codes.iter().map(ToString::to_string);
        let on = retry.retry_on.triggers.iter().cloned().chain(codes).collect();
        push(Fact::Retries { attempts, on, milliseconds: None }, "spec.retry".to_owned(), None);
    }
    if let Some(limits) = &spec.rate_limit {
        for (name, rules) in [("local", &limits.local), ("global", &limits.global)] {
            for (at, rule) in rules.rules.iter().enumerate() {
                push(rate(&rule.limit), format!("spec.rateLimit.{name}.rules[{at}].limit"), None);
            }
        }
    }
    settings
}

fn rate(limit: &RateLimitValue) -> Fact {
    const DAY: u64 = 86_400_000;
    let period = match limit.unit.as_str() {
        "Second" => 1000,
        "Minute" => 60_000,
        "Hour" => 3_600_000,
        "Day" => DAY,
        "Month" => 30 * DAY,
        "Year" => 365 * DAY,
        _ => {
            return Fact::Unparsable { expected: "a unit: Second, Minute, Hour, Day, Month or Year".into() };
        }
    };
    Fact::RateLimit {
        requests: u64::try_from(limit.requests).ok(),
        period_milliseconds: Some(period),
        burst: None,
        connections: None,
        bytes_per_second: None,
    }
}
