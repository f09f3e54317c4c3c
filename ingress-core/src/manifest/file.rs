//! Which files there are, and what is in them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::{Location, MAX_FILE, MAX_FILES, MAX_FOLDERS, Problem, STANDARD_INPUT};

/// A file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileFound {
    /// Its path as it is told of.
    pub(crate) name: Arc<str>,
    /// Its path; `None` for standard input.
    path: Option<PathBuf>,
    /// What differs once it was written to: when that was, and its size.
    pub(crate) stamp: (Option<SystemTime>, u64),
}

/// The files below a path.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: Vec<FileFound>,
    /// What could not be looked at.
    pub(crate) problems: Vec<Problem>,
}

/// The file of this path, or all manifests of this folder.
pub(crate) fn find(path: &Path) -> Found {
    let mut found = Found::default();
    if path == Path::new(STANDARD_INPUT) {
        found.files.push(FileFound { name: STANDARD_INPUT.into(), path: None, stamp: (None, 0) });
        return found;
    }
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => found.walk(path, &mut BTreeSet::new(), 0),
        Ok(metadata) => found.add(path, &metadata),
        Err(error) => found.unreadable(path, &error),
    }
    found
}

impl Found {
    fn add(&mut self, path: &Path, metadata: &fs::Metadata) {
        let stamp = (metadata.modified().ok(), metadata.len());
        self.files.push(FileFound { name: name(path), path: Some(path.to_owned()), stamp });
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let what = format!("can't be read: {error}");
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "check the path",
            io::ErrorKind::PermissionDenied => "check its permissions",
            _ => "check that it can be read",
        };
        self.problems.push(Problem::new(&name(path), Location::default(), what, remedy));
    }

    fn walk(&mut self, folder: &Path, seen: &mut BTreeSet<PathBuf>, depth: usize) {
        // Links may lead anywhere, also back up: no folder is entered twice.
        let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        if depth > MAX_FOLDERS || !seen.insert(real) {
            return;
        }
        let entries = match fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(folder, &error),
        };
        let mut names: Vec<_> = entries.iter().map(fs::DirEntry::file_name).collect();
        names.sort_unstable();
        for name in names {
            let path = folder.join(&name);
            let ends = path.extension().and_then(|ends| ends.to_str()).unwrap_or_default();
            let wanted = matches!(ends, "yaml" | "yml" | "json");
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {
                    if !name.as_encoded_bytes().starts_with(b".") {
                        self.walk(&path, seen, depth + 1);
                    }
                }
                // Of a pipe that nobody writes to, reading would never end.
                Ok(metadata) if !wanted || !metadata.is_file() => {}
                Ok(metadata) if self.files.len() < MAX_FILES => self.add(&path, &metadata),
                Ok(_) => {
                    let what = format!("there are more than {MAX_FILES} manifests; the rest is passed over");
                    let remedy = "name fewer folders at once";
                    let problem = Problem::new(&self::name(folder), Location::default(), what, remedy);
                    if self.problems.last() != Some(&problem) {
                        self.problems.push(problem);
                    }
                    break;
                }
                Err(error) if wanted => self.unreadable(&path, &error),
                Err(_) => {}
            }
        }
    }
}

fn name(path: &Path) -> Arc<str> {
    path.to_string_lossy().as_ref().into()
}

/// Reads a file's text.
pub(crate) fn read(found: &FileFound) -> Result<String, Problem> {
    let fault = |at, what: String, remedy: &str| Problem::new(&found.name, at, what, remedy);
    let whole = Location::default();
    let mut bytes = Vec::new();
    let taken = match &found.path {
        None => io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes),
        Some(path) => fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)),
    };
    taken.map_err(|error| fault(whole, format!("can't be read: {error}"), "check that it can be read"))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_FILE {
        let what = format!("is larger than {} MiB", MAX_FILE / 1024 / 1024);
        return Err(fault(whole, what, "split it into several files"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let lines = error.as_bytes().iter().take(good).filter(|byte| **byte == b'\n').count();
        let line = u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(1);
        fault(Location::new(line, 0), "is not UTF-8".to_owned(), "save it as UTF-8")
    })
}
