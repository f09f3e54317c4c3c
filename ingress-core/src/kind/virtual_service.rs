//! Istio's `VirtualService` (networking.istio.io/v1).

use serde::{Deserialize, Serialize};

use super::Resource;
use super::record::{Metadata, nullable, present, record};

/// What is kept of a virtual service: metadata, hosts, gateways, and a summary of its HTTP routes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VirtualService {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: VirtualServiceSpec,
}

/// `spec` of a [`VirtualService`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VirtualServiceSpec {
    /// `hosts`: what clients ask for; short names are services of the namespace.
    #[serde(deserialize_with = "nullable")]
    pub hosts: Vec<String>,
    /// `gateways`, as `name` or `namespace/name`; empty means `mesh`: all sidecars.
    #[serde(deserialize_with = "nullable")]
    pub gateways: Vec<String>,
    /// `http`: the first that matches is taken.
    #[serde(deserialize_with = "nullable")]
    pub http: Vec<VirtualHttpRoute>,
    /// Whether there is `tls`.
    #[serde(deserialize_with = "present")]
    pub tls: bool,
    /// Whether there is `tcp`.
    #[serde(deserialize_with = "present")]
    pub tcp: bool,
}

/// One of `spec.http`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VirtualHttpRoute {
    /// `name`.
    pub name: Option<String>,
    /// `match`: one of them is enough; empty means every request.
    #[serde(deserialize_with = "nullable")]
    pub r#match: Vec<VirtualHttpMatch>,
    /// `route`.
    #[serde(deserialize_with = "nullable")]
    pub route: Vec<VirtualDestination>,
    /// Whether there is `redirect`.
    #[serde(deserialize_with = "present")]
    pub redirect: bool,
    /// Whether there is `rewrite`.
    #[serde(deserialize_with = "present")]
    pub rewrite: bool,
    /// Whether there is `delegate`: another virtual service goes on.
    #[serde(deserialize_with = "present")]
    pub delegate: bool,
    /// `timeout`, such as `10s`.
    pub timeout: Option<String>,
    /// Whether there is `retries`.
    #[serde(deserialize_with = "present")]
    pub retries: bool,
}

/// One of a route's `match`: all that it names must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct VirtualHttpMatch {
    /// `uri`.
    pub uri: Option<StringMatch>,
    /// `method`.
    pub method: Option<StringMatch>,
    /// `authority`.
    pub authority: Option<StringMatch>,
    /// `port`.
    pub port: Option<i64>,
    /// Whether there is `headers`.
    #[serde(deserialize_with = "present")]
    pub headers: bool,
    /// Whether there is `queryParams`.
    #[serde(deserialize_with = "present")]
    pub query_params: bool,
}

/// What a text must be; at most one of these is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct StringMatch {
    /// `exact`.
    pub exact: Option<String>,
    /// `prefix`: of the text, not by path element.
    pub prefix: Option<String>,
    /// `regex`, in RE2's language.
    pub regex: Option<String>,
}

/// One of a route's `route`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VirtualDestination {
    /// `destination`.
    #[serde(deserialize_with = "nullable")]
    pub destination: DestinationHost,
    /// `weight`; unset means all, where it is the only one.
    pub weight: Option<i64>,
}

/// `destination`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DestinationHost {
    /// `host`; a short name is a service of the namespace.
    pub host: String,
    /// `subset`, as a DestinationRule names it.
    pub subset: Option<String>,
    /// `port`.
    pub port: Option<DestinationPort>,
}

/// `destination.port`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DestinationPort {
    /// `number`.
    pub number: i64,
}

impl VirtualService {
    fn tidy(&mut self) {
        self.metadata.tidy();
    }
}

record!(
    VirtualService,
    Resource::namespaced("networking.istio.io", "v1", "VirtualService", "virtualservices")
        .or_older(&["v1beta1", "v1alpha3"]),
    "virtualservice/1",
    json
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn keeps_hosts_and_where_they_lead() {
        let text = r#"{"metadata":{"name":"reviews","namespace":"books"},
            "spec":{"hosts":["reviews.example.com"],"gateways":["infra/edge","mesh"],"exportTo":["."],
              "http":[{"name":"v2","match":[{"uri":{"prefix":"/wpcatalog"},"headers":{"end-user":{"exact":"j"}}},
                        {"uri":{"regex":"^/c.*"},"ignoreUriCase":true,"port":8080}],
                       "rewrite":{"uri":"/new"},"timeout":"5s","retries":{"attempts":3},
                       "route":[{"destination":{"host":"reviews","subset":"v2","port":{"number":80}},"weight":25},
                                {"destination":{"host":"reviews.books.svc.cluster.local"},"weight":75}]}],
              "tcp":null}}"#;
        let service = VirtualService::decode_json(&mut serde_json::Deserializer::from_str(text)).unwrap();
        let route = &service.spec.http[0];
        assert_eq!(route.r#match[0].uri.as_ref().unwrap().prefix.as_deref(), Some("/wpcatalog"));
        assert!(route.r#match[0].headers && !route.r#match[1].headers && route.rewrite && !route.redirect);
        assert_eq!(
            (route.route[0].weight, route.route[0].destination.subset.as_deref()),
            (Some(25), Some("v2"))
        );
        assert!(!service.spec.tcp && route.retries);
        assert_eq!(VirtualService::restore(&service.stored()).unwrap(), service);
    }
}
