//! A report as text, for people and for programs.

use std::fmt::{self, Write as _};

use ingress_core::diagnose::Severity;
use serde::Serialize;

use crate::report::{Located, Report};

mod github;
mod sarif;

pub(crate) use github::github;
pub(crate) use sarif::sarif;

/// Writing to a string can't fail.
fn push(text: &mut String, what: fmt::Arguments<'_>) {
    text.write_fmt(what).unwrap_or_default();
}

/// For people.
pub(crate) fn text(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        push(&mut text, format_args!("{}[{}]: {}\n", finding.severity.as_str(), finding.code, finding.cause));
        if let Some(file) = &finding.file {
            push(&mut text, format_args!("  --> {file}:{}:{}\n", finding.at.line, finding.at.column.max(1)));
        }
        let field = finding.field.as_ref().map_or_else(String::new, |field| format!(": {field}"));
        push(&mut text, format_args!("   |  {}{field}\n", finding.object));
        push(&mut text, format_args!("   = {}\n\n", finding.action));
    }
    let unknown = report.unknown_kinds();
    if !unknown.is_empty() {
        let kinds: Vec<_> =
            unknown.iter().map(|((kind, why), times)| format!("{kind} ({why}, {times})")).collect();
        push(&mut text, format_args!("unknown: {}\n", kinds.join(", ")));
    }
    let count = |severity| report.count(severity);
    push(
        &mut text,
        format_args!(
            "{} critical, {} warnings, {} infos in {} objects; {} unreadable\n",
            count(Severity::Critical),
            count(Severity::Warning),
            count(Severity::Info),
            report.objects,
            report.problems.len(),
        ),
    );
    text
}

#[derive(Serialize)]
struct Whole<'a> {
    findings: Vec<Finding<'a>>,
    unknown: Vec<Unknown<'a>>,
    unreadable: Vec<Unreadable<'a>>,
}

#[derive(Serialize)]
struct Finding<'a> {
    code: &'a str,
    severity: &'a str,
    object: &'a str,
    field: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    cause: &'a str,
    action: &'a str,
}

#[derive(Serialize)]
struct Unknown<'a> {
    kind: &'a str,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    why: &'a str,
}

#[derive(Serialize)]
struct Unreadable<'a> {
    file: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    field: Option<&'a str>,
    cause: &'a str,
    action: &'a str,
}

/// A line or column, where there is one.
fn number(number: u32) -> Option<u32> {
    Some(number).filter(|number| *number > 0)
}

impl<'a> From<&'a Located> for Finding<'a> {
    fn from(found: &'a Located) -> Self {
        Self {
            code: found.code,
            severity: found.severity.as_str(),
            object: &found.object,
            field: found.field.as_deref(),
            file: found.file.as_deref(),
            line: number(found.at.line),
            column: number(found.at.column),
            cause: &found.cause,
            action: &found.action,
        }
    }
}

/// One JSON object.
pub(crate) fn json(report: &Report) -> String {
    let whole = Whole {
        findings: report.findings.iter().map(Finding::from).collect(),
        unknown: report
            .unknown
            .iter()
            .map(|of| Unknown {
                kind: of.kind,
                namespace: of.namespace.as_deref(),
                name: of.name.as_deref(),
                why: of.why.as_str(),
            })
            .collect(),
        unreadable: report
            .problems
            .iter()
            .map(|problem| Unreadable {
                file: &problem.file,
                line: number(problem.at.line),
                column: number(problem.at.column),
                field: problem.field.as_deref(),
                cause: &problem.what,
                action: &problem.remedy,
            })
            .collect(),
    };
    // Structs of texts and numbers can always be written.
    serde_json::to_string_pretty(&whole).unwrap_or_default() + "\n"
}
