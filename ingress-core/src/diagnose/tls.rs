//! Checks of certificates: what is in a TLS secret, for whom it is, and who renews it. Ingresses and listeners have them in common.

use super::check::{TLS001, TLS002, TLS004, TLS006, TLS007, TLS008, TLS009};
use super::exam::{Problem, Seen};
use super::{Settings, issuance, words};
use crate::inventory::{Lookup, Reader, Tag};
use crate::kind::{Certificate, ClusterIssuer, Condition, Issuer, Kind, Time, TlsCertificate, TlsSecret};
use crate::route::{HostPattern, ObjectRef};

/// The type of the secrets that are certificates.
pub(super) const TLS: &str = "kubernetes.io/tls";

const FIELD: &str = "data[tls.crt]";

/// Looks at what a secret holds.
pub(super) fn contents(reader: &Reader<'_>, settings: &Settings, secret: &TlsSecret, seen: &mut Seen) {
    let object = ObjectRef::new("Secret", secret.namespace(), secret.name());
    if let Some(problem) = &secret.problem {
        let mut found = Problem::new(
            TLS004,
            &object,
            FIELD,
            format!("The certificate can't be read: {problem}."),
            "Put the server's certificate into tls.crt as PEM, followed by those of its issuers.",
        );
        if secret.certificate().is_some() {
            // The server's own can be read: controllers differ in whether they serve it without the rest.
            found.severity = super::Severity::Warning;
        }
        seen.problems.push(found);
    }
    let Some(own) = secret.certificate() else { return };
    seen.evidence.push(format!(
        "The certificate of {object} is for {}, until {}.",
        listed(own).unwrap_or_else(|| own.subject.clone()),
        own.not_after
    ));
    validity(reader, settings, own, &object, seen);
    strength(secret, &object, seen);
    chain(secret, own, &object, seen);
}

/// The names that a certificate is for; `None` where it has none.
fn listed(certificate: &TlsCertificate) -> Option<String> {
    let names: Vec<&str> =
        certificate.dns_names.iter().chain(&certificate.ip_addresses).map(String::as_str).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn validity(
    reader: &Reader<'_>,
    settings: &Settings,
    own: &TlsCertificate,
    object: &ObjectRef,
    seen: &mut Seen,
) {
    let has_come = |time: Time| time.timestamp().is_some_and(|moment| reader.has_come(moment));
    if has_come(own.not_after) {
        seen.problems.push(Problem::new(
            TLS001,
            object,
            FIELD,
            format!("The certificate expired at {}.", own.not_after),
            "Renew it, and see why what should have renewed it did not.",
        ));
        return;
    }
    if !has_come(own.not_before) {
        seen.problems.push(Problem::new(
            TLS001,
            object,
            FIELD,
            format!("The certificate is not valid before {}.", own.not_before),
            "Use a certificate that is valid now, and see whether the clock of who issued it is right.",
        ));
    }
    // A moment that no calendar holds lies before all others.
    let near = |period| {
        let end = own.not_after.timestamp();
        end.is_some_and(|end| end.checked_sub(period).map_or(true, |moment| reader.has_come(moment)))
    };
    let severity = if near(settings.expiry_critical) {
        super::Severity::Critical
    } else if near(settings.expiry_warning) {
        TLS002.severity
    } else {
        return;
    };
    let mut found = Problem::new(
        TLS002,
        object,
        FIELD,
        format!("The certificate expires at {}.", own.not_after),
        "Renew it, or see why what renews it has not yet.",
    );
    (found.severity, found.coming) = (severity, true);
    seen.problems.push(found);
}

/// What modern clients refuse.
fn strength(secret: &TlsSecret, object: &ObjectRef, seen: &mut Seen) {
    const ENOUGH: u32 = 2048;
    let mut weak = Vec::new();
    for (at, each) in secret.certificates.iter().enumerate() {
        let which = if at == 0 { "The certificate".to_owned() } else { format!("Certificate {}", at + 1) };
        if each.key_algorithm == "RSA" && (1..ENOUGH).contains(&each.key_bits) {
            weak.push(format!("{which} has an RSA key of {} bits.", each.key_bits));
        }
        let algorithm = each.signature_algorithm.to_ascii_lowercase();
        // Nobody verifies what a certificate says of itself.
        if !is_self_signed(each) && (algorithm.contains("sha1") || algorithm.contains("md5")) {
            weak.push(format!("{which} is signed with {}.", each.signature_algorithm));
        }
    }
    let action = "Have it issued anew: with an RSA key of 2048 bits or more or an elliptic curve, SHA-256, and its names as subject alternative names.";
    if !weak.is_empty() {
        seen.problems.push(Problem::new(TLS008, object, FIELD, weak.join(" "), action));
    }
    if secret.certificate().is_some_and(|own| listed(own).is_none()) {
        let cause = "The certificate has no subject alternative name, and clients no longer look at its subject's common name.";
        let mut found = Problem::new(TLS008, object, FIELD, cause.to_owned(), action);
        found.severity = super::Severity::Critical;
        seen.problems.push(found);
    }
}

/// Whether a certificate is its own issuer.
fn is_self_signed(certificate: &TlsCertificate) -> bool {
    let keys = [&certificate.subject_key_id, &certificate.authority_key_id];
    certificate.subject == certificate.issuer && (keys.iter().any(|key| key.is_empty()) || keys[0] == keys[1])
}

fn chain(secret: &TlsSecret, own: &TlsCertificate, object: &ObjectRef, seen: &mut Seen) {
    let issued = |issuer: &TlsCertificate| {
        let keys = [&issuer.subject_key_id, &own.authority_key_id];
        issuer.subject == own.issuer && (keys.iter().any(|key| key.is_empty()) || keys[0] == keys[1])
    };
    if secret.problem.is_some() || is_self_signed(own) || secret.certificates.iter().skip(1).any(issued) {
        return;
    }
    seen.problems.push(Problem::new(
        TLS009,
        object,
        FIELD,
        format!("The certificate is from {}, whose own certificate is not in the Secret; clients that don't know it can't trust the server.", own.issuer),
        "Append the issuer's certificate to tls.crt, unless it is a root that all clients have.",
    ));
}

/// Whether a certificate serves a host. One without any name serves none, but that is a finding of its own.
pub(super) fn serves(secret: &TlsSecret, host: &HostPattern) -> bool {
    let Some(own) = secret.certificate() else { return true };
    if listed(own).is_none() {
        return true;
    }
    let named = |fits: &dyn Fn(&HostPattern) -> bool| {
        own.dns_names.iter().any(|name| fits(&HostPattern::of_ingress(Some(name))))
    };
    match host {
        HostPattern::Any => true,
        HostPattern::Exact(host) => {
            named(&|name| *name != HostPattern::Any && name.matches(host)) || own.ip_addresses.contains(host)
        }
        // Of a wildcard for several labels, no certificate covers more than the first.
        HostPattern::OneLabel(suffix) | HostPattern::Labels(suffix) => {
            named(&|name| matches!(name, HostPattern::OneLabel(of) if of == suffix))
        }
    }
}

/// What is said of a certificate that does not serve a host.
pub(super) fn names(secret: &TlsSecret) -> String {
    secret.certificate().and_then(listed).unwrap_or_default()
}

/// Whether who renews a secret's certificate can. Where cert-manager doesn't, or what it does can't be read, there is nothing to say:
/// the certificate itself tells whether requests are served.
pub(super) fn renewal(
    reader: &Reader<'_>,
    settings: &Settings,
    namespace: Option<&str>,
    secret: &str,
    seen: &mut Seen,
) {
    for certificate in reader.tagged::<Certificate>(namespace, Tag::secret(secret)).objects {
        if let Some(problem) = issuer(reader, certificate) {
            // If the certificate isn't ready either, this is why.
            seen.problems.push(problem);
            continue;
        }
        let Some(ready) = certificate.condition("Ready").filter(|ready| ready.status != "True") else {
            continue;
        };
        let created = certificate.metadata.creation_timestamp.and_then(Time::timestamp);
        let deadline = created.and_then(|created| created.checked_add(settings.grace).ok());
        if deadline.is_some_and(|deadline| !reader.has_come(deadline)) {
            seen.evidence.push(format!("Certificate {} was created a moment ago.", certificate.name()));
            continue;
        }
        let link = issuance::last_link(reader, certificate);
        seen.evidence.extend(link.ends);
        let cause = match link.says {
            Some(says) => format!("The certificate of Secret {secret} is not ready: {says}."),
            None => {
                format!("The certificate of Secret {secret} is not ready ({}).", words::of_condition(ready))
            }
        };
        seen.problems.push(Problem::new(TLS006, &link.object, link.field, cause, link.action));
    }
}

/// What is wrong with the issuer of a certificate.
fn issuer(reader: &Reader<'_>, certificate: &Certificate) -> Option<Problem> {
    let of = &certificate.spec.issuer_ref;
    // Of issuers of other groups only their own controllers know.
    if of.name.is_empty() || !matches!(of.group.as_str(), "" | "cert-manager.io") {
        return None;
    }
    let namespace = certificate.namespace();
    let (object, ready) = match of.kind.as_str() {
        "" | "Issuer" => (
            ObjectRef::new("Issuer", namespace, &of.name),
            readiness(&reader.get::<Issuer>(namespace, &of.name), |issuer| issuer.condition("Ready")),
        ),
        "ClusterIssuer" => (
            ObjectRef::new("ClusterIssuer", None, &of.name),
            readiness(&reader.get::<ClusterIssuer>(None, &of.name), |issuer| issuer.condition("Ready")),
        ),
        _ => return None,
    };
    let name = certificate.name();
    match ready {
        Ready::Missing => Some(Problem::new(
            TLS007,
            &ObjectRef::new("Certificate", namespace, name),
            "spec.issuerRef",
            format!("There is no {object}, from which the certificate is to come."),
            "Create the issuer, or correct its name and kind.",
        )),
        Ready::No(condition) => Some(Problem::new(
            TLS007,
            &object,
            "status.conditions",
            format!(
                "It is not ready, so that the certificate {name} can't be renewed ({}).",
                words::of_condition(condition)
            ),
            "Correct what the condition names.",
        )),
        Ready::Fine => None,
    }
}

enum Ready<'a> {
    Missing,
    No(&'a Condition),
    /// As far as anybody can say.
    Fine,
}

fn readiness<'a, K>(found: &Lookup<'a, K>, condition: impl Fn(&'a K) -> Option<&'a Condition>) -> Ready<'a> {
    match found {
        Lookup::Missing => Ready::Missing,
        Lookup::Unknown(_) => Ready::Fine,
        Lookup::Found(issuer) => {
            condition(issuer).filter(|ready| ready.status == "False").map_or(Ready::Fine, Ready::No)
        }
    }
}
