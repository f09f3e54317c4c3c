//! Routes of ingress routes: never ok, since their entry points are in Traefik's own configuration, but what is broken is found.

use super::istio::backend;
use super::*;

const HEALTHY: &str = "
  entryPoints: [websecure]
  routes:
  - match: (Host(`shop.example.com`) || Host(`www.example.com`)) && PathPrefix(`/cart`)
    services: [{name: cart, port: http}]
  - match: HostRegexp(`^[a-z]+\\.example\\.com$`) && !ClientIP(`10.0.0.0/8`)
    priority: 1
    services: [{name: cart, port: 80}]";

fn route(spec: &str) -> String {
    let head = "apiVersion: traefik.io/v1alpha1\nkind: IngressRoute\nmetadata:\n  name: web\n  namespace: shop\nspec:";
    format!("{head}{spec}\n---\n{}", backend())
}

fn loud(text: &str) -> (Verdict, Vec<(&'static str, Severity)>) {
    let (_, verdict, findings) = outcome(text);
    let loud = findings.iter().filter(|finding| finding.severity > Severity::Info);
    (verdict, loud.map(|finding| (finding.code, finding.severity)).collect())
}

fn unknown(spec: &str) -> BTreeSet<&'static str> {
    let cluster = ClusterId::new("c").unwrap();
    let all = diagnose_all(
        &inventory(&cluster, &route(spec)),
        &cluster,
        NOW.parse().unwrap(),
        &Settings::default(),
    );
    all.iter()
        .flat_map(|each| each.diagnosis.unknown().into_iter().cloned())
        .map(|unknown| unknown.kind)
        .collect()
}

#[test]
fn a_healthy_one_is_unknown_and_says_what_was_not_looked_at() {
    assert_eq!(loud(&route(HEALTHY)), (Verdict::Unknown, vec![]));
    assert_eq!(unknown(HEALTHY), BTreeSet::from(["entryPoint"]));
    let tls = |tls: &str| format!("{HEALTHY}\n  tls: {tls}");
    assert_eq!(loud(&route(&tls("{certResolver: le}"))), (Verdict::Unknown, vec![]));
    assert_eq!(unknown(&tls("{certResolver: le}")), BTreeSet::from(["certificate", "entryPoint"]));
    assert_eq!(unknown(&tls("{}")), BTreeSet::from(["certificate", "entryPoint"]));
    let middleware = HEALTHY.replacen("    services", "    middlewares: [{name: strip}]\n    services", 1);
    assert_eq!(loud(&route(&middleware)), (Verdict::Unknown, vec![]));
    assert_eq!(unknown(&middleware), BTreeSet::from(["Middleware", "entryPoint"]));
    let internal = HEALTHY.replacen("name: cart, port: http", "name: api@internal, kind: TraefikService", 1);
    assert_eq!(loud(&route(&internal)), (Verdict::Unknown, vec![]));
    let nothing = HEALTHY.replacen("\n    services: [{name: cart, port: http}]", "", 1);
    assert_eq!(loud(&route(&nothing)), (Verdict::Unknown, vec![]));
}

#[test]
fn what_is_broken_is_found() {
    let broken = |code| (Verdict::Broken, vec![(code, Severity::Critical)]);
    for (from, to, code) in [
        ("name: cart, port: http", "name: gone, port: http", "RT005"),
        ("name: cart, port: http", "name: cart, port: web", "RT006"),
        ("name: cart, port: http", "name: cart", "RT006"),
        ("name: cart, port: http", "name: cart, port: http, weight: 0", "RT012"),
        ("`^[a-z]+", "`^[a-z+", "RT010"),
        ("PathPrefix(`/cart`)", "PathPrefix(`/cart`", "RT013"),
        ("PathPrefix(`/cart`)", "PathPrefix(`cart`)", "RT013"),
    ] {
        assert!(HEALTHY.contains(from), "{from}");
        assert_eq!(loud(&route(&HEALTHY.replacen(from, to, 1))), broken(code), "{to}");
    }
}

#[test]
fn a_certificate_that_is_amiss_need_not_stop_anybody() {
    let text = route(&format!("{HEALTHY}\n  tls: {{secretName: shop-tls}}"));
    // Traefik chooses among all that it has, and takes secrets of types that aren't watched.
    assert_eq!(loud(&text), (Verdict::Unknown, vec![("ING012", Severity::Warning)]));
    assert_eq!(loud(&format!("# unknown: Secret denied\n{text}")), (Verdict::Unknown, vec![]));
}
