//! Of which kinds the objects are that a route can be made of. What others report of objects is kept of these alone.

const PARTS: [(&str, &[&str]); 6] = [
    ("", &["Service", "Pod"]),
    ("networking.k8s.io", &["Ingress"]),
    ("extensions", &["Ingress"]),
    (super::GATEWAY_API, &["HTTPRoute", "GRPCRoute", "TLSRoute"]),
    ("networking.istio.io", &["VirtualService"]),
    ("traefik.io", &["IngressRoute"]),
];

/// Whether an object of this kind can be a part of a route; whatever its group, where nobody says that.
pub(super) fn is_part(group: Option<&str>, kind: &str) -> bool {
    PARTS.iter().any(|(of, kinds)| group.is_none_or(|group| group == *of) && kinds.contains(&kind))
}

/// The group of an `apiVersion`; `None` where that is empty.
pub(super) fn group(api_version: &str) -> Option<&str> {
    if api_version.is_empty() {
        return None;
    }
    Some(api_version.split_once('/').map_or("", |(group, _)| group))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_another_group_is_another_kind() {
        assert!(is_part(group("v1"), "Service") && is_part(group("networking.k8s.io/v1"), "Ingress"));
        assert!(!is_part(group("serving.knative.dev/v1"), "Service") && !is_part(group("v1"), "Ingress"));
        assert!(is_part(group(""), "Ingress"), "nobody says of which group");
        assert!(!is_part(group("apps/v1"), "Deployment") && !is_part(None, "Node"));
    }
}
