//! What the server replays: objects and changes, encoded before anything is timed.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;

use anyhow::Result;
use prost::Message as _;

use crate::Form;
use crate::message::{
    Address, Backend, Failure, Fields, Http, Ingress, ListMeta, LoadBalancer, ManagedFields, Meta, Path,
    Port, RawExtension, Rule, RuleValue, Service, Spec, Status, Time, Tls, TypeMeta, Unknown, WatchEvent,
};

/// Where the revisions of the changes begin; the lists are older.
const FIRST_CHANGE: u64 = 2_000_000;
/// The revision of a list that was read after the objects changed behind everybody's back.
const SECOND_LIST: u64 = 9_000_000;
const FIRST_LIST: u64 = 1_000_000;

/// How large a world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Size {
    /// Over how many namespaces the objects spread.
    pub namespaces: usize,
    /// How many objects there are; a multiple of `namespaces`.
    pub objects: usize,
    /// How many changes are replayed; a multiple of `namespaces`.
    pub changes: usize,
    /// How many objects are other ones when they are listed again.
    pub altered: usize,
}

impl Size {
    /// Objects and changes, spread over 20 namespaces.
    #[must_use]
    pub fn new(objects: usize, changes: usize) -> Self {
        Self { namespaces: 20, objects, changes, altered: 0 }
    }

    /// Spread over another number of namespaces.
    #[must_use]
    pub fn namespaces(mut self, namespaces: usize) -> Self {
        self.namespaces = namespaces;
        self
    }

    /// With some objects changed when listed again.
    #[must_use]
    pub fn altered(mut self, altered: usize) -> Self {
        self.altered = altered;
        self
    }
}

/// One object in both forms, without any envelope.
#[derive(Debug, Clone)]
pub(crate) struct Encoded {
    json: Box<[u8]>,
    protobuf: Box<[u8]>,
}

impl Encoded {
    fn new(object: &Ingress) -> Result<Self> {
        Ok(Self {
            json: serde_json::to_vec(object)?.into_boxed_slice(),
            protobuf: object.encode_to_vec().into_boxed_slice(),
        })
    }

    pub(crate) fn bytes(&self, form: Form) -> &[u8] {
        match form {
            Form::Json => &self.json,
            Form::Protobuf => &self.protobuf,
        }
    }

    /// Appends a watch event, as it goes over the wire: a line or a frame, in an HTTP chunk of its own, since the API
    /// server flushes after each event.
    fn event(&self, form: Form, verb: &str, body: &mut Vec<u8>) -> Result<()> {
        match form {
            Form::Json => {
                let head = format!(
                    r#"{{"type":"{verb}","object":{{"kind":"Ingress","apiVersion":"networking.k8s.io/v1","#
                );
                let object = self.json.get(1..).unwrap_or_default();
                chunk(&[head.as_bytes(), object, b"}\n"], body)
            }
            Form::Protobuf => frame(verb, "networking.k8s.io/v1", "Ingress", self.protobuf.to_vec(), body),
        }
    }
}

/// Appends one HTTP chunk.
pub(crate) fn chunk(parts: &[&[u8]], body: &mut Vec<u8>) -> Result<()> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    write!(body, "{length:x}\r\n")?;
    for part in parts {
        body.extend_from_slice(part);
    }
    body.extend_from_slice(b"\r\n");
    Ok(())
}

fn envelope(api_version: &str, kind: &str, raw: Vec<u8>) -> Vec<u8> {
    let type_meta = Some(TypeMeta { api_version: api_version.into(), kind: kind.into() });
    let unknown = Unknown { type_meta, raw, content_encoding: String::new(), content_type: String::new() };
    let mut bytes = b"k8s\0".to_vec();
    unknown.encode_raw(&mut bytes);
    bytes
}

fn frame(verb: &str, api_version: &str, kind: &str, raw: Vec<u8>, body: &mut Vec<u8>) -> Result<()> {
    let object = Some(RawExtension { raw: envelope(api_version, kind, raw) });
    let event = WatchEvent { verb: verb.into(), object }.encode_to_vec();
    let length = u32::try_from(event.len())?.to_be_bytes();
    chunk(&[&length, &event], body)
}

/// The changes of one scope, as one body that only has to be written.
#[derive(Debug, Default)]
pub(crate) struct Script {
    json: Vec<u8>,
    protobuf: Vec<u8>,
}

impl Script {
    pub(crate) fn bytes(&self, form: Form) -> &[u8] {
        match form {
            Form::Json => &self.json,
            Form::Protobuf => &self.protobuf,
        }
    }
}

/// Everything that a server replays.
#[derive(Debug)]
pub struct World {
    size: Size,
    objects: Vec<Encoded>,
    altered: BTreeMap<usize, Encoded>,
    whole: Script,
    by_namespace: Vec<Script>,
}

impl World {
    /// Makes and encodes all objects and changes.
    ///
    /// # Errors
    ///
    /// When something can't be encoded.
    pub fn new(size: Size) -> Result<Self> {
        let mut world = Self {
            size,
            objects: Vec::with_capacity(size.objects),
            altered: BTreeMap::new(),
            whole: Script::default(),
            by_namespace: Vec::new(),
        };
        for at in 0..size.objects {
            world.objects.push(Encoded::new(&ingress(at, world.namespace_of(at), at as u64 + 1, 0))?);
        }
        let each = world.per_namespace();
        for step in 0..size.altered {
            let at = step * (size.objects / size.altered.max(1));
            let changed =
                ingress(at, world.namespace_of(at), SECOND_LIST - size.altered as u64 + step as u64, 1);
            world.altered.insert(at, Encoded::new(&changed)?);
        }
        // Over all namespaces the changes go round; a namespace has its share of them, in the same order.
        world.by_namespace.resize_with(size.namespaces, Script::default);
        for step in 0..size.changes {
            let namespace = step % size.namespaces;
            let at = namespace * each + (step / size.namespaces) % each;
            let revision = FIRST_CHANGE + step as u64;
            let change = Encoded::new(&ingress(at, namespace, revision, step / size.objects + 1))?;
            change.event(Form::Json, "MODIFIED", &mut world.whole.json)?;
            change.event(Form::Protobuf, "MODIFIED", &mut world.whole.protobuf)?;
            if size.namespaces >= BY_NAMESPACE
                && let Some(script) = world.by_namespace.get_mut(namespace)
            {
                change.event(Form::Json, "MODIFIED", &mut script.json)?;
                change.event(Form::Protobuf, "MODIFIED", &mut script.protobuf)?;
            }
        }
        Ok(world)
    }

    /// How large it is.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    fn per_namespace(&self) -> usize {
        (self.size.objects / self.size.namespaces).max(1)
    }

    fn namespace_of(&self, at: usize) -> usize {
        at / self.per_namespace()
    }

    /// The mean size of an object in a form, in bytes.
    #[must_use]
    pub fn mean_bytes(&self, form: Form) -> usize {
        let sum: usize = self.objects.iter().map(|object| object.bytes(form).len()).sum();
        sum / self.objects.len().max(1)
    }

    /// The JSON of each object, as in a list.
    pub fn objects_json(&self) -> impl Iterator<Item = &[u8]> {
        self.objects.iter().map(|object| object.bytes(Form::Json))
    }

    /// Which objects are of a namespace, or of all.
    pub(crate) fn range(&self, namespace: Option<usize>) -> Range<usize> {
        let each = self.per_namespace();
        namespace.map_or(0..self.objects.len(), |namespace| namespace * each..(namespace + 1) * each)
    }

    pub(crate) fn script(&self, namespace: Option<usize>) -> &Script {
        namespace.and_then(|namespace| self.by_namespace.get(namespace)).unwrap_or(&self.whole)
    }

    fn object(&self, at: usize, again: bool) -> Option<&Encoded> {
        self.altered.get(&at).filter(|_| again).or_else(|| self.objects.get(at))
    }

    pub(crate) fn revision(again: bool) -> u64 {
        if again { SECOND_LIST } else { FIRST_LIST }
    }

    /// One page of a list.
    pub(crate) fn page(&self, form: Form, range: Range<usize>, left: usize, again: bool) -> Vec<u8> {
        let next = if left == 0 { String::new() } else { range.end.to_string() };
        let revision = Self::revision(again).to_string();
        let remaining_item_count = (left > 0).then(|| i64::try_from(left).unwrap_or(i64::MAX));
        let objects = range.filter_map(|at| self.object(at, again)).map(|object| object.bytes(form));
        match form {
            Form::Json => {
                let mut body =
                    format!(r#"{{"kind":"IngressList","apiVersion":"networking.k8s.io/v1","metadata":{{"resourceVersion":"{revision}""#)
                        .into_bytes();
                if let Some(left) = remaining_item_count {
                    body.extend_from_slice(
                        format!(r#","continue":"{next}","remainingItemCount":{left}"#).as_bytes(),
                    );
                }
                body.extend_from_slice(b"},\"items\":[");
                for (at, object) in objects.enumerate() {
                    if at > 0 {
                        body.push(b',');
                    }
                    body.extend_from_slice(object);
                }
                body.extend_from_slice(b"]}\n");
                body
            }
            Form::Protobuf => {
                let meta =
                    ListMeta { resource_version: revision, next, remaining_item_count }.encode_to_vec();
                let mut list = Vec::new();
                field(1, &meta, &mut list);
                for object in objects {
                    field(2, object, &mut list);
                }
                envelope("networking.k8s.io/v1", "IngressList", list)
            }
        }
    }

    /// An object as the event of a streaming list.
    pub(crate) fn added(&self, form: Form, at: usize, again: bool, body: &mut Vec<u8>) -> Result<()> {
        self.object(at, again).map_or(Ok(()), |object| object.event(form, "ADDED", body))
    }
}

/// From how many namespaces on each has a script of its own; with fewer, only the whole is replayed.
const BY_NAMESPACE: usize = 100;

/// Appends a length-delimited field.
fn field(tag: u32, bytes: &[u8], message: &mut Vec<u8>) {
    prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, message);
    prost::encoding::encode_varint(bytes.len() as u64, message);
    message.extend_from_slice(bytes);
}

/// The bookmark that ends a streaming list's initial events.
pub(crate) fn bookmark(form: Form, revision: u64, body: &mut Vec<u8>) -> Result<()> {
    match form {
        Form::Json => {
            let line = format!(
                r#"{{"type":"BOOKMARK","object":{{"kind":"Ingress","apiVersion":"networking.k8s.io/v1","metadata":{{"resourceVersion":"{revision}","annotations":{{"k8s.io/initial-events-end":"true"}}}},"spec":{{}},"status":{{"loadBalancer":{{}}}}}}}}"#
            );
            chunk(&[line.as_bytes(), b"\n"], body)
        }
        Form::Protobuf => {
            let annotations = BTreeMap::from([("k8s.io/initial-events-end".to_owned(), "true".to_owned())]);
            let meta = Meta { resource_version: revision.to_string(), annotations, ..Meta::default() };
            let object = Ingress { metadata: Some(meta), ..Ingress::default() };
            frame("BOOKMARK", "networking.k8s.io/v1", "Ingress", object.encode_to_vec(), body)
        }
    }
}

/// The event by which a server says that a watch's revision is too old.
pub(crate) fn expired(form: Form, body: &mut Vec<u8>) -> Result<()> {
    let message = "too old resource version";
    match form {
        Form::Json => {
            let line = format!(
                r#"{{"type":"ERROR","object":{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","message":"{message}","reason":"Expired","code":410}}}}"#
            );
            chunk(&[line.as_bytes(), b"\n"], body)
        }
        Form::Protobuf => {
            let status = Failure {
                status: "Failure".into(),
                message: message.into(),
                reason: "Expired".into(),
                code: 410,
            };
            frame("ERROR", "v1", "Status", status.encode_to_vec(), body)
        }
    }
}

/// The name of a namespace.
#[must_use]
pub fn namespace_name(namespace: usize) -> String {
    format!("team-{namespace:04}")
}

/// The JSON of one ingress like all the others here, with one annotation more if there is something to note.
///
/// # Errors
///
/// When it can't be encoded.
pub fn ingress_json(
    at: usize,
    namespace: usize,
    revision: u64,
    turn: usize,
    note: Option<(&str, String)>,
) -> Result<Vec<u8>> {
    let mut object = ingress(at, namespace, revision, turn);
    if let (Some((name, value)), Some(meta)) = (note, &mut object.metadata) {
        meta.annotations.insert(name.to_owned(), value);
    }
    Ok(serde_json::to_vec(&object)?)
}

/// One ingress as they are found in clusters: applied with kubectl, served by a controller, its certificate by another.
fn ingress(at: usize, namespace: usize, revision: u64, turn: usize) -> Ingress {
    let team = namespace_name(namespace);
    let name = format!("storefront-{at:06}");
    let host = format!("shop-{at:06}.{team}.example.org");
    let service = format!("storefront-{}-web", at % 97);
    let api = format!("storefront-{}-api", at % 89);
    let created = 1_750_000_000 + i64::try_from(at).unwrap_or_default();
    let labels = [
        ("app.kubernetes.io/instance", name.as_str()),
        ("app.kubernetes.io/managed-by", "Helm"),
        ("app.kubernetes.io/name", "storefront"),
        ("team", team.as_str()),
    ];
    let settings = format!("{}m", 8 + turn % 32);
    let annotations = [
        ("cert-manager.io/cluster-issuer", "letsencrypt-production"),
        ("nginx.ingress.kubernetes.io/proxy-body-size", settings.as_str()),
        ("nginx.ingress.kubernetes.io/proxy-read-timeout", "60"),
        ("nginx.ingress.kubernetes.io/ssl-redirect", "true"),
    ];
    let last_applied = format!(
        r#"{{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{{"annotations":{{"cert-manager.io/cluster-issuer":"letsencrypt-production","nginx.ingress.kubernetes.io/proxy-body-size":"{settings}"}},"name":"{name}","namespace":"{team}"}},"spec":{{"ingressClassName":"nginx","rules":[{{"host":"{host}","http":{{"paths":[{{"backend":{{"service":{{"name":"{service}","port":{{"number":8080}}}}}},"path":"/","pathType":"Prefix"}},{{"backend":{{"service":{{"name":"{api}","port":{{"name":"http"}}}}}},"path":"/api","pathType":"Prefix"}}]}}}}],"tls":[{{"hosts":["{host}"],"secretName":"{name}-tls"}}]}}}}
"#
    );
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let mut annotations: BTreeMap<String, String> = annotations.map(owned).into();
    annotations.insert("kubectl.kubernetes.io/last-applied-configuration".into(), last_applied);
    let backend =
        |name: &str, port: Port| Backend { service: Some(Service { name: name.into(), port: Some(port) }) };
    let path = |path: &str, backend: Backend| Path {
        path: path.into(),
        path_type: Some("Prefix".into()),
        backend: Some(backend),
    };
    let paths = vec![
        path("/", backend(&service, Port { name: String::new(), number: 8080 })),
        path("/api", backend(&api, Port { name: "http".into(), number: 0 })),
    ];
    let managed = |manager: &str, subresource: &str, raw: &str| ManagedFields {
        manager: manager.into(),
        operation: "Update".into(),
        api_version: "networking.k8s.io/v1".into(),
        time: Some(Time { seconds: created + 60 }),
        fields_type: "FieldsV1".into(),
        fields_v1: Some(Fields { raw: raw.into() }),
        subresource: subresource.into(),
    };
    Ingress {
        metadata: Some(Meta {
            name: name.clone(),
            namespace: team.clone(),
            uid: format!("6f1c2d34-0a5b-4c6d-8e7f-{at:012x}"),
            resource_version: revision.to_string(),
            generation: 1 + i64::try_from(turn).unwrap_or_default(),
            creation_timestamp: Some(Time { seconds: created }),
            labels: labels.map(owned).into(),
            annotations,
            managed_fields: vec![
                managed("kubectl-client-side-apply", "", APPLIED_FIELDS),
                managed("nginx-ingress-controller", "status", STATUS_FIELDS),
            ],
        }),
        spec: Some(Spec {
            ingress_class_name: Some("nginx".into()),
            tls: vec![Tls { hosts: vec![host.clone()], secret_name: format!("{name}-tls") }],
            rules: vec![Rule { host, value: Some(RuleValue { http: Some(Http { paths }) }) }],
        }),
        status: Some(Status {
            load_balancer: Some(LoadBalancer {
                ingress: vec![Address { ip: format!("192.0.2.{}", 1 + at % 250) }],
            }),
        }),
    }
}

const APPLIED_FIELDS: &str = r#"{"f:metadata":{"f:annotations":{".":{},"f:cert-manager.io/cluster-issuer":{},"f:kubectl.kubernetes.io/last-applied-configuration":{},"f:nginx.ingress.kubernetes.io/proxy-body-size":{}},"f:labels":{".":{},"f:app.kubernetes.io/instance":{},"f:team":{}}},"f:spec":{"f:ingressClassName":{},"f:rules":{},"f:tls":{}}}"#;
const STATUS_FIELDS: &str = r#"{"f:status":{"f:loadBalancer":{"f:ingress":{}}}}"#;

#[cfg(test)]
mod tests {
    use super::*;
    use ingress_core::wire::{json, proto};

    /// Both forms of every body are what the engine reads, and the same.
    #[test]
    fn both_forms_of_a_list_say_the_same() {
        let world = World::new(Size::new(40, 40).altered(2)).unwrap();
        for again in [false, true] {
            let json = json::decode_list::<ingress_core::Ingress>(&world.page(Form::Json, 0..30, 10, again))
                .unwrap();
            let protobuf =
                proto::decode_list::<ingress_core::Ingress>(&world.page(Form::Protobuf, 0..30, 10, again))
                    .unwrap();
            assert_eq!(json.items, protobuf.items);
            assert_eq!(json.items.len(), 30);
            assert_eq!(json.continue_token.as_deref(), Some("30"));
            assert_eq!(protobuf.continue_token.as_deref(), Some("30"));
        }
    }

    #[test]
    fn objects_are_as_large_as_real_ones() {
        let world = World::new(Size::new(40, 40)).unwrap();
        let json = world.mean_bytes(Form::Json);
        assert!((2_500..2_700).contains(&json), "{json}");
        assert!(world.mean_bytes(Form::Protobuf) < json);
    }

    #[test]
    fn kubernetes_own_type_reads_the_objects() {
        let world = World::new(Size::new(20, 20)).unwrap();
        for json in world.objects_json() {
            let typed: k8s_openapi::api::networking::v1::Ingress = serde_json::from_slice(json).unwrap();
            assert_eq!(typed.metadata.managed_fields.unwrap().len(), 2);
            assert_eq!(typed.spec.unwrap().rules.unwrap().len(), 1);
        }
    }
}
