//! The API server's audit log: what was really asked, by whom, how often.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// The log of one server.
#[derive(Debug, Clone)]
pub struct Audit {
    path: PathBuf,
}

/// A place in the log: requests before it are not of interest.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mark(u64);

/// One line of the log.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Entry {
    /// The same for all stages of one request.
    #[serde(rename = "auditID")]
    pub id: String,
    /// `ResponseStarted` (only for watches), `ResponseComplete` or `Panic`.
    pub stage: String,
    /// `list`, `watch`, `get`, …
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    /// Who asked; empty when the credentials were refused.
    #[serde(default)]
    pub user: User,
    /// What was asked for; absent for paths such as `/version`.
    #[serde(default)]
    pub object_ref: ObjectRef,
    /// How it was answered.
    #[serde(default)]
    pub response_status: ResponseStatus,
}

/// Who asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// `system:serviceaccount:NAMESPACE:NAME` for a service account.
    #[serde(default)]
    pub username: String,
}

/// What was asked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct ObjectRef {
    /// `ingresses`, `namespaces`, …
    #[serde(default)]
    pub resource: String,
    /// Empty for the whole cluster.
    #[serde(default)]
    pub namespace: String,
}

/// How it was answered.
#[derive(Debug, Clone, Default, Deserialize)]
#[non_exhaustive]
pub struct ResponseStatus {
    /// The HTTP status.
    #[serde(default)]
    pub code: u16,
}

impl Audit {
    /// The log in this file, which need not be there yet.
    #[must_use]
    pub fn of(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The log's end as of now.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len()))
    }

    /// All entries after a mark.
    ///
    /// # Errors
    ///
    /// When the log cannot be read or is not what an API server writes.
    pub fn since(&self, mark: Mark) -> Result<Vec<Entry>> {
        let mut file = File::open(&self.path).with_context(|| format!("opening {}", self.path.display()))?;
        file.seek(SeekFrom::Start(mark.0))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        parse(&text)
    }
}

/// Reads lines of the log; a last line without an end is one that is just being written, and left out.
fn parse(text: &str) -> Result<Vec<Entry>> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n') && !line.trim().is_empty())
        .map(|line| serde_json::from_str(line).with_context(|| format!("not an audit entry: {line}")))
        .collect()
}

/// How many requests (not entries: a watch has two) satisfy the condition.
#[must_use]
pub fn count(entries: &[Entry], condition: impl Fn(&Entry) -> bool) -> usize {
    entries.iter().filter(|entry| condition(entry)).map(|entry| &entry.id).collect::<BTreeSet<_>>().len()
}

/// How many watches of a resource were begun and not refused.
#[must_use]
pub fn watches(entries: &[Entry], resource: &str) -> usize {
    count(entries, |entry| {
        entry.verb == "watch" && entry.object_ref.resource == resource && entry.response_status.code < 400
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"kind":"Event","auditID":"a","stage":"ResponseStarted","requestURI":"/apis/networking.k8s.io/v1/ingresses?watch=1","verb":"watch","user":{"username":"x"},"objectRef":{"resource":"ingresses"},"responseStatus":{"metadata":{},"code":200}}
{"kind":"Event","auditID":"a","stage":"ResponseComplete","requestURI":"/apis/networking.k8s.io/v1/ingresses?watch=1","verb":"watch","user":{"username":"x"},"objectRef":{"resource":"ingresses"},"responseStatus":{"code":200}}
{"kind":"Event","auditID":"b","stage":"ResponseComplete","requestURI":"/version","verb":"get","user":{},"responseStatus":{"code":401}}
{"kind":"Event","auditID":"c","stage":"ResponseSta"#;

    #[test]
    fn a_watch_counts_once_and_a_half_written_line_not_at_all() {
        let entries = parse(LOG).unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(watches(&entries, "ingresses"), 1);
        assert_eq!(count(&entries, |entry| entry.response_status.code == 401), 1);
        assert_eq!(count(&entries, |_| true), 2);
    }

    #[test]
    fn a_mark_hides_what_came_before() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::of(folder.path().join("audit.jsonl"));
        assert_eq!(audit.mark().0, 0);
        std::fs::write(audit.path(), LOG).unwrap();
        let first = LOG.split_inclusive('\n').next().unwrap().len() as u64;
        assert_eq!(audit.since(Mark(first)).unwrap().len(), 2);
    }
}
