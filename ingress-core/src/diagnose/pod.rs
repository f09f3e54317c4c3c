//! Checks of pods: why one is not ready.

use std::sync::Arc;

use super::check::{Check, POD001, POD002, POD003, POD004, POD005, POD006, POD007, POD008};
use super::{Exam, Severity, StepKind, words, workload};
use crate::inventory::Many;
use crate::kind::{ContainerStatus, Pod, PodCondition};
use crate::route::ObjectRef;

/// Why a pod whose containers are ready is not ready itself, in kubelet's words.
const GATES: &str = "ReadinessGatesNotReady";

/// What keeps a pod from being ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) check: Check,
    cause: String,
    action: &'static str,
}

impl Problem {
    fn new(check: Check, cause: String, action: &'static str) -> Self {
        Self { check, cause, action }
    }

    /// The cause as the end of a sentence.
    pub(super) fn short(&self) -> String {
        let mut cause = self.cause.trim_end_matches('.').to_owned();
        if let Some(first) = cause.get_mut(..1) {
            first.make_ascii_lowercase();
        }
        format!("({}: {cause})", self.check.code)
    }
}

/// Looks at the pods of a backend.
pub(super) fn examine(exam: &mut Exam<'_, '_>, at: usize, pods: &Many<'_, Pod>) {
    exam.step(StepKind::Pods, Some(at), None);
    if let Some(unknown) = &pods.unknown {
        exam.unknown(unknown.clone());
    } else if pods.objects.is_empty() {
        exam.saw("It selects no pod: its endpoints are kept by somebody else.");
    }
    let ready = pods.objects.iter().filter(|pod| serves(pod)).count();
    if !pods.objects.is_empty() {
        exam.saw(format!("{ready} of {} are ready.", super::backend::plural(pods.objects.len(), "pod")));
        let workloads = workload::of(exam.reader, &pods.objects);
        if !workloads.is_empty() {
            let workloads: Vec<_> = workloads.into_iter().collect();
            exam.saw(format!("Made by {}.", workloads.join(", ")));
        }
    }
    for pod in &pods.objects {
        let deadline = stuck_at(exam, pod);
        let stuck = deadline.is_some_and(|deadline| exam.reader.has_come(deadline));
        let found = if stuck { Some(terminating(pod)) } else { problem(pod) };
        let Some(found) = found else { continue };
        // Where others answer, one that doesn't is a loss, not an outage.
        let severity =
            if ready > 0 { found.check.severity.min(Severity::Warning) } else { found.check.severity };
        let object = ObjectRef::new("Pod", Some(&pod.metadata.namespace), &pod.metadata.name);
        exam.find_as(found.check, severity, &object, "", found.cause, found.action.to_owned());
    }
}

fn serves(pod: &Arc<Pod>) -> bool {
    pod.is_ready() && pod.metadata.deletion_timestamp.is_none()
}

/// From when on a pod that was deleted should be gone.
fn stuck_at(exam: &Exam<'_, '_>, pod: &Pod) -> Option<crate::clock::Timestamp> {
    // Kubernetes writes there when the grace period ends.
    let deadline = pod.metadata.deletion_timestamp?.timestamp()?;
    deadline.checked_add(exam.settings.grace).ok()
}

fn terminating(pod: &Pod) -> Problem {
    let finalizers = &pod.metadata.finalizers;
    let why = if finalizers.is_empty() {
        format!("its node {} has not reported its end", pod.spec.node_name)
    } else {
        format!("it waits for {}", finalizers.join(", "))
    };
    Problem::new(
        POD007,
        format!("It was deleted, and is still there: {why}."),
        "See whether its node is alive, or why its finalizers are not removed.",
    )
}

/// What keeps a pod from being ready; `None` for one that is, or that is on its way out.
pub(super) fn problem(pod: &Pod) -> Option<Problem> {
    if pod.is_ready() || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    scheduling(pod)
        .or_else(|| node(pod))
        .or_else(|| pod.status.init_container_statuses.iter().find_map(|container| init(pod, container)))
        .or_else(|| pod.status.container_statuses.iter().find_map(container))
        .or_else(|| not_ready(pod))
}

fn scheduling(pod: &Pod) -> Option<Problem> {
    let scheduled = pod.condition("PodScheduled").filter(|condition| condition.status == "False")?;
    let cause = format!("It can't be scheduled: {}.", says(&scheduled.message, &scheduled.reason));
    Some(Problem::new(POD003, cause, "Give it room, or change what it asks of nodes."))
}

fn node(pod: &Pod) -> Option<Problem> {
    // Of a node that says nothing any more, the node controller takes back that its pods are ready, and leaves all else as kubelet wrote it last: the
    // containers are ready still. Kubelet itself says so only of a pod that waits for a gate.
    let taken_back = |ready: &PodCondition| {
        ready.status == "False"
            && ready.reason != GATES
            && pod.condition("ContainersReady").is_some_and(|containers| containers.status == "True")
    };
    let lost = pod.condition("Ready").is_some_and(|ready| ready.status == "Unknown" || taken_back(ready))
        || pod.status.reason == "NodeLost";
    let cause = format!("Its node {} has stopped reporting.", pod.spec.node_name);
    lost.then(|| Problem::new(POD006, cause, "See whether the node is up and its kubelet runs."))
}

fn init(pod: &Pod, status: &ContainerStatus) -> Option<Problem> {
    let sidecar =
        pod.spec.init_containers.iter().any(|c| c.name == status.name && c.restart_policy == "Always");
    let done = status.state.terminated.as_ref().is_some_and(|end| end.exit_code == 0);
    if done || (sidecar && status.ready) {
        return None;
    }
    container(status).or_else(|| {
        let cause = format!("Init container {} has not ended yet.", status.name);
        Some(Problem::new(POD005, cause, "See what the init container waits for, in its log."))
    })
}

fn container(status: &ContainerStatus) -> Option<Problem> {
    let name = &status.name;
    if let Some(waiting) = &status.state.waiting {
        return match waiting.reason.as_str() {
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "RegistryUnavailable" => {
                let cause = format!(
                    "Container {name} can't pull {}: {}.",
                    status.image,
                    says(&waiting.message, &waiting.reason)
                );
                Some(Problem::new(
                    POD001,
                    cause,
                    "Correct the image's name, or give the pod what it needs to pull it.",
                ))
            }
            "CreateContainerConfigError" | "CreateContainerError" => {
                let cause =
                    format!("Container {name} can't be made: {}.", says(&waiting.message, &waiting.reason));
                Some(Problem::new(POD008, cause, "Create what is missing, or correct the reference."))
            }
            "CrashLoopBackOff" => Some(crash(status)),
            _ => None,
        };
    }
    (status.state.terminated.is_some() && status.restart_count > 0).then(|| crash(status))
}

fn crash(status: &ContainerStatus) -> Problem {
    let end = status.state.terminated.as_ref().or(status.last_state.terminated.as_ref());
    let how = match end {
        Some(end) if end.reason == "OOMKilled" => {
            format!("it was killed for want of memory (exit code {})", end.exit_code)
        }
        Some(end) if end.signal > 0 => format!("signal {} ended it", end.signal),
        Some(end) => format!("it ended with exit code {}", end.exit_code),
        None => "how it ended is not known".to_owned(),
    };
    let action = match end {
        Some(end) if end.reason == "OOMKilled" => "Raise its memory limit, or find out why it needs so much.",
        _ => "Read the log of its last run (kubectl logs --previous).",
    };
    let cause = format!(
        "Container {} crashes again and again ({} restarts): {how}.",
        status.name, status.restart_count
    );
    Problem::new(POD002, cause, action)
}

fn not_ready(pod: &Pod) -> Option<Problem> {
    let waiting =
        pod.status.container_statuses.iter().find(|status| status.state.running.is_some() && !status.ready);
    if let Some(status) = waiting {
        let probe = if status.started == Some(false) { "startup" } else { "readiness" };
        let cause = format!("Container {} runs, but its {probe} probe has not passed.", status.name);
        return Some(Problem::new(POD004, cause, "See what the probe asks and what the container answers."));
    }
    let ready = pod.condition("Ready").filter(|condition| condition.status == "False")?;
    let gate = ready.reason == GATES;
    let what = if gate { "a readiness gate is not passed" } else { "its containers have not started" };
    let cause = format!("It is not ready: {what}. {}", ready.message).trim_end().to_owned();
    Some(Problem::new(POD004, cause, "See the pod's conditions and events."))
}

/// What Kubernetes says, or else its reason.
fn says(message: &str, reason: &str) -> String {
    words::of(if message.is_empty() { reason } else { message })
}
