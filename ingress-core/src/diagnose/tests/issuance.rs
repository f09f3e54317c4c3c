//! Certificates that cert-manager has not got: how far each of them came.

use super::*;

fn request(name: &str, revision: u32, condition: &str) -> String {
    format!(
        r#"---
apiVersion: cert-manager.io/v1
kind: CertificateRequest
metadata:
  name: {name}
  namespace: shop
  annotations: {{cert-manager.io/certificate-name: shop, cert-manager.io/certificate-revision: '{revision}'}}
  ownerReferences:
  - {{apiVersion: cert-manager.io/v1, kind: Certificate, name: shop, uid: u, controller: true}}
status:
  conditions:
  - {{type: Approved, status: 'True', reason: cert-manager.io}}
  - {condition}
"#
    )
}

fn order(name: &str, request: &str, status: &str) -> String {
    format!(
        r#"---
apiVersion: acme.cert-manager.io/v1
kind: Order
metadata:
  name: {name}
  namespace: shop
  ownerReferences:
  - {{apiVersion: cert-manager.io/v1, kind: CertificateRequest, name: {request}, uid: u, controller: true}}
status: {status}
"#
    )
}

fn challenge(name: &str, order: &str, of: &str, status: &str) -> String {
    format!(
        r#"---
apiVersion: acme.cert-manager.io/v1
kind: Challenge
metadata:
  name: {name}
  namespace: shop
  ownerReferences:
  - {{apiVersion: acme.cert-manager.io/v1, kind: Order, name: {order}, uid: u, controller: true}}
spec: {{dnsName: shop.example.com, type: {of}, token: T0KEN, key: T0KEN.thumb}}
status: {status}
"#
    )
}

const PENDING: &str = "{type: Ready, status: 'False', reason: Pending, message: Waiting on the order}";

/// The finding about the certificate, and what was seen of it.
fn found(unknown: &str, more: &[String]) -> (Finding, String) {
    let cluster = ClusterId::new("c").unwrap();
    let text = format!("{unknown}{}{}", fixture("TLS006", "bad"), more.concat());
    let inventory = inventory(&cluster, &text);
    let all = diagnose_all(&inventory, &cluster, NOW.parse().unwrap(), &Settings::default());
    let diagnosis = &all[0].diagnosis;
    assert_eq!(diagnosis.verdict, Verdict::Degraded);
    let step = diagnosis.steps.iter().find(|step| step.kind == StepKind::Tls).unwrap();
    let [finding] = &diagnosis.findings[..] else { panic!("{diagnosis:#?}") };
    assert_eq!((finding.code, finding.severity), ("TLS006", Severity::Warning));
    (finding.clone(), step.evidence.join(" "))
}

#[test]
fn the_deepest_link_that_failed_is_named() {
    let (finding, _) = found("", &[]);
    assert_eq!(finding.object.to_string(), "Certificate shop/shop");

    let requests = [request("shop-1", 1, "{type: Ready, status: 'True'}"), request("shop-2", 2, PENDING)];
    let (finding, _) = found("", &requests);
    assert_eq!(finding.object.to_string(), "CertificateRequest shop/shop-2");
    assert_eq!(finding.command, "kubectl -n shop get certificaterequest shop-2 -o yaml");

    let failed = "{state: errored, reason: 'Failed to create Order: 429 rate limited.'}";
    let (finding, _) = found("", &[requests.concat(), order("shop-2-7", "shop-2", failed)]);
    assert_eq!(
        finding.cause,
        "The certificate of Secret shop-tls is not ready: Order shop/shop-2-7 is errored (Failed to create Order: 429 rate limited)."
    );
    assert_eq!(finding.command, "kubectl -n shop get orders.acme.cert-manager.io shop-2-7 -o yaml");

    let orders = order("shop-2-7", "shop-2", "{state: pending}");
    let challenges = [
        challenge("shop-2-7-1", "shop-2-7", "DNS-01", "{state: valid, reason: Done}"),
        challenge("shop-2-7-2", "shop-2-7", "DNS-01", "{state: pending, reason: Waiting for propagation}"),
        challenge(
            "shop-2-7-3",
            "shop-2-7",
            "HTTP-01",
            "{state: invalid, reason: expected T0KEN.thumb but got 404}",
        ),
        challenge("other", "other-1", "HTTP-01", "{state: invalid, reason: of another order}"),
    ];
    let (finding, evidence) = found("", &[requests.concat(), orders.clone(), challenges.concat()]);
    assert_eq!(
        finding.cause,
        "The certificate of Secret shop-tls is not ready: Challenge shop/shop-2-7-3 (HTTP-01 for shop.example.com) is invalid \
         (expected […] but got 404)."
    );
    assert!(
        finding.action.contains("http://shop.example.com/.well-known/acme-challenge/"),
        "{}",
        finding.action
    );
    // Whole, it would show the key.
    assert_eq!(
        finding.command,
        "kubectl -n shop get challenges.acme.cert-manager.io shop-2-7-3 -o jsonpath='{.status}'"
    );
    assert!(!evidence.contains("not known"), "{evidence}");

    let (finding, _) = found("", &[requests.concat(), orders, challenges[..1].concat()]);
    assert_eq!(finding.object.to_string(), "Order shop/shop-2-7", "its challenges are done");
}

#[test]
fn a_request_that_was_denied_says_so() {
    let denied = "{type: Denied, status: 'True', reason: Policy, message: Not for this namespace.}";
    let (finding, _) = found("", &[request("shop-1", 1, denied)]);
    assert_eq!(
        finding.cause,
        "The certificate of Secret shop-tls is not ready: CertificateRequest shop/shop-1 was denied (Policy: Not for this namespace)."
    );
}

#[test]
fn what_may_not_be_read_ends_the_search_and_changes_nothing_else() {
    let all = [request("shop-1", 1, PENDING), order("shop-1-1", "shop-1", "{state: pending}")];
    for (kind, why, seen, last, says) in [
        ("CertificateRequest", "denied", 0, "Certificate shop/shop", "CertificateRequests may not be read."),
        (
            "Order",
            "not_installed",
            1,
            "CertificateRequest shop/shop-1",
            "Orders are not installed in this cluster.",
        ),
        ("Challenge", "offline", 2, "Order shop/shop-1-1", "Challenges are not among manifests."),
    ] {
        let (finding, evidence) = found(&format!("# unknown: {kind} {why}\n"), &all[..seen]);
        assert_eq!(finding.object.to_string(), last, "without {kind}");
        assert!(evidence.contains(says), "without {kind}: {evidence}");
    }
}
