//! From a value to the objects that it holds.

use std::sync::Arc;

use serde_json::Value;

use super::spot::Spot;
use super::{Document, Location, Manifests, Problem};
use crate::key::Namespace;

/// Kinds that live in no namespace, of which this crate has no records.
const CLUSTER_SCOPED: [(&str, &[&str]); 16] = [
    ("", &["Namespace", "Node", "PersistentVolume", "ComponentStatus"]),
    (
        "admissionregistration.k8s.io",
        &[
            "MutatingWebhookConfiguration",
            "ValidatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
        ],
    ),
    ("apiextensions.k8s.io", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["APIService"]),
    ("cert-manager.io", &["ClusterIssuer"]),
    ("certificates.k8s.io", &["CertificateSigningRequest", "ClusterTrustBundle"]),
    ("flowcontrol.apiserver.k8s.io", &["FlowSchema", "PriorityLevelConfiguration"]),
    ("gateway.networking.k8s.io", &["GatewayClass"]),
    ("networking.k8s.io", &["IngressClass", "IPAddress", "ServiceCIDR"]),
    ("node.k8s.io", &["RuntimeClass"]),
    ("openreports.io", &["ClusterReport"]),
    ("policy", &["PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding"]),
    ("scheduling.k8s.io", &["PriorityClass"]),
    (
        "storage.k8s.io",
        &["StorageClass", "CSIDriver", "CSINode", "VolumeAttachment", "VolumeAttributesClass"],
    ),
    ("wgpolicyk8s.io", &["ClusterPolicyReport"]),
];

/// Whether a kind is known to live in no namespace. Files don't say it; of kinds that nobody here knows it is taken that they do.
#[must_use]
pub fn is_cluster_scoped(group: &str, kind: &str) -> bool {
    // Of constraints, each template brings a kind of its own.
    group == "constraints.gatekeeper.sh"
        || CLUSTER_SCOPED.iter().any(|(known, kinds)| *known == group && kinds.contains(&kind))
}

/// Takes what files hold.
pub(super) struct Sink<'a> {
    pub(super) manifests: &'a mut Manifests,
    pub(super) file: &'a Arc<str>,
    pub(super) namespace: &'a str,
}

impl Sink<'_> {
    pub(super) fn broken(&mut self, at: Location, what: impl Into<String>, remedy: &str) {
        self.manifests.problems.push(Problem::new(self.file, at, what, remedy));
    }

    fn note(&mut self, at: Location, what: impl Into<String>, remedy: &str) {
        self.manifests.notes.push(Problem::new(self.file, at, what, remedy));
    }

    /// A template that nobody rendered.
    pub(super) fn template(&mut self, at: Location) {
        let what = "this is a template ({{ … }}), not YAML";
        self.broken(at, what, "render it first, for instance: helm template CHART | lint -");
    }

    /// Takes a value: an object, or a list of them. `within` is what a list says of its items.
    pub(super) fn take(&mut self, value: Value, mut spot: Spot, within: Option<(&str, &str)>) {
        let at = spot.at;
        let mut map = match value {
            Value::Null => return,
            Value::Object(map) => map,
            _ => {
                let remedy = "begin it with apiVersion and kind; separate objects by a line of ---";
                return self.broken(at, "this is no Kubernetes object, but a list or a text", remedy);
            }
        };
        if within.is_none() && !map.contains_key("apiVersion") && !map.contains_key("kind") {
            let what = "passed over: it has neither apiVersion nor kind, so it is no Kubernetes object";
            return self.note(at, what, "nothing needs to be done unless it was meant to be one");
        }
        let Some([api_version, kind]) = self.sort(&map, &spot, within) else { return };
        if kind.ends_with("List")
            && let Some(items) = map.get_mut("items").map(Value::take)
        {
            let Value::Array(items) = items else {
                let at = spot.find("items").unwrap_or(at);
                return self.broken(at, "items is no list", "write it as a list of objects");
            };
            let of = kind.strip_suffix("List").filter(|of| !of.is_empty());
            let within = of.map_or(("", ""), |of| (&*api_version, of));
            let mut spots = spot.take_items("items").into_iter();
            for item in items {
                let spot = spots.next().unwrap_or_else(|| Spot { at, ..Spot::default() });
                self.take(item, spot, Some(within));
            }
            return;
        }
        if api_version.starts_with("kustomize.config.k8s.io/") {
            let what = format!("passed over: a {kind} says how to build objects, and is none");
            return self.note(at, what, "lint what it builds: kubectl kustomize FOLDER | lint -");
        }
        self.object(api_version, kind, map, spot);
    }

    /// `apiVersion` and `kind`; `None`, having said so, where one isn't there.
    fn sort(
        &mut self,
        map: &serde_json::Map<String, Value>,
        spot: &Spot,
        within: Option<(&str, &str)>,
    ) -> Option<[String; 2]> {
        let (api_version, kind) = within.unwrap_or_default();
        let mut found = [api_version.to_owned(), kind.to_owned()];
        for (name, found) in ["apiVersion", "kind"].into_iter().zip(&mut found) {
            match map.get(name) {
                Some(Value::String(text)) if !text.is_empty() => found.clone_from(text),
                None if !found.is_empty() => {}
                written => {
                    let what = if written.is_some() { "is no text" } else { "is missing" };
                    let at = spot.find(name).unwrap_or(spot.at);
                    let remedy = "every object has both, such as apiVersion: v1 and kind: Service";
                    self.manifests.problems.push(Problem::new(self.file, at, what, remedy).of_field(name));
                    return None;
                }
            }
        }
        Some(found)
    }

    fn object(
        &mut self,
        api_version: String,
        kind: String,
        mut map: serde_json::Map<String, Value>,
        spot: Spot,
    ) {
        let at = spot.at;
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let mut fault = |field: &str, what: &str, remedy: &str| {
            let at = spot.find(field).unwrap_or(at);
            let problem = Problem::new(self.file, at, format!("{kind}: {what}"), remedy);
            self.manifests.problems.push(problem.of_field(field));
        };
        map.insert("apiVersion".to_owned(), Value::from(&*api_version));
        map.insert("kind".to_owned(), Value::from(&*kind));
        let metadata = map.entry("metadata").or_insert_with(|| Value::Object(serde_json::Map::new()));
        let Value::Object(metadata) = metadata else {
            return fault("metadata", "is no map", "write name and namespace below it");
        };
        if metadata.get("name").is_none() && metadata.contains_key("generateName") {
            let what = format!("passed over: a {kind} with generateName has no name before it is created");
            return self.note(at, what, "give it a name to have it checked");
        }
        let name = match metadata.get("name") {
            Some(Value::String(name)) => name.clone(),
            Some(_) => return fault("metadata.name", "is no text", "put it into quotes"),
            None => return fault("metadata.name", "is missing", "give the object a name"),
        };
        let namespace = match metadata.get("namespace") {
            None => None,
            Some(Value::String(namespace)) => Some(namespace.clone()).filter(|text| !text.is_empty()),
            Some(_) => return fault("metadata.namespace", "is no text", "put it into quotes"),
        };
        if [&name, namespace.as_ref().unwrap_or(&name)].iter().any(|text| text.contains("{{")) {
            return self.template(spot.find("metadata.name").unwrap_or(at));
        }
        // Looser than the rules of most kinds, since some, such as roles, have others.
        let odd = |c: char| c.is_whitespace() || c.is_control() || c == '/' || c == '%';
        if name.is_empty() || name.len() > 253 || name.contains(odd) {
            let remedy = "1 to 253 of a-z, 0-9, - and . make a name";
            return fault("metadata.name", "is no name", remedy);
        }
        if namespace.as_ref().is_some_and(|namespace| Namespace::new(namespace).is_err()) {
            let remedy = "1 to 63 of a-z, 0-9 and - make a namespace's name, neither first nor last a -";
            return fault("metadata.namespace", "is no namespace's name", remedy);
        }
        let namespace = if is_cluster_scoped(group, &kind) {
            // The API server passes over what is written there.
            metadata.remove("namespace");
            None
        } else {
            let namespace = namespace.unwrap_or_else(|| self.namespace.to_owned());
            metadata.insert("namespace".to_owned(), Value::from(&*namespace));
            Some(namespace)
        };
        let (file, value) = (self.file.clone(), Value::Object(map));
        self.manifests.documents.push(Document { api_version, kind, namespace, name, file, at, value, spot });
    }
}
