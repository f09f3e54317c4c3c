//! What was warned of lately, about a service and its pods. It explains; whether requests arrive is judged by what there is, not by what somebody
//! wrote about it.

use std::sync::Arc;

use super::check::SVC013;
use super::{Exam, Severity, pod, words};
use crate::clock::Timestamp;
use crate::inventory::{Many, Tag, Why};
use crate::kind::{Event, Kind, Pod, Time};
use crate::route::ObjectRef;

/// Of how many pods events are looked at, those that are not ready first: a service may have thousands.
const PODS: usize = 10;
/// How many different reasons are told of one object.
const REASONS: usize = 3;
/// How many characters are told of a message: several stand in one finding.
const MESSAGE: usize = 200;

/// Looks at the events about a service and its pods, as part of the step that is about the pods.
pub(super) fn examine(exam: &mut Exam<'_, '_>, service: &ObjectRef, pods: &Many<'_, Pod>) {
    about(exam, service, SVC013.severity);
    let (ready, others): (Vec<&Arc<Pod>>, Vec<_>) =
        pods.objects.iter().copied().partition(|pod| pod.is_ready());
    for of in others.into_iter().chain(ready).take(PODS) {
        // What explains why a pod doesn't answer is as loud as that it doesn't where others do.
        let severity = if pod::problem(of).is_some() { Severity::Warning } else { SVC013.severity };
        about(exam, &ObjectRef::new("Pod", of.namespace(), of.name()), severity);
    }
}

fn about(exam: &mut Exam<'_, '_>, object: &ObjectRef, severity: Severity) {
    let namespace = object.namespace.as_deref().unwrap_or_default();
    let events = exam.reader.tagged::<Event>(None, Tag::about(&object.kind, namespace, &object.name));
    if events.unknown.is_some_and(|unknown| unknown.why == Why::Denied) {
        exam.saw("Events may not be read, so whether anybody warned of something is not known.");
    }
    let mut recent: Vec<(Timestamp, &Event)> = Vec::new();
    for event in events.objects {
        let Some(last) = event.last_timestamp.and_then(Time::timestamp) else { continue };
        let old = last.checked_add(exam.settings.recent);
        if old.is_ok_and(|old| !exam.reader.has_come(old)) {
            recent.push((last, event));
        }
    }
    recent.sort_by(|(one, this), (other, that)| (other, this.name()).cmp(&(one, that.name())));
    let mut told: Vec<(&str, String)> = Vec::new();
    for (_, event) in recent {
        if told.len() < REASONS && !told.iter().any(|(reason, _)| *reason == event.reason) {
            told.push((&event.reason, says(event)));
        }
    }
    if told.is_empty() {
        return;
    }
    // Neither how often nor when: an event that is told once more is no other finding.
    let told: Vec<String> = told.into_iter().map(|(_, says)| says).collect();
    exam.find_as(
        SVC013,
        severity,
        object,
        "",
        format!("Lately there were warnings about it: {}.", told.join("; ")),
        "See its events for how often and when.".to_owned(),
    );
}

/// An event's reason, who says so, and its message, to stand within a sentence.
fn says(event: &Event) -> String {
    let who = if event.reporting_component.is_empty() {
        String::new()
    } else {
        format!(" ({})", event.reporting_component)
    };
    let message = words::within(&event.message, MESSAGE);
    format!("{}{who}: {message}", event.reason).trim_end_matches([':', ' ']).to_owned()
}
