//! By what the kinds of Gateway API, and those of single gateways, are found.

use std::collections::BTreeSet;

use super::{Indexed, Tag};
use crate::kind::{
    BackendTlsPolicy, BackendTrafficPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, HttpRouteMatch,
    IngressRoute, ParentRef, PolicyTargetRef, ReferenceGrant, Service, TlsRoute, VirtualService,
};
use crate::route::attach::Common;
use crate::route::gateway_api::http_path;

impl Tag {
    /// The object to which a route is attached, such as a `Gateway`.
    #[must_use]
    pub fn parent(kind: &str, namespace: &str, name: &str) -> Self {
        Self::new("parent", &format!("{kind}/{namespace}/{name}"))
    }

    /// The object of the policy's own namespace that a policy is for.
    #[must_use]
    pub fn target(kind: &str, name: &str) -> Self {
        Self::new("target", &format!("{kind}/{name}"))
    }

    /// The class of a gateway.
    #[must_use]
    pub fn class(name: &str) -> Self {
        Self::new("class", name)
    }

    /// The gateway whose requests a service receives.
    #[must_use]
    pub fn gateway(namespace: &str, name: &str) -> Self {
        Self::new("gateway", &format!("{namespace}/{name}"))
    }

    /// The secret with a listener's certificate.
    #[must_use]
    pub fn certificate(namespace: &str, secret: &str) -> Self {
        Self::new("certificate", &format!("{namespace}/{secret}"))
    }
}

/// Hands out each tag once.
fn each_once(tags: impl Iterator<Item = Tag>, each: &mut dyn FnMut(Tag)) {
    tags.collect::<BTreeSet<_>>().into_iter().for_each(each);
}

fn of_route(own: &str, hosts: &[String], parents: &[ParentRef], each: &mut dyn FnMut(Tag)) {
    let any = hosts.is_empty().then(|| Tag::host(""));
    let hosts = hosts.iter().map(|host| Tag::host(host)).chain(any);
    let parents =
        parents.iter().map(|parent| Tag::parent(parent.kind(), parent.namespace(own), &parent.name));
    each_once(hosts.chain(parents), each);
}

macro_rules! routes {
    ($($kind:ident)*) => {
        $(
            /// Found by host (`*` labels as written, empty for every host) and by parent, in the whole cluster.
            impl Indexed for $kind {
                but_for_revision!();

                const SCOPED: bool = false;

                fn tags(&self, each: &mut dyn FnMut(Tag)) {
                    of_route(&self.metadata.namespace, &self.spec.hostnames, &self.spec.parent_refs, each);
                }
            }
        )*
    };
}

routes! { GrpcRoute TlsRoute }

/// Found like the other routes, and by what it claims: each of its host names with each of its paths.
impl Indexed for HttpRoute {
    but_for_revision!();

    const SCOPED: bool = false;

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        let every = [HttpRouteMatch::default()];
        let mut claims = BTreeSet::new();
        for rule in &self.spec.rules {
            let matches = if rule.matches.is_empty() { &every } else { rule.matches.as_slice() };
            for path in matches.iter().map(http_path) {
                claims.extend(Common::from(self).hosts().iter().map(|host| Tag::claim(host, &path)));
            }
        }
        of_route(&self.metadata.namespace, &self.spec.hostnames, &self.spec.parent_refs, each);
        claims.into_iter().for_each(each);
    }
}

/// The gateway whose requests a service receives, by the labels that controllers set: Gateway API's own, where the service is in the gateway's
/// namespace, and Envoy Gateway's, where it is not.
pub(super) fn served_gateway(service: &Service) -> Option<Tag> {
    let label = |key: &str| service.metadata.labels.get(key).map(String::as_str);
    if let Some(name) = label("gateway.networking.k8s.io/gateway-name") {
        return Some(Tag::gateway(&service.metadata.namespace, name));
    }
    let namespace = label("gateway.envoyproxy.io/owning-gateway-namespace")?;
    Some(Tag::gateway(namespace, label("gateway.envoyproxy.io/owning-gateway-name")?))
}

impl Indexed for GatewayClass {
    but_for_revision!();
}

/// Of the whole cluster: a class and a certificate are used from everywhere.
impl Indexed for Gateway {
    but_for_revision!();

    const SCOPED: bool = false;

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        let listeners = self.spec.listeners.iter().filter_map(|listener| listener.tls.as_ref());
        let secrets = listeners.flat_map(|tls| &tls.certificate_refs).filter(|secret| secret.is_secret());
        let own = self.metadata.namespace.as_str();
        let secrets = secrets.map(|secret| Tag::certificate(secret.namespace(own), &secret.name));
        each_once(secrets.chain([Tag::class(&self.spec.gateway_class_name)]), each);
    }

    /// Its addresses, which DNS records follow.
    fn face(&self) -> Option<String> {
        let addresses: Vec<&str> =
            self.status.addresses.iter().map(|address| address.value.as_str()).collect();
        Some(addresses.join(", ")).filter(|addresses| !addresses.is_empty())
    }
}

/// Looked for by namespace: there are few in each.
impl Indexed for ReferenceGrant {
    but_for_revision!();
}

fn of_policy<'a>(targets: impl Iterator<Item = &'a PolicyTargetRef>, each: &mut dyn FnMut(Tag)) {
    each_once(targets.map(|target| Tag::target(&target.kind, &target.name)), each);
}

impl Indexed for BackendTlsPolicy {
    but_for_revision!();

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        of_policy(self.spec.target_refs.iter(), each);
    }
}

/// Those that choose their targets by labels have the tag of no target, and are looked for by namespace.
impl Indexed for BackendTrafficPolicy {
    but_for_revision!();

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        of_policy(self.targets(), each);
    }
}

impl Indexed for VirtualService {
    but_for_revision!();

    const SCOPED: bool = false;

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        each_once(self.spec.hosts.iter().map(|host| Tag::host(host)), each);
    }
}

impl Indexed for IngressRoute {
    but_for_revision!();

    const SCOPED: bool = false;

    fn tags(&self, each: &mut dyn FnMut(Tag)) {
        each_once(self.hosts().iter().map(|host| Tag::host(host)), each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{HostPattern, PathMatch};

    fn tags<K: Indexed>(json: &str) -> Vec<Tag> {
        let object = K::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
        let mut tags = Vec::new();
        object.tags(&mut |tag| tags.push(tag));
        tags.sort();
        tags
    }

    fn sorted(mut tags: Vec<Tag>) -> Vec<Tag> {
        tags.sort();
        tags
    }

    #[test]
    fn routes_are_found_by_host_and_parent() {
        let found = tags::<HttpRoute>(
            r#"{"metadata":{"name":"r","namespace":"shop"},"spec":{"hostnames":["Shop.example.com","*.example.com"],
                "parentRefs":[{"name":"own"},{"name":"edge","namespace":"infra","sectionName":"a"},
                  {"name":"edge","namespace":"infra","sectionName":"b"},{"group":"","kind":"Service","name":"cart"}],
                "rules":[{"matches":[{"path":{"type":"Exact","value":"/a"}}]}]}}"#,
        );
        let path = PathMatch::Exact("/a".into());
        assert_eq!(
            found,
            sorted(vec![
                Tag::claim(&HostPattern::of_gateway(Some("*.example.com")), &path),
                Tag::claim(&HostPattern::of_gateway(Some("shop.example.com")), &path),
                Tag::host("*.example.com"),
                Tag::host("shop.example.com"),
                Tag::parent("Gateway", "infra", "edge"),
                Tag::parent("Gateway", "shop", "own"),
                Tag::parent("Service", "shop", "cart"),
            ])
        );
        assert_eq!(tags::<TlsRoute>(r#"{"metadata":{"name":"r","namespace":"shop"}}"#), [Tag::host("")]);
    }

    #[test]
    fn gateways_are_found_by_class_and_certificate() {
        let found = tags::<Gateway>(
            r#"{"metadata":{"name":"edge","namespace":"infra"},"spec":{"gatewayClassName":"eg","listeners":[
                {"name":"a","tls":{"certificateRefs":[{"name":"own"},{"name":"web","namespace":"shop"}]}},
                {"name":"b","tls":{"certificateRefs":[{"name":"own"},{"group":"x.io","kind":"Cert","name":"other"}]}}]}}"#,
        );
        let certificates = [Tag::certificate("infra", "own"), Tag::certificate("shop", "web")];
        assert_eq!(found, sorted([certificates.to_vec(), vec![Tag::class("eg")]].concat()));
    }

    #[test]
    fn policies_are_found_by_target() {
        let both = r#"{"metadata":{"name":"p","namespace":"shop"},"spec":{"targetRef":{"kind":"Gateway","name":"edge"},
            "targetRefs":[{"group":"","kind":"Service","name":"cart","sectionName":"https"}]}}"#;
        assert_eq!(tags::<BackendTlsPolicy>(both), [Tag::target("Service", "cart")]);
        assert_eq!(
            tags::<BackendTrafficPolicy>(both),
            sorted(vec![Tag::target("Gateway", "edge"), Tag::target("Service", "cart")])
        );
    }
}
