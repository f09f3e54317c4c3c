//! The program on the folders in `tests/`: a clean one, a broken one, and one that can't all be read.

use std::path::Path;

use serde_json::Value;

use super::*;

/// The exit code, standard output and standard error.
fn lint(folder: &str, more: &[&str]) -> (u8, String, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let args = ["lint".as_ref(), folder.as_os_str()].into_iter().chain(more.iter().map(std::ffi::OsStr::new));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(&Args::try_parse_from(args).unwrap(), &mut out, &mut err);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn json(folder: &str, format: &str) -> Value {
    serde_json::from_str(&lint(folder, &["--format", format]).1).unwrap()
}

#[test]
fn what_is_in_order_passes_and_what_is_unknown_is_said() {
    let (code, out, err) = lint("clean", &["--fail-on", "info"]);
    assert_eq!((code, &*err), (0, ""), "{out}");
    assert!(
        out.contains("unknown: ") && out.contains("0 critical, 0 warnings, 0 infos in 4 objects"),
        "{out}"
    );
    let report = json("clean", "json");
    assert_eq!(report["findings"], Value::Array(Vec::new()));
    assert!(report["unknown"].as_array().unwrap().iter().all(|of| of["why"] == "offline"), "{report}");
}

#[test]
fn what_is_broken_is_told_with_its_line() {
    let (code, out, err) = lint("broken", &[]);
    assert_eq!((code, &*err), (1, ""), "{out}");
    for (said, file, line) in [
        ("critical[ING005]", "shop.yaml", 17),
        ("critical[ING004]", "shop.yaml", 23),
        ("critical[ING017]", "old.json", 2),
    ] {
        let (_, after) = out.split_once(said).unwrap_or_else(|| panic!("no {said} in\n{out}"));
        let place = after.lines().nth(1).unwrap();
        assert!(place.contains(&format!("{file}:{line}:")), "{said}: {place}\n{out}");
    }
    assert_eq!(lint("broken", &["--fail-on", "never"]).0, 0);
    assert_eq!(lint("broken", &["--fail-on", "critical"]).0, 1);
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_is_checked() {
    let (code, out, err) = lint("unreadable", &["--fail-on", "never"]);
    assert_eq!(code, 2, "{out}");
    assert!(err.contains("typo.yaml:5:") && err.contains("; check the indentation"), "{err}");
    assert!(out.contains("ING004"), "{out}");
    let (code, _, err) = lint("no-such-folder", &[]);
    assert!(code == 2 && err.contains("check the path"), "{err}");
}

#[test]
fn json_has_its_shape() {
    let report = json("broken", "json");
    let findings = report["findings"].as_array().unwrap();
    for finding in findings {
        for text in ["code", "severity", "object", "file", "cause", "action"] {
            assert!(finding[text].is_string(), "{text} of {finding}");
        }
        assert!(finding["line"].as_u64().unwrap() > 0);
        assert!(["critical", "warning", "info"].contains(&finding["severity"].as_str().unwrap()));
    }
    let mut places: Vec<_> = findings
        .iter()
        .map(|of| (of["code"].to_string(), of["object"].to_string(), of["field"].to_string()))
        .collect();
    let all = places.len();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), all, "each is told once");
    assert!(json("unreadable", "json")["unreadable"][0]["line"].as_u64() == Some(5));
}

#[test]
fn sarif_has_what_the_standard_requires() {
    let log = json("broken", "sarif");
    assert_eq!(log["version"], "2.1.0");
    let run = &log["runs"][0];
    assert!(run["tool"]["driver"]["name"].is_string());
    let rules: Vec<_> =
        run["tool"]["driver"]["rules"].as_array().unwrap().iter().map(|rule| &rule["id"]).collect();
    let results = run["results"].as_array().unwrap();
    assert!(!results.is_empty());
    for result in results {
        assert!(rules.contains(&&result["ruleId"]), "{result}");
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(result["message"]["text"].is_string());
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["artifactLocation"]["uri"].as_str().unwrap().starts_with("file:///"), "{place}");
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
    }
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let failed = &json("unreadable", "sarif")["runs"][0]["invocations"][0];
    assert_eq!(failed["executionSuccessful"], false);
    assert!(failed["toolExecutionNotifications"][0]["message"]["text"].is_string());
}

#[test]
fn github_gets_commands() {
    let (_, out, _) = lint("broken", &["--format", "github"]);
    assert!(out.lines().all(|line| line.starts_with("::error ")
        || line.starts_with("::warning ")
        || line.starts_with("::notice ")));
    assert!(out.contains("shop.yaml,line=23,col=13,title=ING004::Ingress shop/shop: "), "{out}");
    let (_, out, _) = lint("unreadable", &["--format", "github"]);
    assert!(out.lines().next().unwrap().contains("typo.yaml,line=5,"), "{out}");
}
