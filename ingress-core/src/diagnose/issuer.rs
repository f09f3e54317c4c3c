//! Checks of who is to issue an ingress' certificate: the annotations that cert-manager reads.

use super::Exam;
use super::check::ING018;
use crate::inventory::{Lookup, Unknown, Why};
use crate::kind::{ClusterIssuer, Ingress, Issuer, Kind};
use crate::route::{ObjectRef, Route};

const ISSUER: &str = "cert-manager.io/issuer";
const CLUSTER_ISSUER: &str = "cert-manager.io/cluster-issuer";
const KIND: &str = "cert-manager.io/issuer-kind";
const GROUP: &str = "cert-manager.io/issuer-group";

/// Looks at the annotations of an ingress with TLS, as part of the step that is about its certificate. cert-manager reads none of them where
/// there is no TLS.
pub(super) fn examine(exam: &mut Exam<'_, '_>, ingress: &Ingress, route: &Route) {
    let annotations = ingress.annotations();
    let value = |wanted| {
        let found = annotations.iter().find(|(key, _)| *key == wanted);
        found.map(|(_, value)| *value).filter(|value| !value.is_empty())
    };
    let (name, kind, key) = match (value(ISSUER), value(CLUSTER_ISSUER)) {
        (None, None) => return,
        (Some(own), Some(shared)) => {
            exam.find(
                ING018,
                &route.object,
                field(CLUSTER_ISSUER),
                format!("It names both an Issuer, {own}, and a ClusterIssuer, {shared}, so cert-manager asks neither."),
                "Leave one of the two annotations.".to_owned(),
            );
            return;
        }
        (Some(name), None) => (name, value(KIND).unwrap_or("Issuer"), ISSUER),
        (None, Some(name)) => (name, "ClusterIssuer", CLUSTER_ISSUER),
    };
    // Of issuers of other groups only their own controllers know.
    if value(GROUP).is_some_and(|group| group != "cert-manager.io") {
        return;
    }
    let (object, there) = match kind {
        "Issuer" => {
            let namespace = ingress.namespace();
            (ObjectRef::new("Issuer", namespace, name), is_there(exam.reader.get::<Issuer>(namespace, name)))
        }
        "ClusterIssuer" => (
            ObjectRef::new("ClusterIssuer", None, name),
            is_there(exam.reader.get::<ClusterIssuer>(None, name)),
        ),
        other => {
            exam.find(
                ING018,
                &route.object,
                field(KIND),
                format!("cert-manager has no kind of issuers named {other}."),
                "Write Issuer or ClusterIssuer.".to_owned(),
            );
            return;
        }
    };
    let cause = match there {
        Ok(true) => return exam.saw(format!("Its certificate is to come from {object}.")),
        Ok(false) => format!("There is no {object}, from which its certificate is to come."),
        Err(unknown) if unknown.why == Why::NotInstalled => {
            format!("Its certificate is to come from {object}, but the cluster has no {kind} at all.")
        }
        Err(unknown) => return exam.unknown(unknown),
    };
    let action = "Correct the name, create the issuer, or use the annotation for the other kind of issuer.";
    exam.find(ING018, &route.object, field(key), cause, action.to_owned());
}

fn field(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}

fn is_there<K>(found: Lookup<'_, K>) -> Result<bool, Unknown> {
    match found {
        Lookup::Found(_) => Ok(true),
        Lookup::Missing => Ok(false),
        Lookup::Unknown(unknown) => Err(unknown),
    }
}
