//! Annotations, beyond what their fixtures show.

use super::*;

fn told(text: &str) -> (Verdict, Vec<(&'static str, Severity)>) {
    let (_, verdict, findings) = outcome(text);
    (verdict, findings.iter().map(|finding| (finding.code, finding.severity)).collect())
}

fn with_annotations(code: &str, which: &str, annotations: &[(&str, &str)]) -> String {
    let lines: String = annotations.iter().map(|(key, value)| format!("    {key}: '{value}'\n")).collect();
    let before = "  name: web\n  namespace: shop\n";
    let text = fixture(code, which);
    assert!(text.contains(before));
    text.replacen(before, &format!("{before}  annotations:\n{lines}"), 1)
}

fn nginx(text: &str) -> String {
    text.replace("traefik.io/ingress-controller", "k8s.io/ingress-nginx")
}

/// But for what is said of that controller itself.
fn of_annotations(text: &str) -> Vec<(&'static str, Severity)> {
    let (_, mut found) = told(text);
    found.retain(|(code, _)| *code != "ING020");
    found
}

#[test]
fn an_annotation_contradicts_a_port_only_where_it_says_another_protocol() {
    let text = |protocol| {
        let annotation = [("nginx.ingress.kubernetes.io/backend-protocol", protocol)];
        nginx(&with_annotations("ING004", "good", &annotation))
    };
    assert_eq!(of_annotations(&text("HTTP")), []);
    assert_eq!(of_annotations(&text("HTTPS")), [("SVC014", Severity::Info)]);
}

#[test]
fn an_annotation_of_another_controller_matters_if_nobody_says_the_same() {
    let auth = ("nginx.ingress.kubernetes.io/auth-url", "https://auth.example.com");
    let size = ("nginx.ingress.kubernetes.io/proxy-body-size", "8m");
    let middleware = ("traefik.ingress.kubernetes.io/router.middlewares", "shop-auth@kubernetescrd");
    let severities = |annotations: &[(&str, &str)]| told(&with_annotations("ING004", "good", annotations)).1;
    assert_eq!(severities(&[auth]), [("ING016", Severity::Warning)]);
    assert_eq!(severities(&[size]), [("ING016", Severity::Info)]);
    assert_eq!(severities(&[auth, middleware]), [("ING016", Severity::Info)]);
    let others = with_annotations("ING004", "good", &[auth])
        .replace("traefik.io/ingress-controller", "example.com/edge");
    assert_eq!(told(&others), (Verdict::Ok, Vec::new()), "it may read whatever it likes");
}

#[test]
fn a_rewrite_needs_what_it_refers_to() {
    let rewrite = |target, path: &str, kind: &str| {
        let annotation = [("nginx.ingress.kubernetes.io/rewrite-target", target)];
        let text = nginx(&with_annotations("ING004", "good", &annotation));
        let place = "      - path: /\n        pathType: Prefix";
        assert!(text.contains(place));
        of_annotations(&text.replacen(place, &format!("      - path: {path}\n        pathType: {kind}"), 1))
    };
    assert_eq!(rewrite("/$2", "/api(/|$)(.*)", "ImplementationSpecific"), []);
    assert_eq!(rewrite("/$2", "/api", "ImplementationSpecific"), [("ING016", Severity::Warning)]);
    assert_eq!(rewrite("/", "/api", "Prefix"), [("ING016", Severity::Info)]);
    assert_eq!(rewrite("/", "/api", "Exact"), []);
}

#[test]
fn an_action_stands_for_a_service() {
    let (_, _, findings) = outcome(&fixture("ING019", "bad"));
    let found: Vec<_> = findings.iter().map(|finding| (finding.code, finding.field.as_deref())).collect();
    assert_eq!(found, [("ING019", Some("metadata.annotations[alb.ingress.kubernetes.io/actions.moved]"))]);
    let none = fixture("ING019", "good").replace("actions.moved", "actions.other");
    assert_eq!(told(&none), (Verdict::Broken, vec![("ING019", Severity::Critical)]));
}
