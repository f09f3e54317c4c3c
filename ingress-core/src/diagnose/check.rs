//! The checks there are, by their codes.

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Something is worse than it should be, or will be.
    Warning,
    /// Requests fail.
    Critical,
}

impl Severity {
    /// The severity's name, as it stands in the HTTP API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A check. Its code, once released, never changes its meaning, and is never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// Its code, such as `ING004`: `docs/checks/ING004.md` explains it.
    pub code: &'static str,
    /// How bad it is, unless [`Settings::severities`](super::Settings::severities) or the circumstances say otherwise.
    pub severity: Severity,
    /// What it finds, in a few words.
    pub title: &'static str,
}

macro_rules! checks {
    ($($code:ident $severity:ident $title:literal)*) => {
        $(
            #[doc = $title]
            pub(crate) const $code: Check =
                Check { code: stringify!($code), severity: Severity::$severity, title: $title };
        )*
        /// Every check, in the order of families and codes.
        pub const CHECKS: &[Check] = &[$($code),*];
    };
}

checks! {
    ING001 Critical "no class is named, and there is no default one"
    ING002 Critical "the class that is named does not exist"
    ING003 Warning "more than one class is the default one"
    ING004 Critical "the backend's Service does not exist"
    ING005 Critical "the backend's port is no port of its Service"
    ING006 Critical "the backend's port is not given, or given twice"
    ING007 Info "a port by number where the Service names it"
    ING008 Critical "a backend names neither a Service nor a resource, or both"
    ING009 Warning "a load balancer tells of an error with a port"
    ING010 Warning "no address was published"
    ING011 Warning "the same host and path in more than one Ingress"
    ING012 Critical "the TLS Secret does not exist, or is of another type"
    ING013 Warning "hosts of TLS entries and of rules don't fit together"
    ING014 Critical "the path is not valid for its type"
    ING015 Info "a rule for every host"
    ING016 Warning "an annotation that its controller does not read, or not as it is meant"
    ING017 Critical "an API version that clusters no longer have"
    ING018 Warning "the issuer of the certificate does not exist, or two are named"
    ING019 Critical "an action of an AWS load balancer is missing, or can't be read"
    ING020 Warning "served by a controller that is retired"
    ING021 Warning "nothing shows that the class's controller runs"
    ING022 Info "the class's controller or an address changed lately"
    SVC001 Critical "the Service's selector matches no pod"
    SVC002 Critical "pods match, but none is ready"
    SVC003 Critical "no container declares the port that the Service targets by name"
    SVC004 Info "no container declares the port that the Service targets by number"
    SVC005 Info "the pods declare no ports at all"
    SVC006 Info "only one endpoint is ready"
    SVC007 Critical "the Service has no EndpointSlice"
    SVC008 Warning "a load balancer is pending"
    SVC009 Info "the Service is reached from outside, too"
    SVC010 Info "the Service's endpoints can't be verified"
    SVC011 Info "two Services say different things of one port of their pods"
    SVC012 Critical "all ready endpoints are terminating"
    SVC013 Info "recent warnings about the Service or its pods"
    SVC014 Info "the port contradicts the route's protocol"
    POD001 Critical "an image can't be pulled"
    POD002 Critical "a container crashes again and again"
    POD003 Critical "a pod can't be scheduled"
    POD004 Critical "a pod runs, but is not ready"
    POD005 Critical "a pod waits for an init container"
    POD006 Critical "a pod's node is not ready"
    POD007 Warning "a pod is stuck while it terminates"
    POD008 Critical "a pod lacks a ConfigMap or Secret that it needs"
    NET001 Critical "a NetworkPolicy lets nobody reach the pods"
    NET002 Info "a NetworkPolicy lets only some reach the pods"
    GWC001 Critical "the GatewayClass is not accepted"
    GWC002 Info "no Gateway is of this GatewayClass"
    GW001 Critical "the Gateway's class does not exist"
    GW002 Critical "a Gateway or its listener is not accepted, or not programmed"
    GW003 Critical "listeners that can't be told apart"
    GW004 Critical "a listener's certificate is missing or can't be used"
    GW005 Warning "one certificate on several Gateways of one address"
    GW006 Warning "a listener's port is no port of the Gateway's Service"
    GW007 Warning "the controller is made for another version of Gateway API"
    GW008 Critical "a certificate of another namespace, without a ReferenceGrant"
    GW009 Info "a policy applies"
    RT001 Critical "the route's parent does not exist"
    RT002 Critical "the route names a listener that does not exist"
    RT003 Critical "the listener does not admit the route"
    RT004 Critical "the route and its listeners have no host in common"
    RT005 Critical "the backend's Service does not exist"
    RT006 Critical "the backend's port is no port of its Service"
    RT007 Critical "a backend of another namespace, without a ReferenceGrant"
    RT008 Critical "the controller does not accept the route"
    RT009 Warning "a match that never gets a request"
    RT010 Critical "a regular expression can't be read"
    RT011 Critical "the Service whose requests the route is for does not exist"
    RT012 Critical "no backend of the rule gets requests"
    RT013 Critical "the rule can't be read"
    TLS001 Critical "the certificate is expired, or not yet valid"
    TLS002 Warning "the certificate expires soon"
    TLS003 Critical "the certificate is not for the host"
    TLS004 Critical "the certificate can't be read"
    TLS005 Info "a TLS entry names no Secret"
    TLS006 Warning "cert-manager has not got the certificate"
    TLS007 Warning "the certificate's issuer is missing, or not ready"
    TLS008 Warning "a certificate that clients refuse"
    TLS009 Info "the issuer's certificate is not in the Secret"
    OWN001 Warning "who brings the object about is suspended, fails or differs"
    POL001 Info "a policy is violated"
    TRC001 Info "a kind may not be read"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_within_their_family_and_none_comes_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for check in CHECKS {
            assert!(seen.insert(check.code), "{} comes twice", check.code);
        }
        for pair in CHECKS.windows(2) {
            let family = |check: &Check| check.code.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
            if family(&pair[0]) == family(&pair[1]) {
                assert!(pair[0].code < pair[1].code, "{} comes before {}", pair[0].code, pair[1].code);
            }
        }
    }
}
