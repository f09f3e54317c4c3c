//! Each check against its fixtures, in `tests/checks/CODE/{bad,good}.yaml`: the bad one has the finding, the good one, which is the bad one
//! mended, has not, and the verdict is another.
//!
//! The cluster is taken to be known completely. A line `# unknown: Pod denied` says that a kind is not. A document with a line
//! `# later: 2026-05-31T23:30:00Z` came to the cluster at that time, in place of what was there under its name. One of a version that clusters no
//! longer have is not in the cluster, and told of as `lint` tells it.

use super::*;
use crate::inventory::{Held, Knowledge, Removed, Touched, Why, every_kind};
use crate::key::ObjectKey;
use crate::kind::*;
use crate::manifest::{Manifests, Options};
use crate::store::Change;

const NOW: &str = "2026-06-01T00:00:00Z";

fn folder(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// What of a fixture no cluster takes any more.
fn removed(cluster: &ClusterId, text: &str) -> Vec<Removed> {
    let manifests = Manifests::parse("fixture.yaml", text, &Options::default());
    Inventory::new().take(cluster, &manifests.documents).removed
}

/// Sets an object in place of another one, as a watch tells it.
fn replace<K: Held>(inventory: &mut Inventory, cluster: &ClusterId, object: K, at: Timestamp) {
    let key = ObjectKey::new(cluster.clone(), object.namespace(), object.name());
    let old = inventory.object::<K>(&key).expect("it is there already").clone();
    let mut touched = Touched::default();
    touched.at(at);
    inventory.apply(&Change::Modified { key, old, new: object.into() }, &mut touched);
}

/// Whether a document is of this kind.
fn is<K: Kind>(value: &serde_json::Value) -> bool {
    let of = K::resource();
    let group = value["apiVersion"].as_str().unwrap().split_once('/').map_or("", |(group, _)| group);
    of.group == group && (of.whole_group || value["kind"].as_str() == Some(&*of.kind))
}

/// Reads a fixture. Its documents are what the cluster has.
fn inventory(cluster: &ClusterId, text: &str) -> Inventory {
    let mut inventory = Inventory::new();
    let unknown: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# unknown: "))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    macro_rules! know {
        ($kind:ident) => {
            let why =
                unknown.iter().find(|(kind, _)| *kind == <$kind as Held>::NAME).map(|(_, why)| match *why {
                    "denied" => Why::Denied,
                    "not_installed" => Why::NotInstalled,
                    "offline" => Why::Offline,
                    other => panic!("no such reason: {other}"),
                });
            inventory.know::<$kind>(cluster, why.map_or(Knowledge::Live, Knowledge::None));
        };
    }
    every_kind!(know);
    let removed = removed(cluster, text);
    for document in text.split("\n---\n") {
        let value: serde_json::Value = serde_saphyr::from_str(document).unwrap();
        let kind = value["kind"].as_str().unwrap().to_owned();
        let later = document.lines().find_map(|line| line.strip_prefix("# later: "));
        let same = |gone: &Removed| gone.id.kind == kind && value["apiVersion"] == gone.api_version.as_str();
        if removed.iter().any(same) {
            continue;
        }
        let mut read = false;
        macro_rules! read {
            ($kind:ident) => {
                if is::<$kind>(&value) {
                    // Through text: some decoders borrow from it.
                    let json = value.to_string();
                    let object = $kind::decode_json(&mut serde_json::Deserializer::from_str(&json)).unwrap();
                    match later {
                        Some(at) => replace(&mut inventory, cluster, object, at.parse().unwrap()),
                        None => inventory.insert(cluster, object),
                    }
                    read = true;
                }
            };
        }
        every_kind!(read);
        assert!(read, "no inventory holds {kind}");
    }
    inventory
}

/// May read all but one kind.
#[derive(Debug)]
struct AllBut(&'static str);

impl MayRead for AllBut {
    fn may_read(&self, _: &ClusterId, kind: &'static str, _: Option<&str>) -> bool {
        kind != self.0
    }
}

#[test]
fn what_may_not_be_read_makes_nothing_certain_that_is_not() {
    let (cluster, settings) = (ClusterId::new("c").unwrap(), Settings::default());
    let now: Timestamp = NOW.parse().unwrap();
    let mut told = 0;
    for fixture in std::fs::read_dir(folder("tests/checks")).unwrap() {
        for name in ["bad.yaml", "good.yaml"] {
            let path = fixture.as_ref().unwrap().path().join(name);
            let inventory = inventory(&cluster, &std::fs::read_to_string(&path).unwrap());
            let whole = diagnose_all(&inventory, &cluster, now, &settings);
            for kind in crate::inventory::kinds() {
                for part in diagnose_all_for(&inventory, &cluster, now, &settings, &AllBut(kind)) {
                    let all = whole.iter().find(|all| all.route.id == part.route.id).unwrap();
                    let (part, all) = (&part.diagnosis, &all.diagnosis);
                    // Whoever is told that it works, or that it doesn't, is told what whoever sees everything is told.
                    let certain = matches!(part.verdict, Verdict::Ok | Verdict::Broken);
                    assert!(
                        !certain || part.verdict == all.verdict,
                        "{path:?} without {kind}: {part:#?} {all:#?}"
                    );
                    assert!(
                        part.findings.iter().all(|finding| finding.object.kind != kind),
                        "{path:?}: {part:#?}"
                    );
                    told += usize::from(part.unknown().iter().any(|unknown| unknown.why == Why::Forbidden));
                }
            }
        }
    }
    assert!(told > 100, "{told}");
}

/// The codes that are found, and the worst verdict.
fn outcome(text: &str) -> (BTreeSet<&'static str>, Verdict, Vec<Finding>) {
    let cluster = ClusterId::new("c").unwrap();
    let inventory = inventory(&cluster, text);
    let (now, settings) = (NOW.parse().unwrap(), Settings::default());
    let all = diagnose_all(&inventory, &cluster, now, &settings);
    let verdict = all.iter().map(|assessed| assessed.diagnosis.verdict).max().unwrap_or(Verdict::Ok);
    let mut findings = lint(&inventory, &cluster, now, &settings).findings;
    findings.extend(removed(&cluster, text).iter().map(Finding::from));
    (findings.iter().map(|finding| finding.code).collect(), verdict, findings)
}

fn fixture(code: &str, which: &str) -> String {
    let path = folder("tests/checks").join(code).join(format!("{which}.yaml"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_check_finds_what_it_is_for_and_not_what_is_mended() {
    for check in CHECKS {
        let (bad, broken, findings) = outcome(&fixture(check.code, "bad"));
        let (good, mended, others) = outcome(&fixture(check.code, "good"));
        assert!(bad.contains(check.code), "{} is not found: {findings:#?}", check.code);
        assert!(!good.contains(check.code), "{} is found where it was mended: {others:#?}", check.code);
        if check.severity > Severity::Info {
            assert!(
                mended < broken,
                "{}: {broken:?} before, {mended:?} after it was mended: {others:#?}",
                check.code
            );
            // No check reports another's business along with its own.
            let loud = |finding: &&Finding| finding.severity > Severity::Info;
            assert_eq!(others.iter().filter(loud).count(), 0, "{}: {others:#?}", check.code);
        }
        for finding in findings.iter().filter(|finding| finding.code == check.code) {
            let whole = |text: &str| text.ends_with('.') && text.starts_with(|c: char| c.is_uppercase());
            assert!(
                whole(&finding.cause) && whole(&finding.action),
                "{}: no sentence: {finding:#?}",
                check.code
            );
            assert!(finding.command.starts_with("kubectl "), "{finding:?}");
        }
    }
}

#[test]
fn every_check_is_explained() {
    let index = std::fs::read_to_string(folder("../docs/checks/README.md")).unwrap();
    for check in CHECKS {
        let (code, severity) = (check.code, check.severity.as_str());
        let row = format!("| [{code}]({code}.md) | {severity} | {} |\n", check.title);
        assert!(index.contains(&row), "the index has no row {row:?}");
        let path = folder("../docs/checks").join(format!("{}.md", check.code));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(
            text.starts_with(&format!("# {}: {}\n", check.code, check.title)),
            "{}: {}",
            check.code,
            check.title
        );
        let severity = format!("Severity: {}", check.severity.as_str());
        assert!(text.contains(&severity), "{}: no line {severity:?}", check.code);
        for part in ["Why it matters", "How to fix it", "How it is detected", "What it can't see"] {
            assert!(text.contains(&format!("\n## {part}\n\n")), "{}: no part {part:?}", check.code);
        }
    }
    for entry in std::fs::read_dir(folder("../docs/checks")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let code = name.trim_end_matches(".md");
        assert!(
            code == "README" || CHECKS.iter().any(|check| check.code == code),
            "{name} explains no check"
        );
    }
}

#[test]
fn what_depends_on_a_failed_step_is_unknown() {
    let cluster = ClusterId::new("c").unwrap();
    let inventory = inventory(&cluster, &fixture("ING004", "bad"));
    let all = diagnose_all(&inventory, &cluster, NOW.parse().unwrap(), &Settings::default());
    let diagnosis = &all[0].diagnosis;
    assert_eq!(diagnosis.fault().map(|step| step.kind), Some(StepKind::Backend));
    let after: Vec<_> = diagnosis.steps.iter().skip_while(|step| step.kind != StepKind::Endpoints).collect();
    assert!(after.iter().all(|step| step.state == Verdict::Unknown), "{after:#?}");
    assert_eq!(diagnosis.findings.len(), 1);
    let (route, settings) = (&all[0].route, Settings::default());
    let alone = diagnose(&inventory, route, NOW.parse().unwrap(), &settings);
    assert_eq!(alone.as_ref(), Some(diagnosis));
    assert_eq!(diagnose(&Inventory::new(), route, NOW.parse().unwrap(), &settings), None);
}

#[test]
fn of_no_pods_none_is_in_order() {
    let cluster = ClusterId::new("c").unwrap();
    let inventory = inventory(&cluster, &fixture("SVC001", "bad"));
    let all = diagnose_all(&inventory, &cluster, NOW.parse().unwrap(), &Settings::default());
    let states: Vec<_> = all[0].diagnosis.steps.iter().map(|step| (step.kind, step.state)).collect();
    assert!(states.contains(&(StepKind::Endpoints, Verdict::Broken)), "{states:?}");
    assert!(states.contains(&(StepKind::Pods, Verdict::Unknown)), "{states:?}");
}

#[test]
fn no_pods_are_no_outage_while_others_may_keep_endpoints() {
    let bad = fixture("SVC001", "bad");
    let mut documents: Vec<&str> = bad.split("\n---\n").collect();
    documents.retain(|document| !document.contains("\nkind: EndpointSlice\n"));
    let text = format!("# unknown: EndpointSlice denied\n{}", documents.join("\n---\n"));
    let (_, verdict, findings) = outcome(&text);
    assert_eq!(verdict, Verdict::Unknown, "{findings:#?}");
    assert!(
        findings.iter().any(|it| it.code == "SVC001" && it.severity == Severity::Warning),
        "{findings:#?}"
    );
    // Those that others keep answer, whatever the selector says.
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: elsewhere, namespace: shop, labels: {kubernetes.io/service-name: cart}}\n\
        addressType: IPv4\nports: [{name: http, port: 8080}]\nendpoints: [{addresses: [10.1.0.1]}, {addresses: [10.1.0.2]}]";
    let (_, verdict, findings) = outcome(&format!("{}\n---\n{slice}", documents.join("\n---\n")));
    assert_eq!(verdict, Verdict::Ok, "{findings:#?}");
}

#[test]
fn what_was_not_seen_is_never_ok() {
    let healthy = fixture("ING004", "good");
    assert_eq!(outcome(&healthy).1, Verdict::Ok);
    for kind in ["IngressClass", "Service", "EndpointSlice", "Pod"] {
        for why in ["denied", "not_installed", "offline"] {
            let mut documents: Vec<&str> = healthy.split("\n---\n").collect();
            documents.retain(|document| !document.contains(&format!("\nkind: {kind}\n")));
            let text = format!("# unknown: {kind} {why}\n{}", documents.join("\n---\n"));
            let (_, verdict, findings) = outcome(&text);
            assert_eq!(verdict, Verdict::Unknown, "without {kind} ({why})");
            assert!(
                findings.iter().all(|finding| finding.severity == Severity::Info),
                "{kind}: {findings:#?}"
            );
        }
    }
}

#[test]
fn a_pod_that_fails_where_others_answer_is_no_outage() {
    let (good, bad) = (fixture("POD002", "good"), fixture("POD002", "bad"));
    let is_first =
        |document: &&str| document.contains("\nkind: Pod\n") && document.contains("name: cart-1\n");
    let crashing = bad.split("\n---\n").find(is_first).unwrap();
    let documents: Vec<&str> =
        good.split("\n---\n").map(|document| if is_first(&document) { crashing } else { document }).collect();
    let (_, verdict, findings) = outcome(&documents.join("\n---\n"));
    assert_eq!(verdict, Verdict::Degraded);
    let told: Vec<_> = findings.iter().map(|finding| (finding.code, finding.severity)).collect();
    assert_eq!(told, [("POD002", Severity::Warning)]);
}

#[test]
fn pods_are_told_by_what_made_them() {
    let owned = |kind: &str, name: &str| {
        format!(
            "\n  ownerReferences:\n  - {{apiVersion: apps/v1, kind: {kind}, name: {name}, uid: u, controller: true}}"
        )
    };
    let evidence = |text: &str| -> Vec<String> {
        let cluster = ClusterId::new("c").unwrap();
        let all =
            diagnose_all(&inventory(&cluster, text), &cluster, NOW.parse().unwrap(), &Settings::default());
        assert_eq!(all[0].diagnosis.verdict, Verdict::Ok, "{all:#?}");
        all[0].diagnosis.steps.iter().flat_map(|step| step.evidence.clone()).collect()
    };
    let pods = fixture("ING004", "good")
        .replace(
            "name: cart-1\n  namespace: shop",
            &format!("name: cart-1\n  namespace: shop{}", owned("ReplicaSet", "cart-7f")),
        )
        .replace(
            "name: cart-2\n  namespace: shop",
            &format!("name: cart-2\n  namespace: shop{}", owned("ReplicaSet", "cart-7f")),
        );
    assert!(pods.contains("ReplicaSet"), "{pods}");
    let set = format!(
        "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata:\n  name: cart-7f\n  namespace: shop{}",
        owned("Deployment", "cart")
    );
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: cart\n  namespace: shop";
    for (text, told) in [
        (format!("{pods}\n---\n{set}\n---\n{deployment}"), "Made by Deployment cart."),
        (format!("{pods}\n---\n{set}"), "Made by Deployment cart, which is gone."),
        (format!("# unknown: Deployment denied\n{pods}\n---\n{set}"), "Made by Deployment cart."),
        (format!("# unknown: ReplicaSet denied\n{pods}"), "Made by ReplicaSet cart-7f."),
    ] {
        let evidence = evidence(&text);
        assert!(evidence.iter().any(|said| said == told), "{told}: {evidence:#?}");
    }
}

#[test]
fn a_severity_can_be_set() {
    let cluster = ClusterId::new("c").unwrap();
    let inventory = inventory(&cluster, &fixture("ING004", "bad"));
    let settings =
        Settings { severities: [("ING004".to_owned(), Severity::Info)].into(), ..Settings::default() };
    let report = lint(&inventory, &cluster, NOW.parse().unwrap(), &settings);
    assert_eq!(report.findings.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Info]);
}

mod annotation;
mod controller;
mod gateway;
mod issuance;
mod istio;
mod network;
mod owner;
mod pod;
mod policy;
mod service;
mod tls;
mod tls_route;
mod traefik;
