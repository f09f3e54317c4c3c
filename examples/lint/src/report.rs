//! What was found, and where it is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ingress_core::ClusterId;
use ingress_core::clock::wall_now;
use ingress_core::diagnose::{self, Severity};
use ingress_core::inventory::{Inventory, Removed, Unknown};
use ingress_core::manifest::{Document, Location, Manifests, Problem};

/// What was found in some manifests.
#[derive(Debug)]
pub(crate) struct Report {
    /// How many objects there are.
    pub(crate) objects: usize,
    /// In the order of files and lines.
    pub(crate) findings: Vec<Located>,
    /// What can't be known without a cluster.
    pub(crate) unknown: Vec<Unknown>,
    /// What could not be read.
    pub(crate) problems: Vec<Problem>,
    /// What is odd, and no reason to fail.
    pub(crate) notes: Vec<Problem>,
}

/// A finding with its place.
#[derive(Debug)]
pub(crate) struct Located {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    /// `Kind namespace/name`.
    pub(crate) object: String,
    pub(crate) field: Option<String>,
    /// `None` for objects that are in no file.
    pub(crate) file: Option<Arc<str>>,
    pub(crate) at: Location,
    pub(crate) cause: String,
    pub(crate) action: String,
}

impl Report {
    /// Checks what was read.
    pub(crate) fn of(manifests: Manifests) -> Self {
        let Manifests { documents, mut problems, notes, .. } = manifests;
        let (mut inventory, cluster) = (Inventory::new(), ClusterId::sanitized("files"));
        let taken = inventory.take(&cluster, &documents);
        problems.extend(taken.problems);
        let report = diagnose::lint(&inventory, &cluster, wall_now(), &diagnose::Settings::default());
        let places = places(&documents);
        let found = report.findings.into_iter().map(|finding| Located::of(finding, &places));
        let mut findings: Vec<_> = found.chain(taken.removed.iter().map(Located::removed)).collect();
        let key = |found: &Located| {
            (found.file.clone(), found.at, found.code, found.object.clone(), found.field.clone())
        };
        findings.sort_by_key(key);
        findings.dedup_by_key(|found| key(found));
        Self { objects: documents.len(), findings, unknown: report.unknown, problems, notes }
    }

    /// How many findings are of this severity.
    pub(crate) fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// The kinds of which something is unknown, each with how often and why.
    pub(crate) fn unknown_kinds(&self) -> BTreeMap<(&'static str, &'static str), usize> {
        let mut kinds = BTreeMap::new();
        for unknown in &self.unknown {
            *kinds.entry((unknown.kind, unknown.why.as_str())).or_default() += 1;
        }
        kinds
    }

    /// The codes of all findings.
    pub(crate) fn codes(&self) -> BTreeSet<&'static str> {
        self.findings.iter().map(|finding| finding.code).collect()
    }
}

type Place<'a> = (&'a str, Option<&'a str>, &'a str);

fn places(documents: &[Document]) -> BTreeMap<Place<'_>, &Document> {
    documents
        .iter()
        .map(|document| ((&*document.kind, document.namespace.as_deref(), &*document.name), document))
        .collect()
}

impl Located {
    fn of(finding: diagnose::Finding, places: &BTreeMap<Place<'_>, &Document>) -> Self {
        let of = &finding.object;
        let document = places.get(&(&*of.kind, of.namespace.as_deref(), &*of.name));
        let field = finding.field.as_deref().unwrap_or_default();
        Self {
            code: finding.code,
            severity: finding.severity,
            object: of.to_string(),
            file: document.map(|document| document.file.clone()),
            at: document.map_or_else(Location::default, |document| document.position(field)),
            field: finding.field,
            cause: finding.cause,
            action: finding.action,
        }
    }

    /// What no cluster takes any more, and so isn't in the inventory that the other checks look at.
    fn removed(removed: &Removed) -> Self {
        let found = Self::of(diagnose::Finding::from(removed), &BTreeMap::new());
        Self { file: Some(removed.file.clone()), at: removed.at, ..found }
    }
}
