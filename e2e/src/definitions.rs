//! Definitions of custom resources: the real ones, and, for kinds whose real ones nobody hands out as files, such that admit everything.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::assets;
use crate::manifest::{self, Manifests, text};

/// Whose definitions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Of {
    /// Gateway API's standard channel.
    GatewayApi,
    /// Envoy Gateway's own.
    EnvoyGateway,
    /// cert-manager's.
    CertManager,
}

impl Of {
    fn folder(self) -> &'static str {
        match self {
            Self::GatewayApi => "gateway-api",
            Self::EnvoyGateway => "envoy-gateway",
            Self::CertManager => "cert-manager",
        }
    }

    /// The definitions themselves, as they were released.
    ///
    /// # Errors
    ///
    /// When they can't be fetched or read.
    pub fn read(self) -> Result<Vec<Value>> {
        let folder: PathBuf = assets::made_by("servers/definitions/build")?.join(self.folder());
        let mut all = Vec::new();
        let files = std::fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        for file in files {
            let path = file?.path();
            let documents = manifest::documents(&std::fs::read_to_string(&path)?);
            let documents = documents.with_context(|| path.display().to_string())?;
            all.extend(
                documents
                    .into_iter()
                    .filter(|document| text(document, "/kind") == "CustomResourceDefinition"),
            );
        }
        ensure!(!all.is_empty(), "no definitions in {}", folder.display());
        for definition in &mut all {
            forget_descriptions(definition);
        }
        Ok(all)
    }

    /// Installs them all. Whoever wants to use a kind at once waits until it is served ([`Manifests::define`]).
    ///
    /// # Errors
    ///
    /// When they can't be fetched, or are refused.
    pub async fn install(self, manifests: &Manifests) -> Result<()> {
        manifests.create(self.read()?).await?;
        manifests.forget();
        Ok(())
    }
}

/// Half of a definition is prose, which nobody here reads, and which the server would parse over and over.
fn forget_descriptions(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // A property of that name is a schema, not a text.
            if fields.get("description").is_some_and(Value::is_string) {
                fields.remove("description");
            }
            fields.values_mut().for_each(forget_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_descriptions),
        _ => {}
    }
}

/// A definition of the kind of this object that admits everything, with a plural as English has it.
///
/// It stands in for the real one of a project that does not hand it out in a Go module: the server then serves, stores and watches the kind as it would, but
/// checks no field and fills none in. What is shown with it is how the engine reads such objects from a cluster, not that the project would admit them.
///
/// # Errors
///
/// When the object has no group, version or kind.
pub fn permissive(object: &Value) -> Result<Value> {
    let (group, version) =
        text(object, "/apiVersion").split_once('/').context("a built-in kind needs no definition")?;
    let kind = text(object, "/kind");
    ensure!(!kind.is_empty(), "no kind");
    let scope = if text(object, "/metadata/namespace").is_empty() { "Cluster" } else { "Namespaced" };
    Ok(of_versions(group, kind, scope, &[version]))
}

/// [`permissive`] with all parts said; the first version is the one that is stored.
#[must_use]
pub fn of_versions(group: &str, kind: &str, scope: &str, versions: &[&str]) -> Value {
    let plural = plural(kind);
    let version = |(at, name): (usize, &&str)| {
        json!({
            "name": name, "served": true, "storage": at == 0,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            "subresources": {"status": {}},
        })
    };
    let versions: Vec<Value> = versions.iter().enumerate().map(version).collect();
    // Groups of Kubernetes itself are protected; this says that the definition is known not to be an approved one.
    let protected = group.ends_with(".k8s.io") || group.ends_with(".kubernetes.io");
    let annotations =
        if protected { json!({"api-approved.kubernetes.io": "unapproved, for a test"}) } else { json!({}) };
    let metadata = json!({"name": format!("{plural}.{group}"), "annotations": annotations});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural, "singular": kind.to_ascii_lowercase()},
            "scope": scope,
            "versions": versions,
        },
    })
}

/// The name of a kind's resource in URLs, as English has plurals.
fn plural(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ if lower.ends_with(['s', 'x']) || lower.ends_with("ch") => format!("{lower}es"),
        _ => format!("{lower}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_those_of_the_projects() {
        for (kind, expected) in [
            ("Kustomization", "kustomizations"),
            ("HelmRelease", "helmreleases"),
            ("GitRepository", "gitrepositories"),
            ("PolicyReport", "policyreports"),
            ("GatewayClass", "gatewayclasses"),
            ("BackendTrafficPolicy", "backendtrafficpolicies"),
            ("Gateway", "gateways"),
        ] {
            assert_eq!(plural(kind), expected);
        }
    }

    #[test]
    fn a_property_named_description_is_kept() {
        let mut schema = json!({"description": "prose", "properties": {"description": {"type": "string"}}});
        forget_descriptions(&mut schema);
        assert_eq!(schema, json!({"properties": {"description": {"type": "string"}}}));
    }
}
