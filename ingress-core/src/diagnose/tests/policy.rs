//! What policy engines say of the objects of a route, beyond what the fixtures show.

use super::*;

fn told(text: &str) -> (Verdict, Vec<(String, Severity)>, Vec<Finding>) {
    let (_, verdict, findings) = outcome(text);
    let of = |finding: &Finding| (finding.object.to_string(), finding.severity);
    assert!(findings.iter().all(|finding| finding.code == "POL001"), "{findings:#?}");
    (verdict, findings.iter().map(of).collect(), findings)
}

fn report(kind: &str, metadata: &str, results: &str) -> String {
    let version = if kind.contains("Policy") { "wgpolicyk8s.io/v1alpha2" } else { "openreports.io/v1alpha1" };
    let good = fixture("ING004", "good");
    format!("{good}---\napiVersion: {version}\nkind: {kind}\nmetadata: {{{metadata}}}\nresults: {results}\n")
}

const PODS: &str = "[{policy: no-root, rule: user, result: fail, severity: SEVERITY, resources: [{apiVersion: v1, kind: Pod, namespace: shop, name: cart-1}, \
    {apiVersion: v1, kind: Pod, namespace: shop, name: cart-2}, {apiVersion: v1, kind: Pod, namespace: shop, name: other}]}]";

#[test]
fn a_policy_that_several_pods_violate_is_told_once() {
    for (severity, verdict, told_as) in [
        ("critical", Verdict::Degraded, Severity::Warning),
        ("high", Verdict::Degraded, Severity::Warning),
        ("medium", Verdict::Ok, Severity::Info),
        ("''", Verdict::Ok, Severity::Info),
    ] {
        let text = report("Report", "name: r, namespace: shop", &PODS.replace("SEVERITY", severity));
        let (seen, found, _) = told(&text);
        assert_eq!((seen, found), (verdict, vec![("Pod shop/cart-1".to_owned(), told_as)]), "{severity}");
    }
}

#[test]
fn reports_of_the_cluster_may_be_about_an_object_of_a_namespace() {
    let service = "[{policy: lb, result: fail, resources: [{kind: Service, namespace: shop, name: cart}]}, \
        {policy: lb2, result: error, message: timed out, severity: high, resources: [{kind: Service, namespace: shop, name: cart}]}, \
        {policy: lb, result: fail, resources: [{kind: Service, namespace: bank, name: cart}]}]";
    for kind in ["ClusterPolicyReport", "ClusterReport"] {
        let (verdict, found, findings) = told(&report(kind, "name: r", service));
        assert_eq!((verdict, found.len()), (Verdict::Ok, 2), "{findings:#?}");
        assert!(
            findings[0].cause.starts_with("Service shop/cart violates the policy lb, as "),
            "{findings:#?}"
        );
        assert!(findings[1].cause.starts_with(
            "Whether Service shop/cart meets the policy lb2 could not be found out (timed out)"
        ));
    }
}

#[test]
fn what_an_older_and_a_newer_report_say_is_told_once() {
    let result = "[{policy: require-labels, rule: check-team, result: fail, resources: [{kind: Ingress, namespace: shop, name: web}]}]";
    let newer = format!(
        "---\napiVersion: openreports.io/v1alpha1\nkind: Report\nmetadata: {{name: r, namespace: shop}}\nresults: {result}\n"
    );
    let (_, found, _) = told(&(report("PolicyReport", "name: p, namespace: shop", result) + &newer));
    assert_eq!(found, [("Ingress shop/web".to_owned(), Severity::Info)]);
}

#[test]
fn more_violations_than_are_worth_telling_are_counted() {
    let result = |at: usize| {
        format!(
            "{{policy: p{at:02}, result: fail, resources: [{{kind: Ingress, namespace: shop, name: web}}]}}"
        )
    };
    let results: Vec<String> = (0..25).map(result).collect();
    let text = report("PolicyReport", "name: p, namespace: shop", &format!("[{}]", results.join(", ")));
    let cluster = ClusterId::new("c").unwrap();
    let inventory = inventory(&cluster, &text);
    let diagnosis =
        diagnose_all(&inventory, &cluster, NOW.parse().unwrap(), &Settings::default()).remove(0).diagnosis;
    assert_eq!((diagnosis.verdict, diagnosis.findings.len()), (Verdict::Ok, 10));
    let step = diagnosis.steps.iter().find(|step| step.kind == StepKind::Route).unwrap();
    assert!(step.evidence.iter().any(|it| it == "Policy engines report 15 more."), "{:?}", step.evidence);
}

#[test]
fn what_gatekeeper_denies_weighs_more_than_what_it_warns_of() {
    for (action, verdict, severity) in [
        ("deny", Verdict::Degraded, Severity::Warning),
        ("''", Verdict::Degraded, Severity::Warning),
        ("warn", Verdict::Ok, Severity::Info),
        ("dryrun", Verdict::Ok, Severity::Info),
    ] {
        let text = format!(
            "{}---\napiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sRequiredLabels\nmetadata: {{name: team}}\n\
             spec: {{enforcementAction: {action}}}\nstatus: {{violations: [{{group: networking.k8s.io, version: v1, kind: Ingress, \
             namespace: shop, name: web, message: 'you must provide labels: team'}}]}}\n",
            fixture("ING004", "good")
        );
        let (seen, found, findings) = told(&text);
        assert_eq!((seen, found), (verdict, vec![("Ingress shop/web".to_owned(), severity)]), "{action}");
        assert!(findings[0].cause.contains("constraint K8sRequiredLabels team"), "{}", findings[0].cause);
    }
}

#[test]
fn engines_that_are_not_there_or_may_not_be_read_change_nothing() {
    let kinds = ["PolicyReport", "ClusterPolicyReport", "Report", "ClusterReport", "Constraint"];
    for why in ["denied", "not_installed", "offline"] {
        let unknown: String = kinds.iter().map(|kind| format!("# unknown: {kind} {why}\n")).collect();
        let (_, verdict, findings) = outcome(&(unknown + &fixture("ING004", "good")));
        assert_eq!((verdict, findings), (Verdict::Ok, Vec::new()), "{why}");
    }
}
