//! What policy engines report of objects: `PolicyReport` and `ClusterPolicyReport` (wgpolicyk8s.io/v1alpha2), `Report` and `ClusterReport`
//! (openreports.io/v1alpha1), which take their place with the same fields.
//!
//! A report may have thousands of results, most of them that something is in order. Kept is what isn't, and of that what is about an object
//! that a route is made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Resource;
use super::part::{group, is_part};
use super::plain::plain;
use super::record::{Metadata, is_default, nullable, record};

/// How many results one report keeps.
pub const REPORT_RESULTS: usize = 200;
/// How many objects one result keeps.
pub const RESULT_SUBJECTS: usize = 20;

/// A result of a policy that is not met, or could not be looked at.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ReportResult {
    /// `source`: which engine says so.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub source: String,
    /// `policy`.
    pub policy: String,
    /// `rule`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub rule: String,
    /// `severity`: `critical`, `high`, `medium`, `low` or `info`; empty where nobody says.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub severity: String,
    /// `result`: `fail` or `error`.
    pub result: String,
    /// `message`.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub message: String,
    /// `resources`: the objects that it is about, those only that a route can be made of, and the first [`RESULT_SUBJECTS`] of them; where it
    /// names none, that is the `scope` of its report.
    #[serde(deserialize_with = "nullable")]
    pub resources: Vec<ReportSubject>,
}

/// An object that a result is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct ReportSubject {
    /// `kind`.
    #[serde(deserialize_with = "nullable")]
    pub kind: String,
    /// `namespace`; where it names none, that of its report.
    #[serde(deserialize_with = "nullable", skip_serializing_if = "is_default")]
    pub namespace: String,
    /// `name`.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
    // Of which group it is; only that of a part of a route is kept, and goes without saying.
    #[serde(deserialize_with = "nullable", skip_serializing)]
    api_version: String,
}

macro_rules! report {
    ($name:ident, $what:literal, $resource:expr, $stored:literal) => {
        #[doc = $what]
        /// What is kept: metadata without labels, annotations and owners, and what is not in order about objects that a route can be made of.
        #[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        #[non_exhaustive]
        pub struct $name {
            /// `metadata`.
            pub metadata: Metadata,
            /// `results`: the first [`REPORT_RESULTS`] of those with the result `fail` or `error`.
            #[serde(deserialize_with = "nullable")]
            pub results: Vec<ReportResult>,
            // What is folded into the results, and is empty after that.
            #[serde(skip_serializing)]
            scope: Option<ReportSubject>,
            #[serde(deserialize_with = "nullable", skip_serializing)]
            source: String,
        }

        impl $name {
            fn tidy(&mut self) {
                let metadata = &mut self.metadata;
                (metadata.labels, metadata.annotations) = (BTreeMap::new(), BTreeMap::new());
                (metadata.owner_references, metadata.finalizers) = (Vec::new(), Vec::new());
                metadata.tidy();
                let (scope, source) = (self.scope.take(), std::mem::take(&mut self.source));
                fold(&mut self.results, &metadata.namespace, scope.as_ref(), &source);
            }
        }

        record!($name, $resource, $stored, json);
    };
}

report!(
    PolicyReport,
    "What policies say of the objects of a namespace.",
    Resource::namespaced("wgpolicyk8s.io", "v1alpha2", "PolicyReport", "policyreports")
        .or_older(&["v1beta1"]),
    "policyreport/1"
);
report!(
    ClusterPolicyReport,
    "What policies say of objects of the whole cluster.",
    Resource::cluster_scoped("wgpolicyk8s.io", "v1alpha2", "ClusterPolicyReport", "clusterpolicyreports")
        .or_older(&["v1beta1"]),
    "clusterpolicyreport/1"
);
report!(
    OpenReport,
    "What policies say of the objects of a namespace, as OpenReports has it.",
    Resource::namespaced("openreports.io", "v1alpha1", "Report", "reports"),
    "openreports.report/1"
);
report!(
    ClusterOpenReport,
    "What policies say of objects of the whole cluster, as OpenReports has it.",
    Resource::cluster_scoped("openreports.io", "v1alpha1", "ClusterReport", "clusterreports"),
    "openreports.clusterreport/1"
);

/// Leaves of results what is not in order about objects that a route can be made of, each with its objects and where they are.
fn fold(results: &mut Vec<ReportResult>, namespace: &str, scope: Option<&ReportSubject>, source: &str) {
    let of_route = |subject: &ReportSubject| {
        is_part(group(&subject.api_version), &subject.kind) && !subject.name.is_empty()
    };
    results.retain_mut(|result| {
        if !matches!(result.result.as_str(), "fail" | "error") {
            return false;
        }
        if result.resources.is_empty() {
            result.resources.extend(scope.cloned());
        }
        result.resources.retain(of_route);
        !result.resources.is_empty()
    });
    results.truncate(REPORT_RESULTS);
    results.shrink_to_fit();
    for result in results {
        result.resources.truncate(RESULT_SUBJECTS);
        result.resources.shrink_to_fit();
        for subject in &mut result.resources {
            subject.api_version = String::new();
            if subject.namespace.is_empty() {
                namespace.clone_into(&mut subject.namespace);
            }
        }
        if result.source.is_empty() {
            source.clone_into(&mut result.source);
        }
        for text in [&mut result.source, &mut result.policy, &mut result.rule, &mut result.message] {
            plain(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn one_record<K: Kind>(json: &str) -> K {
        let record = K::decode_json(&mut serde_json::Deserializer::from_str(json)).unwrap();
        assert_eq!(K::restore(&record.stored()).unwrap(), record);
        record
    }

    #[test]
    fn what_is_not_in_order_about_a_part_of_a_route_is_kept() {
        let report: PolicyReport = one_record(
            r#"{"apiVersion":"wgpolicyk8s.io/v1alpha2","kind":"PolicyReport","metadata":{"name":"p","namespace":"shop","labels":{"a":"b"},
            "ownerReferences":[{"kind":"Ingress","name":"web"}]},"scope":{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","name":"web"},
            "summary":{"pass":1,"fail":2},"results":[
              {"policy":"require-labels","rule":"team","result":"fail","severity":"high","scored":true,"source":"kyverno",
                "message":"validation error:\nthe label team is required","timestamp":{"seconds":1,"nanos":0},"properties":{"a":"hush"}},
              {"policy":"require-labels","result":"pass","message":"hush"},
              {"policy":"no-root","result":"error","message":null,"resources":[
                {"apiVersion":"v1","kind":"Pod","namespace":"other","name":"cart-1","uid":"u"},{"apiVersion":"serving.knative.dev/v1","kind":"Service","name":"hush"},{"kind":"Node","name":"hush"}]},
              {"policy":"nodes","result":"fail","resources":[{"kind":"Node","name":"hush"}]}]}"#,
        );
        let [labels, root] = &report.results[..] else { panic!("{report:?}") };
        assert_eq!(
            (labels.resources[0].kind.as_str(), labels.resources[0].namespace.as_str()),
            ("Ingress", "shop")
        );
        assert_eq!((labels.severity.as_str(), labels.source.as_str()), ("high", "kyverno"));
        assert_eq!(labels.message, "validation error: the label team is required");
        assert_eq!((root.resources.len(), root.resources[0].namespace.as_str()), (1, "other"));
        assert!(
            !report.stored().contains("hush") && !report.stored().contains("scope"),
            "{}",
            report.stored()
        );
    }

    #[test]
    fn open_reports_say_their_source_once() {
        let report: ClusterOpenReport = one_record(
            r#"{"metadata":{"name":"r"},"source":"scanner","results":[{"policy":"p","result":"fail",
            "resources":[{"kind":"Service","namespace":"shop","name":"cart"}]},{"policy":"q","result":"fail"}]}"#,
        );
        assert_eq!(report.results.iter().map(|it| it.source.as_str()).collect::<Vec<_>>(), ["scanner"]);
        assert_eq!(one_record::<OpenReport>(r#"{"metadata":{"name":"r"},"results":null}"#).results, []);
        assert!(one_record::<ClusterPolicyReport>(r#"{"metadata":{"name":"r"}}"#).results.is_empty());
    }

    #[test]
    fn no_more_is_kept_than_is_bounded() {
        let subjects = vec![r#"{"kind":"Pod","name":"a"}"#; RESULT_SUBJECTS + 1].join(",");
        let result = format!(
            r#"{{"policy":"p","result":"fail","message":"{}","resources":[{subjects}]}}"#,
            "x".repeat(2000)
        );
        let results = vec![result; REPORT_RESULTS + 1].join(",");
        let report: PolicyReport =
            one_record(&format!(r#"{{"metadata":{{"name":"p"}},"results":[{results}]}}"#));
        assert_eq!(
            (report.results.len(), report.results[0].resources.len()),
            (REPORT_RESULTS, RESULT_SUBJECTS)
        );
        assert!(report.results[0].message.len() <= crate::kind::MESSAGE_BYTES);
    }
}
