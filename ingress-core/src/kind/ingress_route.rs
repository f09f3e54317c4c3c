//! Traefik's `IngressRoute` (traefik.io/v1alpha1).

use serde::{Deserialize, Serialize};

use super::Resource;
use super::record::{IntOrString, Metadata, nullable, record};

/// What is kept of an ingress route: metadata, entry points, rules as they are written, and what is behind them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct IngressRoute {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: IngressRouteSpec,
}

/// `spec` of an [`IngressRoute`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct IngressRouteSpec {
    /// `entryPoints`; empty means those that Traefik's own configuration names.
    #[serde(deserialize_with = "nullable")]
    pub entry_points: Vec<String>,
    /// `routes`.
    #[serde(deserialize_with = "nullable")]
    pub routes: Vec<IngressRouteRule>,
    /// `tls`.
    pub tls: Option<IngressRouteTls>,
}

/// One of `spec.routes`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct IngressRouteRule {
    /// `match`, in Traefik's language of rules.
    #[serde(deserialize_with = "nullable")]
    pub r#match: String,
    /// `priority`; unset and 0 mean the length of the rule.
    pub priority: Option<i64>,
    /// `middlewares`.
    #[serde(deserialize_with = "nullable")]
    pub middlewares: Vec<TraefikRef>,
    /// `services`.
    #[serde(deserialize_with = "nullable")]
    pub services: Vec<TraefikService>,
}

/// A middleware.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TraefikRef {
    /// `name`.
    pub name: String,
    /// `namespace`; unset means the ingress route's own.
    pub namespace: Option<String>,
}

/// One of a route's `services`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TraefikService {
    /// `kind`: `Service`, which it also means unset, or `TraefikService`.
    pub kind: Option<String>,
    /// `name`.
    pub name: String,
    /// `namespace`; unset means the ingress route's own.
    pub namespace: Option<String>,
    /// `port`, by number or name.
    pub port: Option<IntOrString>,
    /// `weight`; unset means 1.
    pub weight: Option<i64>,
}

/// `spec.tls` of an [`IngressRoute`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct IngressRouteTls {
    /// `secretName`; unset where Traefik gets certificates itself, or has a default one.
    pub secret_name: Option<String>,
    /// `certResolver`.
    pub cert_resolver: Option<String>,
}

impl IngressRoute {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }

    /// The hosts that its rules name (`Host`), in lower case, in order and none twice. What a rule says of them (that they must *not*
    /// be asked for, or only under some path) is not read.
    #[must_use]
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts = Vec::new();
        for host in self.spec.routes.iter().flat_map(IngressRouteRule::hosts) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }
}

impl IngressRouteRule {
    /// The hosts that the rule names, whatever it says of them.
    pub(crate) fn hosts(&self) -> Vec<String> {
        hosts_of(&self.r#match)
    }
}

/// The texts in parentheses after each `Host`, which are quoted one way or the other.
fn hosts_of(rule: &str) -> Vec<String> {
    let mut hosts = Vec::new();
    let mut rest = rule;
    while let Some((before, after)) = rest.split_once("Host(") {
        rest = after;
        // Not the end of a longer name.
        if before.ends_with(|last: char| last.is_ascii_alphanumeric() || last == '_') {
            continue;
        }
        let (arguments, beyond) = after.split_once(')').unwrap_or((after, ""));
        rest = beyond;
        let quoted = arguments.split(',').map(|text| text.trim().trim_matches(['`', '"', '\'']));
        hosts.extend(quoted.filter(|host| !host.is_empty()).map(str::to_ascii_lowercase));
    }
    hosts
}

record!(
    IngressRoute,
    Resource::namespaced("traefik.io", "v1alpha1", "IngressRoute", "ingressroutes"),
    "ingressroute/1",
    json
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn keeps_rules_and_services() {
        let text = r#"{"metadata":{"name":"cart","namespace":"shop"},
            "spec":{"entryPoints":["websecure"],"routes":[
              {"kind":"Rule","match":"Host(`Shop.example.com`) && PathPrefix(`/cart`)","priority":10,
               "middlewares":[{"name":"strip"}],
               "services":[{"name":"cart","port":80,"weight":3,"sticky":{"cookie":{}}},{"name":"old","port":"web"}]}],
              "tls":{"certResolver":"le","options":{"name":"modern"}}}}"#;
        let route = IngressRoute::decode_json(&mut serde_json::Deserializer::from_str(text)).unwrap();
        let rule = &route.spec.routes[0];
        assert_eq!(rule.services[0].port.as_ref().and_then(IntOrString::number), Some(80));
        assert_eq!(rule.services[1].port.as_ref().and_then(IntOrString::name), Some("web"));
        assert_eq!(route.hosts(), ["shop.example.com"]);
        assert_eq!(IngressRoute::restore(&route.stored()).unwrap(), route);
    }

    #[test]
    fn reads_hosts_out_of_rules() {
        let hosts = |rule: &str| hosts_of(rule);
        assert_eq!(
            hosts("Host(`a.example`, \"b.example\") || Host( `c.example` )"),
            ["a.example", "b.example", "c.example"]
        );
        assert_eq!(hosts("HostRegexp(`.*`) && PathPrefix(`/`)"), [""; 0]);
        assert_eq!(hosts("XHost(`no`) && Host(`yes`)"), ["yes"]);
        assert_eq!(hosts("(Host(`unfinished"), ["unfinished"]);
    }
}
