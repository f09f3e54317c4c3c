//! Workflow commands of GitHub Actions:
//! <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands>.

use ingress_core::diagnose::Severity;
use ingress_core::manifest::Location;

use super::push;
use crate::report::Report;

/// A line for each finding, and for what can't be read.
pub(crate) fn github(report: &Report) -> String {
    let mut text = String::new();
    for problem in &report.problems {
        let place = place(Some(&problem.file), problem.at, "unreadable");
        let field = problem.field.as_ref().map_or_else(String::new, |field| format!("{field}: "));
        let message = data(&format!("{field}{}; {}", problem.what, problem.remedy));
        push(&mut text, format_args!("::error {place}::{message}\n"));
    }
    for finding in &report.findings {
        let command = match finding.severity {
            Severity::Critical => "error",
            Severity::Warning => "warning",
            _ => "notice",
        };
        let place = place(finding.file.as_deref(), finding.at, finding.code);
        let message = data(&format!("{}: {} {}", finding.object, finding.cause, finding.action));
        push(&mut text, format_args!("::{command} {place}::{message}\n"));
    }
    text
}

fn place(file: Option<&str>, at: Location, title: &str) -> String {
    let file = file.map_or_else(String::new, |file| format!("file={},", property(file)));
    let mut numbers = String::new();
    for (name, number) in [("line", at.line), ("col", at.column)] {
        if number > 0 {
            push(&mut numbers, format_args!("{name}={number},"));
        }
    }
    format!("{file}{numbers}title={}", property(title))
}

/// A command ends with its line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Properties end at commas, and all of them at colons.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_is_escaped() {
        assert_eq!(data("100%\r\n::error::x"), "100%25%0D%0A::error::x");
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
        assert_eq!(place(Some("a,b.yaml"), Location::default(), "ING001"), "file=a%2Cb.yaml,title=ING001");
    }
}
