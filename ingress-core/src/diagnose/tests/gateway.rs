//! What the fixtures of Gateway API's checks don't show: several parents, what is not known, and what controllers have not said.

use super::*;

/// A route that works, with all that it needs.
fn healthy() -> String {
    fixture("RT001", "good")
}

/// The documents of a fixture, but for those of a kind.
fn without(text: &str, kind: &str) -> String {
    let documents = text.split("\n---\n");
    let others: Vec<&str> =
        documents.filter(|document| !document.contains(&format!("kind: {kind}\nmetadata:"))).collect();
    others.join("\n---\n")
}

fn loud(findings: &[Finding]) -> Vec<(&'static str, Severity)> {
    let loud = findings.iter().filter(|finding| finding.severity > Severity::Info);
    loud.map(|finding| (finding.code, finding.severity)).collect()
}

#[test]
fn what_was_not_seen_of_gateway_api_is_never_ok() {
    assert_eq!(outcome(&healthy()).1, Verdict::Ok);
    for kind in ["GatewayClass", "Gateway", "Service", "EndpointSlice", "Pod"] {
        for why in ["denied", "not_installed", "offline"] {
            let text = format!("# unknown: {kind} {why}\n{}", without(&healthy(), kind));
            let (_, verdict, findings) = outcome(&text);
            assert_eq!((verdict, loud(&findings)), (Verdict::Unknown, Vec::new()), "without {kind} ({why})");
        }
    }
    let text = format!("# unknown: Secret denied\n{}", without(&fixture("GW004", "good"), "Secret"));
    let (_, verdict, findings) = outcome(&text);
    assert_eq!((verdict, loud(&findings)), (Verdict::Unknown, Vec::new()), "without Secret");
    for (code, kind) in [("RT003", "Namespace"), ("RT007", "ReferenceGrant"), ("GW008", "ReferenceGrant")] {
        let text = format!("# unknown: {kind} denied\n{}", without(&fixture(code, "bad"), kind));
        let (_, verdict, findings) = outcome(&text);
        assert_eq!((verdict, loud(&findings)), (Verdict::Unknown, Vec::new()), "{code} without {kind}");
    }
}

#[test]
fn what_a_controller_has_not_said_of_this_generation_is_unknown() {
    let all = healthy();
    for (kind, old, new) in [
        ("HTTPRoute", "generation: 1", "generation: 2"),
        ("Gateway", "generation: 1", "generation: 2"),
        ("GatewayClass", "generation: 1", "generation: 2"),
    ] {
        let change = |document: &str| {
            let is_it = document.contains(&format!("kind: {kind}\nmetadata:"));
            if is_it { document.replacen(old, new, 1) } else { document.to_owned() }
        };
        let text: Vec<String> = all.split("\n---\n").map(change).collect();
        let (_, verdict, findings) = outcome(&text.join("\n---\n"));
        assert_eq!((verdict, loud(&findings)), (Verdict::Unknown, Vec::new()), "{kind}");
    }
}

#[test]
fn manifests_miss_no_conditions() {
    let manifest = |document: &str| {
        let gateway_api = document.starts_with("apiVersion: gateway.networking.k8s.io/");
        let end = if gateway_api { document.find("\nstatus:") } else { None };
        let text = document.get(..end.unwrap_or(document.len())).unwrap();
        text.replace("\n  creationTimestamp: '2026-05-01T00:00:00Z'", "")
    };
    let text: Vec<String> = healthy().split("\n---\n").map(manifest).collect();
    let (_, verdict, findings) = outcome(&text.join("\n---\n"));
    assert_eq!((verdict, loud(&findings)), (Verdict::Ok, Vec::new()));
}

#[test]
fn one_parent_of_two_that_fails_is_no_outage() {
    let ours = "  parentRefs:\n  - name: edge\n    namespace: infra\n";
    for other in [
        "  - name: gone\n    namespace: infra\n",
        "  - name: edge\n    namespace: infra\n    sectionName: gone\n",
    ] {
        let text = healthy().replace(ours, &format!("{ours}{other}"));
        let (_, verdict, findings) = outcome(&text);
        let told = loud(&findings);
        assert!(
            verdict == Verdict::Degraded && told.len() == 1 && told[0].1 == Severity::Warning,
            "{told:?}"
        );
    }
}

#[test]
fn a_cause_that_is_found_is_told_once() {
    let said = "    - type: ResolvedRefs\n      status: 'True'\n      observedGeneration: 1\n      reason: ResolvedRefs";
    let refused =
        said.replace("'True'", "'False'").replace("reason: ResolvedRefs", "reason: BackendNotFound");
    let missing = fixture("RT005", "bad");
    assert!(missing.contains(said));
    assert_eq!(loud(&outcome(&missing.replace(said, &refused)).2), [("RT005", Severity::Critical)]);
    // Where nothing of it can be seen from here, the controller is believed.
    let (_, verdict, findings) = outcome(&healthy().replace(said, &refused));
    assert_eq!((verdict, loud(&findings)), (Verdict::Broken, vec![("RT008", Severity::Critical)]));
}

#[test]
fn a_gateway_without_routes_is_checked_by_itself() {
    let text = without(&fixture("GW001", "bad"), "HTTPRoute");
    assert_eq!(loud(&outcome(&text).2), [("GW001", Severity::Critical)]);
}

#[test]
fn one_listener_of_two_that_fails_is_no_outage() {
    // Two listeners for the route, of which the controller has programmed one.
    let both = fixture("GW003", "good").replace("hostname: blog.example.com", "hostname: '*.example.com'");
    assert_eq!(outcome(&both).1, Verdict::Ok);
    let status = "- name: web\n    attachedRoutes";
    let (before, web) = both.split_once(status).unwrap();
    let programmed = "- type: Programmed\n      status: 'True'";
    let web = web.replacen(programmed, &programmed.replace("'True'", "'False'"), 1);
    let (_, verdict, findings) = outcome(&format!("{before}{status}{web}"));
    assert_eq!((verdict, loud(&findings)), (Verdict::Degraded, vec![("GW002", Severity::Warning)]));
}
