//! Services, events and issuers, beyond what their fixtures show.

use super::*;

fn told(text: &str) -> (Verdict, Vec<(&'static str, Severity)>) {
    let (_, verdict, findings) = outcome(text);
    (verdict, findings.iter().map(|finding| (finding.code, finding.severity)).collect())
}

#[test]
fn what_was_warned_of_is_told_until_it_is_old() {
    let cluster = ClusterId::new("c").unwrap();
    let inventory = inventory(&cluster, &fixture("SVC013", "bad"));
    let all = diagnose_all(&inventory, &cluster, NOW.parse().unwrap(), &Settings::default());
    let until = all[0].diagnosis.until;
    assert_eq!(until, Some("2026-06-01T00:45:00Z".parse().unwrap()));
    let later = diagnose_all(&inventory, &cluster, until.unwrap(), &Settings::default());
    assert!(later[0].diagnosis.findings.is_empty(), "{later:#?}");
}

#[test]
fn a_warning_explains_a_pod_that_is_not_ready() {
    let events = fixture("SVC013", "bad");
    let event = events.split("\n---\n").find(|document| document.contains("kind: Event")).unwrap();
    let text = format!("{}\n---\n{event}", fixture("POD002", "bad"));
    let (verdict, found) = told(&text);
    assert_eq!(verdict, Verdict::Broken);
    assert!(found.contains(&("SVC013", Severity::Warning)), "{found:?}");
}

#[test]
fn a_backends_own_load_balancer_is_no_reason_to_worry() {
    let text = fixture("SVC009", "bad").replace(
        "  name: cart\n  namespace: shop\nspec:\n  type: LoadBalancer",
        "  name: cart\n  namespace: shop\n  creationTimestamp: '2026-05-01T00:00:00Z'\nspec:\n  type: LoadBalancer",
    );
    let pending =
        text.replace("  loadBalancer:\n    ingress:\n    - ip: 203.0.113.9\n", "  loadBalancer: {}\n");
    let (verdict, found) = told(&pending);
    assert_eq!(verdict, Verdict::Ok);
    assert!(found.contains(&("SVC008", Severity::Info)), "{found:?}");
}

#[test]
fn a_port_for_datagrams_is_no_backend() {
    let text = fixture("ING004", "good").replacen(
        "    protocol: TCP\n    port: 80",
        "    protocol: UDP\n    port: 80",
        1,
    );
    let (verdict, found) = told(&text);
    assert_eq!((verdict, found), (Verdict::Degraded, vec![("SVC014", Severity::Warning)]));
}

#[test]
fn an_issuer_is_missing_where_its_kind_is() {
    let bad = fixture("ING018", "bad");
    assert!(!bad.contains("kind: ClusterIssuer"));
    let of = |why: &str| told(&format!("# unknown: ClusterIssuer {why}\n{bad}"));
    assert_eq!(of("not_installed"), (Verdict::Degraded, vec![("ING018", Severity::Warning)]));
    assert_eq!(of("denied"), (Verdict::Unknown, vec![("TRC001", Severity::Info)]));
    let both = bad.replace(
        "    cert-manager.io/cluster-issuer: letsencrypt\n",
        "    cert-manager.io/cluster-issuer: letsencrypt\n    cert-manager.io/issuer: ours\n",
    );
    assert_eq!(told(&both), (Verdict::Degraded, vec![("ING018", Severity::Warning)]));
}
