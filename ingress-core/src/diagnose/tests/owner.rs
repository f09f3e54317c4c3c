//! Who brings an object about, beyond what the fixtures show.

use super::*;

fn bad() -> String {
    fixture("OWN001", "bad")
}

fn diagnosis(text: &str, now: &str) -> Diagnosis {
    let cluster = ClusterId::new("c").unwrap();
    let inventory = inventory(&cluster, text);
    diagnose_all(&inventory, &cluster, now.parse().unwrap(), &Settings::default()).remove(0).diagnosis
}

/// The verdict, what is said of the owner, and what was seen of it.
fn told(text: &str) -> (Verdict, Option<Finding>, String) {
    let diagnosis = diagnosis(text, NOW);
    let step = diagnosis.steps.iter().find(|step| step.kind == StepKind::Route).unwrap();
    let mut own = diagnosis.findings.iter().filter(|finding| finding.code == "OWN001");
    let (finding, evidence) = (own.next().cloned(), step.evidence.join(" "));
    assert_eq!(own.next(), None, "{diagnosis:#?}");
    (diagnosis.verdict, finding, evidence)
}

/// The same cluster, where nobody answers.
fn broken(text: &str) -> String {
    text.replace("    ready: true\n", "    ready: false\n")
        .replace("    serving: true\n", "    serving: false\n")
}

fn without_kustomization(text: &str) -> String {
    let documents: Vec<&str> =
        text.split("\n---\n").filter(|document| !document.contains("kind: Kustomization")).collect();
    documents.join("\n---\n")
}

#[test]
fn an_owner_that_fails_is_louder_where_the_route_is_broken() {
    let (verdict, finding, _) = told(&bad());
    let finding = finding.unwrap();
    assert_eq!((verdict, finding.severity), (Verdict::Degraded, Severity::Warning));
    assert_eq!(finding.object.to_string(), "Kustomization flux-system/apps");
    assert!(
        finding.cause.contains("ReconciliationFailed: Deployment/shop/cart dry-run failed"),
        "{}",
        finding.cause
    );
    assert_eq!(finding.command, "kubectl -n flux-system get kustomization apps -o yaml");

    let (verdict, finding, _) = told(&broken(&bad()));
    assert_eq!((verdict, finding.unwrap().severity), (Verdict::Broken, Severity::Critical));
    let diagnosis = diagnosis(&broken(&bad()), NOW);
    assert_eq!(
        diagnosis.fault().map(|step| step.kind),
        Some(StepKind::Endpoints),
        "it is not what stops requests"
    );
}

#[test]
fn one_that_failed_a_moment_ago_may_be_in_order_a_moment_later() {
    let text = bad().replace("2026-05-31T00:00:00Z", "2026-05-31T23:58:00Z");
    let (verdict, finding, evidence) = told(&text);
    assert_eq!((verdict, finding), (Verdict::Ok, None));
    assert!(evidence.contains("It failed a moment ago."), "{evidence}");
    let until = diagnosis(&text, NOW).until.unwrap().to_string();
    assert_eq!(until, "2026-06-01T00:03:00Z");
    assert_eq!(diagnosis(&text, &until).verdict, Verdict::Degraded);
}

#[test]
fn whoever_is_suspended_on_purpose_alarms_nobody() {
    let suspended = fixture("OWN001", "good").replace("  prune: true\n", "  prune: true\n  suspend: true\n");
    let (verdict, finding, _) = told(&suspended);
    let finding = finding.unwrap();
    assert_eq!((verdict, finding.severity), (Verdict::Ok, Severity::Info));
    assert_eq!(finding.field.as_deref(), Some("spec.suspend"));
    let (verdict, finding, _) = told(&broken(&suspended));
    assert_eq!(
        (verdict, finding.unwrap().severity),
        (Verdict::Broken, Severity::Warning),
        "a fix may wait there"
    );
}

#[test]
fn a_change_that_its_controller_has_not_seen_is_told() {
    let changed = fixture("OWN001", "good").replace("  generation: 3\n", "  generation: 4\n");
    let (verdict, finding, _) = told(&changed);
    let finding = finding.unwrap();
    assert_eq!((verdict, finding.severity), (Verdict::Ok, Severity::Info));
    assert_eq!(finding.field.as_deref(), Some("status.observedGeneration"));
    // What it says of an older generation is not what it says of this one.
    let stale = bad().replace("  generation: 3\n", "  generation: 4\n");
    assert_eq!(told(&stale).1.unwrap().field.as_deref(), Some("status.observedGeneration"));
}

#[test]
fn an_owner_that_is_not_there_may_be_in_another_cluster() {
    let (verdict, finding, _) = told(&without_kustomization(&bad()));
    let finding = finding.unwrap();
    assert_eq!((verdict, finding.severity), (Verdict::Ok, Severity::Info));
    assert!(finding.cause.starts_with("There is no Kustomization flux-system/apps in this cluster"));
    for (why, says) in [("denied", "may not be read"), ("not_installed", "are not installed in this cluster")]
    {
        let (verdict, finding, evidence) =
            told(&format!("# unknown: Kustomization {why}\n{}", without_kustomization(&bad())));
        assert_eq!((verdict, finding), (Verdict::Ok, None), "{why}");
        assert!(evidence.contains(says), "{why}: {evidence}");
    }
}

#[test]
fn a_release_of_flux_is_an_owner_like_another() {
    let text = bad()
        .replace(
            "kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization",
            "helm.toolkit.fluxcd.io/v2\nkind: HelmRelease",
        )
        .replace("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")
        .replace("kustomize.toolkit.fluxcd.io/namespace", "helm.toolkit.fluxcd.io/namespace");
    assert_eq!(told(&text).1.unwrap().object.to_string(), "HelmRelease flux-system/apps");
}

#[test]
fn the_releases_of_helm_itself_are_not_read() {
    let labels = "  labels:\n    kustomize.toolkit.fluxcd.io/name: apps\n    kustomize.toolkit.fluxcd.io/namespace: flux-system\n";
    let helm =
        "  annotations:\n    meta.helm.sh/release-name: web\n    meta.helm.sh/release-namespace: shop\n";
    let (verdict, finding, evidence) = told(&without_kustomization(&bad()).replace(labels, helm));
    assert_eq!((verdict, finding), (Verdict::Ok, None));
    assert!(evidence.contains("The Helm release shop/web brings Ingress shop/web about"), "{evidence}");
}

/// The same cluster, brought about by Argo CD.
fn argo(metadata: &str, policy: &str, status: &str) -> String {
    let labels = "  labels:\n    kustomize.toolkit.fluxcd.io/name: apps\n    kustomize.toolkit.fluxcd.io/namespace: flux-system\n";
    let tracked =
        "  annotations:\n    argocd.argoproj.io/tracking-id: shop:networking.k8s.io/Ingress:shop/web\n";
    format!(
        "{}\n---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: shop, namespace: argocd{metadata}}}\n\
         spec: {{syncPolicy: {policy}}}\nstatus: {status}\n",
        without_kustomization(&bad()).replace(labels, tracked)
    )
}

const BY_ITSELF: &str = "{automated: {selfHeal: true}}";
const DIFFERS: &str = "{sync: {status: OutOfSync}, resources: [{group: networking.k8s.io, kind: Ingress, namespace: shop, name: web, status: OutOfSync}]}";

#[test]
fn an_application_of_argo_is_found_wherever_it_is() {
    let (verdict, finding, evidence) =
        told(&argo("", BY_ITSELF, "{sync: {status: Synced}, health: {status: Healthy}}"));
    assert_eq!((verdict, finding), (Verdict::Ok, None));
    assert!(
        evidence.contains("Application argocd/shop (Synced, Healthy) brings Ingress shop/web about."),
        "{evidence}"
    );
    let twice = argo("", BY_ITSELF, DIFFERS)
        + "---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: shop, namespace: other}\n";
    let (_, finding, evidence) = told(&twice);
    assert_eq!(finding, None);
    assert!(evidence.contains("there are 2 of this name"), "{evidence}");
}

#[test]
fn what_differs_from_git_is_told_with_what_becomes_of_it() {
    for (policy, says) in [
        (BY_ITSELF, "it will be made so again"),
        ("{automated: {}}", "with the next change in Git"),
        ("{automated: {enabled: false}}", "it stays so until somebody syncs it"),
        ("null", "it stays so until somebody syncs it"),
    ] {
        let (verdict, finding, _) = told(&argo("", policy, DIFFERS));
        let finding = finding.unwrap();
        assert_eq!((verdict, finding.severity), (Verdict::Ok, Severity::Info), "{policy}");
        assert!(finding.cause.contains(says), "{policy}: {}", finding.cause);
        assert_eq!(finding.command, "kubectl -n argocd get applications.argoproj.io shop -o yaml");
    }
    let other = DIFFERS.replace("name: web", "name: other");
    assert_eq!(told(&argo("", BY_ITSELF, &other)).1, None, "another object differs");
}

#[test]
fn an_application_that_fails_or_is_left_alone_says_so() {
    let failed = |sync: &str, at: &str| {
        let state =
            format!("{{phase: Failed, message: one or more objects failed to apply., finishedAt: '{at}'}}");
        argo("", BY_ITSELF, &format!("{{sync: {{status: {sync}}}, operationState: {state}}}"))
    };
    let (verdict, finding, _) = told(&failed("OutOfSync", "2026-05-31T00:00:00Z"));
    let finding = finding.unwrap();
    assert_eq!((verdict, finding.severity), (Verdict::Degraded, Severity::Warning));
    assert!(finding.cause.contains("(Failed: one or more objects failed to apply)"), "{}", finding.cause);
    assert_eq!(told(&failed("Synced", "2026-05-31T00:00:00Z")).1, None, "it was mended otherwise");
    assert_eq!(told(&failed("OutOfSync", "2026-05-31T23:59:00Z")).1, None, "it failed a moment ago");

    let error = "{conditions: [{type: ComparisonError, message: authentication required}]}";
    assert!(
        told(&argo("", BY_ITSELF, error))
            .1
            .unwrap()
            .cause
            .contains("ComparisonError: authentication required")
    );

    let skipped = ", annotations: {argocd.argoproj.io/skip-reconcile: 'true'}";
    let (verdict, finding, _) = told(&argo(skipped, BY_ITSELF, DIFFERS));
    assert_eq!((verdict, finding.unwrap().field.as_deref()), (Verdict::Ok, Some("metadata.annotations")));
}

#[test]
fn a_service_may_have_another_owner() {
    let text = fixture("OWN001", "good").replace(
        "  name: cart\n  namespace: shop\nspec:\n  type: ClusterIP",
        "  name: cart\n  namespace: shop\n  labels: {kustomize.toolkit.fluxcd.io/name: carts, kustomize.toolkit.fluxcd.io/namespace: flux-system}\n\
         spec:\n  type: ClusterIP",
    );
    let (_, finding, _) = told(&text);
    assert!(finding.unwrap().cause.contains("There is no Kustomization flux-system/carts"));
}
