//! Routes that choose by the name that a client asks for while the connection begins.

use super::*;

/// A route that works, at a listener that passes TLS through, with all that it needs.
fn healthy() -> String {
    let text = fixture("RT001", "good");
    let changes = [
        (
            "    port: 80\n    protocol: HTTP\n",
            "    port: 443\n    protocol: TLS\n    tls:\n      mode: Passthrough\n",
        ),
        ("kind: HTTPRoute\nmetadata", "kind: TLSRoute\nmetadata"),
        (
            "  - matches:\n    - path:\n        type: PathPrefix\n        value: /\n    backendRefs:",
            "  - backendRefs:",
        ),
    ];
    changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "no {from:?}");
        text.replace(from, to)
    })
}

fn loud(text: &str) -> (Verdict, Vec<&'static str>) {
    let (_, verdict, findings) = outcome(text);
    let loud = findings.iter().filter(|finding| finding.severity > Severity::Info);
    (verdict, loud.map(|finding| finding.code).collect())
}

#[test]
fn what_is_passed_through_is_not_looked_at_and_said_so() {
    assert_eq!(loud(&healthy()), (Verdict::Ok, vec![]));
    let cluster = ClusterId::new("c").unwrap();
    let all =
        diagnose_all(&inventory(&cluster, &healthy()), &cluster, NOW.parse().unwrap(), &Settings::default());
    let tls = all[0].diagnosis.steps.iter().find(|step| step.kind == StepKind::Tls).unwrap();
    assert_eq!(
        tls.evidence,
        [
            "The listener http passes TLS through: the backend has to have the certificate, which is not looked at."
        ]
    );
    // A listener that ends TLS needs a certificate.
    assert_eq!(
        loud(&healthy().replace("mode: Passthrough", "mode: Terminate")),
        (Verdict::Broken, vec!["GW004"])
    );
}

#[test]
fn the_checks_of_gateway_api_apply() {
    let healthy = healthy();
    for (from, to, code) in [
        ("protocol: TLS\n    tls:\n      mode: Passthrough", "protocol: HTTP", "RT003"),
        ("    protocol: TLS\n", "    protocol: TLS\n    hostname: other.example.com\n", "RT004"),
        ("  parentRefs:\n  - name: edge\n", "  parentRefs:\n  - name: gone\n", "RT001"),
        (
            "    namespace: infra\n  hostnames",
            "    namespace: infra\n    sectionName: gone\n  hostnames",
            "RT002",
        ),
        ("    - name: cart\n      port: 80", "    - name: gone\n      port: 80", "RT005"),
        ("    - name: cart\n      port: 80", "    - name: cart\n      port: 81", "RT006"),
        (
            "    - name: cart\n      port: 80",
            "    - name: cart\n      namespace: infra\n      port: 80",
            "RT007",
        ),
        ("    - name: cart\n      port: 80", "    - name: cart\n      port: 80\n      weight: 0", "RT012"),
    ] {
        assert!(healthy.contains(from), "{code}");
        assert_eq!(loud(&healthy.replace(from, to)), (Verdict::Broken, vec![code]), "{code}");
    }
    let route = healthy.split("\n---\n").find(|document| document.contains("kind: TLSRoute")).unwrap();
    let younger = route.replace("  name: cart\n  namespace: shop", "  name: later\n  namespace: shop");
    assert_eq!(loud(&format!("{healthy}\n---\n{younger}")), (Verdict::Degraded, vec!["RT009"]));
}

#[test]
fn what_was_not_seen_is_never_ok() {
    for kind in ["GatewayClass", "Gateway", "Service", "EndpointSlice", "Pod"] {
        let documents: Vec<String> = healthy()
            .split("\n---\n")
            .filter(|document| !document.contains(&format!("kind: {kind}\nmetadata:")))
            .map(str::to_owned)
            .collect();
        let text = format!("# unknown: {kind} denied\n{}", documents.join("\n---\n"));
        assert_eq!(loud(&text), (Verdict::Unknown, vec![]), "without {kind}");
    }
}
