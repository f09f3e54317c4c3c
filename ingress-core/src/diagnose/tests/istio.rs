//! Routes of virtual services: never ok, since what lets requests in is not looked at, but what is broken is found.

use super::*;

/// A service with its pods, for routes of any sort.
pub(super) fn backend() -> String {
    let text = fixture("RT001", "good");
    let kinds = ["Service", "EndpointSlice", "Pod"];
    let is_of =
        |document: &&str| kinds.iter().any(|kind| document.contains(&format!("kind: {kind}\nmetadata:")));
    text.split("\n---\n").filter(is_of).collect::<Vec<_>>().join("\n---\n")
}

const HEALTHY: &str = "
  hosts: [shop.example.com]
  gateways: [infra/edge]
  http:
  - match: [{uri: {prefix: /old}}]
    redirect: {uri: /}
  - match: [{uri: {regex: '/cart/[0-9]+'}, headers: {x-v: {regex: '[12]'}}}]
    route: [{destination: {host: cart}}]
  - route: [{destination: {host: cart.shop.svc.cluster.local, port: {number: 80}}}]";

fn service(spec: &str) -> String {
    let head = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: web\n  namespace: shop\n  creationTimestamp: '2026-05-01T00:00:00Z'\nspec:";
    format!("{head}{spec}\n---\n{}", backend())
}

fn loud(spec: &str) -> (Verdict, Vec<&'static str>) {
    let (_, verdict, findings) = outcome(&service(spec));
    let loud = findings.iter().filter(|finding| finding.severity > Severity::Info);
    (verdict, loud.map(|finding| finding.code).collect())
}

fn assessed(spec: &str) -> Vec<Assessed> {
    let cluster = ClusterId::new("c").unwrap();
    diagnose_all(&inventory(&cluster, &service(spec)), &cluster, NOW.parse().unwrap(), &Settings::default())
}

#[test]
fn a_healthy_one_is_unknown_and_says_what_was_not_looked_at() {
    assert_eq!(loud(HEALTHY), (Verdict::Unknown, vec![]));
    for each in assessed(HEALTHY) {
        let unknown: Vec<_> =
            each.diagnosis.unknown().into_iter().map(|unknown| (unknown.kind, unknown.why)).collect();
        assert_eq!(unknown, [("networking.istio.io/Gateway", Why::NotWatched)]);
        let of = |kind| each.diagnosis.steps.iter().filter(move |step| step.kind == kind);
        assert!(of(StepKind::Pods).all(|step| step.state == Verdict::Ok));
    }
    let mesh = HEALTHY.replace("  gateways: [infra/edge]\n", "");
    assert_eq!(loud(&mesh), (Verdict::Unknown, vec![]));
}

#[test]
fn what_is_broken_is_found() {
    for (from, to, expected) in [
        ("host: cart}", "host: gone}", (Verdict::Broken, vec!["RT005"])),
        ("number: 80", "number: 81", (Verdict::Broken, vec!["RT006"])),
        ("[0-9]+'", "[0-9+'", (Verdict::Broken, vec!["RT010"])),
        ("'[12]'", "'(?=2)'", (Verdict::Broken, vec!["RT010"])),
        ("    redirect: {uri: /}", "    timeout: 1s", (Verdict::Broken, vec!["RT012"])),
        ("prefix: /old", "prefix: /", (Verdict::Unknown, vec!["RT009", "RT009"])),
        ("prefix: /old", "prefix: /car", (Verdict::Unknown, vec![])),
    ] {
        assert!(HEALTHY.contains(from), "{from}");
        assert_eq!(loud(&HEALTHY.replacen(from, to, 1)), expected, "{to}");
    }
}

#[test]
fn what_is_not_followed_is_unknown() {
    let unknown = |from: &str, to: &str| {
        let spec = HEALTHY.replace(from, to);
        assert_eq!(loud(&spec), (Verdict::Unknown, vec![]), "{to}");
        let all = assessed(&spec);
        all.iter()
            .flat_map(|each| each.diagnosis.unknown().into_iter().cloned())
            .map(|unknown| unknown.kind)
            .collect::<BTreeSet<_>>()
    };
    let gateway = "networking.istio.io/Gateway";
    assert_eq!(
        unknown("host: cart}", "host: cart, subset: v2}"),
        BTreeSet::from(["DestinationRule", gateway])
    );
    assert_eq!(unknown("host: cart}", "host: api.partner.com}"), BTreeSet::from(["backend", gateway]));
    assert_eq!(
        unknown("redirect: {uri: /}", "delegate: {name: more}"),
        BTreeSet::from(["VirtualService", gateway])
    );
    assert_eq!(
        unknown("redirect: {uri: /}", "redirect: {uri: /}\n    fault: {abort: {httpStatus: 500}}"),
        BTreeSet::from(["fault", gateway])
    );
    // Other namespaces need no leave.
    assert_eq!(unknown("host: cart}", "host: cart.shop}"), BTreeSet::from([gateway]));
}
