//! How far a certificate came that cert-manager is to get: Certificate → CertificateRequest → Order → Challenge.
//!
//! The first says no more than that it is not ready; the last one that isn't done says why. What can't be read ends the search, and the
//! evidence says so: what was seen until then holds all the same.

use std::sync::Arc;

use super::words;
use crate::inventory::{Many, Reader, Tag, Unknown, Why};
use crate::kind::{Certificate, CertificateRequest, Challenge, Condition, Kind, Order};
use crate::route::ObjectRef;

/// The last link that is not done.
pub(super) struct Link {
    pub(super) object: ObjectRef,
    pub(super) field: &'static str,
    /// What it says, as a part of a sentence; `None` where the certificate itself is the last one.
    pub(super) says: Option<String>,
    pub(super) action: String,
    /// Why nothing beyond it was looked at, as a sentence.
    pub(super) ends: Option<String>,
}

/// Follows a certificate that is not ready as far as it came.
pub(super) fn last_link(reader: &Reader<'_>, certificate: &Certificate) -> Link {
    let namespace = certificate.namespace();
    let mut link = Link {
        object: ObjectRef::new("Certificate", namespace, certificate.name()),
        field: "status.conditions",
        says: None,
        action: "Follow its CertificateRequest, Order and Challenge: the last of them says what fails."
            .to_owned(),
        ends: None,
    };
    let asked = reader.tagged::<CertificateRequest>(namespace, Tag::owner("Certificate", certificate.name()));
    let newest =
        |request: &&&Arc<CertificateRequest>| (request.revision(), request.metadata.creation_timestamp);
    let Some(request) = asked.objects.iter().max_by_key(newest).filter(|request| !is_issued(request)) else {
        link.ends = end(&asked, "CertificateRequests");
        return link;
    };
    of_request(request, &mut link);
    let ordered = reader.tagged::<Order>(namespace, Tag::owner("CertificateRequest", request.name()));
    let newest = |order: &&&Arc<Order>| order.metadata.creation_timestamp;
    let Some(order) = ordered.objects.iter().max_by_key(newest).filter(|order| order.status.state != "valid")
    else {
        link.ends = end(&ordered, "Orders");
        return link;
    };
    of_order(order, &mut link);
    let challenged = reader.tagged::<Challenge>(namespace, Tag::owner("Order", order.name()));
    let worst =
        |challenge: &&&Arc<Challenge>| (weight(&challenge.status.state), !challenge.status.reason.is_empty());
    match challenged.objects.iter().filter(|challenge| challenge.status.state != "valid").max_by_key(worst) {
        Some(challenge) => of_challenge(challenge, &mut link),
        None => link.ends = end(&challenged, "Challenges"),
    }
    link
}

fn is_issued(request: &CertificateRequest) -> bool {
    request.condition("Ready").is_some_and(|ready| ready.status == "True")
}

/// How much a state of an order or challenge is to blame: what is final before what may still come.
fn weight(state: &str) -> u8 {
    match state {
        "invalid" | "expired" | "errored" => 2,
        "" => 0,
        _ => 1,
    }
}

fn of_request(request: &CertificateRequest, link: &mut Link) {
    let is = |of: &str, status: &str| request.condition(of).filter(|condition| condition.status == status);
    // Who is denied or invalid is not ready for this reason.
    let said: Option<&Condition> =
        is("Denied", "True").or_else(|| is("InvalidRequest", "True")).or_else(|| request.condition("Ready"));
    let object = ObjectRef::new("CertificateRequest", request.namespace(), request.name());
    let what = if is("Denied", "True").is_some() { "was denied" } else { "is not ready" };
    link.says = Some(format!(
        "{object} {what}{}",
        words::in_brackets(&said.map(words::of_condition).unwrap_or_default())
    ));
    link.action = if is("Denied", "True").is_some() {
        "See why whoever approves requests denied it.".to_owned()
    } else if is("Approved", "True").is_none() {
        "Have it approved: cert-manager's approver does it by itself where it may and is not switched off."
            .to_owned()
    } else {
        "Correct what it says of its issuer; the log of the issuer's controller says more.".to_owned()
    };
    link.object = object;
    link.field = "status.conditions";
}

fn of_order(order: &Order, link: &mut Link) {
    let object = ObjectRef::new("Order", order.namespace(), order.name());
    link.says = Some(format!(
        "{object} is {}{}",
        state(&order.status.state),
        words::in_brackets(&order.status.reason)
    ));
    link.action = "Correct what the ACME server refuses; cert-manager's log says more.".to_owned();
    link.object = object;
    link.field = "status.reason";
}

fn of_challenge(challenge: &Challenge, link: &mut Link) {
    let object = ObjectRef::new("Challenge", challenge.namespace(), challenge.name());
    let (name, status) = (&challenge.spec.dns_name, &challenge.status);
    link.says = Some(format!(
        "{object} ({} for {name}) is {}{}",
        challenge.spec.r#type,
        state(&status.state),
        words::in_brackets(&status.reason)
    ));
    link.action = match challenge.spec.r#type.as_str() {
        "HTTP-01" => format!(
            "See that requests to http://{name}/.well-known/acme-challenge/ reach cert-manager's solver, from the cluster and from outside."
        ),
        "DNS-01" => format!(
            "See that the solver may write the TXT record _acme-challenge.{name}, and that the servers of its zone answer with it."
        ),
        _ => "Correct what it says; cert-manager's log says more.".to_owned(),
    };
    link.object = object;
    link.field = "status.reason";
}

fn state(state: &str) -> &str {
    if state.is_empty() { "not begun" } else { state }
}

/// Why a search ends where it does, if something that can't be read may lie beyond.
fn end<K>(many: &Many<'_, K>, what: &str) -> Option<String> {
    let Unknown { why, .. } = many.unknown.as_ref()?;
    Some(format!("How far it came is not known beyond this: {what} {}.", unread(*why)))
}

/// Why something was not read, to follow its name.
pub(super) fn unread(why: Why) -> &'static str {
    match why {
        Why::Denied | Why::Forbidden => "may not be read",
        Why::NotInstalled => "are not installed in this cluster",
        Why::OutOfScope | Why::NotWatched => "are not watched",
        Why::Offline => "are not among manifests",
        Why::NotRead | Why::Unknowable => "were not read",
    }
}
