//! SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::path::Path;

use ingress_core::diagnose::{CHECKS, Check, Severity};
use ingress_core::manifest::{Location, STANDARD_INPUT};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::report::{Located, Report};

/// What stands for itself in the path of a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One run, as a log.
pub(crate) fn sarif(report: &Report) -> String {
    let unreadable = report.problems.iter().map(|problem| {
        json!({
            "level": "error",
            "message": {"text": format!("{}; {}", problem.what, problem.remedy)},
            "locations": [{"physicalLocation": physical(&problem.file, problem.at)}],
        })
    });
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "ingress-lint",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules(report),
            }},
            "invocations": [{
                "executionSuccessful": report.problems.is_empty(),
                "toolExecutionNotifications": unreadable.collect::<Vec<_>>(),
            }],
            "columnKind": "unicodeCodePoints",
            "results": report.findings.iter().map(result).collect::<Vec<_>>(),
        }],
    });
    // Maps of texts can always be written.
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "error",
        Severity::Warning => "warning",
        _ => "note",
    }
}

/// Those checks that found something.
fn rules(report: &Report) -> Vec<Value> {
    let codes = report.codes();
    let rule = |check: &Check| {
        json!({
            "id": check.code,
            "shortDescription": {"text": check.title},
            "defaultConfiguration": {"level": level(check.severity)},
        })
    };
    CHECKS.iter().filter(|check| codes.contains(check.code)).map(rule).collect()
}

fn result(found: &Located) -> Value {
    let field = found.field.as_deref().unwrap_or_default();
    let mut location = json!({
        "logicalLocations": [{"fullyQualifiedName": format!("{} {field}", found.object).trim_end()}],
    });
    if let (Some(file), Some(location)) = (&found.file, location.as_object_mut()) {
        location.insert("physicalLocation".to_owned(), physical(file, found.at));
    }
    json!({
        "ruleId": found.code,
        "level": level(found.severity),
        "message": {"text": format!("{} {}", found.cause, found.action)},
        "locations": [location],
        // What tells findings apart when lines moved.
        "partialFingerprints": {"place/v1": format!("{} {} {field}", found.code, found.object)},
    })
}

fn physical(file: &str, at: Location) -> Value {
    let mut physical = json!({"artifactLocation": {"uri": uri(file)}});
    if let (true, Some(map)) = (at.line > 0, physical.as_object_mut()) {
        map.insert("region".to_owned(), json!({"startLine": at.line, "startColumn": at.column.max(1)}));
    }
    physical
}

/// A file's path as a URI, relative where the path is.
fn uri(file: &str) -> String {
    if file == STANDARD_INPUT {
        return "stdin".to_owned();
    }
    let file = if std::path::MAIN_SEPARATOR == '\\' { file.replace('\\', "/") } else { file.to_owned() };
    let relative = file.strip_prefix("./").unwrap_or(&file);
    let path = utf8_percent_encode(relative, PATH).to_string();
    match Path::new(&file).is_absolute() {
        true if path.starts_with('/') => format!("file://{path}"),
        true => format!("file:///{path}"),
        false => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_uris() {
        assert_eq!(uri("./a b/c:d.yaml"), "a%20b/c%3Ad.yaml");
        assert_eq!(uri("-"), "stdin");
        #[cfg(unix)]
        assert_eq!(uri("/a/é.yaml"), "file:///a/%C3%A9.yaml");
    }
}
