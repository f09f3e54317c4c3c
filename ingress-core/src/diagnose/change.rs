//! What changed lately and is in order now, but may explain what people saw: who serves a class, under which address something is reached.

use super::Exam;
use super::check::ING022;
use crate::inventory::{Held, Past};
use crate::kind::{IngressClass, Kind};
use crate::route::ObjectRef;

/// Whether a class belongs to another controller than it did.
pub(super) fn of_class(exam: &mut Exam<'_, '_>, class: &IngressClass) {
    let Some(past) = recent::<IngressClass>(exam, None, class.name()) else { return };
    exam.find(
        ING022,
        &ObjectRef::new("IngressClass", None, class.name()),
        "spec.controller",
        format!(
            "The class belonged to the controller {} until {}, and belongs to {} now.",
            past.face, past.until, class.spec.controller
        ),
        "See whether that was meant: its Ingresses are served by another controller, which reads other annotations.".to_owned(),
    );
}

/// Whether an object is reached under other addresses than it was.
pub(super) fn of_address<K: Held>(exam: &mut Exam<'_, '_>, object: &ObjectRef, addresses: &str) {
    let Some(past) = recent::<K>(exam, object.namespace.as_deref(), &object.name) else { return };
    let now = if addresses.is_empty() { "it has none now".to_owned() } else { format!("is {addresses} now") };
    let field = if object.kind == "Gateway" { "status.addresses" } else { "status.loadBalancer.ingress" };
    exam.find(
        ING022,
        object,
        field,
        format!("Its address was {} until {}, and {now}.", past.face, past.until),
        "See whether DNS records and firewalls have followed.".to_owned(),
    );
}

/// What an object was before it changed, if that is not long ago.
fn recent<'a, K: Held>(exam: &Exam<'_, 'a>, namespace: Option<&str>, name: &str) -> Option<&'a Past> {
    let past = exam.reader.before::<K>(namespace, name)?;
    let old = past.until.checked_add(exam.settings.recent).ok()?;
    (!exam.reader.has_come(old)).then_some(past)
}
