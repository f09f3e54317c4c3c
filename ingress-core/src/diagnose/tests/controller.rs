//! Who serves a class, and what changed lately, beyond what the fixtures show.

use super::*;

fn told(text: &str) -> (Verdict, Vec<(&'static str, Severity)>) {
    let (_, verdict, findings) = outcome(text);
    (verdict, findings.iter().map(|finding| (finding.code, finding.severity)).collect())
}

#[test]
fn what_shows_a_controller_keeps_it_from_being_missed() {
    let bad = fixture("ING021", "bad");
    let codes = |text: &str| told(text).1.into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(codes(&bad), ["ING010", "ING021"]);
    let good = fixture("ING021", "good");
    let pod = good.split("\n---\n").find(|document| document.contains("namespace: traefik")).unwrap();
    assert_eq!(codes(&format!("{}\n---\n{pod}", bad.trim_end())), ["ING010"]);
    let ingress = good.split("\n---\n").find(|document| document.contains("kind: Ingress\n")).unwrap();
    let other = ingress.replace("name: web", "name: other").replace("shop.example.com", "other.example.com");
    assert_eq!(codes(&format!("{}\n---\n{other}", bad.trim_end())), ["ING010"]);
    let pods = bad.split("\n---\n").filter(|document| !document.contains("kind: Pod\n")).collect::<Vec<_>>();
    let unknown = format!("# unknown: Pod denied\n{}", pods.join("\n---\n"));
    assert!(!codes(&unknown).contains(&"ING021"));
    let outside = bad.replace("traefik.io/ingress-controller", "eks.amazonaws.com/alb");
    assert_eq!(codes(&outside), ["ING010"]);
}

#[test]
fn an_address_that_changed_is_told_with_the_one_before() {
    let good = fixture("ING004", "good");
    let ingress = good.split("\n---\n").find(|document| document.contains("kind: Ingress\n")).unwrap();
    let moved = format!("# later: 2026-05-31T23:10:00Z\n{}", ingress.replace("203.0.113.7", "203.0.113.8"));
    let (_, verdict, findings) = outcome(&format!("{}\n---\n{moved}", good.trim_end()));
    let [found] = &findings[..] else { panic!("{findings:#?}") };
    assert_eq!((verdict, found.code, found.severity), (Verdict::Ok, "ING022", Severity::Info));
    assert_eq!(
        found.cause,
        "Its address was 203.0.113.7 until 2026-05-31T23:10:00Z, and is 203.0.113.8 now."
    );
    let long_ago = moved.replace("2026-05-31T23:10:00Z", "2026-05-31T20:10:00Z");
    assert_eq!(told(&format!("{}\n---\n{long_ago}", good.trim_end())), (Verdict::Ok, Vec::new()));
}
