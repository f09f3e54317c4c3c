//! Broken clusters as data: what is wrong, what has to be found, and how it is mended.
//!
//! A folder of `scenarios` is one: `broken.yaml` holds what differs from a healthy application (a file of `scenarios/base`), as JSON merge patches (RFC 7386)
//! and whole objects; `expect.yaml` what has to be found. To mend it is to apply the healthy application, changed by `fixed.yaml` where there is one, and to delete
//! what only the broken one has.
//!
//! Each lives in a namespace of its own name, so that many share a cluster. In all files `$NAME` stands for it, and an object without a namespace is in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::certificates::Wanted;
use crate::manifest::{documents, id, text};

/// Kinds that live in no namespace.
const CLUSTER_SCOPED: &[&str] = &["Namespace", "Node", "IngressClass", "GatewayClass", "ClusterIssuer"];

/// What has to be found.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Expect {
    /// The healthy application: a file of `scenarios/base`.
    pub base: String,
    /// What is asked for; `http://$NAME.example.com/` unless said.
    #[serde(default)]
    pub url: Option<String>,
    /// The codes that are found while it is broken, and not any more when it is mended.
    pub codes: Vec<String>,
    /// The verdict on the URL's route while it is broken.
    pub verdict: String,
    /// Words of the cause of a finding.
    #[serde(default)]
    pub says: Option<String>,
    /// The verdict once it is mended.
    #[serde(default = "ok")]
    pub fixed: String,
    /// Objects of the healthy application that are missing while it is broken, such as `Service/cart`.
    #[serde(default)]
    pub without: Vec<String>,
    /// Objects that are deleted once they are there, and that something holds back.
    #[serde(default)]
    pub deletes: Vec<String>,
    /// Conditions that controllers have to have written before the cluster counts as broken, such as `Gateway/edge Programmed=True`; those of the base unless said.
    #[serde(default)]
    pub awaits: Option<Vec<String>>,
    /// Findings above info that stay when it is mended, since they are about something else.
    #[serde(default)]
    pub stays: Vec<String>,
}

fn ok() -> String {
    "ok".to_owned()
}

/// A scenario, with its objects.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Scenario {
    /// The folder's name, which is also that of its namespace.
    pub name: String,
    /// What has to be found.
    pub expect: Expect,
    /// All objects while it is broken.
    pub broken: Vec<Value>,
    /// All objects once it is mended.
    pub fixed: Vec<Value>,
}

impl Scenario {
    /// All there are, in the order of their names.
    ///
    /// # Errors
    ///
    /// When one can't be read.
    pub fn all() -> Result<Vec<Self>> {
        let folder = crate::assets::crate_folder().join("scenarios");
        let mut folders: Vec<PathBuf> = std::fs::read_dir(&folder)
            .with_context(|| folder.display().to_string())?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        folders.retain(|path| path.join("expect.yaml").is_file());
        folders.sort();
        folders.iter().map(|path| Self::read(path).with_context(|| path.display().to_string())).collect()
    }

    /// The healthy application of this name in a namespace, without a certificate.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    pub fn healthy(base: &str, namespace: &str) -> Result<Vec<Value>> {
        let path = crate::assets::crate_folder().join(format!("scenarios/base/{base}.yaml"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        objects(&text.replace("$NAME", namespace), namespace)
    }

    fn read(folder: &Path) -> Result<Self> {
        let name = folder.file_name().and_then(|name| name.to_str()).context("an odd name")?.to_owned();
        let read = |path: PathBuf| -> Result<String> {
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            Ok(text.replace("$NAME", &name))
        };
        let expect: Expect = serde_saphyr::from_str(&read(folder.join("expect.yaml"))?)?;
        ensure!(!expect.codes.is_empty(), "nothing is expected");
        let base = folder.with_file_name("base").join(format!("{}.yaml", expect.base));
        let base = objects(&read(base)?, &name)?;
        let changes = objects(&read(folder.join("broken.yaml"))?, &name)?;
        let mut broken = changed(&base, changes);
        for missing in &expect.without {
            let before = broken.len();
            broken.retain(|object| {
                format!("{}/{}", text(object, "/kind"), text(object, "/metadata/name")) != *missing
            });
            ensure!(broken.len() < before, "there is no {missing} that could be missing");
        }
        let mends = folder.join("fixed.yaml");
        let mends = if mends.is_file() { objects(&read(mends)?, &name)? } else { Vec::new() };
        let fixed = changed(&base, mends);
        Ok(Self { name, expect, broken: with_certificates(broken)?, fixed: with_certificates(fixed)? })
    }

    /// What is asked for.
    #[must_use]
    pub fn url(&self) -> String {
        self.expect.url.clone().unwrap_or_else(|| format!("http://{}.example.com/", self.name))
    }

    /// The namespaces that it has for itself.
    #[must_use]
    pub fn namespaces(&self) -> Vec<&str> {
        let all = self.broken.iter().chain(&self.fixed).filter(|object| text(object, "/kind") == "Namespace");
        let mut names: Vec<&str> = all.map(|object| text(object, "/metadata/name")).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn objects(text_of: &str, namespace: &str) -> Result<Vec<Value>> {
    let mut all = documents(text_of)?;
    for object in &mut all {
        let kind = text(object, "/kind").to_owned();
        ensure!(!kind.is_empty() && !text(object, "/metadata/name").is_empty(), "no kind or name: {object}");
        if !CLUSTER_SCOPED.contains(&kind.as_str())
            && let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut)
        {
            metadata.entry("namespace").or_insert_with(|| namespace.into());
        }
    }
    Ok(all)
}

/// These objects, with what is changed about them, and with what is new.
fn changed(objects: &[Value], changes: Vec<Value>) -> Vec<Value> {
    let mut all = objects.to_vec();
    let places: BTreeMap<String, usize> = objects.iter().map(id).zip(0..).collect();
    for change in changes {
        match places.get(&id(&change)).and_then(|at| all.get_mut(*at)) {
            Some(object) => merge(object, change),
            None => all.push(change),
        }
    }
    all
}

/// A JSON merge patch: fields replace fields, null removes them, and lists are replaced as a whole.
fn merge(object: &mut Value, change: Value) {
    let Value::Object(change) = change else {
        *object = change;
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let Some(fields) = object.as_object_mut() else { return };
    for (key, value) in change {
        if value.is_null() {
            fields.remove(&key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), value);
        }
    }
}

/// A Secret says what certificate it holds by a field of its own, since a real one would expire in the repository.
fn with_certificates(mut objects: Vec<Value>) -> Result<Vec<Value>> {
    for object in &mut objects {
        let Some(wanted) = object.as_object_mut().and_then(|fields| fields.remove("certificate")) else {
            continue;
        };
        let wanted: Wanted = serde_json::from_value(wanted).with_context(|| id(object))?;
        object["data"] = wanted.data()?;
    }
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_can_be_read_and_is_about_something() {
        for scenario in Scenario::all().unwrap() {
            assert_ne!(
                scenario.broken.iter().map(|object| object.to_string()).collect::<Vec<_>>(),
                scenario.fixed.iter().map(|object| object.to_string()).collect::<Vec<_>>(),
                "{}",
                scenario.name
            );
            assert!(scenario.namespaces().contains(&scenario.name.as_str()), "{}", scenario.name);
        }
    }

    #[test]
    fn patches_merge_as_the_rfc_says() {
        let mut object = serde_json::json!({"a": {"b": 1, "c": [1, 2]}, "d": 3});
        merge(&mut object, serde_json::json!({"a": {"c": [3], "e": {"f": null}}, "d": null}));
        assert_eq!(object, serde_json::json!({"a": {"b": 1, "c": [3], "e": {}}}));
    }
}
