//! Results beside each other, beside their bars, and with all that one must know to compare them with others.

use std::fmt::Write as _;

use ingress_core::clock::wall_now;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// Which side of a bar is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Bar {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

impl Bar {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bar) => value >= bar,
            Self::AtMost(bar) => value <= bar,
        }
    }

    /// Whether a value is so far off that no noise explains it.
    fn missed_by_far(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bar) => value.is_nan() || value < bar / 4.0,
            Self::AtMost(bar) => value.is_nan() || value > bar * 4.0,
        }
    }

    fn bound(self) -> f64 {
        match self {
            Self::AtLeast(bar) | Self::AtMost(bar) => bar,
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Row {
    /// Its name in JSON.
    pub key: &'static str,
    /// What it is about.
    pub what: String,
    /// Ours, as text.
    pub ours: String,
    /// The peer's, as text.
    pub peer: String,
    /// What is compared with the bar.
    pub value: f64,
    /// The value as text.
    pub shown: String,
    /// The bar, where there is one.
    pub bar: Option<Bar>,
    /// What else JSON says of it: the results of all rounds among it.
    pub details: Value,
}

impl Row {
    /// A row that is compared with nothing but the peer.
    #[must_use]
    pub fn new(key: &'static str, what: impl Into<String>, value: f64, shown: impl Into<String>) -> Self {
        Self {
            key,
            what: what.into(),
            ours: String::new(),
            peer: String::new(),
            value,
            shown: shown.into(),
            bar: None,
            details: Value::Null,
        }
    }

    /// With the two results that the value compares.
    #[must_use]
    pub fn sides(mut self, ours: impl Into<String>, peer: impl Into<String>) -> Self {
        self.ours = ours.into();
        self.peer = peer.into();
        self
    }

    /// With a bar.
    #[must_use]
    pub fn bar(mut self, bar: Bar) -> Self {
        self.bar = Some(bar);
        self
    }

    /// With more for JSON.
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("value".into(), json!(self.value));
        if let Some(bar) = self.bar {
            object.insert("bar".into(), json!(bar.bound()));
            let side = if matches!(bar, Bar::AtLeast(_)) { "at_least" } else { "at_most" };
            object.insert("side".into(), json!(side));
            object.insert("holds".into(), json!(bar.holds(self.value)));
        }
        object.insert("ours".into(), json!(self.ours));
        object.insert("peer".into(), json!(self.peer));
        if let Value::Object(details) = &self.details {
            object.extend(details.clone());
        }
        Value::Object(object)
    }
}

/// All rows of one run.
#[derive(Debug)]
pub struct Report {
    rows: Vec<Row>,
    about: Value,
}

impl Report {
    /// A report of rows; `sizes` says how large everything was.
    #[must_use]
    pub fn new(rows: Vec<Row>, sizes: &Value) -> Self {
        let about = json!({
            "date": wall_now().to_string(),
            "machine": machine(),
            "versions": versions(),
            "sizes": sizes,
        });
        Self { rows, about }
    }

    /// The table, in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text =
            String::from("| | ours | kube-rs | ratio | bar | holds |\n|---|---:|---:|---:|---:|---|\n");
        for row in &self.rows {
            let (bar, holds) = match row.bar {
                None => (String::new(), ""),
                Some(bar) => (shown_bar(bar), if bar.holds(row.value) { "yes" } else { "**no**" }),
            };
            // Writing to a string can't fail.
            writeln!(
                text,
                "| {} | {} | {} | {} | {bar} | {holds} |",
                row.what, row.ours, row.peer, row.shown
            )
            .ok();
        }
        text
    }

    /// The table of results that have no peer, in Markdown.
    #[must_use]
    pub fn alone(&self) -> String {
        let mut text = String::from("| | measured | bar | holds |\n|---|---:|---:|---|\n");
        for row in &self.rows {
            let (bar, holds) = match row.bar {
                None => (String::new(), ""),
                Some(bar) => (shown_bar(bar), if bar.holds(row.value) { "yes" } else { "**no**" }),
            };
            writeln!(text, "| {} | {} | {bar} | {holds} |", row.what, row.shown).ok();
        }
        text
    }

    /// Everything, as one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut object = Map::new();
        for row in &self.rows {
            object.insert(row.key.to_owned(), row.to_json());
        }
        object.insert("about".into(), self.about.clone());
        Value::Object(object)
    }

    /// The bars that were missed by more than noise explains, or could not be measured.
    #[must_use]
    pub fn missed_by_far(&self) -> Vec<&'static str> {
        self.rows
            .iter()
            .filter(|row| row.bar.is_some_and(|bar| bar.missed_by_far(row.value)))
            .map(|row| row.key)
            .collect()
    }
}

fn shown_bar(bar: Bar) -> String {
    let (sign, bound) = match bar {
        Bar::AtLeast(bound) => ("≥", bound),
        Bar::AtMost(bound) => ("≤", bound),
    };
    // A share reads better as a fraction.
    if bound < 0.5 { format!("{sign} 1/{:.0}", 1.0 / bound) } else { format!("{sign} {bound}") }
}

fn machine() -> Value {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let kernel = kernel.as_deref().map(|text| {
        // The first part is the version; the rest is whoever built it.
        text.trim().split('-').next().unwrap_or_default().to_owned()
    });
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    let load = load.as_deref().and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    json!({
        "cores": cores,
        "cpu": cpu,
        "os": std::env::consts::OS,
        "kernel": kernel,
        "load_at_the_end": load,
    })
}

/// The releases that take part, as the lock file has them.
fn versions() -> Value {
    let lock = include_str!("../../Cargo.lock");
    let mut versions = Map::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(text) = line.strip_prefix("name = ") {
            name = text.trim_matches('"');
        } else if let Some(text) = line.strip_prefix("version = ")
            && [
                "hyper",
                "ingress-core",
                "k8s-openapi",
                "kube",
                "kube-runtime",
                "prost",
                "serde_json",
                "tokio",
            ]
            .contains(&name)
        {
            versions.insert(name.to_owned(), json!(text.trim_matches('"')));
        }
    }
    let rustc = std::process::Command::new("rustc").arg("--version").output().ok();
    let rustc = rustc.and_then(|output| String::from_utf8(output.stdout).ok());
    versions.insert("rustc".into(), json!(rustc.map(|text| text.trim().to_owned())));
    Value::Object(versions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_holds_or_is_missed_or_missed_by_far() {
        let bar = Bar::AtLeast(4.0);
        assert!(bar.holds(4.0));
        assert!(!bar.holds(3.9) && !bar.missed_by_far(3.9));
        assert!(bar.missed_by_far(0.9));
        assert!(Bar::AtMost(0.125).holds(0.1));
        assert!(Bar::AtMost(0.125).missed_by_far(0.6));
        assert!(bar.missed_by_far(f64::NAN));
        assert!(!bar.holds(f64::NAN));
    }

    #[test]
    fn the_peer_is_the_release_that_is_named() {
        let versions = versions();
        let version = versions["kube-runtime"].as_str().unwrap();
        assert!(version.starts_with(crate::engine::PEER.rsplit(' ').next().unwrap()), "{version}");
    }
}
