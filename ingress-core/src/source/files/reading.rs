//! What some files say at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::inventory;
use crate::manifest::{Document, FileFound, Found, Id, Manifests, Options, Problem, find, read};

/// What some files say at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// Counts the readings that differ. 0: nothing was read yet.
    pub(super) generation: u64,
    /// The objects, each as it would be in a cluster.
    pub(super) documents: BTreeMap<Id, Arc<Document>>,
    /// What can't be read or used.
    pub(super) problems: Vec<Problem>,
    /// A path that was named and is not there.
    pub(super) missing: Option<Problem>,
    files: Vec<Arc<FileRead>>,
}

#[derive(Debug)]
struct FileRead {
    found: FileFound,
    documents: Vec<Arc<Document>>,
    problems: Vec<Problem>,
}

impl Reading {
    /// Looks at the files; `None` when they are as they were.
    pub(super) fn after(before: &Self, paths: &[PathBuf], options: &Options) -> Option<Self> {
        let known: BTreeMap<&str, &Arc<FileRead>> =
            before.files.iter().map(|file| (&*file.found.name, file)).collect();
        let (mut files, mut problems, mut missing) = (Vec::new(), Vec::new(), None);
        for path in paths {
            let Found { files: found, problems: unseen } = find(path);
            if found.is_empty() && unseen.iter().any(|problem| *problem.file == *path.to_string_lossy()) {
                missing = unseen.first().cloned();
            }
            for found in found {
                files.push(match known.get(&*found.name) {
                    Some(file) if file.found == found => Arc::clone(file),
                    before => Arc::new(FileRead::new(found, before.map(|file| &***file), options)),
                });
            }
            // Nobody knows what became of files that can't be looked for.
            let seen: BTreeSet<_> = files.iter().map(|file| file.found.name.clone()).collect();
            let hidden: BTreeSet<_> = unseen.iter().map(|problem| &*problem.file).collect();
            let kept = before.files.iter().filter(|file| {
                let mut above = Path::new(&*file.found.name).ancestors();
                !seen.contains(&file.found.name)
                    && above.any(|path| path.to_str().is_some_and(|path| hidden.contains(path)))
            });
            files.extend(kept.cloned());
            problems.extend(unseen);
        }
        let same = files.len() == before.files.len()
            && files.iter().zip(&before.files).all(|(now, before)| Arc::ptr_eq(now, before));
        if before.generation > 0 && same && missing == before.missing {
            return None;
        }
        let mut reading = Self { missing, problems, files, ..Self::default() };
        reading.settle(before);
        let changed = before.generation == 0 || reading.differs(before);
        reading.generation = before.generation + u64::from(changed);
        Some(reading)
    }

    fn differs(&self, before: &Self) -> bool {
        let known = |(id, document): (&Id, &Arc<Document>)| {
            before.documents.get(id).is_some_and(|known| same(known, document))
        };
        self.documents.len() != before.documents.len() || !self.documents.iter().all(known)
    }

    /// Takes of all files what can be used.
    fn settle(&mut self, before: &Self) {
        for file in &self.files {
            self.problems.extend(file.problems.iter().cloned());
            for document in &file.documents {
                let mut document = document.clone();
                if let Some(problem) = inventory::fault(&document) {
                    self.problems.push(problem);
                    // What the object was when it could be used.
                    let Some(last) = before.documents.get(&document.id()) else { continue };
                    document = last.clone();
                }
                if let Some(other) = self.documents.insert(document.id(), document.clone())
                    && other.file != document.file
                {
                    self.problems.push(document.again(&other.file, other.at));
                }
            }
        }
    }
}

/// Whether two documents are one object in one state, wherever it is written.
pub(super) fn same(one: &Arc<Document>, other: &Arc<Document>) -> bool {
    Arc::ptr_eq(one, other) || one.value == other.value
}

impl FileRead {
    fn new(found: FileFound, before: Option<&Self>, options: &Options) -> Self {
        let mut manifests = Manifests::default();
        match read(&found) {
            Ok(text) => manifests.add(&found.name, &text, options),
            Err(problem) => manifests.problems.push(problem),
        }
        let Manifests { documents, problems, .. } = manifests;
        let mut documents: Vec<_> = documents.into_iter().map(Arc::new).collect();
        if let (false, Some(before)) = (problems.is_empty(), before) {
            let read: BTreeSet<_> = documents.iter().map(|document| document.id()).collect();
            documents.extend(before.documents.iter().filter(|known| !read.contains(&known.id())).cloned());
        }
        Self { found, documents, problems }
    }
}
