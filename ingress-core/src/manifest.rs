//! Manifests: the YAML and JSON that people keep in repositories, read into [`Document`]s that know where each of their fields is
//! written.
//!
//! One file holds any number of documents, separated by `---`; a `List` is the objects in it. What can't be read becomes a
//! [`Problem`] that names file, line and column, and stops nothing else: neither the other documents of its file nor other files.
//! What is no object of a cluster, such as the values of a chart, is passed over, and told of as a note.
//!
//! Files come from people and from strangers' pull requests, so everything is bounded: [`MAX_FILE`], [`MAX_FILES`], [`MAX_FOLDERS`],
//! [`MAX_DEPTH`], and what aliases may expand to ([`MAX_ALIASED`]). Reading costs about ten times the file's size in memory, positions
//! included.
//!
//! YAML is read as Kubernetes' own tools read it: `yes` and `off` are booleans, `0755` is octal. Two equal keys in one map are an error;
//! which of them counts depends on who reads them.
//!
//! ```
//! use ingress_core::manifest::{Manifests, Options};
//!
//! let text = "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec:\n  ports:\n  - port: 80\n";
//! let manifests = Manifests::parse("cart.yaml", text, &Options::default());
//! let cart = &manifests.documents[0];
//! assert_eq!((cart.kind.as_str(), cart.namespace.as_deref()), ("Service", Some("default")));
//! assert_eq!(cart.position("spec.ports[0].port").line, 6);
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::key::Namespace;

mod cut;
mod file;
mod json;
mod object;
mod spot;
#[cfg(test)]
mod tests;
mod yaml;

pub(crate) use file::{FileFound, Found, find, read};
pub use object::is_cluster_scoped;
use spot::Spot;

/// The largest file that is read: 64 MiB.
pub const MAX_FILE: u64 = 64 * 1024 * 1024;
/// How many files of folders are read: 50,000.
pub const MAX_FILES: usize = 50_000;
/// How deep folders are followed: 64.
pub const MAX_FOLDERS: usize = 64;
/// How deep maps and lists may be nested in a document: 100. A custom resource's definition has some 60.
pub const MAX_DEPTH: usize = 100;
/// How many bytes the aliases of one document may expand to: 256 MiB at most, and far less in practice.
pub const MAX_ALIASED: usize = 256 * 1024 * 1024;
/// How much stack [`MAX_DEPTH`] takes at most, in builds without optimization. Of what isn't used, only the address is taken.
const STACK: usize = 32 * 1024 * 1024;
/// The path that means standard input.
pub const STANDARD_INPUT: &str = "-";

/// Where something is written. Lines and columns count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub struct Location {
    /// The line; 0 means the file as a whole.
    pub line: u32,
    /// The column, in characters; 0 where only the line is known.
    pub column: u32,
}

impl Location {
    fn new(line: u32, column: u32) -> Self {
        Self { line, column }
    }
}

/// Something about a file that a person should know: what, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub struct Problem {
    /// The file, as it was named; `-` for standard input.
    pub file: Arc<str>,
    /// Where in it.
    pub at: Location,
    /// At which field, where it is about one.
    pub field: Option<String>,
    /// What it is. It never quotes a value: any value may be a secret.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// `file:line:column: field: what; remedy`, without what isn't known.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.at.line, self.at.column].into_iter().filter(|number| *number > 0) {
            write!(f, ":{number}")?;
        }
        f.write_str(": ")?;
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

impl Problem {
    fn new(file: &Arc<str>, at: Location, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { file: file.clone(), at, field: None, what: what.into(), remedy: remedy.into() }
    }

    /// The same, about a field.
    pub(crate) fn of_field(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }
}

/// One object as a file has it.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Document {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`, or the default one where none is written; `None` for kinds that are known to live in no namespace.
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
    /// The file, as it was named; `-` for standard input.
    pub file: Arc<str>,
    /// Where the object begins.
    pub at: Location,
    /// The object, without the nulls in its maps, and with the namespace set.
    pub value: Value,
    spot: Spot,
}

/// Without the object itself: it may be a Secret.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.id(), self.file, self.at.line)
    }
}

impl Document {
    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The version within the group, such as `v1`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&*self.api_version, |(_, version)| version)
    }

    /// Where a field is written, such as `spec.rules[0].http.paths[1].backend.service.port`; where it isn't, its nearest ancestor that
    /// is. A field whose name has dots is written as it is, or in brackets: `metadata.annotations[a.example/b]`.
    #[must_use]
    pub fn position(&self, field: &str) -> Location {
        self.spot.find(field).unwrap_or(self.at)
    }

    /// Which object of a cluster it is. Versions of a group are one object.
    #[must_use]
    pub fn id(&self) -> Id {
        Id {
            group: self.group().to_owned(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    /// That the object was there before.
    pub(crate) fn again(&self, file: &str, at: Location) -> Problem {
        let what = format!("{} is also in {file}:{}", self.id(), at.line);
        self.problem("", what, "keep one of them; this one counts, being the last")
    }

    pub(crate) fn problem(&self, field: &str, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
        let problem = Problem::new(&self.file, self.position(field), what, remedy);
        if field.is_empty() { problem } else { problem.of_field(field) }
    }
}

/// Which object of a cluster a [`Document`] is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Id {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
    /// The namespace; `None` for kinds that live in none.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// `Kind namespace/name`.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        f.write_str(&self.name)
    }
}

/// How manifests are read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The namespace of objects that name none; `default` unless told otherwise.
    pub namespace: Option<Namespace>,
}

impl Options {
    /// Sets the namespace of objects that name none.
    #[must_use]
    pub fn in_namespace(namespace: Namespace) -> Self {
        Self { namespace: Some(namespace) }
    }

    fn namespace(&self) -> &str {
        self.namespace.as_ref().map_or("default", Namespace::as_str)
    }
}

#[expect(clippy::derivable_impls, reason = "what the default is should be seen")]
impl Default for Options {
    fn default() -> Self {
        Self { namespace: None }
    }
}

/// What was read of some files.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Manifests {
    /// The objects, in the order of files and of what stands in them, none of them twice.
    pub documents: Vec<Document>,
    /// What could not be read.
    pub problems: Vec<Problem>,
    /// What was read and is odd: objects that are there twice, documents that are no objects.
    pub notes: Vec<Problem>,
}

impl Manifests {
    /// Reads one text. The name is for messages.
    #[must_use]
    pub fn parse(file: &str, text: &str, options: &Options) -> Self {
        let mut manifests = Self::default();
        manifests.add(&file.into(), text, options);
        manifests.settle();
        manifests
    }

    /// Reads files and folders, or standard input where a path is `-`. Of folders, what ends in `.yaml`, `.yml` or `.json` is read, in
    /// the order of names, with all folders in them but those whose names begin with a dot.
    ///
    /// It reads files, and so blocks.
    #[must_use]
    pub fn read<P: AsRef<std::path::Path>>(paths: &[P], options: &Options) -> Self {
        let mut manifests = Self::default();
        for path in paths {
            let Found { files, problems } = find(path.as_ref());
            manifests.problems.extend(problems);
            for found in files {
                match read(&found) {
                    Ok(text) => manifests.add(&found.name, &text, options),
                    Err(problem) => manifests.problems.push(problem),
                }
            }
        }
        manifests.settle();
        manifests
    }

    /// Adds what one file holds.
    pub(crate) fn add(&mut self, file: &Arc<str>, text: &str, options: &Options) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let before = (self.documents.len(), self.problems.len(), self.notes.len());
        // Parsing recurses, and the stack of whoever calls this may be anything.
        let done = std::thread::scope(|scope| {
            let parse = || {
                let mut sink = object::Sink { manifests: &mut *self, file, namespace: options.namespace() };
                if json::is_json(file, text) {
                    json::parse(text, &mut sink);
                } else {
                    yaml::parse(text, &mut sink);
                }
            };
            let thread = std::thread::Builder::new().name("manifest".to_owned()).stack_size(STACK);
            thread.spawn_scoped(scope, parse).is_ok_and(|thread| thread.join().is_ok())
        });
        if !done {
            self.documents.truncate(before.0);
            self.problems.truncate(before.1);
            self.notes.truncate(before.2);
            let what = "could not be parsed";
            self.problems.push(Problem::new(file, Location::default(), what, "split it into smaller files"));
        }
    }

    /// Keeps the last of objects that are there more than once, and notes that.
    fn settle(&mut self) {
        let mut known: BTreeMap<Id, (usize, Arc<str>, Location)> = BTreeMap::new();
        let mut superseded = std::collections::BTreeSet::new();
        for (index, document) in self.documents.iter().enumerate() {
            let place = (index, document.file.clone(), document.at);
            let Some((before, file, at)) = known.insert(document.id(), place) else { continue };
            superseded.insert(before);
            self.notes.push(document.again(&file, at));
        }
        let mut index = 0..;
        self.documents.retain(|_| index.next().is_none_or(|index| !superseded.contains(&index)));
    }
}
