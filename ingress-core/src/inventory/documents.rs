//! An inventory of manifests: of what a cluster would have, and of what no manifest can say.
//!
//! That a manifest is missing means something for kinds that people write beside their ingresses, and nothing for those that only a
//! running cluster has or that usually come from elsewhere. [`Habit`] is that distinction. Where it means nothing, the kind is
//! [`Why::Offline`], so that checks say *unknown* and not *missing*.

use std::sync::Arc;

use super::{Held, Inventory, Knowledge, Why, every_kind};
use crate::key::ClusterId;
use crate::kind::Kind;
use crate::manifest::{Document, Id, Location, Problem};

/// How objects of a kind come to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// People write them together with what refers to them: what isn't there is missing.
    Written,
    /// They come with something else, or are kept elsewhere: what isn't there is missing only where others of the kind are.
    Elsewhere,
    /// A running cluster makes them. Only where they were read from one are they all there.
    Running,
}

impl Habit {
    fn of(kind: &str) -> Self {
        match kind {
            "Ingress" | "Service" | "Gateway" | "HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute"
            | "UDPRoute" | "VirtualService" | "IngressRoute" | "Deployment" | "StatefulSet" | "DaemonSet" => {
                Self::Written
            }
            "Pod"
            | "EndpointSlice"
            | "Endpoints"
            | "Event"
            | "Node"
            | "ReplicaSet"
            | "Lease"
            | "CertificateRequest"
            | "Order"
            | "Challenge"
            | "PolicyReport"
            | "ClusterPolicyReport"
            | "Report"
            | "ClusterReport" => Self::Running,
            // Also every kind that nobody thought of here: better unknown than wrong.
            _ => Self::Elsewhere,
        }
    }
}

/// What became of documents that an [`Inventory`] took.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Taken {
    /// Objects that no API server would take, each with the field at fault.
    pub problems: Vec<Problem>,
    /// Objects of versions that clusters no longer have.
    pub removed: Vec<Removed>,
}

/// An object of a version that clusters no longer have. It isn't in the inventory: it would not be in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// The object.
    pub id: Id,
    /// Its `apiVersion`.
    pub api_version: String,
    /// The first version of Kubernetes without it, such as `1.22`.
    pub since: &'static str,
    /// The `apiVersion` that took its place.
    pub instead: &'static str,
    /// The file.
    pub file: Arc<str>,
    /// Where `apiVersion` is written.
    pub at: Location,
}

/// Versions that are gone, with the first Kubernetes without them and what to write instead:
/// <https://kubernetes.io/docs/reference/using-api/deprecation-guide/>.
const REMOVED: [(&str, &[&str], &str, &str); 8] = [
    ("extensions/v1beta1", &["Ingress"], "1.22", "networking.k8s.io/v1"),
    ("networking.k8s.io/v1beta1", &["Ingress", "IngressClass"], "1.22", "networking.k8s.io/v1"),
    ("extensions/v1beta1", &["NetworkPolicy"], "1.16", "networking.k8s.io/v1"),
    ("extensions/v1beta1", &["Deployment", "DaemonSet", "ReplicaSet"], "1.16", "apps/v1"),
    ("apps/v1beta1", &["Deployment", "StatefulSet"], "1.16", "apps/v1"),
    ("apps/v1beta2", &["Deployment", "DaemonSet", "ReplicaSet", "StatefulSet"], "1.16", "apps/v1"),
    ("discovery.k8s.io/v1beta1", &["EndpointSlice"], "1.25", "discovery.k8s.io/v1"),
    ("events.k8s.io/v1beta1", &["Event"], "1.25", "events.k8s.io/v1"),
];

fn removed(document: &Document) -> Option<Removed> {
    let gone = |(version, kinds, ..): &&(&str, &[&str], &str, &str)| {
        *version == document.api_version && kinds.contains(&document.kind.as_str())
    };
    let (_, _, since, instead) = REMOVED.iter().find(gone)?;
    Some(Removed {
        id: document.id(),
        api_version: document.api_version.clone(),
        since,
        instead,
        file: document.file.clone(),
        at: document.position("apiVersion"),
    })
}

/// Whether a document is an object of this kind, of whichever version that clusters have.
pub(crate) fn is_of<K: Kind>(document: &Document) -> bool {
    let resource = K::resource();
    let is_named = resource.whole_group || document.kind == resource.kind;
    is_named && document.group() == resource.group && removed(document).is_none()
}

/// Whether all objects of a kind that matter can be among these.
pub(crate) fn is_known<'a, K: Kind>(documents: impl IntoIterator<Item = &'a Document>) -> bool {
    let resource = K::resource();
    let mut of_kind = documents.into_iter().filter(|document| is_of::<K>(document));
    let has = |document: &Document, path: &str| document.value.pointer(path).is_some();
    match Habit::of(&resource.kind) {
        Habit::Written => true,
        // Secrets of other types say nothing about whether certificates are kept here.
        Habit::Elsewhere if resource.kind == "Secret" => of_kind
            .any(|secret| secret.value.get("type").and_then(|of| of.as_str()) == Some("kubernetes.io/tls")),
        Habit::Elsewhere => of_kind.next().is_some(),
        // A pod that was written by hand says nothing about those of deployments; one that was read from a cluster has a UID.
        Habit::Running => of_kind.any(|document| has(document, "/metadata/uid")),
    }
}

/// Reads a document as a record.
pub(crate) fn decode<K: Kind>(document: &Document) -> Result<K, Problem> {
    let mut track = serde_path_to_error::Track::new();
    let deserializer = serde_path_to_error::Deserializer::new(&document.value, &mut track);
    K::decode_json(deserializer).map_err(|error| {
        let path = track.path().to_string();
        let field = if path == "." { "" } else { &path };
        let what = format!("{}: is not {}", document.kind, expected(&error));
        document.problem(field, what, "an API server would refuse it; see kubectl explain")
    })
}

/// What a field should be, in a person's words. The error's own are left out: they quote the value, which may be a secret.
fn expected(error: &serde_json::Error) -> &'static str {
    let said = error.to_string();
    let Some((_, expected)) = said.rsplit_once(", expected ") else { return "what Kubernetes expects there" };
    match expected {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "f64" => "a number of its range",
        "a boolean" => "a boolean",
        "a sequence" => "a list",
        text if text.contains("string") => "a text (quotes make one)",
        map if map.contains("map") || map.starts_with("struct ") => "a map",
        time if time.contains("RFC 3339") => "a time as RFC 3339 has it",
        _ => "what Kubernetes expects there",
    }
}

/// What is wrong with a document of a kind that inventories hold.
pub(crate) fn fault(document: &Document) -> Option<Problem> {
    macro_rules! check {
        ($kind:ident) => {
            if is_of::<super::$kind>(document) {
                return decode::<super::$kind>(document).err();
            }
        };
    }
    every_kind!(check);
    None
}

impl Inventory {
    /// Takes what manifests say of a cluster.
    ///
    /// Objects are taken in whichever version of their group they are written, but for versions that clusters no longer have. Kinds
    /// of which manifests can't tell what is missing are known as [`Why::Offline`]: pods and all else that only a running cluster has,
    /// and, where there is none at all, what usually comes from elsewhere, such as classes and namespaces. For secrets that is so where
    /// there is none for TLS.
    ///
    /// ```
    /// use ingress_core::ClusterId;
    /// use ingress_core::clock::wall_now;
    /// use ingress_core::inventory::{Inventory, Lookup, Reader};
    /// use ingress_core::kind::{Pod, Service};
    /// use ingress_core::manifest::{Manifests, Options};
    ///
    /// let text = "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\n";
    /// let manifests = Manifests::parse("cart.yaml", text, &Options::default());
    /// let (mut inventory, files) = (Inventory::new(), ClusterId::sanitized("files"));
    /// inventory.take(&files, &manifests.documents);
    ///
    /// let reader = Reader::new(&inventory, &files, wall_now());
    /// assert!(matches!(reader.get::<Service>(Some("default"), "cart"), Lookup::Found(_)));
    /// assert!(matches!(reader.get::<Service>(Some("default"), "admin"), Lookup::Missing));
    /// assert!(matches!(reader.get::<Pod>(Some("default"), "cart-1"), Lookup::Unknown(_)));
    /// ```
    pub fn take(&mut self, cluster: &ClusterId, documents: &[Document]) -> Taken {
        let mut taken =
            Taken { problems: Vec::new(), removed: documents.iter().filter_map(removed).collect() };
        macro_rules! take {
            ($kind:ident) => {
                self.take_kind::<super::$kind>(cluster, documents, &mut taken.problems);
            };
        }
        every_kind!(take);
        taken
    }

    fn take_kind<K: Held>(
        &mut self,
        cluster: &ClusterId,
        documents: &[Document],
        problems: &mut Vec<Problem>,
    ) {
        let known = if is_known::<K>(documents) { Knowledge::Live } else { Knowledge::None(Why::Offline) };
        self.know::<K>(cluster, known);
        for document in documents.iter().filter(|document| is_of::<K>(document)) {
            match decode::<K>(document) {
                Ok(object) => self.insert(cluster, object),
                Err(problem) => problems.push(problem),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::inventory::{Lookup, Reader};
    use crate::kind::{Ingress, IngressClass, NamespaceRecord, Pod, Service};
    use crate::manifest::{Manifests, Options, is_cluster_scoped};

    fn taken(text: &str) -> (Inventory, ClusterId, Taken) {
        let manifests = Manifests::parse("a.yaml", text, &Options::default());
        assert_eq!(manifests.problems, []);
        let (mut inventory, cluster) = (Inventory::new(), ClusterId::new("files").unwrap());
        let taken = inventory.take(&cluster, &manifests.documents);
        (inventory, cluster, taken)
    }

    fn unknown<K: Held>(text: &str) -> Option<Why> {
        let (inventory, cluster, _) = taken(text);
        let reader = Reader::new(&inventory, &cluster, Timestamp::UNIX_EPOCH);
        reader.unknown::<K>(Some("default")).map(|unknown| unknown.why)
    }

    #[test]
    fn what_manifests_cannot_say_is_unknown() {
        let object = |version: &str, kind: &str, more: &str| {
            format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a{more}}}\n---\n")
        };
        assert_eq!((unknown::<Service>(""), unknown::<Ingress>("")), (None, None));
        let offline = Some(Why::Offline);
        assert_eq!((unknown::<Pod>(""), unknown::<IngressClass>("")), (offline, offline));
        assert_eq!(unknown::<IngressClass>(&object("networking.k8s.io/v1", "IngressClass", "")), None);
        assert_eq!(unknown::<NamespaceRecord>(&object("v1", "Namespace", "")), None);
        assert_eq!(unknown::<Pod>(&object("v1", "Pod", "")), offline, "others may come from deployments");
        assert_eq!(unknown::<Pod>(&object("v1", "Pod", ", uid: u")), None, "it was read from a cluster");
    }

    #[test]
    fn manifests_know_which_kinds_live_in_no_namespace() {
        macro_rules! check {
            ($kind:ident) => {
                let of = <crate::inventory::$kind as Kind>::resource();
                assert_eq!(is_cluster_scoped(&of.group, &of.kind), !of.namespaced, "{}", of.kind);
            };
        }
        every_kind!(check);
    }

    #[test]
    fn any_version_that_clusters_have_is_taken_and_others_are_told_of() {
        let text = "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: old}\n---\n\
            apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\nmetadata: {name: older}\n---\n\
            apiVersion: networking.k8s.io/v2\nkind: Ingress\nmetadata: {name: new}\n---\n\
            apiVersion: serving.example/v1\nkind: Service\nmetadata: {name: other}\n";
        let (inventory, cluster, taken) = taken(text);
        let gone: Vec<_> =
            taken.removed.iter().map(|gone| (&*gone.id.name, gone.at.line, gone.since)).collect();
        assert_eq!(gone, [("old", 1, "1.22"), ("older", 5, "1.22")]);
        let names: Vec<_> = inventory.objects::<Ingress>().map(|(key, _)| key.name().to_owned()).collect();
        assert_eq!(names, ["new"]);
        assert_eq!(inventory.objects::<Service>().count(), 0, "a Service of another group is another kind");
        let reader = Reader::new(&inventory, &cluster, Timestamp::UNIX_EPOCH);
        assert!(matches!(reader.get::<Ingress>(Some("default"), "old"), Lookup::Missing));
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named_and_not_quoted() {
        let service = |spec: &str| {
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec:\n  {spec}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: b}}\n"
            )
        };
        for (spec, said) in [
            (
                "ports:\n  - port: hunter2",
                "a.yaml:6:5: spec.ports[0].port: Service: is not a number of its range; ",
            ),
            ("ports: hunter2", "a.yaml:5:3: spec.ports: Service: is not a list; "),
            (
                "selector: {app: yes}",
                "a.yaml:5:14: spec.selector.app: Service: is not a text (quotes make one); ",
            ),
            (
                "ports:\n  - {port: 1, targetPort: [hunter2]}",
                "a.yaml:6:15: spec.ports[0].targetPort: Service: is not",
            ),
        ] {
            let (inventory, _, taken) = taken(&service(spec));
            let [problem] = &taken.problems[..] else { panic!("{taken:?}") };
            let told = problem.to_string();
            assert!(told.starts_with(said) && !told.contains("hunter2"), "{told}");
            assert_eq!(inventory.objects::<Service>().count(), 1, "the others are there");
        }
        let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec:\n  rules:\n  - host: 7\n";
        let (_, _, taken) = taken(ingress);
        assert!(taken.problems[0].to_string().starts_with("a.yaml:6:5: spec.rules[0].host: "), "{taken:?}");
    }
}
