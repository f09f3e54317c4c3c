//! Istio's `VirtualService` (networking.istio.io/v1).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Resource;
use super::record::{Metadata, nullable, present, record};

/// What is kept of a virtual service: metadata, hosts, gateways, and what its HTTP routes match and lead to.
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
    /// Whether there is `directResponse`.
    #[serde(rename = "directResponse", deserialize_with = "present")]
    pub direct_response: bool,
    /// `delegate`: another virtual service goes on.
    pub delegate: Option<VirtualDelegate>,
    /// Whether there is `fault`: some requests are delayed, or refused, on purpose.
    #[serde(deserialize_with = "present")]
    pub fault: bool,
    /// `timeout`, such as `10s`.
    pub timeout: Option<String>,
    /// Whether there is `retries`.
    #[serde(deserialize_with = "present")]
    pub retries: bool,
}

/// `delegate`: the virtual service that goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct VirtualDelegate {
    /// `name`.
    pub name: String,
    /// `namespace`; unset means the virtual service's own.
    pub namespace: Option<String>,
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
    /// `ignoreUriCase`: whether `uri` is compared without regard to case.
    pub ignore_uri_case: bool,
    /// `scheme`.
    pub scheme: Option<StringMatch>,
    /// `headers`, by name; an empty test asks for nothing but that it is there.
    #[serde(deserialize_with = "nullable")]
    pub headers: BTreeMap<String, StringMatch>,
    /// `withoutHeaders`, by name: none of these may hold.
    #[serde(deserialize_with = "nullable")]
    pub without_headers: BTreeMap<String, StringMatch>,
    /// `queryParams`, by name.
    #[serde(deserialize_with = "nullable")]
    pub query_params: BTreeMap<String, StringMatch>,
    /// `gateways`: those of the virtual service's that this is for; empty means all of them.
    #[serde(deserialize_with = "nullable")]
    pub gateways: Vec<String>,
    /// Whether there is `sourceLabels`.
    #[serde(deserialize_with = "present")]
    pub source_labels: bool,
    /// `sourceNamespace`.
    #[serde(deserialize_with = "nullable")]
    pub source_namespace: String,
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
    "virtualservice/2",
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
              "http":[{"name":"v2","match":[{"uri":{"prefix":"/wpcatalog"},"headers":{"end-user":{"exact":"j"},"x":{}}},
                        {"uri":{"regex":"^/c.*"},"ignoreUriCase":true,"port":8080}],
                       "rewrite":{"uri":"/new"},"timeout":"5s","retries":{"attempts":3},
                       "route":[{"destination":{"host":"reviews","subset":"v2","port":{"number":80}},"weight":25},
                                {"destination":{"host":"reviews.books.svc.cluster.local"},"weight":75}]}],
              "tcp":null}}"#;
        let service = VirtualService::decode_json(&mut serde_json::Deserializer::from_str(text)).unwrap();
        let route = &service.spec.http[0];
        assert_eq!(route.r#match[0].uri.as_ref().unwrap().prefix.as_deref(), Some("/wpcatalog"));
        assert_eq!(route.r#match[0].headers["end-user"].exact.as_deref(), Some("j"));
        assert_eq!(route.r#match[0].headers["x"], StringMatch::default());
        assert!(route.r#match[1].headers.is_empty() && route.r#match[1].ignore_uri_case);
        assert!(route.rewrite && !route.redirect && !route.direct_response && route.delegate.is_none());
        assert_eq!(
            (route.route[0].weight, route.route[0].destination.subset.as_deref()),
            (Some(25), Some("v2"))
        );
        assert!(!service.spec.tcp && route.retries);
        assert_eq!(VirtualService::restore(&service.stored()).unwrap(), service);
    }
}
