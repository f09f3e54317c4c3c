//! Checks the ingresses and routes of manifests before anybody applies them.
//!
//! ```text
//! cargo run -p lint -- manifests/
//! helm template chart | cargo run -p lint -- -
//! ```
//!
//! Read it from [`run`] downwards: manifests are read, an inventory is made of them, and the same checks look at it as at a live cluster.
//! What only a cluster knows is unknown there, and never a finding.

mod format;
mod report;
#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use ingress_core::Namespace;
use ingress_core::diagnose::Severity;
use ingress_core::manifest::{Manifests, Options};

use report::Report;

/// Checks the ingresses and routes of manifests before anybody applies them.
#[derive(Debug, Parser)]
#[command(version, after_help = EXITS)]
struct Args {
    /// Files and folders of YAML and JSON; - is standard input. Of folders, what ends in .yaml, .yml or .json is read, and of all
    /// folders in them but those whose names begin with a dot.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// How findings are written.
    #[arg(long, short, value_enum, default_value = "text")]
    format: Format,

    /// The least severity of a finding that makes this program fail.
    #[arg(long, value_enum, default_value = "warning")]
    fail_on: FailOn,

    /// The namespace of objects that name none.
    #[arg(long, short, default_value = "default", value_parser = namespace)]
    namespace: Namespace,
}

const EXITS: &str = "Exit codes:
  0  nothing was found at or above --fail-on
  1  something was
  2  something could not be read, or there was nothing to check

2 wins over 1: of what was not read, nobody knows what would have been found. What could be read is checked and shown all the same.";

fn namespace(text: &str) -> Result<Namespace, String> {
    Namespace::new(text).map_err(|error| error.to_string())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object: findings, unknown, unreadable.
    Json,
    /// SARIF 2.1.0, which code hosts and editors show beside the code.
    Sarif,
    /// Workflow commands, which GitHub Actions shows beside the code.
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Critical,
    Warning,
    Info,
    /// Findings never do.
    Never,
}

impl FailOn {
    fn is_met_by(self, severity: Severity) -> bool {
        match self {
            Self::Critical => severity >= Severity::Critical,
            Self::Warning => severity >= Severity::Warning,
            Self::Info => severity >= Severity::Info,
            Self::Never => false,
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    ExitCode::from(run(&args, &mut out, &mut err))
}

/// Reads, checks, tells; the exit code.
fn run(args: &Args, out: &mut impl Write, err: &mut impl Write) -> u8 {
    let manifests = Manifests::read(&args.paths, &Options::in_namespace(args.namespace.clone()));
    let report = Report::of(manifests);
    // Whoever closed standard error doesn't want to know.
    for note in &report.notes {
        drop(writeln!(err, "note: {note}"));
    }
    for problem in &report.problems {
        drop(writeln!(err, "error: {problem}"));
    }
    let text = match args.format {
        Format::Text => format::text(&report),
        Format::Json => format::json(&report),
        Format::Sarif => format::sarif(&report),
        Format::Github => format::github(&report),
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read this, `head` for instance, has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            drop(writeln!(err, "error: the findings can't be written: {error}"));
            return 2;
        }
        _ => {}
    }
    if !report.problems.is_empty() {
        return 2;
    }
    if report.objects == 0 {
        drop(writeln!(err, "error: there is no Kubernetes object in what was named; check the paths"));
        return 2;
    }
    u8::from(report.findings.iter().any(|finding| args.fail_on.is_met_by(finding.severity)))
}
