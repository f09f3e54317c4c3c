//! Network policies, beyond what their fixtures show.

use super::*;

fn told(text: &str) -> (Verdict, Vec<(&'static str, Severity)>, String) {
    let (_, verdict, findings) = outcome(text);
    let causes = findings.iter().map(|finding| finding.cause.as_str()).collect();
    (verdict, findings.iter().map(|finding| (finding.code, finding.severity)).collect(), causes)
}

#[test]
fn a_policy_that_names_peers_leaves_the_verdict_as_it_is() {
    let (verdict, found, cause) = told(&fixture("NET002", "bad"));
    assert_eq!((verdict, found), (Verdict::Ok, vec![("NET002", Severity::Info)]));
    assert_eq!(
        cause,
        "Port 8080 of pod cart-1 is open to these only: all pods of namespaces with kubernetes.io/metadata.name=traefik."
    );
}

#[test]
fn a_policy_for_one_pod_of_two_takes_its_share() {
    let text =
        fixture("NET001", "bad").replacen("podSelector: {}", "podSelector: {matchLabels: {one: 'yes'}}", 2);
    assert_eq!(told(&text).0, Verdict::Ok, "it selects no pod");
    let text = text.replacen(
        "    app: cart\nspec:\n  nodeName",
        "    app: cart\n    one: 'yes'\nspec:\n  nodeName",
        1,
    );
    let (verdict, found, _) = told(&text);
    assert_eq!((verdict, found), (Verdict::Degraded, vec![("NET001", Severity::Warning)]));
}

#[test]
fn policies_that_may_not_be_read_are_unknown_and_those_of_manifests_go_without_saying() {
    let healthy = fixture("ING004", "good");
    let none: &[(&str, Severity)] = &[];
    for (why, verdict, found) in [
        ("denied", Verdict::Unknown, &[("TRC001", Severity::Info)][..]),
        ("offline", Verdict::Ok, none),
        ("not_installed", Verdict::Ok, none),
    ] {
        let (told, findings, _) = told(&format!("# unknown: NetworkPolicy {why}\n{healthy}"));
        assert_eq!((told, &findings[..]), (verdict, found), "{why}");
    }
}
