//! An ingress as the API server writes it: the same fields in the same order, with what a real one carries along
//! (`managedFields`, the last applied configuration).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::character::{Class, Tooling};
use super::plot::Plot;
use super::space::{timestamp, uid};
use super::vocabulary;
use crate::kind::LAST_APPLIED;

/// Labels or annotations.
pub(super) type Pairs<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<&'a str>,
    pub(super) uid: String,
    pub(super) resource_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generation: Option<u32>,
    pub(super) creation_timestamp: String,
    pub(super) labels: Pairs<'a>,
    pub(super) annotations: Pairs<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) managed_fields: Vec<ManagedFields>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManagedFields {
    manager: &'static str,
    operation: &'static str,
    api_version: &'static str,
    time: String,
    fields_type: &'static str,
    fields_v1: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    subresource: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: &'a Spec,
    status: Status<'a>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ingress_class_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) default_backend: Option<Backend>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tls: Vec<Tls>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) rules: Vec<Rule>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tls {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) hosts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_name: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<String>,
    pub(super) http: Http,
}

#[derive(Clone, Serialize)]
pub(super) struct Http {
    pub(super) paths: Vec<Path>,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Path {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<Cow<'static, str>>,
    pub(super) path_type: &'static str,
    pub(super) backend: Backend,
}

#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Backend {
    Service {
        name: String,
        port: Port,
    },
    #[serde(rename_all = "camelCase")]
    Resource {
        api_group: &'static str,
        kind: &'static str,
        name: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Port {
    Name(&'static str),
    Number(u16),
}

impl From<vocabulary::Port> for Port {
    fn from(port: vocabulary::Port) -> Self {
        match port {
            vocabulary::Port::Name(name) => Self::Name(name),
            vocabulary::Port::Number(number) => Self::Number(number),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    load_balancer: LoadBalancer<'a>,
}

#[derive(Serialize)]
struct LoadBalancer<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    ingress: &'a [Address],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Address {
    Ip(String),
    Hostname(String),
}

const API_VERSION: &str = "networking.k8s.io/v1";

impl Plot {
    /// The whole object, as the API server would send it.
    pub(super) fn render(&self) -> serde_json::Result<Vec<u8>> {
        let character = self.character();
        let spec = self.spec(&character);
        let addresses = self.addresses(&character);
        let labels = self.labels(&character);
        let mut annotations = self.annotations(&character, &spec);
        let managed_fields =
            self.managed_fields(&character, &spec, &labels, &annotations, !addresses.is_empty());
        if character.tooling == Tooling::Kubectl {
            let applied = self.last_applied(&spec, &labels, &annotations)?;
            annotations.insert(LAST_APPLIED.into(), applied.into());
        }
        serde_json::to_vec(&Object {
            api_version: API_VERSION,
            kind: "Ingress",
            metadata: Metadata {
                name: &self.name,
                namespace: Some(&self.space.name),
                uid: uid(self.uid()),
                resource_version: self.revision.to_string(),
                generation: Some(self.generation),
                creation_timestamp: timestamp(self.created),
                labels,
                annotations,
                managed_fields,
            },
            spec: &spec,
            status: Status { load_balancer: LoadBalancer { ingress: &addresses } },
        })
    }

    /// What `kubectl apply` keeps: the manifest, with a line feed at its end.
    fn last_applied(
        &self,
        spec: &Spec,
        labels: &Pairs<'_>,
        annotations: &Pairs<'_>,
    ) -> serde_json::Result<String> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Manifest<'a> {
            api_version: &'static str,
            kind: &'static str,
            metadata: ManifestMetadata<'a>,
            spec: &'a Spec,
        }
        #[derive(Serialize)]
        struct ManifestMetadata<'a> {
            annotations: &'a Pairs<'a>,
            labels: &'a Pairs<'a>,
            name: &'a str,
            namespace: &'a str,
        }
        let metadata =
            ManifestMetadata { annotations, labels, name: &self.name, namespace: &self.space.name };
        let manifest = Manifest { api_version: API_VERSION, kind: "Ingress", metadata, spec };
        Ok(serde_json::to_string(&manifest)? + "\n")
    }

    fn managed_fields(
        &self,
        character: &super::character::Character,
        spec: &Spec,
        labels: &Pairs<'_>,
        annotations: &Pairs<'_>,
        addressed: bool,
    ) -> Vec<ManagedFields> {
        let mut of_spec = Map::new();
        let mut own = |name: &str, present: bool| {
            if present {
                of_spec.insert(name.to_owned(), Value::Object(Map::new()));
            }
        };
        own("f:defaultBackend", spec.default_backend.is_some());
        own("f:ingressClassName", spec.ingress_class_name.is_some());
        own("f:rules", !spec.rules.is_empty());
        own("f:tls", !spec.tls.is_empty());
        let mut of_metadata = Map::new();
        of_metadata.insert("f:annotations".to_owned(), owned_keys(annotations));
        of_metadata.insert("f:labels".to_owned(), owned_keys(labels));
        let mut fields = Map::new();
        fields.insert("f:metadata".to_owned(), Value::Object(of_metadata));
        fields.insert("f:spec".to_owned(), Value::Object(of_spec));
        let entry = |manager, operation, fields, subresource| ManagedFields {
            manager,
            operation,
            api_version: API_VERSION,
            time: timestamp(self.changed),
            fields_type: "FieldsV1",
            fields_v1: fields,
            subresource,
        };
        let (manager, operation) = character.tooling.field_manager();
        let mut entries = vec![entry(manager, operation, Value::Object(fields), None)];
        if addressed {
            let status = serde_json::json!({"f:status": {"f:loadBalancer": {"f:ingress": {}}}});
            entries.push(entry(controller(character.class), "Update", status, Some("status")));
        }
        entries
    }
}

fn owned_keys(pairs: &Pairs<'_>) -> Value {
    let dot = std::iter::once(".".to_owned());
    let keys = dot.chain(pairs.keys().map(|key| format!("f:{key}")));
    Value::Object(keys.map(|key| (key, Value::Object(Map::new()))).collect())
}

/// What the controller of a class calls itself when it writes a status.
fn controller(class: Class) -> &'static str {
    match class {
        Class::Nginx | Class::NginxInternal | Class::Unset => "nginx-ingress-controller",
        Class::Traefik => "traefik",
        Class::Haproxy => "haproxy-ingress-controller",
        Class::Alb => "controller",
    }
}
