//! Whether anybody serves a class of ingresses, as far as a cluster shows it.
//!
//! Nothing in a cluster says so outright. A controller shows by what it does, an address that it published on any ingress of the class, and by its
//! pods. Only where it has shown by neither, and would have, is it said that there is none.

use super::Exam;
use super::check::ING021;
use crate::inventory::{Software, Tag};
use crate::kind::{Ingress, IngressClass, Kind, Pod};
use crate::route::ObjectRef;

/// Looks for the controller of an ingress that has waited for its address for longer than it should, as part of the step that is about the
/// address.
pub(super) fn examine(exam: &mut Exam<'_, '_>, ingress: &Ingress, class: &IngressClass) {
    // What runs outside of the cluster, or isn't known, has no pods that could be looked for.
    let Some(software) = Software::of_controller(&class.spec.controller) else { return };
    // Those that name no class have the default one.
    let names = [Some(class.name()), class.is_default().then_some("")];
    let published = |name| exam.reader.has_tagged::<Ingress>(None, Tag::published(name));
    if names.into_iter().flatten().any(published) {
        exam.saw(format!(
            "Other Ingresses of class {} have an address, so its controller works.",
            class.name()
        ));
        return;
    }
    let pods = exam.reader.tagged::<Pod>(None, Tag::runs(software));
    if !pods.objects.is_empty() {
        let ready = pods.objects.iter().filter(|pod| pod.is_ready()).count();
        exam.saw(format!(
            "{} runs in {} pods, of which {ready} are ready.",
            software.name(),
            pods.objects.len()
        ));
        return;
    }
    // Where not all pods of the cluster are seen, its pods may be among the others.
    if pods.unknown.is_some() {
        return;
    }
    exam.find(
        ING021,
        &ObjectRef::new("IngressClass", None, class.name()),
        "spec.controller",
        format!(
            "Nothing shows that {} ({}) runs in the cluster: none of its pods is there, and no Ingress of the class has an address, such as {}.",
            software.name(),
            class.spec.controller,
            ingress.name()
        ),
        "Install the controller, or give the Ingress a class whose controller runs.".to_owned(),
    );
}
