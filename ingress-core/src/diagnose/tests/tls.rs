//! Certificates, beyond what their fixtures show.

use super::*;

/// Valid until 2026-06-05.
const NEARLY_OVER: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJaakNDQVF1Z0F3SUJBZ0lVWmJkWFErSnpZdjNvbFhxQlFVVTd6b2RRN0lvd0NnWUlLb1pJemowRUF3SXcKR3pFWk1CY0dBMVVFQXd3UWMyaHZjQzVsZUdGdGNHeGxMbU52YlRBZUZ3MHlOakF6TWpJd01EQXdNREJhRncweQpOakEyTURVd01EQXdNREJhTUJzeEdUQVhCZ05WQkFNTUVITm9iM0F1WlhoaGJYQnNaUzVqYjIwd1dUQVRCZ2NxCmhrak9QUUlCQmdncWhrak9QUU1CQndOQ0FBUWxNMTkvdEh0aitzZlhMVVhyaXZkODhTaklLckJTc1R0L3F5MHcKK0VDa2ZnZnAxMkJwSGVpcFBiMnJsYUsyZ3hLbVB5TndTbWgzNnFqQm5jeVdoQS9hb3kwd0t6QU1CZ05WSFJNQgpBZjhFQWpBQU1Cc0dBMVVkRVFRVU1CS0NFSE5vYjNBdVpYaGhiWEJzWlM1amIyMHdDZ1lJS29aSXpqMEVBd0lEClNRQXdSZ0loQU1WYlJRS0hUUHpQb0lld291WXA1ME9haVVtNVUxQndYZmcwWU4vSThQdTBBaUVBa3cxUHFoSlQKdW5RZWRvR1l4ZTRCWWliYTdZU0JwNEg5RVhLRjJFTjA3VVU9Ci0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K";

fn diagnosis(text: &str, now: &str) -> Diagnosis {
    let cluster = ClusterId::new("c").unwrap();
    let inventory = inventory(&cluster, text);
    diagnose_all(&inventory, &cluster, now.parse().unwrap(), &Settings::default()).remove(0).diagnosis
}

fn told(diagnosis: &Diagnosis) -> Vec<(&'static str, Severity)> {
    diagnosis.findings.iter().map(|finding| (finding.code, finding.severity)).collect()
}

#[test]
fn a_certificate_ages_without_any_event() {
    let good = fixture("TLS001", "good");
    let known = good.lines().find(|line| line.contains("tls.crt: ")).unwrap();
    let text = good.replace(known, &format!("  tls.crt: {NEARLY_OVER}"));
    let mut now = "2026-03-20T00:00:00Z".to_owned();
    let mut seen = Vec::new();
    // Each judgement says when the next one is due.
    loop {
        let diagnosis = diagnosis(&text, &now);
        seen.push((now, diagnosis.verdict, told(&diagnosis)));
        let Some(until) = diagnosis.until else { break };
        now = until.to_string();
    }
    let of = |at: &str, verdict, found: &[(&'static str, Severity)]| (at.to_owned(), verdict, found.to_vec());
    assert_eq!(
        seen,
        [
            of("2026-03-20T00:00:00Z", Verdict::Broken, &[("TLS001", Severity::Critical)]),
            of("2026-03-22T00:00:00Z", Verdict::Ok, &[]),
            of("2026-05-06T00:00:00Z", Verdict::Degraded, &[("TLS002", Severity::Warning)]),
            // However near the end is, requests are still answered.
            of("2026-05-29T00:00:00Z", Verdict::Degraded, &[("TLS002", Severity::Critical)]),
            of("2026-06-05T00:00:00Z", Verdict::Broken, &[("TLS001", Severity::Critical)]),
        ]
    );
}

#[test]
fn a_secret_that_was_not_seen_is_no_finding() {
    for why in ["denied", "not_installed", "offline"] {
        let diagnosis = diagnosis(&format!("# unknown: Secret {why}\n{}", fixture("ING012", "bad")), NOW);
        let rule: &[_] = if why == "denied" { &[("TRC001", Severity::Info)] } else { &[] };
        assert_eq!((diagnosis.verdict, &told(&diagnosis)[..]), (Verdict::Unknown, rule), "{why}");
        let step = diagnosis.steps.iter().find(|step| step.kind == StepKind::Tls).unwrap();
        assert_eq!(step.state, Verdict::Unknown, "{why}");
    }
}

#[test]
fn a_secret_of_another_type_is_none() {
    let text = fixture("ING012", "good").replace("kubernetes.io/tls", "Opaque");
    assert_eq!(told(&diagnosis(&text, NOW)), [("ING012", Severity::Critical)]);
    let text = fixture("GW004", "good").replace("kubernetes.io/tls", "Opaque");
    assert_eq!(told(&diagnosis(&text, NOW)), [("GW004", Severity::Critical)]);
}

#[test]
fn a_listener_has_its_certificate_looked_at() {
    let good = fixture("GW004", "good");
    let own = good.lines().find(|line| line.contains("tls.crt: ")).unwrap();
    for code in ["TLS001", "TLS003", "TLS004"] {
        let bad = fixture(code, "bad");
        let other = bad.lines().find(|line| line.contains("tls.crt: ")).unwrap();
        assert_eq!(told(&diagnosis(&good.replace(own, other), NOW)), [(code, Severity::Critical)]);
    }
}

#[test]
fn the_command_for_a_secret_shows_no_key() {
    let (_, _, findings) = outcome(&fixture("TLS001", "bad"));
    assert_eq!(findings[0].command, "kubectl -n shop describe secret shop-tls");
}

#[test]
fn what_a_backend_says_twice_is_told() {
    let good = fixture("ING004", "good");
    let twice =
        good.replace("              name: http\n", "              name: http\n              number: 80\n");
    assert_eq!(told(&diagnosis(&twice, NOW)), [("ING006", Severity::Critical)]);
    let resource =
        "          resource:\n            kind: Bucket\n            name: assets\n          service:\n";
    let both = good.replacen("          service:\n", resource, 1);
    assert_eq!(told(&diagnosis(&both, NOW)), [("ING008", Severity::Critical)]);
}
